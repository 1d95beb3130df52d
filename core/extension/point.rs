//! The four extension points: what an extension is asked and what it may answer.
//!
//! Calls are batched, synchronous and pure: time, randomness and configuration are inputs. Implementations know
//! neither HTTP nor storage. Nothing here is policy; every answer is checked by whoever asked.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Counters, ExtensionError, Patience};
use crate::{
    domain::{Avail, AvailKind, Event, Moment, Position, Span, Viewer},
    media::cue::Cue,
};

/// Finds the avails in a channel's window. Asked once per new version of the origin's playlist, never per viewer.
pub trait BreakDetector: Send + Sync {
    fn detect(&self, input: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError>;
}

/// Keeps, drops or scores candidates. Asked in batches, best first, until enough were kept.
pub trait TargetingRule: Send + Sync {
    /// One verdict per candidate, in the order given.
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError>;
}

/// Chooses the pod. Asked once per decision; twice where own ads and an ad server's are asked about one after the other.
pub trait FillStrategy: Send + Sync {
    /// Indices into `input.candidates`, in play order.
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError>;
}

/// Turns events into requests that the host sends. Asked batch by batch, and again for one that was not delivered.
pub trait TrackingSink: Send + Sync {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError>;
}

pub struct DetectInput<'a> {
    pub window: &'a Window,
    /// Avails found before that may still matter: a break outlives its CUE-OUT.
    pub known: &'a [Avail],
    /// `ad_break_interval_seconds`, `ad_break_duration_seconds` of the channel.
    pub break_interval: Span,
    pub break_duration: Span,
    pub config: &'a Value,
}

/// The stretch of the channel that the origin offers now. All its moments, and those of cues and avails, are on the channel's
/// media clock: the origin's dates; without them seconds from the start of a VOD title, or for a live channel a time that
/// begins with this node's first sight of it, and so differs between nodes and after restarts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Window {
    /// False when the playlist is complete (VOD).
    pub live: bool,
    pub start: Moment,
    pub end: Moment,
    /// Where segments start, ascending; `end` is not among them.
    pub boundaries: Vec<Moment>,
    /// Cues in playlist order.
    pub cues: Vec<PlacedCue>,
}

/// A cue and where it takes effect.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedCue {
    /// Start of the segment that the cue stands before, or its own date if it carries one.
    pub at: Moment,
    pub cue: Cue,
}

/// A detector's answer. The host snaps `start` to a segment boundary and keeps it for good.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundAvail {
    pub id: String,
    pub start: Moment,
    pub duration: Span,
    pub kind: AvailKind,
    pub position: Position,
    /// The break's end is certain.
    pub closed: bool,
    pub metadata: BTreeMap<String, String>,
}

/// The request that a decision answers.
#[derive(Clone, Debug)]
pub struct RequestContext<'a> {
    pub tenant: &'a str,
    pub channel: &'a str,
    pub channel_labels: &'a BTreeMap<String, String>,
    pub viewer: &'a Viewer,
    /// Its duration is what is still to be filled.
    pub avail: &'a Avail,
    pub now: LocalTime,
    /// Same seed, same inputs, same answer.
    pub seed: u64,
    /// The host's own: how long the calls of the decision may still wait for places.
    pub patience: &'a Patience,
}

/// "Now" on the tenant's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LocalTime {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    /// 0–23.
    pub hour: i8,
    pub minute: i8,
    /// 1 is Monday, 7 is Sunday (ISO 8601).
    pub weekday: i8,
    pub moment: Moment,
}

/// An ad that may still be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// The ad's slug.
    pub id: &'a str,
    pub campaign: Option<&'a str>,
    /// As measured on the creative.
    pub duration: Span,
    pub priority: i32,
    /// Price of a thousand impressions, micro-units.
    pub cpm_micros: i64,
    /// Sum of what the rules scored.
    pub score: f64,
    pub labels: &'a BTreeMap<String, String>,
    /// Its competitive category: a pod has at most one ad of each.
    pub category: Option<&'a str>,
    /// How often this viewer's session has been given this ad before.
    pub seen: u32,
}

pub struct RuleInput<'a> {
    pub request: &'a RequestContext<'a>,
    pub candidates: &'a [Candidate<'a>],
    pub config: &'a Value,
    /// What it may read of them.
    pub counters: &'a Counters,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Keep,
    Drop { reason: String },
    Score(f64),
}

pub struct FillInput<'a> {
    pub request: &'a RequestContext<'a>,
    /// Sorted by the host: priority, then score, then price, all descending; ties by the request's seed. An ad server's,
    /// where they are asked about apart, in its sequence.
    pub candidates: &'a [Candidate<'a>],
    pub config: &'a Value,
    /// What it may read of them.
    pub counters: &'a Counters,
}

pub struct SinkInput<'a> {
    pub tenant: &'a str,
    pub events: &'a [Event],
    pub config: &'a Value,
}

/// What the host sends for a sink, by the address: a request (`https:`, `http:`) or a message (`nats:`) to hosts that the
/// tenant's manifest allows, or lines for a file of the tenant's own (`file:name`).
#[derive(Clone, Debug, PartialEq)]
pub struct SinkRequest {
    pub method: String,
    pub url: String,
    /// Each name once; their order is not kept.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}
