//! `cuetone plugin bench`: what a call costs, beside the templates' policy in Rust and in Rhai.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::{Format, Which, native::Native, needs_config, read_config};
use crate::{
    cli::cases::{Subject, Usage},
    domain::{Event, Span},
    extension::{
        DetectInput, ExtensionError, FillInput, Point, RuleInput, ScriptSource, SinkInput, Window,
        rhai::{Host, Script},
        sample,
    },
};

/// Calls are made in rounds; the lowest median of the rounds is what a call costs on a machine that does other things
/// too.
const ROUNDS: usize = 3;

/// Measures calls with typical inputs, small and large.
#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    which: Which,
    /// The configuration, as JSON or YAML; without it what the templates take, or none.
    #[arg(long, value_name = "TEXT")]
    config: Option<String>,
    /// Calls in each of three rounds.
    #[arg(long, default_value_t = 200)]
    calls: usize,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a template's script of a point needs at least.
pub fn starter_config(point: Point) -> Value {
    match point {
        Point::Sink => json!({"url": "https://events.example.com/in"}),
        Point::Targeting => json!({"wanted": ["travel"], "max_seen": 3}),
        Point::Detect | Point::Fill => json!({}),
    }
}

/// The templates' policies as scripts.
fn starter(point: Point) -> &'static str {
    match point {
        Point::Detect => include_str!("../../../sdk/rhai/starter/detect.rhai"),
        Point::Targeting => include_str!("../../../sdk/rhai/starter/targeting.rhai"),
        Point::Fill => include_str!("../../../sdk/rhai/starter/fill.rhai"),
        Point::Sink => include_str!("../../../sdk/rhai/starter/sink.rhai"),
    }
}

/// The templates' policy of a point as a script, ready to be asked.
pub fn starter_script(point: Point) -> Result<Script, ExtensionError> {
    let source = ScriptSource { name: "starter.rhai", text: starter(point) };
    Ok(Script::load(&Arc::new(Host::new()?), source, point)?.keep_log())
}

/// What is measured at a point: how many of what.
pub fn sizes(point: Point) -> [(usize, &'static str); 2] {
    match point {
        Point::Detect => [(10, "segments"), (200, "segments")],
        Point::Targeting | Point::Fill => [(20, "candidates"), (200, "candidates")],
        Point::Sink => [(10, "events"), (500, "events")],
    }
}

/// One call with an input of this size.
pub fn ask(subject: &dyn Subject, size: usize, config: &Value) -> Result<Usage, ExtensionError> {
    match subject.point() {
        Point::Detect => sample::detect(config, |input| {
            let place = |at: usize| input.window.start + Span::from_secs(6 * i64::try_from(at).unwrap_or(0));
            let boundaries: Vec<_> = (0..size).map(place).collect();
            let window = Window { boundaries, end: place(size), ..input.window.clone() };
            subject.detect(&DetectInput { window: &window, ..*input }).map(|told| told.usage)
        }),
        Point::Targeting => sample::targeting(config, |input| {
            let candidates: Vec<_> = input.candidates.iter().cycle().take(size).cloned().collect();
            subject.judge(&RuleInput { candidates: &candidates, ..*input }).map(|told| told.usage)
        }),
        Point::Fill => sample::fill(config, |input| {
            let candidates: Vec<_> = input.candidates.iter().cycle().take(size).cloned().collect();
            subject.fill(&FillInput { candidates: &candidates, ..*input }).map(|told| told.usage)
        }),
        Point::Sink => sample::sink(config, |input| {
            let events: Vec<Event> = input.events.iter().cycle().take(size).cloned().collect();
            subject.deliver(&SinkInput { events: &events, ..*input }).map(|told| told.usage)
        }),
    }
}

/// Median of the calls of the best round.
fn measure(subject: &dyn Subject, size: usize, config: &Value, calls: usize) -> Result<Usage, ExtensionError> {
    let mut best: Option<Usage> = None;
    for _ in 0..ROUNDS {
        let mut round = (0..calls.max(1)).map(|_| ask(subject, size, config)).collect::<Result<Vec<_>, _>>()?;
        round.sort_by_key(|usage| usage.elapsed);
        let Some(median) = round.get(round.len() / 2).copied() else { continue };
        if best.is_none_or(|best| median.elapsed < best.elapsed) {
            best = Some(median);
        }
    }
    Ok(best.unwrap_or_default())
}

/// The templates' configuration where the plugin takes it, else none; and where it takes neither, what it says of the
/// former, which has more in it.
fn without_config(plugin: &dyn Subject, starter: &Value) -> (Value, Option<String>) {
    let refusal = |config: &Value| match ask(plugin, 1, config) {
        Err(ExtensionError::Refused { message, .. }) => Some(message),
        _ => None,
    };
    match refusal(starter) {
        None => (starter.clone(), None),
        Some(message) => (json!({}), refusal(&json!({})).map(|_| message)),
    }
}

impl Bench {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let plugin = self.which.load()?;
        let point = plugin.metadata().point;
        let (native, script, starter_config) = (Native(point), starter_script(point)?, starter_config(point));
        let (given, refused) = match &self.config {
            Some(text) => (read_config(text)?, None),
            None => without_config(&plugin, &starter_config),
        };
        let mut rows = Vec::new();
        for (size, of) in sizes(point) {
            let subjects: [(&str, &dyn Subject, &Value); 3] =
                [("plugin", &plugin, &given), ("rhai", &script, &starter_config), ("native", &native, &starter_config)];
            for (name, subject, config) in subjects {
                if name == "plugin" && refused.is_some() {
                    continue;
                }
                let cost = measure(subject, size, config, self.calls);
                rows.push((format!("{size} {of}"), name, cost));
            }
        }
        show(&plugin.metadata().name, &rows, self.format);
        if let Some(message) = refused {
            eprintln!("{} {}", plugin.metadata().name, needs_config(&message));
        }
        let failed = rows.iter().any(|(_, name, cost)| *name == "plugin" && cost.is_err());
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn show(plugin: &str, rows: &[(String, &str, Result<Usage, ExtensionError>)], format: Format) {
    if format == Format::Json {
        let row = |(input, who, cost): &(String, &str, Result<Usage, ExtensionError>)| match cost {
            Ok(usage) => json!({"input": input, "who": who, "microseconds": micros(usage.elapsed),
                "memory_bytes": usage.memory_bytes}),
            Err(error) => json!({"input": input, "who": who, "error": error.to_string()}),
        };
        println!("{:#}", Value::from(rows.iter().map(row).collect::<Vec<_>>()));
        return;
    }
    println!("{plugin}: a call, median of the best of {ROUNDS} rounds");
    println!("(rhai and native are the policy of `cuetone plugin new`, for comparison)\n");
    for (input, who, cost) in rows {
        match cost {
            Ok(usage) => {
                let memory = usage.memory_bytes.map(|bytes| format!("   {} KiB", bytes.div_ceil(1024)));
                println!("{input:<16} {who:<8} {:>10.1} µs{}", micros(usage.elapsed), memory.unwrap_or_default());
            }
            Err(error) => println!("{input:<16} {who:<8} FAILED: {error}"),
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}
