//! The database: repositories over SQLite or PostgreSQL, with one set of queries for both.
//!
//! Every repository of tenant data hangs off [`TenantScope`], so that a query without a tenant does not compile.
//! SQLite runs in WAL mode with one writing connection and several reading ones. On both, each commit is synced: what
//! was acknowledged is on disk. A database that is away gives errors within seconds ([`StoreError::is_outage`]), and
//! its connections come back by themselves. Knows no playlists, no scripts and no HTTP.

mod audit;
mod beacons;
mod bodies;
mod book;
mod budgets;
mod connect;
mod dead_letters;
mod decisions;
mod entities;
mod error;
mod events;
mod exposures;
mod idempotency;
mod journal_positions;
mod key_log;
mod keys;
mod link;
mod listen;
mod live;
mod place;
mod reports;
mod rollups;
mod secrets;
mod sink_cursors;
mod sink_states;
#[cfg(test)]
pub(crate) mod tests;
mod viewers;

use std::{fmt, path::Path, sync::Arc};

use sqlx::{AnyPool, Row};

pub use self::{
    audit::{Change, HEAD_CHARS, MAX_LISTED_EDITS, Op, Stretch},
    beacons::{BeaconOrder, Counts, DayOf, DueBeacon, EventKey, FIRING, FireStep, LedgerLine, Settled, Verdict},
    book::Exchange,
    budgets::{Balance, Billing, Wish},
    dead_letters::{DeadLetter, StoredLetter},
    decisions::DecisionRow,
    entities::{Author, Door, Edit, Entity, Kind, MAX_NAME_BYTES, TenantState},
    error::StoreError,
    events::{Counted, Inserted, MAX_EVENTS_PER_INSERT, StoredEvent},
    idempotency::{IDEMPOTENCY_TAKEOVER, IDEMPOTENCY_TTL, IdempotencyTicket, Idempotent},
    journal_positions::Carried,
    key_log::KeyChange,
    keys::{ApiKey, KEY_RANDOM_BYTES, KeyHash, KeyOwner, KeyText, LiveKey},
    listen::Listener,
    live::{LiveCount, OpenSessions, SESSIONS_GOOD_FOR},
    reports::{Dimension, KeyValue, ReportKey, ReportQuery, ReportRow, ReportTraffic},
    rollups::{
        Behind, COLUMNS, Cell, Column, Compared, DayState, DayTally, GROUPINGS, Grouping, Line, MinuteRow, NameKind,
        NameLine, RawEvent, Recount, ReportDay, Standing, Sums, Tally, dimension, session_hash,
    },
    secrets::{KnownSecret, MAX_SECRETS},
    sink_states::{MAX_BEHIND, SinkFailure, SinkState},
    viewers::{Erased, Erasure},
};
use self::{
    connect::{Limits, Pools},
    link::{Link, Transaction},
    place::Place,
};
use crate::domain::Slug;

/// An open database. Clones share connections.
#[derive(Clone)]
pub struct Store {
    place: Arc<Place>,
    limits: Limits,
    writers: AnyPool,
    readers: AnyPool,
    /// Large bodies of entities in memory.
    held: Arc<bodies::Held>,
}

/// The right to touch one tenant's rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantScope(Slug);

impl TenantScope {
    pub fn new(tenant: Slug) -> Self {
        Self(tenant)
    }
    pub fn tenant(&self) -> &Slug {
        &self.0
    }
    fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for TenantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<Slug> for TenantScope {
    fn from(tenant: Slug) -> Self {
        Self(tenant)
    }
}

impl Store {
    /// Opens a database by URL and brings its tables up to date: `sqlite:/var/lib/cuetone/cuetone.db` (made if it is
    /// missing) or `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_within(url, Limits::default()).await
    }

    async fn open_within(url: &str, limits: Limits) -> Result<Self, StoreError> {
        let place: Place = url.parse()?;
        let Pools { writers, readers } = place.connect(limits).await?;
        Ok(Self { place: place.into(), limits, writers, readers, held: Arc::default() })
    }

    /// Opens the SQLite database in this file.
    pub async fn open_file(path: &Path) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::File { path: path.to_owned(), reason: error.to_string() };
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(failed)?;
        }
        let absolute = std::path::absolute(path).map_err(failed)?;
        let url = url::Url::from_file_path(&absolute)
            .map_err(|()| failed(std::io::Error::other("the path cannot be written as a URL")))?;
        Self::open(&format!("sqlite://{}", url.path())).await
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.counter("events").await.map(|_| ())
    }

    /// Waits for running queries and closes every connection; SQLite's write-ahead log is folded into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    /// A connection that cannot write.
    async fn read(&self) -> Result<Link, StoreError> {
        Ok(Link::new(self.readers.acquire().await?, self.limits.answer))
    }

    /// A transaction that may write.
    async fn write(&self) -> Result<Transaction, StoreError> {
        let link = Link::new(self.writers.acquire().await?, self.limits.answer);
        Transaction::begin(link, self.place.begin()).await
    }

    async fn counter(&self, name: &'static str) -> Result<i64, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT value FROM counters WHERE name = $1").bind(name).fetch_one(&mut link).await?;
        Ok(row.try_get(0)?)
    }
}

/// Takes `count` numbers of a counter and answers the last of them.
async fn take(transaction: &mut Transaction, name: &'static str, count: i64) -> Result<i64, StoreError> {
    let taken = sqlx::query("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
        .bind(count)
        .bind(name)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(taken.try_get(0)?)
}

/// Text that may come from anybody, as the tables can hold it: PostgreSQL takes no NUL, and one viewer's must not spoil
/// a batch.
fn plain(text: &str) -> String {
    text.replace('\0', "")
}

/// Rows of placeholders, counted on from `first`: `($3, $4), ($5, $6)`.
fn placeholders(first: usize, rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let start = first + row * columns;
        let row: Vec<String> = (start..start + columns).map(|number| format!("${number}")).collect();
        format!("({})", row.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
