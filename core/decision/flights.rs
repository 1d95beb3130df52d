//! Which ads' campaigns run at a moment.
//!
//! That changes only where a flight starts or ends, so the set of running ads is kept until the next such moment.
//! Whoever asks about another time (a replay) has it made anew: one range of places for each campaign.

use std::{ops::Range, sync::Arc};

use arc_swap::ArcSwapOption;

use super::bits::Bits;
use crate::domain::Moment;

/// A campaign's flight: from the start of its first day to before the start of the day after its last, on the tenant's
/// clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Flight {
    pub starts: Option<Moment>,
    pub ends: Option<Moment>,
}

impl Flight {
    pub fn has_started(&self, now: Moment) -> bool {
        self.starts.is_none_or(|starts| now >= starts)
    }
    pub fn has_ended(&self, now: Moment) -> bool {
        self.ends.is_some_and(|ends| now >= ends)
    }
    pub fn runs(&self, now: Moment) -> bool {
        self.has_started(now) && !self.has_ended(now)
    }
}

/// The flights of all campaigns.
pub(super) struct Flights {
    /// Ads that may be shown as far as their own and their campaign's status goes.
    active: Bits,
    /// Of those, the ones without a campaign.
    unbound: Bits,
    /// Each campaign's flight and places.
    flights: Box<[(Flight, Range<usize>)]>,
    /// All starts and ends, ascending.
    changes: Box<[Moment]>,
    latest: ArcSwapOption<Stretch>,
}

/// The running ads between two changes.
pub(super) struct Stretch {
    from: Moment,
    until: Moment,
    pub running: Bits,
}

impl Flights {
    pub fn new(active: Bits, unbound: Bits, flights: Box<[(Flight, Range<usize>)]>) -> Self {
        let mut changes: Vec<Moment> =
            flights.iter().flat_map(|(flight, _)| [flight.starts, flight.ends]).flatten().collect();
        changes.sort_unstable();
        changes.dedup();
        Self { active, unbound, flights, changes: changes.into(), latest: ArcSwapOption::empty() }
    }

    /// Active ads whose campaign runs.
    pub fn running(&self, now: Moment) -> Arc<Stretch> {
        if let Some(latest) = &*self.latest.load()
            && latest.from <= now
            && now < latest.until
        {
            return latest.clone();
        }
        let next = self.changes.partition_point(|change| *change <= now);
        let mut running = self.unbound.clone();
        for (_, places) in self.flights.iter().filter(|(flight, _)| flight.runs(now)) {
            running.take_in(places.clone(), &self.active);
        }
        let before = next.checked_sub(1).and_then(|at| self.changes.get(at));
        let stretch = Arc::new(Stretch {
            from: before.copied().unwrap_or(Moment::MIN),
            until: self.changes.get(next).copied().unwrap_or(Moment(i64::MAX)),
            running,
        });
        self.latest.store(Some(stretch.clone()));
        stretch
    }
}
