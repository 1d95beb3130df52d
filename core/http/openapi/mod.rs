//! The OpenAPI 3.1 document at `/api/openapi.json`: made from the routes themselves.
//!
//! An [`endpoint::Endpoint`] says what is particular about an operation. What all have in common is added here by rule:
//! parameters of paths, preconditions by method, error answers, security.

pub mod endpoint;
pub mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{
    admin::{BASE, schema::components},
    idempotency::MAX_KEY,
};
use crate::{
    bundle::{MAX_PATH_BYTES, MAX_RULES_PER_AD},
    tracking::intake::read::MAX_NAME,
};

pub const PATH: &str = "/api/openapi.json";

/// As [`crate::domain::Slug`] is read.
pub const SLUG_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";
/// Of a counter that is granted, as a regular expression.
pub const COUNTER_PATTERN: &str =
    r"^(impressions|completes|clicks)\.(hour|today)(\.(channel|campaign|ad)\.(\*|[a-z0-9][a-z0-9_-]{0,63}))?$";

const TAGS: [(&str, &str); 14] = [
    ("tenants", "Operators, isolated from each other, and their settings."),
    ("channels", "Streams whose breaks are filled."),
    ("campaigns", "When ads run, for how much, and how often."),
    ("ads", "What is shown."),
    ("rules", "Conditions on ads."),
    ("creatives", "Ads' playlists and pictures, and whether they are ready."),
    ("extensions", "Scripts, and what is mounted for a whole tenant."),
    ("history", "Bundles, versions, who changed what."),
    ("keys", "API keys."),
    ("sinks", "Where events go, how far each sink is, and what could not be delivered."),
    ("secrets", "Passwords and tokens of the receivers of sinks."),
    ("decisions", "Which ads play in a break."),
    ("reports", "What was seen, clicked and paid."),
    ("tracking", "What viewers saw and did."),
];

/// Takes the routes apart from their description, and serves that as well.
pub fn serve<S: Clone + Send + Sync + 'static>(api: OpenApiRouter<S>) -> Router<S> {
    let (router, described) = api.split_for_parts();
    let text = Bytes::from(document(&described).to_string());
    let tag: Arc<str> = super::admin::reply::tag(&Value::String(String::from_utf8_lossy(&text).into_owned())).into();
    router.route(PATH, get(move |headers: HeaderMap| answer(headers, text.clone(), tag.clone())))
}

async fn answer(headers: HeaderMap, text: Bytes, tag: Arc<str>) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    // Pages of other origins may read it: there is no secret in it.
    let shared = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    if known {
        return (axum::http::StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (shared, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The whole document.
pub fn document(described: &OpenApi) -> Value {
    let described = serde_json::to_value(described).unwrap_or_default();
    let mut paths = Map::new();
    for (path, item) in described.get("paths").and_then(Value::as_object).into_iter().flatten() {
        // Axum's `{*path}` takes slashes too; OpenAPI has no word for that.
        let path = path.replace("{*", "{");
        let mut item = item.clone();
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(&path, method, operation);
        }
        paths.insert(path, item);
    }
    let mut schemas = described.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    schemas.extend(components().iter().map(|(name, schema)| (name.clone(), schema.clone())));
    schemas.extend(super::tracking::schema::components());
    let tags = TAGS.map(|(name, description)| json!({"name": name, "description": description}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cuetone",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An ad server for FAST channels. Items have the shape that they have in tenant.yaml; changes \
                are validated as a whole and serve at once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "security": [{"api_key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problems(),
            "parameters": parameters(),
            "headers": {
                "ETag": {"description": "Tag of what is answered; give it as If-Match to change just that.",
                    "schema": {"type": "string"}, "required": true},
                "Location": {"description": "Where it is now.", "schema": {"type": "string"}, "required": true},
            },
            "securitySchemes": {
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "A tenant's key (`fast_<slug>_…`) or a platform key (`fast_platform_…`)."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same key as a bearer token."},
            },
        },
    })
}

/// Error answers by status: what it means, in general words.
const PROBLEMS: [(u16, &str, &str); 13] = [
    (400, "BadRequest", "The request is malformed: its JSON, its query or a header."),
    (401, "Unauthorized", "No valid API key."),
    (403, "Forbidden", "The key may not do this."),
    (404, "NotFound", "There is no such thing, or not for this key."),
    (
        409,
        "Conflict",
        "It exists already, or something else needs it, or a request with this Idempotency-Key is being answered.",
    ),
    (412, "PreconditionFailed", "If-Match or If-None-Match does not hold."),
    (413, "TooLarge", "The body is larger than this operation takes."),
    (415, "UnsupportedMediaType", "The body has another media type than this operation takes."),
    (422, "Invalid", "The request is well-formed and what it says is not valid; `errors` names the fields."),
    (429, "TooManyRequests", "Too many requests; Retry-After says when to try again."),
    (500, "Internal", "The server failed; its log has the request id."),
    (503, "Unavailable", "Not now; Retry-After says when to try again."),
    (405, "MethodNotAllowed", "Another method works here; Allow names them."),
];

fn problems() -> Value {
    let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let all = PROBLEMS.iter().map(|(status, name, about)| {
        let mut response = json!({"description": about, "content": content});
        let header = match status {
            401 => Some("WWW-Authenticate"),
            429 | 503 => Some("Retry-After"),
            _ => None,
        };
        if let (Some(header), Some(fields)) = (header, response.as_object_mut()) {
            let schema = json!({"type": if *status == 401 { "string" } else { "integer" }});
            fields.insert(
                "headers".to_owned(),
                json!({header: {"schema": schema, "required": true,
                "description": if *status == 401 { "How to show a key." } else { "Seconds to wait." }}}),
            );
        }
        ((*name).to_owned(), response)
    });
    Value::Object(all.collect())
}

/// Parameters that many operations share.
fn parameters() -> Value {
    let slug = |name: &str, what: &str| json!({"name": name, "in": "path", "required": true, "description": what, "schema": {"$ref": "#/components/schemas/Slug"}});
    let header = |name: &str, what: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": what, "schema": schema});
    let tags = || json!({"type": "string", "examples": ["\"3f2a9c0d1e4b5a6978c0d1e2\""]});
    json!({
        "tenant": slug("tenant", "The tenant's slug."),
        "channel": slug("channel", "The channel's slug."),
        "campaign": slug("campaign", "The campaign's slug."),
        "ad": slug("ad", "The ad's slug."),
        "index": {"name": "index", "in": "path", "required": true, "description": "The rule's place in the list, from 0.",
            "schema": {"type": "integer", "minimum": 0, "maximum": MAX_RULES_PER_AD - 1}},
        "key": {"name": "key", "in": "path", "required": true, "description": "The key's number (not the key itself).",
            "schema": {"type": "integer", "minimum": 1, "maximum": i64::MAX}},
        "secret": slug("secret", "The secret's name."),
        "letter": {"name": "letter", "in": "path", "required": true, "description": "The dead letter's number.",
            "schema": {"type": "integer", "minimum": 1, "maximum": i64::MAX}},
        "path": {"name": "path", "in": "path", "required": true,
            "description": "The script's path in the bundle, such as rules/kids.rhai; slashes may stand as they are.",
            "schema": {"type": "string", "pattern": "\\.rhai$", "minLength": 6, "maxLength": MAX_PATH_BYTES},
            "example": "rules/kids.rhai"},
        "viewer": {"name": "viewer", "in": "path", "required": true,
            "description": "Your name of the viewer, or our name of one session.",
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": "^[^\\u0000-\\u001f/\\u007f]+$"},
            "example": "anna"},
        "IfMatch": header("If-Match", "Change it only if its tag is one of these.", tags()),
        "IfNoneMatch": header("If-None-Match", "`*`: only if it does not exist yet.", tags()),
        "IfNoneMatchRead": header("If-None-Match", "The tag of what you have: 304 if that is still it.", tags()),
        "IdempotencyKey": header("Idempotency-Key",
            "A name of your own for this request. Sent again within a day with the same body, it is answered as the first \
             time, with `Idempotency-Replayed: true`, and does nothing.",
            json!({"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"})),
    })
}

/// Adds what follows from path and method.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let answers_tag = |operation: &Value| {
        let schema = operation.pointer("/responses/200/content/application~1json/schema/$ref").and_then(Value::as_str);
        schema.is_some_and(|schema| TAGGED.iter().any(|name| schema.ends_with(&format!("/{name}"))))
    };
    let tagged = answers_tag(operation);
    // What only asks may be asked again, and names in its body what there may not be.
    let changes = path.starts_with(BASE);
    let has_body = operation.get("requestBody").is_some();
    let Some(fields) = operation.as_object_mut() else { return };
    let mut parameters: Vec<Value> = named_parts(path).map(|name| reference("parameters", name)).collect();
    parameters.extend(fields.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default());
    let headers: &[&str] = match method {
        "get" if tagged && !path.ends_with("/creative") => &["IfNoneMatchRead"],
        "put" => &["IfMatch", "IfNoneMatch"],
        "patch" => &["IfMatch"],
        "delete" if changes && !path.contains("/keys/") => &["IfMatch"],
        "post" if changes => &["IdempotencyKey"],
        _ => &[],
    };
    parameters.extend(headers.iter().map(|name| reference("parameters", name)));
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let mut statuses = vec![401, 403, 429, 500, 503];
    // What the path or the body names may not be there.
    if path.contains('{') || has_body || !changes {
        statuses.push(404);
    }
    if !changes {
        // A platform key has to say which tenant it is about.
        statuses.push(422);
    }
    if has_body {
        statuses.extend([400, 413, 415, 422]);
    }
    if fields
        .get("parameters")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|one| one.get("in").is_some()))
    {
        statuses.push(400);
    }
    match method {
        "post" if changes => statuses.extend([400, 409, 413, 422]),
        "put" | "patch" => statuses.extend([409, 412]),
        "delete" if changes => statuses.extend([409, 412]),
        _ => {}
    }
    let Some(responses) = fields.entry("responses").or_insert_with(|| json!({})).as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        let mut headers = Map::new();
        if matches!(status.as_str(), "200" | "201") && tagged {
            headers.insert("ETag".to_owned(), reference("headers", "ETag"));
        }
        if status == "201" && method == "post" {
            headers.insert("Location".to_owned(), reference("headers", "Location"));
        }
        if let Some(response) = response.as_object_mut().filter(|_| !headers.is_empty()) {
            response.insert("headers".to_owned(), Value::Object(headers));
        }
    }
    if headers.contains(&"IfNoneMatchRead") {
        responses.insert(
            "304".to_owned(),
            json!({"description": "You have it already.", "headers": {"ETag": reference("headers", "ETag")}}),
        );
    }
    for (status, name, _) in PROBLEMS {
        if statuses.contains(&status) {
            responses.entry(status.to_string()).or_insert_with(|| reference("responses", name));
        }
    }
}

/// Schemas of answers that carry a tag.
const TAGGED: [&str; 11] = [
    "Tenant",
    "Channel",
    "Campaign",
    "Ad",
    "Rule",
    "Rules",
    "CreativeState",
    "Script",
    "ScriptWithText",
    "Mounts",
    "Bundle",
];

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// `{tenant}` and the like in a path.
fn named_parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|part| part.split('}').next())
}
