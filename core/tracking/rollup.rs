//! Sums of what was seen: kept up with the events, recounted when a day is over, swept when they are old.
//!
//! `tally` says what an event counts as (pure), `calendar` which day it belongs to and when a day is closed (pure);
//! [`Rollups`] reads events behind a cursor and adds what they sum up to; `recount` counts a day anew from its single
//! events; `schedule` closes days at each tenant's report time. Several nodes may do all of this at once. Knows no SQL
//! and no HTTP, and of tenants only what [`ReportSettings`] says.

pub mod calendar;
pub mod recount;
pub mod schedule;
mod tally;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use self::{
    calendar::{Calendar, ReportSettings},
    tally::Tallier,
};
use crate::{
    domain::{Clock, Moment, Slug, Span},
    store::{Store, StoreError, TenantScope},
};

/// Events counted in one transaction. Many, because the more events there are the more of them share a row; few enough
/// for the transaction to take fractions of a second and some megabytes.
pub const BATCH: u32 = 20_000;

/// How often events are looked for.
const POLL: Duration = Duration::from_millis(500);

/// Pause after the database failed.
const RETRY: Duration = Duration::from_secs(2);

/// How long sums by the minute are kept.
pub const MINUTES_KEPT: Span = Span::from_secs(6 * 3600);

/// What reports must know of the tenants: asked for anew each time.
pub type Tenants = Arc<dyn Fn() -> BTreeMap<Slug, ReportSettings> + Send + Sync>;

/// What became of one look at a tenant's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many were counted; there may be more.
    Counted(u32),
    /// Somebody else counted them.
    Raced,
    /// There was nothing new.
    Idle,
}

/// Keeps the sums of all tenants.
#[derive(Clone)]
pub struct Rollups {
    store: Store,
    clock: Arc<dyn Clock>,
    tenants: Tenants,
    batch: u32,
}

impl Rollups {
    pub fn new(store: Store, clock: Arc<dyn Clock>, tenants: Tenants) -> Self {
        Self { store, clock, tenants, batch: BATCH }
    }

    /// The same with batches of another size.
    #[must_use]
    pub fn with_batch(self, batch: u32) -> Self {
        Self { batch, ..self }
    }

    /// What is known of a tenant; of one that is gone, the time zone that it had.
    pub async fn settings(&self, scope: &TenantScope) -> Result<ReportSettings, StoreError> {
        if let Some(settings) = self.known(scope.tenant()) {
            return Ok(settings);
        }
        let last = self.store.rollup_standing(scope).await?.zones.pop();
        let unknown = ReportSettings::default();
        Ok(ReportSettings { timezone: last.map_or(unknown.timezone, |(_, zone)| zone), ..unknown })
    }

    /// What is known of a tenant that is there.
    fn known(&self, tenant: &Slug) -> Option<ReportSettings> {
        (self.tenants)().remove(tenant)
    }

    /// Counts events as they come, for ever.
    pub async fn run(self) {
        loop {
            let pause = match self.catch_up().await {
                Ok(_) => POLL,
                Err(error) => {
                    tracing::warn!(%error, error.kind = error.kind(), "events could not be counted for reports");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Counts all that there is. Tenants take turns, a batch each.
    pub async fn catch_up(&self) -> Result<u64, StoreError> {
        let mut counted = 0;
        loop {
            let behind = self.store.rollups_behind().await?;
            let lag: i64 = behind.iter().map(|behind| behind.head - behind.position).sum();
            metrics::gauge!("cuetone_rollup_lag_events").set(lag as f64);
            let mut progress = false;
            for behind in behind {
                let scope = TenantScope::new(behind.tenant);
                match self.step(&scope).await? {
                    Step::Counted(events) => {
                        counted += u64::from(events);
                        progress = true;
                    }
                    Step::Raced => progress = true,
                    Step::Idle => {}
                }
            }
            if !progress {
                return Ok(counted);
            }
        }
    }

    /// Counts a tenant's events up to those that are there now.
    pub async fn catch_up_one(&self, scope: &TenantScope) -> Result<(), StoreError> {
        while self.step(scope).await? != Step::Idle {}
        Ok(())
    }

    /// Counts one batch of a tenant's events.
    pub async fn step(&self, scope: &TenantScope) -> Result<Step, StoreError> {
        let standing = self.store.rollup_standing(scope).await?;
        let settings = self.known(scope.tenant());
        let mut calendar = Calendar::new(&standing.zones);
        // A tenant that is gone keeps the zone that it had.
        let zone = settings.map(|settings| settings.timezone).filter(|zone| calendar.latest() != Some(zone.as_str()));
        if let Some(zone) = &zone {
            calendar.begin(standing.position + 1, zone);
        }
        let now = self.clock.now();
        let mut tallier = Tallier::new(calendar, None, now - MINUTES_KEPT);
        let (count, last) =
            self.store.scan_events(scope, standing.position, i64::MAX, self.batch, |event| tallier.add(event)).await?;
        if count == 0 {
            return Ok(Step::Idle);
        }
        let tally = tallier.finish();
        let applied = self.store.apply_rollups(scope, &standing, last, zone.as_deref(), &tally, now).await?;
        if !applied {
            return Ok(Step::Raced);
        }
        metrics::counter!("cuetone_rollup_events_total").increment(count.into());
        Ok(Step::Counted(count))
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}
