//! An event as JSON, under names that do not change: the same as those that the shipped web hook writes.

use cuetone_plugin::{CountedBy, Device, Event, Traffic};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Absent texts are empty or `null` as README.md says; what an event seldom has is left out.
#[derive(Serialize)]
pub struct Value<'a> {
    id: &'a str,
    event_type: &'a str,
    time: f64,
    received: f64,
    tenant: &'a str,
    channel: &'a str,
    session: &'a str,
    viewer: Option<&'a str>,
    avail: &'a str,
    pod_position: u16,
    ad: &'a str,
    campaign: Option<&'a str>,
    device: &'static str,
    geo: &'a str,
    counted_by: &'static str,
    traffic: &'static str,
    price: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<More<'a>>,
}

impl<'a> From<&'a Event> for Value<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: &event.id,
            event_type: &event.event_type,
            time: event.time,
            received: event.received,
            tenant: &event.tenant,
            channel: event.channel.as_deref().unwrap_or_default(),
            session: &event.session,
            viewer: event.viewer.as_deref(),
            avail: &event.avail,
            pod_position: event.pod_position,
            ad: event.ad.as_deref().unwrap_or_default(),
            campaign: event.campaign.as_deref(),
            device: device(event.device),
            geo: &event.geo,
            counted_by: event.counted_by.map_or("", counted_by),
            traffic: traffic(event.traffic),
            price: event.price,
            error_code: event.error_code,
            value: event.value,
            more: event.more.as_deref().map(More),
        }
    }
}

/// Already JSON: written as it is, numbers and all. What is none, against the contract, goes as text.
struct More<'a>(&'a str);

impl Serialize for More<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(json) => json.serialize(to),
            Err(_) => self.0.serialize(to),
        }
    }
}

fn device(device: Device) -> &'static str {
    match device {
        Device::SmartTv => "smart-tv",
        Device::SetTopBox => "set-top-box",
        Device::Console => "console",
        Device::Mobile => "mobile",
        Device::Tablet => "tablet",
        Device::Desktop => "desktop",
        Device::Other => "other",
    }
}

fn counted_by(counted_by: CountedBy) -> &'static str {
    match counted_by {
        CountedBy::Segment => "segment",
        CountedBy::Client => "client",
        CountedBy::Stitch => "stitch",
        CountedBy::Api => "api",
    }
}

fn traffic(traffic: Traffic) -> &'static str {
    match traffic {
        Traffic::Valid => "valid",
        Traffic::Bot => "bot",
        Traffic::DataCentre => "data_centre",
    }
}
