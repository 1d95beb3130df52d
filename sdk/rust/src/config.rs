//! What the tenant wrote under `config:` where it mounted the plugin.

/// JSON text; `{}` where nothing was written, `null` where the mount has no configuration. In a sink, secrets are
/// placeholders that the host fills in when it sends.
pub fn text() -> String {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::cuetone::extension::config::get();
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::config();
}

/// The configuration as a type of the plugin's; `null` counts as `{}`, a list is refused. Give the type `#[serde(default)]`
/// for what may be left out. An error names the field: "config: `score`: invalid type: string "high", expected f64".
#[cfg(feature = "serde")]
pub fn read<T: serde::de::DeserializeOwned>() -> Result<T, String> {
    let text = written();
    // Serde takes a list for a struct whose fields it names in order, and an empty one for a struct of defaults.
    if text.trim_start().starts_with('[') {
        return Err("config: it is a list; write names with their values".to_owned());
    }
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)).map_err(problem)
}

/// The plugin's own part of a configuration that it shares: a channel has one for its detector and its fill strategy, and
/// where both take some, each has its part under its name. Without a part of that name, or with `null` in it, all is the
/// plugin's, as [`read`] has it.
#[cfg(feature = "serde")]
pub fn read_part<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    use serde::de::DeserializeSeed as _;

    let text = written();
    if !text.trim_start().starts_with('{') {
        return read();
    }
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(&text);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let part = Part { name, of: std::marker::PhantomData }.deserialize(tracked);
    let part = part.map_err(|error| problem(serde_path_to_error::Error::new(track.path(), error)))?;
    part.map_or_else(read, Ok)
}

#[cfg(feature = "serde")]
fn written() -> String {
    match text() {
        absent if absent == "null" => "{}".to_owned(),
        written => written,
    }
}

/// Reads one entry of a map and passes over the others.
#[cfg(feature = "serde")]
struct Part<'n, T> {
    name: &'n str,
    of: std::marker::PhantomData<T>,
}

#[cfg(feature = "serde")]
impl<'de, T: serde::Deserialize<'de>> serde::de::DeserializeSeed<'de> for Part<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(feature = "serde")]
impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Part<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("names with their values")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut part = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == self.name {
                part = map.next_value()?;
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(part)
    }
}

/// Without the line and the column: the tenant wrote YAML and never sees this JSON.
#[cfg(feature = "serde")]
fn problem(error: serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let error = error.into_inner();
    let text = error.to_string();
    let text = text.trim_end_matches(&format!(" at line {} column {}", error.line(), error.column()));
    match text.strip_prefix("missing field ") {
        Some(field) => format!("config: {field} is missing"),
        None if path == "." => format!("config: {text}"),
        None => format!("config: `{path}`: {text}"),
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use serde::Deserialize;

    use crate::testing::with_config;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Optional {
        score: f64,
        wanted: Vec<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Required {
        url: String,
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let nothing = Ok(Optional::default());
        assert_eq!(with_config("{}", super::read), nothing);
        assert_eq!(with_config("null", super::read), nothing);
        assert_eq!(super::read(), nothing);
        let score = with_config(r#"{"score": 3}"#, super::read);
        assert_eq!(score, Ok(Optional { score: 3.0, ..Optional::default() }));
    }

    #[test]
    fn an_error_names_the_field() {
        let error = |config| with_config(config, super::read::<Optional>).unwrap_err();
        assert_eq!(error(r#"{"score": "high"}"#), "config: `score`: invalid type: string \"high\", expected f64");
        assert_eq!(
            error(r#"{"wanted": ["a", 1]}"#),
            "config: `wanted[1]`: invalid type: integer `1`, expected a string"
        );
        assert_eq!(error("7"), "config: invalid type: integer `7`, expected struct Optional");
        assert_eq!(with_config("null", super::read::<Required>).unwrap_err(), "config: `url` is missing");
    }

    #[test]
    fn a_list_is_no_configuration_of_defaults() {
        let refused = "config: it is a list; write names with their values";
        for list in ["[]", " [3, []]"] {
            assert_eq!(with_config(list, super::read::<Optional>).unwrap_err(), refused);
            assert_eq!(with_config(list, || super::read_part::<Optional>("mine")).unwrap_err(), refused);
        }
    }

    #[test]
    fn a_part_is_read_where_there_is_one_and_else_the_whole() {
        let read = |config| with_config(config, || super::read_part::<Optional>("mine"));
        let score = |score| Ok(Optional { score, ..Optional::default() });
        assert_eq!(read(r#"{"theirs": {"score": "x"}, "mine": {"score": 2}, "score": 7}"#), score(2.0));
        assert_eq!(read(r#"{"score": 7}"#), score(7.0));
        assert_eq!(read(r#"{"mine": null, "score": 7}"#), score(7.0));
        assert_eq!((read("{}"), read("null")), (score(0.0), score(0.0)));
        assert_eq!(
            read(r#"{"mine": {"score": "high"}}"#).unwrap_err(),
            "config: `mine.score`: invalid type: string \"high\", expected f64"
        );
        assert_eq!(read("7").unwrap_err(), "config: invalid type: integer `7`, expected struct Optional");
        let missing = with_config(r#"{"mine": {}}"#, || super::read_part::<Required>("mine")).unwrap_err();
        assert_eq!(missing, "config: `url` is missing");
    }
}
