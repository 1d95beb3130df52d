//! An ad, its creative and the rules declared on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Slug, Span, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdType {
    #[default]
    Linear,
    NonLinear,
    Companion,
}

/// Where the pictures come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Creative {
    /// A multivariant or media playlist.
    Hls(String),
    /// A picture beside or over the stream: what non-linear and companion ads show.
    Image(ImageCreative),
}

/// A picture by its address; pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCreative {
    pub url: String,
    /// `image/png` and the like.
    pub media_type: String,
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleType {
    Geo,
    Device,
    Time,
    Channel,
    DayOfWeek,
    Script,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOperator {
    Equals,
    In,
    NotIn,
    Contains,
    Range,
}

/// A rule's operand: `US`, `[US, CA]` or `{min: 9, max: 17}`.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleValue {
    One(String),
    Many(Vec<String>),
    /// Both ends are included.
    Range {
        min: i64,
        max: i64,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct AdRule {
    pub kind: RuleType,
    pub operator: RuleOperator,
    pub value: RuleValue,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ad {
    pub slug: Slug,
    pub name: String,
    pub campaign: Option<Slug>,
    /// As declared; the stitcher measures the creative itself.
    pub duration: Span,
    pub ad_type: AdType,
    pub creative: Option<Creative>,
    pub vast_url: Option<String>,
    pub click_through_url: Option<String>,
    pub status: Status,
    pub rules: Vec<AdRule>,
    /// Free facts for scripts: `{rating: PG, category: alcohol}`.
    pub labels: BTreeMap<String, String>,
}
