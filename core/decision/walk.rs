//! Ads that pass status, flight and declared rules, best first: by priority, then price, then chance.
//!
//! Finds them a class of equals at a time, so a decision that has enough never looks at the rest.

use std::{borrow::Cow, cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::{
    CandidateIndex, Facts,
    allowance::Allowances,
    bits::{Bits, InAll},
    flights::Stretch,
    tie,
};

/// After so many ads of full campaigns in a row the others are sorted out at once.
const PATIENCE: usize = 32;

/// The sets that an ad must be in to be a candidate: it runs, and passes its declared rules.
pub(super) struct Passing<'a> {
    running: Arc<Stretch>,
    rules: [Cow<'a, Bits>; 5],
}

impl<'a> Passing<'a> {
    pub fn new(index: &'a CandidateIndex, facts: &Facts<'_>) -> Self {
        Self { running: index.flights.running(facts.now.moment), rules: index.rules.passing(facts, &index.ads) }
    }
}

pub(super) struct Walk<'a> {
    index: &'a CandidateIndex,
    seed: u64,
    passing: InAll<'a, 6>,
    classes: std::slice::Iter<'a, usize>,
    /// What is left of the class: order of equals, place.
    equals: BinaryHeap<Reverse<(u64, usize)>>,
}

impl<'a> Walk<'a> {
    pub fn new(index: &'a CandidateIndex, passing: &'a Passing<'_>, seed: u64) -> Self {
        let [country, channel, device, hour, day] = &passing.rules;
        let sets = [&passing.running.running, country, channel, device, hour, day];
        let sets = sets.map(|set: &Bits| set);
        Self { index, seed, passing: InAll::new(sets), classes: index.class_ends.iter(), equals: BinaryHeap::new() }
    }

    /// The next ad whose campaign is not in `full`. Campaigns that may have nothing are passed over as a whole.
    pub fn next(&mut self, allowances: &Allowances<'_>, full: &dyn Fn(usize) -> bool) -> Option<usize> {
        let is_full = |place: usize| self.index.ads.get(place).and_then(|ad| ad.campaign).is_some_and(full);
        let mut passed_over = 0;
        loop {
            match self.equals.pop() {
                Some(Reverse((_, place))) if is_full(place) => {
                    passed_over += 1;
                    if passed_over == PATIENCE {
                        self.equals.retain(|Reverse((_, place))| !is_full(*place));
                    }
                }
                Some(Reverse((_, place))) => return Some(place),
                None => {
                    let end = *self.classes.next()?;
                    self.fill(end, allowances);
                    passed_over = 0;
                }
            }
        }
    }

    fn fill(&mut self, end: usize, allowances: &Allowances<'_>) {
        let mut equals = std::mem::take(&mut self.equals).into_vec();
        // A campaign's ads stand side by side: it is asked for once.
        let mut campaign = (None, true);
        while let Some(place) = self.passing.next_below(end) {
            let Some(ad) = self.index.ads.get(place) else { break };
            if ad.campaign != campaign.0 {
                let may = ad.campaign.and_then(|at| allowances.of(at)).is_none_or(|allowance| allowance.left > 0);
                campaign = (ad.campaign, may);
            }
            if campaign.1 {
                let tie = self.index.ties.get(place).map_or(0, |own| tie::order(self.seed, *own));
                equals.push(Reverse((tie, place)));
            }
        }
        self.equals = equals.into();
    }
}
