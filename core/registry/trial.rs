//! A trial under way: what is tried instead of what serves, and how it does.
//!
//! Counts only; who stops a trial that fails is the caller's affair.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    decision::{ChannelPolicy, MountedFill, MountedRule},
    domain::{Trial, TrialMode},
};

/// Calls before an error rate means anything.
pub const MIN_TRIAL_CALLS: u64 = 50;

/// After so many calls what was before counts half: a script that turns bad after a good day is not kept by that day. At
/// the smallest limit, of one in a hundred, ten failures tell.
const RECENT_CALLS: u64 = 1_000;

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

impl CompiledTrial {
    /// How the channel at this place of the manifest, which serves so, chooses with the tried scripts.
    pub fn policy(&self, at: usize, serving: &ChannelPolicy) -> Option<ChannelPolicy> {
        let (targeting, fill) = (self.targeting.clone(), self.fills.get(at)?.clone());
        Some(ChannelPolicy { targeting, fill, ..serving.clone() })
    }

    /// The versions of what is tried, by name: with another text it is another trial.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let rules = self.targeting.iter().map(|rule| (&rule.name, &rule.version));
        let fills = self.fills.iter().map(|fill| (&fill.name, &fill.version));
        let tried = |name: &String| self.trial.scripts.values().any(|tried| tried == name);
        let tried = rules.chain(fills).filter(|(name, _)| tried(name));
        tried.map(|(name, version)| (name.clone(), version.clone())).collect()
    }
}

/// How a tenant's trial does, over all its channels on this node.
#[derive(Default)]
pub struct TrialWatch {
    /// Of [`CompiledTrial::versions`].
    versions: BTreeMap<String, String>,
    calls: AtomicU64,
    errors: AtomicU64,
    /// The latest calls: how many in the upper half, how many failed in the lower. One number, so that they are of the
    /// same moment and nobody waits for a lock.
    recent: AtomicU64,
    decisions: AtomicU64,
    different: AtomicU64,
}

/// What a [`TrialWatch`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TrialFigures {
    /// Calls of tried scripts, and those that failed.
    pub calls: u64,
    pub errors: u64,
    /// The same of the latest, by which a trial ends.
    pub recent_calls: u64,
    pub recent_errors: u64,
    /// Decisions made with them; in shadow, those whose pod was another.
    pub decisions: u64,
    pub different: u64,
}

impl TrialWatch {
    pub(super) fn of(trial: &CompiledTrial) -> Self {
        Self { versions: trial.versions(), ..Self::default() }
    }

    /// Whether this is what is watched.
    pub(super) fn watches(&self, trial: &CompiledTrial) -> bool {
        self.versions == trial.versions()
    }

    pub fn decided(&self, calls: u64, errors: u64, different: bool) {
        self.calls.fetch_add(calls, Relaxed);
        self.errors.fetch_add(errors, Relaxed);
        // It never declines.
        let _was = self.recent.fetch_update(Relaxed, Relaxed, |recent| {
            let (known_calls, known_errors) = halves(recent);
            let share = if known_calls >= RECENT_CALLS { 2 } else { 1 };
            Some(joined(known_calls / share + calls, known_errors / share + errors))
        });
        self.decisions.fetch_add(1, Relaxed);
        self.different.fetch_add(u64::from(different), Relaxed);
    }

    pub fn figures(&self) -> TrialFigures {
        let (recent_calls, recent_errors) = halves(self.recent.load(Relaxed));
        TrialFigures {
            calls: self.calls.load(Relaxed),
            errors: self.errors.load(Relaxed),
            recent_calls,
            recent_errors,
            decisions: self.decisions.load(Relaxed),
            different: self.different.load(Relaxed),
        }
    }
}

/// Calls and failures out of one number, and back.
fn halves(recent: u64) -> (u64, u64) {
    (recent >> 32, recent & u64::from(u32::MAX))
}

fn joined(calls: u64, errors: u64) -> u64 {
    let half = |count: u64| count.min(u64::from(u32::MAX));
    half(calls) << 32 | half(errors)
}

impl TrialFigures {
    /// Whether more of the latest calls failed than the trial allows.
    pub fn failed(&self, trial: &Trial) -> bool {
        let Self { recent_calls, recent_errors, .. } = self;
        *recent_calls >= MIN_TRIAL_CALLS && recent_errors * 100 > recent_calls * u64::from(trial.max_error_percent)
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

    fn canary() -> Trial {
        Trial { scripts: Default::default(), mode: TrialMode::Canary, percent: 10, max_error_percent: 2 }
    }

    #[test]
    fn a_few_errors_prove_nothing_and_many_do() {
        let failed = |calls: u64, errors: u64| {
            let watch = TrialWatch::default();
            watch.decided(calls, errors, false);
            watch.figures().failed(&canary())
        };
        assert_eq!(
            [failed(49, 49), failed(50, 1), failed(50, 2), failed(1000, 20), failed(1000, 21)],
            [false, false, true, false, true]
        );
    }

    #[test]
    fn a_good_day_does_not_keep_a_script_that_turns_bad() {
        let watch = TrialWatch::default();
        for _ in 0..100_000 {
            watch.decided(10, 0, false);
        }
        assert!(!watch.figures().failed(&canary()));
        for _ in 0..3 {
            watch.decided(10, 10, false);
        }
        assert!(watch.figures().failed(&canary()), "{:?}", watch.figures());
        assert_eq!((watch.figures().calls, watch.figures().errors), (1_000_030, 30), "the whole is still told");
    }
}
