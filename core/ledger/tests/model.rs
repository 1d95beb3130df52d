//! Random histories against a naive model: what must hold whatever happens, and what must hold if nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;
use crate::store::tests::Fresh;

const NODES: usize = 3;
const VIEWERS: u8 = 40;
const PRICE: i64 = 10;

#[derive(Clone, Debug)]
enum Step {
    /// A decision at a node holds for a viewer.
    Hold(usize, u8),
    Release(usize, u8),
    /// A viewer's beacon arrives at a node, whoever decided.
    See(usize, u8),
    /// Several beacons in one group.
    SeeMany(usize, Vec<u8>),
    Round(usize),
    Pass(i64),
    /// The process ends; another one takes its place.
    Crash(usize),
    /// Its lease vanishes from the database, as when another node took it for dead.
    LoseLease(usize),
    Budget(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    prop_oneof![
        8 => (node.clone(), 0..VIEWERS).prop_map(|(n, v)| Step::Hold(n, v)),
        1 => (node.clone(), 0..VIEWERS).prop_map(|(n, v)| Step::Release(n, v)),
        6 => (node.clone(), 0..VIEWERS).prop_map(|(n, v)| Step::See(n, v)),
        2 => (node.clone(), proptest::collection::vec(0..VIEWERS, 1..12)).prop_map(|(n, v)| Step::SeeMany(n, v)),
        5 => node.clone().prop_map(Step::Round),
        2 => (1i64..30).prop_map(Step::Pass),
        1 => node.clone().prop_map(Step::Crash),
        1 => node.prop_map(Step::LoseLease),
        1 => (0i64..40).prop_map(|n| Step::Budget(n * PRICE + 3)),
    ]
}

/// What a person with a pencil would know.
struct Model {
    budget: i64,
    spent: i64,
    seen: BTreeSet<u8>,
    /// (node, viewer) → until.
    held: BTreeMap<(usize, u8), Moment>,
    /// Nothing has happened yet that excuses a broken promise.
    smooth: bool,
    /// When each node last renewed its lease, or could have.
    rounds: [Moment; NODES],
    version: i64,
}

async fn play(steps: Vec<Step>, budget: i64) -> TestCaseResult {
    let fresh = Fresh::sqlite();
    let clock = TestClock::new();
    let mut nodes = Vec::new();
    for at in 0..NODES {
        nodes.push(Node::new(fresh.open().await, &format!("n{at}"), clock.clone()));
    }
    let mut model = Model {
        budget,
        spent: 0,
        seen: BTreeSet::new(),
        held: BTreeMap::new(),
        smooth: true,
        rounds: [clock.now(); NODES],
        version: 1,
    };
    for node in &mut nodes {
        node.keep(1, limits(Some(budget), None, PRICE)).await;
        node.spend();
        node.round().await;
    }
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Hold(at, viewer) => {
                nodes[at].spend();
                if nodes[at].hold(&format!("{viewer}")).is_ok() {
                    let until = clock.now() + Span::from_secs(60);
                    model.held.insert((at, viewer), until);
                }
            }
            Step::Release(at, viewer) => {
                nodes[at].ledger.release(key(&format!("{viewer}")));
                model.held.remove(&(at, viewer));
            }
            Step::See(at, viewer) => see(&mut model, &nodes[at], at, &[viewer]).await?,
            Step::SeeMany(at, viewers) => see(&mut model, &nodes[at], at, &viewers).await?,
            Step::Round(at) => {
                nodes[at].round().await;
                let now = clock.now();
                model.rounds[at] = now;
                model.held.retain(|(node, _), until| *node != at || *until > now);
            }
            Step::Pass(seconds) => {
                clock.pass(seconds);
                // Leases live for fifteen seconds and are renewed every five.
                model.smooth &= model.rounds.iter().all(|round| clock.now() - *round < Span::from_secs(10));
            }
            Step::Crash(at) => {
                let store = nodes[at].store.clone();
                nodes[at] = Node::new(store, &format!("n{at}-{number}"), clock.clone());
                nodes[at].keep(model.version, limits(Some(model.budget), None, PRICE)).await;
                model.held.retain(|(node, _), _| *node != at);
            }
            Step::LoseLease(at) => {
                let name = nodes[at].ledger.node.clone();
                nodes[at].store.drop_leases(&name, clock.now()).await.expect("dropped");
                model.smooth = false;
            }
            Step::Budget(budget) => {
                model.version += 1;
                model.smooth &= budget >= model.budget;
                model.budget = budget;
                for node in &nodes {
                    node.keep(model.version, limits(Some(budget), None, PRICE)).await;
                }
            }
        }
        check(&model, &nodes).await?;
    }
    // In the end everything is sold, whatever happened: dead leases end, idle nodes give back.
    for second in 0..12 {
        clock.pass(if second % 4 == 0 { 16 } else { 2 });
        for node in &mut nodes {
            node.round().await;
        }
    }
    let mut refused = 0;
    for viewer in 0.. {
        let name = format!("last-{viewer}");
        nodes[0].spend();
        nodes[0].ledger.fill().await;
        if nodes[0].hold(&name).is_ok() {
            model.spent += nodes[0].see(&name, PRICE).await.expect("new");
            refused = 0;
        } else if refused == 4 {
            break;
        } else {
            clock.pass(1);
            nodes[0].round().await;
            refused += 1;
        }
    }
    model.held.clear();
    check(&model, &nodes).await?;
    prop_assert!(model.budget - model.spent < PRICE, "{} of {} are spent", model.spent, model.budget);
    Ok(())
}

async fn see(model: &mut Model, node: &Node, at: usize, viewers: &[u8]) -> TestCaseResult {
    let now = node.ledger.clock.now();
    let events: Vec<Event> = viewers.iter().map(|viewer| impression(&format!("{viewer}"), PRICE)).collect();
    let recorded = node.ledger.record(&events, None).await.expect("recorded");
    prop_assert_eq!(recorded.counted.len(), viewers.len());
    for (viewer, counted) in viewers.iter().zip(&recorded.counted) {
        prop_assert_eq!(counted.is_some(), model.seen.insert(*viewer), "counted once");
        let promised = model.held.remove(&(at, *viewer)).is_some_and(|until| until > now);
        let Some(counted) = counted else { continue };
        prop_assert!(
            counted.price.micros() == PRICE || !(promised && model.smooth),
            "{} was promised its impression by {}",
            viewer,
            at
        );
        model.spent += counted.price.micros();
        prop_assert!(
            counted.price == Money::ZERO || model.spent <= model.budget,
            "{} of {}",
            model.spent,
            model.budget
        );
    }
    Ok(())
}

async fn check(model: &Model, nodes: &[Node]) -> TestCaseResult {
    // Compares with the journal, too.
    let balance = books(&nodes[0].store).await;
    prop_assert_eq!(balance.spent.micros(), model.spent);
    for (at, node) in nodes.iter().enumerate() {
        let held = model.held.keys().filter(|(node, _)| *node == at).count();
        prop_assert_eq!(node.ledger.holds(), held, "holds of {}", at);
        let spend = node.spend();
        prop_assert_eq!(node.ledger.line(&tenant(), &summer()).map(|line| line.tally().held), u32::try_from(held).ok());
        prop_assert!(spend.money.micros() <= model.spent + i64::try_from(held).unwrap_or(0) * PRICE);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_overspent_or_lost_and_promises_are_kept(
        steps in proptest::collection::vec(step(), 1..80),
        impressions in 1i64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(play(steps, impressions * PRICE + 3))?;
    }
}
