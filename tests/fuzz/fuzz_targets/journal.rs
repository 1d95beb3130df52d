//! Any bytes as a journal file: no panic, no byte of what follows a torn frame, and every line that is read is written as
//! a line that reads the same.
#![no_main]

use cuetone_fuzz::tracking::{
    frame::{self, Next},
    record::{self, Record},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // As they are, and with sums that fit: no mutation finds those.
    check(bytes);
    let mut framed = Vec::new();
    frame::write(bytes, 1, &mut framed);
    assert_eq!(check(&framed), framed.len() as u64);
});

/// Bytes of whole frames at the start.
fn check(mut file: &[u8]) -> u64 {
    let mut whole = 0;
    while let Next::Frame(frame) = frame::read(&mut file).expect("memory does not fail") {
        whole += frame.bytes();
        for line in frame.lines() {
            let Ok(record) = record::read(line) else { continue };
            let mut again = Vec::new();
            match &record {
                Record::Event(event) => record::write_event(event, &mut again),
                Record::Erase(erase) => record::write_erase(erase, &mut again),
            }
            .expect("it was read");
            let line = again.strip_suffix(b"\n").expect("a whole line");
            assert_eq!(record::read(line).expect("it was written"), record);
        }
    }
    whole
}
