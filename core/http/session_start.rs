//! `POST /v1/session/{tenant}/{channel}`: a session for players that begin as those of AWS Elemental MediaTailor do.
//!
//! ```json
//! {"adsParams": {"genre": "news"}, "reportingMode": "client"}
//! ```
//!
//! `adsParams` (and `playerParams`) become player parameters, beside those of the query; `reportingMode` says who counts
//! the ads: `client` the player, `server` this server. Without it, it is as the channel counts. What else such players
//! send is for other origins and is left aside. The answer has two paths, to be put behind the address that was asked:
//!
//! ```json
//! {"manifestUrl": "/fast/acme/news/….m3u8", "trackingUrl": "/v1/tracking/acme/news/…"}
//! ```

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::{
    Player,
    admin::payload,
    error::Problem,
    player::{MAX_PARAMS, check_param, opening, viewer},
    tenant_route, vast,
};
use crate::{domain::Viewer, registry::TenantRuntime, session::Reporting};

/// Bytes of a request: parameters at their limits have a quarter of it.
const MAX_BODY: usize = 64 * 1024;

/// What is between a viewer and a server is not for caches.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    manifest_url: String,
    tracking_url: String,
}

pub async fn handle(
    State(player): State<Arc<Player>>,
    Path((tenant, channel)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match tenant_route::enter_by(&[Method::POST], &player, &tenant, &parts) {
        Ok(tenant) => {
            let answer = answer(&player, &tenant, &channel, &parts, body).await;
            tenant_route::leave(&tenant, &parts, answer)
        }
        Err(answer) => *answer,
    }
}

async fn answer(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    vast::channel(tenant, channel)?;
    let asked = read(&payload::bytes(body, MAX_BODY).await?)?;
    let mut viewer = viewer(player, parts)?;
    let reporting = asked.get("reportingMode").map(reporting).transpose()?;
    for params in ["adsParams", "playerParams"] {
        add_params(&mut viewer, params, asked.get(params))?;
    }
    let slug = &tenant.manifest.tenant.slug;
    let opening = opening(player, tenant, parts, viewer, reporting);
    let session = player.sessions.start(slug.as_str(), channel, opening).await?;
    let base = prefix(player);
    let started = Started {
        manifest_url: format!("{base}/fast/{slug}/{channel}/{}.m3u8", session.token),
        tracking_url: format!("{base}/v1/tracking/{slug}/{channel}/{}", session.token),
    };
    Ok(([(header::CACHE_CONTROL, PRIVATE)], Json(started)).into_response())
}

/// The path that the server is reached behind, without a `/` at its end.
fn prefix(player: &Player) -> String {
    let url = player.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    url.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

/// Some players send no Content-Type, some no body.
fn read(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let malformed = |reason: String| Problem::new(axum::http::StatusCode::BAD_REQUEST, "malformed-json", reason);
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(malformed("the body is no JSON object".to_owned())),
        Err(error) => Err(malformed(format!("line {}, column {}: not JSON", error.line(), error.column()))),
    }
}

fn reporting(value: &Value) -> Result<Reporting, Problem> {
    reporting_mode(value.as_str().unwrap_or_default())
}

/// `client` or `server`, in any case.
pub fn reporting_mode(text: &str) -> Result<Reporting, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "client" => Ok(Reporting::Client),
        "server" => Ok(Reporting::Server),
        _ => Err(Problem::invalid("who reports is not known").field("reportingMode", "expected client or server")),
    }
}

fn add_params(viewer: &mut Viewer, field: &str, params: Option<&Value>) -> Result<(), Problem> {
    let params = match params {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(Problem::invalid("parameters are malformed").field(field, "expected an object")),
    };
    for (name, value) in params {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                let name: String = name.chars().take(32).collect();
                let reason = "expected a text, a number, true or false";
                return Err(Problem::invalid("parameters are malformed").field(format!("{field}.{name}"), reason));
            }
        };
        check_param(name, &text)?;
        if name == "session_id" {
            viewer.session_id = (!text.is_empty()).then(|| text.into());
            continue;
        }
        if viewer.params.len() >= MAX_PARAMS && !viewer.params.contains_key(name.as_str()) {
            return Err(Problem::bad_request(format!("more than {MAX_PARAMS} parameters")));
        }
        viewer.params.insert(name.as_str().into(), text.into());
    }
    Ok(())
}
