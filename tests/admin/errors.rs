//! What is refused, and how it is told.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_an_item_are_told_all_at_once_by_its_own_fields() {
    let api = Api::start().await;
    let ads = "/tenants/acme/ads";
    let wrong =
        json!({"slug": "a", "duration_seconds": 0, "creative": {"hls": "ftp://x"}, "colour": "red", "status": "on"});
    let mut fields = api.post(ads, wrong).await.fields(422, "invalid");
    fields.sort();
    assert_eq!(fields, ["colour", "creative.hls", "duration_seconds", "status"]);
    let missing = api.post(ads, json!({"slug": "a"})).await;
    let mut fields = missing.fields(422, "invalid");
    fields.sort();
    assert_eq!(fields, ["", "duration_seconds"], "{}", missing.text());
    let campaign = api
        .post(ads, json!({"slug": "a", "duration_seconds": 5, "vast_url": "https://x.example.com", "campaign": "none"}))
        .await;
    assert_eq!(campaign.fields(422, "invalid"), ["campaign"]);
    for (slug, field) in [(json!("Not A Slug"), "slug"), (json!(7), "slug"), (Value::Null, "slug")] {
        assert_eq!(api.post(ads, json!({"slug": slug, "duration_seconds": 5})).await.fields(422, "invalid"), [field]);
    }
    let other = api.put(&format!("{ads}/b"), json!({"slug": "a", "duration_seconds": 5})).await;
    assert_eq!(other.fields(422, "invalid"), ["slug"]);
    api.furnish("acme").await;
    let unknown = api.patch(&format!("{ads}/cola"), json!({"colour": null, "creative": {"size": null}})).await;
    assert_eq!(unknown.fields(422, "invalid"), ["colour", "creative.size"], "also when it would take nothing away");
    assert_eq!(
        api.patch(&format!("{ads}/cola"), json!({"duration_seconds": null})).await.fields(422, "invalid"),
        ["duration_seconds"]
    );
    let settings = api.patch("/tenants/acme", json!({"timezone": "Asia/Jakarat"})).await;
    assert_eq!(settings.fields(422, "invalid"), ["timezone"]);
    assert!(settings.text().contains("Asia/Jakarta"), "{}", settings.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_cannot_be_read_are_told_apart() {
    let api = Api::start().await;
    let raw = |content_type: &'static str, method: Method, body: String| {
        let request = api.client().request(method, format!("{}/api/v1/admin/tenants/acme/campaigns/a", api.base));
        let request = request.header("x-api-key", &api.platform).header("content-type", content_type).body(body);
        async move { crate::harness::read(request.send().await.expect("an answer")).await }
    };
    let malformed = raw("application/json", Method::PUT, "{\n  \"cpm\": \"1\",\n  oops\n}".into()).await;
    malformed.is_problem(400, "malformed-json");
    assert!(malformed.text().contains("line 3, column 3"), "{}", malformed.text());
    raw("text/yaml", Method::PUT, "{}".into()).await.is_problem(415, "unsupported-media-type");
    raw("application/merge-patch+json", Method::PUT, "{}".into()).await.is_problem(415, "unsupported-media-type");
    assert_eq!(raw("application/json; charset=utf-8", Method::PUT, "{}".into()).await.status, 201);
    assert_eq!(raw("application/merge-patch+json", Method::PATCH, "{\"name\": \"x\"}".into()).await.status, 200);
    let large = format!("{{\"description\": \"{}\"}}", "x".repeat(1024 * 1024));
    let refused = raw("application/json", Method::PUT, large).await;
    refused.is_problem(413, "body-too-large");
    assert!(refused.text().contains("1048576 bytes"), "{}", refused.text());
    for body in ["[]", "7", "null", "\"x\""] {
        raw("application/json", Method::PUT, body.into()).await.is_problem(422, "invalid");
        raw("application/json", Method::PATCH, body.into()).await.is_problem(422, "invalid");
    }
    let deep = format!("{{\"config\": {}1{}}}", "[".repeat(60), "]".repeat(60));
    raw("application/json", Method::PUT, deep).await.is_problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_told_which_ones_work() {
    let api = Api::start().await;
    for (method, path, allow) in [
        (Method::POST, "/tenants/acme", ["GET", "PUT", "PATCH", "DELETE"].as_slice()),
        (Method::DELETE, "/tenants", &["GET", "POST"]),
        (Method::TRACE, "/tenants/acme/ads", &["GET", "POST"]),
        (Method::PATCH, "/keys", &["GET", "POST"]),
    ] {
        let answer = api.with(method.clone(), path, &[], None).await;
        answer.is_problem(405, "method-not-allowed");
        let told: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        assert!(allow.iter().all(|method| told.contains(method)), "{method} {path}: {told:?}");
    }
    api.get("/nothing").await.is_problem(404, "not-found");
    let odd = api.get("/tenants/Not%20A%20Slug/ads").await;
    odd.is_problem(404, "not-found");
    api.get("/tenants/%FF/ads").await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_with_a_mistake_lists_nothing() {
    let api = Api::start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("statsu=active", "statsu"),
        ("status=on", "status"),
        ("campaign=Not+A+Slug", "campaign"),
        ("ad_type=video", "ad_type"),
        ("q=", "q"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = api.get(&format!("/tenants/acme/ads?{query}")).await;
        assert_eq!(answer.fields(400, "bad-request"), [field], "{query}");
    }
}
