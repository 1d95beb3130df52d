//! Bundles → compiled, immutable [`Snapshot`]s. The only writer of snapshots.
//!
//! Three doors (`cuetone apply`, a watched folder, a bundle found in the database) lead to one function: validate all,
//! compile and try every script off the async threads, commit, swap. A failure at any step leaves what serves serving.
//! Requests take the snapshot of the moment; sessions keep what they have decided. Deliberately does not know HTTP.

mod activate;
mod snapshot;
mod traces;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicI64},
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

pub use self::{
    activate::{Compiled, check},
    snapshot::{ChannelRuntime, Snapshot, TenantRuntime},
    traces::Traces,
};
use crate::{
    bundle::{self, BundleErrors},
    creatives::Creatives,
    domain::{Clock, Slug},
    extension::{ExtensionError, Extensions},
    origin::OriginContext,
    secret::MasterKey,
    store::{Applied, Bundle, Store, StoreError, TenantScope},
    tracking::SinkRunner,
};

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{0}")]
    Bundle(#[from] BundleErrors),
    #[error("{0}")]
    Extension(#[from] ExtensionError),
    #[error("the bundle is of tenant `{found}`, not `{expected}`")]
    OtherTenant { expected: Slug, found: Slug },
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
    pub master_key: MasterKey,
    pub clock: Arc<dyn Clock>,
}

pub struct Registry {
    parts: Parts,
    snapshot: ArcSwap<Snapshot>,
    /// One change at a time, so that no two swaps lose each other's work.
    changing: Mutex<()>,
    generation: AtomicI64,
}

impl Registry {
    pub fn new(parts: Parts) -> Arc<Self> {
        let snapshot = ArcSwap::from_pointee(Snapshot::default());
        Arc::new(Self { parts, snapshot, changing: Mutex::default(), generation: AtomicI64::new(-1) })
    }

    /// The snapshot of the moment.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Validates, compiles, commits and swaps in a bundle.
    pub async fn apply(&self, files: bundle::BundleFiles) -> Result<Applied, RegistryError> {
        let _turn = self.changing.lock().await;
        let compiled = self.compile(files.clone()).await?;
        let scope = TenantScope::new(compiled.manifest.tenant.slug.clone());
        let applied = self.parts.store.put_bundle(&scope, &files.files, self.parts.clock.now()).await?;
        let known = self.snapshot.load().tenants.get(scope.tenant()).map(|tenant| tenant.version);
        if known != Some(applied.version()) {
            self.swap(compiled, applied.version()).await?;
        }
        Ok(applied)
    }

    /// Activates what other processes have committed. Answers how many tenants changed.
    pub async fn follow_store(&self) -> Result<usize, RegistryError> {
        use std::sync::atomic::Ordering::Relaxed;
        let generation = self.parts.store.bundle_generation().await?;
        if generation == self.generation.load(Relaxed) {
            return Ok(0);
        }
        let _turn = self.changing.lock().await;
        let mut changed = 0;
        for bundle in self.parts.store.latest_bundles().await? {
            let Bundle { tenant, version, files, .. } = bundle;
            if self.snapshot.load().tenants.get(&tenant).is_some_and(|known| known.version == version) {
                continue;
            }
            match self.compile(bundle::BundleFiles { files }).await {
                Ok(compiled) => {
                    self.swap(compiled, version).await?;
                    changed += 1;
                }
                // It was valid when it was committed; the version before goes on serving.
                Err(error) => tracing::error!(%tenant, version, %error, "a stored bundle cannot be activated"),
            }
        }
        self.generation.store(generation, Relaxed);
        Ok(changed)
    }

    async fn compile(&self, files: bundle::BundleFiles) -> Result<Compiled, RegistryError> {
        let extensions = self.parts.extensions.clone();
        tokio::task::spawn_blocking(move || check(&files, &extensions)).await.map_err(|_| RegistryError::Interrupted)?
    }

    async fn swap(&self, compiled: Compiled, version: i64) -> Result<(), RegistryError> {
        let before = self.snapshot.load_full();
        let slug = compiled.manifest.tenant.slug.clone();
        let runtime =
            TenantRuntime::new(compiled, version, before.tenants.get(&slug).map(|known| &**known), &self.parts);
        let mut tenants: HashMap<Slug, Arc<TenantRuntime>> = before.tenants.clone();
        tenants.insert(slug.clone(), Arc::new(runtime));
        let next = Snapshot { tenants };
        self.parts.creatives.keep(&next.creative_urls());
        let sinks = next.sink_specs(&self.parts.master_key);
        self.snapshot.store(Arc::new(next));
        metrics::counter!("cuetone_bundle_activations_total").increment(1);
        tracing::info!(tenant = %slug, version, "bundle activated");
        self.parts.sinks.reconcile(sinks).await?;
        Ok(())
    }
}
