//! What is known of a viewer, and that it can be forgotten without a change of any count.

use super::*;
use crate::{
    domain::{Attribution, More},
    store::{DecisionRow, LiveCount, OpenSessions, SESSIONS_GOOD_FOR},
};

on_each_database!(
    a_viewer_s_events_are_those_of_its_sessions_and_of_nobody_else,
    a_forgotten_viewer_is_in_no_table_and_every_count_stays,
    an_erasure_that_is_done_again_gives_the_same_names,
    events_after_the_erasure_are_of_a_viewer_who_came_back,
    open_sessions_are_summed_over_nodes_that_still_say_so,
    live_counts_are_of_one_tenant_between_two_ids,
);

/// Two sessions of anna, one of ben, one of another tenant's anna; one of anna's events came without her name.
async fn filled(store: &Store) -> Vec<Event> {
    let named = |tenant: &str, session: &str, viewer: Option<&str>, event_type| {
        let more = More {
            address: Some("203.0.113.0".into()),
            attribution: Some(Attribution { utm_source: Some("mail".into()), ..Attribution::default() }),
            ..More::default()
        };
        let viewer = viewer.map(Into::into);
        Event { viewer, more: Some(Box::new(more)), ..event(tenant, session, event_type) }.identified()
    };
    let events = vec![
        named("a", "s1", Some("anna"), EventType::Impression),
        named("a", "s1", None, EventType::Start),
        named("a", "s2", Some("anna"), EventType::Impression),
        named("a", "s3", Some("ben"), EventType::Impression),
        named("b", "s1", Some("anna"), EventType::Impression),
    ];
    store.insert_events(&events).await.expect("written");
    let decision = |tenant: &str, id: &str, body: &str| DecisionRow {
        tenant: tenant.parse().expect("a slug"),
        channel: "news".parse().expect("a slug"),
        id: id.into(),
        time: Moment(7),
        version: 1,
        body: body.into(),
    };
    let decisions = [
        decision("a", "s1/x", "{}"),
        decision("a", "s4/x", "{\"viewer\":{\"session_id\":\"anna\"}}"),
        decision("a", "s3/x", "{\"viewer\":{\"session_id\":\"ben\"}}"),
        decision("b", "s1/x", "{\"viewer\":{\"session_id\":\"anna\"}}"),
    ];
    store.put_decisions(&decisions).await.expect("written");
    events
}

fn erasure(name: &str) -> Erasure {
    Erasure { name: name.into(), secret: [7; 32], upto: i64::MAX }
}

async fn all(store: &Store, tenant: &str) -> Vec<Event> {
    let rows = store.events_after(&scope(tenant), 0, 100).await.expect("read");
    rows.into_iter().map(|row| row.event).collect()
}

async fn a_viewer_s_events_are_those_of_its_sessions_and_of_nobody_else(fresh: Fresh) {
    let store = fresh.open().await;
    let events = filled(&store).await;
    for (name, count) in [("anna", 3), ("s2", 1), ("s1", 2), ("nobody", 0), ("a\0nna", 3)] {
        let sessions = store.viewer_sessions(&scope("a"), name, i64::MAX).await.expect("read");
        let (page, next) = store.viewer_events(&scope("a"), name, &sessions, 0).await.expect("read");
        assert_eq!(page.len(), count, "{name}");
        assert!(page.iter().all(|row| events.contains(&row.event)));
        let (rest, end) = store.viewer_events(&scope("a"), name, &sessions, next.expect("a page")).await.expect("read");
        assert_eq!((rest.len(), end), (0, None));
    }
}

async fn a_forgotten_viewer_is_in_no_table_and_every_count_stays(fresh: Fresh) {
    let store = fresh.open().await;
    let before = filled(&store).await;
    let erased = store.erase_viewer(&scope("a"), &erasure("anna")).await.expect("erased");
    assert_eq!((erased.events, erased.decisions, erased.sessions.len()), (3, 2, 2));
    let after = all(&store, "a").await;
    for (before, after) in before.iter().zip(&after) {
        let counted = |event: &Event| {
            let what = (event.channel.clone(), event.ad.clone(), event.campaign.clone(), event.event_type);
            (what, event.time, event.device, event.geo.clone(), event.price, event.counted_by, event.avail.clone())
        };
        assert_eq!(counted(before), counted(after), "what counts stays");
        let theirs = before.viewer.as_deref() == Some("ben");
        assert_eq!(before == after, theirs);
        assert!(theirs || (after.viewer.is_none() && after.more.is_none() && after.id != before.id));
    }
    let names: Vec<&str> = after.iter().map(|event| event.session.as_str()).collect();
    assert!(names[0] == names[1] && names[1] != names[2] && names[2] != "s2" && names[3] == "s3", "{names:?}");
    assert_eq!(all(&store, "b").await, before[4..], "another tenant's viewer of the same name is another");
    let sessions = store.viewer_sessions(&scope("a"), "anna", i64::MAX).await.expect("read");
    assert_eq!(sessions.len(), 1, "nothing but the name that was asked for");
    for (tenant, id, there) in [("a", "s1/x", false), ("a", "s4/x", false), ("a", "s3/x", true), ("b", "s1/x", true)] {
        assert_eq!(store.decision(&scope(tenant), id).await.expect("read").is_some(), there, "{tenant} {id}");
    }
}

async fn an_erasure_that_is_done_again_gives_the_same_names(fresh: Fresh) {
    let store = fresh.open().await;
    filled(&store).await;
    // Cut off behind the first event.
    store.erase_viewer(&scope("a"), &Erasure { upto: 1, ..erasure("anna") }).await.expect("erased");
    let first = all(&store, "a").await;
    assert_eq!(first[1].session, "s1", "not yet");
    let rest = store.erase_viewer(&scope("a"), &erasure("s1")).await.expect("erased");
    assert_eq!(rest.events, 1);
    let after = all(&store, "a").await;
    assert_eq!(after[0].session, after[1].session, "one session stays one");
    let again = store.erase_viewer(&scope("a"), &erasure("s1")).await.expect("erased");
    assert_eq!((again.events, all(&store, "a").await), (0, after));
}

async fn events_after_the_erasure_are_of_a_viewer_who_came_back(fresh: Fresh) {
    let store = fresh.open().await;
    filled(&store).await;
    let upto = store.events_head().await.expect("read");
    let back = Event { viewer: Some("anna".into()), ..event("a", "s9", EventType::Start) }.identified();
    store.insert_events(std::slice::from_ref(&back)).await.expect("written");
    store.erase_viewer(&scope("a"), &Erasure { upto, ..erasure("anna") }).await.expect("erased");
    assert_eq!(all(&store, "a").await.last(), Some(&back));
}

async fn open_sessions_are_summed_over_nodes_that_still_say_so(fresh: Fresh) {
    let store = fresh.open().await;
    let open = |channel: &str, sessions| OpenSessions {
        tenant: "a".parse().expect("a slug"),
        channel: channel.parse().expect("a slug"),
        sessions,
    };
    let now = Moment(1_000_000_000);
    store.put_open_sessions("one", &[open("news", 3), open("films", 1)], now).await.expect("written");
    store.put_open_sessions("two", &[open("news", 4)], now).await.expect("written");
    let sums = |now| {
        let store = store.clone();
        async move { store.open_sessions(&scope("a"), now).await.expect("read") }
    };
    assert_eq!(sums(now).await, [("films".to_owned(), 1), ("news".to_owned(), 7)]);
    assert_eq!(store.open_sessions(&scope("b"), now).await.expect("read"), []);
    let later = now + SESSIONS_GOOD_FOR;
    store.put_open_sessions("one", &[open("news", 5)], later).await.expect("written");
    assert_eq!(sums(later).await, [("news".to_owned(), 9)], "a node's new word takes the place of its old one");
    assert_eq!(sums(later + crate::domain::Span(1)).await, [("news".to_owned(), 5)], "a silent node is gone");
}

async fn live_counts_are_of_one_tenant_between_two_ids(fresh: Fresh) {
    let store = fresh.open().await;
    filled(&store).await;
    let counts = |after, upto| {
        let store = store.clone();
        async move { store.live_counts(&scope("a"), after, upto).await.expect("read") }
    };
    let news =
        |event_type: &str, events| LiveCount { channel: Some("news".into()), event_type: event_type.into(), events };
    assert_eq!(counts(0, i64::MAX).await, [news("impression", 3), news("start", 1)]);
    assert_eq!(counts(1, 2).await, [news("start", 1)]);
    assert_eq!(counts(4, i64::MAX).await, []);
}
