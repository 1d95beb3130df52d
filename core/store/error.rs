//! Why the database gave no answer.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{url}` is not a database this build can open: write sqlite:///path/to/file.db")]
    Url { url: String },
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("the database's tables could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this version never writes.
    #[error("{table}: unreadable {column}: {reason}")]
    Row { table: &'static str, column: &'static str, reason: String },
}

impl StoreError {
    /// A short, stable name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } | Self::File { .. } => "open",
            Self::Sql(sqlx::Error::PoolTimedOut) => "busy",
            Self::Sql(_) => "sql",
            Self::Migrate(_) => "migrate",
            Self::Row { .. } => "row",
        }
    }
}
