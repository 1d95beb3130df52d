//! Any bytes: no panic, and what is read is written as a document that says the same.
#![no_main]

use cuetone_fuzz::media::{
    vast::Version,
    vmap::{is_vmap, parse, write},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(vmap) = parse(bytes) else { return };
    assert!(is_vmap(bytes));
    let once = parse(write(&vmap, Version::V4_2).as_bytes()).expect("it was written");
    assert_eq!(once.breaks.len(), vmap.breaks.len());
    let text = write(&once, Version::V4_2);
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&once), "{text}");
});
