//! Bytes → [`Section`]. Nothing is believed before the CRC was checked.

use super::{
    MAX_SECTION_BYTES,
    bits::Bits,
    crc::crc,
    section::{BreakDuration, Command, Descriptor, Section, SpliceAction, SpliceAt, SpliceInsert, Ticks},
    segmentation::Segmentation,
};

const TABLE_ID: u8 = 0xFC;
/// `CUEI`: the owner of the descriptors that the standard defines.
const IDENTIFIER: u32 = 0x4355_4549;
/// `splice_command_length` of old encoders that do not tell it (clause 9.6.1).
const LENGTH_UNKNOWN: usize = 0xFFF;

/// Why bytes or text are no usable section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    #[error("not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("not hex: character {0} is no digit or has no pair")]
    Hex(usize),
    #[error("longer than a section can be ({MAX_SECTION_BYTES} bytes)")]
    TooLong,
    #[error("table_id is {0:#04X}, not 0xFC: no splice_info_section")]
    NotASection(u8),
    #[error("section_length says {claimed} bytes in all, but there are {actual}")]
    Length { claimed: usize, actual: usize },
    #[error("CRC mismatch: computed {computed:#010X}, sent {sent:#010X}")]
    Crc { computed: u32, sent: u32 },
    #[error("the section is encrypted (algorithm {0}), which is not supported")]
    Encrypted(u8),
    #[error("protocol_version {0} is not known")]
    Version(u8),
    #[error("{0} is cut off")]
    Truncated(&'static str),
    #[error("command type {0:#04X} does not tell its length")]
    CommandLength(u8),
}

/// Decodes one section. Bytes after it are ignored: some carriers pad.
pub fn decode(bytes: &[u8]) -> Result<Section, SectionError> {
    let body = checked_body(bytes)?;
    let mut bits = Bits::new(body, "splice_info_section");
    // table_id, section_syntax_indicator, private_indicator: constants.
    bits.take(10)?;
    let sap_type = bits.take(2)? as u8;
    bits.take(12)?;
    let version = bits.byte()?;
    if version != 0 {
        return Err(SectionError::Version(version));
    }
    let encrypted = bits.flag()?;
    let algorithm = bits.take(6)? as u8;
    if encrypted {
        return Err(SectionError::Encrypted(algorithm));
    }
    let pts_adjustment = Ticks(bits.take(33)?);
    let cw_index = bits.byte()?;
    let tier = bits.take(12)? as u16;
    let length = bits.take(12)? as usize;
    let kind = bits.byte()?;

    let command = if length == LENGTH_UNKNOWN {
        let (command, size) = command(kind, bits.rest())?;
        let size = size.ok_or(SectionError::CommandLength(kind))?;
        bits.bytes(size)?;
        command
    } else {
        command(kind, bits.bytes(length)?)?.0
    };

    let loop_length = bits.short()?;
    let descriptors = descriptors(bits.bytes(loop_length.into())?)?;
    Ok(Section { sap_type, pts_adjustment, cw_index, tier, command, descriptors })
}

/// The section without its CRC, after checking that it is one, whole and undamaged.
fn checked_body(bytes: &[u8]) -> Result<&[u8], SectionError> {
    let &[table_id, high, low, ..] = bytes else { return Err(SectionError::Truncated("splice_info_section")) };
    if table_id != TABLE_ID {
        return Err(SectionError::NotASection(table_id));
    }
    let claimed = 3 + usize::from(u16::from_be_bytes([high & 0x0F, low]));
    let section = bytes.get(..claimed).ok_or(SectionError::Length { claimed, actual: bytes.len() })?;
    let (body, sent) = section.split_last_chunk::<4>().ok_or(SectionError::Truncated("splice_info_section"))?;
    let (computed, sent) = (crc(body), u32::from_be_bytes(*sent));
    if computed == sent { Ok(body) } else { Err(SectionError::Crc { computed, sent }) }
}

/// The command in `bytes` and how many of them it takes; `None` where only `splice_command_length` can tell.
fn command(kind: u8, bytes: &[u8]) -> Result<(Command, Option<usize>), SectionError> {
    let mut bits = Bits::new(bytes, "splice_command");
    let command = match kind {
        0x00 => Command::Null,
        0x04 => {
            skip_schedule(&mut bits)?;
            let size = bytes.len().saturating_sub(bits.rest().len());
            Command::Schedule(bytes.get(..size).unwrap_or_default().to_vec())
        }
        0x05 => Command::Insert(splice_insert(&mut bits)?),
        0x06 => Command::TimeSignal(splice_time(&mut bits)?),
        0x07 => Command::BandwidthReservation,
        0xFF => return Ok((Command::Private { identifier: bits.word()?, bytes: bits.rest().to_vec() }, None)),
        _ => return Ok((Command::Reserved { kind, bytes: bytes.to_vec() }, None)),
    };
    Ok((command, Some(bytes.len().saturating_sub(bits.rest().len()))))
}

fn splice_insert(bits: &mut Bits<'_>) -> Result<SpliceInsert, SectionError> {
    let event_id = bits.word()?;
    let cancelled = bits.flag()?;
    bits.take(7)?;
    if cancelled {
        return Ok(SpliceInsert { event_id, action: None });
    }
    let out_of_network = bits.flag()?;
    let whole_program = bits.flag()?;
    let has_duration = bits.flag()?;
    let immediate = bits.flag()?;
    bits.take(4)?;
    let at = match (whole_program, immediate) {
        (true, true) => SpliceAt::ProgramNow,
        (true, false) => SpliceAt::Program(splice_time(bits)?),
        (false, true) => {
            let count = bits.byte()?;
            SpliceAt::ComponentsNow(bits.bytes(count.into())?.to_vec())
        }
        (false, false) => {
            let count = bits.byte()?;
            let components = (0..count).map(|_| Ok((bits.byte()?, splice_time(bits)?)));
            SpliceAt::Components(components.collect::<Result<_, SectionError>>()?)
        }
    };
    let duration = if has_duration { Some(break_duration(bits)?) } else { None };
    let action = SpliceAction {
        out_of_network,
        at,
        duration,
        unique_program_id: bits.short()?,
        avail_num: bits.byte()?,
        avails_expected: bits.byte()?,
    };
    Ok(SpliceInsert { event_id, action: Some(action) })
}

/// Walks over `splice_schedule()` (clause 9.7.2), whose length follows from its flags.
fn skip_schedule(bits: &mut Bits<'_>) -> Result<(), SectionError> {
    for _ in 0..bits.byte()? {
        bits.word()?;
        let cancelled = bits.flag()?;
        bits.take(7)?;
        if cancelled {
            continue;
        }
        bits.flag()?;
        let whole_program = bits.flag()?;
        let has_duration = bits.flag()?;
        bits.take(5)?;
        if whole_program {
            bits.word()?;
        } else {
            let count = bits.byte()?;
            bits.bytes(usize::from(count) * 5)?;
        }
        if has_duration {
            break_duration(bits)?;
        }
        bits.word()?;
    }
    Ok(())
}

fn splice_time(bits: &mut Bits<'_>) -> Result<Option<Ticks>, SectionError> {
    if bits.flag()? {
        bits.take(6)?;
        Ok(Some(Ticks(bits.take(33)?)))
    } else {
        bits.take(7)?;
        Ok(None)
    }
}

fn break_duration(bits: &mut Bits<'_>) -> Result<BreakDuration, SectionError> {
    let auto_return = bits.flag()?;
    bits.take(6)?;
    Ok(BreakDuration { auto_return, length: Ticks(bits.take(33)?) })
}

fn descriptors(bytes: &[u8]) -> Result<Vec<Descriptor>, SectionError> {
    let mut bits = Bits::new(bytes, "descriptor_loop");
    let mut descriptors = Vec::new();
    while !bits.rest().is_empty() {
        let tag = bits.byte()?;
        let length = bits.byte()?;
        let bytes = bits.bytes(length.into())?;
        let owned = bytes.split_first_chunk::<4>().filter(|(owner, _)| u32::from_be_bytes(**owner) == IDENTIFIER);
        descriptors.push(match (tag, owned) {
            (0x00, Some((_, value))) => Descriptor::Avail(Bits::new(value, "avail_descriptor").word()?),
            (0x02, Some((_, value))) => Descriptor::Segmentation(Segmentation::decode(value)?),
            _ => Descriptor::Other { tag, bytes: bytes.to_vec() },
        });
    }
    Ok(descriptors)
}
