//! Finds breaks in SCTE 35 signals by a policy. README.md says what that means and what can be set.

mod breaks;
mod config;
mod meaning;
mod name;
mod upid;

#[cfg(test)]
mod messages;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sliding;

use cuetone_plugin::{Avail, BreakDetector, Channel, Window};

use config::Config;

struct Scte35Policy;

impl BreakDetector for Scte35Policy {
    fn detect(window: Window, known: Vec<Avail>, channel: Channel) -> Result<Vec<Avail>, String> {
        let config = Config::read()?;
        Ok(breaks::find(&window, known, &channel, &config))
    }
}

cuetone_plugin::export!(Scte35Policy);
