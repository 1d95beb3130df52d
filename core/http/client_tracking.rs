//! `GET /v1/tracking/{tenant}/{channel}/{session}`: the ads in a session's playlists and whom to tell of them, in the
//! schema that players of AWS Elemental MediaTailor read.
//!
//! What is in it depends on who counts, so that nothing is counted twice:
//!
//! | the session counts by | the player is to fetch |
//! |---|---|
//! | `client` | our addresses and those of the ad's server, for every event |
//! | `stitch` | our addresses of all but the impression; this server tells the ad's server |
//! | `segment` | our addresses of clicks and errors; this server counts the rest and tells the ad's server |
//!
//! What only a player can know (muted, paused, skipped) it tells the ad's server itself in every mode. `nextToken`, given
//! back as `?nextToken=`, leaves out breaks that can no longer change.

mod schema;
mod showing;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use self::schema::Answer;
use super::{Player, ads::Links, error::Problem, tenant_route};
use crate::{
    registry::TenantRuntime,
    session::{SessionError, SessionToken, ShownBreak},
};

/// Breaks of one answer. A live window has a few; the rest of a long title comes with the next token.
const MAX_AVAILS: usize = 50;

/// A token says how far its reader has got: this, then the id of a break.
const TOKEN: &str = "v1:";

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

pub async fn handle(
    State(player): State<Arc<Player>>,
    Path((tenant, channel, session)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match tenant_route::enter(&player, &tenant, &parts) {
        Ok(tenant) => {
            let answer = answer(&player, &tenant, &channel, &session, &parts);
            tenant_route::leave(&tenant, &parts, answer)
        }
        Err(answer) => *answer,
    }
}

fn answer(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    session: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let from = asked_from(parts.uri.query().unwrap_or_default())?;
    let session = SessionToken::parse(session).and_then(|token| player.sessions.get(&token));
    let here = |session: &crate::session::Session| {
        *session.tenant() == tenant.manifest.tenant.slug && session.channel().as_str() == channel
    };
    let session = session.filter(|session| here(session)).ok_or(SessionError::NoSession)?;
    if parts.method == Method::HEAD {
        return Ok((StatusCode::OK, [(header::CACHE_CONTROL, PRIVATE)]).into_response());
    }
    let mut shown = player.sessions.shown(&session, from);
    shown.sort_by_key(|shown| shown.id);
    let next = next(&shown, from);
    shown.truncate(MAX_AVAILS);
    let links = Links::new(player, tenant, parts)?.steady();
    let now = player.clock.now();
    let avails = shown.iter().map(|shown| showing::avail(shown, &session, tenant, &links, now)).collect();
    let token = URL_SAFE_NO_PAD.encode(format!("{TOKEN}{next}"));
    let answer = Answer { avails, next_token: token, non_linear_avails: [] };
    Ok(([(header::CACHE_CONTROL, PRIVATE)], Json(answer)).into_response())
}

/// The first break that may still change, or that there was no room for; else the one that has not come yet.
fn next(shown: &[ShownBreak], from: u32) -> u32 {
    let open = shown.iter().take(MAX_AVAILS).find(|shown| shown.open).map(|shown| shown.id);
    let rest = shown.get(MAX_AVAILS).map(|shown| shown.id);
    let after = shown.last().map_or(from, |shown| shown.id.saturating_add(1));
    open.or(rest).unwrap_or(after)
}

fn asked_from(query: &str) -> Result<u32, Problem> {
    let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name.eq_ignore_ascii_case("nextToken"));
    let Some((_, token)) = given.filter(|(_, token)| !token.is_empty()) else { return Ok(0) };
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(&*token).ok()?).ok()?;
        text.strip_prefix(TOKEN)?.parse().ok()
    };
    read().ok_or_else(|| Problem::bad_request("the token is not one of ours").field("nextToken", "malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_is_read_and_any_other_refused() {
        let token = URL_SAFE_NO_PAD.encode("v1:7");
        assert_eq!(asked_from(&format!("nextToken={token}")).expect("ours"), 7);
        assert_eq!(asked_from("x=1").expect("none"), 0);
        assert_eq!(asked_from("nextToken=").expect("none"), 0);
        for other in ["djI6Nw", "%00", "v1:7", "djE6LTE"] {
            assert!(asked_from(&format!("nextToken={other}")).is_err(), "{other}");
        }
    }
}
