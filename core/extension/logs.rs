//! What extensions log: to the server's log, labelled, and kept for their tenant, the newest lines of each. And that they
//! fail: to the server's log alone.
//!
//! Bounded in number and in rate, so that an extension that logs or fails without end costs nobody anything. Knows time only
//! by the clock it is given; what is kept is lost with the process.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::Serialize;

use super::{ExtensionError, Point, breaker::Monotonic, said::one_line};

/// Lines that are kept of one tenant: two full calls' worth is more than anybody scrolls through.
const KEPT_LINES: usize = 500;

/// Lines of one tenant a second, on average; a sink's batch of 500 may come at once.
const LINES_PER_SECOND: u32 = 50;
const SAVED_LINES: u32 = 500;

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// By the log's clock.
    pub at: Duration,
    pub extension: Arc<str>,
    pub level: Level,
    pub message: String,
}

/// The log of one tenant's extensions.
pub struct TenantLog {
    tenant: String,
    clock: Monotonic,
    kept: Mutex<Kept>,
    /// That its extensions fail. Apart, so that one that logs without end cannot hide it.
    failures: Mutex<Allowed>,
}

struct Kept {
    lines: VecDeque<Line>,
    allowed: Allowed,
}

/// How many lines may be written.
struct Allowed {
    /// Now, in millionths of a line.
    lines: u64,
    at: Duration,
    left_out: u64,
}

const MILLION: u64 = 1_000_000;

impl Allowed {
    fn new(now: Duration) -> Self {
        Self { lines: u64::from(SAVED_LINES) * MILLION, at: now, left_out: 0 }
    }

    /// Takes a line: how many were left out before it, or nothing if it is one of them.
    fn take(&mut self, now: Duration) -> Option<u64> {
        let passed = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        self.at = now;
        let refilled = self.lines.saturating_add(passed.saturating_mul(u64::from(LINES_PER_SECOND)));
        self.lines = refilled.min(u64::from(SAVED_LINES) * MILLION);
        if self.lines < MILLION {
            self.left_out += 1;
            return None;
        }
        self.lines -= MILLION;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl TenantLog {
    pub fn new(tenant: &str, clock: Monotonic) -> Self {
        let now = clock();
        let kept = Kept { lines: VecDeque::new(), allowed: Allowed::new(now) };
        Self { tenant: tenant.to_owned(), clock, kept: Mutex::new(kept), failures: Mutex::new(Allowed::new(now)) }
    }

    /// Writes a line, unless there were too many.
    pub fn write(&self, extension: &Arc<str>, level: Level, message: &str) {
        let left_out = {
            let mut kept = self.kept.lock();
            let now = (self.clock)();
            let Some(left_out) = kept.allowed.take(now) else { return };
            let mut keep = |level, message: String| {
                if kept.lines.len() == KEPT_LINES {
                    kept.lines.pop_front();
                }
                kept.lines.push_back(Line { at: now, extension: Arc::clone(extension), level, message });
            };
            if left_out > 0 {
                keep(Level::Warn, gap(left_out));
            }
            keep(level, message.to_owned());
            left_out
        };
        let (tenant, extension, message) = (&*self.tenant, &**extension, one_line(message));
        if left_out > 0 {
            tracing::warn!(tenant, extension, "{}", gap(left_out));
        }
        match level {
            Level::Debug => tracing::debug!(tenant, extension, "{message}"),
            Level::Info => tracing::info!(tenant, extension, "{message}"),
            Level::Warn | Level::Error => tracing::warn!(tenant, extension, "{message}"),
        }
    }

    /// Says that a call gave no answer, unless that was said too often.
    pub fn failed(&self, extension: &str, point: Point, error: &ExtensionError) {
        let Some(left_out) = self.failures.lock().take((self.clock)()) else { return };
        let (tenant, point, error) = (&*self.tenant, point.as_str(), error.to_string());
        if left_out > 0 {
            tracing::warn!(tenant, extension, "{}", gap(left_out));
        }
        tracing::warn!(tenant, extension, point, error = %one_line(&error), "an extension failed");
    }

    /// The newest lines, newest first, with how long ago each was written.
    pub fn newest(&self, count: usize) -> Vec<(Duration, Line)> {
        let now = (self.clock)();
        let kept = self.kept.lock();
        kept.lines.iter().rev().take(count).map(|line| (now.saturating_sub(line.at), line.clone())).collect()
    }
}

fn gap(lines: u64) -> String {
    format!("({lines} lines before this one were left out: at most {LINES_PER_SECOND} a second are kept)")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_flood_is_cut_and_said_to_be() {
        let seconds = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&seconds);
        let log = TenantLog::new("acme", Arc::new(move || Duration::from_secs(hand.load(Ordering::Relaxed))));
        let extension: Arc<str> = "x.rhai".into();
        for line in 0..10_000 {
            log.write(&extension, Level::Info, &line.to_string());
        }
        let newest = log.newest(1_000);
        assert_eq!((newest.len(), &*newest[0].1.message), (KEPT_LINES, "499"));
        seconds.store(2, Ordering::Relaxed);
        log.write(&extension, Level::Error, "again");
        let newest = log.newest(3);
        assert_eq!((&*newest[0].1.message, newest[0].1.level, newest[0].0), ("again", Level::Error, Duration::ZERO));
        assert!(newest[1].1.message.contains("(9500 lines"), "{newest:?}");
        assert_eq!(newest[2].0, Duration::from_secs(2));
        assert_eq!(log.newest(1_000).len(), KEPT_LINES, "the oldest went");
    }
}
