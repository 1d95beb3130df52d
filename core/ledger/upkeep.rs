//! What the ledger does beside requests: fills stocks, renews leases, frees what expired, learns what other nodes spent,
//! and reports campaigns that are over.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::{CampaignEnd, Ledger, line::Line};
use crate::{
    domain::{Moment, Slug, Span},
    store::{Exchange, StoreError, TenantScope, Wish},
};

/// How long a lease lives without being renewed: what a dead node had in stock is withheld from the others for so long.
pub const LEASE_LIFE: Span = Span::from_secs(15);

/// Two renewals may fail before a lease ends.
const RENEW_EVERY: Span = Span::from_secs(5);

/// How often totals, holds and stocks are looked after.
const TICK: Duration = Duration::from_secs(1);

/// Between two looks at stocks that wait for a pause to end.
const RETRY: Duration = Duration::from_millis(100);

/// Leases exchanged between two looks at what else is due: a few seconds of work even for a slow database, so that this
/// node's own lease is renewed in time.
const EXCHANGES_AT_A_TIME: usize = 500;

/// Clocks of nodes may differ by so much without a total being overlooked.
const SKEW: Span = Span::from_secs(10);

/// Who claimed to end a campaign has so long to do it before another node may.
const END_WITHIN: Span = Span::from_secs(30);

/// When the next things are due.
#[derive(Clone, Copy)]
pub(super) struct Due {
    renewal: Moment,
    /// From when totals are asked for; the first time all of them.
    totals_since: Moment,
}

impl Default for Due {
    fn default() -> Self {
        Self { renewal: Moment::MIN, totals_since: Moment(0) }
    }
}

impl Ledger {
    /// Runs until it is dropped. Campaigns that are over are reported by one node, and again after a while as long as
    /// they are declared active: whoever listens changes their status.
    pub async fn run(self: Arc<Self>, ends: mpsc::Sender<CampaignEnd>) {
        // Side by side: a database that hangs must not keep this node from seeing that its leases are over.
        tokio::join!(self.look_after_lines(), self.look_after_leases(&ends));
    }

    async fn look_after_lines(&self) {
        loop {
            self.tick(self.clock.now());
            tokio::time::sleep(TICK).await;
        }
    }

    async fn look_after_leases(&self, ends: &mpsc::Sender<CampaignEnd>) {
        let (mut due, mut next) = (Due::default(), Instant::now());
        loop {
            let waiting = self.fill().await;
            let until = if waiting { next.min(Instant::now() + RETRY) } else { next };
            let _told_or_time = tokio::time::timeout_at(until, self.wake.notified()).await;
            if Instant::now() >= next {
                next = Instant::now() + TICK;
                let outcome = self.compare(&mut due, ends).await;
                self.note(outcome);
            }
        }
    }

    /// Gives back what is leased: this node promises nothing any more. What it promised before is paid from what is free.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        self.tenants.store(Arc::default());
        self.store.drop_leases(&self.node, self.clock.now()).await
    }

    /// What is due each second and needs no database.
    pub(super) fn tick(&self, now: Moment) {
        for hold in self.holds.expire(now) {
            hold.line.release(1);
        }
        metrics::gauge!("cuetone_budget_holds").set(self.holds.count() as f64);
        let alive = *self.alive_until.lock() > now;
        for line in self.lines() {
            if !alive {
                line.lost();
            }
            line.tick(now);
        }
    }

    /// What is due each second between this node and the others: limits that could not be written, the lease's renewal,
    /// what all have spent, and which campaigns are over with it.
    pub(super) async fn compare(&self, due: &mut Due, ends: &mpsc::Sender<CampaignEnd>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let unwritten: Vec<Slug> = self.unwritten.lock().keys().cloned().collect();
        for tenant in unwritten {
            self.saw_spent(&self.write_limits(&tenant).await?);
        }
        if now >= due.renewal {
            self.renew(now).await?;
            due.renewal = now + RENEW_EVERY;
        }
        self.saw_spent(&self.store.balances_since(due.totals_since).await?);
        due.totals_since = now - SKEW;
        self.report_ends(ends, now).await
    }

    /// Keeps this node's leases alive.
    async fn renew(&self, now: Moment) -> Result<(), StoreError> {
        let until = now + LEASE_LIFE;
        if !self.store.renew_node(&self.node, until, now).await? {
            self.lines().iter().for_each(|line| line.lost());
        }
        *self.alive_until.lock() = until;
        Ok(())
    }

    /// Exchanges leases where stocks run low or are too large. True when some have to wait, for a pause to end or their
    /// turn.
    pub(super) async fn fill(&self) -> bool {
        let now = self.clock.now();
        let alive = *self.alive_until.lock() > now;
        if !alive && let Err(error) = self.renew(now).await {
            self.note(Err(error));
            return true;
        }
        let leaving = std::mem::take(&mut *self.leaving.lock());
        let lines = self.lines();
        let all_back = leaving.iter().map(|line| (line, Exchange { back: u32::MAX, ..Exchange::default() }));
        let wishing = lines.iter().filter_map(|line| Some((line, line.wish(now)?))).take(EXCHANGES_AT_A_TIME);
        let (wishing, wishes): (Vec<&Arc<Line>>, Vec<Wish>) = wishing
            .chain(all_back)
            .map(|(line, exchange)| {
                (line, Wish { tenant: line.tenant.clone(), campaign: line.campaign.clone(), exchange })
            })
            .unzip();
        if !wishes.is_empty() {
            let outcome = self.store.exchange_leases(&wishes, &self.node, now).await;
            match &outcome {
                Ok(balances) => {
                    for (line, balance) in wishing.iter().zip(balances) {
                        line.exchanged(balance, now);
                    }
                }
                Err(_) => {
                    for (line, wish) in wishing.iter().zip(&wishes) {
                        line.exchange_failed(wish.exchange, now);
                    }
                    self.leaving.lock().extend(leaving.iter().cloned());
                }
            }
            self.note(outcome.map(drop));
        }
        lines.iter().any(|line| line.is_waiting())
    }

    /// Tells of campaigns that are over, as far as no other node does.
    async fn report_ends(&self, ends: &mpsc::Sender<CampaignEnd>, now: Moment) -> Result<(), StoreError> {
        for line in self.lines() {
            let reason = {
                let state = line.state();
                state.ending(line.spent(), now).filter(|_| now >= state.ending_until)
            };
            let Some(reason) = reason else { continue };
            let until = now + END_WITHIN;
            let scope = TenantScope::new(line.tenant.clone());
            let claimed = self.store.claim_ending(&scope, &line.campaign, until, now).await?;
            line.state().ending_until = until;
            if claimed {
                let end = CampaignEnd { tenant: line.tenant.clone(), campaign: line.campaign.clone(), reason };
                tracing::info!(tenant = %end.tenant, campaign = %end.campaign, reason = ?end.reason, "a campaign is over");
                // Nobody listens, or not fast enough: it will be reported again.
                let _later = ends.try_send(end);
            }
        }
        Ok(())
    }

    fn lines(&self) -> Vec<Arc<Line>> {
        self.tenants.load().values().flat_map(|lines| lines.values().cloned()).collect()
    }

    /// Says once that the database is gone, and once that it is back.
    fn note(&self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) if self.ailing.swap(false, Ordering::Relaxed) => {
                tracing::info!("budgets are leased again");
            }
            Err(error) if !self.ailing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "budgets cannot be leased: campaigns go on with what this node has in stock");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
