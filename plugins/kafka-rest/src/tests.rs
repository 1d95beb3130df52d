//! Events and a configuration; and the requests.

use cuetone_plugin::{
    Event, OutboundRequest, TrackingSink, Traffic,
    testing::{event, with_config},
};
use serde_json::{Value, json};

use crate::KafkaRest;

fn deliver(events: &[Event], config: &str) -> Result<Vec<OutboundRequest>, String> {
    with_config(config, || KafkaRest::deliver(events.to_vec()))
}

/// Address and body of each request.
fn sent(events: &[Event], config: &str) -> Vec<(String, Value)> {
    let requests = deliver(events, config).unwrap().into_iter();
    requests.map(|request| (request.url, serde_json::from_str(&request.body).unwrap())).collect()
}

/// The ids of the events in each request.
fn ids(events: &[Event], config: &str) -> Vec<(String, Vec<String>)> {
    let id = |record: &Value| record["value"]["id"].as_str().unwrap().to_owned();
    let all = |body: Value| body["records"].as_array().unwrap().iter().map(id).collect();
    sent(events, config).into_iter().map(|(url, body)| (url, all(body))).collect()
}

#[test]
fn the_whole_event_under_stable_names() {
    let full = Event {
        viewer: Some("v\"1\"\n\u{1}ü".into()),
        error_code: Some(405),
        value: Some(1.5),
        price: 0.0125,
        more: Some(r#"{"properties": {"n": 12345678901234567890, "x": 1.10}}"#.into()),
        ..event("e1", "error")
    };
    let requests = deliver(std::slice::from_ref(&full), r#"{"url": "https://p:8082", "topic": "ads"}"#).unwrap();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://p:8082/topics/ads"));
    let header = |name: &str| request.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Content-Type"), Some("application/vnd.kafka.json.v2+json"));
    assert_eq!(header("Accept"), Some("application/vnd.kafka.v2+json"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let expect = json!({
        "id": "e1", "event_type": "error", "time": full.time, "received": full.received, "tenant": "acme",
        "channel": "news", "session": "session-1", "viewer": "v\"1\"\n\u{1}ü", "avail": "break-1", "pod_position": 0,
        "ad": "ad-1", "campaign": "campaign-1", "device": "smart-tv", "geo": "DE", "counted_by": "segment",
        "traffic": "valid", "price": 0.0125, "error_code": 405, "value": 1.5,
        "more": {"properties": {"n": 12345678901234567890_u64, "x": 1.1}},
    });
    assert_eq!(body, json!({"records": [{"key": "session-1", "value": expect}]}));
    assert!(request.body.contains(r#""x": 1.10"#), "what the host wrote stays as it is: {}", request.body);
}

#[test]
fn what_is_absent_is_empty_null_or_left_out() {
    let bare = Event {
        channel: None,
        ad: None,
        campaign: None,
        counted_by: None,
        traffic: Traffic::DataCentre,
        session: String::new(),
        ..event("b", "budget_80")
    };
    let body = &sent(&[bare], r#"{"url": "https://p", "topic": "ads"}"#)[0].1;
    let record = &body["records"][0];
    assert_eq!(record.get("key"), None, "any partition will do");
    let value = &record["value"];
    assert_eq!([&value["channel"], &value["ad"], &value["counted_by"]], [""; 3]);
    assert_eq!([&value["viewer"], &value["campaign"]], [&Value::Null; 2]);
    assert_eq!(value["traffic"], "data_centre");
    assert!(["error_code", "value", "more"].iter().all(|name| value.get(name).is_none()));
}

#[test]
fn topics_take_their_types_in_order() {
    let events = [event("1", "impression"), event("2", "click"), event("3", "start"), event("4", "click")];
    let strings = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    for (config, expect) in [
        (r#"{"url": "https://p/", "topic": "ads"}"#, vec![("ads", vec!["1", "2", "3", "4"])]),
        (
            r#"{"url": "https://p", "topic": "ads", "topics": {"click": "clicks"}}"#,
            vec![("ads", vec!["1", "3"]), ("clicks", vec!["2", "4"])],
        ),
        (r#"{"url": "https://p", "topics": {"click": "clicks"}}"#, vec![("clicks", vec!["2", "4"])]),
        (r#"{"url": "https://p", "topic": "ads", "types": ["start"]}"#, vec![("ads", vec!["3"])]),
        (r#"{"url": "https://p", "topic": "ads", "types": []}"#, vec![]),
        (
            r#"{"url": "https://p", "topic": "ads", "max_records": 3}"#,
            vec![("ads", vec!["1", "2", "3"]), ("ads", vec!["4"])],
        ),
    ] {
        let expect: Vec<(String, Vec<String>)> =
            expect.iter().map(|(topic, ids)| (format!("https://p/topics/{topic}"), strings(ids))).collect();
        assert_eq!(ids(&events, config), expect, "{config}");
    }
}

#[test]
fn the_key_is_what_was_asked_for() {
    let event = Event { viewer: Some("v".into()), ..event("e", "click") };
    for (key, expect) in [
        ("session", json!("session-1")),
        ("viewer", json!("v")),
        ("ad", json!("ad-1")),
        ("campaign", json!("campaign-1")),
        ("channel", json!("news")),
        ("tenant", json!("acme")),
        ("avail", json!("break-1")),
        ("event_type", json!("click")),
        ("id", json!("e")),
        ("none", Value::Null),
    ] {
        let config = json!({"url": "https://p", "topic": "t", "key": key}).to_string();
        assert_eq!(sent(std::slice::from_ref(&event), &config)[0].1["records"][0]["key"], expect, "{key}");
    }
}

#[test]
fn headers_go_with_placeholders_as_they_are() {
    let config = r#"{"url": "https://p", "topic": "t", "headers": {"Authorization": "secret-kafka"}}"#;
    let requests = deliver(&[event("e", "click")], config).unwrap();
    assert_eq!(requests[0].headers.last(), Some(&("Authorization".to_owned(), "secret-kafka".to_owned())));
}

#[test]
fn more_that_is_no_json_goes_as_text() {
    let odd = Event { more: Some("{oops".into()), ..event("e", "click") };
    assert_eq!(sent(&[odd], r#"{"url": "https://p", "topic": "t"}"#)[0].1["records"][0]["value"]["more"], "{oops");
}

#[test]
fn too_many_requests_say_what_to_do() {
    let events: Vec<Event> = (0..1_001).map(|number| event(&number.to_string(), "click")).collect();
    let error = deliver(&events, r#"{"url": "https://p", "topic": "t", "max_records": 1}"#).unwrap_err();
    assert_eq!(error, "1001 requests are too many, at most 1000 go at once; raise `max_records`");
    assert_eq!(deliver(&[], r#"{"url": "https://p", "topic": "t"}"#), Ok(vec![]));
}
