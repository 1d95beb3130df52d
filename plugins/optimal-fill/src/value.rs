//! What an ad is worth, and to which positions: from candidates to pieces of the search.
//!
//! Money is whole here: millionths of the price of a thousand impressions.

use cuetone_plugin::{Candidate, log};

use crate::{
    config::{Bids, Config, Multiplier},
    piece::{MAX_SLOTS, Piece, Worth},
};

const MILLION: f64 = 1_000_000.0;

/// More than any ad is worth; a thousand of them still add up.
const MAX_VALUE: f64 = 1e15;

/// How finely fullness is compared where lengths share no unit: parts of the avail.
const FILL_PARTS: i64 = 1_024;

/// Up to so many units, an avail is measured in the unit that all lengths share.
const MAX_UNITS: i64 = 4_096;

/// Seconds as the host counts them.
pub fn micros(seconds: f64) -> i64 {
    (seconds * MILLION).round() as i64
}

/// How full a pod is, in whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fullness {
    /// All lengths are multiples of so many microseconds.
    Unit(i64),
    /// In parts of the avail.
    Parts,
}

impl Fullness {
    pub fn of(candidates: &[Candidate], room: i64) -> Self {
        let lengths = candidates.iter().map(|candidate| micros(candidate.duration));
        let unit = lengths.filter(|length| (1..=room).contains(length)).fold(0, gcd);
        if unit > 0 && room / unit <= MAX_UNITS { Self::Unit(unit) } else { Self::Parts }
    }

    fn measure(self, length: i64, room: i64) -> i64 {
        match self {
            Self::Unit(unit) => length / unit,
            Self::Parts => (length * FILL_PARTS + room / 2) / room.max(1),
        }
    }

    /// As full as counts: all units, or less than a thousandth empty.
    pub fn enough(self, room: i64) -> i64 {
        match self {
            Self::Unit(unit) => room / unit,
            Self::Parts => FILL_PARTS - 1,
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The most valuable pod is wanted, and of those the fullest.
pub fn pieces(candidates: &[Candidate], room: i64, fullness: Fullness, config: &Config) -> Vec<Piece> {
    let categories = categories(candidates);
    let piece = |(at, candidate): (usize, &Candidate)| {
        let length = micros(candidate.duration);
        let value = value(candidate, config);
        let mut bonus = [Worth::default(); MAX_SLOTS];
        for (bonus, bids) in bonus.iter_mut().zip(&config.positions) {
            bonus.first = multiplier(candidate, bids).gain(value);
        }
        let category =
            candidate.category.as_deref().and_then(|name| categories.iter().position(|known| *known == name));
        Piece { at, length, category, worth: Worth { first: value, second: fullness.measure(length, room) }, bonus }
    };
    candidates.iter().enumerate().map(piece).collect()
}

/// The fullest pod is wanted, and of those the most valuable.
pub fn for_fill(pieces: &[Piece]) -> Vec<Piece> {
    let turned = |piece: &Piece| Piece {
        worth: Worth { first: piece.length, second: piece.worth.first },
        bonus: piece.bonus.map(|bonus| Worth { first: 0, second: bonus.first }),
        ..piece.clone()
    };
    pieces.iter().map(turned).collect()
}

/// Never negative: points off make an ad the last choice, and a rule that wants it out drops it.
fn value(candidate: &Candidate, config: &Config) -> i64 {
    let weighted = candidate.cpm
        + config.score_weight * candidate.score
        + config.priority_weight * f64::from(candidate.priority)
        + config.fill_weight * candidate.duration;
    (weighted * MILLION).round().clamp(0.0, MAX_VALUE) as i64
}

fn multiplier(candidate: &Candidate, bids: &Bids) -> Multiplier {
    let label = bids.label.as_deref().and_then(|name| {
        let (_, text) = candidate.labels.iter().find(|(label, _)| label == name)?;
        let multiplier = Multiplier::from_label(text);
        if multiplier.is_none() {
            log::warn(&format!(
                "ad `{}`: label `{name}` is `{text}`, not a multiplier from 1 to 100; left out",
                candidate.id
            ));
        }
        multiplier
    });
    let campaign = || candidate.campaign.as_ref().and_then(|campaign| bids.campaigns.get(campaign)).copied();
    label.or_else(campaign).unwrap_or(bids.default)
}

/// Each once.
fn categories(candidates: &[Candidate]) -> Vec<&str> {
    let mut names: Vec<&str> = candidates.iter().filter_map(|candidate| candidate.category.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
