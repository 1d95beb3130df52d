//! The outbox and its ledger, on both databases.

use super::*;
use crate::{
    domain::{Event, Span},
    store::tests::{Fresh, event, on_each_database, scope},
};

const NOW: Moment = Moment(1_700_000_100_000_000);
const SOON: Moment = Moment(1_700_000_130_000_000);
const DAY: &str = "2023-11-14";

fn day(_: &Slug, _: Moment) -> String {
    DAY.to_owned()
}

/// Two addresses for an impression, one for the end.
fn order(session: &str) -> BeaconOrder {
    let of = event("a", session, EventType::Impression);
    BeaconOrder {
        tenant: of.tenant,
        session: of.session,
        key: EventKey { avail: of.avail, pod_position: 0, ad: of.ad.expect("an ad") },
        channel: of.channel.expect("a channel"),
        counts: Counts::from([(EventType::Impression, 2), (EventType::Complete, 1)]),
        sealed: format!("sealed-{session}"),
        expires: NOW,
    }
}

async fn line(store: &Store) -> LedgerLine {
    let lines = store.beacon_ledger(&scope("a"), DAY, DAY, 9).await.expect("a ledger");
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!(line.fired, line.acknowledged + line.failed + line.pending, "{line:?}");
    line.clone()
}

async fn read_all(store: &Store) -> u64 {
    let mut fired = 0;
    loop {
        let step = store.fire_beacons(&scope("a"), &day, NOW).await.expect("a step");
        fired += step.fired;
        if !step.events {
            return fired;
        }
    }
}

async fn an_event_calls_for_its_addresses_once_and_the_ledger_balances(fresh: Fresh) {
    let store = fresh.open().await;
    store.keep_orders(&[order("s"), order("t")], &day, NOW).await.expect("kept");
    let of = |session: &str, event_type| event("a", session, event_type);
    let events = [
        of("s", EventType::Decided),
        of("s", EventType::Impression),
        of("s", EventType::Impression),
        of("s", EventType::FirstQuartile),
        of("s", EventType::Complete),
        of("unknown", EventType::Impression),
    ];
    store.insert_events(&events).await.expect("written");
    assert_eq!(store.beacon_backlog().await.expect("asked"), [scope("a")]);
    assert_eq!(read_all(&store).await, 3);
    assert_eq!(read_all(&store).await, 0);
    assert!(store.beacon_backlog().await.expect("asked").is_empty());
    let sum = line(&store).await;
    assert_eq!((sum.decided, sum.stitched, sum.delivered, sum.fired, sum.pending), (1, 0, 2, 3, 3));
    let due = store.claim_beacons(NOW, SOON, 9).await.expect("claimed");
    assert_eq!(due.len(), 3);
    assert!(due.iter().all(|beacon| beacon.attempts == 1 && beacon.sealed.as_deref() == Some("sealed-s")));
    assert!(store.claim_beacons(NOW, SOON, 9).await.expect("claimed").is_empty(), "they are on their way");
    let again = store.claim_beacons(SOON, SOON + Span::from_secs(30), 9).await.expect("claimed");
    assert_eq!(again.len(), 3, "whoever claimed them is gone");
    let settle = |due: &[DueBeacon], verdicts: [Verdict; 3]| {
        due.iter().cloned().zip(verdicts).map(|(beacon, verdict)| Settled { beacon, verdict }).collect::<Vec<_>>()
    };
    let later = SOON + Span::from_secs(600);
    let settled = settle(&again, [Verdict::Acknowledged, Verdict::Failed, Verdict::Again(later)]);
    store.settle_beacons(&settled).await.expect("settled");
    // Who was gone comes back, and says the same once more.
    store
        .settle_beacons(&settle(&due, [Verdict::Acknowledged, Verdict::Failed, Verdict::Again(NOW)]))
        .await
        .expect("settled");
    let sum = line(&store).await;
    assert_eq!((sum.acknowledged, sum.failed, sum.pending), (1, 1, 1));
    assert!(store.claim_beacons(later - Span(1), later, 9).await.expect("claimed").is_empty());
    // The order is kept as long as somebody waits for it.
    assert!(!store.sweep_orders(NOW + Span(1)).await.expect("swept"));
    let due = store.claim_beacons(later, later, 9).await.expect("claimed");
    assert_eq!((due.len(), due[0].sealed.is_some()), (1, true));
    store.settle_beacons(&settle(&due, [Verdict::Acknowledged; 3])).await.expect("settled");
    store.sweep_orders(NOW + Span(1)).await.expect("swept");
    store.insert_events(&[of("s", EventType::Click)]).await.expect("written");
    assert_eq!((read_all(&store).await, store.pending_beacons().await.expect("counted")), (0, 0));
}

async fn an_order_that_comes_after_its_events_finds_them(fresh: Fresh) {
    let store = fresh.open().await;
    let (impression, complete) = (event("a", "s", EventType::Impression), event("a", "s", EventType::Complete));
    store.insert_events(&[impression]).await.expect("written");
    assert_eq!(read_all(&store).await, 0);
    store.insert_events(&[complete]).await.expect("written");
    store.keep_orders(&[order("s")], &day, NOW).await.expect("kept");
    assert_eq!(line(&store).await.fired, 2, "of the impression; the end is yet to be read");
    // Nobody knows whether a commit that failed was carried out: it is tried again.
    store.keep_orders(&[order("s")], &day, NOW).await.expect("kept");
    assert_eq!(line(&store).await.fired, 2);
    assert_eq!(read_all(&store).await, 1);
    assert_eq!(line(&store).await.fired, 3);
}

async fn readers_and_keepers_on_several_nodes_lose_nothing_and_count_nothing_twice(fresh: Fresh) {
    let stores = [fresh.open().await, fresh.open().await, fresh.open().await];
    let sessions: Vec<String> = (0..60).map(|n| format!("s{n}")).collect();
    let keep = async {
        for sessions in sessions.chunks(7) {
            let orders: Vec<BeaconOrder> = sessions.iter().map(|session| order(session)).collect();
            stores[0].keep_orders(&orders, &day, NOW).await.expect("kept");
        }
    };
    let write = async {
        for session in &sessions {
            let events = [EventType::Impression, EventType::Complete].map(|kind| event("a", session, kind));
            stores[1].insert_events(&events).await.expect("written");
        }
    };
    let read = |store: Store| async move {
        for _ in 0..40 {
            store.fire_beacons(&scope("a"), &day, NOW).await.expect("a step");
        }
    };
    tokio::join!(keep, write, read(stores[2].clone()), read(stores[1].clone()));
    read_all(&stores[0]).await;
    let sum = line(&stores[0]).await;
    assert_eq!((sum.delivered, sum.fired, sum.pending), (60, 180, 180));
    let (left, right) =
        tokio::join!(async { stores[0].claim_beacons(NOW, SOON, 500).await.expect("claimed") }, async {
            stores[1].claim_beacons(NOW, SOON, 500).await.expect("claimed")
        },);
    assert_eq!(left.len() + right.len(), 180, "nobody claims what another has claimed");
}

async fn robots_are_counted_and_nobody_is_told_of_them(fresh: Fresh) {
    let store = fresh.open().await;
    store.keep_orders(&[order("s")], &day, NOW).await.expect("kept");
    let robot = Event { traffic: Traffic::Bot, ..event("a", "s", EventType::Impression) };
    store.insert_events(&[robot]).await.expect("written");
    assert_eq!(read_all(&store).await, 0);
    let sum = line(&store).await;
    assert_eq!((sum.delivered, sum.fired, sum.withheld), (1, 0, 2));
}

async fn a_viewer_who_is_erased_is_told_of_to_nobody(fresh: Fresh) {
    let store = fresh.open().await;
    store.keep_orders(&[order("s"), order("t")], &day, NOW).await.expect("kept");
    store.insert_events(&[event("a", "s", EventType::Impression)]).await.expect("written");
    assert_eq!(read_all(&store).await, 2);
    assert_eq!(store.erase_orders(&scope("b"), &["s".to_owned()]).await.expect("erased"), 0);
    assert_eq!(store.erase_orders(&scope("a"), &["s".to_owned()]).await.expect("erased"), 1);
    let due = store.claim_beacons(NOW, SOON, 9).await.expect("claimed");
    assert!(due.len() == 2 && due.iter().all(|beacon| beacon.sealed.is_none()));
}

on_each_database!(
    an_event_calls_for_its_addresses_once_and_the_ledger_balances,
    an_order_that_comes_after_its_events_finds_them,
    readers_and_keepers_on_several_nodes_lose_nothing_and_count_nothing_twice,
    robots_are_counted_and_nobody_is_told_of_them,
    a_viewer_who_is_erased_is_told_of_to_nobody,
);
