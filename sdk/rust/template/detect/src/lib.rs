//! A break detector for Cuetone. This file connects it with the server; what it finds is decided in policy.rs.

mod policy;

use cuetone_plugin::{Avail, BreakDetector, Channel, Window, config};

struct Plugin;

impl BreakDetector for Plugin {
    /// Asked once per new version of the origin's playlist. What the tenant wrote under `config:` becomes `Breaks`.
    fn detect(window: Window, known: Vec<Avail>, _channel: Channel) -> Result<Vec<Avail>, String> {
        let breaks: policy::Breaks = config::read()?;
        Ok(breaks.find(&window, known))
    }
}

cuetone_plugin::export!(Plugin);

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::{channel, cue_out, window, with_config};

    use super::*;

    #[test]
    fn the_configuration_is_read() {
        let detect = || {
            let window = Window {
                cues: vec![cue_out(1012.0, 30.0)],
                ..window(1000.0, 1060.0)
            };
            Plugin::detect(window, Vec::new(), channel()).map(|avails| avails.len())
        };
        assert_eq!(with_config("null", detect), Ok(1));
        assert_eq!(with_config(r#"{"min_duration": 45}"#, detect), Ok(0));
        assert!(
            with_config(r#"{"min_duration": "long"}"#, detect)
                .unwrap_err()
                .contains("`min_duration`")
        );
    }
}
