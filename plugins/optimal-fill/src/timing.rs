//! How long the search takes, on lists made to be hard. Run with
//! `cargo test --release -p optimal-fill -- --ignored --nocapture`.

use std::time::Instant;

use crate::{
    piece::{MAX_SLOTS, Piece, Worth, useful},
    pod::{MAX_WORK, full, fullest},
    search::{Found, Task, best},
    slots::{Position, Slots},
    value::for_fill,
};

const SECOND: i64 = 1_000_000;

/// What the host offers at most.
const ADS: usize = 256;

/// Times the work of a call, to see what a search that was cut has missed.
const PATIENCE: usize = 100;

/// A small generator of its own: the lists must be the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % limit
    }
}

struct Case {
    name: &'static str,
    room: i64,
    max_ads: usize,
    slots: Vec<Position>,
    pieces: Vec<Piece>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let usual = [6, 10, 15, 15, 20, 30, 30, 45, 60];
    for (price, prices) in
        ["prices all different", "one price", "price by length", "short ads pay most"].into_iter().enumerate()
    {
        for (length, lengths) in ["usual lengths", "usual lengths as measured", "any lengths"].into_iter().enumerate() {
            for (bid, bids) in ["no bids", "bids"].into_iter().enumerate() {
                for (room, max_ads) in [(120, usize::MAX), (240, usize::MAX), (240, 6)] {
                    let mut dice = Dice(7);
                    let piece = |at: usize| {
                        let seconds = usual[usize::try_from(dice.below(9)).unwrap()] * SECOND;
                        let own = match length {
                            0 => seconds,
                            1 => seconds - SECOND / 10 + dice.below(SECOND / 5),
                            _ => 5 * SECOND + dice.below(60 * SECOND),
                        };
                        let first = match price {
                            0 => 2 * SECOND + dice.below(20 * SECOND),
                            1 => 10 * SECOND,
                            2 => own / 3,
                            _ => (80 * SECOND - own) / 3 + dice.below(SECOND),
                        };
                        let mut bonus = [Worth::default(); MAX_SLOTS];
                        if bid == 1 {
                            for slot in &mut bonus {
                                if dice.below(5) == 0 {
                                    slot.first = first * dice.below(200) / 100;
                                }
                            }
                        }
                        let category = at.is_multiple_of(2).then(|| usize::try_from(dice.below(25)).unwrap());
                        let second = if length == 0 { own } else { (own * 1024 + room * SECOND / 2) / (room * SECOND) };
                        Piece { at, length: own, category, worth: Worth { first, second }, bonus }
                    };
                    let slots = if bid == 0 { vec![] } else { vec![Position::Nth(1), Position::Last] };
                    let pieces = (0..ADS).map(piece).collect();
                    let name = format!("{room} s, at most {max_ads:20}, {bids:7}, {prices}, {lengths}").leak();
                    cases.push(Case { name, room: room * SECOND, max_ads, slots, pieces });
                }
            }
        }
    }
    cases
}

fn measure(case: &Case, enough: Worth, name: &str, search: impl Fn(usize) -> Found) {
    let mut fastest = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        search(MAX_WORK);
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1000.0);
    }
    let found = search(MAX_WORK);
    let missed = |found: i64, patient: i64| 100.0 * (patient - found) as f64 / patient as f64;
    let quality = if found.exact {
        "exact".to_owned()
    } else {
        let (found, patient) = (found.worth.capped(enough), search(PATIENCE * MAX_WORK).worth.capped(enough));
        let second = missed(found.second, patient.second);
        format!("cut, {:.4} % less, {second:.4} %", missed(found.first, patient.first))
    };
    let (length, picks) = (found.length as f64 / 1e6, found.picks.len());
    println!("{fastest:8.3} ms  pod of {picks:2}, {length:5.1} s, {quality:30}  {name}, {}", case.name);
}

#[test]
#[ignore = "measures; run it in release mode"]
fn as_many_ads_as_the_host_offers() {
    for case in cases() {
        let slots = Slots(case.slots.clone());
        let second = if case.pieces[0].worth.second > 2000 { case.room } else { 1023 };
        let search = |pieces: &[Piece], enough: Worth, work: usize| {
            let task = Task { room: case.room, max_ads: case.max_ads, slots: &slots, enough, work };
            best(&useful(pieces, case.room, case.max_ads), &task)
        };
        let enough = Worth { first: i64::MAX, second };
        measure(&case, enough, "value", |work| search(&case.pieces, enough, work));
        // As a call with `min_fill` does it where the most valuable pod is not full enough. Here it mostly is.
        measure(&case, full(case.room), "fill", |work| {
            let left = work - search(&case.pieces, enough, work / 2).work.min(work / 2);
            fullest(&for_fill(&case.pieces), full(case.room), left, search)
        });
    }
}
