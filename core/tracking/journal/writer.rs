//! The thread that writes: everything that waits in one go, one sync of the disk, one answer each.
//!
//! What comes while one group is being synced is the next one: a quiet server answers after one sync. A busy one waits
//! for a moment longer, so that each sync is shared among many.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use super::{
    JournalError,
    frame::{self, MAX_FRAME_BYTES},
    recent::Recent,
    record::Record,
    spool::Segment,
};

/// A file is closed at this size: what is in the database is deleted file by file.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Records kept for the carrier, so that it need not read them again. When it is further behind, it reads the files.
const TAIL_RECORDS: usize = 50_000;

/// Callers in one group from which on the next one is waited for.
const BUSY: usize = 8;

/// For so long: far below what a player notices, and some syncs of a good disk.
const GATHER: Duration = Duration::from_millis(2);

/// Bytes waiting for the disk, at most: what any disk writes within a second. Later answers are of no use.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What one caller wants written.
pub struct Entry {
    /// Encoded.
    pub lines: Vec<u8>,
    pub records: Vec<Record>,
    pub reply: oneshot::Sender<Result<(), JournalError>>,
}

/// Records as they lie in a file, kept in memory.
pub struct Group {
    pub segment: u64,
    /// Number of the first one in its file.
    pub first: u64,
    pub records: Vec<Record>,
}

/// Where the acknowledged part of the journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct End {
    pub segment: u64,
    /// Bytes and records of that file.
    pub bytes: u64,
    pub records: u64,
    /// Records of this run, over all files.
    pub total: u64,
}

/// What callers, the writing thread and the carrier share.
pub struct Shared {
    pub folder: PathBuf,
    pub run: String,
    queue: Mutex<Queue>,
    waiting: Condvar,
    pub recent: Mutex<Recent>,
    pub tail: Mutex<VecDeque<Group>>,
    tail_records: AtomicU64,
    pub end: watch::Sender<End>,
    /// Bytes of all files in the folder.
    pub spooled: AtomicU64,
    max_waiting: usize,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    bytes: usize,
    closed: bool,
}

impl Shared {
    pub fn new(folder: PathBuf, run: String, spooled: u64, max_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            folder,
            run,
            queue: Mutex::default(),
            waiting: Condvar::new(),
            recent: Mutex::default(),
            tail: Mutex::default(),
            tail_records: AtomicU64::new(0),
            end: watch::channel(End::default()).0,
            spooled: AtomicU64::new(spooled),
            max_waiting,
        })
    }

    pub fn push(&self, entry: Entry) -> Result<(), JournalError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(JournalError::Closed);
        }
        if queue.bytes + entry.lines.len() > self.max_waiting {
            return Err(JournalError::Overloaded);
        }
        queue.bytes += entry.lines.len();
        queue.entries.push(entry);
        drop(queue);
        self.waiting.notify_one();
        Ok(())
    }

    /// No more entries; those that wait are written.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.waiting.notify_one();
    }

    /// Everything that waits; `None` when closed and empty.
    fn take(&self, busy: bool) -> Option<Vec<Entry>> {
        if busy {
            std::thread::sleep(GATHER);
        }
        let mut queue = self.queue.lock();
        while queue.entries.is_empty() {
            if queue.closed {
                return None;
            }
            self.waiting.wait(&mut queue);
        }
        queue.bytes = 0;
        Some(std::mem::take(&mut queue.entries))
    }

    /// The oldest kept records, if there are any.
    pub fn pop_tail(&self) -> Option<Group> {
        let group = self.tail.lock().pop_front()?;
        self.tail_records.fetch_sub(group.records.len() as u64, Ordering::Relaxed);
        Some(group)
    }

    fn keep(&self, segment: u64, first: u64, records: Vec<Record>) {
        if self.tail_records.load(Ordering::Relaxed) as usize + records.len() > TAIL_RECORDS {
            return;
        }
        self.tail_records.fetch_add(records.len() as u64, Ordering::Relaxed);
        self.tail.lock().push_back(Group { segment, first, records });
    }

    pub fn segment(&self, number: u64) -> Segment {
        Segment { run: self.run.clone(), number }
    }
}

pub fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let mut files = Files { shared: shared.clone(), number: 0, open: None };
        let mut out = Vec::new();
        let mut busy = false;
        while let Some(entries) = shared.take(busy) {
            busy = entries.len() >= BUSY;
            files.commit(entries, &mut out);
        }
    })
}

/// The file being written.
struct Files {
    shared: Arc<Shared>,
    number: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    bytes: u64,
    records: u64,
}

impl Files {
    fn commit(&mut self, entries: Vec<Entry>, out: &mut Vec<u8>) {
        out.clear();
        let count = frames(&entries, out);
        let begun = std::time::Instant::now();
        let place = match self.append(out, count) {
            Ok(place) => place,
            Err(error) => {
                // Whether the bytes are there nobody knows, and syncing again would not tell: this file is left as it
                // is. What of it is whole will be carried over, acknowledged or not.
                self.open = None;
                tracing::error!(%error, records = count, "the journal could not be written");
                let error = Arc::new(error);
                for entry in entries {
                    let _gone = entry.reply.send(Err(JournalError::Disk(error.clone())));
                }
                return;
            }
        };
        metrics::histogram!("cuetone_journal_commit_seconds").record(begun.elapsed().as_secs_f64());
        metrics::counter!("cuetone_journal_commits_total").increment(1);
        let mut kept = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut replies = Vec::with_capacity(entries.len());
        {
            let mut recent = self.shared.recent.lock();
            for entry in entries {
                for record in &entry.records {
                    if let Record::Event(event) = record {
                        recent.insert(event.id);
                    }
                }
                kept.extend(entry.records);
                replies.push(entry.reply);
            }
        }
        self.shared.keep(place.segment, place.records - count, kept);
        self.shared.end.send_replace(place);
        for reply in replies {
            // Whoever asked may have gone; its events count all the same.
            let _gone = reply.send(Ok(()));
        }
        if place.bytes >= SEGMENT_BYTES {
            self.open = None;
        }
    }

    fn append(&mut self, frames: &[u8], records: u64) -> io::Result<End> {
        if self.open.is_none() {
            self.number += 1;
            let path = self.shared.segment(self.number).path(&self.shared.folder);
            let file = OpenOptions::new().create_new(true).append(true).open(path)?;
            // The file's name has to survive as well.
            File::open(&self.shared.folder)?.sync_all()?;
            self.open = Some(Open { file, bytes: 0, records: 0 });
        }
        let Some(open) = &mut self.open else { return Err(io::Error::other("no file is open")) };
        open.file.write_all(frames)?;
        open.file.sync_data()?;
        open.bytes += frames.len() as u64;
        open.records += records;
        self.shared.spooled.fetch_add(frames.len() as u64, Ordering::Relaxed);
        let total = self.shared.end.borrow().total + records;
        Ok(End { segment: self.number, bytes: open.bytes, records: open.records, total })
    }
}

/// Writes what waits as frames of a size that a reader can hold; answers the number of records.
fn frames(entries: &[Entry], out: &mut Vec<u8>) -> u64 {
    let (mut body, mut records, mut total) = (Vec::new(), 0, 0);
    for entry in entries {
        if !body.is_empty() && body.len() + entry.lines.len() > MAX_FRAME_BYTES {
            frame::write(&body, records, out);
            body.clear();
            records = 0;
        }
        body.extend_from_slice(&entry.lines);
        let count = u32::try_from(entry.records.len()).unwrap_or(u32::MAX);
        records += count;
        total += u64::from(count);
    }
    frame::write(&body, records, out);
    total
}
