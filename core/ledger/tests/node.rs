//! One node, then two, step by step, on both databases.

use super::*;
use crate::store::tests::{Fresh, on_each_database};

on_each_database!(
    a_hold_takes_an_impression_and_the_counted_one_is_charged_once,
    what_is_not_shown_is_free_again,
    a_campaign_without_limits_is_never_refused_and_its_spending_is_known,
    an_impression_after_its_hold_expired_is_paid_if_anything_is_left,
    an_impression_that_nobody_held_takes_no_promised_place,
    an_impression_beyond_the_limit_is_kept_and_costs_nothing,
    a_goal_is_reached_and_not_passed,
    each_impression_costs_what_its_event_says_and_leases_follow_the_price,
    a_budget_that_is_cut_is_not_passed_and_one_that_is_raised_sells_on,
    owners_are_told_once_of_each_share_and_again_after_a_raise,
    the_end_of_a_campaign_is_reported_by_one_node_until_its_status_changes,
    an_older_version_of_the_limits_does_not_overwrite_a_newer_one,
    a_beacon_at_another_node_is_paid_there,
    a_dead_node_s_stock_is_sold_by_the_others_once_its_lease_is_over,
    idle_nodes_leave_the_last_impressions_to_the_others,
    a_node_that_stops_gives_its_lease_back,
    a_campaign_that_is_gone_leaves_no_lease,
    a_tenant_that_comes_back_begins_anew,
);

async fn one(fresh: &Fresh) -> (Arc<TestClock>, Node) {
    let clock = TestClock::new();
    (clock.clone(), Node::new(fresh.open().await, "one", clock))
}

async fn two(fresh: &Fresh) -> (Arc<TestClock>, Node, Node) {
    let (clock, one) = one(fresh).await;
    let other = Node::new(fresh.open().await, "two", clock.clone());
    (clock, one, other)
}

/// Holds and sees until nothing is to be had any more; answers how many viewers did.
async fn sell_out(node: &mut Node, name: &str, price: i64) -> usize {
    let (mut sold, mut refused) = (0, 0);
    while refused < 3 {
        let viewer = format!("{name}-{sold}");
        node.spend();
        if node.hold(&viewer).is_ok() {
            assert_eq!(node.see(&viewer, price).await, Some(price), "what was held is paid");
            (sold, refused) = (sold + 1, 0);
        } else {
            refused += 1;
            node.ledger.fill().await;
        }
    }
    sold
}

async fn a_hold_takes_an_impression_and_the_counted_one_is_charged_once(fresh: Fresh) {
    let (_clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(1_000), None, 10)).await;
    assert_eq!(node.hold("early"), Err(NoBudget), "nothing is leased yet");
    node.round().await;
    assert_eq!(node.spend().available, Some(12), "an eighth of a hundred");
    node.hold("anna").expect("leased");
    node.hold("anna").expect("the same promise");
    assert_eq!(node.spend(), Spend { money: Money::from_micros(10), impressions: 1, available: Some(11) });
    assert_eq!(node.see("anna", 10).await, Some(10));
    assert_eq!(node.see("anna", 10).await, None, "a rewind");
    assert_eq!(node.spend(), Spend { money: Money::from_micros(10), impressions: 1, available: Some(11) });
    assert_eq!(node.ledger.holds(), 0);
    assert_eq!(books(&node.store).await.spent, Money::from_micros(10));
}

async fn what_is_not_shown_is_free_again(fresh: Fresh) {
    let (clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(100), None, 10)).await;
    node.hold("wakes it").expect_err("nothing is leased yet");
    node.round().await;
    node.hold("released").expect("one is leased");
    assert_eq!(node.spend().available, Some(0));
    node.ledger.release(key("released"));
    node.ledger.release(key("released"));
    assert_eq!(node.spend().available, Some(1));
    node.hold("expires").expect("free again");
    clock.pass(61);
    node.round().await;
    assert_eq!(node.ledger.holds(), 0);
    assert_eq!(node.spend().money, Money::ZERO);
    assert_eq!(sell_out(&mut node, "v", 10).await, 10);
}

async fn a_campaign_without_limits_is_never_refused_and_its_spending_is_known(fresh: Fresh) {
    let (_clock, node, mut other) = two(&fresh).await;
    for node in [&node, &other] {
        node.keep(1, limits(None, None, 10)).await;
    }
    assert_eq!(node.spend().available, None);
    for n in 0..30 {
        node.hold(&format!("v{n}")).expect("no limit");
        assert_eq!(node.see(&format!("v{n}"), 10).await, Some(10));
    }
    let unknown = "unknown".parse().expect("a slug");
    node.ledger.hold(&tenant(), &unknown, key("x"), Moment(0)).expect("no limit that is known");
    assert_eq!((node.ledger.holds(), node.spend().money), (0, Money::from_micros(300)));
    other.round().await;
    assert_eq!(other.spend(), Spend { money: Money::from_micros(300), impressions: 30, available: None });
    assert_eq!(books(&node.store).await.impressions, 30);
}

async fn an_impression_after_its_hold_expired_is_paid_if_anything_is_left(fresh: Fresh) {
    let (clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(30), None, 10)).await;
    node.spend();
    node.round().await;
    node.hold("late").expect("leased");
    clock.pass(61);
    node.round().await;
    assert_eq!(node.ledger.holds(), 0, "expired");
    assert_eq!(node.see("late", 10).await, Some(10));
    assert_eq!(sell_out(&mut node, "v", 10).await, 2);
    assert_eq!(node.see("too late", 10).await, Some(0));
    assert_eq!(node.spend().available, Some(0));
}

async fn an_impression_that_nobody_held_takes_no_promised_place(fresh: Fresh) {
    let (_clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(20), None, 10)).await;
    for viewer in ["anna", "bob"] {
        node.hold(viewer).expect_err("wakes it");
        node.round().await;
        node.hold(viewer).expect("leased");
    }
    assert_eq!(node.see("stranger", 10).await, Some(0), "both are promised");
    assert_eq!((node.see("anna", 10).await, node.see("bob", 10).await), (Some(10), Some(10)));
    let balance = books(&node.store).await;
    assert_eq!((balance.spent.micros(), balance.impressions, balance.unbilled), (20, 2, 1));
}

async fn an_impression_beyond_the_limit_is_kept_and_costs_nothing(fresh: Fresh) {
    let (_clock, node) = one(&fresh).await;
    node.keep(1, limits(Some(25), None, 10)).await;
    let mut events: Vec<Event> = (0..160).map(|n| impression(&format!("v{n}"), 10)).collect();
    events.push(Event { price: Money::from_micros(10), ..event("acme", "v0", EventType::Start) });
    events.push(Event { campaign: None, ..impression("of nobody", 10) });
    let recorded = node.ledger.record(&events, None).await.expect("recorded");
    let prices: i64 = recorded.counted.iter().flatten().map(|counted| counted.price.micros()).sum();
    assert_eq!((recorded.counted.iter().flatten().count(), prices), (162, 20));
    let balance = books(&node.store).await;
    assert_eq!((balance.spent.micros(), balance.impressions, balance.unbilled), (20, 2, 158));
    assert!(journal(&node.store).await.iter().all(|event| event.is_billable() || event.price == Money::ZERO));
}

async fn a_goal_is_reached_and_not_passed(fresh: Fresh) {
    let (_clock, mut node) = one(&fresh).await;
    node.keep(1, limits(None, Some(40), 0)).await;
    node.spend();
    node.round().await;
    assert_eq!(sell_out(&mut node, "v", 0).await, 40);
    assert_eq!(node.see("one more", 0).await, Some(0));
    let balance = books(&node.store).await;
    assert_eq!((balance.impressions, balance.unbilled), (40, 1));
    node.round().await;
    assert_eq!(node.ended(), [EndReason::GoalReached]);
}

async fn each_impression_costs_what_its_event_says_and_leases_follow_the_price(fresh: Fresh) {
    let (_clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(1_000), None, 10)).await;
    node.spend();
    node.round().await;
    for viewer in ["before", "after"] {
        node.hold(viewer).expect("leased");
    }
    assert_eq!(node.see("before", 10).await, Some(10));
    node.keep(2, limits(Some(1_000), None, 40)).await;
    assert_eq!(node.see("after", 40).await, Some(40), "decided at 10, seen at 40");
    node.round().await;
    let sold = sell_out(&mut node, "v", 40).await;
    assert_eq!((sold, books(&node.store).await.spent.micros()), (23, 970), "30 pay no further one");
    node.keep(3, limits(Some(1_000), None, 15)).await;
    node.round().await;
    assert_eq!(sell_out(&mut node, "w", 15).await, 2);
    assert_eq!(books(&node.store).await.spent.micros(), 1_000);
}

async fn a_budget_that_is_cut_is_not_passed_and_one_that_is_raised_sells_on(fresh: Fresh) {
    let (clock, mut node) = one(&fresh).await;
    node.keep(1, limits(Some(1_000), None, 10)).await;
    node.spend();
    node.round().await;
    let viewers: Vec<String> = (0..12).map(|n| format!("v{n}")).collect();
    viewers.iter().for_each(|viewer| node.hold(viewer).expect("leased"));
    node.keep(2, limits(Some(50), None, 10)).await;
    let mut paid = 0;
    for viewer in &viewers {
        paid += node.see(viewer, 10).await.expect("new");
    }
    assert_eq!(paid, 50, "promises are kept first come, up to the new budget");
    node.round().await;
    assert_eq!(node.ended(), [EndReason::BudgetSpent]);
    node.keep(3, limits(Some(200), None, 10)).await;
    clock.pass(1);
    node.spend();
    node.round().await;
    assert_eq!(sell_out(&mut node, "w", 10).await, 15);
    assert_eq!(books(&node.store).await.spent.micros(), 200);
}

async fn owners_are_told_once_of_each_share_and_again_after_a_raise(fresh: Fresh) {
    let (_clock, mut node) = one(&fresh).await;
    let told = async |store: &Store| -> Vec<String> {
        let events = journal(store).await.into_iter().filter(|event| event.event_type.is_about_budget());
        events.map(|event| format!("{} {} {}", event.session, event.avail, event.event_type.as_str())).collect()
    };
    node.keep(1, limits(Some(100), None, 10)).await;
    for n in 0..4 {
        node.see(&format!("v{n}"), 10).await;
    }
    assert!(told(&node.store).await.is_empty());
    let many: Vec<Event> = (4..8).map(|n| impression(&format!("v{n}"), 10)).collect();
    let recorded = node.ledger.record(&many, None).await.expect("recorded");
    assert_eq!(recorded.alerts.len(), 2);
    let eighty = ["campaign:summer budget:0.0001 budget_50", "campaign:summer budget:0.0001 budget_80"];
    assert_eq!(told(&node.store).await, eighty);
    let alert = journal(&node.store).await.into_iter().find(|event| event.event_type.is_about_budget()).expect("one");
    assert_eq!((alert.channel, alert.ad, alert.counted_by, alert.campaign), (None, None, None, Some(summer())));
    // Raised, half is reached already: nothing to tell. Back again: told before.
    node.keep(2, limits(Some(160), None, 10)).await;
    node.keep(3, limits(Some(100), None, 10)).await;
    node.keep(4, limits(Some(200), None, 10)).await;
    assert_eq!(told(&node.store).await, eighty);
    for n in 8..30 {
        node.see(&format!("v{n}"), 10).await;
    }
    let anew = told(&node.store).await.split_off(2);
    assert_eq!(anew, ["50", "80", "100"].map(|share| format!("campaign:summer budget:0.0002 budget_{share}")));
    // Cut below what is spent: the owner hears that the new amount is used up.
    node.keep(5, limits(Some(150), None, 10)).await;
    assert_eq!(told(&node.store).await.len(), 5, "it had been used up before");
    node.round().await;
    assert_eq!(node.ended(), [EndReason::BudgetSpent]);
}

async fn the_end_of_a_campaign_is_reported_by_one_node_until_its_status_changes(fresh: Fresh) {
    let (clock, mut a, mut b) = two(&fresh).await;
    let ends = Some(clock.now() + Span::from_secs(10));
    let flight = CampaignLimits { ends, ..limits(Some(100), None, 10) };
    for node in [&a, &b] {
        node.keep(1, flight.clone()).await;
    }
    for node in [&mut a, &mut b] {
        node.round().await;
        assert!(node.ended().is_empty());
    }
    clock.pass(10);
    for _ in 0..3 {
        a.round().await;
        b.round().await;
    }
    assert_eq!((a.ended(), b.ended()), (vec![EndReason::FlightOver], vec![]));
    // The first node dies before it changed anything.
    drop(a);
    clock.pass(31);
    b.round().await;
    assert_eq!(b.ended(), [EndReason::FlightOver]);
    b.keep(2, CampaignLimits { active: false, ..flight }).await;
    clock.pass(31);
    b.round().await;
    assert!(b.ended().is_empty());
}

async fn an_older_version_of_the_limits_does_not_overwrite_a_newer_one(fresh: Fresh) {
    let (_clock, a, b) = two(&fresh).await;
    a.keep(2, limits(Some(200), None, 10)).await;
    b.keep(1, limits(Some(100), None, 10)).await;
    assert_eq!(books(&a.store).await.terms.budget, Some(Money::from_micros(200)));
    b.keep(2, limits(Some(200), None, 10)).await;
    b.keep(3, limits(Some(300), None, 10)).await;
    assert_eq!(books(&a.store).await.terms.budget, Some(Money::from_micros(300)));
}

async fn a_beacon_at_another_node_is_paid_there(fresh: Fresh) {
    let (clock, mut a, mut b) = two(&fresh).await;
    for node in [&mut a, &mut b] {
        node.keep(1, limits(Some(1_000), None, 10)).await;
        node.spend();
        node.round().await;
    }
    a.hold("anna").expect("leased");
    let before = (a.spend().available, b.spend().available);
    assert_eq!(b.see("anna", 10).await, Some(10));
    assert_eq!(a.ledger.holds(), 1, "it does not know");
    assert_eq!((a.spend().available, b.spend().available.map(|left| left + 1)), before, "taken from b's stock");
    clock.pass(61);
    for node in [&mut a, &mut b] {
        node.round().await;
    }
    assert_eq!(a.spend().money, Money::from_micros(10), "known, and no longer held");
    let sold = sell_out(&mut a, "a", 10).await + sell_out(&mut b, "b", 10).await;
    assert!(sold <= 99);
    books(&a.store).await;
}

async fn a_dead_node_s_stock_is_sold_by_the_others_once_its_lease_is_over(fresh: Fresh) {
    let (clock, mut a, mut b) = two(&fresh).await;
    for node in [&mut a, &mut b] {
        node.keep(1, limits(Some(1_000), None, 10)).await;
        node.spend();
        node.round().await;
    }
    a.hold("never counted").expect("leased");
    drop(a);
    let first = sell_out(&mut b, "b", 10).await;
    assert_eq!(first, 88, "all but what the dead node had in stock");
    for _ in 0..4 {
        clock.pass(4);
        b.round().await;
    }
    assert_eq!(sell_out(&mut b, "c", 10).await, 12);
    assert_eq!(books(&b.store).await.spent.micros(), 1_000);
}

async fn idle_nodes_leave_the_last_impressions_to_the_others(fresh: Fresh) {
    let (clock, mut idle, mut busy) = two(&fresh).await;
    for node in [&mut idle, &mut busy] {
        node.keep(1, limits(Some(200), None, 10)).await;
        node.spend();
        node.round().await;
    }
    assert_eq!(idle.spend().available, Some(2));
    let first = sell_out(&mut busy, "b", 10).await;
    assert_eq!(first, 18);
    let mut rest = 0;
    for second in 0..8 {
        clock.pass(1);
        // Decisions look at the campaign there, too; others win.
        idle.spend();
        idle.round().await;
        busy.round().await;
        rest += sell_out(&mut busy, &format!("c{second}"), 10).await;
    }
    assert_eq!(rest, 2);
    assert_eq!(books(&busy.store).await.spent.micros(), 200);
}

async fn a_node_that_stops_gives_its_lease_back(fresh: Fresh) {
    let (_clock, mut a, mut b) = two(&fresh).await;
    for node in [&mut a, &mut b] {
        node.keep(1, limits(Some(1_000), None, 10)).await;
        node.spend();
        node.round().await;
    }
    a.ledger.shutdown().await.expect("given back");
    a.hold("too late").expect("the ledger knows no limits any more");
    assert_eq!(sell_out(&mut b, "b", 10).await, 100);
}

async fn a_campaign_that_is_gone_leaves_no_lease(fresh: Fresh) {
    let (_clock, mut a, mut b) = two(&fresh).await;
    for node in [&mut a, &mut b] {
        node.keep(1, limits(Some(1_000), None, 10)).await;
        node.spend();
        node.round().await;
    }
    a.hold("seen later").expect("leased");
    a.ledger.keep(&tenant(), 2, Vec::new()).await.expect("written");
    a.round().await;
    assert_eq!(sell_out(&mut b, "b", 10).await, 100, "on its way to b, the change is not known there");
    assert_eq!(a.see("seen later", 10).await, Some(0), "kept, and not above the limit");
    a.keep(3, limits(Some(1_010), None, 10)).await;
    a.spend();
    a.round().await;
    assert_eq!(sell_out(&mut a, "a", 10).await, 1, "back again, with a stock of its own");
    books(&a.store).await;
}

async fn a_tenant_that_comes_back_begins_anew(fresh: Fresh) {
    use crate::store::{Author, Door, Edit, Kind};
    let (clock, mut node) = one(&fresh).await;
    let author = Author { actor: "test".into(), door: Door::Api, summary: String::new(), request: None };
    let edit = Edit { kind: Kind::Tenant, name: "acme".into(), body: Some("{}".into()) };
    let scope = scope("acme");
    node.store.change(&scope, None, std::slice::from_ref(&edit), &author, clock.now()).await.expect("made");
    node.keep(1, limits(Some(100), None, 10)).await;
    node.spend();
    node.round().await;
    assert_eq!(sell_out(&mut node, "v", 10).await, 10);
    node.store.delete_tenant(&scope, &author, clock.now()).await.expect("deleted");
    clock.pass(1);
    // This node has not noticed that the tenant was gone in between.
    let version = node.store.change(&scope, None, &[edit], &author, clock.now()).await.expect("made again");
    node.keep(version, limits(Some(100), None, 10)).await;
    node.spend();
    node.round().await;
    assert_eq!(sell_out(&mut node, "w", 10).await, 10);
}
