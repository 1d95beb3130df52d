//! Players that begin a session as MediaTailor's do and report what they show.

use std::time::Duration;

use cuetone::domain::{CountedBy, EventType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    ad_server::AdServer,
    harness::{Answer, Server, Yaml, read, within},
    origin::{Packaging, Stream},
    player::Player,
};

const PATIENT: Duration = Duration::from_secs(5);

/// A channel with an ad server that gives one ad of four seconds for what own ads leave of a break of ten.
async fn start(ads: &AdServer, stream: Stream, more: &str) -> Server {
    let address = ads.address.to_string();
    let server = Server::start_with(stream, move |config| config.outbound.allow_hosts.push(address)).await;
    let server_of = format!("{{ vast_url: \"{}\", timeout_ms: 1000, order: own_first }}", ads.url("vast"));
    let channel = format!("ad_server: {server_of}\n{more}");
    let yaml = Yaml { channel: Box::leak(channel.into_boxed_str()), ..Yaml::ads(&["red-3"]) };
    server.apply(&yaml.build(&server.origin)).await;
    ads.offers(&[("x", 4, &server.origin.url("ads/green-2/master.m3u8"))]);
    server
}

async fn begin(server: &Server, body: &Value) -> Answer {
    let url = format!("{}/v1/session/acme/live?session_id=anna", server.base);
    read(server.client().post(url).body(body.to_string()).send().await.expect("an answer")).await
}

struct Viewer {
    player: Player,
    tracking: String,
}

async fn viewer(server: &Server, body: &Value) -> Viewer {
    let begun = begin(server, body).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let begun = begun.json();
    let (manifest, tracking) = (begun["manifestUrl"].as_str().unwrap(), begun["trackingUrl"].as_str().unwrap());
    assert!(manifest.starts_with("/fast/acme/live/") && tracking.starts_with("/v1/tracking/acme/live/"), "{begun}");
    let player = server.viewer_of(manifest).await;
    Viewer { player, tracking: tracking.to_owned() }
}

async fn play(server: &Server, viewer: &mut Viewer, steps: usize) {
    viewer.player.poll("v0").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..steps {
        server.clock.forward(2_000);
        viewer.player.poll("v0").await;
    }
}

async fn tracked(server: &Server, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn ads_of(tracking: &Value) -> Vec<&Value> {
    tracking["avails"].as_array().unwrap().iter().flat_map(|avail| avail["ads"].as_array().unwrap()).collect()
}

fn types(ad: &Value) -> Vec<&str> {
    ad["trackingEvents"].as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap()).collect()
}

fn urls(tracking: &Value) -> Vec<String> {
    let events = ads_of(tracking).into_iter().flat_map(|ad| ad["trackingEvents"].as_array().unwrap());
    let urls = events.filter(|event| !["clickThrough", "error"].contains(&event["eventType"].as_str().unwrap()));
    urls.flat_map(|event| event["beaconUrls"].as_array().unwrap()).map(|url| url.as_str().unwrap().to_owned()).collect()
}

fn micros(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap() * 1e6).round() as i64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_reports_is_told_when_and_what_and_nobody_else_counts() {
    let ads = AdServer::start().await;
    let server = start(&ads, Stream::live(Packaging::Ts).with_break(104..109).with_break(115..120), "").await;
    let mut viewer = viewer(&server, &json!({"adsParams": {"genre": "news"}, "reportingMode": "client"})).await;
    assert_eq!(tracked(&server, &viewer.tracking).await["avails"], json!([]), "nothing has been shown");
    play(&server, &mut viewer, 24).await;
    let seen = viewer.player.seen("v0");
    let is_ad = |uri: &str| uri.contains("/ads/");
    assert!(
        seen.iter().all(|segment| segment.ad().is_none()),
        "addresses of ads lead to the CDN: nothing counts there"
    );
    let tracking = tracked(&server, &viewer.tracking).await;
    let avails = tracking["avails"].as_array().unwrap();
    assert_eq!(avails.len(), 2, "{tracking:#}");
    // The sum of the segments before each ad is where it starts.
    let mut at = 0;
    let mut starts = Vec::new();
    for pair in seen.windows(2) {
        at += pair[0].micros;
        let name = |uri: &str| uri.split("/ads/").nth(1).map(|rest| rest.split('/').next().unwrap().to_owned());
        if is_ad(&pair[1].uri) && name(&pair[0].uri) != name(&pair[1].uri) {
            starts.push((at, pair[1].at));
        }
    }
    let told: Vec<i64> = ads_of(&tracking).iter().map(|ad| micros(&ad["startTimeInSeconds"])).collect();
    assert_eq!(told, starts.iter().map(|(at, _)| *at).collect::<Vec<_>>(), "{tracking:#}");
    let dates: Vec<_> = ads_of(&tracking)
        .iter()
        .map(|ad| cuetone::media::datetime::parse(ad["adProgramDateTime"].as_str().unwrap()).ok())
        .collect();
    assert_eq!(dates, starts.iter().map(|(_, date)| *date).collect::<Vec<_>>());
    let [own, theirs] = ads_of(&tracking)[..2] else { panic!("two ads: {tracking:#}") };
    let all = ["impression", "start", "firstQuartile", "midpoint", "thirdQuartile", "complete", "error"];
    assert_eq!((types(own), types(theirs)), (all.to_vec(), all.to_vec()));
    assert_eq!((micros(&own["durationInSeconds"]), own["duration"].as_str()), (6_000_000, Some("PT6S")));
    let midpoint = &theirs["trackingEvents"][3];
    assert_eq!(micros(&midpoint["startTimeInSeconds"]), micros(&theirs["startTimeInSeconds"]) + 2_000_000);
    assert_eq!((theirs["adSystem"].as_str(), theirs["vastAdId"].as_str()), (Some("test"), Some("x")));
    let impression = theirs["trackingEvents"][0]["beaconUrls"].as_array().unwrap();
    assert_eq!(impression.len(), 2, "ours and the ad server's");
    assert!(impression[1].as_str().unwrap().starts_with(&ads.url("beacon/x/impression?cb=")), "{impression:?}");
    assert!(!tracking.to_string().contains("[CACHEBUSTING]"));
    assert_eq!(urls(&tracking), urls(&tracked(&server, &viewer.tracking).await), "they are the same each time");
    assert_eq!(server.events().await, []);
    // What the player reports counts once, by whoever it names; the ad server hears of it from the player alone.
    for _ in 0..2 {
        for url in urls(&tracking) {
            assert_eq!(server.get(&url).await.status, 204, "{url}");
        }
    }
    let events = server.events().await;
    assert_eq!(events.len(), 4 * 6, "four ads, six events each");
    assert!(events.iter().all(|event| event.counted_by == Some(CountedBy::Client)));
    assert!(events.iter().all(|event| event.viewer.as_deref() == Some("anna") && event.session.len() == 16));
    let shown: Vec<_> =
        server.all_events().await.into_iter().filter(|event| event.event_type == EventType::Stitched).collect();
    assert_eq!(shown.len(), 4);
    assert!(
        events.iter().all(|event| shown.iter().any(|shown| (
            &shown.session,
            &shown.avail,
            shown.pod_position,
            &shown.ad
        ) == (
            &event.session,
            &event.avail,
            event.pod_position,
            &event.ad
        ))),
        "the same ads, by the same names"
    );
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(ads.asked("/beacon").len(), 2 * 4, "as often as the player asked, and not once more");
    assert_eq!(server.store.pending_beacons().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_server_counts_the_player_is_told_of_what_only_it_can_know() {
    for (channel, mode, impressions, types_of) in [
        ("", json!({}), 0, &["error"][..]),
        ("beaconing: client", json!({"reportingMode": "SERVER"}), 0, &["error"][..]),
        (
            "beaconing: stitch",
            json!({}),
            2,
            &["start", "firstQuartile", "midpoint", "thirdQuartile", "complete", "error"][..],
        ),
    ] {
        let ads = AdServer::start().await;
        let server = start(&ads, Stream::live(Packaging::Ts).with_break(104..109), channel).await;
        let mut viewer = viewer(&server, &mode).await;
        play(&server, &mut viewer, 14).await;
        let tracking = tracked(&server, &viewer.tracking).await;
        let told = ads_of(&tracking);
        assert_eq!(told.len(), 2, "{channel}: {tracking:#}");
        assert!(told.iter().all(|ad| types(ad) == types_of), "{channel}: {tracking:#}");
        assert!(!tracking.to_string().contains("/beacon/x/"), "{channel}: the ad server is told by us: {tracking:#}");
        let counted = || async {
            let events = server.events().await;
            events.iter().filter(|event| event.event_type == EventType::Impression).count() == impressions
        };
        within(PATIENT, "what is stitched counts, where it does", counted).await;
        // A player that reports all the same counts nothing twice; the ad server is told once.
        for url in urls(&tracking) {
            assert_eq!(server.get(&url).await.status, 204);
        }
        for segment in viewer.player.seen("v0").iter().filter(|segment| segment.ad().is_some()) {
            let url = viewer.player.url("v0").join(&segment.uri).unwrap();
            assert_eq!(server.get(url.as_str()).await.status, 302);
        }
        assert_eq!(server.events().await.len(), 2 * 6, "{channel}");
        within(PATIENT, "the ad server hears of both", || async { ads.asked("/beacon").len() >= 2 }).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let beacons: Vec<String> = ads.asked("/beacon").into_iter().map(|(url, _)| url).collect();
        assert_eq!(beacons.len(), 2, "{channel}: {beacons:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_s_ads_are_told_with_the_time_that_ads_before_them_take() {
    let stream = Stream::title(Packaging::Fmp4, 60).with_break(20..20).with_break(40..40);
    let server = Server::start(stream).await;
    let channel = "ad_break_duration_seconds: 20\npre_roll: { max_duration_seconds: 10 }";
    server.apply(&Yaml { channel, ..Yaml::ads(&["red-5", "green-3", "blue-2"]) }.build(&server.origin)).await;
    let mut viewer = viewer(&server, &json!({"reportingMode": "client"})).await;
    let name = viewer.player.name("v");
    let playlist = viewer.player.poll(&name).await;
    let tracking = tracked(&server, &viewer.tracking).await;
    let told: Vec<i64> = ads_of(&tracking).iter().map(|ad| micros(&ad["startTimeInSeconds"]) / 1_000_000).collect();
    let (mut at, mut starts, mut before) = (0, Vec::new(), String::new());
    for segment in &playlist.segments {
        let ad = segment
            .uri
            .split("/ads/")
            .nth(1)
            .map(|rest| rest.split('/').next().unwrap().to_owned())
            .unwrap_or_default();
        if !ad.is_empty() && ad != before {
            starts.push(at / 1_000_000);
        }
        before = ad;
        at += segment.micros;
    }
    assert!(starts.len() >= 5, "{}", playlist.text);
    assert_eq!(told, starts, "{tracking:#}");
    // What can no longer change is not told again.
    let next = format!("{}?nextToken={}", viewer.tracking, tracking["nextToken"].as_str().unwrap());
    let rest = tracked(&server, &next).await;
    assert_eq!((&rest["avails"], &rest["nextToken"]), (&json!([]), &tracking["nextToken"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_session_or_its_address_is_said() {
    let server = Server::start(Stream::live(Packaging::Ts)).await;
    server.apply(&Yaml::default().build(&server.origin)).await;
    begin(&server, &json!({"reportingMode": "both"})).await.is_problem(422, "invalid");
    begin(&server, &json!({"adsParams": {"a": {}}})).await.is_problem(422, "invalid");
    begin(&server, &json!([])).await.is_problem(400, "malformed-json");
    begin(&server, &json!({"adsParams": {"a": "x".repeat(300)}})).await.is_problem(400, "bad-request");
    server.request(Method::GET, "/v1/session/acme/live", &[]).await.is_problem(405, "method-not-allowed");
    server.request(Method::POST, "/v1/session/acme/none", &[]).await.is_problem(404, "not-found");
    let known = begin(&server, &json!({"somebodyElses": 1})).await.json();
    let tracking = known["trackingUrl"].as_str().unwrap();
    server.get(&format!("{tracking}?nextToken=x")).await.is_problem(400, "bad-request");
    server.get("/v1/tracking/acme/live/0123456789abcdef0123456789abcdef").await.is_problem(404, "session-ended");
    server.request(Method::POST, tracking, &[]).await.is_problem(405, "method-not-allowed");
    let master = known["manifestUrl"].as_str().unwrap();
    assert_eq!(server.get(master).await.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(server.request(Method::HEAD, master, &[]).await.status, 200);
    let query = "/fast/acme/live.m3u8?aws.reportingMode=";
    assert_eq!(server.get(&format!("{query}client")).await.status, 200);
    server.get(&format!("{query}x")).await.is_problem(422, "invalid");
}
