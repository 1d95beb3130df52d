//! Ads of other ad servers, from the tag to the playlist and back to the ad server's beacons.

use std::time::{Duration, Instant};

use crate::{
    ad_server::AdServer,
    harness::{Server, Yaml, within},
    origin::{Packaging, Stream},
};

async fn start(ads: &AdServer) -> Server {
    let stream = Stream::live(Packaging::Ts).with_break(104..109).with_break(118..123);
    let address = ads.address.to_string();
    Server::start_with(stream, move |config| config.outbound.allow_hosts.push(address)).await
}

/// A channel whose ad server is this one.
fn channel(ads: &AdServer, more: &str) -> String {
    let tag = ads.url("vast?session=[session.id]&dur=[session.avail_duration_secs]&ip=[DEVICEIP]");
    format!("ad_server: {{ vast_url: \"{tag}\", timeout_ms: 1000, {more} }}")
}

fn yaml(server: &Server, channel: String, own: &[&'static str]) -> String {
    Yaml { channel: Box::leak(channel.into_boxed_str()), ..Yaml::ads(own) }.build(&server.origin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ad_server_fills_what_own_campaigns_leave_and_is_told_what_was_counted() {
    let ads = AdServer::start().await;
    let server = start(&ads).await;
    ads.offers(&[("x", 4, &server.origin.url("ads/green-2/master.m3u8"))]);
    server.apply(&yaml(&server, channel(&ads, "order: own_first"), &["red-3"])).await;
    let mut player = server.viewer().await;
    player.poll("v0").await;
    // Asked ahead of the break, as soon as the viewer came.
    within(Duration::from_secs(2), "the tag", || async { ads.asked("/vast").len() == 1 }).await;
    let (url, headers) = ads.asked("/vast").remove(0);
    assert!(url.contains("ip=127.0.0.1") && !url.contains('['), "{url}");
    assert_eq!(headers.get("x-device-ip").expect("the viewer's address"), "127.0.0.1");
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..10 {
        server.clock.forward(2_000);
        player.poll("v0").await;
    }
    let shown: Vec<String> =
        player.seen("v0").iter().filter_map(|segment| segment.ad()).map(ToOwned::to_owned).collect();
    assert_eq!(shown.len(), 5, "{shown:?}");
    assert_eq!(&shown[..3], ["red-3", "red-3", "red-3"]);
    assert!(shown[3].starts_with("vast-") && shown[3] == shown[4], "{shown:?}");
    // Nothing was told yet; then what was fetched is, once.
    assert!(ads.asked("/beacon").is_empty());
    for _ in 0..2 {
        for segment in player.seen("v0").iter().filter(|segment| segment.ad().is_some()) {
            let url = player.url("v0").join(&segment.uri).expect("an address");
            assert_eq!(server.get(url.as_str()).await.status, 302);
        }
    }
    within(Duration::from_secs(2), "the beacons", || async { ads.asked("/beacon").len() == 2 }).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // They are sent beside each other, so either may arrive first.
    let mut beacons: Vec<String> = ads.asked("/beacon").into_iter().map(|(url, _)| url).collect();
    beacons.sort_unstable();
    assert_eq!((beacons.len(), beacons[0].as_str()), (2, "/beacon/x/complete"));
    assert!(beacons[1].starts_with("/beacon/x/impression?cb=") && !beacons[1].contains('['), "{beacons:?}");
    assert!(ads.asked("/beacon")[0].1.get("x-device-ip").is_some_and(|address| address == "127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_or_hanging_ad_server_holds_up_no_playlist() {
    for delay in [Duration::from_secs(30), Duration::ZERO] {
        let ads = AdServer::start().await;
        *ads.shared.delay.lock() = delay;
        *ads.shared.answer.lock() = "<html>not VAST</html>".to_owned();
        let server = start(&ads).await;
        server.apply(&yaml(&server, channel(&ads, "order: external_first"), &["red-5"])).await;
        let mut player = server.viewer().await;
        let mut slowest = Duration::ZERO;
        for _ in 0..12 {
            server.clock.forward(2_000);
            let begun = Instant::now();
            player.poll("v0").await;
            slowest = slowest.max(begun.elapsed());
        }
        println!("ad server {delay:?} late: the slowest playlist took {slowest:?}");
        assert!(slowest < Duration::from_millis(800), "{slowest:?}");
        let own = player.seen("v0").iter().filter(|segment| segment.ad() == Some("red-5")).count();
        assert_eq!(own, 5, "own ads fill the break");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_gives_its_ad_a_creative_and_a_private_address_in_it_gives_none() {
    let ads = AdServer::start().await;
    let server = start(&ads).await;
    ads.offers(&[("x", 10, &server.origin.url("ads/green-5/master.m3u8"))]);
    let tag = ads.url("vast");
    let more =
        format!("  - {{ slug: from-elsewhere, campaign: of-red-5, duration_seconds: 10, vast_url: \"{tag}\" }}\n");
    let yaml = Yaml { more, ..Yaml::ads(&["red-5"]) }.build(&server.origin);
    // The campaign's own ad is taken out, so that the tag's is the only one.
    let yaml: String =
        yaml.lines().filter(|line| !line.contains("slug: red-5,")).map(|line| format!("{line}\n")).collect();
    server.apply(&yaml).await;
    let mut player = server.viewer().await;
    player.poll("v0").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    for _ in 0..10 {
        server.clock.forward(2_000);
        player.poll("v0").await;
    }
    let shown = player.seen("v0").iter().filter(|segment| segment.ad() == Some("from-elsewhere")).count();
    assert_eq!(shown, 5);
    // A port of this machine that nobody opened to the server.
    ads.offers(&[("y", 10, "http://127.0.0.1:9/master.m3u8")]);
    let mut other = server.viewer().await;
    for _ in 0..14 {
        server.clock.forward(2_000);
        other.poll("v0").await;
    }
    assert_eq!(other.seen("v0").iter().filter(|segment| segment.ad().is_some()).count(), 0);
}
