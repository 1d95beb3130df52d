//! The database: repositories over SQLite, in SQL that PostgreSQL takes as well.
//!
//! Every repository of tenant data hangs off [`TenantScope`], so that a query without a tenant does not compile.
//! SQLite runs in WAL mode with one writing connection and several reading ones; the writer syncs each commit
//! (`synchronous = FULL`): what was acknowledged is on disk. Knows no playlists, no scripts and no HTTP.

mod bundles;
mod dead_letters;
mod error;
mod events;
mod sink_cursors;
#[cfg(test)]
pub(crate) mod tests;

use std::{path::Path, time::Duration};

use sqlx::{
    Any, AnyPool, Executor, Row, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
};

pub use self::{
    bundles::{Applied, Bundle, BundleFiles, content_hash},
    dead_letters::DeadLetter,
    error::StoreError,
    events::{MAX_EVENTS_PER_INSERT, StoredEvent},
};
use crate::domain::Slug;

static MIGRATIONS: Migrator = sqlx::migrate!("core/store/migrations");

/// How long a connection waits for another process's write lock; an `apply` holds it for milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a query waits for a free connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reading connections. Readers are sinks, the registry and the dashboard: few, and each is quick.
const READERS: u32 = 4;

/// Pages that the write-ahead log may grow to before a commit copies them back (4 KiB each).
const WAL_PAGES: u32 = 4_000;

/// An open database. Clones share connections.
#[derive(Clone)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
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

impl From<Slug> for TenantScope {
    fn from(tenant: Slug) -> Self {
        Self(tenant)
    }
}

impl Store {
    /// Opens a SQLite database by URL (`sqlite:///var/lib/cuetone/cuetone.db`), makes it if it is missing, and brings its
    /// tables up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") || url.contains(":memory:") {
            return Err(StoreError::Url { url: url.to_owned() });
        }
        sqlx::any::install_default_drivers();
        let separator = if url.contains('?') { '&' } else { '?' };
        let options =
            |mode| -> Result<AnyConnectOptions, StoreError> { Ok(format!("{url}{separator}mode={mode}").parse()?) };
        let writer = pool(1, "journal_mode = WAL; PRAGMA synchronous = FULL").connect_with(options("rwc")?).await?;
        MIGRATIONS.run(&writer).await?;
        let readers = pool(READERS, "query_only = ON").connect_with(options("rw")?).await?;
        Ok(Self { writer, readers })
    }

    /// Opens the database in this file.
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
        let mut reader = self.readers.acquire().await?;
        reader.fetch_one("SELECT value FROM counters WHERE name = 'events'").await?;
        Ok(())
    }

    /// Waits for running queries and closes every connection; the write-ahead log is folded into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from its start, so that it can never fail half-way for want of it.
    async fn write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn counter(&self, name: &'static str) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT value FROM counters WHERE name = $1").bind(name).fetch_one(&self.readers).await?;
        Ok(row.try_get(0)?)
    }
}

/// Takes `count` numbers of a counter and answers the last of them.
async fn take(transaction: &mut Transaction<'_, Any>, name: &'static str, count: i64) -> Result<i64, StoreError> {
    let taken = sqlx::query("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
        .bind(count)
        .bind(name)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(taken.try_get(0)?)
}

fn pool(connections: u32, pragma: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None).after_connect(
        move |connection, _| {
            Box::pin(async move {
                let set_up = format!(
                    "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA {pragma};",
                    BUSY_TIMEOUT.as_millis()
                );
                // Built from constants of this file only.
                connection.execute(sqlx::AssertSqlSafe(set_up)).await?;
                Ok(())
            })
        },
    )
}
