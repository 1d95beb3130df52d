//! A small tenant to decide for, and native scripts to decide with.

mod batches;
mod campaigns;
mod external;
mod hostile;
mod pipeline;
mod properties;
mod record;
mod rules;
mod sets;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::json;

use super::*;
use crate::{
    domain::*,
    extension::{
        Counters, ExtensionError,
        point::{FillInput, FillStrategy, RuleInput, TargetingRule, Verdict},
    },
};

pub(super) fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

pub(super) fn ad(name: &str, seconds: i64) -> Ad {
    Ad {
        slug: slug(name),
        name: name.into(),
        campaign: None,
        duration: Span::from_secs(seconds),
        ad_type: AdType::Linear,
        creative: Some(Creative::Hls(format!("https://cdn.example.com/{name}.m3u8"))),
        vast_url: None,
        click_through_url: None,
        status: Status::Active,
        rules: Vec::new(),
        labels: BTreeMap::new(),
    }
}

pub(super) fn in_campaign(mut ad: Ad, campaign: &str) -> Ad {
    ad.campaign = Some(slug(campaign));
    ad
}

pub(super) fn with_rule(mut ad: Ad, kind: RuleType, operator: RuleOperator, value: RuleValue) -> Ad {
    ad.rules.push(AdRule { kind, operator, value });
    ad
}

pub(super) fn campaign(name: &str, priority: i32) -> Campaign {
    Campaign {
        slug: slug(name),
        name: name.into(),
        description: String::new(),
        start_date: None,
        end_date: None,
        budget: None,
        cpm: None,
        status: CampaignStatus::Active,
        priority,
        frequency_caps: Vec::new(),
        impression_goal: None,
        pacing: Pacing::Asap,
        competitive_category: None,
    }
}

pub(super) fn channel(name: &str, slate: Option<&str>) -> Channel {
    Channel {
        slug: slug(name),
        name: name.into(),
        status: Status::Active,
        hls_manifest_url: "https://cdn.example.com/master.m3u8".into(),
        detector: ExtensionRef::Shipped("detect/scte35".into()),
        ad_break_interval: Span::from_secs(360),
        ad_break_duration: Span::from_secs(120),
        fill: ExtensionRef::Shipped("fill/best_effort".into()),
        beaconing: Beaconing::Segment,
        pre_roll: None,
        slate: slate.map(slug),
        ad_server: None,
        decision_log_percent: 0,
        mid_break_join: MidBreakJoin::Ads,
        markers: MarkerPolicy::Strip,
        labels: BTreeMap::new(),
        config: json!({}),
    }
}

/// Everything a decision needs; change what a test is about.
#[derive(Debug)]
pub(super) struct World {
    pub manifest: TenantManifest,
    pub scripts: HashMap<String, MountedRule>,
    pub policy: ChannelPolicy,
    pub viewer: Viewer,
    pub avail: Avail,
    pub now: Moment,
    pub seed: u64,
    pub history: Vec<Exposure>,
    pub spend: BTreeMap<Slug, Spend>,
    pub external: Vec<ExternalAd>,
    pub counters: Counters,
    pub detail: Detail,
    /// Creatives that cannot play.
    pub broken: BTreeMap<Slug, &'static str>,
}

/// 2024-06-03T10:30:00Z, a Monday.
pub(super) const NOW: Moment = Moment(1_717_410_600_000_000);

impl World {
    pub fn new(ads: Vec<Ad>, campaigns: Vec<Campaign>, seconds: i64) -> Self {
        let tenant = Tenant {
            slug: slug("acme"),
            name: "Acme".into(),
            status: Status::Active,
            timezone: "UTC".into(),
            currency: "USD".into(),
            allowed_domains: Vec::new(),
            rate_limit_per_minute: 1,
            report_time: Default::default(),
            privacy: Default::default(),
            event_types: Vec::new(),
            plugin_keys: Vec::new(),
        };
        Self {
            manifest: TenantManifest {
                tenant,
                channels: Vec::new(),
                campaigns,
                ads,
                targeting: Vec::new(),
                trial: None,
                counters: BTreeMap::new(),
                sinks: Vec::new(),
                scripts: BTreeMap::new(),
            },
            scripts: HashMap::new(),
            policy: ChannelPolicy {
                tenant: slug("acme"),
                channel: slug("news"),
                labels: BTreeMap::new(),
                config: json!({}),
                targeting: Arc::new([]),
                fill: fill("greedy", Greedy),
                fallback: fill("shipped:fill/best_effort", Greedy),
                slate: None,
                order: DemandOrder::OwnFirst,
            },
            viewer: Viewer { geo: "US".into(), device: DeviceType::SmartTv, ..Viewer::default() },
            avail: Avail {
                id: AvailId::new("break-1"),
                start: NOW,
                duration: Span::from_secs(seconds),
                kind: AvailKind::Replace,
                position: Position::MidRoll,
                closed: true,
                source: "detect/static".into(),
                metadata: BTreeMap::new(),
            },
            now: NOW,
            seed: 7,
            history: Vec::new(),
            spend: BTreeMap::new(),
            external: Vec::new(),
            counters: Counters::default(),
            detail: Detail::Full,
            broken: BTreeMap::new(),
        }
    }

    pub fn index(&self) -> CandidateIndex {
        CandidateIndex::build(&self.manifest, &|name| self.scripts.get(name).cloned()).unwrap()
    }

    /// The session has been given the ad so often, just now.
    pub fn saw(&mut self, ad: &str, times: u32) {
        let exposure = Exposure { ad: slug(ad), campaign: None, at: self.now, this_session: true };
        self.history.extend(std::iter::repeat_n(exposure, times as usize));
    }

    pub fn decide(&self) -> Decision {
        self.decide_of(&self.index())
    }

    /// With an index that was built before.
    pub fn decide_of(&self, index: &CandidateIndex) -> Decision {
        let ticks = Cell::new(0);
        let micros = || {
            ticks.set(ticks.get() + 5);
            ticks.get()
        };
        decide(index, &self.policy, &DecisionRequest { micros: &micros, ..self.request() }, self)
    }

    pub fn request(&self) -> DecisionRequest<'_> {
        DecisionRequest {
            session: "session-1",
            viewer: &self.viewer,
            avail: &self.avail,
            now: self.now,
            seed: self.seed,
            history: &self.history,
            spend: self,
            external: &self.external,
            counters: &self.counters,
            detail: self.detail,
            micros: &|| 0,
        }
    }

    /// The pod's slugs.
    pub fn pod(&self) -> Vec<String> {
        self.decide().pod.iter().map(|picked| picked.ad.to_string()).collect()
    }

    /// `dropped rule: geo in [US]: …` of one ad.
    pub fn fate(&self, ad: &str) -> String {
        let trace = self.decide().trace;
        let found = trace.candidates.iter().find(|candidate| candidate.ad.as_str() == ad).unwrap();
        let outcome = match found.outcome {
            Outcome::Chosen => "chosen",
            Outcome::Dropped => "dropped",
            Outcome::Left => "left",
        };
        format!("{outcome} {}: {}", found.stage.as_str(), found.reason)
    }

    pub fn target(&mut self, name: &str, on_error: OnError, rule: impl TargetingRule + 'static) {
        let mut all = self.policy.targeting.to_vec();
        all.push(mounted(name, on_error, rule));
        self.policy.targeting = all.into();
    }
}

impl SpendView for World {
    fn spend(&self, campaign: &Slug) -> Spend {
        self.spend.get(campaign).copied().unwrap_or_default()
    }
}

impl CreativeLookup for World {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        if let Some(reason) = self.broken.get(ad) {
            return Err(SkipReason::new(*reason));
        }
        let found = self.manifest.ads.iter().find(|other| other.slug == *ad);
        if found.is_some_and(|ad| ad.creative.is_none()) {
            return Err(SkipReason::new("no HLS creative"));
        }
        found.map(|ad| ad.duration).ok_or_else(|| SkipReason::new("creative not loaded"))
    }
}

pub(super) fn mounted(name: &str, on_error: OnError, rule: impl TargetingRule + 'static) -> MountedRule {
    MountedRule {
        name: name.into(),
        version: "v1".into(),
        on_error,
        config: json!({}),
        counters: Arc::default(),
        rule: Arc::new(rule),
    }
}

pub(super) fn fill(name: &str, strategy: impl FillStrategy + 'static) -> MountedFill {
    MountedFill { name: name.into(), version: "v1".into(), counters: Arc::default(), strategy: Arc::new(strategy) }
}

/// Takes each candidate in order if it still fits and its category is free.
pub(super) struct Greedy;
impl FillStrategy for Greedy {
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        let mut left = input.request.avail.duration;
        let mut taken = Vec::new();
        let fits = input.candidates.iter().enumerate().filter(|(_, candidate)| {
            let fits = candidate.duration <= left && !candidate.category.is_some_and(|own| taken.contains(&own));
            taken.extend(candidate.category.filter(|_| fits));
            left = if fits { left - candidate.duration } else { left };
            fits
        });
        Ok(fits.map(|(at, _)| at).collect())
    }
}

/// Answers what a function answers.
pub(super) struct Native<F>(pub F);
impl<F> TargetingRule for Native<F>
where
    F: Fn(&RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> + Send + Sync,
{
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        (self.0)(input)
    }
}
impl<F> FillStrategy for Native<F>
where
    F: Fn(&FillInput<'_>) -> Result<Vec<usize>, ExtensionError> + Send + Sync,
{
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        (self.0)(input)
    }
}

pub(super) fn failure() -> ExtensionError {
    ExtensionError::Limit { path: "rules/bad.rhai".into(), what: "operations".into() }
}
