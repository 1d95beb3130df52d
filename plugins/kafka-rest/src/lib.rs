//! Sends events to Kafka by a REST proxy. README.md says what it sends and what can be set.

mod config;
mod produce;
mod value;

#[cfg(test)]
mod tests;

use cuetone_plugin::{Event, OutboundRequest, TrackingSink, config as settings};

struct KafkaRest;

impl TrackingSink for KafkaRest {
    fn deliver(events: Vec<Event>) -> Result<Vec<OutboundRequest>, String> {
        let config = settings::read::<config::Config>()?.check().map_err(|error| error.to_string())?;
        produce::requests(&events, &config).map_err(|error| error.to_string())
    }
}

cuetone_plugin::export!(KafkaRest);
