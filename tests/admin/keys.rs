//! Keys: replaced with an overlap, revoked, never shown twice.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;

impl Api {
    async fn works(&self, key: &str) -> bool {
        let status = self.send(Some(key), Method::GET, "/tenants/acme", &[], None).await.status.as_u16();
        assert!([200, 401].contains(&status), "{status}");
        status == 200
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_key_works_until_its_overlap_ends_and_a_revoked_one_not_at_all() {
    let api = Api::start().await;
    let made = api.post("/tenants/acme/keys", json!({"name": "deploy"})).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let old = made.created();
    assert_eq!(made.header("location"), format!("/api/v1/admin/tenants/acme/keys/{}", old["id"]));
    let secret = |value: &Value| value["key"].as_str().expect("a key").to_owned();
    let one = format!("/tenants/acme/keys/{}", old["id"]);
    let new = api.post(&format!("{one}/rotate"), json!({"overlap_seconds": 60})).await.created();
    assert_eq!(new["name"], "deploy");
    let (old, new_secret) = (secret(&old), secret(&new));
    assert!(old != new_secret && api.works(&old).await && api.works(&new_secret).await);
    api.clock.forward(59_000);
    assert!(api.works(&old).await, "the overlap is not over");
    api.clock.forward(2_000);
    assert!(!api.works(&old).await && api.works(&new_secret).await);
    api.post(&format!("{one}/rotate"), json!({})).await.is_problem(409, "key-ended");
    let newer = api.post(&format!("/tenants/acme/keys/{}/rotate", new["id"]), json!({})).await.created();
    assert!(!api.works(&new_secret).await, "without an overlap the old one ends at once");
    let newer_secret = secret(&newer);
    let last = format!("/tenants/acme/keys/{}", newer["id"]);
    api.delete(&last).await.gone();
    api.delete(&last).await.is_problem(404, "not-found");
    api.get(&last).await.is_problem(404, "not-found");
    assert!(!api.works(&newer_secret).await);
    let listed = api.get("/tenants/acme/keys").await;
    let keys = listed.ok();
    let ended: Vec<bool> =
        keys["items"].as_array().expect("items").iter().map(|key| key["revoked_at"].is_string()).collect();
    assert_eq!(ended, [false, false, true]);
    for secret in [&old, &new_secret, &newer_secret] {
        assert!(!listed.text().contains(secret.as_str()));
    }
    let page = api.get("/tenants/acme/keys?limit=2").await.ok();
    let next = page["next_cursor"].as_str().expect("one more");
    assert_eq!(api.get(&format!("/tenants/acme/keys?limit=2&cursor={next}")).await.ok()["items"][0]["id"], newer["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_key_is_made_and_revoked_like_any_other_and_opens_everything_meanwhile() {
    let api = Api::start().await;
    let made = api.post("/keys", json!({"name": "second"})).await.created();
    let key = made["key"].as_str().expect("a key").to_owned();
    assert!(key.starts_with("fast_platform_"), "{key}");
    assert!(api.works(&key).await);
    // What it does is in the log under its name.
    let put = api.send(Some(&key), Method::PUT, "/tenants/acme/campaigns/a", &[], Some(&json!({}))).await;
    put.created();
    let line = api.get("/tenants/acme/audit?limit=1").await.ok()["items"][0].clone();
    assert_eq!(line["actor"], format!("key {} (second)", made["id"]));
    api.delete(&format!("/keys/{}", made["id"])).await.gone();
    assert!(!api.works(&key).await);
    let audit = api.get("/audit").await.ok();
    assert_eq!(
        audit["items"][0]["edited"],
        json!([{"kind": "key", "name": made["id"].to_string(), "operation": "removed"}])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_owner_are_not_there_for_another() {
    let api = Api::start().await;
    api.post("/tenants", json!({"slug": "other"})).await.created();
    let id = api.post("/tenants/acme/keys", json!({"name": "x"})).await.created()["id"].to_string();
    for place in [format!("/tenants/other/keys/{id}"), format!("/keys/{id}")] {
        api.get(&place).await.is_problem(404, "not-found");
        api.delete(&place).await.is_problem(404, "not-found");
        api.post(&format!("{place}/rotate"), json!({})).await.is_problem(404, "not-found");
    }
    for body in
        [json!({}), json!({"name": ""}), json!({"name": "a\nb"}), json!({"name": 7}), json!({"name": "x", "y": 1})]
    {
        api.post("/tenants/acme/keys", body).await.is_problem(422, "invalid");
    }
    let too_long = json!({"overlap_seconds": 99_999_999});
    let refused = api.post(&format!("/tenants/acme/keys/{id}/rotate"), too_long).await;
    assert_eq!(refused.fields(422, "invalid"), ["overlap_seconds"]);
    api.post("/tenants/nobody/keys", json!({"name": "x"})).await.is_problem(404, "not-found");
}
