//! Any bytes: no panic, and what is decoded is encoded to the same value.
//!
//! Random bytes never pass the CRC. So besides the raw input, its bytes are also sealed into a section as the body of a
//! command and as a descriptor, with a right CRC around them.
#![no_main]

use cuetone_fuzz::media::scte35::{Command, Descriptor, Section, decode, decode_text, encode};
use libfuzzer_sys::fuzz_target;

fn round_trip(bytes: &[u8]) {
    if let Ok(section) = decode(bytes) {
        let again = encode(&section).expect("a decoded section fits the wire");
        assert_eq!(decode(&again), Ok(section));
    }
}

fuzz_target!(|data: &[u8]| {
    round_trip(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = decode_text(text);
    }
    if let [kind, rest @ ..] = data {
        let (body, descriptor) = rest.split_at(rest.len() / 2);
        let descriptors = vec![Descriptor::Other { tag: kind % 4, bytes: [b"CUEI", descriptor].concat() }];
        let command = Command::Reserved { kind: *kind, bytes: body.to_vec() };
        if let Ok(bytes) = encode(&Section::new(command, descriptors)) {
            round_trip(&bytes);
        }
    }
});
