//! `GET /fast/{tenant}/{channel}/{session}/ad/{avail}/{position}/{ad}/{creative}/{rung}-{segment}/{expires}.{signature}.{ending}`
//!
//! A signed address of one ad segment: what it proves is written down, then the player is sent to the CDN. It needs no
//! session in memory, so a restart or another node does not break a pod that is playing.

use std::time::Duration;

use axum::{
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{Player, client, error::Problem};
use crate::{
    domain::{AvailId, CountedBy, Event, EventType, Money, Slug, Span},
    media::multivariant::RenditionKind,
    registry::TenantRuntime,
    session::SessionToken,
    stitch::ladder::Rung,
    tracking::events_of,
};

/// How long a player waits for the disk before it gets its segment anyway; the event is written all the same.
const PATIENCE: Duration = Duration::from_millis(250);

const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

/// The parts of an address, as they were signed.
struct Address<'a> {
    avail: &'a str,
    position: &'a str,
    ad: &'a str,
    creative: &'a str,
    place: &'a str,
    expires: &'a str,
    signature: &'a str,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut next = || parts.next();
        let (avail, position, ad, creative, place, file) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let mut names = file.split('.');
        let (expires, signature) = (names.next()?, names.next()?);
        parts.next().is_none().then_some(Self { avail, position, ad, creative, place, expires, signature })
    }
}

pub async fn answer(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    session: &str,
    address: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let malformed = || Problem::new(StatusCode::NOT_FOUND, "link-malformed", "this is no address of an ad segment");
    let address = Address::parse(address).ok_or_else(malformed)?;
    let signed = [channel, address.avail, address.position, address.ad, address.creative, address.place];
    tenant.url_key.verify(&signed, address.expires, address.signature, player.clock.now())?;
    let token = SessionToken::parse(session).filter(|token| token.verify(&tenant.url_key, channel));
    let token = token.ok_or_else(malformed)?;
    let gone = || Problem::new(StatusCode::GONE, "creative-gone", "this creative is no longer offered");
    let creative = player.creatives.playable(address.creative);
    let loading = || player.creatives.is_loading().then(|| Problem::unavailable("the ads' creatives are being loaded"));
    let creative = creative.ok_or_else(|| loading().unwrap_or_else(gone))?;
    let (rung, index) = address.place.split_once('-').ok_or_else(malformed)?;
    let (rung, index): (usize, usize) =
        (rung.parse().map_err(|_| malformed())?, index.parse().map_err(|_| malformed())?);
    let rung = creative.rungs.get(rung).ok_or_else(gone)?;
    let segment = rung.segments.get(index).ok_or_else(gone)?;
    let target = HeaderValue::from_str(&segment.url).map_err(Problem::internal)?;
    if parts.method == Method::GET {
        count(player, tenant, channel, token, &address, rung, index, parts).await;
    }
    let headers = [(header::LOCATION, target), (header::CACHE_CONTROL, NO_STORE)];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// Writes down what fetching this segment proves, however the channel counts by now: the address was made to count. Sound
/// fetched apart from the picture proves nothing more.
#[expect(clippy::too_many_arguments, reason = "one step of `answer`, split off for reading")]
async fn count(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    token: SessionToken,
    address: &Address<'_>,
    rung: &Rung,
    index: usize,
    parts: &Parts,
) {
    if rung.spec.kind != RenditionKind::Variant {
        return;
    }
    let Some(running) = tenant.channels.get(channel) else { return };
    let ends: Vec<Span> = rung.segments.iter().map(|segment| segment.end).collect();
    let proved = events_of(index, &ends);
    let (Ok(ad), Ok(pod_position)) = (address.ad.parse::<Slug>(), address.position.parse()) else { return };
    if proved.is_empty() {
        return;
    }
    let session = player.sessions.get(&token);
    let known = session.as_deref();
    let campaign = tenant.ad(ad.as_str()).and_then(|ad| ad.campaign.clone());
    let price = tenant.impression_price(campaign.as_ref());
    let (slug, now) = (&tenant.manifest.tenant.slug, player.clock.now());
    let event = |event_type: &EventType| Event {
        channel: Some(running.channel.slug.clone()),
        session: token.name().to_owned(),
        viewer: known.and_then(|session| session.viewer.session_id.clone()),
        avail: AvailId::new(address.avail),
        pod_position,
        ad: Some(ad.clone()),
        campaign: campaign.clone(),
        device: known.map_or_else(|| client::device(&parts.headers), |session| session.viewer.device),
        geo: known.map_or_else(|| player.client.geo(parts), |session| session.viewer.geo.clone()),
        counted_by: Some(CountedBy::Segment),
        price: if *event_type == EventType::Impression { price } else { Money::ZERO },
        ..Event::new(slug.clone(), *event_type, now)
    };
    let events = proved.iter().map(|event_type| event(event_type).identified());
    let mut facts = player.client.facts(parts, player.intake.asks_for_addresses());
    // A player tells once, when it opens its session.
    for (name, value) in known.into_iter().flat_map(|session| &session.viewer.params) {
        facts.consent.signal(name, value);
    }
    let recorded = player.intake.record(tenant, &facts, events.collect());
    match tokio::time::timeout(PATIENCE, recorded).await {
        // Third parties are told by who follows the events.
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "an ad event could not be written"),
        Err(_) => metrics::counter!("cuetone_events_slow_total").increment(1),
    }
}
