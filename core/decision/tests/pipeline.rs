//! Stages in their order, caps, flights, ordering and the shape of the trace.

use super::*;

#[test]
fn each_stage_drops_with_its_reason_before_the_next_is_asked() {
    let inactive = Ad { status: Status::Inactive, ..ad("inactive", 10) };
    let banner = Ad { ad_type: AdType::Companion, ..ad("banner", 10) };
    let vast = Ad { creative: None, vast_url: Some("https://ads.example.com/vast".into()), ..ad("vast", 10) };
    let geo = RuleValue::Many(vec!["ID".into()]);
    let elsewhere = with_rule(ad("elsewhere", 10), RuleType::Geo, RuleOperator::In, geo);
    let campaigns = vec![
        Campaign { status: CampaignStatus::Paused, ..campaign("paused", 0) },
        Campaign { start_date: Some((2024, 6, 4)), ..campaign("future", 0) },
        Campaign { end_date: Some((2024, 6, 2)), ..campaign("past", 0) },
        Campaign { budget: Some(Money::ZERO), ..campaign("broke", 0) },
    ];
    let ads = vec![
        inactive,
        banner,
        vast,
        elsewhere,
        in_campaign(ad("in-paused", 10), "paused"),
        in_campaign(ad("in-future", 10), "future"),
        in_campaign(ad("in-past", 10), "past"),
        in_campaign(ad("in-broke", 10), "broke"),
        ad("unready", 10),
        ad("alcohol", 10),
        ad("long", 61),
        ad("good", 60),
        ad("spare", 60),
    ];
    let mut world = World::new(ads, campaigns, 60);
    world.broken.insert(slug("unready"), "no rendition fits: codec");
    let judge = Native(|input: &RuleInput<'_>| {
        let verdict = |id| match id {
            "alcohol" => Verdict::Drop { reason: "alcohol before 21:00".into() },
            "good" => Verdict::Score(1.0),
            _ => Verdict::Keep,
        };
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.id)).collect())
    });
    world.target("rules/safe.rhai", OnError::Open, judge);
    for (ad, expect) in [
        ("inactive", "dropped status: the ad is inactive"),
        ("banner", "dropped status: the ad is not linear: it cannot be stitched"),
        ("vast", "dropped creative: no HLS creative"),
        ("elsewhere", "dropped rule: geo in [ID]: viewer is in US"),
        ("in-paused", "dropped status: campaign paused is paused"),
        ("in-future", "dropped flight: campaign future has not started"),
        ("in-past", "dropped flight: campaign past has ended"),
        ("in-broke", "dropped budget: the budget of campaign broke is spent: 0.00 of 0.00"),
        ("unready", "dropped creative: no rendition fits: codec"),
        ("alcohol", "dropped script: rules/safe.rhai: alcohol before 21:00"),
        ("long", "dropped offer: it lasts 61 s, the break 60 s"),
        ("good", "chosen fill: 1 of 1 in the pod"),
        ("spare", "left fill: the fill strategy left it out"),
    ] {
        assert_eq!(world.fate(ad), expect, "{ad}");
    }
}

#[test]
fn a_flight_covers_both_of_its_days_on_the_tenants_clock() {
    // NOW is 17:30 on 3 June in Jakarta (UTC+7).
    let check = |start, end, zone: &str, shift_hours: i64, runs: bool| {
        let flight = Campaign { start_date: start, end_date: end, ..campaign("flight", 0) };
        let mut world = World::new(vec![in_campaign(ad("a", 10), "flight")], vec![flight], 60);
        world.manifest.tenant.timezone = zone.into();
        world.now = NOW + Span::from_secs(shift_hours * 3600);
        assert_eq!(!world.pod().is_empty(), runs, "{start:?} {end:?} {zone} {shift_hours}");
    };
    let third = Some((2024, 6, 3));
    check(third, third, "UTC", 0, true);
    check(third, third, "UTC", 13, true);
    check(third, third, "UTC", 14, false);
    check(third, third, "UTC", -10, true);
    check(third, third, "UTC", -11, false);
    check(third, third, "Asia/Jakarta", 6, true);
    check(third, third, "Asia/Jakarta", 7, false);
    check(None, None, "UTC", 0, true);
    check(third, Some((9999, 12, 31)), "UTC", 0, true);
}

#[test]
fn caps_count_what_the_session_was_given_of_the_whole_campaign() {
    let check = |per, impressions, seen: &[(&str, u32)], expect: &[&str]| {
        let capped = Campaign { frequency_caps: vec![FrequencyCap { impressions, per }], ..campaign("capped", 5) };
        let ads = ["a", "b", "c"].map(|name| in_campaign(ad(name, 10), "capped"));
        let mut world = World::new([ads.to_vec(), vec![ad("free", 10)]].concat(), vec![capped], 60);
        seen.iter().for_each(|(ad, count)| world.saw(ad, *count));
        let mut pod = world.pod();
        pod.sort();
        let given: usize = pod.iter().filter(|name| *name != "free").count();
        assert_eq!((given, pod.contains(&"free".to_owned())), (expect.len(), true), "{per:?} {seen:?}");
    };
    check(CapPeriod::Session, 2, &[], &["?", "?"]);
    check(CapPeriod::Hour, 2, &[("a", 1)], &["?"]);
    check(CapPeriod::Day, 2, &[("a", 1), ("c", 1)], &[]);
    check(CapPeriod::Flight, 2, &[("b", 7)], &[]);
    check(CapPeriod::Pod, 1, &[("a", 9)], &["?"]);
    check(CapPeriod::Session, 9, &[("free", 50)], &["?", "?", "?"]);
}

#[test]
fn a_capped_ad_says_how_often_and_a_surplus_one_that_better_ones_come_first() {
    let cap = Some(FrequencyCap { impressions: 1, per: CapPeriod::Hour });
    let capped = Campaign { frequency_caps: cap.into_iter().collect(), ..campaign("capped", 0) };
    let ads = vec![in_campaign(ad("a", 10), "capped"), in_campaign(ad("b", 10), "capped")];
    let mut world = World::new(ads, vec![capped], 60);
    let (first, second) = if world.pod() == ["a"] { ("a", "b") } else { ("b", "a") };
    assert_eq!(world.fate(first), "chosen fill: 1 of 1 in the pod");
    assert_eq!(world.fate(second), "dropped cap: campaign capped is capped at 1 per hour: better ads of it come first");
    world.saw("a", 1);
    assert_eq!(world.fate("a"), "dropped cap: campaign capped is capped at 1 per hour: 1 given");
}

#[test]
fn priority_goes_before_score_and_score_before_price() {
    let priced = |name, priority, cpm: &str| Campaign { cpm: cpm.parse().ok(), ..campaign(name, priority) };
    let campaigns = vec![priced("high", 10, "1"), priced("low-dear", 1, "9"), priced("low-cheap", 1, "2")];
    let ads = vec![
        in_campaign(ad("cheap", 10), "low-cheap"),
        in_campaign(ad("dear", 10), "low-dear"),
        in_campaign(ad("scored", 10), "low-cheap"),
        in_campaign(ad("top", 10), "high"),
        ad("house", 10),
    ];
    let mut world = World::new(ads, campaigns, 60);
    let judge = Native(|input: &RuleInput<'_>| {
        let verdict = |id| if id == "scored" { Verdict::Score(0.5) } else { Verdict::Keep };
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.id)).collect())
    });
    world.target("rules/score.rhai", OnError::Open, judge);
    assert_eq!(world.pod(), ["top", "scored", "dear", "cheap", "house"]);
}

#[test]
fn equal_ads_rotate_with_the_seed() {
    let mut world = World::new((0..8).map(|at| ad(&format!("ad-{at}"), 60)).collect(), Vec::new(), 60);
    let mut first = std::collections::BTreeMap::new();
    for seed in 0..800 {
        world.seed = seed;
        *first.entry(world.pod().remove(0)).or_insert(0) += 1;
    }
    assert_eq!(first.len(), 8);
    assert!(first.values().all(|&count| (60..=140).contains(&count)), "each about a hundred times: {first:?}");
}

#[test]
fn the_rest_is_filled_by_the_slate_or_left_to_content() {
    let mut world = World::new(vec![ad("a", 40), ad("slate", 10)], Vec::new(), 60);
    assert_eq!(world.decide().filler, Filler::Content { rest: Span::from_secs(10) });
    world.policy.slate = Some(slug("slate"));
    let rest = Span::from_secs(10);
    assert_eq!(world.decide().filler, Filler::Slate { ad: slug("slate"), rest });
    world.broken.insert(slug("slate"), "creative not loaded");
    assert_eq!(world.decide().filler, Filler::Content { rest: Span::from_secs(20) });
    world.avail.duration = Span::from_secs(40);
    assert_eq!(world.decide().filler, Filler::None);
}

#[test]
fn a_slate_is_never_sold() {
    let mut world = World::new(vec![ad("a", 40), ad("slate", 10)], Vec::new(), 60);
    world.manifest.channels.push(channel("news", Some("slate")));
    assert_eq!(world.fate("slate"), "dropped status: it is a channel's slate, which is not sold");
}

#[test]
fn a_rule_that_fails_is_skipped_when_open_and_stops_all_when_closed() {
    let mut world = World::new(vec![ad("a", 10)], Vec::new(), 60);
    world.target("rules/bad.rhai", OnError::Open, Native(|_: &RuleInput<'_>| Err(failure())));
    let decision = world.decide();
    assert_eq!(decision.pod.len(), 1);
    assert_eq!(decision.trace.scripts[0].error.as_deref(), Some("rules/bad.rhai: stopped at its limit: operations"));
    world.target("rules/worse.rhai", OnError::Closed, Native(|_: &RuleInput<'_>| Err(failure())));
    assert_eq!(world.fate("a"), "dropped script: rules/worse.rhai failed (limit) and lets nothing pass then");
}

#[test]
fn the_trace_has_its_documented_shape() {
    let mut world = World::new(vec![in_campaign(ad("a", 30), "c")], vec![campaign("c", 1)], 45);
    world.target("rules/ok.rhai", OnError::Open, Native(|_: &RuleInput<'_>| Ok(vec![Verdict::Keep])));
    assert_eq!(
        serde_json::to_value(world.decide().trace).unwrap(),
        json!({
            "time": "2024-06-03T10:30:00Z",
            "session": "session-1",
            "viewer": { "session_id": null, "geo": "US", "device": "smart-tv", "params": {} },
            "tenant": "acme",
            "channel": "news",
            "avail": { "id": "break-1", "start": "2024-06-03T10:30:00Z", "duration": 45.0, "position": "mid-roll" },
            "pod": [{ "ad": "a", "duration_seconds": 30.0, "campaign": "c" }],
            "filler": { "with": "content", "seconds": 15.0 },
            "candidates": [{ "ad": "a", "outcome": "chosen", "stage": "fill", "reason": "1 of 1 in the pod" }],
            "scripts": [
                { "name": "rules/ok.rhai", "version": "v1", "calls": 1, "ads": 1, "micros": 5 },
                { "name": "greedy", "version": "v1", "calls": 1, "ads": 1, "micros": 5 },
            ],
        })
    );
}
