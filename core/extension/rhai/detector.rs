//! A script as a break detector: `fn detect(window, known, config)`.

use std::{collections::BTreeMap, sync::Arc};

use rhai::{Array, Dynamic, Map};

use super::{
    api::{
        avail::{AvailValue, parse_kind, parse_position},
        window::WindowValue,
    },
    guard,
    script::{Ran, Script},
    value::{number, to_text},
};
use crate::{
    domain::{AvailKind, Moment, Position, Span},
    extension::{BreakDetector, DetectInput, ExtensionError, FoundAvail},
};

pub struct RhaiDetector(pub(super) Script);

impl RhaiDetector {
    /// As [`BreakDetector::detect`], with what it cost.
    pub fn run(&self, input: &DetectInput<'_>) -> Result<Ran<Vec<FoundAvail>>, ExtensionError> {
        let script = &self.0;
        script.run(|| {
            let window = WindowValue(Arc::new(input.window.clone()));
            let known: Array = input.known.iter().map(|avail| Dynamic::from(AvailValue::known(avail))).collect();
            let answer = if script.takes_config() {
                let breaks = [
                    ("break_interval", input.break_interval.as_secs_f64()),
                    ("break_duration", input.break_duration.as_secs_f64()),
                ];
                script.ask((window, known, script.config().get(input.config, &breaks)))
            } else {
                script.ask((window, known))
            }?;
            let Some(found) = answer.try_cast::<Array>() else {
                return Err(
                    script.bad_answer("detect must answer a list of avails, such as [avail(id, start, duration)]")
                );
            };
            found.iter().map(|value| read(value).map_err(|message| script.bad_answer(message))).collect()
        })
    }
}

impl BreakDetector for RhaiDetector {
    fn detect(&self, input: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

const KEYS: [&str; 7] = ["id", "start", "duration", "kind", "position", "closed", "metadata"];

/// An avail as a script may answer it: made by `avail(…)`, one of `known`, or a map.
fn read(value: &Dynamic) -> Result<FoundAvail, String> {
    if let Some(avail) = value.read_lock::<AvailValue>() {
        return Ok(avail.found.clone());
    }
    let Ok(map) = value.as_map_ref() else {
        return Err(format!("detect answered a {} where an avail was expected", value.type_name()));
    };
    let _ = guard::charge(map.len());
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("an avail has no `{unknown}`; it has {}", KEYS.join(", ")));
    }
    let id = map.get("id").and_then(|id| id.as_immutable_string_ref().ok().map(|id| id.to_string()));
    let Some(id) = id else {
        return Err("an avail needs an `id`: a text that is the same on every call".to_owned());
    };
    let seconds = |key: &str| match map.get(key).and_then(number) {
        Some(seconds) if seconds.is_finite() => Ok(seconds),
        _ => Err(format!("avail `{id}` needs a `{key}`: a number of seconds")),
    };
    Ok(FoundAvail {
        start: Moment::from_secs_f64(seconds("start")?),
        duration: Span::from_secs_f64(seconds("duration")?),
        kind: word(&map, &id, "kind", AvailKind::Replace, parse_kind, "replace or insert")?,
        position: word(&map, &id, "position", Position::MidRoll, parse_position, "pre-roll, mid-roll or post-roll")?,
        closed: match map.get("closed").map(Dynamic::as_bool) {
            None => true,
            Some(Ok(closed)) => closed,
            Some(Err(_)) => return Err(format!("avail `{id}`: `closed` is true or false")),
        },
        metadata: metadata(&map, &id)?,
        id,
    })
}

fn word<T>(
    map: &Map,
    id: &str,
    key: &str,
    default: T,
    parse: impl Fn(&str) -> Option<T>,
    choices: &str,
) -> Result<T, String> {
    let Some(value) = map.get(key) else { return Ok(default) };
    let text = value.as_immutable_string_ref().map(|text| text.to_string()).unwrap_or_default();
    parse(&text).ok_or_else(|| format!("avail `{id}`: `{key}` is {choices}"))
}

fn metadata(map: &Map, id: &str) -> Result<BTreeMap<String, String>, String> {
    let Some(value) = map.get("metadata") else { return Ok(BTreeMap::new()) };
    let Ok(entries) = value.as_map_ref() else {
        return Err(format!("avail `{id}`: `metadata` is a map of texts, such as #{{ upid: \"…\" }}"));
    };
    let text = |value: &Dynamic| to_text(value).map(|text| text.to_string());
    let entries = entries.iter().filter(|(_, value)| !value.is_unit()).map(|(key, value)| match text(value) {
        Ok(text) => Ok((key.to_string(), text)),
        Err(_) => Err(format!("avail `{id}`: the metadata `{key}` is too large")),
    });
    entries.collect()
}
