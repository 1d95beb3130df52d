//! Asks targeting scripts about a batch of candidates, checks their answers and applies them.

use super::{
    CandidateIndex, ChannelPolicy, DecisionRequest, MountedRule,
    bits::Bits,
    candidates::Running,
    fate::{Fate, Notes},
};
use crate::{
    domain::OnError,
    extension::{
        ExtensionError,
        point::{Candidate, RequestContext, RuleInput, Verdict},
    },
};

/// The scripts of one decision: those that ads name for themselves, then the tenant's, in order.
pub(super) struct Judges<'a> {
    judges: Vec<Judge<'a>>,
    context: &'a RequestContext<'a>,
    request: &'a DecisionRequest<'a>,
}

struct Judge<'a> {
    mounted: &'a MountedRule,
    /// Nothing where it judges all.
    only: Option<&'a Bits>,
    /// It failed, and is not asked again for this decision: one that hangs would hang for each batch.
    failed: Option<&'static str>,
}

impl<'a> Judges<'a> {
    pub fn new(
        index: &'a CandidateIndex,
        policy: &'a ChannelPolicy,
        request: &'a DecisionRequest<'a>,
        context: &'a RequestContext<'a>,
    ) -> Self {
        let own = index.ad_scripts.iter().map(|script| (&script.mounted, Some(&script.ads)));
        let all = own.chain(policy.targeting.iter().map(|mounted| (mounted, None)));
        let judges = all.map(|(mounted, only)| Judge { mounted, only, failed: None });
        Self { judges: judges.collect(), context, request }
    }

    pub fn is_empty(&self) -> bool {
        self.judges.is_empty()
    }

    /// Why no ad passes any more, if a script failed that every ad has to pass.
    pub fn closed(&self) -> Option<String> {
        let all = self.judges.iter().filter(|judge| judge.only.is_none());
        all.filter_map(|judge| judge.failed.filter(|_| judge.is_closed()).map(|kind| judge.closed_text(kind))).next()
    }

    /// Leaves those in `batch` that every script keeps, with their scores.
    pub fn judge(&mut self, batch: &mut Running<'_>, notes: &mut Notes) {
        for judge in &mut self.judges {
            judge.apply(batch, self.context, self.request, notes);
        }
    }
}

impl Judge<'_> {
    fn is_closed(&self) -> bool {
        self.mounted.on_error == OnError::Closed
    }

    fn closed_text(&self, kind: &str) -> String {
        format!("{} failed ({kind}) and lets nothing pass then", self.mounted.name)
    }

    fn apply(
        &mut self,
        batch: &mut Running<'_>,
        context: &RequestContext<'_>,
        request: &DecisionRequest<'_>,
        notes: &mut Notes,
    ) {
        // Where in the batch its ads are, ascending; nothing for all of it.
        let theirs: Option<Vec<usize>> = self.only.map(|only| {
            let numbered = (0..).zip(&batch.places);
            numbered.filter(|(_, place)| only.contains(**place)).map(|(at, _)| at).collect()
        });
        let asked = |at: usize| match &theirs {
            None => Some(at),
            Some(theirs) => theirs.binary_search(&at).ok(),
        };
        if self.failed.is_none() {
            match self.ask(batch, theirs.as_deref(), context, request, notes) {
                Ok(verdicts) => {
                    for (at, candidate) in batch.candidates.iter_mut().enumerate() {
                        if let Some(Verdict::Score(score)) = asked(at).and_then(|at| verdicts.get(at)) {
                            candidate.score += score;
                        }
                    }
                    batch.sift(notes, |at, _, _| match asked(at).and_then(|at| verdicts.get(at)) {
                        Some(Verdict::Drop { reason }) => {
                            Some(Fate::Script(format!("{}: {reason}", self.mounted.name)))
                        }
                        _ => None,
                    });
                    return;
                }
                Err(kind) => self.failed = Some(kind),
            }
        }
        if let Some(kind) = self.failed.filter(|_| self.is_closed()) {
            let reason = self.closed_text(kind);
            batch.sift(notes, |at, _, _| asked(at).map(|_| Fate::Script(reason.clone())));
        }
    }

    /// One verdict for each of `theirs`, or what kind of failure it was.
    fn ask(
        &self,
        batch: &Running<'_>,
        theirs: Option<&[usize]>,
        context: &RequestContext<'_>,
        request: &DecisionRequest<'_>,
        notes: &mut Notes,
    ) -> Result<Vec<Verdict>, &'static str> {
        let picked: Vec<Candidate<'_>>;
        let candidates = match theirs {
            None => batch.candidates.as_slice(),
            Some(theirs) => {
                picked = theirs.iter().filter_map(|&at| batch.candidates.get(at)).cloned().collect();
                picked.as_slice()
            }
        };
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let MountedRule { name, version, config, rule, counters: grants, .. } = self.mounted;
        let started = (request.micros)();
        let counters = &request.counters.granting(grants);
        let input = RuleInput { request: context, candidates, config, counters };
        let answer = rule.judge(&input).and_then(|verdicts| checked(name, candidates.len(), verdicts));
        notes.called(
            name,
            version,
            candidates.len(),
            (request.micros)().saturating_sub(started),
            answer.as_ref().err(),
        );
        answer.map_err(|error| error.kind())
    }
}

/// One verdict per candidate, and scores that can be compared.
fn checked(name: &str, asked: usize, verdicts: Vec<Verdict>) -> Result<Vec<Verdict>, ExtensionError> {
    /// Sums of 20 scripts' scores stay exact to a thousandth.
    const MAX_SCORE: f64 = 1e9;
    let wrong = |message: String| Err(ExtensionError::Answer { path: name.to_owned(), message });
    if verdicts.len() != asked {
        return wrong(format!("it answered {} verdicts for {asked} candidates", verdicts.len()));
    }
    let bad = |verdict: &Verdict| matches!(verdict, Verdict::Score(score) if score.is_nan() || score.abs() > MAX_SCORE);
    if verdicts.iter().any(bad) {
        return wrong(format!("a score must be a number between -{MAX_SCORE} and {MAX_SCORE}"));
    }
    Ok(verdicts)
}
