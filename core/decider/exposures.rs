//! What viewers have been given, across their sessions: what frequency caps count.
//!
//! A viewer who has a name (`session_id`) is known across sessions, restarts and nodes: counted impressions are read
//! back from the journal once, then what this node decides is added. A viewer without a name is as old as the session.
//! Knows no campaigns and no caps; a decision does the counting.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::{
    decision::Exposure,
    domain::{Moment, Slug, Span},
    store::{Store, TenantScope},
};

/// Exposures kept per viewer, newest first: a cap's count above this is no cap.
const MAX_EXPOSURES: usize = 512;

/// How far back the journal is read: flights are longer, but nobody's memory of an ad is.
const MEMORY: Span = Span::from_secs(31 * 24 * 3600);

/// Viewers kept in memory, and for how long after their last break.
const MAX_VIEWERS: u64 = 1_000_000;
const IDLE: Duration = Duration::from_secs(3600);

/// How long a decision waits for the journal; then it counts what this node knows.
const PATIENCE: Duration = Duration::from_millis(100);

/// One ad that was put into a pod for this viewer.
#[derive(Clone, Debug)]
struct Given {
    ad: Slug,
    campaign: Option<Slug>,
    at: Moment,
    session: Box<str>,
}

/// One viewer's exposures; sessions of the same viewer share it.
#[derive(Default)]
pub struct Viewing {
    read: OnceCell<()>,
    given: Mutex<Vec<Given>>,
}

pub struct Exposures {
    store: Store,
    viewers: Cache<(Slug, Box<str>), Arc<Viewing>>,
}

impl Exposures {
    pub fn new(store: Store) -> Self {
        Self { store, viewers: Cache::builder().max_capacity(MAX_VIEWERS).time_to_idle(IDLE).build() }
    }

    /// The viewer by the caller's name, or by our session's.
    pub fn of(&self, tenant: &Slug, viewer: Option<&str>, session: &str) -> Arc<Viewing> {
        let name = viewer.map_or_else(|| format!("s {session}"), |name| format!("v {name}"));
        self.viewers.get_with((tenant.clone(), name.into()), || {
            let viewing = Viewing::default();
            if viewer.is_none() {
                // The journal knows nobody without a name.
                let _new = viewing.read.set(());
            }
            Arc::new(viewing)
        })
    }

    /// Knows the viewer no longer, by the caller's name or by a session's of ours.
    pub fn forget(&self, tenant: &Slug, name: &str) {
        for kind in ["v", "s"] {
            self.viewers.invalidate(&(tenant.clone(), format!("{kind} {name}").into()));
        }
    }

    /// What the viewer was given, oldest first; `session` tells what was in this session.
    pub async fn history(
        &self,
        viewing: &Viewing,
        tenant: &Slug,
        viewer: Option<&str>,
        session: &str,
        now: Moment,
    ) -> Vec<Exposure> {
        if let Some(viewer) = viewer {
            let read = viewing.read.get_or_try_init(|| self.read(viewing, tenant, viewer, now));
            match tokio::time::timeout(PATIENCE, read).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%tenant, %error, "a viewer's impressions cannot be read: caps count this node's")
                }
                Err(_) => metrics::counter!("cuetone_exposures_slow_total").increment(1),
            }
        }
        let given = viewing.given.lock();
        let exposure = |given: &Given| Exposure {
            ad: given.ad.clone(),
            campaign: given.campaign.clone(),
            at: given.at,
            this_session: *given.session == *session,
        };
        given.iter().map(exposure).collect()
    }

    async fn read(
        &self,
        viewing: &Viewing,
        tenant: &Slug,
        viewer: &str,
        now: Moment,
    ) -> Result<(), crate::store::StoreError> {
        let scope = TenantScope::new(tenant.clone());
        let limit = u32::try_from(MAX_EXPOSURES).unwrap_or(u32::MAX);
        let stored = self.store.viewer_impressions(&scope, viewer, now - MEMORY, limit).await?;
        let mut given = viewing.given.lock();
        let own = std::mem::take(&mut *given);
        // What this node decided meanwhile may have been counted already: the decision stands for both.
        let counted = stored
            .into_iter()
            .filter(|stored| !own.iter().any(|own| own.ad == stored.ad && *own.session == *stored.session));
        given.extend(counted.map(|stored| Given {
            ad: stored.ad,
            campaign: stored.campaign,
            at: stored.time,
            session: stored.session.into(),
        }));
        given.extend(own);
        Ok(())
    }
}

impl Viewing {
    /// Adds what a decision gave.
    pub fn add(&self, session: &str, at: Moment, ads: impl Iterator<Item = (Slug, Option<Slug>)>) {
        let mut given = self.given.lock();
        given.extend(ads.map(|(ad, campaign)| Given { ad, campaign, at, session: session.into() }));
        let beyond = given.len().saturating_sub(MAX_EXPOSURES);
        given.drain(..beyond);
    }
}
