//! What the search knows of an ad: a length, a category, and numbers to add up.
//!
//! Does not know money, labels or what the numbers stand for.

use std::ops::{Add, AddAssign};

/// Positions that can have bids. Each doubles the combinations that the search tells apart.
pub const MAX_SLOTS: usize = 4;

/// What is to be made as large as possible: `first`, and `second` among equals. Both add up over a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth {
    pub first: i64,
    pub second: i64,
}

impl Worth {
    /// Each of the two numbers, no higher than in `most`.
    pub fn capped(self, most: Self) -> Self {
        Self { first: self.first.min(most.first), second: self.second.min(most.second) }
    }

    /// The higher of each of the two numbers.
    pub fn highest(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), second: self.second.max(other.second) }
    }
}

impl Add for Worth {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { first: self.first + other.first, second: self.second + other.second }
    }
}

impl AddAssign for Worth {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// An ad. Numbers are never negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Its place among the candidates.
    pub at: usize,
    /// Microseconds.
    pub length: i64,
    /// Its competitive category, numbered.
    pub category: Option<usize>,
    pub worth: Worth,
    /// What it is worth more in each slot.
    pub bonus: [Worth; MAX_SLOTS],
}

impl Piece {
    /// Whether this one can take the place of `other` in any pod, and the pod is no worse for it.
    fn replaces(&self, other: &Self) -> bool {
        let as_good = self.length <= other.length
            && self.worth >= other.worth
            && self.bonus.iter().zip(&other.bonus).all(|(own, theirs)| own >= theirs);
        let same = self.length == other.length && self.worth == other.worth && self.bonus == other.bonus;
        as_good && (!same || self.at < other.at)
    }
}

/// The pieces that can matter: those that fit, without those for which another one always does as well.
///
/// A piece is out if one of its own category replaces it, or if those without a category that could replace it are too
/// many or too long to be all in the pod already.
pub fn useful(pieces: &[Piece], room: i64, max_ads: usize) -> Vec<Piece> {
    let fitting = || pieces.iter().filter(|piece| (1..=room).contains(&piece.length));
    let outdone = |piece: &Piece| {
        let (mut count, mut length) = (0, piece.length);
        for other in fitting().filter(|other| other.replaces(piece)) {
            if other.category.is_some() {
                if other.category == piece.category {
                    return true;
                }
            } else {
                count += 1;
                length += other.length;
                if count >= max_ads || length > room {
                    return true;
                }
            }
        }
        false
    };
    fitting().filter(|piece| !outdone(piece)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(at: usize, length: i64, first: i64, category: Option<usize>) -> Piece {
        Piece { at, length, category, worth: Worth { first, second: length }, ..Piece::default() }
    }

    fn places(pieces: &[Piece], room: i64, max_ads: usize) -> Vec<usize> {
        useful(pieces, room, max_ads).iter().map(|piece| piece.at).collect()
    }

    #[test]
    fn what_does_not_fit_is_out() {
        assert_eq!(places(&[piece(0, 31, 9, None), piece(1, 30, 1, None), piece(2, 0, 5, None)], 30, 9), [1]);
    }

    #[test]
    fn of_a_category_the_shorter_and_better_is_enough() {
        let pieces = [piece(0, 20, 3, Some(1)), piece(1, 10, 5, Some(1)), piece(2, 30, 7, Some(1))];
        assert_eq!(places(&pieces, 60, 9), [1, 2]);
    }

    #[test]
    fn of_alike_pieces_as_many_stay_as_fit_and_the_earlier_ones() {
        let pieces: Vec<Piece> = (0..5).map(|at| piece(at, 15, 3, None)).collect();
        assert_eq!(places(&pieces, 30, 9), [0, 1]);
        assert_eq!(places(&pieces, 60, 3), [0, 1, 2]);
    }

    #[test]
    fn another_category_replaces_nothing() {
        let pieces = [piece(0, 15, 9, Some(1)), piece(1, 15, 3, None), piece(2, 15, 2, Some(2))];
        assert_eq!(places(&pieces, 15, 9), [0, 1]);
        assert_eq!(places(&pieces, 30, 9), [0, 1, 2]);
    }

    #[test]
    fn a_bid_for_a_position_counts() {
        let mut bidder = piece(1, 15, 2, Some(1));
        bidder.bonus[0] = Worth { first: 5, second: 0 };
        assert_eq!(places(&[piece(0, 15, 3, Some(1)), bidder], 60, 9), [0, 1]);
    }
}
