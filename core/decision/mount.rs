//! What a decision is given besides the request: scripts as mounted, the channel's policy, the creatives' state.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use super::ExternalAd;
use crate::{
    domain::{CounterGrant, DemandOrder, OnError, Slug, Span},
    extension::point::{FillStrategy, TargetingRule},
};

/// A targeting script, guarded by its caller's deadline and breaker.
#[derive(Clone)]
pub struct MountedRule {
    /// As `ExtensionRef` prints it: `shipped:targeting/geo`, `rules/kids.rhai`.
    pub name: String,
    /// Content hash.
    pub version: String,
    pub on_error: OnError,
    pub config: Value,
    /// Counters that it may read.
    pub counters: Arc<[CounterGrant]>,
    pub rule: Arc<dyn TargetingRule>,
}

/// A fill strategy, guarded likewise.
#[derive(Clone)]
pub struct MountedFill {
    pub name: String,
    pub version: String,
    /// Counters that it may read.
    pub counters: Arc<[CounterGrant]>,
    pub strategy: Arc<dyn FillStrategy>,
}

/// How one channel chooses.
#[derive(Clone, Debug)]
pub struct ChannelPolicy {
    pub tenant: Slug,
    pub channel: Slug,
    pub labels: BTreeMap<String, String>,
    /// The channel's `config`, handed to the fill strategy.
    pub config: Value,
    /// The tenant's targeting scripts in the order of the bundle.
    pub targeting: Arc<[MountedRule]>,
    pub fill: MountedFill,
    /// Asked when `fill` fails or answers what it may not.
    pub fallback: MountedFill,
    /// Fills what the pod leaves over.
    pub slate: Option<Slug>,
    /// Who is asked first, own campaigns or the external ad server.
    pub order: DemandOrder,
}

/// Whether an ad can be stitched into this channel now.
pub trait CreativeLookup {
    /// The creative's measured length, or why it cannot play.
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason>;

    /// The same of an external ad. Without an implementation it plays, as long as it says.
    fn check_external(&self, ad: &ExternalAd) -> Result<Span, SkipReason> {
        Ok(ad.duration)
    }
}

/// Why a creative cannot play: `creative not loaded`, `no rendition fits: codec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipReason(pub Cow<'static, str>);

impl SkipReason {
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MountedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
impl fmt::Debug for MountedFill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
