//! A quiet tenant beside one whose plugin runs hot. Both ask at a steady pace, whatever the answers do: latencies count from
//! the moment at which a request should have been sent. Rounds of phases alternate, so that drift of the machine meets all
//! phases alike, and what all rounds of a phase saw is compared.

use std::{
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use cuetone::extension::{Point, lane::yield_to_all};
use serde_json::{Value, json};

use super::{
    Outcome, guests,
    http::Client,
    server::{Place, Server, quantile},
    world::renditions,
};

/// The quiet tenant and the other.
const TENANTS: [&str; 2] = ["quiet", "hot"];

const BURN: &str = "plugins/burn.wasm";
const PREFER: &str = "plugins/prefer.wasm";

/// A small rule of a tenant's own.
const RULE: &str = "fn target(ad, request, config) { if request.geo == \"US\" { 2 } else { true } }\n";

/// Each of a tenant's connections asks so often a second.
const PLAYLISTS_EACH: u32 = 100;
const DECISIONS_EACH: u32 = 10;

/// Connections of each tenant: together 800 playlists and 40 decisions a second, a tenth of two processors. Enough for what
/// the slowest hundredth sees not to be chance.
const PLAYERS: usize = 8;
const DECIDERS: usize = 4;

/// The hot tenant asks for as many decisions over more connections: its answers take longer.
const HOT_DECIDERS: usize = 40;
const HOT_DECISIONS_EACH: u32 = 1;

/// What the hot plugin is to use of its 20 ms a call.
const BURN_FOR: Duration = Duration::from_millis(19);

/// Turns that no processor makes within a deadline.
const FOR_EVER: u64 = u64::MAX;

/// The tenants ask in turns: who asks at the same moment waits for the other, whatever plugins do.
const APART: Duration = Duration::from_micros(310);

/// Between phases: the hot tenant is light again and its breaker closes, so that each phase meets it fresh.
const REST: Duration = Duration::from_secs(11);

/// How much slower the quiet tenant's slowest requests may get.
const MARGIN: f64 = 0.10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Behaved,
    Burning,
    Hanging,
    /// As behaved, while a stranger to the server keeps a processor as busy as the burning plugin does, and yields as it does
    /// but never rests: what that costs on this machine.
    Stranger,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Behaved, Self::Burning, Self::Hanging, Self::Stranger];

    fn name(self) -> &'static str {
        match self {
            Self::Behaved => "behaved",
            Self::Burning => "burning",
            Self::Hanging => "hanging",
            Self::Stranger => "stranger",
        }
    }
}

/// What a tenant saw in one phase: milliseconds, sorted.
#[derive(Default)]
struct Seen {
    playlists: Vec<f64>,
    decisions: Vec<f64>,
    failed: usize,
}

impl Seen {
    fn all(&self) -> Vec<f64> {
        sorted([&self.playlists[..], &self.decisions[..]].concat())
    }
}

pub fn run(binary: &Path, rounds: usize, seconds: u64) -> Outcome {
    let place = Place::new();
    let (prefer, burn) = (guests::template(Point::Targeting), guests::burn());
    for tenant in TENANTS {
        let plugin: (&str, &[u8]) = if tenant == TENANTS[0] { (PREFER, &prefer) } else { (BURN, &burn) };
        place.tenant(tenant, &manifest(&place, tenant, plugin.0), &[("rules/own.rhai", RULE.as_bytes()), plugin]);
    }
    let server = place.start(binary, true);
    server.ready();
    server.creatives(&TENANTS);
    let turns = calibrated(&server);
    thread::sleep(REST);
    let length = Duration::from_secs(seconds);
    // Everything is warm before anything counts.
    phase(&server, 0, length);
    let mut found: Vec<(Phase, Seen, Used)> = Vec::new();
    for round in 0..rounds {
        // Each phase comes first in turn.
        for at in 0..Phase::ALL.len() {
            let of = Phase::ALL[(at + round) % Phase::ALL.len()];
            thread::sleep(REST);
            let before = used(&server);
            let asked = match of {
                Phase::Behaved | Phase::Stranger => 0,
                Phase::Burning => turns,
                Phase::Hanging => FOR_EVER,
            };
            let [quiet, hot] = thread::scope(|scope| {
                if of == Phase::Stranger {
                    scope.spawn(|| keep_busy(length));
                }
                phase(&server, asked, length)
            });
            let used = used(&server).since(&before);
            let all = quiet.all();
            eprintln!(
                "round {} {:<8} quiet p50 {:.2} p99 {:.2} max {:.1} ms, {} failed; hot p50 {:.1} p99 {:.1} ms, {} failed; its plugin: {used:?}; server {:.1} s",
                round + 1,
                of.name(),
                quantile(&all, 0.5),
                quantile(&all, 0.99),
                quantile(&all, 1.0),
                quiet.failed,
                quantile(&hot.all(), 0.5),
                quantile(&hot.all(), 0.99),
                hot.failed,
                server.processor(),
            );
            found.push((of, quiet, used));
        }
    }
    server.stop();
    judged(&found, rounds, seconds)
}

fn judged(found: &[(Phase, Seen, Used)], rounds: usize, seconds: u64) -> Outcome {
    let of = |phase: Phase| found.iter().filter(move |(of, ..)| *of == phase);
    // Of all rounds together.
    let all = |phase: Phase, figures: &dyn Fn(&Seen) -> Vec<f64>, share: f64| {
        quantile(&sorted(of(phase).flat_map(|(_, seen, _)| figures(seen)).collect()), share)
    };
    let p99 = |phase| all(phase, &Seen::all, 0.99);
    let base = p99(Phase::Behaved);
    let slower = |phase| p99(phase) / base - 1.0;
    let failed: usize = found.iter().map(|(_, seen, _)| seen.failed).sum();
    let worst = slower(Phase::Burning).max(slower(Phase::Hanging));
    let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let phases = Phase::ALL.map(|phase| {
        let uses = of(phase).map(|(.., used)| used);
        let (calls, failed, cpu) = uses.fold((0, 0, 0.0), |(calls, failed, cpu), used| {
            (calls + used.answered, failed + used.failed, cpu + used.cpu_seconds)
        });
        json!({
            "phase": phase.name(),
            "p50_ms": round(all(phase, &Seen::all, 0.5)),
            "p99_ms": round(p99(phase)),
            "playlists_p99_ms": round(all(phase, &|seen| seen.playlists.clone(), 0.99)),
            "decisions_p99_ms": round(all(phase, &|seen| seen.decisions.clone(), 0.99)),
            "slower": round(slower(phase)),
            "plugin_answered": calls,
            "plugin_failed_or_refused": failed,
            "plugin_cpu_seconds": round(cpu),
        })
    });
    let kept = failed == 0 && worst < MARGIN;
    let figures = json!({
        "measured": "neighbour",
        "rounds": rounds,
        "seconds": seconds,
        "requests_per_second": PLAYERS as u32 * PLAYLISTS_EACH + DECIDERS as u32 * DECISIONS_EACH,
        "failed": failed,
        "phases": phases,
    });
    let sentence = format!(
        "The quiet tenant's p99 is {base:.2} ms beside a plugin that behaves, {:.2} ms ({:+.1} %) beside one that burns its \
         time, {:.2} ms ({:+.1} %) beside one that loops for ever; {:.2} ms ({:+.1} %) while a stranger to the server keeps a \
         processor as busy; {rounds} rounds of {seconds} s, at most {:.0} % more is allowed; {failed} of its requests failed.",
        p99(Phase::Burning),
        slower(Phase::Burning) * 100.0,
        p99(Phase::Hanging),
        slower(Phase::Hanging) * 100.0,
        p99(Phase::Stranger),
        slower(Phase::Stranger) * 100.0,
        MARGIN * 100.0,
    );
    Outcome { figures, sentence, kept }
}

/// Both tenants ask for so long; the hot one's viewers want their plugin to make so many turns.
fn phase(server: &Server, turns: u64, length: Duration) -> [Seen; 2] {
    let seen = [Mutex::new(Seen::default()), Mutex::new(Seen::default())];
    let begin = Instant::now() + Duration::from_millis(300);
    thread::scope(|scope| {
        for (tenant, seen) in TENANTS.into_iter().zip(&seen) {
            let hot = tenant == TENANTS[1];
            let begin = if hot { begin + 2 * APART } else { begin };
            let (deciders, each) = if hot { (HOT_DECIDERS, HOT_DECISIONS_EACH) } else { (DECIDERS, DECISIONS_EACH) };
            for number in 0..PLAYERS {
                let pace = Pace::new(begin, length, PLAYLISTS_EACH, number, PLAYERS);
                scope.spawn(move || {
                    let mut client = server.client();
                    let opened = client.get(&format!("/fast/{tenant}/live.m3u8")).good("a session");
                    let path = format!("/fast/{tenant}/{}", renditions(opened.text()).first().expect("a variant"));
                    let (times, failed) = pace.keep(|| client.get(&path).status == 200);
                    let mut seen = seen.lock().expect("no panic");
                    seen.playlists.extend(times);
                    seen.failed += failed;
                });
            }
            for number in 0..deciders {
                let pace = Pace::new(begin + APART, length, each, number, deciders);
                scope.spawn(move || {
                    let mut client = server.client();
                    let (times, failed) = pace.keep(|| decide(&mut client, tenant, if hot { turns } else { 0 }));
                    let mut seen = seen.lock().expect("no panic");
                    seen.decisions.extend(times);
                    seen.failed += failed;
                });
            }
        }
    });
    seen.map(|seen| {
        let Seen { playlists, decisions, failed } = seen.into_inner().expect("no panic");
        Seen { playlists: sorted(playlists), decisions: sorted(decisions), failed }
    })
}

fn decide(client: &mut Client, tenant: &str, turns: u64) -> bool {
    let asked = json!({
        "tenant_id": tenant, "channel": "live", "position": "mid-roll", "duration_seconds": 30, "geo": "US",
        "params": { "turns": turns.to_string() },
    });
    let answer = client.post("/api/v1/ads/decision", &asked);
    answer.status == 200 && answer.json()["ads"].as_array().is_some_and(|ads| !ads.is_empty())
}

/// Uses a processor as the burning plugin does, for so long, on a thread that runs only when no other wants to.
fn keep_busy(length: Duration) {
    yield_to_all().expect("a thread may always yield");
    // Forty decisions a second, one after the other.
    let call = Duration::from_secs(1) / (HOT_DECIDERS as u32 * HOT_DECISIONS_EACH);
    let begin = Instant::now();
    while begin.elapsed() < length {
        let started = Instant::now();
        while started.elapsed() < BURN_FOR {
            std::hint::spin_loop();
        }
        thread::sleep(call.saturating_sub(started.elapsed()));
    }
}

/// When one connection asks.
struct Pace {
    first: Instant,
    until: Instant,
    between: Duration,
}

impl Pace {
    /// Connections of a kind take turns.
    fn new(begin: Instant, length: Duration, each: u32, number: usize, of: usize) -> Self {
        let between = Duration::from_secs(1) / each;
        Self { first: begin + between.mul_f64(number as f64 / of as f64), until: begin + length, between }
    }

    /// Milliseconds from when each request should have been sent to its answer, and how many went wrong.
    fn keep(&self, mut ask: impl FnMut() -> bool) -> (Vec<f64>, usize) {
        let (mut times, mut failed) = (Vec::new(), 0);
        let mut due = self.first;
        while due < self.until {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if ask() {
                times.push(due.elapsed().as_secs_f64() * 1e3);
            } else {
                failed += 1;
            }
            due += self.between;
        }
        (times, failed)
    }
}

/// What the hot tenant's plugin has used.
#[derive(Debug, Default)]
struct Used {
    answered: u64,
    failed: u64,
    cpu_seconds: f64,
}

impl Used {
    fn since(&self, before: &Self) -> Self {
        Self {
            answered: self.answered - before.answered,
            failed: self.failed - before.failed,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
        }
    }
}

fn used(server: &Server) -> Used {
    let figures = server.client().get("/api/v1/admin/tenants/hot/extensions/figures").good("figures").json();
    let of_plugin = figures["items"].as_array().and_then(|items| items.iter().find(|item| item["extension"] == BURN));
    let of_plugin = of_plugin.cloned().unwrap_or(Value::Null);
    Used {
        answered: of_plugin["answered"].as_u64().unwrap_or_default(),
        failed: of_plugin["failed"].as_u64().unwrap_or_default(),
        cpu_seconds: of_plugin["cpu_seconds"].as_f64().unwrap_or_default(),
    }
}

/// How many turns take the plugin as long as it is to burn: the fewest that some calls take, since what disturbs only makes
/// them longer.
fn calibrated(server: &Server) -> u64 {
    const TRIED: u64 = 2_000_000;
    let mut client = server.client();
    let mut quickest = f64::MAX;
    for _ in 0..40 {
        let before = used(server).cpu_seconds;
        assert!(decide(&mut client, TENANTS[1], TRIED), "the hot tenant is answered");
        quickest = quickest.min(used(server).cpu_seconds - before);
    }
    let turns = (TRIED as f64 * BURN_FOR.as_secs_f64() / quickest) as u64;
    eprintln!("{TRIED} turns take {:.2} ms: {turns} for {BURN_FOR:?}", quickest * 1e3);
    turns
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn manifest(place: &Place, tenant: &str, plugin: &str) -> String {
    let origin = place.origin;
    let ads = (0..10).map(|number| {
        format!(
            "  - {{ slug: ad-{number}, campaign: all, duration_seconds: 10, labels: {{ category: food }}, creative: {{ hls: \"http://{origin}/demo/ads/red/master.m3u8\" }} }}\n"
        )
    });
    let config = if plugin == PREFER { ", config: { wanted: [food] }" } else { "" };
    format!(
        "tenant: {{ slug: {tenant}, name: {tenant}, rate_limit_per_minute: 100000000 }}
channels:
  - {{ slug: live, hls_manifest_url: \"http://{origin}/live/10/master.m3u8\", ad_break_strategy: scte35, mid_break_join: ads }}
campaigns:
  - {{ slug: all, name: All, status: active, cpm: \"10.00\" }}
ads:
{}extensions:
  targeting:
    - {{ use: rules/own.rhai }}
    - {{ use: {plugin}{config} }}
",
        ads.collect::<String>()
    )
}
