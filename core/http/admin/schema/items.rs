//! Tenants, channels, campaigns and ads, as `tenant.yaml` has them.

use serde_json::{Value, json};

use super::{
    Components, about, not_required, object, page,
    parts::{cpm, host, money, priority, script_name, seconds, text, url, url_template, with_example},
    patch_of, reference,
};
use crate::{bundle::*, domain::MAX_CUSTOM_TYPE};

pub(super) fn add(all: &mut Components) {
    for (name, schema, many) in [
        ("Tenant", tenant(), "tenants"),
        ("Channel", channel(), "channels"),
        ("Campaign", campaign(), "campaigns"),
        ("Ad", ad(), "ads"),
    ] {
        let replacement = not_required(schema.clone(), "slug");
        all.insert(format!("{name}Patch"), patch_of(&replacement, all));
        all.insert(format!("{name}Replacement"), replacement);
        all.insert(format!("{name}Page"), page(reference(name), many));
        all.insert(name.to_owned(), schema);
    }
}

fn status() -> Value {
    json!({"type": "string", "enum": ["active", "inactive"], "default": "active"})
}

fn tenant() -> Value {
    with_example(
        object(
            "A tenant's settings.",
            &[
                ("slug!", reference("Slug")),
                ("name", text("Shown to people; the slug when absent.", "WKKWorld TV")),
                ("status", about(status(), "Nothing of an inactive tenant is served, and its keys open nothing.")),
                (
                    "timezone",
                    about(
                        text("", "Asia/Jakarta"),
                        "An IANA name; UTC when absent. Days and hours of rules are on this clock.",
                    ),
                ),
                (
                    "currency",
                    json!({"type": "string", "pattern": "^[A-Z]{3}$", "default": "USD", "description": "ISO 4217."}),
                ),
                (
                    "allowed_domains",
                    json!({"type": "array", "maxItems": MAX_LIST, "items": host(),
                "description": "Whose pages may read our answers (CORS); `*` is everybody."}),
                ),
                (
                    "rate_limit_per_minute",
                    json!({"type": "integer", "minimum": 1, "maximum": MAX_RATE_LIMIT,
                "default": DEFAULT_RATE_LIMIT, "description": "Requests of all its players together."}),
                ),
                (
                    "report_time",
                    json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "default": "02:00",
                "description": "When its clock shows this, the day before is closed and its report made."}),
                ),
                ("privacy", reference("Privacy")),
                (
                    "event_types",
                    json!({"type": "array", "maxItems": MAX_EVENT_TYPES, "uniqueItems": true,
                "items": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": MAX_CUSTOM_TYPE},
                "description": "Names of events that it reports beside ours.", "examples": [["trailer_opened"]]}),
                ),
                (
                    "plugin_keys",
                    json!({"type": "array", "maxItems": MAX_PLUGIN_KEYS,
                "items": {"type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"},
                "description": "Ed25519 public keys in base64. Where there are any, plugins have to be signed by one."}),
                ),
            ],
        ),
        json!({"slug": "wkkworld", "name": "WKKWorld TV", "timezone": "Asia/Jakarta", "currency": "USD",
            "allowed_domains": ["wkkworld.com"], "rate_limit_per_minute": 60000}),
    )
}

fn channel() -> Value {
    with_example(
        object(
            "An origin stream, and how its breaks are found, filled and counted.",
            &[
                ("slug!", reference("Slug")),
                ("name", text("Shown to people; the slug when absent.", "News Channel")),
                ("status", about(status(), "An inactive channel is not served.")),
                ("hls_manifest_url!", url("The origin's playlist.")),
                (
                    "ad_break_strategy",
                    script_name(
                        "How breaks are found: scte35, static, hybrid, `shipped:detect/…` or the path of a script.",
                        &["hybrid", "rules/detect.rhai"],
                    ),
                ),
                (
                    "ad_break_interval_seconds",
                    about(
                        seconds(MAX_BREAK_INTERVAL),
                        "Between timed breaks; 360 when absent. More than their length.",
                    ),
                ),
                ("ad_break_duration_seconds", about(seconds(MAX_BREAK_DURATION), "Of timed breaks; 120 when absent.")),
                (
                    "fill_strategy",
                    script_name(
                        "How ads are chosen for a break: strict, best_effort, `shipped:fill/…` or the path of a script.",
                        &["best_effort"],
                    ),
                ),
                (
                    "beaconing",
                    json!({"type": "string", "enum": ["segment", "client", "stitch"], "default": "segment",
                "description": "When an event counts: the player fetched the ad's segment, the player says so, or the ad was stitched."}),
                ),
                ("pre_roll", reference("PreRoll")),
                ("slate", about(reference("Slug"), "An ad that fills what a break has left over.")),
                ("ad_server", reference("AdServer")),
                (
                    "decision_log_percent",
                    json!({"type": "integer", "minimum": 0, "maximum": 100,
                "default": DEFAULT_DECISION_LOG_PERCENT, "description": "Decisions in a hundred that are kept for replay."}),
                ),
                (
                    "mid_break_join",
                    json!({"type": "string", "enum": ["content", "ads"], "default": "ads",
                "description": "What a viewer sees who joins in a break."}),
                ),
                (
                    "markers",
                    json!({"type": "string", "enum": ["strip", "keep"], "default": "strip",
                "description": "What happens to the origin's own ad markers."}),
                ),
                ("labels", reference("Labels")),
                ("config", about(reference("Config"), "For the channel's detector and fill strategy.")),
            ],
        ),
        json!({"slug": "news", "name": "News Channel", "hls_manifest_url": "https://cdn.wkkworld.com/hls/news/master.m3u8",
            "ad_break_strategy": "hybrid", "pre_roll": {"max_duration_seconds": 30}}),
    )
}

fn campaign() -> Value {
    let day = |description: &str| {
        json!({"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": description,
            "examples": ["2024-06-01"]})
    };
    let caps = json!({
        "anyOf": [reference("FrequencyCap"), {"type": "array", "maxItems": MAX_CAPS, "items": reference("FrequencyCap")}],
        "description": "One cap, or several that all hold.",
    });
    with_example(
        object(
            "When ads run, for how much, and how often one viewer may see them.",
            &[
                ("slug!", reference("Slug")),
                ("name", text("Shown to people; the slug when absent.", "Summer Sale 2024")),
                ("description", json!({"type": "string", "maxLength": 10_000})),
                ("start_date", day("First day, on the tenant's clock.")),
                ("end_date", day("Last day, included.")),
                ("budget", money("What may be spent in all; no limit when absent.")),
                (
                    "impression_goal",
                    json!({"type": "integer", "minimum": 1, "maximum": MAX_IMPRESSION_GOAL,
                "description": "The campaign ends when it has so many."}),
                ),
                ("cpm", cpm("Price of a thousand impressions.")),
                (
                    "status",
                    json!({"type": "string", "enum": ["draft", "active", "paused", "completed"], "default": "active"}),
                ),
                ("priority", priority("Higher is served first.")),
                ("frequency_cap", caps),
                (
                    "pacing",
                    json!({"type": "string", "enum": ["asap", "even"], "default": "asap",
                "description": "Spend as fast as possible, or evenly over the flight."}),
                ),
                ("competitive_category", text("Ads of one category do not share a break.", "drinks")),
            ],
        ),
        json!({"slug": "summer-sale", "name": "Summer Sale 2024", "start_date": "2024-06-01", "end_date": "2024-08-31",
            "budget": "50000.00", "cpm": "12.50", "priority": 10, "status": "active",
            "frequency_cap": {"impressions": 3, "per": "hour"}}),
    )
}

fn ad() -> Value {
    with_example(
        object(
            "An ad. It has a `creative`, a `vast_url`, or both.",
            &[
                ("slug!", reference("Slug")),
                ("name", text("Shown to people; the slug when absent.", "Coca-Cola 30")),
                ("campaign", about(reference("Slug"), "The campaign that pays for it; free when absent.")),
                (
                    "duration_seconds!",
                    about(seconds(MAX_AD_DURATION), "As declared; the creative is measured as well."),
                ),
                (
                    "ad_type",
                    json!({"type": "string", "enum": ["linear", "non-linear", "companion"], "default": "linear"}),
                ),
                ("creative", reference("Creative")),
                ("vast_url", url_template("A VAST document that has the creative.")),
                ("click_through_url", url("Where a click leads.")),
                ("status", about(status(), "An inactive ad is never chosen.")),
                ("labels", reference("Labels")),
                ("rules", reference("Rules")),
            ],
        ),
        json!({"slug": "coca-cola-30", "campaign": "summer-sale", "duration_seconds": 30,
            "creative": {"hls": "https://cdn.wkkworld.com/ads/cola/master.m3u8"},
            "rules": [{"type": "geo", "operator": "in", "value": ["US"]}]}),
    )
}
