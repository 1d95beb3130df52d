//! Any bytes: no panic, within the limits, and what is read is written as a document of every version that reads again.
//! What a version can say it says twice in the same words.
#![no_main]

use cuetone_fuzz::media::vast::{Version, macros, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let values = macros::MacroValues::default();
        let _filled = macros::expand(text, &values);
    }
    let Ok(vast) = parse(bytes) else { return };
    for version in Version::ALL {
        let once = parse(write(&vast, version).as_bytes()).expect("it was written");
        assert_eq!(once.version, version);
        let text = write(&once, version);
        assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&once), "{text}");
    }
});
