//! `plugin.yaml`: what a plugin says of itself. It does not know how a plugin is built.

use std::{fmt, fs, path::Path};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::BuildError;

/// The file at a project's root.
pub const MANIFEST_FILE: &str = "plugin.yaml";
/// The contract that this crate builds for: `cuetone:extension@1.0.0`.
pub const CONTRACT: u32 = 1;
/// As for all names of the server: long enough for any that people type, short enough for a path segment.
pub const MAX_NAME_LENGTH: usize = 64;
/// Licence and description are shown in lists.
pub const MAX_LINE_LENGTH: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// A slug.
    pub name: String,
    pub version: Version,
    pub point: Point,
    pub contract: u32,
    pub language: Language,
    /// SPDX expression, or words of the author's own.
    pub licence: String,
    pub description: String,
    /// Counters that it reads.
    #[serde(default)]
    pub counters: Vec<String>,
    /// What the host need not copy.
    #[serde(default)]
    pub leaves_out: Vec<LeftOut>,
}

impl Manifest {
    /// Reads `plugin.yaml` of the project.
    pub fn read(project: &Path) -> Result<Self, BuildError> {
        let path = project.join(MANIFEST_FILE);
        if !path.exists() {
            let problem =
                "there is no such file. Name a plugin's folder, or start one with `cuetone plugin new`".into();
            return Err(BuildError::Manifest { path, problem });
        }
        let text = fs::read_to_string(&path).map_err(BuildError::io(&path))?;
        Self::parse(&text).map_err(|problem| BuildError::Manifest { path, problem })
    }

    /// The error names the field, and the line where YAML has one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// What types alone do not say.
    fn check(&self) -> Result<(), String> {
        check_name(&self.name).map_err(|problem| format!("name: `{}` is not a slug: {problem}", self.name))?;
        if self.contract != CONTRACT {
            return Err(format!("contract: {} is not one that this version builds: use {CONTRACT}", self.contract));
        }
        for (field, line) in [("licence", &self.licence), ("description", &self.description)] {
            if line.trim().is_empty() || line.len() > MAX_LINE_LENGTH || line.contains(char::is_control) {
                return Err(format!("{field}: write one line of 1 to {MAX_LINE_LENGTH} bytes"));
            }
        }
        Ok(())
    }

    /// The content of the component's custom section: this manifest as compact JSON.
    pub fn section(&self) -> Vec<u8> {
        // Texts, numbers and lists of them: there is nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What a plugin is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    Detect,
    Targeting,
    Fill,
    Sink,
}

impl Point {
    pub const ALL: [Self; 4] = [Self::Detect, Self::Targeting, Self::Fill, Self::Sink];

    /// As in `plugin.yaml`; also the name of the interface that the plugin exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Targeting => "targeting",
            Self::Fill => "fill",
            Self::Sink => "sink",
        }
    }

    /// The world of the contract that the plugin is compiled for.
    pub fn world(self) -> &'static str {
        match self {
            Self::Detect => "break-detector",
            Self::Targeting => "targeting-rule",
            Self::Fill => "fill-strategy",
            Self::Sink => "tracking-sink",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Rust,
    JavaScript,
    TypeScript,
    Python,
    C,
    Zig,
}

impl Language {
    pub const ALL: [Self; 6] = [Self::Rust, Self::JavaScript, Self::TypeScript, Self::Python, Self::C, Self::Zig];

    /// As in `plugin.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::C => "c",
            Self::Zig => "zig",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Fields of candidates that a plugin does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeftOut {
    Ids,
    Labels,
}

/// `a-z 0-9 - _`, 1 to 64 characters, starting with a letter or digit.
pub fn check_name(name: &str) -> Result<(), String> {
    let well_formed = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= MAX_NAME_LENGTH;
    match well_formed {
        true => Ok(()),
        false => Err(format!("use 1 to {MAX_NAME_LENGTH} of a-z, 0-9, - and _, starting with a letter or digit")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub const GOOD: &str = "name: prefer-travel\nversion: 0.1.0\npoint: targeting\ncontract: 1\nlanguage: rust\n\
        licence: Apache-2.0\ndescription: One line.\ncounters: []\nleaves_out: [ids]\n";

    fn check(from: &str, to: &str, expect: &str) {
        let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
        assert!(error.starts_with(expect), "{error}");
    }

    #[test]
    fn the_section_is_the_manifest_as_json() {
        let section = Manifest::parse(GOOD).unwrap().section();
        let expect = serde_json::json!({
            "name": "prefer-travel", "version": "0.1.0", "point": "targeting", "contract": 1, "language": "rust",
            "licence": "Apache-2.0", "description": "One line.", "counters": [], "leaves_out": ["ids"],
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&section).unwrap(), expect);
    }

    #[test]
    fn a_mistake_is_named_with_its_field_and_line() {
        check("prefer-travel", "Prefer travel", "name: `Prefer travel` is not a slug: use 1 to 64");
        check("0.1.0", "one", "version: unexpected character 'o'");
        check("targeting", "rule", "point: unknown variant `rule`, expected one of `detect`, `targeting`");
        check("contract: 1", "contract: 2", "contract: 2 is not one that this version builds: use 1");
        check("rust", "cobol", "language: unknown variant `cobol`");
        check("[ids]", "[names]", "leaves_out[0]: unknown variant `names`, expected `ids` or `labels`");
        check("One line.", "\"two\\nlines\"", "description: write one line");
        check("counters", "counter", "unknown field `counter`");
        check("name: prefer-travel\n", "", "missing field `name`");
        let error = Manifest::parse(&GOOD.replace("targeting", "rule")).unwrap_err();
        assert!(error.ends_with("at line 3 column 8"), "{error}");
    }

    #[test]
    fn names_are_what_the_file_says() {
        for language in Language::ALL {
            assert_eq!(serde_json::json!(language), language.name());
        }
        for point in Point::ALL {
            assert_eq!(serde_json::json!(point), point.name());
        }
    }
}
