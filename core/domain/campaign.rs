//! A campaign: when ads run, for how much, and how often one viewer may see them.

use serde::{Deserialize, Serialize};

use super::{Money, Slug};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignStatus {
    Draft,
    Active,
    Paused,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    #[default]
    Asap,
    Even,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapPeriod {
    Pod,
    Session,
    Hour,
    Day,
    Flight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    pub impressions: u32,
    pub per: CapPeriod,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    pub slug: Slug,
    pub name: String,
    pub description: String,
    /// Days in the tenant's time zone as (year, month, day); both ends are included.
    pub start_date: Option<(i16, i8, i8)>,
    pub end_date: Option<(i16, i8, i8)>,
    pub budget: Option<Money>,
    /// Impressions over the whole flight; the campaign ends when it has them.
    pub impression_goal: Option<u64>,
    /// Price of a thousand impressions; at most three decimals, so that one impression costs whole micro-units.
    pub cpm: Option<Money>,
    pub status: CampaignStatus,
    /// Higher is served first.
    pub priority: i32,
    /// All hold at once.
    pub frequency_caps: Vec<FrequencyCap>,
    pub pacing: Pacing,
    pub competitive_category: Option<String>,
}

impl Campaign {
    /// What one counted impression costs.
    pub fn impression_price(&self) -> Money {
        Money::from_micros(self.cpm.map_or(0, |cpm| cpm.micros() / 1_000))
    }
}
