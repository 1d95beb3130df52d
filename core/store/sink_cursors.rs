//! How far each sink has got in the journal.

use sqlx::Row;

use super::{Store, StoreError, TenantScope};
use crate::domain::Moment;

impl Store {
    /// The sink's position; a sink never seen before starts at `start`, and that is remembered.
    pub async fn sink_cursor(
        &self,
        scope: &TenantScope,
        sink: &str,
        start: i64,
        now: Moment,
    ) -> Result<i64, StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO sink_cursors (tenant, sink, position, updated_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(scope.as_str())
        .bind(sink)
        .bind(start)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT position FROM sink_cursors WHERE tenant = $1 AND sink = $2")
            .bind(scope.as_str())
            .bind(sink)
            .fetch_one(&mut link)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Moves a sink forward; never back.
    pub async fn advance_sink(&self, scope: &TenantScope, sink: &str, to: i64, now: Moment) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE sink_cursors SET position = $3, updated_at = $4 WHERE tenant = $1 AND sink = $2 AND position < $3",
        )
        .bind(scope.as_str())
        .bind(sink)
        .bind(to)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
