//! A node without its database, and what promises cost.

use std::time::Instant;

use super::*;
use crate::store::tests::Fresh;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_node_sells_what_it_has_in_stock_and_nothing_after_its_lease() {
    let clock = TestClock::new();
    let fresh = Fresh::sqlite();
    let store = fresh.open().await;
    let mut node = Node::new(store.clone(), "one", clock.clone());
    node.keep(1, limits(Some(1_000), None, 10)).await;
    node.spend();
    node.round().await;
    store.close().await;
    node.hold("anna").expect("in stock");
    for second in 1..=15 {
        clock.pass(1);
        node.ledger.tick(clock.now());
        assert!(node.ledger.fill().await || second < 15);
        assert_eq!(node.hold(&format!("v{second}")).is_ok(), second < 12, "{second}");
    }
    assert_eq!(node.spend().available, Some(0));
    let unlimited = CampaignLimits { campaign: "free".parse().expect("a slug"), ..limits(None, None, 0) };
    let kept = node.ledger.keep(&tenant(), 2, vec![limits(Some(1_000), None, 10), unlimited]).await;
    assert!(kept.is_err(), "it says so");
    let free = "free".parse().expect("a slug");
    assert_eq!(node.ledger.tenant(&tenant()).spend(&free).available, None, "and knows the campaigns all the same");
    // Back again (a new connection stands for it): the limits are written, and a new stock is leased.
    let mut back = Node::new(fresh.open().await, "one", clock.clone());
    back.ledger.unwritten.lock().extend(std::mem::take(&mut *node.ledger.unwritten.lock()));
    back.round().await;
    assert_eq!(back.store.balances(&scope("acme")).await.expect("read").len(), 2);
}

/// Printed with `cargo test --lib -- --ignored --nocapture hold_costs`.
#[test]
#[ignore = "a measurement"]
fn hold_costs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let fresh = Fresh::sqlite();
    let store = runtime.block_on(fresh.open());
    let mut node = Node::new(store, "one", TestClock::new());
    runtime.block_on(async {
        node.keep(1, limits(Some(i64::MAX), None, 10)).await;
        for _ in 0..40 {
            for n in 0..20_000 {
                let _wanted = node.hold(&format!("w{n}"));
            }
            node.round().await;
        }
        (0..20_000).for_each(|n| node.ledger.release(key(&format!("w{n}"))));
    });
    let rounds = 2_000_u64;
    for threads in [1_u64, 8] {
        let spare = node.spend().available.expect("limited");
        assert!(spare >= threads * rounds, "{spare} in stock");
        let until = node.ledger.clock.now() + Span::from_secs(60);
        let keys: Vec<Vec<HoldKey>> =
            (0..threads).map(|t| (0..rounds).map(|n| key(&format!("{t}-{n}"))).collect()).collect();
        let (tenant, summer, ledger) = (tenant(), summer(), &node.ledger);
        let each = |work: &(dyn Fn(HoldKey) + Sync)| {
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for keys in &keys {
                    scope.spawn(move || keys.iter().for_each(|key| work(*key)));
                }
            });
            begun.elapsed().as_nanos() / u128::from(rounds * threads)
        };
        let hold = each(&|key| ledger.hold(&tenant, &summer, key, until).expect("in stock"));
        let release = each(&|key| ledger.release(key));
        let view = ledger.tenant(&tenant);
        let spend = each(&|_| {
            std::hint::black_box(view.spend(&summer));
        });
        println!("{threads} threads: hold {hold} ns, release {release} ns, spend {spend} ns");
    }
}
