use super::*;

/// A folder with files, gone when dropped.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Paths in reports differ from run to run.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

const KIDS: &str = "fn target(ad, request, config) { ad.labels.rating == \"G\" && ad.seen < (config.most ?? 2) }";

fn test(folder: &Folder, format: Format) -> Result<(String, bool), RulesError> {
    execute(RulesCommand::Test(TestArgs { paths: vec![folder.path("")], format }))
}

#[test]
fn a_failing_test_shows_what_was_expected_and_what_came() {
    let tests = "- { name: kept, given: { ad: { labels: { rating: G } } }, expect: keep }\n\
                 - { name: too often, given: { ad: { labels: { rating: G }, seen: 2 } }, expect: keep }\n";
    let folder = Folder::with(&[("kids.rhai", KIDS), ("kids.test.yaml", tests)]);
    let (report, passed) = test(&folder, Format::Human).unwrap();
    assert!(!passed);
    let expected = "FAIL kids.test.yaml\n     x too often\n         answer\n           - expected \"keep\"\n           \
                    + found    {\"drop\":\"dropped by the rule\"}\n\n2 tests in 1 file: 1 passed, 1 failed\n";
    assert_eq!(folder.plain(&report), expected);
    let (json, _) = test(&folder, Format::Json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["failed"], 1);
    assert_eq!(json["files"][0]["tests"][1]["differences"][0]["expected"], "\"keep\"");
}

#[test]
fn a_slip_in_a_test_file_is_reported_with_line_and_column() {
    for (text, complaint) in [
        ("- name: a\n  given: { ad: { lables: {} } }\n  expect: keep\n", "unknown field `lables`"),
        ("- name: a\n  given: { ad: { id: x } }\n  expected: keep\n", "unknown field `expected`"),
        ("- name: a\n  given: { ad: { id: x } }\n", "missing field `expect`"),
        ("[]", "there is no test in it"),
        ("- { name: a, given: {}, expect: keep }\n", "give an `ad`"),
    ] {
        let folder = Folder::with(&[("kids.rhai", KIDS), ("kids.test.yaml", text)]);
        let (report, passed) = test(&folder, Format::Human).unwrap();
        assert!(!passed && report.contains(complaint), "{report}");
        assert!(!complaint.contains("unknown") || report.contains("at line "), "{report}");
    }
}

#[test]
fn a_script_that_does_not_compile_fails_its_tests_and_the_check() {
    let folder = Folder::with(&[("kids.rhai", "fn target(ad, request) { ad.sene > 1 "), ("kids.test.yaml", "[]")]);
    assert!(!test(&folder, Format::Human).unwrap().1);
    let check = CheckArgs { paths: vec![folder.path("kids.rhai")], point: None, format: Format::Json };
    let (report, passed) = execute(RulesCommand::Check(check)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(!passed && json[0]["line"] == 1, "{report}");
}

#[test]
fn the_point_is_told_by_option_folder_or_function() {
    let both = "fn fill(avail, ads) { [] } fn target(ad, request) { true }";
    let folder = Folder::with(&[("fill/x.rhai", both), ("x.rhai", both), ("none.rhai", "fn help() { }")]);
    let point = |name: &str, point: Option<Point>| {
        let check = CheckArgs { paths: vec![folder.path(name)], point, format: Format::Human };
        execute(RulesCommand::Check(check)).unwrap().0
    };
    assert!(point("fill/x.rhai", None).contains("fill: fill(avail, ads)"));
    assert!(point("x.rhai", None).contains("targeting: target(ad, request)"));
    assert!(point("x.rhai", Some(Point::Fill)).contains("fill: fill(avail, ads)"));
    assert!(point("none.rhai", None).contains("cannot tell which point"));
}

#[test]
fn run_prints_the_answer_and_its_price() {
    let folder = Folder::with(&[("kids.rhai", KIDS), ("input.yaml", "ad: { labels: { rating: G } }\n")]);
    let run = |file: &str, format| {
        let arguments = RunArgs { file: folder.path(file), input: folder.path("input.yaml"), point: None, format };
        execute(RulesCommand::Run(arguments))
    };
    let (shown, fine) = run("kids.rhai", Format::Json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(fine && json["answer"] == "keep" && json["operations"].as_u64().unwrap() > 0, "{shown}");
    let error = run("kisd.rhai", Format::Human).unwrap_err().to_string();
    assert!(error.contains("hint: there are ") && error.contains("kids.rhai"), "{error}");
}

#[test]
fn explain_names_what_a_script_reads() {
    let text = "// Keeps it clean.\n// Config: `most`.\nfn target(ad, request, config) { config.get(\"x\"); /* config.no */ ad.labels.rating == config.most }";
    let folder = Folder::with(&[("kids.rhai", text)]);
    let explain = |format| {
        execute(RulesCommand::Explain(ExplainArgs { file: folder.path("kids.rhai"), point: None, format })).unwrap().0
    };
    let shown = explain(Format::Human);
    for part in
        ["Keeps it clean.", "config     most\n", "labels     rating\n", "asked through target", "limits     20 ms"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&explain(Format::Json)).unwrap();
    assert_eq!(json["config"], serde_json::json!(["most"]));
}

#[test]
fn definitions_can_be_written_to_a_file() {
    let folder = Folder::with(&[]);
    let out = folder.path("cuetone.d.rhai");
    let arguments = DefinitionsArgs { out: Some(out.clone()), markdown: false };
    assert!(execute(RulesCommand::Definitions(arguments)).unwrap().1);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains("fn get duration(of: Ad) -> float;"), "{text}");
}

#[test]
fn nothing_to_do_is_said_with_a_hint() {
    let folder = Folder::with(&[("readme.txt", "")]);
    let error = test(&folder, Format::Human).unwrap_err().to_string();
    assert!(error.contains("x.test.yaml"), "{error}");
}
