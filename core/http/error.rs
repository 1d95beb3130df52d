//! Every error answer has one shape: problem details (RFC 9457) as `application/problem+json`.
//!
//! Errors of lower layers become HTTP here and nowhere else. What the server itself got wrong is logged and told to
//! the client without details.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{rate_limit::RetryAfter, request_id};
use crate::{
    outbound::OutboundError,
    store::StoreError,
    tracking::{JournalError, SignatureError},
};

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field, such as `events[3].event_type`.
    pub field: String,
    pub reason: String,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    /// Short, stable name: the last part of `type`.
    kind: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u64>,
}

/// `type`, `title`, `status`, `detail` of RFC 9457 section 3.1, and two members of our own.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// `kind` in kebab-case; `detail` is a sentence for the person who made the request.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None }
    }
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what}"))
    }
    /// The request is well-formed and its content is not; name the fields with [`Self::field`].
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) }
    }
    /// Our own fault: the cause goes to the log, the client learns that it happened.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log has the request id")
    }

    /// Names a wrong field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, reason: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), reason: reason.into() });
        self
    }
    /// The fields that are wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
    pub fn status(&self) -> StatusCode {
        self.status
    }
    pub fn kind(&self) -> &'static str {
        self.kind
    }
    /// The same problem, with another sentence.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:cuetone:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            request_id: request_id::current(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // Errors pass; a cache must not make them last.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<RetryAfter> for Problem {
    fn from(RetryAfter(wait): RetryAfter) -> Self {
        let detail = "the tenant's requests per minute are used up";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
        // Rounded up: a client that obeys is let in.
        Self { retry_after_seconds: Some(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(60)), ..problem }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Overloaded | JournalError::Full { .. } | JournalError::Closed => {
                Self::unavailable(error.to_string())
            }
            JournalError::TooMany { .. } | JournalError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-events", error.to_string())
            }
            JournalError::Disk(_) | JournalError::Encode(_) => Self::internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", "others change this tenant at the same time; try again")
            }
            StoreError::NoTenant { .. } => Self::not_found("such tenant"),
            error if error.is_outage() => {
                tracing::warn!(%error, error.kind = error.kind(), "the database is away");
                Self::unavailable("the database cannot be reached at the moment; nothing was changed")
            }
            error => Self::internal(error),
        }
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        let (status, kind) = match error {
            SignatureError::Malformed => (StatusCode::NOT_FOUND, "link-malformed"),
            SignatureError::Bad => (StatusCode::FORBIDDEN, "link-forged"),
            SignatureError::Expired => (StatusCode::GONE, "link-expired"),
        };
        Self::new(status, kind, error.to_string())
    }
}

/// Of an upstream (origin, ad server) that the answer depends on.
impl From<OutboundError> for Problem {
    fn from(error: OutboundError) -> Self {
        // The message names a host of the tenant's own configuration; viewers learn only what kind of fault it was.
        tracing::warn!(%error, error.kind = error.kind(), "upstream failed");
        match error {
            OutboundError::Deadline { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", "the upstream did not answer in time")
            }
            other => {
                let detail = format!("the upstream's answer cannot be used: {}", other.kind());
                Self::new(StatusCode::BAD_GATEWAY, "upstream-failed", detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_database_could_not_do_tells_clients_whether_to_try_again() {
        let status = |error: StoreError| Problem::from(error).status.as_u16();
        assert_eq!(status(StoreError::Conflict { expected: 1, found: 2 }), 409);
        assert_eq!(status(StoreError::NoTenant { tenant: "acme".into() }), 404);
        assert_eq!(status(StoreError::Connect { server: "db".into(), reason: "refused".into() }), 503);
        assert_eq!(status(StoreError::Row { table: "events", column: "ad", reason: "odd".into() }), 500);
    }

    async fn json(problem: Problem) -> (Response<()>, serde_json::Value) {
        let (parts, body) = problem.into_response().into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.expect("small");
        (Response::from_parts(parts, ()), serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn a_problem_has_the_documented_members_and_type() {
        let problem = Problem::invalid("one event is wrong").field("events[0].event_type", "unknown event `view`");
        let (response, body) = json(problem).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:cuetone:problem:invalid", "title": "Unprocessable Entity", "status": 422,
                "detail": "one event is wrong",
                "errors": [{ "field": "events[0].event_type", "reason": "unknown event `view`" }],
            })
        );
    }

    #[tokio::test]
    async fn our_own_faults_keep_their_cause_to_the_log() {
        let cause = StoreError::Row { table: "events", column: "geo", reason: "s3cret".into() };
        let (response, body) = json(cause.into()).await;
        assert_eq!(response.status(), 500);
        assert!(!body.to_string().contains("s3cret"));
        let upstream = OutboundError::Connect { host: "origin.internal".into(), reason: "refused".into() };
        let (response, body) = json(upstream.into()).await;
        assert_eq!(response.status(), 502);
        assert!(!body.to_string().contains("origin.internal"));
    }

    #[tokio::test]
    async fn waiting_times_are_told_and_rounded_up() {
        let (response, _) = json(RetryAfter(Duration::from_millis(1_001)).into()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (429, &HeaderValue::from(2))
        );
        let (response, _) = json(JournalError::Overloaded.into()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (503, &HeaderValue::from(1))
        );
    }
}
