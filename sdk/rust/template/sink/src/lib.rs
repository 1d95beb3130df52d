//! A tracking sink for Cuetone. This file connects it with the server; what it sends is decided in policy.rs.

mod policy;

use cuetone_plugin::{Event, OutboundRequest, TrackingSink, config};

struct Plugin;

impl TrackingSink for Plugin {
    /// Asked once per batch of events. What the tenant wrote under `config:` becomes a `Receiver`.
    fn deliver(events: Vec<Event>) -> Result<Vec<OutboundRequest>, String> {
        let receiver: policy::Receiver = config::read()?;
        // The server sends the request: a plugin has no network.
        Ok(receiver.request(&events)?.into_iter().collect())
    }
}

cuetone_plugin::export!(Plugin);

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::{event, with_config};

    use super::*;

    #[test]
    fn the_configuration_is_read() {
        let deliver =
            || Plugin::deliver(vec![event("1", "impression")]).map(|requests| requests.len());
        assert_eq!(
            with_config(r#"{"url": "https://example.com"}"#, deliver),
            Ok(1)
        );
        assert_eq!(
            with_config(r#"{"url": "https://example.com", "types": []}"#, deliver),
            Ok(0)
        );
        assert_eq!(
            with_config("null", deliver),
            Err("config: `url` is missing".into())
        );
    }
}
