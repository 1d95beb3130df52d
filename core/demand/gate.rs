//! Turns and a circuit breaker for each ad server of a tenant: one that is dead costs nobody anything, one that is slow
//! only itself.

use std::sync::Arc;

use moka::sync::Cache;
use tokio::sync::Semaphore;
use url::Url;

use super::limits::{GATE_IDLE, MAX_GATES, PARALLEL_REQUESTS};
use crate::{
    domain::Slug,
    extension::{Monotonic, breaker::Breaker},
};

/// A tenant's view of a host. Tenants do not share one: nobody can make another's ad server look dead.
type Key = (Slug, Box<str>);

pub(super) struct Gates {
    known: Cache<Key, Arc<Gate>>,
    clock: Monotonic,
}

pub(super) struct Gate {
    pub turns: Semaphore,
    pub breaker: Breaker,
}

impl Gates {
    pub(super) fn new(clock: Monotonic) -> Self {
        Self { known: Cache::builder().max_capacity(MAX_GATES).time_to_idle(GATE_IDLE).build(), clock }
    }

    pub(super) fn of(&self, tenant: &Slug, url: &Url) -> Arc<Gate> {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}").into());
        self.known.get_with((tenant.clone(), host), || {
            Arc::new(Gate { turns: Semaphore::new(PARALLEL_REQUESTS), breaker: Breaker::new(self.clock.clone()) })
        })
    }
}
