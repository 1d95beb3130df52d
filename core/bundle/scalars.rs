//! Readers for single values: text, slugs, URLs, numbers, money, lengths, days, choices, labels.
//!
//! Each reports what it found and what it expected, and returns nothing then.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::{
    limits::*,
    reader::{Node, kind, show},
    suggest::did_you_mean,
};
use crate::domain::{Money, Slug, Span};

/// Text as it stands; numbers and booleans need quotes so that `1.10` does not become `1.1`.
pub(super) fn text(node: &Node<'_>) -> Option<String> {
    match node.value {
        Value::String(text) if text.is_empty() => node.error("the text is empty", "at least one character"),
        Value::String(text) if text.chars().count() > MAX_TEXT => {
            node.error("the text is too long", format!("at most {MAX_TEXT} characters"))
        }
        Value::String(text) if text.chars().any(char::is_control) => {
            node.error("the text has control characters", "one line of plain text")
        }
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => {
            let shown = show(node.value);
            node.error(
                format!("{shown} is not text"),
                format!("text; put it in quotes: \"{}\"", shown.trim_matches('`')),
            )
        }
        other => node.error(format!("this is {}", kind(other)), "text"),
    }
}

/// Text that may be empty and have several lines.
pub(super) fn prose(node: &Node<'_>) -> Option<String> {
    const MAX_PROSE: usize = 10_000;
    match node.value {
        Value::String(text) if text.len() <= MAX_PROSE => Some(text.clone()),
        Value::String(_) => node.error("the text is too long", format!("at most {MAX_PROSE} bytes")),
        other => node.error(format!("this is {}", kind(other)), "text"),
    }
}

pub(super) fn slug(node: &Node<'_>) -> Option<Slug> {
    let text = text(node)?;
    text.parse().map_or_else(|_| node.error(format!("`{text}` is not a slug"), SLUG_EXPECTED), Some)
}
const SLUG_EXPECTED: &str = "1 to 64 of a-z, 0-9, - and _, starting with a letter or digit";

/// An absolute http(s) URL without credentials, as written.
pub(super) fn http_url(node: &Node<'_>) -> Option<String> {
    let Value::String(text) = node.value else {
        return node.error(format!("this is {}", kind(node.value)), URL_EXPECTED);
    };
    if text.len() > MAX_URL {
        return node.error("the URL is too long", format!("at most {MAX_URL} characters"));
    }
    let parsed = match url::Url::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return node.error(format!("`{text}` is not a URL: {error}"), URL_EXPECTED),
    };
    if !matches!(parsed.scheme(), "http" | "https") {
        return node.error(format!("`{text}` is not an http URL"), URL_EXPECTED);
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return node.error("the URL carries a user name or password", "a URL without credentials");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return node.error("the URL has blanks in it", URL_EXPECTED);
    }
    Some(text.clone())
}
const URL_EXPECTED: &str = "an absolute http or https URL";

/// A whole number from `low` to `high`.
pub(super) fn integer(node: &Node<'_>, low: i64, high: i64) -> Option<i64> {
    let expected = || format!("a whole number from {low} to {high}");
    match node.value.as_i64() {
        Some(number) if (low..=high).contains(&number) => Some(number),
        Some(number) => node.error(format!("{number} is out of range"), expected()),
        None => node.error(format!("this is {}", kind(node.value)), expected()),
    }
}

/// Money in quotes; whole numbers may go without, since they are exact.
pub(super) fn money(node: &Node<'_>) -> Option<Money> {
    const EXPECTED: &str = "a decimal in quotes with at most six decimals, such as \"12.50\"";
    let text = match node.value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        other => return node.error(format!("this is {}", kind(other)), EXPECTED),
    };
    text.parse().map_or_else(|_| node.error(format!("`{text}` is not an amount"), EXPECTED), Some)
}

/// A price of a thousand impressions. One impression costs a thousandth: it must be whole micro-units.
pub(super) fn cpm(node: &Node<'_>) -> Option<Money> {
    let price = money(node)?;
    if price.micros() % 1_000 == 0 {
        return Some(price);
    }
    node.error(format!("a CPM of {price} has no exact price for one impression"), "at most three decimals")
}

/// An absolute http(s) URL with macros in square brackets, which are checked once they are filled in.
pub(super) fn url_template(node: &Node<'_>) -> Option<String> {
    let Value::String(text) = node.value else { return http_url(node) };
    // Macros may stand where a URL may not have brackets or blanks.
    let filled: String = text
        .split('[')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once(']').map_or(part, |(_, rest)| rest) })
        .collect();
    let plain = Value::String(filled);
    http_url(&node.with(&plain)).map(|_| text.clone())
}

pub(super) fn boolean(node: &Node<'_>) -> Option<bool> {
    node.value.as_bool().or_else(|| node.error(format!("this is {}", kind(node.value)), "true or false"))
}

/// A length in seconds, whole or decimal, from [`MIN_DURATION`] to `max`.
pub(super) fn seconds(node: &Node<'_>, max: Span) -> Option<Span> {
    let expected = || format!("seconds, more than 0 and at most {max}");
    let Some(number) = node.value.as_f64().filter(|number| number.is_finite()) else {
        return node.error(format!("this is {}", kind(node.value)), expected());
    };
    // Clamped so that a huge number cannot wrap when it becomes microseconds.
    let span = Span::from_secs_f64(number.clamp(-1e9, 1e9));
    if !span.is_positive() || span > max {
        return node.error(format!("{} seconds is out of range", show(node.value)), expected());
    }
    if span < MIN_DURATION {
        return node
            .error(format!("{} seconds is too short", show(node.value)), format!("at least {MIN_DURATION} seconds"));
    }
    Some(span)
}

/// A calendar day as (year, month, day).
pub(super) fn date(node: &Node<'_>) -> Option<(i16, i8, i8)> {
    const EXPECTED: &str = "a day, written 2024-06-01";
    let text = text(node)?;
    match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == "2024-06-01".len() => Some((date.year(), date.month(), date.day())),
        _ => node.error(format!("`{text}` is not a day of the calendar"), EXPECTED),
    }
}

/// One of a closed set of words.
pub(super) fn choice<T: DeserializeOwned>(node: &Node<'_>, words: &[&str]) -> Option<T> {
    let text = text(node)?;
    if let Ok(value) = serde_yaml::from_value(node.value.clone()) {
        return Some(value);
    }
    let message = format!("`{text}` is not known here{}", did_you_mean(&text, words.iter().copied()));
    node.error(message, format!("one of {}", words.join(", ")))
}

/// Free facts for scripts: text to text.
pub(super) fn labels(node: &Node<'_>) -> Option<BTreeMap<String, String>> {
    let object = node.object()?;
    if object.map.len() > MAX_LABELS {
        return node.error(format!("there are {} labels", object.map.len()), format!("at most {MAX_LABELS}"));
    }
    let mut labels = BTreeMap::new();
    for (key, value) in object.map {
        let Some(key) = key.as_str() else {
            return node.error(format!("the key {} is not text", show(key)), "text as keys");
        };
        if let Some(value) = text(&node.child(key, value)) {
            labels.insert(key.to_owned(), value);
        }
    }
    Some(labels)
}

/// An extension's own settings: a mapping of anything that JSON can say.
pub(super) fn config(node: &Node<'_>) -> Option<serde_json::Value> {
    node.object()?;
    match serde_json::to_value(node.value) {
        Ok(value) => Some(value),
        Err(error) => node.error(format!("this does not translate to JSON: {error}"), "text keys, plain values"),
    }
}

/// What a list of hosts may hold beside plain hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wildcard {
    /// `*.example.com` as well, and `*`: all.
    All,
    /// `*.example.com`: every name below.
    Below,
}

/// A host name or address, with or without a port.
fn host(node: &Node<'_>, wildcard: Wildcard) -> Option<String> {
    let text = text(node)?;
    let expected = match wildcard {
        Wildcard::All if text == "*" => return Some(text),
        Wildcard::All => "a host such as example.com or *.example.com, or `*` for all",
        Wildcard::Below => "a host such as hooks.example.com or *.example.com",
    };
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        _ => (text.as_str(), None),
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let good_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let good_name = name.len() <= 253 && name.split('.').all(good_label);
    let good_name = good_name || text.parse::<std::net::IpAddr>().is_ok();
    if !good_port || !good_name {
        return node.error(format!("`{text}` is not a host"), expected);
    }
    Some(text.to_ascii_lowercase())
}

/// A list of hosts.
pub(super) fn hosts(node: &Node<'_>, wildcard: Wildcard) -> Option<Vec<String>> {
    Some(node.items(MAX_LIST, |item| host(item, wildcard)).into_iter().map(|item| item.value).collect())
}
