//! The shipped sinks, from the journal to their receivers: a real nats-server, ClickHouse where it is installed, and
//! recorders of what Google and Meta have documented.

use std::{
    net::TcpListener as StdListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use parking_lot::Mutex as SyncMutex;
use serde_json::json;

use super::{
    tests::{Bench, KEY, QUICK, bench_with, scope},
    *,
};
use crate::{
    domain::{Event, EventType, ExtensionRef, Moment},
    extension::{Extensions, monotonic, secrets},
    outbound::nats::{NatsClient, NatsLogin, NatsMessage},
    store::tests::event,
};

/// Real receivers may take their time.
async fn bench() -> Bench {
    bench_with(SinkTiming { request_deadline: Duration::from_secs(10), ..QUICK }).await
}

/// A sink as a manifest mounts it.
fn mounted(script: &str, name: &str, config: Value, host: &str) -> SinkSpec {
    let extensions = Extensions::new(monotonic()).expect("an engine");
    let script = ExtensionRef::Shipped(script.to_owned());
    let loaded = extensions.load_sink(&script, &Default::default(), "a").expect("it is shipped");
    let (config, secrets) = secrets::hide(&config, &|name| vault::placeholder(&KEY, scope().tenant(), name));
    SinkSpec {
        scope: scope(),
        name: name.into(),
        revision: loaded.version,
        sink: loaded.extension,
        lane: extensions.lane("a"),
        config,
        secrets,
        allow_hosts: vec![host.to_owned()],
        refused_if: None,
        signing_key: [5; 32],
    }
}

fn events(sessions: std::ops::Range<usize>) -> Vec<Event> {
    sessions.map(|n| event("a", &format!("s{n}"), EventType::Click)).collect()
}

impl Bench {
    async fn secret(&self, name: &str, value: &str) {
        let vault = Vault::new(self.store.clone(), KEY);
        vault.put(&scope(), &name.parse().expect("a slug"), value, Moment(1)).await.expect("kept");
    }

    async fn record_all(&self, count: usize) {
        for start in (0..count).step_by(600) {
            self.journal.record(events(start..count.min(start + 600))).await.expect("recorded");
        }
    }

    /// Waits until nothing is behind the sink any more.
    async fn settled(&self, name: &str) {
        self.journal.carried().await;
        within(|| async {
            let states = self.store.sink_states(&scope()).await.expect("read");
            states.iter().any(|state| state.sink == name && state.behind == 0)
        })
        .await;
    }
}

async fn within<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    for _ in 0..1_500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come true in 15 seconds");
}

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A program that may be installed where a user's PATH does not look.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

async fn listens(port: u16) {
    within(|| async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
}

async fn nats(folder: &std::path::Path, port: u16, more: &[&str]) -> Process {
    let server = program("nats-server").expect("nats-server: Debian's package of that name");
    let mut command = Command::new(server);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder.join("nats")).args(more);
    let server = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started"));
    listens(port).await;
    server
}

/// Asks JetStream's own API through the client under test.
async fn jetstream(bench: &Bench, port: u16, login: &NatsLogin, api: &str, body: Value) -> String {
    let target = format!("nats://127.0.0.1:{port}/$JS.API.{api}").parse().expect("an address");
    let (hosts, body) = (["127.0.0.1".to_owned()], body.to_string());
    let message = NatsMessage {
        target: &target,
        login,
        headers: &Default::default(),
        payload: body.as_bytes(),
        allowed_hosts: &hosts,
        deadline: Duration::from_secs(5),
    };
    let answer = NatsClient::default().ask(&bench.outbound, &message).await;
    String::from_utf8(answer.expect("an answer")).expect("text")
}

#[tokio::test]
async fn every_event_is_once_in_the_stream_in_order_even_when_the_server_was_away() {
    let bench = bench().await;
    let port = free_port();
    let login = NatsLogin { user: Some("ads".into()), password: Some("p&ss".into()), token: None };
    let more = ["--user", "ads", "--pass", "p&ss"];
    let server = nats(bench.folder.path(), port, &more).await;
    let stream = json!({"name": "ADS", "subjects": ["ads.>"], "duplicate_window": 120_000_000_000u64});
    let made = jetstream(&bench, port, &login, "STREAM.CREATE.ADS", stream).await;
    assert!(made.contains("\"did_create\":true"), "{made}");
    bench.secret("nats", "p&ss").await;
    let config = json!({"server": format!("127.0.0.1:{port}"), "user": "ads", "password": {"secret": "nats"}});
    bench.runner.reconcile(vec![mounted("sink/nats", "nats", config, "127.0.0.1")]).await.expect("started");
    bench.journal.record(events(0..20)).await.expect("recorded");
    bench.settled("nats").await;
    drop(server);
    bench.journal.record(events(20..30)).await.expect("recorded");
    let _server = nats(bench.folder.path(), port, &more).await;
    bench.settled("nats").await;
    // What may not be known as delivered comes again, and the stream drops it.
    let again = event("a", "s3", EventType::Click);
    let target = format!("nats://127.0.0.1:{port}/ads.a.click").parse().expect("an address");
    let headers = [("Nats-Msg-Id".to_owned(), again.id.to_string())].into();
    let message = NatsMessage {
        target: &target,
        login: &login,
        headers: &headers,
        payload: b"{}",
        allowed_hosts: &["127.0.0.1".to_owned()],
        deadline: Duration::from_secs(5),
    };
    let stored = NatsClient::default().publish(&bench.outbound, &message).await;
    assert!(stored.expect("acknowledged").duplicate);
    let letters = bench.store.letters(&scope(), 0, 99).await.expect("read");
    let lost: i64 = letters.iter().map(|stored| stored.letter.last_event - stored.letter.first_event + 1).sum();
    for letter in &letters {
        bench.store.request_replay(&scope(), letter.id, None, Moment(9)).await.expect("asked");
    }
    within(|| async { bench.store.letters(&scope(), 0, 99).await.expect("read").is_empty() }).await;
    let info = jetstream(&bench, port, &login, "STREAM.INFO.ADS", json!({})).await;
    let info: Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["state"]["messages"], 30, "{lost} events were dead letters: {info}");
    let first = jetstream(&bench, port, &login, "STREAM.MSG.GET.ADS", json!({"seq": 1})).await;
    assert!(first.contains("ads.a.click"), "{first}");
}

#[tokio::test]
async fn a_subject_without_a_stream_and_a_wrong_password_are_dead_letters_that_say_so() {
    let bench = bench().await;
    let port = free_port();
    let _server = nats(bench.folder.path(), port, &["--user", "ads", "--pass", "right-word"]).await;
    bench.secret("nats", "right-word").await;
    bench.secret("wrong", "wrong-word").await;
    let server = format!("127.0.0.1:{port}");
    let config = |secret: &str| json!({"server": server, "user": "ads", "password": {"secret": secret}});
    let sinks = [("nobody", config("nats")), ("wrong", config("wrong")), ("unset", config("unset"))];
    let specs = sinks.map(|(name, config)| mounted("sink/nats", name, config, "127.0.0.1"));
    bench.runner.reconcile(specs.into()).await.expect("started");
    bench.journal.record(events(0..1)).await.expect("recorded");
    within(|| async { bench.store.letters(&scope(), 0, 9).await.expect("read").len() == 3 }).await;
    let letters = bench.store.dead_letters(&scope(), 9).await.expect("read");
    let error = |sink: &str| &letters.iter().find(|letter| letter.sink == sink).expect("a letter").error;
    assert!(error("nobody").contains("no stream takes the subject ads.a.click"), "{}", error("nobody"));
    assert!(error("wrong").contains("Authorization Violation"), "{}", error("wrong"));
    assert!(error("unset").contains("the secret `unset` is not set"), "{}", error("unset"));
    assert!(letters.iter().all(|letter| !letter.error.contains("-word")), "no secret is told");
    let states = bench.store.sink_states(&scope()).await.expect("read");
    assert!(states.iter().all(|state| state.dead_letters == 1 && state.behind == 0), "{states:?}");
}

#[tokio::test]
async fn events_are_lines_of_a_file_and_on_disk_when_the_cursor_moves() {
    let bench = bench().await;
    bench.runner.reconcile(vec![mounted("sink/ndjson", "file", json!({}), "none.example.com")]).await.expect("started");
    bench.record_all(1_200).await;
    bench.settled("file").await;
    let path = file::folder(bench.folder.path(), scope().tenant()).join("events.ndjson");
    let text = std::fs::read_to_string(path).expect("a file");
    let sessions: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["session"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(sessions, (0..1_200).map(|n| format!("s{n}")).collect::<Vec<_>>());
}

/// Takes everything and remembers address and body.
#[derive(Clone, Default)]
struct Recorder(Arc<SyncMutex<Vec<(String, Value)>>>);

impl Recorder {
    async fn start(&self) -> String {
        let take = |State(recorder): State<Recorder>, uri: axum::http::Uri, body: String| async move {
            let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
            recorder.0.lock().push((uri.to_string(), body));
            StatusCode::NO_CONTENT
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let router = Router::new().route("/{*path}", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

#[tokio::test]
async fn google_gets_a_session_s_events_in_requests_of_at_most_25_with_the_secret_in_the_address() {
    let (bench, recorder) = (bench().await, Recorder::default());
    let host = recorder.start().await;
    bench.secret("ga4", "s3cr&t").await;
    let url = format!("http://{host}/mp/collect");
    let config = json!({"measurement_id": "G-1", "api_secret": {"secret": "ga4"}, "url": url});
    bench.runner.reconcile(vec![mounted("sink/ga4", "ga4", config, "127.0.0.1")]).await.expect("started");
    let one = |place: u16| Event { pod_position: place, ..event("a", "s1", EventType::Click) }.identified();
    bench.journal.record((0..30).map(one).collect()).await.expect("recorded");
    bench.settled("ga4").await;
    let taken = recorder.0.lock();
    assert!(taken.iter().all(|(uri, _)| uri == "/mp/collect?measurement_id=G-1&api_secret=s3cr%26t"), "{taken:?}");
    let sizes: Vec<usize> = taken.iter().map(|(_, body)| body["events"].as_array().expect("events").len()).collect();
    assert_eq!(sizes, [25, 5]);
    let (_, body) = &taken[0];
    assert_eq!((&body["client_id"], &body["events"][0]["name"]), (&json!("s1"), &json!("ssai_click")));
    assert!(body["timestamp_micros"].is_i64() && body["events"][0]["params"]["event_id"].is_string(), "{body}");
}

#[tokio::test]
async fn meta_gets_hashes_and_an_id_to_drop_repeats_by() {
    let (bench, recorder) = (bench().await, Recorder::default());
    let host = recorder.start().await;
    bench.secret("meta", "tok|en").await;
    let config = json!({"pixel_id": "77", "access_token": {"secret": "meta"}, "url": format!("http://{host}")});
    bench.runner.reconcile(vec![mounted("sink/meta_capi", "meta", config, "127.0.0.1")]).await.expect("started");
    let seen = Event { viewer: Some("jane".into()), ..event("a", "s1", EventType::Click) }.identified();
    bench.journal.record(vec![seen.clone()]).await.expect("recorded");
    bench.settled("meta").await;
    let taken = recorder.0.lock();
    let (uri, body) = &taken[0];
    assert_eq!(uri, "/v21.0/77/events?access_token=tok%7Cen");
    let told = &body["data"][0];
    assert_eq!((told["event_id"].as_str(), told["event_name"].as_str()), (Some(&*seen.id.to_string()), Some("click")));
    assert!(told["event_time"].is_i64() && told["action_source"].is_string(), "{told}");
    let hash = "81f8f6dde88365f3928796ec7aa53f72820b06db8664f5fe76a7eb13e24546a2";
    assert_eq!(told["user_data"]["external_id"], json!([hash]));
    assert!(!body.to_string().contains("jane"));
}

/// Debian has ClickHouse for some of its machines only; without it the script's own tests have to do.
#[tokio::test]
async fn clickhouse_has_every_event_as_a_row() {
    let Some(server) = program("clickhouse-server") else { return };
    let bench = bench().await;
    let (http, tcp, between) = (free_port(), free_port(), free_port());
    let data = bench.folder.path().join("clickhouse");
    std::fs::create_dir_all(data.join("tmp")).expect("a folder");
    let users = "<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password>p&amp;ss</password>\
        <networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>";
    let place = data.display();
    let config = format!(
        "<yandex><logger><level>warning</level><console>1</console></logger><http_port>{http}</http_port>\
         <tcp_port>{tcp}</tcp_port><interserver_http_port>{between}</interserver_http_port>\
         <listen_host>127.0.0.1</listen_host><path>{place}/</path><tmp_path>{place}/tmp/</tmp_path>\
         <users_config>{place}/users.xml</users_config><default_profile>default</default_profile>\
         <default_database>default</default_database><mark_cache_size>10000000</mark_cache_size></yandex>"
    );
    std::fs::write(data.join("users.xml"), users).expect("written");
    std::fs::write(data.join("config.xml"), config).expect("written");
    let mut command = Command::new(server);
    command.arg(format!("--config-file={place}/config.xml")).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Process(command.spawn().expect("started"));
    listens(http).await;
    let base = format!("http://127.0.0.1:{http}/");
    let place = |query: &str| {
        let url = url::Url::parse_with_params(&base, [("query", query), ("user", "default"), ("password", "p&ss")]);
        url.expect("a URL")
    };
    // As docs/sinks.md has it, for a server of 2018.
    let table = "CREATE TABLE IF NOT EXISTS events (event_id String, event_type String, time Int64, received Int64, tenant String, \
         channel String, session String, viewer String, avail String, pod_position UInt16, ad String, campaign String, \
         device String, geo String, counted_by String, traffic String, price Float64, error_code UInt16, value Float64, \
         more String, day Date DEFAULT toDate(toDateTime(intDiv(time, 1000000)))) \
         ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (tenant, day, event_id)";
    let url = place("");
    let sent = bench.outbound.send(crate::outbound::SendRequest {
        method: "POST",
        url: &url,
        headers: &[],
        body: table.into(),
        deadline: Some(Duration::from_secs(10)),
        allowed_hosts: None,
    });
    assert_eq!(sent.await.expect("an answer").status, 200);
    bench.secret("ch", "p&ss").await;
    let config = json!({"url": base, "user": "default", "password": {"secret": "ch"}, "deduplicate": false});
    bench.runner.reconcile(vec![mounted("sink/clickhouse", "ch", config, "127.0.0.1")]).await.expect("started");
    bench.record_all(1_200).await;
    bench.settled("ch").await;
    let letters = bench.store.dead_letters(&scope(), 9).await.expect("read");
    assert!(letters.is_empty(), "{letters:?}");
    let url = place("SELECT count(), uniq(event_id), min(event_type) FROM events");
    let rows = bench.outbound.get(&url, Default::default()).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&rows.body).trim(), "1200\t1200\tclick");
}
