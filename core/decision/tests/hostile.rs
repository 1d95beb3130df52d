//! Scripts that answer what they may not.

use super::*;

/// Two ads of 40 s for a break of 60 s; `greedy` would take one.
fn world(answer: &'static [usize]) -> World {
    let mut world = World::new(vec![ad("a", 40), ad("b", 40)], Vec::new(), 60);
    world.policy.fill = fill("rules/evil.rhai", Native(move |_: &FillInput<'_>| Ok(answer.to_vec())));
    world
}

#[test]
fn a_fill_answer_that_breaks_the_contract_is_not_used_and_the_fallback_is_asked() {
    for (answer, error) in [
        (&[0, 0][..], "chosen twice"),
        (&[2], "there is no ad 2: 2 were offered"),
        (&[usize::MAX], "2 were offered"),
        (&[0, 1], "the pod lasts 80 s, longer than the avail's 60 s"),
    ] {
        let decision = world(answer).decide();
        let scripts = &decision.trace.scripts;
        assert_eq!(decision.pod.len(), 1, "{answer:?}");
        assert!(scripts[0].error.as_deref().unwrap().contains(error), "{:?}", scripts[0]);
        assert_eq!((scripts[1].name.as_str(), scripts[1].error.as_deref()), ("shipped:fill/best_effort", None));
    }
}

#[test]
fn a_fill_may_answer_nothing() {
    let decision = world(&[]).decide();
    assert_eq!((decision.pod.len(), decision.trace.scripts.len()), (0, 1));
}

#[test]
fn when_both_strategies_fail_content_plays() {
    let mut world = world(&[9]);
    world.policy.fallback = fill("shipped:fill/best_effort", Native(|_: &FillInput<'_>| Err(failure())));
    let decision = world.decide();
    assert_eq!(decision.pod, []);
    assert_eq!(decision.filler, Filler::Content { rest: Span::from_secs(60) });
    assert_eq!(world.fate("a"), "left fill: no fill strategy gave an answer that could be used");
    assert_eq!(decision.trace.scripts.iter().filter(|script| script.error.is_some()).count(), 2);
}

#[test]
fn a_strategy_that_is_its_own_fallback_is_asked_once() {
    let mut world = world(&[9]);
    world.policy.fallback = world.policy.fill.clone();
    assert_eq!(world.decide().trace.scripts.len(), 1);
}

#[test]
fn verdicts_must_be_as_many_as_candidates_and_scores_comparable() {
    for verdicts in [
        vec![],
        vec![Verdict::Keep; 3],
        vec![Verdict::Score(f64::NAN), Verdict::Keep],
        vec![Verdict::Keep, Verdict::Score(f64::INFINITY)],
        vec![Verdict::Keep, Verdict::Score(-1e300)],
    ] {
        let mut world = World::new(vec![ad("a", 10), ad("b", 10)], Vec::new(), 60);
        let answer = verdicts.clone();
        world.target("rules/evil.rhai", OnError::Closed, Native(move |_: &RuleInput<'_>| Ok(answer.clone())));
        let expect = "dropped script: rules/evil.rhai failed (answer) and lets nothing pass then";
        assert_eq!(world.fate("a"), expect, "{verdicts:?}");
    }
}

#[test]
fn a_strategy_sees_the_best_candidates_only() {
    let count = MAX_OFFERED + 10;
    let mut world = World::new((0..count).map(|at| ad(&format!("ad-{at}"), 1)).collect(), Vec::new(), 10_000);
    let all = Native(|input: &FillInput<'_>| Ok((0..input.candidates.len()).collect()));
    world.policy.fill = fill("rules/all.rhai", all);
    let decision = world.decide();
    assert_eq!(decision.pod.len(), MAX_OFFERED);
    let left = decision.trace.candidates.iter().filter(|candidate| candidate.outcome == Outcome::Left).count();
    assert_eq!(left, 10);
}

#[test]
fn a_creative_without_length_cannot_fill_a_break_for_ever() {
    let world = World::new(vec![ad("a", 0)], Vec::new(), 60);
    assert_eq!(world.fate("a"), "dropped creative: the creative has no length");
}
