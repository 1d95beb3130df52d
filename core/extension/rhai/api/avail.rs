//! Avails as detectors read and answer them.

use std::collections::BTreeMap;

use rhai::{Dynamic, ImmutableString, Map};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    domain::{AvailKind, Moment, Position, Span},
    extension::{
        FoundAvail,
        rhai::{
            registrar::{Effect::Pure, Registrar},
            value::{number, to_text},
        },
    },
};

/// An avail: known from before, or made by the script with `avail(id, start, duration)`.
#[derive(Clone, Debug)]
pub struct AvailValue {
    pub found: FoundAvail,
    /// The detector that found it; empty for a new one.
    pub source: String,
}

impl AvailValue {
    pub fn known(avail: &crate::domain::Avail) -> Self {
        Self {
            found: FoundAvail {
                id: avail.id.as_str().to_owned(),
                start: avail.start,
                duration: avail.duration,
                kind: avail.kind,
                position: avail.position,
                closed: avail.closed,
                metadata: avail.metadata.clone(),
            },
            source: avail.source.clone(),
        }
    }
}

pub fn kind_text(kind: AvailKind) -> &'static str {
    match kind {
        AvailKind::Replace => "replace",
        AvailKind::Insert => "insert",
    }
}

pub fn parse_kind(text: &str) -> Option<AvailKind> {
    [AvailKind::Replace, AvailKind::Insert].into_iter().find(|kind| kind_text(*kind) == text)
}

pub fn parse_position(text: &str) -> Option<Position> {
    [Position::PreRoll, Position::MidRoll, Position::PostRoll].into_iter().find(|position| position.as_str() == text)
}

impl Serialize for AvailValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = &self.found;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &found.id)?;
        map.serialize_entry("start", &found.start.as_secs_f64())?;
        map.serialize_entry("duration", &found.duration.as_secs_f64())?;
        map.serialize_entry("kind", kind_text(found.kind))?;
        map.serialize_entry("position", found.position.as_str())?;
        map.serialize_entry("closed", &found.closed)?;
        map.serialize_entry("metadata", &found.metadata)?;
        map.end()
    }
}

fn new(id: &str, start: f64, duration: f64) -> AvailValue {
    AvailValue {
        found: FoundAvail {
            id: id.to_owned(),
            start: Moment::from_secs_f64(start),
            duration: Span::from_secs_f64(duration),
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            metadata: BTreeMap::new(),
        },
        source: String::new(),
    }
}

pub fn register(api: &mut Registrar<'_>) {
    const AVAIL: &str = "Avail";
    api.value::<AvailValue>(AVAIL, "An avail that the detector found before, or one made with `avail(…)`.")
        .property(AVAIL, "id", ("string", "Stable name within the channel."), |a: &mut AvailValue| -> ImmutableString {
            a.found.id.as_str().into()
        })
        .property(AVAIL, "start", ("float", "Seconds since the epoch."), |a: &mut AvailValue| {
            a.found.start.as_secs_f64()
        })
        .property(AVAIL, "duration", ("float", "Seconds."), |a: &mut AvailValue| a.found.duration.as_secs_f64())
        .property(AVAIL, "end", ("float", "Start plus duration."), |a: &mut AvailValue| {
            (a.found.start + a.found.duration).as_secs_f64()
        })
        .property(AVAIL, "kind", ("string", "replace or insert."), |a: &mut AvailValue| kind_text(a.found.kind))
        .property(AVAIL, "position", ("string", "pre-roll, mid-roll or post-roll."), |a: &mut AvailValue| {
            a.found.position.as_str()
        })
        .property(AVAIL, "closed", ("bool", "Whether the break's end is certain."), |a: &mut AvailValue| a.found.closed)
        .property(AVAIL, "source", ("string", "The detector that found it."), |a: &mut AvailValue| -> ImmutableString {
            a.source.as_str().into()
        })
        .property(
            AVAIL,
            "metadata",
            ("map", "Texts by name; handed to targeting rules."),
            |a: &mut AvailValue| -> Map {
                a.found.metadata.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
            },
        )
        .writable(AVAIL, "closed", |a: &mut AvailValue, closed: bool| a.found.closed = closed)
        .writable(AVAIL, "start", |a: &mut AvailValue, start: f64| a.found.start = Moment::from_secs_f64(start))
        .writable(AVAIL, "duration", |a: &mut AvailValue, duration: f64| {
            a.found.duration = Span::from_secs_f64(duration);
        });
    for name in ["kind", "position", "metadata"] {
        api.settable(AVAIL, name);
    }
    let engine = api.engine();
    engine.register_set("start", |a: &mut AvailValue, start: i64| {
        a.found.start = Moment::from_millis(start.saturating_mul(1_000))
    });
    engine.register_set("duration", |a: &mut AvailValue, duration: i64| a.found.duration = Span::from_secs(duration));
    engine.register_set("kind", |a: &mut AvailValue, kind: ImmutableString| match parse_kind(&kind) {
        Some(kind) => {
            a.found.kind = kind;
            Ok(())
        }
        None => Err(format!("`{kind}` is not a kind: write replace or insert").into()),
    });
    engine.register_set("position", |a: &mut AvailValue, position: ImmutableString| match parse_position(&position) {
        Some(position) => {
            a.found.position = position;
            Ok(())
        }
        None => Err(format!("`{position}` is not a position: write pre-roll, mid-roll or post-roll").into()),
    });
    engine.register_set("metadata", |a: &mut AvailValue, metadata: Map| -> Result<(), Box<rhai::EvalAltResult>> {
        let texts = metadata.iter().map(|(key, value)| Ok((key.to_string(), to_text(value)?.to_string())));
        a.found.metadata = texts.collect::<Result<_, Box<rhai::EvalAltResult>>>()?;
        Ok(())
    });
    api.group("Avails").function(
        Pure,
        "avail(id, start, duration) -> Avail",
        "A new avail: kind replace, position mid-roll, closed. Change what differs: `a.closed = false`.",
        |id: ImmutableString, start: Dynamic, duration: Dynamic| match (number(&start), number(&duration)) {
            (Some(start), Some(duration)) => Ok(new(&id, start, duration)),
            _ => Err(Box::<rhai::EvalAltResult>::from("avail: start and duration are numbers of seconds")),
        },
    );
}
