//! A circuit breaker: what failed often in a row is not asked for a while, then tried once.
//!
//! Knows time only through the clock it is given.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::limits::{BREAKER_COOL_DOWN, BREAKER_FAILURES};

/// Time since some fixed moment; never runs back.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The machine's monotonic clock.
pub fn monotonic() -> Monotonic {
    let start = Instant::now();
    Arc::new(move || start.elapsed())
}

pub struct Breaker {
    clock: Monotonic,
    /// In a row.
    failures: AtomicU32,
    /// When the next trial is allowed, in microseconds of `clock`. Only means something while open.
    retry_at: AtomicU64,
}

impl Breaker {
    pub fn new(clock: Monotonic) -> Self {
        Self { clock, failures: AtomicU32::new(0), retry_at: AtomicU64::new(0) }
    }

    /// May it be asked? If not: how often it has failed in a row.
    pub fn admit(&self) -> Result<(), u32> {
        let failures = self.failures.load(Ordering::Acquire);
        if failures < BREAKER_FAILURES {
            return Ok(());
        }
        let now = self.now();
        let retry_at = self.retry_at.load(Ordering::Acquire);
        // Whoever moves the date forward makes the one trial call; the others go on waiting.
        let trial = now >= retry_at
            && self.retry_at.compare_exchange(retry_at, after(now), Ordering::AcqRel, Ordering::Acquire).is_ok();
        if trial { Ok(()) } else { Err(failures) }
    }

    pub fn succeeded(&self) {
        // A store only when it changes something: calls on many threads share this line of memory.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Release);
        }
    }

    pub fn failed(&self) {
        self.retry_at.store(after(self.now()), Ordering::Release);
        let more = |failures: u32| Some(failures.saturating_add(1));
        let _ = self.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
    }

    pub fn is_open(&self) -> bool {
        self.failures.load(Ordering::Acquire) >= BREAKER_FAILURES
    }

    fn now(&self) -> u64 {
        micros((self.clock)())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn after(now: u64) -> u64 {
    now.saturating_add(micros(BREAKER_COOL_DOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand_clock() -> (Breaker, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&seconds);
        (Breaker::new(Arc::new(move || Duration::from_secs(hand.load(Ordering::Relaxed)))), seconds)
    }

    fn open(breaker: &Breaker) {
        for _ in 0..BREAKER_FAILURES {
            assert_eq!(breaker.admit(), Ok(()));
            breaker.failed();
        }
    }

    #[test]
    fn enough_failures_in_a_row_open_it() {
        let (breaker, _) = hand_clock();
        open(&breaker);
        assert_eq!(breaker.admit(), Err(BREAKER_FAILURES));
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let (breaker, _) = hand_clock();
        for _ in 0..3 {
            for _ in 1..BREAKER_FAILURES {
                breaker.failed();
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[test]
    fn after_the_cool_down_exactly_one_call_is_let_through() {
        let (breaker, seconds) = hand_clock();
        open(&breaker);
        seconds.store(BREAKER_COOL_DOWN.as_secs(), Ordering::Relaxed);
        assert_eq!([breaker.admit().is_ok(), breaker.admit().is_ok()], [true, false]);
    }

    #[test]
    fn the_trial_call_decides() {
        let (breaker, seconds) = hand_clock();
        open(&breaker);
        seconds.store(BREAKER_COOL_DOWN.as_secs(), Ordering::Relaxed);
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed();
        assert_eq!(breaker.admit(), Err(BREAKER_FAILURES + 1));
        seconds.store(2 * BREAKER_COOL_DOWN.as_secs(), Ordering::Relaxed);
        assert_eq!(breaker.admit(), Ok(()));
        breaker.succeeded();
        assert_eq!([breaker.admit(), breaker.admit()], [Ok(()), Ok(())]);
    }
}
