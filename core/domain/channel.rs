//! A FAST channel: an origin stream and how its breaks are found, filled and counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Money, Slug, Span, Status};

/// Which extension does a job: one that we ship, or a file in the tenant's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionRef {
    /// `detect/scte35`, `fill/best_effort`, `sink/webhook` …: a path under `rules/` without its ending.
    Shipped(String),
    /// A path inside the bundle, such as `rules/kids.rhai`.
    File(String),
}

impl std::fmt::Display for ExtensionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped(name) => write!(f, "shipped:{name}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

/// When an ad event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beaconing {
    /// When the player fetched the ad segment that shows it.
    #[default]
    Segment,
    /// When the player says so; the server counts nothing itself.
    Client,
    /// When the ad is put into the playlist.
    Stitch,
}

impl Beaconing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Client => "client",
            Self::Stitch => "stitch",
        }
    }
}

/// What a viewer sees who joins in the middle of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MidBreakJoin {
    Content,
    /// The rest of the break's pod.
    #[default]
    Ads,
}

/// What happens to the origin's own ad markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkerPolicy {
    #[default]
    Strip,
    Keep,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PreRoll {
    pub max_duration: Span,
}

/// In which order own campaigns and an external ad server are asked for a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DemandOrder {
    /// Own campaigns fill the break; the ad server gets what is left.
    #[default]
    OwnFirst,
    /// The ad server fills the break; own campaigns get what is left.
    ExternalFirst,
    /// Both compete by priority and price.
    Merged,
}

/// An external ad server that answers with VAST or VMAP.
#[derive(Clone, Debug, PartialEq)]
pub struct AdServer {
    /// With macros in brackets: `[session.avail_duration_secs]`, `[CACHEBUSTING]`.
    pub vast_url: String,
    /// For the whole answer, wrappers included.
    pub timeout: std::time::Duration,
    pub order: DemandOrder,
    /// Priority of its ads where they compete with own campaigns.
    pub priority: i32,
    /// Price of a thousand impressions where its answer names none.
    pub cpm: Option<Money>,
    /// Sends the viewer's address as `X-Forwarded-For` too.
    pub forwarded_for: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub slug: Slug,
    pub name: String,
    pub status: Status,
    pub hls_manifest_url: String,
    pub detector: ExtensionRef,
    pub ad_break_interval: Span,
    pub ad_break_duration: Span,
    pub fill: ExtensionRef,
    pub beaconing: Beaconing,
    pub pre_roll: Option<PreRoll>,
    /// The ad that fills what the pod leaves over; without it content returns early.
    pub slate: Option<Slug>,
    pub ad_server: Option<AdServer>,
    /// Of a hundred decisions, how many are written down so that they can be replayed.
    pub decision_log_percent: u8,
    pub mid_break_join: MidBreakJoin,
    pub markers: MarkerPolicy,
    /// Free facts for scripts: `{rating: PG, genre: news}`.
    pub labels: BTreeMap<String, String>,
    /// Handed to the channel's detector and fill strategy as their `config`.
    pub config: serde_json::Value,
}
