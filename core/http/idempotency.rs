//! `Idempotency-Key` on POST (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is answered as
//! the first was, and does nothing.
//!
//! Keys are kept for a day per API key. An answer that shows a secret is kept without it: a secret is shown once.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{admin::payload, auth::Caller, error::Problem};
use crate::{
    domain::Clock,
    secret::hex,
    store::{IdempotencyTicket, Idempotent, Store},
};

pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Characters of a key; a UUID has 36.
pub const MAX_KEY: usize = 255;

/// Bytes of a request that is remembered: nothing larger is posted.
const MAX_BODY: usize = 2 * payload::MAX_ITEM_BYTES;

/// Bytes of an answer that is kept.
const MAX_ANSWER: usize = 4 * payload::MAX_ITEM_BYTES;

/// Headers that belong to an answer and not to its connection.
const KEPT: [HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::CACHE_CONTROL];

/// On a response: what is kept in place of its body.
#[derive(Clone)]
pub struct KeepInstead(pub Value);

pub struct Memory {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
}

/// Runs behind the guard, which says whose key it is.
pub async fn layer(State(memory): State<Arc<Memory>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Arc<Caller>>().cloned();
    match (caller, key(&request)) {
        (_, Err(problem)) => problem.into_response(),
        (Some(caller), Ok(Some(key))) => {
            once(&memory, &caller, &key, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        (None, _) | (_, Ok(None)) => next.run(request).await,
    }
}

/// The key of a request that may have one.
fn key(request: &Request) -> Result<Option<String>, Problem> {
    if request.method() != Method::POST {
        return Ok(None);
    }
    let Some(value) = request.headers().get(HEADER) else { return Ok(None) };
    // Printable and without blanks, as the description says.
    let plain = |text: &&str| (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let text = value.to_str().ok().filter(plain);
    let text =
        text.ok_or_else(|| Problem::bad_request(format!("Idempotency-Key must be 1 to {MAX_KEY} plain characters")))?;
    Ok(Some(text.to_owned()))
}

async fn once(memory: &Memory, caller: &Caller, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = payload::bytes(body, MAX_BODY).await?;
    let mut hash = Sha256::new();
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    for part in [parts.uri.to_string().as_bytes(), content_type, &body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let (owner, hash) = (&*caller.id, hex(&hash.finalize()));
    let now = memory.clock.now();
    match memory.store.idempotent_begin(owner, key, &hash, now).await? {
        Idempotent::Fresh(ticket) => finish(memory, ticket, Request::from_parts(parts, Body::from(body)), next).await,
        Idempotent::Replay { status, headers, body } => Ok(replay(status, headers, body)),
        Idempotent::Busy => {
            let detail = "a request with this Idempotency-Key is being answered; try again in a moment";
            Err(Problem::new(StatusCode::CONFLICT, "in-progress", detail))
        }
        Idempotent::Mismatch => {
            let detail = "this Idempotency-Key was used for another request";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-mismatch", detail))
        }
    }
}

/// Answers a request that came for the first time. If the client goes away now, this goes on: it is a task of its own.
async fn finish(memory: &Memory, ticket: IdempotencyTicket, request: Request, next: Next) -> Result<Response, Problem> {
    let store = memory.store.clone();
    let id = super::request_id::current().and_then(|id| HeaderValue::try_from(id).ok());
    let work = async move {
        let (response, kept) = keep(next.run(request).await).await;
        let noted = match kept {
            Some(Kept { status, headers, body }) => store.idempotent_finish(&ticket, status, &headers, &body).await,
            // Our own fault, or nothing to keep: trying again must work.
            None => store.idempotent_forget(&ticket).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the answer to an idempotent request could not be kept");
        }
        response
    };
    let task = match id {
        Some(id) => tokio::spawn(super::request_id::scope(id, work)),
        None => tokio::spawn(work),
    };
    task.await.map_err(Problem::internal)
}

struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Takes an answer apart for keeping. Those that another try may better are not kept.
async fn keep(response: Response) -> (Response, Option<Kept>) {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_ANSWER).await else {
        return (Problem::internal("an answer is too large to be kept").into_response(), None);
    };
    let shown = parts.extensions.get::<KeepInstead>().map(|KeepInstead(value)| value.to_string());
    let kept = shown.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    let kept = Kept { status: status.as_u16(), headers: kept_headers(&parts.headers), body: kept };
    (Response::from_parts(parts, Body::from(body)), Some(kept))
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = KEPT.iter().filter_map(|name| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned())));
    pairs.collect()
}

fn replay(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
