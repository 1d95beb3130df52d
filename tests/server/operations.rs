//! What operators rely on: health, readiness, metrics, and an orderly end.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use axum::{body::Body, http::Request};
use cuetone::store::Store;
use futures_util::future::join_all;
use tower::ServiceExt as _;

use crate::{
    harness::{ORIGIN_DEADLINE, Server, Yaml, events, within, write_bundle},
    origin::{Fault, HandClock, Origin, Packaging, Stream},
    player::Player,
};

async fn server() -> Server {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(91..98)).await;
    server.apply(&Yaml::ads(&["red-5", "green-2"]).build(&server.origin)).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_healthy_and_ready_until_it_stops() {
    let mut server = server().await;
    assert_eq!((server.get("/healthz").await.text(), server.get("/readyz").await.status.as_u16()), ("ok", 200));
    let router = server.router.clone();
    let ask = |path: &'static str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap() }
    };
    // A request that takes its time keeps the server from ending.
    let player = server.viewer().await;
    server.origin.fail("live/", Fault::Hang(ORIGIN_DEADLINE * 4));
    server.clock.forward(2_000);
    let open = tokio::spawn(async move { player.ask("v0").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.ask_to_stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask("/readyz").await.status(), 503, "no new traffic, please");
    assert_eq!(ask("/healthz").await.status(), 200, "but do not kill it");
    let finished = open.await.unwrap();
    assert_eq!(finished.status, 200, "{}", finished.text());
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_end_writes_every_event_that_was_answered() {
    let mut server = server().await;
    let mut addresses = Vec::new();
    for _ in 0..30 {
        let mut player = server.viewer().await;
        let playlist = player.poll("v0").await;
        let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).expect("an ad");
        addresses.push(player.url("v0").join(&ad.uri).unwrap());
    }
    let client = server.client();
    let asked = addresses.into_iter().map(|url| {
        let client = client.clone();
        tokio::spawn(async move { client.get(url).send().await.is_ok_and(|answer| answer.status() == 302) })
    });
    let asked: Vec<_> = asked.collect();
    tokio::time::sleep(Duration::from_millis(15)).await;
    server.stop().await;
    let answered = join_all(asked).await.into_iter().filter(|answer| *answer.as_ref().unwrap()).count();
    let store = Store::open_file(&server.dir.path().join("data/cuetone.db")).await.expect("the database");
    let written = events(&store).await.len();
    assert!(written >= answered * 2, "{answered} answers, each with two events, but {written} events");
    store.close().await;
}

/// The binary, in a process of its own.
pub struct Process {
    pub child: Child,
    pub base: String,
    log: mpsc::Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Process {
    pub fn start(arguments: &[&str], variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuetone"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).envs(variables.iter().cloned());
        let mut child =
            command.env("CUETONE_LOG__FORMAT", "json").stderr(Stdio::piped()).spawn().expect("the binary runs");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let listening = std::iter::from_fn(|| log.recv_timeout(Duration::from_secs(20)).ok()).find_map(|line| {
            serde_json::from_str::<serde_json::Value>(&line).ok()?["address"].as_str().map(str::to_owned)
        });
        let base = format!("http://{}", listening.expect("it says where it listens"));
        Self { child, base, log }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_the_series_that_operators_watch_and_a_signal_ends_the_process_in_order() {
    let origin = Origin::start(HandClock::new()).await;
    origin.put("live", Stream::live(Packaging::Ts).with_break(91..98));
    let dir = tempfile::TempDir::new().expect("a folder");
    write_bundle(&dir.path().join("tenants/acme"), &Yaml::ads(&["red-5", "green-2"]).build(&origin));
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let variables = [
        ("CUETONE_OUTBOUND__ALLOW_HOSTS", origin.address.to_string()),
        ("CUETONE_TENANTS_DIR", path("tenants")),
        ("CUETONE_OUTBOUND__TIMEOUT_MS", "2000".to_owned()),
    ];
    let data = path("data");
    let mut process =
        tokio::task::spawn_blocking(move || Process::start(&["--data", &data], &variables)).await.unwrap();
    cuetone::outbound::install_crypto();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = |path: String| {
        let client = client.clone();
        async move { crate::harness::read(client.get(path).send().await.expect("an answer")).await }
    };
    let master = format!("{}/fast/acme/live.m3u8", process.base);
    within(Duration::from_secs(5), "the tenant", || async { get(master.clone()).await.status == 200 }).await;
    let mut playlist = None;
    for _ in 0..40 {
        let mut player = Player::open(client.clone(), &master).await;
        let now = player.poll("v0").await;
        if let Some(ad) = now.segments.iter().find(|segment| segment.ad().is_some()) {
            let url = player.url("v0").join(&ad.uri).unwrap();
            assert_eq!(get(url.to_string()).await.status, 302);
            playlist = Some(now);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    playlist.expect("the creatives get ready within four seconds");
    origin.fail("live/", Fault::Status(500));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let mut player = Player::open(client.clone(), &master).await;
    player.poll("v0").await;
    let metrics = get(format!("{}/metrics", process.base)).await;
    assert!(
        metrics.header("content-type").starts_with("text/plain; version=0.0.4"),
        "{}",
        metrics.header("content-type")
    );
    for series in [
        "cuetone_playlists_total ",
        "cuetone_playlist_seconds_bucket{",
        "cuetone_sessions_opened_total{tenant=\"acme\"} ",
        "cuetone_sessions_open ",
        "cuetone_decisions_total{",
        "cuetone_decision_seconds_bucket{",
        "cuetone_origin_fetch_seconds_bucket{",
        "cuetone_origin_failures_total ",
        "cuetone_outbound_requests_total{call=\"get\",outcome=\"ok\"} ",
        "cuetone_extension_calls_total{",
        "cuetone_extension_seconds_bucket{",
        "cuetone_bundle_activations_total 1",
    ] {
        assert!(metrics.text().contains(series), "{series} is missing in\n{}", metrics.text());
    }
    assert_eq!(get(format!("{}/readyz", process.base)).await.status, 200);
    // An answer that is under way when the signal comes is completed.
    origin.heal();
    origin.fail("live/", Fault::Hang(Duration::from_millis(600)));
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let url = player.url("v0").to_string();
    let open = tokio::spawn(get(url));
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.signal("-TERM");
    assert_eq!(open.await.unwrap().status, 200);
    let status = tokio::task::spawn_blocking(move || {
        let status = process.child.wait().expect("it ends");
        let said: Vec<String> = process.log.iter().collect();
        (status.code(), said.iter().any(|line| line.contains("stopped")))
    });
    let status = tokio::time::timeout(Duration::from_secs(5), status).await.expect("it ends soon").unwrap();
    assert_eq!(status, (Some(0), true));
    let store = Store::open_file(&dir.path().join("data/cuetone.db")).await.expect("the database");
    assert_eq!(events(&store).await.len(), 2, "impression and start");
    store.close().await;
}

#[test]
fn a_command_whose_reader_has_gone_ends_without_words() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuetone"));
    let mut child = command
        .args(["check", "examples/wkkworld"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
