//! VMAP 1.0.1, the IAB's Video Multiple Ad Playlist: which breaks a content has, and where the ads of each are.
//!
//! Read with the tolerance and the limits of [`super::vast`] (prefixes are passed over, as are breaks without a time), and
//! written with the prefix `vmap` that the specification's examples have and some players insist on.

mod model;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use thiserror::Error;

use super::{
    vast::{ErrorCode, KEPT, Position},
    xml::{self, XmlError},
};
pub use model::*;
pub use write::write;

/// Why a document cannot be used at all.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VmapError {
    #[error("not XML that is read: {0}")]
    Xml(#[from] XmlError),
    #[error("the root element is `{name}`, not `VMAP` ({at})")]
    Root { name: String, at: Position },
    #[error("VMAP version `{version}` is not supported ({at})")]
    Version { version: String, at: Position },
}

impl VmapError {
    pub fn code(&self) -> VmapErrorCode {
        match self {
            Self::Xml(_) => VmapErrorCode::Parsing,
            Self::Root { .. } => VmapErrorCode::Schema,
            Self::Version { .. } => VmapErrorCode::Version,
        }
    }
}

/// VMAP's own error codes (1.0.1, 2.5): what `[ERROR_CODE]` stands for in a break's error URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum VmapErrorCode {
    Undefined = 900,
    Schema = 1000,
    Version = 1001,
    Parsing = 1002,
    BreakType = 1003,
    AdResponse = 1004,
    TemplateType = 1005,
    AdResponseParsing = 1006,
    AdResponseTimeout = 1007,
    AdResponseRetrieval = 1008,
}

impl VmapErrorCode {
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl From<ErrorCode> for VmapErrorCode {
    /// What a failed VAST response of a break is for the break.
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::XmlParsing | ErrorCode::SchemaValidation | ErrorCode::VersionUnsupported => {
                Self::AdResponseParsing
            }
            ErrorCode::WrapperTimeout => Self::AdResponseTimeout,
            ErrorCode::Wrapper | ErrorCode::WrapperLimit | ErrorCode::NoAdAfterWrapper => Self::AdResponseRetrieval,
            _ => Self::AdResponse,
        }
    }
}

impl fmt::Display for VmapErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Result<Vmap, VmapError> {
    read::vmap(&xml::parse(bytes, &KEPT)?)
}

/// Whether a document says that it is a VMAP. For answers of ad servers that may be either; a document that is neither is
/// for the reader of VAST to refuse.
pub fn is_vmap(bytes: &[u8]) -> bool {
    xml::root_name(bytes).is_some_and(|name| name.eq_ignore_ascii_case("VMAP"))
}
