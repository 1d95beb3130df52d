//! Why a document could not be read, and where.

use std::fmt;

use thiserror::Error;

/// A document that is not XML, or more of it than is read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{fault} ({at})")]
pub struct XmlError {
    pub fault: Fault,
    pub at: Position,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    #[error("there is no element in it")]
    Empty,
    #[error("there is text before the first element")]
    Outside,
    #[error("it is neither UTF-8 nor declared as ISO-8859-1")]
    Encoding,
    #[error("document types and entity declarations are refused")]
    DocType,
    #[error("longer than {} bytes", super::MAX_BYTES)]
    TooLarge,
    #[error("more than {} levels of elements", super::MAX_DEPTH)]
    TooDeep,
    #[error("more than {} elements", super::MAX_ELEMENTS)]
    TooManyElements,
    #[error("more than {} tags, texts, references and comments", super::MAX_PIECES)]
    TooManyPieces,
    #[error("more than {} attributes in an element", super::MAX_ATTRIBUTES)]
    TooManyAttributes,
    #[error("a text is longer than {} bytes", super::MAX_TEXT)]
    TextTooLong,
    #[error("the document ends within an element")]
    Unclosed,
    #[error("a name that XML does not allow, or a prefix that stands for nothing")]
    Name,
    #[error("not well-formed: {0}")]
    Syntax(String),
}

/// Where in a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Bytes before it. Counted in the text as UTF-8, without a byte order mark.
    pub byte: usize,
    /// From 1.
    pub line: usize,
}

impl Position {
    /// The position of a later byte of the text.
    pub(super) fn further(self, text: &str, byte: usize) -> Self {
        let between = text.as_bytes().get(self.byte..byte).unwrap_or_default();
        Self { byte, line: self.line + memchr::memchr_iter(b'\n', between).count() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)
    }
}
