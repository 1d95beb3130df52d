//! Batches that could not be delivered: kept, so that they can be delivered again once their receiver is well.

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

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

/// A letter as it lies there.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLetter {
    pub id: i64,
    pub letter: DeadLetter,
    /// Since when it is wanted again: its sink delivers it next.
    pub replay_at: Option<Moment>,
}

const COLUMNS: &str = "sink, first_event, last_event, attempts, error, time, id, replay_at";

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
        let letters = self.letters(scope, 0, limit).await?;
        Ok(letters.into_iter().map(|stored| stored.letter).collect())
    }

    /// Letters of a tenant with ids above `after`, oldest first.
    pub async fn letters(&self, scope: &TenantScope, after: i64, limit: u32) -> Result<Vec<StoredLetter>, StoreError> {
        let mut link = self.read().await?;
        let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut link)
            .await?;
        rows.iter().map(stored).collect()
    }

    pub async fn letter(&self, scope: &TenantScope, id: i64) -> Result<Option<StoredLetter>, StoreError> {
        let found = self.letters(scope, id.saturating_sub(1), 1).await?;
        Ok(found.into_iter().find(|letter| letter.id == id))
    }

    /// The oldest letter of a sink that is to be delivered again.
    pub async fn next_replay(&self, scope: &TenantScope, sink: &str) -> Result<Option<StoredLetter>, StoreError> {
        let mut link = self.read().await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letters WHERE tenant = $1 AND sink = $2 AND replay_at IS NOT NULL \
             ORDER BY id LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(scope.as_str()).bind(sink).fetch_optional(&mut link).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Asks for a letter to be delivered again, by `sink` if given instead of the one that gave it up; false if it is
    /// not there.
    pub async fn request_replay(
        &self,
        scope: &TenantScope,
        id: i64,
        sink: Option<&str>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let asked = sqlx::query(
            "UPDATE dead_letters SET replay_at = $3, sink = COALESCE($4, sink) WHERE tenant = $1 AND id = $2",
        )
        .bind(scope.as_str())
        .bind(id)
        .bind(now.as_micros())
        .bind(sink)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(asked.rows_affected() > 0)
    }

    /// The letter stays: it could not be delivered this time either.
    pub async fn replay_failed(
        &self,
        scope: &TenantScope,
        id: i64,
        error: &str,
        now: Moment,
    ) -> Result<(), StoreError> {
        let error: String = plain(error).chars().take(MAX_ERROR_CHARS).collect();
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE dead_letters SET replay_at = NULL, attempts = attempts + 1, error = $3, time = $4 \
             WHERE tenant = $1 AND id = $2",
        )
        .bind(scope.as_str())
        .bind(id)
        .bind(error)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Throws a letter away; false if it is not there.
    pub async fn delete_letter(&self, scope: &TenantScope, id: i64) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("DELETE FROM dead_letters WHERE tenant = $1 AND id = $2")
            .bind(scope.as_str())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }
}

fn stored(row: &AnyRow) -> Result<StoredLetter, StoreError> {
    Ok(StoredLetter {
        letter: DeadLetter {
            sink: row.try_get(0)?,
            first_event: row.try_get(1)?,
            last_event: row.try_get(2)?,
            attempts: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
            error: row.try_get(4)?,
            time: Moment(row.try_get(5)?),
        },
        id: row.try_get(6)?,
        replay_at: row.try_get::<Option<i64>, _>(7)?.map(Moment),
    })
}
