//! `segmentation_descriptor()` (SCTE 35 clause 10.3.3): its values, bytes in and bytes out, and UPIDs as text.

use std::fmt::Write as _;

use super::{
    bits::{BitWriter, Bits},
    decode::SectionError,
    encode::EncodeError,
    section::Ticks,
};

/// UPID type whose value is a list of UPIDs (table 22).
const UPID_MULTIPLE: u8 = 0x0D;
/// UPID types whose value is text: ISCI, Ad-ID, TID, ADI, ADS information, URI, SCR.
const UPID_TEXT: [u8; 7] = [0x02, 0x03, 0x07, 0x09, 0x0E, 0x0F, 0x11];

/// A segmentation descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmentation {
    pub event_id: u32,
    /// `None`: the event with this id is cancelled.
    pub segment: Option<Segment>,
}

/// What a segmentation descriptor says about its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Empty: the whole programme.
    pub components: Vec<Component>,
    /// Forty bits on the wire, unlike a break's 33.
    pub duration: Option<Ticks>,
    /// `None`: delivery is not restricted.
    pub restrictions: Option<Restrictions>,
    pub upid: Upid,
    /// Table 23: 0x22 break start, 0x34 provider placement opportunity start …
    pub type_id: u8,
    pub segment_num: u8,
    pub segments_expected: u8,
    pub sub_segment: Option<SubSegment>,
}

/// One stream that the segment covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub tag: u8,
    pub pts_offset: Ticks,
}

/// Where the segment may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restrictions {
    pub web_delivery_allowed: bool,
    pub no_regional_blackout: bool,
    pub archive_allowed: bool,
    /// Two bits: device group 0, 1 or 2 is restricted; 3 = none.
    pub device_restrictions: u8,
}

/// The place of this segment among parts of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubSegment {
    pub num: u8,
    pub expected: u8,
}

/// A unique programme identifier: what the segment shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upid {
    /// Table 22; 0 = none.
    pub kind: u8,
    pub bytes: Vec<u8>,
}

impl Segmentation {
    /// A segment of the whole programme without restrictions.
    pub fn new(event_id: u32, type_id: u8, duration: Option<Ticks>) -> Self {
        let segment = Segment {
            components: Vec::new(),
            duration,
            restrictions: None,
            upid: Upid::default(),
            type_id,
            segment_num: 0,
            segments_expected: 0,
            sub_segment: None,
        };
        Self { event_id, segment: Some(segment) }
    }

    /// Calls the event off.
    pub fn cancel(event_id: u32) -> Self {
        Self { event_id, segment: None }
    }

    /// With this UPID.
    #[must_use]
    pub fn with_upid(mut self, kind: u8, bytes: impl Into<Vec<u8>>) -> Self {
        if let Some(segment) = &mut self.segment {
            segment.upid = Upid { kind, bytes: bytes.into() };
        }
        self
    }

    /// Reads what follows the identifier `CUEI`.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SectionError> {
        let mut bits = Bits::new(bytes, "segmentation_descriptor");
        let event_id = bits.word()?;
        let cancelled = bits.flag()?;
        bits.take(7)?;
        let segment = if cancelled { None } else { Some(Segment::decode(&mut bits)?) };
        Ok(Self { event_id, segment })
    }

    pub(super) fn encode(&self, out: &mut BitWriter) -> Result<(), EncodeError> {
        out.put(self.event_id.into(), 32, "segmentation_event_id")?;
        out.flag(self.segment.is_none())?;
        out.reserved(7)?;
        self.segment.as_ref().map_or(Ok(()), |segment| segment.encode(out))
    }
}

impl Segment {
    fn decode(bits: &mut Bits<'_>) -> Result<Self, SectionError> {
        let whole_program = bits.flag()?;
        let has_duration = bits.flag()?;
        let unrestricted = bits.flag()?;
        let restrictions = Restrictions {
            web_delivery_allowed: bits.flag()?,
            no_regional_blackout: bits.flag()?,
            archive_allowed: bits.flag()?,
            device_restrictions: bits.take(2)? as u8,
        };
        let mut components = Vec::new();
        if !whole_program {
            for _ in 0..bits.byte()? {
                let tag = bits.byte()?;
                bits.take(7)?;
                components.push(Component { tag, pts_offset: Ticks(bits.take(33)?) });
            }
        }
        let duration = if has_duration { Some(Ticks(bits.take(40)?)) } else { None };
        let kind = bits.byte()?;
        let length = bits.byte()?;
        let upid = Upid { kind, bytes: bits.bytes(length.into())?.to_vec() };
        let type_id = bits.byte()?;
        let segment_num = bits.byte()?;
        let segments_expected = bits.byte()?;
        // Which types carry the two bytes changed between editions of the standard, so the length decides.
        let sub_segment = match *bits.rest() {
            [num, expected, ..] => Some(SubSegment { num, expected }),
            _ => None,
        };
        let restrictions = (!unrestricted).then_some(restrictions);
        Ok(Self { components, duration, restrictions, upid, type_id, segment_num, segments_expected, sub_segment })
    }

    fn encode(&self, out: &mut BitWriter) -> Result<(), EncodeError> {
        out.flag(self.components.is_empty())?;
        out.flag(self.duration.is_some())?;
        out.flag(self.restrictions.is_none())?;
        if let Some(restrictions) = self.restrictions {
            out.flag(restrictions.web_delivery_allowed)?;
            out.flag(restrictions.no_regional_blackout)?;
            out.flag(restrictions.archive_allowed)?;
            out.put(restrictions.device_restrictions.into(), 2, "device_restrictions")?;
        } else {
            out.reserved(5)?;
        }
        if !self.components.is_empty() {
            out.put(self.components.len() as u64, 8, "component_count")?;
            for component in &self.components {
                out.put(component.tag.into(), 8, "component_tag")?;
                out.reserved(7)?;
                out.put(component.pts_offset.0, 33, "pts_offset")?;
            }
        }
        if let Some(duration) = self.duration {
            out.put(duration.0, 40, "segmentation_duration")?;
        }
        out.put(self.upid.kind.into(), 8, "segmentation_upid_type")?;
        out.put(self.upid.bytes.len() as u64, 8, "segmentation_upid_length")?;
        out.bytes(&self.upid.bytes);
        out.bytes(&[self.type_id, self.segment_num, self.segments_expected]);
        if let Some(sub_segment) = self.sub_segment {
            out.bytes(&[sub_segment.num, sub_segment.expected]);
        }
        Ok(())
    }
}

impl Upid {
    /// The identifiers inside a multiple UPID (MID), or this one alone; none if the type is "not used". A part that is
    /// cut off ends the list: an identifier is a side fact and no reason to lose a break.
    pub fn parts(&self) -> Vec<(u8, &[u8])> {
        if self.kind != UPID_MULTIPLE {
            return if self.kind == 0 { Vec::new() } else { vec![(self.kind, self.bytes.as_slice())] };
        }
        let mut parts = Vec::new();
        let mut rest = self.bytes.as_slice();
        while let [kind, length, after @ ..] = rest {
            let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
            parts.push((*kind, value));
            rest = next;
        }
        parts
    }

    /// Text for the types that are text, else upper-case hex; `None` if there is no UPID. The parts of a MID are
    /// written `TT:value` (type in hex) with `;` between.
    pub fn text(&self) -> Option<String> {
        if self.kind == UPID_MULTIPLE {
            let parts = self.parts();
            let texts = parts.iter().map(|(kind, value)| format!("{kind:02X}:{}", one_text(*kind, value)));
            return (!parts.is_empty()).then(|| texts.collect::<Vec<_>>().join(";"));
        }
        (self.kind != 0 && !self.bytes.is_empty()).then(|| one_text(self.kind, &self.bytes))
    }
}

fn one_text(kind: u8, value: &[u8]) -> String {
    let text = std::str::from_utf8(value).map(|text| text.trim_end_matches(['\0', ' ']));
    match text {
        Ok(text) if UPID_TEXT.contains(&kind) && !text.chars().any(char::is_control) => text.to_owned(),
        _ => value.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02X}");
            hex
        }),
    }
}
