//! A trial under way: what is tried instead of what serves, and how it does.
//!
//! Counts only; who stops a trial that fails is the caller's affair.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    decision::{ChannelPolicy, MountedFill, MountedRule},
    domain::{Trial, TrialMode},
};

/// Calls before an error rate means anything.
pub const MIN_TRIAL_CALLS: u64 = 50;

/// Compiled and tried scripts of a trial.
#[derive(Clone)]
pub struct CompiledTrial {
    pub trial: Trial,
    pub targeting: Arc<[MountedRule]>,
    /// By the channel's place in the manifest; the serving one where nothing is tried.
    pub fills: Vec<MountedFill>,
}

/// One channel's policy with the tried scripts in their places.
pub struct TrialRuntime {
    pub trial: Trial,
    pub policy: ChannelPolicy,
    pub watch: Arc<TrialWatch>,
}

/// How a tenant's trial does, over all its channels on this node.
#[derive(Default)]
pub struct TrialWatch {
    calls: AtomicU64,
    errors: AtomicU64,
    decisions: AtomicU64,
    different: AtomicU64,
}

/// What a [`TrialWatch`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TrialFigures {
    /// Calls of tried scripts, and those that failed.
    pub calls: u64,
    pub errors: u64,
    /// Decisions made with them; in shadow, those whose pod was another.
    pub decisions: u64,
    pub different: u64,
}

impl TrialWatch {
    pub fn decided(&self, calls: u64, errors: u64, different: bool) {
        self.calls.fetch_add(calls, Relaxed);
        self.errors.fetch_add(errors, Relaxed);
        self.decisions.fetch_add(1, Relaxed);
        self.different.fetch_add(u64::from(different), Relaxed);
    }

    pub fn figures(&self) -> TrialFigures {
        TrialFigures {
            calls: self.calls.load(Relaxed),
            errors: self.errors.load(Relaxed),
            decisions: self.decisions.load(Relaxed),
            different: self.different.load(Relaxed),
        }
    }
}

impl TrialFigures {
    /// Whether more calls failed than the trial allows.
    pub fn failed(&self, trial: &Trial) -> bool {
        self.calls >= MIN_TRIAL_CALLS && self.errors * 100 > self.calls * u64::from(trial.max_error_percent)
    }
}

impl TrialRuntime {
    /// Whether this session is on the tried side: always the same answer for a session.
    pub fn decides_for(&self, session: &str) -> bool {
        self.trial.mode == TrialMode::Canary && side(session) < u64::from(self.trial.percent)
    }

    /// Whether the tried scripts decide beside the serving ones for this session.
    pub fn shadows(&self, session: &str) -> bool {
        self.trial.mode == TrialMode::Shadow && side(session) < u64::from(self.trial.percent)
    }

    /// Whether a script of a trace is one of those that are tried.
    pub fn tries(&self, name: &str) -> bool {
        self.trial.scripts.values().any(|tried| tried == name)
    }
}

/// 0–99 by the session's random name, the same on every node (FNV-1a).
fn side(session: &str) -> u64 {
    session
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
        % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_sessions_is_on_the_tried_side_and_stays_there() {
        let tried = (0..10_000_u64).filter(|n| side(&format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))) < 20);
        let count = tried.count();
        assert!((1_800..=2_200).contains(&count), "{count}");
    }

    #[test]
    fn a_few_errors_prove_nothing_and_many_do() {
        let trial = Trial { scripts: Default::default(), mode: TrialMode::Canary, percent: 10, max_error_percent: 2 };
        let figures = |calls, errors| TrialFigures { calls, errors, decisions: calls, different: 0 }.failed(&trial);
        assert_eq!(
            [figures(49, 49), figures(50, 1), figures(50, 2), figures(1000, 20), figures(1000, 21)],
            [false, false, true, false, true]
        );
    }
}
