//! A name for every request: taken from `X-Request-Id` when it is sane, made up otherwise; answered in the same header,
//! put on the log span, and readable by whoever renders an error. Knows no routes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use smallvec::SmallVec;
use tracing::Instrument;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken from outside; a UUID has 36 characters.
const MAX_LENGTH: usize = 64;

/// Bytes of an id made here: prefix, dash, 64 bits in hexadecimal.
const MAX_MADE: usize = 25;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The id of the request that this task answers, if any.
pub fn current() -> Option<String> {
    CURRENT.try_with(|id| id.to_str().map(str::to_owned).ok()).ok().flatten()
}

/// Makes ids: a prefix per process and a counter. Unique enough to find a request, and costs one atomic addition.
pub struct RequestIds {
    /// Eight hexadecimal digits and a dash.
    prefix: Box<[u8]>,
    next: AtomicU64,
}

impl RequestIds {
    /// `seed`: random per process, so that ids of two nodes or two runs differ.
    pub fn new(seed: u32) -> Arc<Self> {
        Arc::new(Self { prefix: format!("{seed:08x}-").into_bytes().into(), next: AtomicU64::new(0) })
    }

    /// The id that a request brought, if it is sane, or a new one.
    pub fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(HEADER).filter(|id| sane(id)).cloned();
        given.unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        let digit = |place| char::from_digit(u32::try_from(number >> (4 * place) & 0xf).unwrap_or(0), 16);
        let digits = (0..digits).rev().filter_map(digit).filter_map(|digit| u8::try_from(digit).ok());
        let text: SmallVec<[u8; MAX_MADE]> = self.prefix.iter().copied().chain(digits).collect();
        // Hexadecimal digits and a dash: always a valid header.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// Runs `work` so that [`current`] answers `id`.
pub async fn scope<T>(id: HeaderValue, work: impl Future<Output = T>) -> T {
    CURRENT.scope(id, work).await
}

/// The same for work that waits for nothing.
pub fn with<T>(id: &HeaderValue, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(id.clone(), work)
}

/// Letters, digits, `-`, `_` and `.` only: what is safe in logs, headers and JSON alike.
fn sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_LENGTH).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The middleware: `axum::middleware::from_fn_with_state(ids, request_id::layer)`, applied to the router from outside.
pub async fn layer(State(ids): State<Arc<RequestIds>>, request: Request, next: Next) -> Response {
    let id = ids.of(request.headers());
    // The route, not the path: paths hold sessions and signatures.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        http.method = request.method().as_str(),
        http.route = route
    );
    let mut response = scope(id.clone(), next.run(request)).instrument(span).await;
    response.headers_mut().insert(HEADER, id);
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware::from_fn_with_state, response::IntoResponse, routing::get};
    use tower::ServiceExt;

    use super::*;
    use crate::http::error::Problem;

    async fn ask(ids: &Arc<RequestIds>, given: Option<&str>) -> (String, String) {
        let fails = || async { Problem::bad_request("no").into_response() };
        let router = Router::new().route("/", get(fails)).layer(from_fn_with_state(ids.clone(), layer));
        let mut request = Request::get("/");
        if let Some(given) = given {
            request = request.header(HEADER, given);
        }
        let response =
            router.oneshot(request.body(axum::body::Body::empty()).expect("a request")).await.expect("answered");
        let header = response.headers()[HEADER].to_str().expect("text").to_owned();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("small");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        (header, body["request_id"].as_str().expect("an id").to_owned())
    }

    #[tokio::test]
    async fn sane_ids_are_kept_others_replaced_and_errors_carry_them() {
        let ids = RequestIds::new(0xab);
        let kept = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(ask(&ids, Some(kept)).await, (kept.to_owned(), kept.to_owned()));
        assert_eq!(ask(&ids, None).await, ("000000ab-0".to_owned(), "000000ab-0".to_owned()));
        for (n, bad) in ["", "a b", "<script>", "é", &"x".repeat(65)].iter().enumerate() {
            assert_eq!(ask(&ids, Some(bad)).await.0, format!("000000ab-{:x}", n + 1), "{bad}");
        }
        assert_eq!(current(), None, "outside of a request there is no id");
    }
}
