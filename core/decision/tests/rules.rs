//! Every rule type with every operator that it takes, and the refusal of the others.

use super::*;

const UNKNOWN: &str = "";

fn one(value: &str) -> RuleValue {
    RuleValue::One(value.into())
}
fn many(values: &[&str]) -> RuleValue {
    RuleValue::Many(values.iter().map(|value| (*value).into()).collect())
}
fn range(min: i64, max: i64) -> RuleValue {
    RuleValue::Range { min, max }
}

/// `expect` is the reason of the failure, or nothing when the ad passes.
fn check(kind: RuleType, operator: RuleOperator, value: RuleValue, geo: &str, now: &str, expect: Option<&str>) {
    let ad = with_rule(ad("cola", 30), kind, operator, value);
    let mut world = World::new(vec![ad], Vec::new(), 60);
    world.viewer.geo = geo.into();
    world.now = Moment(now.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let expect = expect.map_or("chosen fill: 1 of 1 in the pod".to_owned(), |reason| format!("dropped rule: {reason}"));
    assert_eq!(world.fate("cola"), expect);
}

/// Monday 10:30.
const MONDAY: &str = "2024-06-03T10:30:00Z";

#[test]
fn geo_compares_countries_without_case_and_an_unknown_one_is_in_no_list() {
    use RuleOperator::{Equals, In, NotIn};
    let geo = |operator, value, geo, expect| check(RuleType::Geo, operator, value, geo, MONDAY, expect);
    geo(Equals, one("us"), "US", None);
    geo(Equals, one("US"), "ID", Some("geo equals US: viewer is in ID"));
    geo(In, many(&["US", "CA"]), "ca", None);
    geo(In, many(&["US", "CA"]), "ID", Some("geo in [US, CA]: viewer is in ID"));
    geo(In, many(&["US"]), UNKNOWN, Some("geo in [US]: the viewer's country is unknown"));
    geo(NotIn, many(&["US"]), "ID", None);
    geo(NotIn, many(&["US"]), UNKNOWN, None);
    geo(NotIn, many(&["US"]), "US", Some("geo not_in [US]: viewer is in US"));
}

#[test]
fn device_compares_kinds_and_contains_looks_for_a_part() {
    use RuleOperator::{Contains, Equals, In, NotIn};
    let device = |operator, value, expect| check(RuleType::Device, operator, value, "US", MONDAY, expect);
    device(Equals, one("smart-tv"), None);
    device(Equals, one("mobile"), Some("device equals mobile: device is smart-tv"));
    device(In, many(&["mobile", "smart-tv"]), None);
    device(NotIn, many(&["smart-tv"]), Some("device not_in [smart-tv]: device is smart-tv"));
    device(NotIn, many(&["mobile"]), None);
    device(Contains, one("tv"), None);
    device(Contains, one("top"), Some("device contains top: device is smart-tv"));
}

#[test]
fn time_is_the_tenants_hour_and_a_range_includes_both_ends_and_may_wrap() {
    use RuleOperator::{Equals, In, NotIn, Range};
    let time = |operator, value, hour: u8, expect| {
        check(RuleType::Time, operator, value, "US", &format!("2024-06-03T{hour:02}:59:00Z"), expect);
    };
    time(Range, range(9, 17), 9, None);
    time(Range, range(9, 17), 17, None);
    time(Range, range(9, 17), 18, Some("time range 9..17: it is 18:59"));
    time(Range, range(22, 4), 23, None);
    time(Range, range(22, 4), 0, None);
    time(Range, range(22, 4), 4, None);
    time(Range, range(22, 4), 5, Some("time range 22..4: it is 05:59"));
    time(Range, range(22, 4), 21, Some("time range 22..4: it is 21:59"));
    time(Equals, one("8"), 8, None);
    time(In, many(&["8", "20"]), 9, Some("time in [8, 20]: it is 09:59"));
    time(NotIn, many(&["8"]), 8, Some("time not_in [8]: it is 08:59"));
    time(NotIn, many(&["8"]), 9, None);
}

#[test]
fn hours_are_read_on_the_tenants_clock_and_not_on_the_servers() {
    let ad = with_rule(ad("late", 30), RuleType::Time, RuleOperator::Range, range(17, 18));
    let mut world = World::new(vec![ad], Vec::new(), 60);
    world.manifest.tenant.timezone = "Asia/Jakarta".into();
    assert_eq!(world.pod(), ["late"]);
}

#[test]
fn weekdays_go_by_name_or_number_and_a_range_may_wrap() {
    use RuleOperator::{Equals, In, NotIn, Range};
    let day = |operator, value, expect| check(RuleType::DayOfWeek, operator, value, "US", MONDAY, expect);
    day(Equals, one("monday"), None);
    day(Equals, one("Mon"), None);
    day(Equals, one("1"), None);
    day(Equals, one("sunday"), Some("day_of_week equals sunday: it is Monday"));
    day(In, many(&["sat", "sun"]), Some("day_of_week in [sat, sun]: it is Monday"));
    day(NotIn, many(&["sat", "sun"]), None);
    day(Range, range(1, 5), None);
    day(Range, range(6, 1), None);
    day(Range, range(2, 7), Some("day_of_week range 2..7: it is Monday"));
}

#[test]
fn channel_compares_slugs_and_contains_looks_for_a_part() {
    use RuleOperator::{Contains, Equals, In, NotIn};
    let channel = |operator, value, expect| check(RuleType::Channel, operator, value, "US", MONDAY, expect);
    channel(Equals, one("news"), None);
    channel(Equals, one("sport"), Some("channel equals sport: channel is news"));
    channel(In, many(&["sport", "news"]), None);
    channel(NotIn, many(&["news"]), Some("channel not_in [news]: channel is news"));
    channel(NotIn, many(&["sport"]), None);
    channel(Contains, one("ew"), None);
    channel(Contains, one("kids"), Some("channel contains kids: channel is news"));
}

#[test]
fn all_rules_must_pass_and_the_first_that_fails_is_the_reason() {
    let ad = with_rule(ad("cola", 30), RuleType::Geo, RuleOperator::In, many(&["US"]));
    let ad = with_rule(ad, RuleType::Device, RuleOperator::Equals, one("mobile"));
    let ad = with_rule(ad, RuleType::Channel, RuleOperator::Equals, one("sport"));
    let world = World::new(vec![ad], Vec::new(), 60);
    assert_eq!(world.fate("cola"), "dropped rule: device equals mobile: device is smart-tv");
}

#[test]
fn an_operator_that_makes_no_sense_is_refused_with_those_that_do() {
    for kind in RuleType::ALL {
        for operator in RuleOperator::ALL {
            let rule = AdRule { kind, operator, value: one("x") };
            let refused = CompiledRules::compile(&[rule]).err().filter(|error| error.part == RulePart::Operator);
            assert_eq!(refused.is_none(), kind.operators().contains(&operator), "{kind:?} {operator:?}");
            if let Some(error) = refused {
                let expected = kind.operators().iter().map(|o| o.as_str()).collect::<Vec<_>>().join(", ");
                assert_eq!(error.expected, format!("one of {expected}"));
            }
        }
    }
}

#[test]
fn a_script_rule_judges_its_own_ad_only() {
    let script = one("rules/no.rhai");
    let ads = vec![with_rule(ad("a", 10), RuleType::Script, RuleOperator::Equals, script), ad("b", 10), ad("c", 10)];
    let mut world = World::new(ads, Vec::new(), 60);
    let no = Native(|input: &RuleInput<'_>| {
        assert_eq!(input.candidates.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), ["a"]);
        Ok(vec![Verdict::Drop { reason: "not today".into() }])
    });
    world.scripts.insert("rules/no.rhai".into(), mounted("rules/no.rhai", OnError::Open, no));
    assert_eq!(world.fate("a"), "dropped script: rules/no.rhai: not today");
    assert_eq!(world.decide().pod.len(), 2);

    let fails = Native(|_: &RuleInput<'_>| Err(failure()));
    world.scripts.insert("rules/no.rhai".into(), mounted("rules/no.rhai", OnError::Open, fails));
    assert_eq!(world.fate("a"), "dropped script: rules/no.rhai failed (limit) and lets nothing pass then");
    assert_eq!(world.decide().pod.len(), 2);

    world.scripts.clear();
    let missing = CandidateIndex::build(&world.manifest, &|_| None).err().unwrap();
    assert_eq!(missing.to_string(), "ad `a`: no script `rules/no.rhai` is loaded");
}
