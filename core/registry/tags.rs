//! Ads whose creative comes from a VAST tag: which of them are worth asking for, for whom.

use std::collections::{HashMap, HashSet};

use crate::{
    decision::{CompiledRules, Facts},
    demand::Source,
    domain::{AdType, CampaignStatus, Slug, Status, TenantManifest, Viewer},
    extension::point::LocalTime,
};

/// Tags asked for one viewer's break. Each is a request to a third party; a pod has a dozen ads at most.
const MAX_ASKED: usize = 8;

struct Tag {
    ad: Slug,
    source: Source,
    rules: CompiledRules,
}

/// The tags of a tenant, best first.
#[derive(Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    pub fn new(manifest: &TenantManifest) -> Self {
        let campaigns: HashMap<_, _> = manifest.campaigns.iter().map(|campaign| (&campaign.slug, campaign)).collect();
        let slates: HashSet<_> = manifest.channels.iter().filter_map(|channel| channel.slate.as_ref()).collect();
        let mut tags = Vec::new();
        for ad in manifest.ads.iter().filter(|ad| ad.ad_type == AdType::Linear && ad.status == Status::Active) {
            let campaign = ad.campaign.as_ref().and_then(|slug| campaigns.get(slug));
            let off = campaign.is_some_and(|campaign| campaign.status != CampaignStatus::Active);
            // Rules were validated with the bundle.
            let rules = CompiledRules::compile(&ad.rules).ok().filter(|_| !off && !slates.contains(&ad.slug));
            let Some((source, rules)) = Source::of_ad(&manifest.tenant, ad).zip(rules) else { continue };
            let rank =
                campaign.map_or((0, 0), |campaign| (campaign.priority, campaign.cpm.map_or(0, |cpm| cpm.micros())));
            tags.push((rank, Tag { ad: ad.slug.clone(), source, rules }));
        }
        tags.sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.ad.cmp(&right.ad)));
        Self(tags.into_iter().map(|(_, tag)| tag).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the ad's creative comes from a tag.
    pub fn has(&self, ad: &Slug) -> bool {
        self.0.iter().any(|tag| tag.ad == *ad)
    }

    /// The best tags whose declared rules let this viewer see their ads now. Flights, scripts, caps and budgets have
    /// their say when the break is decided.
    pub fn allowed<'a>(
        &'a self,
        viewer: &'a Viewer,
        channel: &'a Slug,
        now: LocalTime,
    ) -> impl Iterator<Item = &'a Source> {
        let facts = Facts { viewer, channel: channel.as_str(), now };
        let allowed = self.0.iter().filter(move |tag| tag.rules.first_failure(&facts).is_none());
        allowed.take(MAX_ASKED).map(|tag| &tag.source)
    }
}
