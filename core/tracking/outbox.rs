//! Third parties' beacons, fired for viewers: kept before an ad is shown, fired once it was counted, tried until they
//! are through.
//!
//! 1. [`Outbox::keep`] writes an [`Order`] down, sealed, when an ad is decided; its viewer's playlist waits for that a
//!    moment, but not for a database that is away.
//! 2. [`reader`] follows the events by a durable cursor and makes rows of the addresses that they call for.
//! 3. [`courier`] sends them, and settles them in the ledger.
//!
//! So a restart loses nothing, any node can send, and no address is asked for that no event was counted for. At least
//! once: what was under way when a node died is sent again; one that stops waits for it. Knows no playlists and no routes.

mod cooling;
mod courier;
mod keeper;
mod reader;

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
};

use self::keeper::Entry;
use crate::{
    demand::{Demand, Order, limits::BEACON_TIMEOUT},
    domain::{AvailId, Clock, Moment, Slug, Span},
    secret::{MasterKey, Purpose, Sealer},
    store::{BeaconOrder, EventKey, Store},
};

/// Orders that wait for the database. One has some kilobytes: an outage costs some dozens of megabytes.
const MAX_WAITING: usize = 8_192;

/// How long a server that stops waits for beacons under way: until the last is answered, or has had its time, and is written
/// down.
const LANDING: Duration = BEACON_TIMEOUT.saturating_add(Duration::from_secs(1));

/// How long orders outlive their ads' addresses: journals of nodes that were down come late.
const GRACE: Span = Span::from_secs(24 * 3600);

/// How patiently beacons are sent.
#[derive(Clone, Copy, Debug)]
pub struct BeaconTiming {
    /// How often events and due beacons are looked for.
    pub poll: Duration,
    /// Pause after the first failure; doubled with each further one.
    pub first_pause: Span,
    pub longest_pause: Span,
    /// Attempts before a beacon has failed.
    pub attempts: u32,
    /// How long a node may take for a beacon before another tries: longer than any request.
    pub lease: Span,
}

impl Default for BeaconTiming {
    /// Eight attempts span some twenty minutes: longer than an ad server's restart; what is older than its report is of
    /// no use to it.
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            first_pause: Span::from_secs(10),
            longest_pause: Span::from_secs(600),
            attempts: 8,
            lease: Span::from_secs(30),
        }
    }
}

/// The day of a moment on a tenant's clock.
pub type DayOf = Arc<dyn Fn(&Slug, Moment) -> String + Send + Sync>;

/// What an [`Outbox`] works with.
pub struct Parts {
    pub store: Store,
    pub demand: Arc<Demand>,
    pub master_key: MasterKey,
    pub clock: Arc<dyn Clock>,
    pub day_of: DayOf,
    pub timing: BeaconTiming,
}

/// One ad in its place, whose beacons are kept.
pub struct Kept<'a> {
    pub tenant: &'a Slug,
    pub session: &'a str,
    pub avail: &'a AvailId,
    pub pod_position: u16,
    pub channel: &'a Slug,
    pub ad: &'a Slug,
    pub order: &'a Order,
    /// When the addresses that count the ad run out.
    pub expires: Moment,
}

pub struct Outbox {
    tools: Arc<Tools>,
    queue: Mutex<Option<mpsc::Sender<Entry>>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

struct Tools {
    parts: Parts,
    /// There are rows to be sent.
    due: Notify,
    phase: watch::Sender<Phase>,
}

/// Of a server's life, as its courier sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sending,
    /// Takes nothing more and waits for what is under way.
    Landing,
    /// All that was under way is written down.
    Landed,
}

impl Outbox {
    /// Starts the keeper; [`Self::run`] does the rest.
    pub fn start(parts: Parts) -> Arc<Self> {
        let tools = Arc::new(Tools { parts, due: Notify::new(), phase: watch::Sender::new(Phase::Sending) });
        let (queue, entries) = mpsc::channel(MAX_WAITING);
        let keeper = tokio::spawn(keeper::run(tools.clone(), entries));
        Arc::new(Self { tools, queue: Mutex::new(Some(queue)), keeper: Mutex::new(Some(keeper)) })
    }

    /// Queues an order now; the future resolves when it is on disk, or cannot be kept. Dropping it takes nothing back.
    pub fn keep(&self, kept: &Kept<'_>) -> impl Future<Output = ()> + Send + use<> {
        let queued = self.enqueue(kept);
        if queued.is_none() {
            metrics::counter!("cuetone_beacon_orders_lost_total").increment(1);
        }
        async move {
            if let Some(done) = queued {
                let _gone = done.await;
            }
        }
    }

    fn enqueue(&self, kept: &Kept<'_>) -> Option<oneshot::Receiver<()>> {
        let queue = self.queue.lock().clone()?;
        let key = EventKey { avail: kept.avail.clone(), pod_position: kept.pod_position, ad: kept.ad.clone() };
        let mut order = BeaconOrder {
            tenant: kept.tenant.clone(),
            session: kept.session.to_owned(),
            key,
            channel: kept.channel.clone(),
            counts: kept.order.counts().collect(),
            sealed: String::new(),
            expires: kept.expires + GRACE,
        };
        let place = order.showing().to_string();
        let sealed = kept.order.write().map_err(|error| error.to_string());
        let sealer = self.tools.sealer(kept.tenant);
        let sealed = sealed.and_then(|plain| sealer.seal(place.as_bytes(), &plain).map_err(|error| error.to_string()));
        let sealed = sealed.map(|sealed| URL_SAFE_NO_PAD.encode(sealed));
        order.sealed = sealed.inspect_err(|error| tracing::error!(error, "beacons could not be kept")).ok()?;
        let (reply, done) = oneshot::channel();
        queue.try_send(Entry { order, reply }).ok()?;
        Some(done)
    }

    /// Fires what events call for, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(reader::run(&self.tools), courier::run(&self.tools));
    }

    /// Sends no more and waits for what is under way, while [`Self::run`] goes on: who is dropped in the middle of it does not
    /// know what was answered, and the next server would send it again.
    pub async fn land(&self) {
        let phase = &self.tools.phase;
        phase.send_replace(Phase::Landing);
        let mut seen = phase.subscribe();
        let landed = seen.wait_for(|phase| *phase == Phase::Landed);
        if tokio::time::timeout(LANDING, landed).await.is_err() {
            tracing::warn!("some beacons were still under way: they are sent again");
        }
    }

    /// Takes no more orders and waits a moment for those queued.
    pub async fn shutdown(&self) {
        drop(self.queue.lock().take());
        let keeper = self.keeper.lock().take();
        if let Some(keeper) = keeper
            && let Err(error) = keeper.await
        {
            tracing::error!(%error, "the keeper of beacons ended badly");
        }
    }
}

impl Tools {
    fn now(&self) -> Moment {
        self.parts.clock.now()
    }

    fn sealer(&self, tenant: &Slug) -> Sealer {
        Sealer::new(&self.parts.master_key, tenant, Purpose::Beacons)
    }
}
