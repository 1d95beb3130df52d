//! The shapes of a decision on the wire, and their description for OpenAPI.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type,
        schema::{AdditionalProperties, AnyOfBuilder, Schema},
    },
};

use crate::{
    decision::{Outcome, Trace},
    domain::EventType,
    http::player::{MAX_PARAM_BYTES, MAX_PARAMS},
    stitch::ladder::Rung,
};

/// A break to be filled, and for whom. (Read by [`super::body`], which knows all mistakes of one request.)
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "tenant_id": "wkkworld", "channel": "news", "position": "mid-roll", "duration_seconds": 60,
    "geo": "US", "device": "smart-tv", "session_id": "anna", "params": {"age": 34}
}))]
#[expect(dead_code, reason = "a description")]
pub struct DecisionRequest {
    /// The tenant's slug; required with a platform key, checked with a tenant's own.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    tenant_id: Option<String>,
    /// The channel's slug.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    channel: String,
    /// Where the break is; `mid-roll` where it is absent.
    position: Option<BreakPosition>,
    /// The length of the break.
    #[schema(minimum = 0.001, maximum = 3600)]
    duration_seconds: f64,
    /// The viewer's country (ISO 3166-1 alpha-2). Where it is absent, `ip` is looked up in the server's geo database.
    #[schema(pattern = "^[A-Za-z]{2}$")]
    geo: Option<String>,
    /// The viewer's address, IPv4 or IPv6. It is looked up and forgotten.
    #[schema(schema_with = address)]
    ip: Option<String>,
    /// Where it is absent, `user_agent` tells.
    device: Option<Device>,
    /// The viewer's User-Agent header.
    #[schema(min_length = 1, max_length = 4096)]
    user_agent: Option<String>,
    /// Your name of the viewer's session. Frequency caps count within it.
    #[schema(pattern = "^[!-~]{1,128}$")]
    session_id: Option<String>,
    /// Your name of the break. Within a session each name counts once. Made up where it is absent.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    avail_id: Option<String>,
    /// Parameters for scripts, by name.
    #[schema(schema_with = parameters)]
    params: Option<BTreeMap<String, serde_json::Value>>,
    /// Decide as if it were then (RFC 3339). Such an answer is a rehearsal: it has no tracking addresses and holds no
    /// budget.
    #[schema(format = DateTime)]
    time: Option<String>,
}

/// Where a break is.
#[derive(Deserialize, ToSchema)]
enum BreakPosition {
    #[serde(rename = "pre-roll")]
    Pre,
    #[serde(rename = "mid-roll")]
    Mid,
    #[serde(rename = "post-roll")]
    Post,
}

/// What a viewer watches on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Device {
    SmartTv,
    SetTopBox,
    Console,
    Mobile,
    Tablet,
    Desktop,
    Other,
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Null)
}

fn address() -> Schema {
    let format = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
    let forms = AnyOfBuilder::new().item(format(KnownFormat::Ipv4)).item(format(KnownFormat::Ipv6)).item(null());
    forms.description(Some("The viewer's address. It is looked up and forgotten.")).build().into()
}

fn parameters() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Number);
    let truth = ObjectBuilder::new().schema_type(Type::Boolean);
    let value = AnyOfBuilder::new().item(text().max_length(Some(MAX_PARAM_BYTES))).item(number).item(truth);
    let map = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(text().max_length(Some(MAX_PARAM_BYTES))))
        .max_properties(Some(MAX_PARAMS))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(value.build().into()))));
    let about = "Parameters for scripts: texts, numbers and truth values by name.";
    AnyOfBuilder::new().item(map).item(null()).description(Some(about)).build().into()
}

/// What plays in the break.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct Answer {
    pub tenant_id: String,
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    pub avail_id: String,
    /// `pre-roll`, `mid-roll` or `post-roll`.
    pub position: &'static str,
    /// The moment that was decided for (RFC 3339).
    pub decided_for: String,
    /// What was asked for.
    pub duration_seconds: f64,
    /// How much of it the ads fill; never more.
    pub filled_seconds: f64,
    /// In play order.
    pub ads: Vec<AnsweredAd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecidedAd)]
pub struct AnsweredAd {
    pub ad_id: String,
    pub name: String,
    /// Place in the pod, from 1.
    pub sequence: u16,
    /// From the start of the break.
    pub start_seconds: f64,
    pub duration_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    pub creative: AnsweredCreative,
    /// Where a click leads. `tracking.click` leads there, too, and counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_through_url: Option<String>,
    /// Absent in a rehearsal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
    /// Pictures to be shown beside the ad.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<AnsweredCompanion>,
}

/// What a thousand impressions cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct Price {
    /// A decimal, such as `12.50`.
    pub cpm: String,
    /// ISO 4217.
    pub currency: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecidedCreative)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AnsweredCreative {
    /// A multivariant playlist, or a media playlist that stands alone.
    Hls {
        url: String,
        media_type: &'static str,
        renditions: Vec<Rendition>,
    },
    Image(Picture),
}

/// A variant of the ad's playlist.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rendition {
    /// Bits per second.
    pub bandwidth: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl Rendition {
    pub fn of(rung: &Rung) -> Self {
        let size = rung.spec.resolution;
        Self { bandwidth: rung.spec.bandwidth, width: size.map(|size| size.0), height: size.map(|size| size.1) }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Picture {
    pub url: String,
    pub media_type: String,
    /// Pixels.
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecidedCompanion)]
pub struct AnsweredCompanion {
    pub ad_id: String,
    #[serde(flatten)]
    pub picture: Picture,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_through_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
}

/// Addresses to be fetched when something happens, by its name: `impression`, `start`, `first_quartile`, `midpoint`,
/// `third_quartile`, `complete`, `error`. `click` is to be opened instead of the click-through address. Each counts once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = BTreeMap<String, String>)]
pub struct Tracking(pub BTreeMap<EventType, String>);

/// Why the decision came out as it did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Every ad of the tenant, by slug.
    pub candidates: Vec<Explained>,
    /// In the order of the calls.
    pub scripts: Vec<ScriptCost>,
    /// Counters that scripts have read, and what they said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, i64>,
}

/// The one stage and rule that kept or dropped an ad.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedCandidate)]
pub struct Explained {
    pub ad_id: String,
    /// `chosen`; `left`: could have been chosen; `dropped`: could not.
    pub outcome: &'static str,
    /// Where its way ended: `status`, `flight`, `rule`, `script`, `cap`, `budget`, `fill` …
    pub stage: &'static str,
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ScriptCost {
    pub name: String,
    /// The hash of its text.
    pub version: String,
    /// Microseconds.
    pub micros: u64,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Explanation {
    pub fn of(trace: &Trace) -> Self {
        let candidates = trace.candidates.iter().map(|candidate| Explained {
            ad_id: candidate.ad.to_string(),
            outcome: match candidate.outcome {
                Outcome::Chosen => "chosen",
                Outcome::Left => "left",
                Outcome::Dropped => "dropped",
            },
            stage: candidate.stage.as_str(),
            reason: candidate.reason.clone(),
        });
        let scripts = trace.scripts.iter().map(|script| ScriptCost {
            name: script.name.clone(),
            version: script.version.clone(),
            micros: script.micros,
            error: script.error.clone(),
        });
        Self { candidates: candidates.collect(), scripts: scripts.collect(), counters: trace.counters.clone() }
    }
}
