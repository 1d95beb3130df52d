//! The shipped rules, through the doors that tenants use: their tests, and how well the fill strategies fill.

use std::{collections::BTreeMap, path::PathBuf};

use cuetone::{
    cli::rules::{CheckArgs, Format, RulesCommand, TestArgs, execute},
    domain::{Avail, AvailId, AvailKind, ExtensionRef, Moment, Position, Span, Viewer},
    extension::{
        BreakDetector, Candidate, DetectInput, Extensions, FillInput, FillStrategy, LocalTime, PlacedCue,
        RequestContext, Window, monotonic,
    },
    media::cue::{Cue, CueKind, Dialect},
};
use serde_json::{Value, json};

fn rules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules")
}

#[test]
fn every_shipped_rule_passes_its_tests() {
    let command = RulesCommand::Test(TestArgs { paths: vec![rules()], format: Format::Human });
    let (report, passed) = execute(command).unwrap();
    assert!(passed, "{report}");
}

#[test]
fn every_shipped_rule_has_tests_beside_it() {
    for folder in std::fs::read_dir(rules()).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "rhai") {
                assert!(file.with_extension("test.yaml").is_file(), "{} has no tests", file.display());
            }
        }
    }
}

#[test]
fn every_shipped_rule_compiles_and_explains_itself() {
    let command = RulesCommand::Check(CheckArgs { paths: vec![rules()], point: None, format: Format::Human });
    let (report, passed) = execute(command).unwrap();
    assert!(passed, "{report}");
}

/// The blocks of a kind in README.md.
fn printed(kind: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(rules().join("README.md")).unwrap();
    let fence = format!("```{kind}\n");
    let blocks = readme.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_script_in_the_readme_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = printed("rhai");
    assert!(scripts.len() >= 5);
    for (index, script) in scripts.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.rhai")), script).unwrap();
    }
    let check = CheckArgs { paths: vec![folder.path().to_owned()], point: None, format: Format::Human };
    let (report, passed) = execute(RulesCommand::Check(check)).unwrap();
    assert!(passed, "{report}");
}

#[test]
fn the_five_minute_rule_passes_the_tests_printed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kids.rhai"), &printed("rhai")[0]).unwrap();
    std::fs::write(folder.path().join("kids.test.yaml"), &printed("yaml")[0]).unwrap();
    let test = TestArgs { paths: vec![folder.path().to_owned()], format: Format::Human };
    let (report, passed) = execute(RulesCommand::Test(test)).unwrap();
    assert!(passed && report.contains("4 tests in 1 file: 4 passed, 0 failed"), "{report}");
}

/// Numbers without a pattern, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn fill(strategy: &dyn FillStrategy, room: Span, lengths: &[Span], config: &Value) -> Span {
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
    };
    let candidates = lengths.iter().map(|duration| Candidate {
        id: "ad",
        campaign: None,
        duration: *duration,
        priority: 0,
        cpm_micros: 0,
        score: 0.0,
        labels: &labels,
        seen: 0,
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    // `Guarded` has checked that the pod is no longer than the avail.
    let chosen = strategy.fill(&FillInput { request: &request, candidates: &candidates, config }).unwrap();
    chosen.iter().map(|index| lengths[*index]).sum()
}

/// The fullest that any combination fills, by trying all.
fn best(room: Span, lengths: &[Span]) -> Span {
    let sums = (0_u32..1 << lengths.len()).map(|set| {
        let chosen = lengths.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0);
        chosen.map(|(_, length)| *length).sum::<Span>()
    });
    sums.filter(|sum| *sum <= room).max().unwrap_or(Span::ZERO)
}

fn load(name: &str) -> std::sync::Arc<dyn FillStrategy> {
    let extensions = Extensions::new(monotonic()).unwrap();
    extensions.load_fill(&ExtensionRef::Shipped(name.to_owned()), &BTreeMap::new(), "acme").unwrap().extension
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

fn library(numbers: &mut Numbers, round: u64) -> Vec<Span> {
    let count = 1 + numbers.below(12);
    (0..count).map(|_| Span::from_millis(length(numbers, round))).collect()
}

#[test]
fn best_effort_fills_within_one_percent_of_the_best_that_a_small_library_allows() {
    let strategy = load("fill/best_effort");
    let mut numbers = Numbers(7);
    for round in 0..400 {
        let lengths = library(&mut numbers, round);
        let room = Span::from_millis(15_000 + numbers.below(225_000) as i64);
        let (filled, possible) = (fill(&*strategy, room, &lengths, &Value::Null), best(room, &lengths));
        assert!(filled.0 >= possible.0 / 100 * 99, "filled {filled} of {possible} in {room} with {lengths:?}");
    }
}

#[test]
fn strict_finds_an_exact_combination_exactly_when_there_is_one() {
    let strategy = load("fill/strict");
    let mut numbers = Numbers(11);
    let tolerance = Span::from_millis(50);
    let mut exact = 0;
    for round in 0..400 {
        let lengths = library(&mut numbers, round);
        let room = Span::from_secs([30, 60, 90, 120, 180][(round % 5) as usize]);
        let filled = fill(&*strategy, room, &lengths, &json!({}));
        let possible = best(room, &lengths) >= room - tolerance;
        assert_eq!(filled >= room - tolerance, possible, "{filled} of {room} with {lengths:?}");
        assert!(possible || filled == Span::ZERO, "strict filled {filled} of {room}");
        exact += u32::from(possible);
    }
    assert!(exact > 50, "too few rounds could be filled to say anything");
}

#[test]
fn a_library_title_full_of_markers_is_read_within_the_limits() {
    const BREAKS: i64 = 100;
    const PARTS: i64 = 10;
    let seconds = |seconds: i64| Moment::from_millis(seconds * 1_000);
    let cue = |at: i64, kind, elapsed: Option<i64>| PlacedCue {
        at: seconds(at),
        cue: Cue {
            kind,
            dialect: Dialect::CueOut,
            id: None,
            duration: (kind != CueKind::In).then_some(Span::from_secs(60)),
            elapsed: elapsed.map(Span::from_secs),
            at: None,
            signal: None,
        },
    };
    let mut cues = Vec::new();
    for start in (0..BREAKS).map(|index| 300 + index * 360) {
        cues.push(cue(start, CueKind::Out, None));
        cues.extend((1..PARTS).map(|part| cue(start + part * 6, CueKind::Continue, Some(part * 6))));
        cues.push(cue(start + 60, CueKind::In, None));
    }
    let end = 300 + BREAKS * 360;
    let boundaries = (0..end / 6).map(|index| seconds(index * 6)).collect();
    let window = Window { live: false, start: seconds(0), end: seconds(end), boundaries, cues };
    let extensions = Extensions::new(monotonic()).unwrap();
    for name in ["detect/scte35", "detect/hybrid"] {
        let wanted = ExtensionRef::Shipped(name.to_owned());
        let detector = extensions.load_detector(&wanted, &BTreeMap::new(), "acme").unwrap().extension;
        let found = detector.detect(&DetectInput {
            window: &window,
            known: &[],
            break_interval: Span::from_secs(360),
            break_duration: Span::from_secs(60),
            config: &Value::Null,
        });
        assert_eq!(found.map(|found| found.len()), Ok(BREAKS as usize), "{name}");
    }
}
