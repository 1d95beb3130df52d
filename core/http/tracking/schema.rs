//! The shapes of the tracking API as JSON Schema. `tracking::intake` decides what is valid; nothing that it takes is
//! refused here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    domain::{DeviceType, EventType},
    tracking::intake::{
        read::MAX_NAME,
        report::{MAX_EVENTS, Member},
    },
};

pub fn components() -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("EventBatch".to_owned(), batch()),
        ("EventReport".to_owned(), report()),
        ("EventsTaken".to_owned(), taken()),
        ("BeaconLedger".to_owned(), ledger()),
        ("ViewerErased".to_owned(), erased()),
        ("ViewerLines".to_owned(), json!({"type": "string", "description": "JSON objects, one a line."})),
        ("LiveStream".to_owned(), json!({"type": "string", "description": "Server-sent events named `counts`."})),
    ])
}

fn batch() -> Value {
    json!({
        "type": "object",
        "description": "Events to be counted.",
        "properties": {
            "tenant_id": {"$ref": "#/components/schemas/Slug"},
            "events": {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": {"$ref": "#/components/schemas/EventReport"}},
        },
        "required": ["events"],
        "additionalProperties": false,
        "examples": [{"tenant_id": "wkkworld", "events": [{"event_type": "impression", "session_id": "s-1", "ad_id": "red-cola"}]}],
    })
}

fn ledger() -> Value {
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let counts = [
        ("decided", "Ads that were decided."),
        ("stitched", "Ads that were put into a playlist."),
        ("delivered", "Impressions."),
        ("fired", "Addresses of third parties that events called for."),
        ("acknowledged", "Of those: fetched."),
        ("failed", "Of those: not wanted, or given up."),
        ("pending", "Of those: yet to be fetched."),
        ("withheld", "Addresses that invalid traffic would have called for."),
    ];
    let object = |more: &[(&str, Value)]| {
        let counts = counts.iter().map(|(name, about)| ((*name).to_owned(), count(about)));
        let properties: Map<String, Value> =
            more.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).chain(counts).collect();
        let required: Vec<&String> = properties.keys().collect();
        json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
    };
    let day = || json!({"type": "string", "format": "date"});
    let lines =
        object(&[("day", day()), ("channel", json!({"type": ["string", "null"]})), ("ad", json!({"type": "string"}))]);
    json!({
        "type": "object",
        "description": "What became of ads and of third parties' beacons.",
        "required": ["from", "to", "lines", "totals"],
        "properties": {"from": day(), "to": day(), "lines": {"type": "array", "items": lines}, "totals": object(&[])},
        "additionalProperties": false,
    })
}

fn name(about: &str) -> Value {
    json!({"type": ["string", "integer", "null"], "minLength": 1, "maxLength": MAX_NAME, "description": about})
}

fn report() -> Value {
    let text = |about: &str| json!({"type": ["string", "null"], "description": about});
    let signal = |about: &str| json!({"type": ["boolean", "integer", "string", "null"], "description": about});
    let known = EventType::ALL.map(|known| known.as_str().to_owned()).join(", ");
    let devices = DeviceType::ALL.map(DeviceType::as_str).join(", ");
    let of = |member: Member| match member {
        Member::Tenant => name("The tenant; needed with a platform key where the batch names none."),
        Member::EventType => json!({"type": "string", "minLength": 1, "maxLength": MAX_NAME,
            "description": format!("{known}, or a type that the tenant has registered.")}),
        Member::Session => json!({"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_NAME,
            "description": "Your name of the viewer's session."}),
        Member::Ad => name("The ad's slug; only the tenant's own types go without."),
        Member::Channel => name("The channel's slug."),
        Member::Break => name("Your name of the break: with session, place, ad and type it makes the event one."),
        Member::PodPosition => json!({"type": ["integer", "string", "null"], "minimum": 0, "maximum": 1000,
            "description": "Place in the break, from 0."}),
        Member::Timestamp => json!({"type": ["string", "integer", "null"],
            "description": "When it happened (RFC 3339, or milliseconds since 1970): at most 31 days ago and five minutes ahead. Without it, the server's time."}),
        Member::Viewer => name("Your name of the viewer, over sessions; the session's name where it is absent."),
        Member::Device => text(&format!("One of {devices}; where it is absent, user_agent tells.")),
        Member::Geo => text("ISO 3166-1 alpha-2; where it is absent, ip_address is looked up."),
        Member::Address => text("The viewer's address. What is kept of it is the tenant's choice; never the whole."),
        Member::UserAgent => text("The viewer's User-Agent."),
        Member::ErrorCode => json!({"type": ["integer", "string", "null"], "minimum": 100, "maximum": 999,
            "description": "Of an error: VAST 4.2 section 2.3.6.3."}),
        Member::Value => {
            json!({"type": ["number", "string", "null"], "description": "What the type measures, such as an amount."})
        }
        Member::EntityType => name("What the event is about, when that is no ad: page, product …"),
        Member::EntityId => name("Its name."),
        Member::UtmSource | Member::UtmMedium | Member::UtmCampaign | Member::UtmTerm | Member::UtmContent => {
            text("As the link had it.")
        }
        Member::Referrer => text("Where the viewer came from."),
        Member::DoNotTrack | Member::Lmt | Member::Gpc => signal("The viewer has opted out."),
        Member::Gdpr => signal("Whether consent is needed (IAB TCF)."),
        Member::GdprConsent => text("The TCF v2 string; purpose 1 is asked for."),
        Member::UsPrivacy => text("IAB US Privacy, such as 1YNN."),
        Member::Gpp => text("IAB GPP string."),
        Member::Key => name("Whatever has this key is the same event."),
        Member::Metadata => json!({"type": ["object", "null"], "description": "Anything else, at most 4 KB."}),
    };
    let properties: Map<String, Value> =
        Member::ALL.iter().map(|(member, name)| ((*name).to_owned(), of(*member))).collect();
    json!({
        "type": "object",
        "description": "One event. Names in camelCase are understood as well.",
        "properties": properties,
        "required": ["event_type", "session_id"],
        "additionalProperties": false,
        "examples": [{"event_type": "impression", "session_id": "s-1", "ad_id": "red-cola", "channel_id": "news",
            "break_id": "b-7", "device_type": "smart-tv", "geo_country": "ID"}],
    })
}

fn taken() -> Value {
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    json!({
        "type": "object",
        "description": "What became of a batch.",
        "properties": {
            "accepted": count("Events that count now."),
            "duplicates": count("Events that had been counted before."),
            "rejected": count("Events that were refused; `errors` says why."),
            "time_assumed": count("Of those taken, events that said no time: the server's was taken."),
            "counted_by_channel": count("Of those taken, events of a kind that their channel counts by itself: kept, and on no campaign's bill."),
            "errors": {"type": "array", "description": "The first mistake of each refused event.", "items": {
                "type": "object",
                "properties": {
                    "index": count("The event's place in the batch, from 0."),
                    "field": {"type": "string", "description": "The member; empty for the whole event."},
                    "reason": {"type": "string"},
                },
                "required": ["index", "field", "reason"],
                "additionalProperties": false,
            }},
        },
        "required": ["accepted", "duplicates", "rejected", "time_assumed", "counted_by_channel", "errors"],
        "additionalProperties": false,
    })
}

fn erased() -> Value {
    json!({
        "type": "object",
        "description": "How far the forgetting is.",
        "properties": {"done": {"type": "boolean", "description": "False: it is written down and goes on."}},
        "required": ["done"],
        "additionalProperties": false,
    })
}
