//! What the tenant can set. README.md has the table.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// Characters of a topic's name: Kafka takes no more.
const MAX_TOPIC: usize = 249;

/// Records in a request: the host hands over at most about so many events at once.
const MAX_RECORDS: usize = 1_000;

/// Set by the plugin itself.
const OWN_HEADERS: [&str; 2] = ["accept", "content-type"];

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub url: String,
    /// For event types that `topics` does not name.
    #[serde(default)]
    pub topic: Option<String>,
    #[serde(default)]
    pub topics: BTreeMap<String, String>,
    #[serde(default)]
    pub key: Key,
    #[serde(default)]
    pub types: Option<Vec<String>>,
    #[serde(default = "usual_records")]
    pub max_records: usize,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Some 200 KB of JSON.
fn usual_records() -> usize {
    500
}

/// What of an event is its record's key: records of one key stay in order.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    #[default]
    Session,
    Viewer,
    Ad,
    Campaign,
    Channel,
    Tenant,
    Avail,
    EventType,
    Id,
    None,
}

/// What is wrong with a configuration that has the right types.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error("config: `url` is `{0}`; write the proxy's address, such as https://kafka.example.com:8082")]
    Url(String),
    #[error("config: `topic` is missing; name a topic, or one for each event type in `topics`")]
    NoTopic,
    #[error(
        "config: `{field}` is `{topic}`; a topic's name has 1 to {MAX_TOPIC} letters, digits, and signs of . _ - \
         and is not . or .."
    )]
    Topic { field: String, topic: String },
    #[error("config: `max_records` is {0}; write 1 to {MAX_RECORDS}")]
    MaxRecords(usize),
    #[error("config: `headers` has `{0}`, which the plugin sets itself; leave it out")]
    OwnHeader(String),
    #[error("config: `headers` has `{0}`, whose name or value is empty or has a line break")]
    Header(String),
}

impl Config {
    pub fn check(self) -> Result<Self, ConfigError> {
        let host = ["https://", "http://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let plain = !self.url.contains(['?', '#', ' ', '\r', '\n']);
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) || !plain {
            return Err(ConfigError::Url(self.url));
        }
        if self.topic.is_none() && self.topics.is_empty() {
            return Err(ConfigError::NoTopic);
        }
        let named = self.topics.iter().map(|(event_type, topic)| (format!("topics.{event_type}"), topic));
        for (field, topic) in self.topic.iter().map(|topic| ("topic".to_owned(), topic)).chain(named) {
            if !is_topic(topic) {
                return Err(ConfigError::Topic { field, topic: topic.clone() });
            }
        }
        if !(1..=MAX_RECORDS).contains(&self.max_records) {
            return Err(ConfigError::MaxRecords(self.max_records));
        }
        for (name, value) in &self.headers {
            if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Err(ConfigError::OwnHeader(name.clone()));
            }
            let broken = |text: &str| text.is_empty() || text.contains(['\r', '\n', '\0']);
            if broken(name) || broken(value) {
                return Err(ConfigError::Header(name.escape_debug().to_string()));
            }
        }
        Ok(self)
    }

    /// Where events of a type go; `None`: nowhere.
    pub fn topic_of(&self, event_type: &str) -> Option<&str> {
        let wanted = self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == event_type));
        self.topics.get(event_type).or(self.topic.as_ref()).map(String::as_str).filter(|_| wanted)
    }

    pub fn address_of(&self, topic: &str) -> String {
        format!("{}/topics/{topic}", self.url.trim_end_matches('/'))
    }
}

fn is_topic(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_TOPIC).contains(&name.len()) && name.bytes().all(plain) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::{config, testing::with_config};

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        with_config(text, config::read::<Config>)?.check().map_err(|error| error.to_string())
    }

    #[test]
    fn address_and_topic_are_enough() {
        let config = read(r#"{"url": "http://proxy:8082/", "topic": "ads"}"#).unwrap();
        assert_eq!((config.key, config.max_records), (Key::Session, 500));
        assert_eq!(config.address_of("ads"), "http://proxy:8082/topics/ads");
        assert_eq!(config.topic_of("click"), Some("ads"));
    }

    #[test]
    fn types_have_topics_of_their_own() {
        let config = read(
            r#"{"url": "https://proxy", "topics": {"click": "clicks", "start": "starts"}, "types": ["click", "impression"]}"#,
        )
        .unwrap();
        assert_eq!(["click", "start", "impression"].map(|kind| config.topic_of(kind)), [Some("clicks"), None, None]);
        let config = read(r#"{"url": "https://proxy", "topic": "ads", "topics": {"click": "clicks"}}"#).unwrap();
        assert_eq!(["click", "start"].map(|kind| config.topic_of(kind)), [Some("clicks"), Some("ads")]);
    }

    #[test]
    fn mistakes_name_the_field_and_what_was_expected() {
        for (text, error) in [
            (r#"{"topic": "ads"}"#, "config: `url` is missing"),
            (r#"{"url": "https://p"}"#, "`topic` is missing; name a topic"),
            (r#"{"url": "kafka:9092", "topic": "ads"}"#, "`url` is `kafka:9092`; write the proxy's address"),
            (r#"{"url": "https:///x", "topic": "ads"}"#, "`url` is `https:///x`"),
            (r#"{"url": "https://p/?a=1", "topic": "ads"}"#, "`url` is `https://p/?a=1`"),
            (r#"{"url": "https://p", "topic": "my ads"}"#, "`topic` is `my ads`; a topic's name has 1 to 249"),
            (r#"{"url": "https://p", "topics": {"click": ".."}}"#, "`topics.click` is `..`"),
            (r#"{"url": "https://p", "topic": "ads", "max_records": 0}"#, "`max_records` is 0; write 1 to 1000"),
            (
                r#"{"url": "https://p", "topic": "ads", "key": "user"}"#,
                "`key`: unknown variant `user`, expected one of `session`",
            ),
            (
                r#"{"url": "https://p", "topic": "a", "headers": {"content-type": "x"}}"#,
                "`content-type`, which the plugin sets",
            ),
            (
                r#"{"url": "https://p", "topic": "a", "headers": {"X": "a\nb"}}"#,
                "`headers` has `X`, whose name or value",
            ),
            (r#"{"url": "https://p", "topic": "a", "topci": "b"}"#, "unknown field `topci`, expected one of `url`"),
        ] {
            let given = read(text).unwrap_err();
            assert!(given.starts_with("config: ") && given.contains(error), "{given}");
        }
    }
}
