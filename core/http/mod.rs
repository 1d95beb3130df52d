//! The routes. Each file has one endpoint, or one thing that all endpoints share.
//!
//! | path | file |
//! |---|---|
//! | `GET /fast/{tenant}/{channel}.m3u8` | [`player`]: opens a session |
//! | `GET /fast/{tenant}/{channel}/{session}/{rendition}.m3u8` | [`player`]: a stitched media playlist |
//! | `GET /fast/{tenant}/{channel}/{session}/ad/…` | [`ad_segment`]: counts and redirects |
//! | `GET /healthz`, `/readyz`, `/metrics` | [`ops`] |
//! | `GET /`, `/demo/api/…` | [`dashboard`], when it is switched on |
//!
//! Knows no SQL and no script engine.

pub mod ad_segment;
pub mod client;
pub mod cors;
pub mod dashboard;
pub mod error;
pub mod limits;
pub mod ops;
pub mod player;
pub mod rate_limit;
pub mod request_id;

use std::sync::Arc;

use axum::{Router, http::StatusCode, middleware, response::IntoResponse, routing::any};

use self::{
    client::ClientConfig, dashboard::Dashboard, error::Problem, limits::TenantLimits, ops::Ops, request_id::RequestIds,
};
use crate::{creatives::Creatives, domain::Clock, registry::Registry, session::Sessions, tracking::Journal};

/// What the player's routes work with.
pub struct Player {
    pub registry: Arc<Registry>,
    pub sessions: Arc<Sessions>,
    pub creatives: Arc<Creatives>,
    pub journal: Arc<Journal>,
    pub clock: Arc<dyn Clock>,
    pub client: ClientConfig,
    pub limits: TenantLimits,
    pub request_ids: Arc<RequestIds>,
    /// How players reach this server, when that is not how they say.
    pub public_url: Option<String>,
    pub counters: player::Counters,
}

/// All routes of a server.
pub fn router(player: Arc<Player>, ops: Arc<Ops>, dashboard: Option<Arc<Dashboard>>) -> Router {
    let ids = player.request_ids.clone();
    let mut others = ops::router(ops);
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
