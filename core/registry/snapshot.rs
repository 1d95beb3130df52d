//! What a request sees: tenants with everything compiled. Immutable, shared, swapped as a whole.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;

use super::{Parts, activate::Compiled, traces::Traces};
use crate::{
    channel::{MountedDetector, RunningChannel},
    decision::{CandidateIndex, ChannelPolicy},
    domain::{Ad, Channel, Creative, ExtensionUse, Slug, Status, TenantManifest},
    extension::{Loaded, TrackingSink},
    origin::Origin,
    secret::{MasterKey, Purpose, hex},
    store::TenantScope,
    tracking::{SigningKey, SinkSpec},
};

/// Decisions of one tenant that run at a time. A tenant whose scripts hang waits for itself, not the others for it.
const PARALLEL_DECISIONS: usize = 4;

#[derive(Default)]
pub struct Snapshot {
    pub tenants: HashMap<Slug, Arc<TenantRuntime>>,
}

pub struct TenantRuntime {
    pub version: i64,
    pub manifest: TenantManifest,
    pub index: CandidateIndex,
    pub channels: HashMap<Slug, Arc<ChannelRuntime>>,
    pub url_key: SigningKey,
    /// Turns for this tenant's decisions.
    pub turns: Arc<Semaphore>,
    creatives: HashMap<Slug, Url>,
    /// Where each ad stands in the manifest: beacons ask by slug.
    places: HashMap<Slug, usize>,
    sinks: Vec<(ExtensionUse, Loaded<dyn TrackingSink>)>,
}

pub struct ChannelRuntime {
    pub channel: Arc<Channel>,
    pub policy: ChannelPolicy,
    pub detector: MountedDetector,
    pub running: Arc<RunningChannel>,
    pub traces: Arc<Traces>,
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

impl TenantRuntime {
    pub(super) fn new(compiled: Compiled, version: i64, before: Option<&Self>, parts: &Parts) -> Self {
        let Compiled { manifest, index, detectors, fills, fallback, targeting, sinks } = compiled;
        let slug = &manifest.tenant.slug;
        let mut channels = HashMap::new();
        for ((channel, detector), fill) in manifest.channels.iter().zip(detectors).zip(fills) {
            let channel = Arc::new(channel.clone());
            let known = before.and_then(|before| before.channels.get(&channel.slug));
            let Some(running) = running(&channel, known, parts) else { continue };
            let runtime = ChannelRuntime {
                policy: ChannelPolicy {
                    tenant: slug.clone(),
                    channel: channel.slug.clone(),
                    labels: channel.labels.clone(),
                    config: channel.config.clone(),
                    targeting: targeting.clone(),
                    fill,
                    fallback: fallback.clone(),
                    slate: channel.slate.clone(),
                },
                detector: MountedDetector { detector, channel: channel.clone() },
                running,
                traces: known.map_or_else(Arc::default, |known| known.traces.clone()),
                channel: channel.clone(),
            };
            channels.insert(channel.slug.clone(), Arc::new(runtime));
        }
        let creatives = manifest.ads.iter().filter_map(|ad| Some((ad.slug.clone(), creative_url(ad)?))).collect();
        let places = manifest.ads.iter().enumerate().map(|(place, ad)| (ad.slug.clone(), place)).collect();
        Self {
            version,
            index,
            channels,
            url_key: SigningKey::new(&parts.master_key.tenant_key(slug, Purpose::Urls)),
            turns: before.map_or_else(|| Arc::new(Semaphore::new(PARALLEL_DECISIONS)), |before| before.turns.clone()),
            creatives,
            places,
            sinks,
            manifest,
        }
    }

    /// Where an ad's creative is.
    pub fn creative_url(&self, ad: &Slug) -> Option<&Url> {
        self.creatives.get(ad)
    }

    pub fn ad(&self, slug: &str) -> Option<&Ad> {
        self.places.get(slug).and_then(|place| self.manifest.ads.get(*place))
    }

    fn sink(&self, mounted: &ExtensionUse, loaded: &Loaded<dyn TrackingSink>, master_key: &MasterKey) -> SinkSpec {
        let slug = &self.manifest.tenant.slug;
        let config = mounted.config.to_string();
        let described = [loaded.version.as_str(), &config, &mounted.allow_hosts.join(",")].join("\n");
        // Two sinks may use one script; what tells them apart is where they send.
        let place = Sha256::digest(config.as_bytes());
        SinkSpec {
            scope: TenantScope::new(slug.clone()),
            name: format!("{}#{}", loaded.name, hex(place.get(..4).unwrap_or_default())),
            revision: hex(&Sha256::digest(described.as_bytes())),
            sink: loaded.extension.clone(),
            config: mounted.config.clone(),
            allow_hosts: mounted.allow_hosts.clone(),
            signing_key: master_key.tenant_key(slug, Purpose::Webhooks),
        }
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
