//! Answers: JSON with a strong ETag, and the conditions that requests set on them (RFC 9110 chapter 13).

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{http::error::Problem, secret::hex};

/// Bytes of a hash that make a tag: nobody meets two contents of one item with the same.
const TAG_BYTES: usize = 12;

/// May be kept, must be asked for again: that is what the tag is for. Never by shared caches.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The strong entity tag of a representation, with its quotes.
pub fn tag(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    format!("\"{}\"", hex(digest.get(..TAG_BYTES).unwrap_or_default()))
}

pub fn json(value: &Value) -> Response {
    with_status(StatusCode::OK, value)
}

pub fn with_status(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    response
}

/// An item with its tag.
pub fn item(status: StatusCode, value: &Value) -> Response {
    item_of(status, value, value)
}

/// An item that is shown with more than what a change of it is about: its tag is that of `core`.
pub fn item_of(status: StatusCode, value: &Value, core: &Value) -> Response {
    let mut response = with_status(status, value);
    if let Ok(tag) = HeaderValue::try_from(tag(core)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A new item with its address.
pub fn created(location: &str, value: &Value) -> Response {
    let mut response = item(StatusCode::CREATED, value);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `If-Match` and `If-None-Match` of a request.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq)]
enum Tags {
    Any,
    /// With quotes, and `W/` where they are weak.
    These(Vec<String>),
}

impl Conditions {
    fn of(headers: &HeaderMap) -> Self {
        let tags = |name: header::HeaderName| {
            let lines = headers.get_all(&name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
            let list = lines.collect::<Vec<_>>().join(",");
            headers.contains_key(name).then(|| match list.trim() {
                "*" => Tags::Any,
                // Our tags have no commas in them.
                list => Tags::These(list.split(',').map(|tag| tag.trim().to_owned()).collect()),
            })
        };
        Self { if_match: tags(header::IF_MATCH), if_none_match: tags(header::IF_NONE_MATCH) }
    }

    pub fn are_set(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some()
    }

    /// Before a change: `current` is the item as it is, or nothing.
    pub fn check(&self, current: Option<&Value>) -> Result<(), Problem> {
        let current = current.map(tag);
        // Strong comparison (RFC 9110 section 8.8.3.2): a weak tag never matches.
        let matches = |tags: &Tags| match (tags, &current) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::These(tags), Some(current)) => tags.contains(current),
        };
        let failed = |detail: &str| Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail);
        if self.if_match.as_ref().is_some_and(|tags| !matches(tags)) {
            return Err(failed("it is not as If-Match says: read it again, then change that"));
        }
        if self.if_none_match.as_ref().is_some_and(matches) {
            return Err(failed("it exists already, which If-None-Match forbids"));
        }
        Ok(())
    }

    /// Answers a read: 304 when the caller has this very representation.
    pub fn read(&self, value: &Value) -> Response {
        self.read_of(value, value)
    }

    /// See [`item_of`]. Only for what is shown along and changes by itself when nobody minds the delay.
    pub fn read_of(&self, value: &Value, core: &Value) -> Response {
        let current = tag(core);
        let known = match &self.if_none_match {
            None => false,
            Some(Tags::Any) => true,
            // Weak comparison.
            Some(Tags::These(tags)) => tags.iter().any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == current),
        };
        if !known {
            return item_of(StatusCode::OK, value, core);
        }
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        if let Ok(tag) = HeaderValue::try_from(current) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, REVALIDATE);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conditions(name: header::HeaderName, value: &str) -> Conditions {
        Conditions::of(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))]))
    }

    #[test]
    fn a_change_happens_only_to_what_its_author_has_seen() {
        let (now, later) = (json!({"a": 1}), json!({"a": 2}));
        let (seen, other) = (tag(&now), tag(&later));
        assert!(Conditions::default().check(Some(&now)).is_ok() && Conditions::default().check(None).is_ok());
        for (value, fits) in [
            (seen.clone(), true),
            (format!("\"x\", {seen}"), true),
            ("*".to_owned(), true),
            (format!("W/{seen}"), false),
            (other, false),
            ("nonsense".to_owned(), false),
        ] {
            let conditions = conditions(header::IF_MATCH, &value);
            assert_eq!(conditions.check(Some(&now)).is_ok(), fits, "{value}");
            assert!(conditions.check(None).is_err(), "{value}: there is nothing to match");
        }
        let create_only = conditions(header::IF_NONE_MATCH, "*");
        assert!(create_only.check(None).is_ok() && create_only.check(Some(&now)).is_err());
    }

    #[test]
    fn a_reader_who_has_it_is_told_so() {
        let value = json!({"a": 1});
        let seen = tag(&value);
        for (value_of, status) in [(seen.clone(), 304), (format!("W/{seen}"), 304), ("\"x\"".to_owned(), 200)] {
            let response = conditions(header::IF_NONE_MATCH, &value_of).read(&value);
            assert_eq!(
                (response.status().as_u16(), response.headers()[header::ETAG].as_bytes()),
                (status, seen.as_bytes())
            );
        }
    }
}
