//! Tests of extensions: a file of cases, each an input and what is expected of the answer.

use std::collections::BTreeSet;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    answer::{AskError, Given, ask},
    compare::{Difference, compare},
    given::{DetectGiven, FillGiven, SinkGiven, TargetingGiven},
    subject::Subject,
};
use crate::extension::Point;

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
    /// The extension cannot be loaded, or the file is not a list of tests.
    pub broken: Option<String>,
    pub outcomes: Vec<Outcome>,
}

impl FileOutcome {
    /// Nothing could be asked.
    pub fn broken(path: &str, reason: String) -> Self {
        Self { path: path.to_owned(), broken: Some(reason), outcomes: Vec::new() }
    }

    pub fn passed(&self) -> bool {
        self.broken.is_none() && self.outcomes.iter().all(|outcome| outcome.differences.is_empty())
    }
}

/// Runs a file's cases against an extension; `path` is how the file is called in the report.
pub fn run_text(subject: &dyn Subject, path: &str, text: &str) -> FileOutcome {
    match cases(subject.point(), text) {
        Ok(cases) => {
            let outcomes = cases.into_iter().map(|case| run(subject, case)).collect();
            FileOutcome { path: path.to_owned(), broken: None, outcomes }
        }
        Err(reason) => FileOutcome::broken(path, reason),
    }
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

fn run(subject: &dyn Subject, case: Case<Given>) -> Outcome {
    let (found, log) = match ask(subject, &case.given) {
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
