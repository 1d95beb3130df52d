//! `GET /api/v1/tracking/live`: once a second, how many events of which type each channel had, and how many sessions are
//! open. Server-sent events.
//!
//! Counted from the table of events, so it holds for all nodes and nothing is lost. One reader per tenant that somebody
//! looks at, however many look. Open sessions are this node's, or with PostgreSQL the sum of what all nodes say.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use utoipa_axum::router::OpenApiRouter;

use super::{BASE, TENANT, Tracking, asked_for, slug};
use crate::{
    domain::{Clock, Slug},
    http::{auth, error::Problem, openapi::endpoint::Endpoint},
    media::datetime,
    session::Sessions,
    store::{OpenSessions, Store, StoreError, TenantScope},
};

/// How often it is counted.
const TICK: Duration = Duration::from_secs(1);

/// How often a node counts its sessions, and tells others.
const TELL: Duration = Duration::from_secs(5);

/// Who may look at a time, over all tenants: each has an open connection.
const MAX_VIEWS: usize = 200;

/// Seconds that a slow reader may be behind before it loses the oldest.
const BACKLOG: usize = 16;

pub(super) fn routes() -> OpenApiRouter<Arc<Tracking>> {
    let get = Endpoint::get(format!("{BASE}/live"), "watchLive")
        .about(
            "tracking",
            "Watch what happens",
            "Server-sent events, one a second: per channel the events since the last one by type, and the open sessions. \
             `channel` is null for events that named none.",
        )
        .query(&TENANT)
        .answers_text(200, "text/event-stream", "LiveStream", "Each event's data is an object with `time` and `channels`.");
    OpenApiRouter::new().routes(get.by(handle))
}

pub struct LiveParts {
    pub store: Store,
    pub sessions: Arc<Sessions>,
    pub clock: Arc<dyn Clock>,
    /// A random name of this process.
    pub node: String,
    /// Turns true when the server stops: open streams then end.
    pub closed: watch::Receiver<bool>,
}

pub struct Live {
    parts: LiveParts,
    feeds: Mutex<HashMap<Slug, broadcast::Sender<Arc<str>>>>,
    seats: Arc<Semaphore>,
    /// Open sessions of this node, as they were counted last.
    open: Mutex<Arc<BTreeMap<(Slug, Slug), u64>>>,
}

impl Live {
    pub fn new(parts: LiveParts) -> Arc<Self> {
        let seats = Arc::new(Semaphore::new(MAX_VIEWS));
        Arc::new(Self { parts, feeds: Mutex::default(), seats, open: Mutex::default() })
    }

    /// Counts this node's sessions now and then; other nodes hear of it where they share a database.
    pub async fn tell_others(self: Arc<Self>) {
        loop {
            let sessions = self.parts.sessions.clone();
            // A million sessions take a tenth of a second.
            if let Ok(open) = tokio::task::spawn_blocking(move || sessions.by_channel()).await {
                *self.open.lock() = Arc::new(open);
            }
            if self.parts.store.tells() {
                let open = self.open.lock().clone();
                let rows: Vec<OpenSessions> = open
                    .iter()
                    .map(|((tenant, channel), sessions)| OpenSessions {
                        tenant: tenant.clone(),
                        channel: channel.clone(),
                        sessions: *sessions,
                    })
                    .collect();
                let told = self.parts.store.put_open_sessions(&self.parts.node, &rows, self.parts.clock.now()).await;
                if let Err(error) = told {
                    tracing::warn!(%error, "other nodes could not be told of open sessions");
                }
            }
            tokio::time::sleep(TELL).await;
        }
    }

    /// What happens at a tenant from now on.
    fn subscribe(self: &Arc<Self>, tenant: &Slug) -> broadcast::Receiver<Arc<str>> {
        let mut feeds = self.feeds.lock();
        if let Some(feed) = feeds.get(tenant) {
            return feed.subscribe();
        }
        let (feed, receiver) = broadcast::channel(BACKLOG);
        feeds.insert(tenant.clone(), feed.clone());
        tokio::spawn(self.clone().run(tenant.clone(), feed));
        receiver
    }

    /// Counts for a tenant until nobody looks.
    async fn run(self: Arc<Self>, tenant: Slug, feed: broadcast::Sender<Arc<str>>) {
        let scope = TenantScope::new(tenant.clone());
        let mut position = None;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            {
                let mut feeds = self.feeds.lock();
                if feed.receiver_count() == 0 {
                    feeds.remove(&tenant);
                    return;
                }
            }
            match self.count(&scope, position).await {
                Ok((now, data)) => {
                    position = Some(now);
                    let _nobody = feed.send(data.to_string().into());
                }
                // What was missed is in the next count.
                Err(error) => tracing::warn!(%tenant, %error, "live figures could not be read"),
            }
        }
    }

    /// The counts since a position, and the position now.
    async fn count(&self, scope: &TenantScope, since: Option<i64>) -> Result<(i64, Value), StoreError> {
        let store = &self.parts.store;
        let now = self.parts.clock.now();
        let head = store.events_head().await?;
        let mut channels: BTreeMap<Option<String>, (i64, Map<String, Value>)> = BTreeMap::new();
        for (channel, sessions) in self.sessions(scope).await? {
            channels.entry(Some(channel)).or_default().0 = sessions;
        }
        for count in store.live_counts(scope, since.unwrap_or(head), head).await? {
            channels.entry(count.channel).or_default().1.insert(count.event_type, count.events.into());
        }
        let channels: Vec<Value> = channels
            .into_iter()
            .map(|(channel, (sessions, events))| json!({"channel": channel, "sessions": sessions, "events": events}))
            .collect();
        Ok((head, json!({"time": datetime::format(now), "channels": channels})))
    }

    async fn sessions(&self, scope: &TenantScope) -> Result<Vec<(String, i64)>, StoreError> {
        if self.parts.store.tells() {
            return self.parts.store.open_sessions(scope, self.parts.clock.now()).await;
        }
        let open = self.open.lock().clone();
        let own = open.iter().filter(|((tenant, _), _)| tenant == scope.tenant());
        Ok(own
            .map(|((_, channel), sessions)| (channel.to_string(), i64::try_from(*sessions).unwrap_or(i64::MAX)))
            .collect())
    }
}

async fn handle(State(tracking): State<Arc<Tracking>>, headers: HeaderMap, OriginalUri(uri): OriginalUri) -> Response {
    let caller = match tracking.admin.keys.caller(&headers) {
        Ok(caller) => caller,
        Err(problem) => return auth::refuse(problem),
    };
    let live = &tracking.live;
    let tenant = match asked_for(&tracking, &caller, uri.query()) {
        Ok(tenant) => tenant,
        Err(problem) => return problem.into_response(),
    };
    let Ok(seat) = live.seats.clone().try_acquire_owned() else {
        return Problem::unavailable(format!("{MAX_VIEWS} others are watching; no more may at a time")).into_response();
    };
    let feed = live.subscribe(slug(&tenant));
    let mut response = stream(feed, live.parts.closed.clone(), seat).into_response();
    let private = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, private);
    response
}

fn stream(feed: broadcast::Receiver<Arc<str>>, closed: watch::Receiver<bool>, seat: OwnedSemaphorePermit) -> Response {
    let state = (feed, closed, seat);
    let events = stream::unfold(state, |(mut feed, mut closed, seat)| async move {
        loop {
            let received = tokio::select! {
                received = feed.recv() => received,
                _ = closed.wait_for(|closed| *closed) => return None,
            };
            match received {
                Ok(data) => {
                    let event = sse::Event::default().event("counts").data(&*data);
                    return Some((Ok::<_, Infallible>(event), (feed, closed, seat)));
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
