//! Titles: pre-roll and mid-roll put between content, in every rendition alike, the same each time.

use crate::{
    harness::{Server, Yaml},
    origin::{Packaging, SEGMENT, Stream},
    player::{Playlist, Segment},
};

/// Two minutes with a place to insert ads at 0:40 and one at 1:20.
fn title(packaging: Packaging) -> Stream {
    Stream::title(packaging, 60).with_break(20..20).with_break(40..40)
}

const CHANNEL: &str =
    "ad_break_duration_seconds: 20\nad_break_interval_seconds: 60\npre_roll: { max_duration_seconds: 10 }";

async fn server(stream: Stream) -> Server {
    let server = Server::start(stream).await;
    server.apply(&Yaml { channel: CHANNEL, ..Yaml::ads(&["red-5", "green-3", "blue-2"]) }.build(&server.origin)).await;
    server
}

/// Runs of ads and content: `("ad", 5)` means five segments of ads.
fn runs(playlist: &Playlist) -> Vec<(&'static str, usize)> {
    let mut runs: Vec<(&'static str, usize)> = Vec::new();
    for segment in &playlist.segments {
        let kind = if segment.content().is_some() { "content" } else { "ad" };
        match runs.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => runs.push((kind, 1)),
        }
    }
    runs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pre_roll_and_mid_rolls_stand_between_all_of_the_content() {
    for packaging in [Packaging::Ts, Packaging::Fmp4] {
        let server = server(title(packaging)).await;
        let mut player = server.viewer().await;
        let name = player.name("v");
        let playlist = player.poll(&name).await;
        assert_eq!(
            runs(&playlist),
            [("ad", 5), ("content", 20), ("ad", 10), ("content", 20), ("ad", 10), ("content", 20)],
            "{}",
            playlist.text
        );
        let content: Vec<u64> = playlist.segments.iter().filter_map(Segment::content).collect();
        assert_eq!(content, (0..60).collect::<Vec<u64>>(), "nothing left out, nothing twice");
        assert!(playlist.ended && playlist.text.contains("#EXT-X-PLAYLIST-TYPE:VOD"), "{}", playlist.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_answers_the_same_bytes_each_time_within_a_session() {
    let server = server(title(Packaging::Fmp4)).await;
    let player = server.viewer().await;
    let mut first = Vec::new();
    for rendition in player.renditions.keys() {
        first.push((rendition.clone(), player.ask(rendition).await.body));
    }
    for step in 0..4 {
        // Not by time, not by another bundle, not by a new version at the origin.
        server.clock.forward(200_000);
        match step {
            1 => server.apply(&Yaml { channel: CHANNEL, ..Yaml::ads(&["yellow-4"]) }.build(&server.origin)).await,
            2 => server.origin.edit("live", |stream| stream.title = Some(50)),
            _ => {}
        }
        for (rendition, body) in &first {
            assert!(player.ask(rendition).await.body == *body, "step {step}: {rendition} changed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rendition_of_a_title_has_the_same_discontinuities_at_the_same_times() {
    let server = server(title(Packaging::Fmp4)).await;
    let mut player = server.viewer().await;
    let names: Vec<String> = player.renditions.keys().cloned().collect();
    assert_eq!(names, ["a0", "s1", "v2", "v3"]);
    let picture = player.poll("v2").await;
    assert_eq!(picture.segments.last().unwrap().discontinuity, 9, "one per ad and one per return\n{}", picture.text);
    for name in &names {
        let playlist = player.poll(name).await;
        assert_eq!(playlist.places(), picture.places(), "{name}\n{}", playlist.text);
        assert_eq!(playlist.target, picture.target, "{name}");
        assert!(playlist.ended, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rendition_gets_ads_of_its_kind_with_their_initialisation_and_its_own_back() {
    let server = server(title(Packaging::Fmp4)).await;
    let mut player = server.viewer().await;
    for (name, rung) in [("v2", "cmaf/v360"), ("v3", "cmaf/v240"), ("a0", "cmaf/audio")] {
        let playlist = player.poll(name).await;
        for segment in &playlist.segments {
            let map = segment.map.as_deref().unwrap_or("none");
            let expected = match segment.ad() {
                Some(ad) => server.origin.url(&format!("ads/{ad}/{rung}-init.mp4")),
                None => server.origin.url(&format!("live/{}-init.mp4", rung.trim_start_matches("cmaf/"))),
            };
            assert!(map.contains(&expected), "{name}: {map} for {}, expected {expected}", segment.uri);
        }
        let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).unwrap();
        let answer = server.get(player.url(name).join(&ad.uri).unwrap().as_str()).await;
        let expected = server.origin.url(&format!("ads/{}/{rung}-0.m4s", ad.ad().unwrap()));
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, expected.as_str()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subtitles_are_empty_during_ads() {
    let server = server(title(Packaging::Fmp4)).await;
    let mut player = server.viewer().await;
    let playlist = player.poll("s1").await;
    let silent: Vec<&Segment> = playlist.segments.iter().filter(|segment| segment.content().is_none()).collect();
    assert_eq!(silent.len(), 25, "{}", playlist.text);
    for segment in silent {
        assert_eq!(segment.uri, "empty.vtt");
        let answer = server.get(player.url("s1").join(&segment.uri).unwrap().as_str()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "WEBVTT\n\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_ads_in_an_encrypted_title_and_the_key_with_its_numbers_behind_them() {
    let server = server(Stream { encrypted: true, ..title(Packaging::Ts) }).await;
    let mut player = server.viewer().await;
    let playlist = player.poll("v0").await;
    assert_eq!(runs(&playlist).len(), 6, "{}", playlist.text);
    for segment in &playlist.segments {
        match segment.content() {
            None => assert!(segment.keys.is_empty(), "an ad under a key: {segment:?}\n{}", playlist.text),
            Some(n) => {
                let key = segment
                    .keys
                    .first()
                    .unwrap_or_else(|| panic!("content without its key: {segment:?}\n{}", playlist.text));
                assert!(key.contains(&format!("IV=0x{n:032x}")), "{key} of segment {n}");
                assert!(key.contains(&server.origin.url("live/key.bin")), "{key}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_viewers_of_a_title_have_decisions_of_their_own() {
    let server = server(title(Packaging::Ts)).await;
    let mut early = server.viewer().await;
    assert_eq!(early.poll("v0").await.ads()[0], "red-5");
    server.apply(&Yaml { channel: CHANNEL, ..Yaml::ads(&["yellow-4"]) }.build(&server.origin)).await;
    let mut late = server.viewer().await;
    assert_eq!(late.poll("v0").await.ads()[0], "yellow-4");
    assert_eq!(early.poll("v0").await.ads()[0], "red-5");
    assert_eq!(SEGMENT * 5, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_whose_origin_fails_plays_on() {
    let server = server(title(Packaging::Fmp4)).await;
    let mut player = server.viewer().await;
    player.poll("v2").await;
    server.origin.fail("live/", crate::origin::Fault::Status(500));
    server.clock.forward(3_600_000);
    player.poll("v2").await;
    player.poll("a0").await;
    player.poll("s1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timed_breaks_of_a_title_without_markers_are_inserted_at_the_interval() {
    let server = Server::start(Stream::title(Packaging::Ts, 60)).await;
    let channel = "ad_break_strategy: static\nad_break_duration_seconds: 10\nad_break_interval_seconds: 40";
    server.apply(&Yaml { channel, ..Yaml::default() }.build(&server.origin)).await;
    let playlist = server.viewer().await.poll("v0").await;
    assert_eq!(runs(&playlist), [("content", 20), ("ad", 5), ("content", 20), ("ad", 5), ("content", 20)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_with_a_length_replaces_that_much_of_a_title() {
    for packaging in [Packaging::Ts, Packaging::Fmp4] {
        let server = Server::start(Stream::title(packaging, 60).with_break(20..25).with_break(40..45)).await;
        server.apply(&Yaml::default().build(&server.origin)).await;
        let mut player = server.viewer().await;
        let name = player.name("v");
        let playlist = player.poll(&name).await;
        let expected = [("content", 20), ("ad", 5), ("content", 15), ("ad", 5), ("content", 15)];
        assert_eq!(runs(&playlist), expected, "{}", playlist.text);
        assert!(playlist.segments.iter().all(|segment| segment.content().is_none_or(|n| !(20..25).contains(&n))));
    }
}
