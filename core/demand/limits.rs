//! Every limit on what an ad server may cost us, each with its reason.

use std::time::Duration;

/// For a whole answer, wrappers included, where nobody says otherwise. Later than this the break has begun.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Wrappers between a tag and its ad (VAST 4.2, 2.4.1.2 suggests five).
pub const MAX_WRAPPERS: usize = 5;

/// Bytes of one response. A pod of ten ads with all its beacons has some 100 KB.
pub const MAX_VAST_BYTES: usize = 512 * 1024;

/// Requests for one answer, over all branches: five pods of wrappers; an endless fan-out ends here.
pub const MAX_REQUESTS: u32 = 40;

/// Ads of one response that are looked at, and ads of one answer: more than any break has room for.
pub const MAX_ADS: usize = 32;

/// Beacons kept of each kind per ad, over all wrappers; the rest is dropped. Real ads have some fifty in all.
pub const MAX_BEACONS: usize = 100;

/// Bytes of one URL after its macros were filled: what servers take.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// Bytes of one name or title that is kept for scripts and reports.
pub const MAX_LABEL_BYTES: usize = 128;

/// How much longer than the break an ad may be by its own word: durations in VAST are rounded, the creative is measured.
pub const DURATION_SLACK: crate::domain::Span = crate::domain::Span::from_secs(1);

/// Requests to one ad server of a tenant at a time. Who comes then waits for a turn as long as its deadline lets it.
pub const PARALLEL_REQUESTS: usize = 256;

/// Ad servers whose turns and failures are known, and for how long after they were asked last.
pub const MAX_GATES: u64 = 20_000;
pub const GATE_IDLE: Duration = Duration::from_secs(3_600);

/// A host that was given less than this and was late is not to blame: the hops before it used the time up.
pub const FAIR_TIME: Duration = Duration::from_millis(250);

/// How long an ad server's answer is good for a break that has not come yet.
pub const PREFETCH_LIFE: Duration = Duration::from_secs(300);

/// The same for an answer without ads: long enough to leave the ad server alone, short enough for the next break.
pub const EMPTY_LIFE: Duration = Duration::from_secs(30);

/// How long a prefetch waits for creatives; nobody waits for it meanwhile.
pub const PREFETCH_MEDIA_TIME: Duration = Duration::from_secs(10);

/// Bytes of prefetched answers, roughly.
pub const PREFETCH_BYTES: u64 = 256 * 1024 * 1024;

/// What a prefetch weighs that has no answer yet.
pub const PENDING_WEIGHT: u32 = 4 * 1024;

/// Prefetches that run at a time, of all tenants and of one. Who comes then tries again with its next playlist.
pub const PARALLEL_PREFETCHES: usize = 8_192;
pub const PARALLEL_PREFETCHES_OF_TENANT: usize = 2_048;

/// Beacons on their way at a time. They are small; what comes beyond is dropped and counted.
pub const PARALLEL_BEACONS: usize = 256;

/// Beacons of one call.
pub const MAX_FIRED: usize = 50;

/// Error URLs told of one answer, over all its ads and wrappers.
pub const MAX_TOLD: usize = 100;

/// For one beacon, redirects and all.
pub const BEACON_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes read of the answer to a beacon: a pixel.
pub const MAX_BEACON_BYTES: usize = 64 * 1024;

/// Bytes of a viewer's User-Agent or Accept-Language that are sent on.
pub const MAX_HEADER_BYTES: usize = 512;

/// Failures kept of one answer, for whoever asks why.
pub const MAX_FAILURES: usize = 20;
