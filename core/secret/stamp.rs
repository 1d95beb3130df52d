//! A keyed hash that proves that this server wrote some bytes (HMAC-SHA256, RFC 2104).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::KEY_BYTES;

pub const STAMP_BYTES: usize = 32;

/// A key made ready for HMAC-SHA256.
pub fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    // RFC 2104: a key shorter than the block is filled up with zeros.
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block)
}

/// Stamps bytes and recognises its stamps.
#[derive(Clone)]
pub struct Stamp(Hmac<Sha256>);

impl Stamp {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(keyed(key))
    }

    /// The stamp of these parts, in this order, wherever one ends and the next begins.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; STAMP_BYTES] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Takes the same time whether they match or not.
    pub fn matches(&self, parts: &[&[u8]], stamp: &[u8]) -> bool {
        self.over(parts).verify_slice(stamp).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_holds_for_its_parts_and_key_alone() {
        let stamp = Stamp::new(&[7; KEY_BYTES]);
        let made = stamp.of(&[b"ab", b"c"]);
        assert!(stamp.matches(&[b"ab", b"c"], &made));
        assert!(!stamp.matches(&[b"a", b"bc"], &made));
        assert!(!stamp.matches(&[b"ab", b"d"], &made));
        assert!(!Stamp::new(&[8; KEY_BYTES]).matches(&[b"ab", b"c"], &made));
    }
}
