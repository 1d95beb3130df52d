//! What happened to an ad on a viewer's screen.

use serde::{Deserialize, Serialize};

use super::{AvailId, DeviceType, Moment, Slug};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventType {
    Impression,
    Start,
    FirstQuartile,
    Midpoint,
    ThirdQuartile,
    Complete,
    Click,
    Error,
}

impl EventType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Impression => "impression",
            Self::Start => "start",
            Self::FirstQuartile => "first_quartile",
            Self::Midpoint => "midpoint",
            Self::ThirdQuartile => "third_quartile",
            Self::Complete => "complete",
            Self::Click => "click",
            Self::Error => "error",
        }
    }
}

/// One counted event. `(tenant, session, avail, pod_position, event_type)` is unique: an event counts once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub tenant: Slug,
    pub channel: Slug,
    /// Our own name of the viewer's session: random, so that no two viewers share it.
    pub session: String,
    /// The caller's name of it (`session_id`), for joining with its own analytics; not unique.
    pub viewer: Option<Box<str>>,
    pub avail: AvailId,
    /// 0 for the first ad of the pod.
    pub pod_position: u16,
    pub ad: Slug,
    pub campaign: Option<Slug>,
    pub event_type: EventType,
    /// When the server saw it, in microseconds.
    pub time: Moment,
    pub device: DeviceType,
    pub geo: Box<str>,
    /// What made it count.
    pub counted_by: super::Beaconing,
}
