//! [`Section`] → bytes with a right CRC.

use super::{
    bits::BitWriter,
    crc::crc,
    section::{BreakDuration, Command, Descriptor, Section, SpliceAction, SpliceAt, SpliceInsert, Ticks},
};

/// `CUEI`.
const IDENTIFIER: &[u8; 4] = b"CUEI";

/// A value that the wire format has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("{0} does not fit its field")]
    TooLarge(&'static str),
}

/// The bytes of `section`, CRC included. `decode` gives the same value back.
pub fn encode(section: &Section) -> Result<Vec<u8>, EncodeError> {
    let command = command(&section.command)?;
    let descriptors = descriptors(&section.descriptors)?;

    let mut out = BitWriter::default();
    // protocol_version, and encrypted_packet with its algorithm.
    out.put(0, 8 + 7, "protocol_version")?;
    out.put(section.pts_adjustment.0, 33, "pts_adjustment")?;
    out.put(section.cw_index.into(), 8, "cw_index")?;
    out.put(section.tier.into(), 12, "tier")?;
    // The highest value is kept for "unknown".
    let length = if command.len() < 0xFFF { command.len() as u64 } else { u64::MAX };
    out.put(length, 12, "splice_command_length")?;
    out.put(section.command.kind().into(), 8, "splice_command_type")?;
    out.bytes(&command);
    out.put(descriptors.len() as u64, 16, "descriptor_loop_length")?;
    out.bytes(&descriptors);
    let body = out.finish();

    let mut out = BitWriter::default();
    // table_id, section_syntax_indicator, private_indicator.
    out.put(0xFC << 2, 10, "table_id")?;
    out.put(section.sap_type.into(), 2, "sap_type")?;
    out.put(body.len() as u64 + 4, 12, "section_length")?;
    out.bytes(&body);
    let mut bytes = out.finish();
    let sum = crc(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    Ok(bytes)
}

fn command(command: &Command) -> Result<Vec<u8>, EncodeError> {
    let mut out = BitWriter::default();
    match command {
        Command::Null | Command::BandwidthReservation => {}
        Command::Schedule(bytes) | Command::Reserved { bytes, .. } => out.bytes(bytes),
        Command::Insert(insert) => splice_insert(&mut out, insert)?,
        Command::TimeSignal(time) => splice_time(&mut out, *time)?,
        Command::Private { identifier, bytes } => {
            out.bytes(&identifier.to_be_bytes());
            out.bytes(bytes);
        }
    }
    Ok(out.finish())
}

fn splice_insert(out: &mut BitWriter, insert: &SpliceInsert) -> Result<(), EncodeError> {
    out.put(insert.event_id.into(), 32, "splice_event_id")?;
    out.flag(insert.action.is_none())?;
    out.reserved(7)?;
    insert.action.as_ref().map_or(Ok(()), |action| splice_action(out, action))
}

fn splice_action(out: &mut BitWriter, action: &SpliceAction) -> Result<(), EncodeError> {
    out.flag(action.out_of_network)?;
    out.flag(matches!(action.at, SpliceAt::ProgramNow | SpliceAt::Program(_)))?;
    out.flag(action.duration.is_some())?;
    out.flag(matches!(action.at, SpliceAt::ProgramNow | SpliceAt::ComponentsNow(_)))?;
    out.reserved(4)?;
    match &action.at {
        SpliceAt::ProgramNow => {}
        SpliceAt::Program(time) => splice_time(out, *time)?,
        SpliceAt::ComponentsNow(tags) => {
            out.put(tags.len() as u64, 8, "component_count")?;
            out.bytes(tags);
        }
        SpliceAt::Components(components) => {
            out.put(components.len() as u64, 8, "component_count")?;
            for (tag, time) in components {
                out.put((*tag).into(), 8, "component_tag")?;
                splice_time(out, *time)?;
            }
        }
    }
    if let Some(BreakDuration { auto_return, length }) = action.duration {
        out.flag(auto_return)?;
        out.reserved(6)?;
        out.put(length.0, 33, "break_duration")?;
    }
    out.put(action.unique_program_id.into(), 16, "unique_program_id")?;
    out.bytes(&[action.avail_num, action.avails_expected]);
    Ok(())
}

fn splice_time(out: &mut BitWriter, time: Option<Ticks>) -> Result<(), EncodeError> {
    out.flag(time.is_some())?;
    match time {
        Some(time) => {
            out.reserved(6)?;
            out.put(time.0, 33, "pts_time")
        }
        None => out.reserved(7),
    }
}

fn descriptors(descriptors: &[Descriptor]) -> Result<Vec<u8>, EncodeError> {
    let mut out = BitWriter::default();
    for descriptor in descriptors {
        let mut value = BitWriter::default();
        let tag = match descriptor {
            Descriptor::Avail(id) => {
                value.bytes(IDENTIFIER);
                value.bytes(&id.to_be_bytes());
                0x00
            }
            Descriptor::Segmentation(segmentation) => {
                value.bytes(IDENTIFIER);
                segmentation.encode(&mut value)?;
                0x02
            }
            Descriptor::Other { tag, bytes } => {
                value.bytes(bytes);
                *tag
            }
        };
        let value = value.finish();
        out.put(tag.into(), 8, "splice_descriptor_tag")?;
        out.put(value.len() as u64, 8, "descriptor_length")?;
        out.bytes(&value);
    }
    Ok(out.finish())
}
