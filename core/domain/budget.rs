//! What a campaign may cost and deliver, and when it is over.

use super::{EventType, Moment, Money, Slug};

/// A campaign's limits and what an impression of it costs. Nothing set: it runs without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    pub budget: Option<Money>,
    /// Charged impressions.
    pub goal: Option<u64>,
    /// Of one impression.
    pub price: Money,
}

/// A campaign as the ledger watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignLimits {
    pub campaign: Slug,
    pub terms: Terms,
    /// Runs, or will: its end is worth a report.
    pub active: bool,
    /// The first moment after its flight.
    pub ends: Option<Moment>,
}

/// Shares of a budget, in percent, that owners are told of when they are spent.
pub const ALERTS: [(u8, EventType); 3] =
    [(50, EventType::Budget50), (80, EventType::Budget80), (100, EventType::Budget100)];

impl Terms {
    pub fn is_limited(&self) -> bool {
        self.budget.is_some() || self.goal.is_some()
    }

    /// Whether what is left of the budget pays no further impression.
    pub fn is_spent(&self, spent: Money) -> bool {
        let left = |budget: Money| budget.micros().saturating_sub(spent.micros());
        self.budget.is_some_and(|budget| left(budget) < self.price.micros().max(1))
    }

    pub fn is_delivered(&self, impressions: u64) -> bool {
        self.goal.is_some_and(|goal| impressions >= goal)
    }

    /// The highest of [`ALERTS`] that is reached, in percent; 0 for none. A budget is 100 % spent when it pays no further
    /// impression, even if some micro-units are left.
    pub fn alert_level(&self, spent: Money) -> u8 {
        let Some(budget) = self.budget else { return 0 };
        if self.is_spent(spent) {
            return 100;
        }
        let reached = |percent: u8| {
            i128::from(spent.micros()) * 100 >= i128::from(budget.micros()) * i128::from(percent) && percent < 100
        };
        ALERTS.iter().map(|(percent, _)| *percent).filter(|percent| reached(*percent)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(micros: i64) -> Money {
        Money::from_micros(micros)
    }

    #[test]
    fn a_budget_is_spent_when_it_pays_no_further_impression() {
        let terms = Terms { budget: Some(money(100)), goal: None, price: money(30) };
        let levels: Vec<u8> = [0, 49, 50, 70, 71, 90, 100, 130].map(|spent| terms.alert_level(money(spent))).to_vec();
        assert_eq!(levels, [0, 0, 50, 50, 100, 100, 100, 100]);
        let fine = Terms { price: money(1), ..terms };
        assert_eq!([79, 80, 99, 100].map(|spent| fine.alert_level(money(spent))), [50, 80, 80, 100]);
        let free = Terms { price: Money::ZERO, ..terms };
        assert!(!free.is_spent(Money::ZERO) && free.is_spent(money(100)), "nothing for nothing is no end");
        let endless = Terms::default();
        assert!(!endless.is_spent(money(i64::MAX)) && !endless.is_delivered(u64::MAX) && !endless.is_limited());
        assert_eq!(endless.alert_level(money(i64::MAX)), 0);
    }
}
