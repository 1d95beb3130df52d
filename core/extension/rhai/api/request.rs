//! The request that a decision answers.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::texts::{Labels, Pairs, PairsOf, Text, TextTable};
use crate::{
    domain::AvailKind,
    extension::{
        LocalTime, RequestContext,
        rhai::registrar::{Effect::Pure, Registrar},
    },
};

#[derive(Debug)]
struct Data {
    texts: Arc<TextTable>,
    tenant: Text,
    channel: Text,
    geo: Text,
    session_id: Option<Text>,
    device: &'static str,
    params: Pairs,
    labels: Pairs,
    avail: AvailData,
    now: LocalTime,
    seed: u64,
}

#[derive(Debug)]
struct AvailData {
    id: Text,
    start: f64,
    duration: f64,
    position: &'static str,
    kind: AvailKind,
    metadata: Pairs,
}

#[derive(Clone, Debug)]
pub struct Request(Arc<Data>);

/// The avail that is being filled.
#[derive(Clone, Debug)]
pub struct RequestAvail(Arc<Data>);

/// "Now" on the tenant's clock.
#[derive(Clone, Copy, Debug)]
pub struct Now(LocalTime);

impl Request {
    pub fn new(request: &RequestContext<'_>) -> Self {
        let mut texts = TextTable::default();
        let viewer = request.viewer;
        let avail = AvailData {
            id: texts.add(request.avail.id.as_str()),
            start: request.avail.start.as_secs_f64(),
            duration: request.avail.duration.as_secs_f64(),
            position: request.avail.position.as_str(),
            kind: request.avail.kind,
            metadata: texts.add_map(&request.avail.metadata),
        };
        Self(Arc::new(Data {
            tenant: texts.add(request.tenant),
            channel: texts.add(request.channel),
            geo: texts.add(&viewer.geo),
            session_id: viewer.session_id.as_deref().map(|id| texts.add(id)),
            device: viewer.device.as_str(),
            params: texts.add_pairs(viewer.params.iter().map(|(key, value)| (&**key, &**value))),
            labels: texts.add_map(request.channel_labels),
            avail,
            now: request.now,
            seed: request.seed,
            texts: Arc::new(texts),
        }))
    }

    pub fn avail(&self) -> RequestAvail {
        RequestAvail(Arc::clone(&self.0))
    }

    fn text(&self, text: Text) -> Dynamic {
        self.0.texts.get(text).into()
    }

    fn labels(&self, pairs: Pairs) -> Labels {
        Labels::new(Arc::clone(&self.0.texts), pairs)
    }

    /// From 0 up to but not including 1; the same for the same decision and salt, whenever and wherever it is asked.
    fn random(&self, salt: &str) -> f64 {
        let salted = salt.bytes().fold(self.0.seed, |state, byte| mix(state ^ u64::from(byte)));
        // 53 bits are what a float holds exactly.
        (mix(salted) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// SplitMix64's output function: every bit of the input moves every bit of the output.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn kind_text(kind: AvailKind) -> &'static str {
    match kind {
        AvailKind::Replace => "replace",
        AvailKind::Insert => "insert",
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tenant", data.texts.get(data.tenant))?;
        map.serialize_entry("channel", data.texts.get(data.channel))?;
        map.serialize_entry("geo", data.texts.get(data.geo))?;
        map.serialize_entry("device", data.device)?;
        map.serialize_entry("params", &PairsOf(&data.texts, data.params))?;
        map.serialize_entry("labels", &PairsOf(&data.texts, data.labels))?;
        map.serialize_entry("avail", &self.avail())?;
        map.serialize_entry("now", &Now(data.now))?;
        map.end()
    }
}

impl Serialize for RequestAvail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (texts, avail) = (&self.0.texts, &self.0.avail);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", texts.get(avail.id))?;
        map.serialize_entry("start", &avail.start)?;
        map.serialize_entry("duration", &avail.duration)?;
        map.serialize_entry("position", avail.position)?;
        map.serialize_entry("kind", kind_text(avail.kind))?;
        map.serialize_entry("metadata", &PairsOf(texts, avail.metadata))?;
        map.end()
    }
}

impl Serialize for Now {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("year", &self.0.year)?;
        map.serialize_entry("month", &self.0.month)?;
        map.serialize_entry("day", &self.0.day)?;
        map.serialize_entry("hour", &self.0.hour)?;
        map.serialize_entry("minute", &self.0.minute)?;
        map.serialize_entry("weekday", &self.0.weekday)?;
        map.end()
    }
}

pub fn register(api: &mut Registrar<'_>) {
    const REQUEST: &str = "Request";
    api.value::<Request>(REQUEST, "The request that a decision answers.")
        .property(REQUEST, "tenant", ("string", "The tenant's slug."), |r: &mut Request| r.text(r.0.tenant))
        .property(REQUEST, "channel", ("string", "The channel's slug."), |r: &mut Request| r.text(r.0.channel))
        .property(
            REQUEST,
            "geo",
            ("string", "Country, ISO 3166-1 alpha-2 in capitals; empty when unknown."),
            |r: &mut Request| r.text(r.0.geo),
        )
        .property(
            REQUEST,
            "device",
            ("string", "smart-tv, set-top-box, console, mobile, tablet, desktop or other."),
            |r: &mut Request| r.0.device,
        )
        .property(
            REQUEST,
            "session_id",
            ("string or ()", "The caller's own name for the viewer's session."),
            |r: &mut Request| super::optional(r.0.session_id.map(|id| r.text(id))),
        )
        .property(REQUEST, "params", ("Labels", "Player parameters from the query string."), |r: &mut Request| {
            r.labels(r.0.params)
        })
        .property(REQUEST, "labels", ("Labels", "The channel's facts."), |r: &mut Request| r.labels(r.0.labels))
        .property(REQUEST, "avail", ("RequestAvail", "The avail that is being filled."), |r: &mut Request| r.avail())
        .property(REQUEST, "now", ("Now", "The time on the tenant's clock."), |r: &mut Request| Now(r.0.now))
        .property(
            REQUEST,
            "seed",
            ("int", "A number that is fixed for this decision; see `random`."),
            |r: &mut Request| r.0.seed.cast_signed(),
        );

    const AVAIL: &str = "RequestAvail";
    api.value::<RequestAvail>(AVAIL, "The avail that is being filled.")
        .property(
            AVAIL,
            "id",
            ("string", "Stable name of the avail within its channel."),
            |a: &mut RequestAvail| -> Dynamic { a.0.texts.get(a.0.avail.id).into() },
        )
        .property(AVAIL, "start", ("float", "Seconds since the epoch."), |a: &mut RequestAvail| a.0.avail.start)
        .property(AVAIL, "duration", ("float", "Seconds that the pod may fill."), |a: &mut RequestAvail| {
            a.0.avail.duration
        })
        .property(AVAIL, "position", ("string", "pre-roll, mid-roll or post-roll."), |a: &mut RequestAvail| {
            a.0.avail.position
        })
        .property(AVAIL, "kind", ("string", "replace or insert."), |a: &mut RequestAvail| kind_text(a.0.avail.kind))
        .property(AVAIL, "metadata", ("Labels", "What the detector noted."), |a: &mut RequestAvail| {
            Labels::new(Arc::clone(&a.0.texts), a.0.avail.metadata)
        });

    const NOW: &str = "Now";
    api.value::<Now>(NOW, "A time on the tenant's clock.")
        .property(NOW, "year", ("int", "Such as 2026."), |now: &mut Now| i64::from(now.0.year))
        .property(NOW, "month", ("int", "1–12."), |now: &mut Now| i64::from(now.0.month))
        .property(NOW, "day", ("int", "1–31."), |now: &mut Now| i64::from(now.0.day))
        .property(NOW, "hour", ("int", "0–23."), |now: &mut Now| i64::from(now.0.hour))
        .property(NOW, "minute", ("int", "0–59."), |now: &mut Now| i64::from(now.0.minute))
        .property(NOW, "weekday", ("int", "1 is Monday, 7 is Sunday."), |now: &mut Now| i64::from(now.0.weekday))
        .property(NOW, "epoch", ("float", "Seconds since the epoch."), |now: &mut Now| now.0.moment.as_secs_f64());

    api.group("Chance")
        .function(
            Pure,
            "random(request) -> float",
            "From 0 up to but not including 1; the same for the same decision, so that it can be replayed.",
            |request: &mut Request| request.random(""),
        )
        .function(
            Pure,
            "random(request, salt) -> float",
            "An independent number for each salt, such as an ad's id.",
            |request: &mut Request, salt: ImmutableString| request.random(&salt),
        );
}
