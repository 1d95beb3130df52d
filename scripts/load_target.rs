//! What `scripts/load.sh` needs beside the server: an origin that stands still in the middle of a break, a handler that
//! does nothing but answer, and viewers who have opened their sessions.
//!
//! ```text
//! load_target origin ADDRESS             the origin and the demo's ads
//! load_target tenant ORIGIN ADS DIR      writes a tenant's folder
//! load_target bare ADDRESS FILE          answers FILE to every request
//! load_target open SERVER COUNT          opens sessions, asks each once, prints the paths of their playlists
//! ```

#[path = "../benches/world/mod.rs"]
mod world;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
    routing::any,
    serve::ListenerExt as _,
};
use tokio::net::TcpListener;
use world::{TENANT, origin, renditions, tenant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["origin", address] => serve(address, origin::router()),
        ["bare", address, file] => serve(address, bare(std::fs::read(file).expect("a file").into())),
        ["tenant", origin, ads, dir] => {
            let bundle = tenant::bundle(origin, ads.parse().expect("a number"), tenant::Scripts::None);
            for (path, text) in bundle.files {
                std::fs::write(std::path::Path::new(dir).join(path), text.as_bytes()).expect("written");
            }
        }
        ["open", server, count] => open(server.parse().expect("an address"), count.parse().expect("a number")),
        _ => eprintln!("usage: load_target origin|bare|tenant|open …"),
    }
}

/// As the server itself does it: many threads, no waiting to fill packets.
fn serve(address: &str, router: Router) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.expect("a free port").tap_io(|connection| {
            let _unsupported = connection.set_nodelay(true);
        });
        axum::serve(listener, router).await.expect("served");
    });
}

/// `/plain…`: the body with its type. Everything else: with all the headers that the server sends, too.
fn bare(text: Bytes) -> Router {
    const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
    let body = text.clone();
    let plain = move || {
        let mut response = Response::new(Body::from(body.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, PLAYLIST);
        async move { response }
    };
    let dressed = move || {
        let mut response = Response::new(Body::from(text.clone()));
        let headers = response.headers_mut();
        headers.reserve(8);
        headers.insert(header::CONTENT_TYPE, PLAYLIST);
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let exposed = "X-Request-Id, Content-Length, Content-Range, ETag";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        headers.insert("x-request-id", HeaderValue::from_static("01234567-89abc"));
        async move { response }
    };
    Router::new().route("/fast/{*path}", any(plain)).route("/dressed/{*path}", any(dressed))
}

/// Opens sessions and asks each for its first variant, so that all are decided and warm.
fn open(server: SocketAddr, count: usize) {
    let mut connection = BufReader::new(TcpStream::connect(server).expect("a server"));
    let mut out = std::io::stdout().lock();
    for _ in 0..count {
        let text = get(&mut connection, &format!("/fast/{TENANT}/live.m3u8"));
        let path = format!("/fast/{TENANT}/{}", renditions(&text).first().expect("a variant"));
        let playlist = get(&mut connection, &path);
        assert!(playlist.contains("\nad/"), "not in the middle of a break:\n{playlist}");
        writeln!(out, "{path}").expect("printed");
    }
}

/// One GET on a keep-alive connection.
fn get(connection: &mut BufReader<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: load\r\nX-Geo-Country: US\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).expect("sent");
    let mut length = 0;
    let mut line = String::new();
    connection.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
    loop {
        line.clear();
        connection.read_line(&mut line).expect("a header");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}
