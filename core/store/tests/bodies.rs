//! Large bodies: stored once, held once, and read by those who have them.

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    entities::{author, gone, put},
    *,
};
use crate::{domain::Text, store::bodies::LARGE_BYTES};

on_each_database!(
    equal_large_bodies_are_one_row_and_one_text_whoever_has_them,
    what_is_held_is_not_read_and_what_nobody_holds_is_let_go,
    a_body_that_changed_is_still_there_for_earlier_versions,
    a_hash_of_another_s_body_reads_nothing,
    an_equal_large_body_is_no_change_however_it_is_stored,
    what_is_stored_comes_back_equal_whatever_its_size,
    a_damaged_body_is_refused_by_its_hash,
    a_list_of_versions_reads_no_large_body_and_says_how_each_begins_and_its_size_and_hash,
    changes_that_bring_the_same_bodies_at_once_do_not_wait_for_each_other_for_ever,
);

const LARGE: &str = "as large as a plugin";

async fn count(store: &Store, what: &'static str) -> i64 {
    sqlx::query(what).fetch_one(&store.writers).await.expect("an answer").try_get(0).expect("a number")
}

async fn stored(store: &Store) -> i64 {
    count(store, "SELECT COUNT(*) FROM bodies").await
}

async fn change(store: &Store, scope: &TenantScope, edits: &[Edit]) -> i64 {
    store.change(scope, None, edits, &author("me"), Moment(1)).await.expect("changed")
}

async fn bodies(store: &Store, scope: &TenantScope) -> Vec<Text> {
    let state = store.state(scope).await.expect("read").expect("there");
    state.entities.into_iter().map(|entity| entity.body).collect()
}

async fn equal_large_bodies_are_one_row_and_one_text_whoever_has_them(fresh: Fresh) {
    let store = fresh.open().await;
    let (a, b) = (scope("a"), scope("b"));
    change(&store, &a, &[put(Kind::Script, "x", LARGE), put(Kind::Script, "y", LARGE), put(Kind::Ad, "x", "1")]).await;
    change(&store, &b, &[put(Kind::Ad, "z", LARGE)]).await;
    assert_eq!(stored(&store).await, 1);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM entities WHERE body_hash IS NULL").await, 1, "what is small");
    let node = fresh.open().await;
    let (of_a, of_b) = (bodies(&node, &a).await, bodies(&node, &b).await);
    assert_eq!(of_a, ["1", LARGE, LARGE].map(Text::from));
    assert!(of_a[1].is_shared_with(&of_a[2]) && of_a[1].is_shared_with(&of_b[0]));
    assert!(node.shared(LARGE.into()).is_shared_with(&of_b[0]), "whichever way it comes in");
    let of_the_past = node.history(&a, Kind::Script, "x", None, 1).await.expect("read");
    assert!(of_the_past[0].0.body.is_shared_with(&of_b[0]));
}

async fn what_is_held_is_not_read_and_what_nobody_holds_is_let_go(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    change(&store, &a, &[put(Kind::Script, "x", LARGE)]).await;
    let held = bodies(&store, &a).await;
    let body = held[0].downgrade();
    sqlx::query("DELETE FROM bodies").execute(&store.writers).await.expect("deleted");
    assert_eq!(bodies(&store, &a).await, held, "it was not read");
    drop(held);
    assert!(!body.is_held(), "nothing is kept for itself");
    store.state(&a).await.expect_err("now it is read");
}

async fn a_body_that_changed_is_still_there_for_earlier_versions(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let versions = [LARGE, "another large body", "small"];
    for body in versions {
        change(&store, &a, &[put(Kind::Script, "x", body)]).await;
    }
    change(&store, &a, &[gone(Kind::Script, "x")]).await;
    store.delete_tenant(&a, &author("me"), Moment(1)).await.expect("deleted");
    let node = fresh.open().await;
    for (version, body) in (1..).zip(versions) {
        let state = node.state_at(&a, version).await.expect("read").expect("there");
        assert_eq!(&*state.entities[0].body, body);
    }
    let history = node.history(&a, Kind::Script, "x", None, 10).await.expect("read");
    let history: Vec<_> = history.iter().map(|(entity, until)| (&*entity.body, entity.since, *until)).collect();
    assert_eq!(history, [(versions[2], 3, Some(4)), (versions[1], 2, Some(3)), (LARGE, 1, Some(2))]);
    assert_eq!(change(&node, &a, &[put(Kind::Script, "x", LARGE)]).await, 6);
    assert_eq!((bodies(&node, &a).await, stored(&node).await), (vec![LARGE.into()], 2));
}

async fn a_hash_of_another_s_body_reads_nothing(fresh: Fresh) {
    let store = fresh.open().await;
    let (a, b) = (scope("a"), scope("b"));
    change(&store, &a, &[put(Kind::Script, "x", LARGE)]).await;
    change(&store, &b, &[put(Kind::Script, "x", "1")]).await;
    let node = fresh.open().await;
    let mut link = node.read().await.expect("a connection");
    let rows = || {
        let entity = Entity { kind: Kind::Script, name: "x".into(), body: Text::default(), since: 1 };
        vec![(entity, Some(Text::from(LARGE).digest().to_owned()))]
    };
    node.with_bodies(&mut link, &b, rows()).await.expect_err("it is not theirs");
    assert_eq!(&*node.with_bodies(&mut link, &a, rows()).await.expect("read")[0].body, LARGE);
}

async fn an_equal_large_body_is_no_change_however_it_is_stored(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    // Few edits are looked up, many are compared.
    let few = [put(Kind::Script, "x", LARGE), put(Kind::Script, "y", "1")];
    let many: Vec<Edit> = (0..10).map(|n| put(Kind::Ad, &n.to_string(), LARGE)).chain(few.clone()).collect();
    assert_eq!(change(&store, &a, &many).await, 1);
    assert_eq!((change(&store, &a, &few).await, change(&store, &a, &many).await), (1, 1));
    // As they were written before there was a table of bodies.
    sqlx::query("UPDATE entities SET body = $1, body_hash = NULL WHERE body_hash IS NOT NULL")
        .bind(LARGE)
        .execute(&store.writers)
        .await
        .expect("changed");
    assert_eq!((change(&store, &a, &few).await, change(&store, &a, &many).await), (1, 1));
    let node = fresh.open().await;
    let read = bodies(&node, &a).await;
    assert!(read.iter().filter(|body| &***body == LARGE).all(|body| body.is_shared_with(&read[0])), "{read:?}");
    assert_eq!(change(&store, &a, &[put(Kind::Script, "x", "another large body")]).await, 2);
    assert_eq!(change(&store, &a, &[put(Kind::Script, "x", "")]).await, 3);
    assert_eq!(change(&store, &a, &[put(Kind::Script, "x", "")]).await, 3);
}

async fn what_is_stored_comes_back_equal_whatever_its_size(fresh: Fresh) {
    let (store, node) = (fresh.open().await, fresh.open().await);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let runtime = tokio::runtime::Handle::current();
    let unit = prop::sample::select(vec!["x", "é", "\u{1F4FA}", "ab'c", "\\\n"]);
    let sizes = prop_oneof![0..2 * LARGE_BYTES, Just(LARGE_BYTES), Just(70_000usize)];
    let result = tokio::task::block_in_place(|| {
        runner.run(&(unit, sizes), |(unit, times)| {
            let (text, a) = (unit.repeat(times), scope("a"));
            runtime.block_on(async {
                change(&store, &a, &[put(Kind::Script, "x", &text)]).await;
                assert_eq!(&*bodies(&node, &a).await[0], text);
            });
            Ok(())
        })
    });
    result.expect("the same text");
    // As large as a plugin may be, packed.
    let text = "0123456789abcdef".repeat(2 * 1024 * 1024);
    change(&store, &scope("a"), &[put(Kind::Script, "x", &text)]).await;
    assert!(*bodies(&node, &scope("a")).await[0] == *text);
}

async fn a_damaged_body_is_refused_by_its_hash(fresh: Fresh) {
    let store = fresh.open().await;
    change(&store, &scope("a"), &[put(Kind::Script, "x", LARGE)]).await;
    sqlx::query("UPDATE bodies SET body = 'something else'").execute(&store.writers).await.expect("changed");
    let error = fresh.open().await.state(&scope("a")).await.expect_err("it is another").to_string();
    assert!(error.contains("is damaged") && error.contains(Text::from(LARGE).digest()), "{error}");
}

async fn a_list_of_versions_reads_no_large_body_and_says_how_each_begins_and_its_size_and_hash(fresh: Fresh) {
    let store = fresh.open().await;
    let a = scope("a");
    let large = format!("größer{}", "x".repeat(100_000));
    for body in [LARGE, "é", &large, ""] {
        change(&store, &a, &[put(Kind::Script, "x", body)]).await;
    }
    change(&store, &a, &[gone(Kind::Script, "x")]).await;
    let listed = async |before, limit| store.stretches(&a, Kind::Script, "x", before, limit).await.expect("read");
    let stretch = |since: i64, body: &str, known: bool| Stretch {
        since,
        until: Some(since + 1),
        bytes: body.len(),
        head: body.chars().take(HEAD_CHARS).collect(),
        sha256: known.then(|| Text::from(body).digest().to_owned()),
    };
    let expected = [stretch(4, "", true), stretch(3, &large, true), stretch(2, "é", true), stretch(1, LARGE, true)];
    assert_eq!(listed(None, 10).await, expected);
    assert_eq!(listed(Some(4), 2).await, expected[1..3]);
    assert!(store.stretches(&scope("b"), Kind::Script, "x", None, 9).await.expect("read").is_empty());
    // One who read them would find them damaged.
    sqlx::query("UPDATE bodies SET body = substr(body, 1, 7) || '!' || substr(body, 9)")
        .execute(&store.writers)
        .await
        .expect("changed");
    let sizes: Vec<usize> = listed(None, 10).await.iter().map(|stretch| stretch.bytes).collect();
    assert_eq!(sizes, expected.iter().map(|stretch| stretch.bytes).collect::<Vec<_>>());
    fresh.open().await.history(&a, Kind::Script, "x", None, 10).await.expect_err("it reads them");
    // As they were written before there was a table of bodies.
    sqlx::query("UPDATE entities SET body = $1, body_hash = NULL WHERE since = 3")
        .bind(&*large)
        .execute(&store.writers)
        .await
        .expect("changed");
    assert_eq!(listed(Some(4), 1).await, [stretch(3, &large, false)]);
}

async fn changes_that_bring_the_same_bodies_at_once_do_not_wait_for_each_other_for_ever(fresh: Fresh) {
    let nodes = [fresh.open().await, fresh.open().await];
    let texts: Vec<String> = (0..20).map(|n| format!("a large body {n}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8usize {
        let (store, mut texts) = (nodes[task % 2].clone(), texts.clone());
        texts.rotate_left(task * 2);
        tasks.spawn(async move {
            let edits: Vec<Edit> =
                texts.iter().enumerate().map(|(n, text)| put(Kind::Ad, &n.to_string(), text)).collect();
            change(&store, &scope(&format!("t-{task}")), &edits).await
        });
    }
    let versions = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await.expect("done");
    assert_eq!((versions, stored(&nodes[0]).await), (vec![1; 8], 20));
}
