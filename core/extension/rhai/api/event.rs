//! Counted events as sinks read them.

use std::sync::Arc;

use rhai::{Array, Dynamic, FnPtr, NativeCallContext};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::optional;
use crate::{
    domain::{CountedBy, Event, Slug},
    extension::rhai::{
        lists,
        registrar::{Effect::Pure, Registrar},
        value::{Fallible, fail, int},
    },
};

/// The batch.
#[derive(Clone, Debug)]
pub struct Events(pub Arc<[Event]>);

/// One event of it.
#[derive(Clone, Debug)]
pub struct EventValue {
    events: Arc<[Event]>,
    index: usize,
}

impl EventValue {
    fn read(&self, read: impl FnOnce(&Event) -> Dynamic) -> Dynamic {
        self.events.get(self.index).map_or(Dynamic::UNIT, read)
    }
}

impl Events {
    fn get(&self, index: i64) -> Fallible<EventValue> {
        match usize::try_from(index).ok().filter(|index| *index < self.0.len()) {
            Some(index) => Ok(EventValue { events: Arc::clone(&self.0), index }),
            None => fail(format!("events[{index}]: there are only {} events", self.0.len())),
        }
    }

    fn to_array(&self) -> Array {
        self.clone().into_iter().map(Dynamic::from).collect()
    }
}

pub struct EventsIter {
    events: Arc<[Event]>,
    next: usize,
}

impl Iterator for EventsIter {
    type Item = EventValue;
    fn next(&mut self) -> Option<EventValue> {
        let index = self.next;
        self.next = index.saturating_add(1);
        (index < self.events.len()).then(|| EventValue { events: Arc::clone(&self.events), index })
    }
}

impl IntoIterator for Events {
    type Item = EventValue;
    type IntoIter = EventsIter;
    fn into_iter(self) -> EventsIter {
        EventsIter { events: self.0, next: 0 }
    }
}

fn counted_by(event: &Event) -> &'static str {
    event.counted_by.map_or("", CountedBy::as_str)
}

/// Events about a campaign name no channel and no ad: their text is empty, so that scripts need not ask first.
fn text(slug: Option<&Slug>) -> &str {
    slug.map_or("", Slug::as_str)
}

/// For scripts and receivers, as they see CPMs; sums of money belong to reports, which add integers.
fn price(event: &Event) -> f64 {
    event.price.micros() as f64 / 1_000_000.0
}

fn millionths(value: i64) -> f64 {
    value as f64 / 1_000_000.0
}

impl Serialize for EventValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(event) = self.events.get(self.index) {
            map.serialize_entry("id", &event.id)?;
            map.serialize_entry("event_type", event.event_type.as_str())?;
            map.serialize_entry("time", &event.time.as_secs_f64())?;
            map.serialize_entry("tenant", event.tenant.as_str())?;
            map.serialize_entry("channel", text(event.channel.as_ref()))?;
            map.serialize_entry("session", &event.session)?;
            map.serialize_entry("viewer", &event.viewer)?;
            map.serialize_entry("avail", event.avail.as_str())?;
            map.serialize_entry("pod_position", &event.pod_position)?;
            map.serialize_entry("ad", text(event.ad.as_ref()))?;
            map.serialize_entry("campaign", &event.campaign.as_ref().map(Slug::as_str))?;
            map.serialize_entry("device", event.device.as_str())?;
            map.serialize_entry("geo", &*event.geo)?;
            map.serialize_entry("counted_by", counted_by(event))?;
            map.serialize_entry("price", &price(event))?;
            map.serialize_entry("traffic", event.traffic.as_str())?;
            map.serialize_entry("received", &event.received.as_secs_f64())?;
            if let Some(code) = event.error_code {
                map.serialize_entry("error_code", &code)?;
            }
            if let Some(value) = event.value {
                map.serialize_entry("value", &millionths(value))?;
            }
            if let Some(more) = &event.more {
                map.serialize_entry("more", more)?;
            }
        }
        map.end()
    }
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.clone())
    }
}

pub fn register(api: &mut Registrar<'_>) {
    const EVENT: &str = "Event";
    macro_rules! event {
        ($name:literal, $type_name:literal, $doc:literal, $read:expr) => {
            api.property(EVENT, $name, ($type_name, $doc), |event: &mut EventValue| event.read($read));
        };
    }
    api.value::<EventValue>(EVENT, "Something that happened to an ad on a viewer's screen, counted once.");
    event!("id", "string", "Stable and unique: receivers can drop repeats by it.", |e| e.id.to_string().into());
    event!(
        "event_type",
        "string",
        "impression, start, first_quartile, midpoint, third_quartile, complete, click or error; break, decided and stitched of a viewer's breaks; budget_50, budget_80 and budget_100 of a campaign's budget; or one of the tenant's `event_types`. docs/sinks.md says what they mean.",
        |e| { e.event_type.as_str().into() }
    );
    event!("time", "float", "When it happened, seconds since the epoch.", |e| e.time.as_secs_f64().into());
    event!("tenant", "string", "The tenant's slug.", |e| e.tenant.as_str().into());
    event!("channel", "string", "The channel's slug; empty for a campaign's budget.", |e| text(e.channel.as_ref())
        .into());
    event!("session", "string", "The viewer's session, by our own name.", |e| e.session.as_str().into());
    event!("viewer", "string or ()", "The `session_id` that the caller gave.", |e| optional(e.viewer.as_deref()));
    event!("avail", "string", "The avail's id; empty where none was named.", |e| e.avail.as_str().into());
    event!("pod_position", "int", "0 for the first ad of the pod.", |e| i64::from(e.pod_position).into());
    event!("ad", "string", "The ad's slug; empty for a campaign's budget.", |e| text(e.ad.as_ref()).into());
    event!("campaign", "string or ()", "The campaign's slug.", |e| optional(e.campaign.as_ref().map(Slug::as_str)));
    event!("device", "string", "smart-tv, set-top-box, console, mobile, tablet, desktop or other.", |e| e
        .device
        .as_str()
        .into());
    event!("geo", "string", "Country code; empty when unknown.", |e| (&*e.geo).into());
    event!(
        "counted_by",
        "string",
        "segment, client, stitch or api: what made it count; empty for break, decided, stitched and budgets, which nothing counted.",
        |e| counted_by(e).into()
    );
    event!(
        "traffic",
        "string",
        "valid, bot or data_centre: who seems to be at the other end. Only valid traffic is billed.",
        |e| e.traffic.as_str().into()
    );
    event!("received", "float", "When the server was told, seconds since the epoch.", |e| e
        .received
        .as_secs_f64()
        .into());
    event!("error_code", "int or ()", "Of an error: VAST's code, 100 to 999.", |e| optional(
        e.error_code.map(i64::from)
    ));
    event!(
        "value",
        "float or ()",
        "What the event measures: seconds of a break, money of a conversion.",
        |e| optional(e.value.map(millionths))
    );
    event!("more", "map or ()", "entity, attribution, address, user_agent and properties, where there are any.", |e| {
        e.more.as_ref().and_then(|more| rhai::serde::to_dynamic(more).ok()).unwrap_or(Dynamic::UNIT)
    });
    event!("price", "float", "What the campaign was charged for it, in the tenant's currency.", |e| price(e).into());

    api.value::<Events>("Events", "A batch of events: `for event in events`, `events[0]`, `to_json(events)`.");
    let engine = api.engine();
    engine.register_iterator::<Events>();
    engine.register_indexer_get(|events: &mut Events, index: i64| events.get(index));
    api.group("Events")
        .function(Pure, "len(events) -> int", "How many events.", |events: &mut Events| int(events.0.len()))
        .function(Pure, "is_empty(events) -> bool", "Whether there is none.", |events: &mut Events| events.0.is_empty())
        .function(Pure, "to_array(events) -> array", "As a list.", |events: &mut Events| events.to_array())
        .function(
            Pure,
            "filter(events, |event| …) -> array",
            "The events for which the function says true.",
            |context: NativeCallContext, events: &mut Events, test: FnPtr| {
                lists::filter(context, &mut events.to_array(), test)
            },
        )
        .function(
            Pure,
            "map(events, |event| …) -> array",
            "What the function makes of each event.",
            |context: NativeCallContext, events: &mut Events, body: FnPtr| {
                lists::map(context, &mut events.to_array(), body)
            },
        );
}
