//! The durable journal: one writer, group commit.
//!
//! [`Journal::record`] resolves when its events are on disk. Events wait for each other for at most [`GATHER`], so that
//! one sync of the disk serves many viewers. The queue is bounded: past its limit `record` says so at once instead of
//! making players wait. What an event costs is the [`Ledger`]'s business. Knows no HTTP and no sinks; it only tells who
//! asked that there is something new.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    domain::{Event, Money, Slug},
    ledger::Ledger,
    store::{Inserted, MAX_EVENTS_PER_INSERT, StoreError},
};

/// How long the first event of a group waits for company: far below what a player notices.
pub const GATHER: Duration = Duration::from_millis(5);

/// Events waiting for the disk, at most. At 10,000 events a second, two seconds: later answers are of no use.
pub const MAX_WAITING_EVENTS: usize = 20_000;

/// Events kept for a slow listener of the live feed before it loses the oldest.
const LIVE_FEED_EVENTS: usize = 1_024;

#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal is overloaded: {MAX_WAITING_EVENTS} events are waiting for the disk")]
    Overloaded,
    #[error("one call may record {MAX_EVENTS_PER_INSERT} events, not {count}")]
    TooMany { count: usize },
    #[error("the server is shutting down")]
    Closed,
    #[error("the events could not be written: {0}")]
    Store(Arc<StoreError>),
}

impl JournalError {
    /// A short, stable name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::TooMany { .. } => "too_many",
            Self::Closed => "closed",
            Self::Store(_) => "store",
        }
    }
}

/// What became of recorded events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Counted now.
    pub new: usize,
    /// Had been counted before.
    pub duplicate: usize,
}

struct Entry {
    events: Vec<Event>,
    reply: oneshot::Sender<Result<Recorded, JournalError>>,
    /// Room in the queue, given back when the events are on disk.
    _room: OwnedSemaphorePermit,
}

pub struct Journal {
    /// `None` once shut down.
    queue: RwLock<Option<mpsc::Sender<Entry>>>,
    room: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
    news: Arc<News>,
}

/// Who wants to hear of committed events.
struct News {
    live: broadcast::Sender<Arc<Event>>,
    heads: Mutex<HashMap<Slug, watch::Sender<i64>>>,
    commits: AtomicU64,
}

impl Journal {
    /// Starts the writer on the current runtime.
    pub fn start(ledger: Arc<Ledger>) -> Arc<Self> {
        Self::start_with_room(ledger, MAX_WAITING_EVENTS)
    }

    fn start_with_room(ledger: Arc<Ledger>, room: usize) -> Arc<Self> {
        // Every entry holds at least one permit of `room`: the channel itself is never full.
        let (sender, receiver) = mpsc::channel(room);
        let news = Arc::new(News {
            live: broadcast::channel(LIVE_FEED_EVENTS).0,
            heads: Mutex::default(),
            commits: AtomicU64::new(0),
        });
        let writer = tokio::spawn(write(ledger, receiver, news.clone()));
        Arc::new(Self {
            queue: RwLock::new(Some(sender)),
            room: Arc::new(Semaphore::new(room)),
            writer: Mutex::new(Some(writer)),
            news,
        })
    }

    /// Queues events now; the future resolves when they are on disk. Dropping the future does not take them back.
    pub fn record(&self, events: Vec<Event>) -> impl Future<Output = Result<Recorded, JournalError>> + Send + use<> {
        let queued = self.enqueue(events);
        if let Err(Some(error)) = &queued {
            metrics::counter!("cuetone_journal_refused_total", "reason" => error.kind()).increment(1);
        }
        async move {
            match queued {
                Ok(reply) => reply.await.unwrap_or(Err(JournalError::Closed)),
                Err(None) => Ok(Recorded::default()),
                Err(Some(error)) => Err(error),
            }
        }
    }

    /// Committed new events as they happen. A listener that falls behind loses the oldest and is told how many.
    pub fn live(&self) -> broadcast::Receiver<Arc<Event>> {
        self.news.live.subscribe()
    }

    /// The id of the tenant's newest event that this process committed: a wake-up call, not a count.
    pub fn head(&self, tenant: &Slug) -> watch::Receiver<i64> {
        let mut heads = self.news.heads.lock();
        heads.entry(tenant.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Transactions so far: fewer than calls of [`Self::record`] as soon as callers share them.
    pub fn commits(&self) -> u64 {
        self.news.commits.load(Ordering::Relaxed)
    }

    /// Takes no more events and waits until those queued are on disk.
    pub async fn shutdown(&self) {
        drop(self.queue.write().take());
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the journal's writer ended badly");
        }
    }

    /// `Err(None)`: there is nothing to write.
    fn enqueue(
        &self,
        events: Vec<Event>,
    ) -> Result<oneshot::Receiver<Result<Recorded, JournalError>>, Option<JournalError>> {
        let count = events.len();
        if count == 0 {
            return Err(None);
        }
        if count > MAX_EVENTS_PER_INSERT {
            return Err(Some(JournalError::TooMany { count }));
        }
        let queue = self.queue.read();
        let queue = queue.as_ref().ok_or(Some(JournalError::Closed))?;
        let wanted = u32::try_from(count).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(wanted).map_err(|_| Some(JournalError::Overloaded))?;
        let (reply, answer) = oneshot::channel();
        queue.try_send(Entry { events, reply, _room: room }).map_err(|refused| {
            Some(match refused {
                mpsc::error::TrySendError::Full(_) => JournalError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => JournalError::Closed,
            })
        })?;
        Ok(answer)
    }
}

async fn write(ledger: Arc<Ledger>, mut queue: mpsc::Receiver<Entry>, news: Arc<News>) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(entry) => entry,
            None => match queue.recv().await {
                Some(entry) => entry,
                None => return,
            },
        };
        let mut count = first.events.len();
        let mut group = vec![first];
        let until = Instant::now() + GATHER;
        while count < MAX_EVENTS_PER_INSERT {
            let Ok(Some(entry)) = tokio::time::timeout_at(until, queue.recv()).await else { break };
            count += entry.events.len();
            if count > MAX_EVENTS_PER_INSERT {
                // One group is one transaction: this one opens the next.
                next = Some(entry);
                break;
            }
            group.push(entry);
        }
        commit(&ledger, group, &news).await;
    }
}

async fn commit(ledger: &Ledger, group: Vec<Entry>, news: &News) {
    let begun = Instant::now();
    let mut events = Vec::with_capacity(group.iter().map(|entry| entry.events.len()).sum());
    let mut waiting = Vec::with_capacity(group.len());
    for Entry { events: mut own, reply, _room } in group {
        waiting.push((own.len(), reply, _room));
        events.append(&mut own);
    }
    let Inserted { counted, alerts, .. } = match ledger.record(&events).await {
        Ok(inserted) => inserted,
        Err(error) => {
            tracing::error!(%error, events = events.len(), "events could not be written to the journal");
            metrics::counter!("cuetone_journal_refused_total", "reason" => "store").increment(waiting.len() as u64);
            let error = Arc::new(error);
            for (_, reply, _) in waiting {
                let _gone = reply.send(Err(JournalError::Store(error.clone())));
            }
            return;
        }
    };
    news.commits.fetch_add(1, Ordering::Relaxed);
    metrics::histogram!("cuetone_journal_commit_seconds").record(begun.elapsed().as_secs_f64());
    let mut rest = counted.as_slice();
    for (count, reply, _room) in waiting {
        let (own, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = after;
        let new = own.iter().flatten().count();
        // The caller may have gone; its events count all the same.
        let _gone = reply.send(Ok(Recorded { new, duplicate: count - new }));
    }
    let mut new: Vec<(i64, Event)> = Vec::with_capacity(counted.len() + alerts.len());
    for (counted, event) in counted.iter().zip(events) {
        let Some(counted) = counted else { continue };
        if event.is_billable() && counted.price == Money::ZERO && event.price != Money::ZERO {
            metrics::counter!("cuetone_impressions_unbilled_total", "tenant" => event.tenant.to_string()).increment(1);
        }
        new.push((counted.id, Event { price: counted.price, ..event }));
    }
    metrics::counter!("cuetone_journal_events_total", "outcome" => "new").increment(new.len() as u64);
    metrics::counter!("cuetone_journal_events_total", "outcome" => "duplicate")
        .increment((counted.len() - new.len()) as u64);
    new.extend(alerts.into_iter().map(|alert| (alert.id, alert.event)));
    news.tell(new);
}

impl News {
    fn tell(&self, new: Vec<(i64, Event)>) {
        let mut newest: HashMap<&Slug, i64> = HashMap::new();
        for (id, event) in &new {
            newest.insert(&event.tenant, *id);
        }
        let heads = self.heads.lock();
        for (tenant, id) in newest {
            if let Some(head) = heads.get(tenant) {
                head.send_replace(id);
            }
        }
        drop(heads);
        if self.live.receiver_count() > 0 {
            for (_, event) in new {
                let _nobody = self.live.send(Arc::new(event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::EventType,
        ledger::tests::ledger,
        store::{
            TenantScope,
            tests::{event, store},
        },
    };

    fn scope() -> TenantScope {
        TenantScope::new("a".parse().expect("a slug"))
    }

    #[tokio::test]
    async fn recorded_events_are_readable_when_the_future_resolves() {
        let (_folder, store) = store().await;
        let journal = Journal::start(ledger(&store));
        let mut live = journal.live();
        let mut head = journal.head(&"a".parse().expect("a slug"));
        let start = event("a", "s", EventType::Start);
        let recorded = journal.record(vec![start.clone(), start.clone()]).await.expect("recorded");
        assert_eq!(recorded, Recorded { new: 1, duplicate: 1 });
        assert_eq!(store.events_after(&scope(), 0, 9).await.expect("read").len(), 1);
        assert_eq!(*live.recv().await.expect("told"), start);
        head.changed().await.expect("told");
        assert_eq!(*head.borrow(), 1);
        assert_eq!(journal.record(vec![start]).await.expect("recorded"), Recorded { new: 0, duplicate: 1 });
        assert!(live.try_recv().is_err(), "a duplicate is no news");
        assert_eq!(journal.record(Vec::new()).await.expect("nothing to do"), Recorded::default());
    }

    #[tokio::test]
    async fn callers_share_commits_and_each_learns_its_own_outcome() {
        let (_folder, store) = store().await;
        let journal = Journal::start(ledger(&store));
        let calls = (0..500).map(|n| journal.record(vec![event("a", &format!("s{}", n % 400), EventType::Start)]));
        let outcomes = futures_util::future::join_all(calls).await;
        let new: usize = outcomes.iter().map(|outcome| outcome.as_ref().expect("recorded").new).sum();
        assert_eq!(new, 400);
        assert!(outcomes.iter().take(400).all(|outcome| outcome.as_ref().is_ok_and(|recorded| recorded.new == 1)));
        assert_eq!(journal.commits(), 1, "500 calls at once fit into one transaction");
    }

    #[tokio::test]
    async fn an_overloaded_journal_says_so_at_once_and_recovers() {
        let (_folder, store) = store().await;
        let journal = Journal::start_with_room(ledger(&store), 10);
        let batch = |session: &str| (0..6).map(|n| event("a", &format!("{session}{n}"), EventType::Start)).collect();
        let first = journal.record(batch("x"));
        let second = journal.record(batch("y")).await;
        assert!(matches!(second, Err(JournalError::Overloaded)), "{second:?}");
        assert_eq!(first.await.expect("recorded").new, 6);
        assert_eq!(journal.record(batch("y")).await.expect("room again").new, 6);
        let many = (0..=MAX_EVENTS_PER_INSERT).map(|_| event("a", "s", EventType::Start)).collect();
        assert!(matches!(journal.record(many).await, Err(JournalError::TooMany { count: 1_001 })));
    }

    #[tokio::test]
    async fn shutdown_writes_what_was_queued_even_if_nobody_waits_and_then_refuses() {
        let (_folder, store) = store().await;
        let journal = Journal::start(ledger(&store));
        for n in 0..1_500 {
            drop(journal.record(vec![event("a", &format!("s{n}"), EventType::Start)]));
        }
        journal.shutdown().await;
        assert_eq!(store.event_counts(&scope()).await.expect("counted"), [("start".to_owned(), 1_500)]);
        let late = journal.record(vec![event("a", "late", EventType::Start)]).await;
        assert!(matches!(late, Err(JournalError::Closed)));
    }

    #[tokio::test]
    async fn a_failing_disk_is_reported_to_every_caller() {
        let (_folder, store) = store().await;
        let journal = Journal::start(ledger(&store));
        store.close().await;
        let outcome = journal.record(vec![event("a", "s", EventType::Start)]).await;
        assert!(matches!(outcome, Err(JournalError::Store(_))), "{outcome:?}");
    }
}
