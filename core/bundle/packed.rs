//! Plugins in the form in which a tenant's state holds them: text, as scripts are.
//!
//! So that a component has versions, history, roll-back and trials exactly as a script. One line says what it is, the
//! other is the component, compressed (zlib, RFC 1950) and in base64. Does not know what is in a component.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use sha2::{Digest, Sha256};

use super::limits::MAX_PLUGIN_BYTES;
use crate::secret::hex;

/// The ending that makes a file a plugin.
pub const PLUGIN_ENDING: &str = ".wasm";

/// What the first line begins with; the SHA-256 of the component follows in hexadecimal digits.
const MARK: &str = "wasm sha256:";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    #[error("it is not a packed component: `cuetone export` and uploads write these")]
    Form,
    #[error("the component is damaged: its content is not what its first line says")]
    Damaged,
    #[error("the component has more than {MAX_PLUGIN_BYTES} bytes")]
    TooLarge,
}

/// Whether a path names a plugin.
pub fn is_plugin(path: &str) -> bool {
    path.ends_with(PLUGIN_ENDING)
}

/// A component as text.
pub fn pack(component: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let packed = encoder.write_all(component).and_then(|()| encoder.finish()).unwrap_or_default();
    format!("{MARK}{}\n{}\n", hex(&Sha256::digest(component)), STANDARD_NO_PAD.encode(packed))
}

/// The component again.
///
/// # Errors
/// If it is not what [`pack`] makes.
pub fn unpack(text: &str) -> Result<Vec<u8>, PackError> {
    let (digest, packed) = parts(text).ok_or(PackError::Form)?;
    let packed = STANDARD_NO_PAD.decode(packed).map_err(|_| PackError::Damaged)?;
    let mut component = Vec::new();
    // One byte more than is allowed shows what is too large without making it whole.
    let limit = MAX_PLUGIN_BYTES as u64 + 1;
    ZlibDecoder::new(&*packed).take(limit).read_to_end(&mut component).map_err(|_| PackError::Damaged)?;
    if component.len() > MAX_PLUGIN_BYTES {
        return Err(PackError::TooLarge);
    }
    if hex(&Sha256::digest(&component)) != digest {
        return Err(PackError::Damaged);
    }
    Ok(component)
}

/// The SHA-256 that the text says its component has; [`unpack`] checks it.
pub fn packed_digest(text: &str) -> Option<&str> {
    parts(text).map(|(digest, _)| digest)
}

fn parts(text: &str) -> Option<(&str, &str)> {
    let (digest, packed) = text.strip_prefix(MARK)?.split_once('\n')?;
    let hexadecimal = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then_some((digest, packed.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_comes_back_as_it_was_and_a_damaged_one_does_not() {
        let component: Vec<u8> = (0..100_000_u32).flat_map(|number| (number % 251).to_le_bytes()).collect();
        let text = pack(&component);
        assert!(text.len() < component.len() / 10);
        assert_eq!(unpack(&text).as_deref(), Ok(&*component));
        assert_eq!(packed_digest(&text), Some(&*hex(&Sha256::digest(&component))));
        assert_eq!(unpack("fn fill(avail, ads) {}"), Err(PackError::Form));
        assert_eq!(unpack(&text.replace("sha256:", "sha256:0")), Err(PackError::Form));
        let at = text.len() / 2;
        let flipped = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut damaged = text.clone();
        damaged.replace_range(at..=at, flipped);
        assert_eq!(unpack(&damaged), Err(PackError::Damaged));
        assert_eq!(unpack(&text.replacen(packed_digest(&text).unwrap(), &"0".repeat(64), 1)), Err(PackError::Damaged));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = pack(&vec![0; MAX_PLUGIN_BYTES + 1]);
        assert_eq!(unpack(&bomb), Err(PackError::TooLarge));
    }
}
