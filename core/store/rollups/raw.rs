//! Single events as they are counted, and their end when they have grown old.

use futures_util::TryStreamExt;
use sqlx::Row;

use crate::{
    domain::Moment,
    store::{Store, StoreError, TenantScope},
};

/// Events that one sweep deletes in a transaction: nobody waits long for it.
const SWEEP: i64 = 1_000;

/// What counting needs of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    pub id: i64,
    pub event_type: &'a str,
    pub time: Moment,
    pub channel: &'a str,
    pub campaign: &'a str,
    pub ad: &'a str,
    pub device: &'a str,
    pub geo: &'a str,
    pub counted_by: &'a str,
    pub traffic: &'a str,
    /// Empty if none is known.
    pub session: &'a str,
    /// In micro-units.
    pub price: i64,
    pub error_code: Option<i64>,
    pub value: Option<i64>,
}

impl Store {
    /// Shows the tenant's events with `after < id <= to`, oldest first and so many at most. Answers how many there were
    /// and the id of the last.
    pub async fn scan_events(
        &self,
        scope: &TenantScope,
        after: i64,
        to: i64,
        limit: u32,
        mut show: impl FnMut(&RawEvent<'_>) + Send,
    ) -> Result<(u32, i64), StoreError> {
        let mut link = self.read().await?;
        let mut rows = sqlx::query(
            "SELECT id, event_type, time, channel, campaign, ad, device, geo, counted_by, traffic, session, price, \
             error_code, value FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4",
        )
        .bind(scope.as_str())
        .bind(after)
        .bind(to)
        .bind(i64::from(limit))
        .fetch(&mut link);
        let (mut count, mut last) = (0, after);
        while let Some(row) = rows.try_next().await? {
            let text = |index: usize| row.try_get::<Option<&str>, _>(index).map(Option::unwrap_or_default);
            last = row.try_get(0)?;
            count += 1;
            show(&RawEvent {
                id: last,
                event_type: row.try_get(1)?,
                time: Moment(row.try_get(2)?),
                channel: text(3)?,
                campaign: text(4)?,
                ad: text(5)?,
                device: text(6)?,
                geo: text(7)?,
                counted_by: text(8)?,
                traffic: text(9)?,
                session: text(10)?,
                price: row.try_get(11)?,
                error_code: row.try_get(12)?,
                value: row.try_get(13)?,
            });
        }
        Ok((count, last))
    }

    /// Deletes the tenant's oldest events as far as they were received before a moment and lie at or below `to`, a
    /// thousand at most. Answers how many: ask again while it is that many. Days that lose events can no longer be
    /// recounted. Never deletes what is not counted yet.
    pub async fn sweep_events(&self, scope: &TenantScope, before: Moment, to: i64) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        // The lock keeps a recount from reading what goes.
        let cursor = sqlx::query("UPDATE rollup_cursors SET epoch = epoch WHERE tenant = $1 RETURNING position")
            .bind(scope.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let counted = cursor.map_or(Ok(0), |row| row.try_get::<i64, _>(0))?;
        let rows = sqlx::query("SELECT id, received FROM events WHERE tenant = $1 AND id <= $2 ORDER BY id LIMIT $3")
            .bind(scope.as_str())
            .bind(to.min(counted))
            .bind(SWEEP)
            .fetch_all(&mut *transaction)
            .await?;
        let mut last = None;
        for row in rows {
            if row.try_get::<i64, _>(1)? >= before.as_micros() {
                break;
            }
            last = Some(row.try_get::<i64, _>(0)?);
        }
        let Some(last) = last else {
            transaction.rollback().await?;
            return Ok(0);
        };
        sqlx::query(
            "UPDATE report_days SET raw_complete = 0 WHERE tenant = $1 AND first_event <= $2 AND raw_complete = 1",
        )
        .bind(scope.as_str())
        .bind(last)
        .execute(&mut *transaction)
        .await?;
        let swept = sqlx::query("DELETE FROM events WHERE tenant = $1 AND id <= $2")
            .bind(scope.as_str())
            .bind(last)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        Ok(swept)
    }

    /// The id up to which the tenant's events have been read by all who read them by a cursor: these sinks, and whoever
    /// fires third parties' beacons.
    pub async fn read_by_all(&self, scope: &TenantScope, sinks: &[String]) -> Result<i64, StoreError> {
        let mut link = self.read().await?;
        let beacons = sqlx::query("SELECT position FROM beacon_cursors WHERE tenant = $1")
            .bind(scope.as_str())
            .fetch_optional(&mut link)
            .await?;
        // Without a cursor nothing has been read.
        let mut lowest = beacons.map_or(Ok(0), |row| row.try_get::<i64, _>(0))?;
        let rows = sqlx::query("SELECT sink, position FROM sink_cursors WHERE tenant = $1")
            .bind(scope.as_str())
            .fetch_all(&mut link)
            .await?;
        for row in rows {
            let sink: &str = row.try_get(0)?;
            if sinks.iter().any(|mounted| mounted == sink) {
                lowest = lowest.min(row.try_get(1)?);
            }
        }
        Ok(lowest)
    }
}
