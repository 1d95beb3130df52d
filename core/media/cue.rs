//! Ad markers of HLS media playlists, in every dialect, as one kind of value.
//!
//! Knows tags and their attributes. Deliberately does not know where a tag stood, which break it belongs to or what
//! to do about it: detectors decide that.

mod fields;
mod read;
mod recognise;
mod signal;

#[cfg(test)]
mod tests;

use super::{datetime::DateTimeError, scte35::SectionError};
use crate::domain::{Moment, Span};

/// How the marker was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `#EXT-X-CUE-OUT`, `-CONT`, `-IN`, and the older `#EXT-X-CUE:TYPE=…` and `#EXT-X-CUE-CONT`.
    CueOut,
    /// `#EXT-OATCLS-SCTE35`, `#EXT-X-SPLICEPOINT-SCTE35`: base64.
    Oatcls,
    /// `#EXT-X-SCTE35`: CUE=, CUE-OUT=, CUE-IN=.
    Scte35Tag,
    /// `#EXT-X-DATERANGE` with SCTE35-OUT, -IN or -CMD, or of a class that names ad breaks.
    DateRange,
    /// `#EXT-X-ASSET`.
    Asset,
}

/// What the marker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CueKind {
    /// A break starts.
    Out,
    /// A break goes on.
    Continue,
    /// A break ends.
    In,
    /// An announced break will not happen.
    Cancel,
    /// Carries facts about the break around it, or is a further segment of the SCTE-35 message that the cue before it
    /// carries. Neither begins nor ends a break for those who go by kinds.
    Info,
}

/// One marker.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    pub kind: CueKind,
    pub dialect: Dialect,
    /// Event id, DATERANGE ID …: what repeats of the same cue share.
    pub id: Option<String>,
    /// The break's whole length, when announced. Zero asks for insertion instead of replacement.
    pub duration: Option<Span>,
    /// How much of the break has passed (`Continue`, and further segments of its message).
    pub elapsed: Option<Span>,
    /// When it takes effect, if the tag says so itself (DATERANGE START-DATE).
    pub at: Option<Moment>,
    /// What the SCTE-35 section inside said, if there was one.
    pub signal: Option<Signal>,
}

/// The parts of an SCTE-35 section that policies look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    pub command: &'static str,
    pub segmentation_type_id: Option<u8>,
    /// Upper-case hex, or text for the UPID types that are text.
    pub upid: Option<String>,
    pub upid_type: Option<u8>,
    pub segment_num: Option<u8>,
    pub segments_expected: Option<u8>,
}

/// Why a marker cannot be used. Callers count it and carry on: a corrupt cue is no cue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CueError {
    /// The section inside is damaged, encrypted or none.
    #[error("SCTE-35 in {attribute}: {reason}")]
    Signal { attribute: &'static str, reason: SectionError },
    /// Not a plain decimal of at most a day.
    #[error("{attribute} is no number of seconds: {text:?}")]
    Seconds { attribute: &'static str, text: String },
    /// Not one of the words that the attribute allows.
    #[error("{attribute} is {text:?}; expected {expected}")]
    Word { attribute: &'static str, text: String, expected: &'static str },
    #[error("{attribute}: {reason}")]
    Date { attribute: &'static str, reason: DateTimeError },
    #[error("END-DATE is before START-DATE")]
    EndsBeforeStart,
    #[error("the tag has no SCTE-35 section")]
    Empty,
}

/// Whether `line` is an ad marker in a dialect that [`decode`] reads. EXT-X-DATERANGE is one only with SCTE35-OUT, -IN
/// or -CMD or a CLASS that names ad breaks or interstitials. Looks at a few bytes of most lines: it is asked for every
/// line of every new playlist version.
pub fn is_marker(line: &str) -> bool {
    recognise::recognise(line).is_some()
}

/// Decodes one playlist line. `None`: it is no ad marker, exactly when [`is_marker`] says so.
///
/// The first cue is what the marker means. If it carries an SCTE-35 message of several segments, the others follow it as
/// cues of kind [`CueKind::Info`], each with its own signal, id and duration.
pub fn decode(line: &str) -> Option<Result<Vec<Cue>, CueError>> {
    recognise::recognise(line).map(|(tag, value)| read::read(tag, value))
}
