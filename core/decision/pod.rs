//! Orders what is left, offers it to the fill strategy and puts the pod together.

use std::{cmp::Ordering, sync::Arc};

use super::{
    CandidateIndex, ChannelPolicy, DecisionRequest, MountedFill,
    allowance::Allowances,
    candidates::{MAX_OFFERED, Running, external_at, slug_at},
    fate::{Fate, Notes},
    tie,
};
use crate::{
    domain::{Avail, DemandOrder, Span},
    extension::{
        ExtensionError, check,
        point::{Candidate, FillInput, RequestContext},
    },
};

/// One ad of the pod: its place and measured length.
pub(super) type Picked = (usize, Span);

/// What the pod is made of, and with what.
pub(super) struct Table<'a> {
    pub index: &'a CandidateIndex,
    pub policy: &'a ChannelPolicy,
    pub request: &'a DecisionRequest<'a>,
    pub context: &'a RequestContext<'a>,
    pub allowances: &'a Allowances<'a>,
}

impl<'a> Table<'a> {
    /// The pod in play order. Own ads and external ones are asked in the channel's order; whoever comes second gets the
    /// time that the first left over.
    pub fn choose(&self, own: Running<'a>, external: Running<'a>, notes: &mut Notes) -> Vec<Picked> {
        let mut steps = match self.policy.order {
            DemandOrder::OwnFirst => vec![self.offer(own, notes), in_sequence(self.request, self.index, external)],
            DemandOrder::ExternalFirst => vec![in_sequence(self.request, self.index, external), self.offer(own, notes)],
            DemandOrder::Merged => {
                let mut all = own;
                all.append(external);
                vec![self.offer(all, notes)]
            }
        };
        let mut pod: Vec<Picked> = Vec::new();
        let mut unanswered = false;
        for step in &mut steps {
            self.separate(step, &pod, notes);
            match self.fill(step, &pod, notes) {
                Some(chosen) => pod.extend(chosen),
                None => unanswered = true,
            }
        }
        self.keep_sequence(&mut pod);
        for (place, candidate) in steps.iter().flat_map(Running::iter) {
            let fate = match pod.iter().position(|(picked, _)| *picked == place) {
                Some(at) => Fate::Chosen(at, pod.len()),
                None => {
                    self.conflict(candidate, &pod).unwrap_or(if unanswered { Fate::NoAnswer } else { Fate::LeftOut })
                }
            };
            notes.settle(place, fate);
        }
        pod
    }

    /// Best first, and without what no strategy may take: more ads of a campaign than it may have in a pod (the best
    /// stay), and what is not among the best.
    fn offer(&self, mut running: Running<'a>, notes: &mut Notes) -> Running<'a> {
        self.sort(&mut running);
        let mut taken: Vec<(usize, u64)> = Vec::new();
        running.sift(notes, |_, place, _| {
            let campaign = self.index.ads.get(place)?.campaign?;
            let allowance = self.allowances.of(campaign)?;
            let at = match taken.iter().position(|(known, _)| *known == campaign) {
                Some(at) => at,
                None => {
                    taken.push((campaign, 0));
                    taken.len() - 1
                }
            };
            let (_, count) = taken.get_mut(at)?;
            *count += 1;
            let campaign = self.index.campaigns.get(campaign)?.slug.clone();
            (*count > allowance.left).then_some(Fate::Surplus { campaign, allowance })
        });
        running.sift(notes, |at, _, _| (at >= MAX_OFFERED).then_some(Fate::NotBest));
        running
    }

    /// By priority, score and price, all descending, ties by the seed.
    fn sort(&self, running: &mut Running<'a>) {
        let Running { places, candidates } = std::mem::take(running);
        let mut keyed: Vec<_> = places.into_iter().zip(candidates).map(|(p, c)| (self.tie(p, c.id), p, c)).collect();
        keyed.sort_by(|(tie_a, place_a, a), (tie_b, place_b, b)| {
            best_first(a, b).then(tie_a.cmp(tie_b)).then(place_a.cmp(place_b))
        });
        (running.places, running.candidates) =
            keyed.into_iter().map(|(_, place, candidate)| (place, candidate)).unzip();
    }

    fn tie(&self, place: usize, slug: &str) -> u64 {
        let own = self.index.ties.get(place).copied();
        tie::order(self.request.seed, own.unwrap_or_else(|| tie::of(slug)))
    }

    /// Takes out what the pod so far leaves no room for.
    fn separate(&self, step: &mut Running<'a>, pod: &[Picked], notes: &mut Notes) {
        if pod.is_empty() {
            return;
        }
        let room = self.rest(pod);
        step.sift(notes, |_, _, candidate| {
            let duration = candidate.duration;
            let too_long = (duration > room).then_some(Fate::TooLong { duration, room });
            self.conflict(candidate, pod).or(too_long)
        });
    }

    fn rest(&self, pod: &[Picked]) -> Span {
        self.request.avail.duration - pod.iter().map(|(_, duration)| *duration).sum()
    }

    /// The ad of the pod that keeps the candidate out of it.
    fn conflict(&self, candidate: &Candidate<'_>, pod: &[Picked]) -> Option<Fate> {
        let category = candidate.category?;
        let (place, _) = pod.iter().find(|(place, _)| self.category(*place) == Some(category))?;
        let from = slug_at(self.index, self.request, *place)?.clone();
        Some(Fate::Separated { category: category.to_owned(), from })
    }

    fn category(&self, place: usize) -> Option<&str> {
        match self.index.ads.get(place) {
            Some(ad) => self.index.campaign_of(ad)?.category.as_deref(),
            None => external_at(self.index, self.request, place)?.category.as_deref(),
        }
    }

    /// The strategy's answer, or the fallback's, or nothing.
    fn fill(&self, step: &Running<'a>, pod: &[Picked], notes: &mut Notes) -> Option<Vec<Picked>> {
        if step.candidates.is_empty() {
            return Some(Vec::new());
        }
        let avail = Avail { duration: self.rest(pod), ..self.request.avail.clone() };
        let context = RequestContext { avail: &avail, ..self.context.clone() };
        // Where the fallback is the strategy itself there is nobody else to ask.
        let distinct = !Arc::ptr_eq(&self.policy.fill.strategy, &self.policy.fallback.strategy);
        let strategies = std::iter::once(&self.policy.fill).chain(distinct.then_some(&self.policy.fallback));
        for mounted in strategies {
            if let Ok(chosen) = self.ask(mounted, &context, step, notes) {
                let picked = chosen
                    .into_iter()
                    .filter_map(|at| Some((*step.places.get(at)?, step.candidates.get(at)?.duration)));
                return Some(picked.collect());
            }
        }
        None
    }

    fn ask(
        &self,
        mounted: &MountedFill,
        context: &RequestContext<'_>,
        step: &Running<'_>,
        notes: &mut Notes,
    ) -> Result<Vec<usize>, ExtensionError> {
        let started = (self.request.micros)();
        let counters = &self.request.counters.granting(&mounted.counters);
        let input = FillInput { request: context, candidates: &step.candidates, config: &self.policy.config, counters };
        // Strategies that are not scripts pass here too.
        let answer = mounted.strategy.fill(&input).and_then(|chosen| {
            check::pod(&input, &chosen)
                .map_err(|message| ExtensionError::Answer { path: mounted.name.clone(), message })?;
            Ok(chosen)
        });
        let micros = (self.request.micros)().saturating_sub(started);
        notes.called(&mounted.name, &mounted.version, step.len(), micros, answer.as_ref().err());
        answer
    }

    /// External ads that belong to a pod of their server's keep their order, wherever in the pod they are.
    fn keep_sequence(&self, pod: &mut [Picked]) {
        let sequence = |place: usize| Some((external_at(self.index, self.request, place)?.sequence?, place));
        let mut ordered: Vec<Picked> = pod.iter().copied().filter(|(place, _)| sequence(*place).is_some()).collect();
        ordered.sort_by_key(|(place, _)| sequence(*place));
        let slots = pod.iter_mut().filter(|(place, _)| sequence(*place).is_some());
        for (slot, picked) in slots.zip(ordered) {
            *slot = picked;
        }
    }
}

fn best_first(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let scores = b.score.total_cmp(&a.score);
    b.priority.cmp(&a.priority).then(scores).then(b.cpm_micros.cmp(&a.cpm_micros))
}

/// As the ad server ordered them: those with a place in its pod, then the others as they came.
fn in_sequence<'a>(request: &DecisionRequest<'_>, index: &CandidateIndex, external: Running<'a>) -> Running<'a> {
    let mut all: Vec<_> = external.places.into_iter().zip(external.candidates).collect();
    all.sort_by_key(|(place, _)| {
        (external_at(index, request, *place).and_then(|ad| ad.sequence).unwrap_or(u32::MAX), *place)
    });
    let (places, candidates) = all.into_iter().unzip();
    Running { places, candidates }
}
