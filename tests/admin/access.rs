//! Who may do what: no tenant ever sees another, whatever the route.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use crate::harness::within;

/// `(path, method, whether it is open to everybody)` of every operation that the server describes.
async fn operations(api: &Api) -> Vec<(String, Method, bool)> {
    let document = api.get("/api/openapi.json").await.ok();
    let paths = document["paths"].as_object().expect("paths").clone();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("an item") {
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            operations.push((path.clone(), method, open));
        }
    }
    operations
}

/// A path with ids that exist in `tenant`.
fn filled(path: &str, tenant: &str, key: &str) -> String {
    let ids = [
        ("{tenant}", tenant),
        ("{channel}", "live"),
        ("{campaign}", "summer"),
        ("{ad}", "cola"),
        ("{index}", "0"),
        ("{key}", key),
        ("{path}", "rules/kids.rhai"),
        ("{viewer}", "anna"),
        ("{secret}", "shop"),
        ("{letter}", "1"),
    ];
    let filled = ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
    assert!(!filled.contains('{'), "the walk does not know an id for {filled}");
    // These are about the key's own tenant unless another is named.
    let named = ["tracking/live", "tracking/ledger", "tracking/viewers/", "reports"]
        .iter()
        .any(|part| path.starts_with(&format!("/api/v1/{part}")));
    if named { format!("{filled}?tenant={tenant}") } else { filled }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_lets_a_tenant_s_key_reach_another_tenant_or_anybody_in_without_a_key() {
    let api = Api::empty().await;
    api.furnish("mine").await;
    api.furnish("theirs").await;
    let mine = api.key_of("mine").await;
    let their_key = api.post("/tenants/theirs/keys", json!({"name": "x"})).await.created()["id"].to_string();
    let platform_key = api.get("/keys").await.ok()["items"][0]["id"].to_string();
    let state = || async {
        let bundle = api.get("/tenants/theirs/bundle").await.ok();
        (bundle, api.get("/tenants/theirs/keys").await.ok(), api.get("/keys").await.ok(), api.version("theirs"))
    };
    let before = state().await;
    let operations = operations(&api).await;
    assert!(operations.len() > 50, "only {} operations", operations.len());
    // What would be taken, if the key were good.
    let body = json!({"tenant_id": "theirs", "channel": "live", "duration_seconds": 10});
    let (mut reached, mut walked) = (Vec::new(), 0);
    for (path, method, open) in &operations {
        let key = if path.contains("/tenants/") { &their_key } else { &platform_key };
        let (place, takes) = (filled(path, "theirs", key), ![Method::GET, Method::DELETE].contains(method));
        if *method == Method::GET && path.contains("/tenants/") {
            let there = api.with(Method::GET, &place, &[], None).await;
            assert_eq!(there.status, 200, "{path}: it is there for those who may see it: {}", there.text());
        }
        if *open {
            continue;
        }
        walked += 1;
        let body = takes.then_some(&body);
        let foreign = api.send(Some(&mine), method.clone(), &place, &[], body).await;
        let expected: &[u16] = if path.contains("{tenant}") { &[404] } else { &[403, 404] };
        if !expected.contains(&foreign.status.as_u16()) {
            reached.push(format!("{method} {path} with another tenant's key: {} {}", foreign.status, foreign.text()));
        }
        for key in [None, Some(""), Some("fast_theirs_0000"), Some("fast_platform_0000")] {
            let answer = api.send(key, method.clone(), &place, &[], body).await;
            if answer.status != 401 || answer.header("www-authenticate").is_empty() {
                reached.push(format!("{method} {path} with the key {key:?}: {}", answer.status));
            }
        }
    }
    assert!(walked > 50, "only {walked} operations need a key");
    assert!(reached.is_empty(), "\n{}", reached.join("\n"));
    assert_eq!(state().await, before, "nothing of theirs has changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenant_s_answers_look_like_those_of_a_tenant_that_does_not_exist() {
    let api = Api::empty().await;
    api.furnish("mine").await;
    api.furnish("theirs").await;
    let key = api.key_of("mine").await;
    for path in [
        "",
        "/channels",
        "/channels/live",
        "/ads/cola/rules/0",
        "/keys",
        "/audit",
        "/extensions/scripts/rules/kids.rhai",
    ] {
        let ask = async |tenant: &str| {
            api.send(Some(&key), Method::GET, &format!("/tenants/{tenant}{path}"), &[], None).await
        };
        let without_id = |mut value: Value| {
            value.as_object_mut().expect("an object").remove("request_id");
            value
        };
        let (theirs, nobody_s) = (ask("theirs").await, ask("nobodys").await);
        assert_eq!(theirs.status, 404, "{path}");
        assert_eq!(without_id(theirs.json()), without_id(nobody_s.json()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_s_key_does_everything_of_its_own_but_what_is_the_platform_s() {
    let api = Api::start().await;
    let key = api.key_of("acme").await;
    let mine = |method: Method, path: &'static str, body: Option<Value>| {
        let (api, key) = (&api, &key);
        async move { api.send(Some(key), method, path, &[], body.as_ref()).await }
    };
    mine(Method::PUT, "/tenants/acme/campaigns/a", Some(json!({}))).await.created();
    mine(Method::PATCH, "/tenants/acme", Some(json!({"name": "Acme"}))).await.ok();
    mine(Method::POST, "/tenants/acme/keys", Some(json!({"name": "another"}))).await.created();
    for (method, path, body) in [
        (Method::GET, "/tenants", None),
        (Method::POST, "/tenants", Some(json!({"slug": "other"}))),
        (Method::DELETE, "/tenants/acme", None),
        (Method::GET, "/keys", None),
        (Method::GET, "/audit", None),
    ] {
        mine(method, path, body).await.is_problem(403, "forbidden");
    }
    assert!(api.version("acme").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inactive_tenant_s_keys_open_nothing_until_the_platform_activates_it() {
    let api = Api::start().await;
    let key = api.key_of("acme").await;
    let ask = || api.send(Some(&key), Method::GET, "/tenants/acme", &[], None);
    ask().await.ok();
    api.patch("/tenants/acme", json!({"status": "inactive"})).await.ok();
    ask().await.is_problem(403, "forbidden");
    api.patch("/tenants/acme", json!({"status": "active"})).await.ok();
    ask().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_as_bearer_tokens_too_and_from_the_command_line() {
    let api = Api::start().await;
    let bearer = format!("Bearer {}", api.platform);
    let answer = api.send(None, Method::GET, "/tenants", &[("authorization", &bearer)], None).await;
    answer.ok();
    let data = api.dir.path().join("data");
    let cuetone = |arguments: Vec<&'static str>| {
        let data = data.clone();
        async move {
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cuetone"));
            command.args(arguments).arg("--data").arg(data).output().await.expect("the binary runs")
        }
    };
    let made = cuetone(vec!["keys", "create", "--tenant", "acme", "--name", "deploy"]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    assert!(key.starts_with("fast_acme_"), "{key}");
    let ask = || async { api.send(Some(&key), Method::GET, "/tenants/acme", &[], None).await.status == 200 };
    within(Duration::from_secs(1), "the key works", ask).await;
    let listed = cuetone(vec!["keys", "list", "--tenant", "acme", "--format", "json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((listed[0]["name"].as_str(), listed.to_string().contains(&key)), (Some("deploy"), false));
    let id: &'static str = listed[0]["id"].to_string().leak();
    let revoked = cuetone(vec!["keys", "revoke", id, "--tenant", "acme"]).await;
    assert!(revoked.status.success());
    let refused = || async { api.send(Some(&key), Method::GET, "/tenants/acme", &[], None).await.status == 401 };
    within(Duration::from_secs(1), "the key is refused", refused).await;
    let audit = api.get("/tenants/acme/audit?limit=2").await.ok();
    let doors: Vec<_> = audit["items"].as_array().expect("items").iter().map(|line| line["door"].clone()).collect();
    assert_eq!(doors, ["command_line", "command_line"]);
}
