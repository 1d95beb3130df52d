//! The shipped rules, through the doors that tenants use.

use std::{collections::BTreeMap, path::PathBuf};

use cuetone::{
    cli::rules::{CheckArgs, Format, RulesCommand, TestArgs, execute},
    domain::{ExtensionRef, Moment, Span},
    extension::{BreakDetector, DetectInput, Extensions, PlacedCue, Window, monotonic},
    media::cue::{Cue, CueKind, Dialect},
};
use serde_json::Value;

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
