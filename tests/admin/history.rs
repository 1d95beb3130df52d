//! Who changed what; back to what was; and the tenant as a bundle that gives the same state anywhere.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::api::Api;

async fn cuetone(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_cuetone")).args(arguments).output().await.expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_in_the_log_with_who_what_how_and_by_which_request() {
    let api = Api::start().await;
    api.clock.forward(1);
    let key = api.key_of("acme").await;
    api.clock.forward(1);
    let (body, named) = (json!({"cpm": "1.50"}), [("x-request-id", "req-17")]);
    let made = api.send(Some(&key), Method::PUT, "/tenants/acme/campaigns/summer", &named, Some(&body));
    made.await.created();
    api.patch("/tenants/acme/campaigns/summer", json!({"cpm": "2.00"})).await.ok();
    api.delete("/tenants/acme/campaigns/summer").await.gone();
    let log = api.get("/tenants/acme/audit").await.ok();
    let lines = log["items"].as_array().expect("items");
    let summaries: Vec<_> = lines.iter().map(|line| line["summary"].as_str().expect("text")).collect();
    assert_eq!(
        summaries,
        [
            "remove campaign summer",
            "change campaign summer",
            "set campaign summer",
            "make key \"tests\"",
            "add tenant acme"
        ]
    );
    let set = &lines[2];
    assert_eq!((&set["door"], &set["request_id"], &set["version"]), (&json!("api"), &json!("req-17"), &json!(2)));
    assert_eq!(set["edited"], json!([{"kind": "campaign", "name": "summer", "operation": "added"}]));
    assert!(set["actor"].as_str().is_some_and(|actor| actor.ends_with("(tests)") && !actor.contains(&key)), "{set}");
    let operations: Vec<_> = lines.iter().map(|line| line["edited"][0]["operation"].as_str().expect("text")).collect();
    assert_eq!(operations, ["removed", "changed", "added", "added", "added"]);
    // Page by page it is the same log.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/tenants/acme/audit?limit=2{cursor}")).await.ok();
        paged.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, lines);
    // What changes nothing is not in it, and neither is what is refused.
    api.put("/tenants/acme/extensions/mounts", json!({})).await.ok();
    api.put("/tenants/acme/campaigns/x", json!({"cpm": -1})).await.is_problem(422, "invalid");
    assert_eq!(api.get("/tenants/acme/audit").await.ok(), log);
    // It outlives the tenant, for the platform.
    api.delete("/tenants/acme").await.gone();
    api.get("/tenants/acme/audit").await.is_problem(404, "not-found");
    let log = api.get("/audit?tenant=acme").await.ok();
    assert_eq!(
        (&log["items"][0]["summary"], log["items"].as_array().map(Vec::len)),
        (&json!("remove tenant acme"), Some(6))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_back_to_what_it_was_as_a_new_version() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let before = api.get("/tenants/acme/bundle").await;
    let version = api.version("acme").expect("a version");
    api.delete("/tenants/acme/channels/live").await.gone();
    api.patch("/tenants/acme", json!({"name": "Other"})).await.ok();
    let back = api.post("/tenants/acme/rollback", json!({"version": version})).await.ok();
    assert_eq!(back, json!({"tenant": "acme", "version": version + 3, "changed": true}));
    let after = api.get("/tenants/acme/bundle").await;
    assert_eq!((after.ok(), after.header("etag")), (before.ok(), before.header("etag")));
    let again = api.post("/tenants/acme/rollback", json!({"version": version})).await.ok();
    assert_eq!(again["changed"], false);
    for wrong in [json!(999), json!(0), json!("1"), Value::Null] {
        let refused = api.post("/tenants/acme/rollback", json!({"version": wrong})).await;
        assert_eq!(refused.fields(422, "invalid"), ["version"], "{wrong}");
    }
    let versions = api.get("/tenants/acme/versions?limit=1").await.ok();
    assert_eq!((&versions["items"][0]["version"], versions["next_cursor"].is_string()), (&json!(version + 3), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_from_the_api_is_taken_by_the_api_and_by_apply_and_is_the_same_again() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let bundle = api.get("/tenants/acme/bundle").await.ok();
    api.delete("/tenants/acme/channels/live").await.gone();
    let applied = api.put("/tenants/acme/bundle", bundle.clone()).await.ok();
    assert_eq!(applied["changed"], true);
    assert_eq!(api.get("/tenants/acme/bundle").await.ok(), bundle);
    assert_eq!(api.put("/tenants/acme/bundle", bundle.clone()).await.ok()["changed"], false);
    let other = api.put("/tenants/other/bundle", bundle.clone()).await;
    assert_eq!(other.fields(422, "invalid"), ["tenant.slug"]);
    let wrong = json!({"files": {"tenant.yaml": "tenant: { slug: acme, nmae: x }\n"}});
    let refused = api.put("/tenants/acme/bundle", wrong).await;
    assert_eq!(refused.fields(422, "invalid"), ["tenant.nmae"]);
    assert!(refused.text().contains("tenant.yaml:1:"), "{}", refused.text());
    let fresh = json!({"files": {"tenant.yaml": "tenant: { slug: fresh }\n"}});
    assert_eq!(api.put("/tenants/fresh/bundle", fresh).await.ok()["version"], 1);
    assert_eq!(api.put("/tenants/acme/bundle", json!({"files": {"a": 1}})).await.fields(422, "invalid"), ["files.a"]);
}

fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.file_type().expect("a type").is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let path = entry.path();
                    let name = path.strip_prefix(dir).expect("below").to_string_lossy().into_owned();
                    found.push((name, fs::read(path).expect("a file")));
                }
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_tenant_applied_elsewhere_exports_the_same_bytes() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let more = json!({"slug": "odd", "name": "é: \"quoted\" #1", "labels": {"a": "yes", "b": "1.0", "c": "null"},
        "description": "two\nlines\n"});
    let campaign =
        json!({"slug": "odd", "name": more["name"], "description": more["description"], "budget": "0.000001"});
    api.post("/tenants/acme/campaigns", campaign).await.created();
    let ad = json!({"slug": "odd", "name": more["name"], "labels": more["labels"], "duration_seconds": 10.5,
        "vast_url": "https://ads.example.com/v?x=[CACHEBUSTING]&y=1"});
    api.post("/tenants/acme/ads", ad).await.created();
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let data = api.dir.path().join("data").to_string_lossy().into_owned();
    let run = async |arguments: &[&str]| {
        let output = cuetone(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    run(&["export", "acme", "--data", &data, "--out", &path("one")]).await;
    run(&["check", &path("one")]).await;
    run(&["apply", &path("one"), "--data", &path("elsewhere")]).await;
    run(&["export", "acme", "--data", &path("elsewhere"), "--out", &path("two")]).await;
    let (one, two) = (tree(&dir.path().join("one")), tree(&dir.path().join("two")));
    assert_eq!(one, two);
    assert_eq!(one.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["rules/kids.rhai", "tenant.yaml"]);
    let same: Value =
        serde_json::from_str(&run(&["apply", &path("one"), "--data", &data, "--format", "json"]).await).expect("JSON");
    assert_eq!(same["changed"], false, "where it came from it changes nothing");
    let exported = api.get("/tenants/acme/bundle").await.ok();
    assert_eq!(exported["files"]["tenant.yaml"].as_str().map(str::as_bytes), Some(one[1].1.as_slice()));
    let refused = cuetone(&["export", "nobody", "--data", &data, "--out", &path("three")]).await;
    assert_eq!(refused.status.code(), Some(1));
    let taken = cuetone(&["export", "acme", "--data", &data, "--out", &path("one")]).await;
    assert!(!taken.status.success() && String::from_utf8_lossy(&taken.stderr).contains("--replace"));
}
