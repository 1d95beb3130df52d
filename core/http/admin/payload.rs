//! Bodies of requests: media type, size and JSON are checked here; what the JSON says is checked by whoever asked.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};

use crate::{
    bundle::MAX_YAML_DEPTH,
    http::{
        error::{FieldError, Problem},
        openapi::endpoint::{JSON, MERGE_PATCH},
    },
};

/// Bytes of one item: an ad with fifty rules of a thousand values each has a tenth.
pub const MAX_ITEM_BYTES: usize = 1024 * 1024;

/// Nesting of JSON. An item stands two levels down in `tenant.yaml`, which may not be nested deeper than its own limit.
const MAX_DEPTH: usize = MAX_YAML_DEPTH - 2;

/// A whole body, at most `limit` bytes.
pub async fn bytes(body: Body, limit: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        if source.contains("length limit") {
            let detail = format!("the body is larger than the {limit} bytes that this operation takes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
        } else {
            Problem::bad_request("the body ended early")
        }
    })
}

/// The media type of a body, without parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub fn unsupported(expected: &str) -> Problem {
    let detail = format!("the Content-Type header must say {expected}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}

/// A JSON body.
pub async fn json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Problem> {
    if media_type(headers) != JSON {
        return Err(unsupported(JSON));
    }
    parse(&bytes(body, limit).await?)
}

/// The same, or a merge patch by its own name.
pub async fn patch(headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    if ![JSON, MERGE_PATCH].contains(&media_type(headers).as_str()) {
        return Err(unsupported("application/merge-patch+json or application/json"));
    }
    parse(&bytes(body, MAX_ITEM_BYTES).await?)
}

fn parse(body: &[u8]) -> Result<Value, Problem> {
    let value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        Problem::new(StatusCode::BAD_REQUEST, "malformed-json", format!("line {line}, column {column}: {reason}"))
    })?;
    if depth(&value) > MAX_DEPTH {
        return Err(Problem::invalid(format!("the body is nested more than {MAX_DEPTH} deep")));
    }
    Ok(value)
}

/// serde_json reads no more than 128 levels: this recursion ends.
fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The members of a small body, read one by one; all mistakes are told at once.
pub struct Fields {
    map: Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub fn of(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self { map, known: Vec::new(), errors: Vec::new() }),
            _ => Err(Problem::invalid("the body must be a JSON object")),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn note(&mut self, name: &str, reason: impl Into<String>) {
        self.errors.push(FieldError { field: name.to_owned(), reason: reason.into() });
    }

    /// One line of text, 1 to `max` characters.
    pub fn line(&mut self, name: &'static str, max: usize) -> Option<String> {
        let text = self.text(name, max)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.note(name, "expected one line of text, not empty");
            return None;
        }
        Some(text)
    }

    /// Any text, at most `max` characters.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.chars().count() <= max => Some(text),
            Value::String(_) => {
                self.note(name, format!("the text is too long; expected at most {max} characters"));
                None
            }
            _ => {
                self.note(name, "expected text");
                None
            }
        }
    }

    pub fn choice<T: std::str::FromStr>(&mut self, name: &'static str, choices: &[&str]) -> Option<T> {
        let value = self.take(name)?;
        let known = value.as_str().filter(|text| choices.contains(text)).and_then(|text| text.parse().ok());
        if known.is_none() {
            self.note(name, format!("expected one of {}", choices.join(", ")));
        }
        known
    }

    pub fn integer(&mut self, name: &'static str, low: i64, high: i64) -> Option<i64> {
        let value = self.take(name)?;
        let number = value.as_i64().filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.note(name, format!("expected a whole number from {low} to {high}"));
        }
        number
    }

    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(map) => Some(map),
            _ => {
                self.note(name, "expected an object");
                None
            }
        }
    }

    /// Says that a member may not be absent.
    pub fn required<T>(&mut self, name: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.errors.iter().any(|error| error.field == name) {
            self.note(name, "missing");
        }
        value
    }

    /// Refuses members that nobody asked for, and everything noted so far.
    pub fn finish(mut self) -> Result<(), Problem> {
        let unknown: Vec<String> = self.map.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for name in unknown {
            let known = self.known.join(", ");
            self.note(&name, format!("unknown member; known are {known}"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(invalid(self.errors)) }
    }
}

/// 422 with the fields.
pub fn invalid(errors: Vec<FieldError>) -> Problem {
    let detail = match errors.as_slice() {
        [one] if one.field.is_empty() => one.reason.clone(),
        [one] => format!("{}: {}", one.field, one.reason),
        many => format!("{} things are wrong; see `errors`", many.len()),
    };
    errors.into_iter().fold(Problem::invalid(detail), |problem, error| problem.field(error.field, error.reason))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    async fn read(content_type: &str, body: &str) -> Result<Value, u16> {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a header"))]);
        json(&headers, Body::from(body.to_owned()), 200).await.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn bodies_are_told_apart_by_what_is_wrong_with_them() {
        assert_eq!(read("application/json; charset=utf-8", "{\"a\": 1}").await, Ok(json!({"a": 1})));
        assert_eq!(read("text/plain", "{}").await, Err(415));
        assert_eq!(read("", "{}").await, Err(415));
        assert_eq!(read("application/json", "{").await, Err(400));
        assert_eq!(read("application/json", "").await, Err(400));
        assert_eq!(read("application/json", &" ".repeat(201)).await, Err(413));
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(read("application/json", &deep).await.is_ok());
        assert_eq!(read("application/json", &format!("[{deep}]")).await, Err(422));
    }

    #[test]
    fn all_mistakes_of_a_small_body_are_told_at_once() {
        let mut fields = Fields::of(json!({"name": "", "overlap": 99, "x": 1})).expect("an object");
        assert_eq!(fields.line("name", 10), None);
        assert_eq!(fields.integer("overlap", 0, 10), None);
        let missing = fields.text("text", 5);
        assert_eq!(fields.required("text", missing), None);
        let problem = fields.finish().expect_err("wrong");
        assert_eq!((problem.status().as_u16(), problem.errors().len()), (422, 4));
        assert!(Fields::of(json!([])).is_err());
    }
}
