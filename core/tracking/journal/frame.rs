//! How groups of records lie in a file: what one sync of the disk made durable, with a sum over it.
//!
//! ```text
//! "CTJ1" | bytes of the body (u32 LE) | records in it (u32 LE) | CRC-32 of the two numbers and the body (u32 LE) | body
//! ```
//!
//! A process or machine that dies while writing leaves a frame that is short or whose sum is wrong. Nothing in it was
//! acknowledged, and nothing was written behind it.

use std::io::{self, Read};

use crc32fast::Hasher;

const MAGIC: [u8; 4] = *b"CTJ1";
const HEADER: usize = 16;

/// The longest body: a reader takes one frame into memory. Larger groups are written as several.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Adds a frame.
pub fn write(body: &[u8], records: u32, out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&records.to_le_bytes());
    out.extend_from_slice(&sum(length, records, body).to_le_bytes());
    out.extend_from_slice(body);
}

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub records: u32,
    pub body: Vec<u8>,
}

/// What comes next in a file.
#[derive(Debug)]
pub enum Next {
    Frame(Frame),
    /// Nothing, up to the last byte.
    End,
    /// Something that is no whole frame.
    Torn,
}

impl Frame {
    /// Bytes in the file.
    pub fn bytes(&self) -> u64 {
        (HEADER + self.body.len()) as u64
    }

    /// Lines, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
    }
}

/// Reads the next frame.
pub fn read(from: &mut impl Read) -> io::Result<Next> {
    let mut header = [0; HEADER];
    match fill(from, &mut header)? {
        0 => return Ok(Next::End),
        HEADER => {}
        _ => return Ok(Next::Torn),
    }
    let [m0, m1, m2, m3, l0, l1, l2, l3, r0, r1, r2, r3, s0, s1, s2, s3] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let records = u32::from_le_bytes([r0, r1, r2, r3]);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if [m0, m1, m2, m3] != MAGIC || size > MAX_FRAME_BYTES {
        return Ok(Next::Torn);
    }
    let mut body = vec![0; size];
    if fill(from, &mut body)? != size || sum(length, records, &body) != u32::from_le_bytes([s0, s1, s2, s3]) {
        return Ok(Next::Torn);
    }
    Ok(Next::Frame(Frame { records, body }))
}

fn sum(length: u32, records: u32, body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&records.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// As many bytes as there are, up to the buffer's length.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(mut bytes: &[u8]) -> (Vec<Frame>, bool) {
        let mut found = Vec::new();
        loop {
            match read(&mut bytes).expect("memory") {
                Next::Frame(frame) => found.push(frame),
                Next::End => return (found, true),
                Next::Torn => return (found, false),
            }
        }
    }

    proptest! {
        /// However a file breaks off, what was whole before is read and nothing else.
        #[test]
        fn a_file_cut_anywhere_gives_its_whole_frames(bodies in proptest::collection::vec("[a-z\n]{0,40}", 0..6), cut: prop::sample::Index) {
            let mut file = Vec::new();
            let mut ends = vec![0];
            for body in &bodies {
                write(body.as_bytes(), 3, &mut file);
                ends.push(file.len());
            }
            let cut = cut.index(file.len() + 1);
            let (found, clean) = frames(&file[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(found.len(), whole);
            prop_assert_eq!(clean, ends.contains(&cut));
            for (frame, body) in found.iter().zip(&bodies) {
                prop_assert_eq!(&frame.body, body.as_bytes());
                prop_assert_eq!(frame.records, 3);
            }
        }

        #[test]
        fn a_flipped_bit_is_noticed(body in "[a-z]{1,40}", at: prop::sample::Index, bit in 0u8..8) {
            let mut file = Vec::new();
            write(body.as_bytes(), 1, &mut file);
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            prop_assert_eq!(frames(&file).0.len(), 0);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = frames(&bytes);
        }
    }
}
