//! How many more ads of a campaign one viewer may be given in one pod: frequency caps, budget, impression goal, what
//! this server may spend, and pacing.

use std::cell::{OnceCell, RefCell};

use super::{CandidateIndex, DecisionRequest, Spend, Stage, history::History, index::IndexedCampaign};
use crate::{
    domain::{CapPeriod, FrequencyCap, Moment, Money, Pacing, Slug, Span},
    extension::point::LocalTime,
};

/// The hour of a cap is the last sixty minutes, not the hour on the clock: caps would otherwise double at full hours.
const HOUR: Span = Span::from_secs(3600);

/// An evenly paced campaign may be this much of its flight ahead, so that it begins at once and not only when time has
/// earned the first impression.
const HEAD_START_PERCENT: i64 = 1;

/// The tightest limit of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// How many ads of it a pod may have.
    pub left: u64,
    limit: Limit,
}

/// What limits it, with the numbers that say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Cap { cap: FrequencyCap, given: u64 },
    Budget { budget: Money, spent: Money },
    Goal { goal: u64, given: u64 },
    Server,
    SpendPace { budget: Money, spent: Money, due: Money },
    GoalPace { goal: u64, given: u64, due: u64 },
}

impl Allowance {
    pub fn stage(&self) -> Stage {
        match self.limit {
            Limit::Cap { .. } => Stage::Cap,
            _ => Stage::Budget,
        }
    }

    /// Why a campaign may have none.
    pub fn exhausted(&self, slug: &Slug) -> String {
        match self.limit {
            Limit::Cap { cap, given } => format!("{}: {given} given", cap_text(slug, cap)),
            Limit::Budget { budget, spent } => format!("the budget of campaign {slug} is spent: {spent} of {budget}"),
            Limit::Goal { goal, given } => format!("campaign {slug} has its impressions: {given} of {goal}"),
            Limit::Server => format!("this server may give no more impressions of campaign {slug} for now"),
            Limit::SpendPace { budget, spent, due } => {
                format!("campaign {slug} is ahead of its schedule: {spent} of {budget} spent, {due} due by now")
            }
            Limit::GoalPace { goal, given, due } => {
                format!(
                    "campaign {slug} is ahead of its schedule: {given} of {goal} impressions given, {due} due by now"
                )
            }
        }
    }

    /// Why a campaign may have no more ads in this pod than those that come first.
    pub fn surplus(&self, slug: &Slug) -> String {
        let left = self.left;
        let limit = match self.limit {
            Limit::Cap { cap, .. } => cap_text(slug, cap),
            Limit::Budget { .. } => format!("the budget of campaign {slug} pays for {left} more"),
            Limit::Goal { .. } => format!("campaign {slug} lacks {left} more impressions"),
            Limit::Server => format!("this server may give {left} more impressions of campaign {slug} for now"),
            Limit::SpendPace { .. } | Limit::GoalPace { .. } => {
                format!("campaign {slug} is on its schedule with {left} more")
            }
        };
        format!("{limit}: better ads of it come first")
    }
}

/// `campaign summer-sale is capped at 3 per hour`.
fn cap_text(slug: &Slug, cap: FrequencyCap) -> String {
    let period = match cap.per {
        CapPeriod::Pod => "pod",
        CapPeriod::Session => "session",
        CapPeriod::Hour => "hour",
        CapPeriod::Day => "day",
        CapPeriod::Flight => "flight",
    };
    format!("campaign {slug} is capped at {} per {period}", cap.impressions)
}

/// The allowances of the campaigns that a decision has met, each worked out once.
pub(super) struct Allowances<'a> {
    index: &'a CandidateIndex,
    request: &'a DecisionRequest<'a>,
    now: LocalTime,
    pub history: History,
    day_start: OnceCell<Moment>,
    /// For each campaign its place in `met`, plus one. Most campaigns are not met: a zero costs nothing to make.
    places: RefCell<Vec<u32>>,
    met: RefCell<Vec<Option<Allowance>>>,
}

impl<'a> Allowances<'a> {
    pub fn new(index: &'a CandidateIndex, request: &'a DecisionRequest<'a>, now: LocalTime) -> Self {
        Self {
            index,
            request,
            now,
            history: History::new(index, request.history),
            day_start: OnceCell::new(),
            places: RefCell::new(vec![0; index.campaigns.len()]),
            met: RefCell::default(),
        }
    }

    /// Nothing where nothing limits the campaign.
    pub fn of(&self, campaign: usize) -> Option<Allowance> {
        let mut places = self.places.borrow_mut();
        let place = places.get_mut(campaign)?;
        let mut met = self.met.borrow_mut();
        let known = usize::try_from(*place).ok().and_then(|place| place.checked_sub(1)).and_then(|at| met.get(at));
        if let Some(known) = known {
            return *known;
        }
        let found = self.index.campaigns.get(campaign).and_then(|indexed| self.tightest(campaign, indexed));
        met.push(found);
        *place = u32::try_from(met.len()).unwrap_or(0);
        found
    }

    fn tightest(&self, place: usize, campaign: &IndexedCampaign) -> Option<Allowance> {
        let caps = campaign.caps.iter().map(|cap| self.cap(place, campaign, *cap));
        let mut limits: Vec<Allowance> = caps.collect();
        if campaign.budget.is_some() || campaign.goal.is_some() {
            let spend = self.request.spend.spend(&campaign.slug);
            limits.extend(budget(campaign, spend));
            limits.extend(goal(campaign, spend));
            limits.extend(spend.available.map(|left| Allowance { left, limit: Limit::Server }));
            limits.extend(pace(campaign, spend, self.now.moment));
        }
        // The first of the tightest: caps are named before budgets.
        limits.into_iter().min_by_key(|allowance| allowance.left)
    }

    fn cap(&self, place: usize, campaign: &IndexedCampaign, cap: FrequencyCap) -> Allowance {
        let now = self.now.moment;
        let since = |from: Moment| self.history.of_campaign(place).filter(|seen| seen.at >= from).count();
        let given = match cap.per {
            CapPeriod::Pod => 0,
            CapPeriod::Session => self.history.of_campaign(place).filter(|seen| seen.this_session).count(),
            // One that is exactly an hour old no longer counts.
            CapPeriod::Hour => since(now - HOUR + Span(1)),
            CapPeriod::Day => since(*self.day_start.get_or_init(|| self.index.day_start(self.now))),
            CapPeriod::Flight => since(campaign.flight.starts.unwrap_or(Moment::MIN)),
        };
        let given = u64::try_from(given).unwrap_or(u64::MAX);
        Allowance { left: u64::from(cap.impressions).saturating_sub(given), limit: Limit::Cap { cap, given } }
    }
}

/// Whole impressions that the rest of the budget pays for.
fn budget(campaign: &IndexedCampaign, spend: Spend) -> Option<Allowance> {
    let budget = campaign.budget?;
    let (rest, price) = (budget.micros().saturating_sub(spend.money.micros()), campaign.price.micros());
    let left = match (rest, price) {
        (..=0, _) => 0,
        (_, ..=0) => return None,
        _ => u64::try_from(rest / price).unwrap_or(0),
    };
    Some(Allowance { left, limit: Limit::Budget { budget, spent: spend.money } })
}

fn goal(campaign: &IndexedCampaign, spend: Spend) -> Option<Allowance> {
    let (goal, given) = (campaign.goal?, spend.impressions);
    Some(Allowance { left: goal.saturating_sub(given), limit: Limit::Goal { goal, given } })
}

/// What an evenly paced campaign is behind its schedule, by money and by impressions: the share of the flight that has
/// passed and the head start, of the whole. Without both ends of a flight there is no share.
fn pace(campaign: &IndexedCampaign, spend: Spend, now: Moment) -> impl Iterator<Item = Allowance> {
    let flight = campaign.flight.starts.zip(campaign.flight.ends).filter(|_| campaign.pacing == Pacing::Even);
    let share = flight.filter(|(starts, ends)| ends > starts).map(|(starts, ends)| {
        let whole = (ends - starts).0;
        let passed = (now - starts).0.saturating_add(whole / 100 * HEAD_START_PERCENT);
        (i128::from(passed.clamp(0, whole)), i128::from(whole))
    });
    // Rounded up: the first impression is due at once.
    let due = move |all: i128, (passed, whole): (i128, i128)| (all * passed + whole - 1) / whole;
    let money = share.zip(campaign.budget).and_then(|(share, budget)| {
        let price = i128::from(campaign.price.micros());
        let due = due(i128::from(budget.micros()), share);
        let behind = due - i128::from(spend.money.micros());
        let left = if price <= 0 { return None } else { (behind.max(0) + price - 1) / price };
        let due = Money::from_micros(i64::try_from(due).unwrap_or(i64::MAX));
        let limit = Limit::SpendPace { budget, spent: spend.money, due };
        Some(Allowance { left: u64::try_from(left).unwrap_or(u64::MAX), limit })
    });
    let impressions = share.zip(campaign.goal).map(|(share, goal)| {
        let due = u64::try_from(due(i128::from(goal), share)).unwrap_or(u64::MAX);
        let limit = Limit::GoalPace { goal, given: spend.impressions, due };
        Allowance { left: due.saturating_sub(spend.impressions), limit }
    });
    money.into_iter().chain(impressions)
}
