//! Runs written-down decisions again, each with the tenant's state of its time, and adds up what changes.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::{
    decision::{self, ChannelPolicy, DecisionRecord, Difference, MountedFill, MountedRule, RecordedResult},
    domain::{ExtensionRef, Money, OnError, Slug, Span},
    extension::{Extensions, Loaded, Point, ScriptSource, monotonic},
    registry::{self, Compiled},
    store::{Store, TenantScope},
};

/// With which scripts.
pub enum What {
    Same,
    With { path: String, text: String, in_place_of: Option<String> },
}

pub struct Replay {
    store: Store,
    scope: TenantScope,
    extensions: Extensions,
    substitute: Option<Substitute>,
    versions: HashMap<i64, Version>,
    pub summary: Summary,
}

/// A script that is to decide as well, compiled once.
struct Substitute {
    path: String,
    in_place_of: Option<String>,
    mounted: Mounted,
}

enum Mounted {
    Rule(MountedRule),
    Fill(MountedFill),
}

/// The tenant's state at one version.
struct Version {
    compiled: Compiled,
    channels: HashMap<Slug, Policies>,
}

/// How a channel chooses.
struct Policies {
    serving: ChannelPolicy,
    /// Where scripts are on trial.
    tried: Option<ChannelPolicy>,
}

/// What a replay comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub decisions: u64,
    /// Came out as they did, in every recorded detail.
    pub identical: u64,
    /// Have other ads, or the same in another order.
    pub changed: u64,
    /// Their channel or version is gone.
    pub skipped: u64,
    pub ads_before: u64,
    pub ads_after: u64,
    /// Of all breaks' time, the share that ads fill.
    pub fill_rate_before: f64,
    pub fill_rate_after: f64,
    /// If every impression counts.
    pub revenue_before: Money,
    pub revenue_after: Money,
    /// Impressions by ad.
    pub by_ad: std::collections::BTreeMap<Slug, [u64; 2]>,
    #[serde(skip)]
    filled: [Span; 2],
    #[serde(skip)]
    offered: Span,
}

impl Replay {
    pub fn new(store: Store, scope: TenantScope, what: What) -> anyhow::Result<Self> {
        let extensions = Extensions::new(monotonic())?;
        let substitute = match what {
            What::Same => None,
            What::With { path, text, in_place_of } => {
                Some(Substitute { mounted: mount(&extensions, &path, text, scope.tenant())?, path, in_place_of })
            }
        };
        Ok(Self { store, scope, extensions, substitute, versions: HashMap::new(), summary: Summary::default() })
    }

    /// Decides again; answers what changes.
    pub async fn run(&mut self, record: &DecisionRecord) -> anyhow::Result<Option<Difference>> {
        if !self.versions.contains_key(&record.version) {
            let version = self.version(record.version).await?;
            self.versions.insert(record.version, version);
        }
        self.summary.decisions += 1;
        let version = self.versions.get(&record.version);
        let Some((version, policy)) = version.and_then(|version| Some((version, version.policy(record)?))) else {
            self.summary.skipped += 1;
            return Ok(None);
        };
        let decision = decision::replay(record, &version.compiled.index, policy);
        let difference = decision::difference(record, &decision);
        // Compared as text: what differs in any byte is not the same.
        let result = RecordedResult::from(&decision);
        let identical = serde_json::to_string(&result)? == serde_json::to_string(&record.result)?;
        self.summary.add(record, &difference, identical);
        Ok((!difference.is_none()).then_some(difference))
    }

    async fn version(&self, version: i64) -> anyhow::Result<Version> {
        let compiled = registry::compiled_at(&self.store, &self.scope, version, &self.extensions)
            .await
            .with_context(|| format!("version {version} of {}", self.scope.tenant()))?;
        let mut channels = HashMap::new();
        for (at, channel) in compiled.manifest.channels.iter().enumerate() {
            let Some(mut serving) = compiled.policy(at) else { continue };
            let trial = compiled.trial.as_ref();
            let mut tried = trial.and_then(|trial| Some((trial.policy(at, &serving)?, &trial.trial.scripts)));
            if let Some(substitute) = &self.substitute {
                substitute.apply(&mut serving, substitute.stands_for())?;
                if let Some((policy, stand_ins)) = &mut tried {
                    // On their side, what it stands for is not mounted where something else is tried in its place.
                    let stands_for = substitute.stands_for();
                    substitute.apply(policy, stand_ins.get(stands_for).map_or(stands_for, String::as_str))?;
                }
            }
            channels.insert(channel.slug.clone(), Policies { serving, tried: tried.map(|(policy, _)| policy) });
        }
        Ok(Version { compiled, channels })
    }
}

impl Version {
    /// What decided then.
    fn policy(&self, record: &DecisionRecord) -> Option<&ChannelPolicy> {
        let Policies { serving, tried } = self.channels.get(&record.channel)?;
        if record.trial { tried.as_ref() } else { Some(serving) }
    }
}

impl Substitute {
    fn stands_for(&self) -> &str {
        self.in_place_of.as_deref().unwrap_or(&self.path)
    }

    fn apply(&self, policy: &mut ChannelPolicy, stands_for: &str) -> anyhow::Result<()> {
        match &self.mounted {
            Mounted::Rule(rule) => {
                let mut targeting = policy.targeting.to_vec();
                let place = targeting.iter_mut().find(|mounted| mounted.name == stands_for);
                match place {
                    // As it is mounted, so that only the script is another.
                    Some(mounted) => {
                        let MountedRule { on_error, config, counters, .. } = mounted.clone();
                        *mounted = MountedRule { on_error, config, counters, ..rule.clone() };
                    }
                    None if self.in_place_of.is_some() => {
                        let mounted: Vec<&str> = targeting.iter().map(|mounted| mounted.name.as_str()).collect();
                        bail!("no targeting rule `{stands_for}` is mounted; mounted: {}", mounted.join(", "));
                    }
                    None => targeting.push(rule.clone()),
                }
                policy.targeting = targeting.into();
            }
            Mounted::Fill(fill) => {
                if self.in_place_of.is_none() || policy.fill.name == stands_for {
                    let counters = policy.fill.counters.clone();
                    policy.fill = MountedFill { counters, ..fill.clone() };
                }
            }
        }
        Ok(())
    }
}

fn mount(extensions: &Extensions, path: &str, text: String, tenant: &Slug) -> anyhow::Result<Mounted> {
    let point = extensions.try_script(ScriptSource { name: path, text: &text }, None)?.point;
    let scripts = [(path.to_owned(), text.into())].into();
    let source = ExtensionRef::File(path.to_owned());
    match point {
        Point::Targeting => {
            let loaded = extensions.load_targeting(&source, &scripts, tenant.as_str())?;
            Ok(Mounted::Rule(MountedRule {
                name: loaded.name,
                version: loaded.version,
                on_error: OnError::Open,
                config: serde_json::json!({}),
                counters: Arc::default(),
                rule: loaded.extension,
            }))
        }
        Point::Fill => {
            let Loaded { name, version, extension } = extensions.load_fill(&source, &scripts, tenant.as_str())?;
            Ok(Mounted::Fill(MountedFill { name, version, counters: Arc::default(), strategy: extension }))
        }
        Point::Detect | Point::Sink => bail!("{path}: {point} extensions take no part in decisions"),
    }
}

impl Summary {
    fn add(&mut self, record: &DecisionRecord, difference: &Difference, identical: bool) {
        self.identical += u64::from(identical);
        self.changed += u64::from(!difference.is_none());
        self.ads_before += difference.before.len() as u64;
        self.ads_after += difference.after.len() as u64;
        let [before, after] = &mut self.filled;
        *before += difference.filled_before;
        *after += difference.filled_after;
        self.offered += record.avail.duration;
        let rate = |filled: Span, offered: Span| filled.as_secs_f64() / offered.as_secs_f64().max(1e-6);
        self.fill_rate_before = rate(*before, self.offered);
        self.fill_rate_after = rate(*after, self.offered);
        let sum = |a: Money, b: Money| Money::from_micros(a.micros().saturating_add(b.micros()));
        self.revenue_before = sum(self.revenue_before, difference.revenue_before);
        self.revenue_after = sum(self.revenue_after, difference.revenue_after);
        for (side, ads) in [&difference.before, &difference.after].into_iter().enumerate() {
            for ad in ads {
                if let Some(count) = self.by_ad.entry(ad.clone()).or_default().get_mut(side) {
                    *count += 1;
                }
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!("decisions     {}", self.decisions),
            format!("identical     {}", self.identical),
            format!("other ads     {}", self.changed),
            format!("ads           {} -> {}", self.ads_before, self.ads_after),
            format!("fill rate     {:.2} % -> {:.2} %", self.fill_rate_before * 100.0, self.fill_rate_after * 100.0),
            format!("revenue       {} -> {}", self.revenue_before, self.revenue_after),
        ];
        if self.skipped > 0 {
            lines.push(format!("not replayed  {} (their channel is gone)", self.skipped));
        }
        for (ad, [before, after]) in self.by_ad.iter().filter(|(_, [before, after])| before != after) {
            lines.push(format!("  {ad}: {before} -> {after} impressions"));
        }
        lines.join("\n")
    }
}
