//! The newest version of one rendition.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use url::Url;

use super::{FAILURE_PAUSE, OriginContext, OriginError, shown};
use crate::{
    domain::{MarkerPolicy, Moment, Span},
    media::{playlist::MediaPlaylist, uri::Variables},
    stitch::track::{Placement, Track, TrackContext},
};

/// A complete playlist does not change; it is looked at again in case somebody replaced it.
const VOD_LIFE: Span = Span::from_secs(300);

/// Bounds of a live version's life, whatever its target duration.
const SHORTEST_LIFE: Span = Span::from_millis(500);
const LONGEST_LIFE: Span = Span::from_secs(2);

pub struct Slot {
    url: ArcSwap<Url>,
    markers: MarkerPolicy,
    current: ArcSwapOption<Version>,
    /// Microseconds since the epoch until which `current` is fresh; outside of it so that a refresh without news costs
    /// one store.
    fresh_until: AtomicI64,
    /// Why the origin could not be used last time, and until when it is left alone.
    refresh: tokio::sync::Mutex<Option<(Moment, OriginError)>>,
}

struct Version {
    track: Arc<Track>,
    body: Bytes,
    fetched: AtomicI64,
}

impl Slot {
    pub(super) fn new(url: Url, markers: MarkerPolicy) -> Self {
        Self {
            url: ArcSwap::from_pointee(url),
            markers,
            current: ArcSwapOption::empty(),
            fresh_until: AtomicI64::new(i64::MIN),
            refresh: tokio::sync::Mutex::default(),
        }
    }

    /// The origin gave a new address for the same rendition.
    pub(super) fn move_to(&self, url: &Url) {
        if **self.url.load() != *url {
            self.url.store(Arc::new(url.clone()));
        }
    }

    /// The current version while it is fresh: no waiting, no request.
    pub fn fresh(&self, now: Moment) -> Option<Arc<Track>> {
        if now.as_micros() >= self.fresh_until.load(Ordering::Acquire) {
            return None;
        }
        self.current.load().as_ref().map(|version| version.track.clone())
    }

    /// The newest version. Whoever comes first asks the origin, the others wait for the answer.
    pub(super) async fn track(
        &self,
        context: &OriginContext,
        variables: &Variables,
        reference: Option<&Track>,
    ) -> Result<Arc<Track>, OriginError> {
        if let Some(track) = self.fresh(context.clock.now()) {
            return Ok(track);
        }
        let mut failure = self.refresh.lock().await;
        let now = context.clock.now();
        if let Some(track) = self.fresh(now) {
            return Ok(track);
        }
        if let Some((_, error)) = failure.as_ref().filter(|(until, _)| now < *until) {
            return self.stale(context, now).ok_or_else(|| error.clone());
        }
        let url = self.url.load_full();
        let fetched = match context.fetch(&url).await {
            Ok((body, base)) => self.accept(context, variables, reference, body, &base),
            Err(error) => Err(error),
        };
        match fetched {
            Ok(track) => {
                *failure = None;
                Ok(track)
            }
            Err(error) => {
                metrics::counter!("cuetone_origin_failures_total").increment(1);
                tracing::warn!(origin.url = %shown(&url), error = %error, "the origin's playlist cannot be used");
                let now = context.clock.now();
                *failure = Some((now + FAILURE_PAUSE, error.clone()));
                let stale = self.stale(context, now).ok_or(error)?;
                // What may still be shown is taken for fresh meanwhile; what is too old is not, not even for a moment.
                self.keep(now + FAILURE_PAUSE);
                Ok(stale)
            }
        }
    }

    /// Takes in a playlist.
    pub(super) fn accept(
        &self,
        context: &OriginContext,
        variables: &Variables,
        reference: Option<&Track>,
        body: Bytes,
        base: &Url,
    ) -> Result<Arc<Track>, OriginError> {
        let now = context.clock.now();
        let before = self.current.load_full();
        if let Some(version) = before.as_deref().filter(|version| version.body == body) {
            version.fetched.store(now.as_micros(), Ordering::Relaxed);
            self.keep(now + life(&version.track, false));
            return Ok(version.track.clone());
        }
        let playlist =
            MediaPlaylist::parse(&body).map_err(|source| OriginError::Playlist { url: shown(base), source })?;
        if playlist.segments.is_empty() {
            return Err(OriginError::Empty { url: shown(base) });
        }
        if let Some(version) = before.as_deref().filter(|version| version.track.is_newer_than(&playlist, base)) {
            metrics::counter!("cuetone_origin_behind_total").increment(1);
            self.keep(now + life(&version.track, false));
            return Ok(version.track.clone());
        }
        let placement = match reference {
            Some(track) => Placement::Like(track),
            None if playlist.ended => Placement::StartsAt(Moment::default()),
            None => Placement::EndsAt(now),
        };
        let track = Track::build(
            context.next_track(),
            &playlist,
            &TrackContext {
                base,
                imported: variables,
                markers: self.markers,
                previous: before.as_deref().map(|version| &*version.track),
                placement,
            },
        );
        if track.corrupt_cues > 0 {
            metrics::counter!("cuetone_corrupt_cues_total").increment(u64::from(track.corrupt_cues));
        }
        let version = Version { track: track.clone(), body, fetched: AtomicI64::new(now.as_micros()) };
        self.current.store(Some(Arc::new(version)));
        self.keep(now + life(&track, true));
        Ok(track)
    }

    fn keep(&self, until: Moment) {
        self.fresh_until.store(until.as_micros(), Ordering::Release);
    }

    /// The last good version while it can still be right.
    fn stale(&self, context: &OriginContext, now: Moment) -> Option<Arc<Track>> {
        let version = self.current.load_full()?;
        let age = now - Moment(version.fetched.load(Ordering::Relaxed));
        (version.track.ended || age <= context.stale).then(|| version.track.clone())
    }
}

/// How long a version is taken for the newest: a fraction of the time in which players come back, so that the stitched
/// edge follows the origin's closely.
fn life(track: &Track, changed: bool) -> Span {
    if track.ended {
        return VOD_LIFE;
    }
    let target = i64::from(track.target_duration) * 1_000_000;
    Span(target / if changed { 3 } else { 4 }).clamp(SHORTEST_LIFE, LONGEST_LIFE)
}
