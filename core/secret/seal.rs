//! Sealing: encryption of small texts at rest, bound to the tenant, the purpose and the place that they belong to.
//!
//! XChaCha20-Poly1305 (24-byte nonces, chosen at random, never run out). Does not know what is sealed or where it lies.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::{TryRng, rngs::SysRng};

use super::{MasterKey, Purpose, SecretError};
use crate::domain::Slug;

/// Says how the rest is to be read, so that another cipher can follow.
const VERSION: u8 = 1;

const NONCE_BYTES: usize = 24;

/// Seals and opens with one tenant's key for one purpose; the same on every start and every node.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    pub fn new(master: &MasterKey, tenant: &Slug, purpose: Purpose) -> Self {
        Self(XChaCha20Poly1305::new(&master.tenant_key(tenant, purpose).into()))
    }

    /// Encrypts `plain`. `place` names what it belongs to (a row's key): sealed bytes moved to another place do not
    /// open there. It is not stored and may be empty.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, SecretError> {
        let mut nonce = [0; NONCE_BYTES];
        SysRng.try_fill_bytes(&mut nonce).map_err(|error| SecretError::Random(error.to_string()))?;
        let payload = Payload { msg: plain, aad: place };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SecretError::Seal)?;
        Ok([[VERSION].as_slice(), &nonce, &sealed].concat())
    }

    /// What was sealed at this place; an error when a single bit of it, the key or the place is another.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SecretError> {
        let (version, rest) = sealed.split_first().ok_or(SecretError::Seal)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SecretError::Seal)?;
        if *version != VERSION {
            return Err(SecretError::Seal);
        }
        let payload = Payload { msg: text, aad: place };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SecretError::Seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: u8, tenant: &str, purpose: Purpose) -> Sealer {
        Sealer::new(&MasterKey::from_bytes([key; 32]), &tenant.parse().expect("a slug"), purpose)
    }

    #[test]
    fn what_was_sealed_opens_again_and_never_looks_the_same_twice() {
        let sealer = sealer(7, "a", Purpose::Secrets);
        for plain in [&b""[..], b"token", &[0; 5_000]] {
            let (one, two) = (sealer.seal(b"row", plain).expect("sealed"), sealer.seal(b"row", plain).expect("sealed"));
            assert_ne!(one, two);
            assert!(plain.is_empty() || !one.windows(plain.len()).any(|part| part == plain));
            assert_eq!(self::sealer(7, "a", Purpose::Secrets).open(b"row", &one).expect("opened"), plain);
        }
        assert_eq!(format!("{sealer:?}"), "Sealer(…)");
    }

    #[test]
    fn nothing_opens_with_another_key_tenant_purpose_place_or_bit() {
        let right = sealer(7, "a", Purpose::Secrets);
        let sealed = right.seal(b"row", b"token").expect("sealed");
        assert!(sealer(8, "a", Purpose::Secrets).open(b"row", &sealed).is_err());
        assert!(sealer(7, "b", Purpose::Secrets).open(b"row", &sealed).is_err());
        assert!(sealer(7, "a", Purpose::Urls).open(b"row", &sealed).is_err());
        assert!(right.open(b"other", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(right.open(b"row", &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(right.open(b"row", &sealed[..length]).is_err(), "{length} bytes");
        }
    }
}
