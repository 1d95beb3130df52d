//! Any line: no panic, `is_marker` and `decode` agree, and decoded cues hold what their type promises.
#![no_main]

use cuetone_fuzz::{
    domain::Span,
    media::{attributes, cue, datetime},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let answer = cue::decode(line);
    assert_eq!(answer.is_some(), cue::is_marker(line));
    if let Some(Ok(cues)) = answer {
        assert!(!cues.is_empty(), "a marker is a cue");
        for cue in cues.iter().skip(1) {
            assert!(cue.kind == cue::CueKind::Info && cue.signal.is_some(), "{cue:?}");
        }
        for span in cues.iter().flat_map(|cue| [cue.duration, cue.elapsed]).flatten() {
            assert!(span >= Span::ZERO, "{span:?}");
        }
    }
    for item in attributes::attributes(line) {
        assert!(line.contains(item.name) && line.contains(item.value));
        if let Some(range) = attributes::value_range(line, item.name) {
            assert!(line.get(range).is_some());
        }
    }
    if let Ok(at) = datetime::parse(line) {
        // A zone may carry a moment out of the years that four digits can print.
        if (-62_167_219_200_000_000..253_402_300_800_000_000).contains(&at.as_micros()) {
            assert_eq!(datetime::parse(&datetime::format(at)), Ok(at));
        }
    }
});
