//! What extensions log: to the server's log, labelled, and kept for their tenant, the newest lines of each.
//!
//! Bounded in number and in rate, so that an extension that logs without end costs nobody anything. Knows time only by the
//! clock it is given; what is kept is lost with the process.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::Serialize;

use super::breaker::Monotonic;

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
}

struct Kept {
    lines: VecDeque<Line>,
    /// Lines that may be written now, in millionths of a line.
    allowed: u64,
    at: Duration,
    left_out: u64,
}

const MILLION: u64 = 1_000_000;

impl TenantLog {
    pub fn new(tenant: &str, clock: Monotonic) -> Self {
        let allowed = u64::from(SAVED_LINES) * MILLION;
        let kept = Kept { lines: VecDeque::new(), allowed, at: clock(), left_out: 0 };
        Self { tenant: tenant.to_owned(), clock, kept: Mutex::new(kept) }
    }

    /// Writes a line, unless there were too many.
    pub fn write(&self, extension: &Arc<str>, level: Level, message: &str) {
        let left_out = {
            let mut kept = self.kept.lock();
            let now = (self.clock)();
            let passed = u64::try_from(now.saturating_sub(kept.at).as_micros()).unwrap_or(u64::MAX);
            kept.at = now;
            let refilled = kept.allowed.saturating_add(passed.saturating_mul(u64::from(LINES_PER_SECOND)));
            kept.allowed = refilled.min(u64::from(SAVED_LINES) * MILLION);
            if kept.allowed < MILLION {
                kept.left_out += 1;
                return;
            }
            kept.allowed -= MILLION;
            let left_out = std::mem::take(&mut kept.left_out);
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
        let (tenant, extension) = (&*self.tenant, &**extension);
        if left_out > 0 {
            tracing::warn!(tenant, extension, "{}", gap(left_out));
        }
        match level {
            Level::Debug => tracing::debug!(tenant, extension, "{message}"),
            Level::Info => tracing::info!(tenant, extension, "{message}"),
            Level::Warn | Level::Error => tracing::warn!(tenant, extension, "{message}"),
        }
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
