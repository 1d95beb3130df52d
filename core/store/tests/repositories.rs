//! Events, cursors, dead letters.

use super::*;

on_each_database!(
    acknowledged_events_survive_reopening_and_commits_are_synced,
    text_that_a_database_cannot_hold_is_stored_without_what_it_cannot,
    a_reader_that_follows_the_journal_misses_nothing_that_several_nodes_write,
    a_transaction_that_is_dropped_leaves_nothing_and_holds_up_nobody,
    nodes_that_start_together_agree_on_the_tables,
    an_event_counts_once_and_the_answer_says_which_were_new,
    large_batches_keep_the_order_of_their_events_and_pages_follow_the_cursor,
    a_sink_s_cursor_starts_where_told_and_never_goes_back,
    readers_cannot_write,
);

async fn acknowledged_events_survive_reopening_and_commits_are_synced(fresh: Fresh) {
    let store = fresh.open().await;
    let setting = |name: &'static str| {
        let store = store.clone();
        async move {
            let mut link = store.write().await.expect("a transaction");
            let row = sqlx::query(name).fetch_one(&mut *link).await.expect("answered");
            row.try_get::<String, _>(0).unwrap_or_else(|_| row.try_get::<i64, _>(0).expect("a number").to_string())
        }
    };
    match &fresh {
        Fresh::Sqlite(_) => {
            assert_eq!(setting("PRAGMA journal_mode").await, "wal");
            assert_eq!(setting("PRAGMA synchronous").await, "2", "FULL");
            assert_eq!(setting("PRAGMA foreign_keys").await, "1");
        }
        Fresh::Postgres(_) => assert_eq!(setting("SELECT current_setting('synchronous_commit')").await, "on"),
    }
    store.insert_events(&[event("a", "s", EventType::Start)]).await.expect("inserted");
    store.close().await;
    assert_eq!(fresh.open().await.events_after(&scope("a"), 0, 10).await.expect("read").len(), 1);
}

async fn an_event_counts_once_and_the_answer_says_which_were_new(fresh: Fresh) {
    let store = fresh.open().await;
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

async fn large_batches_keep_the_order_of_their_events_and_pages_follow_the_cursor(fresh: Fresh) {
    let store = fresh.open().await;
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

async fn a_sink_s_cursor_starts_where_told_and_never_goes_back(fresh: Fresh) {
    let store = fresh.open().await;
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

async fn readers_cannot_write(fresh: Fresh) {
    let store = fresh.open().await;
    let mut link = store.read().await.expect("a connection");
    assert!(sqlx::query("DELETE FROM events").execute(&mut link).await.is_err());
}

/// One viewer's odd request may not keep the events of all others from being counted.
async fn text_that_a_database_cannot_hold_is_stored_without_what_it_cannot(fresh: Fresh) {
    let store = fresh.open().await;
    let mut odd = event("a", "s", EventType::Start);
    odd.viewer = Some("th\0eirs \u{1F4FA}".into());
    odd.geo = "U\0S".into();
    assert_eq!(
        store.insert_events(&[odd, event("a", "t", EventType::Start)]).await.expect("inserted"),
        [Some(1), Some(2)]
    );
    let read = store.events_after(&scope("a"), 0, 10).await.expect("read");
    assert_eq!((read[0].event.viewer.as_deref(), &*read[0].event.geo), (Some("theirs \u{1F4FA}"), "US"));
}

/// Sinks read by cursor: an event that shows up behind one would never be delivered.
async fn a_reader_that_follows_the_journal_misses_nothing_that_several_nodes_write(fresh: Fresh) {
    let (a, b, reader) = (fresh.open().await, fresh.open().await, fresh.open().await);
    let write = |node: Store, name: &'static str| async move {
        for n in 0..40 {
            let events = [0, 1, 2].map(|part| event("a", &format!("{name}{n}-{part}"), EventType::Start));
            node.insert_events(&events).await.expect("inserted");
        }
    };
    let follow = async {
        let (mut cursor, mut seen) = (0, 0);
        while seen < 240 {
            let page = reader.events_after(&scope("a"), cursor, 50).await.expect("read");
            seen += page.len();
            cursor = page.last().map_or(cursor, |last| last.id);
        }
    };
    let all = async { tokio::join!(write(a, "a"), write(b, "b"), follow) };
    tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("every event is seen");
}

async fn a_transaction_that_is_dropped_leaves_nothing_and_holds_up_nobody(fresh: Fresh) {
    let store = fresh.open().await;
    for _ in 0..10 {
        let mut transaction = store.write().await.expect("a transaction");
        take(&mut transaction, "events", 1).await.expect("a number");
    }
    assert_eq!(store.events_head().await.expect("a number"), 0);
    let mut transaction = store.write().await.expect("a transaction");
    sqlx::query("SELECT nothing FROM nowhere").execute(&mut *transaction).await.expect_err("no such table");
    transaction.commit().await.expect_err("what failed is not called committed");
    store.insert_events(&[event("a", "s", EventType::Start)]).await.expect("inserted");
}

async fn nodes_that_start_together_agree_on_the_tables(fresh: Fresh) {
    let nodes = tokio::join!(fresh.open(), fresh.open(), fresh.open());
    nodes.2.insert_events(&[event("a", "s", EventType::Start)]).await.expect("inserted");
    assert_eq!(nodes.0.events_head().await.expect("a number"), 1);
}
