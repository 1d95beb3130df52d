//! Ads' creatives: fetched ahead of any break, measured, kept ready; refreshed in the background.
//!
//! A decision only ever looks here; it never waits for a creative. Knows addresses and ladders. Deliberately does not
//! know tenants, campaigns or viewers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    domain::{Moment, Span},
    media::{
        multivariant::{Multivariant, is_multivariant},
        playlist::MediaPlaylist,
    },
    origin::OriginContext,
    outbound::GetOptions,
    stitch::ladder::{Creative, creative},
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

/// Distinct versions of creatives kept playable.
const MAX_PLAYABLE: u64 = 200_000;

/// Pause of the keeper between two looks.
const TICK: Duration = Duration::from_millis(250);

/// Where a creative stands.
#[derive(Clone, Debug)]
pub enum Readiness {
    Loading,
    Ready(Arc<Creative>),
    Failed(Arc<str>),
}

struct Entry {
    readiness: Readiness,
    due: Moment,
    failures: u32,
}

pub struct Creatives {
    context: Arc<OriginContext>,
    by_url: Mutex<HashMap<Url, Entry>>,
    playable: moka::sync::Cache<Arc<str>, Arc<Creative>>,
}

impl Creatives {
    pub fn new(context: Arc<OriginContext>) -> Arc<Self> {
        let playable = moka::sync::Cache::builder().max_capacity(MAX_PLAYABLE).time_to_idle(KEEP_PLAYABLE).build();
        Arc::new(Self { context, by_url: Mutex::default(), playable })
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
        let loaded = self.fetch(url).await;
        let now = self.context.clock.now();
        let mut known = self.by_url.lock();
        let Some(entry) = known.get_mut(url) else { return };
        match loaded {
            Ok(creative) => {
                let creative = match &entry.readiness {
                    // The same content keeps its allocation and with it the pods that share it.
                    Readiness::Ready(before) if before.id == creative.id => before.clone(),
                    _ => Arc::new(creative),
                };
                self.playable.insert(creative.id.clone(), creative.clone());
                *entry = Entry { readiness: Readiness::Ready(creative), due: now + REFRESH_AFTER, failures: 0 };
            }
            Err(reason) => {
                let pause = FIRST_RETRY * (1 << entry.failures.min(10));
                entry.due = now + pause.min(LONGEST_RETRY);
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

    async fn fetch(&self, url: &Url) -> Result<Creative, String> {
        let (body, base) = self.get(url).await?;
        let mut digest = Sha256::new();
        digest.update(base.as_str());
        digest.update(&body);
        let (multivariant, bodies) = if is_multivariant(&body) {
            let multivariant = Multivariant::parse(&body, &base).map_err(|error| error.to_string())?;
            let fetches = multivariant.renditions.iter().map(|rendition| self.get(&rendition.url));
            let bodies = join_all(fetches).await;
            (multivariant, bodies)
        } else {
            (Multivariant::wrapper(&base), vec![Ok((body, base))])
        };
        let mut media = Vec::with_capacity(bodies.len());
        for fetched in bodies {
            let (body, base) = fetched?;
            let playlist = MediaPlaylist::parse(&body).map_err(|error| error.to_string())?;
            if !playlist.ended {
                return Err("the creative is a live playlist: it has no #EXT-X-ENDLIST".to_owned());
            }
            digest.update(&body);
            media.push(Some((playlist, base)));
        }
        // Long enough that nobody finds another tenant's by trying.
        let id = URL_SAFE_NO_PAD.encode(digest.finalize().get(..ID_BYTES).unwrap_or_default());
        creative(id.into(), &multivariant, &media).map_err(|unfit| unfit.to_string())
    }

    async fn get(&self, url: &Url) -> Result<(Bytes, Url), String> {
        let options = GetOptions { deadline: Some(self.context.deadline), ..GetOptions::default() };
        let fetched = self.context.outbound.get(url, options).await.map_err(|error| error.to_string())?;
        if fetched.is_success() {
            Ok((fetched.body, fetched.final_url))
        } else {
            Err(format!("HTTP {}", fetched.status))
        }
    }
}
