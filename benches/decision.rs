//! How long a decision takes as a tenant's library grows: `cargo bench --bench decision`.
//!
//! Prints the median and the 99th percentile for libraries of mixed rules, without a targeting script and with a
//! shipped one, and how they grow from one size to the next. Every decision is for another viewer at another time.

use std::{
    collections::{BTreeMap, HashMap},
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use cuetone::{
    decision::{
        self, CandidateIndex, ChannelPolicy, CreativeLookup, DecisionRequest, Detail, Exposure, MountedFill,
        MountedRule, NothingSpent, SkipReason,
    },
    domain::{
        Ad, AdRule, AdType, Avail, AvailId, AvailKind, Beaconing, Campaign, CampaignStatus, CapPeriod, Channel,
        Creative, DemandOrder, DeviceType, ExtensionRef, FrequencyCap, MarkerPolicy, MidBreakJoin, Moment, Money,
        OnError, Pacing, Position, RuleOperator, RuleType, RuleValue, Slug, Span, Status, Tenant, TenantManifest,
        Viewer,
    },
    extension::{
        Counters, Point, ScriptSource,
        rhai::{Budget, Host, Script},
        shipped,
    },
};
use serde_json::Value;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const DECISIONS: usize = 1_000;
/// How often each decision is made; the quickest counts, so that other programs on the machine do not.
const REPEATS: usize = 5;
/// Not counted: the first ones fill the processor's caches.
const WARM_UP: usize = 50;
/// 2024-06-03T00:00:00Z, a Monday.
const MONDAY: Moment = Moment(1_717_372_800_000_000);
const ADS_OF_A_CAMPAIGN: usize = 20;
const COUNTRIES: [&str; 10] = ["US", "CA", "GB", "DE", "FR", "ID", "IN", "BR", "MX", "JP"];
const LENGTHS: [i64; 5] = [10, 15, 20, 30, 30];

/// Numbers without a pattern, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn campaign(at: usize, numbers: &mut Numbers) -> Campaign {
    let cap = |impressions, per| FrequencyCap { impressions, per };
    Campaign {
        slug: slug(&format!("campaign-{at}")),
        name: String::new(),
        description: String::new(),
        start_date: Some(if numbers.percent(5) { (2024, 7, 1) } else { (2024, 5, 1) }),
        end_date: Some(if numbers.percent(5) { (2024, 5, 31) } else { (2024, 12, 31) }),
        budget: numbers.percent(50).then_some(Money::from_micros(50_000_000_000)),
        impression_goal: numbers.percent(20).then_some(1_000_000),
        cpm: Some(Money::from_micros(5_000_000 + numbers.below(40) as i64 * 500_000)),
        status: if numbers.percent(3) { CampaignStatus::Paused } else { CampaignStatus::Active },
        priority: numbers.below(10) as i32,
        frequency_caps: match numbers.below(3) {
            0 => vec![cap(3, CapPeriod::Hour), cap(10, CapPeriod::Day)],
            1 => vec![cap(1, CapPeriod::Pod)],
            _ => Vec::new(),
        },
        pacing: if numbers.percent(50) { Pacing::Even } else { Pacing::Asap },
        competitive_category: numbers.percent(60).then(|| format!("category-{}", numbers.below(25))),
    }
}

/// Half of the ads have declared rules of one to three types.
fn rules(numbers: &mut Numbers) -> Vec<AdRule> {
    let mut rules = Vec::new();
    let mut add = |kind, operator, value| rules.push(AdRule { kind, operator, value });
    if numbers.percent(30) {
        let countries = (0..1 + numbers.below(3)).map(|_| numbers.one_of(&COUNTRIES).to_owned()).collect();
        let operator = if numbers.percent(80) { RuleOperator::In } else { RuleOperator::NotIn };
        add(RuleType::Geo, operator, RuleValue::Many(countries));
    }
    if numbers.percent(20) {
        let device = numbers.one_of(&DeviceType::ALL).as_str().to_owned();
        add(RuleType::Device, RuleOperator::Equals, RuleValue::One(device));
    }
    if numbers.percent(15) {
        let min = numbers.below(24) as i64;
        add(RuleType::Time, RuleOperator::Range, RuleValue::Range { min, max: (min + 10) % 24 });
    }
    if numbers.percent(10) {
        add(RuleType::DayOfWeek, RuleOperator::Range, RuleValue::Range { min: 1, max: 5 });
    }
    if numbers.percent(10) {
        add(RuleType::Channel, RuleOperator::NotIn, RuleValue::Many(vec!["kids".into()]));
    }
    rules
}

fn ad(at: usize, numbers: &mut Numbers) -> Ad {
    let name = format!("ad-{at:06}");
    let labels = [("geo", "US, CA, GB"), ("category", "food"), ("rating", "PG")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ad {
        slug: slug(&name),
        campaign: Some(slug(&format!("campaign-{}", at / ADS_OF_A_CAMPAIGN))),
        duration: Span::from_secs(numbers.one_of(&LENGTHS)),
        ad_type: AdType::Linear,
        creative: Some(Creative::Hls(format!("https://cdn.example.com/{name}.m3u8"))),
        vast_url: None,
        click_through_url: None,
        status: Status::Active,
        rules: rules(numbers),
        // Half of them: the script has something to drop.
        labels: if numbers.percent(50) { labels.into() } else { BTreeMap::new() },
        name,
    }
}

fn manifest(ads: usize, numbers: &mut Numbers) -> TenantManifest {
    TenantManifest {
        tenant: Tenant {
            slug: slug("bench"),
            name: "Bench".into(),
            status: Status::Active,
            timezone: "Europe/Berlin".into(),
            currency: "EUR".into(),
            allowed_domains: Vec::new(),
            rate_limit_per_minute: 1,
            report_time: Default::default(),
            privacy: Default::default(),
            event_types: Vec::new(),
            plugin_keys: Vec::new(),
        },
        channels: vec![channel()],
        campaigns: (0..ads.div_ceil(ADS_OF_A_CAMPAIGN)).map(|at| campaign(at, numbers)).collect(),
        ads: (0..ads).map(|at| ad(at, numbers)).collect(),
        targeting: Vec::new(),
        trial: None,
        counters: Default::default(),
        sinks: Vec::new(),
        scripts: BTreeMap::new(),
    }
}

fn channel() -> Channel {
    Channel {
        slug: slug("news"),
        name: String::new(),
        status: Status::Active,
        hls_manifest_url: "https://cdn.example.com/master.m3u8".into(),
        detector: ExtensionRef::Shipped("detect/scte35".into()),
        ad_break_interval: Span::from_secs(360),
        ad_break_duration: Span::from_secs(120),
        fill: ExtensionRef::Shipped("fill/best_effort".into()),
        beaconing: Beaconing::Segment,
        pre_roll: None,
        slate: None,
        ad_server: None,
        decision_log_percent: 0,
        mid_break_join: MidBreakJoin::Ads,
        markers: MarkerPolicy::Strip,
        labels: BTreeMap::new(),
        config: Value::Null,
    }
}

/// Creatives of all ads; one in fifty cannot play.
struct Ready(HashMap<Slug, Result<Span, SkipReason>>);

impl CreativeLookup for Ready {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        self.0.get(ad).cloned().unwrap_or_else(|| Err(SkipReason::new("creative not loaded")))
    }
}

/// A shipped rule in the real engine; without a time limit, because a script that is stopped makes a decision look cheap.
fn script(host: &Arc<Host>, name: &str, point: Point) -> (String, String, Script) {
    let source = ScriptSource { name, text: shipped::text(name).expect("a shipped rule") };
    let budget = Budget { deadline: Duration::from_secs(600), ..Budget::of(point) };
    let script = Script::load(host, source, point).expect("a shipped rule");
    (name.to_owned(), source.version(), script.with_budget(budget))
}

fn policy(host: &Arc<Host>, target: Option<&str>) -> ChannelPolicy {
    let targeting = target.map(|name| {
        let (name, version, script) = script(host, name, Point::Targeting);
        let (on_error, config) = (OnError::Open, Value::Null);
        MountedRule { name, version, on_error, config, counters: Arc::default(), rule: Arc::new(script.targeting()) }
    });
    let (name, version, script) = script(host, "fill/best_effort", Point::Fill);
    let fill = MountedFill { name, version, counters: Arc::default(), strategy: Arc::new(script.fill()) };
    ChannelPolicy {
        tenant: slug("bench"),
        channel: slug("news"),
        labels: BTreeMap::from([("rating".to_owned(), "PG-13".to_owned())]),
        config: Value::Null,
        targeting: targeting.into_iter().collect(),
        fallback: fill.clone(),
        fill,
        slate: None,
        order: DemandOrder::OwnFirst,
    }
}

struct Measured {
    times: Vec<Duration>,
    filled: f64,
    judged: usize,
    failed: usize,
}

impl Measured {
    fn percentile(&self, share: usize) -> f64 {
        self.times[(self.times.len() - 1) * share / 100].as_secs_f64() * 1e6
    }
}

fn measure(index: &CandidateIndex, policy: &ChannelPolicy, creatives: &Ready, ads: usize) -> Measured {
    let mut numbers = Numbers(3);
    let mut measured = Measured { times: Vec::with_capacity(DECISIONS), filled: 0.0, judged: 0, failed: 0 };
    for round in 0..WARM_UP + DECISIONS {
        let viewer = Viewer {
            geo: numbers.one_of(&COUNTRIES).into(),
            device: numbers.one_of(&DeviceType::ALL),
            ..Viewer::default()
        };
        let now = MONDAY + Span::from_secs(numbers.below(7 * 24 * 3600) as i64);
        let avail = Avail {
            id: AvailId::new("break"),
            start: now,
            duration: Span::from_secs(numbers.one_of(&[60, 90, 120])),
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            source: String::new(),
            metadata: BTreeMap::new(),
        };
        let history: Vec<Exposure> = (0..20)
            .map(|back| {
                let at = numbers.below(ads);
                Exposure {
                    ad: slug(&format!("ad-{at:06}")),
                    campaign: Some(slug(&format!("campaign-{}", at / ADS_OF_A_CAMPAIGN))),
                    at: now - Span::from_secs(back * 600),
                    this_session: back < 10,
                }
            })
            .collect();
        let none = Counters::default();
        let request = DecisionRequest {
            session: "0123456789abcdef",
            viewer: &viewer,
            avail: &avail,
            now,
            seed: round as u64,
            history: &history,
            spend: &NothingSpent,
            external: &[],
            counters: &none,
            detail: Detail::Brief,
            micros: &|| 0,
        };
        let mut decision = decision::decide(index, policy, &request, creatives);
        let mut took = Duration::MAX;
        for _ in 0..REPEATS {
            let started = Instant::now();
            decision = black_box(decision::decide(index, policy, &request, creatives));
            took = took.min(started.elapsed());
        }
        if round >= WARM_UP {
            let filled: Span = decision.pod.iter().map(|picked| picked.duration).sum();
            measured.times.push(took);
            measured.filled += filled.as_secs_f64() / avail.duration.as_secs_f64();
            measured.judged += decision.trace.scripts.first().map_or(0, |script| script.ads);
            measured.failed += decision.trace.scripts.iter().filter(|script| script.error.is_some()).count();
        }
    }
    measured.times.sort_unstable();
    measured
}

fn main() {
    let host = Arc::new(Host::new().expect("shipped rules compile"));
    println!(
        "{:<24}{:>8}{:>11}{:>11}{:>9}{:>9}{:>9}{:>8}",
        "", "ads", "p50 µs", "p99 µs", "growth", "filled", "judged", "failed"
    );
    for (name, target) in [
        ("no script", None),
        ("targeting/geo", Some("targeting/geo")),
        ("targeting/brand_safety", Some("targeting/brand_safety")),
    ] {
        let policy = policy(&host, target);
        let mut before = None;
        for ads in SIZES {
            let mut numbers = Numbers(1);
            let manifest = manifest(ads, &mut numbers);
            let index = CandidateIndex::build(&manifest, &|_| None).expect("an index");
            let ready = manifest.ads.iter().map(|ad| {
                let plays = !numbers.percent(2);
                (ad.slug.clone(), if plays { Ok(ad.duration) } else { Err(SkipReason::new("creative not loaded")) })
            });
            let creatives = Ready(ready.collect());
            let measured = measure(&index, &policy, &creatives, ads);
            let (median, worst) = (measured.percentile(50), measured.percentile(99));
            let growth = before.replace(worst).map_or(String::new(), |before| format!("×{:.1}", worst / before));
            let count = measured.times.len();
            println!(
                "{name:<24}{ads:>8}{median:>11.0}{worst:>11.0}{growth:>9}{:>8.1}%{:>9}{:>8}",
                measured.filled / count as f64 * 100.0,
                measured.judged / count,
                measured.failed
            );
        }
    }
}
