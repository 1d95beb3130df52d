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

pub fn choose(avail_duration: f64, candidates: &[Candidate], config: &Config) -> Vec<u32> {
    let room = micros(avail_duration);
    let slots = Slots(config.positions.iter().map(|bids| bids.position).collect());
    let fullness = Fullness::of(candidates, room);
    let pieces = pieces(candidates, room, fullness, config);
    let enough = Worth { first: i64::MAX, second: fullness.enough(room) };
    let mut found = search(&pieces, room, config, &slots, enough);
    if (found.length as f64) < config.min_fill * room as f64 {
        let enough = Worth { first: room - room / EMPTY_PART, second: i64::MAX };
        found = search(&for_fill(&pieces), room, config, &slots, enough);
    }
    if !found.exact {
        log::debug("too many combinations to compare them all: the best pod that was found is taken");
    }
    slots.order(&found.picks).into_iter().filter_map(|at| u32::try_from(at).ok()).collect()
}

fn search(pieces: &[Piece], room: i64, config: &Config, slots: &Slots, enough: Worth) -> Found {
    let max_ads = config.max_ads.unwrap_or(usize::MAX);
    best(&useful(pieces, room, max_ads), &Task { room, max_ads, slots, enough })
}
