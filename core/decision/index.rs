//! The tenant's ads, prepared once per snapshot so that a decision meets bit sets instead of looking at every ad.
//!
//! An ad is one small number, its place. Places go by priority and price, best first, then by campaign and slug: so a
//! decision finds the best ads first and may stop, a campaign's ads stand side by side, and their order in the bundle
//! cannot change a decision.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use jiff::{ToSpan, civil::Date, tz::TimeZone};

use super::{
    CompiledRules, MountedRule,
    bits::Bits,
    flights::{Flight, Flights},
    local_time,
    rule_sets::RuleSets,
    tie,
    trace::Stage,
};
use crate::{
    domain::{
        Ad, AdType, Campaign, CampaignStatus, FrequencyCap, Moment, Money, OnError, Pacing, RuleError, Slug, Span,
        Status, TenantManifest,
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
    /// By slug.
    pub(super) campaigns: Box<[IndexedCampaign]>,
    /// Scripts of `script` rules, each with the ads that it judges.
    pub(super) ad_scripts: Box<[AdScript]>,
    pub(super) rules: RuleSets,
    pub(super) flights: Flights,
    /// What each ad's slug adds to the order of equals; see [`tie`].
    pub(super) ties: Box<[u64]>,
    /// Where each run of ads with the same priority and price ends, ascending.
    pub(super) class_ends: Box<[usize]>,
    /// Places in the order of slugs.
    by_slug: Box<[usize]>,
    zone: TimeZone,
}

pub(super) struct IndexedAd {
    pub slug: Slug,
    /// Place among the campaigns.
    pub campaign: Option<usize>,
    /// As declared. The creative's own counts where it is known.
    pub duration: Span,
    pub labels: BTreeMap<String, String>,
    pub rules: CompiledRules,
    /// Can never be chosen with this bundle, and why.
    pub never: Option<(Stage, &'static str)>,
}

pub(super) struct IndexedCampaign {
    pub slug: Slug,
    pub status: CampaignStatus,
    pub flight: Flight,
    pub priority: i32,
    pub cpm_micros: i64,
    pub caps: Vec<FrequencyCap>,
    pub budget: Option<Money>,
    pub goal: Option<u64>,
    /// What one counted impression costs.
    pub price: Money,
    pub pacing: Pacing,
    pub category: Option<String>,
}

pub(super) struct AdScript {
    pub mounted: MountedRule,
    pub ads: Bits,
}

impl CandidateIndex {
    /// `mount` finds the compiled targeting script of a `script` rule by its name (as `ExtensionRef` prints it).
    pub fn build(manifest: &TenantManifest, mount: &dyn Fn(&str) -> Option<MountedRule>) -> Result<Self, IndexError> {
        let zone = TimeZone::get(&manifest.tenant.timezone)
            .map_err(|_| IndexError::TimeZone(manifest.tenant.timezone.clone()))?;
        let mut campaigns: Vec<_> =
            manifest.campaigns.iter().map(|campaign| indexed_campaign(campaign, &zone)).collect();
        campaigns.sort_by(|a, b| a.slug.cmp(&b.slug));
        let slates: BTreeSet<&Slug> = manifest.channels.iter().filter_map(|channel| channel.slate.as_ref()).collect();
        let mut ads = Vec::with_capacity(manifest.ads.len());
        for ad in &manifest.ads {
            let rules =
                CompiledRules::compile(&ad.rules).map_err(|error| IndexError::Rule { ad: ad.slug.clone(), error })?;
            let campaign = ad.campaign.as_ref().and_then(|slug| find(&campaigns, slug));
            ads.push(IndexedAd {
                slug: ad.slug.clone(),
                campaign,
                duration: ad.duration,
                labels: ad.labels.clone(),
                rules,
                never: never(ad, slates.contains(&ad.slug)),
            });
        }
        let class = |ad: &IndexedAd| {
            let campaign = ad.campaign.and_then(|at| campaigns.get(at));
            Reverse(campaign.map_or((0, 0), |campaign| (campaign.priority, campaign.cpm_micros)))
        };
        ads.sort_by(|a, b| (class(a), a.campaign, &a.slug).cmp(&(class(b), b.campaign, &b.slug)));
        let mut class_ends = Vec::new();
        for equals in ads.chunk_by(|a, b| class(a) == class(b)) {
            class_ends.push(class_ends.last().copied().unwrap_or(0) + equals.len());
        }
        let mut by_slug: Vec<usize> = (0..ads.len()).collect();
        by_slug.sort_by(|a, b| ads.get(*a).map(|ad| &ad.slug).cmp(&ads.get(*b).map(|ad| &ad.slug)));
        let channels: Vec<&Slug> = manifest.channels.iter().map(|channel| &channel.slug).collect();
        Ok(Self {
            ad_scripts: ad_scripts(&ads, mount)?,
            rules: RuleSets::build(&ads, &channels),
            flights: flights(&ads, &campaigns),
            ties: ads.iter().map(|ad| tie::of(ad.slug.as_str())).collect(),
            class_ends: class_ends.into(),
            by_slug: by_slug.into(),
            ads: ads.into(),
            campaigns: campaigns.into(),
            zone,
        })
    }

    /// `now` on the tenant's clock.
    pub fn local_time(&self, now: Moment) -> LocalTime {
        local_time::local_time(now, &self.zone)
    }

    /// When the tenant's day began that `now` is in.
    pub(super) fn day_start(&self, now: LocalTime) -> Moment {
        let date = Date::new(now.year, now.month, now.day);
        date.map_or(Moment::MIN, |date| local_time::start_of_day(date, &self.zone))
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
        let slug = |place: &usize| self.ads.get(*place).map(|ad| &ad.slug);
        let at = self.by_slug.binary_search_by(|place| slug(place).cmp(&Some(ad))).ok()?;
        self.by_slug.get(at).copied()
    }

    /// All ads by slug, each with its place.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (usize, &IndexedAd)> {
        self.by_slug.iter().filter_map(|place| Some((*place, self.ads.get(*place)?)))
    }

    /// The first moment after a campaign's flight, if it has an end.
    pub fn campaign_end(&self, campaign: &Slug) -> Option<Moment> {
        self.campaign_position(campaign).and_then(|at| self.campaigns.get(at)?.flight.ends)
    }

    pub(super) fn campaign_position(&self, slug: &Slug) -> Option<usize> {
        find(&self.campaigns, slug)
    }

    pub(super) fn campaign_of(&self, ad: &IndexedAd) -> Option<&IndexedCampaign> {
        ad.campaign.and_then(|at| self.campaigns.get(at))
    }
}

fn find(campaigns: &[IndexedCampaign], slug: &Slug) -> Option<usize> {
    campaigns.binary_search_by(|campaign| campaign.slug.cmp(slug)).ok()
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
        if !self.flight.has_started(now) {
            return Some((Stage::Flight, format!("campaign {} has not started", self.slug)));
        }
        self.flight.has_ended(now).then(|| (Stage::Flight, format!("campaign {} has ended", self.slug)))
    }
}

fn indexed_campaign(campaign: &Campaign, zone: &TimeZone) -> IndexedCampaign {
    let day = |(year, month, day)| Date::new(year, month, day).ok();
    let starts = campaign.start_date.and_then(day).map(|date| local_time::start_of_day(date, zone));
    let after = campaign.end_date.and_then(day).map(|date| date.saturating_add(1.day()));
    IndexedCampaign {
        slug: campaign.slug.clone(),
        status: campaign.status,
        flight: Flight { starts, ends: after.map(|date| local_time::start_of_day(date, zone)) },
        priority: campaign.priority,
        cpm_micros: campaign.cpm.map_or(0, Money::micros),
        caps: campaign.frequency_caps.clone(),
        budget: campaign.budget,
        goal: campaign.impression_goal,
        price: campaign.impression_price(),
        pacing: campaign.pacing,
        category: campaign.competitive_category.clone(),
    }
}

fn never(ad: &Ad, is_slate: bool) -> Option<(Stage, &'static str)> {
    if ad.status != Status::Active {
        Some((Stage::Status, "the ad is inactive"))
    } else if ad.ad_type != AdType::Linear {
        Some((Stage::Status, "the ad is not linear: it cannot be stitched"))
    } else if is_slate {
        Some((Stage::Status, "it is a channel's slate, which is not sold"))
    } else {
        None
    }
}

fn flights(ads: &[IndexedAd], campaigns: &[IndexedCampaign]) -> Flights {
    let (mut active, mut unbound) = (Bits::none(ads.len()), Bits::none(ads.len()));
    let mut places: Vec<Range<usize>> = vec![0..0; campaigns.len()];
    for (place, ad) in ads.iter().enumerate() {
        let campaign = ad.campaign.and_then(|at| campaigns.get(at));
        let may = ad.never.is_none() && campaign.is_none_or(|campaign| campaign.status == CampaignStatus::Active);
        active.put(place, may);
        match ad.campaign.and_then(|at| places.get_mut(at)) {
            Some(range) if range.start == range.end => *range = place..place + 1,
            Some(range) => range.end = place + 1,
            None => unbound.put(place, may),
        }
    }
    let flights = campaigns.iter().map(|campaign| campaign.flight).zip(places).collect();
    Flights::new(active, unbound, flights)
}

fn ad_scripts(ads: &[IndexedAd], mount: &dyn Fn(&str) -> Option<MountedRule>) -> Result<Box<[AdScript]>, IndexError> {
    let mut scripts: BTreeMap<&str, AdScript> = BTreeMap::new();
    for (place, ad) in ads.iter().enumerate() {
        for script in ad.rules.scripts() {
            if let Some(known) = scripts.get_mut(script) {
                known.ads.put(place, true);
                continue;
            }
            let Some(mut mounted) = mount(script) else {
                return Err(IndexError::Script { ad: ad.slug.clone(), script: script.to_owned() });
            };
            // A declared condition that cannot be evaluated does not hold.
            mounted.on_error = OnError::Closed;
            let mut own = Bits::none(ads.len());
            own.put(place, true);
            scripts.insert(script, AdScript { mounted, ads: own });
        }
    }
    Ok(scripts.into_values().collect())
}
