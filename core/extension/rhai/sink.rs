//! A script as a tracking sink: `fn deliver(events, config)`.

use std::collections::BTreeMap;

use rhai::{Array, Dynamic, Map};

use super::{
    api::event::Events,
    script::{Ran, Script},
    value::{to_json, to_text},
};
use crate::extension::{ExtensionError, SinkInput, SinkRequest, TrackingSink};

pub struct RhaiSink(pub(super) Script);

impl RhaiSink {
    /// As [`TrackingSink::deliver`], with what it cost.
    pub fn run(&self, input: &SinkInput<'_>) -> Result<Ran<Vec<SinkRequest>>, ExtensionError> {
        let script = &self.0;
        script.run(|| {
            let events = Events(input.events.into());
            let answer = if script.takes_config() {
                script.ask((events, script.config().get(input.config, &[])))
            } else {
                script.ask((events,))
            }?;
            if answer.is_unit() {
                return Ok(Vec::new());
            }
            match answer.try_cast::<Array>() {
                Some(requests) => {
                    requests.iter().map(|value| read(value).map_err(|message| script.bad_answer(message))).collect()
                }
                None => Err(script.bad_answer("deliver must answer a list of requests; an empty list sends none")),
            }
        })
    }
}

impl TrackingSink for RhaiSink {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

const KEYS: [&str; 4] = ["method", "url", "headers", "body"];

/// `#{ method, url, headers, body }`; the method is POST unless said otherwise, a body that is no text becomes JSON.
fn read(value: &Dynamic) -> Result<SinkRequest, String> {
    let Ok(map) = value.as_map_ref() else {
        return Err(format!(
            "deliver answered a {} where a request such as #{{ url: …, body: … }} was expected",
            value.type_name()
        ));
    };
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("a request has no `{unknown}`; it has {}", KEYS.join(", ")));
    }
    let text =
        |key: &str| map.get(key).and_then(|value| value.as_immutable_string_ref().ok().map(|text| text.to_string()));
    let body = match map.get("body") {
        None => String::new(),
        Some(body) if body.is_string() => text("body").unwrap_or_default(),
        Some(body) => to_json(body).map_err(|error| format!("the body: {error}"))?.to_string(),
    };
    Ok(SinkRequest {
        method: text("method").unwrap_or_else(|| "POST".to_owned()),
        url: text("url").ok_or("a request needs a `url`")?,
        headers: headers(&map)?,
        body,
    })
}

fn headers(map: &Map) -> Result<BTreeMap<String, String>, String> {
    let Some(value) = map.get("headers") else { return Ok(BTreeMap::new()) };
    let Ok(headers) = value.as_map_ref() else {
        return Err("`headers` is a map, such as #{ \"Content-Type\": \"application/json\" }".to_owned());
    };
    let headers = headers.iter().map(|(name, value)| match to_text(value) {
        Ok(text) => Ok((name.to_string(), text.to_string())),
        Err(_) => Err(format!("the header `{name}` is too large")),
    });
    headers.collect()
}
