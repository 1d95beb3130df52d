//! `/api/v1/tracking/viewers/{viewer}`: all that is kept of one viewer, and its end.
//!
//! GET answers line by line while it reads, so that no viewer is too large. DELETE writes the wish into the journal, which
//! carries it out in its turn: after all that was told before, whatever happens to the process or the database.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{BASE, TENANT, Tracking, asked_for, slug};
use crate::{
    domain::{Event, Slug},
    http::{admin::Segments, auth, error::Problem, openapi::endpoint::Endpoint},
    media::datetime,
    store::{Store, StoreError, TenantScope},
    tracking::intake::read::MAX_NAME,
};

/// How long an answer waits for what was told before it to be in the database.
const PATIENCE: Duration = Duration::from_secs(5);

const NDJSON: &str = "application/x-ndjson";

pub(super) fn routes() -> OpenApiRouter<Arc<Tracking>> {
    let path = format!("{BASE}/viewers/{{viewer}}");
    let get = Endpoint::get(&*path, "exportViewer")
        .about(
            "tracking",
            "Read all that is kept of a viewer",
            "One JSON object a line: events, oldest first, then records of decisions. A stream that ends without a line \
             `{\"kind\":\"end\"}` was cut off.",
        )
        .query(&TENANT)
        .answers_text(200, NDJSON, "ViewerLines", "The viewer's data; only the last line if there is none.");
    let delete = Endpoint::delete(&*path, "eraseViewer")
        .about(
            "tracking",
            "Forget a viewer",
            "Events lose the viewer's names, address, User-Agent, attribution and metadata, and count as before; records \
             of decisions are deleted. It takes some seconds per million events of the tenant.",
        )
        .query(&TENANT)
        .answers(200, "ViewerErased", "It is done.")
        .answers(202, "ViewerErased", "It is written down, and will be done after all that was told before.");
    OpenApiRouter::new().routes(get.by(export)).routes(delete.by(erase))
}

/// Who asks, for whom.
fn enter(
    tracking: &Tracking,
    headers: &HeaderMap,
    query: Option<&str>,
    viewer: &str,
) -> Result<TenantScope, Box<Response>> {
    let caller = tracking.admin.keys.caller(headers).map_err(|problem| Box::new(auth::refuse(problem)))?;
    let tenant = asked_for(tracking, &caller, query).map_err(|problem| Box::new(problem.into_response()))?;
    if viewer.len() > MAX_NAME || viewer.bytes().any(|byte| byte.is_ascii_control()) {
        let problem = Problem::bad_request("a viewer's name is one line of at most 128 bytes");
        return Err(Box::new(problem.into_response()));
    }
    Ok(TenantScope::new(slug(&tenant).clone()))
}

async fn erase(
    State(tracking): State<Arc<Tracking>>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Segments(viewer): Segments<String>,
) -> Response {
    let scope = match enter(&tracking, &headers, uri.query(), &viewer) {
        Ok(scope) => scope,
        Err(response) => return *response,
    };
    match forget(&tracking, &scope, &viewer).await {
        Ok(done) => {
            let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
            (status, Json(json!({"done": done}))).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn forget(tracking: &Tracking, scope: &TenantScope, viewer: &str) -> Result<bool, Problem> {
    let secret = (tracking.admin.random)().map_err(Problem::internal)?;
    tracking.player.journal.erase(scope.tenant(), viewer, secret).await?;
    tracking.player.decider.forget(scope.tenant(), viewer);
    Ok(tokio::time::timeout(PATIENCE, tracking.player.journal.carried()).await.is_ok())
}

async fn export(
    State(tracking): State<Arc<Tracking>>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Segments(viewer): Segments<String>,
) -> Response {
    let scope = match enter(&tracking, &headers, uri.query(), &viewer) {
        Ok(scope) => scope,
        Err(response) => return *response,
    };
    // With the database away, the next question says so.
    let _late = tokio::time::timeout(PATIENCE, tracking.player.journal.carried()).await;
    let store = tracking.admin.store.clone();
    let sessions = match store.viewer_sessions(&scope, &viewer, i64::MAX).await {
        Ok(sessions) => sessions,
        Err(error) => return Problem::from(error).into_response(),
    };
    let export = Export { store, scope, viewer, sessions, at: Place::Events(0) };
    let lines = stream::unfold(export, |mut export| async move {
        let page = match export.page().await {
            Ok(page) => page?,
            Err(error) => {
                // The line that says the end is missing.
                tracing::warn!(%error, "a viewer's data could not be read to its end");
                return None;
            }
        };
        Some((Ok::<_, Infallible>(Bytes::from(page)), export))
    });
    let private = HeaderValue::from_static("private, no-store");
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON)), (header::CACHE_CONTROL, private)];
    (headers, Body::from_stream(lines)).into_response()
}

/// How far an export is.
struct Export {
    store: Store,
    scope: TenantScope,
    viewer: String,
    sessions: BTreeSet<String>,
    at: Place,
}

enum Place {
    Events(i64),
    Decisions(String),
    End,
    Over,
}

impl Export {
    /// Lines of the next page; nothing when all is told.
    async fn page(&mut self) -> Result<Option<String>, StoreError> {
        let mut lines = String::new();
        let mut line = |value: Value| {
            lines.push_str(&value.to_string());
            lines.push('\n');
        };
        match &self.at {
            Place::Events(after) => {
                let (events, next) =
                    self.store.viewer_events(&self.scope, &self.viewer, &self.sessions, *after).await?;
                events.iter().for_each(|row| line(told(&row.event)));
                self.at = next.map_or(Place::Decisions(String::new()), Place::Events);
            }
            Place::Decisions(after) => {
                let (found, next) =
                    self.store.viewer_decisions(&self.scope, &self.viewer, &self.sessions, after).await?;
                for (id, body) in &found {
                    let record: Value = serde_json::from_str(body).unwrap_or_default();
                    line(json!({"kind": "decision", "id": id, "record": record}));
                }
                self.at = next.map_or(Place::End, Place::Decisions);
            }
            Place::End => {
                line(json!({"kind": "end"}));
                self.at = Place::Over;
            }
            Place::Over => return Ok(None),
        }
        Ok(Some(lines))
    }
}

fn told(event: &Event) -> Value {
    json!({
        "kind": "event",
        "id": event.id,
        "event_type": event.event_type,
        "time": datetime::format(event.time),
        "received": datetime::format(event.received),
        "session_id": event.session,
        "viewer_id": event.viewer,
        "channel_id": event.channel.as_ref().map(Slug::as_str),
        "campaign_id": event.campaign.as_ref().map(Slug::as_str),
        "ad_id": event.ad.as_ref().map(Slug::as_str),
        "break_id": event.avail,
        "pod_position": event.pod_position,
        "device_type": event.device,
        "geo_country": event.geo,
        "counted_by": event.counted_by,
        "traffic": event.traffic,
        "error_code": event.error_code,
        "more": event.more,
    })
}
