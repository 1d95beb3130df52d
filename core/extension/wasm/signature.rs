//! Who made a plugin: an Ed25519 signature (RFC 8032) in its last section, `cuetone:signature`.
//!
//! The section holds the public key (32 bytes) and the signature (64 bytes) over everything before it. So a signed plugin
//! is still one file that any tool reads, and nothing can be put behind or before what was signed. Whose keys count is the
//! tenant's affair.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The custom section's name.
pub const SECTION: &str = "cuetone:signature";

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// What is signed begins with this, so that no signature made for something else counts.
const PURPOSE: &[u8] = b"cuetone plugin v1\0";

/// Bytes of the whole section: id, length (one byte each), the name with its length, key and signature.
const SECTION_BYTES: usize = 1 + 1 + 1 + SECTION.len() + KEY_BYTES + SIGNATURE_BYTES;

/// A maker's public key; written in base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey([u8; KEY_BYTES]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no public key: `cuetone plugin keygen` prints one in base64"))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A maker's private key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new one, as a document to keep (PKCS #8).
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate() -> Result<(Vec<u8>, PublicKey), String> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| "the operating system gave no random bytes".to_owned())?;
        let key = Self::read(document.as_ref())?;
        Ok((document.as_ref().to_vec(), key.public()))
    }

    /// Reads the document.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(document: &[u8]) -> Result<Self, String> {
        Ed25519KeyPair::from_pkcs8(document)
            .map(Self)
            .map_err(|error| format!("this is no key that `cuetone plugin keygen` wrote: {error}"))
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// The component with this signature, in place of one that is there.
    pub fn sign(&self, component: &[u8]) -> Vec<u8> {
        let mut signed = unsigned(component).to_vec();
        let signature = self.0.sign(&statement(&signed));
        let (name, content) = (SECTION.as_bytes(), SECTION_BYTES - 2);
        signed.push(0);
        signed.push(small(content));
        signed.push(small(name.len()));
        signed.extend_from_slice(name);
        signed.extend_from_slice(&self.public().0);
        signed.extend_from_slice(signature.as_ref());
        signed
    }
}

/// A length below 128 is one byte of LEB128.
const fn small(length: usize) -> u8 {
    assert!(length < 128);
    length as u8
}

/// Whose signature a component carries, if it is one and holds.
///
/// # Errors
/// If it is there and does not hold: the plugin was changed.
pub fn signer(component: &[u8]) -> Result<Option<PublicKey>, String> {
    let Some((signed, key, signature)) = split(component) else { return Ok(None) };
    let verified = UnparsedPublicKey::new(&ED25519, &key.0).verify(&statement(signed), signature);
    verified.map_err(|_| "its signature does not hold: it was changed after it was signed".to_owned())?;
    Ok(Some(key))
}

/// What a component is without its signature.
fn unsigned(component: &[u8]) -> &[u8] {
    split(component).map_or(component, |(signed, ..)| signed)
}

fn split(component: &[u8]) -> Option<(&[u8], PublicKey, &[u8])> {
    let (signed, section) = component.split_at_checked(component.len().checked_sub(SECTION_BYTES)?)?;
    let header = [0, small(SECTION_BYTES - 2), small(SECTION.len())];
    let content = section.strip_prefix(&header)?.strip_prefix(SECTION.as_bytes())?;
    let (key, signature) = content.split_first_chunk::<KEY_BYTES>()?;
    Some((signed, PublicKey(*key), signature))
}

/// What is signed: a digest, so that the whole need not be copied.
fn statement(signed: &[u8]) -> Vec<u8> {
    let mut statement = PURPOSE.to_vec();
    statement.extend_from_slice(&Sha256::digest(signed));
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_its_maker_and_covers_every_byte() {
        let (document, public) = SigningKey::generate().expect("random bytes");
        let key = SigningKey::read(&document).expect("its own document");
        let component = wat::parse_str("(component)").expect("a component");
        assert_eq!(signer(&component), Ok(None));
        let signed = key.sign(&component);
        assert_eq!(signer(&signed), Ok(Some(public)));
        assert_eq!(public.to_string().parse(), Ok(public));
        // Still a component: readers pass over sections that they do not know.
        for payload in wasmparser::Parser::new(0).parse_all(&signed) {
            payload.expect("well-formed");
        }
        assert_eq!(key.sign(&signed), signed, "signing again replaces");
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_ne!(signer(&changed), Ok(Some(public)), "byte {at}");
        }
        let mut longer = signed.clone();
        longer.push(0);
        assert_eq!(signer(&longer), Ok(None), "nothing may stand behind it");
    }
}
