//! What a plugin says of itself: JSON in its custom section `cuetone:plugin`.

use serde::{Deserialize, Serialize};

use crate::{
    domain::CounterGrant,
    extension::{ExtensionError, Point},
};

/// The custom section's name.
pub const SECTION: &str = "cuetone:plugin";

/// Bytes of the section: some lines of text.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;

/// The contract that this server speaks.
pub const CONTRACT: u32 = 1;

/// A plugin's metadata. Nobody trusts it: what matters is checked against the component itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub name: String,
    /// As its makers count: 1.4.0.
    pub version: String,
    #[serde(with = "as_text")]
    pub point: Point,
    /// Major version of `cuetone:extension`.
    pub contract: u32,
    /// What it was written in; decides how much memory it may have.
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub licence: String,
    #[serde(default)]
    pub description: String,
    /// Counters that it asks for.
    #[serde(default)]
    pub counters: Vec<CounterGrant>,
    /// Fields of candidates that it does not read, and is not handed.
    #[serde(default)]
    pub leaves_out: Vec<LeftOut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeftOut {
    Ids,
    Labels,
}

impl Metadata {
    /// Reads the section's content.
    ///
    /// # Errors
    /// In words for the plugin's author.
    pub fn read(section: &[u8]) -> Result<Self, String> {
        let metadata: Self =
            serde_json::from_slice(section).map_err(|error| format!("its metadata (section {SECTION}): {error}"))?;
        if metadata.contract != CONTRACT {
            let contract = metadata.contract;
            return Err(format!(
                "it speaks version {contract} of the contract; this server speaks {CONTRACT} (cuetone:extension@1.0.0)"
            ));
        }
        Ok(metadata)
    }

    /// The point at which it is to serve: the one that is wanted, if any is.
    ///
    /// # Errors
    /// If it is made for another one.
    pub fn serving(&self, path: &str, wanted: Option<Point>) -> Result<Point, ExtensionError> {
        let made_for = self.point;
        match wanted.filter(|wanted| *wanted != made_for) {
            None => Ok(made_for),
            Some(wanted) => Err(ExtensionError::Component {
                path: path.to_owned(),
                message: format!("it is a plugin for {made_for}, not for {wanted}"),
                hint: Some(format!("mount it where a {made_for} is wanted, or choose a plugin for {wanted}")),
            }),
        }
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::extension::Point;

    pub fn serialize<S: Serializer>(point: &Point, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(point.as_str())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Point, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
