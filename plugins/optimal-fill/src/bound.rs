//! How much the ads that are still to come could add at most: the bound that lets the search give up early.
//!
//! Pieces may be cut for it (the linear relaxation of the multiple-choice knapsack): per category the upper hull of
//! length and worth, steps of all hulls by what they bring per microsecond. Looks at one of the two numbers of
//! [`Worth`] only.

use std::cmp::Reverse;

use super::piece::{Piece, Worth};

/// Which number of a worth a bound is about.
pub type Number = fn(Worth) -> i64;

/// A step up a category's hull: from one piece to a longer and better one.
#[derive(Clone, Copy, Debug)]
struct Step {
    group: usize,
    length: i64,
    gain: i64,
}

/// The bound for all groups from some group on.
#[derive(Debug)]
pub struct Bound {
    /// Steepest first.
    steps: Vec<Step>,
    /// Sums of the steps up to and with each.
    sums: Vec<(i64, i64)>,
    /// The best piece of each group, best first: the group, and what the piece is worth.
    richest: Vec<(usize, i64)>,
    /// What so many of those are worth together, from none on.
    rich_sums: Vec<i64>,
}

impl Bound {
    pub fn new(groups: &[Vec<Piece>], number: Number) -> Self {
        let hulls = groups.iter().enumerate().flat_map(|(at, group)| hull(at, group, number));
        let mut steps: Vec<Step> = hulls.collect();
        steps.sort_by(|a, b| slope_order(a, b).reverse());
        let most = |group: &Vec<Piece>| group.iter().map(|piece| number(piece.worth)).max().unwrap_or_default();
        let mut richest: Vec<(usize, i64)> = groups.iter().map(most).enumerate().collect();
        richest.sort_by_key(|(_, most)| Reverse(*most));
        let mut bound = Self { steps, sums: Vec::new(), richest, rich_sums: Vec::new() };
        bound.sum();
        bound
    }

    /// Leaves out the groups before this one.
    pub fn start_at(&mut self, group: usize) {
        self.steps.retain(|step| step.group >= group);
        self.richest.retain(|(rich, _)| *rich >= group);
        self.sum();
    }

    fn sum(&mut self) {
        self.sums.clear();
        let (mut length, mut gain) = (0, 0);
        for step in &self.steps {
            length += step.length;
            gain += step.gain;
            self.sums.push((length, gain));
        }
        self.rich_sums.clear();
        self.rich_sums.push(0);
        let mut sum = 0;
        for (_, most) in &self.richest {
            sum += most;
            self.rich_sums.push(sum);
        }
    }

    /// What so many ads that fit into this room are worth at most.
    pub fn within(&self, room: i64, ads: usize) -> i64 {
        let all = self.rich_sums.last().copied().unwrap_or_default();
        self.by_room(room).min(self.rich_sums.get(ads).copied().unwrap_or(all))
    }

    fn by_room(&self, room: i64) -> i64 {
        let whole = self.sums.partition_point(|(length, _)| *length <= room);
        let (length, gain) = whole.checked_sub(1).and_then(|last| self.sums.get(last)).copied().unwrap_or_default();
        let part = self.steps.get(whole).map_or(0, |step| portion(step, room - length));
        gain + part
    }
}

/// Whole numbers up to here are exact as floating-point numbers.
const EXACT: f64 = (1_u64 << 53) as f64;

/// The part of a step that fits, rounded down, as worth is whole. By floating point, for which WebAssembly has
/// instructions: never less than the true part, and at most one more.
fn portion(step: &Step, room: i64) -> i64 {
    let product = step.gain as f64 * room as f64;
    let part = (product / step.length as f64).floor();
    if product > EXACT { part as i64 + 1 } else { part as i64 }
}

/// By what a microsecond brings.
fn slope_order(a: &Step, b: &Step) -> std::cmp::Ordering {
    (i128::from(a.gain) * i128::from(b.length)).cmp(&(i128::from(b.gain) * i128::from(a.length)))
}

fn hull(group: usize, pieces: &[Piece], number: Number) -> Vec<Step> {
    let mut points: Vec<(i64, i64)> = pieces.iter().map(|piece| (piece.length, number(piece.worth))).collect();
    points.sort_unstable_by_key(|(length, most)| (*length, Reverse(*most)));
    let mut steps: Vec<Step> = Vec::new();
    let (mut end, mut height) = (0, 0);
    for (length, most) in points {
        if most <= height || length <= end {
            continue;
        }
        let mut step = Step { group, length: length - end, gain: most - height };
        (end, height) = (length, most);
        // A step that is less steep than the one after it lies under the hull.
        while let Some(before) = steps.pop_if(|before| slope_order(before, &step).is_le()) {
            step.length += before.length;
            step.gain += before.gain;
        }
        steps.push(step);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Number = |worth| worth.first;

    fn group(pieces: &[(i64, i64)]) -> Vec<Piece> {
        let piece = |(length, first): &(i64, i64)| Piece {
            length: *length,
            worth: Worth { first: *first, second: 0 },
            ..Piece::default()
        };
        pieces.iter().map(piece).collect()
    }

    #[test]
    fn the_steepest_come_first_and_the_last_is_cut() {
        let bound = Bound::new(&[group(&[(10, 10)]), group(&[(10, 40)]), group(&[(20, 40)])], FIRST);
        assert_eq!([0, 5, 10, 20, 30, 35, 99].map(|room| bound.within(room, 9)), [0, 20, 40, 60, 80, 85, 90]);
    }

    #[test]
    fn either_number_has_a_bound() {
        let worth = |first, second| Worth { first, second };
        let piece = |worth| Piece { length: 10, worth, ..Piece::default() };
        let groups = [vec![piece(worth(10, 4))], vec![piece(worth(20, 3))]];
        assert_eq!([10, 20].map(|room| Bound::new(&groups, FIRST).within(room, 9)), [20, 30]);
        assert_eq!([10, 20].map(|room| Bound::new(&groups, |worth| worth.second).within(room, 9)), [4, 7]);
    }

    #[test]
    fn no_more_ads_count_than_are_allowed() {
        let bound = Bound::new(&[group(&[(10, 10)]), group(&[(10, 40), (9, 3)]), group(&[(20, 40)])], FIRST);
        assert_eq!([0, 1, 2, 3, 4].map(|ads| bound.within(40, ads)), [0, 40, 80, 90, 90]);
    }

    #[test]
    fn of_a_category_only_one_piece_counts() {
        let bound = Bound::new(&[group(&[(10, 30), (20, 40), (15, 20)])], FIRST);
        assert_eq!([5, 10, 15, 20, 99].map(|room| bound.within(room, 9)), [15, 30, 35, 40, 40]);
    }

    #[test]
    fn what_lies_under_the_hull_is_left_out() {
        let bound = Bound::new(&[group(&[(10, 5), (20, 40)])], FIRST);
        assert_eq!([10, 20].map(|room| bound.within(room, 9)), [20, 40]);
    }

    #[test]
    fn groups_that_are_done_no_longer_count() {
        let mut bound = Bound::new(&[group(&[(10, 50)]), group(&[(10, 20)])], FIRST);
        bound.start_at(1);
        assert_eq!(bound.within(20, 9), 20);
        bound.start_at(2);
        assert_eq!(bound.within(20, 9), 0);
    }
}
