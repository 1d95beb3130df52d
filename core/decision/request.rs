//! What a decision is asked with: the break, the viewer and what is known of them at this moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Avail, Moment, Money, Slug, Span, Viewer},
    extension::Counters,
};

/// One break for one viewer. Everything that may change the answer is in here or in the two snapshots it is asked of.
#[derive(Clone, Copy)]
pub struct DecisionRequest<'a> {
    pub session: &'a str,
    pub viewer: &'a Viewer,
    pub avail: &'a Avail,
    pub now: Moment,
    /// Orders what is otherwise equal.
    pub seed: u64,
    /// Ads that this viewer has been given before, in any order.
    pub history: &'a [Exposure],
    pub spend: &'a dyn SpendView,
    /// Ads of an external ad server for this break; their slugs differ from each other.
    pub external: &'a [ExternalAd],
    /// The tenant's, as they are now.
    pub counters: &'a Counters,
    pub detail: Detail,
    /// A monotonic count of microseconds, for the trace only.
    pub micros: &'a dyn Fn() -> u64,
}

/// How much of the decision is explained. The pod is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// The ads of the pod.
    #[default]
    Brief,
    /// Every ad of the tenant, with the one stage and rule that kept or dropped it.
    Full,
}

/// An ad that a viewer was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    pub ad: Slug,
    /// Where it is not known, the campaign that the ad belongs to now.
    pub campaign: Option<Slug>,
    pub at: Moment,
    /// In the session that asks.
    pub this_session: bool,
}

/// What a campaign has used, as far as this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spend {
    /// Charged, and held for breaks that were decided.
    pub money: Money,
    /// Likewise.
    pub impressions: u64,
    /// How many impressions this server may still give; `None` sets no limit.
    pub available: Option<u64>,
}

/// Asked once for each campaign with a budget or a goal whose ads pass their rules.
pub trait SpendView {
    fn spend(&self, campaign: &Slug) -> Spend;
}

/// Nothing is used yet, and nothing is limited.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingSpent;

impl SpendView for NothingSpent {
    fn spend(&self, _: &Slug) -> Spend {
        Spend::default()
    }
}

/// An ad that an external ad server offered for this break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalAd {
    /// A name for traces and events.
    pub slug: Slug,
    pub duration: Span,
    pub priority: i32,
    /// Price of a thousand impressions, micro-units.
    pub cpm_micros: i64,
    /// Two ads of one competitive category are never in one pod.
    pub category: Option<String>,
    /// What VAST says of it, for scripts.
    pub labels: BTreeMap<String, String>,
    /// Place in the ad server's own pod (VAST `sequence`): kept among its ads.
    pub sequence: Option<u32>,
}

impl ExternalAd {
    /// What one counted impression costs.
    pub fn impression_price(&self) -> Money {
        Money::from_micros(self.cpm_micros / 1_000)
    }
}
