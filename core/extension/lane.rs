//! Where extensions run: off the async threads, each tenant's by itself in one of two lanes.
//!
//! Most run on the runtime's own blocking threads. Those of a tenant that lately used much run on few threads that yield
//! to everybody else: they get what nobody else wants, and rest as long as they run. A call that starves there is stopped
//! by its deadline, and the fallback answers, as ever. Knows no extension: work comes as a function that now and then asks
//! whether to rest, and the tenant's quota says who is heavy.

use std::{
    cell::Cell,
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Semaphore,
};

use super::quota::Quota;

/// How long work waits for a thread of the slow lane. A viewer's break does not wait longer either.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long a thread of the slow lane runs, and how long it then leaves its processor alone.
///
/// Yielding is not enough: where a processor has no pause at all, whoever wakes up finds it later than where it has some,
/// on any machine that shares its processors with others, and that alone made the slowest hundredth of all requests slower
/// by a fifth (`scripts/extensions_load.sh neighbour` has a phase that shows it).
const RUN: Duration = Duration::from_millis(1);
const REST: Duration = Duration::from_millis(1);

thread_local! {
    /// On a thread of the slow lane: since when it runs without a rest.
    static AWAKE_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whether the calling thread is one of the slow lane: what it holds, it may hold for long.
pub fn is_slow() -> bool {
    AWAKE_SINCE.get().is_some()
}

/// Asked by work that may last, at least once a millisecond: on a thread of the slow lane that has run for a while, rests.
/// Answers whether it did; other threads go on at once.
pub fn rest() -> bool {
    if AWAKE_SINCE.get().is_none_or(|since| since.elapsed() < RUN) {
        return false;
    }
    thread::sleep(REST);
    AWAKE_SINCE.set(Some(Instant::now()));
    true
}

/// Both lanes; one pair for the whole server.
pub struct Lanes {
    /// A runtime that nobody drives: only its blocking threads are used.
    slow: Option<Runtime>,
    turns: Arc<Semaphore>,
}

/// One tenant's way to them.
#[derive(Clone)]
pub struct Lane {
    lanes: Arc<Lanes>,
    /// Where there is none, nobody waits for others.
    quota: Option<Arc<Quota>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    #[error("no thread became free in time for a tenant that uses much")]
    NoTurn,
    #[error("it broke off")]
    BrokeOff,
}

impl Lanes {
    /// # Errors
    /// If the system gives nothing to make a runtime of.
    pub fn new() -> std::io::Result<Self> {
        // As many as there are processors: on an idle machine the slow lane is half as fast as the other.
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut slow = Builder::new_current_thread();
        slow.max_blocking_threads(threads).thread_name("slow-extensions").on_thread_start(|| {
            if let Err(error) = yield_to_all() {
                tracing::warn!(%error, "extensions of tenants that use much run beside all others");
            }
        });
        Ok(Self { slow: Some(slow.build()?), turns: Arc::new(Semaphore::new(threads)) })
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // Waits for nobody: whoever drops the last one may be async.
        if let Some(slow) = self.slow.take() {
            slow.shutdown_background();
        }
    }
}

impl Lane {
    pub fn new(lanes: Arc<Lanes>, quota: Option<Arc<Quota>>) -> Self {
        Self { lanes, quota }
    }

    /// Runs `work`, which calls this tenant's extensions, on a thread where it may block.
    ///
    /// # Errors
    /// [`NotRun`], also if `work` panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotRun> {
        let slow = self.lanes.slow.as_ref().filter(|_| self.quota.as_ref().is_some_and(|quota| quota.is_heavy()));
        let Some(slow) = slow else {
            return tokio::task::spawn_blocking(work).await.map_err(|_| NotRun::BrokeOff);
        };
        let turn = tokio::time::timeout(PATIENCE, self.lanes.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(NotRun::NoTurn) };
        let here = Handle::current();
        let done = slow.spawn_blocking(move || {
            // Held until the work ends, whether or not anybody still waits for it.
            let _turn = turn;
            AWAKE_SINCE.set(Some(Instant::now()));
            // What the work starts belongs to the runtime of whoever asked.
            let _inside = here.enter();
            work()
        });
        done.await.map_err(|_| NotRun::BrokeOff)
    }
}

/// Makes the calling thread one that runs only when no other wants to, and makes way at once when one does. A low priority
/// alone does not: it lets the thread finish its slice of some milliseconds. There may be no way back, so it is for threads
/// that do nothing else.
///
/// # Errors
/// The system's. Those other than Linux know priorities of processes only: there, nothing is done.
pub fn yield_to_all() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let no_priority = libc::sched_param { sched_priority: 0 };
        // SAFETY: 0 means this thread, and the parameter is read during the call only.
        if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const no_priority) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{Allowance, cpu::thread_time, monotonic};

    fn lane() -> (Lane, Arc<Quota>) {
        let quota = Arc::new(Quota::new(Allowance::default(), monotonic()));
        (Lane::new(Arc::new(Lanes::new().expect("a runtime")), Some(Arc::clone(&quota))), quota)
    }

    fn thread_name() -> Option<String> {
        thread::current().name().map(ToOwned::to_owned)
    }

    #[tokio::test]
    async fn who_uses_much_gets_the_threads_that_yield() {
        let (lane, quota) = lane();
        assert_ne!(lane.run(thread_name).await, Ok(Some("slow-extensions".to_owned())));
        quota.charge(Duration::from_secs(1));
        assert_eq!(lane.run(thread_name).await, Ok(Some("slow-extensions".to_owned())));
        #[cfg(target_os = "linux")]
        {
            // The 41st field of `stat` (proc_pid_stat(5)); names may have spaces, so they are counted from the name's end.
            let stat = || std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
            let stat = lane.run(stat).await.expect("it runs");
            let policy = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(38));
            assert_eq!(policy, Some(libc::SCHED_IDLE.to_string().as_str()), "{stat}");
        }
    }

    #[tokio::test]
    async fn the_slow_lane_rests_as_long_as_it_runs_and_nobody_else_does() {
        const LONG: Duration = Duration::from_millis(10);
        /// Has so much of a processor; answers how often it rested.
        fn working() -> u32 {
            let (began, mut rests) = (thread_time(), 0);
            while thread_time().saturating_sub(began) < LONG {
                rests += u32::from(rest());
            }
            rests
        }
        let (lane, quota) = lane();
        assert_eq!(lane.run(working).await, Ok(0));
        quota.charge(Duration::from_secs(1));
        let started = Instant::now();
        let rests = lane.run(working).await.expect("it runs");
        // More on a busy machine: what it waits for a processor counts as running.
        assert!(rests >= 8 && started.elapsed() >= LONG + REST * rests, "{rests}");
    }

    #[tokio::test]
    async fn what_is_started_in_the_slow_lane_runs_where_it_was_asked_for() {
        let (lane, quota) = lane();
        quota.charge(Duration::from_secs(1));
        let started = lane.run(|| tokio::spawn(async { 7 })).await.expect("it runs");
        assert_eq!(started.await.expect("it runs"), 7);
    }

    #[tokio::test]
    async fn the_slow_lane_is_not_waited_for_without_end() {
        let (lane, quota) = lane();
        quota.charge(Duration::from_secs(1));
        let all = u32::try_from(lane.lanes.turns.available_permits()).expect("few");
        let taken = lane.lanes.turns.acquire_many(all).await.expect("free");
        assert_eq!(lane.run(|| ()).await, Err(NotRun::NoTurn));
        drop(taken);
        assert_eq!(lane.run(|| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn work_that_panics_harms_nobody() {
        for heavy in [false, true] {
            let (lane, quota) = lane();
            if heavy {
                quota.charge(Duration::from_secs(1));
            }
            assert_eq!(lane.run(|| panic!("on purpose")).await, Err::<(), _>(NotRun::BrokeOff));
            assert_eq!(lane.run(|| 1).await, Ok(1));
        }
    }
}
