//! A plugin as a break detector.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    bindings::{
        cuetone::extension::types::{self, AvailResult},
        exports::cuetone::extension::detect::{self, GuestIndices},
    },
    request::{Pairs, avail, length, pairs, seconds},
};
use crate::{
    domain::{AvailKind, Moment, Position, Span},
    extension::{
        BreakDetector, Counters, DetectInput, ExtensionError, FoundAvail, Patience, PlacedCue, Window,
        wasm::plugin::{Plugin, Ran},
    },
    media::cue::{CueKind, Dialect, Signal},
};

pub struct Detector {
    plugin: Arc<Plugin>,
    indices: GuestIndices,
}

impl Detector {
    pub fn new(plugin: Arc<Plugin>) -> Result<Self, ExtensionError> {
        let indices = plugin.exported(GuestIndices::new)?;
        Ok(Self { plugin, indices })
    }

    /// As [`BreakDetector::detect`], with what it cost.
    pub fn run(&self, input: &DetectInput<'_>) -> Result<Ran<Vec<FoundAvail>>, ExtensionError> {
        self.plugin.call(input.config, &Counters::default(), &Patience::default(), |mut store, instance| {
            let guest = self.indices.load(&mut store, instance)?;
            let boundaries: Vec<f64> = input.window.boundaries.iter().map(|moment| seconds(*moment)).collect();
            let cues: Vec<_> = input.window.cues.iter().map(cue).collect();
            let metadata: Vec<Pairs<'_>> = input.known.iter().map(|known| pairs(&known.metadata)).collect();
            let known: Vec<_> = input.known.iter().zip(&metadata).map(|(known, texts)| avail(known, texts)).collect();
            let channel = detect::Channel {
                break_interval: length(input.break_interval),
                break_duration: length(input.break_duration),
            };
            let window = window(input.window, &boundaries, &cues);
            let found = guest.call_detect(store, window, &known, channel)?;
            Ok(found.and_then(|found| found.into_iter().map(found_avail).collect()))
        })
    }
}

impl BreakDetector for Detector {
    fn detect(&self, input: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

fn window<'a>(window: &Window, boundaries: &'a [f64], cues: &'a [detect::Cue<'a>]) -> detect::Window<'a> {
    detect::Window { live: window.live, start: seconds(window.start), end: seconds(window.end), boundaries, cues }
}

fn cue(placed: &PlacedCue) -> detect::Cue<'_> {
    let cue = &placed.cue;
    detect::Cue {
        at: seconds(placed.at),
        kind: match cue.kind {
            CueKind::Out => detect::CueKind::Out,
            CueKind::Continue => detect::CueKind::Continue,
            CueKind::In => detect::CueKind::In,
            CueKind::Cancel => detect::CueKind::Cancel,
            CueKind::Info => detect::CueKind::Info,
        },
        dialect: match cue.dialect {
            Dialect::CueOut => detect::Dialect::CueOut,
            Dialect::Oatcls => detect::Dialect::Oatcls,
            Dialect::Scte35Tag => detect::Dialect::Scte35Tag,
            Dialect::DateRange => detect::Dialect::Daterange,
            Dialect::Asset => detect::Dialect::Asset,
        },
        id: cue.id.as_deref(),
        duration: cue.duration.map(length),
        elapsed: cue.elapsed.map(length),
        signal: cue.signal.as_ref().map(signal),
    }
}

fn signal(signal: &Signal) -> detect::Signal<'_> {
    detect::Signal {
        command: signal.command,
        segmentation_type: signal.segmentation_type_id,
        upid: signal.upid.as_deref(),
        upid_type: signal.upid_type,
        segment_num: signal.segment_num,
        segments_expected: signal.segments_expected,
    }
}

/// An avail as a plugin answers it; times have to be numbers before they can be checked.
fn found_avail(found: AvailResult) -> Result<FoundAvail, String> {
    if !found.start.is_finite() || !found.duration.is_finite() {
        return Err(format!("avail `{}`: its start and duration must be numbers of seconds", found.id));
    }
    Ok(FoundAvail {
        start: Moment::from_secs_f64(found.start),
        duration: Span::from_secs_f64(found.duration),
        kind: match found.kind {
            types::AvailKind::Replace => AvailKind::Replace,
            types::AvailKind::Insert => AvailKind::Insert,
        },
        position: match found.position {
            types::Position::PreRoll => Position::PreRoll,
            types::Position::MidRoll => Position::MidRoll,
            types::Position::PostRoll => Position::PostRoll,
        },
        closed: found.closed,
        metadata: found.metadata.into_iter().collect::<BTreeMap<_, _>>(),
        id: found.id,
    })
}
