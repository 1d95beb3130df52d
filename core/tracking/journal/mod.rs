//! The durable journal: an append-only log on this node's own disk, carried over into the database.
//!
//! [`Journal::record`] resolves when its events are on disk ([`writer`]: group commit), whatever the database does.
//! [`carry`] takes them there in order, where each counts once. What waits is bounded, in memory and on disk: past a
//! limit `record` says so at once instead of making players wait. What an event costs is the [`Ledger`]'s business.
//! Knows no HTTP and no sinks; it only tells who asked that there is something new.

mod carry;
mod frame;
mod news;
mod recent;
mod record;
mod spool;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};

use self::{
    carry::Carrier,
    frame::MAX_FRAME_BYTES,
    news::News,
    record::{Erase, Record},
    writer::{Entry, MAX_WAITING_BYTES, Shared},
};
use crate::{
    domain::{Clock, Event, EventId, Slug},
    ledger::Ledger,
    secret::KEY_BYTES,
    store::{MAX_EVENTS_PER_INSERT, Store},
};

/// How long a server that stops waits for the database to take what is acknowledged; the rest is carried by the next
/// start.
const LAST_CARRY: Duration = Duration::from_secs(10);

/// Few events are compared with each other, many are hashed.
const FEW: usize = 8;

#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal is overloaded: {MAX_WAITING_BYTES} bytes are waiting for the disk")]
    Overloaded,
    #[error("the journal is full: the database has not taken {bytes} bytes of events yet")]
    Full { bytes: u64 },
    #[error("one call may record {MAX_EVENTS_PER_INSERT} events, not {count}")]
    TooMany { count: usize },
    #[error("one call may record {MAX_FRAME_BYTES} bytes, not {bytes}")]
    TooLarge { bytes: usize },
    #[error("the server is shutting down")]
    Closed,
    #[error("the events could not be written: {0}")]
    Disk(Arc<io::Error>),
    #[error("an event cannot be written as JSON: {0}")]
    Encode(Arc<serde_json::Error>),
}

impl JournalError {
    /// A short, stable name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Full { .. } => "full",
            Self::TooMany { .. } => "too_many",
            Self::TooLarge { .. } => "too_large",
            Self::Closed => "closed",
            Self::Disk(_) => "disk",
            Self::Encode(_) => "encode",
        }
    }
}

/// What became of recorded events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Recorded {
    /// On disk now, and not known to have been before.
    pub new: usize,
    /// Had been acknowledged before, as far as this node remembers. The database drops all others.
    pub duplicate: usize,
}

/// What a journal is made with.
pub struct Parts<'a> {
    /// Made if missing. One server at a time may use it.
    pub folder: &'a Path,
    /// Bytes on disk that wait for the database, at most.
    pub max_bytes: u64,
    /// Names this run.
    pub random: u32,
    pub clock: &'a dyn Clock,
    pub ledger: Arc<Ledger>,
    pub store: Store,
}

pub struct Journal {
    shared: Arc<Shared>,
    max_bytes: u64,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
    carrier: Mutex<Option<JoinHandle<()>>>,
    carried: watch::Receiver<Option<u64>>,
    news: Arc<News>,
    /// Held as long as the folder is ours.
    lock: Mutex<Option<File>>,
    #[cfg(test)]
    _folder: Option<tempfile::TempDir>,
}

impl Journal {
    /// Takes the folder, starts writing, and starts to carry over what is there on the current runtime.
    pub fn open(parts: Parts<'_>) -> io::Result<Arc<Self>> {
        Self::build(parts, MAX_WAITING_BYTES).map(Arc::new)
    }

    fn build(parts: Parts<'_>, max_waiting: usize) -> io::Result<Self> {
        let lock = spool::lock(parts.folder)?;
        let spooled = spool::size(parts.folder)?;
        let started = u64::try_from(parts.clock.now().as_micros()).unwrap_or(0);
        // Later runs sort behind earlier ones, also when the clock was set back.
        let last =
            spool::segments(parts.folder)?.pop().and_then(|last| u64::from_str_radix(last.run.get(..16)?, 16).ok());
        let started = last.map_or(started, |last| started.max(last + 1));
        let run = format!("{started:016x}{:08x}", parts.random);
        let shared = Shared::new(parts.folder.to_owned(), run, spooled, max_waiting);
        let news = Arc::new(News::default());
        let (carried, seen) = watch::channel(None);
        let carrier =
            Carrier { shared: shared.clone(), ledger: parts.ledger, store: parts.store, news: news.clone(), carried };
        let writer = writer::start(shared.clone())?;
        Ok(Self {
            shared,
            max_bytes: parts.max_bytes,
            writer: Mutex::new(Some(writer)),
            carrier: Mutex::new(Some(tokio::spawn(carrier.run()))),
            carried: seen,
            news,
            lock: Mutex::new(Some(lock)),
            #[cfg(test)]
            _folder: None,
        })
    }

    /// Queues events now; the future resolves when they are on disk. Dropping the future does not take them back.
    pub fn record(&self, events: Vec<Event>) -> impl Future<Output = Result<Recorded, JournalError>> + Send + use<> {
        let queued = self.enqueue(events);
        if let Err(error) = &queued {
            metrics::counter!("cuetone_journal_refused_total", "reason" => error.kind()).increment(1);
        }
        async move {
            let (recorded, reply) = queued?;
            if let Some(reply) = reply {
                reply.await.unwrap_or(Err(JournalError::Closed))?;
            }
            Ok(recorded)
        }
    }

    /// Has everything forgotten that names this viewer, among all that was recorded before. Resolves when the wish is on
    /// disk; it is fulfilled in its turn, at the latest when the database is back: see [`Self::carried`].
    /// `secret`: random, used for nothing else.
    pub async fn erase(&self, tenant: &Slug, viewer: &str, secret: [u8; KEY_BYTES]) -> Result<(), JournalError> {
        let erase = Erase { tenant: tenant.clone(), viewer: viewer.into(), secret };
        let mut lines = Vec::new();
        record::write_erase(&erase, &mut lines).map_err(|error| JournalError::Encode(Arc::new(error)))?;
        let (reply, answer) = oneshot::channel();
        self.shared.push(Entry { lines, records: vec![Record::Erase(erase)], reply })?;
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Resolves when all that was acknowledged before this call is in the database.
    pub async fn carried(&self) {
        let total = self.shared.end.borrow().total;
        let mut carried = self.carried.clone();
        // An error says that the carrier has ended, with the server.
        let _ended = carried.wait_for(|carried| carried.is_some_and(|carried| carried >= total)).await;
    }

    /// Records that are acknowledged and not yet in the database, of this run.
    pub fn waiting(&self) -> u64 {
        self.shared.end.borrow().total.saturating_sub(self.carried.borrow().unwrap_or(0))
    }

    /// Events that are new in the database, as they come in. A listener that falls behind loses the oldest and is told
    /// how many.
    pub fn live(&self) -> broadcast::Receiver<Arc<Event>> {
        self.news.live()
    }

    /// The id of the tenant's newest event that this process put into the database: a wake-up call, not a count.
    pub fn head(&self, tenant: &Slug) -> watch::Receiver<i64> {
        self.news.head(tenant)
    }

    /// Takes no more events, waits until those queued are on disk, and for a while until they are in the database.
    pub async fn shutdown(&self) {
        self.shared.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            let ended = tokio::task::spawn_blocking(move || writer.join().is_ok()).await;
            if !ended.is_ok_and(|ended| ended) {
                tracing::error!("the journal's writer ended badly");
            }
        }
        if tokio::time::timeout(LAST_CARRY, self.carried()).await.is_err() {
            tracing::warn!(
                records = self.waiting(),
                "the database did not take the journal in time; the next start will carry it over"
            );
        }
        let carrier = self.carrier.lock().take();
        if let Some(carrier) = carrier {
            carrier.abort();
            let _aborted = carrier.await;
        }
        drop(self.lock.lock().take());
    }

    #[expect(clippy::type_complexity, reason = "read in one place")]
    fn enqueue(
        &self,
        mut events: Vec<Event>,
    ) -> Result<(Recorded, Option<oneshot::Receiver<Result<(), JournalError>>>), JournalError> {
        let count = events.len();
        if count > MAX_EVENTS_PER_INSERT {
            return Err(JournalError::TooMany { count });
        }
        let spooled = self.shared.spooled.load(Ordering::Relaxed);
        if spooled > self.max_bytes {
            return Err(JournalError::Full { bytes: spooled });
        }
        self.drop_known(&mut events);
        let recorded = Recorded { new: events.len(), duplicate: count - events.len() };
        if recorded.new == 0 {
            return Ok((recorded, None));
        }
        let mut lines = Vec::with_capacity(events.len() * 320);
        for event in &events {
            record::write_event(event, &mut lines).map_err(|error| JournalError::Encode(Arc::new(error)))?;
        }
        if lines.len() > MAX_FRAME_BYTES {
            return Err(JournalError::TooLarge { bytes: lines.len() });
        }
        let records = events.into_iter().map(Record::Event).collect();
        let (reply, answer) = oneshot::channel();
        self.shared.push(Entry { lines, records, reply })?;
        Ok((recorded, Some(answer)))
    }

    /// Takes out what was acknowledged before, and what comes twice in one call. One that is under way is not known yet:
    /// it could still fail.
    fn drop_known(&self, events: &mut Vec<Event>) {
        let recent = self.shared.recent.lock();
        let mut few: Vec<EventId> = Vec::new();
        let mut many: HashSet<EventId> = HashSet::new();
        let hashed = events.len() > FEW;
        events.retain(|event| {
            if recent.contains(event.id) {
                return false;
            }
            match hashed {
                true => many.insert(event.id),
                false if few.contains(&event.id) => false,
                false => {
                    few.push(event.id);
                    true
                }
            }
        });
    }
}
