//! The demo's origin server: what a broadcaster and an ad agency would run, in the same binary.
//!
//! ```text
//! /live/master.m3u8      an endless channel that announces a 20 s break every minute
//! /plain/master.m3u8     the same without markers
//! /vod/master.m3u8       a 48 s title (CMAF, separate audio and subtitles) with a place for a mid-roll
//! /ads/<name>/master.m3u8   the creatives
//! ```
//! It knows nothing of Cuetone; only its playlists connect the two.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    EXAMPLES,
    live::{self, Markers},
};
use crate::domain::{Clock, Moment};

/// A file under its name never changes within a release; an hour spares requests and survives an update.
const FILE_CACHE: &str = "public, max-age=3600";
/// Half a segment: a live playlist is new every two seconds.
const LIVE_CACHE: &str = "public, max-age=1";

/// The origin's routes; mount them where the tenants' URLs expect them, with `nest("/demo", …)`.
pub fn origin_router(clock: Arc<dyn Clock>) -> Router {
    Router::new().route("/{*path}", get(serve)).with_state(clock)
}

async fn serve(State(clock): State<Arc<dyn Clock>>, Path(path): Path<String>) -> Response {
    match find(&path, clock.now()) {
        Some(found) => found.into_response(),
        None => (StatusCode::NOT_FOUND, [ALLOW_ALL], "no such file on the demo origin\n").into_response(),
    }
}

const ALLOW_ALL: (HeaderName, HeaderValue) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));

/// A file that exists, or a playlist made for this moment.
#[derive(Debug, PartialEq)]
struct Found {
    content_type: &'static str,
    cache: &'static str,
    body: Bytes,
}

impl IntoResponse for Found {
    fn into_response(self) -> Response {
        let headers = [
            ALLOW_ALL,
            (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static(self.cache)),
        ];
        (headers, self.body).into_response()
    }
}

fn find(path: &str, now: Moment) -> Option<Found> {
    let markers = if path.starts_with("plain/") { Markers::None } else { Markers::Announced };
    // The plain channel is the live one without its markers: same files.
    let file = path.strip_prefix("plain/").map(|rest| format!("live/{rest}"));
    let file = file.as_deref().unwrap_or(path);
    let stored = EXAMPLES.get_file(format!("media/{file}"))?;
    if matches!(file, "live/360/index.m3u8" | "live/240/index.m3u8") {
        let body = live::playlist(now, markers).into();
        return Some(Found { content_type: content_type(file)?, cache: LIVE_CACHE, body });
    }
    Some(Found { content_type: content_type(file)?, cache: FILE_CACHE, body: Bytes::from_static(stored.contents()) })
}

/// Only media leaves this server: a file of any other kind does not exist.
fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "m3u8" => "application/vnd.apple.mpegurl",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "mp4" => "video/mp4",
        "vtt" => "text/vtt",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_748_736_041_000_000);

    /// All addresses in a playlist, those in attributes included, as paths from the root.
    fn addresses(base: &str, text: &str) -> Vec<String> {
        let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
        let quoted = text.split("URI=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        quoted.chain(lines).map(|uri| format!("{folder}/{uri}")).collect()
    }

    fn crawl(root: &str) -> usize {
        let mut todo = vec![root.to_owned()];
        let mut files = 0;
        while let Some(path) = todo.pop() {
            let found = find(&path, NOW).unwrap_or_else(|| panic!("{path} is missing"));
            assert!(!found.body.is_empty(), "{path}");
            files += 1;
            if path.ends_with(".m3u8") {
                todo.extend(addresses(&path, std::str::from_utf8(&found.body).expect("text")));
            }
        }
        files
    }

    #[test]
    fn every_address_in_every_playlist_leads_to_a_file() {
        assert_eq!(crawl("live/master.m3u8"), 1 + 2 * 11);
        assert_eq!(crawl("plain/master.m3u8"), 1 + 2 * 11);
        assert!(crawl("vod/master.m3u8") > 4 * 12);
        for ad in ["red", "green", "orange", "purple", "yellow", "slate"] {
            assert!(crawl(&format!("ads/{ad}/master.m3u8")) > 14, "{ad}");
        }
    }

    #[test]
    fn video_of_every_ad_lasts_exactly_what_it_says() {
        for (ad, seconds) in [("red", 10), ("green", 10), ("orange", 6), ("purple", 14), ("yellow", 10), ("slate", 6)] {
            for rung in ["ts/360", "ts/240", "cmaf/360", "cmaf/240", "cmaf/audio"] {
                let found = find(&format!("ads/{ad}/{rung}/index.m3u8"), NOW).expect(rung);
                let text = std::str::from_utf8(&found.body).expect("text");
                let lengths = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
                let micros: f64 = lengths.map(|length| length.parse::<f64>().expect("number") * 1e6).sum();
                // Audio comes in frames of 1024 samples at 48 kHz.
                let tolerance = if rung.ends_with("audio") { 1024.0 / 0.048 / 2.0 + 10.0 } else { 0.5 };
                assert!((micros - f64::from(seconds) * 1e6).abs() <= tolerance, "{ad} {rung}: {micros}");
            }
        }
    }

    #[test]
    fn the_title_is_complete_and_has_one_place_for_ads_in_every_rendition() {
        for rendition in ["360", "240", "audio", "subs"] {
            let found = find(&format!("vod/{rendition}/index.m3u8"), NOW).expect(rendition);
            let text = std::str::from_utf8(&found.body).expect("text");
            assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
            assert_eq!(text.matches("#EXT-X-CUE-OUT:0\n").count(), 1, "{rendition}");
        }
    }

    #[test]
    fn only_media_is_served() {
        assert!(EXAMPLES.get_file("media/make.sh").is_some());
        for path in ["make.sh", "../wkkworld/tenant.yaml", "live", "", "live/360/99.ts"] {
            assert_eq!(find(path, NOW), None, "{path}");
        }
    }

    #[test]
    fn live_playlists_are_fresh_and_files_are_cached() {
        assert_eq!(find("plain/360/index.m3u8", NOW).map(|found| found.cache), Some(LIVE_CACHE));
        assert_eq!(find("plain/360/00.ts", NOW).map(|found| found.cache), Some(FILE_CACHE));
        assert_eq!(find("ads/red/ts/360/index.m3u8", NOW).map(|found| found.cache), Some(FILE_CACHE));
    }
}
