//! The search for the best pod: a multiple-choice knapsack with positions.
//!
//! Dynamic programming over lists of partial pods, category by category. A partial pod is dropped where another one with
//! the same positions held, as many ads (as far as that matters) and no greater length is worth as much, or where even all
//! that could still come (see [`Bound`]) would not reach the best pod found. Both lose nothing. Lengths are exact: nothing
//! is rounded to a grid, and where lengths share a unit the lists are no longer than the room has units.
//!
//! Only if candidates are so unruly that it would take more than [`Task::work`], the least promising partial pods go, and
//! [`Found::exact`] says so.

use std::{cmp::Reverse, num::NonZeroU32};

use super::{
    bound::{Bound, Number},
    piece::{MAX_SLOTS, Piece, Worth},
    slots::Slots,
};

/// Most partial pods are soon pruned: so many times more are kept than could all be tried. What is left of
/// [`Task::work`] shrinks with each category, so it is not exceeded.
const PRUNED: usize = 2;

/// Where length counts, the longer is always worth more and few are pruned: so much of the work costs each that is kept,
/// or nothing would be left for the last categories.
const UNPRUNED: usize = 3;

/// Looking at the bound costs as much as looking at so many partial pods.
const BOUND_WORK: usize = 2;

/// What to search for.
#[derive(Debug)]
pub struct Task<'a> {
    /// Microseconds.
    pub room: i64,
    pub max_ads: usize,
    pub slots: &'a Slots,
    /// Of each of the two numbers, more than this counts for nothing.
    pub enough: Worth,
    /// Partial pods that may be looked at, again and again.
    pub work: usize,
}

/// The best pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Places among the candidates, with the slot held. In no order.
    pub picks: Vec<(usize, Option<usize>)>,
    pub length: i64,
    pub worth: Worth,
    /// Partial pods looked at.
    pub work: usize,
    /// Nothing was left out of the search.
    pub exact: bool,
}

/// A partial pod.
#[derive(Clone, Copy, Debug)]
struct Partial {
    length: i64,
    worth: Worth,
    /// Its last pick; the empty pod has none.
    pick: PickNumber,
}

/// An ad of a partial pod, and the pick before it. There are many: kept small.
#[derive(Clone, Copy, Debug)]
struct Pick {
    at: u32,
    before: PickNumber,
    slot: Option<u8>,
}

/// The number of a pick, from 1.
type PickNumber = Option<NonZeroU32>;

pub fn best(pieces: &[Piece], task: &Task<'_>) -> Found {
    let groups = groups(pieces);
    let greedy = greedy(pieces, task);
    let mut search = Search::new(&groups, task, greedy.worth.capped(task.enough));
    for (number, group) in groups.iter().enumerate() {
        search.bound.start_at(number + 1);
        if let Some(bound) = &mut search.second {
            bound.start_at(number + 1);
        }
        let left = groups.get(number + 1..).unwrap_or_default();
        search.bonus = most_bonus(left);
        search.add(group);
        search.thin_out(tries(left));
    }
    let found = search.found();
    if found.exact || found.worth.capped(task.enough) >= greedy.worth.capped(task.enough) {
        return found;
    }
    Found { exact: false, work: found.work, ..greedy }
}

/// What a second of it brings at most, for comparison.
fn density(piece: &Piece) -> (i128, i128) {
    let most = piece.worth + piece.bonus.into_iter().fold(Worth::default(), Worth::highest);
    let by_length = |number: i64| i128::from(number) * 1_000_000 / i128::from(piece.length.max(1));
    (by_length(most.first), by_length(most.second))
}

/// Ads of one category together, others alone. Those that bring most per second come first, so that good pods are found
/// early; among equals the host's order stays.
fn groups(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces {
        let same = |group: &&mut Vec<Piece>| {
            piece.category.is_some() && group.first().is_some_and(|first| first.category == piece.category)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(piece.clone()),
            None => groups.push(vec![piece.clone()]),
        }
    }
    groups.sort_by_key(|group| Reverse(group.iter().map(density).max()));
    groups
}

/// The pod of those that are worth most per second: quickly found, and a first mark to beat. Takes no bids.
fn greedy(pieces: &[Piece], task: &Task<'_>) -> Found {
    let mut order: Vec<&Piece> = pieces.iter().collect();
    order.sort_by_key(|piece| Reverse(density(piece)));
    let mut pod = Found::default();
    let mut categories = Vec::new();
    for piece in order {
        let taken = piece.category.is_some_and(|category| categories.contains(&category));
        if taken || pod.picks.len() >= task.max_ads || pod.length + piece.length > task.room {
            continue;
        }
        categories.extend(piece.category);
        pod.picks.push((piece.at, None));
        pod.length += piece.length;
        pod.worth += piece.worth;
    }
    pod
}

/// For each slot, the most that any piece of these groups bids for it.
fn most_bonus(groups: &[Vec<Piece>]) -> [Worth; MAX_SLOTS] {
    let mut most = [Worth::default(); MAX_SLOTS];
    for piece in groups.iter().flatten() {
        for (most, bonus) in most.iter_mut().zip(piece.bonus) {
            *most = most.highest(bonus);
        }
    }
    most
}

/// How often a piece is tried on each partial pod: once, and once for each bid.
fn tries(groups: &[Vec<Piece>]) -> usize {
    let bids = |piece: &Piece| piece.bonus.iter().filter(|bonus| **bonus > Worth::default()).count();
    groups.iter().flatten().map(|piece| 1 + bids(piece)).sum()
}

struct Search<'a> {
    task: &'a Task<'a>,
    /// Partial pods by number of ads and slots held; each list by length, and no longer one is worth no more.
    lists: Vec<Vec<Partial>>,
    /// From this number of ads on they are no longer told apart.
    top: usize,
    picks: Vec<Pick>,
    best: Partial,
    /// What is less than this is not the best pod.
    mark: Worth,
    bound: Bound,
    /// Of the second number, where there can be enough of the first one and the second counts: then it decides.
    second: Option<Bound>,
    /// For each slot, the most that pieces still to come bid for it.
    bonus: [Worth; MAX_SLOTS],
    /// Partial pods looked at.
    work: usize,
    exact: bool,
}

impl<'a> Search<'a> {
    fn new(groups: &[Vec<Piece>], task: &'a Task<'a>, mark: Worth) -> Self {
        let empty = Partial { length: 0, worth: Worth::default(), pick: None };
        let limited = task.max_ads < most_ads(groups, task.room);
        let top = if limited { task.max_ads } else { task.slots.most_needed() };
        let mut lists = vec![Vec::new(); (top + 1) * task.slots.masks()];
        if let Some(list) = lists.first_mut() {
            list.push(empty);
        }
        Self {
            task,
            lists,
            top,
            picks: Vec::new(),
            best: empty,
            mark,
            bound: Bound::new(groups, |worth| worth.first),
            second: (task.enough.first < i64::MAX && task.enough.second > 0)
                .then(|| Bound::new(groups, |worth| worth.second)),
            bonus: [Worth::default(); MAX_SLOTS],
            work: 0,
            exact: true,
        }
    }

    /// Every partial pod, with none or one of these pieces.
    fn add(&mut self, group: &[Piece]) {
        let masks = self.task.slots.masks();
        let before = std::mem::take(&mut self.lists);
        self.lists = before.clone();
        for (key, list) in before.iter().enumerate().filter(|(_, list)| !list.is_empty()) {
            let (count, mask) = (key / masks, key % masks);
            if count == self.task.max_ads {
                continue;
            }
            let above = (count + 1).min(self.top);
            for piece in group {
                self.extend(list, piece, None, above, mask);
                for slot in 0..self.task.slots.0.len() {
                    let held = mask & (1 << slot) != 0;
                    if !held && piece.bonus.get(slot).is_some_and(|bonus| *bonus > Worth::default()) {
                        self.extend(list, piece, Some(slot), above, mask | (1 << slot));
                    }
                }
            }
        }
    }

    /// Puts `list` with the piece added to each into the list of `count` and `mask`.
    fn extend(&mut self, list: &[Partial], piece: &Piece, slot: Option<usize>, count: usize, mask: usize) {
        let bonus = slot.and_then(|slot| piece.bonus.get(slot)).copied().unwrap_or_default();
        let complete = count >= self.task.slots.ads_needed(mask);
        let key = count * self.task.slots.masks() + mask;
        let Some(into) = self.lists.get_mut(key) else { return };
        let old = std::mem::take(into);
        self.work += old.len() + list.len();
        let mut merged: Vec<Partial> = Vec::with_capacity(old.len() + list.len());
        let mut old = old.into_iter().peekable();
        for partial in list {
            let next = Partial {
                length: partial.length + piece.length,
                worth: partial.worth + piece.worth + bonus,
                pick: None,
            };
            if next.length > self.task.room {
                break;
            }
            while let Some(other) =
                old.next_if(|other| (other.length, Reverse(other.worth)) <= (next.length, Reverse(next.worth)))
            {
                push_better(&mut merged, other);
            }
            if merged.last().is_some_and(|last| last.worth >= next.worth) {
                continue;
            }
            self.work += self.bound_work();
            let enough = self.task.enough;
            let record = complete && next.worth.capped(enough) > self.best.worth.capped(enough);
            if !record && !self.promising(&next, key) {
                continue;
            }
            self.picks.push(Pick { at: piece.at as u32, slot: slot.map(|slot| slot as u8), before: partial.pick });
            let next = Partial { pick: NonZeroU32::new(self.picks.len() as u32), ..next };
            merged.push(next);
            if record {
                self.best = next;
            }
        }
        old.for_each(|other| push_better(&mut merged, other));
        if let Some(into) = self.lists.get_mut(key) {
            *into = merged;
        }
    }

    /// Whether a partial pod of the list `key` can still become the best one.
    fn promising(&self, partial: &Partial, key: usize) -> bool {
        let best = self.best.worth.capped(self.task.enough);
        let first = self.most(partial, key, &self.bound, |worth| worth.first).min(self.task.enough.first);
        if first != best.first.max(self.mark.first) {
            return first > best.first.max(self.mark.first);
        }
        let second = self.most_second(partial, key);
        (first > best.first || second > best.second) && (first > self.mark.first || second >= self.mark.second)
    }

    /// What one of its numbers can become at most.
    fn most(&self, partial: &Partial, key: usize, bound: &Bound, number: Number) -> i64 {
        let (count, mask) = (key / self.task.slots.masks(), key % self.task.slots.masks());
        let open = self.bonus.iter().enumerate().filter(|(slot, _)| mask & (1 << slot) == 0);
        let bonus: i64 = open.map(|(_, bonus)| number(*bonus)).sum();
        let ads = self.task.max_ads.saturating_sub(count);
        number(partial.worth) + bonus + bound.within(self.task.room - partial.length, ads)
    }

    fn most_second(&self, partial: &Partial, key: usize) -> i64 {
        let enough = self.task.enough.second;
        let bound = self.second.as_ref();
        bound.map_or(enough, |bound| self.most(partial, key, bound, |worth| worth.second).min(enough))
    }

    /// What a look at what a partial pod can become costs.
    fn bound_work(&self) -> usize {
        if self.second.is_some() { 2 * BOUND_WORK } else { BOUND_WORK }
    }

    /// Drops what cannot win any more, and the least promising where too many are left to try so many pieces on each.
    fn thin_out(&mut self, tries: usize) {
        let mut lists = std::mem::take(&mut self.lists);
        for (key, list) in lists.iter_mut().enumerate() {
            list.retain(|partial| self.promising(partial, key));
        }
        let left: usize = lists.iter().map(Vec::len).sum();
        self.work += left * self.bound_work();
        let remaining = self.task.work.saturating_sub(self.work);
        let kept = if self.second.is_some() { remaining / UNPRUNED } else { remaining * PRUNED };
        let width = kept / tries.max(1);
        if left > width {
            self.exact = false;
            self.work += left * self.bound_work();
            // Of each list alike, so that pods with and without each position stay: what it can become, and of equals
            // the furthest along.
            let used = lists.iter().filter(|list| !list.is_empty()).count();
            let share = width / used.max(1);
            for (key, list) in lists.iter_mut().enumerate().filter(|(_, list)| list.len() > share) {
                if self.second.is_some() {
                    spread(list, self.task.room, share);
                    continue;
                }
                let hope = |partial: &Partial| {
                    let first = self.most(partial, key, &self.bound, |worth| worth.first).min(self.task.enough.first);
                    (Worth { first, second: self.most_second(partial, key) }, partial.worth)
                };
                let mut hopes: Vec<(Worth, Worth)> = list.iter().map(hope).collect();
                let (_, least, _) = hopes.select_nth_unstable_by_key(share, |hope| Reverse(*hope));
                let least = *least;
                // No two of a list are worth the same.
                list.retain(|partial| hope(partial) > least);
            }
        }
        self.lists = lists;
    }

    fn found(self) -> Found {
        let mut picks = Vec::new();
        let mut next = self.best.pick;
        while let Some(pick) = next.and_then(|number| self.picks.get(number.get() as usize - 1)) {
            picks.push((pick.at as usize, pick.slot.map(usize::from)));
            next = pick.before;
        }
        Found { picks, length: self.best.length, worth: self.best.worth, work: self.work, exact: self.exact }
    }
}

/// Leaves so many partial pods, of all lengths: where length counts, the longer is always worth more, and what is missing
/// of an avail comes in any length. Of those that are nearly as long the one with the highest second number stays.
fn spread(list: &mut Vec<Partial>, room: i64, share: usize) {
    let part = (room / i64::try_from(share).unwrap_or(i64::MAX).max(1)).max(1);
    let mut kept: Vec<Partial> = Vec::with_capacity(share + 1);
    for partial in list.drain(..) {
        match kept.last_mut().filter(|last| last.length / part == partial.length / part) {
            Some(last) if last.worth.second >= partial.worth.second => {}
            Some(last) => *last = partial,
            None => kept.push(partial),
        }
    }
    *list = kept;
}

/// Adds a partial pod that is no shorter than the last, if it is worth more.
fn push_better(list: &mut Vec<Partial>, partial: Partial) {
    if list.last().is_none_or(|last| last.worth < partial.worth) {
        list.push(partial);
    }
}

/// How many ads fit at most: the shortest of each group, while there is room.
fn most_ads(groups: &[Vec<Piece>], room: i64) -> usize {
    let mut shortest: Vec<i64> =
        groups.iter().filter_map(|group| group.iter().map(|piece| piece.length).min()).collect();
    shortest.sort_unstable();
    let mut left = room;
    shortest
        .iter()
        .take_while(|length| {
            left -= **length;
            left >= 0
        })
        .count()
}
