//! Every ad of the tenant with the one stage and rule that kept or dropped it: written only when somebody asks, from
//! the declared rules one by one instead of from sets.

use std::collections::HashMap;

use super::{
    AdTrace, CandidateIndex, DecisionRequest, Facts, Outcome, Stage,
    allowance::Allowances,
    candidates::{End, MAX_JUDGED, Passed},
    fate::{Fate, Notes},
    index::IndexedAd,
};

pub(super) struct Explained<'a> {
    pub index: &'a CandidateIndex,
    pub request: &'a DecisionRequest<'a>,
    pub facts: &'a Facts<'a>,
    pub allowances: &'a Allowances<'a>,
    pub passed: &'a Passed<'a>,
    pub end: &'a End,
}

impl Explained<'_> {
    /// By slug.
    pub fn all(&self, notes: &Notes) -> Vec<AdTrace> {
        let fates: HashMap<usize, &Fate> = notes.fates.iter().map(|(place, fate)| (*place, fate)).collect();
        let told = |fate: &Fate| (fate.outcome(), fate.stage(), fate.reason());
        let own = self.index.sorted().map(|(place, ad)| {
            let (outcome, stage, reason) = fates.get(&place).map_or_else(|| self.untouched(ad), |fate| told(fate));
            AdTrace { ad: ad.slug.clone(), outcome, stage, reason }
        });
        let external = (self.index.len()..).zip(self.request.external).filter_map(|(place, ad)| {
            let (outcome, stage, reason) = told(fates.get(&place)?);
            Some(AdTrace { ad: ad.slug.clone(), outcome, stage, reason })
        });
        let mut all: Vec<AdTrace> = own.chain(external).collect();
        if !self.request.external.is_empty() {
            all.sort_by(|a, b| a.ad.cmp(&b.ad));
        }
        all
    }

    /// An ad that did not get as far as its creative.
    fn untouched(&self, ad: &IndexedAd) -> (Outcome, Stage, String) {
        let dropped = |(stage, reason)| (Outcome::Dropped, stage, reason);
        let campaign = self.index.campaign_of(ad);
        let never = ad.never.map(|(stage, reason)| (stage, reason.to_owned()));
        let off = never.or_else(|| campaign.and_then(|campaign| campaign.off(self.facts.now.moment)));
        let off = off.or_else(|| ad.rules.first_failure(self.facts).map(|reason| (Stage::Rule, reason)));
        if let Some(off) = off {
            return dropped(off);
        }
        let allowance = ad.campaign.and_then(|at| Some((at, self.allowances.of(at)?))).zip(campaign);
        if let Some(((at, allowance), campaign)) = allowance {
            if allowance.left == 0 {
                return dropped((allowance.stage(), allowance.exhausted(&campaign.slug)));
            }
            if self.passed.is_full(at) {
                return dropped((allowance.stage(), allowance.surplus(&campaign.slug)));
            }
        }
        let left = |reason| (Outcome::Left, Stage::Offer, reason);
        match self.end {
            End::Closed(reason) => dropped((Stage::Script, reason.clone())),
            End::MaxJudged => {
                left(format!("it was not asked about: scripts judge the best {MAX_JUDGED} of a decision"))
            }
            End::Enough(count) => left(format!("it was not asked about: {count} better ads passed")),
            // Cannot be: all were asked about.
            End::Exhausted => left("it was not asked about".to_owned()),
        }
    }
}
