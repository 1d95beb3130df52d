//! The ads that may still be chosen: own ones in batches, best first, until there are enough; external ones all at once.

use std::collections::HashMap;

use super::{
    CandidateIndex, CreativeLookup, DecisionRequest, ExternalAd, SkipReason,
    allowance::Allowances,
    fate::{Fate, Notes},
    index::IndexedAd,
    scripts::Judges,
    walk::{Passing, Walk},
};
use crate::{
    domain::{Slug, Span},
    extension::point::Candidate,
};

/// Candidates that a fill strategy gets to see. A break holds a dozen ads; a script's time grows with the list.
pub const MAX_OFFERED: usize = 256;

/// Own ads that pass, where scripts judge them, before no more are asked about: ten for each place in a long break.
/// Every further one would cost the viewer some microseconds of waiting for one more ad that nobody takes.
pub const ENOUGH: usize = MAX_OFFERED / 2;

/// Ads that scripts judge in one call, at most. Shipped rules take a few microseconds for an ad, so that a batch stays
/// far from a call's time limit of 20 ms however slow the machine is.
pub const BATCH: usize = 256;

/// Ads that scripts judge in one call, at least: a call for two ads costs as much as a few more ads.
const SMALL_BATCH: usize = 32;

/// Ads of a limited campaign that come into the first batch, for each that it may have in the pod: enough for scripts to
/// choose among, and not all the rest of the batch. Doubled with every batch.
const DOSE: u64 = 4;

/// Own ads that scripts judge for one decision. Where they drop more than seven of eight, fewer than [`ENOUGH`] are
/// offered.
pub const MAX_JUDGED: usize = 4 * BATCH;

/// Ads that may still be chosen; both lists go together.
#[derive(Default)]
pub(super) struct Running<'a> {
    /// In the index, or behind it for external ads.
    pub places: Vec<usize>,
    pub candidates: Vec<Candidate<'a>>,
}

impl<'a> Running<'a> {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn push(&mut self, place: usize, candidate: Candidate<'a>) {
        self.places.push(place);
        self.candidates.push(candidate);
    }

    pub fn append(&mut self, mut other: Self) {
        self.places.append(&mut other.places);
        self.candidates.append(&mut other.candidates);
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Candidate<'a>)> {
        self.places.iter().copied().zip(&self.candidates)
    }

    /// Keeps those for which `judge` knows no fate yet; it is told where in the list they stand.
    pub fn sift(&mut self, notes: &mut Notes, mut judge: impl FnMut(usize, usize, &Candidate<'a>) -> Option<Fate>) {
        let before = std::mem::take(self);
        for (at, (place, candidate)) in before.places.into_iter().zip(before.candidates).enumerate() {
            match judge(at, place, &candidate) {
                Some(fate) => notes.settle(place, fate),
                None => self.push(place, candidate),
            }
        }
    }
}

/// Why no more own ads were asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// There are no more.
    Exhausted,
    /// So many passed.
    Enough(usize),
    /// Scripts have judged as many as they may.
    MaxJudged,
    /// A script failed that every ad has to pass.
    Closed(String),
}

/// How many of each campaign have passed so far.
pub(super) struct Passed<'a> {
    allowances: &'a Allowances<'a>,
    counts: Vec<u32>,
}

impl Passed<'_> {
    /// Whether more ads of the campaign could not be offered anyway.
    pub fn is_full(&self, campaign: usize) -> bool {
        let passed = self.counts.get(campaign).copied().unwrap_or(0);
        passed > 0 && self.allowances.of(campaign).is_some_and(|allowance| allowance.left <= u64::from(passed))
    }

    fn count(&mut self, campaign: Option<usize>) {
        if let Some(count) = campaign.and_then(|campaign| self.counts.get_mut(campaign)) {
            *count += 1;
        }
    }
}

/// The ad at a place, own or external.
pub(super) fn slug_at<'a>(index: &'a CandidateIndex, request: &DecisionRequest<'a>, place: usize) -> Option<&'a Slug> {
    match index.ads.get(place) {
        Some(ad) => Some(&ad.slug),
        None => Some(&external_at(index, request, place)?.slug),
    }
}

pub(super) fn external_at<'a>(
    index: &CandidateIndex,
    request: &DecisionRequest<'a>,
    place: usize,
) -> Option<&'a ExternalAd> {
    place.checked_sub(index.len()).and_then(|at| request.external.get(at))
}

/// The tenant's own ads that passed all but the fill strategy, in no order.
pub(super) fn own<'a>(
    index: &'a CandidateIndex,
    request: &DecisionRequest<'_>,
    passing: &Passing<'_>,
    creatives: &dyn CreativeLookup,
    allowances: &'a Allowances<'a>,
    judges: &mut Judges<'_>,
    notes: &mut Notes,
) -> (Running<'a>, Passed<'a>, End) {
    let mut walk = Walk::new(index, passing, request.seed);
    let mut passed = Passed { allowances, counts: vec![0; index.campaigns.len()] };
    let mut running = Running::default();
    let (mut offerable, mut judged, mut dose) = (0, 0, DOSE);
    let enough = if judges.is_empty() { MAX_OFFERED } else { ENOUGH };
    // Ads whose campaign had its dose in the batch before.
    let mut waiting = Vec::new();
    loop {
        let wanted = enough.saturating_sub(offerable);
        let size = if judges.is_empty() { wanted } else { wanted.clamp(SMALL_BATCH, BATCH).min(MAX_JUDGED - judged) };
        let mut batch = Running::default();
        let mut doses: HashMap<usize, u64> = HashMap::new();
        let mut before = std::mem::take(&mut waiting).into_iter();
        while batch.len() < size {
            let next = before.next().or_else(|| walk.next(allowances, &|campaign| passed.is_full(campaign)));
            let Some(place) = next else { break };
            let Some(ad) = index.ads.get(place) else { break };
            if ad.campaign.is_some_and(|campaign| passed.is_full(campaign)) {
                continue;
            }
            let limited = ad.campaign.and_then(|at| Some((at, allowances.of(at)?.left))).filter(|_| !judges.is_empty());
            let had = limited.map(|(campaign, left)| (doses.entry(campaign).or_default(), left));
            if had.as_ref().is_some_and(|(had, left)| **had >= left.saturating_mul(dose)) {
                waiting.push(place);
                continue;
            }
            match playable(creatives.check(&ad.slug), request.avail.duration) {
                Ok(duration) => batch.push(place, candidate(index, allowances, place, ad, duration)),
                Err(fate) => {
                    notes.settle(place, fate);
                    continue;
                }
            }
            if let Some((had, _)) = had {
                *had += 1;
            }
            // Nobody will change its score: it is as good as passed.
            if judges.is_empty() {
                passed.count(ad.campaign);
            }
        }
        waiting.extend(before);
        dose *= 2;
        let all = batch.len() < size && waiting.is_empty();
        judged += batch.len();
        judges.judge(&mut batch, notes);
        for place in &batch.places {
            let campaign = index.ads.get(*place).and_then(|ad| ad.campaign);
            offerable += usize::from(judges.is_empty() || !campaign.is_some_and(|campaign| passed.is_full(campaign)));
            if !judges.is_empty() {
                passed.count(campaign);
            }
        }
        running.append(batch);
        let end = match judges.closed() {
            Some(reason) => End::Closed(reason),
            None if all => End::Exhausted,
            None if offerable >= enough => End::Enough(enough),
            None if !judges.is_empty() && judged >= MAX_JUDGED => End::MaxJudged,
            None => continue,
        };
        return (running, passed, end);
    }
}

fn candidate<'a>(
    index: &'a CandidateIndex,
    allowances: &Allowances<'_>,
    place: usize,
    ad: &'a IndexedAd,
    duration: Span,
) -> Candidate<'a> {
    let campaign = index.campaign_of(ad);
    Candidate {
        id: ad.slug.as_str(),
        campaign: campaign.map(|campaign| campaign.slug.as_str()),
        duration,
        priority: campaign.map_or(0, |campaign| campaign.priority),
        cpm_micros: campaign.map_or(0, |campaign| campaign.cpm_micros),
        score: 0.0,
        labels: &ad.labels,
        category: campaign.and_then(|campaign| campaign.category.as_deref()),
        seen: allowances.history.of_ad(place),
    }
}

/// The external ads that passed all but the fill strategy, in the order given.
pub(super) fn external<'a>(
    index: &CandidateIndex,
    request: &DecisionRequest<'a>,
    creatives: &dyn CreativeLookup,
    judges: &mut Judges<'_>,
    notes: &mut Notes,
) -> Running<'a> {
    let mut running = Running::default();
    for (place, ad) in (index.len()..).zip(request.external) {
        let duration = match playable(creatives.check_external(ad), request.avail.duration) {
            _ if running.len() >= MAX_OFFERED => Err(Fate::NotBest),
            playable => playable,
        };
        let seen = |ad| request.history.iter().filter(move |exposure| exposure.this_session && exposure.ad == ad);
        match duration {
            Ok(duration) => running.push(
                place,
                Candidate {
                    id: ad.slug.as_str(),
                    campaign: None,
                    duration,
                    priority: ad.priority,
                    cpm_micros: ad.cpm_micros,
                    score: 0.0,
                    labels: &ad.labels,
                    category: ad.category.as_deref(),
                    seen: u32::try_from(seen(ad.slug.clone()).count()).unwrap_or(u32::MAX),
                },
            ),
            Err(fate) => notes.settle(place, fate),
        }
    }
    judges.judge(&mut running, notes);
    running
}

fn playable(checked: Result<Span, SkipReason>, room: Span) -> Result<Span, Fate> {
    match checked {
        Err(reason) => Err(Fate::Creative(reason)),
        Ok(duration) if !duration.is_positive() => Err(Fate::Creative(SkipReason::new("the creative has no length"))),
        Ok(duration) if duration > room => Err(Fate::TooLong { duration, room }),
        Ok(duration) => Ok(duration),
    }
}
