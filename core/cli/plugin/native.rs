//! What the templates of plugins do, as code of ours: what other languages are compared with, in answers and in time.
//!
//! Knows neither engines nor files.

use std::{collections::BTreeSet, time::Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cli::cases::{Subject, Told, Usage},
    domain::{AvailKind, Position, Span},
    extension::{
        BreakDetector, DetectInput, ExtensionError, FillInput, FillStrategy, FoundAvail, Point, RuleInput, SinkInput,
        SinkRequest, TargetingRule, TrackingSink, Verdict,
        limits::{MAX_ID_BYTES, MAX_METADATA_BYTES},
    },
    media::cue::CueKind,
};

/// At one of the points.
#[derive(Clone, Copy, Debug)]
pub struct Native(pub Point);

const PATH: &str = "native";

/// A microsecond: durations are sums of floating-point numbers elsewhere.
const TOLERANCE: Span = Span(1);

#[derive(Default, Deserialize)]
#[serde(default)]
struct FillConfig {
    max_ads: Option<usize>,
}

#[derive(Deserialize)]
#[serde(default)]
struct TargetingConfig {
    label: String,
    wanted: Vec<String>,
    score: f64,
    max_seen: Option<u32>,
}

impl Default for TargetingConfig {
    fn default() -> Self {
        Self { label: "category".to_owned(), wanted: Vec::new(), score: 10.0, max_seen: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DetectConfig {
    min_duration: f64,
}

#[derive(Deserialize)]
struct SinkConfig {
    url: String,
    types: Option<Vec<String>>,
}

/// Reads a configuration; the error names the field.
fn read<C: for<'de> Deserialize<'de>>(config: &Value, fields: &[&str]) -> Result<C, ExtensionError> {
    let empty = json!({});
    let config = if config.is_null() { &empty } else { config };
    C::deserialize(config).map_err(|error| {
        // Serde names missing fields, not those of a wrong type: those are the ones that fail alone.
        let wrong = fields.iter().find(|field| {
            config.get(field).is_some_and(|value| C::deserialize(&json!({"url": "", (**field): value})).is_err())
        });
        let place = wrong.map(|field| format!("`{field}`: ")).unwrap_or_default();
        ExtensionError::Refused { path: PATH.to_owned(), message: format!("config: {place}{error}") }
    })
}

impl FillStrategy for Native {
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        let config: FillConfig = read(input.config, &["max_ads"])?;
        let (mut room, mut categories, mut pod) =
            (input.request.avail.duration + TOLERANCE, BTreeSet::new(), Vec::new());
        for (place, ad) in input.candidates.iter().enumerate() {
            if config.max_ads.is_some_and(|most| pod.len() >= most) {
                break;
            }
            if ad.duration > room || ad.category.is_some_and(|category| !categories.insert(category)) {
                continue;
            }
            room -= ad.duration;
            pod.push(place);
        }
        Ok(pod)
    }
}

impl TargetingRule for Native {
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        let config: TargetingConfig = read(input.config, &["label", "wanted", "score", "max_seen"])?;
        let verdict = |ad: &crate::extension::Candidate<'_>| {
            if config.max_seen.is_some_and(|most| ad.seen >= most) {
                return Verdict::Drop { reason: format!("seen {} times", ad.seen) };
            }
            match ad.labels.get(&config.label) {
                Some(value) if config.wanted.contains(value) => Verdict::Score(config.score),
                _ => Verdict::Keep,
            }
        };
        Ok(input.candidates.iter().map(verdict).collect())
    }
}

impl BreakDetector for Native {
    fn detect(&self, input: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError> {
        let config: DetectConfig = read(input.config, &["min_duration"])?;
        let mut found: Vec<FoundAvail> = Vec::new();
        for placed in input.window.cues.iter().filter(|placed| placed.cue.kind == CueKind::Out) {
            let Some(duration) = placed.cue.duration.filter(|duration| duration.is_positive()) else { continue };
            let named = placed.cue.id.as_deref().filter(|id| !id.is_empty());
            let by_time = || format!("cue-{}", (placed.at.0 + 500).div_euclid(1_000));
            let id = named.map_or_else(by_time, clean);
            if duration.as_secs_f64() < config.min_duration || found.iter().any(|other| other.id == id) {
                continue;
            }
            let upid = placed.cue.signal.as_ref().and_then(|signal| signal.upid.as_deref());
            found.push(FoundAvail {
                id,
                start: placed.at,
                duration,
                kind: AvailKind::Replace,
                position: Position::MidRoll,
                closed: true,
                metadata: upid.into_iter().map(|upid| ("upid".to_owned(), shortened(upid))).collect(),
            });
        }
        for known in input.known.iter().filter(|known| known.end() > input.window.start) {
            if found.iter().all(|other| other.id != known.id.as_str()) {
                found.push(FoundAvail {
                    id: known.id.to_string(),
                    start: known.start,
                    duration: known.duration,
                    kind: known.kind,
                    position: known.position,
                    closed: known.closed,
                    metadata: known.metadata.clone(),
                });
            }
        }
        Ok(found)
    }
}

/// Origins name cues as they like; an avail's id becomes part of addresses.
fn clean(id: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
    id.chars().take(MAX_ID_BYTES).map(|sign| if plain(sign) { sign } else { '_' }).collect()
}

/// The whole characters that fit into a note.
fn shortened(note: &str) -> String {
    note.get(..note.floor_char_boundary(MAX_METADATA_BYTES)).unwrap_or_default().to_owned()
}

impl TrackingSink for Native {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        let config: SinkConfig = read(input.config, &["url", "types"])?;
        let wanted = |kind: &str| config.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == kind));
        let events: Vec<Value> = input
            .events
            .iter()
            .filter(|event| wanted(event.event_type.as_str()))
            .map(|event| json!({"id": event.id.to_string(), "type": event.event_type.as_str(), "ad": event.ad}))
            .collect();
        if events.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![SinkRequest {
            method: "POST".to_owned(),
            url: config.url,
            headers: [("Content-Type".to_owned(), "application/json".to_owned())].into(),
            body: json!({"events": events}).to_string(),
        }])
    }
}

fn told<T>(ask: impl FnOnce() -> Result<T, ExtensionError>) -> Result<Told<T>, ExtensionError> {
    let started = Instant::now();
    let answer = ask()?;
    Ok(Told { answer, usage: Usage { elapsed: started.elapsed(), ..Usage::default() }, log: Vec::new() })
}

impl Subject for Native {
    fn path(&self) -> &str {
        PATH
    }
    fn point(&self) -> Point {
        self.0
    }
    fn detect(&self, input: &DetectInput<'_>) -> Result<Told<Vec<FoundAvail>>, ExtensionError> {
        told(|| BreakDetector::detect(self, input))
    }
    fn judge(&self, input: &RuleInput<'_>) -> Result<Told<Vec<Verdict>>, ExtensionError> {
        told(|| TargetingRule::judge(self, input))
    }
    fn fill(&self, input: &FillInput<'_>) -> Result<Told<Vec<usize>>, ExtensionError> {
        told(|| FillStrategy::fill(self, input))
    }
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Told<Vec<SinkRequest>>, ExtensionError> {
        told(|| TrackingSink::deliver(self, input))
    }
}
