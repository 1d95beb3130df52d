//! `cuetone rules explain`: what a script is for, what it reads, what it costs, what limits it has.

use std::{collections::BTreeSet, fmt::Write, sync::Arc, time::Duration};

use serde_json::json;

use super::{ExplainArgs, Format, RulesError, files};
use crate::extension::{
    Point, ScriptSource,
    limits::{BREAKER_COOL_DOWN, BREAKER_FAILURES, MAX_OPERATIONS},
    rhai::{Budget, Host, Script, scan::code_of},
};

/// Calls that the cost is measured with; the median counts.
const CALLS: usize = 101;

struct Explained {
    point: Point,
    function: &'static str,
    functions: Vec<String>,
    header: Vec<String>,
    config: BTreeSet<String>,
    labels: BTreeSet<String>,
    version: String,
    operations: u64,
    median: Duration,
}

pub fn execute(arguments: &ExplainArgs) -> Result<(String, bool), RulesError> {
    let host = Arc::new(Host::new()?);
    let text = files::read(&arguments.file)?;
    let script = files::load(&host, &arguments.file, &text, arguments.point)?;
    let explained = explain(&script)?;
    let path = arguments.file.display().to_string();
    Ok((if arguments.format == Format::Json { as_json(&path, &explained) } else { as_text(&path, &explained) }, true))
}

fn explain(script: &Script) -> Result<Explained, RulesError> {
    let mut times = Vec::with_capacity(CALLS);
    let mut operations = 0;
    for _ in 0..CALLS {
        let usage = script.trial()?;
        operations = usage.operations;
        times.push(usage.elapsed);
    }
    times.sort_unstable();
    let code = String::from_utf8_lossy(&code_of(script.text())).into_owned();
    let header = script.text().lines().take_while(|line| line.starts_with("//"));
    Ok(Explained {
        point: script.point(),
        function: script.function(),
        functions: script.functions(),
        header: header.map(|line| line.trim_start_matches('/').trim().to_owned()).collect(),
        config: read_after(&code, "config."),
        labels: read_after(&code, "labels."),
        version: ScriptSource { name: script.path(), text: script.text() }.version(),
        operations,
        median: times.get(CALLS / 2).copied().unwrap_or_default(),
    })
}

/// The names that a script reads of `owner`, by its text; not the functions that it calls on it.
fn read_after(code: &str, owner: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(owner) {
        let rest = code.get(at + owner.len()..).unwrap_or_default();
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        let is_call = rest.get(name.len()..).is_some_and(|rest| rest.starts_with('('));
        if !name.is_empty() && !is_call && !code.get(..at).is_some_and(|before| before.ends_with(is_word)) {
            names.insert(name);
        }
    }
    names
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
}

fn sample(point: Point) -> &'static str {
    match point {
        Point::Detect => "a minute of live window with two cues",
        Point::Targeting | Point::Fill => "20 ads",
        Point::Sink => "3 events",
    }
}

fn as_text(path: &str, explained: &Explained) -> String {
    let mut text = format!("{path}\n");
    for line in &explained.header {
        let _ = writeln!(text, "  {line}");
    }
    let micros = explained.median.as_secs_f64() * 1e6;
    let share = explained.operations as f64 / MAX_OPERATIONS as f64 * 100.0;
    let _ = writeln!(text, "\npoint      {}, asked through {}", explained.point, explained.function);
    let _ = writeln!(text, "functions  {}", explained.functions.join(", "));
    let _ = writeln!(text, "config     {}", list(&explained.config));
    let _ = writeln!(text, "labels     {}", list(&explained.labels));
    let _ = writeln!(text, "version    {}", explained.version);
    let _ = writeln!(
        text,
        "cost       {micros:.0} µs and {} operations for {} ({share:.2} % of the limit)",
        explained.operations,
        sample(explained.point)
    );
    let _ = writeln!(
        text,
        "limits     {} ms and {MAX_OPERATIONS} operations a call; after {BREAKER_FAILURES} failures in a row it is left alone for {} s",
        Budget::of(explained.point).deadline.as_millis(),
        BREAKER_COOL_DOWN.as_secs()
    );
    text
}

fn as_json(path: &str, explained: &Explained) -> String {
    let document = json!({
        "path": path,
        "point": explained.point.as_str(),
        "function": explained.function,
        "functions": explained.functions,
        "description": explained.header.join("\n"),
        "config": explained.config,
        "labels": explained.labels,
        "version": explained.version,
        "cost": {
            "microseconds": explained.median.as_secs_f64() * 1e6,
            "operations": explained.operations,
            "for": sample(explained.point),
        },
        "limits": {
            "milliseconds": u64::try_from(Budget::of(explained.point).deadline.as_millis()).unwrap_or(u64::MAX),
            "operations": MAX_OPERATIONS,
            "failures_in_a_row": BREAKER_FAILURES,
            "cool_down_seconds": BREAKER_COOL_DOWN.as_secs(),
        },
    });
    format!("{document:#}\n")
}
