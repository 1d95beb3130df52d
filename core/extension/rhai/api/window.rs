//! The stretch of a channel that a detector looks at, and the cues in it.

use std::sync::Arc;

use rhai::{Array, Dynamic};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::optional;
use crate::{
    domain::{Moment, Span},
    extension::{
        PlacedCue, Window,
        rhai::registrar::{Effect::Pure, Registrar},
    },
    media::cue::{CueKind, Dialect},
};

/// How far a time that went through floating-point arithmetic may be off a segment's start and still mean it.
const TOLERANCE: Span = Span::from_millis(1);

#[derive(Clone, Debug)]
pub struct WindowValue(pub Arc<Window>);

#[derive(Clone, Debug)]
pub struct CueValue {
    window: Arc<Window>,
    index: usize,
}

impl WindowValue {
    /// The first segment that starts at `time` or later.
    fn boundary_at(&self, time: f64) -> Dynamic {
        let wanted = Moment::from_secs_f64(time) - TOLERANCE;
        let index = self.0.boundaries.partition_point(|start| *start < wanted);
        optional(self.0.boundaries.get(index).map(|start| start.as_secs_f64()))
    }

    /// The last segment that starts at `time` or earlier.
    fn boundary_before(&self, time: f64) -> Dynamic {
        let wanted = Moment::from_secs_f64(time) + TOLERANCE;
        let after = self.0.boundaries.partition_point(|start| *start <= wanted);
        optional(after.checked_sub(1).and_then(|index| self.0.boundaries.get(index)).map(|start| start.as_secs_f64()))
    }

    fn cues(&self) -> Array {
        (0..self.0.cues.len()).map(|index| Dynamic::from(CueValue { window: Arc::clone(&self.0), index })).collect()
    }
}

impl CueValue {
    fn placed(&self) -> Option<&PlacedCue> {
        self.window.cues.get(self.index)
    }

    fn read(&self, read: impl FnOnce(&PlacedCue) -> Dynamic) -> Dynamic {
        self.placed().map_or(Dynamic::UNIT, read)
    }
}

pub fn kind_text(kind: CueKind) -> &'static str {
    match kind {
        CueKind::Out => "out",
        CueKind::Continue => "continue",
        CueKind::In => "in",
        CueKind::Cancel => "cancel",
        CueKind::Info => "info",
    }
}

pub fn dialect_text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::CueOut => "cue-out",
        Dialect::Oatcls => "oatcls",
        Dialect::Scte35Tag => "scte35-tag",
        Dialect::DateRange => "daterange",
        Dialect::Asset => "asset",
    }
}

fn seconds(span: Option<Span>) -> Option<f64> {
    span.map(Span::as_secs_f64)
}

impl Serialize for CueValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(PlacedCue { at, cue }) = self.placed() {
            map.serialize_entry("at", &at.as_secs_f64())?;
            map.serialize_entry("kind", kind_text(cue.kind))?;
            map.serialize_entry("dialect", dialect_text(cue.dialect))?;
            map.serialize_entry("id", &cue.id)?;
            map.serialize_entry("duration", &seconds(cue.duration))?;
            map.serialize_entry("elapsed", &seconds(cue.elapsed))?;
        }
        map.end()
    }
}

impl Serialize for WindowValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("live", &self.0.live)?;
        map.serialize_entry("start", &self.0.start.as_secs_f64())?;
        map.serialize_entry("end", &self.0.end.as_secs_f64())?;
        let cues = (0..self.0.cues.len()).map(|index| CueValue { window: Arc::clone(&self.0), index });
        map.serialize_entry("cues", &cues.collect::<Vec<_>>())?;
        map.end()
    }
}

pub fn register(api: &mut Registrar<'_>) {
    const WINDOW: &str = "Window";
    api.value::<WindowValue>(WINDOW, "The stretch of the channel that the origin offers now.")
        .property(WINDOW, "live", ("bool", "False when the playlist is complete (VOD)."), |w: &mut WindowValue| {
            w.0.live
        })
        .property(WINDOW, "start", ("float", "Seconds since the epoch."), |w: &mut WindowValue| w.0.start.as_secs_f64())
        .property(WINDOW, "end", ("float", "Seconds since the epoch."), |w: &mut WindowValue| w.0.end.as_secs_f64())
        .property(WINDOW, "duration", ("float", "Seconds."), |w: &mut WindowValue| (w.0.end - w.0.start).as_secs_f64())
        .property(WINDOW, "cues", ("array of Cue", "The ad markers, in playlist order."), |w: &mut WindowValue| {
            w.cues()
        });
    let time = |time: f64| time;
    api.group("Window")
        .function(
            Pure,
            "boundary_at(window, time) -> float",
            "Where the first segment starts that does not start before `time`, or `()`.",
            move |w: &mut WindowValue, at: f64| w.boundary_at(time(at)),
        )
        .function(
            Pure,
            "boundary_before(window, time) -> float",
            "Where the last segment starts that does not start after `time`, or `()`.",
            move |w: &mut WindowValue, at: f64| w.boundary_before(time(at)),
        );

    const CUE: &str = "Cue";
    macro_rules! cue {
        ($name:literal, $type_name:literal, $doc:literal, $read:expr) => {
            api.property(CUE, $name, ($type_name, $doc), |cue: &mut CueValue| cue.read($read));
        };
    }
    api.value::<CueValue>(CUE, "An ad marker of the origin's playlist, in whichever dialect it was written.");
    cue!("at", "float", "When it takes effect, seconds since the epoch.", |c| c.at.as_secs_f64().into());
    cue!("kind", "string", "out, continue, in, cancel or info.", |c| kind_text(c.cue.kind).into());
    cue!("dialect", "string", "cue-out, oatcls, scte35-tag, daterange or asset.", |c| dialect_text(c.cue.dialect)
        .into());
    cue!("id", "string or ()", "What repeats of the same cue share.", |c| optional(c.cue.id.as_deref()));
    cue!("duration", "float or ()", "The break's whole length in seconds; 0 asks for insertion.", |c| optional(
        seconds(c.cue.duration)
    ));
    cue!("elapsed", "float or ()", "How much of the break has passed (continue).", |c| optional(seconds(
        c.cue.elapsed
    )));
    cue!("segmentation_type", "int or ()", "SCTE 35 segmentation_type_id.", |c| optional(
        c.cue.signal.as_ref().and_then(|signal| signal.segmentation_type_id).map(i64::from)
    ));
    cue!("command", "string or ()", "SCTE 35 command, such as splice_insert.", |c| optional(
        c.cue.signal.as_ref().map(|signal| signal.command)
    ));
    cue!("upid", "string or ()", "SCTE 35 segmentation UPID.", |c| optional(
        c.cue.signal.as_ref().and_then(|signal| signal.upid.as_deref())
    ));
    cue!("upid_type", "int or ()", "SCTE 35 segmentation_upid_type.", |c| optional(
        c.cue.signal.as_ref().and_then(|signal| signal.upid_type).map(i64::from)
    ));
    cue!("segment_num", "int or ()", "SCTE 35 segment_num.", |c| optional(
        c.cue.signal.as_ref().and_then(|signal| signal.segment_num).map(i64::from)
    ));
    cue!("segments_expected", "int or ()", "SCTE 35 segments_expected.", |c| optional(
        c.cue.signal.as_ref().and_then(|signal| signal.segments_expected).map(i64::from)
    ));
}
