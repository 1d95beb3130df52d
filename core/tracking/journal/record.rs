//! What the journal holds, line by line.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Event, Slug},
    secret::KEY_BYTES,
};

/// One line. Its first byte says what it is, so that the rest is read straight into its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Event(Event),
    /// From here back, this viewer is to be forgotten.
    Erase(Erase),
}

/// A viewer's wish, in its place among the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    pub tenant: Slug,
    /// A session's name, ours or the caller's.
    pub viewer: Box<str>,
    /// Random; makes the new names. Gone with the file that it lies in.
    pub secret: [u8; KEY_BYTES],
}

const EVENT: u8 = b'e';
const ERASE: u8 = b'x';

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a line of a kind that is not known")]
    Kind,
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Adds an event's line.
pub fn write_event(event: &Event, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    write(EVENT, event, out)
}

/// Adds an erasure's line.
pub fn write_erase(erase: &Erase, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    write(ERASE, erase, out)
}

fn write<T: Serialize>(kind: u8, value: &T, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let before = out.len();
    out.push(kind);
    // JSON as serde writes it has no line breaks.
    serde_json::to_writer(&mut *out, value).inspect_err(|_| out.truncate(before))?;
    out.push(b'\n');
    Ok(())
}

/// Reads a line without its end.
pub fn read(line: &[u8]) -> Result<Record, RecordError> {
    match line.split_first() {
        Some((&EVENT, json)) => Ok(Record::Event(serde_json::from_slice(json)?)),
        Some((&ERASE, json)) => Ok(Record::Erase(serde_json::from_slice(json)?)),
        _ => Err(RecordError::Kind),
    }
}
