//! Error URLs, macros and headers.

use super::{
    server::{Inline, inline, wrapper},
    *,
};

#[tokio::test]
async fn every_request_carries_the_viewers_headers_and_no_address_is_made_up() {
    let bench = Bench::new().await;
    bench.server.vast("tag", &[wrapper("w", "ad")]);
    bench
        .server
        .vast("ad", &[Inline { kind: "video/mp4", media: "https://a.example.com/x.mp4", ..Inline::default() }.xml()]);
    let source = Source { forwarded_for: true, ..bench.source("tag") };
    bench.demand.resolve(&source, &context(), AMPLE).await;
    bench.server.wait_for("beacon/error", 2).await;
    for path in ["tag", "ad", "beacon/error/w", "beacon/error/ad"] {
        let headers = bench.server.headers(path);
        let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(header("x-device-ip").as_deref(), Some("203.0.113.7"), "{path}");
        assert_eq!(header("x-device-user-agent").as_deref(), Some(AGENT), "{path}");
        assert_eq!(header("x-forwarded-for").as_deref(), Some("203.0.113.7"), "{path}");
        assert_eq!(header("accept-language").as_deref(), Some("de-AT"), "{path}");
    }
    let plain = Bench::new().await;
    let unknown = ViewerContext { client: Arc::default(), ..context() };
    plain.demand.resolve(&plain.source("tag"), &unknown, AMPLE).await;
    let headers = plain.server.headers("tag");
    assert!(["x-device-ip", "x-forwarded-for", "x-device-user-agent"].iter().all(|name| !headers.contains_key(*name)));
}

#[tokio::test]
async fn macros_of_a_tag_are_filled_and_encoded() {
    let bench = Bench::new().await;
    bench.server.put("tag", Reply::Status(204));
    let query = "d=[session.avail_duration_secs]&s=[session.id]&v=[session.viewer_id]&g=[player_params.genre]&n=[player_params.none]\
                 &e=[avail.event_id]&p=[avail.position]&geo=[session.geo]&dev=[session.device]\
                 &cb=[CACHEBUSTING]&ss=[SERVERSIDE]&lmt=[LIMITADTRACKING]&reg=[REGULATIONS]&c=[GDPRCONSENT]\
                 &bp=[BREAKPOSITION]&max=[BREAKMAXDURATION]&ip=[DEVICEIP]&ua=[DEVICEUA]";
    let resolution = bench.resolve(&format!("tag?{query}")).await;
    assert_eq!(resolution.outcome, Outcome::NoAd);
    let expect = "tag?d=60&s=s1&v=caller-1&g=news%20%26%20more&n=&e=77&p=mid-roll&geo=AT&dev=set-top-box\
                  &cb=10000042&ss=1&lmt=1&reg=gdpr&c=CO%26x&bp=2&max=60&ip=203.0.113.7&ua=Roku%2FDVP-12.0";
    assert_eq!(bench.server.asked("tag"), [expect]);
}

#[tokio::test]
async fn error_urls_learn_what_failed() {
    let bench = Bench::new().await;
    let error =
        "<Error><![CDATA[{server}/beacon/more?c=[ERRORCODE]&a=[ASSETURI]&u=[UNIVERSALADID]&q=[PODSEQUENCE]]]></Error>";
    let universal = "<UniversalAdId idRegistry=\"ad-id.org\">C1</UniversalAdId>";
    let media = "{server}/nothing-5.m3u8";
    let ad = Inline { sequence: Some(2), media, universal, more: error, ..Inline::default() }.xml();
    bench.server.vast("tag", &[ad]);
    let resolution = bench.resolve("tag").await;
    assert_eq!((codes(&resolution), resolution.outcome), (vec![401], Outcome::Unplayable));
    let told = bench.server.wait_for("beacon/more", 1).await;
    let asset = bench.server.url("nothing-5.m3u8").replace(':', "%3A").replace('/', "%2F");
    assert_eq!(told, [format!("beacon/more?c=401&a={asset}&u=ad-id.org%20C1&q=2")]);
    assert_eq!(bench.server.wait_for("beacon/error", 1).await, ["beacon/error/ad?code=401"]);
}

#[tokio::test]
async fn beacons_of_a_playing_ad_are_sent_as_from_the_viewer() {
    let bench = Bench::new().await;
    bench.server.vast("tag", &[wrapper("w", "ad")]);
    bench.server.vast("ad", &[inline("ad")]);
    let resolution = bench.resolve("tag").await;
    let (source, context) = (bench.source("tag"), context());
    let tracking = &resolution.ads[0].tracking;
    let mut values = bench.demand.values(&source, &context);
    values.ad = AdValues::playing(tracking, 1, Span::from_secs(5));
    bench.demand.fire(tracking.urls(EventType::Impression), &values);
    bench.demand.fire(["http://10.0.0.1/x", "not a url"], &values);
    let sent = bench.server.wait_for("beacon/impression", 2).await;
    assert_eq!(sent, ["beacon/impression/ad", "beacon/impression/w"]);
    assert_eq!(bench.server.headers("beacon/impression/ad")["x-device-ip"], "203.0.113.7");
}

#[tokio::test]
async fn there_is_an_end_to_what_is_told() {
    let bench = Bench::new().await;
    let errors: String = (0..400).map(|n| format!("<Error>{{server}}/beacon/many/{n}</Error>")).collect();
    bench.server.vast("tag", &[Inline { kind: "video/mp4", more: &errors, ..Inline::default() }.xml()]);
    bench.resolve("tag").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(bench.server.asked("beacon/").len() <= limits::MAX_FIRED);
}
