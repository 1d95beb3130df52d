//! What other processes have committed → what serves here.
//!
//! A tenant that cannot be brought up to its stored version now is tried again, later and later; the version that serves
//! goes on meanwhile, and other tenants do not wait for it. Deliberately does not know who changed what.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};

use super::{Activated, Registry, RegistryError, Stored, Turn, stored};
use crate::{bundle::Places, domain::Slug, store::TenantScope};

/// Tenants that are brought up to date side by side: more than small machines have processors, because some wait for the
/// compiler of plugins, of which there is one.
const SIDE_BY_SIDE: usize = 8;

/// What is ready is served when nothing else becomes ready for so long: a server that starts swaps once for all tenants,
/// and nobody waits for a plugin that takes long to compile.
const SERVE_AFTER: Duration = Duration::from_millis(100);

/// A stored version that cannot be activated is tried again after so long, then after twice that, and so on: some reasons
/// are gone soon (a compiler that was busy), others stay until somebody changes the tenant or the server.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(300);

/// How far this process has come.
#[derive(Default)]
pub struct Following {
    /// The database's, when all of it was looked at.
    generation: Option<i64>,
    failing: HashMap<Slug, Failing>,
}

struct Failing {
    /// The tenant's version, if the database has it.
    version: Option<i64>,
    pause: Duration,
    again: Instant,
}

/// What the database has of a tenant, beside what serves.
enum News {
    Same,
    Version(Activated),
    Gone,
}

/// What waits for the next swap, with the turns of its tenants.
#[derive(Default)]
struct Ready {
    versions: Vec<Activated>,
    gone: Vec<Slug>,
    turns: Vec<Turn>,
}

impl Following {
    /// Whether it is too soon to try this version again.
    fn waits(&self, tenant: &Slug, version: Option<i64>) -> bool {
        self.failing.get(tenant).is_some_and(|failing| failing.version == version && Instant::now() < failing.again)
    }

    /// Whether something is to be tried again now.
    fn is_due(&self) -> bool {
        self.failing.values().any(|failing| Instant::now() >= failing.again)
    }

    fn failed(&mut self, tenant: Slug, version: Option<i64>) {
        let before = self.failing.get(&tenant).filter(|failing| failing.version == version);
        let pause = before.map_or(FIRST_RETRY, |before| (before.pause * 2).min(LAST_RETRY));
        self.failing.insert(tenant, Failing { version, pause, again: Instant::now() + pause });
    }
}

impl Registry {
    /// Activates what other processes have committed. Answers whether all that is stored serves now; what does not yet is
    /// taken up by a later call.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn follow_store(&self) -> Result<bool, RegistryError> {
        let mut following = self.following.lock().await;
        let generation = self.parts.store.generation().await?;
        if following.generation == Some(generation) && !following.is_due() {
            return Ok(following.failing.is_empty());
        }
        let known = self.snapshot.load_full();
        let current: HashMap<Slug, i64> = self.parts.store.tenants().await?.into_iter().collect();
        let all: HashSet<&Slug> = current.keys().chain(known.tenants.keys()).collect();
        let version = |tenant: &Slug| current.get(tenant).copied();
        let differs = |tenant: &Slug| known.tenants.get(tenant).map(|known| known.version) != version(tenant);
        let differing: Vec<&Slug> = all.into_iter().filter(|tenant| differs(tenant)).collect();
        following.failing.retain(|tenant, _| differs(tenant));

        let mut all_seen = true;
        let due = differing.into_iter().filter(|tenant| !following.waits(tenant, version(tenant)));
        let due: Vec<Slug> = due.cloned().collect();
        let look = |tenant: Slug| async move {
            // Who changes it here right now finds out by himself what another process did.
            let Ok(turn) = self.turns.of(tenant.clone()).try_lock_owned() else { return (tenant, None) };
            let turn: Turn = Arc::new(turn);
            let news = self.news(&tenant, &turn).await;
            (tenant, Some((turn, news)))
        };
        let mut looking = stream::iter(due.into_iter().map(look)).buffer_unordered(SIDE_BY_SIDE);
        let mut ready = Ready::default();
        let mut broken = None;
        loop {
            let (tenant, looked) = match timeout(SERVE_AFTER, looking.next()).await {
                Ok(Some(looked)) => looked,
                Ok(None) => break,
                Err(_) => {
                    self.serve_ready(&mut ready).await?;
                    continue;
                }
            };
            let Some((turn, news)) = looked else {
                all_seen = false;
                continue;
            };
            if news.is_ok() {
                following.failing.remove(&tenant);
            }
            match news {
                Ok(News::Same) => {}
                Ok(News::Version(activated)) => {
                    ready.versions.push(activated);
                    ready.turns.push(turn);
                }
                Ok(News::Gone) => {
                    ready.gone.push(tenant);
                    ready.turns.push(turn);
                }
                Err(RegistryError::Store(error)) => {
                    broken = Some(error);
                    break;
                }
                Err(error) => {
                    // It was valid when it was committed; the version before goes on serving.
                    tracing::error!(%tenant, %error, "a stored tenant cannot be activated; it is tried again");
                    let version = version(&tenant);
                    following.failed(tenant, version);
                }
            }
        }
        drop(looking);
        self.serve_ready(&mut ready).await?;
        metrics::gauge!("cuetone_tenants_not_activated").set(following.failing.len() as f64);
        match broken {
            Some(error) => Err(error.into()),
            None => {
                following.generation = all_seen.then_some(generation);
                Ok(all_seen && following.failing.is_empty())
            }
        }
    }

    /// Brings one tenant up to what is stored: another process was faster than a change of ours.
    pub(super) async fn catch_up_with(&self, tenant: &Slug, turn: &Turn) -> Result<(), RegistryError> {
        match self.news(tenant, turn).await? {
            News::Same => Ok(()),
            News::Version(activated) => self.swap(vec![activated], &[]).await,
            News::Gone => self.swap(Vec::new(), &[tenant]).await,
        }
    }

    async fn serve_ready(&self, ready: &mut Ready) -> Result<(), RegistryError> {
        let Ready { versions, gone, turns } = mem::take(ready);
        if !turns.is_empty() {
            self.swap(versions, &gone.iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// What is stored of a tenant, compiled where it is another version than what serves.
    async fn news(&self, tenant: &Slug, turn: &Turn) -> Result<News, RegistryError> {
        let serving = self.snapshot.load().tenants.get(tenant).map(|known| known.version);
        let stored = stored(&self.parts.store, &TenantScope::new(tenant.clone())).await?;
        match stored {
            Some(Stored { version, .. }) if serving == Some(version) => Ok(News::Same),
            Some(Stored { version, manifest }) => {
                let compiled = self.compile(Arc::unwrap_or_clone(manifest), Places::default(), turn).await?;
                Ok(News::Version((Arc::new(compiled), version)))
            }
            None if serving.is_some() => Ok(News::Gone),
            None => Ok(News::Same),
        }
    }
}
