//! The values of a `splice_info_section` (SCTE 35 clause 9.6) and short ways to make the common ones.

use super::segmentation::Segmentation;
use crate::domain::Span;

const TICKS_PER_SECOND: i64 = 90_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Presentation times wrap at 33 bits.
const PTS_BITS: u32 = 33;

/// A time or length on the 90 kHz clock of MPEG-2 systems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// In microseconds, rounded to the nearest.
    pub fn span(self) -> Span {
        let ticks = i128::from(self.0);
        let micros =
            (ticks * i128::from(MICROS_PER_SECOND) + i128::from(TICKS_PER_SECOND / 2)) / i128::from(TICKS_PER_SECOND);
        Span(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// The nearest tick; a negative length is zero.
    pub fn from_span(span: Span) -> Self {
        let micros = i128::from(span.as_micros().max(0));
        let ticks =
            (micros * i128::from(TICKS_PER_SECOND) + i128::from(MICROS_PER_SECOND / 2)) / i128::from(MICROS_PER_SECOND);
        Self(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

/// A decoded `splice_info_section`. `protocol_version` is always 0 and an encrypted section is never decoded, so
/// neither has a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Two bits; 3 = not specified.
    pub sap_type: u8,
    /// To be added to every presentation time in the section, modulo 2^33.
    pub pts_adjustment: Ticks,
    /// Which control word would decrypt; without meaning here, kept as sent.
    pub cw_index: u8,
    /// Twelve bits of authorisation tier; 0xFFF = none.
    pub tier: u16,
    pub command: Command,
    pub descriptors: Vec<Descriptor>,
}

/// What the section asks for (clause 9.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A heartbeat.
    Null,
    /// Splices announced by wall clock; rare and superseded, so its loop is kept as bytes.
    Schedule(Vec<u8>),
    Insert(SpliceInsert),
    /// A moment (`None`: now) that the descriptors describe.
    TimeSignal(Option<Ticks>),
    BandwidthReservation,
    Private {
        identifier: u32,
        bytes: Vec<u8>,
    },
    /// A command type that this version of the standard reserves.
    Reserved {
        kind: u8,
        bytes: Vec<u8>,
    },
}

/// `splice_insert()` (clause 9.7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpliceInsert {
    pub event_id: u32,
    /// `None`: the event with this id is cancelled.
    pub action: Option<SpliceAction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpliceAction {
    /// True opens a break, false closes it.
    pub out_of_network: bool,
    pub at: SpliceAt,
    pub duration: Option<BreakDuration>,
    pub unique_program_id: u16,
    pub avail_num: u8,
    pub avails_expected: u8,
}

/// Which streams splice and when. A time of `None` is "not specified": the next chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpliceAt {
    /// All streams, immediately.
    ProgramNow,
    /// All streams, at a time.
    Program(Option<Ticks>),
    /// The streams with these component tags, immediately.
    ComponentsNow(Vec<u8>),
    /// The streams with these component tags, each at its own time.
    Components(Vec<(u8, Option<Ticks>)>),
}

/// `break_duration()` (clause 9.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakDuration {
    /// The break ends by itself; without it a closing signal follows.
    pub auto_return: bool,
    pub length: Ticks,
}

/// One descriptor of the section's loop (clause 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// `avail_descriptor()`: the provider's avail id.
    Avail(u32),
    Segmentation(Segmentation),
    /// Any other, or one of a foreign owner: all bytes after the length, the identifier included.
    Other {
        tag: u8,
        bytes: Vec<u8>,
    },
}

impl Section {
    /// A section with nothing special in its header.
    pub fn new(command: Command, descriptors: Vec<Descriptor>) -> Self {
        Self { sap_type: 3, pts_adjustment: Ticks(0), cw_index: 0, tier: 0xFFF, command, descriptors }
    }

    /// `splice_insert` that opens a break; without a time it opens immediately.
    pub fn splice_out(event_id: u32, at: Option<Ticks>, duration: Option<BreakDuration>) -> Self {
        Self::insert(event_id, Some(SpliceAction::program(true, at, duration)))
    }

    /// `splice_insert` that closes a break; without a time it closes immediately.
    pub fn splice_in(event_id: u32, at: Option<Ticks>) -> Self {
        Self::insert(event_id, Some(SpliceAction::program(false, at, None)))
    }

    /// `splice_insert` that calls an announced break off.
    pub fn splice_cancel(event_id: u32) -> Self {
        Self::insert(event_id, None)
    }

    /// `time_signal` with segmentation descriptors; without a time it means now.
    pub fn time_signal(at: Option<Ticks>, segmentations: impl IntoIterator<Item = Segmentation>) -> Self {
        Self::new(Command::TimeSignal(at), segmentations.into_iter().map(Descriptor::Segmentation).collect())
    }

    fn insert(event_id: u32, action: Option<SpliceAction>) -> Self {
        Self::new(Command::Insert(SpliceInsert { event_id, action }), Vec::new())
    }

    /// The presentation time at which the command takes effect, adjusted and wrapped at 33 bits; `None` if it is
    /// immediate or the command has no time.
    pub fn pts(&self) -> Option<Ticks> {
        let time = match &self.command {
            Command::TimeSignal(time) => *time,
            Command::Insert(SpliceInsert { action: Some(action), .. }) => match &action.at {
                SpliceAt::Program(time) => *time,
                SpliceAt::Components(components) => components.iter().find_map(|(_, time)| *time),
                SpliceAt::ProgramNow | SpliceAt::ComponentsNow(_) => None,
            },
            _ => None,
        }?;
        Some(Ticks(time.0.wrapping_add(self.pts_adjustment.0) & ((1 << PTS_BITS) - 1)))
    }

    /// The segmentation descriptors, in order.
    pub fn segmentations(&self) -> impl Iterator<Item = &Segmentation> {
        self.descriptors.iter().filter_map(|descriptor| match descriptor {
            Descriptor::Segmentation(segmentation) => Some(segmentation),
            _ => None,
        })
    }
}

impl SpliceAction {
    fn program(out_of_network: bool, at: Option<Ticks>, duration: Option<BreakDuration>) -> Self {
        let at = at.map_or(SpliceAt::ProgramNow, |at| SpliceAt::Program(Some(at)));
        Self { out_of_network, at, duration, unique_program_id: 0, avail_num: 0, avails_expected: 0 }
    }
}

impl Command {
    /// The command's name in the standard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "splice_null",
            Self::Schedule(_) => "splice_schedule",
            Self::Insert(_) => "splice_insert",
            Self::TimeSignal(_) => "time_signal",
            Self::BandwidthReservation => "bandwidth_reservation",
            Self::Private { .. } => "private_command",
            Self::Reserved { .. } => "reserved",
        }
    }

    /// `splice_command_type` (table 7).
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Null => 0x00,
            Self::Schedule(_) => 0x04,
            Self::Insert(_) => 0x05,
            Self::TimeSignal(_) => 0x06,
            Self::BandwidthReservation => 0x07,
            Self::Private { .. } => 0xFF,
            Self::Reserved { kind, .. } => *kind,
        }
    }
}
