//! The tenant's ads, prepared once per snapshot so that a decision only compares.
//!
//! Ads are sorted by slug: their order in the bundle cannot change a decision, and an ad is one small number (its
//! place), so that sets of ads can become bit sets without changing anything outside this file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{ToSpan, civil::Date, tz::TimeZone};

use super::{CompiledRules, MountedRule, local_time, trace::Stage};
use crate::{
    domain::{
        Ad, AdType, Campaign, CampaignStatus, FrequencyCap, Moment, OnError, RuleError, Slug, Status, TenantManifest,
    },
    extension::point::LocalTime,
};

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("unknown time zone `{0}`")]
    TimeZone(String),
    #[error("ad `{ad}`: {error}")]
    Rule { ad: Slug, error: RuleError },
    /// The script of a `script` rule was not mounted.
    #[error("ad `{ad}`: no script `{script}` is loaded")]
    Script { ad: Slug, script: String },
}

pub struct CandidateIndex {
    pub(super) ads: Box<[IndexedAd]>,
    pub(super) campaigns: Box<[IndexedCampaign]>,
    /// Scripts of `script` rules, each with the places of the ads that it judges.
    pub(super) ad_scripts: Box<[AdScript]>,
    zone: TimeZone,
}

pub(super) struct IndexedAd {
    pub slug: Slug,
    /// Place among the campaigns.
    pub campaign: Option<usize>,
    pub priority: i32,
    pub cpm_micros: i64,
    pub labels: BTreeMap<String, String>,
    pub rules: CompiledRules,
    /// Can never be chosen with this bundle, and why.
    pub never: Option<(Stage, &'static str)>,
}

pub(super) struct IndexedCampaign {
    pub slug: Slug,
    status: CampaignStatus,
    /// From the start of the first day to before the start of the day after the last, on the tenant's clock.
    starts: Option<Moment>,
    ends: Option<Moment>,
    pub cap: Option<FrequencyCap>,
    pub budget_spent: bool,
}

pub(super) struct AdScript {
    pub mounted: MountedRule,
    /// Ascending places.
    pub ads: Box<[usize]>,
}

impl CandidateIndex {
    /// `mount` finds the compiled targeting script of a `script` rule by its name (as `ExtensionRef` prints it).
    pub fn build(manifest: &TenantManifest, mount: &dyn Fn(&str) -> Option<MountedRule>) -> Result<Self, IndexError> {
        let zone = TimeZone::get(&manifest.tenant.timezone)
            .map_err(|_| IndexError::TimeZone(manifest.tenant.timezone.clone()))?;
        let campaigns: Box<[_]> = manifest.campaigns.iter().map(|campaign| indexed_campaign(campaign, &zone)).collect();
        let context = Context::new(manifest);
        let mut sorted: Vec<&Ad> = manifest.ads.iter().collect();
        sorted.sort_by(|a, b| a.slug.cmp(&b.slug));
        let mut ads = Vec::with_capacity(sorted.len());
        let mut scripts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for ad in sorted {
            let rules =
                CompiledRules::compile(&ad.rules).map_err(|error| IndexError::Rule { ad: ad.slug.clone(), error })?;
            for script in rules.scripts() {
                scripts.entry(script.to_owned()).or_default().push(ads.len());
            }
            ads.push(indexed_ad(ad, rules, &context));
        }
        let mut ad_scripts = Vec::with_capacity(scripts.len());
        for (script, places) in scripts {
            let Some(mut mounted) = mount(&script) else {
                let ad = places.first().and_then(|&at| ads.get(at)).map(|ad: &IndexedAd| ad.slug.clone());
                return Err(IndexError::Script { ad: ad.unwrap_or_else(|| manifest.tenant.slug.clone()), script });
            };
            // A declared condition that cannot be evaluated does not hold.
            mounted.on_error = OnError::Closed;
            ad_scripts.push(AdScript { mounted, ads: places.into() });
        }
        Ok(Self { ads: ads.into(), campaigns, ad_scripts: ad_scripts.into(), zone })
    }

    /// `now` on the tenant's clock.
    pub fn local_time(&self, now: Moment) -> LocalTime {
        local_time::local_time(now, &self.zone)
    }

    /// How many ads the tenant has.
    pub fn len(&self) -> usize {
        self.ads.len()
    }
    pub fn is_empty(&self) -> bool {
        self.ads.is_empty()
    }

    /// The ad's place, which [`PickedAd`](super::PickedAd) gives.
    pub fn position(&self, ad: &Slug) -> Option<usize> {
        self.ads.binary_search_by(|indexed| indexed.slug.cmp(ad)).ok()
    }

    pub(super) fn campaign_of(&self, ad: &IndexedAd) -> Option<&IndexedCampaign> {
        ad.campaign.and_then(|at| self.campaigns.get(at))
    }
}

impl IndexedCampaign {
    /// Why its ads do not run at `now`.
    pub fn off(&self, now: Moment) -> Option<(Stage, String)> {
        let status = match self.status {
            CampaignStatus::Active => None,
            CampaignStatus::Draft => Some("a draft"),
            CampaignStatus::Paused => Some("paused"),
            CampaignStatus::Completed => Some("completed"),
        };
        if let Some(status) = status {
            return Some((Stage::Status, format!("campaign {} is {status}", self.slug)));
        }
        let not_yet = self.starts.is_some_and(|starts| now < starts);
        let over = self.ends.is_some_and(|ends| now >= ends);
        match (not_yet, over) {
            (true, _) => Some((Stage::Flight, format!("campaign {} has not started", self.slug))),
            (_, true) => Some((Stage::Flight, format!("campaign {} has ended", self.slug))),
            _ => None,
        }
    }
}

fn indexed_campaign(campaign: &Campaign, zone: &TimeZone) -> IndexedCampaign {
    let day = |(year, month, day)| Date::new(year, month, day).ok();
    let starts = campaign.start_date.and_then(day).map(|date| local_time::start_of_day(date, zone));
    let after = campaign.end_date.and_then(day).map(|date| date.saturating_add(1.day()));
    IndexedCampaign {
        slug: campaign.slug.clone(),
        status: campaign.status,
        starts,
        ends: after.map(|date| local_time::start_of_day(date, zone)),
        cap: campaign.frequency_caps.first().copied(),
        // What has been spent is counted elsewhere; a budget of nothing is spent from the start.
        budget_spent: campaign.budget.is_some_and(|budget| budget.micros() <= 0),
    }
}

/// What an ad is joined with.
struct Context<'a> {
    campaigns: BTreeMap<&'a Slug, (usize, &'a Campaign)>,
    slates: BTreeSet<&'a Slug>,
}

impl<'a> Context<'a> {
    fn new(manifest: &'a TenantManifest) -> Self {
        let numbered = manifest.campaigns.iter().enumerate();
        Self {
            campaigns: numbered.map(|(at, campaign)| (&campaign.slug, (at, campaign))).collect(),
            slates: manifest.channels.iter().filter_map(|channel| channel.slate.as_ref()).collect(),
        }
    }
}

fn indexed_ad(ad: &Ad, rules: CompiledRules, context: &Context<'_>) -> IndexedAd {
    let joined = ad.campaign.as_ref().and_then(|slug| context.campaigns.get(slug)).copied();
    let campaign = joined.map(|(_, campaign)| campaign);
    let is_slate = context.slates.contains(&ad.slug);
    let never = if ad.status != Status::Active {
        Some((Stage::Status, "the ad is inactive"))
    } else if ad.ad_type != AdType::Linear {
        Some((Stage::Status, "the ad is not linear: it cannot be stitched"))
    } else if is_slate {
        Some((Stage::Status, "it is a channel's slate, which is not sold"))
    } else if ad.creative.is_none() {
        Some((Stage::Creative, "it has only a vast_url: VAST is not supported yet"))
    } else {
        None
    };
    IndexedAd {
        slug: ad.slug.clone(),
        campaign: joined.map(|(at, _)| at),
        priority: campaign.map_or(0, |campaign| campaign.priority),
        cpm_micros: campaign.and_then(|campaign| campaign.cpm).map_or(0, |cpm| cpm.micros()),
        labels: ad.labels.clone(),
        rules,
        never,
    }
}
