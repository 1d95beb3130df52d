//! Reports of events, one viewer's data, and what happens right now, over real sockets.

use std::time::Duration;

use cuetone::domain::{CountedBy, Event, Traffic};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use crate::harness::{Answer, within};

const EVENTS: &str = "/api/v1/tracking/events";

async fn shop() -> (Api, String) {
    let api = Api::empty().await;
    api.furnish("acme").await;
    let key = api.key_of("acme").await;
    (api, key)
}

impl Api {
    async fn report(&self, key: &str, body: Value) -> Answer {
        self.send(Some(key), Method::POST, EVENTS, &[], Some(&body)).await
    }

    /// A tenant's events, once so many are in the table.
    async fn counted(&self, tenant: &str, count: usize) -> Vec<Event> {
        let scope = cuetone::store::TenantScope::new(tenant.parse().expect("a slug"));
        let read = || async {
            let rows = self.store.events_after(&scope, 0, 10_000).await.expect("read");
            rows.into_iter().map(|row| row.event).collect::<Vec<_>>()
        };
        within(Duration::from_secs(5), "events in the table", || async { read().await.len() >= count }).await;
        read().await
    }
}

fn event(session: &str) -> Value {
    json!({"event_type": "impression", "session_id": session, "ad_id": "cola"})
}

fn taken(answer: &Answer) -> Value {
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_events_count_beside_bad_ones_and_each_mistake_is_told_by_place_and_name() {
    let (api, key) = shop().await;
    let mut own = event("s-2");
    own["channel_id"] = json!("live");
    let batch = json!({"events": [event("s-1"), {"event_type": "view", "session_id": "x", "ad_id": "cola"}, 7, own, event("s-1")]});
    let answer = taken(&api.report(&key, batch.clone()).await);
    let counts =
        ["accepted", "duplicates", "rejected", "time_assumed", "counted_by_channel"].map(|name| answer[name].as_u64());
    assert_eq!(counts, [2, 1, 2, 3, 1].map(Some), "{answer}");
    assert_eq!((&answer["errors"][0]["index"], &answer["errors"][0]["field"]), (&json!(1), &json!("event_type")));
    assert_eq!((&answer["errors"][1]["index"], &answer["errors"][1]["field"]), (&json!(2), &json!("")));
    let again = taken(&api.report(&key, batch).await);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(3)), "a batch may be sent again");
    let events = api.counted("acme", 2).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.counted_by == Some(CountedBy::Api)));
    assert!(events[0].is_billable() && !events[1].is_billable(), "the channel counts its own impressions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_which_nothing_can_be_taken_is_an_error() {
    let (api, key) = shop().await;
    let bad = json!({"events": [{"event_type": "view", "session_id": "x"}, {"event_type": "start", "ad_id": "cola"}]});
    assert_eq!(api.report(&key, bad).await.fields(422, "invalid"), ["events[0].event_type", "events[1].session_id"]);
    assert_eq!(api.report(&key, json!({"events": []})).await.fields(422, "invalid"), ["events"]);
    assert_eq!(api.report(&key, json!({})).await.fields(422, "invalid"), ["events"]);
    assert_eq!(api.report(&key, json!({"events": [event("s")], "x": 1})).await.fields(422, "invalid"), ["x"]);
    api.report(&key, json!([])).await.is_problem(422, "invalid");
    let many = vec![event("s"); 1_001];
    api.report(&key, json!({"events": many})).await.is_problem(413, "too-many-events");
    let send = async |body: &str, kind: &str| {
        let request = api.client().post(format!("{}{EVENTS}", api.base)).header("x-api-key", &key);
        crate::harness::read(
            request.header("content-type", kind).body(body.to_owned()).send().await.expect("an answer"),
        )
        .await
    };
    send("{\"events\":[", "application/json").await.is_problem(400, "malformed-json");
    send("{}", "text/plain").await.is_problem(415, "unsupported-media-type");
    let large = format!("{{\"events\":[\"{}\"]}}", "x".repeat(2 * 1024 * 1024));
    send(&large, "application/json").await.is_problem(413, "body-too-large");
    assert_eq!(api.counted("acme", 0).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_reports_for_its_own_tenant_and_a_platform_key_for_any_that_is_named() {
    let (api, key) = shop().await;
    api.furnish("other").await;
    let of = |tenant: &str| {
        let mut event = event("s-1");
        event["tenant_id"] = json!(tenant);
        event
    };
    let batch = json!({"events": [of("acme"), of("other"), of("nobody")]});
    let answer = taken(&api.report(&key, batch.clone()).await);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(2)));
    assert_eq!(answer["errors"][0]["reason"], answer["errors"][1]["reason"], "another's tenant looks like none");
    api.report(&key, json!({"tenant_id": "other", "events": [event("s")]})).await.is_problem(404, "not-found");
    assert_eq!(api.counted("other", 0).await, []);
    let platform = taken(&api.report(&api.platform, batch).await);
    assert_eq!(
        (&platform["accepted"], &platform["duplicates"], &platform["rejected"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        api.report(&api.platform, json!({"events": [event("s")]})).await.fields(422, "invalid"),
        ["events[0].tenant_id"]
    );
    taken(&api.report(&api.platform, json!({"tenantId": "other", "events": [event("s-9")]})).await);
    assert_eq!(api.counted("other", 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_request_of_its_tenant_s_limit() {
    let (api, key) = shop().await;
    api.patch("/tenants/acme", json!({"rate_limit_per_minute": 2})).await.ok();
    let batch = |name: &str| json!({"events": [event(name), event("b"), event("c")]});
    taken(&api.report(&key, batch("1")).await);
    taken(&api.report(&key, batch("2")).await);
    let refused = api.report(&key, batch("3")).await;
    refused.is_problem(429, "rate-limited");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_who_opted_out_and_robots_are_kept_apart() {
    let (api, key) = shop().await;
    let mut anna = event("session-of-anna");
    anna["viewer_id"] = json!("anna");
    anna["ip_address"] = json!("198.51.100.77");
    let body = json!({"events": [anna]});
    let answer = api.send(Some(&key), Method::POST, EVENTS, &[("dnt", "1")], Some(&body)).await;
    taken(&answer);
    let mut robot = event("s-2");
    robot["user_agent"] = json!("curl/8");
    taken(&api.report(&key, json!({"events": [robot]})).await);
    let events = api.counted("acme", 2).await;
    let kept = serde_json::to_string(&events[0]).expect("JSON");
    assert!(!kept.contains("anna") && !kept.contains("198.51"), "{kept}");
    assert_eq!((events[0].traffic, events[1].traffic), (Traffic::Valid, Traffic::Bot));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_viewer_s_data_is_told_line_by_line_and_forgotten_on_demand() {
    let (api, key) = shop().await;
    let mut events: Vec<Value> = ["s-1", "s-2"].map(event).to_vec();
    events.iter_mut().for_each(|event| event["viewer_id"] = json!("anna"));
    events.push(event("s-3"));
    taken(&api.report(&key, json!({"events": events})).await);
    let path = "/api/v1/tracking/viewers/anna";
    let lines = async |key: &str, path: &str| {
        let answer = api.send(Some(key), Method::GET, path, &[], None).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "application/x-ndjson"),
            "{}",
            answer.text()
        );
        answer.text().lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect::<Vec<_>>()
    };
    let told = lines(&key, path).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(
        (&told[0]["session_id"], &told[1]["session_id"], &told[2]["kind"]),
        (&json!("s-1"), &json!("s-2"), &json!("end"))
    );
    assert_eq!(lines(&api.platform, &format!("{path}?tenant=acme")).await, told);
    let done = api.send(Some(&key), Method::DELETE, path, &[], None).await;
    assert_eq!(done.ok(), json!({"done": true}));
    assert_eq!(lines(&key, path).await.len(), 1, "nothing but the end");
    let kept = api.counted("acme", 3).await;
    assert_eq!(kept.len(), 3, "they count as before");
    assert!(!serde_json::to_string(&kept[..2]).expect("JSON").contains("anna"));
    assert_eq!(kept[2].session, "s-3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_every_second_by_channel_and_type() {
    let (api, key) = shop().await;
    let ask = |key: &str, path: &str| {
        let request = api.client().get(format!("{}{path}", api.base)).header("x-api-key", key);
        async move { request.send().await.expect("an answer") }
    };
    let mut watched = ask(&key, "/api/v1/tracking/live").await;
    assert_eq!(watched.status(), 200);
    assert_eq!(watched.headers()["content-type"], "text/event-stream");
    let mut told = String::new();
    let mut reported = false;
    // The first word is what there is; what is reported then comes in a later one.
    while !told.contains("\"events\":{\"start\":2}") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), watched.chunk()).await.expect("in time");
        told.push_str(std::str::from_utf8(&chunk.expect("no error").expect("no end")).expect("text"));
        if !reported && told.contains("\"channels\":[]") {
            let start = |session: &str| json!({"event_type": "start", "session_id": session, "ad_id": "cola", "channel_id": "live"});
            taken(&api.report(&key, json!({"events": [start("a"), start("b")]})).await);
            reported = true;
        }
    }
    assert!(told.starts_with("event: counts\ndata: {\"time\":"), "{told}");
    assert!(told.contains("{\"channel\":\"live\",\"sessions\":0,\"events\":{\"start\":2}}"), "{told}");
    assert_eq!(ask(&key, "/api/v1/tracking/live?tenant=other").await.status(), 404);
    assert_eq!(ask(&api.platform, "/api/v1/tracking/live").await.status(), 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_follows_a_viewer_s_events_and_charges_nobody() {
    let (api, key) = shop().await;
    let run = async |ad: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cuetone"));
        let arguments = ["tracking", "test", "--tenant", "acme", "--ad", ad, "--server", &api.base, "--format", "json"];
        let output = command.args(arguments).env("CUETONE_API_KEY", &key).output().await.expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str::<Value>(&text)
            .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let steps = run("cola").await["steps"].clone();
    for (place, name) in ["accepted", "once", "stored"].iter().enumerate() {
        assert_eq!((&steps[place]["step"], &steps[place]["ok"]), (&json!(name), &json!(true)), "{steps}");
    }
    let events = api.counted("acme", 8).await;
    assert!(events.iter().all(|event| event.traffic == Traffic::Bot && !event.is_billable()));
    let wrong = run("pepsi").await;
    assert_eq!((&wrong["ok"], wrong["steps"].as_array().map(Vec::len)), (&json!(false), Some(1)), "{wrong}");
    assert!(wrong["steps"][0]["detail"].as_str().is_some_and(|text| text.contains("no ad `pepsi`")), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_is_a_tenant_s_own_and_says_what_a_day_is() {
    let (api, key) = shop().await;
    let ask = |query: &'static str| {
        let (api, key) = (&api, &key);
        async move { api.send(Some(key), Method::GET, &format!("/api/v1/tracking/ledger{query}"), &[], None).await }
    };
    let answer = ask("?from=2025-01-15").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ledger = answer.json();
    assert_eq!(
        (&ledger["from"], &ledger["to"], &ledger["lines"]),
        (&json!("2025-01-15"), &json!("2025-01-15"), &json!([]))
    );
    assert_eq!(ledger["totals"]["fired"], 0);
    assert_eq!(ask("").await.status, 200, "today");
    ask("?from=yesterday").await.is_problem(422, "invalid");
    ask("?from=2025-02-30").await.is_problem(422, "invalid");
    ask("?tenant=somebody-else").await.is_problem(404, "not-found");
}
