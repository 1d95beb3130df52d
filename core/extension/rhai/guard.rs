//! What one call may use, and how much it has used: operations, time, log lines.
//!
//! The count lives in the thread, not in the engine, because Rhai starts a fresh count for every callback of `map`,
//! `sort` and the like: counted here, a callback pays from the same purse as the script around it. Once the purse is
//! empty it stays empty, so a script that catches errors is stopped at its very next step.
//!
//! Knows nothing of scripts' content or of the four points.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, EvalAltResult, Position};

use crate::extension::{
    lane::rest,
    limits,
    load::Point,
    logs::{Level, TenantLog},
    said::cut,
};

/// The clock is read once in so many operations: reading costs about as much as a plain operation, and the dearest
/// single operation (copying a full array) takes some 50 µs, so a deadline is noticed within 1 ms.
const OPERATIONS_PER_CLOCK_READING: u64 = 16;

/// The most that counts of the time between two readings of the clock. No sixteen operations take as long, so what goes
/// beyond was spent waiting for a processor, and a busy machine must not make good scripts fail.
const LONGEST_STRETCH: Duration = Duration::from_millis(4);

/// One unit of budget pays for so many bytes or items handled inside a native function.
const WORK_PER_OPERATION: usize = 32;

/// What a call may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub deadline: Duration,
    pub operations: u64,
}

impl Budget {
    /// What a call at this point may use.
    pub fn of(point: Point) -> Self {
        let deadline = match point {
            Point::Detect => limits::DETECT_DEADLINE,
            Point::Sink => limits::SINK_DEADLINE,
            _ => limits::CALL_DEADLINE,
        };
        Self { deadline, operations: limits::MAX_OPERATIONS }
    }
}

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Deadline,
    Operations,
}

/// What a call has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub operations: u64,
    pub elapsed: Duration,
    pub stop: Option<Stop>,
}

/// Where a script's log lines go.
pub enum LogTarget {
    /// To its tenant's log.
    Tenant { log: Arc<TenantLog>, extension: Arc<str> },
    /// Kept for whoever runs the script by hand.
    Keep(Vec<String>),
}

impl Default for LogTarget {
    fn default() -> Self {
        Self::Keep(Vec::new())
    }
}

thread_local! {
    static METER: Meter = const { Meter::new() };
    static LOG: RefCell<Option<LogTarget>> = const { RefCell::new(None) };
}

struct Meter {
    active: Cell<bool>,
    used: Cell<u64>,
    next_reading: Cell<u64>,
    allowed: Cell<u64>,
    deadline: Cell<Duration>,
    spent: Cell<Duration>,
    last_reading: Cell<Option<Instant>>,
    stop: Cell<Option<Stop>>,
    log_lines: Cell<usize>,
}

impl Meter {
    const fn new() -> Self {
        Self {
            active: Cell::new(false),
            used: Cell::new(0),
            next_reading: Cell::new(0),
            allowed: Cell::new(0),
            deadline: Cell::new(Duration::ZERO),
            spent: Cell::new(Duration::ZERO),
            last_reading: Cell::new(None),
            stop: Cell::new(None),
            log_lines: Cell::new(0),
        }
    }

    #[inline]
    fn spend(&self, operations: u64) -> bool {
        let used = self.used.get().saturating_add(operations);
        self.used.set(used);
        if used < self.next_reading.get() && self.stop.get().is_none() {
            return true;
        }
        self.look(used)
    }

    #[cold]
    fn look(&self, used: u64) -> bool {
        if self.stop.get().is_some() || !self.active.get() {
            return false;
        }
        if used > self.allowed.get() {
            self.stop.set(Some(Stop::Operations));
            return false;
        }
        let now = Instant::now();
        let stretch = self.last_reading.replace(Some(now)).map_or(Duration::ZERO, |last| now - last);
        let spent = self.spent.get() + stretch.min(LONGEST_STRETCH);
        self.spent.set(spent);
        if spent >= self.deadline.get() {
            self.stop.set(Some(Stop::Deadline));
            return false;
        }
        self.next_reading.set(used.saturating_add(OPERATIONS_PER_CLOCK_READING).min(self.allowed.get() + 1));
        if rest() {
            // Does not count.
            self.last_reading.set(Some(Instant::now()));
        }
        true
    }
}

/// Ends the metered stretch even when the call unwinds.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        METER.with(|meter| meter.active.set(false));
    }
}

/// Runs `call` on this thread under `budget`. Scripts cannot run outside of this function: every step asks the meter,
/// and an idle meter says stop.
pub fn metered<R>(budget: Budget, log: LogTarget, call: impl FnOnce() -> R) -> (R, Usage, LogTarget) {
    let started = Instant::now();
    METER.with(|meter| {
        meter.used.set(0);
        meter.next_reading.set(0);
        meter.allowed.set(budget.operations);
        meter.deadline.set(budget.deadline);
        meter.spent.set(Duration::ZERO);
        meter.last_reading.set(Some(started));
        meter.stop.set(None);
        meter.log_lines.set(0);
        meter.active.set(true);
    });
    LOG.with(|target| *target.borrow_mut() = Some(log));
    let running = Running;
    let answer = call();
    drop(running);
    let usage =
        METER.with(|meter| Usage { operations: meter.used.get(), elapsed: started.elapsed(), stop: meter.stop.get() });
    let log = LOG.with(|target| target.borrow_mut().take()).unwrap_or_default();
    (answer, usage, log)
}

/// One step of a script; the answer, if any, ends it.
#[inline]
pub fn step() -> Option<Dynamic> {
    if METER.with(|meter| meter.spend(1)) { None } else { Some(Dynamic::UNIT) }
}

/// Pays, beforehand, for `items` (elements, bytes) that a native function is about to handle.
pub fn charge(items: usize) -> Result<(), Box<EvalAltResult>> {
    let operations = u64::try_from(items / WORK_PER_OPERATION).unwrap_or(u64::MAX).saturating_add(1);
    if METER.with(|meter| meter.spend(operations)) { Ok(()) } else { Err(stopped()) }
}

/// The error that ends a script whose purse is empty. Scripts cannot catch it.
pub fn stopped() -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE))
}

/// Writes one line of a script's log, shortened and limited in number.
pub fn log_line(message: &str) {
    let line = METER.with(|meter| {
        let line = meter.log_lines.get();
        meter.log_lines.set(line.saturating_add(1));
        line
    });
    if line > limits::MAX_LOG_LINES {
        return;
    }
    let message = if line == limits::MAX_LOG_LINES { "(further lines of this call are left out)" } else { message };
    let message = cut(message, limits::MAX_LOG_BYTES);
    LOG.with(|target| match &mut *target.borrow_mut() {
        Some(LogTarget::Tenant { log, extension }) => log.write(extension, Level::Info, &message),
        Some(LogTarget::Keep(lines)) => lines.push(message.into_owned()),
        None => {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{Allowance, Lane, lane::Lanes, monotonic, quota::Quota};

    #[tokio::test]
    async fn rests_in_the_slow_lane_do_not_count_as_running() {
        let budget = Budget { deadline: limits::CALL_DEADLINE, operations: u64::MAX / 2 };
        let until_stopped = move || metered(budget, LogTarget::default(), || while step().is_none() {}).1;
        let quota = Arc::new(Quota::new(Allowance::default(), monotonic()));
        quota.charge(Duration::from_secs(1));
        let lane = Lane::new(Arc::new(Lanes::new().expect("threads")), Some(quota));
        let usage = lane.run(until_stopped).await.expect("a thread");
        assert_eq!(usage.stop, Some(Stop::Deadline));
        // On a busy machine up to four milliseconds count between two rests.
        assert!(usage.elapsed >= budget.deadline * 6 / 5, "{usage:?}");
    }
}
