//! Decisions for other servers: who may ask, what is answered and explained, and what comes of it.

use cuetone::domain::EventType;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{api::Api, documents::tenant, harness::Answer};

const PATH: &str = "/api/v1/ads/decision";

async fn api() -> Api {
    let api = Api::empty().await;
    api.apply(&tenant(&api.origin, "")).await;
    api
}

async fn ask(api: &Api, query: &str, body: Value) -> Answer {
    api.post(&format!("{PATH}{query}"), body).await
}

fn fields(answer: &Answer) -> Vec<String> {
    let problem = answer.json();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_is_answered_with_ads_in_play_order_their_creatives_prices_and_addresses() {
    let api = api().await;
    let body = json!({"tenant_id": "acme", "channel": "live", "position": "pre-roll", "duration_seconds": 15,
        "geo": "US", "device": "smart-tv", "session_id": "anna"});
    let answer = ask(&api, "", body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, "private, no-store"),
        "{}",
        answer.text()
    );
    let decided = answer.json();
    assert_eq!((&decided["position"], &decided["filled_seconds"]), (&json!("pre-roll"), &json!(14.0)));
    assert_eq!(decided["explain"], Value::Null);
    let [red, green] = decided["ads"].as_array().unwrap().as_slice() else { panic!("{decided}") };
    assert_eq!((&red["ad_id"], &red["sequence"], &red["start_seconds"]), (&json!("red"), &json!(1), &json!(0.0)));
    assert_eq!(
        (&green["ad_id"], &green["sequence"], &green["start_seconds"]),
        (&json!("green"), &json!(2), &json!(10.0))
    );
    assert_eq!((&red["campaign_id"], &red["price"]), (&json!("summer"), &json!({"cpm": "12.50", "currency": "USD"})));
    assert_eq!(red["creative"]["url"], api.origin.url("ads/red-5/master.m3u8"));
    assert_eq!(red["creative"]["renditions"][0], json!({"bandwidth": 800_000, "width": 640, "height": 360}));
    assert_eq!(red["click_through_url"], "https://shop.example.com/red?a=1&b=2");
    let companions: Vec<_> = red["companions"].as_array().unwrap().iter().map(|ad| ad["ad_id"].clone()).collect();
    assert_eq!(companions, ["banner", "banner-us"]);
    let tracking = red["tracking"].as_object().unwrap();
    assert_eq!(tracking.len(), 8, "{tracking:?}");
    for (event, expect) in [("impression", 204), ("start", 204), ("complete", 204), ("click", 302), ("error", 204)] {
        let url = tracking[event].as_str().unwrap();
        assert_eq!(api.server.get(url).await.status, expect, "{event}");
    }
    let events = api.events().await;
    let counted: Vec<_> = events.iter().map(|event| event.event_type).collect();
    let expect = [EventType::Impression, EventType::Start, EventType::Complete, EventType::Click, EventType::Error];
    assert_eq!(counted, expect);
    let event = &events[0];
    assert_eq!((event.viewer.as_deref(), &*event.geo, event.device.as_str()), (Some("anna"), "US", "smart-tv"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_names_every_ad_of_the_tenant_once_with_stage_and_reason() {
    let api = api().await;
    let body = json!({"tenant_id": "acme", "channel": "live", "duration_seconds": 10});
    for query in ["", "?explain=false"] {
        assert_eq!(ask(&api, query, body.clone()).await.json()["explain"], Value::Null);
    }
    let decided = ask(&api, "?explain=true", body.clone()).await.json();
    let candidates = decided["explain"]["candidates"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut told: Vec<_> = candidates.iter().map(|ad| (text(&ad["ad_id"]), text(&ad["outcome"]))).collect();
    told.sort();
    let expect = [
        ("banner", "dropped"),
        ("banner-us", "dropped"),
        ("green", "left"),
        ("lower-third", "dropped"),
        ("red", "chosen"),
    ];
    assert_eq!(told, expect.map(|(ad, outcome)| (ad.to_owned(), outcome.to_owned())));
    assert!(candidates.iter().all(|ad| !text(&ad["stage"]).is_empty() && !text(&ad["reason"]).is_empty()));
    let scripts = decided["explain"]["scripts"].as_array().unwrap();
    assert!(scripts.iter().all(|script| script["micros"].is_u64() && script["version"].is_string()), "{scripts:?}");
    for wrong in ["?explain=maybe", "?explane=true"] {
        ask(&api, wrong, body.clone()).await.is_problem(400, "bad-request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_asks_for_its_own_tenant_only() {
    let api = api().await;
    api.post("/tenants", json!({"slug": "other"})).await.created();
    let (own, others) = (api.key_of("acme").await, api.key_of("other").await);
    let body = json!({"channel": "live", "duration_seconds": 10});
    let named = json!({"tenant_id": "acme", "channel": "live", "duration_seconds": 10});
    let send = async |key: Option<&str>, body: &Value| api.send(key, Method::POST, PATH, &[], Some(body)).await;
    assert_eq!(send(Some(&own), &body).await.json()["tenant_id"], "acme", "a tenant's key says whose it is");
    assert_eq!(send(Some(&own), &named).await.status, 200);
    send(Some(&others), &named).await.is_problem(404, "not-found");
    send(Some(&others), &body).await.is_problem(404, "not-found");
    for none in [None, Some("fast_acme_wrong")] {
        let refused = send(none, &named).await;
        refused.is_problem(401, "unauthorized");
        assert!(!refused.header("www-authenticate").is_empty());
    }
    let platform = ask(&api, "", body).await;
    platform.is_problem(422, "invalid");
    assert_eq!(fields(&platform), ["tenant_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_by_field_and_unknown_fields_are_mistakes() {
    let api = api().await;
    let wrong = ask(&api, "", json!({"tenant_id": "acme", "channel": "live", "duration": 10, "device": "tv"})).await;
    wrong.is_problem(422, "invalid");
    assert_eq!(fields(&wrong), ["duration_seconds", "device", "duration"]);
    for (body, status) in [("{", 400), ("[]", 422), ("", 400)] {
        let request = api.client().post(format!("{}{PATH}", api.base)).header("x-api-key", &api.platform);
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
    }
    let request = api.client().post(format!("{}{PATH}", api.base)).header("x-api-key", &api.platform);
    assert_eq!(request.body("{}").send().await.unwrap().status(), 415);
    let unknown = json!({"tenant_id": "acme", "channel": "none", "duration_seconds": 10});
    ask(&api, "", unknown).await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_is_for_another_time_and_has_no_consequences() {
    let api = api().await;
    let now = json!({"tenant_id": "acme", "channel": "live", "duration_seconds": 10});
    let then = json!({"tenant_id": "acme", "channel": "live", "duration_seconds": 10, "time": "2030-06-01T20:00:00Z"});
    assert!(ask(&api, "", now).await.json()["ads"][0]["tracking"].is_object());
    let rehearsed = ask(&api, "", then).await.json();
    assert_eq!(
        (&rehearsed["decided_for"], &rehearsed["ads"][0]["ad_id"]),
        (&json!("2030-06-01T20:00:00.000Z"), &json!("red"))
    );
    assert_eq!(rehearsed["ads"][0]["tracking"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_viewer_is_who_the_body_says_and_not_who_asks() {
    let api = api().await;
    let asked = async |more: Value, headers: &[(&str, &str)]| {
        let mut body = json!({"tenant_id": "acme", "channel": "live", "duration_seconds": 10});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api.send(Some(&api.platform), Method::POST, PATH, headers, Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let viewer = api.decisions("acme")[0].viewer.clone();
        (viewer.geo.to_string(), viewer.device.as_str(), viewer.params.len())
    };
    let server = [("x-geo-country", "DE"), ("user-agent", "Roku/DVP-12")];
    assert_eq!(asked(json!({}), &server).await, (String::new(), "other", 0));
    let told = json!({"geo": "id", "user_agent": "Mozilla/5.0 (SMART-TV; Tizen 6.0)", "params": {"age": 12}});
    assert_eq!(asked(told, &server).await, ("ID".to_owned(), "smart-tv", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_route_is_described_where_all_are() {
    let api = api().await;
    let document = api.get("/api/openapi.json").await.json();
    let operation = &document["paths"][PATH]["post"];
    assert_eq!(operation["operationId"], "decideAds");
    let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
    let schema = document.pointer(body.trim_start_matches('#')).unwrap();
    assert_eq!(schema["additionalProperties"], false, "unknown fields are refused");
    assert_eq!(schema["required"], json!(["channel", "duration_seconds"]));
    let names = operation["parameters"].to_string();
    assert!(names.contains("explain") && !names.contains("Idempotency"), "{names}");
}
