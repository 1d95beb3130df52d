//! The search against trying everything.

use proptest::prelude::*;

use crate::{
    piece::{MAX_SLOTS, Piece, Worth, useful},
    pod::{MAX_WORK, full, fullest},
    search::{Found, Task, best},
    slots::{Position, Slots},
    value::for_fill,
};

const UNLIMITED: Worth = Worth { first: i64::MAX, second: i64::MAX };

/// What a pod in this order is worth.
fn worth_in_order(pieces: &[Piece], order: &[usize], slots: &Slots) -> Worth {
    let mut worth = Worth::default();
    for (place, at) in order.iter().enumerate() {
        worth += pieces[*at].worth;
        let here = |position: &Position| match position {
            Position::Nth(number) => *number == place + 1,
            Position::Last => place + 1 == order.len(),
        };
        // Where two positions fall together the better bid counts.
        let bonus = slots.0.iter().enumerate().filter(|(_, position)| here(position));
        worth += bonus.map(|(slot, _)| pieces[*at].bonus[slot]).max().unwrap_or_default();
    }
    worth
}

/// The best worth over all orders of a set: `held` grows from the front.
fn best_order(pieces: &[Piece], held: &mut Vec<usize>, left: &mut Vec<usize>, slots: &Slots) -> Worth {
    if left.is_empty() {
        return worth_in_order(pieces, held, slots);
    }
    let mut best = Worth::default();
    for index in 0..left.len() {
        let at = left.remove(index);
        held.push(at);
        best = best.max(best_order(pieces, held, left, slots));
        held.pop();
        left.insert(index, at);
    }
    best
}

fn fits(pieces: &[Piece], set: &[usize], room: i64, max_ads: usize) -> bool {
    let mut categories: Vec<usize> = set.iter().filter_map(|at| pieces[*at].category).collect();
    let count = categories.len();
    categories.sort_unstable();
    categories.dedup();
    categories.len() == count && set.len() <= max_ads && set.iter().map(|at| pieces[*at].length).sum::<i64>() <= room
}

/// In as far as it counts.
fn by_brute_force(pieces: &[Piece], room: i64, max_ads: usize, slots: &Slots, enough: Worth) -> Worth {
    let sets = (0..1_u32 << pieces.len()).map(|bits| (0..pieces.len()).filter(|at| bits & (1 << at) != 0).collect());
    let fitting = sets.filter(|set: &Vec<usize>| fits(pieces, set, room, max_ads));
    let worth = |set: Vec<usize>| {
        if slots.0.is_empty() {
            return worth_in_order(pieces, &set, slots);
        }
        best_order(pieces, &mut Vec::new(), &mut set.clone(), slots)
    };
    fitting.map(|set| worth(set).capped(enough)).max().unwrap_or_default()
}

/// The answer is a pod, its worth is what it says, and its order brings it.
fn check(pieces: &[Piece], found: &Found, room: i64, max_ads: usize, slots: &Slots) {
    let order = slots.order(&found.picks);
    assert_eq!(order.len(), found.picks.len());
    let mut once = order.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), order.len(), "none twice");
    assert!(fits(pieces, &order, room, max_ads));
    assert_eq!(worth_in_order(pieces, &order, slots), found.worth);
    assert_eq!(order.iter().map(|at| pieces[*at].length).sum::<i64>(), found.length);
    assert!(found.exact);
}

/// Holds the search against trying everything, for the most valuable pod and for the fullest.
fn compare(pieces: &[Piece], room: i64, max_ads: usize, slots: &Slots, enough: i64) {
    let turned = for_fill(pieces);
    let searches = [
        (pieces, UNLIMITED),
        (pieces, Worth { second: enough, ..UNLIMITED }),
        (&turned, UNLIMITED),
        (&turned, full(room)),
    ];
    for (pieces, enough) in searches {
        let task = Task { room, max_ads, slots, enough, work: MAX_WORK };
        let found = best(&useful(pieces, room, max_ads), &task);
        check(pieces, &found, room, max_ads, slots);
        let expect = by_brute_force(pieces, room, max_ads, slots, enough);
        assert_eq!(found.worth.capped(enough), expect, "{enough:?}");
    }
    let search = |pieces: &[Piece], enough: Worth, work: usize| {
        best(&useful(pieces, room, max_ads), &Task { room, max_ads, slots, enough, work })
    };
    let found = fullest(&turned, full(room), MAX_WORK, search);
    check(&turned, &found, room, max_ads, slots);
    assert_eq!(found.worth.capped(full(room)), by_brute_force(&turned, room, max_ads, slots, full(room)));
}

fn pieces(most: usize, lengths: impl Strategy<Value = i64> + Clone) -> impl Strategy<Value = Vec<Piece>> {
    let bids = prop::array::uniform4(prop_oneof![3 => Just(0_i64), 1 => 0..60_i64]);
    let piece = (lengths, 0..40_i64, prop::option::weighted(0.6, 0..4_usize), bids);
    prop::collection::vec(piece, 0..=most).prop_map(|all| {
        let piece = |(at, (length, first, category, bids)): (usize, (i64, i64, Option<usize>, [i64; MAX_SLOTS]))| {
            let worth = Worth { first, second: length };
            Piece { at, length, category, worth, bonus: bids.map(|first| Worth { first, second: 0 }) }
        };
        all.into_iter().enumerate().map(piece).collect()
    })
}

fn usual_lengths() -> impl Strategy<Value = i64> + Clone {
    prop::sample::select(vec![6_i64, 10, 15, 20, 30, 45, 60])
}

fn max_ads() -> impl Strategy<Value = usize> {
    prop_oneof![Just(usize::MAX), 0..6_usize]
}

fn slots() -> impl Strategy<Value = Slots> {
    let positions = [Position::Nth(1), Position::Nth(2), Position::Nth(4), Position::Last];
    prop::sample::subsequence(positions.to_vec(), 1..=MAX_SLOTS).prop_map(Slots)
}

fn without_bids(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.iter_mut().for_each(|piece| piece.bonus = Default::default());
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn usual_lengths_as_good_as_trying_all(
        pieces in pieces(12, usual_lengths()), room in 0..150_i64, max_ads in max_ads(), enough in 0..150_i64,
    ) {
        compare(&without_bids(pieces), room, max_ads, &Slots::default(), enough);
    }

    #[test]
    fn odd_lengths_as_good_as_trying_all(
        pieces in pieces(12, 5_000_000..40_000_000_i64), room in 0..150_000_000_i64, max_ads in max_ads(), enough in 0..150_000_000_i64,
    ) {
        compare(&without_bids(pieces), room, max_ads, &Slots::default(), enough);
    }

    #[test]
    fn many_that_fill_it_as_good_as_trying_all(
        pieces in pieces(11, 9_900..10_100_i64), room in 39_900..40_100_i64, max_ads in max_ads(), enough in 30_000..40_000_i64,
    ) {
        compare(&without_bids(pieces), room, max_ads, &Slots::default(), enough);
    }

    #[test]
    fn positions_as_good_as_trying_all_orders(
        pieces in pieces(6, usual_lengths()), room in 0..150_i64, max_ads in max_ads(), slots in slots(), enough in 0..150_i64,
    ) {
        compare(&pieces, room, max_ads, &slots, enough);
    }
}
