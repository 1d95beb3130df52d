//! The ledger on real databases.

mod alone;
mod model;
mod node;

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::mpsc;

use super::{upkeep::Due, *};
use crate::{
    domain::{AvailId, SystemClock, Terms},
    store::tests::{event, scope},
};

/// A node for tests that do not look at money.
pub(crate) fn ledger(store: &Store) -> Arc<Ledger> {
    Ledger::new(store.clone(), "test".to_owned(), Arc::new(SystemClock))
}

/// A clock that stands until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000_000)))
    }
    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(Span::from_secs(seconds).0, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }
}

/// A node whose background does one round when it is told to.
pub struct Node {
    pub ledger: Arc<Ledger>,
    pub store: Store,
    due: Due,
    ends: (mpsc::Sender<CampaignEnd>, mpsc::Receiver<CampaignEnd>),
}

impl Node {
    pub fn new(store: Store, name: &str, clock: Arc<TestClock>) -> Self {
        let ledger = Ledger::new(store.clone(), name.to_owned(), clock);
        Self { ledger, store, due: Due::default(), ends: mpsc::channel(100) }
    }

    /// What a second does.
    pub async fn round(&mut self) {
        self.ledger.tick(self.ledger.clock.now());
        self.ledger.compare(&mut self.due, &self.ends.0).await.expect("answered");
        self.ledger.fill().await;
    }

    pub fn ended(&mut self) -> Vec<EndReason> {
        std::iter::from_fn(|| self.ends.1.try_recv().ok()).map(|end| end.reason).collect()
    }

    pub async fn keep(&self, version: i64, limits: CampaignLimits) {
        self.ledger.keep(&tenant(), version, vec![limits]).await.expect("written");
    }

    pub fn spend(&self) -> Spend {
        self.ledger.tenant(&tenant()).spend(&summer())
    }

    /// Holds for a minute.
    pub fn hold(&self, viewer: &str) -> Result<(), NoBudget> {
        let until = self.ledger.clock.now() + Span::from_secs(60);
        self.ledger.hold(&tenant(), &summer(), key(viewer), until)
    }

    /// The viewer saw the ad; answers what was charged, `None` if it had been counted.
    pub async fn see(&self, viewer: &str, price: i64) -> Option<i64> {
        let recorded = self.ledger.record(&[impression(viewer, price)], None).await.expect("recorded");
        recorded.counted[0].map(|counted| counted.price.micros())
    }
}

pub fn tenant() -> Slug {
    "acme".parse().expect("a slug")
}

pub fn summer() -> Slug {
    "summer".parse().expect("a slug")
}

pub fn key(viewer: &str) -> HoldKey {
    HoldKey::new(viewer, &AvailId::new("break-1"), 0)
}

pub fn impression(viewer: &str, price: i64) -> Event {
    Event { price: Money::from_micros(price), ..event("acme", viewer, EventType::Impression) }
}

pub fn limits(budget: Option<i64>, goal: Option<u64>, price: i64) -> CampaignLimits {
    let terms = Terms { budget: budget.map(Money::from_micros), goal, price: Money::from_micros(price) };
    CampaignLimits { campaign: summer(), terms, active: true, ends: None }
}

/// The campaign's numbers in the database, which must be those of the journal.
pub async fn books(store: &Store) -> Balance {
    let balances = store.balances(&scope("acme")).await.expect("read");
    let balance = balances.into_iter().find(|balance| balance.campaign == summer()).expect("kept");
    let events = journal(store).await;
    let impressions: Vec<_> = events.iter().filter(|event| event.is_billable()).collect();
    let sum: i64 = impressions.iter().map(|event| event.price.micros()).sum();
    assert_eq!(balance.spent.micros(), sum, "spent is the sum of the prices in the journal");
    let counted = balance.impressions + balance.unbilled;
    assert_eq!(counted, impressions.len() as u64, "each impression is charged or unbilled");
    balance
}

pub async fn journal(store: &Store) -> Vec<Event> {
    let (mut cursor, mut events) = (0, Vec::new());
    loop {
        let page = store.events_after(&scope("acme"), cursor, 1_000).await.expect("read");
        let Some(last) = page.last() else { return events };
        cursor = last.id;
        events.extend(page.into_iter().map(|stored| stored.event));
    }
}
