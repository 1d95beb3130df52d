//! What a request sees: tenants with everything compiled. Immutable, shared, swapped as a whole.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    Parts, Stored,
    activate::Compiled,
    beside::Companions,
    followed::{Followed, Followers},
    tags::Tags,
    traces::Traces,
    trial::{CompiledTrial, TrialRuntime, TrialWatch},
};
use crate::{
    channel::{MountedDetector, RunningChannel},
    decision::{CandidateIndex, ChannelPolicy},
    demand::Source,
    domain::{
        Ad, AdType, Campaign, CapPeriod, Channel, Creative, ExtensionUse, Money, Refusal, Slug, Status, Tenant,
        TenantManifest, Trial,
    },
    extension::{Lane, Loaded, TrackingSink, secrets},
    origin::Origin,
    secret::{MasterKey, Purpose, hex},
    store::TenantScope,
    tracking::{CounterBoard, SigningKey, SinkSpec, intake::Catalogue, sinks::vault},
};

/// Decisions of one tenant that run at a time. A tenant whose scripts hang waits for itself, not the others for it.
const PARALLEL_DECISIONS: usize = 4;

#[derive(Default)]
pub struct Snapshot {
    pub tenants: HashMap<Slug, Arc<TenantRuntime>>,
}

pub struct TenantRuntime {
    pub version: i64,
    pub manifest: Arc<TenantManifest>,
    pub index: Arc<CandidateIndex>,
    /// The index of non-linear ads.
    overlays: Arc<CandidateIndex>,
    pub companions: Companions,
    pub channels: HashMap<Slug, Arc<ChannelRuntime>>,
    pub url_key: SigningKey,
    /// Hashes what must not be kept of viewers as it is.
    viewer_key: SigningKey,
    /// Turns for this tenant's decisions.
    pub turns: Arc<Semaphore>,
    /// Where its extensions are asked.
    pub lane: Lane,
    creatives: HashMap<Slug, Url>,
    /// Where each ad stands in the manifest: beacons ask by slug.
    places: HashMap<Slug, usize>,
    campaigns: HashMap<Slug, usize>,
    sinks: Vec<(ExtensionUse, Loaded<dyn TrackingSink>)>,
    /// The trial under way and how it does.
    pub trial: Option<(Trial, Arc<TrialWatch>)>,
    /// Ads whose creatives come from VAST tags.
    pub tags: Tags,
    /// Some cap counts what a viewer saw in other sessions.
    pub remembers_viewers: bool,
    /// What its rules may read while they decide.
    pub counters: Arc<CounterBoard>,
}

pub struct ChannelRuntime {
    pub channel: Arc<Channel>,
    pub policy: ChannelPolicy,
    pub trial: Option<TrialRuntime>,
    /// The external ad server.
    pub ad_server: Option<Source>,
    pub detector: MountedDetector,
    pub running: Arc<RunningChannel>,
    pub traces: Arc<Traces>,
    followers: Arc<Followers>,
}

impl Snapshot {
    /// An active channel of an active tenant.
    pub fn channel(&self, tenant: &str, channel: &str) -> Option<(&Arc<TenantRuntime>, &Arc<ChannelRuntime>)> {
        let tenant = self.tenants.get(tenant).filter(|tenant| tenant.manifest.tenant.status == Status::Active)?;
        let channel = tenant.channels.get(channel).filter(|channel| channel.channel.status == Status::Active)?;
        Some((tenant, channel))
    }

    /// Slugs of all tenants and their channels, in order.
    pub fn channels(&self) -> Vec<(Slug, Slug)> {
        let pairs = self.tenants.iter().flat_map(|(tenant, runtime)| {
            runtime.channels.keys().map(move |channel| (tenant.clone(), channel.clone()))
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        pairs
    }

    /// Brings up to date what is followed of these tenants.
    pub(super) fn tell_followers(&self) {
        for (slug, tenant) in &self.tenants {
            for channel in tenant.channels.keys() {
                if let Some((tenant, channel)) = self.channel(slug.as_str(), channel.as_str()) {
                    channel.followers.tell(tenant, channel);
                }
            }
        }
    }

    pub(super) fn creative_urls(&self) -> HashSet<Url> {
        self.tenants.values().flat_map(|tenant| tenant.creatives.values().cloned()).collect()
    }

    pub(super) fn sink_specs(&self, master_key: &MasterKey) -> Vec<SinkSpec> {
        let tenants = self.tenants.values();
        tenants
            .flat_map(|tenant| tenant.sinks.iter().map(|(mounted, loaded)| tenant.sink(mounted, loaded, master_key)))
            .collect()
    }
}

impl ChannelRuntime {
    /// This channel, from this version on, for who stays with it.
    pub fn follow(self: &Arc<Self>, tenant: &Arc<TenantRuntime>) -> Arc<Followed> {
        self.followers.join(tenant, self)
    }
}

impl TenantRuntime {
    pub(super) fn new(compiled: &Compiled, version: i64, before: Option<&Self>, parts: &Parts) -> Self {
        let Compiled { manifest, index, overlays, detectors, sinks, trial, .. } = compiled;
        let watch = watch(trial.as_ref(), before);
        let slug = &manifest.tenant.slug;
        let lane = parts.extensions.lane(slug.as_str());
        let mut channels = HashMap::new();
        for (at, channel) in manifest.channels.iter().enumerate() {
            let (Some(detector), Some(policy)) = (detectors.get(at).cloned(), compiled.policy(at)) else { continue };
            let channel = Arc::new(channel.clone());
            let known = before.and_then(|before| before.channels.get(&channel.slug));
            let Some(running) = running(&channel, known, parts) else { continue };
            let same = known.filter(|known| Arc::ptr_eq(&known.running, &running));
            let tried = trial.as_ref().and_then(|trial| {
                let policy = trial.policy(at, &policy)?;
                Some(TrialRuntime { trial: trial.trial.clone(), policy, watch: watch.clone() })
            });
            let runtime = ChannelRuntime {
                policy,
                trial: tried,
                ad_server: Source::of_channel(&manifest.tenant, &channel),
                detector: MountedDetector { detector, channel: channel.clone(), lane: lane.clone() },
                running,
                followers: same.map_or_else(Arc::default, |known| known.followers.clone()),
                traces: known.map_or_else(Arc::default, |known| known.traces.clone()),
                channel: channel.clone(),
            };
            channels.insert(channel.slug.clone(), Arc::new(runtime));
        }
        let creatives = manifest.ads.iter().filter_map(|ad| Some((ad.slug.clone(), creative_url(ad)?))).collect();
        let places = manifest.ads.iter().enumerate().map(|(place, ad)| (ad.slug.clone(), place)).collect();
        let campaigns =
            manifest.campaigns.iter().enumerate().map(|(place, found)| (found.slug.clone(), place)).collect();
        Self {
            version,
            index: index.clone(),
            overlays: overlays.clone(),
            companions: Companions::new(manifest),
            channels,
            url_key: SigningKey::new(&parts.master_key.tenant_key(slug, Purpose::Urls)),
            viewer_key: SigningKey::new(&parts.master_key.tenant_key(slug, Purpose::Viewers)),
            turns: before.map_or_else(|| Arc::new(Semaphore::new(PARALLEL_DECISIONS)), |before| before.turns.clone()),
            lane,
            creatives,
            places,
            campaigns,
            sinks: sinks.clone(),
            trial: trial.as_ref().map(|trial| (trial.trial.clone(), watch)),
            tags: Tags::new(manifest),
            counters: before.map_or_else(Arc::default, |before| before.counters.clone()),
            remembers_viewers: manifest
                .campaigns
                .iter()
                .flat_map(|campaign| &campaign.frequency_caps)
                .any(|cap| matches!(cap.per, CapPeriod::Hour | CapPeriod::Day | CapPeriod::Flight)),
            manifest: manifest.clone(),
        }
    }

    /// Whether an ad server has to be asked before a break of this channel can be decided.
    pub fn has_demand(&self, channel: &ChannelRuntime) -> bool {
        channel.ad_server.is_some() || !self.tags.is_empty()
    }

    /// As the database has it.
    pub(super) fn stored(&self) -> Stored {
        Stored { version: self.version, manifest: self.manifest.clone() }
    }

    /// The ads that compete for a break: linear ones for the stream, non-linear ones for what is over it.
    pub fn index_of(&self, ad_type: AdType) -> &CandidateIndex {
        match ad_type {
            AdType::NonLinear => &self.overlays,
            AdType::Linear | AdType::Companion => &self.index,
        }
    }

    /// Where an ad's creative is.
    pub fn creative_url(&self, ad: &Slug) -> Option<&Url> {
        self.creatives.get(ad)
    }

    pub fn ad(&self, slug: &str) -> Option<&Ad> {
        self.places.get(slug).and_then(|place| self.manifest.ads.get(*place))
    }

    pub fn campaign(&self, slug: &Slug) -> Option<&Campaign> {
        self.campaigns.get(slug).and_then(|place| self.manifest.campaigns.get(*place))
    }

    /// What one impression costs that this campaign pays for; nothing if there is no such campaign.
    pub fn impression_price(&self, campaign: Option<&Slug>) -> Money {
        campaign.and_then(|slug| self.campaign(slug)).map_or(Money::ZERO, Campaign::impression_price)
    }

    /// Names of the mounted sinks with the scripts that they use.
    pub fn sinks(&self) -> impl Iterator<Item = (String, &str)> {
        self.sinks.iter().map(|(mounted, loaded)| (sink_name(mounted, loaded), loaded.name.as_str()))
    }

    fn sink(&self, mounted: &ExtensionUse, loaded: &Loaded<dyn TrackingSink>, master_key: &MasterKey) -> SinkSpec {
        let slug = &self.manifest.tenant.slug;
        let written = mounted.config.to_string();
        let refused_if = mounted.refused_if.as_ref().map_or("", Refusal::as_str);
        let described = [loaded.version.as_str(), &written, &mounted.allow_hosts.join(","), refused_if].join("\n");
        let (config, secrets) = secrets::hide(&mounted.config, &|name| vault::placeholder(master_key, slug, name));
        SinkSpec {
            scope: TenantScope::new(slug.clone()),
            name: sink_name(mounted, loaded),
            revision: hex(&Sha256::digest(described.as_bytes())),
            sink: loaded.extension.clone(),
            lane: self.lane.clone(),
            config,
            secrets,
            allow_hosts: mounted.allow_hosts.clone(),
            refused_if: mounted.refused_if.clone(),
            signing_key: master_key.tenant_key(slug, Purpose::Webhooks),
        }
    }
}

/// The name that the tenant gave it. Else its script's and a hash of its configuration: two sinks may use one script, and
/// what tells them apart is where they send.
fn sink_name(mounted: &ExtensionUse, loaded: &Loaded<dyn TrackingSink>) -> String {
    if let Some(name) = &mounted.name {
        return name.to_string();
    }
    let place = Sha256::digest(mounted.config.to_string().as_bytes());
    format!("{}#{}", loaded.name, hex(place.get(..4).unwrap_or_default()))
}

impl Catalogue for TenantRuntime {
    fn tenant(&self) -> &Tenant {
        &self.manifest.tenant
    }
    fn viewer_key(&self) -> &SigningKey {
        &self.viewer_key
    }
    fn ad(&self, slug: &str) -> Option<&Ad> {
        Self::ad(self, slug)
    }
    fn channel(&self, slug: &str) -> Option<&Channel> {
        self.channels.get(slug).map(|channel| &*channel.channel)
    }
    fn impression_price(&self, campaign: Option<&Slug>) -> Money {
        Self::impression_price(self, campaign)
    }
}

/// The watch of the trial that goes on, or a new one.
fn watch(trial: Option<&CompiledTrial>, before: Option<&TenantRuntime>) -> Arc<TrialWatch> {
    let known = before.and_then(|before| before.trial.as_ref());
    match (trial, known) {
        (Some(trial), Some((known, watch))) if *known == trial.trial && watch.watches(trial) => watch.clone(),
        (Some(trial), _) => Arc::new(TrialWatch::of(trial)),
        (None, _) => Arc::default(),
    }
}

/// The running part of a channel: the one there is, unless its origin changed.
fn running(channel: &Channel, known: Option<&Arc<ChannelRuntime>>, parts: &Parts) -> Option<Arc<RunningChannel>> {
    let url = Url::parse(&channel.hls_manifest_url).ok()?;
    let same = known.filter(|known| {
        let origin = &known.running.origin;
        *origin.url() == url && origin.markers() == channel.markers
    });
    Some(match same {
        Some(known) => known.running.clone(),
        None => Arc::new(RunningChannel::new(Origin::new(url, channel.markers, parts.origins.clone()))),
    })
}

fn creative_url(ad: &Ad) -> Option<Url> {
    let Creative::Hls(url) = ad.creative.as_ref()? else { return None };
    Url::parse(url).ok()
}
