//! How large a bundle may be, in one place, each with its reason.

use crate::domain::Span;

/// Files that matter in one folder. A tenant with more scripts than this has generated them.
pub const MAX_FILES: usize = 500;
/// Bytes of one script, test or README. Ten times the longest script that we would want to read.
pub const MAX_FILE_BYTES: usize = 256 * 1024;
/// Bytes of one plugin. Python brings its whole interpreter: 18 MB.
pub const MAX_PLUGIN_BYTES: usize = 24 * 1024 * 1024;
/// Bytes of all plugins of a bundle as they are kept, compressed: some of Python's, or hundreds of others.
pub const MAX_PLUGINS_BYTES: usize = 48 * 1024 * 1024;
/// Bytes of `tenant.yaml`: 10,000 ads with rules take about 3 MB.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of all files together, plugins apart: what an upload may hold in memory.
pub const MAX_BUNDLE_BYTES: usize = 16 * 1024 * 1024;
/// Folders inside folders; also ends a loop of links.
pub const MAX_FOLDER_DEPTH: usize = 8;
/// Directory entries looked at, wanted or not: a folder such as `/` given by mistake must fail quickly.
pub const MAX_ENTRIES: usize = 20_000;
/// Bytes of one path.
pub const MAX_PATH_BYTES: usize = 200;

/// YAML nodes after anchors are expanded: 10,000 ads have about 200,000. Stops alias bombs.
pub const MAX_YAML_NODES: usize = 500_000;
/// Nesting of YAML. The deepest key of ours is 6 levels down; `config` may go on from there.
pub const MAX_YAML_DEPTH: usize = 32;
/// Errors reported at once: more than anybody reads.
pub const MAX_ERRORS: usize = 100;

/// One snapshot holds them all; a network has tens.
pub const MAX_CHANNELS: usize = 1_000;
pub const MAX_CAMPAIGNS: usize = 10_000;
/// Every ad is looked at for every decision.
pub const MAX_ADS: usize = 10_000;
/// A rule is a condition that a person wrote.
pub const MAX_RULES_PER_AD: usize = 50;
/// Each costs a call per decision.
pub const MAX_TARGETING: usize = 20;
/// Rules and fill strategies that read counters: no more than there are scripts.
pub const MAX_GRANTED: usize = MAX_FILES;
/// Counters of one extension: with `*` there are 24 in all.
pub const MAX_GRANTS: usize = 50;
/// Each costs a call per batch of events.
pub const MAX_SINKS: usize = 20;
/// Domains, hosts, rule values.
pub const MAX_LIST: usize = 1_000;
/// Labels travel into every script call.
pub const MAX_LABELS: usize = 50;
/// Characters of a name, a label or another short text.
pub const MAX_TEXT: usize = 500;
/// Characters of a URL; what browsers and CDNs agree on.
pub const MAX_URL: usize = 4_096;

/// An ad longer than this is a programme.
pub const MAX_AD_DURATION: Span = Span::from_secs(30 * 60);
/// A break longer than this is a blackout, not a break.
pub const MAX_BREAK_DURATION: Span = Span::from_secs(60 * 60);
/// Breaks less than once a day are announced by cues, not by a timer.
pub const MAX_BREAK_INTERVAL: Span = Span::from_secs(24 * 60 * 60);
/// Shorter than one segment of any real stream.
pub const MIN_DURATION: Span = Span::from_millis(100);

/// Each channel refresh of each viewer is a request; one viewer asks some 20 times a minute.
pub const MAX_RATE_LIMIT: i64 = 100_000_000;
/// Enough for 3,000 viewers.
pub const DEFAULT_RATE_LIMIT: i64 = 60_000;
/// Raw events are kept for ten years at most: nobody reads them one by one then.
pub const MAX_RETENTION_DAYS: i64 = 3_650;
/// Each is a column of no report, and a name that a person invented.
pub const MAX_EVENT_TYPES: usize = 100;
/// Makers of plugins that a tenant trusts.
pub const MAX_PLUGIN_KEYS: usize = 20;
/// An Ed25519 public key.
pub const PLUGIN_KEY_BYTES: usize = 32;
pub const DEFAULT_BREAK_INTERVAL: Span = Span::from_secs(360);
pub const DEFAULT_BREAK_DURATION: Span = Span::from_secs(120);
/// Any ordering fits between these, and sums of them never overflow.
pub const MAX_PRIORITY: i64 = 1_000_000;
/// A trial starts with few: they are the ones who suffer.
pub const DEFAULT_TRIAL_PERCENT: i64 = 10;
/// A script that worked before it was tried fails for nobody.
pub const DEFAULT_TRIAL_ERRORS: i64 = 1;
/// Caps on one campaign: one for each period there is.
pub const MAX_CAPS: usize = 5;
/// More impressions than there are evenings of viewers in a year.
pub const MAX_IMPRESSION_GOAL: i64 = 1_000_000_000_000;
/// Milliseconds that an external ad server may be given: a break does not wait longer.
pub const MAX_AD_SERVER_TIMEOUT_MS: i64 = 5_000;
pub const DEFAULT_AD_SERVER_TIMEOUT_MS: i64 = 1_500;
/// Of a hundred decisions: enough to replay a rule on, without a write for each viewer.
pub const DEFAULT_DECISION_LOG_PERCENT: i64 = 10;
/// Pixels of a picture's side; four times a large screen.
pub const MAX_PIXELS: i64 = 16_384;
/// A cap above this caps nobody.
pub const MAX_CAP_IMPRESSIONS: i64 = 1_000_000;
