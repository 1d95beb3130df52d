//! Live channels: pre-roll, joining in the middle of a break, restarts of the origin, sound apart from the picture.

use std::collections::BTreeMap;

use crate::{
    harness::{Server, Yaml},
    origin::{Packaging, SEGMENT, Stream},
    player::Player,
};

/// Where in the window of the origin (numbers 90 to 99) a player starts: three target durations before the edge.
const JOINS_AT: u64 = 97;

async fn server(stream: Stream, yaml: Yaml) -> Server {
    let server = Server::start(stream).await;
    server.apply(&yaml.build(&server.origin)).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_viewer_s_pre_roll_opens_where_players_start_and_content_resumes_behind_it() {
    let channel = "pre_roll: { max_duration_seconds: 10 }";
    let server = server(Stream::live(Packaging::Ts), Yaml { channel, ..Yaml::default() }).await;
    let mut player = server.viewer().await;
    let first = player.poll("v0").await;
    let kinds: Vec<bool> = first.segments.iter().map(|segment| segment.ad().is_some()).collect();
    assert_eq!(kinds, [false, false, false, false, false, false, false, true, true, true], "{}", first.text);
    for _ in 0..6 {
        server.clock.forward(2_000);
        player.poll("v0").await;
        player.poll("v1").await;
    }
    let seen = player.seen("v0");
    let ads = seen.iter().filter(|segment| segment.ad().is_some()).count();
    let content: Vec<u64> = seen.iter().filter_map(|segment| segment.content()).collect();
    assert_eq!((ads, content), (5, (90..JOINS_AT).chain(JOINS_AT + 5..106).collect()));
    // One pre-roll for each viewer.
    assert_eq!(server.viewer().await.poll("v0").await.ads(), ["red-5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_in_the_middle_of_a_break_sees_content_or_the_rest_of_the_ads_as_configured() {
    for (channel, ads) in [("mid_break_join: content", 0), ("mid_break_join: ads", 8)] {
        let stream = Stream::live(Packaging::Ts).with_break(92..104);
        let server = server(stream, Yaml { channel, ..Yaml::ads(&["red-12"]) }).await;
        let mut player = server.viewer().await;
        assert_eq!(player.poll("v0").await.ad_segments(), ads, "{channel}");
        for _ in 0..10 {
            server.clock.forward(2_000);
            player.poll("v0").await;
        }
        let all = player.seen("v0").iter().filter(|segment| segment.ad().is_some()).count();
        assert_eq!(all, if ads == 0 { 0 } else { 12 }, "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_goes_on_after_its_marker_left_the_window() {
    // The break is longer than the window; the viewer joins when the marker is long gone.
    let stream = Stream { window: 6, ..Stream::live(Packaging::Ts) }.with_break(85..105);
    let server = server(stream, Yaml { channel: "mid_break_join: ads", ..Yaml::ads(&["red-20"]) }).await;
    let mut player = server.viewer().await;
    for _ in 0..12 {
        for rendition in ["v0", "v1"] {
            player.poll(rendition).await;
        }
        server.clock.forward(2_000);
    }
    let places =
        |name| player.seen(name).iter().map(|s| (s.number, s.ad().is_some(), s.discontinuity)).collect::<Vec<_>>();
    assert_eq!(places("v0"), places("v1"));
    let content: Vec<u64> = player.seen("v0").iter().filter_map(|segment| segment.content()).collect();
    assert_eq!(content.first(), Some(&105), "content resumes where the break ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_counts_anew_does_not_turn_our_numbers_back() {
    for packaging in [Packaging::Ts, Packaging::Fmp4] {
        let mut stream = Stream::live(packaging).with_break(103..108).with_break(124..129);
        stream.first_number = 5_000;
        let server = server(stream, Yaml::default()).await;
        let mut player = server.viewer().await;
        let names: Vec<String> = player.renditions.keys().cloned().collect();
        for step in 0..34 {
            if step == 12 {
                // The packager starts again: a new window that begins now.
                server.origin.edit("live", |stream| stream.first_number = -100);
            }
            for name in &names {
                player.poll(name).await;
            }
            server.clock.forward(2_000);
        }
        let name = player.name("v");
        let seen = player.seen(&name);
        let numbers: Vec<u64> = seen.iter().map(|segment| segment.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{packaging:?}: no gaps: {numbers:?}");
        assert!(seen.windows(2).all(|pair| pair[1].discontinuity >= pair[0].discontinuity), "{packaging:?}");
        let ads = seen.iter().filter(|segment| segment.ad().is_some()).count();
        assert_eq!(ads, 10, "{packaging:?}: the breaks before and after it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_counts_anew_without_dates_goes_on_as_well() {
    let stream = Stream { first_number: 5_000, dated: false, ..Stream::live(Packaging::Ts) };
    let server = server(stream, Yaml::default()).await;
    let mut player = server.viewer().await;
    for step in 0..30 {
        if step == 6 {
            server.origin.edit("live", |stream| stream.first_number = -100);
        }
        player.poll("v0").await;
        player.poll("v1").await;
        server.clock.forward(2_000);
    }
}

/// Plays a live channel whose renditions are asked for at different moments, as players do, and compares what the
/// renditions said of each moment.
async fn play_irregularly(stream: Stream, yaml: Yaml, renditions: &[&str], steps: &[i64]) -> (Server, Player) {
    let server = server(stream, yaml).await;
    let mut player = server.viewer().await;
    for (step, millis) in (0..120).zip(steps.iter().cycle()) {
        player.poll(renditions[step % renditions.len()]).await;
        server.clock.forward(*millis);
    }
    let mut at: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
    for name in renditions {
        for segment in player.seen(name) {
            let Some(moment) = segment.at else { continue };
            let here = (segment.discontinuity, segment.content().is_some());
            let known = at.entry(moment.0).or_insert(here);
            assert_eq!(*known, here, "{name} at {moment:?}: {segment:?}");
        }
    }
    (server, player)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renditions_asked_for_at_different_moments_agree_on_what_plays_when() {
    for steps in [[700, 300, 900, 100], [2_000, 2_000, 2_000, 2_000], [1_300, 650, 40, 10], [400, 2_300, 500, 700]] {
        let stream = Stream::live(Packaging::Fmp4).with_break(104..109).with_break(116..120).with_break(130..137);
        let (_server, player) =
            play_irregularly(stream, Yaml::ads(&["red-5", "green-2"]), &["v2", "a0", "s1", "v3"], &steps).await;
        let shown = |name| player.seen(name).iter().filter(|segment| segment.ad().is_some()).count();
        assert!(shown("v2") > 5, "breaks were played");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_that_is_published_later_than_the_picture_agrees_with_it() {
    for rendition in ["audio", "v240", "v360", "subs"] {
        let mut stream = Stream::live(Packaging::Fmp4).with_break(104..109).with_break(116..120).with_break(130..137);
        stream.behind.insert(rendition.to_owned(), 1);
        play_irregularly(stream, Yaml::ads(&["red-5", "green-2"]), &["v2", "a0", "s1"], &[700, 900, 300]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_edge_is_never_ahead_of_the_origin_s() {
    let stream = Stream::live(Packaging::Ts).with_break(102..112);
    let server = server(stream, Yaml::ads(&["red-5", "green-5"])).await;
    let mut player = server.viewer().await;
    for step in 0..20 {
        let playlist = player.poll("v0").await;
        let last = playlist.segments.last().unwrap();
        let edge = crate::origin::EPOCH.0 + (100 + step) * SEGMENT * 1_000_000;
        assert!(last.at.unwrap().0 + last.micros <= edge, "step {step}\n{}", playlist.text);
        server.clock.forward(2_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftover_time_is_filled_with_slate_where_there_is_one_and_content_returns_early_where_there_is_none() {
    for (channel, slates, content) in [("slate: slate-1", 3, 0), ("", 0, 3)] {
        let stream = Stream::live(Packaging::Ts).with_break(102..110);
        let server = server(stream, Yaml { channel, ..Yaml::ads(&["red-5", "slate-1"]) }).await;
        // The slate is never chosen as an ad; without `slate:` it is one, so leave it out.
        if channel.is_empty() {
            server.apply(&Yaml::ads(&["red-5"]).build(&server.origin)).await;
        }
        let mut player = server.viewer().await;
        for _ in 0..14 {
            player.poll("v0").await;
            server.clock.forward(2_000);
        }
        let seen = player.seen("v0");
        let slate = seen.iter().filter(|segment| segment.uri.contains("/ads/slate-1/")).count();
        let inside = seen.iter().filter(|segment| segment.content().is_some_and(|n| (102..110).contains(&n))).count();
        assert_eq!((slate, inside), (slates, content), "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_ads_in_an_encrypted_channel_and_the_key_with_its_numbers_behind_them() {
    for packaging in [Packaging::Ts, Packaging::Fmp4] {
        let stream = Stream { encrypted: true, ..Stream::live(packaging) }.with_break(95..100).with_break(112..115);
        let server = server(stream, Yaml::ads(&["red-3", "green-2"])).await;
        let mut player = server.viewer().await;
        let name = player.name("v");
        for _ in 0..24 {
            player.poll(&name).await;
            server.clock.forward(2_000);
        }
        let seen = player.seen(&name);
        assert_eq!(seen.iter().filter(|segment| segment.ad().is_some()).count(), 8, "{packaging:?}");
        for segment in seen {
            match segment.content() {
                None => assert!(segment.keys.is_empty(), "{packaging:?}: an ad under a key: {segment:?}"),
                Some(n) => {
                    let keyed = segment.keys.first().is_some_and(|key| key.contains(&format!("IV=0x{n:032x}")));
                    assert!(keyed, "{packaging:?}: {segment:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renditions_agree_on_a_pre_roll_whichever_is_asked_for_first() {
    for renditions in [["v2", "a0", "s1"], ["a0", "v3", "v2"], ["s1", "a0", "v2"]] {
        let channel = "pre_roll: { max_duration_seconds: 10 }\nslate: slate-1";
        let stream = Stream::live(Packaging::Fmp4).with_break(110..115).with_break(122..130);
        let yaml = Yaml { channel, ..Yaml::ads(&["red-5", "slate-1"]) };
        let (_server, player) = play_irregularly(stream, yaml, &renditions, &[700, 900, 300]).await;
        for name in ["v2", "a0"] {
            let ads = player.seen(name).iter().filter(|segment| segment.ad().is_some()).count();
            assert_eq!(ads, 15, "{name} of {renditions:?}: a pre-roll and two breaks");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timed_breaks_are_at_the_same_moments_for_everybody() {
    let channel = "ad_break_strategy: static\nad_break_interval_seconds: 30\nad_break_duration_seconds: 10";
    let yaml = Yaml { channel, ..Yaml::default() };
    let (server, player) = play_irregularly(Stream::live(Packaging::Ts), yaml, &["v0", "v1"], &[700, 1_900, 300]).await;
    let mut late = server.viewer().await;
    let opened = |player: &Player| {
        let seen = player.seen("v0");
        let pairs = seen.windows(2).filter(|pair| pair[0].ad().is_none() && pair[1].ad().is_some());
        pairs.map(|pair| pair[1].at.unwrap().as_secs()).collect::<Vec<_>>()
    };
    for _ in 0..20 {
        late.poll("v0").await;
        server.clock.forward(2_000);
    }
    let all = [opened(&player), opened(&late)].concat();
    assert!(all.len() > 3 && all.iter().all(|at| at % 30 < SEGMENT), "{all:?}");
}
