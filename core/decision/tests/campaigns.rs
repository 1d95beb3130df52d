//! What a campaign may still have: caps, competitive separation, budget, goal, a server's share, pacing.

use super::*;

const MINUTE: Span = Span::from_secs(60);

fn capped(caps: &[(u32, CapPeriod)]) -> Campaign {
    let caps = caps.iter().map(|(impressions, per)| FrequencyCap { impressions: *impressions, per: *per });
    Campaign { frequency_caps: caps.collect(), ..campaign("capped", 5) }
}

/// Ads `a` to `e` of ten seconds of one campaign, a minute to fill.
fn of_campaign(campaign: Campaign) -> World {
    let ads = ["a", "b", "c", "d", "e"].map(|name| in_campaign(ad(name, 10), campaign.slug.as_str()));
    World::new(ads.into(), vec![campaign], 60)
}

fn saw(world: &mut World, at: Moment, this_session: bool) {
    world.history.push(Exposure { ad: slug("a"), campaign: Some(slug("capped")), at, this_session });
}

#[test]
fn a_cap_of_an_hour_counts_the_last_sixty_minutes_in_all_sessions() {
    let mut world = of_campaign(capped(&[(2, CapPeriod::Hour)]));
    saw(&mut world, NOW - MINUTE * 60 + Span(1), false);
    assert_eq!(world.pod().len(), 1);
    world.history[0].at = NOW - MINUTE * 60;
    assert_eq!(world.pod().len(), 2);
}

#[test]
fn a_cap_of_a_session_counts_this_session_only() {
    let mut world = of_campaign(capped(&[(2, CapPeriod::Session)]));
    saw(&mut world, NOW - MINUTE, false);
    assert_eq!(world.pod().len(), 2);
    saw(&mut world, NOW - MINUTE * 600, true);
    assert_eq!(world.pod().len(), 1);
}

#[test]
fn a_cap_of_a_day_counts_the_tenants_calendar_day_across_a_clock_change() {
    let at = |text: &str| Moment(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    // Berlin turns its clocks at 01:00 UTC on 31 March; the day begins at 23:00 UTC and lasts 23 hours. On 27 October
    // it begins at 22:00 UTC and lasts 25.
    for (begins, ends) in
        [("2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"), ("2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z")]
    {
        let mut world = of_campaign(capped(&[(1, CapPeriod::Day)]));
        world.manifest.tenant.timezone = "Europe/Berlin".into();
        saw(&mut world, at(begins), false);
        world.now = at(ends) - Span(1);
        assert_eq!(world.fate("a"), "dropped cap: campaign capped is capped at 1 per day: 1 given", "{begins}");
        world.history[0].at = at(begins) - Span(1);
        assert_eq!(world.pod().len(), 1, "given the day before");
        world.history[0].at = at(begins);
        world.now = at(ends);
        assert_eq!(world.pod().len(), 1, "asked the day after");
    }
}

#[test]
fn a_cap_of_the_flight_counts_from_its_first_day_on() {
    let mut flight = capped(&[(1, CapPeriod::Flight)]);
    flight.start_date = Some((2024, 6, 1));
    let mut world = of_campaign(flight);
    saw(&mut world, Moment(1_717_200_000_000_000) - Span(1), false);
    assert_eq!(world.pod().len(), 1, "given before the flight");
    world.history[0].at += Span(1);
    assert_eq!(world.pod().len(), 0);
}

#[test]
fn of_several_caps_all_hold_and_the_tightest_is_the_reason() {
    let mut world = of_campaign(capped(&[(9, CapPeriod::Day), (3, CapPeriod::Pod), (4, CapPeriod::Session)]));
    assert_eq!(world.pod().len(), 3);
    saw(&mut world, NOW - MINUTE, true);
    saw(&mut world, NOW - MINUTE, true);
    assert_eq!(world.pod().len(), 2);
    let left_out = "dropped cap: campaign capped is capped at 4 per session: better ads of it come first";
    let fates = ["a", "b", "c", "d", "e"].map(|ad| world.fate(ad));
    assert_eq!(fates.iter().filter(|fate| *fate == left_out).count(), 3, "{fates:?}");
}

#[test]
fn two_ads_of_one_competitive_category_are_never_in_one_pod() {
    let of = |name: &str, priority, category: Option<&str>| Campaign {
        competitive_category: category.map(str::to_owned),
        ..campaign(name, priority)
    };
    let campaigns = vec![of("audi", 9, Some("cars")), of("bmw", 8, Some("cars")), of("soap", 1, None)];
    let ads = ["audi", "bmw", "soap"].map(|name| in_campaign(ad(&format!("{name}-ad"), 20), name));
    let mut world = World::new(ads.into(), campaigns, 60);
    assert_eq!(world.pod(), ["audi-ad", "soap-ad"]);
    assert_eq!(world.fate("bmw-ad"), "dropped separation: audi-ad is in the pod and of its category cars too");
    // A strategy that does not care is not listened to.
    world.policy.fill = fill("rules/all.rhai", Native(|_: &FillInput<'_>| Ok(vec![0, 1, 2])));
    assert_eq!(world.pod(), ["audi-ad", "soap-ad"]);
    let error = world.decide().trace.scripts[0].error.clone().unwrap();
    assert!(error.contains("`bmw-ad` is the second ad of the category `cars`"), "{error}");
}

fn bought(budget: Option<&str>, goal: Option<u64>) -> Campaign {
    Campaign {
        budget: budget.map(|budget| budget.parse().unwrap()),
        impression_goal: goal,
        cpm: Some("10".parse().unwrap()),
        ..campaign("bought", 0)
    }
}

fn spent(money: &str, impressions: u64, available: Option<u64>) -> Spend {
    Spend { money: money.parse().unwrap(), impressions, available }
}

fn with_spend(campaign: Campaign, spend: Spend) -> World {
    let mut world = of_campaign(campaign);
    world.spend.insert(slug("bought"), spend);
    world
}

#[test]
fn a_pod_has_no_more_ads_than_budget_goal_and_this_server_allow() {
    for (campaign, spend, ads, text) in [
        (bought(Some("1"), None), spent("0.97", 0, None), 3, "the budget of campaign bought pays for 3 more"),
        (bought(Some("1"), None), spent("0.971", 0, None), 2, "the budget of campaign bought pays for 2 more"),
        (bought(None, Some(10)), spent("9", 8, None), 2, "campaign bought lacks 2 more impressions"),
        (
            bought(Some("1"), None),
            spent("0.1", 9, Some(1)),
            1,
            "this server may give 1 more impressions of campaign bought for now",
        ),
        (bought(Some("1"), Some(100)), spent("0.98", 90, Some(7)), 2, "the budget of campaign bought pays for 2 more"),
    ] {
        let world = with_spend(campaign, spend);
        assert_eq!(world.pod().len(), ads, "{text}");
        let surplus = format!("dropped budget: {text}: better ads of it come first");
        assert!(
            ["a", "b", "c", "d", "e"].iter().any(|ad| world.fate(ad) == surplus),
            "{text}: {:?}",
            world.decide().trace
        );
    }
}

#[test]
fn a_campaign_that_may_have_nothing_more_says_why() {
    for (campaign, spend, text) in [
        (bought(Some("1"), None), spent("0.999", 0, None), "the budget of campaign bought is spent: 0.999 of 1.00"),
        (bought(Some("1"), None), spent("1", 0, None), "the budget of campaign bought is spent: 1.00 of 1.00"),
        (bought(None, Some(10)), spent("0", 10, None), "campaign bought has its impressions: 10 of 10"),
        (
            bought(None, Some(10)),
            spent("0", 3, Some(0)),
            "this server may give no more impressions of campaign bought for now",
        ),
    ] {
        assert_eq!(with_spend(campaign, spend).fate("a"), format!("dropped budget: {text}"));
    }
}

#[test]
fn without_budget_and_goal_nobody_asks_what_was_spent() {
    let world = with_spend(bought(None, None), spent("9", 9, Some(0)));
    assert_eq!(world.pod().len(), 5);
}

/// The first ten days of June, on a clock two hours ahead of UTC in summer; NOW is 12:30 on the third.
fn paced(budget: Option<&str>, goal: Option<u64>) -> Campaign {
    let (start_date, end_date) = (Some((2024, 6, 1)), Some((2024, 6, 10)));
    Campaign { pacing: Pacing::Even, start_date, end_date, ..bought(budget, goal) }
}

#[test]
fn an_evenly_paced_campaign_waits_for_its_schedule_and_says_the_numbers() {
    let check = |campaign: Campaign, spend, fate: Option<&str>| {
        let mut world = with_spend(campaign, spend);
        world.manifest.tenant.timezone = "Europe/Berlin".into();
        let expect = fate.map(|text| format!("dropped budget: campaign bought is ahead of its schedule: {text}"));
        assert_eq!(expect, Some(world.fate("a")).filter(|_| world.pod().is_empty()));
    };
    // 60.5 of 240 hours have passed: 25.2 %, and 1 % of head start.
    let numbers = "263 of 1000 impressions given, 263 due by now";
    check(paced(None, Some(1000)), spent("0", 262, None), None);
    check(paced(None, Some(1000)), spent("0", 263, None), Some(numbers));
    let numbers = "26.208334 of 100.00 spent, 26.208334 due by now";
    check(paced(Some("100"), None), spent("26.20", 0, None), None);
    check(paced(Some("100"), None), spent("26.208334", 0, None), Some(numbers));
    // Either is enough to wait for.
    check(paced(Some("100"), Some(1000)), spent("1", 500, None), Some("500 of 1000 impressions given, 263 due by now"));
    // Asap, no end, no start, nothing bought: no schedule.
    check(Campaign { pacing: Pacing::Asap, ..paced(None, Some(1000)) }, spent("0", 999, None), None);
    check(Campaign { end_date: None, ..paced(None, Some(1000)) }, spent("0", 999, None), None);
    check(Campaign { start_date: None, ..paced(None, Some(1000)) }, spent("0", 999, None), None);
}

#[test]
fn an_evenly_paced_flight_begins_at_once_and_ends_complete() {
    let mut world = with_spend(paced(None, Some(10)), Spend::default());
    world.now = Moment(1_717_200_000_000_000);
    assert_eq!(world.pod().len(), 1, "one at the first instant");
    world.now = Moment(1_717_200_000_000_000) + Span::from_secs(10 * 86_400) - Span(1);
    world.spend.insert(slug("bought"), spent("0", 7, None));
    assert_eq!(world.pod().len(), 3, "all the rest at the last");
}

#[test]
fn a_schedule_follows_a_day_of_25_hours() {
    // 27 October in Berlin; after 12.5 of its 25 hours it is 11:30 there.
    let day = (Some((2024, 10, 27)), Some((2024, 10, 27)));
    let campaign = Campaign { start_date: day.0, end_date: day.1, ..paced(None, Some(1000)) };
    let mut world = with_spend(campaign, spent("0", 509, None));
    world.manifest.tenant.timezone = "Europe/Berlin".into();
    world.now = Moment("2024-10-27T10:30:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
    assert_eq!(world.pod().len(), 1);
    world.spend.insert(slug("bought"), spent("0", 510, None));
    assert_eq!(world.pod().len(), 0);
}
