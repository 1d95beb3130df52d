//! Many viewers of one campaign at once: real threads, journals, ledgers and databases.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::Journal;
use crate::{
    domain::{CampaignLimits, Clock, Span, SystemClock},
    ledger::{
        Ledger,
        tests::{books, impression, journal, key, limits, summer, tenant},
    },
    store::{
        Store,
        tests::{Fresh, scope},
    },
};

const THREADS: usize = 64;

/// A node as the server runs it: its background runs by itself and its events go through the journal.
struct Running {
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    store: Store,
    background: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(fresh: &Fresh, name: &str, limits: &CampaignLimits) -> Arc<Self> {
        let store = fresh.open().await;
        let ledger = Ledger::new(store.clone(), name.to_owned(), Arc::new(SystemClock));
        ledger.keep(&tenant(), 1, vec![limits.clone()]).await.expect("written");
        let background = tokio::spawn(ledger.clone().run(mpsc::channel(1).0));
        let journal = Journal::start(ledger.clone(), &store);
        Arc::new(Self { ledger, journal, store, background })
    }

    /// The process ends without a word: nothing is given back, nothing renewed.
    fn kill(&self) {
        self.background.abort();
    }

    /// One viewer: asks, holds, and is seen. Some holds are never used, some impressions counted twice.
    async fn view(&self, viewer: &str, odd: usize, price: i64) -> bool {
        self.ledger.tenant(&tenant()).spend(&summer());
        let until = SystemClock.now() + Span::from_secs(600);
        if self.ledger.hold(&tenant(), &summer(), key(viewer), until).is_err() {
            return false;
        }
        if odd.is_multiple_of(10) {
            tokio::task::yield_now().await;
            self.ledger.release(key(viewer));
            return true;
        }
        let events = vec![impression(viewer, price)];
        if odd.is_multiple_of(7) {
            drop(self.journal.record(events.clone()));
        }
        let _closed = self.journal.record(events).await;
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.background.abort();
    }
}

/// Lets viewers come until the campaign is sold out, or for too long.
async fn sold_out(store: &Store, wanted: i64, patience: Duration) {
    let begun = Instant::now();
    let spent = async || {
        store.balances(&scope("acme")).await.expect("read").iter().map(|each| each.spent.micros()).sum::<i64>()
    };
    while spent().await < wanted && begun.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn sixty_four_threads_spend_a_budget_to_the_last_impression_and_not_a_micro_more() {
    const PRICE: i64 = 7;
    // Not a multiple of the price: four micro-units stay.
    const BUDGET: i64 = 3_000 * PRICE + 4;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    let fresh = Fresh::sqlite();
    let node = runtime.block_on(Running::start(&fresh, "one", &limits(Some(BUDGET), None, PRICE)));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (node, stop, handle) = (&node, &stop, runtime.handle());
            scope.spawn(move || {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let viewer = format!("{thread}-{n}");
                    if !handle.block_on(node.view(&viewer, thread + n, PRICE)) {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            });
        }
        runtime.block_on(sold_out(&node.store, BUDGET - 4, Duration::from_secs(60)));
        stop.store(true, Ordering::Relaxed);
    });
    runtime.block_on(async {
        node.journal.shutdown().await;
        let balance = books(&node.store).await;
        assert_eq!((balance.spent.micros(), balance.impressions, balance.unbilled), (BUDGET - 4, 3_000, 0));
        let alerts = journal(&node.store).await.into_iter().filter(|event| event.event_type.is_about_budget());
        let alerts: Vec<_> = alerts.map(|event| event.event_type.to_string()).collect();
        assert_eq!(alerts, ["budget_50", "budget_80", "budget_100"]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_share_a_budget_and_what_a_killed_one_had_is_sold_after_its_lease() {
    const PRICE: i64 = 7;
    const BUDGET: i64 = 2_000 * PRICE + 6;
    let fresh = Fresh::postgres().await;
    let limits = limits(Some(BUDGET), None, PRICE);
    let nodes = [Running::start(&fresh, "one", &limits).await, Running::start(&fresh, "two", &limits).await];
    let seen = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let killed = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let mut viewers = Vec::new();
    for task in 0..THREADS {
        let at = task % 2;
        let (node, seen, killed, stop) = (nodes[at].clone(), seen.clone(), killed.clone(), stop.clone());
        viewers.push(tokio::spawn(async move {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) || at == 0 && killed.load(Ordering::Relaxed) {
                    return;
                }
                if node.view(&format!("{task}-{n}"), task + n, PRICE).await {
                    seen[at].fetch_add(1, Ordering::Relaxed);
                } else {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }));
    }
    let store = &nodes[1].store;
    sold_out(store, BUDGET / 3, Duration::from_secs(30)).await;
    killed.store(true, Ordering::Relaxed);
    nodes[0].kill();
    sold_out(store, BUDGET - 6, Duration::from_secs(60)).await;
    stop.store(true, Ordering::Relaxed);
    for viewer in viewers {
        viewer.await.expect("no panic");
    }
    nodes[1].journal.shutdown().await;
    let balance = books(store).await;
    assert_eq!((balance.spent.micros(), balance.impressions), (BUDGET - 6, 2_000));
    assert!(seen.iter().all(|seen| seen.load(Ordering::Relaxed) > 100), "both sold: {seen:?}");
}
