//! Wiring: from settings to a running server, and back down in order. The only file that sees all parts.

mod background;
mod watch;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use axum::{Router, http::HeaderName, serve::ListenerExt};
use tokio::{net::TcpListener, sync::watch as signal, task::JoinHandle};

use crate::{
    config::Config,
    creatives::Creatives,
    decider::{self, Decider, DecisionLog, Exposures},
    demand::{self, Demand},
    domain::{Clock, Span, SystemClock},
    extension::{Allowance, ExtensionError, Extensions, monotonic, wasm::Artefacts},
    geo::{Geo, GeoDatabase},
    http::{
        self, Player,
        admin::Admin,
        auth::{KeyRing, PLATFORM_KEY_VARIABLE},
        client::ClientConfig,
        dashboard::Dashboard,
        limits::TenantLimits,
        ops::{Check, Ops, install_metrics},
        player::Counters,
        request_id::RequestIds,
        tracking::{Live, LiveParts, Tracking},
    },
    ledger::Ledger,
    origin::OriginContext,
    outbound::{Outbound, OutboundConfig},
    registry::{Parts, Registry},
    secret::{KEY_VARIABLE, MasterKey, random_key},
    session::{self, SessionSettings, Sessions},
    store::Store,
    tracking::{
        Intake, Journal, Outbox, Rollups, SinkRunner,
        intake::{Judge, TrafficLists},
        journal,
        outbox::{self, BeaconTiming},
        sinks::{SinkTiming, Tools, vault::Vault},
    },
};

/// The database file inside the data folder.
const DATABASE_FILE: &str = "cuetone.db";

/// The journal's folder inside the data folder.
const JOURNAL_FOLDER: &str = "journal";

/// Where plugins' machine code is kept, inside the data folder. What is deleted there is made again.
const ARTEFACTS_FOLDER: &str = "plugins";

/// What the journal may hold while the database is away: half a day of 500 events a second. A disk that runs full takes
/// the whole server down.
const MAX_JOURNAL_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// A server that is built and not yet listening.
pub struct App {
    pub registry: Arc<Registry>,
    pub store: Store,
    pub sessions: Arc<Sessions>,
    pub creatives: Arc<Creatives>,
    router: Router,
    pub journal: Arc<Journal>,
    sinks: Arc<SinkRunner>,
    outbox: Arc<Outbox>,
    ledger: Arc<Ledger>,
    decisions: Arc<DecisionLog>,
    rollups: Rollups,
    keys: Arc<KeyRing>,
    geo: Option<Arc<GeoDatabase>>,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    stopping: Arc<AtomicBool>,
    closing: signal::Sender<bool>,
    tenants_dir: Option<PathBuf>,
    grace: Duration,
}

/// Opens the database that the settings name.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("the data folder {} cannot be made", config.data_dir.display()))?;
    let opened = match &config.database_url {
        Some(url) => Store::open(url.as_str()).await,
        None => Store::open_file(&config.data_dir.join(DATABASE_FILE)).await,
    };
    opened.context("the database cannot be opened")
}

impl App {
    /// Builds everything and activates the bundles in the database.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        Self::build_with(config, Arc::new(SystemClock)).await
    }

    pub async fn build_with(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        // Before anything counts. A second server in one process (tests) goes without.
        let metrics = install_metrics();
        let store = open_store(config).await?;
        let key = std::env::var(KEY_VARIABLE).ok();
        let geo = config.trusted.geo_database.as_deref().map(GeoDatabase::open).transpose();
        let geo = geo.context("trusted.geo_database")?;
        let master_key = MasterKey::load(&config.data_dir, key.as_deref())?;
        let outbound = Outbound::new(OutboundConfig {
            allow_hosts: config.outbound.allow_hosts.clone(),
            timeout: config.outbound.timeout(),
            connect_timeout: config.outbound.connect_timeout(),
            max_body_bytes: usize::try_from(config.outbound.max_body_bytes)?,
            ..OutboundConfig::default()
        })?;
        let stale = Span::from(config.origin.stale());
        let origins = Arc::new(OriginContext::new(outbound.clone(), clock.clone(), config.outbound.timeout(), stale));
        let creatives = Creatives::new(origins.clone());
        let ledger = Ledger::new(store.clone(), format!("{:016x}", rand::random::<u64>()), clock.clone());
        let journal = Journal::open(journal::Parts {
            folder: &config.data_dir.join(JOURNAL_FOLDER),
            max_bytes: MAX_JOURNAL_BYTES,
            random: rand::random::<u32>(),
            clock: &*clock,
            ledger: ledger.clone(),
            store: store.clone(),
        });
        let journal = journal.with_context(|| format!("the journal in {}", config.data_dir.display()))?;
        let vault = Vault::new(store.clone(), master_key.clone());
        let sinks = Arc::new(SinkRunner::new(Tools {
            store: store.clone(),
            journal: journal.clone(),
            outbound: outbound.clone(),
            vault: vault.clone(),
            data_dir: config.data_dir.clone(),
            node: format!("{:016x}", rand::random::<u64>()),
            clock: clock.clone(),
            random: Arc::new(rand::random::<f64>),
            timing: SinkTiming::default(),
        }));
        let extensions = extensions(config, &master_key)?.allowing(allowance(config));
        let registry = Registry::new(Parts {
            store: store.clone(),
            extensions: extensions.clone(),
            origins,
            creatives: creatives.clone(),
            sinks: sinks.clone(),
            ledger: ledger.clone(),
            master_key: master_key.clone(),
            clock: clock.clone(),
        });
        registry.follow_store().await?;
        let rollups = Rollups::new(store.clone(), clock.clone(), background::report_tenants(registry.clone()));
        let settings = SessionSettings {
            idle: config.session.idle_ttl(),
            max: config.session.max,
            link_life: config.segment_url_ttl(),
        };
        let demand = Demand::new(demand::Parts {
            outbound,
            creatives: creatives.clone(),
            clock: clock.clone(),
            monotonic: monotonic(),
            random: Arc::new(rand::random::<u64>),
        });
        let days = registry.clone();
        let outbox = Outbox::start(outbox::Parts {
            store: store.clone(),
            demand: demand.clone(),
            master_key,
            clock: clock.clone(),
            day_of: Arc::new(move |tenant, at| days.day_of(tenant, at)),
            timing: BeaconTiming::default(),
        });
        let log = DecisionLog::start(store.clone());
        let decider = Decider::new(decider::Parts {
            exposures: Exposures::new(store.clone()),
            ledger: ledger.clone(),
            log: log.clone(),
            clock: clock.clone(),
        });
        let sessions = Sessions::new(session::Parts {
            registry: registry.clone(),
            creatives: creatives.clone(),
            journal: journal.clone(),
            decider: decider.clone(),
            demand,
            outbox: outbox.clone(),
            clock: clock.clone(),
            random: Arc::new(rand::random::<u64>),
            settings,
        });
        let stopping = Arc::new(AtomicBool::new(false));
        let (closing, closed) = signal::channel(false);
        let lists = traffic_lists(config)?;
        let countries = geo.as_ref().map(|geo| geo.clone() as Arc<dyn Geo>);
        let intake = Intake::new(journal.clone(), Judge { traffic: lists, geo: countries });
        let live = Live::new(LiveParts {
            store: store.clone(),
            sessions: sessions.clone(),
            clock: clock.clone(),
            node: format!("{:016x}", rand::random::<u64>()),
            closed: closed.clone(),
        });
        let player = Arc::new(Player {
            registry: registry.clone(),
            sessions: sessions.clone(),
            creatives: creatives.clone(),
            journal: journal.clone(),
            intake,
            clock: clock.clone(),
            decider,
            random: Arc::new(rand::random::<u64>),
            link_life: config.segment_url_ttl(),
            client: client_config(config, geo.as_ref())?,
            limits: TenantLimits::default(),
            request_ids: RequestIds::new(rand::random::<u32>()),
            public_url: config.public_url.clone(),
            counters: Counters::default(),
        });
        let handle = match metrics {
            Ok(handle) => handle,
            Err(error) => {
                tracing::debug!(%error, "metrics are not recorded by this server");
                metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle()
            }
        };
        let platform_key = std::env::var(PLATFORM_KEY_VARIABLE).ok();
        let keys = KeyRing::new(store.clone(), clock.clone(), platform_key.as_deref())?;
        keys.refresh().await?;
        let admin = Arc::new(Admin {
            registry: registry.clone(),
            store: store.clone(),
            creatives: creatives.clone(),
            extensions: extensions.clone(),
            keys: keys.clone(),
            vault,
            clock: clock.clone(),
            random: Arc::new(random_key),
        });
        let tracking = Arc::new(Tracking { player: player.clone(), admin: admin.clone(), live: live.clone() });
        let ops = Ops::new(checks(&store, &stopping), handle, move || extensions.exposition());
        let dashboard = config
            .dashboard
            .then(|| Arc::new(Dashboard { registry: registry.clone(), journal: journal.clone(), closed }));
        // Secrets are variables, and no settings.
        let secrets = [KEY_VARIABLE, PLATFORM_KEY_VARIABLE];
        for name in config.ignored_env.iter().filter(|name| !secrets.contains(&name.as_str())) {
            tracing::warn!(variable = name, "an environment variable names no setting");
        }
        Ok(Self {
            keys,
            router: http::router(player, ops, admin, tracking, dashboard),
            registry,
            store,
            sessions,
            creatives,
            journal,
            sinks,
            outbox,
            ledger,
            decisions: log,
            rollups,
            geo,
            live,
            clock,
            stopping,
            closing,
            tenants_dir: config.tenants_dir.clone(),
            grace: config.shutdown_grace(),
        })
    }

    /// Adds routes: the demo's origin.
    #[must_use]
    pub fn with_routes(mut self, extra: Router) -> Self {
        self.router = self.router.merge(extra);
        self
    }

    /// Applies every tenant's folder in `dir` now; what is not valid is logged.
    pub async fn apply_folder(&self, dir: &std::path::Path) {
        watch::look(dir, &self.registry, &mut Default::default()).await;
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `stop` resolves, then lets open requests end and writes what is queued.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut closed = self.closing.subscribe();
        let listener = listener.tap_io(|connection| {
            // Playlists are small: waiting to fill packets would only delay them.
            let _unsupported = connection.set_nodelay(true);
        });
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
            let _closed = closed.wait_for(|closing| *closing).await;
        });
        let mut server = tokio::spawn(serving.into_future());
        let background = self.background()?;
        tokio::select! {
            () = stop => {}
            ended = &mut server => return ended?.context("the server ended by itself"),
        }
        tracing::info!("stopping: no new requests, open ones may end");
        self.stopping.store(true, Ordering::Relaxed);
        self.closing.send_replace(true);
        if tokio::time::timeout(self.grace, &mut server).await.is_err() {
            tracing::warn!("requests were still open after the grace period");
            server.abort();
        }
        self.outbox.land().await;
        background.iter().for_each(JoinHandle::abort);
        self.journal.shutdown().await;
        self.outbox.shutdown().await;
        self.decisions.shutdown().await;
        if let Err(error) = self.ledger.shutdown().await {
            // Its leases run out by themselves.
            tracing::warn!(%error, "unused budget could not be given back");
        }
        self.sinks.shutdown().await;
        self.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn checks(store: &Store, stopping: &Arc<AtomicBool>) -> Vec<Check> {
    let (store, stopping) = (store.clone(), stopping.clone());
    let database = Check::new("database", move || {
        let store = store.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let running = Check::new("running", move || {
        let stopping = stopping.load(Ordering::Relaxed);
        async move { if stopping { Err("the server is stopping".to_owned()) } else { Ok(()) } }
    });
    vec![database, running]
}

/// What loads extensions; compiled plugins are kept in the data folder.
///
/// # Errors
/// Only if a shipped rule does not compile.
pub fn extensions(config: &Config, master_key: &MasterKey) -> Result<Extensions, ExtensionError> {
    let artefacts = Artefacts::new(config.data_dir.join(ARTEFACTS_FOLDER), master_key);
    Ok(Extensions::new(monotonic())?.keeping(artefacts))
}

/// What the extensions of one tenant may use together.
fn allowance(config: &Config) -> Allowance {
    let limit = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Allowance {
        cpu_percent: limit(config.extensions.cpu_percent_per_tenant),
        calls_per_second: limit(config.extensions.calls_per_second_per_tenant),
        memory_mib: limit(config.extensions.memory_mib_per_tenant),
    }
}

/// The lists of who is no viewer, as the files have them now.
fn traffic_lists(config: &Config) -> anyhow::Result<TrafficLists> {
    let read = |path: &Option<PathBuf>, name: &str| {
        let text = path.as_ref().map(|path| {
            std::fs::read_to_string(path).with_context(|| format!("{name}: {} cannot be read", path.display()))
        });
        text.transpose()
    };
    let bots = read(&config.tracking.bots_file, "tracking.bots_file")?;
    let centres = read(&config.tracking.data_centres_file, "tracking.data_centres_file")?;
    TrafficLists::read(bots.as_deref(), centres.as_deref()).map_err(|error| anyhow!("tracking: {error}"))
}

fn client_config(config: &Config, geo: Option<&Arc<GeoDatabase>>) -> anyhow::Result<ClientConfig> {
    let proxies =
        config.trusted.proxies.iter().map(|text| text.parse().map_err(|error| anyhow!("trusted.proxies: {error}")));
    let geo_header = config.trusted.geo_header.as_deref().map(|name| HeaderName::try_from(name.to_ascii_lowercase()));
    Ok(ClientConfig {
        trusted_proxies: proxies.collect::<Result<_, _>>()?,
        geo_header: geo_header.transpose().context("trusted.geo_header is no header name")?,
        geo: geo.map(|geo| geo.clone() as Arc<dyn Geo>),
    })
}
