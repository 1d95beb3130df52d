//! What a viewer was given before, sorted so that a campaign or an ad finds its own.

use super::{CandidateIndex, Exposure};
use crate::domain::Moment;

pub(super) struct History {
    /// By campaign.
    campaigns: Vec<(usize, Seen)>,
    /// Places of ads that this session was given, ascending; once for each time.
    ads: Vec<usize>,
}

/// One exposure.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub at: Moment,
    pub this_session: bool,
}

impl History {
    pub fn new(index: &CandidateIndex, exposures: &[Exposure]) -> Self {
        let (mut campaigns, mut ads) = (Vec::new(), Vec::new());
        for exposure in exposures {
            let place = index.position(&exposure.ad);
            let campaign = match &exposure.campaign {
                Some(slug) => index.campaign_position(slug),
                None => place.and_then(|place| index.ads.get(place)).and_then(|ad| ad.campaign),
            };
            let seen = Seen { at: exposure.at, this_session: exposure.this_session };
            campaigns.extend(campaign.map(|campaign| (campaign, seen)));
            ads.extend(place.filter(|_| exposure.this_session));
        }
        campaigns.sort_unstable_by_key(|(campaign, _)| *campaign);
        ads.sort_unstable();
        Self { campaigns, ads }
    }

    pub fn of_campaign(&self, campaign: usize) -> impl Iterator<Item = Seen> {
        let from = self.campaigns.partition_point(|(other, _)| *other < campaign);
        let rest = self.campaigns.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == campaign).map(|(_, seen)| *seen)
    }

    /// How often this session has been given the ad.
    pub fn of_ad(&self, place: usize) -> u32 {
        let count = |limit: usize| self.ads.partition_point(|other| *other < limit);
        u32::try_from(count(place.saturating_add(1)) - count(place)).unwrap_or(u32::MAX)
    }
}
