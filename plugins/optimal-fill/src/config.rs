//! What the tenant can set. README.md has the table.

use std::collections::BTreeMap;

use cuetone_plugin::config as settings;
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use crate::{piece::MAX_SLOTS, slots::Position};

/// A weight beyond this is a slip of the pen: a point would be worth more than any price.
const MAX_WEIGHT: f64 = 1_000_000.0;

/// The furthest position that can have bids: a break seldom has more ads.
const MAX_POSITION: usize = 12;

/// A bid beyond this is a slip of the pen, such as a price in place of a multiplier.
const MAX_MULTIPLIER: f64 = 100.0;

/// Parts of a whole number of which a multiplier is made.
const PARTS: f64 = 1_000_000.0;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub score_weight: f64,
    pub priority_weight: f64,
    pub fill_weight: f64,
    pub max_ads: Option<usize>,
    pub min_fill: f64,
    pub positions: Vec<Bids>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            score_weight: 1.0,
            priority_weight: 1.0,
            fill_weight: 0.0,
            max_ads: None,
            min_fill: 0.0,
            positions: Vec::new(),
        }
    }
}

/// Who pays more for a position.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Bids {
    #[serde(deserialize_with = "position")]
    pub position: Position,
    /// The ad's label that has its multiplier.
    #[serde(default)]
    pub label: Option<String>,
    /// Multipliers of campaigns, for ads without the label.
    #[serde(default)]
    pub campaigns: BTreeMap<String, Multiplier>,
    /// For all others.
    #[serde(default)]
    pub default: Multiplier,
}

/// How many times as much an ad is worth somewhere, in millionths. At least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier(i64);

impl Default for Multiplier {
    fn default() -> Self {
        Self(PARTS as i64)
    }
}

impl Multiplier {
    fn new(number: f64) -> Option<Self> {
        (1.0..=MAX_MULTIPLIER).contains(&number).then(|| Self((number * PARTS).round() as i64))
    }

    /// Of a label such as "1.5"; `None` if it is no number from 1 to 100.
    pub fn from_label(text: &str) -> Option<Self> {
        text.trim().parse().ok().and_then(Self::new)
    }

    /// What `value` gains by it.
    pub fn gain(self, value: i64) -> i64 {
        let gain = i128::from(value) * i128::from(self.0 - PARTS as i64) / PARTS as i128;
        i64::try_from(gain).unwrap_or(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        Self::new(number)
            .ok_or_else(|| D::Error::custom(format!("{number} is not a multiplier: write 1 to {MAX_MULTIPLIER}")))
    }
}

/// `first`, `second`, `third`, `last`, or a number.
fn position<'de, D: Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(usize),
        Word(String),
    }
    let wrong = || D::Error::custom(format!("not a position: write first, second, third, last or 1 to {MAX_POSITION}"));
    match Written::deserialize(from).map_err(|_| wrong())? {
        Written::Number(number) if (1..=MAX_POSITION).contains(&number) => Ok(Position::Nth(number)),
        Written::Word(word) => match word.as_str() {
            "first" => Ok(Position::Nth(1)),
            "second" => Ok(Position::Nth(2)),
            "third" => Ok(Position::Nth(3)),
            "last" => Ok(Position::Last),
            _ => Err(wrong()),
        },
        Written::Number(_) => Err(wrong()),
    }
}

/// What is wrong with a configuration that has the right types.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error("config: `{field}` is {value}; write a number from {least} to {most}")]
    OutOfRange { field: &'static str, value: f64, least: f64, most: f64 },
    #[error("config: `positions` has {0} entries; at most {MAX_SLOTS} positions can have bids")]
    TooManyPositions(usize),
    #[error("config: `positions[{0}].position` is there before; name each position once")]
    TwicePosition(usize),
    #[error("config: `positions[{0}]` bids nothing; give it `label`, `campaigns` or `default`")]
    NoBids(usize),
}

impl Config {
    /// As the tenant wrote it.
    pub fn read() -> Result<Self, String> {
        let config: Self = settings::read_part("optimal-fill")?;
        config.check().map_err(|error| error.to_string())
    }

    fn check(self) -> Result<Self, ConfigError> {
        let ranges = [
            ("score_weight", self.score_weight, 0.0, MAX_WEIGHT),
            ("priority_weight", self.priority_weight, 0.0, MAX_WEIGHT),
            ("fill_weight", self.fill_weight, 0.0, MAX_WEIGHT),
            ("min_fill", self.min_fill, 0.0, 1.0),
        ];
        for (field, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::OutOfRange { field, value, least, most });
            }
        }
        if self.max_ads == Some(0) {
            return Err(ConfigError::OutOfRange {
                field: "max_ads",
                value: 0.0,
                least: 1.0,
                most: f64::from(u16::MAX),
            });
        }
        if self.positions.len() > MAX_SLOTS {
            return Err(ConfigError::TooManyPositions(self.positions.len()));
        }
        for (index, bids) in self.positions.iter().enumerate() {
            if self.positions.iter().take(index).any(|before| before.position == bids.position) {
                return Err(ConfigError::TwicePosition(index));
            }
            if bids.label.is_none() && bids.campaigns.is_empty() && bids.default == Multiplier::default() {
                return Err(ConfigError::NoBids(index));
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
        assert_eq!(read("{}"), Ok(Config::default()));
    }

    #[test]
    fn a_detector_and_a_fill_strategy_can_share_a_configuration() {
        let config = read(r#"{"optimal-fill": {"max_ads": 3}, "scte35-policy": {"other": 1}}"#).unwrap();
        assert_eq!(config, read(r#"{"max_ads": 3}"#).unwrap());
        let error = read(r#"{"optimal-fill": {"max_ads": "x"}}"#).unwrap_err();
        assert!(error.starts_with("config: `optimal-fill.max_ads`: invalid type"), "{error}");
    }

    #[test]
    fn all_that_can_be_written() {
        let config = read(
            r#"{"score_weight": 2, "priority_weight": 0, "fill_weight": 0.5, "max_ads": 4, "min_fill": 0.9, "positions": [
                {"position": "first", "label": "bid_first", "campaigns": {"summer": 1.25}, "default": 1.1},
                {"position": 4, "label": "bid_fourth"}, {"position": "last", "default": 2}]}"#,
        )
        .unwrap();
        let positions: Vec<Position> = config.positions.iter().map(|bids| bids.position).collect();
        assert_eq!(positions, [Position::Nth(1), Position::Nth(4), Position::Last]);
        assert_eq!(config.positions[0].campaigns["summer"].gain(1_000_000), 250_000);
        assert_eq!(config.positions[2].default.gain(3), 3);
    }

    #[test]
    fn mistakes_name_the_field_and_what_was_expected() {
        for (text, error) in [
            (r#"{"min_fill": 90}"#, "config: `min_fill` is 90; write a number from 0 to 1"),
            (r#"{"score_weight": -1}"#, "config: `score_weight` is -1; write a number from 0 to 1000000"),
            (r#"{"max_ads": 0}"#, "config: `max_ads` is 0; write a number from 1 to 65535"),
            (
                r#"{"positions": [{"position": "fifth", "label": "x"}]}"#,
                "config: `positions[0].position`: not a position: write first, second, third, last or 1 to 12",
            ),
            (
                r#"{"positions": [{"position": "first", "default": 0.5}]}"#,
                "config: `positions[0].default`: 0.5 is not a multiplier: write 1 to 100",
            ),
            (
                r#"{"positions": [{"position": "first"}]}"#,
                "config: `positions[0]` bids nothing; give it `label`, `campaigns` or `default`",
            ),
            (
                r#"{"positions": [{"position": 1, "label": "a"}, {"position": "first", "label": "b"}]}"#,
                "config: `positions[1].position` is there before; name each position once",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), error);
        }
        let unknown = read(r#"{"max_add": 3}"#).unwrap_err();
        assert!(unknown.contains("unknown field `max_add`, expected one of `score_weight`"), "{unknown}");
    }

    #[test]
    fn labels_are_decimals_from_one_up() {
        assert_eq!(Multiplier::from_label(" 1.5 ").map(|multiplier| multiplier.gain(10)), Some(5));
        for text in ["0.5", "NaN", "inf", "1,5", "", "1000"] {
            assert_eq!(Multiplier::from_label(text), None, "{text}");
        }
    }
}
