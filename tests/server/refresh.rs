//! Origins: asked once per refresh however many viewers there are, and what viewers get when one fails.

use std::time::Duration;

use futures_util::future::join_all;

use crate::{
    harness::{ORIGIN_DEADLINE, Server, Yaml},
    origin::{Fault, Packaging, Stream},
    player::{Player, Playlist},
};

const VIEWERS: usize = 200;

async fn server() -> Server {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(102..107)).await;
    server.apply(&Yaml::default().build(&server.origin)).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_origin_request_per_refresh_however_many_viewers() {
    let server = server().await;
    let open = |_| async { server.viewer().await };
    let mut players: Vec<Player> = join_all((0..VIEWERS).map(open)).await;
    let paths = ["live/master.m3u8", "live/v360.m3u8", "live/v240.m3u8"];
    let hits = || paths.map(|path| server.origin.hits(path));
    assert_eq!(hits(), [1, 1, 1], "opening {VIEWERS} sessions");
    for refresh in 2..9 {
        server.clock.forward(2_000);
        let polls = players.iter_mut().map(|player| async {
            player.poll("v0").await;
            player.poll("v1").await;
            player.poll("v0").await
        });
        let playlists: Vec<Playlist> = join_all(polls).await;
        assert_eq!(hits(), [1, refresh, refresh], "refresh {refresh} of {VIEWERS} viewers");
        assert!(playlists.iter().all(|playlist| playlist.ads() == playlists[0].ads()));
    }
    assert_eq!(players[0].seen("v0").iter().filter(|segment| segment.ad().is_some()).count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aged_multivariant_playlist_is_fetched_again_once_however_many_viewers_come() {
    let server = server().await;
    server.viewer().await;
    server.clock.forward(31_000);
    join_all((0..VIEWERS).map(|_| server.viewer())).await;
    assert_eq!(server.origin.hits("live/master.m3u8"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_origin_is_asked_once_per_pause_however_many_viewers() {
    let server = server().await;
    let player = server.viewer().await;
    server.origin.fail("live/", Fault::Status(503));
    let before = server.origin.hits("live/v360.m3u8");
    for asked in 1..4 {
        server.clock.forward(1_000);
        let answers = join_all((0..100).map(|_| player.ask("v0"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(server.origin.hits("live/v360.m3u8") - before, asked);
    }
}

/// The last good window while it can be right, a clear error after that, and the stream again when the origin is back.
async fn check(fault: Fault, status: u16, kind: &str) {
    let what = format!("{fault:?}");
    let server = server().await;
    let mut player = server.viewer().await;
    let good = player.poll("v0").await;
    server.origin.fail("live/", fault);
    for _ in 0..3 {
        server.clock.forward(2_000);
        assert_eq!(player.poll("v0").await.text, good.text, "{what}: the last good window");
    }
    server.clock.forward(30_000);
    for _ in 0..3 {
        player.ask("v0").await.is_problem(status, kind);
        player.ask("v1").await.is_problem(status, kind);
    }
    server.origin.heal();
    server.clock.forward(1_000);
    let back = player.ask("v0").await;
    assert_eq!(back.status, 200, "{what}: {}", back.text());
    let back = Playlist::parse(back.text());
    let newest = back.segments.last().unwrap().content();
    assert_eq!(newest, Some(117), "{what}: the origin's edge is shown again\n{}", back.text);
    assert!(back.number > good.number, "{what}");
}

macro_rules! faults {
    ($($name:ident: $fault:expr => $status:literal $kind:literal;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            check($fault, $status, $kind).await;
        }
    )* };
}

faults! {
    an_origin_that_answers_500_is_covered_by_the_last_window_then_502: Fault::Status(500) => 502 "origin-failed";
    an_origin_that_lost_the_stream_is_covered_by_the_last_window_then_502: Fault::Status(404) => 502 "origin-failed";
    an_origin_that_breaks_off_is_covered_by_the_last_window_then_502: Fault::Truncated => 502 "origin-failed";
    an_origin_that_sends_a_web_page_is_covered_by_the_last_window_then_502: Fault::Html => 502 "origin-failed";
    an_origin_that_sends_too_much_is_covered_by_the_last_window_then_502: Fault::Huge => 502 "origin-failed";
    an_origin_that_sends_no_segments_is_covered_by_the_last_window_then_502: Fault::Empty => 502 "origin-failed";
    an_origin_that_hangs_is_covered_by_the_last_window_then_504: Fault::Hang(ORIGIN_DEADLINE * 4) => 504 "origin-timeout";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_never_answered_is_a_502_at_once_and_a_new_viewer_later_plays() {
    let server = server().await;
    server.origin.fail("live/", Fault::Status(500));
    server.get("/fast/acme/live.m3u8").await.is_problem(502, "origin-failed");
    assert!(!server.get("/fast/acme/live.m3u8").await.text().contains("127.0.0.1"), "viewers learn no addresses");
    server.origin.heal();
    server.clock.forward(1_000);
    server.viewer().await.poll("v0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_rendition_leaves_the_others_playing() {
    let server = server().await;
    server.origin.fail("live/v240", Fault::Status(500));
    let mut player = server.viewer().await;
    player.poll("v0").await;
    player.ask("v1").await.is_problem(502, "origin-failed");
    server.clock.forward(2_000);
    player.poll("v0").await;
    server.origin.heal();
    server.clock.forward(2_000);
    player.poll("v1").await;
    player.poll("v0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_redirects_is_followed_and_its_addresses_resolved_there() {
    let server = server().await;
    server.origin.put("other", Stream::live(Packaging::Ts));
    server.origin.fail("live/master", Fault::Redirect(server.origin.url("other/master.m3u8")));
    let playlist = server.viewer().await.poll("v0").await;
    assert!(playlist.segments[0].uri.starts_with(&server.origin.url("other/v360-")), "{}", playlist.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_origin_holds_up_no_other_channel() {
    let server = server().await;
    server.origin.put("quick", Stream::live(Packaging::Ts));
    let channels = format!("  - {{ slug: quick, hls_manifest_url: \"{}\" }}\n", server.origin.url("quick/master.m3u8"));
    let yaml = Yaml::default().build(&server.origin).replacen("campaigns:", &format!("{channels}campaigns:"), 1);
    server.apply(&yaml).await;
    let slow = server.viewer().await;
    let quick = server.viewer_of("/fast/acme/quick.m3u8").await;
    server.origin.fail("live/", Fault::Hang(ORIGIN_DEADLINE * 4));
    server.clock.forward(2_000);
    let asked = tokio::spawn(async move { slow.ask("v0").await.status });
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..5 {
        assert_eq!(quick.ask("v0").await.status, 200);
    }
    assert!(!asked.is_finished(), "the slow origin is still being waited for");
    assert_eq!(asked.await.unwrap(), 200, "the last good window");
}
