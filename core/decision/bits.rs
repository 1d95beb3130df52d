//! Sets of ads as bits, one for each place of the index.
//!
//! Small on purpose. What a decision needs is to meet a handful of sets word by word and to stop as soon as it has
//! enough ads, which set types that meet whole sets at once do not offer.

use std::ops::Range;

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// No place of `len`.
    pub fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(WORD)].into())
    }

    pub fn contains(&self, place: usize) -> bool {
        self.0.get(place / WORD).is_some_and(|word| word & bit(place) != 0)
    }

    pub fn put(&mut self, place: usize, member: bool) {
        if let Some(word) = self.0.get_mut(place / WORD) {
            if member {
                *word |= bit(place);
            } else {
                *word &= !bit(place);
            }
        }
    }

    /// Takes in all places of `range` that are in `of`.
    pub fn take_in(&mut self, range: Range<usize>, of: &Self) {
        let words = range.start / WORD..range.end.div_ceil(WORD);
        let Some(into) = self.0.get_mut(words.clone()) else { return };
        for ((at, into), from) in words.clone().zip(into).zip(of.0.get(words).unwrap_or_default()) {
            let (first, end) = (at * WORD, at * WORD + WORD);
            let mut mask = u64::MAX;
            if range.start > first {
                mask &= u64::MAX << (range.start - first);
            }
            if range.end < end {
                mask &= u64::MAX >> (end - range.end);
            }
            *into |= from & mask;
        }
    }
}

fn bit(place: usize) -> u64 {
    1 << (place % WORD)
}

/// The places that are in all of `N` sets, ascending. Words that nobody asks for are never looked at.
pub(super) struct InAll<'a, const N: usize> {
    sets: [&'a Bits; N],
    next_word: usize,
    /// What is left of the word before `next_word`.
    rest: u64,
}

impl<'a, const N: usize> InAll<'a, N> {
    pub fn new(sets: [&'a Bits; N]) -> Self {
        Self { sets, next_word: 0, rest: 0 }
    }

    /// The next place, if it is below `end`.
    pub fn next_below(&mut self, end: usize) -> Option<usize> {
        while self.rest == 0 {
            if self.next_word * WORD >= end {
                return None;
            }
            let words = self.sets.iter().map(|set| set.0.get(self.next_word).copied().unwrap_or(0));
            self.rest = words.fold(u64::MAX, |met, word| met & word);
            self.next_word += 1;
        }
        let place = (self.next_word - 1) * WORD + self.rest.trailing_zeros() as usize;
        if place >= end {
            return None;
        }
        self.rest &= self.rest - 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(len: usize, members: impl IntoIterator<Item = usize>) -> Bits {
        let mut bits = Bits::none(len);
        members.into_iter().for_each(|place| bits.put(place, true));
        bits
    }

    #[test]
    fn a_place_can_be_taken_out_again_and_one_outside_is_in_no_set() {
        let mut bits = set(70, [0, 63, 64, 69]);
        bits.put(63, false);
        bits.put(500, true);
        assert_eq!([0, 63, 64, 69, 500].map(|place| bits.contains(place)), [true, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn what_is_in_all_sets_is_found_once_in_order_whatever_the_stops(
            members in proptest::collection::vec(proptest::collection::btree_set(0_usize..300, 0..300), 3),
            stops in proptest::collection::btree_set(0_usize..301, 0..10),
        ) {
            let sets: Vec<Bits> = members.iter().map(|members| set(300, members.iter().copied())).collect();
            let mut all = InAll::new([&sets[0], &sets[1], &sets[2]]);
            let mut found = Vec::new();
            for stop in stops.into_iter().chain([300]) {
                while let Some(place) = all.next_below(stop) {
                    prop_assert!(place < stop);
                    found.push(place);
                }
            }
            let expected: Vec<usize> = (0..300).filter(|place| members.iter().all(|set| set.contains(place))).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_range_takes_in_what_the_other_set_has_of_it(
            of in proptest::collection::btree_set(0_usize..200, 0..200),
            start in 0_usize..200,
            length in 0_usize..200,
        ) {
            let range = start..(start + length).min(200);
            let mut into = set(200, [7]);
            into.take_in(range.clone(), &set(200, of.iter().copied()));
            let expected = set(200, of.into_iter().filter(|place| range.contains(place)).chain([7]));
            prop_assert_eq!(into, expected);
        }
    }
}
