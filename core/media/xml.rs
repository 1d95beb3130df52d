//! XML as ad servers send it, read into a small tree of elements within fixed limits, and written.
//!
//! Reading forgives what players forgive: name spaces are passed over, a bare `&` is text, attributes may lack quotes.
//! It refuses what is dangerous: document types and with them entities, and anything beyond the limits below. Nothing is
//! ever expanded, so memory grows with the document's size and no faster. The meaning of elements is `vast`'s and
//! `vmap`'s.

mod error;
mod raw;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::{Fault, Position, XmlError};
pub use raw::RawXml;
pub(super) use read::{Element, parse, root_name};
pub(super) use write::{Attributes, Writer, attributes};

/// Longest document, in bytes. A pod of twenty ads with dozens of tracking URLs each has less than one megabyte.
pub const MAX_BYTES: usize = 2 << 20;
/// Deepest nesting. A fallback picture of an icon in a VAST in a VMAP is the 16th level; extensions may go on below theirs.
pub const MAX_DEPTH: usize = 48;
/// Most elements. An element takes some hundred bytes in the tree, so they are limited apart from bytes.
pub const MAX_ELEMENTS: usize = 20_000;
/// Most pieces: tags, texts between them, references, comments. A reference cuts a text in two, and URLs with forty
/// `&amp;` in each of a thousand places are still well below.
pub const MAX_PIECES: usize = 200_000;
/// Most attributes of one element. VAST has fourteen at most.
pub const MAX_ATTRIBUTES: usize = 64;
/// Longest text of one element or attribute, in bytes: room for an interactive creative's parameters.
pub const MAX_TEXT: usize = 256 << 10;

/// Most name space prefixes that stand for something at one place.
pub const MAX_PREFIXES: usize = 64;

/// Whether XML 1.0 lets a document have this character, in whatever form.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}
