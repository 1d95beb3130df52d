//! What happened to an ad on a viewer's screen, to a break, and to a campaign's budget: one envelope for all of it.

use serde::{Deserialize, Serialize};

use super::{AvailId, CountedBy, DeviceType, EventId, EventType, Moment, Money, Slug, Traffic};

/// One counted event. Its `id` is made of what makes it one event: it counts once, however often it comes.
///
/// Events about a campaign's budget come from no viewer: they have no channel, ad or `counted_by`; their session is
/// `campaign:<slug>` and their avail `budget:<amount>`, so that each alert is given once per amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub tenant: Slug,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Slug>,
    /// Our own name of the viewer's session: random, so that no two viewers share it. Of events that others report,
    /// the name that they gave.
    pub session: String,
    /// The caller's name of it (`session_id`), for joining with its own analytics; not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<Box<str>>,
    /// The break. Empty where none was named.
    pub avail: AvailId,
    /// 0 for the first ad of the pod.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pod_position: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ad: Option<Slug>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Slug>,
    pub event_type: EventType,
    /// When it happened, in microseconds: the day that it counts for.
    pub time: Moment,
    /// When the server was told.
    pub received: Moment,
    #[serde(default, skip_serializing_if = "is_default")]
    pub device: DeviceType,
    #[serde(default, skip_serializing_if = "is_default")]
    pub geo: Box<str>,
    /// What made it count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_by: Option<CountedBy>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub traffic: Traffic,
    /// What the campaign pays for it, in micro-units: an impression's share of the CPM, zero for everything else. In the
    /// store it is what was charged: zero as well for an impression that the budget could no longer pay.
    #[serde(default, skip_serializing_if = "is_default")]
    pub price: Money,
    /// Of an error: VAST 4.2 section 2.3.6.3, 100 to 999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u16>,
    /// Millionths of whatever the type measures: seconds of breaks and of decided ads, money of a conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Box<More>>,
}

/// What few events have.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct More {
    /// What the event is about, when that is no ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
    /// The viewer's address as far as the tenant's privacy settings keep it: cut, or a keyed hash; never the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Box<str>>,
    /// Whatever the reporter added.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// A thing that events are about: a page, an article, a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: Box<str>,
    pub id: Box<str>,
}

/// How a viewer came here.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attribution {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_source: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_medium: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_campaign: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_term: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utm_content: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Box<str>>,
}

impl Event {
    /// An event that says nothing yet but who it belongs to; the rest is filled in, then it is [`Self::identified`].
    pub fn new(tenant: Slug, event_type: EventType, time: Moment) -> Self {
        Self {
            id: EventId::random(0),
            tenant,
            channel: None,
            session: String::new(),
            viewer: None,
            avail: AvailId::new(""),
            pod_position: 0,
            ad: None,
            campaign: None,
            event_type,
            time,
            received: time,
            device: DeviceType::default(),
            geo: Box::default(),
            counted_by: None,
            traffic: Traffic::default(),
            price: Money::ZERO,
            error_code: None,
            value: None,
            more: None,
        }
    }

    /// With the id that its session, break, place, ad and type give it.
    #[must_use]
    pub fn identified(mut self) -> Self {
        let (ad, kind) = (self.ad.as_ref(), self.event_type);
        self.id = EventId::of_showing(&self.tenant, &self.session, &self.avail, self.pod_position, ad, kind);
        self
    }

    /// Whether a campaign pays for it.
    pub fn is_billable(&self) -> bool {
        self.event_type == EventType::Impression && self.campaign.is_some() && self.traffic == Traffic::Valid
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
