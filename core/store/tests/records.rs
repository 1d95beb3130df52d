//! Idempotent requests and records of decisions.

use super::*;
use crate::domain::{Slug, Span};

on_each_database!(
    a_repeated_request_gets_the_first_answer,
    a_key_means_one_request_of_one_owner,
    of_requests_that_come_together_one_is_done,
    a_forgotten_request_may_be_done_at_once_and_one_that_died_after_a_while,
    answers_are_kept_a_day,
    decisions_are_read_by_time_page_by_page,
    a_batch_of_decisions_may_be_sent_again,
    old_decisions_are_swept,
);

async fn begin(store: &Store, hash: &str, now: Moment) -> Idempotent {
    store.idempotent_begin("key 1", "order-7", hash, now).await.expect("answered")
}

fn ticket(begun: Idempotent) -> IdempotencyTicket {
    match begun {
        Idempotent::Fresh(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

async fn a_repeated_request_gets_the_first_answer(fresh: Fresh) {
    let store = fresh.open().await;
    let first = ticket(begin(&store, "h", Moment(1)).await);
    assert_eq!(begin(&store, "h", Moment(2)).await, Idempotent::Busy);
    let headers = vec![("location".to_owned(), "/ads/é".to_owned()), ("etag".to_owned(), "\"4\"".to_owned())];
    store.idempotent_finish(&first, 201, &headers, "{\"id\":7}").await.expect("kept");
    let expect = Idempotent::Replay { status: 201, headers, body: "{\"id\":7}".into() };
    assert_eq!(begin(&store, "h", Moment(3)).await, expect);
    store.idempotent_finish(&first, 500, &[], "").await.expect("ignored");
    store.idempotent_forget(&first).await.expect("ignored");
    assert_eq!(begin(&store, "h", Moment(4)).await, expect);
}

async fn a_key_means_one_request_of_one_owner(fresh: Fresh) {
    let store = fresh.open().await;
    let first = ticket(begin(&store, "h", Moment(1)).await);
    assert_eq!(begin(&store, "other", Moment(2)).await, Idempotent::Mismatch);
    store.idempotent_finish(&first, 200, &[], "").await.expect("kept");
    assert_eq!(begin(&store, "other", Moment(3)).await, Idempotent::Mismatch);
    ticket(store.idempotent_begin("key 2", "order-7", "other", Moment(4)).await.expect("answered"));
}

async fn of_requests_that_come_together_one_is_done(fresh: Fresh) {
    let (here, there) = (fresh.open().await, fresh.open().await);
    for round in 0..10 {
        let token = format!("order-{round}");
        let both = tokio::join!(
            here.idempotent_begin("key 1", &token, "h", Moment(1)),
            there.idempotent_begin("key 1", &token, "h", Moment(2)),
        );
        let both = [both.0.expect("answered"), both.1.expect("answered")];
        assert_eq!(both.iter().filter(|begun| matches!(begun, Idempotent::Fresh(_))).count(), 1, "{both:?}");
        assert!(both.contains(&Idempotent::Busy), "{both:?}");
    }
}

async fn a_forgotten_request_may_be_done_at_once_and_one_that_died_after_a_while(fresh: Fresh) {
    let store = fresh.open().await;
    let first = ticket(begin(&store, "h", Moment(1)).await);
    store.idempotent_forget(&first).await.expect("forgotten");
    let second = ticket(begin(&store, "other", Moment(2)).await);
    let late = Moment(2) + IDEMPOTENCY_TAKEOVER;
    assert_eq!(begin(&store, "other", late - Span(1)).await, Idempotent::Busy);
    assert_eq!(begin(&store, "h", late).await, Idempotent::Mismatch);
    let third = ticket(begin(&store, "other", late).await);
    // The one that was thought dead comes to its end after all.
    store.idempotent_finish(&second, 200, &[], "second").await.expect("ignored");
    store.idempotent_forget(&second).await.expect("ignored");
    assert_eq!(begin(&store, "other", late).await, Idempotent::Busy);
    store.idempotent_finish(&third, 200, &[], "third").await.expect("kept");
    let expect = Idempotent::Replay { status: 200, headers: vec![], body: "third".into() };
    assert_eq!(begin(&store, "other", late).await, expect);
}

async fn answers_are_kept_a_day(fresh: Fresh) {
    let store = fresh.open().await;
    let first = ticket(begin(&store, "h", Moment(0)).await);
    store.idempotent_finish(&first, 200, &[], "").await.expect("kept");
    let end = Moment(0) + IDEMPOTENCY_TTL;
    assert_eq!(store.sweep_idempotency(end - Span(1)).await.expect("swept"), 0);
    assert!(matches!(begin(&store, "h", end - Span(1)).await, Idempotent::Replay { .. }));
    let again = ticket(begin(&store, "other", end).await);
    store.idempotent_finish(&again, 200, &[], "").await.expect("kept");
    assert_eq!(store.sweep_idempotency(end).await.expect("swept"), 0, "it is a new one");
    assert_eq!(store.sweep_idempotency(end + IDEMPOTENCY_TTL).await.expect("swept"), 1);
    ticket(begin(&store, "h", end + IDEMPOTENCY_TTL).await);
}

fn row(tenant: &str, channel: &str, id: &str, time: i64) -> DecisionRow {
    let slug = |text: &str| text.parse::<Slug>().expect("a slug");
    let body = format!("{{\"id\":\"{id}\",\"nul\":\"\\u0000\"}}");
    DecisionRow { tenant: slug(tenant), channel: slug(channel), id: id.into(), time: Moment(time), version: 3, body }
}

async fn decisions_are_read_by_time_page_by_page(fresh: Fresh) {
    let store = fresh.open().await;
    // Several at the same time, in no order.
    let mut rows: Vec<DecisionRow> = (0..120)
        .map(|n| {
            row("a", ["x", "y"][n % 2], &format!("d{:03}", n * 7 % 120), 100 + i64::try_from(n / 5).expect("small"))
        })
        .collect();
    let mut all = rows.clone();
    all.push(row("b", "x", "d000", 100));
    store.put_decisions(&all).await.expect("written");
    rows.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let a = scope("a");
    let read = async |channel: Option<&str>, since: i64, until: i64| {
        let channel: Option<Slug> = channel.map(|channel| channel.parse().expect("a slug"));
        let mut seen: Vec<DecisionRow> = Vec::new();
        loop {
            let after = seen.last().map(|last| (last.time, last.id.as_str()));
            let page = store
                .decisions_between(&a, channel.as_ref(), Moment(since), Moment(until), after, 7)
                .await
                .expect("read");
            if page.is_empty() {
                break seen;
            }
            seen.extend(page);
        }
    };
    assert_eq!(read(None, 0, 1_000).await, rows);
    let some: Vec<_> =
        rows.iter().filter(|row| row.channel.as_str() == "y" && (105..110).contains(&row.time.0)).cloned().collect();
    assert!(some.len() > 7);
    assert_eq!(read(Some("y"), 105, 110).await, some);
    assert_eq!(store.decision(&a, "d000").await.expect("read"), rows.iter().find(|row| row.id == "d000").cloned());
    assert_eq!(store.decision(&scope("b"), "d001").await.expect("read"), None);
}

async fn a_batch_of_decisions_may_be_sent_again(fresh: Fresh) {
    let store = fresh.open().await;
    let rows = [row("a", "x", "d1", 1), row("a", "x", "d2", 2), row("a", "x", "d1", 9)];
    store.put_decisions(&rows[..2]).await.expect("written");
    store.put_decisions(&rows).await.expect("written");
    store.put_decisions(&[]).await.expect("nothing to do");
    let read = store.decisions_between(&scope("a"), None, Moment(0), Moment(10), None, 10).await.expect("read");
    assert_eq!(read, rows[..2]);
}

async fn old_decisions_are_swept(fresh: Fresh) {
    let store = fresh.open().await;
    let rows: Vec<_> =
        (0..2_100).map(|n| row(["a", "b"][n % 2], "x", &format!("{n}"), i64::try_from(n).expect("small"))).collect();
    store.put_decisions(&rows).await.expect("written");
    let mut swept = Vec::new();
    for _ in 0..4 {
        swept.push(store.sweep_decisions(Moment(2_050)).await.expect("swept"));
    }
    assert_eq!(swept, [1_000, 1_000, 50, 0]);
    let left = store.decisions_between(&scope("a"), None, Moment(0), Moment(9_999), None, 100).await.expect("read");
    assert_eq!((left.len(), left[0].time), (25, Moment(2_050)));
}
