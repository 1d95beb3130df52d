//! What the parts of a playlist cost: `cargo bench --bench playlist`.

mod world;

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion};
use cuetone::{
    decision::{self, DecisionRequest, Detail, NothingSpent},
    domain::{ExtensionRef, Span},
    extension::{BreakDetector as _, Counters, DetectInput, Extensions, monotonic},
    media::{cue, playlist::MediaPlaylist},
    registry,
};
use world::{
    NOW, World, index, origin,
    stitched::{self, AllReady, Stitched},
    tenant::{self, Scripts},
};

/// Segments of a live window, and of one with a quarter of an hour to go back.
const WINDOWS: [i64; 2] = [10, 200];
const ADS: [usize; 3] = [20, 200, 10_000];

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    for segments in WINDOWS {
        let text = origin::window(segments, false);
        group.bench_with_input(BenchmarkId::new("parse", segments), &text, |b, text| {
            b.iter(|| MediaPlaylist::parse(black_box(text.as_bytes())));
        });
        group.bench_with_input(BenchmarkId::new("parse and build", segments), &text, |b, text| {
            b.iter(|| stitched::track(black_box(text)));
        });
        let stitched = Stitched::new(segments);
        group.bench_function(BenchmarkId::new("stitch mid-break, fresh", segments), |b| b.iter(|| stitched.render()));
    }
    group.finish();
}

fn refresh(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = c.benchmark_group("refresh");
    let world = runtime.block_on(World::new(3));
    for (channel, segments) in [("live", 10), ("dvr", 200)] {
        let path = runtime.block_on(world.open(channel)).remove(0);
        let (session, rendition) = (world.session(&path), index(&path));
        let sessions = &world.app.sessions;
        let first = runtime.block_on(sessions.playlist(&session, rendition)).expect("a playlist");
        assert!(first.text.windows(4).any(|four| four == b"\nad/"), "mid-break");
        group.bench_function(BenchmarkId::new("warm, mid-break", segments), |b| {
            b.iter(|| runtime.block_on(sessions.playlist(&session, rendition)));
        });
    }
    group.finish();
}

fn decisions(c: &mut Criterion) {
    let extensions = Extensions::new(monotonic()).expect("shipped rules compile");
    let mut group = c.benchmark_group("decision");
    for (ads, scripts, name) in ADS
        .into_iter()
        .flat_map(|ads| [(ads, Scripts::None, "fill script only"), (ads, Scripts::Shipped, "all shipped rules")])
    {
        let files = tenant::bundle("http://origin.example.com", ads, scripts);
        let compiled = registry::check_files(&files, &extensions).expect("a valid bundle");
        let policy = tenant::policy(&compiled);
        let (viewer, avail) = (tenant::viewer(), stitched::avail());
        let none = Counters::default();
        let request = DecisionRequest {
            session: "0123456789abcdef",
            viewer: &viewer,
            avail: &avail,
            now: NOW,
            seed: 7,
            history: &[],
            spend: &NothingSpent,
            external: &[],
            counters: &none,
            detail: Detail::Full,
            micros: &|| 0,
        };
        let decide = || decision::decide(&compiled.index, &policy, &request, &AllReady);
        let trace = decide().trace;
        let failed: Vec<_> = trace.scripts.iter().filter(|script| script.error.is_some()).collect();
        if !failed.is_empty() {
            // A script that is stopped at its time limit would make the decision look cheap.
            eprintln!("decision/{name}/{ads}: not measured, scripts failed: {failed:?}");
            continue;
        }
        group.sample_size(if ads > 1_000 { 10 } else { 30 });
        group.bench_function(BenchmarkId::new(name, ads), |b| b.iter(decide));
    }
    group.finish();
}

fn detectors(c: &mut Criterion) {
    let extensions = Extensions::new(monotonic()).expect("shipped rules compile");
    let scte35 = ExtensionRef::Shipped("detect/scte35".into());
    let detector = extensions.load_detector(&scte35, &BTreeMap::new(), "bench").expect("a detector");
    let mut group = c.benchmark_group("detect");
    for segments in WINDOWS {
        let window = stitched::track(&origin::window(segments, false)).window();
        let config = serde_json::json!({});
        let input = DetectInput {
            window: &window,
            known: &[],
            break_interval: Span::from_secs(360),
            break_duration: Span::from_secs(120),
            config: &config,
        };
        assert_eq!(detector.extension.detect(&input).expect("an answer").len(), 1, "the break is found");
        group.bench_function(BenchmarkId::new("scte35", segments), |b| b.iter(|| detector.extension.detect(&input)));
    }
    group.finish();
}

fn cues(c: &mut Criterion) {
    let mut group = c.benchmark_group("cue");
    let date_range = origin::date_range("2026-01-01T00:00:00.000Z");
    for (name, line) in [
        ("none", "#EXTINF:4.000000,"),
        ("CUE-OUT-CONT", "#EXT-X-CUE-OUT-CONT:8.000/32.000"),
        ("DATERANGE with SCTE35-OUT", &date_range),
    ] {
        assert!(cue::decode(line).is_none_or(|decoded| decoded.is_ok()), "{name}");
        group.bench_function(name, |b| b.iter(|| cue::decode(black_box(line))));
    }
    group.finish();
}

fn main() {
    // Twenty measurements in under two minutes.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for part in [windows, refresh, decisions, detectors, cues] {
        part(&mut criterion);
    }
    criterion.final_summary();
}
