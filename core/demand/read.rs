//! What an ad server answered.

use super::failure::{Failure, Outcome};
use crate::media::{
    vast::{self, ErrorCode, Vast, VastError},
    vmap::{self, Vmap, VmapError},
};

/// An ad server's answer to a tag.
pub(super) enum Document {
    /// No content: no ad.
    Nothing,
    Vast(Vast),
    Vmap(Vmap),
}

/// The answer to a tag.
pub(super) fn document(bytes: &[u8]) -> Result<Document, Failure> {
    if is_blank(bytes) {
        return Ok(Document::Nothing);
    }
    if vmap::is_vmap(bytes) {
        return vmap::parse(bytes).map(Document::Vmap).map_err(|error| {
            let code = match &error {
                VmapError::Xml(_) => ErrorCode::XmlParsing,
                VmapError::Root { .. } => ErrorCode::SchemaValidation,
                VmapError::Version { .. } => ErrorCode::VersionUnsupported,
            };
            Failure::new(code, Outcome::Malformed, error)
        });
    }
    vast::parse(bytes).map(Document::Vast).map_err(|error| malformed(&error))
}

/// The answer to a wrapper's tag: VAST, or nothing.
pub(super) fn vast(bytes: &[u8]) -> Result<Option<Vast>, Failure> {
    if is_blank(bytes) { Ok(None) } else { vast::parse(bytes).map(Some).map_err(|error| malformed(&error)) }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty()
}

pub(super) fn malformed(error: &VastError) -> Failure {
    Failure::new(error.code(), Outcome::Malformed, error)
}
