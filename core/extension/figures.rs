//! How one version of an extension does: calls, failures by kind, how long calls take, what they use.
//!
//! For the tenant, by the admin API, and for the operator in `/metrics` ([`super::exposition`]). Counts since the
//! version was first loaded on this node, over reloads.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;

/// Steps of the histogram: four to a doubling, from a microsecond to half a minute. A quantile is at most 19 % above what
/// it stands for.
const STEPS: usize = 100;
pub const STEPS_PER_DOUBLING: f64 = 4.0;

/// Kinds of failures, as [`super::ExtensionError::kind`] names them.
const KINDS: [&str; 10] =
    ["compile", "runtime", "trap", "deadline", "limit", "answer", "panic", "circuit_open", "quota", "busy"];

pub struct Figures {
    answered: AtomicU64,
    failed: [AtomicU64; KINDS.len()],
    /// Calls by how long they took.
    took: [AtomicU64; STEPS],
    took_nanos: AtomicU64,
    cpu_nanos: AtomicU64,
    peak_memory_bytes: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            answered: AtomicU64::new(0),
            failed: [const { AtomicU64::new(0) }; KINDS.len()],
            took: [const { AtomicU64::new(0) }; STEPS],
            took_nanos: AtomicU64::new(0),
            cpu_nanos: AtomicU64::new(0),
            peak_memory_bytes: AtomicU64::new(0),
        }
    }
}

/// All that [`Figures`] counted, as it is now.
#[derive(Clone, Debug)]
pub struct Totals {
    pub answered: u64,
    /// Failures by kind; those that did not happen are left out.
    pub errors: Vec<(&'static str, u64)>,
    /// Calls by how long they took, in steps of a quarter of a doubling from a microsecond on.
    pub took: [u64; STEPS],
    pub took_nanos: u64,
    pub cpu_nanos: u64,
    /// The most that one call had; 0 for scripts, whose memory is not counted.
    pub peak_memory_bytes: u64,
}

/// What [`Figures`] have seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Calls that were made, and those that were refused while the breaker was open or the quota used up.
    pub calls: u64,
    pub answered: u64,
    /// Each was answered by the fallback of its point.
    pub failed: u64,
    /// Failures by kind; those that did not happen are left out.
    pub errors: std::collections::BTreeMap<&'static str, u64>,
    /// Microseconds of calls that were made; null before the first.
    pub p50_microseconds: Option<u64>,
    pub p99_microseconds: Option<u64>,
    pub cpu_seconds: f64,
    /// The most that one call had; 0 for scripts, whose memory is not counted.
    pub peak_memory_bytes: u64,
}

impl Figures {
    pub fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    pub fn failed(&self, kind: &str) {
        if let Some(count) = KINDS.iter().position(|known| *known == kind).and_then(|at| self.failed.get(at)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A call that was made, whatever came of it.
    pub fn made(&self, took: Duration, cpu: Duration) {
        if let Some(count) = self.took.get(step(took)) {
            count.fetch_add(1, Relaxed);
        }
        self.took_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.cpu_nanos.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub fn used_memory(&self, bytes: usize) {
        self.peak_memory_bytes.fetch_max(bytes as u64, Relaxed);
    }

    pub fn totals(&self) -> Totals {
        let errors = KINDS.into_iter().zip(self.failed.iter().map(|count| count.load(Relaxed)));
        Totals {
            answered: self.answered.load(Relaxed),
            errors: errors.filter(|(_, count)| *count > 0).collect(),
            took: std::array::from_fn(|step| self.took.get(step).map_or(0, |count| count.load(Relaxed))),
            took_nanos: self.took_nanos.load(Relaxed),
            cpu_nanos: self.cpu_nanos.load(Relaxed),
            peak_memory_bytes: self.peak_memory_bytes.load(Relaxed),
        }
    }
}

impl Totals {
    /// In short, for the tenant.
    pub fn seen(&self) -> Seen {
        let failed = self.errors.iter().map(|(_, count)| count).sum();
        Seen {
            calls: self.answered + failed,
            answered: self.answered,
            failed,
            errors: self.errors.iter().copied().collect(),
            p50_microseconds: quantile(&self.took, 50),
            p99_microseconds: quantile(&self.took, 99),
            cpu_seconds: Duration::from_nanos(self.cpu_nanos).as_secs_f64(),
            peak_memory_bytes: self.peak_memory_bytes,
        }
    }
}

fn step(took: Duration) -> usize {
    let micros = took.as_nanos() as f64 / 1_000.0;
    if micros <= 1.0 { 0 } else { ((micros.log2() * STEPS_PER_DOUBLING).ceil() as usize).min(STEPS - 1) }
}

/// The upper end of the step in which so many percent of the calls are.
fn quantile(took: &[u64], percent: u64) -> Option<u64> {
    let total: u64 = took.iter().sum();
    let wanted = (total * percent).div_ceil(100);
    let mut below = 0;
    let at = took.iter().position(|count| {
        below += count;
        total > 0 && below >= wanted
    })?;
    Some((at as f64 / STEPS_PER_DOUBLING).exp2().round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_and_never_below() {
        let figures = Figures::default();
        assert_eq!(figures.totals().seen().p50_microseconds, None);
        for micros in 1..=1_000 {
            figures.made(Duration::from_micros(micros), Duration::from_micros(micros));
            figures.answered();
        }
        let seen = figures.totals().seen();
        let near =
            |found: Option<u64>, exact: u64| found.is_some_and(|found| (exact..=exact * 119 / 100).contains(&found));
        assert!(near(seen.p50_microseconds, 500) && near(seen.p99_microseconds, 990), "{seen:?}");
        assert_eq!((seen.calls, seen.failed), (1_000, 0));
        assert!((seen.cpu_seconds - 0.5005).abs() < 1e-9);
    }

    #[test]
    fn failures_are_told_apart() {
        let figures = Figures::default();
        for kind in ["trap", "deadline", "trap", "quota"] {
            figures.failed(kind);
        }
        figures.used_memory(10);
        figures.used_memory(5);
        let seen = figures.totals().seen();
        assert_eq!(
            serde_json::to_value(&seen.errors).expect("JSON"),
            serde_json::json!({"deadline": 1, "quota": 1, "trap": 2})
        );
        assert_eq!((seen.calls, seen.answered, seen.peak_memory_bytes), (4, 0, 10));
    }
}
