//! The journal on real disks and databases.

use std::fs;

use super::*;
use crate::{
    domain::{EventType, SystemClock},
    ledger::tests::ledger,
    store::{
        TenantScope,
        tests::{Fresh, event, on_each_database, store},
    },
};

impl Journal {
    /// One in a folder of its own.
    pub(crate) fn start(ledger: Arc<Ledger>, store: &Store) -> Arc<Self> {
        Self::start_with(ledger, store, u64::MAX, MAX_WAITING_BYTES)
    }

    fn start_with(ledger: Arc<Ledger>, store: &Store, max_bytes: u64, max_waiting: usize) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let parts =
            Parts { folder: folder.path(), max_bytes, random: 7, clock: &SystemClock, ledger, store: store.clone() };
        let mut journal = Self::build(parts, max_waiting).expect("opens");
        journal._folder = Some(folder);
        Arc::new(journal)
    }
}

fn scope() -> TenantScope {
    TenantScope::new("a".parse().expect("a slug"))
}

fn viewers(from: usize, to: usize) -> impl Iterator<Item = Event> {
    (from..to).map(|n| event("a", &format!("s{n}"), EventType::Start))
}

async fn counted(store: &Store) -> i64 {
    store.event_counts(&scope()).await.expect("counted").iter().map(|(_, count)| count).sum()
}

fn open(folder: &Path, store: &Store) -> io::Result<Arc<Journal>> {
    let ledger = ledger(store);
    Journal::open(Parts { folder, max_bytes: u64::MAX, random: 1, clock: &SystemClock, ledger, store: store.clone() })
}

#[tokio::test]
async fn recorded_events_are_carried_to_the_database_and_told_of() {
    let (_folder, store) = store().await;
    let journal = Journal::start(ledger(&store), &store);
    let mut live = journal.live();
    let mut head = journal.head(&"a".parse().expect("a slug"));
    let start = event("a", "s", EventType::Start);
    let recorded = journal.record(vec![start.clone(), start.clone()]).await.expect("recorded");
    assert_eq!(recorded, Recorded { new: 1, duplicate: 1 });
    journal.carried().await;
    assert_eq!(store.events_after(&scope(), 0, 9).await.expect("read").len(), 1);
    assert_eq!(*live.recv().await.expect("told"), start);
    head.changed().await.expect("told");
    assert_eq!(*head.borrow(), 1);
    assert_eq!(journal.record(vec![start]).await.expect("recorded"), Recorded { new: 0, duplicate: 1 });
    journal.carried().await;
    assert!(live.try_recv().is_err(), "a duplicate is no news");
    assert_eq!(journal.record(Vec::new()).await.expect("nothing to do"), Recorded::default());
}

#[tokio::test]
async fn each_caller_learns_its_own_outcome() {
    let (_folder, store) = store().await;
    let journal = Journal::start(ledger(&store), &store);
    let calls = (0..500).map(|n| journal.record(vec![event("a", &format!("s{}", n % 400), EventType::Start)]));
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    journal.carried().await;
    assert_eq!(counted(&store).await, 400, "what was under way twice is counted once");
}

#[tokio::test]
async fn an_overloaded_journal_says_so_at_once_and_a_full_one_too() {
    let (_folder, store) = store().await;
    let journal = Journal::start_with(ledger(&store), &store, u64::MAX, 100);
    let refused = journal.record(vec![event("a", "x", EventType::Start)]).await;
    assert!(matches!(refused, Err(JournalError::Overloaded)), "{refused:?}");
    let full = Journal::start_with(ledger(&store), &store, 10, MAX_WAITING_BYTES);
    full.record(viewers(0, 1).collect()).await.expect("room for one");
    let refused = full.record(viewers(1, 2).collect()).await;
    assert!(matches!(refused, Err(JournalError::Full { .. })), "{refused:?}");
    let refused = full.record(viewers(0, MAX_EVENTS_PER_INSERT + 1).collect()).await;
    assert!(matches!(refused, Err(JournalError::TooMany { count: 1_001 })));
}

#[tokio::test]
async fn shutdown_writes_what_was_queued_even_if_nobody_waits_and_then_refuses() {
    let (_folder, store) = store().await;
    let journal = Journal::start(ledger(&store), &store);
    for event in viewers(0, 1_500) {
        drop(journal.record(vec![event]));
    }
    journal.shutdown().await;
    assert_eq!(counted(&store).await, 1_500);
    let late = journal.record(viewers(2_000, 2_001).collect()).await;
    assert!(matches!(late, Err(JournalError::Closed)));
}

async fn what_a_killed_run_left_is_carried_by_the_next_one_once(fresh: Fresh) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = fresh.open().await;
    {
        let journal = open(folder.path(), &store).expect("opens");
        journal.record(viewers(0, 300).collect()).await.expect("recorded");
        journal.carried().await;
        // As if the process ended here: what comes now lies on the disk only.
        journal.carrier.lock().take().expect("runs").abort();
        for from in [300, 600, 900] {
            journal.record(viewers(from, from + 300).collect()).await.expect("recorded");
        }
    }
    assert!(counted(&store).await >= 300);
    // A write that broke off.
    let left = spool::segments(folder.path()).expect("listed");
    let mut torn = fs::read(left[0].path(folder.path())).expect("read");
    torn.extend_from_slice(b"CTJ1\x10\0\0\0");
    fs::write(left[0].path(folder.path()), torn).expect("written");
    let next = open(folder.path(), &store).expect("opens");
    next.record(viewers(1_100, 1_300).collect()).await.expect("recorded");
    next.carried().await;
    assert_eq!(counted(&store).await, 1_300);
    let left = spool::segments(folder.path()).expect("listed");
    assert!(left.iter().all(|file| file.run == next.shared.run), "{left:?}");
    assert_eq!(store.journal_position(&left[0].run).await.expect("read").map(|place| place.1), Some(200));
}

async fn a_viewer_is_erased_in_its_turn(fresh: Fresh) {
    let store = fresh.open().await;
    let journal = Journal::start(ledger(&store), &store);
    let tenant = "a".parse().expect("a slug");
    journal.record(viewers(0, 3).collect()).await.expect("recorded");
    journal.erase(&tenant, "theirs", [7; 32]).await.expect("on disk");
    journal.record(viewers(3, 5).collect()).await.expect("recorded");
    journal.carried().await;
    let events = store.events_after(&scope(), 0, 9).await.expect("read");
    let named: Vec<bool> = events.iter().map(|stored| stored.event.viewer.is_some()).collect();
    assert_eq!(named, [false, false, false, true, true]);
}

on_each_database!(what_a_killed_run_left_is_carried_by_the_next_one_once, a_viewer_is_erased_in_its_turn);

#[tokio::test]
async fn a_carrier_far_behind_reads_the_files_and_misses_nothing() {
    let (_folder, store) = store().await;
    let journal = Journal::start(ledger(&store), &store);
    // More than memory keeps, and over several frames.
    let calls = (0..80).map(|n| journal.record(viewers(n * 1_000, (n + 1) * 1_000).collect()));
    for outcome in futures_util::future::join_all(calls).await {
        outcome.expect("recorded");
    }
    journal.carried().await;
    assert_eq!(counted(&store).await, 80_000);
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_folder, store) = store().await;
    let first = open(folder.path(), &store).expect("free");
    let second = open(folder.path(), &store).err().expect("taken");
    assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    drop(first);
    open(folder.path(), &store).expect("free again");
}

#[tokio::test]
async fn a_failing_disk_is_reported_to_every_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_folder, store) = store().await;
    let journal = open(folder.path(), &store).expect("opens");
    fs::remove_dir_all(folder.path()).expect("gone");
    let outcome = journal.record(viewers(0, 1).collect()).await;
    assert!(matches!(outcome, Err(JournalError::Disk(_))), "{outcome:?}");
    fs::create_dir(folder.path()).expect("back");
    journal.record(viewers(0, 1).collect()).await.expect("recorded");
    journal.carried().await;
    assert_eq!(counted(&store).await, 1);
}
