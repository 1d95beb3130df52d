//! What holds whatever the tenant, the viewer and the scripts are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn ads() -> impl Strategy<Value = Vec<Ad>> {
    let one = (1_i64..60_000, 0_usize..4, any::<bool>(), any::<bool>());
    proptest::collection::vec(one, 0..25).prop_map(|specs| {
        let numbered = specs.into_iter().enumerate();
        let made = numbered.map(|(at, (millis, group, active, us_only))| {
            let mut ad = Ad { duration: Span::from_millis(millis), ..ad(&format!("ad-{at}"), 1) };
            ad.status = if active { Status::Active } else { Status::Inactive };
            ad.campaign = (group > 0).then(|| slug(&format!("campaign-{group}")));
            let us = RuleValue::Many(vec!["US".into()]);
            if us_only { with_rule(ad, RuleType::Geo, RuleOperator::In, us) } else { ad }
        });
        made.collect()
    })
}

fn campaigns() -> impl Strategy<Value = Vec<Campaign>> {
    let one = (0_i32..3, 0_u32..4, 0_i64..5);
    proptest::collection::vec(one, 3).prop_map(|specs| {
        let numbered = specs.into_iter().enumerate();
        let made = numbered.map(|(at, (priority, cap, cpm))| Campaign {
            cpm: Some(Money::from_micros(cpm)),
            frequency_caps: (cap > 0)
                .then_some(FrequencyCap { impressions: cap, per: CapPeriod::Session })
                .into_iter()
                .collect(),
            impression_goal: None,
            ..campaign(&format!("campaign-{}", at + 1), priority)
        });
        made.collect()
    })
}

prop_compose! {
    /// `answers` are what the tenant's strategy says, right or wrong; half of the worlds use it.
    fn worlds()(
        ads in ads(),
        campaigns in campaigns(),
        millis in 0_i64..200_000,
        seed in any::<u64>(),
        us in any::<bool>(),
        answers in proptest::option::of(proptest::collection::vec(0_usize..30, 0..10)),
        seen in proptest::collection::btree_map(0_usize..25, 1_u32..4, 0..5),
    ) -> World {
        let mut world = World::new(ads, campaigns, 1);
        world.avail.duration = Span::from_millis(millis);
        world.seed = seed;
        world.viewer.geo = if us { "US".into() } else { "ID".into() };
        seen.into_iter().for_each(|(at, count)| world.saw(&format!("ad-{at}"), count));
        if let Some(answers) = answers {
            world.policy.fill = fill("rules/any.rhai", Native(move |_: &FillInput<'_>| Ok(answers.clone())));
        }
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_pod_fits_its_break_and_holds_only_ads_that_may_play(world in worlds()) {
        let decision = world.decide();
        let total: Span = decision.pod.iter().map(|picked| picked.duration).sum();
        prop_assert!(total <= world.avail.duration);
        let distinct: BTreeSet<_> = decision.pod.iter().map(|picked| &picked.ad).collect();
        prop_assert_eq!(distinct.len(), decision.pod.len(), "no ad twice");
        let index = world.index();
        for picked in &decision.pod {
            prop_assert_eq!(index.position(&picked.ad), Some(picked.index));
            let ad = world.manifest.ads.iter().find(|ad| ad.slug == picked.ad).unwrap();
            prop_assert!(ad.status == Status::Active && (ad.rules.is_empty() || &*world.viewer.geo == "US"));
        }
        for campaign in &world.manifest.campaigns {
            let Some(cap) = campaign.frequency_caps.first() else { continue };
            let of_campaign = |ad: &Slug| {
                world.manifest.ads.iter().any(|other| other.slug == *ad && other.campaign.as_ref() == Some(&campaign.slug))
            };
            let before = world.history.iter().filter(|exposure| of_campaign(&exposure.ad)).count() as u32;
            let now = u32::try_from(decision.pod.iter().filter(|picked| of_campaign(&picked.ad)).count()).unwrap();
            prop_assert!(now == 0 || before + now <= cap.impressions, "cap of {}", campaign.slug);
        }
    }

    #[test]
    fn every_ad_has_one_fate_and_the_filler_is_the_rest(world in worlds()) {
        let decision = world.decide();
        let named: Vec<_> = decision.trace.candidates.iter().map(|candidate| candidate.ad.clone()).collect();
        let mut all: Vec<_> = world.manifest.ads.iter().map(|ad| ad.slug.clone()).collect();
        all.sort();
        prop_assert_eq!(named, all);
        let chosen = decision.trace.candidates.iter().filter(|candidate| candidate.outcome == Outcome::Chosen);
        prop_assert_eq!(chosen.count(), decision.pod.len());
        let total: Span = decision.pod.iter().map(|picked| picked.duration).sum();
        let rest = world.avail.duration - total;
        let expected = if rest.is_positive() { Filler::Content { rest } } else { Filler::None };
        prop_assert_eq!(decision.filler, expected);
    }

    #[test]
    fn the_same_inputs_give_the_same_decision_whatever_the_order_of_the_bundle(
        world in worlds(),
        order in any::<u64>(),
    ) {
        let decision = world.decide();
        prop_assert_eq!(&world.decide(), &decision);
        let mut shuffled = world;
        // Any permutation will do: sort by a hash that the order seeds.
        let key = |slug: &Slug| slug.as_str().bytes().fold(order, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        shuffled.manifest.ads.sort_by_key(|ad| key(&ad.slug));
        shuffled.manifest.campaigns.sort_by_key(|campaign| key(&campaign.slug));
        prop_assert_eq!(&shuffled.decide(), &decision);
    }

    #[test]
    fn a_brief_decision_comes_to_the_same_as_a_full_one(world in worlds()) {
        let full = world.decide();
        let brief = World { detail: Detail::Brief, ..world }.decide();
        prop_assert_eq!(&brief.pod, &full.pod);
        prop_assert_eq!((&brief.filler, &brief.outcomes), (&full.filler, &full.outcomes));
        prop_assert_eq!(brief.trace.clone().without_timings().scripts, full.trace.clone().without_timings().scripts);
        let chosen: Vec<_> =
            full.trace.candidates.into_iter().filter(|candidate| candidate.outcome == Outcome::Chosen).collect();
        let mut named = brief.trace.candidates;
        named.sort_by(|a, b| a.ad.cmp(&b.ad));
        prop_assert_eq!(named, chosen, "the pod's ads and no others");
    }
}
