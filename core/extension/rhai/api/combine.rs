//! Which ads fill a stretch of time: the search that fill scripts share, and that would be too slow as a script.
//!
//! What is good enough stays the script's business. Knows lengths and competitive categories, nothing else of an ad.

use std::collections::HashMap;

use super::super::value::Fallible;

/// How many of the items are combined, one width after the other: a search among all of a long list would try every
/// last item before it changed an early one.
const WIDTHS: [usize; 3] = [24, 72, usize::MAX];

/// Steps taken for each width: enough for all combinations of twelve items. Where lengths are the usual ones, most
/// combinations of more items come to the same sums and are passed over.
const MAX_STEPS: usize = 8_192;

/// Categories that several ads have each need a bit.
const MAX_SHARED: usize = 127;

/// An ad as the search sees it; microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub length: i64,
    pub category: Option<&'a str>,
}

/// An item that may matter.
struct Piece {
    /// Its place among the items.
    at: usize,
    length: i64,
    /// The bit of its category, none where no other piece shares it.
    mark: u128,
}

/// The first combination, in the items' order, that lasts at least `goal` and at most `room` and has one item of each
/// category: the one whose first item comes earlier, then whose second does, and so on. Without one, the longest that
/// fits, by the same order among equals. Of lists that are too long to try all, the first or longest that was found,
/// among the items at the front if they will do. Ascending places.
///
/// `step` is asked before each step and may end the search.
pub fn combine(
    items: &[Item<'_>],
    room: i64,
    goal: i64,
    mut step: impl FnMut() -> Fallible<()>,
) -> Fallible<Vec<usize>> {
    let pieces = pieces(items, room);
    let mut best = Best { length: 0, pod: Vec::new() };
    for width in WIDTHS {
        let front = pieces.get(..width).unwrap_or(&pieces);
        search(front, room, goal, &mut best, &mut step)?;
        if best.length >= goal || front.len() == pieces.len() {
            break;
        }
    }
    Ok(best.pod.into_iter().filter_map(|place| pieces.get(place).map(|piece| piece.at)).collect())
}

/// The best combination so far, as places among the pieces.
struct Best {
    length: i64,
    pod: Vec<usize>,
}

fn search(
    pieces: &[Piece],
    room: i64,
    goal: i64,
    best: &mut Best,
    step: &mut impl FnMut() -> Fallible<()>,
) -> Fallible<()> {
    // What all pieces from a place on can add, and the shortest of them.
    let mut bounds = vec![(0_i64, i64::MAX)];
    for piece in pieces.iter().rev() {
        let (rest, shortest) = bounds.last().copied().unwrap_or_default();
        bounds.push((rest.saturating_add(piece.length), shortest.min(piece.length)));
    }
    bounds.reverse();
    // From which piece on each sum of lengths was followed up, with the same categories: later, nothing new comes of it.
    let mut followed: HashMap<(i64, u128), usize> = HashMap::new();
    let (mut chosen, mut used, mut taken, mut next) = (Vec::<usize>::new(), 0, 0_u128, 0);
    for _ in 0..MAX_STEPS {
        step()?;
        let (rest, shortest) = bounds.get(next).copied().unwrap_or_default();
        let piece = pieces.get(next).filter(|_| used + rest > best.length && shortest <= room - used);
        if let Some(piece) = piece {
            next += 1;
            if piece.length > room - used || piece.mark & taken != 0 {
                continue;
            }
            chosen.push(next - 1);
            used += piece.length;
            taken |= piece.mark;
            if used > best.length {
                best.length = used;
                best.pod.clone_from(&chosen);
                if used >= goal {
                    break;
                }
            }
            let from = followed.entry((used, taken)).or_insert(usize::MAX);
            if *from <= next {
                next = pieces.len();
            } else {
                *from = next;
            }
            continue;
        }
        // This way leads nowhere better: go back to the last choice and leave it out, with those behind it that could
        // only do the same in its place.
        let Some(last) = chosen.pop() else { break };
        let Some(left_out) = pieces.get(last) else { break };
        used -= left_out.length;
        taken &= !left_out.mark;
        let same =
            |other: &&Piece| other.length == left_out.length && (left_out.mark == 0 || other.mark == left_out.mark);
        next = last + 1 + pieces.iter().skip(last + 1).take_while(same).count();
    }
    Ok(())
}

/// Items that fit. Of each length only as many can matter as fit one after the other, of each length and category one.
fn pieces(items: &[Item<'_>], room: i64) -> Vec<Piece> {
    let mut left: HashMap<(i64, Option<&str>), i64> = HashMap::new();
    let fitting = items.iter().enumerate().filter(|(_, item)| (1..=room).contains(&item.length));
    let useful: Vec<(usize, &Item<'_>)> = fitting
        .filter(|(_, item)| {
            let all = if item.category.is_some() { 1 } else { room / item.length };
            let left = left.entry((item.length, item.category)).or_insert(all);
            *left -= 1;
            *left >= 0
        })
        .collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for category in useful.iter().filter_map(|(_, item)| item.category) {
        *counts.entry(category).or_default() += 1;
    }
    let mut bits: HashMap<&str, usize> = HashMap::new();
    let mut mark = |category| {
        if counts.get(category).is_none_or(|count| *count < 2) {
            return 0;
        }
        let next = bits.len();
        // Beyond so many, categories share a bit: too strict, and never wrong.
        1_u128 << (*bits.entry(category).or_insert(next)).min(MAX_SHARED)
    };
    useful
        .into_iter()
        .map(|(at, item)| Piece { at, length: item.length, mark: item.category.map_or(0, &mut mark) })
        .collect()
}
