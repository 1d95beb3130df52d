//! What every answer owes to browsers, caches and people: headers, methods, errors of one shape, limits.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::Method;

use crate::{
    harness::{Answer, Server, Yaml},
    origin::{Packaging, Stream},
    player::Player,
};

const MPEGURL: &str = "application/vnd.apple.mpegurl";

async fn server(tenant: &'static str) -> Server {
    let server = Server::start(Stream::live(Packaging::Fmp4).with_break(95..100)).await;
    server.apply(&Yaml { tenant, ..Yaml::default() }.build(&server.origin)).await;
    server
}

/// The path of a rendition, for requests with headers.
fn path(player: &Player, rendition: &str) -> String {
    player.url(rendition).path().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_allowed_domains_and_no_others_may_read_answers() {
    let server = server("allowed_domains: [example.com, tv.example.org]").await;
    let player = server.viewer().await;
    let media = path(&player, "v2");
    for path in ["/fast/acme/live.m3u8", media.as_str(), "/fast/acme/nothing.m3u8"] {
        for (origin, allowed) in [
            ("https://example.com", true),
            ("https://example.com:8443", true),
            ("https://tv.example.org", true),
            ("https://example.org", false),
            ("https://www.example.com", false),
            ("https://example.com.evil.net", false),
            ("null", false),
        ] {
            let answer = server.request(Method::GET, path, &[("origin", origin)]).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                if allowed { origin } else { "" },
                "{path} {origin}"
            );
            assert!(varies(&answer, "Origin"), "{path} {origin}");
        }
        let answer = server.get(path).await;
        assert!(varies(&answer, "Origin") && answer.header("access-control-allow-origin").is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_may_read_where_every_domain_is_allowed() {
    let server = server("allowed_domains: [\"*\"]").await;
    let answer = server.request(Method::GET, "/fast/acme/live.m3u8", &[("origin", "https://a.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflights_are_answered_by_the_same_list() {
    let server = server("allowed_domains: [example.com]").await;
    let ask = |origin: &'static str| {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        let server = &server;
        async move { server.request(Method::OPTIONS, "/fast/acme/live.m3u8", &headers).await }
    };
    let good = ask("https://example.com").await;
    assert_eq!((good.status.as_u16(), good.header("access-control-allow-origin")), (204, "https://example.com"));
    assert!(good.header("access-control-allow-methods").contains("GET"));
    assert!(!good.header("access-control-max-age").is_empty() && varies(&good, "Origin"));
    let bad = ask("https://evil.example").await;
    assert_eq!((bad.status.as_u16(), bad.header("access-control-allow-origin")), (204, ""));
    assert_eq!(bad.header("access-control-allow-methods"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ad_segment_s_redirect_may_be_followed_by_allowed_pages() {
    let server = server("allowed_domains: [example.com]").await;
    let mut player = server.viewer().await;
    let playlist = player.poll("v2").await;
    let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).unwrap();
    let url = player.url("v2").join(&ad.uri).unwrap();
    let answer = server.request(Method::GET, url.as_str(), &[("origin", "https://example.com")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (302, "https://example.com"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playlists_have_their_type_and_stay_out_of_caches() {
    let server = server("").await;
    let player = server.viewer().await;
    for path in ["/fast/acme/live.m3u8".to_owned(), path(&player, "v2"), path(&player, "a0"), path(&player, "s1")] {
        let answer = server.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, MPEGURL), "{path}");
        assert_eq!(answer.header("cache-control"), "private, no-store", "{path}");
        let head = server.request(Method::HEAD, &path, &[]).await;
        assert_eq!((head.status.as_u16(), head.header("content-type"), head.body.len()), (200, MPEGURL, 0), "{path}");
    }
    let empty = server.get(&path(&player, "s1").replace("s1.m3u8", "empty.vtt")).await;
    assert_eq!((empty.status.as_u16(), empty.header("content-type")), (200, "text/vtt; charset=utf-8"));
    assert!(empty.text().starts_with("WEBVTT\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playlists_are_compressed_for_those_who_ask_and_are_the_same() {
    let server = server("").await;
    let player = server.viewer().await;
    let media = path(&player, "v2");
    let plain = server.get(&media).await;
    assert!(plain.header("content-encoding").is_empty() && varies(&plain, "Accept-Encoding"));
    for accept in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8"] {
        let packed = server.request(Method::GET, &media, &[("accept-encoding", accept)]).await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{accept}");
        assert!(varies(&packed, "Accept-Encoding"));
        let mut text = Vec::new();
        GzDecoder::new(&packed.body[..]).read_to_end(&mut text).expect("gzip");
        assert_eq!(text, plain.body, "{accept}");
        assert!(packed.body.len() < plain.body.len());
    }
    for accept in ["identity", "br", "gzip;q=0", "gzip; q=0", "gzip;q=0.0"] {
        let answer = server.request(Method::GET, &media, &[("accept-encoding", accept)]).await;
        assert_eq!((answer.header("content-encoding"), &answer.body), ("", &plain.body), "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let server = server("").await;
    let player = server.viewer().await;
    for path in ["/fast/acme/live.m3u8".to_owned(), path(&player, "v2")] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = server.request(method, &path, &[]).await;
            answer.is_problem(405, "method-not-allowed");
            assert!(answer.header("allow").contains("GET"), "RFC 9110 15.5.6: {:?}", answer.headers);
        }
    }
    let answer = server.request(Method::DELETE, "/readyz", &[]).await;
    answer.is_problem(405, "method-not-allowed");
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_a_404_with_a_request_id() {
    let server = server("").await;
    let player = server.viewer().await;
    let media = path(&player, "v2");
    let session = media.split('/').nth(4).unwrap().to_owned();
    let stranger = format!("/fast/acme/live/{}/v2.m3u8", "A".repeat(32));
    for (path, kind) in [
        ("/fast/nobody/live.m3u8", "not-found"),
        ("/fast/acme/nothing.m3u8", "not-found"),
        ("/fast/acme/live", "not-found"),
        ("/fast/acme", "not-found"),
        ("/fast/acme/live.mpd", "not-found"),
        (stranger.as_str(), "session-ended"),
        ("/fast/acme/live/short/v2.m3u8", "session-ended"),
        (&media.replace("v2.m3u8", "v99.m3u8"), "not-found"),
        (&media.replace("v2.m3u8", "vx.m3u8"), "not-found"),
        (&media.replace("v2.m3u8", ".m3u8"), "not-found"),
        (&media.replace("v2.m3u8", "a2.m3u8"), "not-found"),
        (&media.replace("v2.m3u8", "v2.ts"), "not-found"),
        (&media.replace("v2.m3u8", "%F0.m3u8"), "not-found"),
        (&format!("/fast/acme/live/{session}"), "not-found"),
        (&media.replace("/live/", "/other/"), "session-ended"),
        ("/nothing", "not-found"),
        ("/", "not-found"),
    ] {
        let answer = server.get(path).await;
        answer.is_problem(404, kind);
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_keeps_the_id_that_it_brought_if_it_is_sane() {
    let server = server("").await;
    for path in ["/fast/acme/live.m3u8", "/fast/acme/nothing.m3u8", "/nothing", "/healthz"] {
        let kept = server.request(Method::GET, path, &[("x-request-id", "edge-42.a_b")]).await;
        assert_eq!(kept.header("x-request-id"), "edge-42.a_b", "{path}");
        let odd = server.request(Method::GET, path, &[("x-request-id", "a\"b{c}")]).await;
        assert!(!odd.header("x-request-id").is_empty() && odd.header("x-request-id") != "a\"b{c}", "{path}");
    }
    let (one, two) = (server.get("/fast/acme/live.m3u8").await, server.get("/fast/acme/live.m3u8").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_over_its_rate_waits_and_others_do_not() {
    let server = server("rate_limit_per_minute: 5").await;
    server.apply(&Yaml { slug: "other", ..Yaml::default() }.build(&server.origin)).await;
    let answers: Vec<Answer> =
        futures_util::future::join_all((0..12).map(|_| server.get("/fast/acme/live.m3u8"))).await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 7);
    for answer in refused {
        answer.is_problem(429, "rate-limited");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
    for _ in 0..30 {
        assert_eq!(server.get("/fast/other/live.m3u8").await.status, 200);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    // A reload with the same rate does not fill the bucket again; with another rate it does.
    server.apply(&Yaml { tenant: "rate_limit_per_minute: 5", ..Yaml::ads(&["blue-5"]) }.build(&server.origin)).await;
    server.get("/fast/acme/live.m3u8").await.is_problem(429, "rate-limited");
    server.apply(&Yaml { tenant: "rate_limit_per_minute: 500", ..Yaml::default() }.build(&server.origin)).await;
    assert_eq!(server.get("/fast/acme/live.m3u8").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_switched_off_is_not_there() {
    let server = server("").await;
    let off = Yaml { channel: "status: inactive", ..Yaml::default() }.build(&server.origin);
    server.apply(&off).await;
    server.get("/fast/acme/live.m3u8").await.is_problem(404, "not-found");
    assert_eq!(server.request(Method::HEAD, "/fast/acme/live.m3u8", &[]).await.status, 404);
    server.apply(&Yaml::default().build(&server.origin)).await;
    let player = server.viewer().await;
    assert_eq!(player.ask("v2").await.status, 200);
    server.apply(&Yaml { tenant: "status: inactive", ..Yaml::default() }.build(&server.origin)).await;
    server.get("/fast/acme/live.m3u8").await.is_problem(404, "not-found");
    player.ask("v2").await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_parameters_are_taken_up_to_a_limit() {
    let server = server("").await;
    let many: String = (0..32).map(|n| format!("p{n}=v&")).collect();
    assert_eq!(server.get(&format!("/fast/acme/live.m3u8?{many}session_id=x")).await.status, 200);
    server.get(&format!("/fast/acme/live.m3u8?{many}one=more")).await.is_problem(400, "bad-request");
    server.get(&format!("/fast/acme/live.m3u8?long={}", "x".repeat(257))).await.is_problem(400, "bad-request");
}

#[track_caller]
fn varies(answer: &Answer, header: &str) -> bool {
    answer.headers.get_all("vary").iter().any(|value| value.to_str().unwrap().split(", ").any(|name| name == header))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_another_address_gives_out_that_address() {
    let settings =
        |config: &mut cuetone::config::Config| config.public_url = Some("https://ads.example.com/".to_owned());
    let server = Server::start_with(Stream::live(Packaging::Ts), settings).await;
    server.apply(&Yaml::default().build(&server.origin)).await;
    let answer = server.get("/fast/acme/live.m3u8").await;
    let addresses: Vec<&str> = answer.text().lines().filter(|line| line.contains(".m3u8")).collect();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.iter().all(|line| line.starts_with("https://ads.example.com/fast/acme/live/")), "{addresses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_allows_every_page_below_a_domain() {
    let server = server("allowed_domains: [\"*.example.com\"]").await;
    for (origin, allowed) in [("https://tv.example.com", true), ("https://example.com", false)] {
        let answer = server.request(Method::GET, "/fast/acme/live.m3u8", &[("Origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin") == origin, allowed, "{origin}");
    }
}
