//! Ads for players elsewhere: VAST documents, the addresses in them, and what is counted by those.

use cuetone::{
    domain::{CountedBy, Event, EventType},
    media::vast::{self, Ad, AdContent, InLine, TrackingEvent, Vast, Version},
};
use reqwest::Method;

use crate::{
    harness::{Answer, Server},
    origin::{Origin, Packaging, Stream},
};

/// Two spots of a campaign with companions, one of another, and an overlay.
pub fn tenant(origin: &Origin, settings: &str) -> String {
    let spot = |slug: &str, campaign: &str, colour: &str, seconds: u32| {
        let url = origin.url(&format!("ads/{colour}/master.m3u8"));
        format!(
            "  - {{ slug: {slug}, name: \"Spot & {slug}\", campaign: {campaign}, duration_seconds: {seconds}, \
             click_through_url: \"https://shop.example.com/{slug}?a=1&b=2\", creative: {{ hls: \"{url}\" }} }}\n"
        )
    };
    let picture = |slug: &str, kind: &str, rules: &str| {
        format!(
            "  - {{ slug: {slug}, campaign: summer, duration_seconds: 12, ad_type: {kind}, rules: [{rules}], \
             click_through_url: \"https://shop.example.com/{slug}\", \
             creative: {{ image: \"https://cdn.example.com/{slug}.png?x=1&y=2\", width: 300, height: 250 }} }}\n"
        )
    };
    let live = origin.url("live/master.m3u8");
    format!(
        "tenant: {{ slug: acme, currency: USD, {settings} }}\n\
         channels:\n  - slug: live\n    hls_manifest_url: {live}\n    ad_break_interval_seconds: 300\n    \
         ad_break_duration_seconds: 60\n    pre_roll: {{ max_duration_seconds: 13 }}\n  \
         - {{ slug: off, status: inactive, hls_manifest_url: \"{live}\" }}\n\
         campaigns:\n  - {{ slug: summer, name: Secret Summer, status: active, cpm: \"12.50\", priority: 5 }}\n  \
         - {{ slug: winter, name: Secret Winter, status: active, cpm: \"1.00\" }}\n\
         ads:\n{}{}{}{}{}",
        spot("red", "summer", "red-5", 10),
        spot("green", "winter", "green-2", 4),
        picture("banner", "companion", ""),
        picture("banner-us", "companion", "{ type: geo, operator: in, value: [US] }"),
        picture("lower-third", "non-linear", ""),
    )
}

pub async fn server(settings: &str) -> Server {
    let server = Server::start(Stream::live(Packaging::Ts)).await;
    server.apply(&tenant(&server.origin, settings)).await;
    server
}

fn read(answer: &Answer) -> Vast {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/xml; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    vast::parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.text()))
}

async fn ask(server: &Server, query: &str) -> Vast {
    read(&server.get(&format!("/vast/acme?channel=live&{query}")).await)
}

fn inline(ad: &Ad) -> &InLine {
    match &ad.content {
        AdContent::InLine(inline) => inline,
        AdContent::Wrapper(_) => panic!("a wrapper"),
    }
}

fn ids(vast: &Vast) -> Vec<&str> {
    vast.ads.iter().map(|ad| ad.id.as_deref().unwrap()).collect()
}

fn counted(events: &[Event]) -> Vec<(EventType, &str, u16)> {
    events
        .iter()
        .map(|event| (event.event_type, event.ad.as_ref().expect("an ad").as_str(), event.pod_position))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_is_a_pod_in_sequence_with_our_addresses_and_the_ladder_s_measures() {
    let server = server("").await;
    let vast = ask(&server, "duration=30").await;
    assert_eq!((vast.version, ids(&vast)), (Version::V4_2, vec!["red", "green"]));
    assert_eq!(vast.ads.iter().map(|ad| ad.sequence).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let red = inline(&vast.ads[0]);
    assert_eq!((red.title.as_str(), red.expires), ("Spot & red", Some(6 * 3600)));
    let linear = red.creatives[0].linear.as_ref().unwrap();
    assert_eq!(linear.duration.as_millis(), 10_000);
    let file = &linear.media_files[0];
    assert_eq!(
        (file.mime.as_str(), file.url.as_str()),
        ("application/vnd.apple.mpegurl", &*server.origin.url("ads/red-5/master.m3u8"))
    );
    assert!(file.width > 0 && file.height > 0 && file.max_bitrate > file.min_bitrate, "{file:?}");
    assert_eq!(linear.tracking.len(), 5);
    let all = [&red.common.impressions[0].url, &red.common.errors[0], &linear.clicks.through.as_ref().unwrap().url];
    let ours = format!("{}/fast/acme/live/beacon/", server.base);
    assert!(all.into_iter().chain(linear.tracking.iter().map(|event| &event.url)).all(|url| url.starts_with(&ours)));
    let universal = &red.creatives[0].universal_ids[0];
    assert!(universal.registry == "cuetone" && universal.value.len() == 16, "{universal:?}");
    assert!(
        !server.get("/vast/acme?channel=live&duration=30").await.text().contains("Secret"),
        "campaigns are private"
    );
    assert_eq!(server.events().await, [], "nothing is counted before it is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ads_fill_what_was_asked_for_and_never_more() {
    let server = server("").await;
    assert_eq!(ids(&ask(&server, "duration=10").await), ["red"]);
    assert_eq!(ids(&ask(&server, "duration=9.5").await), ["green"]);
    assert_eq!(ids(&ask(&server, "").await), ["red", "green"], "the channel's own length");
    assert_eq!(ids(&ask(&server, "position=pre-roll").await), ["red"], "that of its pre-roll");
    let alone = ask(&server, "duration=10").await;
    assert_eq!(alone.ads[0].sequence, None, "an ad by itself stands alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn companions_of_the_campaign_go_along_where_their_rules_allow() {
    let server = server("").await;
    for (geo, expect) in [("US", vec!["banner", "banner-us"]), ("ID", vec!["banner"])] {
        let answer =
            server.request(Method::GET, "/vast/acme?channel=live&duration=30", &[("x-geo-country", geo)]).await;
        let vast = read(&answer);
        let shown = |ad: usize| {
            let companions = inline(&vast.ads[ad]).creatives.iter().filter_map(|creative| creative.companions.as_ref());
            companions.flat_map(|companions| &companions.ads).map(|c| c.id.clone().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((shown(0), shown(1)), (expect.into_iter().map(str::to_owned).collect(), Vec::new()), "{geo}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlay_is_one_picture_over_the_content() {
    let server = server("").await;
    for query in ["position=overlay", "type=nonlinear&position=mid-roll", "type=non-linear&duration=5"] {
        let vast = ask(&server, query).await;
        assert_eq!(ids(&vast), ["lower-third"], "{query}");
        let shown = &inline(&vast.ads[0]).creatives[0].non_linear.as_ref().unwrap().ads[0];
        assert_eq!((shown.width, shown.height), (300, 250));
        assert_eq!(shown.min_suggested_duration.unwrap().as_millis(), 12_000);
        assert!(shown.click_through.as_ref().unwrap().contains("/beacon/click/"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_show_is_an_empty_document_that_says_where_to_report_it() {
    let server = server("").await;
    let vast = ask(&server, "duration=2").await;
    assert_eq!((vast.ads.len(), vast.errors.len()), (0, 1));
    let report = vast.errors[0].replace("[ERRORCODE]", "303");
    let answer = server.get(&report).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/gif"), "{}", answer.text());
    assert_eq!(server.events().await, [], "no ad, no event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_is_written_on_request_and_others_are_refused() {
    let server = server("").await;
    for (name, version) in [
        ("2.0", Version::V2_0),
        ("3.0", Version::V3_0),
        ("4.0", Version::V4_0),
        ("4.1", Version::V4_1),
        ("4.2", Version::V4_2),
    ] {
        let vast = ask(&server, &format!("version={name}&duration=30")).await;
        assert_eq!((vast.version, ids(&vast)), (version, vec!["red", "green"]));
    }
    let wrong = server.get("/vast/acme?channel=live&version=5&duration=x&position=here&type=sound&avail=a%2Fb").await;
    wrong.is_problem(400, "bad-request");
    let fields: Vec<String> =
        wrong.json()["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect();
    assert_eq!(fields, ["version", "avail", "duration", "position", "type"]);
    server.get("/vast/acme?duration=30").await.is_problem(400, "bad-request");
    server.get("/vast/acme?channel=off").await.is_problem(404, "not-found");
    server.get("/vast/nobody?channel=live").await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reported_event_counts_once_and_only_by_get() {
    let server = server("").await;
    let headers = [("user-agent", "Roku/DVP-12.0"), ("x-geo-country", "ID")];
    let answer =
        server.request(Method::GET, "/vast/acme?channel=live&duration=30&session_id=anna&avail=b1", &headers).await;
    let vast = read(&answer);
    let red = inline(&vast.ads[0]);
    let linear = red.creatives[0].linear.as_ref().unwrap();
    let impression = &red.common.impressions[0].url;
    for method in [Method::HEAD, Method::OPTIONS] {
        let looked = server.request(method, impression, &[]).await;
        assert!(looked.status.is_success());
    }
    assert_eq!(server.events().await, [], "only GET counts");
    server.request(Method::POST, impression, &[]).await.is_problem(405, "method-not-allowed");
    let urls = [impression].into_iter().chain(linear.tracking.iter().map(|event| &event.url));
    for url in urls.clone().chain(urls.rev()) {
        let answer = server.get(url).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/gif"), "{}", answer.text());
        assert!(answer.body.starts_with(b"GIF89a") && answer.body.ends_with(b";"));
        assert_eq!(answer.header("cache-control"), "private, no-store");
    }
    let plain = server.get(impression.trim_end_matches(".gif")).await;
    assert_eq!((plain.status.as_u16(), plain.body.len()), (204, 0));
    let events = server.events().await;
    let expect = [
        EventType::Impression,
        EventType::Start,
        EventType::FirstQuartile,
        EventType::Midpoint,
        EventType::ThirdQuartile,
        EventType::Complete,
    ];
    assert_eq!(counted(&events), expect.map(|event| (event, "red", 0)));
    let event = &events[0];
    assert_eq!((event.counted_by, event.viewer.as_deref()), (Some(CountedBy::Client), Some("anna")));
    assert_eq!((event.avail.as_str(), event.campaign.as_ref().unwrap().as_str()), ("b1", "summer"));
    assert_eq!((&*event.geo, event.device.as_str()), ("ID", "set-top-box"), "as when the ad was decided");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_asked_for_again_counts_once_and_another_break_counts_again() {
    let server = server("").await;
    let impression = async |query: &str| {
        let vast = ask(&server, query).await;
        server.get(&inline(&vast.ads[0]).common.impressions[0].url).await
    };
    for query in
        ["session_id=anna&avail=b1", "session_id=anna&avail=b1", "session_id=anna&avail=b2", "session_id=anna", ""]
    {
        assert_eq!(impression(query).await.status, 200);
    }
    assert_eq!(server.events().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_counts_and_leads_where_the_ad_leads_and_nowhere_else() {
    let server = server("").await;
    let vast = ask(&server, "duration=10").await;
    let red = inline(&vast.ads[0]);
    let click = &red.creatives[0].linear.as_ref().unwrap().clicks.through.as_ref().unwrap().url;
    for _ in 0..2 {
        let answer = server.get(click).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "https://shop.example.com/red?a=1&b=2"));
    }
    let elsewhere = click.replace("shop.example.com", "evil.example");
    assert_ne!(&elsewhere, click);
    for forged in [elsewhere.as_str(), click.split_once('?').unwrap().0, &click.replace("click", "start")] {
        let answer = server.get(forged).await;
        answer.is_problem(403, "link-forged");
        assert_eq!(answer.header("location"), "");
    }
    assert_eq!(counted(&server.events().await), [(EventType::Click, "red", 0)]);
    server.clock.forward(7 * 3_600_000);
    server.get(click).await.is_problem(410, "link-expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_companion_reports_is_its_own_and_costs_its_campaign_nothing() {
    let server = server("").await;
    let vast = ask(&server, "duration=10").await;
    let red = inline(&vast.ads[0]);
    let companion = &red.creatives.iter().find_map(|creative| creative.companions.as_ref()).unwrap().ads[0];
    let seen = companion.tracking.iter().find(|event| event.event == TrackingEvent::CreativeView).unwrap();
    server.get(&red.common.impressions[0].url).await;
    server.get(&seen.url).await;
    let clicked = server.get(companion.click_through.as_ref().unwrap()).await;
    assert_eq!(clicked.header("location"), "https://shop.example.com/banner");
    let events = server.events().await;
    let expect =
        [(EventType::Impression, "red", 0), (EventType::Impression, "banner", 100), (EventType::Click, "banner", 100)];
    assert_eq!(counted(&events), expect);
    let campaigns: Vec<_> = events.iter().map(|event| event.campaign.is_some()).collect();
    assert_eq!(campaigns, [true, false, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_allowed_domains_may_read_and_the_rate_limit_holds() {
    let server = server("allowed_domains: [wkkworld.com], rate_limit_per_minute: 3").await;
    let from = |origin: &'static str| [("origin", origin)];
    let path = "/vast/acme?channel=live";
    let own = server.request(Method::GET, path, &from("https://wkkworld.com")).await;
    assert_eq!(own.header("access-control-allow-origin"), "https://wkkworld.com");
    let other = server.request(Method::GET, path, &from("https://evil.example")).await;
    assert_eq!((other.status.as_u16(), other.header("access-control-allow-origin")), (200, ""));
    let preflight = server.request(Method::OPTIONS, path, &from("https://wkkworld.com")).await;
    assert_eq!(
        (preflight.status.as_u16(), preflight.header("access-control-allow-origin")),
        (204, "https://wkkworld.com")
    );
    let looked = server.request(Method::HEAD, path, &[]).await;
    assert_eq!((looked.status.as_u16(), looked.header("content-type")), (200, "application/xml; charset=utf-8"));
    server.request(Method::POST, path, &[]).await.is_problem(405, "method-not-allowed");
    assert_eq!(server.decisions("acme").len(), 2, "a look decides nothing");
    let late = server.request(Method::GET, path, &from("https://wkkworld.com")).await;
    late.is_problem(429, "rate-limited");
    assert_eq!(late.header("access-control-allow-origin"), "https://wkkworld.com", "pages may read why");
}
