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

    /// Makes `node` the one that delivers for a sink until then, unless another one is; answers the sink's position.
    pub async fn hold_sink(
        &self,
        scope: &TenantScope,
        sink: &str,
        node: &str,
        now: Moment,
        until: Moment,
    ) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.write().await?;
        let row = sqlx::query(
            "UPDATE sink_cursors SET held_by = $3, held_until = $5 WHERE tenant = $1 AND sink = $2 \
             AND (held_by = $3 OR held_until < $4) RETURNING position",
        )
        .bind(scope.as_str())
        .bind(sink)
        .bind(node)
        .bind(now.as_micros())
        .bind(until.as_micros())
        .fetch_optional(&mut *transaction)
        .await?;
        let position = row.map(|row| row.try_get(0)).transpose()?;
        transaction.commit().await?;
        Ok(position)
    }

    /// Another node may deliver now.
    pub async fn release_sink(&self, scope: &TenantScope, sink: &str, node: &str) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("UPDATE sink_cursors SET held_until = 0 WHERE tenant = $1 AND sink = $2 AND held_by = $3")
            .bind(scope.as_str())
            .bind(sink)
            .bind(node)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
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
