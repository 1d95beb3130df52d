//! Ads of an external ad server beside own campaigns.

use super::*;

fn external(name: &str, seconds: i64, sequence: Option<u32>) -> ExternalAd {
    ExternalAd {
        slug: slug(name),
        duration: Span::from_secs(seconds),
        priority: 0,
        cpm_micros: 20_000_000,
        category: None,
        labels: BTreeMap::new(),
        sequence,
    }
}

/// Two own ads of twenty seconds and three of the ad server's, of which two form a pod; a minute and a half to fill.
fn world(order: DemandOrder) -> World {
    let own = ["own-1", "own-2"].map(|name| in_campaign(ad(name, 20), name));
    let campaigns = vec![campaign("own-1", 9), campaign("own-2", 8)];
    let mut world = World::new(own.into(), campaigns, 90);
    world.external =
        vec![external("x-single", 15, None), external("x-second", 20, Some(2)), external("x-first", 30, Some(1))];
    world.policy.order = order;
    world
}

#[test]
fn own_first_gives_the_ad_server_the_rest_in_its_order() {
    let world = world(DemandOrder::OwnFirst);
    assert_eq!(world.pod(), ["own-1", "own-2", "x-first", "x-second"]);
    assert_eq!(world.fate("x-single"), "left fill: the fill strategy left it out");
}

#[test]
fn external_first_gives_own_campaigns_the_rest() {
    let world = world(DemandOrder::ExternalFirst);
    assert_eq!(world.pod(), ["x-first", "x-second", "x-single", "own-1"]);
    assert_eq!(world.fate("own-2"), "left fill: the fill strategy left it out");
}

#[test]
fn merged_all_compete_by_priority_score_and_price_and_a_pod_of_the_ad_server_keeps_its_order() {
    let mut world = world(DemandOrder::Merged);
    assert_eq!(world.pod()[..2], ["own-1", "own-2"]);
    // The second of the pod is worth most and the first least: they still play in order.
    world.external[1].priority = 10;
    world.external[2].priority = 1;
    assert_eq!(world.pod(), ["x-first", "own-1", "own-2", "x-second"]);
}

#[test]
fn an_external_ad_is_told_from_own_ones_and_has_its_price() {
    let decision = world(DemandOrder::OwnFirst).decide();
    let shown: Vec<_> = decision.pod.iter().map(|picked| (picked.external, picked.price.micros())).collect();
    assert_eq!(shown, [(None, 0), (None, 0), (Some(2), 20_000), (Some(1), 20_000)]);
    let slugs: Vec<_> = decision.trace.candidates.iter().map(|candidate| candidate.ad.as_str()).collect();
    assert_eq!(slugs, ["own-1", "own-2", "x-first", "x-second", "x-single"]);
}

#[test]
fn what_does_not_fit_the_rest_is_not_offered() {
    let mut world = world(DemandOrder::OwnFirst);
    world.avail.duration = Span::from_secs(55);
    assert_eq!(world.pod(), ["own-1", "own-2", "x-single"]);
    assert_eq!(world.fate("x-first"), "dropped offer: it lasts 30 s, the break 15 s");
}

#[test]
fn categories_separate_external_ads_from_own_ones() {
    for (order, pod, fate) in [
        (DemandOrder::OwnFirst, "own-1", "dropped separation: own-1 is in the pod and of its category cars too"),
        (
            DemandOrder::ExternalFirst,
            "x-first",
            "dropped separation: x-first is in the pod and of its category cars too",
        ),
        (DemandOrder::Merged, "own-1", "dropped separation: own-1 is in the pod and of its category cars too"),
    ] {
        let mut world = world(order);
        world.external[2].category = Some("cars".into());
        world.manifest.campaigns[0].competitive_category = Some("cars".into());
        let (kept, dropped) = if pod == "own-1" { ("own-1", "x-first") } else { ("x-first", "own-1") };
        assert!(world.pod().contains(&kept.to_owned()) && !world.pod().contains(&dropped.to_owned()), "{order:?}");
        assert_eq!(world.fate(dropped), fate, "{order:?}");
    }
}

#[test]
fn scripts_judge_external_ads_by_what_vast_says_of_them() {
    let mut world = world(DemandOrder::OwnFirst);
    world.external[2].labels.insert("advertiser".into(), "acme".into());
    let judge = Native(|input: &RuleInput<'_>| {
        let verdict = |labels: &BTreeMap<String, String>| match labels.get("advertiser") {
            Some(name) => Verdict::Drop { reason: format!("{name} is blocked") },
            None => Verdict::Keep,
        };
        Ok(input.candidates.iter().map(|candidate| verdict(candidate.labels)).collect())
    });
    world.target("rules/block.rhai", OnError::Open, judge);
    assert_eq!(world.fate("x-first"), "dropped script: rules/block.rhai: acme is blocked");
    assert_eq!(world.decide().trace.scripts[0].calls, 2);
}

#[test]
fn the_look_up_may_know_an_external_creative_better() {
    struct Lookup;
    impl CreativeLookup for Lookup {
        fn check(&self, _: &Slug) -> Result<Span, SkipReason> {
            Ok(Span::from_secs(20))
        }
        fn check_external(&self, ad: &ExternalAd) -> Result<Span, SkipReason> {
            match ad.sequence {
                Some(1) => Err(SkipReason::new("creative not loaded")),
                _ => Ok(ad.duration + Span::from_millis(40)),
            }
        }
    }
    let world = world(DemandOrder::ExternalFirst);
    let decision = decide(&world.index(), &world.policy, &world.request(), &Lookup);
    let fate = decision.trace.candidates.iter().find(|candidate| candidate.ad.as_str() == "x-first").unwrap();
    assert_eq!((fate.stage, fate.reason.as_str()), (Stage::Creative, "creative not loaded"));
    assert_eq!(decision.pod[0].duration, Span::from_millis(20_040));
}

#[test]
fn a_script_that_fails_on_an_external_ad_still_judges_own_ones() {
    let mut world = world(DemandOrder::OwnFirst);
    let judge = Native(|input: &RuleInput<'_>| {
        if input.candidates.iter().any(|candidate| candidate.campaign.is_none()) {
            return Err(failure());
        }
        Ok(vec![Verdict::Drop { reason: "not today".into() }; input.candidates.len()])
    });
    world.target("rules/picky.rhai", OnError::Open, judge);
    assert_eq!(world.fate("own-1"), "dropped script: rules/picky.rhai: not today");
    assert_eq!(world.pod(), ["x-first", "x-second", "x-single"]);
}
