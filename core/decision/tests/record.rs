//! A recorded decision comes out the same when it is replayed, and what a change would do is told.

use std::time::Duration;

use super::*;
use crate::{
    decision::record::{DecisionRecord, RecordedResult, difference, record, replay},
    extension::{
        Point, ScriptSource,
        rhai::{Budget, Host, Script},
        shipped,
    },
};

/// Numbers without a pattern, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// The shipped scripts in the real engine; without a time limit, so that a busy machine stops none of them.
struct Shipped(Arc<Host>);

impl Shipped {
    fn script(&self, name: &str, point: Point) -> (String, String, Script) {
        let source = ScriptSource { name, text: shipped::text(name).unwrap() };
        let budget = Budget { deadline: Duration::from_secs(600), ..Budget::of(point) };
        (format!("shipped:{name}"), source.version(), Script::load(&self.0, source, point).unwrap().with_budget(budget))
    }
    fn target(&self, name: &str) -> MountedRule {
        let (name, version, script) = self.script(name, Point::Targeting);
        let config = json!({ "max_per_session": 2 });
        MountedRule {
            name,
            version,
            on_error: OnError::Open,
            config,
            counters: Arc::new(["impressions.today.ad.*".parse().unwrap()]),
            rule: Arc::new(script.targeting()),
        }
    }
    fn fill(&self, name: &str) -> MountedFill {
        let (name, version, script) = self.script(name, Point::Fill);
        MountedFill { name, version, counters: Arc::default(), strategy: Arc::new(script.fill()) }
    }
}

/// A tenant with something of everything.
fn tenant(numbers: &mut Numbers, shipped: &Shipped) -> World {
    let cap = |impressions, per| FrequencyCap { impressions, per };
    let campaigns = (0..6).map(|at| Campaign {
        start_date: Some((2024, 6, 1)),
        end_date: Some((2024, 6, 10 + at)),
        budget: (at % 2 == 0).then_some(Money::from_micros(1_000_000)),
        impression_goal: (at % 3 == 0).then_some(100),
        cpm: Some(Money::from_micros(12_500_000)),
        frequency_caps: if at % 2 == 1 { vec![cap(1, CapPeriod::Hour), cap(2, CapPeriod::Day)] } else { Vec::new() },
        pacing: if at < 3 { Pacing::Even } else { Pacing::Asap },
        competitive_category: (at % 2 == 0).then(|| format!("category-{}", at % 4)),
        ..campaign(&format!("campaign-{at}"), i32::from(at) / 2)
    });
    let ads = (0..24).map(|at| {
        let mut ad = ad(&format!("ad-{at}"), numbers.one_of(&[10, 15, 20, 30]));
        ad.campaign = (at % 7 < 6).then(|| slug(&format!("campaign-{}", at % 7)));
        let geo = (at % 3 == 0).then(|| ("geo".to_owned(), "US, CA".to_owned()));
        ad.labels = geo.into_iter().collect();
        let us = RuleValue::Many(vec!["US".into()]);
        let ad = if at % 5 == 0 { with_rule(ad, RuleType::Geo, RuleOperator::NotIn, us) } else { ad };
        let script = RuleValue::One("shipped:targeting/frequency".into());
        if at % 11 == 0 { with_rule(ad, RuleType::Script, RuleOperator::Equals, script) } else { ad }
    });
    let mut world = World::new(ads.collect(), campaigns.collect(), 60);
    let frequency = shipped.target("targeting/frequency");
    world.scripts.insert(frequency.name.clone(), frequency.clone());
    world.policy.targeting =
        Arc::new([frequency, shipped.target("targeting/geo"), shipped.target("targeting/rotation")]);
    world.policy.fill = shipped.fill("fill/best_effort");
    world.policy.fallback = world.policy.fill.clone();
    world
}

/// Another viewer, time and state of the world.
fn shuffle(world: &mut World, numbers: &mut Numbers) {
    world.seed = numbers.0;
    world.now = NOW + Span::from_secs(numbers.below(10 * 86_400) as i64);
    world.viewer.geo = numbers.one_of(&["US", "CA", "ID", ""]).into();
    world.viewer.params.insert("app".into(), numbers.one_of(&["tv", "web"]).into());
    world.avail.duration = Span::from_millis(numbers.one_of(&[15_000, 30_040, 60_000, 90_000, 120_000]));
    world.avail.start = world.now;
    world.policy.order = numbers.one_of(&[DemandOrder::OwnFirst, DemandOrder::ExternalFirst, DemandOrder::Merged]);
    world.policy.slate = (numbers.below(3) == 0).then(|| slug("ad-3"));
    world.broken = (0..numbers.below(4)).map(|_| (slug(&format!("ad-{}", numbers.below(24))), "not loaded")).collect();
    world.history = (0..numbers.below(6))
        .map(|_| Exposure {
            ad: slug(&format!("ad-{}", numbers.below(26))),
            campaign: (numbers.below(2) == 0).then(|| slug(&format!("campaign-{}", numbers.below(6)))),
            at: world.now - Span::from_secs(numbers.below(86_400) as i64),
            this_session: numbers.below(2) == 0,
        })
        .collect();
    world.spend = (0..6)
        .map(|at| {
            let money = Money::from_micros(numbers.below(1_000_000) as i64);
            let available = (numbers.below(4) == 0).then(|| numbers.below(3) as u64);
            (slug(&format!("campaign-{at}")), Spend { money, impressions: numbers.below(110) as u64, available })
        })
        .collect();
    let shown = (0..numbers.below(24)).map(|at| (format!("impressions.today.ad.ad-{at}"), numbers.below(9) as i64));
    world.counters = Counters::new(Arc::new(shown.collect::<BTreeMap<_, _>>()));
    world.external = (0..numbers.below(4))
        .map(|at| ExternalAd {
            slug: slug(&format!("x-{at}")),
            duration: Span::from_millis(numbers.one_of(&[15_000, 29_960, 30_000])),
            priority: numbers.below(3) as i32,
            cpm_micros: numbers.below(20) as i64 * 1_000_000,
            category: (numbers.below(2) == 0).then(|| "category-0".into()),
            labels: BTreeMap::new(),
            sequence: (numbers.below(2) == 0).then_some(at as u32),
        })
        .collect();
}

#[test]
fn ten_thousand_decisions_replay_to_the_same_bytes() {
    let shipped = Shipped(Arc::new(Host::new().unwrap()));
    let mut numbers = Numbers(17);
    let mut world = tenant(&mut numbers, &shipped);
    let strict = shipped.fill("fill/strict");
    let best_effort = world.policy.fill.clone();
    let index = world.index();
    // What a replay runs with was loaded anew: no state is left over from the decisions.
    let again = tenant(&mut Numbers(17), &shipped).index();
    let (mut filled, mut external, mut slates) = (0, 0, 0);
    for round in 0..10_000 {
        shuffle(&mut world, &mut numbers);
        world.policy.fill = if round % 4 == 0 { strict.clone() } else { best_effort.clone() };
        world.detail = if round % 8 == 0 { Detail::Full } else { Detail::Brief };
        let (decision, record) = record(3, &index, &world.policy, &world.request(), &world);
        if round < 500 {
            assert_eq!(decision, decide(&index, &world.policy, &world.request(), &world), "recording changes nothing");
        }
        let text = serde_json::to_string(&record).unwrap();
        let read: DecisionRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record);
        let replayed = RecordedResult::from(&replay(&read, &again, &world.policy));
        let (before, after) =
            (serde_json::to_string(&record.result).unwrap(), serde_json::to_string(&replayed).unwrap());
        assert_eq!(before, after, "{text}");
        filled += usize::from(!decision.pod.is_empty());
        external += usize::from(decision.pod.iter().any(|picked| picked.external.is_some()));
        slates += usize::from(record.result.slate.is_some());
    }
    assert!(filled > 5_000 && external > 1_000 && slates > 500, "{filled} {external} {slates}");
}

#[test]
fn a_record_keeps_what_was_asked_and_no_more() {
    let mut world = World::new(vec![in_campaign(ad("a", 30), "c"), ad("b", 30)], vec![campaign("c", 1)], 60);
    world.manifest.campaigns[0].budget = Some(Money::from_micros(5));
    world.broken.insert(slug("b"), "not loaded");
    world.saw("b", 1);
    world.history.push(Exposure { ad: slug("b"), campaign: None, at: NOW, this_session: false });
    let (_, record) = record(7, &world.index(), &world.policy, &world.request(), &world);
    let shown = serde_json::to_value(&record).unwrap();
    assert_eq!(shown["creatives"], json!({ "a": { "ready": 30_000_000 }, "b": { "skipped": "not loaded" } }));
    assert_eq!(shown["spend"], json!({ "c": { "money": "0.00", "impressions": 0, "available": null } }));
    assert_eq!(record.history.len(), 1, "what another session saw of an uncapped campaign changes nothing");
    assert_eq!(shown["scripts"][0], json!({ "name": "greedy", "version": "v1" }));
    assert_eq!((shown["version"].as_i64(), shown["seed"].as_u64()), (Some(7), Some(7)));
    let outcome = json!({ "ad": "b", "outcome": "dropped", "stage": "creative" });
    assert!(shown["result"]["outcomes"].as_array().unwrap().contains(&outcome), "{shown}");
}

#[test]
fn a_replay_with_another_script_says_what_would_change() {
    let priced = |name, cpm: &str, priority| Campaign { cpm: cpm.parse().ok(), ..campaign(name, priority) };
    let ads = vec![in_campaign(ad("dear", 40), "dear"), in_campaign(ad("cheap", 20), "cheap"), ad("house", 35)];
    let mut world = World::new(ads, vec![priced("dear", "30", 1), priced("cheap", "5.5", 1)], 60);
    let (decision, record) = record(1, &world.index(), &world.policy, &world.request(), &world);
    assert!(difference(&record, &decision).is_none());
    let no = |id: &str| if id == "dear" { Verdict::Drop { reason: "no".into() } } else { Verdict::Keep };
    world.target(
        "rules/new.rhai",
        OnError::Open,
        Native(move |input: &RuleInput<'_>| Ok(input.candidates.iter().map(|candidate| no(candidate.id)).collect())),
    );
    let changed = difference(&record, &replay(&record, &world.index(), &world.policy));
    assert_eq!(changed.before, [slug("dear"), slug("cheap")]);
    assert_eq!(changed.after, [slug("cheap"), slug("house")]);
    assert_eq!((changed.added, changed.removed), (vec![slug("house")], vec![slug("dear")]));
    assert_eq!((changed.filled_before, changed.filled_after), (Span::from_secs(60), Span::from_secs(55)));
    assert_eq!((changed.revenue_before.micros(), changed.revenue_after.micros()), (35_500, 5_500));
}

#[test]
fn a_replay_reads_the_counters_of_then() {
    let mut world = World::new(vec![ad("a", 30), ad("b", 30)], Vec::new(), 30);
    let board = |a: i64| {
        let shown = [("impressions.today.ad.a".to_owned(), a), ("impressions.today.ad.b".to_owned(), 5)];
        Counters::new(Arc::new(BTreeMap::from(shown)))
    };
    let rule = |input: &RuleInput<'_>| {
        let shown = |id: &str| input.counters.read(&format!("impressions.today.ad.{id}"));
        let verdict = |id| shown(id).map_or(Verdict::Keep, |shown| Verdict::Score(-(shown as f64)));
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.id)).collect())
    };
    world.target("rules/turns.rhai", OnError::Open, Native(rule));
    world.counters = board(9);
    let (_, ungranted) = record(1, &world.index(), &world.policy, &world.request(), &world);
    assert_eq!(ungranted.counters, BTreeMap::new());
    let mut granted = world.policy.targeting.to_vec();
    granted[0].counters = Arc::new(["impressions.today.ad.*".parse().unwrap()]);
    world.policy.targeting = granted.into();
    let (decision, record) = record(1, &world.index(), &world.policy, &world.request(), &world);
    assert_eq!(decision.pod[0].ad, slug("b"), "a was shown more often");
    assert_eq!(record.counters.values().copied().collect::<Vec<_>>(), [9, 5]);
    assert_eq!(decision.trace.counters, record.counters, "the explanation says what was read");
    world.counters = board(0);
    assert_eq!(world.decide().pod[0].ad, slug("a"));
    let replayed = replay(&record, &world.index(), &world.policy);
    assert_eq!(RecordedResult::from(&replayed), record.result, "whatever the counters say now");
}
