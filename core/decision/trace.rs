//! Why a decision came out as it did: for every ad the one stage and reason, and what each script cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::local_time::rfc3339;
use crate::domain::{Avail, Moment, Position, Slug, Span, Viewer};

/// Where an ad's way through the decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Status of the ad or its campaign.
    Status,
    /// The campaign's dates.
    Flight,
    /// The creative is not ready for this channel.
    Creative,
    /// A declared rule.
    Rule,
    /// A targeting script.
    Script,
    /// The campaign's frequency caps.
    Cap,
    /// Another ad of its competitive category.
    Separation,
    /// The campaign's budget, impression goal or pacing.
    Budget,
    /// Longer than the break, or below the best that are asked about and offered.
    Offer,
    /// The fill strategy.
    Fill,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Flight => "flight",
            Self::Creative => "creative",
            Self::Rule => "rule",
            Self::Script => "script",
            Self::Cap => "cap",
            Self::Separation => "separation",
            Self::Budget => "budget",
            Self::Offer => "offer",
            Self::Fill => "fill",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Chosen,
    /// Could not be chosen.
    Dropped,
    /// Could have been chosen.
    Left,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdTrace {
    pub ad: Slug,
    pub outcome: Outcome,
    pub stage: Stage,
    pub reason: String,
}

/// The same without words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdOutcome {
    pub ad: Slug,
    pub outcome: Outcome,
    pub stage: Stage,
}

/// What one script was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScriptTrace {
    pub name: String,
    pub version: String,
    /// Candidates come in batches.
    pub calls: u32,
    /// In all calls.
    pub ads: usize,
    /// How long the calls took together. Measured: all else in a trace is the same for the same inputs.
    pub micros: u64,
    /// What went wrong; its rule was skipped, or its ads dropped, or its answer not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Calls that say something about the script: not those that the host refused, or stopped, for what others use.
    #[serde(skip)]
    pub judged: u32,
    /// Those of them that failed.
    #[serde(skip)]
    pub failed: u32,
}

/// What fills the time that the pod leaves over.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "with", rename_all = "snake_case")]
pub enum Filler {
    /// The pod fills the break.
    None,
    /// The channel's slate.
    Slate {
        ad: Slug,
        #[serde(rename = "seconds", serialize_with = "seconds")]
        rest: Span,
    },
    /// The break ends early.
    Content {
        #[serde(rename = "seconds", serialize_with = "seconds")]
        rest: Span,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PodTrace {
    pub ad: Slug,
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Span,
    pub campaign: Option<Slug>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AvailTrace {
    pub id: String,
    #[serde(serialize_with = "moment")]
    pub start: Moment,
    /// Seconds.
    #[serde(serialize_with = "seconds")]
    pub duration: Span,
    pub position: Position,
}

impl From<&Avail> for AvailTrace {
    fn from(avail: &Avail) -> Self {
        Self {
            id: avail.id.as_str().to_owned(),
            start: avail.start,
            duration: avail.duration,
            position: avail.position,
        }
    }
}

/// One decision, explained. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    #[serde(serialize_with = "moment")]
    pub time: Moment,
    pub session: String,
    pub viewer: Viewer,
    pub tenant: Slug,
    pub channel: Slug,
    pub avail: AvailTrace,
    pub pod: Vec<PodTrace>,
    pub filler: Filler,
    /// Every ad of the tenant and of the ad server, by slug; with [`Detail::Brief`](super::Detail) the pod's only.
    pub candidates: Vec<AdTrace>,
    /// In the order of their first calls.
    pub scripts: Vec<ScriptTrace>,
    /// Those that scripts have read, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, i64>,
}

impl Trace {
    /// With nothing measured in it: what two runs with the same inputs have in common.
    pub fn without_timings(mut self) -> Self {
        for script in &mut self.scripts {
            script.micros = 0;
        }
        self
    }

    /// About what it takes in memory, in bytes: its lists, and the words in them.
    pub fn weight(&self) -> usize {
        let candidate = |trace: &AdTrace| size_of::<AdTrace>() + trace.ad.as_str().len() + trace.reason.len();
        let script = |trace: &ScriptTrace| {
            size_of::<ScriptTrace>()
                + trace.name.len()
                + trace.version.len()
                + trace.error.as_ref().map_or(0, String::len)
        };
        size_of::<Self>()
            + self.candidates.iter().map(candidate).sum::<usize>()
            + self.scripts.iter().map(script).sum::<usize>()
            + self.pod.len() * size_of::<PodTrace>()
            + self.counters.keys().map(|name| size_of::<(String, i64)>() + name.len()).sum::<usize>()
    }
}

fn seconds<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

fn moment<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*moment))
}
