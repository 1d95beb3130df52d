//! Sums against a count by hand, on both databases: after crashes, with several nodes, for late events.

mod counters;
mod model;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::civil::Date;
use parking_lot::Mutex;

use self::{
    counters::counters_are_what_a_count_by_hand_gives,
    model::{Dice, Model},
};
use super::{calendar::ReportSettings, recount::Recounted, *};
use crate::{
    domain::{Event, ReportTime},
    store::{
        DayState,
        tests::{Fresh, on_each_database, scope},
    },
};

on_each_database!(
    sums_are_what_a_count_by_hand_gives_after_any_crash,
    a_recount_puts_wrong_sums_right_and_says_how_many_there_were,
    late_events_open_their_day_again_until_the_next_report_time,
    days_that_were_missed_are_closed_once_by_one_of_several_nodes,
    old_events_go_and_their_sums_stay,
    a_session_that_is_renamed_counts_as_before,
    a_tenant_s_new_time_zone_holds_for_new_events,
    the_last_hours_are_there_by_the_minute,
    counters_are_what_a_count_by_hand_gives,
);

/// A clock that tests set.
#[derive(Default)]
struct HandClock(Mutex<Moment>);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        *self.0.lock()
    }
}

struct World {
    store: Store,
    clock: Arc<HandClock>,
    tenants: Arc<Mutex<BTreeMap<Slug, ReportSettings>>>,
}

impl World {
    async fn new(fresh: &Fresh) -> Self {
        let settings = |zone: &str| ReportSettings {
            timezone: zone.to_owned(),
            report_time: ReportTime(150),
            retention_days: 90,
            sinks: vec!["log".to_owned()],
        };
        let tenants = [("a", "Europe/Berlin"), ("b", "Asia/Kathmandu")];
        let tenants = tenants.map(|(tenant, zone)| (tenant.parse().expect("a slug"), settings(zone)));
        let world = Self {
            store: fresh.open().await,
            clock: Arc::default(),
            tenants: Arc::new(Mutex::new(tenants.into_iter().collect())),
        };
        world.at("2026-10-27T12:00:00Z");
        world
    }

    fn at(&self, time: &str) {
        *self.clock.0.lock() = moment(time);
    }

    fn rollups_on(&self, store: Store) -> Rollups {
        let tenants = self.tenants.clone();
        Rollups::new(store, self.clock.clone(), Arc::new(move || tenants.lock().clone())).with_batch(37)
    }

    fn rollups(&self) -> Rollups {
        self.rollups_on(self.store.clone())
    }

    async fn insert(&self, events: &[Event]) {
        self.store.insert_events(events).await.expect("inserted");
    }

    /// Asserts that all sums are those of the events in the table.
    async fn check(&self, what: &str) {
        for tenant in ["a", "b"] {
            let scope = scope(tenant);
            let zones = self.store.rollup_standing(&scope).await.expect("read").zones;
            let counted = Model::count(&self.store, &scope, &zones).await;
            let read = Model::read(&self.store, &scope).await;
            counted.assert_same(&read, &format!("{what}, tenant {tenant}"));
        }
    }
}

fn moment(time: &str) -> Moment {
    Moment(time.parse::<jiff::Timestamp>().expect("a time").as_microsecond())
}

fn date(day: &str) -> Date {
    day.parse().expect("a date")
}

/// Runs a future for a moment only, as a crash would.
async fn interrupted<T>(micros: u64, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_micros(micros), future).await.ok()
}

async fn sums_are_what_a_count_by_hand_gives_after_any_crash(fresh: Fresh) {
    let world = World::new(&fresh).await;
    // Two nodes that count the same tenants.
    let (here, there) = (world.rollups(), world.rollups_on(fresh.open().await));
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let mut finished = 0;
        for _ in 0..12 {
            let count = dice.below(90);
            world.insert(&dice.events(count)).await;
            for _ in 0..dice.below(8) {
                let (a, b) = (scope(["a", "b"][dice.below(2)]), scope(["a", "b"][dice.below(2)]));
                let limit = |dice: &mut Dice| u64::try_from(dice.below(40_000)).expect("small");
                let (long, short) = (limit(&mut dice), limit(&mut dice));
                let (one, other) = tokio::join!(interrupted(long, here.step(&a)), interrupted(short, there.step(&b)));
                finished += i32::from(matches!(one, Some(Ok(_)))) + i32::from(matches!(other, Some(Ok(_))));
            }
            if dice.below(3) == 0 {
                let day = date(["2026-10-24", "2026-10-25", "2026-10-26"][dice.below(3)]);
                let limit = u64::try_from(dice.below(100_000)).expect("small");
                interrupted(limit, here.recount(&scope("a"), day, false, &mut |_| {})).await;
            }
        }
        assert!(finished > 0);
        here.catch_up().await.expect("caught up");
        world.check(&format!("seed {seed}, counted")).await;
        for tenant in ["a", "b"] {
            let scope = scope(tenant);
            let days = world.store.report_days(&scope, date("2026-01-01"), date("2027-01-01")).await.expect("days");
            assert!(days.len() >= 4, "{days:?}");
            for day in days {
                let done = there.recount(&scope, day.day, true, &mut |_| {}).await.expect("recounted");
                assert_eq!(done, Recounted::Done { events: day.events, differences: 0 }, "{tenant} {}", day.day);
            }
        }
        world.check(&format!("seed {seed}, recounted")).await;
    }
    // What recounts have left behind, dead ones too, goes.
    world.at("2026-10-27T13:00:00Z");
    while world.store.sweep_rollup_builds(world.clock.now()).await.expect("swept") {}
    world.check("swept").await;
    let rows = world.store.build_rows().await;
    assert_eq!(rows.0, rows.1, "rows in all, and rows that serve");
    assert!(rows.0 > 0);
}

async fn a_recount_puts_wrong_sums_right_and_says_how_many_there_were(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let mut dice = Dice::new(7);
    world.insert(&dice.events(300)).await;
    let rollups = world.rollups();
    rollups.catch_up().await.expect("caught up");
    world.store.spoil_rollups().await;
    let mut seen = Vec::new();
    let day = date("2026-10-25");
    let done = rollups.recount(&scope("a"), day, true, &mut |progress| seen.push(progress)).await.expect("recounted");
    assert!(matches!(done, Recounted::Done { differences, .. } if differences > 0), "{done:?}");
    assert!(seen.len() > 2 && seen.iter().all(|progress| progress.done <= progress.whole), "{seen:?}");
    assert_eq!(seen.last().map(|last| last.done), seen.last().map(|last| last.whole));
    for other in ["2026-10-24", "2026-10-26", "2026-10-23", "2026-10-27"] {
        rollups.recount(&scope("a"), date(other), false, &mut |_| {}).await.expect("recounted");
        rollups.recount(&scope("b"), date(other), false, &mut |_| {}).await.expect("recounted");
    }
    rollups.recount(&scope("b"), day, false, &mut |_| {}).await.expect("recounted");
    world.check("put right").await;
    let empty = rollups.recount(&scope("a"), date("2020-01-01"), true, &mut |_| {}).await.expect("answered");
    assert_eq!(empty, Recounted::Empty);
}

async fn late_events_open_their_day_again_until_the_next_report_time(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let rollups = world.rollups();
    let a = scope("a");
    let mut dice = Dice::new(3);
    world.insert(&[dice.impression("b", moment("2026-10-26T10:00:00Z"))]).await;
    let event = |dice: &mut Dice, time: &str| dice.impression("a", moment(time));
    world.insert(&[event(&mut dice, "2026-10-24T10:00:00Z"), event(&mut dice, "2026-10-25T10:00:00Z")]).await;
    // On 25 October 02:30 comes twice in Berlin: 00:30 and 01:30 UTC.
    world.at("2026-10-25T00:29:59Z");
    rollups.catch_up().await.expect("counted");
    assert_eq!(rollups.close_due().await.expect("closed"), []);
    world.at("2026-10-25T00:30:00Z");
    let closed = |day: &str| vec![(a.tenant().clone(), date(day))];
    assert_eq!(rollups.close_due().await.expect("closed"), closed("2026-10-24"));
    world.at("2026-10-25T01:30:00Z");
    assert_eq!(rollups.close_due().await.expect("closed"), [], "the second 02:30 is not another");
    // Late, at noon.
    world.at("2026-10-25T11:00:00Z");
    world.insert(&[event(&mut dice, "2026-10-24T11:00:00Z")]).await;
    rollups.catch_up().await.expect("counted");
    let day = async || world.store.report_day(&a, date("2026-10-24")).await.expect("read").expect("a day");
    assert_eq!((day().await.state, day().await.events), (DayState::Open, 2));
    assert_eq!(rollups.close_due().await.expect("closed"), [], "not before the next report time");
    world.at("2026-10-26T01:30:00Z");
    let both = [closed("2026-10-24"), closed("2026-10-25")].concat();
    assert_eq!(rollups.close_due().await.expect("closed"), both);
    assert_eq!(day().await.state, DayState::Closed);
    world.check("closed twice").await;
}

async fn days_that_were_missed_are_closed_once_by_one_of_several_nodes(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let mut dice = Dice::new(11);
    for hours in 0..200 {
        let time = moment("2026-10-18T00:00:00Z") + Span::from_secs(hours * 3600);
        world.insert(&[dice.event("a", time), dice.event("b", time)]).await;
    }
    let nodes = [world.rollups(), world.rollups_on(fresh.open().await)];
    nodes[0].catch_up().await.expect("counted");
    let (one, other) = tokio::join!(nodes[0].close_due(), nodes[1].close_due());
    let mut closed = [one.expect("closed"), other.expect("closed")].concat();
    closed.sort();
    let all: BTreeSet<_> = closed.iter().cloned().collect();
    assert_eq!(closed.len(), all.len(), "none twice: {closed:?}");
    assert_eq!(closed.len(), 18, "nine days in each zone: {closed:?}");
    assert_eq!(nodes[0].close_due().await.expect("closed"), []);
    world.check("caught up").await;
}

async fn old_events_go_and_their_sums_stay(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let rollups = world.rollups();
    let a = scope("a");
    let mut dice = Dice::new(5);
    let old: Vec<Event> =
        (0..50).map(|n| dice.event("a", moment("2026-07-01T10:00:00Z") + Span::from_secs(n))).collect();
    world.insert(&old).await;
    world.insert(&[dice.event("a", moment("2026-10-26T10:00:00Z"))]).await;
    // Not counted yet, so nothing may go.
    rollups.sweep().await.expect("swept");
    assert_eq!(world.store.events_after(&a, 0, 100).await.expect("read").len(), 51);
    rollups.catch_up().await.expect("counted");
    rollups.close_due().await.expect("closed");
    let before = Model::read(&world.store, &a).await;
    // A sink that has come to 30, the beacons to 20; one that is no longer mounted has no say.
    world.store.beacons_read_in_tests(&a, 20).await;
    world.store.sink_cursor(&a, "log", 30, Moment(0)).await.expect("a cursor");
    world.store.sink_cursor(&a, "unmounted", 1, Moment(0)).await.expect("a cursor");
    let left = async || world.store.events_after(&a, 0, 100).await.expect("read").len();
    rollups.sweep().await.expect("swept");
    assert_eq!(left().await, 31);
    world.store.beacons_read_in_tests(&a, 51).await;
    rollups.sweep().await.expect("swept");
    assert_eq!(left().await, 21);
    world.store.advance_sink(&a, "log", 51, Moment(1)).await.expect("moved");
    rollups.sweep().await.expect("swept");
    assert_eq!(left().await, 1, "the new one stays");
    before.assert_same(&Model::read(&world.store, &a).await, "swept");
    let refused = rollups.recount(&a, date("2026-07-01"), true, &mut |_| {}).await.expect("answered");
    assert_eq!(refused, Recounted::RawGone);
    let day = async || world.store.report_day(&a, date("2026-07-01")).await.expect("read").expect("a day");
    assert!(!day().await.raw_complete && day().await.uniques_exact);
    // One more event of that day: counted, and its uniques are no longer known.
    world.insert(&[dice.event("a", moment("2026-07-01T11:00:00Z"))]).await;
    rollups.catch_up().await.expect("counted");
    assert_eq!((day().await.events, day().await.uniques_exact, day().await.state), (51, false, DayState::Open));
    world.at("2026-10-28T12:00:00Z");
    rollups.close_due().await.expect("closed");
    assert_eq!(day().await.state, DayState::Closed, "as it is");
}

async fn a_session_that_is_renamed_counts_as_before(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let rollups = world.rollups();
    world.insert(&Dice::new(9).events(200)).await;
    rollups.step(&scope("a")).await.expect("counted");
    rollups.step(&scope("a")).await.expect("counted");
    for session in ["session-0", "session-1", "session-2"] {
        world.store.rename_in_tests(&scope("a"), session, &format!("gone-{session}")).await;
    }
    rollups.catch_up().await.expect("counted");
    world.check("renamed").await;
    // What was read before a renaming is not added after it.
    world.insert(&Dice::new(10).events(20)).await;
    let standing = world.store.rollup_standing(&scope("a")).await.expect("read");
    world.store.rename_in_tests(&scope("a"), "session-3", "gone").await;
    let nothing = crate::store::Tally::default();
    let a = scope("a");
    let applied = world.store.apply_rollups(&a, &standing, standing.position + 1, None, &nothing, Moment(0));
    assert!(!applied.await.expect("answered"));
}

async fn a_tenant_s_new_time_zone_holds_for_new_events(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let rollups = world.rollups();
    let mut dice = Dice::new(21);
    world.insert(&dice.events(150)).await;
    rollups.catch_up().await.expect("counted");
    for settings in world.tenants.lock().values_mut() {
        settings.timezone = "America/New_York".to_owned();
    }
    world.insert(&dice.events(150)).await;
    rollups.catch_up().await.expect("counted");
    // A tenant that is gone keeps its last zone.
    world.tenants.lock().clear();
    world.insert(&dice.events(50)).await;
    rollups.catch_up().await.expect("counted");
    let zones = world.store.rollup_standing(&scope("a")).await.expect("read").zones;
    let names: Vec<&str> = zones.iter().map(|(_, zone)| zone.as_str()).collect();
    assert_eq!(names, ["Europe/Berlin", "America/New_York"]);
    world.check("two zones").await;
    for day in ["2026-10-24", "2026-10-25", "2026-10-26"] {
        let done = rollups.recount(&scope("a"), date(day), false, &mut |_| {}).await.expect("recounted");
        assert!(matches!(done, Recounted::Done { differences: 0, .. }), "{day}: {done:?}");
    }
    world.check("two zones, recounted").await;
}

async fn the_last_hours_are_there_by_the_minute(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let rollups = world.rollups();
    let mut dice = Dice::new(2);
    let now = world.clock.now();
    let times = [now - MINUTES_KEPT - Span(1), now - Span::from_secs(61), now - Span::from_secs(60), now];
    let events: Vec<Event> = times.map(|time| Event { value: Some(1), ..dice.impression("a", time) }).into();
    world.insert(&events).await;
    rollups.catch_up().await.expect("counted");
    let minutes = async || world.store.rollup_minutes(&scope("a"), Moment(0)).await.expect("read");
    let impressions: i64 = minutes().await.iter().map(|row| row.sums.get(crate::store::Column::Impressions)).sum();
    assert_eq!(impressions, 3, "{:?}", minutes().await);
    world.at("2026-10-27T18:00:00Z");
    rollups.sweep().await.expect("swept");
    assert!(minutes().await.iter().all(|row| row.minute * 60_000_000 >= now.as_micros()), "only noon is left");
}
