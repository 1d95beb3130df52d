//! Counters against a count by hand: by the hour and the day, in zones where a day does not begin with an hour.

use jiff::{Timestamp, tz::TimeZone};

use super::{Dice, World, moment, scope};
use crate::{
    domain::{Clock, CounterGrant, Event, EventType, Moment, Traffic},
    extension::Counters,
    store::tests::Fresh,
    tracking::CounterBoard,
};

const COUNTED: [(&str, EventType); 3] =
    [("impressions", EventType::Impression), ("completes", EventType::Complete), ("clicks", EventType::Click)];

async fn read(world: &World, board: &CounterBoard, tenant: &str, zone: &str) -> Counters {
    let grants = CounterGrant::all();
    board.refresh(&world.store, &scope(tenant), grants.iter(), zone, world.clock.now()).await.expect("read");
    board.now().granting(&grants.into())
}

pub async fn counters_are_what_a_count_by_hand_gives(fresh: Fresh) {
    let world = World::new(&fresh).await;
    let mut dice = Dice::new(11);
    world.insert(&dice.events(900)).await;
    world.rollups().catch_up().await.expect("caught up");
    let mut told = 0;
    for (tenant, zone) in [("a", "Europe/Berlin"), ("b", "Asia/Kathmandu")] {
        let stored = world.store.events_after(&scope(tenant), 0, 10_000).await.expect("events");
        let events: Vec<Event> = stored.into_iter().map(|stored| stored.event).collect();
        let local = |at: Moment| {
            let stamp = Timestamp::from_microsecond(at.as_micros()).expect("a time");
            stamp.to_zoned(TimeZone::get(zone).expect("a zone")).date()
        };
        // Within an hour that Kathmandu's midnight (18:15 UTC) divides, on both sides of it, and on the night that has an
        // hour more in Berlin.
        for now in ["2026-10-24T18:10:00Z", "2026-10-24T18:40:00Z", "2026-10-25T01:30:00Z", "2026-10-26T23:59:59Z"] {
            world.at(now);
            let counters = read(&world, &CounterBoard::default(), tenant, zone).await;
            let now = moment(now);
            let hour = |at: Moment| at.as_micros().div_euclid(3_600_000_000);
            for (counted, event_type) in COUNTED {
                for (period, within) in [
                    ("hour", Box::new(|at| hour(at) == hour(now)) as Box<dyn Fn(Moment) -> bool>),
                    ("today", Box::new(|at| local(at) == local(now))),
                ] {
                    for of in ["", ".channel.news", ".channel.sport", ".campaign.summer", ".ad.cola", ".ad.unheard-of"]
                    {
                        let slug = of.rsplit('.').next().unwrap_or_default();
                        let concerns = |event: &Event| match of.split('.').nth(1) {
                            None => true,
                            Some("channel") => event.channel.as_ref().is_some_and(|of| of.as_str() == slug),
                            Some("campaign") => event.campaign.as_ref().is_some_and(|of| of.as_str() == slug),
                            Some(_) => event.ad.as_ref().is_some_and(|of| of.as_str() == slug),
                        };
                        let by_hand = events.iter().filter(|event| {
                            event.event_type == event_type
                                && event.traffic == Traffic::Valid
                                && within(event.time)
                                && concerns(event)
                        });
                        let by_hand = i64::try_from(by_hand.count()).expect("small");
                        let name = format!("{counted}.{period}{of}");
                        assert_eq!(counters.read(&name), Some(by_hand), "{tenant} at {now:?}: {name}");
                        told += by_hand;
                    }
                }
            }
        }
    }
    assert!(told > 500, "{told}");
    kept_in_memory_until_they_are_old(&world).await;
    too_many_are_none(&world).await;
}

/// A decision asks no database; what is read all the time is seconds old, and what nobody reads is not yesterday's.
async fn kept_in_memory_until_they_are_old(world: &World) {
    let (board, zone) = (CounterBoard::default(), "Europe/Berlin");
    world.at("2026-10-28T12:00:00Z");
    assert_eq!(board.now().granting(&CounterGrant::all().into()).read("impressions.today"), None, "not known yet");
    let before = read(world, &board, "a", zone).await;
    assert_eq!(before.read("impressions.today"), Some(0));
    let mut dice = Dice::new(5);
    let event = Event { traffic: Traffic::Valid, ..dice.impression("a", moment("2026-10-28T12:00:01Z")) };
    world.insert(&[event.identified()]).await;
    world.rollups().catch_up().await.expect("caught up");
    let at = async |time: &str| {
        world.at(time);
        read(world, &board, "a", zone).await
    };
    assert_eq!(at("2026-10-28T12:00:04Z").await.read("impressions.today"), Some(0), "four seconds old");
    let after = at("2026-10-28T12:00:05Z").await;
    assert_eq!(after.read("impressions.today"), Some(1));
    assert_eq!(before.read("impressions.today"), Some(0), "a decision reads one moment's numbers to its end");
    let refreshed = async |time: &str| {
        world.at(time);
        let grants = CounterGrant::all();
        board.refresh(&world.store, &scope("a"), grants.iter(), zone, world.clock.now()).await.expect("read")
    };
    assert!(refreshed("2026-10-28T12:00:10Z").await, "it was read");
    assert!(!refreshed("2026-10-28T12:01:09Z").await, "nobody has read it since");
    assert!(refreshed("2026-10-28T12:01:10Z").await, "it is a minute old");
    let one = ["clicks.hour".parse().expect("a grant")];
    assert!(
        board.refresh(&world.store, &scope("a"), one.iter(), zone, world.clock.now()).await.expect("read"),
        "other counters are granted"
    );
}

/// Part of a tenant's ads is not taken for all of them: a rule that is told 0 would show what was shown most.
async fn too_many_are_none(world: &World) {
    let mut dice = Dice::new(9);
    let ads = (0..60).map(|number| Event {
        ad: Some(format!("ad-{number}").parse().expect("a slug")),
        traffic: Traffic::Valid,
        ..dice.impression("a", moment("2026-10-29T12:00:00Z"))
    });
    let ads: Vec<Event> = ads.map(Event::identified).collect();
    world.insert(&ads).await;
    world.rollups().catch_up().await.expect("caught up");
    world.at("2026-10-29T12:00:00Z");
    let counters = read(world, &CounterBoard::default(), "a", "Europe/Berlin").await;
    assert_eq!((counters.read("impressions.today.ad.ad-1"), counters.read("impressions.hour.ad.ad-59")), (None, None));
    assert_eq!(counters.read("impressions.today"), Some(60), "what is not by ad is known");
}
