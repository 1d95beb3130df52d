//! Tenants' states → compiled, immutable [`Snapshot`]s. The only writer of snapshots.
//!
//! Every door (`cuetone apply`, a watched folder, the admin API, a roll-back, a campaign that pauses itself, a change that
//! another node made) leads to one function: validate all, compile and try every script off the async threads, commit,
//! swap. A failure at any step leaves what serves serving. Requests take the snapshot of the moment; sessions keep what
//! they have decided. Deliberately does not know HTTP.

mod activate;
mod beside;
mod catch_up;
mod followed;
mod keeper;
mod persist;
mod snapshot;
mod tags;
mod traces;
mod trial;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use self::{
    activate::{Compiled, check, check_files},
    beside::Companions,
    followed::{Followed, Followers, Version},
    persist::{Committed, Stored, commit, compiled_at, stored},
    snapshot::{ChannelRuntime, Snapshot, TenantRuntime},
    traces::Traces,
    trial::{TrialFigures, TrialRuntime, TrialWatch},
};
use crate::{
    bundle::{self, BundleErrors, BundleFiles, Document, Places},
    creatives::Creatives,
    decision::local_time::local_time,
    domain::{Clock, Moment, Slug, TenantManifest},
    extension::{Checked, ExtensionError, Extensions},
    ledger::Ledger,
    origin::OriginContext,
    secret::MasterKey,
    store::{Author, Store, StoreError, TenantScope},
    tracking::SinkRunner,
    turns::Turns,
};

/// How often an edit is tried anew when another node was faster. Each loss means that somebody else's edit succeeded.
const MAX_ATTEMPTS: usize = 20;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{0}")]
    Bundle(#[from] BundleErrors),
    #[error("{0}")]
    Extension(#[from] ExtensionError),
    #[error("the bundle is of tenant `{found}`, not `{expected}`")]
    OtherTenant { expected: Slug, found: Slug },
    #[error("there is no tenant `{0}`")]
    NoTenant(Slug),
    #[error("tenant `{tenant}` has no version {version}")]
    NoVersion { tenant: Slug, version: i64 },
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("a script's compilation was interrupted")]
    Interrupted,
}

/// What activation needs from the rest of the server.
pub struct Parts {
    pub store: Store,
    pub extensions: Extensions,
    pub origins: Arc<OriginContext>,
    pub creatives: Arc<Creatives>,
    pub sinks: Arc<SinkRunner>,
    pub ledger: Arc<Ledger>,
    pub master_key: MasterKey,
    pub clock: Arc<dyn Clock>,
}

pub struct Registry {
    parts: Parts,
    snapshot: ArcSwap<Snapshot>,
    /// One change of a tenant at a time. Compiling may take long; nobody waits for another tenant's.
    turns: Turns<Slug, Mutex<()>>,
    /// One swap at a time, so that no two lose each other's work. Nothing is compiled meanwhile.
    swapping: Mutex<()>,
    following: Mutex<catch_up::Following>,
}

/// While one of its clones is there, nobody else changes this tenant or compiles for it: a compilation keeps one until it
/// is done, even where nobody waits for it any more.
pub type Turn = Arc<OwnedMutexGuard<()>>;

/// A tenant compiled, with the version that it is.
type Activated = (Arc<Compiled>, i64);

impl Registry {
    pub fn new(parts: Parts) -> Arc<Self> {
        let snapshot = ArcSwap::from_pointee(Snapshot::default());
        let (turns, swapping, following) = Default::default();
        Arc::new(Self { parts, snapshot, turns, swapping, following })
    }

    /// The snapshot of the moment.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// How often plugins had to be looked at since the start.
    pub fn checked_plugins(&self) -> Checked {
        self.parts.extensions.checked_plugins()
    }

    /// The day of a moment on a tenant's clock, as `2025-01-15`; of a tenant that is gone, in UTC.
    pub fn day_of(&self, tenant: &Slug, at: Moment) -> String {
        let snapshot = self.snapshot.load();
        let local = match snapshot.tenants.get(tenant) {
            Some(runtime) => runtime.index.local_time(at),
            None => local_time(at, &TimeZone::UTC),
        };
        format!("{:04}-{:02}-{:02}", local.year, local.month, local.day)
    }

    /// A tenant's version and state, as they serve now.
    pub fn document(&self, tenant: &Slug) -> Option<(i64, Document)> {
        let snapshot = self.snapshot.load();
        let runtime = snapshot.tenants.get(tenant)?;
        Some((runtime.version, Document::new(runtime.manifest.clone())))
    }

    /// Waits until nobody else changes this tenant or compiles for it: each tenant has one such turn at a time.
    pub async fn turn(&self, tenant: &Slug) -> Turn {
        Arc::new(self.turns.of(tenant.clone()).lock_owned().await)
    }

    /// Makes a tenant what a bundle says.
    pub async fn apply(&self, files: BundleFiles, author: &Author) -> Result<Committed, RegistryError> {
        let parsed = tokio::task::spawn_blocking(move || bundle::parse_located(&files));
        let parsed = parsed.await.map_err(|_| RegistryError::Interrupted)??;
        let tenant = parsed.manifest.tenant.slug.clone();
        let turn = self.turn(&tenant).await;
        let compiled = Arc::new(self.compile(parsed.manifest, parsed.places, &turn).await?);
        for _ in 0..MAX_ATTEMPTS {
            match self.commit(&tenant, compiled.clone(), author).await {
                Err(RegistryError::Store(StoreError::Conflict { .. })) => self.catch_up_with(&tenant, &turn).await?,
                outcome => return outcome,
            }
        }
        self.commit(&tenant, compiled, author).await
    }

    /// Edits a tenant's document and activates the result; answers the new version and what `edit` answered. A tenant that
    /// does not exist is made when `edit` fills the empty document. `edit` runs again if another node was faster.
    pub async fn change<T, E: From<RegistryError>>(
        &self,
        tenant: &Slug,
        author: &Author,
        edit: impl Fn(&mut Document) -> Result<T, E>,
    ) -> Result<(i64, T), E> {
        let turn = self.turn(tenant).await;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut document = self.document(tenant).map_or_else(Document::empty, |(_, document)| document);
            let answer = edit(&mut document)?;
            let outcome = self.activate(tenant, document, author, &turn).await;
            match outcome {
                Err(RegistryError::Store(StoreError::Conflict { .. })) if attempts < MAX_ATTEMPTS => {
                    self.catch_up_with(tenant, &turn).await?;
                }
                outcome => return Ok((outcome?.version, answer)),
            }
        }
    }

    /// Makes a tenant what it was at an earlier version, as a new version.
    pub async fn roll_back(&self, tenant: &Slug, version: i64, author: &Author) -> Result<i64, RegistryError> {
        let state = self.parts.store.state_at(&TenantScope::new(tenant.clone()), version).await?;
        let state = state.ok_or_else(|| RegistryError::NoVersion { tenant: tenant.clone(), version })?;
        let manifest = persist::manifest(&state)?;
        let replaced = self.change(tenant, author, |document| {
            document.replace(&manifest);
            Ok::<(), RegistryError>(())
        });
        Ok(replaced.await?.0)
    }

    /// Removes a tenant: its state (its history stays), and with it everything that serves.
    pub async fn delete(&self, tenant: &Slug, author: &Author) -> Result<(), RegistryError> {
        let _turn = self.turn(tenant).await;
        if !self.snapshot.load().tenants.contains_key(tenant) {
            return Err(RegistryError::NoTenant(tenant.clone()));
        }
        let scope = TenantScope::new(tenant.clone());
        self.parts.store.delete_tenant(&scope, author, self.parts.clock.now()).await?;
        self.swap(Vec::new(), &[tenant]).await
    }

    async fn activate(
        &self,
        tenant: &Slug,
        document: Document,
        author: &Author,
        turn: &Turn,
    ) -> Result<Committed, RegistryError> {
        let read = tokio::task::spawn_blocking(move || document.into_manifest());
        let manifest = read.await.map_err(|_| RegistryError::Interrupted)??;
        if manifest.tenant.slug != *tenant {
            return Err(RegistryError::OtherTenant { expected: tenant.clone(), found: manifest.tenant.slug });
        }
        let compiled = Arc::new(self.compile(manifest, Places::default(), turn).await?);
        self.commit(tenant, compiled, author).await
    }

    /// Storage first, then the swap: what serves is always stored.
    async fn commit(
        &self,
        tenant: &Slug,
        compiled: Arc<Compiled>,
        author: &Author,
    ) -> Result<Committed, RegistryError> {
        let before = self.snapshot.load().tenants.get(tenant).map(|known| known.stored());
        let now = self.parts.clock.now();
        let committed = commit(&self.parts.store, before.as_ref(), &compiled.manifest, author, now).await?;
        if committed.changed {
            self.swap(vec![(compiled, committed.version)], &[]).await?;
        }
        Ok(committed)
    }

    async fn compile(
        &self,
        mut manifest: TenantManifest,
        places: Places,
        turn: &Turn,
    ) -> Result<Compiled, RegistryError> {
        let (store, extensions, turn) = (self.parts.store.clone(), self.parts.extensions.clone(), turn.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // Whichever door it came through: what other tenants have too is held once.
            manifest.scripts.values_mut().for_each(|text| *text = store.shared(text.clone()));
            check(manifest, &places, &extensions)
        });
        checked.await.map_err(|_| RegistryError::Interrupted)?
    }

    /// Serves these versions from now on, and no longer those that are gone. The caller has their turns.
    async fn swap(&self, activated: Vec<Activated>, gone: &[&Slug]) -> Result<(), RegistryError> {
        let _one = self.swapping.lock().await;
        let before = self.snapshot.load_full();
        let mut tenants = before.tenants.clone();
        for slug in gone {
            self.parts.ledger.forget(slug);
            tenants.remove(*slug);
        }
        for (compiled, version) in activated {
            let slug = compiled.manifest.tenant.slug.clone();
            if let Err(error) = self.parts.ledger.keep(&slug, version, compiled.limits()).await {
                // It goes on trying; until then campaigns with new limits give nothing.
                tracing::warn!(tenant = %slug, %error, "the ledger cannot write the limits of campaigns");
            }
            let known = before.tenants.get(&slug).map(|known| &**known);
            let runtime = TenantRuntime::new(&compiled, version, known, &self.parts);
            metrics::counter!("cuetone_bundle_activations_total").increment(1);
            tracing::info!(tenant = %slug, version, "tenant activated");
            tenants.insert(slug, Arc::new(runtime));
        }
        self.serve(Snapshot { tenants }).await
    }

    async fn serve(&self, next: Snapshot) -> Result<(), RegistryError> {
        self.parts.creatives.keep(&next.creative_urls());
        let sinks = next.sink_specs(&self.parts.master_key);
        let next = Arc::new(next);
        self.snapshot.store(next.clone());
        next.tell_followers();
        self.parts.sinks.reconcile(sinks).await?;
        Ok(())
    }
}
