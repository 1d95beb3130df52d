//! Any bytes as a plugin that somebody uploads: packed, described, signed or changed. No panic, no more memory than a plugin
//! may have, and what is read holds what its limits promise. Nothing is compiled.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use cuetone_fuzz::{
    bundle::packed::{PackError, pack, packed_digest, unpack},
    extension::{
        inspect::inspect,
        metadata::{self, MAX_METADATA_BYTES, Metadata},
        signature::{self, SigningKey, signer},
    },
};
use libfuzzer_sys::fuzz_target;

/// An empty component: what every component begins with.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

thread_local! {
    static KEY: SigningKey = {
        let (document, _) = SigningKey::generate().expect("random bytes");
        SigningKey::read(&document).expect("its own document")
    };
}

fuzz_target!(|bytes: &[u8]| {
    packed(bytes);
    // As they are, and where a mutation seldom gets: as what a component says of itself, and as its signature.
    inspected(bytes);
    let described = with_section(metadata::SECTION, bytes);
    assert_eq!(
        inspected(&described),
        (bytes.len() <= MAX_METADATA_BYTES).then(|| Metadata::read(bytes).ok()).flatten()
    );
    signed(bytes);
    signed(&described);
    assert!(!matches!(signer(&with_section(signature::SECTION, bytes)), Ok(Some(_))), "nobody signed it");
});

/// What `inspect` reads, and again the same from what it would be written as.
fn inspected(component: &[u8]) -> Option<Metadata> {
    let metadata = inspect(component).ok()?;
    let written = serde_json::to_vec(&metadata).expect("it is written");
    assert_eq!(Metadata::read(&written).as_ref(), Ok(&metadata));
    Some(metadata)
}

fn packed(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(component) = unpack(text)
    {
        assert_eq!(packed_digest(&pack(&component)), packed_digest(text).map(str::to_lowercase).as_deref());
    }
    let text = pack(bytes);
    assert_eq!(unpack(&text).as_deref(), Ok(bytes));
    // What is compressed is anybody's: only the sum in the first line is to be right.
    let (first, _) = text.split_once('\n').expect("two lines");
    let forged = unpack(&format!("{first}\n{}\n", STANDARD_NO_PAD.encode(bytes)));
    match forged {
        Ok(component) => assert_eq!(component, bytes),
        Err(error) => assert!(matches!(error, PackError::Damaged | PackError::TooLarge), "{error}"),
    }
}

/// A signature holds for what was signed and for nothing else, and readers pass over it.
fn signed(component: &[u8]) {
    KEY.with(|key| {
        let ours = key.sign(component);
        assert_eq!(signer(&ours), Ok(Some(key.public())));
        assert_eq!(key.sign(&ours), ours);
        // Bytes that are no component end somewhere in a section, which then goes on in the signature.
        if let Some(metadata) = inspected(component) {
            assert_eq!(inspected(&ours), Some(metadata));
        }
        let mut changed = ours;
        let at = component.len() / 2;
        changed[at] ^= 1;
        assert_ne!(signer(&changed), Ok(Some(key.public())));
    });
}

fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = leb(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    let mut component = COMPONENT.to_vec();
    component.push(0);
    component.extend(leb(body.len()));
    component.extend(body);
    component
}

/// Unsigned LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
