//! What the tenant can set. README.md has the table.

use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

/// Fields, exclusions: each costs time for every ad.
const MAX_ENTRIES: usize = 32;

/// A weight beyond this is a slip of the pen.
const MAX_WEIGHT: f64 = 1_000_000.0;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub fields: Vec<Field>,
    pub rating: Option<Rating>,
    pub exclusions: Vec<Exclusion>,
    pub floor: Option<f64>,
    pub floor_for: FloorFor,
    /// Points that an ad loses for each impression of today.
    pub fatigue: f64,
}

impl Default for Config {
    fn default() -> Self {
        let fields = vec![
            Field::named("genre"),
            Field { weight: 5.0, count: Count::Each, combine: Combine::All, ..Field::named("keyword") },
            Field { weight: 5.0, ..Field::named("mood") },
            Field { weight: 0.0, required: true, ..Field::named("language") },
        ];
        Self { fields, rating: None, exclusions: Vec::new(), floor: None, floor_for: FloorFor::Targeted, fatigue: 0.0 }
    }
}

/// Something that is known of content, and that ads want or avoid.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(from = "WrittenField")]
pub struct Field {
    pub name: String,
    pub content: Vec<Source>,
    pub combine: Combine,
    pub split: String,
    pub want: String,
    pub avoid: String,
    pub weight: f64,
    pub miss: f64,
    pub count: Count,
    pub required: bool,
    pub unknown: Unknown,
}

/// As it is written: much of it follows from the name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    name: String,
    content: Option<Vec<Source>>,
    combine: Option<Combine>,
    split: Option<String>,
    want: Option<String>,
    avoid: Option<String>,
    weight: Option<f64>,
    miss: Option<f64>,
    count: Option<Count>,
    required: Option<bool>,
    unknown: Option<Unknown>,
}

impl From<WrittenField> for Field {
    fn from(written: WrittenField) -> Self {
        let usual = Self::named(&written.name);
        Self {
            name: written.name,
            content: written.content.unwrap_or(usual.content),
            combine: written.combine.unwrap_or(usual.combine),
            split: written.split.unwrap_or(usual.split),
            want: written.want.unwrap_or(usual.want),
            avoid: written.avoid.unwrap_or(usual.avoid),
            weight: written.weight.unwrap_or(usual.weight),
            miss: written.miss.unwrap_or(usual.miss),
            count: written.count.unwrap_or(usual.count),
            required: written.required.unwrap_or(usual.required),
            unknown: written.unknown.unwrap_or(usual.unknown),
        }
    }
}

impl Field {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: vec![Source::Avail(name.to_owned()), Source::Channel(name.to_owned())],
            combine: Combine::First,
            split: ",".to_owned(),
            want: format!("context:{name}"),
            avoid: format!("context:not_{name}"),
            weight: 10.0,
            miss: 0.0,
            count: Count::Any,
            required: false,
            unknown: Unknown::Keep,
        }
    }
}

/// Where a fact of the content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the detector noted of the avail.
    Avail(String),
    /// The channel's label.
    Channel(String),
    /// The query parameter of the request.
    Param(String),
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.split_once('.') {
            Some(("avail", name)) if !name.is_empty() => Ok(Self::Avail(name.to_owned())),
            Some(("channel", name)) if !name.is_empty() => Ok(Self::Channel(name.to_owned())),
            Some(("param", name)) if !name.is_empty() => Ok(Self::Param(name.to_owned())),
            _ => Err(D::Error::custom(format!("{text:?} is no source: write avail.NAME, channel.NAME or param.NAME"))),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// The first source that says something.
    First,
    All,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// The weight once, however many words match.
    Any,
    /// The weight for each word that matches.
    Each,
}

/// What happens where the content does not say what an ad needs to know.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    Keep,
    Drop,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum FloorFor {
    /// Ads that want something.
    Targeted,
    All,
}

/// Ratings of content and ads, in order.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Rating {
    /// From harmless to not.
    pub scale: Vec<String>,
    pub content: Vec<Source>,
    /// The ad's label: the highest rating of content that it goes with.
    pub limit: String,
    /// The ad's label: its own rating, which must not be above the content's.
    pub own: String,
    pub unknown: Unknown,
}

impl Default for Rating {
    fn default() -> Self {
        Self {
            scale: ["G", "PG", "PG-13", "R", "NC-17"].map(str::to_owned).into(),
            content: vec![Source::Avail("rating".to_owned()), Source::Channel("rating".to_owned())],
            limit: "context:max_rating".to_owned(),
            own: "rating".to_owned(),
            unknown: Unknown::Drop,
        }
    }
}

/// Ads that do not go with some content, whatever they say themselves.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    pub field: String,
    /// Of the content; empty for all content.
    #[serde(default)]
    pub content: Vec<String>,
    /// Of the ad.
    pub label: String,
    pub values: Vec<String>,
}

/// What is wrong with a configuration that has the right types.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error("config: `{field}` is {value}; write a number from -{MAX_WEIGHT} to {MAX_WEIGHT}")]
    Number { field: String, value: f64 },
    #[error("config: `fatigue` is {0}; what was shown loses points, it gains none: write 0 or more")]
    Fatigue(f64),
    #[error("config: `{field}` has {count} entries; at most {MAX_ENTRIES} are allowed")]
    TooMany { field: &'static str, count: usize },
    #[error("config: `fields[{0}].name` is empty or there before; give each field a name of its own")]
    Name(usize),
    #[error("config: `fields[{0}].content` is empty; name at least one source, such as avail.genre")]
    NoSource(usize),
    #[error("config: `exclusions[{index}].field` is `{field}`, which is not among `fields`; use one of {known}")]
    NoField { index: usize, field: String, known: String },
    #[error("config: `exclusions[{0}].values` is empty; list what is excluded")]
    NoValues(usize),
    #[error("config: `rating.scale` must list at least two ratings, each once")]
    Scale,
}

impl Config {
    pub fn check(self) -> Result<Self, ConfigError> {
        for (field, count) in [("fields", self.fields.len()), ("exclusions", self.exclusions.len())] {
            if count > MAX_ENTRIES {
                return Err(ConfigError::TooMany { field, count });
            }
        }
        number("floor", self.floor.unwrap_or_default())?;
        number("fatigue", self.fatigue)?;
        if self.fatigue < 0.0 {
            return Err(ConfigError::Fatigue(self.fatigue));
        }
        for (index, field) in self.fields.iter().enumerate() {
            number(&format!("fields[{index}].weight"), field.weight)?;
            number(&format!("fields[{index}].miss"), field.miss)?;
            if field.name.is_empty() || self.fields.iter().take(index).any(|before| before.name == field.name) {
                return Err(ConfigError::Name(index));
            }
            if field.content.is_empty() {
                return Err(ConfigError::NoSource(index));
            }
        }
        for (index, exclusion) in self.exclusions.iter().enumerate() {
            if self.fields.iter().all(|field| field.name != exclusion.field) {
                let known = self.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(ConfigError::NoField { index, field: exclusion.field.clone(), known });
            }
            if exclusion.values.is_empty() {
                return Err(ConfigError::NoValues(index));
            }
        }
        if let Some(rating) = &self.rating {
            let twice = |(index, name)| rating.scale.iter().take(index).any(|before| before == name);
            if rating.scale.len() < 2 || rating.scale.iter().enumerate().any(twice) {
                return Err(ConfigError::Scale);
            }
        }
        Ok(self)
    }
}

fn number(field: &str, value: f64) -> Result<(), ConfigError> {
    if value.abs() <= MAX_WEIGHT { Ok(()) } else { Err(ConfigError::Number { field: field.to_owned(), value }) }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::{config, testing::with_config};

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        with_config(text, config::read::<Config>)?.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_follows_from_the_name() {
        assert_eq!(read("null"), Ok(Config::default()));
        let config = read(r#"{"fields": [{"name": "team"}], "rating": {}}"#).unwrap();
        assert_eq!(config.fields, [Field::named("team")]);
        assert_eq!(config.fields[0].avoid, "context:not_team");
        assert_eq!(config.rating, Some(Rating::default()));
    }

    #[test]
    fn all_that_can_be_written() {
        let config = read(
            r#"{"fields": [{"name": "topic", "content": ["param.topic", "channel.about", "avail.iab"], "combine": "all",
                "split": "|", "want": "topics", "avoid": "no_topics", "weight": 3, "miss": -2, "count": "each",
                "required": true, "unknown": "drop"}],
                "rating": {"scale": ["0", "12", "18"], "content": ["channel.fsk"], "limit": "max", "own": "fsk", "unknown": "keep"},
                "exclusions": [{"field": "topic", "content": ["kids"], "label": "category", "values": ["alcohol"]}],
                "floor": 5, "floor_for": "all"}"#,
        )
        .unwrap();
        assert_eq!(config.fields[0].content[2], Source::Avail("iab".into()));
        assert_eq!(config.floor, Some(5.0));
    }

    #[test]
    fn mistakes_name_the_field_and_what_was_expected() {
        for (text, error) in [
            (
                r#"{"fields": [{"name": "a", "content": ["label.a"]}]}"#,
                "\"label.a\" is no source: write avail.NAME, channel.NAME or param.NAME",
            ),
            (r#"{"fields": [{"name": "a"}, {"name": "a"}]}"#, "`fields[1].name` is empty or there before"),
            (r#"{"fields": [{"name": "a", "content": []}]}"#, "`fields[0].content` is empty; name at least one source"),
            (r#"{"fields": [{"name": "a", "wieght": 3}]}"#, "unknown field `wieght`, expected one of `name`"),
            (r#"{"fields": [{"name": "a", "weight": 1e9}]}"#, "`fields[0].weight` is 1000000000; write a number from"),
            (
                r#"{"exclusions": [{"field": "team", "label": "category", "values": ["x"]}]}"#,
                "`exclusions[0].field` is `team`, which is not among `fields`; use one of genre, keyword, mood, language",
            ),
            (
                r#"{"exclusions": [{"field": "genre", "label": "category", "values": []}]}"#,
                "`exclusions[0].values` is empty",
            ),
            (r#"{"rating": {"scale": ["G"]}}"#, "`rating.scale` must list at least two ratings, each once"),
            (r#"{"floor": "high"}"#, "config: `floor`: invalid type: string \"high\", expected f64"),
        ] {
            let given = read(text).unwrap_err();
            assert!(given.starts_with("config: ") && given.contains(error), "{given}");
        }
    }
}
