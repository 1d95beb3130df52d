//! A tenant: one operator, isolated from every other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ad, Campaign, Channel, CounterGrant, CustomType, ExtensionRef, Refusal, Slug, Text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Active,
    Inactive,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    pub slug: Slug,
    pub name: String,
    pub status: Status,
    /// IANA name; validated when the bundle is read.
    pub timezone: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Hosts whose pages may read our answers (CORS). `*` allows all.
    pub allowed_domains: Vec<String>,
    pub rate_limit_per_minute: u32,
    /// When the tenant's clock shows this, the day before is closed and its report made.
    pub report_time: ReportTime,
    pub privacy: Privacy,
    /// Names of events that this tenant reports beside ours.
    pub event_types: Vec<CustomType>,
    /// Ed25519 public keys in base64. Where there are any, every plugin has to be signed by one of them.
    pub plugin_keys: Vec<String>,
}

/// A time of day, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportTime(pub u16);

impl Default for ReportTime {
    /// 02:00: late events of the evening are in.
    fn default() -> Self {
        Self(120)
    }
}

/// `02:00`.
impl std::fmt::Display for ReportTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// What is kept of viewers, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privacy {
    pub address: AddressPolicy,
    /// Whether a viewer's Do-Not-Track, Global Privacy Control or limited ad tracking takes names, addresses and
    /// attribution from its events. They count all the same.
    pub respect_opt_out: bool,
    /// How long single events are kept; their sums stay.
    pub retention_days: u16,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { address: AddressPolicy::default(), respect_opt_out: true, retention_days: 90 }
    }
}

/// What is kept of a viewer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressPolicy {
    /// Its network: 24 bits of an IPv4 address, 48 of an IPv6 address.
    #[default]
    Truncate,
    /// A hash under a key of the tenant's: tells addresses apart, names none.
    Hash,
    /// Nothing.
    Drop,
}

/// What a rule does to its candidates when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Go on as if the rule were not there.
    #[default]
    Open,
    /// No ad passes.
    Closed,
}

/// An extension as a tenant mounts it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionUse {
    pub source: ExtensionRef,
    /// Of a sink: its place in the journal hangs on it, whatever else about the sink changes.
    pub name: Option<Slug>,
    /// Handed to the extension as its `config`.
    pub config: serde_json::Value,
    pub on_error: OnError,
    /// Hosts that a sink may reach. Nothing by default.
    pub allow_hosts: Vec<String>,
    /// Of a sink: where a receiver's answer of 2xx says what it did not take after all.
    pub refused_if: Option<Refusal>,
}

/// How a new version of a script is tried beside the one that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialMode {
    /// Decides as well, and nobody sees what.
    Shadow,
    /// Decides for a share of the sessions.
    Canary,
}

/// Scripts that stand in for others, for a while and under watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Paths: what is mounted now → what is tried in its place.
    pub scripts: BTreeMap<String, String>,
    pub mode: TrialMode,
    /// Of a hundred sessions; a session stays on its side.
    pub percent: u8,
    /// More failed calls than this, of a hundred, end the trial.
    pub max_error_percent: u8,
}

/// All that one bundle declares, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantManifest {
    pub tenant: Tenant,
    pub channels: Vec<Channel>,
    pub campaigns: Vec<Campaign>,
    pub ads: Vec<Ad>,
    pub targeting: Vec<ExtensionUse>,
    pub sinks: Vec<ExtensionUse>,
    pub trial: Option<Trial>,
    /// Counters that rules and fill strategies may read, by the extension as `ExtensionRef` prints it. None by default.
    pub counters: BTreeMap<String, Vec<CounterGrant>>,
    /// Script text by the path used in the bundle (`rules/kids.rhai`).
    pub scripts: BTreeMap<String, Text>,
}
