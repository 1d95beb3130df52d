//! Requests of the Kafka REST proxy's v2 API: `POST /topics/TOPIC` with records of JSON.

use cuetone_plugin::{Event, OutboundRequest};
use serde::Serialize;
use thiserror::Error;

use crate::{
    config::{Config, Key},
    value::Value,
};

const JSON_RECORDS: &str = "application/vnd.kafka.json.v2+json";
const ANSWER: &str = "application/vnd.kafka.v2+json";

/// Requests in an answer: the host refuses more.
const MAX_REQUESTS: usize = 1_000;

#[derive(Debug, Error)]
pub enum ProduceError {
    #[error("{0} requests are too many, at most {MAX_REQUESTS} go at once; raise `max_records`")]
    TooMany(usize),
    #[error("an event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Records<'a> {
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    value: Value<'a>,
}

/// One topic after the other, in the order in which events first go there; within each, in the events' order.
pub fn requests(events: &[Event], config: &Config) -> Result<Vec<OutboundRequest>, ProduceError> {
    let mut topics: Vec<(&str, Vec<&Event>)> = Vec::new();
    for event in events {
        let Some(topic) = config.topic_of(&event.event_type) else { continue };
        match topics.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, events)) => events.push(event),
            None => topics.push((topic, vec![event])),
        }
    }
    let mut requests = Vec::new();
    for (topic, events) in &topics {
        for part in events.chunks(config.max_records) {
            requests.push(request(topic, part, config)?);
        }
    }
    if requests.len() > MAX_REQUESTS {
        return Err(ProduceError::TooMany(requests.len()));
    }
    Ok(requests)
}

fn request<'a>(topic: &str, events: &[&'a Event], config: &Config) -> Result<OutboundRequest, ProduceError> {
    let record = |event: &&'a Event| Record { key: key(event, config.key), value: Value::from(*event) };
    let records = events.iter().map(record).collect();
    let own = [("Content-Type", JSON_RECORDS), ("Accept", ANSWER)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = own.into_iter().chain(config.headers.clone()).collect();
    let body = serde_json::to_string(&Records { records })?;
    Ok(OutboundRequest { method: "POST".to_owned(), url: config.address_of(topic), headers, body })
}

/// An event without such a key goes to any partition.
fn key(event: &Event, key: Key) -> Option<&str> {
    let text = match key {
        Key::Session => Some(event.session.as_str()),
        Key::Viewer => event.viewer.as_deref(),
        Key::Ad => event.ad.as_deref(),
        Key::Campaign => event.campaign.as_deref(),
        Key::Channel => event.channel.as_deref(),
        Key::Tenant => Some(event.tenant.as_str()),
        Key::Avail => Some(event.avail.as_str()),
        Key::EventType => Some(event.event_type.as_str()),
        Key::Id => Some(event.id.as_str()),
        Key::None => None,
    };
    text.filter(|text| !text.is_empty())
}
