//! `GET /vast/{tenant}?channel=…`: one break as VAST, for players and stitchers elsewhere.
//!
//! | parameter | |
//! |---|---|
//! | `channel` | whose break it is; required |
//! | `duration` | its length in seconds; where absent the channel's, of its pre-roll or its breaks |
//! | `position` | `pre-roll`, `mid-roll` (the default), `post-roll`; `overlay` for an ad over the content |
//! | `type` | `linear` (the default) or `nonlinear` |
//! | `session_id` | the caller's name of the viewer's session; caps count within it |
//! | `avail` | the caller's name of the break: asked for again, its ads count once |
//! | `version` | of VAST: 4.2 (the default), 4.1, 4.0, 3.0, 2.0 |
//! | others | for scripts |
//!
//! Who the viewer is comes from the request, as with playlists. Nothing to show is an empty document, not an error.

mod document;
pub mod query;

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

pub use self::document::document;
use self::query::Query;
use super::{
    Player,
    ads::{Break, Links},
    error::Problem,
    tenant_route,
};
use crate::{
    domain::{AvailId, Channel, Position, Span, Status},
    media::vast,
    registry::{ChannelRuntime, TenantRuntime},
};

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");
/// An answer belongs to one viewer and one moment.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

pub async fn handle(State(player): State<Arc<Player>>, Path(tenant): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match tenant_route::enter(&player, &tenant, &parts) {
        Ok(tenant) => tenant_route::leave(&tenant, &parts, answer(&player, &tenant, &parts).await),
        Err(answer) => *answer,
    }
}

async fn answer(player: &Player, tenant: &Arc<TenantRuntime>, parts: &Parts) -> Result<Response, Problem> {
    let mut query = Query::read(player, parts)?;
    let named = query.take("channel", |text| Ok(text.to_owned()));
    if named.is_none() {
        query.mistake("channel", "is required");
    }
    let (version, avail, length) = (query.version(), query.avail(), query.break_length());
    let (position, ad_type) = query.place();
    let (audience, viewer) = query.finish(player)?;
    let channel = channel(tenant, &named.unwrap_or_default())?;
    if parts.method == Method::HEAD {
        // A look decides nothing.
        return Ok(xml(String::new()));
    }
    let made_up = || AvailId::new(format!("tag-{:016x}", (player.random)()));
    let asked = Break {
        tenant: tenant.clone(),
        viewer,
        audience,
        avail: avail.unwrap_or_else(made_up),
        position,
        duration: length.unwrap_or_else(|| usual_length(&channel.channel, position)),
        channel,
        ad_type,
        at: None,
        explain: false,
    };
    let links = Links::new(player, tenant, parts)?;
    let filled = asked.fill(player).await;
    let outcome = if filled.ads.is_empty() { "empty" } else { "filled" };
    metrics::counter!("cuetone_vast_answers_total", "outcome" => outcome).increment(1);
    Ok(xml(vast::write(&document(&filled, &links), version)))
}

/// How long a break of the channel is there.
pub fn usual_length(channel: &Channel, position: Position) -> Span {
    let pre_roll = channel.pre_roll.as_ref().filter(|_| position == Position::PreRoll);
    pre_roll.map_or(channel.ad_break_duration, |pre_roll| pre_roll.max_duration)
}

/// A channel that is on the air.
pub fn channel(tenant: &TenantRuntime, slug: &str) -> Result<Arc<ChannelRuntime>, Problem> {
    let channel = tenant.channels.get(slug).filter(|channel| channel.channel.status == Status::Active);
    channel.cloned().ok_or_else(|| Problem::not_found("such channel"))
}

pub fn xml(text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, XML), (header::CACHE_CONTROL, PRIVATE)], text).into_response()
}
