//! Any bytes: no panic, and what is written for a player names every rendition it used and reads again.
#![no_main]

use cuetone_fuzz::media::multivariant::{MAX_RENDITIONS, Multivariant, is_multivariant};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|bytes: &[u8]| {
    let _either = is_multivariant(bytes);
    let base = Url::parse("https://origin.example.com/a/b.m3u8?q=1").expect("valid");
    let Ok(playlist) = Multivariant::parse(bytes, &base) else { return };
    assert!(playlist.renditions.len() <= MAX_RENDITIONS);
    let mut used = vec![false; playlist.renditions.len()];
    let text = playlist.render(|index, out| {
        used[index] = true;
        out.push_str("r.m3u8");
    });
    assert!(used.iter().all(|used| *used));
    assert!(text.contains("r.m3u8"));
});
