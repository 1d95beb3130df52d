//! What the extensions of one tenant may use together: processor time, calls and memory. What we ship is not among them: it
//! has to answer when the quota is used up.
//!
//! The limits of single calls stop what runs too long; this stops what runs too often, so that a tenant whose extensions
//! are slow, but not slow enough to fail, takes its own share of the machine and nobody else's. Two buckets that fill
//! evenly and hold some seconds, for the rush when a break begins for everybody; and a small one, which tells who lately
//! used much ([`super::lane`]). Memory is no bucket: what the calls that run now have is added up, and nothing is saved.
//! Knows time only by the clock it is given.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use super::{ExtensionError, breaker::Monotonic};

/// How many seconds' worth is saved up. All viewers of a channel meet a break within some seconds.
const SAVED_SECONDS: u32 = 20;

/// Who uses more than a fifth of what it may, on average, is heavy.
const LIGHT_SHARE: i64 = 5;

/// How many seconds' worth of that may come at once: five calls that use all their time.
const LIGHT_SECONDS: i64 = 1;

/// Who was heavy is light again after so many seconds without a call, and after fewer if it used little.
const FORGIVEN_SECONDS: i64 = 5;

/// What a tenant gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of a hundred: 50 is half of one processor.
    pub cpu_percent: u32,
    pub calls_per_second: u32,
    /// Of plugins: all that run at the same time.
    pub memory_mib: u32,
}

/// A tenant has four decisions at a time, one detector a channel and one call a sink. That is eight plugins in JavaScript or
/// 32 in a compiled language with all that one call may have, and two that claim Python's limit and use it.
pub const MEMORY_MIB: u32 = 512;

impl Default for Allowance {
    /// Some 250 decisions a second with a script of 2 ms, ten times as many for those who come together.
    fn default() -> Self {
        Self { cpu_percent: 50, calls_per_second: 5_000, memory_mib: MEMORY_MIB }
    }
}

pub struct Quota {
    clock: Monotonic,
    allowance: Allowance,
    /// Taken by the threads that call extensions only: those of the slow lane may hold it for as long as others want the
    /// processor.
    left: Mutex<Left>,
    /// Until when it is heavy, in nanoseconds of `clock`. Apart, for those who may not wait.
    heavy_until: AtomicU64,
    /// Bytes that the calls that run now have.
    memory: AtomicUsize,
}

struct Left {
    at: Duration,
    /// Nanoseconds. May be overdrawn by the calls that run: what they cost is known when they end.
    cpu: i64,
    /// Billionths, so that short waits count too.
    calls: i64,
    /// Nanoseconds until it is heavy.
    light: i64,
}

/// Bytes in one of memory's units.
const MIB: usize = 1024 * 1024;

/// Billionths in one.
const UNIT: i64 = 1_000_000_000;

impl Quota {
    pub fn new(allowance: Allowance, clock: Monotonic) -> Self {
        let left = Mutex::new(Left {
            at: clock(),
            cpu: most_cpu(allowance),
            calls: most_calls(allowance),
            light: LIGHT_SECONDS * light(allowance),
        });
        Self { clock, allowance, left, heavy_until: AtomicU64::new(0), memory: AtomicUsize::new(0) }
    }

    /// May another call be made? Takes it from the calls if so.
    ///
    /// # Errors
    /// [`ExtensionError::Quota`], with what is used up.
    pub fn admit(&self, path: &str) -> Result<(), ExtensionError> {
        let refused = |what: String| Err(ExtensionError::Quota { path: path.to_owned(), what });
        let mut left = self.left.lock();
        self.refill(&mut left);
        let Allowance { cpu_percent, calls_per_second, .. } = self.allowance;
        if left.cpu <= 0 {
            return refused(format!("{cpu_percent} % of a processor"));
        }
        if left.calls < UNIT {
            return refused(format!("{calls_per_second} calls a second"));
        }
        left.calls -= UNIT;
        Ok(())
    }

    /// What a call has cost.
    pub fn charge(&self, cpu: Duration) {
        let cost = i64::try_from(cpu.as_nanos()).unwrap_or(i64::MAX);
        let mut left = self.left.lock();
        self.refill(&mut left);
        left.cpu = left.cpu.saturating_sub(cost);
        left.light = left.light.saturating_sub(cost).max(-FORGIVEN_SECONDS * light(self.allowance));
        self.heavy_until.store(until_light(&left, self.allowance), Ordering::Relaxed);
    }

    /// Has it lately used so much that others go first? Waits for nobody: async threads ask.
    pub fn is_heavy(&self) -> bool {
        nanos((self.clock)()) < self.heavy_until.load(Ordering::Relaxed)
    }

    /// Takes so much more memory for a call that runs; false, and nothing taken, where it is not to be had.
    pub fn take_memory(&self, bytes: usize) -> bool {
        let most = usize::try_from(self.allowance.memory_mib).unwrap_or(usize::MAX).saturating_mul(MIB);
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= most);
        self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// What was taken, when its call has ended.
    pub fn give_memory_back(&self, bytes: usize) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that the calls that run now have.
    pub fn memory_taken(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// The error for who was refused memory.
    pub fn out_of_memory(&self, path: &str) -> ExtensionError {
        let what = format!("{} MiB of memory (memory_mib_per_tenant)", self.allowance.memory_mib);
        ExtensionError::Quota { path: path.to_owned(), what }
    }

    fn refill(&self, left: &mut Left) {
        let now = (self.clock)();
        let passed = i64::try_from(now.saturating_sub(left.at).as_nanos()).unwrap_or(i64::MAX);
        left.at = now;
        let Allowance { cpu_percent, calls_per_second, .. } = self.allowance;
        let cpu = passed / 100 * i64::from(cpu_percent);
        left.cpu = left.cpu.saturating_add(cpu).min(most_cpu(self.allowance));
        left.calls = left
            .calls
            .saturating_add(passed.saturating_mul(i64::from(calls_per_second)))
            .min(most_calls(self.allowance));
        left.light = left.light.saturating_add(cpu / LIGHT_SHARE).min(LIGHT_SECONDS * light(self.allowance));
    }
}

fn most_cpu(allowance: Allowance) -> i64 {
    UNIT / 100 * i64::from(allowance.cpu_percent) * i64::from(SAVED_SECONDS)
}

/// When it will be light again if it makes no call; long ago if it is.
fn until_light(left: &Left, allowance: Allowance) -> u64 {
    let Ok(missing) = u64::try_from(1_i64.saturating_sub(left.light)) else { return 0 };
    if missing == 0 {
        return 0;
    }
    // What a nanosecond gives back is this share of one.
    let share = u64::from(allowance.cpu_percent).max(1);
    nanos(left.at).saturating_add(missing.saturating_mul(100 * LIGHT_SHARE.unsigned_abs()).div_ceil(share))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A second's worth.
fn light(allowance: Allowance) -> i64 {
    UNIT / 100 * i64::from(allowance.cpu_percent) / LIGHT_SHARE
}

fn most_calls(allowance: Allowance) -> i64 {
    UNIT * i64::from(allowance.calls_per_second) * i64::from(SAVED_SECONDS)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    fn hand_clock(allowance: Allowance) -> (Quota, Arc<AtomicU64>) {
        let millis = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&millis);
        (Quota::new(allowance, Arc::new(move || Duration::from_millis(hand.load(Ordering::Relaxed)))), millis)
    }

    #[test]
    fn slow_calls_get_their_share_of_a_processor_and_no_more() {
        let (quota, millis) =
            hand_clock(Allowance { cpu_percent: 50, calls_per_second: 1_000_000, ..Allowance::default() });
        // 15 ms each, as fast as it may, for a hundred seconds.
        let mut used = Duration::ZERO;
        for _ in 0..100_000 {
            if quota.admit("x").is_ok() {
                quota.charge(Duration::from_millis(15));
                used += Duration::from_millis(15);
            }
            millis.fetch_add(1, Ordering::Relaxed);
        }
        let most = Duration::from_secs(50 + u64::from(SAVED_SECONDS) / 2);
        assert!(used <= most + Duration::from_millis(15) && used >= most - Duration::from_secs(1), "{used:?}");
    }

    #[test]
    fn many_calls_get_their_number_and_no_more() {
        let (quota, millis) = hand_clock(Allowance { cpu_percent: 100, calls_per_second: 10, ..Allowance::default() });
        let granted = |calls: usize| (0..calls).filter(|_| quota.admit("x").is_ok()).count();
        assert_eq!(granted(1_000), 10 * SAVED_SECONDS as usize);
        millis.fetch_add(100, Ordering::Relaxed);
        assert_eq!(granted(10), 1);
        millis.fetch_add(1_000_000, Ordering::Relaxed);
        assert_eq!(granted(1_000), 10 * SAVED_SECONDS as usize, "only so much is saved up");
    }

    #[test]
    fn heavy_is_who_uses_much_and_not_for_ever() {
        let (quota, millis) = hand_clock(Allowance::default());
        let called = |cost: u64, every: u64, calls: u64| {
            for _ in 0..calls {
                quota.charge(Duration::from_millis(cost));
                millis.fetch_add(every, Ordering::Relaxed);
            }
            quota.is_heavy()
        };
        assert!(!called(1, 11, 10_000), "a tenth of a processor is little");
        assert!(!called(19, 0, 5), "so are some slow calls");
        assert!(called(19, 0, 1));
        assert!(called(1, 9, 10_000), "more than a tenth is much");
        assert!(called(19, 100, 1_000));
        assert!(!called(0, 1, 6_000), "it is forgotten");
    }

    #[test]
    fn who_is_heavy_is_known_without_waiting_for_a_thread_that_runs_when_nobody_else_does() {
        let (quota, _) = hand_clock(Allowance::default());
        quota.charge(Duration::from_secs(1));
        // As a thread of the slow lane may hold it, for as long as the machine is busy.
        let held = quota.left.lock();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| tell.send(quota.is_heavy()));
            let known = told.recv_timeout(Duration::from_secs(10));
            drop(held);
            assert_eq!(known, Ok(true));
        });
    }

    #[test]
    fn the_error_says_what_is_used_up() {
        let (quota, _) = hand_clock(Allowance::default());
        quota.charge(Duration::from_secs(3_600));
        let error = quota.admit("plugins/x.wasm").expect_err("nothing is left");
        assert_eq!(error.kind(), "quota");
        assert!(error.to_string().contains("50 % of a processor"), "{error}");
    }
}
