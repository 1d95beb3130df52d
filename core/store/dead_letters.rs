//! Batches that could not be delivered: kept, so that they can be delivered again once their receiver is well.

use sqlx::Row;

use super::{Store, StoreError, TenantScope, plain, take};
use crate::domain::Moment;

/// Error text kept per letter; a script's message can be long.
const MAX_ERROR_CHARS: usize = 500;

/// A range of a tenant's events that one sink gave up on.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub sink: String,
    /// Ids of the first and the last event of the batch.
    pub first_event: i64,
    pub last_event: i64,
    pub attempts: u32,
    pub error: String,
    pub time: Moment,
}

impl Store {
    /// Writes the letter and moves its sink past the batch in one transaction: a batch is never both given up and
    /// tried again, and never neither.
    pub async fn give_up(&self, scope: &TenantScope, letter: &DeadLetter) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let id = take(&mut transaction, "dead_letters", 1).await?;
        let error: String = plain(&letter.error).chars().take(MAX_ERROR_CHARS).collect();
        sqlx::query(
            "INSERT INTO dead_letters (tenant, id, sink, first_event, last_event, attempts, error, time) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(scope.as_str())
        .bind(id)
        .bind(letter.sink.as_str())
        .bind(letter.first_event)
        .bind(letter.last_event)
        .bind(i64::from(letter.attempts))
        .bind(error)
        .bind(letter.time.as_micros())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE sink_cursors SET position = $3, updated_at = $4 WHERE tenant = $1 AND sink = $2 AND position < $3",
        )
        .bind(scope.as_str())
        .bind(letter.sink.as_str())
        .bind(letter.last_event)
        .bind(letter.time.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Letters of a tenant, oldest first.
    pub async fn dead_letters(&self, scope: &TenantScope, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT sink, first_event, last_event, attempts, error, time FROM dead_letters WHERE tenant = $1 \
             ORDER BY id LIMIT $2",
        )
        .bind(scope.as_str())
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let letter = |row: &sqlx::any::AnyRow| {
            Ok(DeadLetter {
                sink: row.try_get(0)?,
                first_event: row.try_get(1)?,
                last_event: row.try_get(2)?,
                attempts: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
                error: row.try_get(4)?,
                time: Moment(row.try_get(5)?),
            })
        };
        rows.iter().map(letter).collect()
    }
}
