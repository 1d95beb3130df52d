//! Bit fields, most significant bit first. Knows widths only, no field's meaning.

use super::{decode::SectionError, encode::EncodeError};

/// Reads bit fields from the front of a byte string.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits of the first byte already taken, 0–7.
    used: u32,
    /// What is being read, for errors.
    what: &'static str,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, used: 0, what }
    }

    /// The next `width` (at most 64) bits as a number.
    pub(super) fn take(&mut self, width: u32) -> Result<u64, SectionError> {
        let mut value = 0;
        let mut missing = width;
        while missing > 0 {
            let (&byte, rest) = self.bytes.split_first().ok_or(SectionError::Truncated(self.what))?;
            let free = 8 - self.used;
            let count = free.min(missing);
            let part = (u32::from(byte) >> (free - count)) & ((1 << count) - 1);
            value = (value << count) | u64::from(part);
            missing -= count;
            self.used += count;
            if self.used == 8 {
                self.used = 0;
                self.bytes = rest;
            }
        }
        Ok(value)
    }

    pub(super) fn flag(&mut self) -> Result<bool, SectionError> {
        Ok(self.take(1)? == 1)
    }

    /// Eight bits.
    pub(super) fn byte(&mut self) -> Result<u8, SectionError> {
        Ok(self.take(8)? as u8)
    }

    /// Sixteen bits.
    pub(super) fn short(&mut self) -> Result<u16, SectionError> {
        Ok(self.take(16)? as u16)
    }

    /// Thirty-two bits.
    pub(super) fn word(&mut self) -> Result<u32, SectionError> {
        Ok(self.take(32)? as u32)
    }

    /// The next `count` whole bytes; to be asked for on a byte boundary.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], SectionError> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or(SectionError::Truncated(self.what))?;
        self.bytes = rest;
        Ok(head)
    }

    /// What has not been read, from the next byte boundary.
    pub(super) fn rest(&self) -> &'a [u8] {
        if self.used == 0 { self.bytes } else { self.bytes.get(1..).unwrap_or_default() }
    }
}

/// Appends bit fields to a byte string.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte not yet written, 0–7.
    free: u32,
}

impl BitWriter {
    /// Writes the low `width` bits of `value`; refused when the value needs more.
    pub(super) fn put(&mut self, value: u64, width: u32, field: &'static str) -> Result<(), EncodeError> {
        if width < 64 && value >> width != 0 {
            return Err(EncodeError::TooLarge(field));
        }
        for bit in (0..width).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << self.free;
            }
        }
        Ok(())
    }

    pub(super) fn flag(&mut self, value: bool) -> Result<(), EncodeError> {
        self.put(u64::from(value), 1, "flag")
    }

    /// Reserved bits are ones (clause 9.1).
    pub(super) fn reserved(&mut self, width: u32) -> Result<(), EncodeError> {
        self.put((1 << width) - 1, width, "reserved")
    }

    /// Whole bytes; to be asked for on a byte boundary.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
