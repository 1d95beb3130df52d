//! Sinks by the API: secrets that nobody reads back, how sinks do, and dead letters.

use std::time::Duration;

use cuetone::{
    domain::{Clock, Event, EventType},
    store::{DeadLetter, TenantScope},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use crate::harness::within;

fn scope() -> TenantScope {
    TenantScope::new("acme".parse().expect("a slug"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_set_listed_by_name_and_never_read_back() {
    let api = Api::start().await;
    let place = "/tenants/acme/secrets/shop";
    assert_eq!(api.put(place, json!({"value": "s3cr3t"})).await.created()["name"], "shop");
    api.put(place, json!({"value": "an0ther"})).await.ok();
    let listed = api.get("/tenants/acme/secrets").await;
    assert_eq!(listed.ok()["items"][0]["name"], "shop");
    for hidden in ["s3cr3t", "an0ther"] {
        assert!(!listed.text().contains(hidden));
    }
    api.get(place).await.is_problem(405, "method-not-allowed");
    assert_eq!(api.put(place, json!({"value": "two\nlines"})).await.fields(422, "invalid"), ["value"]);
    assert_eq!(api.put(place, json!({"valeu": "x"})).await.fields(422, "invalid"), ["value", "valeu"]);
    let only_new = [("if-none-match", "*")];
    let refused = api.with(Method::PUT, place, &only_new, Some(json!({"value": "x"}))).await;
    refused.is_problem(412, "precondition-failed");
    api.put("/tenants/nobody/secrets/shop", json!({"value": "x"})).await.is_problem(404, "not-found");
    api.delete(place).await.gone();
    api.delete(place).await.is_problem(404, "not-found");
    assert_eq!(api.get("/tenants/acme/secrets").await.ok()["items"], json!([]));
    // With the tenant goes what it kept: the slug may come back as somebody else's.
    api.put(place, json!({"value": "s3cr3t"})).await.created();
    api.delete("/tenants/acme").await.gone();
    api.post("/tenants", json!({"slug": "acme"})).await.created();
    assert_eq!(api.get("/tenants/acme/secrets").await.ok()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_delivered_again_by_the_sink_that_has_its_name_whatever_else_of_it_has_changed() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let url = api.origin.url("hook");
    let mounts = |url: &str| {
        json!({"sinks": [{"use": "shipped:webhook", "name": "shop", "config": {"url": url},
            "allow_hosts": [api.origin.address.to_string()]}]})
    };
    let both = json!({"sinks": [{"use": "shipped:log", "name": "x"}, {"use": "shipped:webhook", "name": "x"}]});
    assert_eq!(api.put("/tenants/acme/extensions/mounts", both).await.fields(422, "invalid"), ["sinks[1].name"]);
    // An address that the manifest does not allow: nothing is tried twice.
    api.put("/tenants/acme/extensions/mounts", mounts("https://elsewhere.example.com/")).await.ok();
    let event = |session: &str| {
        let now = api.clock.now();
        let event = Event { session: session.into(), ..Event::new(scope().tenant().clone(), EventType::Click, now) };
        event.identified()
    };
    api.store.insert_events(&[event("s1")]).await.expect("recorded");
    let letters = || async { api.get("/tenants/acme/dead-letters").await.ok()["items"].clone() };
    within(Duration::from_secs(9), "a dead letter", || async { letters().await[0].is_object() }).await;
    let letter = letters().await[0].clone();
    assert_eq!((&letter["sink"], &letter["replay_at"]), (&json!("shop"), &Value::Null));
    let state = api.get("/tenants/acme/sinks").await.ok()["items"][0].clone();
    assert_eq!(
        (&state["name"], &state["use"], &state["behind"]),
        (&json!("shop"), &json!("shipped:sink/webhook"), &json!(0))
    );
    assert_eq!((&state["dead_letters"], &state["failure"]["attempts"]), (&json!(1), &json!(1)));
    let place = format!("/tenants/acme/dead-letters/{}", letter["id"]);
    // Put right under its name, it delivers what it could not.
    api.put("/tenants/acme/extensions/mounts", mounts(&url)).await.ok();
    let elsewhere = api.post(&format!("{place}/replay"), json!({"sink": "nobody"})).await;
    elsewhere.is_problem(409, "sink-not-mounted");
    let wanted = api.post(&format!("{place}/replay"), json!({})).await;
    assert_eq!(wanted.status, 202, "{}", wanted.text());
    assert!(wanted.json()["replay_at"].is_string());
    within(Duration::from_secs(9), "a delivery", || async { !api.origin.received().is_empty() }).await;
    within(Duration::from_secs(9), "no letter", || async { letters().await == json!([]) }).await;
    api.post(&format!("{place}/replay"), json!({})).await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_come_in_pages_and_are_thrown_away_one_by_one() {
    let api = Api::start().await;
    for number in 1..=3 {
        let letter = DeadLetter {
            sink: "old".into(),
            first_event: number,
            last_event: number,
            attempts: 8,
            error: "gone".into(),
            time: api.clock.now(),
        };
        api.store.give_up(&scope(), &letter).await.expect("kept");
    }
    let page = api.get("/tenants/acme/dead-letters?limit=2").await.ok();
    assert_eq!(page["items"].as_array().expect("items").len(), 2);
    let next = page["next_cursor"].as_str().expect("a next page").to_owned();
    let rest = api.get(&format!("/tenants/acme/dead-letters?limit=2&cursor={next}")).await.ok();
    assert_eq!((rest["items"][0]["first_event"].as_i64(), &rest["next_cursor"]), (Some(3), &Value::Null));
    let place = format!("/tenants/acme/dead-letters/{next}");
    api.delete(&place).await.gone();
    api.delete(&place).await.is_problem(404, "not-found");
    assert_eq!(api.get("/tenants/acme/dead-letters").await.ok()["items"].as_array().expect("items").len(), 2);
}
