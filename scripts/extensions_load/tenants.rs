//! Many tenants with extensions at all four points: how long the server takes to start, with compiled plugins at hand and
//! without, and what a tenant costs in memory.
//!
//! A tenant's detector and fill strategy are scripts for every other one and plugins for the rest, its rule and its sink the
//! other way round. One in ten has a plugin of its own, the others share theirs; every script is a tenant's own.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cuetone::extension::Point;
use serde_json::json;

use super::{
    Outcome, guests,
    server::{Place, Server, mebibytes},
};

/// One in so many has a plugin that no other has.
const OWN: usize = 10;

/// What a start may take for a thousand tenants. With compiled plugins at hand: orchestrators commonly ask for half a
/// minute at most.
const MOST_WARM: Duration = Duration::from_secs(15);

/// What each tenant may have of memory, in KiB.
const MOST_KIB: f64 = 1024.0;

/// After a start, what only starting needed is given back.
const SETTLE: Duration = Duration::from_secs(5);

struct Start {
    ready: Duration,
    processor: f64,
    resident: u64,
}

pub fn run(binary: &Path, tenants: usize) -> Outcome {
    let place = Place::new();
    let empty = start(&place, binary).resident;
    let plugins = Point::ALL.map(|point| (point, guests::template(point)));
    for number in 0..tenants {
        write(&place, number, &plugins);
    }
    let begun = Instant::now();
    let server = place.start(binary, true);
    server.ready();
    while activated(&server) < tenants {
        thread::sleep(Duration::from_millis(100));
    }
    let applied = begun.elapsed();
    server.stop();
    eprintln!("{tenants} tenants applied in {applied:?}");
    let warm = start(&place, binary);
    eprintln!("warm start: {:?}, {:.1} s of a processor, {} MiB", warm.ready, warm.processor, mebibytes(warm.resident));
    fs::remove_dir_all(place.path("data/plugins")).expect("compiled plugins");
    let cold = start(&place, binary);
    eprintln!("cold start: {:?}, {:.1} s of a processor, {} MiB", cold.ready, cold.processor, mebibytes(cold.resident));
    let server = place.start(binary, false);
    server.ready();
    for number in (0..tenants).step_by((tenants / 20).max(1)) {
        decide(&server, number);
    }
    server.stop();
    let each = (warm.resident.saturating_sub(empty)) as f64 / 1024.0 / tenants as f64;
    let allowed = MOST_WARM.mul_f64(tenants as f64 / 1_000.0).max(Duration::from_secs(1));
    let kept = warm.ready <= allowed && each <= MOST_KIB;
    let tenths = |time: Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
    let figures = json!({
        "measured": "tenants",
        "tenants": tenants,
        "extensions": tenants * Point::ALL.len(),
        "applied_seconds": tenths(applied),
        "warm_seconds": tenths(warm.ready),
        "warm_processor_seconds": warm.processor,
        "cold_seconds": tenths(cold.ready),
        "cold_processor_seconds": cold.processor,
        "resident_mib_empty": mebibytes(empty),
        "resident_mib_warm": mebibytes(warm.resident),
        "resident_mib_cold": mebibytes(cold.resident),
        "kib_each": each.round(),
    });
    let sentence = format!(
        "{tenants} tenants with four extensions each: ready after {:.1} s with compiled plugins on disk (at most {:.0} s), {:.1} s \
         without; {} MiB resident, {} MiB without tenants: {each:.0} KiB each (at most {MOST_KIB:.0}).",
        warm.ready.as_secs_f64(),
        allowed.as_secs_f64(),
        cold.ready.as_secs_f64(),
        mebibytes(warm.resident),
        mebibytes(empty),
    );
    Outcome { figures, sentence, kept }
}

fn start(place: &Place, binary: &Path) -> Start {
    let server = place.start(binary, false);
    let ready = server.ready();
    let processor = server.processor();
    thread::sleep(SETTLE);
    let resident = server.resident();
    server.stop();
    Start { ready, processor, resident }
}

fn slug(number: usize) -> String {
    format!("tenant-{number:04}")
}

fn write(place: &Place, number: usize, plugins: &[(Point, Vec<u8>); 4]) {
    let mut files = Vec::new();
    for (point, plugin) in plugins {
        let scripted = matches!(point, Point::Detect | Point::Fill) == number.is_multiple_of(2);
        files.push(if scripted {
            let starter = starter(*point);
            (format!("rules/{point}.rhai"), format!("// Of {}.\n{starter}", slug(number)).into_bytes())
        } else if number % (2 * OWN) < 2 {
            (format!("plugins/{point}.wasm"), guests::version(plugin, number))
        } else {
            (format!("plugins/{point}.wasm"), plugin.clone())
        });
    }
    let [detect, targeting, fill, sink] = [0, 1, 2, 3].map(|at| files.get(at).map_or("", |(path, _)| path.as_str()));
    let (origin, slug) = (place.origin, slug(number));
    let manifest = format!(
        "tenant: {{ slug: {slug}, name: {slug} }}
channels:
  - slug: live
    hls_manifest_url: \"http://{origin}/live/10/master.m3u8\"
    ad_break_strategy: {detect}
    fill_strategy: {fill}
campaigns:
  - {{ slug: all, name: All, status: active, cpm: \"10.00\" }}
ads:
  - {{ slug: cola, campaign: all, duration_seconds: 10, creative: {{ hls: \"http://{origin}/demo/ads/red/master.m3u8\" }} }}
  - {{ slug: bank, campaign: all, duration_seconds: 10, creative: {{ hls: \"http://{origin}/demo/ads/green/master.m3u8\" }} }}
extensions:
  targeting:
    - {{ use: {targeting}, config: {{ wanted: [food] }} }}
  sinks:
    - {{ use: {sink}, config: {{ url: \"https://sink.example.com/\" }}, allow_hosts: [sink.example.com] }}
"
    );
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    place.tenant(&slug, &manifest, &files);
}

fn starter(point: Point) -> &'static str {
    match point {
        Point::Detect => include_str!("../../sdk/rhai/starter/detect.rhai"),
        Point::Targeting => include_str!("../../sdk/rhai/starter/targeting.rhai"),
        Point::Fill => include_str!("../../sdk/rhai/starter/fill.rhai"),
        Point::Sink => include_str!("../../sdk/rhai/starter/sink.rhai"),
    }
}

/// Tenants that serve.
fn activated(server: &Server) -> usize {
    let metrics = server.client().get("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix("cuetone_bundle_activations_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn decide(server: &Server, number: usize) {
    server.creatives(&[&slug(number)]);
    let asked = json!({
        "tenant_id": slug(number), "channel": "live", "position": "mid-roll", "duration_seconds": 20, "geo": "US",
    });
    let answer = server.client().post("/api/v1/ads/decision?explain=true", &asked).good("a decision").json();
    let scripts = answer["explain"]["scripts"].as_array().cloned().unwrap_or_default();
    let failed = scripts.iter().any(|script| !script["error"].is_null());
    assert!(scripts.len() == 2 && !failed && answer["ads"].as_array().is_some_and(|ads| ads.len() == 2), "{answer}");
}
