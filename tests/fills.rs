//! How well the shipped fill strategies fill, through the real engine, against all combinations there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cuetone::{
    domain::{Avail, AvailId, AvailKind, Moment, Position, Span, Viewer},
    extension::{
        Candidate, Counters, FillInput, LocalTime, Patience, Point, RequestContext, ScriptSource, check,
        limits::MAX_OPERATIONS,
        rhai::{Budget, Host, Script, fill::RhaiFill},
        shipped,
    },
};
use serde_json::{Value, json};

/// Numbers without a pattern, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Ad {
    duration: Span,
    category: Option<&'static str>,
}

/// The pod, as indices.
fn fill(strategy: &RhaiFill, room: Span, ads: &[Ad], config: &Value) -> Vec<usize> {
    let (chosen, operations) = run(strategy, room, ads, config);
    assert!(operations < MAX_OPERATIONS / 20, "{operations} operations");
    chosen
}

fn run(strategy: &RhaiFill, room: Span, ads: &[Ad], config: &Value) -> (Vec<usize>, u64) {
    let labels = BTreeMap::new();
    let viewer = Viewer::default();
    let avail = Avail {
        id: AvailId::new("a"),
        start: Moment(0),
        duration: room,
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: true,
        source: String::new(),
        metadata: BTreeMap::new(),
    };
    let request = RequestContext {
        tenant: "acme",
        channel: "news",
        channel_labels: &labels,
        viewer: &viewer,
        avail: &avail,
        now: LocalTime::default(),
        seed: 1,
        patience: &Patience::default(),
    };
    let candidates = ads.iter().map(|ad| Candidate {
        id: "ad",
        campaign: None,
        duration: ad.duration,
        priority: 0,
        cpm_micros: 0,
        score: 0.0,
        labels: &labels,
        category: ad.category,
        seen: 0,
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    let input = FillInput { request: &request, candidates: &candidates, config, counters: &Counters::default() };
    let ran = strategy.run(&input).unwrap();
    check::pod(&input, &ran.answer).unwrap();
    (ran.answer, ran.usage.operations)
}

fn total(ads: &[Ad], chosen: &[usize]) -> Span {
    chosen.iter().map(|at| ads[*at].duration).sum()
}

/// Every pod that may be played, best ads first: by the place of the first ad, then of the second, and so on.
fn pods(room: Span, ads: &[Ad]) -> Vec<Vec<usize>> {
    let sets = (0_u32..1 << ads.len()).map(|set| (0..ads.len()).filter(|at| set & (1 << at) != 0).collect::<Vec<_>>());
    let separate = |pod: &[usize]| {
        let categories: Vec<_> = pod.iter().filter_map(|at| ads[*at].category).collect();
        categories.iter().collect::<BTreeSet<_>>().len() == categories.len()
    };
    let mut pods: Vec<_> = sets.filter(|pod| total(ads, pod) <= room && separate(pod)).collect();
    pods.sort();
    pods
}

/// In the real engine; without a time limit, so that a busy machine does not stop it.
fn load(name: &str) -> RhaiFill {
    let source = ScriptSource { name, text: shipped::text(name).unwrap() };
    let script = Script::load(&Arc::new(Host::new().unwrap()), source, Point::Fill).unwrap();
    script.with_budget(Budget { deadline: Duration::from_secs(600), ..Budget::of(Point::Fill) }).fill()
}

/// Lengths in milliseconds as they occur: broadcast lengths, the same cut a little short or long, or anything at all.
fn length(numbers: &mut Numbers, round: u64) -> i64 {
    const USUAL: [i64; 7] = [6_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000];
    let usual = USUAL[numbers.below(7) as usize];
    match round % 3 {
        0 => usual,
        1 => usual + numbers.below(81) as i64 - 40,
        _ => 1_000 + numbers.below(90_000) as i64,
    }
}

fn ads(numbers: &mut Numbers, round: u64, count: u64) -> Vec<Ad> {
    const CATEGORIES: [&str; 5] = ["cars", "beer", "banks", "soap", "games"];
    let one = |_| {
        let duration = Span::from_millis(length(numbers, round));
        // From none to all ads have a category.
        let category = (numbers.below(4) < round / 3 % 5).then(|| CATEGORIES[numbers.below(5) as usize]);
        Ad { duration, category }
    };
    (0..count).map(one).collect()
}

#[test]
fn best_effort_takes_the_best_ads_of_what_fills_within_one_percent_and_else_the_fullest() {
    let strategy = load("fill/best_effort");
    let mut numbers = Numbers(7);
    let (mut enough, mut less) = (0, 0);
    for round in 0..600 {
        let count = 1 + numbers.below(12);
        let ads = ads(&mut numbers, round, count);
        let room = Span::from_millis(15_000 + numbers.below(225_000) as i64);
        let pods = pods(room, &ads);
        let goal = Span(room.0 / 100 * 99);
        let fullest = pods.iter().map(|pod| total(&ads, pod)).max().unwrap();
        let chosen = fill(&strategy, room, &ads, &Value::Null);
        if fullest >= goal {
            let filled = total(&ads, &chosen);
            assert!(filled.0 >= fullest.0 / 100 * 99, "filled {filled} of {fullest} in {room} with {ads:?}");
            enough += 1;
        } else {
            let expected = pods.iter().find(|pod| total(&ads, pod) == fullest).unwrap();
            assert_eq!(&chosen, expected, "in {room} with {ads:?}");
            less += 1;
        }
        // The first of the pods that fill it well enough.
        if let Some(expected) = pods.iter().find(|pod| total(&ads, pod) >= Span((room.0 as f64 * 0.99) as i64)) {
            assert_eq!(&chosen, expected, "in {room} with {ads:?}");
        }
    }
    assert!(enough > 50 && less > 50, "{enough} rounds could be filled, {less} could not");
}

#[test]
fn strict_takes_the_best_exact_pod_exactly_when_there_is_one() {
    let strategy = load("fill/strict");
    let mut numbers = Numbers(11);
    let (mut exact, mut none) = (0, 0);
    for round in 0..600 {
        let count = 1 + numbers.below(12);
        let ads = ads(&mut numbers, round, count);
        let room = Span::from_secs([30, 60, 90, 120, 180][(round % 5) as usize]);
        let chosen = fill(&strategy, room, &ads, &json!({}));
        let least = room - Span::from_millis(50);
        let expected = pods(room, &ads).into_iter().find(|pod| total(&ads, pod) >= least);
        if expected.is_some() {
            exact += 1;
        } else {
            none += 1;
        }
        assert_eq!(chosen, expected.unwrap_or_default(), "in {room} with {ads:?}");
    }
    assert!(exact > 100 && none > 100, "{exact} rounds could be filled, {none} could not");
}

#[test]
fn lengths_with_decimals_add_up_exactly() {
    let of = |millis: i64, count: usize| vec![Ad { duration: Span::from_millis(millis), category: None }; count];
    for (millis, count) in [(30_100, 3), (100, 60), (3_333, 9), (29_970, 4)] {
        let ads = of(millis, count);
        let room = total(&ads, &(0..count).collect::<Vec<_>>());
        for name in ["fill/best_effort", "fill/strict"] {
            let chosen = fill(&load(name), room, &ads, &json!({ "tolerance": 0 }));
            assert_eq!(chosen.len(), count, "{name}: {count} of {millis} ms");
        }
    }
}

#[test]
fn a_full_list_is_searched_within_the_limits_of_a_call() {
    let (best_effort, strict) = (load("fill/best_effort"), load("fill/strict"));
    let mut numbers = Numbers(5);
    for round in 0..60 {
        let ads = ads(&mut numbers, round, 256);
        // The second kind of room is shorter than most ads, and nothing fills it exactly.
        let room = Span::from_millis(if round % 2 == 0 { 120_000 } else { 7_001 });
        let filled = total(&ads, &fill(&best_effort, room, &ads, &Value::Null));
        assert!(round % 2 == 1 || filled.0 >= room.0 / 100 * 99, "{filled} of {room}");
        fill(&strict, room, &ads, &json!({ "tolerance": 0 }));
    }
    // Nothing but even lengths for an odd room: all is searched and nothing found.
    let even: Vec<Ad> = (0..256)
        .map(|at| Ad {
            duration: Span::from_millis(2 * (3_000 + numbers.below(9_000) as i64)),
            category: CATEGORY[at % 9],
        })
        .collect();
    assert_eq!(fill(&strict, Span::from_millis(90_001), &even, &json!({ "tolerance": 0 })), Vec::<usize>::new());
}

const CATEGORY: [Option<&str>; 9] =
    [Some("a"), None, Some("b"), Some("c"), Some("d"), None, Some("e"), Some("f"), Some("g")];
