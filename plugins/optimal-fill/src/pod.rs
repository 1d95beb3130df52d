//! The pod: from a request and its candidates to the places of the chosen ads, in play order.

use cuetone_plugin::{Candidate, log};

use crate::{
    config::Config,
    piece::{Piece, Worth, useful},
    search::{Found, Task, best},
    slots::Slots,
    value::{Fullness, for_fill, micros, pieces},
};

/// A pod that leaves less than this part of the avail empty cannot be made fuller in a way that anybody would see.
const EMPTY_PART: i64 = 1_000;

/// What the search for just any full pod may take of the work.
const ANY_PART: usize = 4;

/// Partial pods that the searches of a call may look at: leaves it well within its deadline.
pub const MAX_WORK: usize = 400_000;

pub fn choose(avail_duration: f64, candidates: &[Candidate], config: &Config) -> Vec<u32> {
    let room = micros(avail_duration);
    let slots = Slots(config.positions.iter().map(|bids| bids.position).collect());
    let fullness = Fullness::of(candidates, room);
    let pieces = pieces(candidates, room, fullness, config);
    let max_ads = config.max_ads.unwrap_or(usize::MAX);
    let search = |pieces: &[Piece], enough: Worth, work: usize| {
        best(&useful(pieces, room, max_ads), &Task { room, max_ads, slots: &slots, enough, work })
    };
    // Where it may not do, half is left for the second search.
    let work = if config.min_fill > 0.0 { MAX_WORK / 2 } else { MAX_WORK };
    let mut found = search(&pieces, Worth { first: i64::MAX, second: fullness.enough(room) }, work);
    if (found.length as f64) < config.min_fill * room as f64 {
        found = fullest(&for_fill(&pieces), full(room), MAX_WORK.saturating_sub(found.work), search);
    }
    if !found.exact {
        log::debug("too many combinations to compare them all: the best pod that was found is taken");
    }
    slots.order(&found.picks).into_iter().filter_map(|at| u32::try_from(at).ok()).collect()
}

/// The fullest pod, and of those the most valuable. Where there is too much to compare, that it is full comes first: so
/// just any full pod is looked for before, which mostly takes next to nothing.
pub fn fullest(pieces: &[Piece], full: Worth, work: usize, search: impl Fn(&[Piece], Worth, usize) -> Found) -> Found {
    let any = search(pieces, Worth { second: 0, ..full }, work / ANY_PART);
    let found = search(pieces, full, work.saturating_sub(any.work));
    if found.worth.capped(full) >= any.worth.capped(full) { found } else { Found { exact: false, ..any } }
}

/// What is enough of length; of value nothing is.
pub fn full(room: i64) -> Worth {
    Worth { first: room - room / EMPTY_PART, second: i64::MAX }
}
