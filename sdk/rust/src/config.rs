//! What the tenant wrote under `config:` where it mounted the plugin.

/// JSON text; `{}` where nothing was written, `null` where the mount has no configuration. In a sink, secrets are
/// placeholders that the host fills in when it sends.
pub fn text() -> String {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::cuetone::extension::config::get();
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::config();
}

/// The configuration as a type of the plugin's; `null` counts as `{}`. Give the type `#[serde(default)]` for what may be
/// left out. An error names the field: "config: `score`: invalid type: string "high", expected f64".
#[cfg(feature = "serde")]
pub fn read<T: serde::de::DeserializeOwned>() -> Result<T, String> {
    let text = match text() {
        absent if absent == "null" => "{}".to_owned(),
        written => written,
    };
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)).map_err(problem)
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
}
