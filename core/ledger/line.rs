//! A campaign's line of credit on this node: how many impressions it may still promise, and how many it has promised.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

use super::{EndReason, Spend};
use crate::{
    domain::{CampaignLimits, Moment, Money, Slug, Span},
    store::{Balance, Exchange},
};

/// Seconds of recent demand that a node likes to have in stock: longer than a database that hiccups, short enough that a
/// node which dies does not withhold much.
const STOCK_SECONDS: u32 = 10;

/// Spare impressions that a node likes to have of a campaign that viewers are asked about, before it knows the demand.
const SMALL_STOCK: u32 = 16;

/// Spare impressions of one campaign on one node, at most: what is lost to others until the lease ends, should the node
/// die.
const LARGE_STOCK: u32 = 100_000;

/// Where impressions are scarce, a node that has not promised one for this long gives its spare ones to the others.
const IDLE: Span = Span::from_secs(5);

/// A campaign that no decision has looked at for this long needs no lease.
const FORGOTTEN: Span = Span::from_secs(60);

/// After a grant of nothing, or after giving spare impressions to others, a node waits this long before it asks again.
pub(super) const PAUSE: Span = Span::from_millis(250);
const IDLE_PAUSE: Span = Span::from_secs(2);

/// Two counts that change together: impressions of the lease, and those of them that are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub leased: u32,
    pub held: u32,
}

impl Tally {
    fn unpack(packed: u64) -> Self {
        Self { leased: (packed >> 32) as u32, held: packed as u32 }
    }
    fn pack(self) -> u64 {
        u64::from(self.leased) << 32 | u64::from(self.held)
    }
    /// What may still be promised.
    pub fn spare(self) -> u32 {
        self.leased.saturating_sub(self.held)
    }
}

pub(super) struct Line {
    pub tenant: Slug,
    pub campaign: Slug,
    tally: AtomicU64,
    /// At this many spare impressions or fewer, more are asked for.
    low: AtomicU32,
    /// Promises since the last look.
    taken: AtomicU32,
    /// More are wanted; said once until they were asked for.
    wanted: AtomicBool,
    /// A decision looked since the last time that this was reset.
    seen: AtomicBool,
    limited: AtomicBool,
    price: AtomicI64,
    /// By all nodes, as far as is known.
    spent: AtomicI64,
    impressions: AtomicU64,
    state: Mutex<State>,
}

/// What only the background and the journal touch.
pub(super) struct State {
    pub limits: CampaignLimits,
    /// Of the newest totals that were taken over.
    spent_revision: i64,
    /// Of the newest balance of ours.
    lease_revision: i64,
    /// Impressions of the lease as the database has them.
    leased: u32,
    lease_price: Money,
    /// Of these, what is on its way back.
    returning: u32,
    /// Promises a second, of late.
    demand: u32,
    scarce: bool,
    /// The last exchange failed, perhaps after it was made.
    unsure: bool,
    pub paused_until: Moment,
    last_taken: Moment,
    last_seen: Moment,
    /// This node, or another one, is about to end the campaign.
    pub ending_until: Moment,
}

impl Line {
    pub fn new(tenant: Slug, limits: CampaignLimits, now: Moment) -> Self {
        let line = Self {
            tenant,
            campaign: limits.campaign.clone(),
            tally: AtomicU64::default(),
            low: AtomicU32::default(),
            taken: AtomicU32::default(),
            // The first decision is to find something.
            wanted: AtomicBool::new(limits.active),
            seen: AtomicBool::default(),
            limited: AtomicBool::default(),
            price: AtomicI64::default(),
            spent: AtomicI64::default(),
            impressions: AtomicU64::default(),
            state: Mutex::new(State {
                limits: limits.clone(),
                spent_revision: 0,
                lease_revision: 0,
                leased: 0,
                lease_price: Money::ZERO,
                returning: 0,
                demand: 0,
                scarce: false,
                unsure: false,
                paused_until: Moment::MIN,
                last_taken: now,
                last_seen: now,
                ending_until: Moment::MIN,
            }),
        };
        line.set_limits(limits);
        line
    }

    pub fn set_limits(&self, limits: CampaignLimits) {
        self.limited.store(limits.terms.is_limited(), Relaxed);
        self.price.store(limits.terms.price.micros(), Relaxed);
        let mut state = self.state();
        if state.limits.terms != limits.terms {
            (state.paused_until, state.ending_until) = (Moment::MIN, Moment::MIN);
        }
        state.limits = limits;
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub fn is_limited(&self) -> bool {
        self.limited.load(Relaxed)
    }

    pub fn tally(&self) -> Tally {
        Tally::unpack(self.tally.load(Relaxed))
    }

    /// Promises an impression; answers how many are spare then.
    pub fn take(&self) -> Option<u32> {
        let promised = self.change(|tally| (tally.spare() > 0).then(|| Tally { held: tally.held + 1, ..tally }));
        if promised.is_some() {
            self.taken.fetch_add(1, Relaxed);
        }
        promised.map(Tally::spare)
    }

    /// Promises are kept, or will not be needed.
    pub fn release(&self, count: u32) {
        self.change(|tally| Some(Tally { held: tally.held.saturating_sub(count), ..tally }));
    }

    pub fn spend(&self) -> Spend {
        let tally = self.tally();
        let held = i64::from(tally.held).saturating_mul(self.price.load(Relaxed));
        Spend {
            money: Money::from_micros(self.spent.load(Relaxed).saturating_add(held)),
            impressions: self.impressions.load(Relaxed).saturating_add(u64::from(tally.held)),
            available: self.is_limited().then(|| u64::from(tally.spare())),
        }
    }

    /// Notes that a decision looked. True when the background should be woken to get more.
    pub fn look(&self) -> bool {
        // Read first: a shared line of memory stays shared.
        if !self.seen.load(Relaxed) {
            self.seen.store(true, Relaxed);
        }
        self.is_limited() && self.runs_low(self.tally().spare())
    }

    /// Whether somebody should be told, now, that this is little.
    pub fn runs_low(&self, spare: u32) -> bool {
        spare <= self.low.load(Relaxed) && !self.wanted.load(Relaxed) && !self.wanted.swap(true, Relaxed)
    }

    /// Takes over what all nodes spent, unless something newer was there first.
    pub fn saw_spent(&self, balance: &Balance) {
        self.spent_of(&mut self.state(), balance);
    }

    fn spent_of(&self, state: &mut State, balance: &Balance) {
        if balance.revision > state.spent_revision {
            state.spent_revision = balance.revision;
            self.spent.store(balance.spent.micros(), Relaxed);
            self.impressions.store(balance.impressions, Relaxed);
        }
    }

    pub fn spent(&self) -> (Money, u64) {
        (Money::from_micros(self.spent.load(Relaxed)), self.impressions.load(Relaxed))
    }

    /// Takes over a balance, unless a newer one was there first, and releases the promises that it kept: in one step,
    /// so that no other can be given in between.
    pub fn saw(&self, balance: &Balance, kept: u32) {
        let mut state = self.state();
        self.spent_of(&mut state, balance);
        if balance.revision > state.lease_revision {
            state.lease_revision = balance.revision;
            state.leased = balance.leased;
            state.lease_price = balance.lease_price;
        }
        self.publish(&state, kept);
    }

    /// Takes over the answer to an exchange.
    pub fn exchanged(&self, balance: &Balance, now: Moment) {
        self.state().returning = 0;
        self.saw(balance, 0);
        let mut state = self.state();
        (state.scarce, state.unsure) = (balance.scarce, false);
        self.wanted.store(false, Relaxed);
        let spare = self.tally().spare();
        self.low.store(spare / 2, Relaxed);
        if spare == 0 && balance.scarce {
            state.paused_until = state.paused_until.max(now + PAUSE);
        }
    }

    /// The exchange did not happen; ask again after a pause.
    pub fn exchange_failed(&self, exchange: Exchange, now: Moment) {
        let mut state = self.state();
        // The database may have done it all the same.
        (state.returning, state.unsure) = (0, true);
        state.paused_until = now + PAUSE;
        self.publish(&state, 0);
        self.wanted.store(exchange.spare > 0, Relaxed);
    }

    /// The lease is gone: what was promised of it may still be paid from what is free, but no more can be promised.
    pub fn lost(&self) {
        let mut state = self.state();
        (state.leased, state.returning) = (0, 0);
        self.publish(&state, 0);
        self.low.store(0, Relaxed);
    }

    /// Once a second: how much is asked for, and what may go back.
    pub fn tick(&self, now: Moment) {
        let taken = self.taken.swap(0, Relaxed);
        let mut state = self.state();
        // Up at once, down slowly: breaks come in waves.
        state.demand = taken.max(state.demand - state.demand.div_ceil(4));
        if taken > 0 {
            state.last_taken = now;
        }
        if self.seen.swap(false, Relaxed) {
            state.last_seen = now;
        }
        let tally = self.tally();
        let stock = stock(state.demand);
        let back = if !self.is_limited() || !state.limits.active {
            tally.spare()
        } else if now - state.last_seen >= FORGOTTEN && !state.scarce {
            // A few stay where there are plenty: breaks come minutes apart, and the next is not to find nothing.
            tally.spare().saturating_sub(SMALL_STOCK)
        } else if state.scarce && tally.spare() > 0 && now - state.last_taken >= IDLE {
            state.paused_until = now + IDLE_PAUSE;
            tally.spare()
        } else if tally.spare() > stock.saturating_mul(2) {
            tally.spare() - stock
        } else {
            0
        };
        // Promises that were given meanwhile keep their places.
        let leased = state.leased;
        let left = self.change(|tally| {
            let kept = leased.saturating_sub(back).max(tally.held.min(leased));
            Some(Tally { leased: kept, ..tally })
        });
        state.returning = left.map_or(0, |tally| leased.saturating_sub(tally.leased));
    }

    /// What should change about the lease, if anything.
    pub fn wish(&self, now: Moment) -> Option<Exchange> {
        let mut state = self.state();
        let tally = self.tally();
        state.demand = state.demand.max(self.taken.load(Relaxed));
        if now < state.paused_until && state.returning == 0 {
            return None;
        }
        let stale = state.unsure || state.leased > 0 && state.lease_price != state.limits.terms.price;
        let wanted = self.is_limited() && now >= state.paused_until && self.wanted.swap(false, Relaxed);
        if !wanted && !stale && state.returning == 0 {
            return None;
        }
        let stock = if wanted { stock(state.demand) } else { 0 };
        let exchange = Exchange {
            needed: tally.held.saturating_sub(tally.leased),
            spare: stock.saturating_sub(tally.spare()),
            back: state.returning,
        };
        (stale || exchange != Exchange::default()).then_some(exchange)
    }

    /// Whether more are wanted and were not asked for yet.
    pub fn is_waiting(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// What is leased is what the database says, less what is on its way back.
    fn publish(&self, state: &State, released: u32) {
        let leased = state.leased.saturating_sub(state.returning);
        self.change(|tally| Some(Tally { leased, held: tally.held.saturating_sub(released) }));
    }

    fn change(&self, change: impl Fn(Tally) -> Option<Tally>) -> Option<Tally> {
        let mut now = self.tally.load(Relaxed);
        loop {
            let next = change(Tally::unpack(now))?;
            match self.tally.compare_exchange_weak(now, next.pack(), Relaxed, Relaxed) {
                Ok(_) => return Some(next),
                Err(found) => now = found,
            }
        }
    }
}

fn stock(demand: u32) -> u32 {
    demand.saturating_mul(STOCK_SECONDS).clamp(SMALL_STOCK, LARGE_STOCK)
}

impl State {
    /// Why the campaign should end now.
    pub fn ending(&self, (spent, impressions): (Money, u64), now: Moment) -> Option<EndReason> {
        let CampaignLimits { terms, active: true, ends, .. } = &self.limits else { return None };
        if ends.is_some_and(|ends| now >= ends) {
            Some(EndReason::FlightOver)
        } else if terms.is_delivered(impressions) {
            Some(EndReason::GoalReached)
        } else if terms.is_spent(spent) {
            Some(EndReason::BudgetSpent)
        } else {
            None
        }
    }
}
