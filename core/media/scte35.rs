//! SCTE-35 sections (ANSI/SCTE 35, clause 9): bytes, base64 or hex ↔ values, with the CRC checked and written.
//!
//! Reads what arrives and writes what tests, the demo origin and the command line need. Deliberately knows no
//! playlist, and no meaning beyond the fields: whether a signal opens an ad break is `cue`'s business.

mod bits;
mod crc;
mod decode;
mod encode;
mod section;
mod segmentation;
mod text;

#[cfg(test)]
mod tests;

pub use decode::{SectionError, decode};
pub use encode::{EncodeError, encode};
pub use section::{BreakDuration, Command, Descriptor, Section, SpliceAction, SpliceAt, SpliceInsert, Ticks};
pub use segmentation::{Component, Restrictions, Segment, Segmentation, SubSegment, Upid};
pub use text::{decode_text, to_base64, to_hex};

/// The longest section: three bytes of header and what a 12-bit `section_length` can count (clause 9.6). Input beyond
/// it is refused before any of it is decoded.
pub const MAX_SECTION_BYTES: usize = 3 + 0xFFF;
