//! The shipped plugin for Kafka, through the server's own sinks, to a REST proxy that is as strict as the v2 API of
//! Confluent's is documented.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use cuetone::{
    domain::{Clock, Event, EventType, Slug},
    store::TenantScope,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{api::Api, guests, plugins::upload};
use crate::harness::within;

const RECORDS: &str = "application/vnd.kafka.json.v2+json";
const ANSWERS: [&str; 3] = ["application/vnd.kafka.v2+json", "application/vnd.kafka+json", "application/json"];
const TOPICS: [&str; 2] = ["ad-events", "ad-clicks"];
const CREDENTIALS: &str = "Basic dXNlcjpwYXNz";

/// A record that was taken, and the topic that it is in.
type Taken = (String, Value);

#[derive(Default)]
struct Proxy {
    taken: Mutex<Vec<Taken>>,
    /// What was refused, and why: the plugin's fault.
    refused: Mutex<Vec<String>>,
    /// Requests that the brokers are away for.
    away: Mutex<usize>,
    /// Requests whose last record is not taken; the answer is 200 and says so of that record.
    failing: Mutex<usize>,
}

impl Proxy {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let proxy = Arc::new(Self::default());
        let router = Router::new().route("/topics/{topic}", post(produce)).with_state(proxy.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (proxy, address)
    }

    fn take(&self, topic: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, (u16, u32, String)> {
        let named = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if named(header::AUTHORIZATION) != CREDENTIALS {
            return Err((401, 40101, "Unauthorized".to_owned()));
        }
        if named(header::CONTENT_TYPE) != RECORDS {
            return Err((415, 415, format!("HTTP 415 Unsupported Media Type: {}", named(header::CONTENT_TYPE))));
        }
        if !ANSWERS.contains(&named(header::ACCEPT)) {
            return Err((406, 406, format!("HTTP 406 Not Acceptable: {}", named(header::ACCEPT))));
        }
        if !TOPICS.contains(&topic) {
            return Err((404, 40401, format!("Topic {topic} not found.")));
        }
        let unprocessable = |what: &str| (422, 422, format!("{what}: {}", String::from_utf8_lossy(body)));
        let body: Value = serde_json::from_slice(body).map_err(|_| (400, 400, "Json parse error".to_owned()))?;
        let all = body.as_object().ok_or_else(|| unprocessable("no object"))?;
        let records = all.get("records").and_then(Value::as_array).ok_or_else(|| unprocessable("records"))?;
        let schemas = ["key_schema", "key_schema_id", "value_schema", "value_schema_id", "records"];
        if records.is_empty() || !all.keys().all(|name| schemas.contains(&name.as_str())) {
            return Err(unprocessable("no records, or an unrecognized field"));
        }
        for record in records {
            let fields = record.as_object().ok_or_else(|| unprocessable("a record"))?;
            if !fields.contains_key("value")
                || !fields.keys().all(|name| ["key", "value", "partition"].contains(&name.as_str()))
            {
                return Err(unprocessable("a record without a value, or with an unrecognized field"));
            }
        }
        let mut taken = self.taken.lock();
        let good = records.len() - usize::from(one_of(&self.failing));
        let offset = |place: usize| json!({"partition": 0, "offset": place, "error_code": null, "error": null});
        let mut offsets: Vec<Value> = (taken.len()..).take(good).map(offset).collect();
        let lost = json!({"partition": null, "offset": null, "error_code": 50003, "error": "Timed out"});
        offsets.resize(records.len(), lost);
        taken.extend(records.iter().take(good).map(|record| (topic.to_owned(), record.clone())));
        Ok(json!({"key_schema_id": null, "value_schema_id": null, "offsets": offsets}))
    }
}

/// One less is left, if any was.
fn one_of(left: &Mutex<usize>) -> bool {
    let mut left = left.lock();
    let one = *left > 0;
    *left = left.saturating_sub(1);
    one
}

async fn produce(
    State(proxy): State<Arc<Proxy>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let answer = match one_of(&proxy.away) {
        true => Err((503, 50302, "Service Unavailable".to_owned())),
        false => {
            let taken = proxy.take(&topic, &headers, &body);
            taken.inspect_err(|(_, _, fault)| proxy.refused.lock().push(fault.clone()))
        }
    };
    let (status, answer) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err((status, code, message)) => {
            (StatusCode::from_u16(status).expect("a status"), json!({"error_code": code, "message": message}))
        }
    };
    (status, [(header::CONTENT_TYPE, ANSWERS[0])], answer.to_string()).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_kafka_s_rest_proxy_in_its_own_form_and_again_when_it_was_away() {
    let plugin = tokio::task::spawn_blocking(|| guests::shipped("kafka-rest").component).await.expect("a plugin");
    let (proxy, address) = Proxy::start().await;
    let api = Api::empty_with(|config| config.outbound.allow_hosts.push(address.to_string())).await;
    api.post("/tenants", json!({"slug": "acme"})).await.created();
    api.put("/tenants/acme/secrets/kafka", json!({"value": CREDENTIALS})).await.created();
    let path = "/tenants/acme/extensions/scripts/plugins/kafka-rest.wasm";
    upload(&api, path, "application/wasm", plugin).await.created();
    let config = json!({"url": format!("http://{address}"), "topic": TOPICS[0], "topics": {"click": TOPICS[1]},
        "headers": {"Authorization": {"secret": "kafka"}}});
    let sink = json!({"use": "plugins/kafka-rest.wasm", "name": "kafka", "config": config,
        "allow_hosts": [address.to_string()], "refused_if": "/offsets/*/error_code"});
    api.put("/tenants/acme/extensions/mounts", json!({"sinks": [sink]})).await.ok();
    let scope = TenantScope::new("acme".parse().expect("a slug"));
    let event = |session: &str, kind: EventType| {
        let (tenant, now) = (scope.tenant().clone(), api.clock.now());
        let cola: Option<Slug> = "cola".parse().ok();
        Event { session: session.into(), ad: cola, ..Event::new(tenant, kind, now) }.identified()
    };
    let (impression, click) = (EventType::Impression, EventType::Click);
    let events = [event("s1", impression), event("s2", click), event("s2", impression)];
    api.store.insert_events(&events).await.expect("recorded");
    let arrived = |count: usize| {
        let proxy = proxy.clone();
        move || {
            let there = proxy.taken.lock().len() >= count;
            async move { there }
        }
    };
    within(Duration::from_secs(9), "three records", arrived(3)).await;
    let taken = std::mem::take(&mut *proxy.taken.lock());
    let of = |topic: &str| -> Vec<(Value, Value)> {
        let there = taken.iter().filter(|(known, _)| known == topic);
        there.map(|(_, record)| (record["key"].clone(), record["value"]["id"].clone())).collect()
    };
    let id = |event: &Event| json!(event.id.to_string());
    assert_eq!(of(TOPICS[0]), [(json!("s1"), id(&events[0])), (json!("s2"), id(&events[2]))]);
    assert_eq!(of(TOPICS[1]), [(json!("s2"), id(&events[1]))]);
    let value = &taken[0].1["value"];
    assert_eq!(
        (&value["event_type"], &value["ad"], &value["tenant"]),
        (&json!("impression"), &json!("cola"), &json!("acme"))
    );
    // The brokers are away: the batch comes again, and nothing is lost.
    *proxy.away.lock() = 1;
    let late = event("s3", impression);
    api.store.insert_events(std::slice::from_ref(&late)).await.expect("recorded");
    let again = || {
        let there = proxy.taken.lock().iter().any(|(_, record)| record["value"]["id"] == id(&late));
        async move { there }
    };
    within(Duration::from_secs(20), "the batch that failed", again).await;
    assert_eq!(*proxy.away.lock(), 0, "it was refused once");
    // A broker is slow: the proxy answers 200 and took one record of two.
    *proxy.failing.lock() = 1;
    let pair = [event("s4", impression), event("s5", impression)];
    api.store.insert_events(&pair).await.expect("recorded");
    let times =
        |event: &Event| proxy.taken.lock().iter().filter(|(_, record)| record["value"]["id"] == id(event)).count();
    let whole = || {
        let there = times(&pair[1]) == 1;
        async move { there }
    };
    within(Duration::from_secs(20), "the record that was lost", whole).await;
    assert_eq!((times(&pair[0]), *proxy.failing.lock()), (2, 0), "the batch came again, as a whole");
    assert_eq!(*proxy.refused.lock(), [""; 0], "whatever was sent is as the proxy wants it");
}
