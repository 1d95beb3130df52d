//! Scripts: tried, uploaded, activated, rolled back; and what is mounted.

use reqwest::Method;
use serde_json::json;

use super::api::{Api, KEEP_ALL};

const DROP_ALL: &str = "fn target(ad, request, config) { ad.id.starts_with(\"sample\") }\n";
const ONE: &str = "/tenants/acme/extensions/scripts/rules/kids.rhai";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_tells_what_is_wrong_and_where_and_changes_nothing() {
    let api = Api::start().await;
    let try_it = |body| api.post("/tenants/acme/extensions/validate", body);
    let good = try_it(json!({"text": KEEP_ALL})).await.ok();
    assert_eq!((&good["valid"], &good["point"], &good["errors"]), (&json!(true), &json!("targeting"), &json!([])));
    let bad = try_it(json!({"text": "fn target(ad, request, config) {\n  ad.colour == 1\n}", "path": "rules/x.rhai"}))
        .await
        .ok();
    assert_eq!(bad["valid"], false, "{bad}");
    let error = &bad["errors"][0];
    assert_eq!((&error["path"], &error["line"]), (&json!("rules/x.rhai"), &json!(2)), "{error}");
    let nothing = try_it(json!({"text": "fn other() {}"})).await.ok();
    assert!(nothing["errors"][0]["hint"].as_str().is_some_and(|hint| hint.contains("target")), "{nothing}");
    let wrong_point = try_it(json!({"text": KEEP_ALL, "point": "sink"})).await.ok();
    assert_eq!(wrong_point["valid"], false);
    let config = "fn target(ad, request, config) { config.max_age > 3 }";
    assert_eq!(try_it(json!({"text": config, "config": {"max_age": 12}})).await.ok()["valid"], true);
    let body = try_it(json!({"point": "nothing", "x": 1})).await;
    let mut fields = body.fields(422, "invalid");
    fields.sort();
    assert_eq!(fields, ["point", "text", "x"]);
    assert_eq!(api.version("acme"), Some(1), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_script_serves_at_once_and_a_broken_one_never() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.creatives.refresh().await;
    let mounts = json!({"targeting": [{"use": "rules/kids.rhai", "on_error": "closed"}]});
    assert_eq!(api.put("/tenants/acme/extensions/mounts", mounts.clone()).await.ok(), mounts);
    assert_eq!(api.viewer().await.poll("v0").await.ads(), ["cola"]);
    let put = api.put(ONE, json!({"text": DROP_ALL})).await.ok();
    assert_eq!(put["used_by"], json!(["extensions.targeting[0].use"]));
    assert_eq!(api.viewer().await.poll("v0").await.ads(), [""; 0]);
    let broken = api.put(ONE, json!({"text": "fn target(ad, request, config) { ad. }"})).await;
    broken.is_problem(422, "invalid");
    assert!(broken.text().contains("rules/kids.rhai:1:"), "{}", broken.text());
    assert_eq!(api.get(ONE).await.ok()["text"], DROP_ALL, "the old one goes on serving");
    let listed = api.get("/tenants/acme/extensions").await.ok();
    assert_eq!((&listed["scripts"][0]["version"], &listed["mounts"]), (&put["version"], &mounts));
    // Back to the text of an earlier version.
    let versions = api.get("/tenants/acme/extensions/versions/rules/kids.rhai").await.ok();
    let first = &versions["items"][1];
    assert_eq!((versions["items"].as_array().map(Vec::len), &versions["items"][0]["until"]), (Some(2), &json!(null)));
    let newest = &versions["items"][0];
    assert_eq!((&newest["hash"], &newest["bytes"]), (&put["version"], &json!(DROP_ALL.len())));
    let back = "/tenants/acme/extensions/rollback/rules/kids.rhai";
    api.post(back, json!({"version": first["version"]})).await.ok();
    assert_eq!(api.get(ONE).await.ok()["text"], KEEP_ALL);
    assert_eq!(api.viewer().await.poll("v0").await.ads(), ["cola"]);
    assert_eq!(
        api.post(back, json!({"version": 1})).await.fields(422, "invalid"),
        ["version"],
        "it was not there then"
    );
    api.post("/tenants/acme/extensions/rollback/none.rhai", json!({"version": 1})).await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_come_as_text_too_and_what_is_no_script_is_refused() {
    let api = Api::start().await;
    let send = |path: &str, kind: &str, body: &str| {
        let url = format!("{}/api/v1/admin/tenants/acme/extensions/scripts/{path}", api.base);
        let request =
            api.client().put(url).header("x-api-key", &api.platform).header("content-type", kind).body(body.to_owned());
        async move { crate::harness::read(request.send().await.expect("an answer")).await }
    };
    send("rules%2Fa.rhai", "text/plain; charset=utf-8", KEEP_ALL).await.created();
    assert_eq!(api.get("/tenants/acme/extensions/scripts/rules/a.rhai").await.ok()["text"], KEEP_ALL);
    assert_eq!(send("a.wasm", "application/wasm", "x").await.fields(422, "invalid"), ["text"]);
    assert_eq!(send("a.txt", "text/plain", KEEP_ALL).await.fields(422, "invalid"), ["path"]);
    send("a.rhai", "application/rhai", KEEP_ALL).await.is_problem(415, "unsupported-media-type");
    assert_eq!(
        send("a.rhai", "text/plain", "fn nothing() {}").await.fields(422, "invalid"),
        ["text"],
        "nothing would ask it"
    );
    assert_eq!(send("x%2F..%2Fa.rhai", "text/plain", KEEP_ALL).await.status, 422);
    let large = send("a.rhai", "text/plain", &"/".repeat(300 * 1024)).await;
    large.is_problem(413, "body-too-large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_in_use_is_not_removed_and_a_mount_of_none_is_refused() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.patch("/tenants/acme/channels/live", json!({"config": {"x": 1}})).await.ok();
    let mounts = json!({"targeting": [{"use": "rules/kids.rhai"}]});
    api.put("/tenants/acme/extensions/mounts", mounts).await.ok();
    let refused = api.delete(ONE).await;
    assert_eq!(refused.fields(409, "in-use"), ["extensions.targeting[0].use"]);
    let missing =
        json!({"targeting": [{"use": "rules/none.rhai"}], "sinks": [{"use": "shipped:webhook", "on_error": "open"}]});
    let mut fields = api.put("/tenants/acme/extensions/mounts", missing).await.fields(422, "invalid");
    fields.sort();
    assert_eq!(fields, ["sinks[0].on_error", "targeting[0].use"]);
    api.put("/tenants/acme/extensions/mounts", json!({})).await.ok();
    api.with(Method::DELETE, ONE, &[], None).await.gone();
    api.get(ONE).await.is_problem(404, "not-found");
}
