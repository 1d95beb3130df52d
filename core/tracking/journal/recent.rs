//! Ids of events that were acknowledged lately, so that a repetition can be told at once.
//!
//! The database decides what counts; this only saves it work and gives reporters an honest answer.

use std::{collections::HashSet, hash::BuildHasherDefault};

use crate::domain::{EventId, Hashed};

/// Ids of one generation; two are kept. Together up to 17 MB, and some minutes of a busy node.
const GENERATION: usize = 262_144;

type Ids = HashSet<(u64, u64), BuildHasherDefault<Hashed>>;

#[derive(Default)]
pub struct Recent {
    new: Ids,
    old: Ids,
}

/// `write_u64` keeps the second half, so that is the hash.
fn halves(id: EventId) -> (u64, u64) {
    let [high, low] = [id.as_u128() >> 64, id.as_u128() & u128::from(u64::MAX)];
    (u64::try_from(high).unwrap_or(0), u64::try_from(low).unwrap_or(0))
}

impl Recent {
    pub fn contains(&self, id: EventId) -> bool {
        let id = halves(id);
        self.new.contains(&id) || self.old.contains(&id)
    }

    pub fn insert(&mut self, id: EventId) {
        if self.new.len() >= GENERATION {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(halves(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_a_generation_is_remembered_and_never_more_than_two() {
        let mut recent = Recent::default();
        let ids = |n: usize| EventId::random(((n as u128) << 64) | (n as u128 * 7919));
        for n in 0..GENERATION * 3 {
            assert!(!recent.contains(ids(n)));
            recent.insert(ids(n));
            assert!(recent.contains(ids(n.saturating_sub(GENERATION - 1))));
        }
        assert!(recent.new.len() + recent.old.len() <= GENERATION * 2);
        assert!(!recent.contains(ids(0)));
    }
}
