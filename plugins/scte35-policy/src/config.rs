//! What the tenant can set. README.md has the table.

use std::collections::BTreeMap;

use cuetone_plugin::{Position, config as settings};
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

/// Bytes of a name or value in an avail's metadata: the host refuses more.
pub const MAX_METADATA_BYTES: usize = 128;

/// Entries in an avail's metadata that a rule may add.
const MAX_METADATA: usize = 16;

/// The longest avail that the host takes: a day.
pub const MAX_DURATION: f64 = 86_400.0;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Outermost first.
    pub breaks: Vec<BreakType>,
    pub splice_insert: Use,
    pub tags: Use,
    pub continuations: Use,
    pub durations: Durations,
    pub default_duration: Option<f64>,
    pub min_duration: f64,
    pub max_duration: f64,
    pub auto_return: bool,
    pub event_ids: EventIds,
    pub default_action: Action,
    pub upids: Vec<Rule>,
}

impl Default for Config {
    fn default() -> Self {
        let starts = [0x22, 0x34, 0x36, 0x30, 0x32];
        Self {
            breaks: starts.map(|start| BreakType { start, end: start + 1 }).into(),
            splice_insert: Use::Use,
            tags: Use::Use,
            continuations: Use::Use,
            durations: Durations::Announced,
            default_duration: None,
            min_duration: 0.0,
            max_duration: MAX_DURATION,
            auto_return: true,
            event_ids: EventIds::Unique,
            default_action: Action::Allow,
            upids: Vec::new(),
        }
    }
}

/// Segmentation types that open and close a kind of break (SCTE 35 2023r1, table 23).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct BreakType {
    #[serde(deserialize_with = "segmentation_type")]
    pub start: u8,
    #[serde(deserialize_with = "segmentation_type")]
    pub end: u8,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    Use,
    Ignore,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Durations {
    /// What the cue says; `default_duration` where it says nothing.
    Announced,
    /// Always `default_duration`: for encoders that announce nonsense.
    Default,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum EventIds {
    /// Each break has an event id of its own.
    Unique,
    /// The encoder uses event ids again: breaks are told apart by their starts.
    Reused,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    #[default]
    Allow,
    Deny,
}

/// What a UPID does to the break that it opens. All that is given of `equals`, `prefix`, `missing`, `upid_type` and
/// `segmentation_type` has to match.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    pub equals: Option<String>,
    pub prefix: Option<String>,
    /// There is no UPID.
    pub missing: bool,
    #[serde(deserialize_with = "optional_type")]
    pub upid_type: Option<u8>,
    #[serde(deserialize_with = "optional_type")]
    pub segmentation_type: Option<u8>,
    pub action: Action,
    pub duration: Option<f64>,
    pub max_duration: Option<f64>,
    #[serde(deserialize_with = "position")]
    pub position: Option<Position>,
    pub metadata: BTreeMap<String, String>,
}

/// 52, or "0x34".
fn segmentation_type<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u8),
        Hex(String),
    }
    let wrong = || D::Error::custom("not a type: write a number from 0 to 255, such as 52 or 0x34");
    match Written::deserialize(from).map_err(|_| wrong())? {
        Written::Number(number) => Ok(number),
        Written::Hex(text) => {
            text.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)
        }
    }
}

fn optional_type<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    segmentation_type(from).map(Some)
}

fn position<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Position>, D::Error> {
    match String::deserialize(from)?.as_str() {
        "pre-roll" => Ok(Some(Position::PreRoll)),
        "mid-roll" => Ok(Some(Position::MidRoll)),
        "post-roll" => Ok(Some(Position::PostRoll)),
        other => Err(D::Error::custom(format!("{other:?} is no position: write pre-roll, mid-roll or post-roll"))),
    }
}

/// What is wrong with a configuration that has the right types.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error("config: `{field}` is {value}; write seconds, above 0 and at most {MAX_DURATION}")]
    Duration { field: String, value: f64 },
    #[error("config: `min_duration` is {min}; write seconds from 0 to `max_duration`, which is {max}")]
    Minimum { min: f64, max: f64 },
    #[error("config: `breaks[{0}]` names a type that another entry has; each type opens or closes one kind of break")]
    TypeTwice(usize),
    #[error(
        "config: `upids[{0}]` would match everything; give it `equals`, `prefix`, `missing`, `upid_type` or \
         `segmentation_type`, or use `default_action`"
    )]
    MatchesAll(usize),
    #[error(
        "config: `upids[{0}].missing` cannot stand beside `equals`, `prefix` or `upid_type`: there is no UPID to compare"
    )]
    MissingAndGiven(usize),
    #[error("config: `upids[{0}].metadata` has too much: at most {MAX_METADATA} entries of {MAX_METADATA_BYTES} bytes")]
    Metadata(usize),
}

impl Config {
    /// As the tenant wrote it.
    pub fn read() -> Result<Self, String> {
        let config: Self = settings::read_part("scte35-policy")?;
        config.check().map_err(|error| error.to_string())
    }

    fn check(self) -> Result<Self, ConfigError> {
        let duration = |field: &str, value: Option<f64>| match value {
            Some(value) if !(value > 0.0 && value <= MAX_DURATION) => {
                Err(ConfigError::Duration { field: field.to_owned(), value })
            }
            _ => Ok(()),
        };
        duration("default_duration", self.default_duration)?;
        duration("max_duration", Some(self.max_duration))?;
        if !(0.0..=self.max_duration).contains(&self.min_duration) {
            return Err(ConfigError::Minimum { min: self.min_duration, max: self.max_duration });
        }
        let mut types = Vec::new();
        for (index, kind) in self.breaks.iter().enumerate() {
            if kind.start == kind.end || types.contains(&kind.start) || types.contains(&kind.end) {
                return Err(ConfigError::TypeTwice(index));
            }
            types.extend([kind.start, kind.end]);
        }
        for (index, rule) in self.upids.iter().enumerate() {
            let compares = rule.equals.is_some() || rule.prefix.is_some() || rule.upid_type.is_some();
            if !compares && !rule.missing && rule.segmentation_type.is_none() {
                return Err(ConfigError::MatchesAll(index));
            }
            if compares && rule.missing {
                return Err(ConfigError::MissingAndGiven(index));
            }
            duration(&format!("upids[{index}].duration"), rule.duration)?;
            duration(&format!("upids[{index}].max_duration"), rule.max_duration)?;
            let long = |text: &String| text.len() > MAX_METADATA_BYTES;
            if rule.metadata.len() > MAX_METADATA || rule.metadata.iter().any(|(name, value)| long(name) || long(value))
            {
                return Err(ConfigError::Metadata(index));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::with_config;

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        with_config(text, Config::read)
    }

    #[test]
    fn nothing_written_is_the_default() {
        let config = read("null").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.breaks[1], BreakType { start: 0x34, end: 0x35 });
    }

    #[test]
    fn a_detector_and_a_fill_strategy_can_share_a_configuration() {
        let config = read(r#"{"scte35-policy": {"min_duration": 3}, "optimal-fill": {"other": 1}}"#).unwrap();
        assert_eq!(config, read(r#"{"min_duration": 3}"#).unwrap());
        let error = read(r#"{"scte35-policy": {"min_duration": "x"}}"#).unwrap_err();
        assert!(error.starts_with("config: `scte35-policy.min_duration`: invalid type"), "{error}");
    }

    #[test]
    fn all_that_can_be_written() {
        let config = read(
            r#"{"breaks": [{"start": "0x44", "end": 69}], "splice_insert": "ignore", "tags": "ignore",
                "continuations": "ignore", "durations": "default", "default_duration": 60, "min_duration": 10,
                "max_duration": 180, "auto_return": false, "event_ids": "reused", "default_action": "deny",
                "upids": [{"prefix": "AD", "upid_type": "0x03", "segmentation_type": 52, "action": "allow", "duration": 30,
                "max_duration": 60, "position": "pre-roll", "metadata": {"tier": "gold"}}, {"missing": true}]}"#,
        )
        .unwrap();
        assert_eq!(config.breaks, [BreakType { start: 0x44, end: 0x45 }]);
        assert_eq!(config.upids[0].position, Some(Position::PreRoll));
        assert_eq!(config.upids[0].upid_type, Some(3));
    }

    #[test]
    fn mistakes_name_the_field_and_what_was_expected() {
        for (text, error) in [
            (r#"{"max_duration": 0}"#, "config: `max_duration` is 0; write seconds, above 0 and at most 86400"),
            (
                r#"{"min_duration": 90, "max_duration": 60}"#,
                "config: `min_duration` is 90; write seconds from 0 to `max_duration`, which is 60",
            ),
            (
                r#"{"breaks": [{"start": 300, "end": 5}]}"#,
                "config: `breaks[0].start`: not a type: write a number from 0 to 255, such as 52 or 0x34",
            ),
            (
                r#"{"breaks": [{"start": 48, "end": 49}, {"start": 49, "end": 50}]}"#,
                "config: `breaks[1]` names a type that another entry has; each type opens or closes one kind of break",
            ),
            (
                r#"{"upids": [{"prefix": "A", "position": "middle"}]}"#,
                "config: `upids[0].position`: \"middle\" is no position: write pre-roll, mid-roll or post-roll",
            ),
            (
                r#"{"upids": [{"action": "deny"}]}"#,
                "config: `upids[0]` would match everything; give it `equals`, `prefix`, `missing`, `upid_type` or \
                 `segmentation_type`, or use `default_action`",
            ),
            (
                r#"{"upids": [{"prefix": "A", "missing": true}]}"#,
                "config: `upids[0].missing` cannot stand beside `equals`, `prefix` or `upid_type`: there is no UPID to compare",
            ),
            (
                r#"{"upids": [{"prefix": "A", "duration": -3}]}"#,
                "config: `upids[0].duration` is -3; write seconds, above 0 and at most 86400",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), error);
        }
        let unknown = read(r#"{"upids": [{"equal": "A"}]}"#).unwrap_err();
        assert!(
            unknown.starts_with("config: `upids[0].equal`: unknown field `equal`, expected one of `equals`"),
            "{unknown}"
        );
        let word = read(r#"{"splice_insert": "no"}"#).unwrap_err();
        assert_eq!(word, "config: `splice_insert`: unknown variant `no`, expected `use` or `ignore`");
    }
}
