//! Opens databases: connections, their settings and limits, and the tables. The only file that tells SQLite and
//! PostgreSQL apart by more than a word.

use std::{io, time::Duration};

use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Error, Executor, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{StoreError, place::Place};

static SQLITE_TABLES: Migrator = sqlx::migrate!("core/store/migrations/sqlite");
static POSTGRES_TABLES: Migrator = sqlx::migrate!("core/store/migrations/postgres");

/// How long things may take before they are given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a free connection, and for making one. Short: while the database is away every caller waits this long.
    pub acquire: Duration,
    /// For the next row of an answer, or its end. An `apply` in another process holds SQLite's lock for milliseconds, a
    /// slow disk syncs in seconds.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { acquire: Duration::from_secs(5), answer: Duration::from_secs(10) }
    }
}

/// How long SQLite waits for another process's lock. Less than [`Limits::answer`]: its error says more.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at whether another process holds SQLite's write lock. SQLite's own waiting looks every 100 ms, and
/// would not find the lock free between two commits of a busy server: `cuetone apply` would have to give up.
const SQLITE_LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Reading connections. Readers are sinks, the registry, the API and the dashboard: few, and each is quick.
const READERS: u32 = 4;

/// SQLite has one writer at a time; more would only wait inside of it.
const SQLITE_WRITERS: u32 = 1;

/// Writers of a node. Changes of tenants, events and charges queue at rows of their own, so some can go side by side.
/// With the readers and the listener a node holds nine connections of the hundred that PostgreSQL allows by default.
const POSTGRES_WRITERS: u32 = 4;

/// A connection of PostgreSQL is made anew after this long, so that nodes find a new host behind the same name.
const POSTGRES_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Pages that SQLite's write-ahead log may grow to before a commit copies them back (4 KiB each).
const SQLITE_WAL_PAGES: u32 = 4_000;

/// How long PostgreSQL works on a statement, and lets an idle transaction live. A node that is cut off holds row locks
/// of every other's changes no longer than this.
const POSTGRES_STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// For all new tables of a version, and for waiting while another node makes them.
const MIGRATION_LIMIT: Duration = Duration::from_secs(300);

/// Between two attempts to reach a server that is just starting.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Pools {
    pub writers: AnyPool,
    pub readers: AnyPool,
}

impl Place {
    /// What opens a transaction that may write. SQLite's takes the write lock at once, so that a transaction can never
    /// fail half-way for want of it; PostgreSQL's rows have locks of their own.
    pub(super) fn begin(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN",
        }
    }

    /// Makes the database if it is a missing file, brings its tables up to date and connects.
    pub(super) async fn connect(&self, limits: Limits) -> Result<Pools, StoreError> {
        sqlx::any::install_default_drivers();
        match self {
            Self::Sqlite(url) => {
                let separator = if url.contains('?') { '&' } else { '?' };
                let options =
                    |mode| Ok::<_, StoreError>(format!("{url}{separator}mode={mode}").parse::<AnyConnectOptions>()?);
                let writer = "journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0";
                let writers = sqlite_pool(SQLITE_WRITERS, limits, writer).connect_with(options("rwc")?).await?;
                // Behind the write lock, so that of processes that start together one makes the tables.
                let wait = LockWait::start();
                let mut transaction = loop {
                    match writers.begin_with(self.begin()).await {
                        Ok(transaction) => break transaction,
                        Err(error) => wait.after(error).await?,
                    }
                };
                SQLITE_TABLES.run(&mut *transaction).await?;
                transaction.commit().await?;
                let readers = sqlite_pool(READERS, limits, "query_only = ON").connect_with(options("rw")?).await?;
                Ok(Pools { writers, readers })
            }
            Self::Postgres(url) => {
                let mut url = url.clone();
                if !url.query_pairs().any(|(name, _)| name == "application_name") {
                    url.query_pairs_mut().append_pair("application_name", "cuetone");
                }
                let options = AnyConnectOptions::from_url(&url)?;
                self.make_postgres_tables(&options, limits).await?;
                let writers = postgres_pool(POSTGRES_WRITERS, limits, "off").connect_lazy_with(options.clone());
                let readers = postgres_pool(READERS, limits, "on").connect_lazy_with(options);
                Ok(Pools { writers, readers })
            }
        }
    }

    async fn make_postgres_tables(&self, options: &AnyConnectOptions, limits: Limits) -> Result<(), StoreError> {
        let failed = |error: Error| StoreError::Connect { server: self.to_string(), reason: error.to_string() };
        let mut connection = first_connection(options, limits).await.map_err(failed)?;
        let encoding = connection.fetch_one("SELECT current_setting('server_encoding')").await?;
        let encoding: String = encoding.try_get(0)?;
        if encoding != "UTF8" {
            let reason = format!("its encoding is {encoding}: make it with ENCODING 'UTF8'");
            return Err(StoreError::Connect { server: self.to_string(), reason });
        }
        match timeout(MIGRATION_LIMIT, POSTGRES_TABLES.run(&mut connection)).await {
            Ok(done) => done?,
            Err(_) => return Err(failed(slow("its tables could not be made in time"))),
        }
        // Whatever this says, the tables are there.
        let _ = timeout(limits.acquire, connection.close()).await;
        Ok(())
    }
}

fn slow(what: &'static str) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, what))
}

/// Connects without a pool, whose errors do not say why. A server that does not listen yet, or is just starting, is
/// waited for.
async fn first_connection(options: &AnyConnectOptions, limits: Limits) -> Result<AnyConnection, Error> {
    let deadline = Instant::now() + limits.acquire;
    loop {
        let starting = match timeout_at(deadline, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if will_change(&error) => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(slow("it does not answer")),
        };
        if Instant::now() + RETRY_PAUSE > deadline {
            return Err(starting);
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Patience with another process that has SQLite's write lock.
pub(super) struct LockWait(Instant);

impl LockWait {
    pub(super) fn start() -> Self {
        Self(Instant::now() + SQLITE_BUSY_TIMEOUT)
    }
    /// Returns when it is time to try again. Any other error comes back, and this one too in the end.
    pub(super) async fn after(&self, error: Error) -> Result<(), Error> {
        if !is_locked(&error) || Instant::now() > self.0 {
            return Err(error);
        }
        sleep(SQLITE_LOCK_PAUSE).await;
        Ok(())
    }
}

/// SQLITE_BUSY; PostgreSQL's codes have five characters.
fn is_locked(error: &Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "5")
}

fn will_change(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

fn sqlite_pool(connections: u32, limits: Limits, pragma: &'static str) -> AnyPoolOptions {
    let set_up = format!(
        "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {SQLITE_WAL_PAGES}; PRAGMA {pragma};",
        SQLITE_BUSY_TIMEOUT.as_millis()
    );
    pool(connections, limits, set_up).idle_timeout(None).max_lifetime(None)
}

fn postgres_pool(connections: u32, limits: Limits, read_only: &'static str) -> AnyPoolOptions {
    let longest = POSTGRES_STATEMENT_TIMEOUT.as_millis();
    // Commits are synced whatever the server's default says: what was acknowledged is on disk.
    let set_up = format!(
        "SET statement_timeout = {longest}; SET idle_in_transaction_session_timeout = {longest}; \
         SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = {read_only}; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    );
    let answer = limits.answer;
    pool(connections, limits, set_up).max_lifetime(POSTGRES_LIFETIME).after_release(move |connection, _| {
        // The pool's own test has no deadline, and a connection in it counts as taken.
        Box::pin(async move { Ok(matches!(timeout(answer, connection.ping()).await, Ok(Ok(())))) })
    })
}

/// `set_up` is made of constants of this file only.
fn pool(connections: u32, limits: Limits, set_up: String) -> AnyPoolOptions {
    let set_up: std::sync::Arc<str> = set_up.into();
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(limits.acquire).after_connect(
        move |connection: &mut <Any as sqlx::Database>::Connection, _| {
            let set_up = set_up.clone();
            Box::pin(async move {
                connection.execute(AssertSqlSafe(set_up)).await?;
                Ok(())
            })
        },
    )
}
