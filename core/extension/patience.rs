//! How long the calls of one piece of work may wait for places to run in, together.
//!
//! A decision asks twenty rules. If each might wait by itself, a busy machine would keep a viewer waiting for seconds.
//! Knows neither places nor who waits.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// As long as a break waits for its tenant's decisions before it. All viewers of a break come within moments, and a place is
/// free again every few milliseconds: in this time each processor serves dozens of calls.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// What is left of it: a new one for each decision, and for each call that is none of a decision's.
#[derive(Clone, Debug)]
pub struct Patience(Cell<Duration>);

impl Default for Patience {
    fn default() -> Self {
        Self(Cell::new(PATIENCE))
    }
}

impl Patience {
    /// Waits for something that ends when what is left is over.
    pub fn spend<T>(&self, wait: impl FnOnce(Duration) -> T) -> T {
        let (left, started) = (self.0.get(), Instant::now());
        let got = wait(left);
        self.0.set(left.saturating_sub(started.elapsed()));
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_again_waits_for_what_is_left() {
        let patience = Patience::default();
        patience.spend(|left| {
            assert_eq!(left, PATIENCE);
            std::thread::sleep(PATIENCE / 10);
        });
        patience.spend(|left| {
            assert!(left <= PATIENCE - PATIENCE / 10, "{left:?}");
            std::thread::sleep(left);
        });
        assert_eq!(patience.spend(|left| left), Duration::ZERO);
    }
}
