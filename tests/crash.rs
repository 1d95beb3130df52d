//! What was acknowledged is there, once, and the sums agree: however often a server or its database is killed.
//!
//! Reporters behave as real ones do: what was not acknowledged they send again, as often as it takes.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "postgres/mod.rs"]
mod postgres;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cuetone::{
    domain::{Event, EventId, EventType, Slug},
    outbound::install_crypto,
    store::{Store, TenantScope},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

/// How often the server, or its database, is killed.
const KILLS: usize = 50;

/// Who reports at the same time, and events in one report.
const REPORTERS: usize = 4;
const BATCH: u64 = 20;

const BUNDLE: &str = r#"
tenant: { slug: acme, name: Acme, timezone: America/St_Johns, rate_limit_per_minute: 100000000 }
channels:
  - { slug: news, hls_manifest_url: "https://origin.example.com/master.m3u8", beaconing: client }
campaigns:
  - { slug: summer, name: Summer, start_date: 2020-01-01, end_date: 2099-12-31, cpm: "12.50", budget: "40.00", status: active }
ads:
  - { slug: cola, campaign: summer, duration_seconds: 30, creative: { hls: "https://ads.example.com/cola.m3u8" } }
  - { slug: pepsi, duration_seconds: 30, creative: { hls: "https://ads.example.com/pepsi.m3u8" } }
"#;

fn cuetone() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuetone"));
    command.env_remove("CUETONE_SECRET_KEY");
    command
}

/// A server's folder and settings; the server itself comes and goes.
struct Place {
    folder: tempfile::TempDir,
    address: String,
    key: String,
    client: reqwest::Client,
}

impl Place {
    fn new(database: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let database = database.map_or_else(String::new, |url| format!("database_url: \"{url}\"\n"));
        let yaml = format!(
            "listen: {free}\ndata_dir: {}\n{database}log: {{ level: error }}\n",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("cuetone.yaml"), yaml).unwrap();
        fs::create_dir(folder.path().join("acme")).unwrap();
        fs::write(folder.path().join("acme/tenant.yaml"), BUNDLE).unwrap();
        install_crypto();
        let mut place = Self {
            folder,
            address: free.to_string(),
            key: String::new(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        place.run(&["apply", "acme"]);
        let made: Value =
            serde_json::from_str(&place.run(&["keys", "create", "--tenant", "acme", "--format", "json"])).unwrap();
        place.key = made["key"].as_str().unwrap().to_owned();
        place
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = cuetone()
            .args(arguments)
            .args(["--config", "cuetone.yaml"])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn start(&self) -> Running {
        let child = cuetone()
            .args(["serve", "--config", "cuetone.yaml"])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let running = Running(child);
        let begun = Instant::now();
        while self.get("/healthz").await.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = self
            .client
            .get(format!("http://{}{path}", self.address))
            .header("X-API-Key", &self.key)
            .send()
            .await
            .ok()?;
        if answer.status().is_success() { answer.text().await.ok() } else { None }
    }

    /// Whether the events were acknowledged.
    async fn report(&self, events: &[Value]) -> bool {
        let url = format!("http://{}/api/v1/tracking/events", self.address);
        let body = json!({ "events": events }).to_string();
        let request =
            self.client.post(url).header("X-API-Key", &self.key).header("Content-Type", "application/json").body(body);
        let Ok(answer) = request.timeout(Duration::from_secs(20)).send().await else { return false };
        let status = answer.status();
        let Ok(text): Result<String, _> = answer.text().await else { return false };
        if status.is_server_error() {
            return false;
        }
        assert_eq!(status, 202, "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["rejected"], 0, "{text}");
        true
    }

    /// Until everything acknowledged is in the database and in the sums.
    async fn settle(&self) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(120), "the journal is not carried over");
            let metrics = self.get("/metrics").await.unwrap_or_default();
            let gauge =
                |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            if gauge("cuetone_journal_waiting_records ") == Some(0.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Dropped, it is killed as by `kill -9`.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What reporters have sent and were promised.
#[derive(Default)]
struct Promises {
    /// By idempotency key: when the event happened, and whether it was acknowledged.
    events: Mutex<HashMap<String, bool>>,
    next: AtomicU64,
    stop: AtomicBool,
}

impl Promises {
    /// New events, in the places of all kinds that reports have.
    fn batch(&self, random: &mut StdRng) -> Vec<Value> {
        (0..BATCH)
            .map(|_| {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let kind = EventType::ALL[random.random_range(0..EventType::ALL.len())];
                let key = format!("key-{number}");
                self.events.lock().unwrap().insert(key.clone(), false);
                json!({
                    "tenant_id": "acme",
                    "ad_id": if number.is_multiple_of(3) { "pepsi" } else { "cola" },
                    "channel_id": "news",
                    "event_type": kind.as_str(),
                    "session_id": format!("viewer-{}", random.random_range(0..200)),
                    "break_id": format!("break-{}", number / 40),
                    "device_type": "smart-tv",
                    "geo_country": "CA",
                    "idempotency_key": key,
                })
            })
            .collect()
    }

    fn keep(&self, events: &[Value]) {
        let mut known = self.events.lock().unwrap();
        for event in events {
            known.insert(event["idempotency_key"].as_str().unwrap().to_owned(), true);
        }
    }
}

/// Reports until told to stop, then until all of it was acknowledged.
async fn reporter(place: Arc<Place>, promises: Arc<Promises>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut open: VecDeque<Vec<Value>> = VecDeque::new();
    loop {
        let stopping = promises.stop.load(Ordering::Relaxed);
        if stopping && open.is_empty() {
            return;
        }
        // A repetition of what was acknowledged now and then: the answer may have got lost on the way.
        let batch = match open.pop_front() {
            Some(batch) => batch,
            None => promises.batch(&mut random),
        };
        if place.report(&batch).await {
            promises.keep(&batch);
            if random.random_range(0..8) == 0 {
                open.push_back(batch);
            }
        } else {
            open.push_back(batch);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The promises against the tables, and the tables against themselves.
async fn check(place: &Place, store: &Store, promises: &Promises) {
    let tenant: Slug = "acme".parse().unwrap();
    let scope = TenantScope::new(tenant.clone());
    let (mut found, mut after) = (Vec::<Event>::new(), 0);
    loop {
        let page = store.events_after(&scope, after, 5_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        found.extend(page.into_iter().map(|stored| stored.event));
    }
    found.retain(|event| !event.event_type.is_about_budget());
    let mut times: HashMap<EventId, usize> = HashMap::new();
    for event in &found {
        *times.entry(event.id).or_default() += 1;
    }
    let promised = promises.events.lock().unwrap().clone();
    assert!(promised.len() > 1_000, "only {} events were sent", promised.len());
    for (key, acknowledged) in &promised {
        let count = times.remove(&EventId::of_key(&tenant, key)).unwrap_or(0);
        assert!(count <= 1, "{key} is there {count} times");
        assert!(count == 1 || !acknowledged, "{key} was acknowledged and is lost");
    }
    assert!(times.is_empty(), "{} events come from nowhere", times.len());
    // Money: what is charged is what the events say, to the millionth.
    let charged: i64 = found.iter().map(|event| event.price.micros()).sum();
    let balances = store.balances(&scope).await.unwrap();
    let spent: i64 = balances.iter().map(|balance| balance.spent.micros()).sum();
    assert_eq!(charged, spent);
    assert!(charged > 0 && charged <= 40_000_000, "{charged}");
    recount(place, &found).await;
}

/// The report of all days is a recount of the events.
async fn recount(place: &Place, events: &[Event]) {
    let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
    for event in events {
        let ad = event.ad.as_ref().map(ToString::to_string).unwrap_or_default();
        *expected.entry((ad, event.event_type.to_string())).or_default() += 1;
    }
    let path = "/api/v1/reports?from=2020-01-01&to=2099-12-31&group_by=ad&traffic=all";
    let begun = Instant::now();
    loop {
        let text = place.get(path).await.expect("a report");
        let report: Value = serde_json::from_str(&text).unwrap();
        let mut counted: BTreeMap<(String, String), i64> = BTreeMap::new();
        let columns = [
            ("impressions", "impression"),
            ("starts", "start"),
            ("first_quartiles", "first_quartile"),
            ("midpoints", "midpoint"),
            ("third_quartiles", "third_quartile"),
            ("completions", "complete"),
            ("clicks", "click"),
            ("errors", "error"),
        ];
        for row in report["rows"].as_array().expect("rows") {
            for (column, kind) in columns {
                let count = row[column].as_i64().unwrap_or(0);
                if count > 0 {
                    let ad = row["ad"].as_str().unwrap_or_default().to_owned();
                    *counted.entry((ad, kind.to_owned())).or_default() += count;
                }
            }
        }
        if counted == expected {
            return;
        }
        // Sums follow the events by a moment.
        assert!(begun.elapsed() < Duration::from_secs(30), "report: {counted:?}\nevents: {expected:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn data(place: &Place) -> std::path::PathBuf {
    Path::new(place.folder.path()).join("data")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_when_the_server_is_killed_fifty_times() {
    let place = Arc::new(Place::new(None));
    let promises = Arc::new(Promises::default());
    let reporters: Vec<_> =
        (0..REPORTERS).map(|n| tokio::spawn(reporter(place.clone(), promises.clone(), n as u64))).collect();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..KILLS {
        let running = place.start().await;
        tokio::time::sleep(Duration::from_millis(random.random_range(1..400))).await;
        drop(running);
    }
    let running = place.start().await;
    promises.stop.store(true, Ordering::Relaxed);
    for reporter in reporters {
        reporter.await.unwrap();
    }
    place.settle().await;
    let store = Store::open_file(&data(&place).join("cuetone.db")).await.unwrap();
    check(&place, &store, &promises).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_when_postgresql_is_killed_fifty_times() {
    let mut server = postgres::Server::start();
    let database = postgres::Database::fresh_on(&server.url("postgres")).await;
    let place = Arc::new(Place::new(Some(database.url())));
    let promises = Arc::new(Promises::default());
    let running = place.start().await;
    let reporters: Vec<_> =
        (0..REPORTERS).map(|n| tokio::spawn(reporter(place.clone(), promises.clone(), n as u64))).collect();
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..KILLS {
        server.kill();
        tokio::time::sleep(Duration::from_millis(random.random_range(1..100))).await;
        server.restart();
        tokio::time::sleep(Duration::from_millis(random.random_range(1..400))).await;
    }
    promises.stop.store(true, Ordering::Relaxed);
    for reporter in reporters {
        reporter.await.unwrap();
    }
    place.settle().await;
    let store = Store::open(database.url()).await.unwrap();
    check(&place, &store, &promises).await;
    store.close().await;
    drop(running);
}
