//! Candidates come to scripts in batches, best first, until there are enough.

use std::sync::Mutex;

use super::*;

/// So many ads of a second; what a script was shown is noted down.
fn world(ads: usize, verdict: fn(&str) -> Verdict) -> (World, Arc<Mutex<Vec<usize>>>) {
    let mut world = World::new((0..ads).map(|at| ad(&format!("ad-{at:05}"), 1)).collect(), Vec::new(), 60);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let noted = shown.clone();
    let judge = Native(move |input: &RuleInput<'_>| {
        noted.lock().unwrap().push(input.candidates.len());
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.id)).collect())
    });
    world.target("rules/judge.rhai", OnError::Open, judge);
    (world, shown)
}

fn odd(id: &str) -> Verdict {
    if id.ends_with(['1', '3', '5', '7', '9']) { Verdict::Drop { reason: "odd".into() } } else { Verdict::Keep }
}

#[test]
fn a_script_that_keeps_all_is_asked_once() {
    let (world, shown) = world(1000, |_| Verdict::Keep);
    let decision = world.decide();
    assert_eq!(*shown.lock().unwrap(), [ENOUGH]);
    let not_asked = decision.trace.candidates.iter().filter(|candidate| candidate.outcome == Outcome::Left);
    let not_asked = not_asked.filter(|candidate| candidate.reason == "it was not asked about: 128 better ads passed");
    assert_eq!(not_asked.count(), 1000 - ENOUGH);
}

#[test]
fn a_script_that_drops_is_shown_more_until_there_are_enough() {
    let (world, shown) = world(2000, odd);
    let decision = world.decide();
    let shown = shown.lock().unwrap();
    assert!(shown.iter().all(|count| *count <= BATCH) && shown.len() > 1, "{shown:?}");
    assert_eq!(decision.trace.scripts[0].ads, shown.iter().sum::<usize>());
    let outcomes = &decision.outcomes;
    let kept = outcomes.iter().filter(|outcome| outcome.stage != Stage::Script).count();
    assert!((ENOUGH..ENOUGH + BATCH).contains(&kept), "{kept}");
}

#[test]
fn a_script_that_drops_nearly_all_is_asked_about_so_many_and_no_more() {
    let (world, shown) = world(MAX_JUDGED + 500, |_| Verdict::Drop { reason: "no".into() });
    let decision = world.decide();
    assert_eq!(shown.lock().unwrap().iter().sum::<usize>(), MAX_JUDGED);
    let left = "it was not asked about: scripts judge the best 1024 of a decision";
    assert_eq!(decision.trace.candidates.iter().filter(|candidate| candidate.reason == left).count(), 500);
}

#[test]
fn a_script_that_failed_is_not_asked_again_for_the_same_decision() {
    let (mut world, _) = world(2000, odd);
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let fails = Native(move |_: &RuleInput<'_>| {
        *counted.lock().unwrap() += 1;
        Err(failure())
    });
    world.target("rules/bad.rhai", OnError::Open, fails);
    assert!(!world.pod().is_empty());
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[test]
fn when_a_closed_script_failed_nobody_passes_and_everybody_hears_why() {
    let (mut world, _) = world(600, |_| Verdict::Keep);
    world.target("rules/bad.rhai", OnError::Closed, Native(|_: &RuleInput<'_>| Err(failure())));
    let decision = world.decide();
    assert_eq!(decision.pod, []);
    let reason = "rules/bad.rhai failed (limit) and lets nothing pass then";
    assert!(decision.trace.candidates.iter().all(|candidate| candidate.reason == reason));
}

#[test]
fn better_ads_come_first_and_the_best_are_offered() {
    let campaigns = vec![campaign("high", 2), campaign("low", 1)];
    let ads = (0..600).map(|at| in_campaign(ad(&format!("ad-{at:03}"), 1), if at % 2 == 0 { "low" } else { "high" }));
    let mut world = World::new(ads.collect(), campaigns, 60);
    world.target(
        "rules/any.rhai",
        OnError::Open,
        Native(|input: &RuleInput<'_>| {
            assert!(input.candidates.iter().all(|candidate| candidate.campaign == Some("high")));
            Ok(vec![Verdict::Keep; input.candidates.len()])
        }),
    );
    assert_eq!(world.pod().len(), 60);
}

#[test]
fn campaigns_that_may_have_little_or_nothing_do_not_crowd_out_the_others() {
    let cap = |impressions| vec![FrequencyCap { impressions, per: CapPeriod::Hour }];
    let nothing = Campaign { frequency_caps: cap(1), ..campaign("nothing", 9) };
    let little = Campaign { frequency_caps: cap(2), ..campaign("little", 8) };
    for scripted in [false, true] {
        let of =
            |name: &str| (0..1500).map(|at| in_campaign(ad(&format!("{name}-{at}"), 10), name)).collect::<Vec<_>>();
        let ads = [of("nothing"), of("little"), vec![ad("house-1", 10), ad("house-2", 10)]].concat();
        let mut world = World::new(ads, vec![nothing.clone(), little.clone()], 60);
        world.saw("nothing-7", 1);
        if scripted {
            let keep = Native(|input: &RuleInput<'_>| Ok(vec![Verdict::Keep; input.candidates.len()]));
            world.target("rules/any.rhai", OnError::Open, keep);
        }
        let pod = world.pod();
        assert_eq!(pod.iter().filter(|ad| ad.starts_with("little")).count(), 2, "{pod:?}");
        assert_eq!(pod.iter().filter(|ad| ad.starts_with("house")).count(), 2, "{pod:?}");
        assert_eq!(world.fate("nothing-3"), "dropped cap: campaign nothing is capped at 1 per hour: 1 given");
    }
}

#[test]
fn only_what_may_play_is_looked_up() {
    struct Counted(Mutex<usize>);
    impl CreativeLookup for Counted {
        fn check(&self, _: &Slug) -> Result<Span, SkipReason> {
            *self.0.lock().unwrap() += 1;
            Ok(Span::from_secs(1))
        }
    }
    let elsewhere = |ad| with_rule(ad, RuleType::Geo, RuleOperator::In, RuleValue::Many(vec!["ID".into()]));
    let ads = (0..2000).map(|at| elsewhere(ad(&format!("ad-{at}"), 1))).chain([ad("here", 1)]);
    let world = World::new(ads.collect(), Vec::new(), 60);
    let counted = Counted(Mutex::new(0));
    let decision = decide(&world.index(), &world.policy, &world.request(), &counted);
    assert_eq!((decision.pod.len(), *counted.0.lock().unwrap()), (1, 1));
}

#[test]
fn scripts_choose_among_several_ads_of_a_campaign_that_may_have_one() {
    let capped = Campaign {
        frequency_caps: vec![FrequencyCap { impressions: 1, per: CapPeriod::Pod }],
        ..campaign("capped", 9)
    };
    let ads = (0..40).map(|at| in_campaign(ad(&format!("ad-{at:02}"), 10), "capped"));
    let ads = ads.chain((0..200).map(|at| ad(&format!("house-{at}"), 10)));
    let mut world = World::new(ads.collect(), vec![capped], 60);
    let first = Arc::new(Mutex::new(None));
    let noted = first.clone();
    let judge = Native(move |input: &RuleInput<'_>| {
        let own = input.candidates.iter().filter(|candidate| candidate.campaign.is_some()).count();
        noted.lock().unwrap().get_or_insert(own);
        // The last of them is the best.
        let last = input.candidates.iter().rposition(|candidate| candidate.campaign.is_some());
        let score = |at| if Some(at) == last { 5.0 } else { 0.0 };
        Ok((0..input.candidates.len()).map(|at| Verdict::Score(score(at))).collect())
    });
    world.target("rules/best.rhai", OnError::Open, judge);
    let decision = world.decide();
    assert_eq!(*first.lock().unwrap(), Some(4), "a few of it and not all forty");
    let chosen = decision.pod.iter().filter(|picked| picked.campaign.is_some()).count();
    assert_eq!(chosen, 1);
    let surplus = "campaign capped is capped at 1 per pod: better ads of it come first";
    assert_eq!(decision.trace.candidates.iter().filter(|candidate| candidate.reason == surplus).count(), 39);
}

#[test]
fn a_campaign_whose_first_ads_are_dropped_gets_its_others_judged() {
    let capped = Campaign {
        frequency_caps: vec![FrequencyCap { impressions: 1, per: CapPeriod::Pod }],
        ..campaign("capped", 9)
    };
    let ads = (0..300).map(|at| in_campaign(ad(&format!("ad-{at:03}"), 10), "capped"));
    let mut world = World::new(ads.collect(), vec![capped], 60);
    let judge = Native(|input: &RuleInput<'_>| {
        let verdict = |id| if id == "ad-123" { Verdict::Keep } else { Verdict::Drop { reason: "no".into() } };
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.id)).collect())
    });
    world.target("rules/one.rhai", OnError::Open, judge);
    for seed in 0..20 {
        world.seed = seed;
        assert_eq!(world.pod(), ["ad-123"]);
    }
}
