//! Tenants, channels, campaigns, ads, rules and creatives: made, read, replaced, changed, removed.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, BASE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_each_kind_is_made_read_replaced_changed_and_removed() {
    let api = Api::start().await;
    let origin = "https://cdn.example.com/live.m3u8";
    let hls = json!({"hls": "https://cdn.example.com/ad.m3u8"});
    for (many, item, change, replaced) in [
        (
            "channels",
            json!({"slug": "news", "hls_manifest_url": origin, "pre_roll": {"max_duration_seconds": 30}}),
            json!({"name": "News", "pre_roll": null}),
            json!({"hls_manifest_url": origin, "ad_break_strategy": "hybrid"}),
        ),
        (
            "campaigns",
            json!({"slug": "news", "cpm": "12.50", "budget": 7, "frequency_cap": {"impressions": 3, "per": "hour"}}),
            json!({"frequency_cap": {"impressions": 5}, "cpm": null}),
            json!({"start_date": "2024-06-01", "end_date": "2024-08-31", "status": "paused"}),
        ),
        (
            "ads",
            json!({"slug": "news", "duration_seconds": 30, "creative": hls, "labels": {"rating": "PG"}}),
            json!({"labels": {"rating": null, "genre": "food"}, "duration_seconds": 15.5}),
            json!({"duration_seconds": 20, "vast_url": "https://ads.example.com/vast?x=[CACHEBUSTING]"}),
        ),
    ] {
        let (all, one) = (format!("/tenants/acme/{many}"), format!("/tenants/acme/{many}/news"));
        let made = api.post(&all, item.clone()).await;
        let value = made.created();
        assert_eq!(made.header("location"), format!("{BASE}{one}"));
        for (name, given) in item.as_object().expect("an object") {
            // Money is answered as text in one spelling.
            let same = value[name] == *given || value[name] == json!("7.00");
            assert!(same, "{many}: {name} is {}, not {given}", value[name]);
        }
        assert_eq!(value["status"], "active", "defaults are filled in");
        let read = api.get(&one).await;
        assert_eq!((read.ok(), read.header("etag")), (value.clone(), made.header("etag")));
        api.post(&all, item).await.is_problem(409, "exists");
        let changed = api.patch(&one, change.clone()).await.ok();
        let mut expect = value.clone();
        merge(&mut expect, &change);
        assert_eq!(changed, prune(expect), "{many}");
        let put = api.put(&one, replaced.clone()).await.ok();
        for (name, given) in replaced.as_object().expect("an object") {
            assert_eq!(put[name], *given, "{many}");
        }
        assert_eq!(put["slug"], "news");
        let listed = api.get(&all).await.ok();
        assert_eq!(listed, json!({"items": [put], "next_cursor": null}));
        api.delete(&one).await.gone();
        api.get(&one).await.is_problem(404, "not-found");
        api.delete(&one).await.is_problem(404, "not-found");
        assert_eq!(api.put(&one, replaced).await.status, 201, "{many}: PUT adds");
    }
}

fn merge(target: &mut Value, change: &Value) {
    let (Some(target), Some(change)) = (target.as_object_mut(), change.as_object()) else { return };
    for (name, value) in change {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(_) if target.get(name).is_some_and(Value::is_object) => {
                merge(target.get_mut(name).expect("it is there"), value);
            }
            value => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

/// Empty lists and maps are not written.
fn prune(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| *value != json!({}) && *value != json!([]));
    }
    value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_made_read_changed_and_removed_with_all_that_they_have() {
    let api = Api::empty().await;
    let made = api.post("/tenants", json!({"slug": "acme", "timezone": "Asia/Jakarta"})).await;
    assert_eq!(made.header("location"), format!("{BASE}/tenants/acme"));
    assert_eq!(made.created()["currency"], "USD");
    api.post("/tenants", json!({"slug": "acme"})).await.is_problem(409, "exists");
    assert_eq!(api.put("/tenants/other", json!({"name": "Other"})).await.created()["slug"], "other");
    let changed =
        api.patch("/tenants/acme", json!({"allowed_domains": ["a.example.com"], "timezone": null})).await.ok();
    assert_eq!((&changed["timezone"], &changed["allowed_domains"]), (&json!("UTC"), &json!(["a.example.com"])));
    assert_eq!(api.get("/tenants").await.ok()["items"].as_array().expect("items").len(), 2);
    assert_eq!(api.get("/tenants?q=OTH").await.ok()["items"][0]["slug"], "other");
    api.furnish("acme").await;
    let key = api.key_of("acme").await;
    api.delete("/tenants/acme").await.gone();
    api.get("/tenants/acme").await.is_problem(404, "not-found");
    api.get("/tenants/acme/ads").await.is_problem(404, "not-found");
    let refused = api.send(Some(&key), Method::GET, "/tenants/acme", &[], None).await;
    refused.is_problem(401, "unauthorized");
    assert_eq!(api.server.get("/fast/acme/live.m3u8").await.status, 404, "and nothing of it is served");
    api.post("/tenants", json!({"slug": "acme"})).await.created();
    assert_eq!(api.get("/tenants/acme/ads").await.ok()["items"], json!([]), "a successor inherits nothing");
    let still = api.send(Some(&key), Method::GET, "/tenants/acme", &[], None).await;
    still.is_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_serves_at_once() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.creatives.refresh().await;
    assert_eq!(api.viewer().await.poll("v0").await.ads(), ["cola"]);
    api.patch("/tenants/acme/ads/cola", json!({"status": "inactive"})).await.ok();
    assert_eq!(api.viewer().await.poll("v0").await.ads(), [""; 0]);
    api.patch("/tenants/acme/channels/live", json!({"status": "inactive"})).await.ok();
    assert_eq!(api.server.get("/fast/acme/live.m3u8").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_addressed_by_their_place() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let all = "/tenants/acme/ads/cola/rules";
    let geo = json!({"type": "geo", "operator": "in", "value": ["US"]});
    let time = json!({"type": "time", "operator": "range", "value": {"min": 9, "max": 17}});
    assert_eq!(api.put(all, json!([geo])).await.ok(), json!([geo]));
    let added = api.post(all, time.clone()).await;
    assert_eq!(
        (added.created(), added.header("location")),
        (time.clone(), "/api/v1/admin/tenants/acme/ads/cola/rules/1")
    );
    let device = json!({"type": "device", "operator": "equals", "value": "smart-tv"});
    assert_eq!(api.put(&format!("{all}/0"), device.clone()).await.ok(), device);
    assert_eq!(api.get(&format!("{all}/1")).await.ok(), time);
    assert_eq!(api.get("/tenants/acme/ads/cola").await.ok()["rules"], json!([device, time]));
    api.delete(&format!("{all}/0")).await.gone();
    assert_eq!(api.get(all).await.ok(), json!([time]));
    for place in ["1", "99", "x", "-1"] {
        api.get(&format!("{all}/{place}")).await.is_problem(404, "not-found");
    }
    let wrong = api.post(all, json!({"type": "geo", "operator": "range", "value": "US"})).await;
    assert_eq!(wrong.fields(422, "invalid"), ["operator"], "the rule's own path");
    let wrong = api.put(all, json!([time, {"type": "geo", "operator": "in", "value": ["America"]}])).await;
    assert_eq!(wrong.fields(422, "invalid"), ["[1].value"]);
    assert_eq!(api.get(all).await.ok(), json!([time]), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creative_tells_whether_it_can_be_played() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let one = "/tenants/acme/ads/cola/creative";
    api.creatives.refresh().await;
    let state = api.get(one).await.ok();
    assert_eq!((&state["state"], &state["measured_duration_seconds"]), (&json!("ready"), &json!(10.0)), "{state}");
    let missing = api.origin.url("nothing/here.m3u8");
    let set = api.put(one, json!({"hls": missing})).await.ok();
    assert_eq!((&set["state"], &set["creative"]["hls"]), (&json!("loading"), &json!(missing)));
    api.creatives.refresh().await;
    let state = api.get(one).await.ok();
    assert_eq!((&state["state"], &state["reason"]), (&json!("failed"), &json!("HTTP 404")), "{state}");
    let listed = api.get("/tenants/acme/creatives?state=failed").await.ok();
    assert_eq!(listed["items"], json!([state]));
    assert_eq!(api.get("/tenants/acme/creatives?state=ready").await.ok()["items"], json!([]));
    api.delete(one).await.is_problem(409, "in-use");
    api.patch("/tenants/acme/ads/cola", json!({"vast_url": "https://ads.example.com/vast"})).await.ok();
    api.delete(one).await.gone();
    assert_eq!(api.get(one).await.ok()["state"], "none");
    api.delete(one).await.is_problem(404, "not-found");
    let picture = json!({"image": "https://cdn.example.com/a.png", "width": 300, "height": 250});
    assert_eq!(api.put(one, picture).await.ok()["creative"]["media_type"], "image/png");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let api = Api::start().await;
    api.furnish("acme").await;
    for one in [
        "/tenants/acme",
        "/tenants/acme/campaigns/summer",
        "/tenants/acme/ads/cola",
        "/tenants/acme/ads/cola/rules",
        "/tenants/acme/ads/cola/rules/0",
        "/tenants/acme/ads/cola/creative",
        "/tenants/acme/extensions/mounts",
        "/tenants/acme/extensions/scripts/rules/kids.rhai",
        "/tenants/acme/bundle",
    ] {
        let read = api.get(one).await;
        let tag = read.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 10, "{one}: {tag}");
        if !one.ends_with("/creative") {
            let again = api.with(Method::GET, one, &[("if-none-match", &tag)], None).await;
            assert_eq!((again.status.as_u16(), again.text(), again.header("etag")), (304, "", tag.as_str()), "{one}");
        }
        let stale = [("if-match", "\"0123456789abcdef01234567\"")];
        let body = match read.ok() {
            Value::Object(mut fields) if one.contains("/scripts/") => {
                fields.retain(|name, _| name == "text");
                Value::Object(fields)
            }
            Value::Object(mut fields) if one.ends_with("/creative") => fields.remove("creative").expect("it has one"),
            other => other,
        };
        let put = api.with(Method::PUT, one, &stale, Some(body.clone())).await;
        put.is_problem(412, "precondition-failed");
        let create_only = api.with(Method::PUT, one, &[("if-none-match", "*")], Some(body.clone())).await;
        create_only.is_problem(412, "precondition-failed");
        let version = api.version("acme");
        let put = api.with(Method::PUT, one, &[("if-match", &tag)], Some(body)).await;
        assert_eq!(put.status, 200, "{one}: {}", put.text());
        assert_eq!(api.version("acme"), version, "{one}: the same again is no change");
        if !["/tenants/acme", "/tenants/acme/bundle"].contains(&one)
            && !one.ends_with("mounts")
            && !one.ends_with("rules")
        {
            api.with(Method::DELETE, one, &stale, None).await.is_problem(412, "precondition-failed");
        }
    }
    let made = api.with(Method::PUT, "/tenants/acme/campaigns/new", &[("if-none-match", "*")], Some(json!({}))).await;
    made.created();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_name_is_not_removed_and_who_names_it_is_told() {
    let api = Api::start().await;
    api.furnish("acme").await;
    let refused = api.delete("/tenants/acme/campaigns/summer").await;
    assert_eq!(refused.fields(409, "in-use"), ["ads[cola].campaign"]);
    api.patch("/tenants/acme/channels/live", json!({"slate": "cola"})).await.ok();
    let refused = api.delete("/tenants/acme/ads/cola").await;
    assert_eq!(refused.fields(409, "in-use"), ["channels[live].slate"]);
    let refused = api.patch("/tenants/acme/ads/cola", json!({"status": "inactive"})).await;
    assert_eq!(refused.fields(422, "invalid"), ["channels[live].slate"]);
    api.patch("/tenants/acme/channels/live", json!({"slate": null})).await.ok();
    api.delete("/tenants/acme/ads/cola").await.gone();
    api.delete("/tenants/acme/campaigns/summer").await.gone();
}
