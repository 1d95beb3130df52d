//! What became of ads and of the beacons of third parties, from the decision to the last attempt.

use std::{collections::BTreeMap, time::Duration};

use cuetone::{
    domain::{CountedBy, Event, EventType, Slug},
    store::{LedgerLine, TenantScope},
};

use crate::{
    ad_server::AdServer,
    harness::{Server, Yaml, within},
    origin::{Packaging, Stream},
    player::Player,
};

const PATIENT: Duration = Duration::from_secs(10);

async fn start(ads: &AdServer, stream: Stream, more: &str) -> Server {
    let address = ads.address.to_string();
    let server = Server::start_with(stream, move |config| config.outbound.allow_hosts.push(address)).await;
    let channel = format!("ad_server: {{ vast_url: \"{}\", timeout_ms: 1000 }}\n{more}", ads.url("vast"));
    let yaml = Yaml { channel: Box::leak(channel.into_boxed_str()), ..Yaml::ads(&["red-3"]) };
    server.apply(&yaml.build(&server.origin)).await;
    server
}

async fn ledger(server: &Server) -> Vec<LedgerLine> {
    let scope = TenantScope::new("acme".parse::<Slug>().expect("a slug"));
    server.store.beacon_ledger(&scope, "0000", "9999", 1_000).await.expect("a ledger")
}

/// The sum of all lines, which must balance, each by itself.
async fn balance(server: &Server) -> LedgerLine {
    let lines = ledger(server).await;
    let mut sum = lines.first().cloned().expect("a line");
    for line in &lines {
        assert_eq!(line.fired, line.acknowledged + line.failed + line.pending, "{line:?}");
        assert!(line.decided >= line.stitched && line.stitched >= line.delivered, "{line:?}");
    }
    for line in &lines[1..] {
        sum.decided += line.decided;
        sum.stitched += line.stitched;
        sum.delivered += line.delivered;
        sum.fired += line.fired;
        sum.acknowledged += line.acknowledged;
        sum.failed += line.failed;
        sum.pending += line.pending;
    }
    sum
}

fn count(events: &[Event], event_type: EventType) -> i64 {
    events.iter().filter(|event| event.event_type == event_type).count() as i64
}

/// Fetches ad segments, as a player does; only the first of each ad if `first`.
async fn watch(server: &Server, player: &Player, first: bool) {
    let mut last = String::new();
    for segment in player.seen("v0") {
        let Some(ad) = segment.ad() else { continue };
        if first && ad == last {
            continue;
        }
        last = ad.to_owned();
        let url = player.url("v0").join(&segment.uri).expect("an address");
        assert_eq!(server.get(url.as_str()).await.status, 302);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decided_stitched_delivered_fired_acknowledged_balance_over_a_flaky_ad_server_and_a_restart() {
    let ads = AdServer::start().await;
    let stream = Stream::live(Packaging::Ts).with_break(104..111).with_break(122..129);
    let server = start(&ads, stream, "").await;
    let media = server.origin.url("ads/green-2/master.m3u8");
    ads.offers(&[("x", 4, &media), ("y", 4, &media)]);
    // Everything fails twice; what `y` completes is not wanted, ever.
    ads.answers_beacons(|url, before| if url.contains("/y/complete") { 404 } else { [503, 500, 204][before.min(2)] });
    let mut players = Vec::new();
    for _ in 0..3 {
        let mut player = server.viewer().await;
        player.poll("v0").await;
        players.push(player);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..32 {
        server.clock.forward(2_000);
        for player in &mut players {
            player.poll("v0").await;
            player.poll("v1").await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // Two watch all, one only the beginning of each ad; each twice.
    for _ in 0..2 {
        watch(&server, &players[0], false).await;
        watch(&server, &players[1], false).await;
        watch(&server, &players[2], true).await;
    }
    let events = server.all_events().await;
    let shown = count(&events, EventType::Stitched);
    assert!(shown >= 12, "two breaks of two or more ads for three viewers: {shown}");
    assert_eq!(count(&events, EventType::Break), 6);
    assert_eq!(count(&events, EventType::Decided), shown, "all were shown");
    let of_server = |event: &&Event| event.ad.as_ref().is_some_and(|ad| ad.as_str().starts_with("vast-"));
    let called = |event: &&Event| matches!(event.event_type, EventType::Impression | EventType::Complete);
    let expected = events.iter().filter(of_server).filter(called).count() as i64;
    let scope = TenantScope::new("acme".parse::<Slug>().expect("a slug"));
    let done = || async { server.store.beacon_backlog().await.expect("asked").is_empty() };
    within(PATIENT, "all events are looked at", done).await;
    let sum = balance(&server).await;
    assert_eq!((sum.decided, sum.stitched, sum.delivered), (shown, shown, count(&events, EventType::Impression)));
    assert_eq!(sum.fired, expected);
    assert!(sum.pending > 0, "{sum:?}");
    // The server goes away with beacons unsent, and comes back.
    let address = ads.address.to_string();
    let server = server.restart_with(move |config| config.outbound.allow_hosts.push(address)).await;
    for _ in 0..40 {
        server.clock.forward(60_000);
        tokio::time::sleep(Duration::from_millis(100)).await;
        if balance(&server).await.pending == 0 {
            break;
        }
    }
    let sum = balance(&server).await;
    assert_eq!((sum.pending, sum.fired), (0, expected), "{sum:?}");
    assert!(sum.failed > 0 && sum.acknowledged > sum.failed, "{sum:?}");
    // What the ad server says it got.
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    for (url, _) in ads.asked("/beacon") {
        *got.entry(url).or_default() += 1;
    }
    let unwanted: usize = got.iter().filter(|(url, _)| url.contains("/y/complete")).map(|(_, times)| *times).sum();
    assert_eq!(unwanted as i64, sum.failed, "what is not wanted is not sent again");
    assert!(server.store.beacon_position(&scope).await.expect("a cursor") > 0);
    let headers = &ads.asked("/beacon")[0].1;
    assert_eq!(headers.get("x-device-ip").expect("the viewer's address"), "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_waits_for_beacons_under_way_so_that_none_is_sent_twice() {
    let ads = AdServer::start().await;
    let server = start(&ads, Stream::live(Packaging::Ts).with_break(95..102), "").await;
    ads.offers(&[("x", 4, &server.origin.url("ads/green-2/master.m3u8"))]);
    // The break comes while nobody's ads are there yet; the second look finds them.
    let mut player = server.viewer().await;
    player.poll("v0").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    player.poll("v0").await;
    *ads.shared.delay.lock() = Duration::from_millis(700);
    watch(&server, &player, false).await;
    let under_way = || async { !ads.asked("/beacon").is_empty() };
    within(PATIENT, "a beacon under way", under_way).await;
    let address = ads.address.to_string();
    let server = server.restart_with(move |config| config.outbound.allow_hosts.push(address)).await;
    for _ in 0..10 {
        server.clock.forward(60_000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sent = || async { balance(&server).await.pending == 0 };
    within(PATIENT, "all beacons", sent).await;
    let sum = balance(&server).await;
    assert_eq!((sum.acknowledged, sum.failed), (sum.fired, 0), "{sum:?}");
    assert_eq!(ads.asked("/beacon").len() as i64, sum.fired, "each once: {:?}", ads.asked("/beacon"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_counts_what_it_stitches_counts_what_was_shown_and_nothing_else() {
    let ads = AdServer::start().await;
    // The break is announced with ten segments and ends after three: of three ads the last is never shown.
    let stream = Stream::live(Packaging::Ts).with_break(104..112);
    let server = start(&ads, stream, "beaconing: stitch").await;
    let media = server.origin.url("ads/green-2/master.m3u8");
    ads.offers(&[("x", 4, &media), ("y", 4, &media)]);
    let mut player = server.viewer().await;
    player.poll("v0").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for step in 0..14 {
        server.clock.forward(2_000);
        let url = player.url("v0").clone();
        assert_eq!(server.request(reqwest::Method::HEAD, url.as_str(), &[]).await.status, 200);
        let shown =
            player.seen("v0").iter().filter(|segment| segment.number > 0 && segment.content().is_none()).count();
        if shown == 0 {
            let counted =
                server.events().await.iter().filter(|event| event.event_type == EventType::Impression).count();
            assert_eq!(counted, 0, "step {step}: a look and a decision count nothing");
        }
        player.poll("v0").await;
        player.poll("v0").await;
        player.poll("v1").await;
    }
    let counted = || async { count(&server.events().await, EventType::Impression) == 3 };
    within(PATIENT, "three ads are counted", counted).await;
    let events = server.all_events().await;
    let impressions: Vec<&Event> = events.iter().filter(|event| event.event_type == EventType::Impression).collect();
    assert!(impressions.iter().all(|event| event.counted_by == Some(CountedBy::Stitch)));
    assert_eq!(count(&events, EventType::Stitched), 3);
    assert_eq!(count(&events, EventType::Start), 0);
    let fired = || async { ads.asked("/beacon").len() == 2 };
    within(PATIENT, "the ad server is told of its two", fired).await;
    let sum = balance(&server).await;
    assert_eq!((sum.delivered, sum.fired), (3, 2));
}
