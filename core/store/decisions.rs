//! Records of decisions, to explain and to replay them. Knows nothing of what they say.

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{Store, StoreError, TenantScope, placeholders, plain};
use crate::domain::{Moment, Slug};

/// Rows of one statement: see `events`.
const ROWS_PER_STATEMENT: usize = 50;

/// Rows that one sweep deletes in a transaction: nobody waits long for it.
const SWEEP: i64 = 1_000;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    pub tenant: Slug,
    pub channel: Slug,
    /// Unique in the tenant.
    pub id: String,
    pub time: Moment,
    /// Of the tenant's state that was decided on: see [`Store::state_at`].
    pub version: i64,
    /// JSON: inputs, seed, hashes of scripts, and the result.
    pub body: String,
}

impl Store {
    /// Adds records in one transaction. One whose id is there already is left as it is, so a batch may be sent again.
    pub async fn put_decisions(&self, rows: &[DecisionRow]) -> Result<(), StoreError> {
        // In one order on all nodes, so that two that write the same records never wait for each other in a circle.
        let mut rows: Vec<&DecisionRow> = rows.iter().collect();
        rows.sort_by(|a, b| (&a.tenant, &a.id).cmp(&(&b.tenant, &b.id)));
        let mut transaction = self.write().await?;
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            let sql = format!(
                "INSERT INTO decisions (tenant, id, channel, time, version, body) VALUES {} ON CONFLICT DO NOTHING",
                placeholders(1, rows.len(), 6)
            );
            let reusable = rows.len() == ROWS_PER_STATEMENT;
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(reusable);
            for row in rows {
                query = query
                    .bind(row.tenant.as_str())
                    .bind(plain(&row.id))
                    .bind(row.channel.as_str())
                    .bind(row.time.as_micros())
                    .bind(row.version)
                    .bind(plain(&row.body));
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    pub async fn decision(&self, scope: &TenantScope, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT id, channel, time, version, body FROM decisions WHERE tenant = $1 AND id = $2")
            .bind(scope.as_str())
            .bind(plain(id))
            .fetch_optional(&mut link)
            .await?;
        row.as_ref().map(|row| decision(scope, row)).transpose()
    }

    /// Records of a tenant with `since <= time < until`, by time and id. `after`: time and id of the last record of the
    /// page before.
    pub async fn decisions_between(
        &self,
        scope: &TenantScope,
        channel: Option<&Slug>,
        since: Moment,
        until: Moment,
        after: Option<(Moment, &str)>,
        limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let (time, id) = after.unwrap_or((Moment::MIN, ""));
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT id, channel, time, version, body FROM decisions WHERE tenant = $1 AND time >= $2 AND time < $3 \
             AND (time, id) > ($4, $5) AND ($6 = '' OR channel = $6) ORDER BY time, id LIMIT $7",
        )
        .bind(scope.as_str())
        .bind(since.max(time).as_micros())
        .bind(until.as_micros())
        .bind(time.as_micros())
        .bind(plain(id))
        // No slug is empty.
        .bind(channel.map_or("", Slug::as_str))
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        rows.iter().map(|row| decision(scope, row)).collect()
    }

    /// Deletes records of before a moment, a thousand at most. Answers how many: ask again while it is that many.
    pub async fn sweep_decisions(&self, before: Moment) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let swept = sqlx::query(
            "DELETE FROM decisions WHERE (tenant, id) IN \
             (SELECT tenant, id FROM decisions WHERE time < $1 ORDER BY time LIMIT $2)",
        )
        .bind(before.as_micros())
        .bind(SWEEP)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(swept)
    }
}

fn decision(scope: &TenantScope, row: &AnyRow) -> Result<DecisionRow, StoreError> {
    let channel = row.try_get::<&str, _>(1)?.parse();
    Ok(DecisionRow {
        tenant: scope.tenant().clone(),
        id: row.try_get(0)?,
        channel: channel.map_err(|reason| StoreError::Row { table: "decisions", column: "channel", reason })?,
        time: Moment(row.try_get(2)?),
        version: row.try_get(3)?,
        body: row.try_get(4)?,
    })
}
