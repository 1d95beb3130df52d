//! One table of inputs and answers for each extension point, and everything that must answer alike: code of ours, a Rhai
//! script, and a plugin in each language, built from the templates that `cuetone plugin new` writes.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[allow(dead_code, reason = "shared with other tests")]
mod guests;

use std::{path::Path, process::Command};

use cuetone::{
    cli::{
        Format,
        cases::{FileOutcome, Subject, report, run_text},
        plugin::{load, native::Native, starter_script},
    },
    extension::Point,
};
use cuetone_build::Language;

fn table(point: Point) -> (String, String) {
    let path = format!("tests/conformance/{point}.test.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

fn holds(who: &str, subject: &dyn Subject) {
    let (path, text) = table(subject.point());
    let outcome = run_text(subject, &path, &text);
    let (passed, cases) = (outcome.passed(), outcome.outcomes.len());
    assert!(passed && cases >= 6, "{who}:\n{}", report(&[outcome], Format::Human));
}

fn speaks(language: Language) {
    for point in Point::ALL {
        let component = guests::template(language, point);
        let plugin = load(Path::new(&format!("{}-{point}.wasm", language.name())), &component).unwrap();
        assert_eq!(plugin.metadata().language, language.name());
        holds(language.name(), &plugin);
    }
}

#[test]
fn the_native_policies_keep_to_the_table() {
    Point::ALL.into_iter().for_each(|point| holds("native", &Native(point)));
}

#[test]
fn the_scripts_keep_to_the_table() {
    Point::ALL.into_iter().for_each(|point| holds("rhai", &starter_script(point).unwrap()));
}

#[test]
fn plugins_in_rust_keep_to_the_table() {
    speaks(Language::Rust);
}

#[test]
fn plugins_in_javascript_keep_to_the_table() {
    speaks(Language::JavaScript);
}

#[test]
fn plugins_in_typescript_keep_to_the_table() {
    speaks(Language::TypeScript);
}

#[test]
fn plugins_in_python_keep_to_the_table() {
    speaks(Language::Python);
}

#[test]
fn plugins_in_c_keep_to_the_table() {
    speaks(Language::C);
}

#[test]
fn plugins_in_zig_keep_to_the_table() {
    speaks(Language::Zig);
}

/// The shipped plugins are compiled as their users would, and keep to the tests beside them.
#[test]
fn shipped_plugins_keep_to_their_tests() {
    for name in ["contextual", "kafka-rest", "optimal-fill", "scte35-policy"] {
        let folder = Path::new("plugins").join(name);
        let built = guests::shipped(name);
        let plugin = load(&built.written, &built.component).unwrap();
        let tests = folder.join(format!("{name}.test.yaml"));
        let text = std::fs::read_to_string(&tests).unwrap();
        let outcome = run_text(&plugin, name, &text);
        assert!(outcome.passed(), "{}", report(&[outcome], Format::Human));
    }
}

#[test]
fn a_table_notices_an_answer_that_differs() {
    let script = starter_script(Point::Fill).unwrap();
    let case = "- { name: x, given: { ads: [{ id: a }] }, expect: [b] }\n";
    let outcome: FileOutcome = run_text(&script, "x", case);
    assert!(!outcome.passed());
}

/// What `cuetone plugin …` says, and whether it is content.
fn told(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cuetone")).arg("plugin").args(arguments).output();
    let output = output.expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

#[test]
fn a_plugin_that_needs_a_configuration_says_so_and_has_not_failed() {
    let built = guests::shipped("kafka-rest").written;
    let path = built.to_str().expect("a path");
    let hint = "try again with --config '{…}'";
    let needs =
        |said: &str, field: &str| said.contains("needs a configuration") && said.contains(field) && said.contains(hint);
    let (content, said) = told(&["check", path]);
    assert!(content && needs(&said, "config: `url` is missing"), "{said}");
    let (content, said) = told(&["bench", path, "--calls", "1"]);
    assert!(content && needs(&said, "topic") && said.contains("native"), "what a url alone does not do: {said}");
    // With one it has to work.
    let (content, said) = told(&["check", path, "--config", "{url: 'https://x.example.com', topic: ads}"]);
    assert!(content && said.contains("answered in"), "{said}");
    let (content, said) = told(&["check", path, "--config", "{url: 'https://x.example.com'}"]);
    assert!(!content && said.contains("FAILED") && said.contains("topic"), "{said}");
    for command in ["check", "bench"] {
        for broken in ["{url", "text"] {
            let (content, said) = told(&[command, path, "--config", broken]);
            assert!(!content && said.starts_with("error: --config"), "{said}");
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_said_once_with_what_to_do() {
    let (content, said) = told(&["build", "nothere"]);
    assert!(!content && said.contains("cuetone plugin new") && said.matches("no such file").count() == 1, "{said}");
    assert!(!said.contains("os error"), "{said}");
}
