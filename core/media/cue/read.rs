//! One reader per dialect: tag and value → [`Cue`], and what else the section inside says as cues of kind `Info`.
//!
//! Where a tag and the section inside it disagree, the tag wins: it is what packagers and players act on. Only a
//! cancelled event overrides it, whatever the tag calls itself.

use super::{
    Cue, CueError, CueKind, Dialect,
    fields::{Fields, quoted, seconds, section},
    recognise::{BreakClass, CueTag, break_class},
    signal::{Other, Reading, kind_of_type},
};
use crate::domain::{Moment, Span};

const DURATION: &[&str] = &["DURATION", "PLANNED-DURATION"];
const ELAPSED: &[&str] = &["ELAPSED", "ElapsedTime", "AVAIL-DUR-ELAPSED"];

pub(super) fn read(tag: CueTag, value: &str) -> Result<Vec<Cue>, CueError> {
    let fields = Fields(value);
    match tag {
        CueTag::Out => cue_out(fields),
        CueTag::Continue => cue_continue(fields),
        CueTag::In => {
            Ok(Draft { id: fields.id(), ..Draft::new(CueKind::In, Dialect::CueOut) }.with(fields.usual_section()?))
        }
        CueTag::Legacy => legacy(fields),
        CueTag::Section => bare_section(value),
        CueTag::Scte35 => scte35(fields, None, Dialect::Scte35Tag, fields.usual_section()?),
        CueTag::Scte35Out => scte35(fields, Some(CueKind::Out), Dialect::Scte35Tag, fields.usual_section()?),
        CueTag::Scte35In => scte35(fields, Some(CueKind::In), Dialect::Scte35Tag, fields.usual_section()?),
        CueTag::DateRange => date_range(fields),
        CueTag::Asset => {
            let id = fields.id().or_else(|| fields.text(&["CAID"]).map(|(_, text)| text.to_owned()));
            Ok(Draft { id, ..Draft::new(CueKind::Info, Dialect::Asset) }.with(None))
        }
    }
}

/// What the tag itself says.
struct Draft {
    kind: CueKind,
    dialect: Dialect,
    id: Option<String>,
    duration: Option<Span>,
    elapsed: Option<Span>,
    at: Option<Moment>,
}

impl Draft {
    fn new(kind: CueKind, dialect: Dialect) -> Self {
        Self { kind, dialect, id: None, duration: None, elapsed: None, at: None }
    }

    /// Adds what the section inside says where the tag is silent.
    fn with(self, reading: Option<Reading>) -> Vec<Cue> {
        let mut cue = Cue {
            kind: self.kind,
            dialect: self.dialect,
            id: self.id,
            duration: self.duration,
            elapsed: self.elapsed,
            at: self.at,
            signal: None,
        };
        let mut beside = Vec::new();
        if let Some(reading) = reading {
            if reading.kind == CueKind::Cancel {
                cue.kind = CueKind::Cancel;
            }
            cue.id = cue.id.or(reading.id);
            if matches!(cue.kind, CueKind::Out | CueKind::Continue) {
                cue.duration = cue.duration.or(reading.duration);
            }
            cue.signal = Some(reading.signal);
            // Where the tag ends a break with the section that opened it, nothing starts again.
            let repeats_start = cue.kind == CueKind::In && reading.kind == CueKind::Out;
            let told = reading.others.into_iter().filter(|other| !(repeats_start && other.starts));
            beside.extend(told.map(|other| follower(&cue, other)));
        }
        let mut cues = vec![cue];
        cues.append(&mut beside);
        cues
    }
}

/// Another segment of the message that `cue` carries: it takes effect at the same place.
fn follower(cue: &Cue, other: Other) -> Cue {
    // A message that is repeated while its break goes on has begun as long ago.
    let elapsed = if cue.kind == CueKind::Continue { cue.elapsed.or(Some(Span::ZERO)) } else { None };
    let signal = Some(other.signal);
    Cue { kind: CueKind::Info, id: Some(other.id), duration: other.duration, elapsed, signal, ..cue.clone() }
}

/// `30`, `30.5`, `DURATION=30`, `0` (insert), nothing; then any attributes.
fn cue_out(fields: Fields<'_>) -> Result<Vec<Cue>, CueError> {
    let duration = match fields.bare() {
        Some(text) => Some(seconds("DURATION", text)?),
        None => fields.seconds(DURATION)?,
    };
    let draft = Draft { id: fields.id(), duration, ..Draft::new(CueKind::Out, Dialect::CueOut) };
    Ok(draft.with(fields.usual_section()?))
}

/// `8.0/30`, `8.0`, `ElapsedTime=8,Duration=30,SCTE35=…`, nothing. A length of zero says "not known" here: a break
/// that goes on is no insertion point.
fn cue_continue(fields: Fields<'_>) -> Result<Vec<Cue>, CueError> {
    let (elapsed, duration) = match fields.bare() {
        Some(text) => {
            let (elapsed, duration) = text.split_once('/').unwrap_or((text, ""));
            let duration = if duration.is_empty() { None } else { Some(seconds("Duration", duration)?) };
            (Some(seconds("ElapsedTime", elapsed)?), duration)
        }
        None => (fields.seconds(ELAPSED)?, fields.seconds(DURATION)?),
    };
    let duration = duration.filter(|duration| duration.is_positive());
    let draft = Draft { id: fields.id(), duration, elapsed, ..Draft::new(CueKind::Continue, Dialect::CueOut) };
    Ok(draft.with(fields.usual_section()?))
}

/// `#EXT-X-CUE:TYPE=SpliceOut,ID=1,TIME=266.1,DURATION=60,ELAPSED=4`. A repeat tells how much has passed; the length 0
/// says "not known"; `SpliceInsert` asks for insertion; `TYPE="scte35"` leaves the meaning to the section; without a
/// TYPE a length makes it a break.
fn legacy(fields: Fields<'_>) -> Result<Vec<Cue>, CueError> {
    let reading = fields.usual_section()?;
    let elapsed = fields.seconds(ELAPSED)?;
    let told = fields.seconds(DURATION)?;
    let mut duration = told.filter(|duration| duration.is_positive());
    let word = fields.text(&["TYPE"]).map_or("", |(_, word)| word);
    let mut kind = match (kind_word(word), &reading) {
        (Some(kind), _) => kind,
        (None, Some(reading)) => reading.kind,
        (None, None) if word.is_empty() && told.is_some() => CueKind::Out,
        (None, None) => CueKind::Info,
    };
    if word.eq_ignore_ascii_case("SpliceInsert") {
        kind = CueKind::Out;
        duration = Some(Span::ZERO);
    }
    if kind == CueKind::Out && elapsed.is_some_and(Span::is_positive) {
        kind = CueKind::Continue;
    }
    Ok(Draft { id: fields.id(), duration, elapsed, ..Draft::new(kind, Dialect::CueOut) }.with(reading))
}

/// `#EXT-OATCLS-SCTE35:/DA…`, for some packagers followed by attributes, or with the section in `CUE=`.
fn bare_section(value: &str) -> Result<Vec<Cue>, CueError> {
    let (head, rest) = value.split_once(',').unwrap_or((value, ""));
    let (fields, reading) = match Fields(value).usual_section()? {
        Some(reading) => (Fields(value), reading),
        // Its padding looks like the `=` of an attribute, so the section is split off by hand.
        None if head.is_empty() => return Err(CueError::Empty),
        None => (Fields(rest), section("value", head)?),
    };
    scte35(fields, None, Dialect::Oatcls, Some(reading))
}

/// `CUE="…",CUE-OUT=YES|NO|CONT,CUE-IN=YES,ID=,ELAPSED=,DURATION=,TYPE=0x34`.
fn scte35(
    fields: Fields<'_>,
    named: Option<CueKind>,
    dialect: Dialect,
    reading: Option<Reading>,
) -> Result<Vec<Cue>, CueError> {
    let duration = fields.seconds(DURATION)?;
    let elapsed = fields.seconds(ELAPSED)?;
    let out = fields.text(&["CUE-OUT"]).map_or("", |(_, word)| word);
    let back = fields.text(&["CUE-IN"]).map_or("", |(_, word)| word);
    let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
    if !["", "YES", "NO", "CONT"].iter().any(|word| is(out, word)) {
        return Err(CueError::Word { attribute: "CUE-OUT", text: quoted(out), expected: "YES, NO or CONT" });
    }
    if !["", "YES", "NO"].iter().any(|word| is(back, word)) {
        return Err(CueError::Word { attribute: "CUE-IN", text: quoted(back), expected: "YES or NO" });
    }
    let kind = match named {
        Some(kind) => kind,
        None if is(out, "CONT") => CueKind::Continue,
        None if is(out, "YES") => CueKind::Out,
        None if is(back, "YES") => CueKind::In,
        None => match meant(fields, reading.as_ref()) {
            // The packager says that this is no splice point.
            CueKind::Out if is(out, "NO") => CueKind::Info,
            CueKind::Out if elapsed.is_some_and(Span::is_positive) => CueKind::Continue,
            kind => kind,
        },
    };
    Ok(Draft { id: fields.id(), duration, elapsed, ..Draft::new(kind, dialect) }.with(reading))
}

/// What a tag without CUE-OUT and CUE-IN does: the checked section tells, else TYPE.
fn meant(fields: Fields<'_>, reading: Option<&Reading>) -> CueKind {
    let by_section = reading.map_or(CueKind::Info, |reading| reading.kind);
    if by_section != CueKind::Info {
        return by_section;
    }
    fields.text(&["TYPE"]).and_then(|(_, word)| kind_word(word)).unwrap_or(CueKind::Info)
}

/// TYPE as a word, or as a segmentation type in hex or decimal.
fn kind_word(word: &str) -> Option<CueKind> {
    if ["SpliceOut", "OUT"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Some(CueKind::Out);
    }
    if ["SpliceIn", "IN"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Some(CueKind::In);
    }
    let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => word.parse(),
    };
    number.ok().map(kind_of_type)
}

/// SCTE35-OUT opens, SCTE35-IN closes, SCTE35-CMD does what its section says (RFC 8216bis 4.4.5.1.1). The length is
/// the first known of DURATION, END-DATE − START-DATE, PLANNED-DURATION and the section's.
fn date_range(fields: Fields<'_>) -> Result<Vec<Cue>, CueError> {
    let start = fields.date("START-DATE")?;
    let end = fields.date("END-DATE")?;
    let measured = match (start, end) {
        (Some(start), Some(end)) if end < start => return Err(CueError::EndsBeforeStart),
        (Some(start), Some(end)) => Some(end - start),
        _ => None,
    };
    let actual = fields.seconds(&["DURATION"])?.or(measured);

    let (kind, reading) = if let Some(reading) = fields.section(&["SCTE35-OUT"])? {
        (CueKind::Out, Some(reading))
    } else if let Some(reading) = fields.section(&["SCTE35-IN"])? {
        (CueKind::In, Some(reading))
    } else if let Some(reading) = fields.section(&["SCTE35-CMD"])? {
        (reading.kind, Some(reading))
    } else {
        match fields.text(&["CLASS"]).and_then(|(_, class)| break_class(class)) {
            Some(BreakClass::AdBreak) => (CueKind::Out, None),
            Some(BreakClass::Related) => (CueKind::Info, None),
            // One of the three attributes stands there without a value.
            None => return Err(CueError::Empty),
        }
    };
    // The date range of an In starts where the break started; the In takes effect where it ends.
    let (at, duration) = if kind == CueKind::In {
        (end.or_else(|| Some(start? + actual?)).or(start), actual)
    } else {
        (start, actual.or(fields.seconds(&["PLANNED-DURATION"])?))
    };
    Ok(Draft { id: fields.id(), duration, at, ..Draft::new(kind, Dialect::DateRange) }.with(reading))
}
