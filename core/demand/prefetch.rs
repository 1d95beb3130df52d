//! Answers fetched ahead of their break: one for each viewer and source, given out once, forgotten when old.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};

use super::{
    Resolution,
    limits::{
        EMPTY_LIFE, MAX_GATES, PARALLEL_PREFETCHES, PARALLEL_PREFETCHES_OF_TENANT, PENDING_WEIGHT, PREFETCH_BYTES,
        PREFETCH_LIFE, PREFETCH_MEDIA_TIME,
    },
    source::{Owner, Source},
};
use crate::domain::{Moment, Slug, Span};

/// Of the time that somebody is ready to wait, the part that is left when creatives are hurried.
const HURRY_AT: u32 = 4;

/// A viewer's answer from one source.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    tenant: Slug,
    /// The caller's: a session, or a session and a break.
    session: Box<str>,
    owner: Owner,
    template: Arc<str>,
}

impl Key {
    pub(super) fn new(session: &str, source: &Source) -> Self {
        Self {
            tenant: source.tenant.clone(),
            session: session.into(),
            owner: source.owner.clone(),
            template: source.template.clone(),
        }
    }
}

pub(super) struct Prefetches {
    known: Cache<Key, Arc<Pending>>,
    turns: Arc<Semaphore>,
    of_tenant: Cache<Slug, Arc<Semaphore>>,
}

struct Pending {
    state: Mutex<State>,
    changed: Notify,
    hurry: watch::Sender<bool>,
    weight: AtomicU32,
}

enum State {
    Running,
    Done {
        resolution: Box<Resolution>,
        until: Moment,
    },
    /// Given out, or came to nothing.
    Over,
}

/// Work that was taken on: whoever holds it resolves the source and says what came of it.
pub(super) struct Started {
    prefetches: Arc<Prefetches>,
    key: Key,
    pending: Arc<Pending>,
    _turns: [OwnedSemaphorePermit; 2],
}

impl Prefetches {
    pub(super) fn new() -> Self {
        // Longer than anything is good for: what counts is each answer's own date.
        let longest = PREFETCH_LIFE + PREFETCH_MEDIA_TIME * 2;
        Self {
            known: Cache::builder()
                .max_capacity(PREFETCH_BYTES)
                .weigher(|_: &Key, pending: &Arc<Pending>| pending.weight.load(Ordering::Relaxed))
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(longest)
                .build(),
            turns: Arc::new(Semaphore::new(PARALLEL_PREFETCHES)),
            of_tenant: Cache::builder().max_capacity(MAX_GATES).build(),
        }
    }

    /// Takes the work on, unless it is being done, or has been done and its answer is still good.
    pub(super) fn start(self: &Arc<Self>, key: Key, now: Moment) -> Option<Started> {
        if self.known.get(&key).is_some_and(|pending| !pending.is_over(now)) {
            return None;
        }
        let tenant =
            self.of_tenant.get_with(key.tenant.clone(), || Arc::new(Semaphore::new(PARALLEL_PREFETCHES_OF_TENANT)));
        let turns = tenant.try_acquire_owned().and_then(|own| Ok([own, self.turns.clone().try_acquire_owned()?]));
        let Ok(turns) = turns else {
            metrics::counter!("cuetone_prefetches_total", "outcome" => "no_turn").increment(1);
            return None;
        };
        let entry = self.known.entry(key.clone());
        let entry = entry.or_insert_with_if(|| Arc::new(Pending::new()), |pending| pending.is_over(now));
        entry.is_fresh().then(|| Started { prefetches: self.clone(), key, pending: entry.into_value(), _turns: turns })
    }

    /// The answer, if it is there within that time. It is given once.
    pub(super) async fn take(&self, key: &Key, within: Duration, now: impl Fn() -> Moment) -> Option<Resolution> {
        let pending = self.known.get(key)?;
        let begun = Instant::now();
        let until = begun + within;
        let hurry = until - within / HURRY_AT;
        loop {
            let mut changed = std::pin::pin!(pending.changed.notified());
            changed.as_mut().enable();
            match pending.take(now()) {
                Taken::Answer(resolution) => {
                    self.known.invalidate(key);
                    return Some(resolution);
                }
                Taken::Nothing => return None,
                Taken::Running if within.is_zero() => return None,
                Taken::Running => {}
            }
            if timeout_at(hurry, changed.as_mut()).await.is_ok() {
                continue;
            }
            // What is there by now must do.
            let _waiting = Hurry::up(&pending.hurry);
            if timeout_at(until, changed).await.is_err() {
                return None;
            }
        }
    }
}

/// Somebody waits for the answer, as long as this lives.
struct Hurry<'a>(&'a watch::Sender<bool>);

impl<'a> Hurry<'a> {
    fn up(sender: &'a watch::Sender<bool>) -> Self {
        sender.send_replace(true);
        Self(sender)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

enum Taken {
    Answer(Resolution),
    Running,
    Nothing,
}

impl Pending {
    fn new() -> Self {
        Self {
            state: Mutex::new(State::Running),
            changed: Notify::new(),
            hurry: watch::Sender::new(false),
            weight: AtomicU32::new(PENDING_WEIGHT),
        }
    }

    fn is_over(&self, now: Moment) -> bool {
        match &*self.state.lock() {
            State::Running => false,
            State::Done { until, .. } => now >= *until,
            State::Over => true,
        }
    }

    fn take(&self, now: Moment) -> Taken {
        let mut state = self.state.lock();
        if matches!(*state, State::Running) {
            return Taken::Running;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Done { resolution, until } if now < until => Taken::Answer(*resolution),
            State::Done { .. } | State::Over | State::Running => Taken::Nothing,
        }
    }
}

impl Started {
    /// Becomes true when somebody waits for the answer.
    pub(super) fn hurry(&self) -> watch::Receiver<bool> {
        self.pending.hurry.subscribe()
    }

    pub(super) fn done(self, resolution: Resolution, now: Moment) {
        let life = if resolution.ads.is_empty() { EMPTY_LIFE } else { PREFETCH_LIFE };
        let expires = resolution.ads.iter().filter_map(|ad| ad.expires).min();
        let life = expires.unwrap_or(Span::MAX).min(life.into());
        let weight = PENDING_WEIGHT.saturating_add(u32::try_from(resolution.weight()).unwrap_or(u32::MAX));
        self.pending.weight.store(weight, Ordering::Relaxed);
        *self.pending.state.lock() = State::Done { resolution: Box::new(resolution), until: now + life };
        // Weighed anew.
        self.prefetches.known.insert(self.key.clone(), self.pending.clone());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut state = self.pending.state.lock();
        if matches!(*state, State::Running) {
            *state = State::Over;
        }
        drop(state);
        self.pending.changed.notify_waiters();
    }
}
