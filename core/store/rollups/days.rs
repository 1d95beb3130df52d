//! The days that have events: open or closed, and whether they can be recounted.

use jiff::civil::Date;
use sqlx::{Row, any::AnyRow};

use super::{DayTally, unreadable};
use crate::{
    domain::Moment,
    store::{Store, StoreError, TenantScope, Transaction},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayState {
    Open,
    /// Recounted after its end; nothing has come since.
    Closed,
}

impl DayState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A day of a tenant's calendar that has events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportDay {
    pub day: Date,
    /// The ids between which its events lie.
    pub first_event: i64,
    pub last_event: i64,
    pub events: i64,
    pub state: DayState,
    /// When it was last closed.
    pub closed_at: Option<Moment>,
    /// When an event came after that.
    pub reopened_at: Option<Moment>,
    /// All its single events are still there.
    pub raw_complete: bool,
    /// No event came after single events were deleted: its uniques are exact.
    pub uniques_exact: bool,
    pub(super) build: i64,
}

const SELECT: &str = "SELECT day, first_event, last_event, events, state, closed_at, reopened_at, raw_complete, \
     uniques_exact, build FROM report_days";

/// Where a day's sums are.
pub(super) struct Place {
    pub build: i64,
    pub raw_complete: bool,
}

/// Notes that a batch has events of this day, which opens it.
pub(super) async fn note(
    transaction: &mut Transaction,
    scope: &TenantScope,
    day: Date,
    tally: &DayTally,
    now: Moment,
) -> Result<Place, StoreError> {
    let row = sqlx::query(
        "INSERT INTO report_days (tenant, day, first_event, last_event, events) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant, day) DO UPDATE SET \
         first_event = CASE WHEN report_days.first_event < excluded.first_event THEN report_days.first_event ELSE excluded.first_event END, \
         last_event = CASE WHEN report_days.last_event > excluded.last_event THEN report_days.last_event ELSE excluded.last_event END, \
         events = report_days.events + excluded.events, \
         reopened_at = CASE WHEN report_days.state = 'closed' THEN $6 ELSE report_days.reopened_at END, \
         uniques_exact = CASE WHEN report_days.raw_complete = 1 THEN report_days.uniques_exact ELSE 0 END, \
         state = 'open' RETURNING build, raw_complete",
    )
    .bind(scope.as_str())
    .bind(day.to_string())
    .bind(tally.first)
    .bind(tally.last)
    .bind(tally.events)
    .bind(now.as_micros())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(Place { build: row.try_get(0)?, raw_complete: row.try_get::<i64, _>(1)? == 1 })
}

impl Store {
    /// One day; `None` if it has no events.
    pub async fn report_day(&self, scope: &TenantScope, day: Date) -> Result<Option<ReportDay>, StoreError> {
        Ok(self.report_days(scope, day, day).await?.pop())
    }

    /// The days with events from one to another, both included, in order.
    pub async fn report_days(&self, scope: &TenantScope, from: Date, to: Date) -> Result<Vec<ReportDay>, StoreError> {
        let mut link = self.read().await?;
        let sql = format!("{SELECT} WHERE tenant = $1 AND day >= $2 AND day <= $3 ORDER BY day");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(scope.as_str())
            .bind(from.to_string())
            .bind(to.to_string())
            .fetch_all(&mut link)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Days up to one that are not closed, in order.
    pub async fn open_days(&self, scope: &TenantScope, to: Date) -> Result<Vec<ReportDay>, StoreError> {
        let mut link = self.read().await?;
        let sql = format!("{SELECT} WHERE tenant = $1 AND day <= $2 AND state = 'open' ORDER BY day");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(scope.as_str())
            .bind(to.to_string())
            .fetch_all(&mut link)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Takes an open day for this node to close, until a moment. False if another node has it, or it is closed.
    pub async fn claim_day(
        &self,
        scope: &TenantScope,
        day: Date,
        until: Moment,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE report_days SET claimed_until = $3 WHERE tenant = $1 AND day = $2 AND state = 'open' AND claimed_until <= $4",
        )
        .bind(scope.as_str())
        .bind(day.to_string())
        .bind(until.as_micros())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Gives a claimed day back, closed or not.
    pub async fn release_day(&self, scope: &TenantScope, day: Date) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("UPDATE report_days SET claimed_until = 0 WHERE tenant = $1 AND day = $2")
            .bind(scope.as_str())
            .bind(day.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Closes a day that cannot be recounted: its single events are gone. What was counted stays.
    pub async fn close_day_unchecked(&self, scope: &TenantScope, day: Date, now: Moment) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE report_days SET state = 'closed', closed_at = $3, claimed_until = 0 \
             WHERE tenant = $1 AND day = $2 AND raw_complete = 0",
        )
        .bind(scope.as_str())
        .bind(day.to_string())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}

pub(super) fn read(row: &AnyRow) -> Result<ReportDay, StoreError> {
    let day = row.try_get::<&str, _>(0)?.parse::<Date>();
    let yes = |index: usize| row.try_get::<i64, _>(index).map(|value| value == 1);
    Ok(ReportDay {
        day: day.map_err(|reason| unreadable("report_days", "day", reason))?,
        first_event: row.try_get(1)?,
        last_event: row.try_get(2)?,
        events: row.try_get(3)?,
        state: match row.try_get(4)? {
            "closed" => DayState::Closed,
            _ => DayState::Open,
        },
        closed_at: row.try_get::<Option<i64>, _>(5)?.map(Moment),
        reopened_at: row.try_get::<Option<i64>, _>(6)?.map(Moment),
        raw_complete: yes(7)?,
        uniques_exact: yes(8)?,
        build: row.try_get(9)?,
    })
}
