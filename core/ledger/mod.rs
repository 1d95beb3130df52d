//! Who may still spend what: budgets and goals, kept across nodes.
//!
//! A node leases impressions of a campaign from the database, a stock of them at a time, and promises them to viewers
//! without asking anybody: a decision *holds* one per ad, the counted impression *commits* it, and expiry frees it. Each
//! counted impression is charged in the transaction that writes it to the journal ([`Ledger::record`]), and there the
//! limit is checked again: leases make promises good, they are not what keeps a budget from being overspent.
//! [`Ledger::run`] keeps the stocks filled. Knows no ads, no decisions and no HTTP.

mod holds;
mod line;
#[cfg(test)]
pub(crate) mod tests;
mod upkeep;

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Arc, atomic::AtomicBool},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::holds::HoldKey;
use self::{
    holds::{Hold, Holds},
    line::Line,
};
use crate::{
    domain::{CampaignLimits, Clock, Event, EventType, Moment, Money, Slug, Span},
    store::{Balance, Billing, Carried, Inserted, Store, StoreError, TenantScope},
};

/// How long an impression that nobody held keeps its place while it is written: far longer than any commit takes.
const WHILE_WRITTEN: Span = Span::from_secs(60);

/// What a campaign has used, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spend {
    /// Charged by all nodes, and held by this one.
    pub money: Money,
    /// Likewise.
    pub impressions: u64,
    /// What this node may still promise; `None` for a campaign without budget and goal.
    pub available: Option<u64>,
}

/// The campaign has nothing to promise on this node, at least for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the campaign's budget or goal leaves no impression to promise")]
pub struct NoBudget;

/// Why a campaign should not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndReason {
    /// What is left of the budget pays no further impression: the campaign is to pause.
    BudgetSpent,
    /// It has the impressions that it was booked for: it is complete.
    GoalReached,
    /// Its last day is over: it is complete.
    FlightOver,
}

/// A campaign whose status should change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignEnd {
    pub tenant: Slug,
    pub campaign: Slug,
    pub reason: EndReason,
}

/// A tenant's campaigns by name.
type Lines = HashMap<Slug, Arc<Line>>;

pub struct Ledger {
    store: Store,
    /// Names this process among those that lease; random, so that none takes another's lease for its own.
    node: String,
    clock: Arc<dyn Clock>,
    tenants: ArcSwap<HashMap<Slug, Arc<Lines>>>,
    holds: Holds,
    /// Until then the database keeps this node's leases for it.
    alive_until: Mutex<Moment>,
    /// Limits that the database does not have yet, because it could not be reached.
    unwritten: Mutex<BTreeMap<Slug, (i64, Vec<CampaignLimits>)>>,
    /// Lines of campaigns that are gone, until their leases are given back.
    leaving: Mutex<Vec<Arc<Line>>>,
    wake: Notify,
    /// The database failed the last time: said once.
    ailing: AtomicBool,
}

/// One tenant's campaigns, for the length of a decision.
#[derive(Clone)]
pub struct TenantSpend {
    ledger: Arc<Ledger>,
    lines: Option<Arc<Lines>>,
}

impl TenantSpend {
    /// What a campaign has used; a campaign that the ledger does not know has used nothing and has no limit.
    pub fn spend(&self, campaign: &Slug) -> Spend {
        let Some(line) = self.lines.as_ref().and_then(|lines| lines.get(campaign)) else { return Spend::default() };
        if line.look() {
            self.ledger.wake.notify_one();
        }
        line.spend()
    }
}

impl Ledger {
    pub fn new(store: Store, node: String, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            store,
            node,
            clock,
            tenants: ArcSwap::default(),
            holds: Holds::default(),
            alive_until: Mutex::new(Moment::MIN),
            unwritten: Mutex::default(),
            leaving: Mutex::default(),
            wake: Notify::new(),
            ailing: AtomicBool::new(false),
        })
    }

    /// Makes these, with their limits as `version` of the tenant declares them, the tenant's campaigns. To be called
    /// before decisions see that version, so that no impression is charged by limits that no longer hold. When the
    /// database cannot be reached, the ledger knows the campaigns all the same and goes on trying to write their limits.
    pub async fn keep(&self, tenant: &Slug, version: i64, campaigns: Vec<CampaignLimits>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.unwritten.lock().insert(tenant.clone(), (version, campaigns.clone()));
        let written = self.write_limits(tenant).await;
        self.swap_lines(tenant, Some(campaigns), now);
        if let Ok(balances) = &written {
            self.saw_spent(balances);
        }
        self.wake.notify_one();
        written.map(drop)
    }

    /// Forgets a tenant that is no more.
    pub fn forget(&self, tenant: &Slug) {
        self.unwritten.lock().remove(tenant);
        self.swap_lines(tenant, None, self.clock.now());
        self.wake.notify_one();
    }

    /// A tenant's campaigns as they stand, for many looks.
    pub fn tenant(self: &Arc<Self>, tenant: &Slug) -> TenantSpend {
        TenantSpend { ledger: self.clone(), lines: self.tenants.load().get(tenant).cloned() }
    }

    /// Promises one impression of a campaign to a place in a viewer's pod, until it is counted, released, or `until` has
    /// passed. A place that holds one of this campaign already keeps it; one of another campaign is released for it.
    pub fn hold(&self, tenant: &Slug, campaign: &Slug, key: HoldKey, until: Moment) -> Result<(), NoBudget> {
        match self.line(tenant, campaign).filter(|line| line.is_limited()) {
            Some(line) => self.hold_of(line, key, until),
            None => {
                self.release(key);
                Ok(())
            }
        }
    }

    /// Takes a promise back: the ad will not be shown.
    pub fn release(&self, key: HoldKey) {
        if let Some(hold) = self.holds.remove(key) {
            hold.line.release(1);
        }
    }

    /// Promises under way.
    pub fn holds(&self) -> usize {
        self.holds.count()
    }

    /// Writes events to the tables, charges new impressions to their campaigns, and settles what was held for them.
    /// `carried`: up to where this node's journal is in the tables with these.
    pub async fn record(&self, events: &[Event], carried: Option<Carried<'_>>) -> Result<Inserted, StoreError> {
        let now = self.clock.now();
        // An impression that nobody held (its hold expired, another node decided, this one restarted) takes a place
        // now, if one is spare; else it must not take one that was promised to another viewer.
        let cover = |event: &Event| {
            let line = event.campaign.as_ref().and_then(|campaign| self.line(&event.tenant, campaign));
            let line = line.filter(|line| event.event_type == EventType::Impression && line.is_limited());
            line.is_some_and(|line| self.hold_of(line, HoldKey::of(event), now + WHILE_WRITTEN).is_ok())
        };
        let covered: Vec<bool> = events.iter().map(cover).collect();
        let billing = Billing { node: &self.node, covered: &covered, now, carried };
        let inserted = self.store.record_events(events, &billing).await?;
        // By the line that promised, which may not be its campaign's any more.
        let mut kept: HashMap<*const Line, (Arc<Line>, u32)> = HashMap::new();
        for event in events.iter().filter(|event| event.is_billable()) {
            if let Some(Hold { line, .. }) = self.holds.remove(HoldKey::of(event)) {
                kept.entry(Arc::as_ptr(&line)).or_insert((line, 0)).1 += 1;
            }
        }
        for balance in &inserted.balances {
            if let Some(line) = self.line(&balance.tenant, &balance.campaign) {
                let promises = kept.remove(&Arc::as_ptr(&line)).map_or(0, |(_, promises)| promises);
                line.saw(balance, promises);
            }
        }
        for (line, promises) in kept.into_values() {
            line.release(promises);
        }
        Ok(inserted)
    }

    fn line(&self, tenant: &Slug, campaign: &Slug) -> Option<Arc<Line>> {
        self.tenants.load().get(tenant)?.get(campaign).cloned()
    }

    fn hold_of(&self, line: Arc<Line>, key: HoldKey, until: Moment) -> Result<(), NoBudget> {
        let mut shard = self.holds.shard(key).ok_or(NoBudget)?;
        let spare = match shard.entry(key) {
            Entry::Occupied(mut held) if Arc::ptr_eq(&held.get().line, &line) => {
                let hold = held.get_mut();
                hold.until = hold.until.max(until);
                return Ok(());
            }
            Entry::Occupied(mut held) => {
                let spare = line.take();
                if spare.is_some() {
                    let other = std::mem::replace(held.get_mut(), Hold { line: line.clone(), until });
                    other.line.release(1);
                }
                spare
            }
            Entry::Vacant(place) => {
                let spare = line.take();
                if spare.is_some() {
                    place.insert(Hold { line: line.clone(), until });
                }
                spare
            }
        };
        drop(shard);
        if line.runs_low(spare.unwrap_or(0)) {
            self.wake.notify_one();
        }
        spare.map(drop).ok_or(NoBudget)
    }

    /// Takes over what all nodes spent.
    fn saw_spent(&self, balances: &[Balance]) {
        for balance in balances {
            if let Some(line) = self.line(&balance.tenant, &balance.campaign) {
                line.saw_spent(balance);
            }
        }
    }

    /// Puts a tenant's lines in place, keeping those that there are.
    fn swap_lines(&self, tenant: &Slug, campaigns: Option<Vec<CampaignLimits>>, now: Moment) {
        let mut leaving = self.leaving.lock();
        let mut tenants = HashMap::clone(&self.tenants.load());
        let before = tenants.remove(tenant).unwrap_or_default();
        if let Some(campaigns) = campaigns {
            let mut lines = Lines::with_capacity(campaigns.len());
            for limits in campaigns {
                let line = match before.get(&limits.campaign) {
                    Some(line) => {
                        line.set_limits(limits);
                        line.clone()
                    }
                    None => Arc::new(Line::new(tenant.clone(), limits, now)),
                };
                lines.insert(line.campaign.clone(), line);
            }
            leaving.extend(before.values().filter(|line| !lines.contains_key(&line.campaign)).cloned());
            tenants.insert(tenant.clone(), Arc::new(lines));
        } else {
            leaving.extend(before.values().cloned());
        }
        self.tenants.store(Arc::new(tenants));
    }

    async fn write_limits(&self, tenant: &Slug) -> Result<Vec<Balance>, StoreError> {
        let Some((version, campaigns)) = self.unwritten.lock().get(tenant).cloned() else { return Ok(Vec::new()) };
        let terms: Vec<_> = campaigns.into_iter().map(|limits| (limits.campaign, limits.terms)).collect();
        let scope = TenantScope::new(tenant.clone());
        let (balances, _alerts) = self.store.set_terms(&scope, version, &terms, self.clock.now()).await?;
        let mut unwritten = self.unwritten.lock();
        if unwritten.get(tenant).is_some_and(|(newest, _)| *newest == version) {
            unwritten.remove(tenant);
        }
        Ok(balances)
    }
}
