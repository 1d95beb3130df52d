//! What came of tests, for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::run::{FileOutcome, Outcome};
use crate::cli::Format;

/// One line a file, and of each case that failed where and how.
pub fn report(files: &[FileOutcome], format: Format) -> String {
    let all = || files.iter().flat_map(|file| &file.outcomes);
    let failed = all().filter(|outcome| !outcome.differences.is_empty()).count();
    let broken = files.iter().filter(|file| file.broken.is_some()).count();
    if format == Format::Json {
        let file = |file: &FileOutcome| {
            let test = |outcome: &Outcome| {
                json!({ "name": outcome.name, "passed": outcome.differences.is_empty(),
                    "differences": outcome.differences, "log": outcome.log })
            };
            json!({ "path": file.path, "passed": file.passed(), "error": file.broken,
                "tests": file.outcomes.iter().map(test).collect::<Vec<_>>() })
        };
        let document = json!({ "passed": failed + broken == 0, "tests": all().count(), "failed": failed,
            "files": files.iter().map(file).collect::<Vec<_>>() });
        return format!("{document:#}\n");
    }
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "{} {}", if file.passed() { "ok  " } else { "FAIL" }, file.path);
        if let Some(error) = &file.broken {
            let _ = writeln!(text, "       {}", error.replace('\n', "\n       "));
        }
        for outcome in file.outcomes.iter().filter(|outcome| !outcome.differences.is_empty()) {
            let _ = writeln!(text, "     x {}", outcome.name);
            for difference in &outcome.differences {
                let place = if difference.at.is_empty() { "answer" } else { &difference.at };
                let _ = writeln!(text, "         {place}");
                let _ = writeln!(text, "           - expected {}", difference.expected);
                let _ = writeln!(text, "           + found    {}", difference.found);
            }
            for line in &outcome.log {
                let _ = writeln!(text, "         log: {line}");
            }
        }
    }
    let broken = if broken > 0 { format!(", {broken} files broken") } else { String::new() };
    let _ = writeln!(
        text,
        "\n{} tests in {} file{}: {} passed, {failed} failed{broken}",
        all().count(),
        files.len(),
        if files.len() == 1 { "" } else { "s" },
        all().count() - failed
    );
    text
}
