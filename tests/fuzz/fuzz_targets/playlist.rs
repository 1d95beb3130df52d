//! Any bytes: no panic, and what is read can be written again byte for byte.
#![no_main]

use cuetone_fuzz::media::playlist::MediaPlaylist;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(playlist) = MediaPlaylist::parse(bytes) else { return };
    assert_eq!(playlist.text().as_bytes(), bytes);
    for segment in &playlist.segments {
        assert!(!playlist.uri(segment).is_empty());
        assert!(playlist.lines_in(&segment.lines).count() >= 2);
    }
    let again = MediaPlaylist::parse(playlist.text().as_bytes());
    assert_eq!(again.map(|again| again.segments.len()), Ok(playlist.segments.len()));
});
