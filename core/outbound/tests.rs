//! The client against real servers on the loopback interface.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use futures_util::{future::BoxFuture, stream};

use super::*;

const SHORT: Duration = Duration::from_millis(300);

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn client(allow: &[String]) -> Outbound {
    Outbound::new(OutboundConfig { allow_hosts: allow.to_vec(), max_body_bytes: 64 * 1024, ..Default::default() })
        .expect("a client")
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

async fn get_kind(outbound: &Outbound, target: &str) -> &'static str {
    let options = GetOptions { deadline: Some(SHORT), ..Default::default() };
    outbound.get(&url(target), options).await.map_or_else(|error| error.kind(), |_| "ok")
}

/// One server that misbehaves in every way, and a client that may reach it and nothing else that is private.
async fn hostile() -> (SocketAddr, Outbound) {
    let forbidden = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let endless = || async {
        let chunks = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1024])));
        Body::from_stream(chunks).into_response()
    };
    let drip = || async {
        let chunks = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
        });
        Body::from_stream(chunks).into_response()
    };
    let truncated = || async {
        let chunks = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("gone"))]);
        Body::from_stream(chunks).into_response()
    };
    let router = Router::new()
        .route("/ok", get(|| async { ([(header::ETAG, "\"v1\""), (header::CACHE_CONTROL, "max-age=2")], "fine") }))
        .route("/echo", any(|headers: HeaderMap, body: String| async move { format!("{headers:?} {body}") }))
        .route(
            "/cached",
            get(|headers: HeaderMap| async move {
                let same = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"v1\"");
                if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
            }),
        )
        .route("/to-private", get(move || async move { Redirect::temporary(&format!("http://{forbidden}/")) }))
        .route(
            "/to-decimal",
            get(move || async move { Redirect::temporary(&format!("http://2130706433:{}/", forbidden.port())) }),
        )
        .route(
            "/to-localhost",
            get(move || async move { Redirect::temporary(&format!("http://localhost:{}/", forbidden.port())) }),
        )
        .route("/to-file", get(|| async { Redirect::temporary("file:///etc/passwd") }))
        .route("/to-credentials", get(|| async { Redirect::temporary("http://user:pass@example.com/") }))
        .route(
            "/hop/{n}",
            get(|axum::extract::Path(n): axum::extract::Path<u32>| async move {
                let next = if n == 0 { "/ok".to_owned() } else { format!("/hop/{}", n - 1) };
                Redirect::temporary(&next)
            }),
        )
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 + 1] }))
        .route("/exact", get(|| async { vec![b'x'; 64 * 1024] }))
        .route("/endless", get(endless))
        .route("/drip", get(drip))
        .route("/truncated", get(truncated))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(30)).await }))
        .route("/bomb", get(|| async { gzip(&vec![0u8; 32 * 1024 * 1024]) }))
        .route("/gzip", get(|| async { gzip(b"small") }))
        .route("/busy", any(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")]) }));
    let address = serve(router).await;
    (address, client(&[address.to_string()]))
}

fn gzip(plain: &[u8]) -> Response {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("in memory");
    ([(header::CONTENT_ENCODING, "gzip")], encoder.finish().expect("in memory")).into_response()
}

#[tokio::test]
async fn an_allowed_host_is_fetched_with_its_headers() {
    let (server, outbound) = hostile().await;
    let fetched = outbound.get(&url(&format!("http://{server}/hop/2")), GetOptions::default()).await.expect("3 hops");
    assert_eq!((fetched.status, &fetched.body[..]), (200, &b"fine"[..]));
    assert_eq!(fetched.final_url.path(), "/ok");
    assert_eq!((fetched.etag.as_deref(), fetched.cache_control.as_deref()), (Some("\"v1\""), Some("max-age=2")));
    let again = GetOptions { if_none_match: Some("\"v1\""), ..Default::default() };
    let again = outbound.get(&url(&format!("http://{server}/cached")), again).await.expect("answered");
    assert_eq!(again.status, 304);
    let small = outbound.get(&url(&format!("http://{server}/gzip")), GetOptions::default()).await.expect("answered");
    assert_eq!(&small.body[..], b"small");
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let outbound = client(&[]);
    let port = serve(Router::new().route("/", get(|| async { "secret" }))).await.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "[fe80::1]",
    ] {
        assert_eq!(get_kind(&outbound, &format!("http://{host}:{port}/")).await, "address", "{host}");
    }
    assert_eq!(get_kind(&outbound, "ftp://example.com/").await, "scheme");
    assert_eq!(get_kind(&outbound, "http://user@example.com/").await, "credentials");
    assert_eq!(get_kind(&outbound, "http://:pass@example.com/").await, "credentials");
}

#[tokio::test]
async fn redirects_are_checked_like_the_first_hop() {
    let (server, outbound) = hostile().await;
    for (path, expect) in [
        ("to-private", "address"),
        ("to-decimal", "address"),
        ("to-localhost", "address"),
        ("to-file", "scheme"),
        ("to-credentials", "credentials"),
        ("hop/3", "redirect"),
    ] {
        assert_eq!(get_kind(&outbound, &format!("http://{server}/{path}")).await, expect, "{path}");
    }
}

#[test]
fn https_is_never_left_for_http() {
    let from = url("https://cdn.example.com/a/b.m3u8?t=1");
    assert!(matches!(next_hop(&from, b"http://cdn.example.com/x"), Err(OutboundError::Downgrade { .. })));
    assert_eq!(next_hop(&from, b"../c.m3u8").expect("relative").as_str(), "https://cdn.example.com/c.m3u8");
    assert!(matches!(next_hop(&from, b"https://["), Err(OutboundError::RedirectTarget { .. })));
}

#[tokio::test]
async fn body_limits_hold_for_declared_streamed_and_compressed_bodies() {
    let (server, outbound) = hostile().await;
    for (path, expect) in [("exact", "ok"), ("large", "too_large"), ("endless", "too_large"), ("bomb", "too_large")] {
        let options = GetOptions { deadline: Some(Duration::from_secs(5)), ..Default::default() };
        let answer = outbound.get(&url(&format!("http://{server}/{path}")), options).await;
        assert_eq!(answer.map_or_else(|error| error.kind(), |_| "ok"), expect, "{path}");
    }
}

#[tokio::test]
async fn the_deadline_covers_headers_and_body() {
    let (server, outbound) = hostile().await;
    for path in ["slow", "drip"] {
        let begun = std::time::Instant::now();
        assert_eq!(get_kind(&outbound, &format!("http://{server}/{path}")).await, "deadline", "{path}");
        assert!(begun.elapsed() < SHORT * 3, "{path}: {:?}", begun.elapsed());
    }
    assert_eq!(get_kind(&outbound, &format!("http://{server}/truncated")).await, "protocol");
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_without_the_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let outbound = client(&["127.0.0.0/8".into()]);
    let refused = outbound.get(&url(&format!("http://{address}/path?token=s3cret")), GetOptions::default()).await;
    let error = refused.expect_err("nobody listens");
    assert_eq!(error.kind(), "connect");
    assert!(!error.to_string().contains("s3cret") && !error.to_string().contains("path"), "{error}");
}

/// Answers a public address first and a private one ever after.
struct Rebinding(AtomicUsize);

impl Lookup for Rebinding {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let answer: IpAddr = if first { [192, 0, 2, 1].into() } else { [127, 0, 0, 1].into() };
        Box::pin(async move { Ok(vec![answer]) })
    }
}

struct Fixed(Vec<IpAddr>);

impl Lookup for Fixed {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let found = self.0.clone();
        Box::pin(async move { Ok(found) })
    }
}

fn with_names(allow: &[&str], lookup: impl Lookup + 'static) -> Outbound {
    let allow_hosts = allow.iter().map(|entry| (*entry).to_owned()).collect();
    Outbound::with_lookup(OutboundConfig { allow_hosts, ..Default::default() }, Arc::new(lookup)).expect("a client")
}

#[tokio::test]
async fn names_are_judged_by_the_address_that_is_connected_to() {
    let server = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let target = format!("http://rebind.example:{}/", server.port());
    // 192.0.2.1 stands for a first answer; each connection asks again and is judged again.
    let rebinding = with_names(&["192.0.2.0/24"], Rebinding(AtomicUsize::new(0)));
    assert_ne!(get_kind(&rebinding, &target).await, "ok");
    assert_eq!(get_kind(&rebinding, &target).await, "address");
    // Of a mixed answer only what is allowed is tried.
    let mixed = with_names(&["127.0.0.1/32"], Fixed(vec![[10, 0, 0, 1].into(), [127, 0, 0, 1].into()]));
    assert_eq!(get_kind(&mixed, &target).await, "ok");
    let unknown = with_names(&[], Fixed(Vec::new()));
    assert_eq!(get_kind(&unknown, &target).await, "dns");
}

#[tokio::test]
async fn an_allowed_name_opens_its_port_and_no_other() {
    let server = serve(Router::new().route("/", get(|| async { "fine" }))).await;
    let other = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let entry = format!("origin.example:{}", server.port());
    let outbound = with_names(&[entry.as_str()], Fixed(vec![[127, 0, 0, 1].into()]));
    assert_eq!(get_kind(&outbound, &format!("http://origin.example:{}/", server.port())).await, "ok");
    assert_eq!(get_kind(&outbound, &format!("http://origin.example:{}/", other.port())).await, "address");
    assert_eq!(get_kind(&outbound, &format!("http://127.0.0.1:{}/", server.port())).await, "address");
}

#[tokio::test]
async fn a_sink_reaches_only_the_hosts_of_its_manifest_and_follows_no_redirect() {
    let (server, outbound) = hostile().await;
    let allowed = [server.to_string()];
    let send = |path: &'static str, method: &'static str, hosts: &'static [String]| {
        let (outbound, hosts) = (outbound.clone(), if hosts.is_empty() { allowed.to_vec() } else { hosts.to_vec() });
        async move {
            let target = url(&format!("http://{server}/{path}"));
            let headers = [("x-a", "b")];
            let body = Bytes::from_static(b"hello");
            let request = SendRequest {
                method,
                url: &target,
                headers: &headers,
                body,
                deadline: Some(SHORT),
                allowed_hosts: Some(&hosts),
            };
            outbound.send(request).await
        }
    };
    assert_eq!(send("echo", "POST", &[]).await, Ok(Sent { status: 200, retry_after: None }));
    assert_eq!(send("to-private", "GET", &[]).await.map(|sent| sent.status), Ok(307));
    let busy = Sent { status: 503, retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(send("busy", "POST", &[]).await, Ok(busy));
    assert_eq!(send("endless", "GET", &[]).await.map(|sent| sent.status), Ok(200));
    assert_eq!(send("drip", "GET", &[]).await.map(|sent| sent.status), Ok(200));
    assert_eq!(send("echo", "CONNECT", &[]).await.map_err(|error| error.kind()), Err("request"));
    let elsewhere: &'static [String] = Box::leak(Box::new(["hooks.example.com".to_owned()]));
    assert_eq!(send("echo", "POST", elsewhere).await.map_err(|error| error.kind()), Err("host_not_allowed"));
}

#[tokio::test]
async fn headers_that_the_client_owns_are_refused() {
    let (server, outbound) = hostile().await;
    for header in [("host", "evil"), ("Transfer-Encoding", "chunked"), ("x", "a\r\nb: c"), ("bad name", "x")] {
        let headers = [header];
        let options = GetOptions { headers: &headers, ..Default::default() };
        let answer = outbound.get(&url(&format!("http://{server}/echo")), options).await;
        assert_eq!(answer.map_err(|error| error.kind()).err(), Some("request"), "{header:?}");
    }
}

#[tokio::test]
async fn what_a_receiver_says_of_what_was_sent_is_read_whole_or_is_an_error() {
    let (server, outbound) = hostile().await;
    let send = async |path: &str| {
        let target = url(&format!("http://{server}/{path}"));
        let request = SendRequest {
            method: "GET",
            url: &target,
            headers: &[],
            body: Bytes::new(),
            deadline: Some(SHORT),
            allowed_hosts: None,
        };
        let answer = outbound.send_and_read(request, 64 * 1024).await;
        answer.map(|(sent, body)| (sent.status, body.len())).map_err(|error| error.kind())
    };
    assert_eq!(send("ok").await, Ok((200, 4)));
    assert_eq!(send("exact").await, Ok((200, 64 * 1024)));
    assert_eq!(send("busy").await, Ok((503, 0)));
    for (path, kind) in [
        ("large", "too_large"),
        ("endless", "too_large"),
        ("bomb", "too_large"),
        ("truncated", "protocol"),
        ("drip", "deadline"),
        ("slow", "deadline"),
    ] {
        assert_eq!(send(path).await, Err(kind), "{path}");
    }
}
