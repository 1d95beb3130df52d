//! How many instructions a refresh takes. Run it by `scripts/instructions.sh`, under callgrind.
//!
//! An argument names the part to measure by its number, and callgrind counts what happens inside of [`measured`]. Prints
//! each part's number of rounds and name. One thread, no sockets, a clock that stands still: two runs differ by less than
//! a percent.

mod world;

use std::hint::black_box;

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    http::{HeaderValue, Request, header},
    response::Response,
    routing::any,
};
use cuetone::{
    decision::{self, DecisionRequest, Detail, NothingSpent},
    extension::{Counters, Extensions, monotonic},
    registry,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    runtime::Runtime,
};
use tower::ServiceExt as _;
use world::{
    NOW, World, index,
    stitched::{self, AllReady, Stitched},
    tenant::{self, Scripts},
};

const ROUNDS: usize = 1_000;
/// A response with its headers is smaller than this.
const RESPONSE_BYTES: usize = 64 * 1024;

/// The body may not be inlined: callgrind finds it by this name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// Counts the parts, and runs the wanted one (all without a wish).
struct Parts {
    wanted: Option<usize>,
    next: usize,
}

impl Parts {
    /// Warms up, then measures `rounds` times `work`.
    fn part(&mut self, name: &str, rounds: usize, mut work: impl FnMut()) {
        self.next += 1;
        if self.wanted.is_none_or(|wanted| wanted == self.next) {
            (0..rounds.min(50)).for_each(|_| work());
            measured(&mut || (0..rounds).for_each(|_| work()));
            println!("{rounds} {name}");
        }
    }
}

fn main() {
    let wanted = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let mut parts = Parts { wanted, next: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = runtime.block_on(World::new(3));
    let path = runtime.block_on(world.open("live")).remove(0);
    let (session, rendition) = (world.session(&path), index(&path));
    let sessions = &world.app.sessions;
    let text = runtime.block_on(sessions.playlist(&session, rendition)).expect("a playlist").text.clone();
    assert!(text.windows(4).any(|four| four == b"\nad/"), "mid-break");

    parts.part("warm refresh, sessions only", ROUNDS, || {
        let body = runtime.block_on(sessions.playlist(&session, rendition));
        assert!(black_box(body).is_ok());
    });
    let bare = bare(&text);
    for (name, router) in [("warm refresh", world.app.router()), ("bare axum", bare)] {
        parts.part(&format!("{name}, through the router"), ROUNDS, || {
            let request = Request::get(path.as_str()).header(header::HOST, "127.0.0.1").body(Body::empty());
            let request = request.expect("a request");
            let response = runtime.block_on(router.clone().oneshot(request)).expect("an answer");
            assert_eq!(response.body().size_hint().exact(), Some(text.len() as u64));
        });
        let mut connection = Connection::open(&runtime, router);
        parts.part(&format!("{name}, as HTTP/1.1 bytes"), ROUNDS, || connection.ask(&runtime, &path, text.len()));
    }
    let stitched = Stitched::new(10);
    parts.part("fresh render, 10 segments", 200, || drop(black_box(stitched.render())));
    for (scripts, name) in [(Scripts::None, "fill script only"), (Scripts::Shipped, "five shipped rules")] {
        decisions(&mut parts, name, scripts);
    }
}

fn decisions(parts: &mut Parts, name: &str, scripts: Scripts) {
    let extensions = Extensions::new(monotonic()).expect("shipped rules compile");
    let compiled = registry::check_files(&tenant::bundle("http://origin.example.com", 20, scripts), &extensions);
    let compiled = compiled.expect("a valid bundle");
    let policy = tenant::policy(&compiled);
    let (viewer, avail) = (tenant::viewer(), stitched::avail());
    let none = Counters::default();
    let request = DecisionRequest {
        session: "0123456789abcdef",
        viewer: &viewer,
        avail: &avail,
        now: NOW,
        seed: 7,
        history: &[],
        spend: &NothingSpent,
        external: &[],
        counters: &none,
        detail: Detail::Full,
        micros: &|| 0,
    };
    let decide = || decision::decide(&compiled.index, &policy, &request, &AllReady);
    // Deadlines are in wall-clock time and callgrind is fifty times slower: a script that is stopped would not count.
    let stopped = decide().trace.scripts.iter().filter(|script| script.error.is_some()).count();
    parts.part(&format!("decision, 20 ads, {name}{}", if stopped > 0 { " (some stopped)" } else { "" }), 20, || {
        drop(black_box(decide()));
    });
}

/// The same body from a handler that does nothing.
fn bare(text: &Bytes) -> Router {
    let text = text.clone();
    Router::new().route(
        "/fast/{*path}",
        any(move || {
            let mut response = Response::new(Body::from(text.clone()));
            let playlist = HeaderValue::from_static("application/vnd.apple.mpegurl");
            response.headers_mut().insert(header::CONTENT_TYPE, playlist);
            async move { response }
        }),
    )
}

/// A keep-alive connection to a router, without a socket.
struct Connection {
    client: DuplexStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(runtime: &Runtime, router: Router) -> Self {
        let (client, server) = tokio::io::duplex(RESPONSE_BYTES);
        let service = TowerToHyperService::new(router);
        runtime.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
        Self { client, buffer: vec![0; RESPONSE_BYTES] }
    }

    fn ask(&mut self, runtime: &Runtime, path: &str, body: usize) {
        runtime.block_on(async {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
            self.client.write_all(request.as_bytes()).await.expect("sent");
            let mut read = 0;
            loop {
                read += self.client.read(&mut self.buffer[read..]).await.expect("an answer");
                let head = self.buffer[..read].windows(4).position(|four| four == b"\r\n\r\n");
                if head.is_some_and(|head| read >= head + 4 + body) {
                    assert!(self.buffer.starts_with(b"HTTP/1.1 200"));
                    return;
                }
            }
        });
    }
}
