//! An avail: a stretch of a channel's timeline where ads may play.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Moment, Span};

/// Stable name of an avail within its channel; the same on every refresh, variant and node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AvailId(pub Arc<str>);

impl AvailId {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for AvailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for AvailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AvailKind {
    /// Ads take the place of content.
    Replace,
    /// Ads are put between content; VOD only.
    Insert,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    PreRoll,
    MidRoll,
    PostRoll,
}

impl Position {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreRoll => "pre-roll",
            Self::MidRoll => "mid-roll",
            Self::PostRoll => "post-roll",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Avail {
    pub id: AvailId,
    /// On the channel's media clock.
    pub start: Moment,
    /// What the pod may fill. For `Replace` also what it replaces.
    pub duration: Span,
    pub kind: AvailKind,
    pub position: Position,
    /// The break's end has been seen (or was never in doubt): `duration` will not change again.
    pub closed: bool,
    /// The detector that found it.
    pub source: String,
    pub metadata: BTreeMap<String, String>,
}

impl Avail {
    pub fn end(&self) -> Moment {
        self.start + self.duration
    }
}
