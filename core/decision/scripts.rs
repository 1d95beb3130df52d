//! Asks targeting scripts, checks their answers and applies them.

use super::{
    CandidateIndex, ChannelPolicy, DecisionRequest, MountedRule, Outcome, ScriptTrace, Stage,
    pipeline::{Notes, Running},
};
use crate::{
    domain::OnError,
    extension::{
        ExtensionError,
        point::{Candidate, RequestContext, RuleInput, Verdict},
    },
};

/// The scripts that ads name for themselves, then the tenant's, in order.
pub(super) fn run(
    index: &CandidateIndex,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    context: &RequestContext<'_>,
    running: &mut Running<'_>,
    notes: &mut Notes,
) {
    for script in &index.ad_scripts {
        let theirs: Vec<usize> = (0..)
            .zip(&running.places)
            .filter(|(_, place)| script.ads.binary_search(place).is_ok())
            .map(|(at, _)| at)
            .collect();
        apply(&script.mounted, Some(&theirs), request, context, running, notes);
    }
    for mounted in policy.targeting.iter() {
        apply(mounted, None, request, context, running, notes);
    }
}

/// Asks one script about all running candidates, or those at `only`.
fn apply(
    mounted: &MountedRule,
    only: Option<&[usize]>,
    request: &DecisionRequest<'_>,
    context: &RequestContext<'_>,
    running: &mut Running<'_>,
    notes: &mut Notes,
) {
    let picked: Vec<Candidate<'_>>;
    let candidates = match only {
        None => running.candidates.as_slice(),
        Some(only) => {
            picked = only.iter().filter_map(|&at| running.candidates.get(at)).cloned().collect();
            picked.as_slice()
        }
    };
    if candidates.is_empty() {
        return;
    }
    let started = (request.micros)();
    let input = RuleInput { request: context, candidates, config: &mounted.config };
    let answer = mounted.rule.judge(&input).and_then(|verdicts| checked(mounted, candidates.len(), verdicts));
    let micros = (request.micros)().saturating_sub(started);
    let error = answer.as_ref().err().map(ToString::to_string);
    let script = ScriptTrace { name: mounted.name.clone(), version: mounted.version.clone(), micros, error };
    notes.scripts.push(script);

    let asked = |at: usize| match only {
        None => Some(at),
        Some(only) => only.binary_search(&at).ok(),
    };
    match answer {
        Ok(verdicts) => {
            for (at, candidate) in running.candidates.iter_mut().enumerate() {
                if let Some(Verdict::Score(score)) = asked(at).and_then(|at| verdicts.get(at)) {
                    candidate.score += score;
                }
            }
            running.sift(notes, Outcome::Dropped, |at, _, _| match asked(at).and_then(|at| verdicts.get(at)) {
                Some(Verdict::Drop { reason }) => Some((Stage::Script, format!("{}: {reason}", mounted.name))),
                _ => None,
            });
        }
        Err(error) if mounted.on_error == OnError::Closed => {
            let reason = format!("{} failed ({}) and lets nothing pass then", mounted.name, error.kind());
            running.sift(notes, Outcome::Dropped, |at, _, _| asked(at).map(|_| (Stage::Script, reason.clone())));
        }
        Err(_) => {}
    }
}

/// One verdict per candidate, and scores that can be compared.
fn checked(mounted: &MountedRule, asked: usize, verdicts: Vec<Verdict>) -> Result<Vec<Verdict>, ExtensionError> {
    /// Sums of 20 scripts' scores stay exact to a thousandth.
    const MAX_SCORE: f64 = 1e9;
    let wrong = |message: String| Err(ExtensionError::Answer { path: mounted.name.clone(), message });
    if verdicts.len() != asked {
        return wrong(format!("it answered {} verdicts for {asked} candidates", verdicts.len()));
    }
    let bad = |verdict: &Verdict| matches!(verdict, Verdict::Score(score) if score.is_nan() || score.abs() > MAX_SCORE);
    if verdicts.iter().any(bad) {
        return wrong(format!("a score must be a number between -{MAX_SCORE} and {MAX_SCORE}"));
    }
    Ok(verdicts)
}
