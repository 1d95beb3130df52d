//! A server of the test's own: built as the binary builds it, on a free port, with its own data folder and clock.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use cuetone::{
    app::App,
    bundle::BundleFiles,
    config::Config,
    creatives::Creatives,
    decision::Trace,
    domain::{Event, EventType, Slug, Text},
    outbound::install_crypto,
    registry::Registry,
    store::{Author, Door, Store, TenantScope},
    tracking::Journal,
};
use reqwest::{Method, Response, StatusCode, header::HeaderMap};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, oneshot},
    task::JoinHandle,
};

use crate::{
    origin::{HandClock, Origin, Stream},
    player::Player,
};

/// Tests that measure time want the machine for themselves.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// How long the server's origin fetches may take here: hung origins are to cost little time.
pub const ORIGIN_DEADLINE: Duration = Duration::from_millis(400);
/// Bodies above this are refused.
const MAX_BODY: u64 = 2 * 1024 * 1024;

pub enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

pub struct Server {
    pub base: String,
    pub origin: Arc<Origin>,
    pub clock: Arc<HandClock>,
    pub registry: Arc<Registry>,
    pub creatives: Arc<Creatives>,
    pub store: Store,
    pub journal: Arc<Journal>,
    pub router: Router,
    pub dir: Arc<TempDir>,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
    turn: Arc<Turn>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
    /// Asserts that this is an error in the one shape that errors have.
    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:cuetone:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        assert_eq!(problem["request_id"].as_str(), Some(self.header("x-request-id")), "{problem}");
    }
}

impl Server {
    /// A server and its origin, with one stream named `live`.
    pub async fn start(stream: Stream) -> Self {
        Self::start_with(stream, |_| {}).await
    }

    pub async fn start_with(stream: Stream, settings: impl FnOnce(&mut Config)) -> Self {
        let turn = Turn::Shared { _guard: MACHINE.read().await };
        Self::build(turn, stream, settings).await
    }

    /// While this server lives no other test's runs.
    pub async fn start_alone(stream: Stream) -> Self {
        let turn = Turn::Alone { _guard: MACHINE.write().await };
        Self::build(turn, stream, |_| {}).await
    }

    async fn build(turn: Turn, stream: Stream, settings: impl FnOnce(&mut Config)) -> Self {
        let origin = Origin::start(HandClock::new()).await;
        origin.put("live", stream);
        let dir = Arc::new(TempDir::new().expect("a folder"));
        Self::run(Arc::new(origin), dir, Arc::new(turn), settings).await
    }

    async fn run(origin: Arc<Origin>, dir: Arc<TempDir>, turn: Arc<Turn>, settings: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
        config.outbound.allow_hosts = vec![origin.address.to_string()];
        config.outbound.timeout_ms = ORIGIN_DEADLINE.as_millis() as u64;
        config.outbound.max_body_bytes = MAX_BODY;
        settings(&mut config);
        let app = App::build_with(&config, origin.clock.clone()).await.expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (registry, creatives, store) = (app.registry.clone(), app.creatives.clone(), app.store.clone());
        let journal = app.journal.clone();
        let router = app.router();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.serve(listener, async move { drop(stopped.await) }));
        install_crypto();
        let client = reqwest::Client::builder().no_proxy().no_gzip().redirect(reqwest::redirect::Policy::none());
        let client = client.build().expect("a client");
        let clock = origin.clock.clone();
        let server = Self {
            base,
            origin,
            clock,
            registry,
            creatives,
            store,
            journal,
            router,
            dir,
            client,
            stop: Some(stop),
            task,
            turn,
        };
        server.creatives.refresh().await;
        server
    }

    /// Stops as a signal does, and waits for the end.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.expect("no panic").expect("an orderly end");
    }

    pub fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn ended(&mut self) {
        (&mut self.task).await.expect("no panic").expect("an orderly end");
    }

    /// Stops, and starts again on the same data.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub async fn restart_with(mut self, settings: impl FnOnce(&mut Config)) -> Self {
        self.stop().await;
        Self::run(self.origin.clone(), self.dir.clone(), self.turn.clone(), settings).await
    }

    pub async fn apply(&self, yaml: &str) {
        self.try_apply(yaml, &[]).await.unwrap_or_else(|error| panic!("the bundle is not valid: {error}\n{yaml}"));
    }

    /// Applies a bundle and waits for its creatives.
    pub async fn try_apply(&self, yaml: &str, scripts: &[(&str, &str)]) -> Result<(), String> {
        let files = bundle(yaml, scripts);
        self.registry.apply(BundleFiles { files }, &author()).await.map_err(|error| error.to_string())?;
        self.creatives.refresh().await;
        let (ready, all) = self.creatives.progress();
        assert_eq!(ready, all, "not all creatives are ready");
        Ok(())
    }

    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.expect("an answer")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[]).await
    }

    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// A new viewer of `acme`'s channel `live`.
    pub async fn viewer(&self) -> Player {
        self.viewer_of("/fast/acme/live.m3u8").await
    }

    pub async fn viewer_of(&self, path: &str) -> Player {
        Player::open(self.client(), &format!("{}{path}", self.base)).await
    }

    /// What was counted of ads, of all that was acknowledged so far.
    pub async fn events(&self) -> Vec<Event> {
        self.journal.carried().await;
        events(&self.store).await
    }

    /// With what the server says of breaks and decisions.
    pub async fn all_events(&self) -> Vec<Event> {
        self.journal.carried().await;
        all_events(&self.store).await
    }

    /// The last decisions on `acme`'s channel `live`, newest first.
    pub fn decisions(&self, tenant: &str) -> Vec<Arc<Trace>> {
        let snapshot = self.registry.snapshot();
        snapshot.channel(tenant, "live").expect("a channel").1.traces.latest()
    }

    pub fn version(&self, tenant: &str) -> Option<i64> {
        self.registry.snapshot().tenants.get(tenant).map(|tenant| tenant.version)
    }
}

pub async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.expect("a complete body").to_vec();
    Answer { status, headers, body }
}

pub async fn events(store: &Store) -> Vec<Event> {
    let mut events = all_events(store).await;
    events.retain(|event| !EventType::OWN.contains(&event.event_type) || event.event_type.is_about_budget());
    events
}

async fn all_events(store: &Store) -> Vec<Event> {
    let scope = TenantScope::new("acme".parse::<Slug>().expect("a slug"));
    let stored = store.events_after(&scope, 0, 10_000).await.expect("events");
    stored.into_iter().map(|stored| stored.event).collect()
}

/// Who changes tenants in tests.
pub fn author() -> Author {
    Author { actor: "test".to_owned(), door: Door::Api, summary: "a test".to_owned(), request: None }
}

pub fn bundle(yaml: &str, scripts: &[(&str, &str)]) -> BTreeMap<String, Text> {
    let scripts = scripts.iter().map(|(path, text)| ((*path).to_owned(), (*text).into()));
    scripts.chain([("tenant.yaml".to_owned(), yaml.into())]).collect()
}

pub fn write_bundle(dir: &Path, yaml: &str) {
    std::fs::create_dir_all(dir).expect("a folder");
    std::fs::write(dir.join("tenant.yaml"), yaml).expect("a file");
}

/// Builds `tenant.yaml` of a tenant with one channel `live`.
#[derive(Clone)]
pub struct Yaml {
    pub slug: &'static str,
    /// Lines of the `tenant:` section.
    pub tenant: &'static str,
    /// Lines of the channel.
    pub channel: &'static str,
    /// Ads, best first: colour and segments, such as `red-5`.
    pub ads: Vec<&'static str>,
    /// Anything else at the top level.
    pub more: String,
}

impl Default for Yaml {
    fn default() -> Self {
        Self { slug: "acme", tenant: "", channel: "", ads: vec!["red-5"], more: String::new() }
    }
}

impl Yaml {
    pub fn ads(ads: &[&'static str]) -> Self {
        Self { ads: ads.to_vec(), ..Self::default() }
    }

    pub fn build(&self, origin: &Origin) -> String {
        let Self { slug, tenant, channel, ads, more } = self;
        let mut out = format!("tenant: {{ slug: {slug}, {tenant} }}\nchannels:\n  - slug: live\n");
        out += &format!("    hls_manifest_url: {}\n", origin.url("live/master.m3u8"));
        channel.lines().for_each(|line| out += &format!("    {}\n", line.trim()));
        out += "campaigns:\n";
        for (place, ad) in ads.iter().enumerate() {
            out += &format!(
                "  - {{ slug: of-{ad}, name: of {ad}, status: active, cpm: \"1.00\", priority: {} }}\n",
                100 - place
            );
        }
        out += "ads:\n";
        for ad in ads {
            let segments: i64 = ad.rsplit_once('-').expect("red-5").1.parse().expect("a number");
            let url = origin.url(&format!("ads/{ad}/master.m3u8"));
            out += &format!(
                "  - {{ slug: {ad}, campaign: of-{ad}, duration_seconds: {}, labels: {{ colour: {ad} }}, creative: {{ hls: \"{url}\" }} }}\n",
                segments * crate::origin::SEGMENT
            );
        }
        out.push_str(more);
        out
    }
}

/// Waits until something is so, at most this long; answers how long it took.
pub async fn within<F: Future<Output = bool>>(limit: Duration, what: &str, so: impl Fn() -> F) -> Duration {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
