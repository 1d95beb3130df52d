//! A plugin is swapped over and over while players ask. Nobody may notice: no request fails, and each decision is made by
//! a version that was there while it was asked for.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cuetone::extension::Point;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Outcome, guests,
    server::{Place, Server, mebibytes, quantile},
    world::renditions,
};

const TENANT: &str = "storm";
const PLUGIN: &str = "plugins/prefer.wasm";

/// Clients that ask for decisions, and players; how long each rests between two requests. Together they stay within what
/// a tenant's extensions may use.
const DECIDERS: usize = 3;
const PLAYERS: usize = 2;
const REST: Duration = Duration::from_millis(4);

/// A player opens a new session, which is decided anew, after so many refreshes. It lasts to the end of the measurement: a
/// viewer who stays must not keep the versions in memory that were.
const REFRESHES: usize = 50;

/// How often figures are shown.
const SHOWN: usize = 100;

/// MiB that the resident set may grow by from then on: sessions that are opened stay, and pages that the allocator has not
/// given back yet come and go. One version that is kept costs half a MiB, a thousand of them fifty times this.
const MARGIN: f64 = 10.0;

/// The metrics may have so many lines more: a version that is on its way out has 22 of its own.
const MORE_SERIES: usize = 44;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Each is new to the server, and compiled.
    Fresh,
    /// Two take turns.
    Two,
}

/// What the clients need to judge an answer.
struct Shared {
    /// Versions in the order in which their uploads began.
    uploaded: Mutex<Vec<String>>,
    /// Uploads that were acknowledged.
    active: AtomicUsize,
    stop: AtomicBool,
    decisions: AtomicUsize,
    playlists: AtomicUsize,
    sessions: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Shared {
    fn fail(&self, why: String) {
        let mut failures = self.failures.lock().expect("no panic");
        if failures.len() < 3 {
            eprintln!("{why}");
        }
        failures.push(why);
    }
}

pub fn run(binary: &Path, swaps: usize, versions: Versions) -> Outcome {
    let place = Place::new();
    let plugin = guests::template(Point::Targeting);
    place.tenant(TENANT, &manifest(&place), &[(PLUGIN, &guests::version(&plugin, 0))]);
    let server = place.start(binary, true);
    server.ready();
    server.creatives(&[TENANT]);
    let shared = Shared {
        uploaded: Mutex::new(vec![version_of(&guests::version(&plugin, 0))]),
        active: AtomicUsize::new(1),
        stop: AtomicBool::new(false),
        decisions: AtomicUsize::new(0),
        playlists: AtomicUsize::new(0),
        sessions: AtomicUsize::new(0),
        failures: Mutex::default(),
    };
    let begun = Instant::now();
    let (mut times, mut at_settled, mut series_settled) = (Vec::new(), 0, 0);
    thread::scope(|scope| {
        let (shared, server) = (&shared, &server);
        (0..DECIDERS).for_each(|number| drop(scope.spawn(move || stopping(shared, || decide(server, shared, number)))));
        (0..PLAYERS).for_each(|number| drop(scope.spawn(move || stopping(shared, || play(server, shared, number)))));
        let mut client = server.client();
        // As many before anything counts: by then everything that grows once has grown (threads, pools, caches of the database).
        for swap in 1..=2 * swaps {
            let number = if versions == Versions::Two { swap % 2 } else { swap };
            let component = guests::version(&plugin, number);
            shared.uploaded.lock().expect("no panic").push(version_of(&component));
            let asked = Instant::now();
            let path = format!("/api/v1/admin/tenants/{TENANT}/extensions/scripts/{PLUGIN}");
            client.put(&path, "application/wasm", &component).good("an upload");
            shared.active.fetch_add(1, SeqCst);
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            if swap % SHOWN == 0 {
                eprintln!("{swap} swaps, {} MiB, {} series", mebibytes(server.resident()), server.series());
            }
            if swap == swaps {
                times.clear();
                (at_settled, series_settled) = (server.resident(), server.series());
            }
        }
        shared.stop.store(true, SeqCst);
    });
    let (resident, series) = (server.resident(), server.series());
    times.sort_by(f64::total_cmp);
    let failures = shared.failures.lock().expect("no panic").len();
    let growth = mebibytes(resident) - mebibytes(at_settled);
    let kept = failures == 0 && growth <= MARGIN && series <= series_settled + MORE_SERIES;
    let [decisions, playlists, sessions] =
        [&shared.decisions, &shared.playlists, &shared.sessions].map(|count| count.load(SeqCst));
    let figures = json!({
        "measured": "storm",
        "versions": if versions == Versions::Two { "alternate" } else { "fresh" },
        "swaps": swaps,
        "seconds": begun.elapsed().as_secs(),
        "swap_p50_ms": quantile(&times, 0.5).round(),
        "swap_p99_ms": quantile(&times, 0.99).round(),
        "decisions": decisions,
        "playlists": playlists,
        "sessions": sessions,
        "failed": failures,
        "resident_mib_settled": mebibytes(at_settled),
        "resident_mib_end": mebibytes(resident),
        "series_settled": series_settled,
        "series_end": series,
        "compiled_mib_on_disk": mebibytes(folder_bytes(&place.path("data/plugins"))),
    });
    server.stop();
    let sentence = format!(
        "{swaps} swaps, after as many to warm up, while {decisions} decisions and {playlists} playlists were asked for: {failures} \
         failed; {} MiB resident before, {} MiB at the end ({growth:+.1}, at most {MARGIN:.0} more), {series_settled} and {series} series.",
        mebibytes(at_settled),
        mebibytes(resident),
    );
    Outcome { figures, sentence, kept }
}

/// A client that panics must not let the others ask for ever.
fn stopping(shared: &Shared, work: impl Fn()) {
    struct Stop<'a>(&'a Shared);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.fail("a client broke off".to_owned());
            }
        }
    }
    let _stop = Stop(shared);
    work();
}

fn decide(server: &Server, shared: &Shared, number: usize) {
    let mut client = server.client();
    let asked = json!({"tenant_id": TENANT, "channel": "live", "position": "mid-roll", "duration_seconds": 30, "geo": "US", "session_id": format!("decider-{number}")});
    while !shared.stop.load(SeqCst) {
        let before = shared.active.load(SeqCst);
        let answer = client.post("/api/v1/ads/decision?explain=true", &asked);
        shared.decisions.fetch_add(1, SeqCst);
        if answer.status != 200 {
            shared.fail(format!("a decision: {} {}", answer.status, answer.text()));
        } else if let Err(why) = judge(shared, before, &answer.json()) {
            shared.fail(why);
        }
        thread::sleep(REST);
    }
}

/// Ads were chosen, and by a version that was active at some time between asking and answering.
fn judge(shared: &Shared, before: usize, answer: &Value) -> Result<(), String> {
    let script =
        answer["explain"]["scripts"].as_array().and_then(|all| all.iter().find(|script| script["name"] == PLUGIN));
    let script = script.ok_or_else(|| format!("the plugin was not asked: {answer}"))?;
    if script.get("error").is_some_and(|error| !error.is_null()) {
        return Err(format!("the plugin failed: {script}"));
    }
    if answer["ads"].as_array().is_none_or(Vec::is_empty) {
        return Err(format!("no ads: {answer}"));
    }
    let version = script["version"].as_str().unwrap_or_default();
    let uploaded = shared.uploaded.lock().expect("no panic");
    if uploaded.iter().skip(before - 1).any(|known| known == version) {
        return Ok(());
    }
    let known = uploaded.iter().position(|known| known == version);
    Err(format!("decided by version {version} ({known:?}), asked after upload {before}"))
}

fn play(server: &Server, shared: &Shared, number: usize) {
    let mut client = server.client();
    while !shared.stop.load(SeqCst) {
        let opened = client.get(&format!("/fast/{TENANT}/live.m3u8?session_id=player-{number}"));
        shared.sessions.fetch_add(1, SeqCst);
        let Some(path) = (opened.status == 200).then(|| renditions(opened.text()).into_iter().next()).flatten() else {
            shared.fail(format!("a session: {} {}", opened.status, opened.text()));
            continue;
        };
        for _ in 0..REFRESHES {
            let playlist = client.get(&format!("/fast/{TENANT}/{path}"));
            shared.playlists.fetch_add(1, SeqCst);
            if playlist.status != 200 || !playlist.text().contains("\nad/") {
                shared.fail(format!("a playlist: {} {}", playlist.status, playlist.text()));
            }
            thread::sleep(REST);
        }
    }
}

fn manifest(place: &Place) -> String {
    let ads = (0..10).map(|number| {
        format!(
            "  - {{ slug: ad-{number}, campaign: all, duration_seconds: 10, labels: {{ category: food }}, creative: {{ hls: \"http://{}/demo/ads/red/master.m3u8\" }} }}\n",
            place.origin
        )
    });
    format!(
        "tenant: {{ slug: {TENANT}, name: Storm, rate_limit_per_minute: 100000000 }}
channels:
  - {{ slug: live, hls_manifest_url: \"http://{}/live/10/master.m3u8\", ad_break_strategy: scte35, mid_break_join: ads }}
campaigns:
  - {{ slug: all, name: All, status: active, cpm: \"10.00\" }}
ads:
{}extensions:
  targeting:
    - {{ use: {PLUGIN}, config: {{ wanted: [food] }} }}
",
        place.origin,
        ads.collect::<String>()
    )
}

/// As the server names versions: the start of the SHA-256 of the plugin's bytes.
fn version_of(component: &[u8]) -> String {
    Sha256::digest(component).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
