//! The body of a decision request: read member by member, so that all mistakes are told at once and by name.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Map, Value};

use crate::{
    domain::{AvailId, DeviceType, Moment, Position, Slug, Span},
    geo::country_code,
    http::{
        error::Problem,
        player::{MAX_PARAM_BYTES, MAX_PARAMS},
    },
    media::datetime,
    tracking::beacon::MAX_SESSION_NAME,
};

/// Longer than any break that is sold; keeps sums of durations small.
pub const MAX_BREAK_SECONDS: u32 = 3_600;

/// Characters of an avail's name: a UUID and a number.
const MAX_AVAIL: usize = 64;

/// Characters of a User-Agent; what is behind is not looked at.
const MAX_USER_AGENT: usize = 4_096;

/// What is asked, with its own values only.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    pub tenant: Option<Slug>,
    pub channel: Slug,
    pub position: Position,
    pub duration: Span,
    pub geo: Option<Box<str>>,
    pub ip: Option<IpAddr>,
    pub device: Option<DeviceType>,
    pub user_agent: Option<String>,
    pub session: Option<String>,
    pub avail: Option<AvailId>,
    pub params: BTreeMap<Box<str>, Box<str>>,
    pub time: Option<Moment>,
}

impl Wanted {
    pub fn read(body: &Value) -> Result<Self, Problem> {
        let map = body.as_object().ok_or_else(|| Problem::invalid("the body must be a JSON object"))?;
        let mut fields = Fields { map: map.clone(), known: Vec::new(), errors: Vec::new() };
        let tenant = fields.read("tenant_id", slug);
        let channel = fields.required("channel", slug);
        let position = fields.read("position", position);
        let duration = fields.required("duration_seconds", seconds);
        let geo = fields.read("geo", country).flatten();
        let ip = fields.read("ip", |value| parsed(value, "an IPv4 or IPv6 address"));
        let device = fields.read("device", |value| text(value)?.parse());
        let user_agent = fields.read("user_agent", |value| short(value, MAX_USER_AGENT));
        let session = fields.read("session_id", session);
        let avail = fields.read("avail_id", |value| avail_id(text(value)?));
        let params = fields.read("params", params).unwrap_or_default();
        let time = fields.read("time", time);
        fields.finish()?;
        // Mistakes by now, if they are missing.
        let (Some(channel), Some(duration)) = (channel, duration) else {
            return Err(Problem::invalid("the request is incomplete"));
        };
        let position = position.unwrap_or(Position::MidRoll);
        Ok(Self { tenant, channel, position, duration, geo, ip, device, user_agent, session, avail, params, time })
    }
}

struct Fields {
    map: Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<(String, String)>,
}

impl Fields {
    fn read<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        self.known.push(name);
        let value = self.map.remove(name).filter(|value| !value.is_null())?;
        read(&value).map_err(|reason| self.errors.push((name.to_owned(), reason))).ok()
    }

    fn required<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        if self.map.get(name).is_none_or(Value::is_null) {
            self.errors.push((name.to_owned(), "is required".to_owned()));
        }
        self.read(name, read)
    }

    /// What is left over is unknown.
    fn finish(self) -> Result<(), Problem> {
        let known = self.known.join(", ");
        let unknown = self.map.into_iter().map(|(name, _)| {
            let shown = name.chars().take(MAX_AVAIL).collect();
            (shown, format!("unknown field; known are {known}"))
        });
        let errors: Vec<_> = self.errors.into_iter().chain(unknown).collect();
        if errors.is_empty() {
            return Ok(());
        }
        let problem = Problem::invalid("the request has mistakes");
        Err(errors.into_iter().fold(problem, |problem, (field, reason)| problem.field(field, reason)))
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "expected text".to_owned())
}

fn slug(value: &Value) -> Result<Slug, String> {
    text(value)?.parse()
}

fn parsed<T: std::str::FromStr>(value: &Value, expected: &str) -> Result<T, String> {
    text(value)?.parse().map_err(|_| format!("expected {expected}"))
}

fn short(value: &Value, max: usize) -> Result<String, String> {
    let text = text(value)?;
    if text.is_empty() || text.chars().count() > max {
        return Err(format!("expected 1 to {max} characters"));
    }
    Ok(text.to_owned())
}

/// Printable ASCII without spaces: it stands in addresses.
fn session(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let good = (1..=MAX_SESSION_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let expected = || format!("expected 1 to {MAX_SESSION_NAME} printable ASCII characters, no spaces");
    good.then(|| text.to_owned()).ok_or_else(expected)
}

/// `pre-roll`, `mid-roll` or `post-roll`.
fn position(value: &Value) -> Result<Position, String> {
    position_named(text(value)?)
}

pub fn position_named(text: &str) -> Result<Position, String> {
    let all = [Position::PreRoll, Position::MidRoll, Position::PostRoll];
    let named = all.into_iter().find(|position| position.as_str() == text);
    named.ok_or_else(|| "expected pre-roll, mid-roll or post-roll".to_owned())
}

fn seconds(value: &Value) -> Result<Span, String> {
    value.as_f64().and_then(break_length).ok_or_else(|| format!("expected a number from 0.001 to {MAX_BREAK_SECONDS}"))
}

/// The length of a break, if it is one.
pub fn break_length(seconds: f64) -> Option<Span> {
    // A millisecond is the least that VAST can say.
    (0.001..=f64::from(MAX_BREAK_SECONDS)).contains(&seconds).then(|| Span::from_secs_f64(seconds))
}

/// Letters, digits, `-` and `_`: it stands in paths.
pub fn avail_id(text: &str) -> Result<AvailId, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let good = plain && (1..=MAX_AVAIL).contains(&text.len());
    if good { Ok(AvailId::new(text)) } else { Err(format!("expected 1 to {MAX_AVAIL} letters, digits, - and _")) }
}

/// Two letters. Those for "unknown" are as good as none.
fn country(value: &Value) -> Result<Option<Box<str>>, String> {
    let text = text(value)?;
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!("`{text}` is no country: expected two letters (ISO 3166-1 alpha-2)"));
    }
    Ok(country_code(text))
}

fn time(value: &Value) -> Result<Moment, String> {
    let read = datetime::parse(text(value)?);
    read.map_err(|_| "expected a date and time such as 2026-06-01T20:00:00Z (RFC 3339)".to_owned())
}

/// Texts by name; numbers and truth values are taken as they are written.
fn params(value: &Value) -> Result<BTreeMap<Box<str>, Box<str>>, String> {
    let object = value.as_object().ok_or("expected an object of names and texts")?;
    if object.len() > MAX_PARAMS {
        return Err(format!("more than {MAX_PARAMS} parameters"));
    }
    let read = object.iter().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("`{name}`: expected text, a number or a truth value"));
            }
        };
        if name.chars().count() > MAX_PARAM_BYTES || text.chars().count() > MAX_PARAM_BYTES {
            return Err(format!("at most {MAX_PARAM_BYTES} characters for name and value each"));
        }
        Ok((name.as_str().into(), text.into()))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    fn errors(body: &str) -> Vec<(String, String)> {
        let problem = Wanted::read(&json(body)).expect_err(body);
        problem.errors().iter().map(|error| (error.field.clone(), error.reason.clone())).collect()
    }

    #[test]
    fn a_full_request_is_read() {
        let wanted = Wanted::read(
            &json(r#"{"tenant_id":"acme","channel":"news","position":"pre-roll","duration_seconds":30.5,"geo":"us","ip":"2001:db8::1",
                "device":"smart-tv","user_agent":"Roku/DVP","session_id":"anna","avail_id":"a-1","params":{"age":12,"q":"x","kid":true},
                "time":"2026-06-01T20:00:00Z"}"#),
        )
        .expect("read");
        assert_eq!((wanted.channel.as_str(), wanted.position), ("news", Position::PreRoll));
        assert_eq!((wanted.duration, wanted.geo.as_deref()), (Span::from_millis(30_500), Some("US")));
        assert_eq!((wanted.device, wanted.session.as_deref()), (Some(DeviceType::SmartTv), Some("anna")));
        let params: Vec<(&str, &str)> = wanted.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(params, [("age", "12"), ("kid", "true"), ("q", "x")]);
        assert_eq!(wanted.time, Some(Moment(1_780_344_000_000_000)));
    }

    #[test]
    fn the_least_that_is_needed_is_channel_and_duration() {
        let wanted = Wanted::read(&json(r#"{"channel":"news","duration_seconds":60,"geo":"XX"}"#)).expect("read");
        assert_eq!((wanted.position, wanted.tenant, wanted.geo), (Position::MidRoll, None, None));
        let names: Vec<String> = errors("{}").into_iter().map(|error| error.0).collect();
        assert_eq!(names, ["channel", "duration_seconds"]);
    }

    #[test]
    fn every_mistake_is_told_by_name() {
        let found = errors(
            r#"{"tenant_id":"A","channel":7,"position":"mid","duration_seconds":0,"geo":"USA","ip":"x","device":"tv",
                "user_agent":"","session_id":[],"avail_id":"a/b","params":{"a":[]},"time":"today","colour":"red"}"#,
        );
        let names: Vec<&str> = found.iter().map(|error| error.0.as_str()).collect();
        let expect = [
            "tenant_id",
            "channel",
            "position",
            "duration_seconds",
            "geo",
            "ip",
            "device",
            "user_agent",
            "session_id",
            "avail_id",
            "params",
            "time",
            "colour",
        ];
        assert_eq!(names, expect);
        assert!(found[12].1.starts_with("unknown field; known are tenant_id, channel, "), "{}", found[12].1);
    }

    #[test]
    fn lengths_of_breaks_are_sane() {
        for bad in ["-1", "3601", "1e300", "\"60\"", "1e-9"] {
            let found = errors(&format!(r#"{{"channel":"news","duration_seconds":{bad}}}"#));
            assert_eq!(found.len(), 1, "{bad}");
        }
        assert!(Wanted::read(&json("[]")).is_err());
    }
}
