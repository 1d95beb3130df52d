//! The repositories against real files.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{AvailId, Beaconing, DeviceType, Event, EventType, Moment};

pub(crate) async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_file(&folder.path().join("sub folder/é%?#.db")).await.expect("opens");
    (folder, store)
}

fn scope(tenant: &str) -> TenantScope {
    TenantScope::new(tenant.parse().expect("a slug"))
}

pub(crate) fn event(tenant: &str, session: &str, event_type: EventType) -> Event {
    Event {
        tenant: tenant.parse().expect("a slug"),
        channel: "news".parse().expect("a slug"),
        session: session.into(),
        viewer: Some("theirs".into()),
        avail: AvailId::new("break-1"),
        pod_position: 0,
        ad: "cola".parse().expect("a slug"),
        campaign: Some("summer".parse().expect("a slug")),
        event_type,
        time: Moment(1_700_000_000_000_000),
        device: DeviceType::SmartTv,
        geo: "US".into(),
        counted_by: Beaconing::Segment,
    }
}

fn files(text: &str) -> BundleFiles {
    BTreeMap::from([
        ("tenant.yaml".to_owned(), text.to_owned()),
        ("rules/a.rhai".to_owned(), "fn judge() {}".to_owned()),
    ])
}

#[tokio::test]
async fn acknowledged_events_survive_reopening_and_commits_are_synced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = Store::open_file(&path).await.expect("opens");
    let pragma = |name: &'static str| {
        let store = store.clone();
        async move {
            let row = sqlx::query(name).fetch_one(&store.writer).await.expect("answered");
            row.try_get::<String, _>(0).unwrap_or_else(|_| row.try_get::<i64, _>(0).expect("a number").to_string())
        }
    };
    assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma("PRAGMA synchronous").await, "2", "FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await, "1");
    assert_eq!(pragma("PRAGMA busy_timeout").await, "5000");
    store.insert_events(&[event("a", "s", EventType::Start)]).await.expect("inserted");
    store.close().await;
    let again = Store::open_file(&path).await.expect("opens again");
    assert_eq!(again.events_after(&scope("a"), 0, 10).await.expect("read").len(), 1);
}

#[tokio::test]
async fn an_event_counts_once_and_the_answer_says_which_were_new() {
    let (_folder, store) = store().await;
    let (start, complete) = (event("a", "s", EventType::Start), event("a", "s", EventType::Complete));
    let other_tenant = event("b", "s", EventType::Start);
    let first = store.insert_events(&[start.clone(), start.clone(), other_tenant.clone()]).await.expect("inserted");
    assert_eq!(first, [Some(1), None, Some(3)]);
    let second = store.insert_events(&[complete.clone(), start.clone()]).await.expect("inserted");
    assert_eq!(second, [Some(4), None]);
    let read = store.events_after(&scope("a"), 0, 10).await.expect("read");
    assert_eq!(read, [StoredEvent { id: 1, event: start }, StoredEvent { id: 4, event: complete }]);
    assert_eq!(
        store.events_after(&scope("b"), 0, 10).await.expect("read"),
        [StoredEvent { id: 3, event: other_tenant }]
    );
    let counts = store.event_counts(&scope("a")).await.expect("counted");
    assert_eq!(counts, [("complete".to_owned(), 1), ("start".to_owned(), 1)]);
    assert_eq!(store.events_head().await.expect("a head"), 5);
}

#[tokio::test]
async fn large_batches_keep_the_order_of_their_events_and_pages_follow_the_cursor() {
    let (_folder, store) = store().await;
    let mut events: Vec<Event> = (0..2_345).map(|n| event("a", &format!("s{n}"), EventType::Impression)).collect();
    events[77].campaign = None;
    events.insert(2_000, events[5].clone());
    let ids = store.insert_events(&events).await.expect("inserted");
    assert_eq!(ids.len(), events.len());
    assert_eq!(ids.iter().filter(|id| id.is_none()).count(), 1);
    assert_eq!(ids[2_000], None);
    let (mut cursor, mut read) = (0, Vec::new());
    loop {
        let page = store.events_after(&scope("a"), cursor, 500).await.expect("read");
        let Some(last) = page.last() else { break };
        cursor = last.id;
        read.extend(page.into_iter().map(|stored| stored.event));
    }
    events.remove(2_000);
    assert_eq!(read, events);
}

#[tokio::test]
async fn identical_bundles_make_no_version_and_old_content_can_come_back() {
    let (_folder, store) = store().await;
    let (a, b) = (scope("a"), scope("b"));
    let generation = store.bundle_generation().await.expect("a number");
    let mut put = Vec::new();
    for text in ["one", "one", "two", "one"] {
        put.push(store.put_bundle(&a, &files(text), Moment(7)).await.expect("put"));
    }
    assert_eq!(put, [Applied::New(1), Applied::Unchanged(1), Applied::New(2), Applied::New(3)]);
    assert_eq!(store.put_bundle(&b, &files("one"), Moment(8)).await.expect("put"), Applied::New(1));
    assert_eq!(store.bundle_generation().await.expect("a number"), generation + 4);
    let latest = store.latest_bundle(&a).await.expect("read").expect("there");
    assert_eq!((latest.version, &latest.files, latest.applied_at), (3, &files("one"), Moment(7)));
    assert_eq!(latest.hash, content_hash(&files("one")));
    let all = store.latest_bundles().await.expect("read");
    assert_eq!(
        all.iter().map(|bundle| (bundle.tenant.as_str(), bundle.version)).collect::<Vec<_>>(),
        [("a", 3), ("b", 1)]
    );
    let history = store.bundle_history(&a, 2).await.expect("read");
    assert_eq!(history.iter().map(|bundle| bundle.version).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(store.latest_bundle(&scope("c")).await.expect("read"), None);
}

#[tokio::test]
async fn another_process_s_apply_is_noticed_and_writers_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let server = Store::open_file(&path).await.expect("opens");
    let apply = Store::open_file(&path).await.expect("opens beside it");
    let before = server.bundle_generation().await.expect("a number");
    let (x, y) = (scope("x"), scope("y"));
    let (mine, theirs) = tokio::join!(
        async {
            for n in 0..20 {
                server.put_bundle(&x, &files(&n.to_string()), Moment(0)).await.expect("no busy error");
            }
        },
        async {
            for n in 0..20 {
                apply.put_bundle(&y, &files(&n.to_string()), Moment(0)).await.expect("no busy error");
            }
        }
    );
    assert_eq!((mine, theirs), ((), ()));
    assert_eq!(server.bundle_generation().await.expect("a number"), before + 40);
    assert_eq!(server.latest_bundle(&y).await.expect("read").map(|bundle| bundle.version), Some(20));
}

#[tokio::test]
async fn a_sink_s_cursor_starts_where_told_and_never_goes_back() {
    let (_folder, store) = store().await;
    let a = scope("a");
    assert_eq!(store.sink_cursor(&a, "webhook", 5, Moment(0)).await.expect("a cursor"), 5);
    store.advance_sink(&a, "webhook", 9, Moment(1)).await.expect("moved");
    store.advance_sink(&a, "webhook", 7, Moment(2)).await.expect("ignored");
    assert_eq!(store.sink_cursor(&a, "webhook", 99, Moment(3)).await.expect("a cursor"), 9);
    assert_eq!(store.sink_cursor(&scope("b"), "webhook", 1, Moment(3)).await.expect("a cursor"), 1);
    let letter = DeadLetter {
        sink: "webhook".into(),
        first_event: 10,
        last_event: 12,
        attempts: 8,
        error: "503".into(),
        time: Moment(4),
    };
    store.give_up(&a, &letter).await.expect("written");
    assert_eq!(store.dead_letters(&a, 10).await.expect("read"), [letter]);
    assert_eq!(store.sink_cursor(&a, "webhook", 0, Moment(5)).await.expect("a cursor"), 12);
    assert!(store.dead_letters(&scope("b"), 10).await.expect("read").is_empty());
}

#[tokio::test]
async fn urls_that_would_lose_data_or_need_another_build_are_refused() {
    for url in ["sqlite::memory:", "postgres://localhost/x", "/tmp/x.db"] {
        assert!(matches!(Store::open(url).await, Err(StoreError::Url { .. })), "{url}");
    }
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, store) = store().await;
    assert!(sqlx::query("DELETE FROM events").execute(&store.readers).await.is_err());
}
