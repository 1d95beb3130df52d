//! Creatives that ad servers name: loaded when they are first asked for, kept while they are asked for.
//!
//! Nobody knows beforehand which they will be, so the first break that names one may have to go without it; it goes on
//! loading and the next break has it. What names a creative is the caller's: an address, or something that outlives the
//! tokens in it.

use std::{pin::pin, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use url::Url;

use super::{CreativeError, Creatives, Limits, REFRESH_AFTER, pause_after, weight};
use crate::{domain::Moment, stitch::ladder::Creative};

/// Nobody's break has named it for so long: forgotten.
const IDLE: Duration = Duration::from_secs(3600);

/// Bytes of creatives known, roughly: some 10,000 ordinary ones.
const KNOWN_BYTES: u64 = 256 * 1024 * 1024;

/// What a creative weighs that is not loaded.
const EMPTY_WEIGHT: u32 = 512;

/// Loaded at a time, in all and from one host: a host that hangs must not keep the others waiting.
const PARALLEL: usize = 32;
const PARALLEL_OF_HOST: usize = 8;

/// In line to be loaded. Who comes then is told that it is loading, and asks again at the next break.
const IN_LINE: usize = 1024;

/// Longest wait in line; later, nobody remembers why.
const LINE_TIME: Duration = Duration::from_secs(30);

/// Hosts whose turns are known.
const HOSTS: u64 = 10_000;

/// An ad of a minute has some ten renditions of thirty segments: a few KB each. Beyond this somebody plays games.
const LIMITS: Limits = Limits { body: Some(256 * 1024), renditions: 32 };

/// Why a creative cannot be played now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotReady {
    #[error("the creative is still loading")]
    Loading,
    #[error("the creative cannot be used: {0}")]
    Failed(CreativeError),
}

pub(super) struct External {
    known: Cache<Arc<str>, Arc<Slot>>,
    hosts: Cache<Box<str>, Arc<Semaphore>>,
    turns: Semaphore,
    line: Arc<Semaphore>,
}

struct Slot {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// The newest address.
    url: Url,
    last: Option<Result<Arc<Creative>, CreativeError>>,
    /// When it is to be loaded (again).
    due: Moment,
    failures: u32,
    loading: bool,
}

impl External {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(KNOWN_BYTES)
                .weigher(|_: &Arc<str>, slot: &Arc<Slot>| slot.weight())
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(IDLE)
                .build(),
            hosts: Cache::builder().max_capacity(HOSTS).time_to_idle(IDLE).build(),
            turns: Semaphore::new(PARALLEL),
            line: Arc::new(Semaphore::new(IN_LINE)),
        }
    }

    fn turns_of(&self, url: &Url) -> Arc<Semaphore> {
        let host = url.host_str().unwrap_or_default();
        self.hosts.get_with(host.into(), || Arc::new(Semaphore::new(PARALLEL_OF_HOST)))
    }
}

impl Slot {
    fn new(url: &Url) -> Self {
        let state = State { url: url.clone(), last: None, due: Moment::MIN, failures: 0, loading: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn weight(&self) -> u32 {
        match &self.state.lock().last {
            Some(Ok(creative)) => weight(creative).saturating_add(EMPTY_WEIGHT),
            Some(Err(_)) | None => EMPTY_WEIGHT,
        }
    }
}

impl Creatives {
    /// The creative called `key`, which is at `url` now. It is fetched once however many ask, and goes on loading when
    /// nobody waits any more; one that works is looked at again from time to time while it serves.
    pub async fn ready(
        self: &Arc<Self>,
        key: &Arc<str>,
        url: &Url,
        within: Duration,
    ) -> Result<Arc<Creative>, NotReady> {
        let until = Instant::now() + within;
        let slot = self.external.known.get_with(key.clone(), || Arc::new(Slot::new(url)));
        loop {
            let mut changed = pin!(slot.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(answer) = self.look(key, &slot, url) {
                return answer;
            }
            if timeout_at(until, changed).await.is_err() {
                return Err(NotReady::Loading);
            }
        }
    }

    /// What is known, if that is an answer. Starts to load what is due.
    fn look(self: &Arc<Self>, key: &Arc<str>, slot: &Arc<Slot>, url: &Url) -> Option<Result<Arc<Creative>, NotReady>> {
        let mut state = slot.state.lock();
        if !state.loading && state.due <= self.context.clock.now() {
            state.url = url.clone();
            let Ok(place) = self.external.line.clone().try_acquire_owned() else {
                return Some(match &state.last {
                    Some(Ok(creative)) => Ok(creative.clone()),
                    Some(Err(_)) | None => Err(NotReady::Loading),
                });
            };
            state.loading = true;
            let (creatives, key, slot) = (self.clone(), key.clone(), slot.clone());
            tokio::spawn(async move {
                let _place = place;
                creatives.load_external(&key, &slot).await;
            });
        }
        match &state.last {
            Some(Ok(creative)) => Some(Ok(creative.clone())),
            Some(Err(error)) if !state.loading => Some(Err(NotReady::Failed(error.clone()))),
            Some(Err(_)) | None => None,
        }
    }

    async fn load_external(&self, key: &Arc<str>, slot: &Arc<Slot>) {
        let url = slot.state.lock().url.clone();
        let host = self.external.turns_of(&url);
        // The host's turn first: who waits for a slow host holds up nobody else.
        let turns = async { Some((host.acquire().await.ok()?, self.external.turns.acquire().await.ok()?)) };
        let loaded = match timeout(LINE_TIME, turns).await {
            Ok(Some(_turns)) => Some(self.fetch(&url, LIMITS).await),
            Ok(None) | Err(_) => None,
        };
        let now = self.context.clock.now();
        {
            let mut state = slot.state.lock();
            state.loading = false;
            match loaded {
                Some(Ok(creative)) => {
                    let before = state.last.as_ref().and_then(|last| last.as_ref().ok());
                    let creative = self.make_playable(creative, before);
                    state.last = Some(Ok(creative));
                    state.due = now + REFRESH_AFTER;
                    state.failures = 0;
                }
                Some(Err(error)) => {
                    state.due = now + pause_after(state.failures);
                    if state.failures == 0 {
                        tracing::warn!(creative.host = url.host_str(), %error, "an ad server's creative cannot be used");
                    }
                    state.failures += 1;
                    metrics::counter!("cuetone_creative_failures_total").increment(1);
                    // What worked a moment ago goes on working.
                    if !matches!(state.last, Some(Ok(_))) {
                        state.last = Some(Err(error));
                    }
                }
                None => state.due = now + pause_after(state.failures),
            }
        }
        // Weighed anew.
        self.external.known.insert(key.clone(), slot.clone());
        slot.changed.notify_waiters();
    }
}
