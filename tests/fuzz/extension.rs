//! Of `core/extension`, what reads a plugin's bytes and does not run it.

use std::{fmt, str::FromStr};

#[path = "../../core/extension/error.rs"]
pub mod error;
#[path = "../../core/extension/wasm/inspect.rs"]
pub mod inspect;
#[path = "../../core/extension/wasm/metadata.rs"]
pub mod metadata;
#[path = "../../core/extension/wasm/signature.rs"]
pub mod signature;

pub use error::ExtensionError;

/// In the server it lies beside what compiles, which is not mounted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point(&'static str);

impl Point {
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Point {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["detect", "targeting", "fill", "sink"];
        known.into_iter().find(|point| *point == text).map(Self).ok_or_else(|| format!("unknown point `{text}`"))
    }
}
