//! Decisions that pay: budgets that end, decisions that are written down and decided again, scripts on trial.

use std::time::Duration;

use cuetone::{
    domain::{CampaignStatus, EventType, Money, Slug},
    store::TenantScope,
};
use tokio::process::Command;

use crate::{
    harness::{Server, Yaml, within},
    origin::{Packaging, Stream},
};

fn acme() -> Slug {
    "acme".parse().expect("a slug")
}

async fn start() -> Server {
    Server::start(Stream::live(Packaging::Ts).with_break(98..103).with_break(110..115)).await
}

/// A viewer who watches to the edge: fetches every ad segment that is there.
async fn watch(server: &Server, path: &str) -> usize {
    let mut player = server.viewer_of(path).await;
    let playlist = player.poll("v0").await;
    let ads: Vec<_> = playlist.segments.iter().filter(|segment| segment.ad().is_some()).collect();
    for segment in &ads {
        let url = player.url("v0").join(&segment.uri).expect("an address");
        assert_eq!(server.get(url.as_str()).await.status, 302);
    }
    ads.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_gives_what_its_budget_pays_and_then_pauses_itself() {
    let server = start().await;
    let yaml = Yaml::ads(&["red-5"]).build(&server.origin);
    // An impression costs 0.001: the budget pays two.
    server.apply(&yaml.replace("cpm: \"1.00\"", "cpm: \"1.00\", budget: \"0.002\"")).await;
    let mut seen = 0;
    let mut viewers = 0;
    while seen < 2 {
        assert!(viewers < 50, "the budget is not leased");
        viewers += 1;
        seen += usize::from(watch(&server, "/fast/acme/live.m3u8").await > 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(watch(&server, "/fast/acme/live.m3u8").await, 0, "nothing is left for a third");
    let events = server.events().await;
    let charged: i64 = events.iter().map(|event| event.price.micros()).sum();
    let impressions = events.iter().filter(|event| event.event_type == EventType::Impression).count();
    assert_eq!((impressions, charged), (2, Money::from_micros(2_000).micros()));
    let alerts = events.iter().filter(|event| event.event_type.is_about_budget()).count();
    assert!((1..=3).contains(&alerts), "{alerts} alerts");
    within(Duration::from_secs(10), "the pause", || async {
        server.clock.forward(100);
        let snapshot = server.registry.snapshot();
        snapshot.tenants.get("acme").expect("a tenant").manifest.campaigns[0].status == CampaignStatus::Paused
    })
    .await;
    let log = server.store.changes(&TenantScope::new(acme()), None, 1).await.expect("the audit log");
    assert_eq!(log[0].author.actor, "cuetone");
    assert!(log[0].author.summary.contains("budget is spent"), "{}", log[0].author.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_viewer_s_cap_holds_across_sessions() {
    let server = start().await;
    let yaml = Yaml::ads(&["red-5"]).build(&server.origin);
    server.apply(&yaml.replace("cpm: \"1.00\"", "cpm: \"1.00\", frequency_cap: { impressions: 1, per: hour }")).await;
    assert!(watch(&server, "/fast/acme/live.m3u8?session_id=ann").await > 0);
    assert_eq!(watch(&server, "/fast/acme/live.m3u8?session_id=ann").await, 0, "Ann has seen it");
    assert!(watch(&server, "/fast/acme/live.m3u8?session_id=bob").await > 0, "Bob has not");
    // What was counted is remembered by the journal.
    let server = server.restart().await;
    server.creatives.refresh().await;
    assert_eq!(watch(&server, "/fast/acme/live.m3u8?session_id=ann").await, 0, "Ann has seen it before the restart");
}

/// All written-down decisions, decided again.
async fn replay(server: &Server, more: &[&str]) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuetone"));
    command.args(["decisions", "replay", "acme", "--since", "2026-01-01", "--format", "json", "--data"]);
    let output = command.arg(server.dir.path().join("data")).args(more).output().await.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    serde_json::from_str(said.lines().last().expect("a summary")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_down_decisions_are_decided_again_to_the_byte_and_with_another_script_otherwise() {
    let server = start().await;
    let channel = "decision_log_percent: 100";
    server.apply(&Yaml { channel, ..Yaml::ads(&["red-3", "green-2"]) }.build(&server.origin)).await;
    for _ in 0..20 {
        watch(&server, "/fast/acme/live.m3u8").await;
    }
    // Another version of the tenant: records are replayed with the state of their time.
    server.apply(&Yaml { channel, ..Yaml::ads(&["blue-5"]) }.build(&server.origin)).await;
    watch(&server, "/fast/acme/live.m3u8").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let same = replay(&server, &[]).await;
    assert_eq!(
        (&same["decisions"], &same["identical"], &same["changed"]),
        (&21.into(), &21.into(), &0.into()),
        "{same}"
    );
    let script = server.dir.path().join("no-red.rhai");
    std::fs::write(&script, "fn target(ad, request, config) { if ad.id == \"red-3\" { \"no red\" } else { true } }\n")
        .expect("a file");
    let other = replay(&server, &["--with", script.to_str().expect("a path")]).await;
    assert_eq!((&other["changed"], &other["by_ad"]["red-3"]), (&20.into(), &serde_json::json!([20, 0])), "{other}");
    assert_ne!(other["revenue_after"], other["revenue_before"]);
}

const STEADY: &str = "fn target(ad, request, config) { true }\n";

/// Passes its trial call, and fails for viewers in Indonesia.
const SHAKY: &str = "fn target(ad, request, config) { if request.geo == \"ID\" { throw \"no\"; } true }\n";

const NOBODY: &str = "fn target(ad, request, config) { \"nobody\" }\n";

async fn on_trial(server: &Server, mode: &str, script: &str) {
    on_trial_of(server, mode, script, "").await;
}

async fn on_trial_of(server: &Server, mode: &str, script: &str, channel: &'static str) {
    let more = format!(
        "extensions:\n  targeting: [ {{ use: rules/now.rhai }} ]\n  \
         trial: {{ scripts: {{ rules/now.rhai: rules/next.rhai }}, mode: {mode}, percent: 100 }}\n"
    );
    let yaml = Yaml { more, channel, ..Yaml::ads(&["red-5"]) }.build(&server.origin);
    server.try_apply(&yaml, &[("rules/now.rhai", STEADY), ("rules/next.rhai", script)]).await.expect("a valid bundle");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_fails_is_rolled_back_by_itself() {
    let server = start().await;
    on_trial(&server, "canary", SHAKY).await;
    let has_trial = || {
        let snapshot = server.registry.snapshot();
        snapshot.tenants.get("acme").expect("a tenant").trial.is_some()
    };
    for _ in 0..60 {
        let answer = server.request(reqwest::Method::GET, "/fast/acme/live.m3u8", &[("x-geo-country", "ID")]).await;
        let rendition = answer.text().lines().find(|line| line.starts_with("live/")).expect("a rendition").to_owned();
        assert_eq!(server.get(&format!("/fast/acme/{rendition}")).await.status, 200);
    }
    within(Duration::from_secs(5), "the end of the trial", || async { !has_trial() }).await;
    let log = server.store.changes(&TenantScope::new(acme()), None, 1).await.expect("the audit log");
    assert!(log[0].author.summary.starts_with("trial rolled back: "), "{}", log[0].author.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_not_rolled_back_for_calls_that_were_refused_before_its_script_ran() {
    let stream = Stream::live(Packaging::Ts).with_break(98..103).with_break(110..115);
    let server = Server::start_with(stream, |config| config.extensions.calls_per_second_per_tenant = 1).await;
    on_trial(&server, "canary", STEADY).await;
    // Twenty calls are saved up.
    for _ in 0..80 {
        watch(&server, "/fast/acme/live.m3u8").await;
    }
    let script = &server.decisions("acme")[0].scripts[0];
    assert!(script.error.as_ref().is_some_and(|error| error.contains("calls a second")), "{script:?}");
    server.registry.end_failed_trials().await;
    let snapshot = server.registry.snapshot();
    let (_, watch) = snapshot.tenants.get("acme").expect("a tenant").trial.as_ref().expect("the trial goes on");
    let figures = watch.figures();
    assert!(figures.errors == 0 && (10..figures.decisions / 2).contains(&figures.calls), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_scripts_on_trial_decided_is_decided_again_by_them() {
    let server = start().await;
    on_trial_of(&server, "canary", NOBODY, "decision_log_percent: 100").await;
    for _ in 0..5 {
        assert_eq!(watch(&server, "/fast/acme/live.m3u8").await, 0, "the script on trial decides");
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let same = replay(&server, &[]).await;
    assert!(same["decisions"].as_u64() >= Some(5), "{same}");
    assert_eq!((&same["identical"], &same["changed"]), (&same["decisions"], &0.into()), "{same}");
    // What stands in for the one that serves stands in for the one that was tried in its place.
    let script = server.dir.path().join("now.rhai");
    std::fs::write(&script, STEADY).expect("a file");
    let path = script.to_str().expect("a path");
    let other = replay(&server, &["--with", path, "--in-place-of", "rules/now.rhai"]).await;
    assert_eq!((&other["changed"], &other["ads_before"]), (&other["decisions"], &0.into()), "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_in_the_shadow_is_watched_and_changes_nothing() {
    let server = start().await;
    on_trial(&server, "shadow", NOBODY).await;
    for _ in 0..5 {
        assert!(watch(&server, "/fast/acme/live.m3u8").await > 0, "the serving script decides");
    }
    within(Duration::from_secs(5), "the shadow's decisions", || async {
        let snapshot = server.registry.snapshot();
        let (_, watch) = snapshot.tenants.get("acme").expect("a tenant").trial.as_ref().expect("a trial");
        let figures = watch.figures();
        (figures.decisions, figures.different, figures.errors) == (5, 5, 0)
    })
    .await;
}
