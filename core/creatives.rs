//! Ads' creatives: fetched ahead of any break, measured, kept ready; refreshed in the background.
//!
//! A decision only ever looks here; it never waits for a creative. What an ad server names is loaded when it is first
//! asked for (in [`external`]). Knows addresses and ladders. Deliberately does not know tenants, campaigns or viewers.

mod external;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use url::Url;

use self::external::External;
pub use self::external::NotReady;
use crate::{
    domain::{Moment, Span},
    media::{
        multivariant::{Multivariant, is_multivariant},
        playlist::{MediaPlaylist, PlaylistError},
    },
    origin::OriginContext,
    outbound::{GetOptions, OutboundError},
    stitch::ladder::{Creative, RungSegment, Unfit, creative},
};

/// A creative that works is looked at again this often.
const REFRESH_AFTER: Span = Span::from_secs(600);

/// First pause after a failure; doubled up to the longest.
const FIRST_RETRY: Span = Span::from_secs(2);
const LONGEST_RETRY: Span = Span::from_secs(120);

/// Creatives that are fetched at a time: many, as each may hang until its deadline.
const PARALLEL: usize = 32;

/// Bytes of a creative's id, a cut SHA-256.
const ID_BYTES: usize = 12;

/// How long a creative that is no longer offered can still be played: a viewer may have it in a paused playlist.
const KEEP_PLAYABLE: Duration = Duration::from_secs(24 * 3600);

/// Bytes of creatives kept playable, roughly: some 50,000 versions of an ordinary one.
const PLAYABLE_BYTES: u64 = 1024 * 1024 * 1024;

/// Pause of the keeper between two looks.
const TICK: Duration = Duration::from_millis(250);

/// Where a creative stands.
#[derive(Clone, Debug)]
pub enum Readiness {
    Loading,
    Ready(Arc<Creative>),
    Failed(Arc<str>),
}

/// Why a creative cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreativeError {
    #[error(transparent)]
    Fetch(#[from] OutboundError),
    #[error("HTTP {0}")]
    Status(u16),
    #[error(transparent)]
    Playlist(#[from] PlaylistError),
    #[error("the creative is a live playlist: it has no #EXT-X-ENDLIST")]
    Live,
    #[error("the creative has {0} renditions, more than an ad needs")]
    Renditions(usize),
    #[error("{0}")]
    Unfit(Unfit),
}

/// What loading one creative may cost.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes of each playlist; the client's own limit when absent.
    body: Option<usize>,
    renditions: usize,
}

impl Limits {
    /// An operator's own creatives are bounded by what is bounded anyway.
    const OWN: Self = Self { body: None, renditions: usize::MAX };
}

struct Entry {
    readiness: Readiness,
    due: Moment,
    failures: u32,
}

pub struct Creatives {
    context: Arc<OriginContext>,
    by_url: Mutex<HashMap<Url, Entry>>,
    external: External,
    playable: moka::sync::Cache<Arc<str>, Arc<Creative>>,
}

impl Creatives {
    pub fn new(context: Arc<OriginContext>) -> Arc<Self> {
        // The creative used longest ago goes: one that was loaded just now is about to be played.
        let playable = moka::sync::Cache::builder()
            .max_capacity(PLAYABLE_BYTES)
            .weigher(|_: &Arc<str>, creative: &Arc<Creative>| weight(creative))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(KEEP_PLAYABLE)
            .build();
        Arc::new(Self { context, by_url: Mutex::default(), external: External::new(), playable })
    }

    /// Makes the creatives kept ready those of `urls`: all that any tenant offers.
    pub fn keep(&self, urls: &HashSet<Url>) {
        let mut known = self.by_url.lock();
        known.retain(|url, _| urls.contains(url));
        for url in urls {
            known.entry(url.clone()).or_insert_with(|| Entry {
                readiness: Readiness::Loading,
                due: Moment::default(),
                failures: 0,
            });
        }
    }

    pub fn readiness(&self, url: &Url) -> Readiness {
        self.by_url.lock().get(url).map_or(Readiness::Loading, |entry| entry.readiness.clone())
    }

    /// A creative by the id that ad-segment addresses carry.
    pub fn playable(&self, id: &str) -> Option<Arc<Creative>> {
        self.playable.get(id)
    }

    /// Whether some creative has not been looked at yet, as just after a start.
    pub fn is_loading(&self) -> bool {
        self.by_url.lock().values().any(|entry| matches!(entry.readiness, Readiness::Loading))
    }

    /// How many are ready, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        let known = self.by_url.lock();
        let ready = known.values().filter(|entry| matches!(entry.readiness, Readiness::Ready(_))).count();
        (ready, known.len())
    }

    /// Fetches what is due, for ever. Run as one background task.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.refresh().await;
            tokio::time::sleep(TICK).await;
        }
    }

    /// Fetches what is due now.
    pub async fn refresh(&self) {
        let now = self.context.clock.now();
        let due: Vec<Url> = {
            let known = self.by_url.lock();
            known.iter().filter(|(_, entry)| entry.due <= now).map(|(url, _)| url.clone()).collect()
        };
        stream::iter(&due).for_each_concurrent(PARALLEL, |url| self.load(url)).await;
    }

    async fn load(&self, url: &Url) {
        let loaded = self.fetch(url, Limits::OWN).await;
        let now = self.context.clock.now();
        let mut known = self.by_url.lock();
        let Some(entry) = known.get_mut(url) else { return };
        match loaded {
            Ok(creative) => {
                let before = match &entry.readiness {
                    Readiness::Ready(before) => Some(before),
                    Readiness::Loading | Readiness::Failed(_) => None,
                };
                let creative = self.make_playable(creative, before);
                *entry = Entry { readiness: Readiness::Ready(creative), due: now + REFRESH_AFTER, failures: 0 };
            }
            Err(error) => {
                let reason = error.to_string();
                entry.due = now + pause_after(entry.failures);
                if entry.failures == 0 {
                    tracing::warn!(
                        creative.host = url.host_str(),
                        creative.path = url.path(),
                        reason,
                        "an ad's creative cannot be used"
                    );
                }
                entry.failures += 1;
                metrics::counter!("cuetone_creative_failures_total").increment(1);
                // What worked a moment ago goes on working.
                if !matches!(entry.readiness, Readiness::Ready(_)) {
                    entry.readiness = Readiness::Failed(reason.into());
                }
            }
        }
    }

    /// The same content keeps its allocation and with it the pods that share it.
    fn make_playable(&self, fresh: Creative, before: Option<&Arc<Creative>>) -> Arc<Creative> {
        let creative = match before {
            Some(before) if before.id == fresh.id => before.clone(),
            _ => Arc::new(fresh),
        };
        self.playable.insert(creative.id.clone(), creative.clone());
        creative
    }

    async fn fetch(&self, url: &Url, limits: Limits) -> Result<Creative, CreativeError> {
        let (body, base) = self.get(url, limits).await?;
        let mut digest = Sha256::new();
        digest.update(base.as_str());
        digest.update(&body);
        let (multivariant, bodies) = if is_multivariant(&body) {
            let multivariant = Multivariant::parse(&body, &base)?;
            let count = multivariant.renditions.len();
            if count > limits.renditions {
                return Err(CreativeError::Renditions(count));
            }
            let fetches = multivariant.renditions.iter().map(|rendition| self.get(&rendition.url, limits));
            let bodies = join_all(fetches).await;
            (multivariant, bodies)
        } else {
            (Multivariant::wrapper(&base), vec![Ok((body, base))])
        };
        let mut media = Vec::with_capacity(bodies.len());
        for fetched in bodies {
            let (body, base) = fetched?;
            let playlist = MediaPlaylist::parse(&body)?;
            if !playlist.ended {
                return Err(CreativeError::Live);
            }
            digest.update(&body);
            media.push(Some((playlist, base)));
        }
        // Long enough that nobody finds another tenant's by trying.
        let id = URL_SAFE_NO_PAD.encode(digest.finalize().get(..ID_BYTES).unwrap_or_default());
        creative(id.into(), &multivariant, &media).map_err(CreativeError::Unfit)
    }

    async fn get(&self, url: &Url, limits: Limits) -> Result<(Bytes, Url), CreativeError> {
        let deadline = Some(self.context.deadline);
        let options = GetOptions { deadline, max_body: limits.body, ..GetOptions::default() };
        let fetched = self.context.outbound.get(url, options).await?;
        if fetched.is_success() {
            Ok((fetched.body, fetched.final_url))
        } else {
            Err(CreativeError::Status(fetched.status))
        }
    }
}

fn pause_after(failures: u32) -> Span {
    (FIRST_RETRY * (1 << failures.min(10))).min(LONGEST_RETRY)
}

/// Bytes that a creative takes, roughly.
fn weight(creative: &Creative) -> u32 {
    let segment = |segment: &RungSegment| size_of::<RungSegment>() + segment.url.len();
    let bytes: usize = creative.rungs.iter().flat_map(|rung| &rung.segments).map(segment).sum();
    u32::try_from(bytes + size_of::<Creative>()).unwrap_or(u32::MAX)
}
