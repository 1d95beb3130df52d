//! Cross-origin access by the tenant's `allowed_domains`: `example.com` (that host, any port), `*.example.com` (any host
//! below it) or `*` (everybody). Answers carry no credentials, so none are allowed. Knows no tenants: it is handed the
//! list.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Methods of the routes that pages call.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

/// Request headers that pages may set.
const HEADERS: HeaderValue =
    HeaderValue::from_static("Content-Type, X-API-Key, X-Request-Id, Range, If-None-Match, If-Modified-Since");

/// Response headers that pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Request-Id, Content-Length, Content-Range, ETag");

/// Seconds that a browser may remember a preflight: a change of the list is felt within ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What `Access-Control-Allow-Origin` says to this origin; `None`: nothing, and the browser refuses.
pub fn allow_origin(allowed: &[String], origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    if allowed.iter().any(|domain| domain == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let origin = origin?;
    let host = host_of(origin.to_str().ok()?)?;
    allowed.iter().any(|domain| matches(domain, host)).then(|| origin.clone())
}

/// Adds the headers of an actual answer.
pub fn add_headers(allowed: &[String], origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let answer = allow_origin(allowed, origin);
    if answer.as_ref().is_none_or(|answer| answer != "*") {
        // Also on a refusal: a cache must not serve this answer to an origin that is allowed.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(answer) = answer {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, answer);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Answers an OPTIONS request.
pub fn preflight(allowed: &[String], request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    add_headers(allowed, request.get(header::ORIGIN), headers);
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    response
}

/// The host of `scheme://host[:port]` (RFC 6454 section 6.2); none for `null` and everything malformed.
fn host_of(origin: &str) -> Option<&str> {
    let (scheme, authority) = origin.split_once("://")?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', '\\', ' ']);
    (matches!(scheme, "http" | "https") && plain).then_some(host)
}

fn matches(domain: &str, host: &str) -> bool {
    match domain.strip_prefix("*.") {
        // Compared as bytes: a host from outside may be cut anywhere.
        Some(parent) => host.len().checked_sub(parent.len() + 1).is_some_and(|cut| {
            let (child, below) = host.as_bytes().split_at_checked(cut).unwrap_or_default();
            let below = below.strip_prefix(b".").unwrap_or_default();
            !child.is_empty() && below.eq_ignore_ascii_case(parent.as_bytes())
        }),
        None => host.eq_ignore_ascii_case(domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], origin: &str, expect: Option<&str>) {
        let allowed: Vec<String> = allowed.iter().map(|domain| (*domain).to_owned()).collect();
        let origin = HeaderValue::from_bytes(origin.as_bytes()).expect("a header");
        let answer = allow_origin(&allowed, Some(&origin));
        assert_eq!(answer.as_ref().and_then(|value| value.to_str().ok()), expect, "{allowed:?} {origin:?}");
    }

    #[test]
    fn origins_are_matched_by_whole_host() {
        let ok = "https://wkkworld.com";
        check(&["wkkworld.com"], ok, Some(ok));
        check(&["wkkworld.com"], "http://WKKworld.com:8080", Some("http://WKKworld.com:8080"));
        check(&["other.com", "*.wkkworld.com"], "https://a.b.wkkworld.com", Some("https://a.b.wkkworld.com"));
        check(&["*"], "null", Some("*"));
        check(&["127.0.0.1"], "http://127.0.0.1:3000", Some("http://127.0.0.1:3000"));
        check(&["[::1]"], "http://[::1]:3000", Some("http://[::1]:3000"));
    }

    #[test]
    fn look_alikes_are_not_allowed() {
        for origin in [
            "null",
            "",
            "wkkworld.com",
            "https://",
            "https://evilwkkworld.com",
            "https://wkkworld.com.evil.net",
            "https://wkkworld.com@evil.net",
            "https://evil.net/wkkworld.com",
            "https://evil.net?.wkkworld.com",
            "https://évil.wkkworld.com/x",
            "file://wkkworld.com",
            "https://é.com",
        ] {
            check(&["wkkworld.com", "*.wkkworld.com"], origin, None);
        }
        check(&["*.wkkworld.com"], "https://wkkworld.com", None);
        check(&["*.wkkworld.com"], "https://.wkkworld.com", None);
        check(&[], "https://wkkworld.com", None);
        assert_eq!(allow_origin(&["wkkworld.com".into()], None), None);
    }

    #[test]
    fn caches_learn_that_the_answer_depends_on_the_origin() {
        let (allowed, mut headers) = (["a.com".to_owned()], HeaderMap::new());
        add_headers(&allowed, Some(&HeaderValue::from_static("https://b.com")), &mut headers);
        assert_eq!(headers.get(header::VARY), Some(&HeaderValue::from_static("Origin")));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        let mut open = HeaderMap::new();
        add_headers(&["*".to_owned()], None, &mut open);
        assert!(!open.contains_key(header::VARY));
    }

    #[test]
    fn a_preflight_grants_methods_only_to_allowed_origins() {
        let ask = |origin| {
            preflight(
                &["a.com".to_owned()],
                &HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]),
            )
        };
        let granted = ask("https://a.com");
        assert_eq!(
            (granted.status().as_u16(), granted.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS)),
            (204, true)
        );
        let refused = ask("https://b.com");
        assert_eq!(
            (refused.status().as_u16(), refused.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS)),
            (204, false)
        );
    }
}
