//! The arithmetic of one campaign's budget: what may be charged, and how much may be leased. Pure.
//!
//! Two rules. *The limit*: an impression is charged only if `spent` stays within the budget and `impressions` within the
//! goal. It is checked at every charge, so nothing else (a lost lease, clocks that differ, a node that died) can lead to
//! an overshoot. *The promise*: what is leased is kept free for its holder, so that an impression that a decision held
//! can be paid when it comes.

use crate::domain::{Money, Terms};

/// Of what nobody has spent or leased, one grant adds at most this share to a node's spare impressions: far from the
/// limit it is more than any node asks for, near it nodes come away with ever less, and the last ones go one by one.
const SHARE: i64 = 8;

/// Impressions that are kept for one node, at the price they were granted at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    pub impressions: i64,
    /// Micro-units each.
    pub price: i64,
}

impl Lease {
    pub fn money(self) -> i64 {
        self.impressions.saturating_mul(self.price)
    }
}

/// What a node asks for when it exchanges its lease for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Impressions that viewers were promised and the lease does not cover.
    pub needed: u32,
    /// Impressions that the node would like on top, for viewers to come.
    pub spare: u32,
    /// Impressions that it gives back.
    pub back: u32,
}

/// A campaign's numbers as one node sees them, its leases included. Amounts are micro-units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Book {
    pub terms: Terms,
    pub spent: i64,
    /// Charged, free ones included.
    pub impressions: i64,
    /// Counted, but beyond the limit: not charged.
    pub unbilled: i64,
    /// This node's lease, if it is alive.
    pub own: Lease,
    /// The living leases of all other nodes.
    pub others_impressions: i64,
    pub others_money: i64,
}

impl Book {
    /// Charges one impression if the limit allows it. A `covered` one takes a place of this node's lease; any other, and
    /// one whose lease is gone, what nobody has leased.
    pub fn charge(&mut self, price: Money, covered: bool) -> bool {
        let price = price.micros().max(0);
        let leased = covered && self.own.impressions > 0;
        // A dearer impression than the lease was granted for has to find the difference in what is free.
        let extra = price.saturating_sub(self.own.price);
        let allowed = if leased && (extra <= 0 || self.free_money() >= extra) {
            self.own.impressions -= 1;
            true
        } else {
            self.free_money() >= price && self.free_impressions() >= 1
        };
        if !allowed || !self.within_limit(price) {
            if allowed && leased {
                self.own.impressions += 1;
            }
            self.unbilled = self.unbilled.saturating_add(1);
            return false;
        }
        self.spent = self.spent.saturating_add(price);
        self.impressions = self.impressions.saturating_add(1);
        true
    }

    /// Renews this node's lease at today's price. Answers whether the node got all it asked for.
    pub fn exchange(&mut self, wish: Exchange) -> bool {
        let kept = self.own.impressions.saturating_sub(i64::from(wish.back)).max(0);
        let needed = kept.saturating_add(i64::from(wish.needed));
        self.own = Lease { impressions: 0, price: self.terms.price.micros() };
        let fits = self.fits();
        let unleased = fits.saturating_sub(needed).max(0);
        let spare = i64::from(wish.spare).min((unleased / SHARE).max(1));
        self.own.impressions = needed.saturating_add(spare).min(fits);
        self.own.impressions == needed.saturating_add(i64::from(wish.spare))
    }

    /// How many impressions the limit leaves at today's price, beside what is leased.
    fn fits(&self) -> i64 {
        let price = self.terms.price.micros();
        let paid = if price > 0 { self.free_money().max(0) / price } else { i64::MAX };
        paid.min(self.free_impressions()).max(0)
    }

    fn within_limit(&self, price: i64) -> bool {
        self.terms.budget.is_none_or(|budget| self.spent.saturating_add(price) <= budget.micros())
            && self.goal().is_none_or(|goal| self.impressions < goal)
    }

    /// Money that is neither spent nor leased. Below zero when a budget was cut after leases were granted.
    fn free_money(&self) -> i64 {
        let taken = self.spent.saturating_add(self.others_money).saturating_add(self.own.money());
        self.terms.budget.map_or(i64::MAX, |budget| budget.micros().saturating_sub(taken))
    }

    fn free_impressions(&self) -> i64 {
        let taken = self.impressions.saturating_add(self.others_impressions).saturating_add(self.own.impressions);
        self.goal().map_or(i64::MAX, |goal| goal.saturating_sub(taken))
    }

    fn goal(&self) -> Option<i64> {
        self.terms.goal.map(|goal| i64::try_from(goal).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn book(budget: i64, price: i64) -> Book {
        let terms = Terms { budget: Some(Money::from_micros(budget)), goal: None, price: Money::from_micros(price) };
        Book { terms, ..Book::default() }
    }

    fn wish(needed: u32, spare: u32, back: u32) -> Exchange {
        Exchange { needed, spare, back }
    }

    #[test]
    fn grants_are_large_far_from_the_limit_and_single_near_it() {
        let mut book = book(100_000, 1);
        assert!(book.exchange(wish(0, 1_000, 0)));
        assert_eq!(book.own.impressions, 1_000);
        let mut sizes = Vec::new();
        for _ in 0..100 {
            let before = book.own.impressions;
            book.exchange(wish(0, 1_000_000, 0));
            sizes.push(book.own.impressions - before);
        }
        assert_eq!(sizes[..3], [12_375, 10_828, 9_474]);
        let singles = sizes.iter().filter(|size| **size == 1).count();
        assert!((8..20).contains(&singles), "{sizes:?}");
        assert_eq!(book.own.impressions, 100_000, "down to the last");
    }

    #[test]
    fn what_others_lease_is_kept_for_them() {
        let mut book = Book { others_impressions: 3, others_money: 30, ..book(50, 10) };
        let price = Money::from_micros(10);
        assert_eq!([true, true, false], [(); 3].map(|()| book.charge(price, false)));
        assert_eq!((book.spent, book.impressions, book.unbilled), (20, 2, 1));
        book.exchange(wish(1, 1, 0));
        assert_eq!(book.own.impressions, 0);
    }

    #[test]
    fn a_covered_impression_is_paid_from_the_lease_and_an_uncovered_one_is_not() {
        let mut book = Book { own: Lease { impressions: 1, price: 10 }, ..book(10, 10) };
        let price = Money::from_micros(10);
        assert!(!book.clone().charge(price, false), "it would take another's place");
        assert!(book.charge(price, true));
        assert_eq!((book.spent, book.own.impressions), (10, 0));
        assert!(!book.charge(price, true));
    }

    #[test]
    fn after_a_cut_leases_are_honoured_first_come_and_never_past_the_new_budget() {
        let mut book =
            Book { own: Lease { impressions: 5, price: 10 }, others_impressions: 5, others_money: 50, ..book(35, 10) };
        let charged = [(); 5].map(|()| book.charge(Money::from_micros(10), true));
        assert_eq!(charged, [true, true, true, false, false]);
        assert_eq!((book.spent, book.own.impressions, book.unbilled), (30, 2, 2));
    }

    #[test]
    fn a_dearer_impression_finds_the_difference_or_goes_unbilled() {
        let lease = Lease { impressions: 2, price: 10 };
        let mut tight = Book { own: lease, ..book(20, 15) };
        assert!(!tight.charge(Money::from_micros(15), true), "the second place is promised at 10");
        assert_eq!(tight.own, lease, "and keeps its place");
        let mut roomy = Book { own: lease, ..book(30, 15) };
        assert!(roomy.charge(Money::from_micros(15), true) && roomy.charge(Money::from_micros(15), true));
        assert_eq!(roomy.spent, 30);
        let mut cheaper = Book { own: lease, ..book(20, 5) };
        assert!(cheaper.charge(Money::from_micros(5), true));
        assert_eq!((cheaper.spent, cheaper.own.impressions), (5, 1));
    }

    #[test]
    fn a_goal_limits_as_money_does_and_free_campaigns_too() {
        let terms = Terms { goal: Some(3), ..Terms::default() };
        let mut book = Book { terms, ..Book::default() };
        book.exchange(wish(0, 100, 0));
        assert_eq!(book.own, Lease { impressions: 1, price: 0 });
        assert_eq!(
            [true, true, true, false, false],
            [true, false, false, false, true].map(|c| book.charge(Money::ZERO, c))
        );
        assert_eq!((book.impressions, book.unbilled, book.spent), (3, 2, 0));
    }

    proptest! {
        /// Any number of nodes, prices that change, budgets that are cut and raised: the limit holds always.
        #[test]
        fn no_sequence_of_grants_and_charges_passes_the_limit(
            steps in proptest::collection::vec((0usize..3, 0u32..30, 0u32..60, 0u32..20, 0i64..25, any::<bool>(), 0u8..12), 1..120),
            budget in 0i64..900,
            goal in proptest::option::of(0u64..60),
        ) {
            let mut terms = Terms { budget: Some(Money::from_micros(budget)), goal, price: Money::from_micros(7) };
            let mut leases = [Lease::default(); 3];
            let (mut spent, mut impressions) = (0, 0);
            let mut cut = false;
            for (node, needed, spare, back, price, covered, what) in steps {
                let others = || leases.iter().enumerate().filter(|(at, _)| *at != node).map(|(_, lease)| *lease);
                let mut book = Book {
                    terms, spent, impressions, unbilled: 0, own: leases[node],
                    others_impressions: others().map(|lease| lease.impressions).sum(),
                    others_money: others().map(Lease::money).sum(),
                };
                match what {
                    0 => { terms.price = Money::from_micros(price); continue }
                    1 => { terms.budget = Some(Money::from_micros(spent + i64::from(spare) * 9)); cut = true; continue }
                    2 => leases[node] = Lease::default(),
                    3..6 => { book.exchange(wish(needed, spare, back)); leases[node] = book.own }
                    _ => {
                        let kept_promise = covered && book.own.impressions > 0 && price <= book.own.price && !cut;
                        let charged = book.charge(Money::from_micros(price), covered);
                        prop_assert!(charged || !kept_promise, "a lease was not honoured: {book:?}");
                        leases[node] = book.own;
                        (spent, impressions) = (book.spent, book.impressions);
                        prop_assert!(!charged || terms.budget.is_none_or(|budget| spent <= budget.micros()));
                        prop_assert!(!charged || goal.is_none_or(|goal| impressions <= goal as i64));
                    }
                }
                let leased: i64 = leases.iter().map(|lease| lease.money()).sum();
                prop_assert!(cut || terms.budget.is_none_or(|budget| spent + leased <= budget.micros()));
            }
        }
    }
}
