//! What an SCTE-35 section means for ad breaks.
//!
//! `splice_insert` says it itself. A `time_signal` says it by its segmentation descriptors, and one signal may carry
//! several (the programme ends, a break starts, its first placement opportunity starts). Then the **outermost break**
//! wins, in the order in which the standard nests them (clause 10.3.3.1):
//!
//! 1. break (0x22, 0x23)
//! 2. provider, then distributor placement opportunity (0x34–0x37)
//! 3. provider, then distributor overlay placement opportunity (0x38–0x3B)
//! 4. provider, then distributor advertisement (0x30–0x33)
//!
//! Of two on the same level a start wins over an end: back-to-back opportunities meet in one signal, and a new start
//! ends the old one anyway. Of two alike the first wins.
//!
//! The other segments are told beside it, each as it stands: policies that go by segmentation types want them all.

use super::{CueKind, Signal};
use crate::{
    domain::Span,
    media::scte35::{Command, Section, Segment, Segmentation},
};

/// Other segments of one message that are told. A real one has three or four: the programme, and a start and an end of
/// break, opportunity and ad at most. A section has room for two hundred, and each would cost every detector time.
const MAX_OTHERS: usize = 16;

/// The meaning of one section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) kind: CueKind,
    /// The event id, in decimal.
    pub(super) id: Option<String>,
    /// Of the break, only where one opens.
    pub(super) duration: Option<Span>,
    pub(super) signal: Signal,
    /// What the section says beside the segment that `signal` speaks of, in its order.
    pub(super) others: Vec<Other>,
}

/// A segment that does not decide what the section means.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Other {
    /// The event id, in decimal.
    pub(super) id: String,
    /// Its own, unless it ends something.
    pub(super) duration: Option<Span>,
    /// It is a start of a break or of a part of one.
    pub(super) starts: bool,
    pub(super) signal: Signal,
}

/// Start or end of a break, and how far out it lies (0 = outermost); `None` for types that are no ad breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Role {
    level: u8,
    ends: bool,
}

fn role(type_id: u8) -> Option<Role> {
    let level = match type_id & !1 {
        0x22 => 0,
        0x34 => 1,
        0x36 => 2,
        0x38 => 3,
        0x3A => 4,
        0x30 => 5,
        0x32 => 6,
        _ => return None,
    };
    Some(Role { level, ends: type_id & 1 == 1 })
}

/// What a segmentation type (table 23) does.
pub(super) fn kind_of_type(type_id: u8) -> CueKind {
    match role(type_id) {
        Some(Role { ends: false, .. }) => CueKind::Out,
        Some(Role { ends: true, .. }) => CueKind::In,
        None => CueKind::Info,
    }
}

pub(super) fn interpret(section: &Section) -> Reading {
    let mut breaks: Vec<(Role, &Segmentation, &Segment)> = section
        .segmentations()
        .filter_map(|descriptor| {
            let segment = descriptor.segment.as_ref()?;
            Some((role(segment.type_id)?, descriptor, segment))
        })
        .collect();
    // Stable: of two alike the first stays first.
    breaks.sort_by_key(|(role, ..)| *role);
    let outermost = breaks.first();
    let told = outermost.map(|(.., segment)| *segment);
    let told = told.or_else(|| section.segmentations().find_map(|each| each.segment.as_ref()));
    let others = others(section, told);
    let signal = signal(section, told);

    let (kind, id, duration) = meaning(section, &breaks);
    Reading { kind, id, duration, signal, others }
}

/// What the section does, the event that it speaks of, and how long that lasts.
fn meaning(section: &Section, breaks: &[(Role, &Segmentation, &Segment)]) -> (CueKind, Option<String>, Option<Span>) {
    match &section.command {
        Command::Insert(insert) => {
            let id = Some(insert.event_id.to_string());
            let Some(action) = &insert.action else { return (CueKind::Cancel, id, None) };
            if !action.out_of_network {
                return (CueKind::In, id, None);
            }
            let duration = action.duration.map(|duration| duration.length.span()).or_else(|| start_length(breaks));
            (CueKind::Out, id, duration)
        }
        Command::TimeSignal(_) => match breaks.first() {
            Some((Role { ends, .. }, descriptor, _)) => {
                let kind = if *ends { CueKind::In } else { CueKind::Out };
                let duration = if *ends { None } else { start_length(breaks) };
                (kind, Some(descriptor.event_id.to_string()), duration)
            }
            None => match section.segmentations().find(|descriptor| descriptor.segment.is_none()) {
                Some(cancelled) => (CueKind::Cancel, Some(cancelled.event_id.to_string()), None),
                None => {
                    let id = section.segmentations().next().map(|descriptor| descriptor.event_id.to_string());
                    (CueKind::Info, id, None)
                }
            },
        },
        _ => (CueKind::Info, None, None),
    }
}

/// All segments but the one that is told already.
fn others(section: &Section, told: Option<&Segment>) -> Vec<Other> {
    let segments = section.segmentations().filter_map(|each| Some((each.event_id, each.segment.as_ref()?)));
    let others = segments.filter(|(_, segment)| told.is_none_or(|told| !std::ptr::eq(told, *segment)));
    let other = |(event_id, segment): (u32, &Segment)| {
        let kind = kind_of_type(segment.type_id);
        Other {
            id: event_id.to_string(),
            duration: segment.duration.filter(|_| kind != CueKind::In).map(|duration| duration.span()),
            starts: kind == CueKind::Out,
            signal: signal(section, Some(segment)),
        }
    };
    others.take(MAX_OTHERS).map(other).collect()
}

/// The length of the outermost start that tells one: a break often leaves it to the placement opportunity that starts
/// with it.
fn start_length(breaks: &[(Role, &Segmentation, &Segment)]) -> Option<Span> {
    let starts = breaks.iter().filter(|(role, ..)| !role.ends);
    starts.filter_map(|(.., segment)| segment.duration).map(|duration| duration.span()).next()
}

fn signal(section: &Section, segment: Option<&Segment>) -> Signal {
    Signal {
        command: section.command.name(),
        segmentation_type_id: segment.map(|segment| segment.type_id),
        upid: segment.and_then(|segment| segment.upid.text()),
        upid_type: segment.map(|segment| segment.upid.kind).filter(|kind| *kind != 0),
        segment_num: segment.map(|segment| segment.segment_num),
        segments_expected: segment.map(|segment| segment.segments_expected),
    }
}
