//! VAST, the IAB's Digital Video Ad Serving Template: what an ad server answers when it is asked for ads.
//!
//! Versions 2.0 to 4.3 are read into one model and written from it. Reading is as tolerant as players are and bounded as
//! a server has to be ([`super::xml`] has the limits); writing is strict. Nothing here fetches anything or knows why an ad
//! was chosen.

mod code;
mod event;
pub mod macros;
pub mod model;
mod read;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod value;
mod write;

use thiserror::Error;

use super::xml;
pub use super::xml::{Fault, MAX_BYTES, Position, RawXml, XmlError};
pub use code::ErrorCode;
pub use model::*;
pub use write::write;
// For VMAP, which has VAST in it.
pub(super) use read::{extensions, vast as from_element};
pub(super) use write::{element, extension};

/// Why a response cannot be used at all.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VastError {
    #[error("not XML that is read: {0}")]
    Xml(#[from] XmlError),
    #[error("the root element is `{name}`, not `VAST` ({at})")]
    Root { name: String, at: Position },
    #[error("VAST version `{version}` is not supported ({at})")]
    Version { version: String, at: Position },
}

impl VastError {
    /// What to tell error URLs.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Xml(_) => ErrorCode::XmlParsing,
            Self::Root { .. } => ErrorCode::SchemaValidation,
            Self::Version { .. } => ErrorCode::VersionUnsupported,
        }
    }
    pub fn at(&self) -> Position {
        match self {
            Self::Xml(error) => error.at,
            Self::Root { at, .. } | Self::Version { at, .. } => *at,
        }
    }
}

/// Reads a response. What one ad of it lacks costs no other: unusable parts are left out, or are empty where VAST
/// requires something (an ad without creatives, a wrapper without an address).
pub fn parse(bytes: &[u8]) -> Result<Vast, VastError> {
    read::vast(&xml::parse(bytes, &KEPT)?)
}

/// Elements whose contents are anybody's.
pub(super) const KEPT: [&str; 2] = ["Extension", "CreativeExtension"];
