//! Finds breaks in SCTE 35 signals by a policy. README.md says what that means and what can be set.

mod breaks;
mod config;
mod meaning;
mod name;
mod upid;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sliding;

use cuetone_plugin::{Avail, BreakDetector, Channel, Window, config as settings};

struct Scte35Policy;

impl BreakDetector for Scte35Policy {
    fn detect(window: Window, known: Vec<Avail>, channel: Channel) -> Result<Vec<Avail>, String> {
        let config = settings::read::<config::Config>()?.check().map_err(|error| error.to_string())?;
        Ok(breaks::find(&window, known, &channel, &config))
    }
}

cuetone_plugin::export!(Scte35Policy);
