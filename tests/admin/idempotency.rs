//! POST with an Idempotency-Key is done once, however often it is sent.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;

impl Api {
    async fn once(&self, key: &str, path: &str, body: &Value) -> crate::harness::Answer {
        self.with(Method::POST, path, &[("idempotency-key", key)], Some(body.clone())).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_is_answered_as_the_first_and_does_nothing() {
    let api = Api::start().await;
    let (all, body) = ("/tenants/acme/campaigns", json!({"slug": "summer"}));
    let first = api.once("k1", all, &body).await;
    first.created();
    assert_eq!(first.header("idempotency-replayed"), "");
    api.delete("/tenants/acme/campaigns/summer").await.gone();
    let again = api.once("k1", all, &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((again.status, again.text()), (first.status, first.text()));
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.header(header), first.header(header));
    }
    api.get("/tenants/acme/campaigns/summer").await.is_problem(404, "not-found");
    api.once("k1", all, &json!({"slug": "winter"})).await.is_problem(422, "idempotency-mismatch");
    api.once("k1", "/tenants/acme/ads", &body).await.is_problem(422, "idempotency-mismatch");
    // Mistakes are answered again as well.
    let wrong = json!({"slug": "x", "colour": 1});
    api.once("k2", all, &wrong).await.is_problem(422, "invalid");
    assert_eq!(api.once("k2", all, &wrong).await.header("idempotency-replayed"), "true");
    // Another caller's key of the same name is another key.
    let tenant = api.key_of("acme").await;
    let own = api.send(Some(&tenant), Method::POST, all, &[("idempotency-key", "k1")], Some(&body)).await;
    assert_eq!((own.status.as_u16(), own.header("idempotency-replayed")), (201, ""));
    for odd in ["", &"x".repeat(256)] {
        api.once(odd, all, &body).await.is_problem(400, "bad-request");
    }
    // A day later it is a new request.
    api.delete("/tenants/acme/campaigns/summer").await.gone();
    api.clock.forward(25 * 3600 * 1000);
    assert_eq!(api.once("k1", all, &body).await.header("idempotency-replayed"), "");
    api.get("/tenants/acme/campaigns/summer").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_is_done_and_the_others_wait_or_get_its_answer() {
    let api = Api::start().await;
    let body = json!({"name": "deploy"});
    let answers = join_all((0..24).map(|_| api.once("same", "/tenants/acme/keys", &body))).await;
    let mut made = 0;
    for answer in &answers {
        match (answer.status.as_u16(), answer.header("idempotency-replayed")) {
            (201, "") => made += 1,
            (201, "true") => {}
            (409, _) => answer.is_problem(409, "in-progress"),
            other => panic!("{other:?} {}", answer.text()),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(api.get("/tenants/acme/keys").await.ok()["items"].as_array().expect("items").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_shown_once_also_when_its_request_is_sent_again() {
    let api = Api::start().await;
    let body = json!({"name": "deploy"});
    let first = api.once("k", "/tenants/acme/keys", &body).await.created();
    let again = api.once("k", "/tenants/acme/keys", &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let again = again.created();
    assert_eq!((&again["id"], &again["key"]), (&first["id"], &Value::Null));
    assert!(first["key"].as_str().is_some_and(|key| key.starts_with("fast_acme_")));
}
