//! A report's shape, described for OpenAPI.

use serde_json::{Value, json};

/// The schema of a report as JSON.
pub fn report() -> Value {
    json!({
        "type": "object",
        "description": "Sums of what was seen, clicked and paid.",
        "additionalProperties": false,
        "required": ["tenant", "from", "to", "timezone", "currency", "traffic", "group_by", "days", "notes", "rows", "totals"],
        "properties": {
            "tenant": {"$ref": "#/components/schemas/Slug"},
            "from": {"type": "string", "format": "date", "description": "The first day."},
            "to": {"type": "string", "format": "date", "description": "The last day, included."},
            "timezone": {"type": "string", "description": "That tells the days."},
            "currency": {"type": "string", "description": "ISO 4217."},
            "traffic": {"type": "string", "enum": ["valid", "invalid", "all"]},
            "group_by": {"type": "array", "items": {"type": "string"}, "description": "What rows are told apart by."},
            "days": {"type": "array", "items": day(), "description": "The days that have events."},
            "notes": {"type": "array", "items": {"type": "string"}, "description": "What a reader has to know."},
            "rows": {"type": "array", "items": row("One group.")},
            "totals": row("All rows together."),
        },
    })
}

fn day() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["day", "state", "closed_at", "events"],
        "properties": {
            "day": {"type": "string", "format": "date"},
            "state": {"type": "string", "enum": ["open", "closed"],
                "description": "Closed: recounted after its end; nothing has come since."},
            "closed_at": {"type": ["string", "null"], "format": "date-time"},
            "events": {"type": "integer"},
        },
    })
}

fn row(description: &str) -> Value {
    let text = |about: &str| json!({"type": ["string", "null"], "description": about});
    let count = |about: &str| json!({"type": "integer", "description": about});
    let maybe = |about: &str| json!({"type": ["integer", "null"], "description": about});
    let rate = |about: &str| json!({"type": ["number", "null"], "description": about});
    let counts = |about: &str| json!({"type": ["object", "null"], "additionalProperties": {"type": "integer"}, "description": about});
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "required": ["impressions", "uniques", "starts", "completions", "clicks", "errors", "spend", "currency"],
        "properties": {
            "day": {"type": "string", "format": "date", "description": "On the tenant's calendar."},
            "hour": {"type": "string", "format": "date-time", "description": "When it begins."},
            "channel": text("Null: none."),
            "campaign": text("Null: none."),
            "ad": text("Null: none."),
            "device": text("What viewers watch on."),
            "geo": text("The viewers' country; null: not known."),
            "impressions": count("Ads shown."),
            "uniques": maybe("Sessions with a valid impression."),
            "starts": count("Ads that began to play."),
            "first_quartiles": count("Ads played to a quarter."),
            "midpoints": count("Ads played to the half."),
            "third_quartiles": count("Ads played to three quarters."),
            "completions": count("Ads played to the end."),
            "completion_rate": rate("Completions by impressions."),
            "clicks": count("Clicks."),
            "ctr": rate("Clicks by impressions."),
            "errors": count("Errors."),
            "errors_by_code": counts("By VAST code, or `unknown`."),
            "spend": {"type": "string", "description": "What campaigns pay for it, as a decimal."},
            "currency": {"type": "string", "description": "ISO 4217."},
            "breaks": maybe("Breaks that came up for decision."),
            "decided": count("Ads chosen for them."),
            "stitched": count("Ads put into playlists."),
            "fill_rate": rate("The time of chosen ads by the time of breaks."),
            "events": counts("Events of the tenant's own types."),
            "counted_by": {"type": ["array", "string"], "items": {"type": "string"},
                "description": "What made them count: segment, client, stitch, api. A text if it is among `group_by`."},
        },
    })
}
