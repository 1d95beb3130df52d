//! What one version of a playlist owes to the version before it.

use std::sync::Arc;

use url::Url;

use super::*;
use crate::media::{
    cue::CueKind,
    scte35::{self, Section, Segmentation, Ticks, to_base64},
};

fn base() -> Url {
    Url::parse("https://x.example.com/live/index.m3u8").expect("valid")
}

fn parse(text: &str) -> MediaPlaylist {
    MediaPlaylist::parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{text}").as_bytes()).expect("valid")
}

fn window(first: u64, count: u64, prefix: &str) -> MediaPlaylist {
    let segments: String = (first..first + count).map(|n| format!("#EXTINF:6,\n{prefix}{n}.ts?t={count}\n")).collect();
    parse(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}"))
}

fn build(playlist: &MediaPlaylist, previous: Option<&Track>, placement: Placement<'_>) -> Arc<Track> {
    let (base, imported) = (base(), Variables::new());
    let markers = MarkerPolicy::Strip;
    Track::build(1, playlist, &TrackContext { base: &base, imported: &imported, markers, previous, placement })
}

const NOW: Placement<'static> = Placement::EndsAt(Moment(1_000_000_000));

#[test]
fn an_older_version_is_not_taken_for_a_restart() {
    let track = build(&window(101, 6, "s"), None, NOW);
    for (playlist, older) in [
        (window(100, 6, "s"), true),
        (window(101, 5, "s"), true),
        (window(101, 6, "s"), false),
        (window(102, 6, "s"), false),
        (window(100, 6, "new"), false),
        (window(0, 6, "s"), false),
    ] {
        assert_eq!(track.is_newer_than(&playlist, &base()), older, "{}", playlist.text());
    }
}

#[test]
fn numbers_that_run_backwards_with_other_segments_are_a_restart() {
    let track = build(&window(101, 6, "s"), None, NOW);
    for (playlist, epoch) in
        [(window(0, 6, "s"), 1), (window(99, 6, "new"), 1), (window(104, 6, "s"), 0), (window(900, 6, "s"), 0)]
    {
        assert_eq!(build(&playlist, Some(&track), NOW).epoch, epoch, "{}", playlist.text());
    }
}

#[test]
fn what_has_been_placed_stays_when_a_date_turns_up() {
    let track = build(&window(0, 5, "s"), None, NOW);
    let dated = window(1, 4, "s").text().to_owned()
        + "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:6,\ns5.ts\n";
    let playlist = MediaPlaylist::parse(dated.as_bytes()).expect("valid");
    let next = build(&playlist, Some(&track), NOW);
    for (before, after) in track.segments.iter().skip(1).zip(&next.segments) {
        assert_eq!((before.msn, before.start), (after.msn, after.start));
    }
    assert_eq!(next.segments[4].start, datetime::parse("2026-01-01T00:00:00Z").expect("valid"));
}

#[test]
fn undated_audio_of_another_length_and_count_ends_where_the_picture_does() {
    let video = build(&window(100, 6, "v"), None, NOW);
    let audio: String = (300..318).map(|n| format!("#EXTINF:2,\na{n}.aac\n")).collect();
    let audio = parse(&format!("#EXT-X-MEDIA-SEQUENCE:300\n{audio}"));
    let track = build(&audio, None, Placement::Like(&video));
    assert_eq!((track.start(), track.end()), (video.start(), video.end()));
}

#[test]
fn a_clear_initialisation_section_stays_before_the_key() {
    let playlist = parse("#EXT-X-MAP:URI=\"i\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:6,\ns\n");
    let track = build(&playlist, None, NOW);
    let map = track.text.find("#EXT-X-MAP").expect("a map");
    assert!(map < track.text.find("#EXT-X-KEY").expect("a key"));
    assert_eq!(track.map_states[0].keys, None);
}

#[test]
fn all_segments_of_a_message_stand_where_its_marker_does() {
    let segments = [(3, 0x34, 60), (4, 0x36, 15)]
        .map(|(id, kind, seconds)| Segmentation::new(id, kind, Some(Ticks(seconds * 90_000))));
    let message = to_base64(&scte35::encode(&Section::time_signal(None, segments)).expect("a section"));
    let playlist = parse(&format!("#EXTINF:6,\ns0\n#EXT-OATCLS-SCTE35:{message}\n#EXTINF:6,\ns1\n#EXTINF:6,\ns2\n"));
    let track = build(&playlist, None, NOW);
    let told: Vec<_> = track.cues.iter().map(|placed| (placed.at, placed.cue.kind, placed.cue.id.as_deref())).collect();
    let start = track.segments[1].start;
    assert_eq!(told, [(start, CueKind::Out, Some("3")), (start, CueKind::Info, Some("4"))]);
}
