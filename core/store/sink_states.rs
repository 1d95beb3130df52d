//! How a tenant's sinks do: where each is, how far behind, and what went wrong last.

use sqlx::Row;

use super::{Store, StoreError, TenantScope, plain};
use crate::domain::Moment;

/// Error text kept per sink.
const MAX_ERROR_CHARS: usize = 500;

/// Events counted behind a sink: whoever is further behind than this is far behind.
pub const MAX_BEHIND: i64 = 100_000;

#[derive(Clone, Debug, PartialEq)]
pub struct SinkState {
    pub sink: String,
    /// Id of the last event that was delivered or given up.
    pub position: i64,
    /// When it last moved.
    pub moved_at: Moment,
    /// Events of the tenant that are still to come, at most [`MAX_BEHIND`].
    pub behind: i64,
    /// The failure under way.
    pub failure: Option<SinkFailure>,
    pub dead_letters: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SinkFailure {
    /// Attempts in a row.
    pub failures: i64,
    pub error: String,
    pub time: Moment,
}

impl Store {
    /// Writes down why an attempt failed.
    pub async fn note_sink_failure(
        &self,
        scope: &TenantScope,
        sink: &str,
        error: &str,
        now: Moment,
    ) -> Result<(), StoreError> {
        let error: String = plain(error).chars().take(MAX_ERROR_CHARS).collect();
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO sink_failures (tenant, sink, failures, error, time) VALUES ($1, $2, 1, $3, $4) \
             ON CONFLICT (tenant, sink) DO UPDATE SET failures = sink_failures.failures + 1, error = excluded.error, \
             time = excluded.time",
        )
        .bind(scope.as_str())
        .bind(sink)
        .bind(error)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// All is well again.
    pub async fn clear_sink_failure(&self, scope: &TenantScope, sink: &str) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM sink_failures WHERE tenant = $1 AND sink = $2")
            .bind(scope.as_str())
            .bind(sink)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Every sink of a tenant that has a place in the journal or dead letters, also those that are mounted no more.
    pub async fn sink_states(&self, scope: &TenantScope) -> Result<Vec<SinkState>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT c.sink, c.position, c.updated_at, f.failures, f.error, f.time, \
             (SELECT COUNT(*) FROM dead_letters d WHERE d.tenant = c.tenant AND d.sink = c.sink), \
             (SELECT COUNT(*) FROM \
                (SELECT 1 FROM events e WHERE e.tenant = c.tenant AND e.id > c.position LIMIT $2) AS behind) \
             FROM sink_cursors c LEFT JOIN sink_failures f ON f.tenant = c.tenant AND f.sink = c.sink \
             WHERE c.tenant = $1 ORDER BY c.sink",
        )
        .bind(scope.as_str())
        .bind(MAX_BEHIND)
        .fetch_all(&mut link)
        .await?;
        let state = |row: &sqlx::any::AnyRow| {
            let failure = match row.try_get::<Option<i64>, _>(3)? {
                Some(failures) => Some(SinkFailure { failures, error: row.try_get(4)?, time: Moment(row.try_get(5)?) }),
                None => None,
            };
            Ok(SinkState {
                sink: row.try_get(0)?,
                position: row.try_get(1)?,
                moved_at: Moment(row.try_get(2)?),
                behind: row.try_get(7)?,
                failure,
                dead_letters: row.try_get(6)?,
            })
        };
        rows.iter().map(state).collect()
    }
}
