//! `POST /api/v1/ads/decision`: which ads play in a break, for servers that put them there themselves.
//!
//! The same decision as for our own playlists. What it answers can be played and counted without us knowing more: HLS
//! addresses, and addresses of ours that count. `?explain=true` says of every ad of the tenant what became of it.

pub mod body;
pub mod schema;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use url::form_urlencoded;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    body::Wanted,
    schema::{
        Answer, AnsweredAd, AnsweredCompanion, AnsweredCreative, Explanation, Picture, Price, Rendition, Tracking,
    },
};
use super::{
    Player,
    admin::payload,
    ads::{Break, Filled, Links, Media, ShownAd, ShownCompanion, variants},
    auth::{self, Caller, KeyRing},
    client,
    error::Problem,
};
use crate::{
    domain::{AdType, AvailId, EventType, ImageCreative, Span, Status, Viewer},
    media::datetime,
    registry::TenantRuntime,
    tracking::Audience,
};

/// Bytes of a request: parameters at their limits have a quarter of it.
const MAX_BODY: usize = 64 * 1024;

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// What the route works with.
pub struct Decisions {
    pub player: Arc<Player>,
    pub keys: Arc<KeyRing>,
}

/// The route with its description.
pub fn routes<S: Clone + Send + Sync + 'static>(decisions: Arc<Decisions>) -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(handle)).with_state(decisions)
}

#[utoipa::path(
    post,
    path = "/api/v1/ads/decision",
    operation_id = "decideAds",
    tag = "decisions",
    summary = "Decide which ads play in a break",
    description = "Each answer is a decision of its own. The addresses in it count what is reported once.",
    request_body = schema::DecisionRequest,
    params(("explain" = Option<bool>, Query, description = "Say of every ad of the tenant what became of it.")),
    responses((status = 200, description = "The ads in play order; none if nothing fits.", body = Answer))
)]
pub async fn handle(State(decisions): State<Arc<Decisions>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match decisions.keys.caller(&parts.headers) {
        Ok(caller) => caller,
        Err(problem) => return auth::refuse(problem),
    };
    answer(&decisions.player, &caller, &parts, body).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(player: &Player, caller: &Caller, parts: &Parts, body: Body) -> Result<Response, Problem> {
    let explain = explain(parts.uri.query().unwrap_or_default())?;
    let wanted = Wanted::read(&payload::json(&parts.headers, body, MAX_BODY).await?)?;
    let answer = decide(player, caller, parts, &wanted, explain).await?;
    Ok(([(header::CACHE_CONTROL, PRIVATE)], Json(answer)).into_response())
}

async fn decide(
    player: &Player,
    caller: &Caller,
    parts: &Parts,
    wanted: &Wanted,
    explain: bool,
) -> Result<Answer, Problem> {
    let tenant = tenant_of(player, caller, wanted)?;
    player.limits.check(&tenant.manifest.tenant)?;
    let channel = tenant.channels.get(&wanted.channel).filter(|channel| channel.channel.status == Status::Active);
    let channel = channel.cloned().ok_or_else(|| Problem::not_found("such channel"))?;
    let audience = match &wanted.session {
        Some(name) => Audience::Named(name.as_str().into()),
        None => Audience::Anonymous((player.random)()),
    };
    let avail = wanted.avail.clone().unwrap_or_else(|| AvailId::new(format!("ask-{:016x}", (player.random)())));
    let links = wanted.time.is_none().then(|| Links::new(player, &tenant, parts)).transpose()?;
    let asked = Break {
        viewer: viewer(player, wanted, &audience),
        tenant: tenant.clone(),
        channel,
        audience,
        avail: avail.clone(),
        position: wanted.position,
        duration: wanted.duration,
        ad_type: AdType::Linear,
        at: wanted.time,
        explain,
    };
    let filled = asked.fill(player).await;
    Ok(render(&tenant, wanted, &avail, filled, links.as_ref(), explain))
}

/// The key's tenant. One of somebody else's is as unknown as one that does not exist.
fn tenant_of(player: &Player, caller: &Caller, wanted: &Wanted) -> Result<Arc<TenantRuntime>, Problem> {
    let slug = match (&caller.tenant, &wanted.tenant) {
        (Some(own), None) => own,
        (_, Some(named)) if caller.may(named.as_str()) => named,
        (_, Some(_)) => return Err(Problem::not_found("such tenant")),
        (None, None) => {
            return Err(Problem::invalid("the request has mistakes").field("tenant_id", "is required with this key"));
        }
    };
    let tenant = player.registry.snapshot().tenants.get(slug).cloned();
    let active = tenant.filter(|tenant| tenant.manifest.tenant.status == Status::Active);
    active.ok_or_else(|| Problem::not_found("such tenant"))
}

/// The viewer as the body describes them. The request's own headers are those of a server.
fn viewer(player: &Player, wanted: &Wanted, audience: &Audience) -> Viewer {
    let looked_up = || wanted.ip.and_then(|address| player.client.geo.as_ref()?.country(address));
    Viewer {
        session_id: audience.given().map(Into::into),
        geo: wanted.geo.clone().or_else(looked_up).unwrap_or_default(),
        device: wanted.device.or_else(|| wanted.user_agent.as_deref().map(client::device_of)).unwrap_or_default(),
        params: wanted.params.clone(),
    }
}

fn render(
    tenant: &TenantRuntime,
    wanted: &Wanted,
    avail: &AvailId,
    filled: Filled,
    links: Option<&Links>,
    explain: bool,
) -> Answer {
    let currency = &tenant.manifest.tenant.currency;
    let mut start = Span::ZERO;
    let ads = filled.ads.iter().map(|shown| {
        let ad = answered(shown, start.as_secs_f64(), currency, links);
        start += shown.duration;
        ad
    });
    let ads: Vec<_> = ads.collect();
    Answer {
        tenant_id: tenant.manifest.tenant.slug.to_string(),
        channel: wanted.channel.to_string(),
        session_id: wanted.session.clone(),
        avail_id: avail.to_string(),
        position: wanted.position.as_str(),
        decided_for: datetime::format(filled.decision.trace.time),
        duration_seconds: wanted.duration.as_secs_f64(),
        filled_seconds: start.as_secs_f64(),
        ads,
        explain: explain.then(|| Explanation::of(&filled.decision.trace)),
    }
}

fn answered(shown: &ShownAd, start_seconds: f64, currency: &str, links: Option<&Links>) -> AnsweredAd {
    let priced = shown.campaign.as_ref().and_then(|campaign| campaign.cpm);
    AnsweredAd {
        ad_id: shown.ad.slug.to_string(),
        name: shown.ad.name.clone(),
        sequence: shown.showing.position + 1,
        start_seconds,
        duration_seconds: shown.duration.as_secs_f64(),
        campaign_id: shown.campaign.as_ref().map(|campaign| campaign.slug.to_string()),
        campaign_name: shown.campaign.as_ref().map(|campaign| campaign.name.clone()),
        price: priced.map(|cpm| Price { cpm: cpm.to_string(), currency: currency.to_owned() }),
        creative: creative(&shown.media),
        click_through_url: shown.ad.click_through_url.clone(),
        tracking: links.map(|links| tracking(links, shown)),
        companions: shown.companions.iter().map(|companion| answered_companion(companion, links)).collect(),
    }
}

fn creative(media: &Media) -> AnsweredCreative {
    match media {
        Media::Stream { url, creative } => AnsweredCreative::Hls {
            url: url.clone(),
            media_type: "application/vnd.apple.mpegurl",
            renditions: variants(creative).map(Rendition::of).collect(),
        },
        Media::Picture(picture) => AnsweredCreative::Image(self::picture(picture)),
    }
}

fn picture(picture: &ImageCreative) -> Picture {
    let ImageCreative { url, media_type, width, height } = picture.clone();
    Picture { url, media_type, width, height }
}

fn tracking(links: &Links, shown: &ShownAd) -> Tracking {
    let plain = EventType::ALL.into_iter().filter(|event| *event != EventType::Click);
    let mut urls: BTreeMap<EventType, String> =
        plain.map(|event| (event, links.plain(&shown.showing, event))).collect();
    if let Some(to) = &shown.ad.click_through_url {
        urls.insert(EventType::Click, links.click(&shown.showing, to));
    }
    Tracking(urls)
}

fn answered_companion(shown: &ShownCompanion, links: Option<&Links>) -> AnsweredCompanion {
    let clicks = links.zip(shown.ad.click_through_url.as_deref());
    AnsweredCompanion {
        ad_id: shown.ad.slug.to_string(),
        picture: picture(&shown.picture),
        click_through_url: shown.ad.click_through_url.clone(),
        tracking: links.map(|links| {
            let seen = (EventType::Impression, links.plain(&shown.showing, EventType::Impression));
            let clicked = clicks.map(|(links, to)| (EventType::Click, links.click(&shown.showing, to)));
            Tracking([seen].into_iter().chain(clicked).collect())
        }),
    }
}

fn explain(query: &str) -> Result<bool, Problem> {
    let mut explain = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        explain = match (&*name, &*value) {
            ("explain", "true" | "1") => true,
            ("explain", "false" | "0") => false,
            ("explain", _) => {
                return Err(Problem::bad_request("a parameter is wrong").field(name, "expected true or false"));
            }
            _ => {
                let shown: String = name.chars().take(64).collect();
                return Err(Problem::bad_request("a parameter is unknown").field(shown, "known is explain"));
            }
        };
    }
    Ok(explain)
}
