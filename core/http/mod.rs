//! The routes. Each file has one endpoint, or one thing that all endpoints share.
//!
//! | path | file |
//! |---|---|
//! | `GET /fast/{tenant}/{channel}.m3u8` | [`player`]: opens a session |
//! | `GET /fast/{tenant}/{channel}/{session}/{rendition}.m3u8` | [`player`]: a stitched media playlist |
//! | `GET /fast/{tenant}/{channel}/{session}.m3u8` | [`player`]: the multivariant playlist of a session that was begun by |
//! | `POST /v1/session/{tenant}/{channel}` | [`session_start`] |
//! | `GET /v1/tracking/{tenant}/{channel}/{session}` | [`client_tracking`]: its ads, and whom to tell of them |
//! | `GET /fast/{tenant}/{channel}/{session}/ad/…` | [`ad_segment`]: counts and redirects |
//! | `GET /fast/{tenant}/{channel}/beacon/…` | [`beacon`]: counts what a player reports |
//! | `POST /api/v1/ads/decision` | [`decision`]: decides for other servers |
//! | `/api/v1/tracking/…` | [`tracking`]: reports of events, what happens now, one viewer's data |
//! | `GET /vast/{tenant}` | [`vast`]: a break as VAST |
//! | `GET /vmap/{tenant}/{channel}` | [`vmap`]: the breaks of a content as VMAP |
//! | `GET /api/v1/reports` | [`reports`]: what was seen, clicked and paid |
//! | `/api/v1/admin/…` | [`admin`]: tenants and all that they have |
//! | `GET /api/openapi.json` | [`openapi`]: the description of these |
//! | `GET /healthz`, `/readyz`, `/metrics` | [`ops`] |
//! | `GET /`, `/demo/api/…` | [`dashboard`], when it is switched on |
//!
//! Knows no SQL and no script engine.

pub mod ad_segment;
pub mod admin;
pub mod ads;
pub mod auth;
pub mod beacon;
pub mod client;
pub mod client_tracking;
pub mod cors;
pub mod dashboard;
pub mod decision;
pub mod error;
pub mod idempotency;
pub mod limits;
pub mod openapi;
pub mod ops;
pub mod player;
pub mod rate_limit;
pub mod reports;
pub mod request_id;
pub mod session_start;
pub mod tenant_route;
pub mod tracking;
pub mod vast;
pub mod vmap;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, request::Parts},
    middleware,
    response::IntoResponse,
    routing::any,
};

use self::{
    admin::Admin, client::ClientConfig, dashboard::Dashboard, decision::Decisions, error::Problem,
    limits::TenantLimits, ops::Ops, reports::Reports, request_id::RequestIds, tracking::Tracking,
};
use crate::{
    creatives::Creatives,
    decider::Decider,
    domain::Clock,
    registry::Registry,
    session::Sessions,
    tracking::{Intake, Journal},
};

/// What the player's routes work with.
pub struct Player {
    pub registry: Arc<Registry>,
    pub sessions: Arc<Sessions>,
    pub creatives: Arc<Creatives>,
    pub journal: Arc<Journal>,
    pub intake: Arc<Intake>,
    pub clock: Arc<dyn Clock>,
    pub client: ClientConfig,
    pub limits: TenantLimits,
    pub request_ids: Arc<RequestIds>,
    /// How players reach this server, when that is not how they say.
    pub public_url: Option<String>,
    pub decider: Arc<Decider>,
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How long addresses that count stay good.
    pub link_life: Duration,
    pub counters: player::Counters,
}

impl Player {
    /// Where whoever sent this request reaches us, without a `/` at its end: for answers that go elsewhere.
    fn base_url(&self, parts: &Parts) -> Result<String, Problem> {
        let asked = || self.client.base_url(parts);
        let base = self.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()).or_else(asked);
        base.ok_or_else(|| Problem::bad_request("the request has no Host header that an address could be made of"))
    }
}

/// All routes of a server.
pub fn router(
    player: Arc<Player>,
    ops: Arc<Ops>,
    admin: Arc<Admin>,
    tracking: Arc<Tracking>,
    dashboard: Option<Arc<Dashboard>>,
) -> Router {
    let ids = player.request_ids.clone();
    let decisions = Decisions { player: player.clone(), keys: admin.keys.clone() };
    let reports = Reports::new(admin.registry.clone(), admin.store.clone(), admin.keys.clone(), admin.clock.clone());
    let api = admin::routes(admin).merge(decision::routes(Arc::new(decisions)));
    let described = openapi::serve(api.merge(tracking::routes(tracking)).merge(reports::routes(reports)));
    let tags = Router::new()
        .route("/vast/{tenant}", any(vast::handle))
        .route("/vmap/{tenant}/{channel}", any(vmap::handle))
        .route("/v1/session/{tenant}/{channel}", any(session_start::handle))
        .route("/v1/tracking/{tenant}/{channel}/{session}", any(client_tracking::handle))
        .with_state(player.clone());
    let mut others = ops::router(ops).merge(tags).merge(described);
    if let Some(dashboard) = dashboard {
        others = others.merge(dashboard::router(dashboard));
    }
    let others = others
        .fallback(|| async { Problem::not_found("such page").into_response() })
        .method_not_allowed_fallback(|| async {
            let detail = "another method works here; see the Allow header";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
        })
        .layer(middleware::from_fn_with_state(ids, request_id::layer));
    // Playlists are asked for every few seconds by every viewer: their route does without the general layers.
    Router::new().route("/fast/{*path}", any(player::fast)).with_state(player).merge(others)
}
