//! From a bundle's files to everything compiled: the whole of `cuetone check`, and the first half of every activation.

use std::{collections::BTreeMap, sync::Arc};

use super::RegistryError;
use crate::{
    bundle::{self, BundleErrors, BundleFiles},
    decision::{CandidateIndex, MountedFill, MountedRule},
    domain::{Channel, ExtensionRef, ExtensionUse, OnError, TenantManifest},
    extension::{BreakDetector, ExtensionError, Extensions, Loaded, TrackingSink},
};

/// The strategy that answers when a channel's own fails.
const FALLBACK_FILL: &str = "fill/best_effort";

/// A bundle with all its scripts compiled and tried.
pub struct Compiled {
    pub manifest: TenantManifest,
    pub index: CandidateIndex,
    pub detectors: Vec<Loaded<dyn BreakDetector>>,
    pub fills: Vec<MountedFill>,
    pub fallback: MountedFill,
    pub targeting: Arc<[MountedRule]>,
    pub sinks: Vec<(ExtensionUse, Loaded<dyn TrackingSink>)>,
}

/// Validates a bundle and compiles its scripts. Nothing outside is touched.
pub fn check(files: &BundleFiles, extensions: &Extensions) -> Result<Compiled, RegistryError> {
    let parsed = bundle::parse_located(files)?;
    let manifest = parsed.manifest;
    let scripts = &manifest.scripts;
    let tenant = manifest.tenant.slug.as_str();
    let mut errors = Vec::new();
    let mut note = |field: String, error: ExtensionError| {
        let expected = "a script that compiles and passes a trial call";
        errors.push(parsed.places.error(&field, error.to_string(), expected));
    };
    let (mut detectors, mut fills) = (Vec::new(), Vec::new());
    for (at, channel) in manifest.channels.iter().enumerate() {
        match extensions.trying_with(&channel.config).load_detector(&channel.detector, scripts, tenant) {
            Ok(loaded) => detectors.push(loaded),
            Err(error) => note(format!("channels[{at}].ad_break_strategy"), error),
        }
        match mount_fill(extensions, channel, scripts, tenant) {
            Ok(mounted) => fills.push(mounted),
            Err(error) => note(format!("channels[{at}].fill_strategy"), error),
        }
    }
    let mut targeting = Vec::new();
    for (at, mounted) in manifest.targeting.iter().enumerate() {
        match mount_rule(extensions, mounted, scripts, tenant) {
            Ok(rule) => targeting.push(rule),
            Err(error) => note(format!("extensions.targeting[{at}].use"), error),
        }
    }
    let mut sinks = Vec::new();
    for (at, mounted) in manifest.sinks.iter().enumerate() {
        match extensions.trying_with(&mounted.config).load_sink(&mounted.source, scripts, tenant) {
            Ok(loaded) => sinks.push((mounted.clone(), loaded)),
            Err(error) => note(format!("extensions.sinks[{at}].use"), error),
        }
    }
    let mut by_rule: BTreeMap<String, MountedRule> = BTreeMap::new();
    for used in bundle::script_uses(&manifest).into_iter().filter(|used| used.field.starts_with("ads[")) {
        let mounted = ExtensionUse {
            source: used.source.clone(),
            config: serde_json::Value::Null,
            on_error: OnError::Closed,
            allow_hosts: Vec::new(),
        };
        match mount_rule(extensions, &mounted, scripts, tenant) {
            Ok(rule) => drop(by_rule.insert(used.source.to_string(), rule)),
            Err(error) => note(used.field, error),
        }
    }
    if !errors.is_empty() {
        return Err(BundleErrors::new(errors).into());
    }
    let index = CandidateIndex::build(&manifest, &|name| by_rule.get(name).cloned())
        .map_err(|error| BundleErrors::from(parsed.places.error("ads", error.to_string(), "")))?;
    let fallback = extensions.load_fill(&ExtensionRef::Shipped(FALLBACK_FILL.to_owned()), scripts, tenant)?;
    let fallback = MountedFill { name: fallback.name, version: fallback.version, strategy: fallback.extension };
    Ok(Compiled { manifest, index, detectors, fills, fallback, targeting: targeting.into(), sinks })
}

fn mount_fill(
    extensions: &Extensions,
    channel: &Channel,
    scripts: &BTreeMap<String, String>,
    tenant: &str,
) -> Result<MountedFill, ExtensionError> {
    let loaded = extensions.trying_with(&channel.config).load_fill(&channel.fill, scripts, tenant)?;
    Ok(MountedFill { name: loaded.name, version: loaded.version, strategy: loaded.extension })
}

fn mount_rule(
    extensions: &Extensions,
    mounted: &ExtensionUse,
    scripts: &BTreeMap<String, String>,
    tenant: &str,
) -> Result<MountedRule, ExtensionError> {
    let loaded = extensions.trying_with(&mounted.config).load_targeting(&mounted.source, scripts, tenant)?;
    Ok(MountedRule {
        name: loaded.name,
        version: loaded.version,
        on_error: mounted.on_error,
        config: mounted.config.clone(),
        rule: loaded.extension,
    })
}
