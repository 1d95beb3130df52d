//! Carries the journal into the database, in order, each record once.
//!
//! The place up to which a run's records are in the tables is written in the transaction that writes them. A database
//! that is away is waited for; meanwhile the files grow. Records of earlier runs come first.

use std::{collections::VecDeque, fs, io, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{
    frame::Frame,
    news::News,
    record::{self, Record},
    spool::{self, Reader, Segment},
    writer::{End, Shared},
};
use crate::{
    domain::{Event, Money},
    ledger::Ledger,
    store::{Carried, Erasure, Inserted, MAX_EVENTS_PER_INSERT, Store, StoreError, TenantScope},
};

/// How long the first record of a group waits for company: one transaction for many viewers. Acknowledged they are.
const GATHER: Duration = Duration::from_millis(20);

/// Pauses while the database is away: doubled from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Attempts for a group that the database answers with an error of its own, before its records are tried one by one.
const ATTEMPTS: u32 = 3;

/// Records a second from which on what comes in has priority: the carrier rests for [`RESTS`] times what each group took
/// it, so that a burst is acknowledged at full speed and carried over behind it.
const BUSY: f64 = 5_000.0;
const RESTS: u32 = 3;

/// Records that may wait for that. More, and the burst is no burst.
const MAX_RESTING: u64 = 2_000_000;

/// Records that the database refuses for good; named so that nobody looks for them in vain.
const REFUSED_FILE: &str = "refused.ndjson";

/// What the carrier works with.
pub struct Carrier {
    pub shared: Arc<Shared>,
    pub ledger: Arc<Ledger>,
    pub store: Store,
    pub news: Arc<News>,
    /// Records of this run that are in the database; `None` until all of earlier runs are.
    pub carried: watch::Sender<Option<u64>>,
}

/// How far one run has been carried.
struct Place {
    run: String,
    segment: u64,
    record: u64,
}

impl Carrier {
    pub async fn run(self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.earlier_runs().await {
            tracing::error!(%error, "what earlier runs left in the journal could not be carried over; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.carried.send_replace(Some(0));
        let mut own = Own::new(&self);
        loop {
            if let Err(error) = own.step().await {
                tracing::error!(%error, "the journal could not be read; trying again");
                tokio::time::sleep(LONGEST_PAUSE).await;
                own.reader = None;
            }
        }
    }

    async fn earlier_runs(&self) -> Result<(), CarryError> {
        let folder = self.shared.folder.clone();
        let left = blocking(move || spool::segments(&folder)).await?;
        let left: Vec<Segment> = left.into_iter().filter(|segment| segment.run != self.shared.run).collect();
        for run in left.chunk_by(|a, b| a.run == b.run) {
            let Some(first) = run.first() else { continue };
            tracing::info!(run = first.run, files = run.len(), "carrying over what an earlier run left in the journal");
            let (segment, record) = self.store.journal_position(&first.run).await?.unwrap_or_default();
            let mut place = Place { run: first.run.clone(), segment, record };
            for file in run.iter().filter(|file| file.number >= segment) {
                if file.number > place.segment {
                    (place.segment, place.record) = (file.number, 0);
                }
                self.whole_file(file, &mut place).await?;
            }
            for file in run {
                self.delete(file).await?;
            }
            self.store.forget_journal_position(&first.run).await?;
        }
        Ok(())
    }

    async fn whole_file(&self, file: &Segment, place: &mut Place) -> Result<(), CarryError> {
        let (path, skip) = (file.path(&self.shared.folder), place.record);
        let mut reader = blocking(move || Reader::open(&path, skip)).await?;
        loop {
            let frames;
            (reader, frames) = next_frames(reader, None).await?;
            if frames.is_empty() {
                return Ok(());
            }
            let mut records: VecDeque<_> = self.parse(&frames).into();
            while !records.is_empty() {
                let take = records.len().min(MAX_EVENTS_PER_INSERT);
                self.carry(records.drain(..take).collect(), place).await;
            }
        }
    }

    /// Lines that cannot be read are kept aside: `None` holds their place.
    fn parse(&self, frames: &[(Frame, usize)]) -> Vec<Option<Record>> {
        let read = |line: &[u8]| match record::read(line) {
            Ok(record) => Some(record),
            Err(error) => {
                self.refuse(line, &error.to_string());
                None
            }
        };
        frames.iter().flat_map(|(frame, passed)| frame.lines().skip(*passed)).map(read).collect()
    }

    /// Puts records into the database, however long that takes, and moves the place behind them.
    async fn carry(&self, records: Vec<Option<Record>>, place: &mut Place) {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Some(Record::Event(event)) => {
                    events.push(event);
                    place.record += 1;
                }
                Some(Record::Erase(erase)) => {
                    self.events(std::mem::take(&mut events), place).await;
                    place.record += 1;
                    self.erase(&erase, place).await;
                }
                None => place.record += 1,
            }
        }
        self.events(events, place).await;
    }

    /// `place` lies behind the events.
    async fn events(&self, events: Vec<Event>, place: &Place) {
        if events.is_empty() {
            return;
        }
        let (mut pause, mut attempts) = (FIRST_PAUSE, 0);
        loop {
            match self.insert(&events, place).await {
                Ok(()) => return,
                Err(error) if error.is_outage() => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(%error, "the database is away: events are kept in the journal");
                    }
                }
                Err(error) => {
                    attempts += 1;
                    tracing::error!(%error, events = events.len(), attempts, "events could not be carried over");
                    if attempts >= ATTEMPTS {
                        return self.one_by_one(events, place).await;
                    }
                }
            }
            metrics::counter!("cuetone_journal_carry_failures_total").increment(1);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One bad event must not hold up all that come after it.
    async fn one_by_one(&self, events: Vec<Event>, place: &Place) {
        for event in events {
            let mut pause = FIRST_PAUSE;
            while let Err(error) = self.insert(std::slice::from_ref(&event), place).await {
                if !error.is_outage() {
                    let line = serde_json::to_vec(&event).unwrap_or_default();
                    self.refuse(&line, &error.to_string());
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    async fn insert(&self, events: &[Event], place: &Place) -> Result<(), StoreError> {
        let begun = Instant::now();
        let carried = Carried { node: &place.run, segment: place.segment, record: place.record };
        let Inserted { counted, alerts, .. } = self.ledger.record(events, Some(carried)).await?;
        metrics::histogram!("cuetone_journal_carry_seconds").record(begun.elapsed().as_secs_f64());
        let mut new = 0;
        for (counted, event) in counted.iter().zip(events) {
            let Some(counted) = counted else { continue };
            new += 1;
            if event.is_billable() && counted.price == Money::ZERO && event.price != Money::ZERO {
                metrics::counter!("cuetone_impressions_unbilled_total", "tenant" => event.tenant.to_string())
                    .increment(1);
            }
            self.news.tell(counted.id, counted.price, event);
        }
        for alert in &alerts {
            self.news.tell(alert.id, alert.event.price, &alert.event);
        }
        self.news.wake();
        let repeated = counted.len() as u64 - new;
        metrics::counter!("cuetone_journal_events_total", "outcome" => "new").increment(new);
        metrics::counter!("cuetone_journal_events_total", "outcome" => "duplicate").increment(repeated);
        Ok(())
    }

    async fn erase(&self, erase: &record::Erase, place: &Place) {
        let mut pause = FIRST_PAUSE;
        let scope = TenantScope::new(erase.tenant.clone());
        while let Err(error) = self.erase_now(&scope, erase).await {
            tracing::error!(%error, tenant = %erase.tenant, "a viewer could not be erased yet; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // Done again after a crash it does no harm.
        let carried = Carried { node: &place.run, segment: place.segment, record: place.record };
        if let Err(error) = self.store.move_journal_position(&carried).await {
            tracing::warn!(%error, "the journal's position could not be written");
        }
    }

    /// All that this node was told before is in the table by now.
    async fn erase_now(&self, scope: &TenantScope, erase: &record::Erase) -> Result<(), StoreError> {
        let upto = self.store.events_head().await?;
        let erasure = Erasure { name: erase.viewer.to_string(), secret: erase.secret, upto };
        let erased = self.store.erase_viewer(scope, &erasure).await?;
        tracing::info!(tenant = %erase.tenant, events = erased.events, decisions = erased.decisions, "a viewer was erased");
        Ok(())
    }

    async fn delete(&self, file: &Segment) -> Result<(), CarryError> {
        let path = file.path(&self.shared.folder);
        let bytes = blocking(move || {
            let bytes = fs::metadata(&path)?.len();
            fs::remove_file(&path)?;
            Ok(bytes)
        })
        .await?;
        let spooled = &self.shared.spooled;
        let order = std::sync::atomic::Ordering::Relaxed;
        // What was written in vain was not added.
        let _updated = spooled.fetch_update(order, order, |spooled| Some(spooled.saturating_sub(bytes)));
        Ok(())
    }

    /// Writes a record aside that will not go in.
    fn refuse(&self, line: &[u8], error: &str) {
        metrics::counter!("cuetone_journal_events_total", "outcome" => "refused").increment(1);
        let path = self.shared.folder.join(REFUSED_FILE);
        tracing::error!(error, path = %path.display(), "a record of the journal cannot be carried over; it is kept in the file");
        let written = fs::OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| {
            io::Write::write_all(&mut file, line)?;
            io::Write::write_all(&mut file, b"\n")?;
            file.sync_data()
        });
        if let Err(error) = written {
            tracing::error!(%error, "it could not be kept either");
        }
    }
}

/// The run under way.
struct Own<'a> {
    carrier: &'a Carrier,
    place: Place,
    end: watch::Receiver<End>,
    /// Open when memory does not hold what comes next.
    reader: Option<Reader>,
    /// Read and not yet carried, from `place` on.
    pending: VecDeque<Option<Record>>,
}

impl<'a> Own<'a> {
    fn new(carrier: &'a Carrier) -> Self {
        let place = Place { run: carrier.shared.run.clone(), segment: 0, record: 0 };
        let end = carrier.shared.end.subscribe();
        Self { carrier, place, end, reader: None, pending: VecDeque::new() }
    }

    /// Carries one group, or waits until there is one.
    async fn step(&mut self) -> Result<(), CarryError> {
        let end = *self.end.borrow_and_update();
        let carried = self.carrier.carried.borrow().unwrap_or(0);
        metrics::gauge!("cuetone_journal_waiting_records").set(end.total.saturating_sub(carried) as f64);
        if self.pending.is_empty() && !self.read(end).await? {
            // The sender lives in the carrier.
            let _changed = self.end.changed().await;
            tokio::time::sleep(GATHER).await;
            return Ok(());
        }
        while self.pending.len() < MAX_EVENTS_PER_INSERT && self.more(end).await? {}
        let take = self.pending.len().min(MAX_EVENTS_PER_INSERT);
        let records: Vec<_> = self.pending.drain(..take).collect();
        let begun = Instant::now();
        self.carrier.carry(records, &mut self.place).await;
        let carried = carried + take as u64;
        self.carrier.carried.send_replace(Some(carried));
        let (took, total) = (begun.elapsed(), self.end.borrow().total);
        let rate = total.saturating_sub(end.total) as f64 / took.as_secs_f64().max(1e-6);
        if rate > BUSY && total.saturating_sub(carried) < MAX_RESTING {
            tokio::time::sleep(took * RESTS).await;
        }
        Ok(())
    }

    /// Brings what comes next of this file, from memory or disk, to what is pending.
    async fn more(&mut self, end: End) -> Result<bool, CarryError> {
        if self.more_in_memory() {
            return Ok(true);
        }
        // Without a reader it lies in memory, or is not there yet.
        if self.reader.is_none() {
            return Ok(false);
        }
        let frames = self.next_frames(end).await?;
        self.pending.extend(self.carrier.parse(&frames));
        Ok(!frames.is_empty())
    }

    /// Where the next record to be read is.
    fn next_record(&self) -> u64 {
        self.place.record + self.pending.len() as u64
    }

    /// Takes the group that comes next from memory. What comes next but is not there has to be read.
    fn more_in_memory(&mut self) -> bool {
        let shared = &self.carrier.shared;
        let next = (self.place.segment, self.next_record());
        loop {
            {
                let tail = shared.tail.lock();
                match tail.front() {
                    Some(group) if (group.segment, group.first) == next => {}
                    // Read from the file meanwhile, at least in part.
                    Some(group) if (group.segment, group.first) < next => {}
                    _ => return false,
                }
            }
            let Some(group) = shared.pop_tail() else { return false };
            let passed = match group.segment == next.0 {
                true => usize::try_from(next.1.saturating_sub(group.first)).unwrap_or(usize::MAX),
                false => usize::MAX,
            };
            if passed < group.records.len() {
                self.pending.extend(group.records.into_iter().skip(passed).map(Some));
                // The reader is behind now.
                self.reader = None;
                return true;
            }
        }
    }

    /// Brings something to `pending`, from memory or file; false when everything acknowledged has been carried.
    async fn read(&mut self, end: End) -> Result<bool, CarryError> {
        loop {
            if self.more_in_memory() {
                return Ok(true);
            }
            if (self.place.segment, self.place.record) >= (end.segment, end.records) {
                return Ok(false);
            }
            if self.place.segment > 0 {
                let frames = self.next_frames(end).await?;
                if !frames.is_empty() {
                    self.pending.extend(self.carrier.parse(&frames));
                    return Ok(true);
                }
                if self.place.segment >= end.segment {
                    return Ok(false);
                }
            }
            self.next_file().await?;
        }
    }

    async fn next_frames(&mut self, end: End) -> Result<Vec<(Frame, usize)>, CarryError> {
        let limit = (self.place.segment == end.segment).then_some(end.bytes);
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let path = self.carrier.shared.segment(self.place.segment).path(&self.carrier.shared.folder);
                let skip = self.place.record;
                blocking(move || Reader::open(&path, skip)).await?
            }
        };
        let (reader, frames) = next_frames(reader, limit).await?;
        self.reader = Some(reader);
        Ok(frames)
    }

    /// The file is done: the next one, whatever its number (one that could not be written is missing).
    async fn next_file(&mut self) -> Result<(), CarryError> {
        self.reader = None;
        let (folder, run, done) = (self.carrier.shared.folder.clone(), self.place.run.clone(), self.place.segment);
        let files = blocking(move || spool::segments(&folder)).await?;
        let mut own = files.into_iter().filter(|file| file.run == run);
        let next =
            own.find(|file| file.number > done).ok_or(CarryError::Missing { run: self.place.run.clone(), done })?;
        if done > 0 {
            self.carrier.delete(&self.carrier.shared.segment(done)).await?;
        }
        (self.place.segment, self.place.record) = (next.number, 0);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error("a file of the journal: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file of run {run} that comes after number {done} is missing")]
    Missing { run: String, done: u64 },
}

/// Frames, and how many of the first records of each were read before.
type Frames = Vec<(Frame, usize)>;

/// As many frames as a transaction takes; none at the end.
async fn next_frames(mut reader: Reader, limit: Option<u64>) -> Result<(Reader, Frames), CarryError> {
    blocking(move || {
        let (mut frames, mut records) = (Vec::new(), 0);
        while records < MAX_EVENTS_PER_INSERT {
            let Some((frame, passed)) = reader.next(limit)? else { break };
            records += usize::try_from(frame.records).unwrap_or(usize::MAX) - passed;
            frames.push((frame, passed));
        }
        Ok((reader, frames))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, CarryError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| io::Error::other(error.to_string()))??)
}
