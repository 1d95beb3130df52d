//! Short, expiring signatures on URL paths. Pure: keys and the time are inputs; what the parts mean is the caller's.
//!
//! A signature is HMAC-SHA256 cut to 96 bits (RFC 2104 section 5 allows half of the hash; 96 bits in an online check
//! with a per-tenant key leave no realistic guess) in 16 characters of base64url. The expiry, seconds since the epoch
//! in base 36 (6 characters), is signed with the parts.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    domain::Moment,
    secret::{KEY_BYTES, keyed},
};

const SIGNATURE_BYTES: usize = 12;
const SIGNATURE_CHARS: usize = 16;

/// Digits of the largest expiry that is read: 8 base-36 digits last for 89,000 years.
const MAX_EXPIRY_DIGITS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the link is malformed")]
    Malformed,
    #[error("the link's signature is not ours")]
    Bad,
    #[error("the link has expired")]
    Expired,
}

impl SignatureError {
    /// A short, stable name for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Bad => "bad_signature",
            Self::Expired => "expired",
        }
    }
}

/// A key made ready: signing is two hash blocks for a usual path, as the key's own blocks are hashed once.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// 16 characters of base64url, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_CHARS]);

impl Signature {
    pub fn as_str(&self) -> &str {
        // Base64 is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SigningKey {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(keyed(key))
    }

    /// Signs the parts of a path until `expires` (seconds since the epoch).
    pub fn sign(&self, parts: &[&str], expires: u64) -> Signature {
        let mut text = [0; SIGNATURE_CHARS];
        let mac = self.mac(parts, expires);
        let cut = mac.get(..SIGNATURE_BYTES).unwrap_or_default();
        let written = URL_SAFE_NO_PAD.encode_slice(cut, &mut text);
        debug_assert_eq!(written, Ok(SIGNATURE_CHARS));
        Signature(text)
    }

    /// Checks a path as it came in: its parts, the expiry in base 36 and the signature. Equal time whatever differs.
    pub fn verify(&self, parts: &[&str], expires: &str, signature: &str, now: Moment) -> Result<(), SignatureError> {
        let seconds = from_base36(expires).ok_or(SignatureError::Malformed)?;
        let mut given = [0; SIGNATURE_BYTES];
        if signature.len() != SIGNATURE_CHARS
            || URL_SAFE_NO_PAD.decode_slice(signature, &mut given) != Ok(SIGNATURE_BYTES)
        {
            return Err(SignatureError::Malformed);
        }
        let mac = self.keyed(parts, seconds);
        mac.verify_truncated_left(&given).map_err(|_| SignatureError::Bad)?;
        // After the signature: a stranger learns nothing about expiry.
        if i64::try_from(seconds).is_ok_and(|seconds| now.as_secs() > seconds) {
            return Err(SignatureError::Expired);
        }
        Ok(())
    }

    fn mac(&self, parts: &[&str], expires: u64) -> [u8; 32] {
        self.keyed(parts, expires).finalize().into_bytes().into()
    }

    fn keyed(&self, parts: &[&str], expires: u64) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&expires.to_be_bytes());
        for part in parts {
            // The length goes before each part: ["ab", "c"] and ["a", "bc"] are different paths.
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

/// A request's signature for its receiver: hexadecimal HMAC-SHA256 over `{seconds}.{body}`.
pub fn sign_body(key: &[u8; KEY_BYTES], seconds: i64, body: &[u8]) -> String {
    let mut mac = SigningKey::new(key).0;
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    crate::secret::hex(&mac.finalize().into_bytes())
}

/// Lower-case base 36, as short as it gets.
pub fn to_base36(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(MAX_EXPIRY_DIGITS);
    loop {
        digits.push(u32::try_from(number % 36).ok().and_then(|digit| char::from_digit(digit, 36)).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Reads what [`to_base36`] writes and nothing else: no signs, no upper case, no leading zeros, so that a link has one
/// spelling.
fn from_base36(text: &str) -> Option<u64> {
    let canonical = (1..=MAX_EXPIRY_DIGITS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
        && (text.len() == 1 || !text.starts_with('0'));
    if canonical { u64::from_str_radix(text, 36).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTS: [&str; 4] = ["wkkworld", "news", "s1", "3"];

    fn key() -> SigningKey {
        SigningKey::new(&[9; 32])
    }

    fn at(seconds: i64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    #[test]
    fn a_link_holds_until_its_second_and_not_after() {
        let signature = key().sign(&PARTS, 1_700_000_000);
        let expires = to_base36(1_700_000_000);
        assert_eq!((signature.as_str().len(), expires.as_str()), (16, "s44we8"));
        let verify = |now| key().verify(&PARTS, &expires, signature.as_str(), now);
        assert_eq!(verify(at(1_699_999_000)), Ok(()));
        assert_eq!(verify(at(1_700_000_000)), Ok(()));
        assert_eq!(verify(at(1_700_000_001)), Err(SignatureError::Expired));
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let signature = key().sign(&PARTS, 100);
        let (text, expires) = (signature.as_str(), to_base36(100));
        let bad = Err(SignatureError::Bad);
        assert_eq!(key().verify(&["wkkworld", "news", "s1", "4"], &expires, text, at(0)), bad);
        assert_eq!(key().verify(&["wkkworld", "new", "ss1", "3"], &expires, text, at(0)), bad);
        assert_eq!(key().verify(&PARTS[..3], &expires, text, at(0)), bad);
        assert_eq!(key().verify(&PARTS, &to_base36(101), text, at(0)), bad);
        assert_eq!(SigningKey::new(&[8; 32]).verify(&PARTS, &expires, text, at(0)), bad);
        let flipped: String =
            text.chars().enumerate().map(|(n, c)| if n == 0 { if c == 'A' { 'B' } else { 'A' } } else { c }).collect();
        assert_eq!(key().verify(&PARTS, &expires, &flipped, at(0)), bad);
    }

    #[test]
    fn malformed_links_are_told_from_forged_ones() {
        let signature = key().sign(&PARTS, 100);
        let expires = to_base36(100);
        for (expires, signature) in [
            ("", signature.as_str()),
            ("+2s", signature.as_str()),
            ("02s", signature.as_str()),
            ("2S", signature.as_str()),
            ("zzzzzzzzz", signature.as_str()),
            (expires.as_str(), ""),
            (expires.as_str(), "short"),
            (expires.as_str(), "================"),
            (expires.as_str(), "ééééééé+"),
        ] {
            assert_eq!(
                key().verify(&PARTS, expires, signature, at(0)),
                Err(SignatureError::Malformed),
                "{expires} {signature}"
            );
        }
    }

    #[test]
    fn the_webhook_signature_is_plain_hmac_sha256() {
        // RFC 4231, test case 1, has no timestamp; so the expected value was computed with OpenSSL:
        // printf '1700000000.{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b…0b (32 bytes)
        assert_eq!(
            sign_body(&[11; 32], 1_700_000_000, b"{}"),
            "943eb17e669b75864224700e3b506ef93d10a0596eef3b7626af941cf1734edc"
        );
    }

    proptest! {
        #[test]
        fn every_signed_path_verifies(parts in proptest::collection::vec(".{0,20}", 0..6), expires in 0u64..36u64.pow(8)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let signature = key().sign(&parts, expires);
            prop_assert_eq!(key().verify(&parts, &to_base36(expires), signature.as_str(), at(0)), Ok(()));
        }

        #[test]
        fn no_input_panics(expires in ".{0,12}", signature in ".{0,24}") {
            let _any = key().verify(&PARTS, &expires, &signature, at(0));
        }
    }
}
