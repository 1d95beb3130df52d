//! The page at `/`: plays a channel, shows the current break, the decision and its reasons, and events as they arrive.
//!
//! It shows every tenant's decisions, so it is off unless the operator (or `cuetone demo`) switches it on.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::header,
    response::{
        IntoResponse,
        sse::{self, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{
    future::join_all,
    stream::{self, Stream},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{broadcast::error::RecvError, watch};

use super::error::Problem;
use crate::{
    decision::{Filler, Trace, local_time::rfc3339},
    domain::{Event, Slug},
    registry::{ChannelRuntime, Registry},
    tracking::Journal,
};

/// How long the list of channels waits for an origin.
const PATIENCE: Duration = Duration::from_millis(500);

pub struct Dashboard {
    pub registry: Arc<Registry>,
    pub journal: Arc<Journal>,
    /// Turns true when the server stops: open event streams then end.
    pub closed: watch::Receiver<bool>,
}

pub fn router<S: Clone + Send + Sync + 'static>(dashboard: Arc<Dashboard>) -> Router<S> {
    let file = |content_type: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, content_type)], text).into_response() })
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/demo/api/channels", get(channels))
        .route("/demo/api/decisions", get(decisions))
        .route("/demo/api/events", get(events))
        .with_state(dashboard)
}

#[derive(Serialize)]
struct ChannelEntry {
    tenant: String,
    channel: String,
    name: String,
    kind: &'static str,
    url: String,
}

async fn channels(State(dashboard): State<Arc<Dashboard>>) -> Json<Vec<ChannelEntry>> {
    let snapshot = dashboard.registry.snapshot().clone();
    let channels = snapshot.channels();
    let entries = channels.iter().filter_map(|(tenant, channel)| {
        let (_, runtime) = snapshot.channel(tenant.as_str(), channel.as_str())?;
        Some(entry(tenant, runtime))
    });
    Json(join_all(entries).await)
}

async fn entry(tenant: &Slug, runtime: &ChannelRuntime) -> ChannelEntry {
    let channel = &runtime.channel;
    // Only the origin knows whether it is a title or a channel; a slow one is taken for a channel.
    let lineup = tokio::time::timeout(PATIENCE, runtime.running.origin.lineup()).await;
    let ended = lineup.is_ok_and(|lineup| lineup.is_ok_and(|lineup| lineup.ended));
    ChannelEntry {
        tenant: tenant.to_string(),
        channel: channel.slug.to_string(),
        name: channel.name.clone(),
        kind: if ended { "vod" } else { "live" },
        url: format!("/fast/{tenant}/{}.m3u8", channel.slug),
    }
}

#[derive(Clone, Deserialize)]
struct Which {
    tenant: String,
    channel: String,
}

async fn decisions(
    State(dashboard): State<Arc<Dashboard>>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<Value>>, Problem> {
    let snapshot = dashboard.registry.snapshot();
    let (_, channel) =
        snapshot.channel(&which.tenant, &which.channel).ok_or_else(|| Problem::not_found("such channel"))?;
    Ok(Json(channel.traces.latest().iter().map(|trace| shown(trace)).collect()))
}

/// A trace as the page wants it: the viewer by name, the filler by kind.
fn shown(trace: &Trace) -> Value {
    let mut value = serde_json::to_value(trace).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("viewer".to_owned(), json!(trace.viewer.session_id));
        let filler = match trace.filler {
            Filler::None => Value::Null,
            Filler::Slate { .. } => json!("slate"),
            Filler::Content { .. } => json!("content"),
        };
        object.insert("filler".to_owned(), filler);
    }
    value
}

async fn events(
    State(dashboard): State<Arc<Dashboard>>,
    Query(which): Query<Which>,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let state = (dashboard.journal.live(), dashboard.closed.clone(), which);
    let events = stream::unfold(state, |(mut live, mut closed, which)| async move {
        loop {
            let received = tokio::select! {
                received = live.recv() => received,
                _ = closed.wait_for(|closed| *closed) => return None,
            };
            match received {
                Ok(event)
                    if event.tenant.as_str() == which.tenant
                        && event.channel.as_ref().is_some_and(|channel| channel.as_str() == which.channel) =>
                {
                    let line = sse::Event::default().data(event_json(&event).to_string());
                    return Some((Ok(line), (live, closed, which)));
                }
                // A page that fell behind goes on with the newest.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn event_json(event: &Event) -> Value {
    json!({
        "time": rfc3339(event.time),
        "session": event.session,
        "viewer": event.viewer,
        "ad": event.ad,
        "avail": event.avail,
        "pod_position": event.pod_position,
        "event_type": event.event_type,
        "counted_by": event.counted_by,
    })
}
