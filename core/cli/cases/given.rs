//! What a test hands to a script, as people write it: everything has a default, and what is not known is an error.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    domain::{
        Avail, AvailId, AvailKind, CountedBy, CounterError, CounterGrant, CounterName, DeviceType, Event, EventType,
        Moment, Money, More, Position, Slug, Span, Traffic, Viewer,
    },
    extension::{Counters, LocalTime, PlacedCue, Window},
    media::cue::{Cue, CueKind, Dialect, Signal},
};

/// Of a detector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectGiven {
    #[serde(default)]
    pub window: WindowGiven,
    #[serde(default)]
    pub known: Vec<AvailGiven>,
    #[serde(default = "six_minutes")]
    pub break_interval: f64,
    #[serde(default = "two_minutes")]
    pub break_duration: f64,
    #[serde(default)]
    pub config: Value,
}

/// Of a targeting rule. `ad` is short for a list of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetingGiven {
    pub ad: Option<AdGiven>,
    #[serde(default)]
    pub ads: Vec<AdGiven>,
    #[serde(default)]
    pub request: RequestGiven,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub counters: CountersGiven,
}

/// Of a fill strategy. The ads come in the host's order: best first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillGiven {
    #[serde(default)]
    pub avail: AvailGiven,
    pub ads: Vec<AdGiven>,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub counters: CountersGiven,
}

/// What counters say, by name; all of these are granted, and no others are known.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, i64>")]
pub struct CountersGiven(BTreeMap<String, i64>);

/// Of a sink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkGiven {
    pub events: Vec<EventGiven>,
    #[serde(default)]
    pub config: Value,
}

/// All times in seconds; a window from 0 to 60 is as good as a real one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowGiven {
    pub live: bool,
    pub start: f64,
    pub end: f64,
    /// Length of the segments, unless `boundaries` says where each starts.
    pub segment: f64,
    pub boundaries: Option<Vec<f64>>,
    pub cues: Vec<CueGiven>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CueGiven {
    pub at: f64,
    pub kind: CueWord,
    #[serde(default)]
    pub dialect: DialectWord,
    pub id: Option<String>,
    pub duration: Option<f64>,
    pub elapsed: Option<f64>,
    pub command: Option<CommandWord>,
    pub segmentation_type: Option<u8>,
    pub upid: Option<String>,
    pub upid_type: Option<u8>,
    pub segment_num: Option<u8>,
    pub segments_expected: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AvailGiven {
    pub id: String,
    pub start: f64,
    pub duration: f64,
    pub kind: AvailKind,
    pub position: Position,
    pub closed: bool,
    pub source: String,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdGiven {
    pub id: String,
    pub campaign: Option<String>,
    pub category: Option<String>,
    pub duration: f64,
    pub priority: i32,
    pub cpm: f64,
    pub score: f64,
    pub labels: BTreeMap<String, String>,
    pub seen: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestGiven {
    pub tenant: String,
    pub channel: String,
    /// The channel's.
    pub labels: BTreeMap<String, String>,
    pub geo: String,
    pub device: DeviceType,
    pub session_id: Option<String>,
    pub params: BTreeMap<Box<str>, Box<str>>,
    pub avail: AvailGiven,
    pub now: NowGiven,
    pub seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NowGiven {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
    pub weekday: i8,
    pub epoch: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventGiven {
    pub event_type: EventType,
    pub tenant: Option<Slug>,
    pub channel: Option<Slug>,
    #[serde(default)]
    pub session: String,
    pub viewer: Option<String>,
    #[serde(default)]
    pub avail: String,
    #[serde(default)]
    pub pod_position: u16,
    pub ad: Option<Slug>,
    pub campaign: Option<Slug>,
    #[serde(default)]
    pub time: f64,
    #[serde(default)]
    pub device: DeviceType,
    #[serde(default)]
    pub geo: String,
    pub counted_by: Option<CountedBy>,
    #[serde(default)]
    pub traffic: Traffic,
    pub error_code: Option<u16>,
    pub value: Option<i64>,
    pub more: Option<More>,
    #[serde(default)]
    pub price: Option<Money>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CueWord {
    Out,
    Continue,
    In,
    Cancel,
    Info,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialectWord {
    #[default]
    CueOut,
    Oatcls,
    Scte35Tag,
    Daterange,
    Asset,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandWord {
    SpliceNull,
    SpliceInsert,
    TimeSignal,
}

fn six_minutes() -> f64 {
    360.0
}
fn two_minutes() -> f64 {
    120.0
}

impl Default for WindowGiven {
    fn default() -> Self {
        Self { live: true, start: 0.0, end: 60.0, segment: 6.0, boundaries: None, cues: Vec::new() }
    }
}

impl Default for AvailGiven {
    fn default() -> Self {
        Self {
            id: "avail".to_owned(),
            start: 0.0,
            duration: 60.0,
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            source: String::new(),
            metadata: BTreeMap::new(),
        }
    }
}

impl Default for AdGiven {
    fn default() -> Self {
        Self {
            id: "ad".to_owned(),
            campaign: None,
            category: None,
            duration: 30.0,
            priority: 0,
            cpm: 0.0,
            score: 0.0,
            labels: BTreeMap::new(),
            seen: 0,
        }
    }
}

impl Default for RequestGiven {
    fn default() -> Self {
        Self {
            tenant: "acme".to_owned(),
            channel: "news".to_owned(),
            labels: BTreeMap::new(),
            geo: String::new(),
            device: DeviceType::Other,
            session_id: None,
            params: BTreeMap::new(),
            avail: AvailGiven::default(),
            now: NowGiven::default(),
            seed: 0,
        }
    }
}

impl Default for NowGiven {
    fn default() -> Self {
        // A Thursday at noon.
        Self { year: 2026, month: 1, day: 1, hour: 12, minute: 0, weekday: 4, epoch: 1_767_268_800.0 }
    }
}

impl WindowGiven {
    /// Fails when the segments are too short to make sense.
    pub fn to_domain(&self) -> Result<Window, String> {
        /// A day of one-second segments.
        const MAX_SEGMENTS: usize = 86_400;
        let mut boundaries: Vec<Moment> = Vec::new();
        match &self.boundaries {
            Some(given) => boundaries.extend(given.iter().map(|at| Moment::from_secs_f64(*at))),
            None => {
                let mut index = 0.0;
                while self.start + index * self.segment < self.end {
                    boundaries.push(Moment::from_secs_f64(self.start + index * self.segment));
                    index += 1.0;
                    if boundaries.len() > MAX_SEGMENTS {
                        return Err("window: more than a day of segments; is `segment` too small?".to_owned());
                    }
                }
            }
        }
        Ok(Window {
            live: self.live,
            start: Moment::from_secs_f64(self.start),
            end: Moment::from_secs_f64(self.end),
            boundaries,
            cues: self.cues.iter().map(CueGiven::to_domain).collect(),
        })
    }
}

impl CueGiven {
    fn to_domain(&self) -> PlacedCue {
        let has_signal = self.command.is_some() || self.segmentation_type.is_some() || self.upid.is_some();
        let signal = Signal {
            command: match self.command {
                Some(CommandWord::SpliceNull) => "splice_null",
                Some(CommandWord::TimeSignal) => "time_signal",
                Some(CommandWord::SpliceInsert) | None => "splice_insert",
            },
            segmentation_type_id: self.segmentation_type,
            upid: self.upid.clone(),
            upid_type: self.upid_type,
            segment_num: self.segment_num,
            segments_expected: self.segments_expected,
        };
        PlacedCue {
            at: Moment::from_secs_f64(self.at),
            cue: Cue {
                kind: match self.kind {
                    CueWord::Out => CueKind::Out,
                    CueWord::Continue => CueKind::Continue,
                    CueWord::In => CueKind::In,
                    CueWord::Cancel => CueKind::Cancel,
                    CueWord::Info => CueKind::Info,
                },
                dialect: match self.dialect {
                    DialectWord::CueOut => Dialect::CueOut,
                    DialectWord::Oatcls => Dialect::Oatcls,
                    DialectWord::Scte35Tag => Dialect::Scte35Tag,
                    DialectWord::Daterange => Dialect::DateRange,
                    DialectWord::Asset => Dialect::Asset,
                },
                id: self.id.clone(),
                duration: self.duration.map(Span::from_secs_f64),
                elapsed: self.elapsed.map(Span::from_secs_f64),
                at: None,
                signal: has_signal.then_some(signal),
            },
        }
    }
}

impl AvailGiven {
    pub fn to_domain(&self) -> Avail {
        Avail {
            id: AvailId::new(&self.id),
            start: Moment::from_secs_f64(self.start),
            duration: Span::from_secs_f64(self.duration),
            kind: self.kind,
            position: self.position,
            closed: self.closed,
            source: self.source.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

impl TryFrom<BTreeMap<String, i64>> for CountersGiven {
    type Error = CounterError;
    fn try_from(given: BTreeMap<String, i64>) -> Result<Self, CounterError> {
        given.keys().try_for_each(|name| name.parse::<CounterName>().map(drop))?;
        Ok(Self(given))
    }
}

impl CountersGiven {
    pub fn known(&self) -> Counters {
        Counters::new(Arc::new(self.0.clone())).granting(&CounterGrant::all().into())
    }
}

impl RequestGiven {
    pub fn viewer(&self) -> Viewer {
        Viewer {
            session_id: self.session_id.as_deref().map(Box::from),
            geo: self.geo.as_str().into(),
            device: self.device,
            params: self.params.clone(),
        }
    }

    pub fn now(&self) -> LocalTime {
        let now = &self.now;
        LocalTime {
            year: now.year,
            month: now.month,
            day: now.day,
            hour: now.hour,
            minute: now.minute,
            weekday: now.weekday,
            moment: Moment::from_secs_f64(now.epoch),
        }
    }
}

impl EventGiven {
    pub fn to_domain(&self) -> Result<Event, String> {
        let or = |slug: &Option<Slug>, default: &str| slug.clone().map_or_else(|| default.parse(), Ok);
        let of_viewer = !self.event_type.is_about_budget();
        let event = Event {
            channel: Some(or(&self.channel, "news")?).filter(|_| of_viewer),
            session: self.session.clone(),
            viewer: self.viewer.as_deref().map(Into::into),
            avail: AvailId::new(&self.avail),
            pod_position: self.pod_position,
            ad: Some(or(&self.ad, "ad")?).filter(|_| of_viewer),
            campaign: self.campaign.clone(),
            device: self.device,
            geo: self.geo.as_str().into(),
            counted_by: Some(self.counted_by.unwrap_or(CountedBy::Segment)).filter(|_| of_viewer),
            traffic: self.traffic,
            price: self.price.unwrap_or_default(),
            error_code: self.error_code,
            value: self.value,
            more: self.more.clone().map(Box::new),
            ..Event::new(or(&self.tenant, "acme")?, self.event_type, Moment::from_secs_f64(self.time))
        };
        Ok(event.identified())
    }
}
