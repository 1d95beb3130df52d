//! Decisions: made once per session and break, kept through refreshes, renditions and reloads.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{
    harness::{Server, Yaml},
    origin::{Packaging, Stream},
};

/// Far above what two requests take on a busy machine, far below what viewers notice.
const STALL: Duration = Duration::from_millis(900);

async fn server(ads: &[&'static str]) -> Server {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(98..103).with_break(110..115)).await;
    server.apply(&Yaml::ads(ads).build(&server.origin)).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_is_decided_once_per_session_for_all_refreshes_and_variants() {
    let server = server(&["red-3", "green-2"]).await;
    let mut player = server.viewer().await;
    for _ in 0..8 {
        let (high, low) = (player.poll("v0").await, player.poll("v1").await);
        assert_eq!(high.places(), low.places(), "both variants\n{}\n{}", high.text, low.text);
        assert_eq!(high.ads(), low.ads());
        server.clock.forward(2_000);
    }
    let decisions = server.decisions("acme");
    assert_eq!(decisions.len(), 1, "one break, one decision");
    let shown: Vec<&str> = player.seen("v0").iter().filter_map(|segment| segment.ad()).collect();
    assert_eq!(shown, ["red-3", "red-3", "red-3", "green-2", "green-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_all_renditions_at_once_make_one_decision() {
    let server = server(&["red-5"]).await;
    let player = server.viewer().await;
    let answers = join_all((0..40).map(|n| player.ask(if n % 2 == 0 { "v0" } else { "v1" }))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(server.decisions("acme").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_in_the_middle_of_a_break_leaves_its_viewers_their_ads_and_gives_new_viewers_the_new_ones() {
    let server = server(&["red-5"]).await;
    let mut early = server.viewer().await;
    assert_eq!(early.poll("v0").await.ads(), ["red-5"]);
    server.apply(&Yaml::ads(&["blue-5"]).build(&server.origin)).await;
    let mut late = server.viewer().await;
    assert_eq!(late.poll("v0").await.ads(), ["blue-5"]);
    for _ in 0..5 {
        server.clock.forward(2_000);
        // The second variant is asked for the first time after the reload.
        for rendition in ["v0", "v1"] {
            assert!(early.poll(rendition).await.ads().iter().all(|ad| *ad == "red-5"));
            assert!(late.poll(rendition).await.ads().iter().all(|ad| *ad == "blue-5"));
        }
    }
    assert_eq!(early.seen("v0").iter().filter(|segment| segment.ad() == Some("red-5")).count(), 5);
    // The next break is decided by the bundle of then.
    for _ in 0..12 {
        server.clock.forward(2_000);
        early.poll("v0").await;
    }
    assert_eq!(early.seen("v0").iter().filter(|segment| segment.ad() == Some("blue-5")).count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ad_segment_of_a_reloaded_bundle_still_plays() {
    let server = server(&["red-5"]).await;
    let mut player = server.viewer().await;
    let playlist = player.poll("v0").await;
    let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).expect("an ad");
    let url = player.url("v0").join(&ad.uri).unwrap();
    server.apply(&Yaml::ads(&["blue-5"]).build(&server.origin)).await;
    let answer = server.get(url.as_str()).await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(answer.header("location"), server.origin.url("ads/red-5/ts/v360-0.ts"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_bundle_changes_nothing_and_is_told_by_file_line_and_column() {
    let server = server(&["red-5"]).await;
    let good = Yaml::default().build(&server.origin);
    let version = server.version("acme");
    let with_rule = good.clone() + "extensions:\n  targeting:\n    - { use: rules/x.rhai }\n";
    let bad = [
        (good.replace("live/master.m3u8\n", "live/master.m3u8\n    ad_brake_strategy: scte35\n"), "tenant.yaml:5:5: "),
        (good.replace("priority: 100", "priority: much"), "tenant.yaml:6:"),
        (good.replace("campaign: of-red-5", "campaign: nowhere"), "tenant.yaml:8:"),
        (with_rule.clone(), "tenant.yaml:11:14: extensions.targeting[0].use"),
        ("tenant: { slug: acme\n".to_owned(), "tenant.yaml:"),
    ];
    for (yaml, place) in bad {
        let error = server.try_apply(&yaml, &[]).await.expect_err(&yaml);
        assert!(error.contains(place), "expected {place} in:\n{error}\n{yaml}");
    }
    let scripts = [
        ("fn target(ad, request, config) {\n    let x = ;\n}\n", "rules/x.rhai:2:"),
        ("fn target(ad, request, config) {\n    nothing(ad)\n}\n", "rules/x.rhai:2:"),
        ("fn target(ad, request, config) { loop {} }\n", "rules/x.rhai"),
        ("fn fill(avail, ads, config) { [] }\n", "rules/x.rhai"),
    ];
    for (script, place) in scripts {
        let error = server.try_apply(&with_rule, &[("rules/x.rhai", script)]).await.expect_err(script);
        assert!(error.contains(place), "expected {place} in:\n{error}\n{script}");
    }
    assert_eq!(server.version("acme"), version);
    assert_eq!(server.viewer().await.poll("v0").await.ads(), ["red-5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_stalls_while_the_bundle_is_swapped_twenty_times() {
    let server = server(&["red-5"]).await;
    let players = join_all((0..8).map(|_| server.viewer())).await;
    let (done, watching) = tokio::sync::watch::channel(false);
    let watch = players.into_iter().map(|mut player| {
        let watching = watching.clone();
        tokio::spawn(async move {
            let mut asked = 0;
            let mut slowest = Duration::ZERO;
            while !*watching.borrow() || asked < 70 {
                let begun = Instant::now();
                player.poll("v0").await;
                player.poll("v1").await;
                slowest = slowest.max(begun.elapsed());
                asked += 2;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            assert!(slowest < STALL, "two requests took {slowest:?}");
            asked
        })
    });
    let watch: Vec<_> = watch.collect();
    for swap in 0..20 {
        let ad = if swap % 2 == 0 { "blue-5" } else { "red-5" };
        let yaml = Yaml { channel: "labels: { take: two }", ..Yaml::ads(&[ad, "green-2"]) }.build(&server.origin);
        server.apply(&format!("{yaml}# {swap}\n")).await;
        server.viewer().await.poll("v0").await;
        server.clock.forward(400);
    }
    done.send(true).unwrap();
    let asked: usize =
        join_all(watch).await.into_iter().map(|asked| asked.expect("every request was answered well")).sum();
    assert!(asked >= 500, "{asked} requests");
    assert_eq!(server.version("acme"), Some(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_changes_how_ads_are_counted_holds_for_new_viewers_at_once() {
    let server = server(&["red-5"]).await;
    let mut early = server.viewer().await;
    assert!(early.poll("v0").await.text.contains("\nad/"));
    server.apply(&Yaml { channel: "beaconing: client", ..Yaml::default() }.build(&server.origin)).await;
    let mut late = server.viewer().await;
    for _ in 0..4 {
        for rendition in ["v0", "v1"] {
            let (before, after) = (early.poll(rendition).await, late.poll(rendition).await);
            assert!(before.text.contains("\nad/"), "{}", before.text);
            assert!(!after.text.contains("\nad/"), "{}", after.text);
        }
        server.clock.forward(2_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_changes_the_detector_in_the_middle_of_a_break_leaves_that_break_alone() {
    let server = server(&["red-5"]).await;
    let mut player = server.viewer().await;
    player.poll("v0").await;
    let channel = "ad_break_strategy: static\nad_break_interval_seconds: 60\nad_break_duration_seconds: 10";
    server.apply(&Yaml { channel, ..Yaml::ads(&["blue-5"]) }.build(&server.origin)).await;
    for _ in 0..6 {
        server.clock.forward(2_000);
        player.poll("v0").await;
        player.poll("v1").await;
    }
    let shown: Vec<&str> = player.seen("v0").iter().filter_map(|segment| segment.ad()).collect();
    assert_eq!(shown, ["red-5"; 5]);
}
