//! What happened to an ad on a viewer's screen, and to a campaign's budget because of it.

use serde::{Deserialize, Serialize};

use super::{AvailId, Beaconing, DeviceType, Moment, Money, Slug};

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
    /// Half of a campaign's budget is spent.
    #[serde(rename = "budget_50")]
    Budget50,
    /// Four fifths of it are.
    #[serde(rename = "budget_80")]
    Budget80,
    /// What is left of it pays no further impression.
    #[serde(rename = "budget_100")]
    Budget100,
}

impl EventType {
    /// Of a viewer, in the order in which they happen.
    pub const ALL: [Self; 8] = [
        Self::Impression,
        Self::Start,
        Self::FirstQuartile,
        Self::Midpoint,
        Self::ThirdQuartile,
        Self::Complete,
        Self::Click,
        Self::Error,
    ];

    /// Told of a campaign instead of a viewer.
    pub fn is_about_budget(self) -> bool {
        matches!(self, Self::Budget50 | Self::Budget80 | Self::Budget100)
    }

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
            Self::Budget50 => "budget_50",
            Self::Budget80 => "budget_80",
            Self::Budget100 => "budget_100",
        }
    }
}

/// One counted event. `(tenant, session, avail, pod_position, event_type)` is unique: an event counts once.
///
/// Events about a campaign's budget come from no viewer: they have no channel, ad or `counted_by`; their session is
/// `campaign:<slug>` and their avail `budget:<amount>`, so that each alert is given once per amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub tenant: Slug,
    pub channel: Option<Slug>,
    /// Our own name of the viewer's session: random, so that no two viewers share it.
    pub session: String,
    /// The caller's name of it (`session_id`), for joining with its own analytics; not unique.
    pub viewer: Option<Box<str>>,
    pub avail: AvailId,
    /// 0 for the first ad of the pod.
    pub pod_position: u16,
    pub ad: Option<Slug>,
    pub campaign: Option<Slug>,
    pub event_type: EventType,
    /// When the server saw it, in microseconds.
    pub time: Moment,
    pub device: DeviceType,
    pub geo: Box<str>,
    /// What made it count.
    pub counted_by: Option<Beaconing>,
    /// What the campaign pays for it, in micro-units: an impression's share of the CPM, zero for everything else. In the
    /// journal it is what was charged: zero as well for an impression that the budget could no longer pay.
    pub price: Money,
}

impl Event {
    /// Whether a campaign pays for it.
    pub fn is_billable(&self) -> bool {
        self.event_type == EventType::Impression && self.campaign.is_some()
    }
}
