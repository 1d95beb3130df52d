//! The tasks that run beside requests.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{self, StreamExt};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{App, watch};
use crate::{
    creatives::Creatives,
    domain::{CampaignStatus, Clock, Span},
    http::auth::KeyRing,
    ledger::{CampaignEnd, EndReason},
    registry::Registry,
    session::Sessions,
    store::{Store, TenantScope},
    tracking::rollup::{Tenants, calendar::ReportSettings},
};

/// How often the database is asked whether another process has changed a tenant, where it cannot tell by itself.
const FOLLOW_STORE: Duration = Duration::from_millis(250);

/// The same where the database tells: only for news that got lost.
const FOLLOW_TELLING_STORE: Duration = Duration::from_secs(5);

/// How often gauges are brought up to date.
const GAUGES: Duration = Duration::from_secs(5);

/// How often kept answers are swept, a thousand at a time: more than a day of one client's writes in an hour.
const FORGET: Duration = Duration::from_secs(60);

/// How long written-down decisions are kept: a month's rules can be held against the month before.
const DECISIONS_KEPT: Span = Span::from_secs(35 * 24 * 3600);

/// How often trials are looked at.
const TRIALS: Duration = Duration::from_secs(1);

/// How often it is looked whether counters are due.
const COUNTERS: Duration = Duration::from_secs(1);

/// Ends of campaigns that wait to be carried out.
const MAX_ENDS: usize = 256;

/// How many are carried out side by side: a tenant that is being changed lets those of others pass.
const ENDS_AT_A_TIME: usize = 16;

impl App {
    pub(super) fn background(&self) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let (ends, ended) = mpsc::channel(MAX_ENDS);
        let mut tasks = vec![
            tokio::spawn(follow(self.registry.clone(), self.keys.clone(), self.store.clone())),
            tokio::spawn(forget(self.store.clone(), self.clock.clone())),
            tokio::spawn(gauges(self.sessions.clone(), self.creatives.clone())),
            tokio::spawn(self.live.clone().tell_others()),
            tokio::spawn(self.creatives.clone().run()),
            tokio::spawn(self.outbox.clone().run()),
            tokio::spawn(self.ledger.clone().run(ends)),
            tokio::spawn(end_campaigns(self.registry.clone(), ended)),
            tokio::spawn(end_trials(self.registry.clone())),
            tokio::spawn(count(self.registry.clone(), self.store.clone(), self.clock.clone())),
            tokio::spawn(self.rollups.clone().run()),
            tokio::spawn(self.rollups.clone().run_schedule()),
        ];
        tasks.extend(self.geo.clone().map(|geo| tokio::spawn(geo.run())));
        if let Some(dir) = &self.tenants_dir {
            tasks.push(watch::tenants(dir.clone(), self.registry.clone())?);
        }
        Ok(tasks)
    }
}

/// What reports must know of the tenants, as they are when it is asked.
pub(super) fn report_tenants(registry: Arc<Registry>) -> Tenants {
    Arc::new(move || {
        let snapshot = registry.snapshot();
        let settings = snapshot.tenants.iter().map(|(slug, tenant)| {
            let known = ReportSettings::of(&tenant.manifest.tenant);
            (slug.clone(), ReportSettings { sinks: tenant.sinks().map(|(name, _)| name).collect(), ..known })
        });
        settings.collect()
    })
}

/// Activates what other processes change. PostgreSQL tells at once; a file has to be asked.
async fn follow(registry: Arc<Registry>, keys: Arc<KeyRing>, store: Store) {
    let news = store.listen();
    let mut complete = true;
    loop {
        let pause = if store.tells() && complete { FOLLOW_TELLING_STORE } else { FOLLOW_STORE };
        tokio::select! {
            () = news.heard() => {}
            () = tokio::time::sleep(pause) => {}
        }
        match registry.follow_store().await {
            Ok(all) => complete = all,
            Err(error) => tracing::warn!(%error, "the database could not be asked for changes"),
        }
        if let Err(error) = keys.follow_store().await {
            tracing::warn!(%error, "the database could not be asked for API keys");
        }
    }
}

/// Deletes kept answers that are too old to be given again, and decisions that are too old to be decided again.
async fn forget(store: Store, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        if let Err(error) = store.sweep_idempotency(now).await {
            tracing::warn!(%error, "old answers could not be deleted");
        }
        // In steps, so that no transaction holds up the others.
        while match store.sweep_decisions(now - DECISIONS_KEPT).await {
            Ok(swept) => swept > 0,
            Err(error) => {
                tracing::warn!(%error, "old decisions could not be deleted");
                false
            }
        } {}
        tokio::time::sleep(FORGET).await;
    }
}

async fn gauges(sessions: Arc<Sessions>, creatives: Arc<Creatives>) {
    let open = metrics::gauge!("cuetone_sessions_open");
    let (ready, all) = (metrics::gauge!("cuetone_creatives_ready"), metrics::gauge!("cuetone_creatives"));
    loop {
        open.set(sessions.count() as f64);
        let progress = creatives.progress();
        ready.set(progress.0 as f64);
        all.set(progress.1 as f64);
        tokio::time::sleep(GAUGES).await;
    }
}

/// Campaigns that are spent pause, those that are over are complete.
async fn end_campaigns(registry: Arc<Registry>, mut ended: mpsc::Receiver<CampaignEnd>) {
    let ends = stream::poll_fn(|context| ended.poll_recv(context));
    let carried_out = ends.for_each_concurrent(ENDS_AT_A_TIME, async |CampaignEnd { tenant, campaign, reason }| {
        let (status, why) = match reason {
            EndReason::BudgetSpent => (CampaignStatus::Paused, "its budget is spent"),
            EndReason::GoalReached => (CampaignStatus::Completed, "its impression goal is reached"),
            EndReason::FlightOver => (CampaignStatus::Completed, "its last day is over"),
        };
        match registry.end_campaign(&tenant, &campaign, status, why).await {
            Ok(()) => tracing::info!(%tenant, %campaign, why, "a campaign ended"),
            // The ledger reports it again.
            Err(error) => tracing::warn!(%tenant, %campaign, %error, "a campaign could not be ended"),
        }
    });
    carried_out.await;
}

async fn end_trials(registry: Arc<Registry>) {
    loop {
        tokio::time::sleep(TRIALS).await;
        registry.end_failed_trials().await;
    }
}

/// Keeps the counters that rules read up to date, tenant by tenant.
async fn count(registry: Arc<Registry>, store: Store, clock: Arc<dyn Clock>) {
    loop {
        let snapshot = registry.snapshot().clone();
        for (slug, tenant) in snapshot.tenants.iter().filter(|(_, tenant)| !tenant.manifest.counters.is_empty()) {
            let (scope, manifest) = (TenantScope::new(slug.clone()), &tenant.manifest);
            let grants = manifest.counters.values().flatten();
            let now = clock.now();
            if let Err(error) = tenant.counters.refresh(&store, &scope, grants, &manifest.tenant.timezone, now).await {
                tracing::warn!(tenant = %slug, %error, "counters could not be brought up to date: rules read those of before");
            }
        }
        tokio::time::sleep(COUNTERS).await;
    }
}
