//! `cuetone rules test`: runs the tests beside scripts.

use std::{collections::BTreeSet, fmt::Write, path::Path, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Format, RulesError, TestArgs,
    answer::{AskError, Given, ask},
    compare::{Difference, compare},
    files,
    given::{DetectGiven, FillGiven, SinkGiven, TargetingGiven},
};
use crate::extension::{
    Point,
    rhai::{Host, Script},
};

/// One test as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case<G> {
    name: String,
    given: G,
    expect: Value,
}

/// What came of one test.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    pub differences: Vec<Difference>,
    pub log: Vec<String>,
}

/// What came of one test file.
#[derive(Debug)]
pub struct FileOutcome {
    pub path: String,
    /// The script does not compile, or the file is not a list of tests.
    pub broken: Option<String>,
    pub outcomes: Vec<Outcome>,
}

impl FileOutcome {
    pub fn passed(&self) -> bool {
        self.broken.is_none() && self.outcomes.iter().all(|outcome| outcome.differences.is_empty())
    }
}

pub fn execute(arguments: &TestArgs) -> Result<(String, bool), RulesError> {
    let host = Arc::new(Host::new()?);
    let files = files::tests(&arguments.paths)?;
    let outcomes: Result<Vec<FileOutcome>, RulesError> = files.iter().map(|path| test_file(&host, path)).collect();
    let outcomes = outcomes?;
    let success = outcomes.iter().all(FileOutcome::passed);
    Ok((show(&outcomes, arguments.format), success))
}

/// Runs one test file against the script beside it.
pub fn test_file(host: &Arc<Host>, path: &Path) -> Result<FileOutcome, RulesError> {
    let script_path = files::script_of(path);
    let text = files::read(path)?;
    let script_text = files::read(&script_path)?;
    let mut outcome = FileOutcome { path: path.display().to_string(), broken: None, outcomes: Vec::new() };
    let script = match files::load(host, &script_path, &script_text, None) {
        Ok(script) => script,
        Err(error) => {
            outcome.broken = Some(error.to_string());
            return Ok(outcome);
        }
    };
    match cases(script.point(), &text) {
        Ok(cases) => outcome.outcomes = cases.into_iter().map(|case| run(&script, case)).collect(),
        Err(message) => outcome.broken = Some(message),
    }
    Ok(outcome)
}

fn cases(point: Point, text: &str) -> Result<Vec<Case<Given>>, String> {
    let cases = match point {
        Point::Detect => read(text, Given::Detect as fn(DetectGiven) -> Given),
        Point::Targeting => read(text, |given: TargetingGiven| Given::Targeting(Box::new(given))),
        Point::Fill => read(text, Given::Fill as fn(FillGiven) -> Given),
        Point::Sink => read(text, Given::Sink as fn(SinkGiven) -> Given),
    }?;
    if cases.is_empty() {
        return Err("there is no test in it".to_owned());
    }
    let mut names = BTreeSet::new();
    match cases.iter().find(|case| !names.insert(&case.name)) {
        Some(case) => Err(format!("two tests have the name `{}`", case.name)),
        None => Ok(cases),
    }
}

fn read<G: DeserializeOwned>(text: &str, wrap: fn(G) -> Given) -> Result<Vec<Case<Given>>, String> {
    let cases: Vec<Case<G>> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let wrap = |case: Case<G>| Case { name: case.name, given: wrap(case.given), expect: case.expect };
    Ok(cases.into_iter().map(wrap).collect())
}

fn run(script: &Script, case: Case<Given>) -> Outcome {
    let (found, log) = match ask(script, &case.given) {
        Ok(outcome) => (outcome.answer, outcome.log),
        Err(AskError::Input(message)) => {
            let expected = "an input that makes sense".to_owned();
            let difference = Difference { at: "given".to_owned(), expected, found: message };
            return Outcome { name: case.name, differences: vec![difference], log: Vec::new() };
        }
        Err(AskError::Extension(error)) => (json!({ "error": error.to_string() }), Vec::new()),
    };
    // A sink's answer is its requests; a test that says nothing of the log means those.
    let found = match (&case.expect, found.get("requests")) {
        (Value::Array(_), Some(requests)) => requests.clone(),
        _ => found,
    };
    Outcome { name: case.name, differences: compare(&case.expect, &found), log }
}

fn show(files: &[FileOutcome], format: Format) -> String {
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
