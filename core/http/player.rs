//! What players ask for: a channel, then its renditions, again and again.
//!
//! The busiest route: it reads the path itself, allocates little and touches no database.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body as HttpBody,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use metrics::{Counter, Histogram, counter, histogram};

use super::{Player, ad_segment, beacon, client, cors, error::Problem, request_id, session_start::reporting_mode};
use crate::{
    demand,
    domain::{Status, Viewer},
    origin::OriginError,
    registry::TenantRuntime,
    session::{Opening, Reporting, SessionError, SessionToken},
};

const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const WEB_VTT: HeaderValue = HeaderValue::from_static("text/vtt; charset=utf-8");
/// A playlist belongs to one viewer and one moment.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const VARY: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// What a refused method is told (RFC 9110 section 15.5.6).
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Headers of a playlist with those for other origins and the request's id.
const PLAYLIST_HEADERS: usize = 7;

/// An empty subtitle file: what plays in the subtitle rendition during an ad.
const NO_SUBTITLES: &str = "WEBVTT\n\n";

/// Player parameters that are kept, and how long each may be: a session stays small.
pub const MAX_PARAMS: usize = 32;
pub const MAX_PARAM_BYTES: usize = 256;

/// The query parameter by which a player that opens a channel directly says who reports.
const REPORTING_MODE: &str = "aws.reportingMode";

/// Counted on every playlist, so made once.
pub struct Counters {
    playlists: Counter,
    seconds: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self { playlists: counter!("cuetone_playlists_total"), seconds: histogram!("cuetone_playlist_seconds") }
    }
}

/// Everything below `/fast/`.
pub async fn fast(State(player): State<Arc<Player>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let id = player.request_ids.of(&parts.headers);
    let explain = |problem: Problem| request_id::with(&id, || problem.into_response());
    let mut response = answer(&player, &parts, &explain).await;
    response.headers_mut().insert(request_id::HEADER, id);
    response
}

async fn answer(player: &Player, parts: &Parts, explain: &(dyn Fn(Problem) -> Response + Sync)) -> Response {
    let path = parts.uri.path().strip_prefix("/fast/").unwrap_or_default();
    let Some((tenant, rest)) = path.split_once('/') else { return explain(Problem::not_found("such channel")) };
    let Some(tenant) = player.registry.snapshot().tenants.get(tenant).cloned() else {
        return explain(Problem::not_found("such channel"));
    };
    let allowed = &tenant.manifest.tenant.allowed_domains;
    if parts.method == Method::OPTIONS {
        return cors::preflight(allowed, &parts.headers);
    }
    let mut response = match respond(player, &tenant, rest, parts).await {
        Ok(response) => response,
        Err(problem) => explain(problem),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, METHODS);
    }
    cors::add_headers(allowed, parts.headers.get(header::ORIGIN), response.headers_mut());
    response
}

async fn respond(player: &Player, tenant: &TenantRuntime, rest: &str, parts: &Parts) -> Result<Response, Problem> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let detail = "only GET and HEAD work here";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
    }
    if tenant.manifest.tenant.status != Status::Active {
        return Err(Problem::not_found("such channel"));
    }
    player.limits.check(&tenant.manifest.tenant)?;
    let mut segments = rest.splitn(3, '/');
    let (channel, session, file) = (segments.next().unwrap_or_default(), segments.next(), segments.next());
    if let (Some("beacon"), Some(address)) = (session, file) {
        return Box::pin(beacon::answer(player, tenant, channel, address, parts)).await;
    }
    match (session, file) {
        // In boxes: playlists are asked for far more often, and would otherwise move room for these about.
        (None, _) => Box::pin(open(player, tenant, channel, parts)).await,
        (Some(session), Some(file)) => match file.strip_suffix(".m3u8") {
            Some(rendition) => playlist(player, tenant, channel, session, rendition, parts).await,
            None if file == "empty.vtt" => Ok(([(header::CONTENT_TYPE, WEB_VTT)], NO_SUBTITLES).into_response()),
            None => match file.strip_prefix("ad/") {
                Some(address) => Box::pin(ad_segment::answer(player, tenant, channel, session, address, parts)).await,
                None => Err(Problem::not_found("such file")),
            },
        },
        (Some(session), None) => multivariant(player, tenant, channel, session, parts),
    }
}

/// `GET /fast/{tenant}/{channel}/{session}.m3u8`: the multivariant playlist of a session that was begun by itself.
fn multivariant(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    file: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let session = file.strip_suffix(".m3u8").ok_or_else(|| Problem::not_found("such file"))?;
    let session = SessionToken::parse(session).and_then(|token| player.sessions.get(&token));
    let slug = &tenant.manifest.tenant.slug;
    let session = session.filter(|session| *session.tenant() == *slug && session.channel().as_str() == channel);
    let session = session.ok_or(SessionError::NoSession)?;
    if parts.method == Method::HEAD {
        return Ok(playlist_headers(StatusCode::OK.into_response()));
    }
    let public =
        player.public_url.as_deref().map(|url| format!("{}/fast/{slug}/{channel}/", url.trim_end_matches('/')));
    Ok(playlist_headers(session.multivariant(public.as_deref().unwrap_or_default()).into_response()))
}

/// `GET /fast/{tenant}/{channel}.m3u8`: a new session.
async fn open(player: &Player, tenant: &TenantRuntime, file: &str, parts: &Parts) -> Result<Response, Problem> {
    let channel = file.strip_suffix(".m3u8").ok_or_else(|| Problem::not_found("such channel"))?;
    if tenant.channels.get(channel).is_none_or(|runtime| runtime.channel.status != Status::Active) {
        return Err(Problem::not_found("such channel"));
    }
    if parts.method == Method::HEAD {
        // A look is not a viewer.
        return Ok(playlist_headers(StatusCode::OK.into_response()));
    }
    let mut viewer = viewer(player, parts)?;
    let reporting = viewer.params.remove(REPORTING_MODE).map(|mode| reporting_mode(&mode)).transpose()?;
    let slug = &tenant.manifest.tenant.slug;
    let public = player.public_url.as_deref().map(|url| format!("{}/fast/{slug}/", url.trim_end_matches('/')));
    let opening = opening(player, tenant, parts, viewer, reporting);
    let session = player.sessions.start(slug.as_str(), channel, opening).await?;
    let text = session.multivariant(&format!("{}{channel}/", public.as_deref().unwrap_or_default()));
    Ok(playlist_headers(text.into_response()))
}

/// `GET /fast/{tenant}/{channel}/{session}/{rendition}.m3u8`: the stitched media playlist.
async fn playlist(
    player: &Player,
    tenant: &TenantRuntime,
    channel: &str,
    session: &str,
    rendition: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let started = player.clock.now();
    let session = SessionToken::parse(session).and_then(|token| player.sessions.get(&token));
    let here = |session: &crate::session::Session| {
        *session.tenant() == tenant.manifest.tenant.slug && session.channel().as_str() == channel
    };
    let session = session.filter(|session| here(session)).ok_or(SessionError::NoSession)?;
    let index = session.rendition(rendition).ok_or(SessionError::NoRendition)?;
    if parts.method == Method::HEAD {
        // A look decides nothing.
        let mut response = StatusCode::OK.into_response();
        response.headers_mut().insert(header::VARY, VARY);
        return Ok(playlist_headers(response));
    }
    let body = player.sessions.playlist(&session, index).await?;
    player.counters.playlists.increment(1);
    player.counters.seconds.record((player.clock.now() - started).as_secs_f64());
    let mut response = if accepts_gzip(&parts.headers) {
        let mut response = Response::new(HttpBody::from(body.gzip()));
        response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
        response
    } else {
        Response::new(HttpBody::from(body.text.clone()))
    };
    response.headers_mut().reserve(PLAYLIST_HEADERS);
    response.headers_mut().insert(header::VARY, VARY);
    Ok(playlist_headers(response))
}

fn playlist_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PLAYLIST);
    headers.insert(header::CACHE_CONTROL, PRIVATE);
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().any(|value| {
        value.as_bytes().split(|b| *b == b',').any(|coding| {
            let mut parts = coding.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            // `q=0`, in as many digits as one likes, is a refusal (RFC 9110 section 12.4.2).
            let refused =
                |part: &[u8]| part.strip_prefix(b"q=").is_some_and(|q| q.iter().all(|b| matches!(b, b'0' | b'.')));
            parts.next() == Some(b"gzip") && !parts.any(refused)
        })
    })
}

/// A viewer who comes, with what the request says of them.
pub fn opening<'a>(
    player: &'a Player,
    tenant: &TenantRuntime,
    parts: &'a Parts,
    viewer: Viewer,
    reporting: Option<Reporting>,
) -> Opening<impl FnOnce() -> demand::Client + use<'a>> {
    let mut facts = player.client.facts(parts, player.intake.asks_for_addresses());
    for (name, value) in &viewer.params {
        facts.consent.signal(name, value);
    }
    let (traffic, named) = player.intake.traffic(tenant, &facts);
    Opening { viewer, client: || player.client.for_third_parties(parts), reporting, traffic, named }
}

/// What is known of a viewer, from trusted headers and the query.
pub fn viewer(player: &Player, parts: &Parts) -> Result<Viewer, Problem> {
    let mut params = BTreeMap::new();
    let mut session_id = None;
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        check_param(&name, &value)?;
        if name == "session_id" {
            session_id = (!value.is_empty()).then(|| value.into());
            continue;
        }
        if params.len() >= MAX_PARAMS {
            return Err(Problem::bad_request(format!("more than {MAX_PARAMS} query parameters")));
        }
        params.insert(name.into(), value.into());
    }
    Ok(Viewer { session_id, geo: player.client.geo(parts), device: client::device(&parts.headers), params })
}

pub fn check_param(name: &str, value: &str) -> Result<(), Problem> {
    if name.len() > MAX_PARAM_BYTES || value.len() > MAX_PARAM_BYTES {
        let shown: String = name.chars().take(32).collect();
        return Err(Problem::bad_request("a query parameter is too long")
            .field(shown, format!("at most {MAX_PARAM_BYTES} bytes for name and value each")));
    }
    Ok(())
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NoChannel => Self::not_found("such channel"),
            SessionError::NoSession => Self::new(StatusCode::NOT_FOUND, "session-ended", error.to_string()),
            SessionError::NoRendition => Self::not_found("such rendition"),
            SessionError::Origin(origin) => Self::from(origin),
            SessionError::Render(error) => Self::unavailable(error.to_string()),
        }
    }
}

impl From<OriginError> for Problem {
    fn from(error: OriginError) -> Self {
        // The log has the origin's address; viewers learn only what kind of fault it was.
        if error.is_timeout() {
            return Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "origin-timeout",
                "the channel's origin did not answer in time",
            );
        }
        let detail = match error {
            OriginError::Fetch { .. } => "the channel's origin cannot be reached".to_owned(),
            OriginError::Status { status, .. } => format!("the channel's origin answered {status}"),
            OriginError::Playlist { source, .. } => format!("the channel's origin sent no usable playlist: {source}"),
            OriginError::Empty { .. } => "the channel's origin has no segments now".to_owned(),
            // Slow ones were answered above.
            OriginError::Slow { .. } | OriginError::NoRendition => return Self::not_found("such rendition"),
        };
        Self::new(StatusCode::BAD_GATEWAY, "origin-failed", detail)
    }
}
