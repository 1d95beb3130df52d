//! Which events are sent, and as what. Knows nothing of the server, so it is tested without one.

use cuetone_plugin::{Event, OutboundRequest, serde_json};
use serde::{Deserialize, Serialize};

/// The tenant's configuration.
#[derive(Deserialize)]
pub struct Receiver {
    url: String,
    /// Types of the events that it wants; without it, all.
    types: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Body<'a> {
    events: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    ad: Option<&'a str>,
}

impl Receiver {
    /// One request with all events that are wanted; none if there are none.
    pub fn request(&self, events: &[Event]) -> Result<Option<OutboundRequest>, String> {
        let events: Vec<_> = events
            .iter()
            .filter(|event| self.wants(event))
            .map(line)
            .collect();
        if events.is_empty() {
            return Ok(None);
        }
        Ok(Some(OutboundRequest {
            method: "POST".into(),
            url: self.url.clone(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: serde_json::to_string(&Body { events }).map_err(|error| error.to_string())?,
        }))
    }

    fn wants(&self, event: &Event) -> bool {
        self.types
            .as_ref()
            .is_none_or(|types| types.contains(&event.event_type))
    }
}

fn line(event: &Event) -> Line<'_> {
    Line {
        id: &event.id,
        event_type: &event.event_type,
        ad: event.ad.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::event;

    use super::*;

    fn receiver(types: Option<&[&str]>) -> Receiver {
        let types = types.map(|types| types.iter().map(ToString::to_string).collect());
        Receiver {
            url: "https://example.com/events".into(),
            types,
        }
    }

    #[test]
    fn a_batch_becomes_one_request() {
        let events = [
            event("1", "impression"),
            Event {
                ad: None,
                ..event("2", "error")
            },
        ];
        let request = receiver(None).request(&events).unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("POST", "https://example.com/events")
        );
        assert_eq!(
            request.headers,
            [("Content-Type".into(), "application/json".into())]
        );
        let body = r#"{"events":[{"id":"1","type":"impression","ad":"ad-1"},{"id":"2","type":"error","ad":null}]}"#;
        assert_eq!(request.body, body);
    }

    #[test]
    fn only_wanted_events_are_sent() {
        let events = [event("1", "start"), event("2", "click")];
        let request = receiver(Some(&["click"]))
            .request(&events)
            .unwrap()
            .unwrap();
        assert_eq!(
            request.body,
            r#"{"events":[{"id":"2","type":"click","ad":"ad-1"}]}"#
        );
        assert_eq!(
            receiver(Some(&["complete"])).request(&events).unwrap(),
            None
        );
    }
}
