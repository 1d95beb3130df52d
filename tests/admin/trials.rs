//! New versions of a plugin: tried in the shadow and as a canary, rolled back, and held against written-down decisions.

use std::time::Duration;

use cuetone::{extension::Point, registry::TrialFigures, store::TenantScope};
use cuetone_build::Language;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    api::Api,
    guests,
    plugins::{PATH, figures, upload},
};
use crate::harness::within;

const NEXT: &str = "/tenants/acme/extensions/scripts/plugins/next.wasm";

/// What the template's function begins with.
const BEGINS: &str = "  config_t config;\n";

/// A fill strategy that does `first` and then what the template does.
fn filler(first: &str) -> Vec<u8> {
    let (text, begins) = ("#include \"config.h\"\n", "#include \"config.h\"\n#include \"text.h\"\n");
    let begin = format!("{first}\n{BEGINS}");
    guests::changed(Language::C, Point::Fill, &[("src/plugin.c", BEGINS, &begin), ("src/plugin.c", text, begins)])
}

/// Leaves every break empty.
fn empty() -> Vec<u8> {
    filler("  pod->ptr = NULL; pod->len = 0; return true;")
}

/// Passes its trial call, and traps for viewers in Indonesia.
fn shaky() -> Vec<u8> {
    filler("  if (text_equal(request->geo, TEXT(\"ID\"))) __builtin_trap();")
}

/// A server whose channel is filled by the template.
async fn serving() -> Api {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.creatives.refresh().await;
    upload(&api, PATH, "application/wasm", guests::template(Language::C, Point::Fill)).await.created();
    api.patch("/tenants/acme/channels/live", json!({"fill_strategy": "plugins/fill.wasm"})).await.ok();
    api
}

async fn on_trial(api: &Api, mode: &str, plugin: Vec<u8>) {
    upload(api, NEXT, "application/wasm", plugin).await.created();
    let trial = json!({"scripts": {"plugins/fill.wasm": "plugins/next.wasm"}, "mode": mode, "percent": 100});
    api.put("/tenants/acme/extensions/mounts", json!({"trial": trial})).await.ok();
}

/// How the trial does; none if there is none.
fn trial(api: &Api) -> Option<TrialFigures> {
    let snapshot = api.registry.snapshot();
    let (_, watch) = snapshot.tenants.get("acme").expect("a tenant").trial.as_ref()?;
    Some(watch.figures())
}

async fn ads(api: &Api) -> Vec<String> {
    api.viewer().await.poll("v0").await.ads().iter().map(|ad| (*ad).to_owned()).collect()
}

async fn figures_of(api: &Api, plugin: &str) -> Value {
    let known = figures(api).await;
    known.into_iter().find(|item| item["extension"] == plugin).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_the_shadow_is_counted_and_shows_nobody_what_it_chose() {
    let api = serving().await;
    on_trial(&api, "shadow", empty()).await;
    for _ in 0..5 {
        assert_eq!(ads(&api).await, ["cola"], "the serving plugin decides");
    }
    let counted = || async {
        trial(&api).is_some_and(|seen| (seen.decisions, seen.different, seen.calls, seen.errors) == (5, 5, 5, 0))
    };
    within(Duration::from_secs(5), "the shadow's decisions", counted).await;
    let seen = figures_of(&api, "plugins/next.wasm").await;
    assert_eq!((&seen["calls"], &seen["failed"]), (&json!(5), &json!(0)), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_traps_is_taken_back_and_what_served_goes_on() {
    let api = serving().await;
    on_trial(&api, "canary", shaky()).await;
    assert_eq!(ads(&api).await, ["cola"], "elsewhere it does well");
    for _ in 0..60 {
        let opened = api.request(reqwest::Method::GET, "/fast/acme/live.m3u8", &[("x-geo-country", "ID")]).await;
        let rendition = opened.text().lines().find(|line| line.starts_with("live/")).expect("a rendition").to_owned();
        let playlist = api.server.get(&format!("/fast/acme/{rendition}")).await;
        assert!(
            playlist.status == 200 && playlist.text().contains("/cola/"),
            "the fallback fills: {}",
            playlist.text()
        );
    }
    within(Duration::from_secs(5), "the end of the trial", || async { trial(&api).is_none() }).await;
    let scope = TenantScope::new("acme".parse().expect("a slug"));
    let log = api.store.changes(&scope, None, 1).await.expect("the audit log");
    assert!(log[0].author.summary.starts_with("trial rolled back: "), "{}", log[0].author.summary);
    let before = figures_of(&api, "plugins/fill.wasm").await;
    assert_eq!(ads(&api).await, ["cola"]);
    let after = figures_of(&api, "plugins/fill.wasm").await;
    assert_eq!(after["answered"].as_u64(), before["answered"].as_u64().map(|answered| answered + 1));
    assert_eq!(after["failed"], 0, "what failed was the other: {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_on_trial_is_another_trial() {
    let api = serving().await;
    on_trial(&api, "canary", empty()).await;
    assert_eq!(ads(&api).await, [""; 0]);
    assert_eq!(trial(&api).map(|seen| seen.calls), Some(1));
    api.patch("/tenants/acme/channels/live", json!({"name": "Another"})).await.ok();
    assert_eq!(trial(&api).map(|seen| seen.calls), Some(1), "what is tried is the same");
    upload(&api, NEXT, "application/wasm", shaky()).await.ok();
    assert_eq!(trial(&api).map(|seen| seen.calls), Some(0), "it answers for its own calls only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_rolled_back_decides_as_before() {
    let api = serving().await;
    let first = api.get(PATH).await.ok()["version"].clone();
    assert_eq!(ads(&api).await, ["cola"]);
    upload(&api, PATH, "application/wasm", empty()).await.ok();
    assert_eq!(ads(&api).await, [""; 0]);
    let versions = api.get("/tenants/acme/extensions/versions/plugins/fill.wasm").await.ok();
    let back = json!({"version": versions["items"][1]["version"]});
    api.post("/tenants/acme/extensions/rollback/plugins/fill.wasm", back).await.ok();
    assert_eq!(ads(&api).await, ["cola"]);
    assert_eq!(figures_of(&api, "plugins/fill.wasm").await["version"], first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_s_decisions_are_decided_again_to_the_byte_and_with_another_plugin_otherwise() {
    let api = serving().await;
    api.patch("/tenants/acme/channels/live", json!({"decision_log_percent": 100})).await.ok();
    for _ in 0..5 {
        assert_eq!(ads(&api).await, ["cola"]);
    }
    // Another version serves: what was decided is decided again with the one of its time.
    upload(&api, PATH, "application/wasm", empty()).await.ok();
    assert_eq!(ads(&api).await, [""; 0]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let replay = async |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuetone"));
        command.args(["decisions", "replay", "acme", "--since", "2026-01-01", "--format", "json", "--data"]);
        let output = command.arg(api.dir.path().join("data")).args(more).output().await.expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        serde_json::from_str::<Value>(said.lines().last().expect("a summary")).expect("JSON")
    };
    let same = replay(&[]).await;
    assert_eq!((&same["decisions"], &same["identical"], &same["changed"]), (&json!(6), &json!(6), &json!(0)), "{same}");
    let plugin = api.dir.path().join("empty.wasm");
    std::fs::write(&plugin, empty()).expect("a file");
    let plugin = plugin.to_str().expect("a path");
    let other = replay(&["--with", plugin, "--in-place-of", "plugins/fill.wasm"]).await;
    assert_eq!((&other["changed"], &other["by_ad"]["cola"]), (&json!(5), &json!([5, 0])), "{other}");
}
