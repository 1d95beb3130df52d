//! From a bundle's files to everything compiled: the whole of `cuetone check`, and the first half of every activation.

use std::{collections::BTreeMap, sync::Arc};

use super::{RegistryError, beside, trial::CompiledTrial};
use crate::{
    bundle::{self, BundleError, BundleErrors, BundleFiles, Places},
    decision::{CandidateIndex, ChannelPolicy, MountedFill, MountedRule},
    domain::{
        CampaignLimits, CampaignStatus, Channel, CounterGrant, ExtensionRef, ExtensionUse, OnError, TenantManifest,
        Terms, Trial,
    },
    extension::{BreakDetector, ExtensionError, Extensions, Loaded, TrackingSink, secrets},
};

/// The strategy that answers when a channel's own fails.
const FALLBACK_FILL: &str = "fill/best_effort";

/// A tenant's state with all its scripts compiled and tried.
pub struct Compiled {
    pub manifest: Arc<TenantManifest>,
    pub index: Arc<CandidateIndex>,
    /// The same for non-linear ads.
    pub overlays: Arc<CandidateIndex>,
    pub detectors: Vec<Loaded<dyn BreakDetector>>,
    pub fills: Vec<MountedFill>,
    pub fallback: MountedFill,
    pub targeting: Arc<[MountedRule]>,
    pub sinks: Vec<(ExtensionUse, Loaded<dyn TrackingSink>)>,
    pub trial: Option<CompiledTrial>,
}

impl Compiled {
    /// What the ledger has to know of the campaigns.
    pub(super) fn limits(&self) -> Vec<CampaignLimits> {
        let limits = self.manifest.campaigns.iter().map(|campaign| CampaignLimits {
            campaign: campaign.slug.clone(),
            terms: Terms {
                budget: campaign.budget,
                goal: campaign.impression_goal,
                price: campaign.impression_price(),
            },
            active: campaign.status == CampaignStatus::Active,
            ends: self.index.campaign_end(&campaign.slug),
        });
        limits.collect()
    }

    /// How the channel at this place of the manifest chooses.
    pub fn policy(&self, at: usize) -> Option<ChannelPolicy> {
        let (channel, fill) = (self.manifest.channels.get(at)?, self.fills.get(at)?.clone());
        Some(ChannelPolicy {
            tenant: self.manifest.tenant.slug.clone(),
            channel: channel.slug.clone(),
            labels: channel.labels.clone(),
            config: channel.config.clone(),
            targeting: self.targeting.clone(),
            fill,
            fallback: self.fallback.clone(),
            slate: channel.slate.clone(),
            order: channel.ad_server.as_ref().map_or_else(Default::default, |server| server.order),
        })
    }
}

/// Validates a bundle and compiles its scripts. Nothing outside is touched.
pub fn check_files(files: &BundleFiles, extensions: &Extensions) -> Result<Compiled, RegistryError> {
    let parsed = bundle::parse_located(files)?;
    check(parsed.manifest, &parsed.places, extensions)
}

/// Compiles and tries the scripts of a manifest that makes sense; `places` give errors their lines.
pub fn check(manifest: TenantManifest, places: &Places, extensions: &Extensions) -> Result<Compiled, RegistryError> {
    let scripts = &manifest.scripts;
    let tenant = manifest.tenant.slug.as_str();
    let extensions = &extensions
        .trusting(&manifest.tenant.plugin_keys)
        .map_err(|message| BundleErrors::from(places.error("tenant.plugin_keys", message, "a public key in base64")))?;
    let mut errors = Vec::new();
    let mut note = |field: String, error: ExtensionError| {
        let expected = "a script that compiles and passes a trial call";
        errors.push(places.error(&field, error.to_string(), expected));
    };
    let (mut detectors, mut fills) = (Vec::new(), Vec::new());
    for (at, channel) in manifest.channels.iter().enumerate() {
        match extensions.trying_with(&channel.config).load_detector(&channel.detector, scripts, tenant) {
            Ok(loaded) => detectors.push(loaded),
            Err(error) => note(format!("channels[{at}].ad_break_strategy"), error),
        }
        match mount_fill(extensions, channel, &manifest) {
            Ok(mounted) => fills.push(mounted),
            Err(error) => note(format!("channels[{at}].fill_strategy"), error),
        }
    }
    let mut targeting = Vec::new();
    for (at, mounted) in manifest.targeting.iter().enumerate() {
        match mount_rule(extensions, mounted, &manifest) {
            Ok(rule) => targeting.push(rule),
            Err(error) => note(format!("extensions.targeting[{at}].use"), error),
        }
    }
    let mut sinks = Vec::new();
    for (at, mounted) in manifest.sinks.iter().enumerate() {
        let config = secrets::hide_for_trial(&mounted.config);
        match extensions.trying_with(&config).load_sink(&mounted.source, scripts, tenant) {
            Ok(loaded) => sinks.push((mounted.clone(), loaded)),
            Err(error) => note(format!("extensions.sinks[{at}].use"), error),
        }
    }
    let mut by_rule: BTreeMap<String, MountedRule> = BTreeMap::new();
    for used in bundle::script_uses(&manifest).into_iter().filter(|used| used.field.starts_with("ads[")) {
        let mounted = ExtensionUse {
            source: used.source.clone(),
            name: None,
            config: serde_json::Value::Null,
            on_error: OnError::Closed,
            allow_hosts: Vec::new(),
            refused_if: None,
        };
        match mount_rule(extensions, &mounted, &manifest) {
            Ok(rule) => drop(by_rule.insert(used.source.to_string(), rule)),
            Err(error) => note(used.field, error),
        }
    }
    let trial = manifest.trial.as_ref().filter(|_| errors.is_empty());
    let trial = trial.map(|trial| mount_trial(extensions, &manifest, trial, &targeting, &fills, places));
    let trial = trial.and_then(|mounted| mounted.map_err(|error| errors.push(error)).ok());
    if !errors.is_empty() {
        return Err(BundleErrors::new(errors).into());
    }
    let index = |manifest: &TenantManifest| {
        CandidateIndex::build(manifest, &|name| by_rule.get(name).cloned())
            .map_err(|error| BundleErrors::from(places.error("ads", error.to_string(), "")))
    };
    let (overlays, index) = (Arc::new(index(&beside::overlays(&manifest))?), Arc::new(index(&manifest)?));
    let fallback = extensions.load_fill(&ExtensionRef::Shipped(FALLBACK_FILL.to_owned()), scripts, tenant)?;
    let Loaded { name, version, extension } = fallback;
    // What answers when all else fails depends on nothing.
    let fallback = MountedFill { name, version, counters: Arc::default(), strategy: extension };
    let manifest = Arc::new(manifest);
    Ok(Compiled { manifest, index, overlays, detectors, fills, fallback, targeting: targeting.into(), sinks, trial })
}

/// What serves, with the tried scripts in the places of those that they stand in for.
fn mount_trial(
    extensions: &Extensions,
    manifest: &TenantManifest,
    trial: &Trial,
    targeting: &[MountedRule],
    fills: &[MountedFill],
    places: &Places,
) -> Result<CompiledTrial, BundleError> {
    let (mut targeting, mut fills) = (targeting.to_vec(), fills.to_vec());
    for (serving, tried) in &trial.scripts {
        let wrong = |message: String, expected: &str| {
            places.error(&format!("extensions.trial.scripts.{serving}"), message, expected)
        };
        let compiles = "a script that compiles and passes a trial call";
        let source = bundle::extension_ref(tried);
        let mut mounted = 0;
        for (used, rule) in manifest.targeting.iter().zip(&mut targeting) {
            if used.source.to_string() == *serving {
                let used = ExtensionUse { source: source.clone(), ..used.clone() };
                *rule = mount_rule(extensions, &used, manifest).map_err(|e| wrong(e.to_string(), compiles))?;
                mounted += 1;
            }
        }
        for (channel, fill) in manifest.channels.iter().zip(&mut fills) {
            if channel.fill.to_string() == *serving {
                let channel = Channel { fill: source.clone(), ..channel.clone() };
                *fill = mount_fill(extensions, &channel, manifest).map_err(|e| wrong(e.to_string(), compiles))?;
                mounted += 1;
            }
        }
        if mounted == 0 {
            let expected = "a targeting rule or a fill strategy that is mounted";
            return Err(wrong(format!("`{serving}` serves nowhere: nothing would be tried"), expected));
        }
    }
    Ok(CompiledTrial { trial: trial.clone(), targeting: targeting.into(), fills })
}

fn mount_fill(
    extensions: &Extensions,
    channel: &Channel,
    manifest: &TenantManifest,
) -> Result<MountedFill, ExtensionError> {
    let tenant = manifest.tenant.slug.as_str();
    let loaded = extensions.trying_with(&channel.config).load_fill(&channel.fill, &manifest.scripts, tenant)?;
    let Loaded { name, version, extension } = loaded;
    Ok(MountedFill { counters: granted(manifest, &name), name, version, strategy: extension })
}

fn mount_rule(
    extensions: &Extensions,
    mounted: &ExtensionUse,
    manifest: &TenantManifest,
) -> Result<MountedRule, ExtensionError> {
    let tenant = manifest.tenant.slug.as_str();
    let loaded = extensions.trying_with(&mounted.config).load_targeting(&mounted.source, &manifest.scripts, tenant)?;
    let Loaded { name, version, extension } = loaded;
    Ok(MountedRule {
        counters: granted(manifest, &name),
        name,
        version,
        on_error: mounted.on_error,
        config: mounted.config.clone(),
        rule: extension,
    })
}

/// The counters that the tenant lets an extension read.
fn granted(manifest: &TenantManifest, extension: &str) -> Arc<[CounterGrant]> {
    manifest.counters.get(extension).map(|grants| grants.as_slice().into()).unwrap_or_default()
}
