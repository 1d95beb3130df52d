//! Answers kept by Idempotency-Key, so that a request that is sent again is done once
//! (draft-ietf-httpapi-idempotency-key-header).

use sqlx::Row;

use super::{Store, StoreError, plain};
use crate::domain::{Moment, Span};

/// How long an answer is kept; after that the same key is a new request.
pub const IDEMPOTENCY_TTL: Span = Span::from_secs(24 * 60 * 60);

/// A request that has not ended after this long died with its node: the next one may take its place. Longer than any
/// request of the API may take.
pub const IDEMPOTENCY_TAKEOVER: Span = Span::from_secs(120);

/// Rows that one sweep deletes in a transaction: nobody waits long for it.
const SWEEP: i64 = 1_000;

/// What [`Store::idempotent_begin`] found.
#[derive(Debug, PartialEq)]
pub enum Idempotent {
    /// Nobody did this yet: do it, then [`Store::idempotent_finish`] or [`Store::idempotent_forget`].
    Fresh(IdempotencyTicket),
    /// It is done: answer this.
    Replay { status: u16, headers: Vec<(String, String)>, body: String },
    /// It is being done.
    Busy,
    /// The same key came with another request.
    Mismatch,
}

/// The right to finish a request.
#[derive(Debug, PartialEq)]
pub struct IdempotencyTicket {
    owner: String,
    token: String,
    started_at: i64,
}

impl Store {
    /// `owner`: whose keys these are, such as an API key's id: two callers may use the same one. `request_hash`: of all
    /// that makes the request what it is (method, path, body).
    pub async fn idempotent_begin(
        &self,
        owner: &str,
        token: &str,
        request_hash: &str,
        now: Moment,
    ) -> Result<Idempotent, StoreError> {
        let (owner, token) = (plain(owner), plain(token));
        let mut transaction = self.write().await?;
        // Also locks the row: of requests that come together one begins, the others see it.
        let begun = sqlx::query(
            "INSERT INTO idempotency (owner, token, request_hash, started_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (owner, token) DO UPDATE \
             SET request_hash = $3, started_at = $4, status = NULL, headers = NULL, body = NULL \
             WHERE idempotency.started_at <= $5 \
             OR (idempotency.status IS NULL AND idempotency.request_hash = $3 AND idempotency.started_at <= $6) \
             RETURNING started_at",
        )
        .bind(owner.as_str())
        .bind(token.as_str())
        .bind(plain(request_hash))
        .bind(now.as_micros())
        .bind((now - IDEMPOTENCY_TTL).as_micros())
        .bind((now - IDEMPOTENCY_TAKEOVER).as_micros())
        .fetch_optional(&mut *transaction)
        .await?;
        if begun.is_some() {
            transaction.commit().await?;
            return Ok(Idempotent::Fresh(IdempotencyTicket { owner, token, started_at: now.as_micros() }));
        }
        let found =
            sqlx::query("SELECT request_hash, status, headers, body FROM idempotency WHERE owner = $1 AND token = $2")
                .bind(owner.as_str())
                .bind(token.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        transaction.rollback().await?;
        // Forgotten at this moment: the caller asks again.
        let Some(row) = found else { return Ok(Idempotent::Busy) };
        if row.try_get::<&str, _>(0)? != request_hash {
            return Ok(Idempotent::Mismatch);
        }
        let Some(status) = row.try_get::<Option<i64>, _>(1)? else { return Ok(Idempotent::Busy) };
        let headers = row.try_get::<Option<&str>, _>(2)?.unwrap_or("[]");
        Ok(Idempotent::Replay {
            status: u16::try_from(status).map_err(|error| unreadable("status", error.to_string()))?,
            headers: serde_json::from_str(headers).map_err(|error| unreadable("headers", error.to_string()))?,
            body: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
        })
    }

    /// Keeps the answer. Never one that holds a secret which is shown once (a new API key): forget those. Nothing
    /// happens if the request took so long that another one took its place.
    pub async fn idempotent_finish(
        &self,
        ticket: &IdempotencyTicket,
        status: u16,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<(), StoreError> {
        let headers = serde_json::to_string(headers).map_err(|error| unreadable("headers", error.to_string()))?;
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE idempotency SET status = $4, headers = $5, body = $6 \
             WHERE owner = $1 AND token = $2 AND started_at = $3 AND status IS NULL",
        )
        .bind(ticket.owner.as_str())
        .bind(ticket.token.as_str())
        .bind(ticket.started_at)
        .bind(i64::from(status))
        .bind(headers)
        .bind(plain(body))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Nothing was done (a failure of ours): the same request may be tried again at once.
    pub async fn idempotent_forget(&self, ticket: &IdempotencyTicket) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM idempotency WHERE owner = $1 AND token = $2 AND started_at = $3 AND status IS NULL")
            .bind(ticket.owner.as_str())
            .bind(ticket.token.as_str())
            .bind(ticket.started_at)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Deletes answers that are too old to be given, a thousand at most. Answers how many: ask again while it is that
    /// many.
    pub async fn sweep_idempotency(&self, now: Moment) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let swept = sqlx::query(
            "DELETE FROM idempotency WHERE (owner, token) IN \
             (SELECT owner, token FROM idempotency WHERE started_at <= $1 ORDER BY started_at LIMIT $2)",
        )
        .bind((now - IDEMPOTENCY_TTL).as_micros())
        .bind(SWEEP)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(swept)
    }
}

fn unreadable(column: &'static str, reason: String) -> StoreError {
    StoreError::Row { table: "idempotency", column, reason }
}
