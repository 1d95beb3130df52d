//! Closes days at each tenant's report time, catches up what was missed, and lets old things go.
//!
//! Which days are due follows from the database and the clock alone: a server that was off for days closes all of them
//! when it is back. Of several nodes one closes a day.

use std::time::Duration;

use jiff::civil::Date;

use super::{
    MINUTES_KEPT, Rollups,
    calendar::{ReportSettings, last_due, zone},
    recount::Recounted,
};
use crate::{
    domain::{Moment, Slug, Span},
    store::{ReportDay, StoreError, TenantScope},
};

/// How often it is looked for days to close and things to delete.
const LOOK: Duration = Duration::from_secs(15);

/// How long a node has for a day before others may take it.
const CLAIM: Span = Span::from_secs(3_600);

/// Old events that are deleted at a look, at most: the rest goes at the next.
const SWEEP_STEPS: u32 = 200;

impl Rollups {
    /// Closes and sweeps, for ever.
    pub async fn run_schedule(self) {
        loop {
            if let Err(error) = self.close_due().await {
                tracing::warn!(%error, error.kind = error.kind(), "days could not be closed");
            }
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, error.kind = error.kind(), "old events could not be deleted");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Closes every day that is due, of every tenant. Answers which.
    pub async fn close_due(&self) -> Result<Vec<(Slug, Date)>, StoreError> {
        let mut closed = Vec::new();
        for known in self.store.rollup_positions().await? {
            let scope = TenantScope::new(known.tenant);
            let settings = self.settings(&scope).await?;
            for day in self.due(&scope, &settings).await? {
                if self.close_claimed(&scope, day).await? {
                    closed.push((scope.tenant().clone(), day));
                }
            }
        }
        Ok(closed)
    }

    /// The days of a tenant that are to be closed now.
    pub async fn due(&self, scope: &TenantScope, settings: &ReportSettings) -> Result<Vec<Date>, StoreError> {
        let Some((last, at)) = last_due(self.now(), settings.report_time, &zone(&settings.timezone)) else {
            return Ok(Vec::new());
        };
        let open = self.store.open_days(scope, last).await?;
        // A day that late events opened again waits for the next report time after them.
        let due = |day: &ReportDay| day.reopened_at.is_none_or(|reopened| reopened < at);
        Ok(open.into_iter().filter(due).map(|day| day.day).collect())
    }

    /// Closes a day unless another node does.
    async fn close_claimed(&self, scope: &TenantScope, day: Date) -> Result<bool, StoreError> {
        let now = self.now();
        if !self.store.claim_day(scope, day, now + CLAIM, now).await? {
            return Ok(false);
        }
        let outcome = self.close(scope, day, &mut |_| {}).await;
        let tenant = scope.tenant();
        match outcome {
            Ok(Recounted::Done { events, differences }) => {
                tracing::info!(%tenant, %day, events, differences, "a day is closed");
                metrics::counter!("cuetone_report_days_closed_total").increment(1);
                Ok(true)
            }
            Ok(Recounted::RawGone) => {
                tracing::warn!(%tenant, %day, "a day is closed without a recount: its single events are deleted");
                Ok(true)
            }
            Ok(Recounted::Empty | Recounted::Restless) => {
                self.store.release_day(scope, day).await?;
                Ok(false)
            }
            Err(error) => {
                // If the database is away the claim runs out by itself.
                let _ = self.store.release_day(scope, day).await;
                Err(error)
            }
        }
    }

    /// Counts a day anew and closes it, whoever else is about to.
    pub async fn close(
        &self,
        scope: &TenantScope,
        day: Date,
        progress: &mut (dyn FnMut(super::recount::Progress) + Send),
    ) -> Result<Recounted, StoreError> {
        let outcome = self.recount(scope, day, true, progress).await?;
        if outcome == Recounted::RawGone {
            self.store.close_day_unchecked(scope, day, self.now()).await?;
        }
        Ok(outcome)
    }

    /// Deletes what has grown old: events, minutes, and builds of days that serve no more.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        while self.store.sweep_rollup_builds(self.now()).await? {}
        let now = self.now();
        for known in self.store.rollup_positions().await? {
            let scope = TenantScope::new(known.tenant);
            self.store.sweep_rollup_minutes(&scope, now - MINUTES_KEPT).await?;
            // How long a tenant wants its events kept, and for whom, is not known once it is gone: they stay.
            let Some(settings) = self.known(scope.tenant()) else { continue };
            let kept = Span::from_secs(i64::from(settings.retention_days) * 24 * 3600);
            self.sweep_events(&scope, &settings, now - kept).await?;
        }
        Ok(())
    }

    async fn sweep_events(
        &self,
        scope: &TenantScope,
        settings: &ReportSettings,
        before: Moment,
    ) -> Result<(), StoreError> {
        let read = self.store.read_by_all(scope, &settings.sinks).await?;
        let mut swept = 0;
        for _ in 0..SWEEP_STEPS {
            let step = self.store.sweep_events(scope, before, read).await?;
            swept += step;
            if step == 0 {
                break;
            }
        }
        if swept > 0 {
            tracing::info!(tenant = %scope.tenant(), events = swept, "old events are deleted");
            metrics::counter!("cuetone_events_swept_total").increment(swept);
        }
        self.store.sweep_day_sessions(scope).await
    }
}
