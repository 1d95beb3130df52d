//! Tenants, version by version.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::domain::Text;

on_each_database!(
    edits_make_one_version_and_those_that_change_nothing_make_none,
    the_last_edit_of_an_entity_counts,
    a_change_made_on_an_old_version_is_refused_and_leaves_nothing,
    a_deleted_tenant_keeps_its_history_and_numbers_and_loses_its_keys,
    the_audit_log_says_who_did_what_page_by_page,
    long_lists_of_edits_are_cut,
    an_entity_s_history_has_every_body_and_its_gaps,
    tenants_and_their_versions_are_listed_and_every_change_lets_the_generation_grow,
    what_cannot_be_stored_is_refused_by_name,
    large_changes_are_one_version,
    every_version_equals_the_replay_of_its_changes,
    concurrent_edits_of_one_tenant_are_never_lost,
    concurrent_first_changes_make_a_tenant_once,
);

pub(super) fn put(kind: Kind, name: &str, body: &str) -> Edit {
    Edit { kind, name: name.into(), body: Some(body.into()) }
}

pub(super) fn gone(kind: Kind, name: &str) -> Edit {
    Edit { kind, name: name.into(), body: None }
}

pub(super) fn author(actor: &str) -> Author {
    Author { actor: actor.into(), door: Door::Api, summary: format!("{actor} did it"), request: None }
}

fn entity(kind: Kind, name: &str, body: &str, since: i64) -> Entity {
    Entity { kind, name: name.into(), body: body.into(), since }
}

async fn entities(store: &Store, scope: &TenantScope) -> Vec<Entity> {
    store.state(scope).await.expect("read").expect("there").entities
}

async fn edits_make_one_version_and_those_that_change_nothing_make_none(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    assert_eq!(store.state(&a).await.expect("read"), None);
    let change = async |edits: &[Edit]| store.change(&a, None, edits, &author("me"), Moment(1)).await.expect("changed");
    assert_eq!(change(&[]).await, 0);
    assert_eq!(change(&[gone(Kind::Ad, "cola")]).await, 0);
    assert_eq!(store.state(&a).await.expect("read"), None);
    assert_eq!(
        change(&[put(Kind::Tenant, "a", "{}"), put(Kind::Ad, "cola", "1"), put(Kind::Ad, "Äb", "é\u{1F4FA}")]).await,
        1
    );
    assert_eq!(change(&[put(Kind::Ad, "cola", "1"), gone(Kind::Ad, "pepsi")]).await, 1);
    assert_eq!(
        change(&[put(Kind::Ad, "cola", "2"), put(Kind::Tenant, "a", "{}"), put(Kind::Channel, "cola", "n")]).await,
        2
    );
    let expect = [
        entity(Kind::Tenant, "a", "{}", 1),
        entity(Kind::Channel, "cola", "n", 2),
        entity(Kind::Ad, "cola", "2", 2),
        entity(Kind::Ad, "Äb", "é\u{1F4FA}", 1),
    ];
    assert_eq!(store.state(&a).await.expect("read"), Some(TenantState { version: 2, entities: expect.into() }));
    assert_eq!(change(&[gone(Kind::Ad, "cola")]).await, 3);
    assert_eq!(change(&[put(Kind::Ad, "cola", "2")]).await, 4);
    assert_eq!(entities(&store, &a).await[2], entity(Kind::Ad, "cola", "2", 4));
    assert_eq!(store.state(&scope("b")).await.expect("read"), None);
}

async fn the_last_edit_of_an_entity_counts(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let edits = [
        put(Kind::Ad, "x", "1"),
        gone(Kind::Ad, "y"),
        gone(Kind::Ad, "x"),
        put(Kind::Ad, "y", "1"),
        put(Kind::Ad, "x", "3"),
    ];
    assert_eq!(store.change(&a, Some(0), &edits, &author("me"), Moment(1)).await.expect("changed"), 1);
    assert_eq!(entities(&store, &a).await, [entity(Kind::Ad, "x", "3", 1), entity(Kind::Ad, "y", "1", 1)]);
    let edits = [gone(Kind::Ad, "x"), put(Kind::Ad, "x", "3")];
    assert_eq!(store.change(&a, Some(1), &edits, &author("me"), Moment(1)).await.expect("changed"), 1);
}

async fn a_change_made_on_an_old_version_is_refused_and_leaves_nothing(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let change = async |expected, body: &str| {
        let changed = store.change(&a, Some(expected), &[put(Kind::Ad, "x", body)], &author("me"), Moment(1)).await;
        changed.map_err(|error| match error {
            StoreError::Conflict { expected, found } => (expected, found),
            other => panic!("{other}"),
        })
    };
    assert_eq!(change(1, "a").await, Err((1, 0)), "there is nothing yet");
    assert!(store.tenants().await.expect("read").is_empty());
    assert_eq!(change(0, "a").await, Ok(1));
    assert_eq!(change(0, "b").await, Err((0, 1)), "it exists");
    assert_eq!(change(1, "b").await, Ok(2));
    let generation = store.generation().await.expect("a number");
    assert_eq!(change(1, "c").await, Err((1, 2)), "somebody was quicker");
    assert_eq!(change(1, "b").await, Err((1, 2)), "even where it changes nothing");
    assert_eq!(entities(&store, &a).await, [entity(Kind::Ad, "x", "b", 2)]);
    assert_eq!(store.generation().await.expect("a number"), generation);
    assert_eq!(store.changes(&a, None, 10).await.expect("read").len(), 2);
}

async fn a_deleted_tenant_keeps_its_history_and_numbers_and_loses_its_keys(fresh: Fresh) {
    let store = fresh.open().await;
    let (a, b) = (scope("a"), scope("b"));
    let missing = store.delete_tenant(&a, &author("me"), Moment(1)).await.expect_err("none");
    assert!(matches!(missing, StoreError::NoTenant { .. }), "{missing}");
    for scope in [&a, &b] {
        store.change(scope, Some(0), &[put(Kind::Ad, "x", "1")], &author("me"), Moment(1)).await.expect("changed");
        store.sink_cursor(scope, "webhook", 7, Moment(1)).await.expect("a cursor");
    }
    assert_eq!(store.delete_tenant(&a, &author("you"), Moment(2)).await.expect("deleted"), 2);
    assert_eq!(store.state(&a).await.expect("read"), None);
    assert_eq!(store.state_at(&a, 2).await.expect("read"), None);
    let before = store.state_at(&a, 1).await.expect("read").expect("kept");
    assert_eq!(before.entities, [entity(Kind::Ad, "x", "1", 1)]);
    let log = store.changes(&a, None, 1).await.expect("read");
    assert!(log[0].deleted && log[0].author == author("you"), "{log:?}");
    assert_eq!(log[0].edited, [(Kind::Ad, "x".to_owned(), Op::Removed)]);
    store.delete_tenant(&a, &author("you"), Moment(2)).await.expect_err("it is gone");
    // Who asks for a new tenant gets an empty one.
    let edits = [put(Kind::Ad, "y", "1")];
    assert_eq!(store.change(&a, Some(0), &edits, &author("me"), Moment(3)).await.expect("changed"), 3);
    assert_eq!(entities(&store, &a).await, [entity(Kind::Ad, "y", "1", 3)]);
    assert_eq!(store.sink_cursor(&a, "webhook", 20, Moment(3)).await.expect("a cursor"), 20);
    assert_eq!(store.sink_cursor(&b, "webhook", 20, Moment(3)).await.expect("a cursor"), 7);
    assert_eq!(entities(&store, &b).await, [entity(Kind::Ad, "x", "1", 1)]);
}

async fn the_audit_log_says_who_did_what_page_by_page(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let steps: [&[Edit]; 4] = [
        &[put(Kind::Tenant, "a", "{}"), put(Kind::Ad, "x", "1"), put(Kind::Ad, "y", "1")],
        &[put(Kind::Ad, "x", "2"), gone(Kind::Ad, "y"), put(Kind::Script, "rules/a.rhai", "fn f() {}")],
        &[put(Kind::Ad, "y", "1")],
        &[put(Kind::Ad, "y", "2")],
    ];
    for (step, edits) in steps.into_iter().enumerate() {
        let mut author = author(&format!("person {step}"));
        author.door = Door::ALL[step];
        let at = Moment(i64::try_from(step).expect("small") + 10);
        store.change(&a, None, edits, &author, at).await.expect("changed");
    }
    let (first, second) =
        (store.changes(&a, None, 3).await.expect("read"), store.changes(&a, Some(2), 3).await.expect("read"));
    assert_eq!(first.iter().map(|change| change.version).collect::<Vec<_>>(), [4, 3, 2]);
    assert_eq!(second.iter().map(|change| change.version).collect::<Vec<_>>(), [1]);
    let line = &first[2];
    assert_eq!((line.at, line.author.door, line.author.actor.as_str()), (Moment(11), Door::Apply, "person 1"));
    assert_eq!((line.author.summary.as_str(), line.deleted, line.more), ("person 1 did it", false, false));
    let op = |kind, name: &str, op| (kind, name.to_owned(), op);
    assert_eq!(
        line.edited,
        [op(Kind::Ad, "x", Op::Changed), op(Kind::Ad, "y", Op::Removed), op(Kind::Script, "rules/a.rhai", Op::Added)]
    );
    assert_eq!(first[1].edited, [op(Kind::Ad, "y", Op::Added)]);
    assert!(store.changes(&scope("b"), None, 10).await.expect("read").is_empty());
}

async fn long_lists_of_edits_are_cut(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    for (body, count) in [("1", MAX_LISTED_EDITS), ("2", MAX_LISTED_EDITS), ("3", MAX_LISTED_EDITS + 1)] {
        let edits: Vec<Edit> = (0..count).map(|n| put(Kind::Ad, &format!("{n}"), body)).collect();
        store.change(&a, None, &edits, &author("me"), Moment(1)).await.expect("changed");
    }
    let changes = store.changes(&a, None, 3).await.expect("read");
    let seen: Vec<_> = changes.iter().map(|change| (change.edited.len(), change.more)).collect();
    assert_eq!(seen, [(MAX_LISTED_EDITS, true), (MAX_LISTED_EDITS, false), (MAX_LISTED_EDITS, false)]);
}

async fn an_entity_s_history_has_every_body_and_its_gaps(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    for edit in [
        put(Kind::Ad, "x", "1"),
        put(Kind::Ad, "x", "2"),
        gone(Kind::Ad, "x"),
        put(Kind::Ad, "y", "1"),
        put(Kind::Ad, "x", "1"),
    ] {
        store.change(&a, None, &[edit], &author("me"), Moment(1)).await.expect("changed");
    }
    let all = store.history(&a, Kind::Ad, "x", None, 10).await.expect("read");
    let x = |body, since| entity(Kind::Ad, "x", body, since);
    assert_eq!(all, [(x("1", 5), None), (x("2", 2), Some(3)), (x("1", 1), Some(2))]);
    assert_eq!(store.history(&a, Kind::Ad, "x", None, 1).await.expect("read"), all[..1]);
    assert_eq!(store.history(&a, Kind::Ad, "x", Some(5), 1).await.expect("read"), all[1..2]);
    assert!(store.history(&a, Kind::Channel, "x", None, 10).await.expect("read").is_empty());
    assert!(store.history(&scope("b"), Kind::Ad, "x", None, 10).await.expect("read").is_empty());
}

async fn tenants_and_their_versions_are_listed_and_every_change_lets_the_generation_grow(fresh: Fresh) {
    let store = fresh.open().await;
    let start = store.generation().await.expect("a number");
    for (name, body) in [("b-1", "1"), ("a_1", "1"), ("b-1", "2"), ("b", "1"), ("b-1", "2")] {
        store.change(&scope(name), None, &[put(Kind::Ad, "x", body)], &author("me"), Moment(1)).await.expect("changed");
    }
    let tenants = store.tenants().await.expect("read");
    let tenants: Vec<_> = tenants.iter().map(|(slug, version)| (slug.as_str(), *version)).collect();
    assert_eq!(tenants, [("a_1", 1), ("b", 1), ("b-1", 2)], "in the order of bytes, whatever the server's locale");
    assert_eq!(store.generation().await.expect("a number"), start + 4);
    store.delete_tenant(&scope("b"), &author("me"), Moment(1)).await.expect("deleted");
    assert_eq!(store.generation().await.expect("a number"), start + 5);
}

async fn what_cannot_be_stored_is_refused_by_name(fresh: Fresh) {
    let store = fresh.open().await;
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let check = async |edit: Edit, expect: &str| {
        let refused = store.change(&scope("a"), None, &[edit], &author("me"), Moment(1)).await;
        let error = refused.expect_err("refused");
        assert!(error.to_string().contains(expect) && error.kind() == "unstorable", "{error}");
    };
    check(put(Kind::Script, "rules/a.rhai", "fn\0f"), "script `rules/a.rhai` contains a NUL").await;
    check(put(Kind::Script, "a\0b", ""), "script `a\\0b` contains a NUL").await;
    check(put(Kind::Script, "", ""), "has no name").await;
    check(put(Kind::Script, &long, ""), "too long").await;
    // As long as allowed, and nothing that can be compressed.
    let name: String =
        (0..MAX_NAME_BYTES).map(|n| char::from(b'!' + u8::try_from(n * n * 31 % 93).expect("small"))).collect();
    store.change(&scope("a"), None, &[put(Kind::Script, &name, "")], &author("me"), Moment(1)).await.expect("stored");
    assert_eq!(entities(&store, &scope("a")).await, [entity(Kind::Script, &name, "", 1)]);
}

async fn large_changes_are_one_version(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let ads = |body: &str| (0..1_234).map(|n| put(Kind::Ad, &format!("ad-{n:04}"), body)).collect::<Vec<_>>();
    assert_eq!(store.change(&a, None, &ads("1"), &author("me"), Moment(1)).await.expect("changed"), 1);
    let mut edits = ads("1");
    edits[700].body = None;
    edits[1_100].body = Some("2".into());
    edits.push(put(Kind::Ad, "new", "1"));
    edits.push(gone(Kind::Ad, "never there"));
    assert_eq!(store.change(&a, Some(1), &edits, &author("me"), Moment(1)).await.expect("changed"), 2);
    let state = entities(&store, &a).await;
    assert_eq!(state.len(), 1_234);
    let newer: Vec<_> = state.iter().filter(|entity| entity.since == 2).collect();
    assert_eq!(newer, [&entity(Kind::Ad, "ad-1100", "2", 2), &entity(Kind::Ad, "new", "1", 2)]);
    let line = &store.changes(&a, None, 1).await.expect("read")[0];
    let ops = [("ad-0700", Op::Removed), ("ad-1100", Op::Changed), ("new", Op::Added)];
    assert_eq!(line.edited, ops.map(|(name, op)| (Kind::Ad, name.to_owned(), op)));
    assert_eq!(store.change(&a, Some(2), &edits, &author("me"), Moment(1)).await.expect("changed"), 2);
    assert_eq!(store.state_at(&a, 1).await.expect("read").expect("there").entities.len(), 1_234);
}

/// The model: a map, changed edit by edit, with a copy for each version.
async fn every_version_equals_the_replay_of_its_changes(fresh: Fresh) {
    let store = fresh.open().await;
    let edit =
        (0..3usize, 0..4usize, prop::option::weighted(0.7, 0..BODIES.len())).prop_map(|(kind, name, body)| Edit {
            kind: [Kind::Tenant, Kind::Ad, Kind::Script][kind],
            name: ["a", "b", "B", "ä"][name].into(),
            body: body.map(|body| BODIES[body].into()),
        });
    // An empty list deletes the tenant.
    let changes = prop::collection::vec(prop::collection::vec(edit, 0..6), 1..15);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let runtime = tokio::runtime::Handle::current();
    let case = Cell::new(0);
    let result = tokio::task::block_in_place(|| {
        runner.run(&changes, |changes| {
            case.set(case.get() + 1);
            runtime.block_on(replay(&store, &scope(&format!("case-{}", case.get())), &changes));
            Ok(())
        })
    });
    result.expect("the model and the tables agree");
}

/// Some stand in their rows, some are as long as what does not, and one nearly.
const BODIES: [&str; 6] = ["", "1", "2", "1234567", "12345678", "a long body, é\u{1F4FA}"];

type Model = BTreeMap<(Kind, String), (Text, i64)>;

async fn replay(store: &Store, scope: &TenantScope, changes: &[Vec<Edit>]) {
    let mut versions: Vec<Option<Model>> = vec![None];
    for edits in changes {
        let version = i64::try_from(versions.len()).expect("small");
        let now = versions.last().cloned().flatten();
        if edits.is_empty() {
            let deleted = store.delete_tenant(scope, &author("me"), Moment(version)).await;
            assert_eq!(deleted.is_ok(), now.is_some());
            if now.is_some() {
                versions.push(None);
            }
            continue;
        }
        let mut next = now.clone().unwrap_or_default();
        let last: BTreeMap<_, _> =
            edits.iter().map(|edit| ((edit.kind, edit.name.clone()), edit.body.clone())).collect();
        for (key, body) in last {
            match body {
                Some(body) if next.get(&key).is_none_or(|(old, _)| *old != body) => {
                    next.insert(key, (body, version));
                }
                Some(_) => {}
                None => {
                    next.remove(&key);
                }
            }
        }
        let at = if now.is_some() { version - 1 } else { 0 };
        let changed = store.change(scope, Some(at), edits, &author("me"), Moment(version)).await.expect("changed");
        let effective = next != now.clone().unwrap_or_default();
        assert_eq!(changed, if effective { version } else { at });
        if effective {
            versions.push(Some(next));
        }
    }
    let latest = i64::try_from(versions.len() - 1).expect("small");
    assert_eq!(store.state(scope).await.expect("read"), versions.last().cloned().flatten().map(|m| state(latest, m)));
    let log = store.changes(scope, None, 100).await.expect("read");
    assert_eq!(log.len() + 1, versions.len());
    for (number, model) in versions.iter().enumerate() {
        let version = i64::try_from(number).expect("small");
        let expect = model.clone().map(|model| state(version, model));
        assert_eq!(store.state_at(scope, version).await.expect("read"), expect, "version {version}");
        if number > 0 {
            let line = log.iter().find(|line| line.version == version).expect("in the log");
            assert_eq!(line.edited, difference(versions[number - 1].as_ref(), model.as_ref()), "version {version}");
        }
    }
    assert_eq!(store.state_at(scope, latest + 1).await.expect("read"), None);
}

fn state(version: i64, model: Model) -> TenantState {
    let entities = model.into_iter().map(|((kind, name), (body, since))| Entity { kind, name, body, since }).collect();
    TenantState { version, entities }
}

fn difference(before: Option<&Model>, after: Option<&Model>) -> Vec<(Kind, String, Op)> {
    let none = Model::new();
    let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let op = match (before.get(key), after.get(key)) {
                (None, _) => Op::Added,
                (_, None) => Op::Removed,
                (old, new) if old != new => Op::Changed,
                _ => return None,
            };
            Some((key.0, key.1.clone(), op))
        })
        .collect()
}

async fn concurrent_edits_of_one_tenant_are_never_lost(fresh: Fresh) {
    const TASKS: i64 = 16;
    const ROUNDS: i64 = 5;
    let nodes = [fresh.open().await, fresh.open().await];
    nodes[0]
        .change(&scope("a"), Some(0), &[put(Kind::Ad, "sum", "0")], &author("me"), Moment(1))
        .await
        .expect("changed");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = nodes[usize::try_from(task).expect("small") % 2].clone();
        tasks.spawn(async move {
            let a = scope("a");
            for _ in 0..ROUNDS {
                loop {
                    let state = store.state(&a).await.expect("read").expect("there");
                    let sum: i64 = state.entities[0].body.parse().expect("a number");
                    let edit = put(Kind::Ad, "sum", &(sum + 1).to_string());
                    match store.change(&a, Some(state.version), &[edit], &author("me"), Moment(1)).await {
                        Ok(version) => break assert_eq!(version, state.version + 1),
                        Err(StoreError::Conflict { expected, found }) => assert!(found > expected),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    tokio::time::timeout(Duration::from_secs(120), tasks.join_all()).await.expect("done");
    let state = nodes[1].state(&scope("a")).await.expect("read").expect("there");
    assert_eq!((state.version, state.entities[0].body.to_string()), (TASKS * ROUNDS + 1, (TASKS * ROUNDS).to_string()));
    let history = nodes[0].history(&scope("a"), Kind::Ad, "sum", None, 1_000).await.expect("read");
    let sums: Vec<i64> = history.iter().rev().map(|(entity, _)| entity.body.parse().expect("a number")).collect();
    assert_eq!(sums, (0..=TASKS * ROUNDS).collect::<Vec<_>>());
}

async fn concurrent_first_changes_make_a_tenant_once(fresh: Fresh) {
    let nodes = [fresh.open().await, fresh.open().await];
    let first = async |node: &Store, name: &str| {
        node.change(&scope("a"), Some(0), &[put(Kind::Ad, name, "1")], &author(name), Moment(1)).await
    };
    let (x, y, z) = tokio::join!(first(&nodes[0], "x"), first(&nodes[1], "y"), first(&nodes[0], "z"));
    let mut made: Vec<_> = [x, y, z].into_iter().map(|made| made.map_err(|error| error.kind())).collect();
    made.sort();
    assert_eq!(made, [Ok(1), Err("conflict"), Err("conflict")]);
}
