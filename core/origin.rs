//! Origin playlists: one upstream request per refresh however many viewers ask, parsed once per version.
//!
//! An [`Origin`] is one channel's multivariant playlist; a [`Lineup`] is one version of it with a slot per rendition; a
//! slot holds the newest [`Track`]. While the origin fails, the last good version serves as long as it can be right.
//! Deliberately does not know tenants' policies, avails or viewers.

mod lineup;
mod slot;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use url::Url;

pub use self::{lineup::Lineup, slot::Slot};
use crate::{
    domain::{Clock, MarkerPolicy, Moment, Span},
    media::playlist::PlaylistError,
    outbound::{Outbound, OutboundError},
};

/// How long a multivariant playlist is used for new sessions before it is fetched again.
const LINEUP_LIFE: Span = Span::from_secs(30);

/// After a failure the origin is left alone this long, however many viewers ask.
const FAILURE_PAUSE: Span = Span::from_millis(750);

#[derive(Debug, Clone, thiserror::Error)]
pub enum OriginError {
    #[error("{url}: {source}")]
    Fetch { url: Arc<str>, source: Arc<OutboundError> },
    #[error("{url}: answered {status}")]
    Status { url: Arc<str>, status: u16 },
    #[error("{url}: {source}")]
    Playlist { url: Arc<str>, source: PlaylistError },
    #[error("{url}: the playlist has no segments")]
    Empty { url: Arc<str> },
    #[error("{url}: its renditions did not answer in time")]
    Slow { url: Arc<str> },
    #[error("no such rendition")]
    NoRendition,
}

impl OriginError {
    /// A time-out is the viewer's 504, everything else a 502.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Slow { .. }) || matches!(self, Self::Fetch { source, .. } if source.kind() == "deadline")
    }
}

/// What all origins share.
pub struct OriginContext {
    pub outbound: Outbound,
    pub clock: Arc<dyn Clock>,
    /// For one playlist, redirects and all. Shorter than a player's patience.
    pub deadline: Duration,
    /// How long a live window may be served while the origin fails.
    pub stale: Span,
    tracks: AtomicU64,
}

impl OriginContext {
    pub fn new(outbound: Outbound, clock: Arc<dyn Clock>, deadline: Duration, stale: Span) -> Self {
        Self { outbound, clock, deadline, stale, tracks: AtomicU64::new(1) }
    }

    fn next_track(&self) -> u64 {
        self.tracks.fetch_add(1, Ordering::Relaxed)
    }

    /// A playlist's bytes and the address it came from.
    async fn fetch(&self, url: &Url) -> Result<(bytes::Bytes, Url), OriginError> {
        let options = crate::outbound::GetOptions { deadline: Some(self.deadline), ..Default::default() };
        let failed = |source| OriginError::Fetch { url: shown(url), source: Arc::new(source) };
        let started = self.clock.now();
        let fetched = self.outbound.get(url, options).await.map_err(failed);
        let seconds = (self.clock.now() - started).as_secs_f64();
        let outcome = if fetched.is_ok() { "ok" } else { "error" };
        metrics::histogram!("cuetone_origin_fetch_seconds", "outcome" => outcome).record(seconds);
        let fetched = fetched?;
        if !fetched.is_success() {
            return Err(OriginError::Status { url: shown(url), status: fetched.status });
        }
        Ok((fetched.body, fetched.final_url))
    }
}

/// One channel's origin.
pub struct Origin {
    url: Url,
    markers: MarkerPolicy,
    context: Arc<OriginContext>,
    lineup: ArcSwapOption<(Arc<Lineup>, Moment)>,
    loading: tokio::sync::Mutex<Option<(Moment, OriginError)>>,
    /// Slots outlive lineups, so that numbering and dates go on. By address without its query, where that tells
    /// renditions apart: many origins sign each answer's addresses anew.
    slots: Mutex<HashMap<Url, Arc<Slot>>>,
}

impl Origin {
    pub fn new(url: Url, markers: MarkerPolicy, context: Arc<OriginContext>) -> Self {
        Self {
            url,
            markers,
            context,
            lineup: ArcSwapOption::empty(),
            loading: tokio::sync::Mutex::default(),
            slots: Mutex::default(),
        }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn markers(&self) -> MarkerPolicy {
        self.markers
    }

    /// The renditions to offer to a new session.
    pub async fn lineup(&self) -> Result<Arc<Lineup>, OriginError> {
        if let Some(lineup) = self.fresh() {
            return Ok(lineup);
        }
        let mut failure = self.loading.lock().await;
        if let Some(lineup) = self.fresh() {
            return Ok(lineup);
        }
        let now = self.context.clock.now();
        let last = self.lineup.load_full().map(|entry| entry.0.clone());
        if let Some((until, error)) = failure.as_ref()
            && now < *until
        {
            return last.ok_or_else(|| error.clone());
        }
        // One deadline for the multivariant playlist and one for all of its renditions, however many hang.
        let loading = tokio::time::timeout(self.context.deadline * 2, Lineup::load(self)).await;
        match loading.unwrap_or_else(|_| Err(OriginError::Slow { url: shown(&self.url) })) {
            Ok(lineup) => {
                // The same lineup stays the same object: sessions then share pods and playlists.
                let lineup = last.filter(|last| last.same_as(&lineup)).unwrap_or_else(|| Arc::new(lineup));
                *failure = None;
                self.lineup.store(Some(Arc::new((lineup.clone(), now + LINEUP_LIFE))));
                self.forget_unused_slots();
                Ok(lineup)
            }
            Err(error) => {
                tracing::warn!(origin.url = %shown(&self.url), error = %error, "the origin's multivariant playlist cannot be used");
                *failure = Some((now + FAILURE_PAUSE, error.clone()));
                last.ok_or(error)
            }
        }
    }

    fn fresh(&self) -> Option<Arc<Lineup>> {
        let entry = self.lineup.load();
        let (lineup, until) = entry.as_deref()?;
        (self.context.clock.now() < *until).then(|| lineup.clone())
    }

    /// The slots of renditions at `urls`; each is fetched from its newest address.
    fn slots(&self, urls: &[&Url]) -> Vec<Arc<Slot>> {
        let keys: Vec<Url> = urls.iter().map(|url| without_query(url)).collect();
        let mut slots = self.slots.lock();
        let slot = |(url, key): (&&Url, &Url)| {
            let shared = keys.iter().filter(|other| *other == key).count() > 1;
            let key = if shared { (*url).clone() } else { key.clone() };
            let slot = slots.entry(key).or_insert_with(|| Arc::new(Slot::new((*url).clone(), self.markers)));
            slot.move_to(url);
            slot.clone()
        };
        urls.iter().zip(&keys).map(slot).collect()
    }

    /// Slots that only this table still holds belong to lineups that nobody uses.
    fn forget_unused_slots(&self) {
        self.slots.lock().retain(|_, slot| Arc::strong_count(slot) > 1);
    }
}

fn without_query(url: &Url) -> Url {
    let mut plain = url.clone();
    plain.set_query(None);
    plain
}

/// An address as errors and logs show it: queries hold tokens.
fn shown(url: &Url) -> Arc<str> {
    without_query(url).as_str().into()
}
