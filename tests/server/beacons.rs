//! Ad-segment addresses: they lead to the CDN, count once, and cannot be made up.

use cuetone::domain::{CountedBy, Event, EventType, Traffic};
use reqwest::Method;
use url::Url;

use crate::{
    harness::{Answer, Server, Yaml},
    origin::{Packaging, Stream},
};

const ALL: [EventType; 6] = [
    EventType::Impression,
    EventType::Start,
    EventType::FirstQuartile,
    EventType::Midpoint,
    EventType::ThirdQuartile,
    EventType::Complete,
];

/// A server in the middle of a break of two ads, and the addresses of the ad segments that a viewer sees.
async fn in_a_break(path: &str, channel: &'static str) -> (Server, Vec<Url>) {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(91..98)).await;
    server.apply(&Yaml { channel, ..Yaml::ads(&["red-5", "green-2"]) }.build(&server.origin)).await;
    let mut player = server.viewer_of(path).await;
    let playlist = player.poll("v0").await;
    let ads = playlist.segments.iter().filter(|segment| segment.ad().is_some());
    let urls = ads.map(|ad| player.url("v0").join(&ad.uri).unwrap()).collect();
    (server, urls)
}

fn types(events: &[Event], ad: &str) -> Vec<EventType> {
    events
        .iter()
        .filter(|event| event.ad.as_ref().is_some_and(|slug| slug.as_str() == ad))
        .map(|event| event.event_type)
        .collect()
}

async fn head(server: &Server, url: &Url) -> Answer {
    server.request(Method::HEAD, url.as_str(), &[]).await
}

const LIVE: &str = "/fast/acme/live.m3u8";
/// Viewers of these tests join late in the break and want all of it.
const JOIN: &str = "mid_break_join: ads";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_counts_once_per_session_break_and_ad_and_the_player_is_sent_to_the_cdn() {
    let (server, urls) = in_a_break("/fast/acme/live.m3u8?session_id=anna", JOIN).await;
    assert_eq!(urls.len(), 7);
    assert_eq!(server.events().await, [], "neither the decision nor the playlists count");
    for url in &urls {
        assert_eq!(head(&server, url).await.status, 302);
    }
    assert_eq!(server.events().await, [], "HEAD does not count");
    for _ in 0..3 {
        for (n, url) in urls.iter().enumerate() {
            let answer = server.get(url.as_str()).await;
            let (ad, index) = if n < 5 { ("red-5", n) } else { ("green-2", n - 5) };
            assert_eq!(answer.status, 302, "{}", answer.text());
            assert_eq!(answer.header("location"), server.origin.url(&format!("ads/{ad}/ts/v360-{index}.ts")));
            assert_eq!(answer.header("cache-control"), "private, no-store");
        }
    }
    let events = server.events().await;
    assert_eq!(types(&events, "red-5"), ALL);
    assert_eq!(types(&events, "green-2"), ALL);
    assert_eq!(events.len(), 12, "repeats and rewinds do not count");
    let places: Vec<u16> = events.iter().map(|event| event.pod_position).collect();
    assert_eq!((places[0], places[11]), (0, 1));
    assert!(
        events
            .iter()
            .all(|event| event.viewer.as_deref() == Some("anna") && event.counted_by == Some(CountedBy::Segment))
    );
    assert!(events.iter().all(|event| {
        event.campaign.as_ref().is_some_and(|c| c.as_str() == format!("of-{}", event.ad.as_ref().expect("an ad")))
    }));
    assert!(events.iter().all(|event| event.avail == events[0].avail
        && event.channel.as_ref().is_some_and(|channel| channel.as_str() == "live")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_session_counts_for_itself_and_another_variant_does_not_count_twice() {
    let (server, urls) = in_a_break(LIVE, JOIN).await;
    server.get(urls[0].as_str()).await;
    let mut other = server.viewer().await;
    for rendition in ["v0", "v1"] {
        let playlist = other.poll(rendition).await;
        let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).unwrap();
        assert_eq!(server.get(other.url(rendition).join(&ad.uri).unwrap().as_str()).await.status, 302);
    }
    let events = server.events().await;
    let impressions = events.iter().filter(|event| event.event_type == EventType::Impression);
    let mut sessions: Vec<&str> = impressions.map(|event| event.session.as_str()).collect();
    sessions.dedup();
    assert_eq!((events.len(), sessions.len()), (4, 2), "impression and start of each session: {events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_was_changed_moved_or_kept_too_long_is_refused_and_counts_nothing() {
    let (server, urls) = in_a_break(LIVE, JOIN).await;
    let url = urls[0].as_str();
    let parts: Vec<&str> = url.split('/').collect();
    let with = |index: usize, value: &str| {
        let mut parts = parts.clone();
        parts[index] = value;
        parts.join("/")
    };
    // http: / "" / host / fast / acme / live / session / ad / avail / position / ad / creative / place / file
    assert_eq!((parts[3], parts[7], parts[10]), ("fast", "ad", "red-5"));
    let (session, file) = (parts[6], parts[13]);
    let (expires, rest) = file.split_once('.').unwrap();
    let (signature, ending) = rest.split_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" }.to_owned() + &signature[1..];
    let forged_session = session[..16].to_owned() + "AAAAAAAAAAAAAAAA";
    let other_name = if session.starts_with('0') { "1" } else { "0" }.to_owned() + &session[1..];
    let later = format!("{}{}", &expires[..expires.len() - 1], if expires.ends_with('z') { "y" } else { "z" });
    let cases = [
        (with(13, &format!("{expires}.{flipped}.{ending}")), 403, "link-forged"),
        (with(13, &format!("{later}.{signature}.{ending}")), 403, "link-forged"),
        (with(10, "green-2"), 403, "link-forged"),
        (with(9, "1"), 403, "link-forged"),
        (with(8, "another-break"), 403, "link-forged"),
        (with(12, "0-4"), 403, "link-forged"),
        (with(13, &format!("{expires}.short.{ending}")), 404, "link-malformed"),
        (with(13, "file"), 404, "link-malformed"),
        (format!("{url}/more"), 404, "link-malformed"),
        (with(6, &forged_session), 404, "link-malformed"),
        (with(6, &other_name), 404, "link-malformed"),
        (with(6, "nobody"), 404, "link-malformed"),
        (with(5, "other"), 403, "link-forged"),
        (with(4, "other"), 404, "not-found"),
    ];
    for (address, status, kind) in &cases {
        let answer = server.get(address).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["type"]),
            (*status, &format!("urn:cuetone:problem:{kind}").into()),
            "{address}"
        );
        answer.is_problem(*status, kind);
        assert_eq!(answer.header("location"), "");
    }
    server.clock.forward(7 * 3600 * 1000);
    server.get(url).await.is_problem(410, "link-expired");
    assert_eq!(server.events().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_one_tenant_does_not_work_at_another() {
    let (server, urls) = in_a_break(LIVE, JOIN).await;
    server.apply(&Yaml { slug: "other", ..Yaml::ads(&["red-5"]) }.build(&server.origin)).await;
    let moved = urls[0].as_str().replace("/fast/acme/", "/fast/other/");
    server.get(&moved).await.is_problem(403, "link-forged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_outlive_the_server_that_made_them() {
    let (server, urls) = in_a_break("/fast/acme/live.m3u8?session_id=anna", JOIN).await;
    assert_eq!(server.get(urls[0].as_str()).await.status, 302);
    let (before, old) = (server.events().await, server.base.clone());
    let server = server.restart().await;
    let playlist = urls[0].path().split("/ad/").next().unwrap().to_owned() + "/v0.m3u8";
    server.get(&playlist).await.is_problem(404, "session-ended");
    for url in &urls {
        let answer = server.get(&url.as_str().replace(&old, &server.base)).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
    }
    let events = server.events().await;
    assert_eq!(events[..2], before);
    assert_eq!(types(&events, "green-2"), ALL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_count_an_ad_again() {
    let (server, urls) = in_a_break(LIVE, JOIN).await;
    for url in &urls {
        server.get(url.as_str()).await;
    }
    let old = server.base.clone();
    let server = server.restart().await;
    for url in &urls {
        assert_eq!(server.get(&url.as_str().replace(&old, &server.base)).await.status, 302);
    }
    assert_eq!(server.events().await.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_players_report_themselves_the_server_counts_nothing_and_ads_come_straight_from_the_cdn() {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(95..100)).await;
    server.apply(&Yaml { channel: "beaconing: client", ..Yaml::default() }.build(&server.origin)).await;
    let playlist = server.viewer().await.poll("v0").await;
    assert!(playlist.text.contains(&server.origin.url("ads/red-5/ts/v360-0.ts")), "{}", playlist.text);
    assert_eq!(server.events().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stitch_counting_is_one_impression_per_ad_and_labelled() {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(93..100)).await;
    server
        .apply(&Yaml { channel: "beaconing: stitch", ..Yaml::ads(&["red-5", "green-2"]) }.build(&server.origin))
        .await;
    let mut player = server.viewer().await;
    for _ in 0..3 {
        player.poll("v0").await;
        player.poll("v1").await;
        server.clock.forward(2_000);
    }
    crate::harness::within(std::time::Duration::from_secs(2), "two impressions", || async {
        server.events().await.len() >= 2
    })
    .await;
    let events = server.events().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|e| e.event_type == EventType::Impression && e.counted_by == Some(CountedBy::Stitch)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_that_is_fetched_apart_from_the_picture_counts_nothing() {
    let server = Server::start(Stream::live(Packaging::Fmp4).with_break(95..100)).await;
    server.apply(&Yaml::default().build(&server.origin)).await;
    let mut player = server.viewer().await;
    let playlist = player.poll("a0").await;
    assert_eq!(playlist.ad_segments(), 5, "{}", playlist.text);
    for segment in playlist.segments.iter().filter(|segment| segment.ad().is_some()) {
        let answer = server.get(player.url("a0").join(&segment.uri).unwrap().as_str()).await;
        assert!(answer.header("location").contains("/cmaf/audio-"), "{}", answer.header("location"));
    }
    assert_eq!(server.events().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_a_playlist_decides_and_counts_nothing() {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(95..100)).await;
    server.apply(&Yaml { channel: "beaconing: stitch", ..Yaml::default() }.build(&server.origin)).await;
    let player = server.viewer().await;
    let head = head(&server, player.url("v0")).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, "application/vnd.apple.mpegurl"));
    assert_eq!((server.decisions("acme").len(), server.events().await.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_viewers_who_give_the_same_name_are_both_counted() {
    let (server, _) = in_a_break("/fast/acme/live.m3u8?session_id=anna", JOIN).await;
    for _ in 0..2 {
        let mut player = server.viewer_of("/fast/acme/live.m3u8?session_id=anna").await;
        let playlist = player.poll("v0").await;
        let first = playlist.segments.iter().find(|segment| segment.ad().is_some()).unwrap();
        assert_eq!(server.get(player.url("v0").join(&first.uri).unwrap().as_str()).await.status, 302);
    }
    let events = server.events().await;
    let impressions = events.iter().filter(|event| event.event_type == EventType::Impression);
    assert_eq!(impressions.count(), 2);
    assert!(events.iter().all(|event| event.viewer.as_deref() == Some("anna")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_s_events_are_kept_and_nobody_pays_for_them() {
    let (server, urls) = in_a_break(LIVE, JOIN).await;
    let robot = [("user-agent", "Mozilla/5.0 (compatible; Examplebot/1.0)")];
    assert_eq!(server.request(Method::GET, urls[0].as_str(), &robot).await.status, 302, "it gets what it asks for");
    let events = server.events().await;
    assert!(!events.is_empty() && events.iter().all(|event| event.traffic == Traffic::Bot && !event.is_billable()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_who_opted_out_are_counted_without_their_name() {
    let named = "/fast/acme/live.m3u8?session_id=anna";
    for (path, headers) in [
        (named.to_owned(), &[("dnt", "1")][..]),
        (named.to_owned(), &[("sec-gpc", "1")]),
        (format!("{named}&lmt=1"), &[]),
        (format!("{named}&us_privacy=1YYN"), &[]),
        (format!("{named}&gdpr=1"), &[]),
    ] {
        let (server, urls) = in_a_break(&path, JOIN).await;
        server.request(Method::GET, urls[0].as_str(), headers).await;
        let events = server.events().await;
        assert!(!events.is_empty() && events.iter().all(|event| event.viewer.is_none()), "{path} {headers:?}");
        assert!(events.iter().any(Event::is_billable), "they count all the same");
    }
}
