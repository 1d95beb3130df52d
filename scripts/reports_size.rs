//! Ten million events of one day, and what reports of them cost: `cargo run --release --example reports_size`.
//!
//! Prints how long the daily report takes, how long the day takes to be counted anew and with how much memory, and how
//! many bytes an event has on disk, single and in sums. Takes a number of events and the URL of a database, if others
//! are wanted than ten million and a new SQLite file: `… -- 1000000 postgres://me@localhost/empty`.

#![allow(clippy::expect_used, reason = "a script stops at the first thing that is not as it should be")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cuetone::{
    domain::{AvailId, CountedBy, DeviceType, Event, EventType, Moment, Money, SystemClock},
    store::{Dimension, ReportQuery, ReportTraffic, Store, TenantScope},
    tracking::{Rollups, rollup::calendar::ReportSettings},
};

/// Midnight in UTC of 2026-11-24.
const MIDNIGHT: i64 = 1_795_478_400;
const BATCH: usize = 1_000;
/// Events of one viewer who sees an ad to its end.
const TYPES: [EventType; 7] = [
    EventType::Impression,
    EventType::Start,
    EventType::FirstQuartile,
    EventType::Midpoint,
    EventType::ThirdQuartile,
    EventType::Complete,
    EventType::Click,
];
const COUNTRIES: [&str; 12] = ["US", "DE", "FR", "GB", "IT", "ES", "NL", "AT", "CH", "PL", "BR", "JP"];

/// The event of a number: 10 channels, 20 campaigns, 60 ads, 7 devices, 12 countries; each session sees eight ads.
fn event(n: usize) -> Event {
    let (showing, kind) = (n / TYPES.len(), TYPES[n % TYPES.len()]);
    let (session, nth) = (showing / 8, showing % 8);
    let mixed = session.wrapping_mul(0x9e37_79b1) >> 7;
    let ad = (mixed + nth * 7) % 60;
    let at = i64::try_from(showing.wrapping_mul(86_400_000_000 / 2_000_000) % 86_400_000_000).expect("a day");
    let price = if kind == EventType::Impression { Money::from_micros(12_500) } else { Money::ZERO };
    let slug = |text: String| Some(text.parse().expect("a slug"));
    Event {
        channel: slug(format!("channel-{}", mixed % 10)),
        session: format!("{:022x}", session.wrapping_mul(0x1234_5679)),
        avail: AvailId::new(format!("break-{nth}")),
        ad: slug(format!("ad-{ad}")),
        campaign: slug(format!("campaign-{}", ad % 20)),
        device: DeviceType::ALL[mixed % 7],
        geo: COUNTRIES[mixed % 12].into(),
        counted_by: Some(CountedBy::Segment),
        price,
        ..Event::new("acme".parse().expect("a slug"), kind, Moment(MIDNIGHT * 1_000_000 + at))
    }
    .identified()
}

/// Peak memory of this process, in megabytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_024
}

async fn timed(store: &Store, scope: &TenantScope, name: &str, group_by: Vec<Dimension>) {
    let day = "2026-11-24".parse().expect("a date");
    let query = ReportQuery { from: day, to: day, group_by, filters: Vec::new(), traffic: ReportTraffic::Valid };
    let mut best = Duration::MAX;
    let mut rows = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        rows = store.report_page(scope, &query, None, 5_000).await.expect("a report").len();
        best = best.min(begun.elapsed());
    }
    println!("report by {name:<28} {:>8.1} ms, {rows} rows", best.as_secs_f64() * 1e3);
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted: usize = arguments.next().map_or(10_000_000, |text| text.parse().expect("a number of events"));
    let folder = std::env::temp_dir().join(format!("cuetone-reports-{}", std::process::id()));
    let file = folder.join("cuetone.db");
    let store = match arguments.next() {
        Some(url) => Store::open(&url).await,
        None => Store::open_file(&file).await,
    }
    .expect("a database");
    let scope = TenantScope::new("acme".parse().expect("a slug"));
    let begun = Instant::now();
    for first in (0..wanted).step_by(BATCH) {
        let events: Vec<Event> = (first..wanted.min(first + BATCH)).map(event).collect();
        store.insert_events(&events).await.expect("inserted");
        if first % 500_000 == 0 {
            eprint!("\r{first} events written");
        }
    }
    eprintln!();
    println!("written: {wanted} events in {:.0} s", begun.elapsed().as_secs_f64());
    let bytes = |what: &str| {
        let names = ["cuetone.db", "cuetone.db-wal"];
        let sizes = names.iter().map(|name| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len()));
        let size: u64 = sizes.sum();
        if size > 0 {
            println!("{what}: {:.0} bytes per event on disk", size as f64 / wanted as f64);
        }
    };
    bytes("single events");
    let known = BTreeMap::from([(scope.tenant().clone(), ReportSettings::default())]);
    let rollups = Rollups::new(store.clone(), Arc::new(SystemClock), Arc::new(move || known.clone()));
    let begun = Instant::now();
    rollups.catch_up().await.expect("counted");
    let seconds = begun.elapsed().as_secs_f64();
    println!("summed up: in {seconds:.0} s, {:.0} events/s, peak memory {} MB", wanted as f64 / seconds, peak());
    bytes("single events and sums");
    for (name, group_by) in [
        ("day", vec![Dimension::Day]),
        ("day, channel", vec![Dimension::Day, Dimension::Channel]),
        ("day, channel, campaign, ad", vec![Dimension::Day, Dimension::Channel, Dimension::Campaign, Dimension::Ad]),
        ("day, geo, device", vec![Dimension::Day, Dimension::Geo, Dimension::Device]),
        ("day, hour, channel", vec![Dimension::Day, Dimension::Hour, Dimension::Channel]),
    ] {
        timed(&store, &scope, name, group_by).await;
    }
    let begun = Instant::now();
    let day = "2026-11-24".parse().expect("a date");
    let mut shown = 0;
    let outcome = rollups
        .recount(&scope, day, true, &mut |progress| {
            let percent = progress.done * 100 / progress.whole;
            if percent != shown {
                shown = percent;
                eprint!("\rcounted anew: {percent} %");
            }
        })
        .await
        .expect("counted anew");
    eprintln!();
    println!("counted anew: in {:.0} s, peak memory {} MB: {outcome:?}", begun.elapsed().as_secs_f64(), peak());
    store.close().await;
    let _gone = std::fs::remove_dir_all(folder);
}
