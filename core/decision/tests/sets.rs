//! Sets of ads say the same as the declared rules, statuses and flights of each ad.

use jiff::{civil::date, tz::TimeZone};
use proptest::prelude::*;

use super::*;
use crate::decision::bits::InAll;

const COUNTRIES: [&str; 4] = ["US", "CA", "ID", "DE"];
const CHANNELS: [&str; 4] = ["news", "newsreel", "sport", "kids"];

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(values).prop_map(str::to_owned)
}

fn list(values: &'static [&'static str]) -> impl Strategy<Value = RuleValue> {
    proptest::collection::vec(one_of(values), 1..4).prop_map(RuleValue::Many)
}

/// Any rule that compiles.
fn rule() -> impl Strategy<Value = AdRule> {
    use RuleOperator::{Contains, Equals, In, NotIn, Range};
    let operator = |operators: &'static [RuleOperator]| proptest::sample::select(operators);
    let named = |kind, values: &'static [&'static str]| {
        let many = (operator(&[In, NotIn]), list(values));
        let many = many.prop_map(move |(operator, value)| AdRule { kind, operator, value });
        let one = one_of(values).prop_map(move |value| AdRule { kind, operator: Equals, value: RuleValue::One(value) });
        prop_oneof![many, one]
    };
    let part = |kind, parts: &'static [&'static str]| {
        one_of(parts).prop_map(move |part| AdRule { kind, operator: Contains, value: RuleValue::One(part) })
    };
    let range = |kind, low: i64, high: i64| {
        let ends = (low..=high, low..=high);
        ends.prop_map(move |(min, max)| AdRule { kind, operator: Range, value: RuleValue::Range { min, max } })
    };
    prop_oneof![
        named(RuleType::Geo, &COUNTRIES),
        named(RuleType::Device, &["smart-tv", "mobile", "console"]),
        part(RuleType::Device, &["tv", "top", "o"]),
        named(RuleType::Channel, &["news", "sport", "gone"]),
        part(RuleType::Channel, &["new", "s", "kid"]),
        range(RuleType::Time, 0, 23),
        named(RuleType::Time, &["0", "10", "23"]),
        range(RuleType::DayOfWeek, 1, 7),
        named(RuleType::DayOfWeek, &["mon", "sunday", "3"]),
    ]
}

prop_compose! {
    fn tenants()(
        rules in proptest::collection::vec(proptest::collection::vec(rule(), 0..4), 0..150),
        inactive in proptest::collection::btree_set(0_usize..150, 0..20),
        flights in proptest::collection::vec((1_i8..28, 1_i8..28, 0_usize..4, 0_i32..3), 5),
        zone in one_of(&["UTC", "Asia/Jakarta", "America/New_York"]),
    ) -> World {
        let status = [CampaignStatus::Active, CampaignStatus::Active, CampaignStatus::Paused, CampaignStatus::Draft];
        let campaigns = flights.into_iter().enumerate().map(|(at, (start, end, state, priority))| Campaign {
            start_date: Some((2024, 6, start)),
            end_date: (end != 1).then_some((2024, 6, end)),
            status: status[state],
            ..campaign(&format!("campaign-{at}"), priority)
        });
        let ads = rules.into_iter().enumerate().map(|(at, rules)| Ad {
            rules,
            campaign: (at % 6 < 5).then(|| slug(&format!("campaign-{}", at % 6))),
            status: if inactive.contains(&at) { Status::Inactive } else { Status::Active },
            ..ad(&format!("ad-{at}"), 10)
        });
        let mut world = World::new(ads.collect(), campaigns.collect(), 60);
        // One channel of those that ask is not announced.
        world.manifest.channels = CHANNELS[..3].iter().map(|name| channel(name, None)).collect();
        world.manifest.tenant.timezone = zone;
        world
    }
}

/// All places that a decision would look at.
fn passing(index: &CandidateIndex, facts: &Facts<'_>) -> Vec<usize> {
    let running = index.flights.running(facts.now.moment);
    let [country, channel, device, hour, day] = index.rules.passing(facts, &index.ads);
    let mut all = InAll::new([&running.running, &*country, &*channel, &*device, &*hour, &*day]);
    std::iter::from_fn(|| all.next_below(index.len())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sets_hold_exactly_the_ads_that_run_and_pass_their_rules(
        world in tenants(),
        asked in proptest::collection::vec(
            (0_usize..6, 0_usize..7, 0_usize..4, 0_i64..30 * 24 * 60), 1..10
        ),
    ) {
        let index = world.index();
        for (country, device, channel, minutes) in asked {
            let viewer = Viewer {
                geo: COUNTRIES.iter().chain(&["", "us"]).nth(country).copied().unwrap_or_default().into(),
                device: DeviceType::ALL[device],
                ..Viewer::default()
            };
            let now = Moment(1_717_200_000_000_000) + Span::from_secs(60 * minutes);
            let facts = Facts { viewer: &viewer, channel: CHANNELS[channel], now: index.local_time(now) };
            let expected: Vec<usize> = (0..index.len()).filter(|place| {
                let ad = &index.ads[*place];
                let off = index.campaign_of(ad).and_then(|campaign| campaign.off(now));
                ad.never.is_none() && off.is_none() && ad.rules.first_failure(&facts).is_none()
            }).collect();
            prop_assert_eq!(passing(&index, &facts), expected);
        }
    }
}

#[test]
fn a_flight_begins_and_ends_to_the_microsecond_where_clocks_change() {
    // Berlin: 31 March 2024 has 23 hours. Beirut: 31 March 2024 begins at 01:00.
    for (zone, first, last) in [
        ("Europe/Berlin", date(2024, 3, 31), date(2024, 3, 31)),
        ("Europe/Berlin", date(2024, 10, 27), date(2024, 10, 27)),
        ("Asia/Beirut", date(2024, 3, 31), date(2024, 4, 1)),
        ("America/New_York", date(2024, 3, 9), date(2024, 3, 10)),
    ] {
        let of = |date: jiff::civil::Date| Some((date.year(), date.month(), date.day()));
        let flight = Campaign { start_date: of(first), end_date: of(last), ..campaign("flight", 0) };
        let mut world = World::new(vec![in_campaign(ad("a", 10), "flight")], vec![flight], 60);
        world.manifest.tenant.timezone = zone.into();
        let index = world.index();
        let start = |day: jiff::civil::Date| {
            let start = day.to_zoned(TimeZone::get(zone).unwrap()).unwrap().start_of_day().unwrap();
            Moment(start.timestamp().as_microsecond())
        };
        let (starts, ends) = (start(first), start(last.tomorrow().unwrap()));
        for (at, runs) in [(starts - Span(1), false), (starts, true), (ends - Span(1), true), (ends, false)] {
            world.now = at;
            assert_eq!(world.decide_of(&index).pod.len(), usize::from(runs), "{zone} {first} {at:?}");
        }
    }
}

#[test]
fn the_set_of_running_ads_is_kept_until_a_flight_starts_or_ends() {
    let flights = [3_i8, 5].map(|day| Campaign { start_date: Some((2024, 6, day)), ..campaign(&format!("c{day}"), 0) });
    let ads = vec![in_campaign(ad("a", 10), "c3"), in_campaign(ad("b", 10), "c5"), ad("c", 10)];
    let index = World::new(ads, flights.into(), 60).index();
    let stretch = |days: i64| index.flights.running(NOW + Span::from_secs(days * 86_400));
    assert!(Arc::ptr_eq(&stretch(0), &stretch(1)) && !Arc::ptr_eq(&stretch(1), &stretch(2)));
}
