//! Why the database gave no answer.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL itself is not part of the message: it may hold a password.
    #[error(
        "the database's URL cannot be used: expected `sqlite:path` or `postgres://user@host/database`, and {reason}"
    )]
    Url { reason: String },
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    /// `server` without its password.
    #[error("no connection to {server}: {reason}")]
    Connect { server: String, reason: String },
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("the database's tables could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this version never writes.
    #[error("{table}: unreadable {column}: {reason}")]
    Row { table: &'static str, column: &'static str, reason: String },
    /// Somebody else changed the tenant meanwhile. Versions of the tenant; 0: there is no such tenant.
    #[error("the tenant is at version {found}, and the change was made on version {expected}")]
    Conflict { expected: i64, found: i64 },
    #[error("there is no tenant `{tenant}`")]
    NoTenant { tenant: String },
    /// A value that the tables cannot hold.
    #[error("{what} {reason}")]
    Unstorable { what: String, reason: &'static str },
}

impl StoreError {
    /// A short, stable name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } | Self::File { .. } => "open",
            Self::Connect { .. } => "connect",
            Self::Sql(sqlx::Error::PoolTimedOut) => "busy",
            Self::Sql(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => "timeout",
            Self::Sql(sqlx::Error::Io(_)) => "connect",
            Self::Sql(_) => "sql",
            Self::Migrate(_) => "migrate",
            Self::Row { .. } => "row",
            Self::Conflict { .. } => "conflict",
            Self::NoTenant { .. } => "no_tenant",
            Self::Unstorable { .. } => "unstorable",
        }
    }

    /// The database could not be reached or did not answer in time: the same call may well succeed later.
    pub fn is_outage(&self) -> bool {
        let starting_or_stopping = |error: &sqlx::Error| {
            let code = error.as_database_error().and_then(|error| error.code());
            // PostgreSQL's class 57P: shut down by an administrator, crashed, starting up, cancelled. 57014 is a
            // statement that took too long.
            code.is_some_and(|code| code.starts_with("57P") || code == "57014")
        };
        match self {
            Self::Connect { .. } => true,
            Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) => true,
            Self::Sql(error) => starting_or_stopping(error),
            _ => false,
        }
    }
}
