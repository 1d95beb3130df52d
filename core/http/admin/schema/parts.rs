//! What items are made of: names, texts, amounts, lengths.

use serde_json::{Value, json};

use super::{Components, about, object, reference};
use crate::{
    bundle::*,
    domain::{MAX_POINTER_BYTES, RuleOperator, RuleType, Span},
    http::openapi::{COUNTER_PATTERN, SLUG_PATTERN},
};

pub(super) fn add(all: &mut Components) {
    all.insert("Slug".into(), json!({
        "type": "string", "pattern": SLUG_PATTERN, "examples": ["summer-sale"],
        "description": "A name that stands in addresses: 1 to 64 of a-z, 0-9, - and _, starting with a letter or digit.",
    }));
    all.insert(
        "Labels".into(),
        json!({
            "type": "object", "maxProperties": MAX_LABELS,
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
            "examples": [{"rating": "PG"}],
            "description": "Free facts for scripts: text by name.",
        }),
    );
    all.insert(
        "Config".into(),
        json!({
            "type": "object", "examples": [{"max_age": 12}],
            "description": "Settings of an extension; handed to it as they are.",
        }),
    );
    all.insert(
        "FrequencyCap".into(),
        object(
            "How often one viewer may get the campaign's ads.",
            &[
                ("impressions!", json!({"type": "integer", "minimum": 1, "maximum": MAX_CAP_IMPRESSIONS})),
                ("per!", json!({"type": "string", "enum": ["pod", "session", "hour", "day", "flight"]})),
            ],
        ),
    );
    all.insert(
        "PreRoll".into(),
        object(
            "A break before content.",
            &[("max_duration_seconds!", about(seconds(MAX_BREAK_DURATION), "Seconds that it may last."))],
        ),
    );
    all.insert(
        "Privacy".into(),
        object(
            "What is kept of viewers, and for how long.",
            &[
                (
                    "address",
                    json!({"type": "string", "enum": ["truncate", "hash", "drop"], "default": "truncate",
                "description": "Of an address: its network, a keyed hash that names nobody, or nothing."}),
                ),
                (
                    "respect_opt_out",
                    json!({"type": "boolean", "default": true,
                "description": "Whether Do-Not-Track, Global Privacy Control, limited ad tracking and refused consent take names, addresses and attribution from events. They count all the same."}),
                ),
                (
                    "retention_days",
                    json!({"type": "integer", "minimum": 1, "maximum": MAX_RETENTION_DAYS, "default": 90,
                "description": "How long single events are kept; their sums stay."}),
                ),
            ],
        ),
    );
    all.insert("AdServer".into(), object("An external ad server that answers with VAST or VMAP.", &[
        ("vast_url!", url_template("Its address, with macros in brackets, such as `[CACHEBUSTING]`.")),
        ("timeout_ms", json!({"type": "integer", "minimum": 50, "maximum": MAX_AD_SERVER_TIMEOUT_MS,
            "default": DEFAULT_AD_SERVER_TIMEOUT_MS, "description": "Milliseconds for the whole answer, wrappers included."})),
        ("order", json!({"type": "string", "enum": ["own_first", "external_first", "merged"], "default": "own_first",
            "description": "Who fills a break first: own campaigns, the ad server, or whoever has priority and price."})),
        ("priority", priority("Of its ads, where they compete with own campaigns.")),
        ("cpm", cpm("Price of a thousand impressions where its answer names none.")),
        ("forwarded_for", json!({"type": "boolean", "default": false,
            "description": "Sends the viewer's address as X-Forwarded-For too."})),
    ]));
    all.insert("Creative".into(), creative());
    all.insert("Rule".into(), rule());
    all.insert(
        "Rules".into(),
        json!({
            "type": "array", "maxItems": MAX_RULES_PER_AD, "items": reference("Rule"),
            "description": "Conditions that must all hold for the ad to play.",
        }),
    );
    let mount = |extra: &[(&str, Value)], what: &str| {
        let mut members = vec![
            ("use!", script_name("`shipped:…` or the path of one of the tenant's scripts.", &["rules/kids.rhai"])),
            ("config", reference("Config")),
        ];
        members.extend(extra.iter().cloned());
        object(what, &members)
    };
    let on_error = json!({"type": "string", "enum": ["open", "closed"], "default": "open",
        "description": "When it fails: go on without it, or let no ad pass."});
    let allow_hosts = json!({"type": "array", "maxItems": MAX_LIST, "items": host(),
        "description": "Hosts that it may reach; none by default."});
    all.insert(
        "TargetingMount".into(),
        mount(&[("on_error", on_error)], "A targeting rule that is asked in every decision."),
    );
    let name = about(
        reference("Slug"),
        "Its place in the journal hangs on it. Without one it hangs on `config`: what is changed begins anew.",
    );
    let refused_if = json!({"type": "string", "maxLength": MAX_POINTER_BYTES, "pattern": "^(/([^~/]|~[01])*)+$",
        "examples": ["/offsets/*/error_code"],
        "description": "Where the JSON of a 2xx answer names what was not taken: a JSON pointer, in which * stands for \
            every item. A value there other than null, or an answer that is no JSON, makes the request a failure, which is \
            sent again."});
    let of_sink = [("name", name), ("allow_hosts", allow_hosts), ("refused_if", refused_if)];
    all.insert("SinkMount".into(), mount(&of_sink, "A sink that gets every event."));
    let percent = |low: i64, default: i64, what: &str| json!({"type": "integer", "minimum": low, "maximum": 100, "default": default, "description": what});
    let stand_in = script_name("What is tried in its place.", &["rules/kids-2.rhai"]);
    all.insert(
        "ScriptTrial".into(),
        object(
            "Scripts that stand in for others, for a while and under watch.",
            &[
                (
                    "scripts!",
                    json!({"type": "object", "minProperties": 1, "maxProperties": MAX_TARGETING,
                    "additionalProperties": stand_in,
                    "description": "What is mounted now, and what is tried in its place.",
                    "examples": [{"rules/kids.rhai": "rules/kids-2.rhai"}]}),
                ),
                (
                    "mode!",
                    json!({"type": "string", "enum": ["shadow", "canary"],
                    "description": "Decides as well and nobody sees what, or decides for some sessions."}),
                ),
                ("percent", percent(1, DEFAULT_TRIAL_PERCENT, "Of a hundred sessions, how many see it.")),
                (
                    "max_error_percent",
                    percent(0, DEFAULT_TRIAL_ERRORS, "More failed calls than this, of a hundred, end it."),
                ),
            ],
        ),
    );
    all.insert(
        "Mounts".into(),
        with_example(
            object(
                "What is mounted for the whole tenant.",
                &[
                    (
                        "targeting",
                        json!({"type": "array", "maxItems": MAX_TARGETING, "items": reference("TargetingMount"),
            "description": "Asked in this order."}),
                    ),
                    ("trial", reference("ScriptTrial")),
                    ("counters", granted()),
                    ("sinks", json!({"type": "array", "maxItems": MAX_SINKS, "items": reference("SinkMount")})),
                ],
            ),
            json!({"targeting": [{"use": "rules/kids.rhai", "config": {"max_age": 12}, "on_error": "open"}]}),
        ),
    );
}

fn granted() -> Value {
    let counter = json!({"type": "string", "examples": ["impressions.today.ad.*"],
        "pattern": COUNTER_PATTERN});
    json!({
        "type": "object",
        "maxProperties": MAX_GRANTED,
        "description": "Counters that rules and fill strategies may read, by script; none by default.",
        "additionalProperties": {"type": "array", "maxItems": MAX_GRANTS, "items": counter},
        "examples": [{"shipped:targeting/rotation": ["impressions.today.ad.*"]}],
    })
}

fn creative() -> Value {
    let pixels =
        |what: &str| json!({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_PIXELS, "description": what});
    json!({
        "type": "object",
        "description": "What is shown: a playlist (`hls`), or a picture (`image` with its `width` and `height`) beside or over the stream.",
        "properties": {
            "hls": super::nullable(&url("A multivariant or media playlist of the ad.")),
            "image": super::nullable(&url("A picture.")),
            "width": pixels("Pixels."),
            "height": pixels("Pixels."),
            "media_type": super::nullable(&text("Of the picture; told by its ending when absent.", "image/png")),
        },
        "anyOf": [{"required": ["hls"]}, {"required": ["image", "width", "height"]}],
        "additionalProperties": false,
        "examples": [{"hls": "https://cdn.example.com/ads/cola/master.m3u8"}],
    })
}

fn rule() -> Value {
    let operand = json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT});
    let one = json!({"anyOf": [operand, {"type": "integer"}]});
    let end = json!({"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}],
        "description": "A whole number, or a weekday's name; both ends are included."});
    json!({
        "type": "object",
        "description": "A condition: its `value` is compared with what is known of the request.",
        "properties": {
            "type": {"type": "string", "enum": RuleType::ALL.map(RuleType::as_str)},
            "operator": {"type": "string", "enum": RuleOperator::ALL.map(RuleOperator::as_str),
                "description": "Which ones make sense depends on the type; the answer to a wrong one names them."},
            "value": {"description": "One value, a list, or a range.", "anyOf": [
                operand,
                {"type": "integer"},
                {"type": "array", "maxItems": MAX_LIST, "items": one},
                {"type": "object", "properties": {"min": end, "max": end}, "required": ["min", "max"],
                    "additionalProperties": false},
            ]},
        },
        "required": ["type", "operator", "value"],
        "additionalProperties": false,
        "examples": [
            {"type": "geo", "operator": "in", "value": ["US", "CA"]},
            {"type": "time", "operator": "range", "value": {"min": 9, "max": 17}},
        ],
    })
}

pub(super) fn with_example(schema: Value, example: Value) -> Value {
    super::with(schema, "examples", json!([example]))
}

/// One line of text.
pub(super) fn text(description: &str, example: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": description, "examples": [example]})
}

pub(super) fn url(description: &str) -> Value {
    json!({"type": "string", "format": "uri", "pattern": "^https?:", "maxLength": MAX_URL, "description": description,
        "examples": ["https://cdn.example.com/news/master.m3u8"]})
}

pub(super) fn url_template(description: &str) -> Value {
    json!({"type": "string", "pattern": "^https?:", "maxLength": MAX_URL, "description": description,
        "examples": ["https://ads.example.com/vast?dur=[session.avail_duration_secs]"]})
}

pub(super) fn host() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "examples": ["*.example.com"],
        "description": "A host, with or without a port; `*.example.com` is every name below."})
}

pub(super) fn script_name(description: &str, examples: &[&str]) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": description, "examples": examples})
}

/// A length of time.
pub(super) fn seconds(max: Span) -> Value {
    json!({"type": "number", "minimum": MIN_DURATION.as_secs_f64(), "maximum": max.as_secs_f64(), "examples": [30]})
}

pub(super) fn priority(description: &str) -> Value {
    json!({"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY, "default": 0, "description": description})
}

/// Money as a decimal in quotes; whole numbers may go without.
pub(super) fn money(description: &str) -> Value {
    amount(description, "^[0-9]+(\\.[0-9]{1,6})?$", "at most six decimals")
}

/// One impression costs a thousandth of it, in whole micro-units.
pub(super) fn cpm(description: &str) -> Value {
    amount(description, "^[0-9]+(\\.[0-9]{1,3}0{0,3})?$", "at most three decimals")
}

fn amount(description: &str, pattern: &str, decimals: &str) -> Value {
    json!({
        "anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer", "minimum": 0}],
        "description": format!("{description} In the tenant's currency, {decimals}."),
        "examples": ["12.50"],
    })
}
