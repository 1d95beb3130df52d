//! Hosts that fail again and again are left alone for a while: each attempt takes a turn for as long as its deadline.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row after which a host is left alone: as many as may be on their way to it when it goes down are one
/// mishap, not many.
const FAILURES: u32 = 32;

/// For how long. Shorter than the pause after a first failure, so that no beacon spends all its attempts here.
const PAUSE: Duration = Duration::from_secs(5);

/// Hosts that are known; past that, all are forgotten, which costs a few attempts.
const MAX_HOSTS: usize = 10_000;

#[derive(Default)]
pub(super) struct Cooling(Mutex<HashMap<Box<str>, Trouble>>);

struct Trouble {
    failures: u32,
    until: Option<Instant>,
}

impl Cooling {
    pub(super) fn is_down(&self, host: &str, now: Instant) -> bool {
        self.0.lock().get(host).and_then(|trouble| trouble.until).is_some_and(|until| now < until)
    }

    pub(super) fn note(&self, host: &str, failed: bool, now: Instant) {
        let mut hosts = self.0.lock();
        if !failed {
            hosts.remove(host);
            return;
        }
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        let trouble = hosts.entry(host.into()).or_insert(Trouble { failures: 0, until: None });
        trouble.failures += 1;
        if trouble.failures >= FAILURES {
            trouble.until = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_fails_again_and_again_is_left_alone_for_a_while_and_others_are_not() {
        let (cooling, now) = (Cooling::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(!cooling.is_down("a", now));
            cooling.note("a", true, now);
        }
        assert!(cooling.is_down("a", now) && !cooling.is_down("b", now));
        let later = now + PAUSE;
        assert!(!cooling.is_down("a", later));
        cooling.note("a", true, later);
        assert!(cooling.is_down("a", later), "it has not recovered");
        cooling.note("a", false, later);
        cooling.note("a", true, later);
        assert!(!cooling.is_down("a", later), "it had");
    }
}
