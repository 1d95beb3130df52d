//! `GET /fast/{tenant}/{channel}/beacon/{event}/{session}/{avail}/{position}/{ad}/{viewer}/{expires}.{signature}[.gif]`
//!
//! What a player reports of an ad that we handed out with such addresses: counted once, when it is on disk. GET counts;
//! HEAD and OPTIONS do not. Answers 204, a picture of one pixel behind `.gif`, and for a click the way to its target.

use std::time::Duration;

use axum::{
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use url::{Url, form_urlencoded};

use super::{Player, error::Problem};
use crate::{
    domain::{AdType, EventType},
    registry::TenantRuntime,
    tracking::{Beacon, JournalError, Recorded},
};

pub const PIXEL: &str = ".gif";

/// How long a viewer who clicked waits for the disk before the page opens anyway; the click is written all the same.
const PATIENCE: Duration = Duration::from_millis(250);

const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
const GIF: HeaderValue = HeaderValue::from_static("image/gif");

/// One transparent pixel (GIF89a).
const TRANSPARENT: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub async fn answer(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    address: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let (path, pixel) = address.strip_suffix(PIXEL).map_or((address, false), |path| (path, true));
    let target = parameter(parts, "to");
    let now = player.clock.now();
    let beacon = Beacon::read(&tenant.url_key, channel, path, target.as_deref(), now).inspect_err(|error| {
        metrics::counter!("cuetone_beacons_refused_total", "reason" => error.kind()).increment(1);
    })?;
    let to = target.as_deref().map(location).transpose()?;
    if parts.method == Method::GET {
        let recorded = count(player, tenant, &beacon, parts);
        match &to {
            // The viewer's way is not to depend on our disk.
            Some(_) => {
                if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, recorded).await {
                    tracing::error!(%error, "a click could not be written");
                }
            }
            None => drop(recorded.await?),
        }
    }
    let no_store = [(header::CACHE_CONTROL, NO_STORE)];
    Ok(match (to, pixel) {
        (Some(to), _) => (StatusCode::FOUND, no_store, [(header::LOCATION, to)]).into_response(),
        (None, true) => (StatusCode::OK, no_store, [(header::CONTENT_TYPE, GIF)], TRANSPARENT).into_response(),
        (None, false) => (StatusCode::NO_CONTENT, no_store).into_response(),
    })
}

async fn count(
    player: &Player,
    tenant: &TenantRuntime,
    beacon: &Beacon,
    parts: &Parts,
) -> Result<Recorded, JournalError> {
    if beacon.event == EventType::Error {
        // VAST 4.2 section 2.3.6.3: three digits, put in by the player.
        let code = parameter(parts, "code").filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()));
        metrics::counter!("cuetone_ad_errors_total", "code" => code.unwrap_or_else(|| "none".to_owned())).increment(1);
    }
    // A companion comes along with an ad of its campaign, which is what is paid for.
    let known = beacon.showing.ad.as_ref().and_then(|ad| tenant.ad(ad.as_str()));
    let campaign = known.filter(|ad| ad.ad_type != AdType::Companion).and_then(|ad| ad.campaign.clone());
    let payer = campaign.map(|campaign| (campaign.clone(), tenant.impression_price(Some(&campaign))));
    let event = beacon.event(&tenant.manifest.tenant.slug, &tenant.url_key, payer, player.clock.now());
    let facts = player.client.facts(parts, player.intake.asks_for_addresses());
    player.intake.record(tenant, &facts, event.into_iter().collect()).await
}

fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A signed target as the Location header has it.
fn location(target: &str) -> Result<HeaderValue, Problem> {
    let malformed = || Problem::new(StatusCode::NOT_FOUND, "link-malformed", "the click leads to no web page");
    let url = Url::parse(target).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(malformed)?;
    HeaderValue::from_str(url.as_str()).map_err(Problem::internal)
}
