//! Counters: a rule that was granted them decides by what viewers were shown, whether it is a script or a plugin.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{api::Api, guests};
use crate::harness::within;

const MOUNTS: &str = "/tenants/acme/extensions/mounts";

/// The ads of a break that has room for one, and what was read to choose it.
async fn decide(api: &Api, key: &str) -> (Value, Value) {
    let ask = json!({"tenant_id": "acme", "channel": "live", "position": "mid-roll", "duration_seconds": 10, "device": "smart-tv"});
    let answer = api.send(Some(key), Method::POST, "/api/v1/ads/decision?explain=true", &[], Some(&ask)).await.ok();
    (answer["ads"][0]["ad_id"].clone(), answer["explain"]["counters"].clone())
}

async fn shown(api: &Api, key: &str, ad: &str, sessions: std::ops::Range<u32>) {
    let event = |number| json!({"event_type": "impression", "session_id": format!("s-{number}"), "ad_id": ad});
    let events: Vec<Value> = sessions.map(event).collect();
    let sent =
        api.send(Some(key), Method::POST, "/api/v1/tracking/events", &[], Some(&json!({"events": events}))).await;
    assert_eq!(sent.status.as_u16(), 202, "{}", sent.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_granted_counters_evens_out_what_was_shown() {
    let api = Api::empty().await;
    api.furnish("acme").await;
    api.furnish("other").await;
    let creative = api.origin.url("ads/red-5/master.m3u8");
    let second = json!({"slug": "fanta", "campaign": "summer", "duration_seconds": 10, "creative": {"hls": creative}});
    api.post("/tenants/acme/ads", second).await.created();
    api.creatives.refresh().await;
    let (key, others) = (api.key_of("acme").await, api.key_of("other").await);
    // What another tenant's viewers were shown of an ad of the same name is nobody's business here.
    shown(&api, &others, "cola", 0..50).await;
    shown(&api, &key, "cola", 0..3).await;
    shown(&api, &key, "fanta", 0..1).await;

    let script = "shipped:targeting/rotation";
    let ungranted = json!({"targeting": [{"use": script}]});
    api.put(MOUNTS, ungranted).await.ok();
    assert_eq!(decide(&api, &key).await.1, Value::Null, "nothing is granted by default");
    let refused = json!({"targeting": [{"use": script}], "counters": {(script): ["impressions.week"]}});
    let fields = api.put(MOUNTS, refused).await.fields(422, "invalid");
    assert_eq!(fields, [format!("counters.{script}[0]")]);

    let component = guests::shipped("contextual").component;
    let url = format!("{}/api/v1/admin/tenants/acme/extensions/scripts/plugins/contextual.wasm", api.base);
    let put = api.client().put(url).header("x-api-key", &api.platform).header("content-type", "application/wasm");
    assert_eq!(put.body(component).send().await.expect("an answer").status(), 201);
    let plugin = "plugins/contextual.wasm";
    let mut before = 0;
    for (name, config) in [(script, json!({})), (plugin, json!({"fatigue": 1}))] {
        let mounts = json!({
            "targeting": [{"use": name, "config": config, "on_error": "closed"}],
            "counters": {(name): ["impressions.today.ad.*"]},
        });
        let known = api.put(MOUNTS, mounts).await.ok();
        assert_eq!(known["counters"][name], json!(["impressions.today.ad.*"]));
        let expect = json!({"impressions.today.ad.cola": 3, "impressions.today.ad.fanta": 1 + before});
        let told = || async {
            // The test's clock stands still, and numbers are read anew when they are some seconds old.
            api.clock.forward(5_000);
            decide(&api, &key).await.1 == expect
        };
        within(Duration::from_secs(10), "counters that are up to date", told).await;
        let preferred = if before == 0 { "fanta" } else { "cola" };
        assert_eq!(decide(&api, &key).await.0, preferred, "{name}: the one that was shown less");
        before = 5;
        shown(&api, &key, "fanta", 10..15).await;
    }
}
