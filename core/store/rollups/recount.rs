//! A day counted anew: into a build of its own, which takes the old one's place in one step.
//!
//! What a recount writes is invisible until the end. At the end it has every event of the day up to where counting is,
//! under the lock of the cursor; so both builds are sums of the same events and can be compared to the unit. A recount
//! that dies leaves rows behind that are swept.

use std::sync::Arc;

use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Row};

use super::{COLUMNS, DayTally, ReportDay, apply, days, session_hash, uniques::GROUPINGS};
use crate::{
    domain::{Moment, Span},
    store::{Store, StoreError, TenantScope, Transaction},
};

/// How long a recount may take for one batch before it counts as dead.
const BATCH_LIMIT: Span = Span::from_secs(600);

/// Between a switch and the end of the old build: reports that have begun to read it have long ended.
const OLD_BUILD_KEPT: Span = Span::from_secs(60);

/// First characters of hashed sessions: base64.
const SESSION_PREFIXES: &str = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// A recount under way.
#[derive(Clone, Debug)]
pub struct Recount {
    pub day: ReportDay,
    /// Id of the last event that counting had come to.
    pub position: i64,
    epoch: i64,
    build: i64,
}

/// How a recount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It serves. So many rows were different before.
    Switched { differences: i64 },
    /// Events of the day were counted meanwhile: go on up to this id and try again.
    Behind { last: i64 },
    /// Events were renamed or deleted meanwhile: start anew.
    Void,
}

impl Store {
    /// Starts to count a day anew. `None` if the day has no events, or some of them are deleted.
    pub async fn begin_recount(
        &self,
        scope: &TenantScope,
        day: Date,
        now: Moment,
    ) -> Result<Option<Recount>, StoreError> {
        let mut transaction = self.write().await?;
        let cursor = sqlx::query("UPDATE rollup_cursors SET epoch = epoch WHERE tenant = $1 RETURNING position, epoch")
            .bind(scope.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let row = sqlx::query(
            "UPDATE report_days SET last_build = last_build + 1 WHERE tenant = $1 AND day = $2 AND raw_complete = 1 \
             RETURNING day, first_event, last_event, events, state, closed_at, reopened_at, raw_complete, uniques_exact, \
             build, last_build",
        )
        .bind(scope.as_str())
        .bind(day.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let (Some(cursor), Some(row)) = (cursor, row) else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let build = row.try_get(10)?;
        sqlx::query("INSERT INTO rollup_builds (tenant, day, build, until) VALUES ($1, $2, $3, $4)")
            .bind(scope.as_str())
            .bind(day.to_string())
            .bind(build)
            .bind((now + BATCH_LIMIT).as_micros())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(Recount { day: days::read(&row)?, position: cursor.try_get(0)?, epoch: cursor.try_get(1)?, build }))
    }

    /// Adds a batch. False if the recount was given up for dead meanwhile.
    pub async fn add_to_recount(
        &self,
        scope: &TenantScope,
        recount: &Recount,
        tally: &DayTally,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let alive = sqlx::query(
            "UPDATE rollup_builds SET until = $4 WHERE tenant = $1 AND day = $2 AND build = $3 AND until > 0",
        )
        .bind(scope.as_str())
        .bind(recount.day.day.to_string())
        .bind(recount.build)
        .bind((now + BATCH_LIMIT).as_micros())
        .execute(&mut *transaction)
        .await?;
        if alive.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        apply::write(&mut transaction, scope, recount.day.day, recount.build, tally, true).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Compares what was recounted with what serves, and puts it in its place. `covered`: the id up to which the
    /// recount has seen events; `events`: how many of the day there were; `close`: the day is over.
    pub async fn finish_recount(
        &self,
        scope: &TenantScope,
        recount: &Recount,
        covered: i64,
        events: i64,
        close: bool,
        now: Moment,
    ) -> Result<Compared, StoreError> {
        let date = recount.day.day.to_string();
        let mut transaction = self.write().await?;
        let cursor = sqlx::query("UPDATE rollup_cursors SET epoch = epoch WHERE tenant = $1 RETURNING epoch")
            .bind(scope.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        let row = sqlx::query(
            "SELECT last_event, build, raw_complete, events FROM report_days WHERE tenant = $1 AND day = $2",
        )
        .bind(scope.as_str())
        .bind(&*date)
        .fetch_one(&mut *transaction)
        .await?;
        let (last, serving): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let alive =
            sqlx::query("DELETE FROM rollup_builds WHERE tenant = $1 AND day = $2 AND build = $3 AND until > 0")
                .bind(scope.as_str())
                .bind(&*date)
                .bind(recount.build)
                .execute(&mut *transaction)
                .await?;
        let dead = alive.rows_affected() == 0;
        if dead || cursor.try_get::<i64, _>(0)? != recount.epoch || row.try_get::<i64, _>(2)? == 0 {
            transaction.rollback().await?;
            return Ok(Compared::Void);
        }
        if last > covered {
            transaction.rollback().await?;
            return Ok(Compared::Behind { last });
        }
        let mut differences = i64::from(row.try_get::<i64, _>(3)? != events);
        for (table, columns) in tables() {
            differences += differing(&mut transaction, scope, &date, table, columns, serving, recount.build).await?;
        }
        sqlx::query(
            "UPDATE report_days SET build = $3, events = $4, uniques_exact = 1, state = CASE WHEN $5 = 1 THEN 'closed' ELSE state END, \
             closed_at = CASE WHEN $5 = 1 THEN $6 ELSE closed_at END, claimed_until = 0 WHERE tenant = $1 AND day = $2",
        )
        .bind(scope.as_str())
        .bind(&*date)
        .bind(recount.build)
        .bind(events)
        .bind(i64::from(close))
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO rollup_builds (tenant, day, build, until) VALUES ($1, $2, $3, $4)")
            .bind(scope.as_str())
            .bind(&*date)
            .bind(serving)
            .bind((now + OLD_BUILD_KEPT).as_micros())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Compared::Switched { differences })
    }

    /// Deletes one build that serves no more, in steps that are short each. False if there is none.
    pub async fn sweep_rollup_builds(&self, now: Moment) -> Result<bool, StoreError> {
        let found = {
            let mut link = self.read().await?;
            sqlx::query("SELECT tenant, day, build FROM rollup_builds WHERE until <= $1 ORDER BY until LIMIT 1")
                .bind(now.as_micros())
                .fetch_optional(&mut link)
                .await?
        };
        let Some(row) = found else { return Ok(false) };
        let (tenant, date, build): (String, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let tenant = tenant.parse().map_err(|reason: String| super::unreadable("rollup_builds", "tenant", reason))?;
        let scope = TenantScope::new(tenant);
        // 0 says that rows are missing: a recount that was thought dead and goes on finds itself dead.
        let mut transaction = self.write().await?;
        let swept = sqlx::query(
            "UPDATE rollup_builds SET until = 0 WHERE tenant = $1 AND day = $2 AND build = $3 AND until <= $4",
        )
        .bind(scope.as_str())
        .bind(&*date)
        .bind(build)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if swept.rows_affected() == 0 {
            return Ok(true);
        }
        self.sweep_build(&scope, &date, build).await?;
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM rollup_builds WHERE tenant = $1 AND day = $2 AND build = $3 AND until = 0")
            .bind(scope.as_str())
            .bind(&*date)
            .bind(build)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn sweep_build(&self, scope: &TenantScope, date: &str, build: i64) -> Result<(), StoreError> {
        self.sweep_part(scope, date, build, "rollup_days", "", "").await?;
        self.sweep_part(scope, date, build, "rollup_names", "", "").await?;
        let hours: Vec<i64> = {
            let mut link = self.read().await?;
            let rows = sqlx::query(
                "SELECT DISTINCT hour FROM rollup_hours WHERE tenant = $1 AND day = $2 AND build = $3 ORDER BY hour",
            )
            .bind(scope.as_str())
            .bind(date)
            .bind(build)
            .fetch_all(&mut link)
            .await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?
        };
        for hour in hours {
            self.sweep_part(scope, date, build, "rollup_hours", " AND hour = ", &hour.to_string()).await?;
        }
        for grouping in GROUPINGS {
            let mask = grouping.mask().to_string();
            self.sweep_part(scope, date, build, "rollup_uniques", " AND mask = ", &mask).await?;
        }
        self.sweep_sessions(scope, date, build).await
    }

    async fn sweep_sessions(&self, scope: &TenantScope, date: &str, build: i64) -> Result<(), StoreError> {
        for prefix in SESSION_PREFIXES.chars() {
            let range = format!("'{prefix}' AND session < '{prefix}~'");
            self.sweep_part(scope, date, build, "day_sessions", " AND session >= ", &range).await?;
        }
        Ok(())
    }

    /// Forgets which sessions had impressions on days that cannot be recounted any more: their uniques are final.
    pub async fn sweep_day_sessions(&self, scope: &TenantScope) -> Result<(), StoreError> {
        let days = {
            let mut link = self.read().await?;
            sqlx::query(
                "SELECT day, build FROM report_days WHERE tenant = $1 AND raw_complete = 0 AND sessions_kept = 1",
            )
            .bind(scope.as_str())
            .fetch_all(&mut link)
            .await?
        };
        for row in days {
            let (date, build): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            self.sweep_sessions(scope, &date, build).await?;
            let mut transaction = self.write().await?;
            sqlx::query("UPDATE report_days SET sessions_kept = 0 WHERE tenant = $1 AND day = $2 AND raw_complete = 0")
                .bind(scope.as_str())
                .bind(date)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// `table`, `narrower` and `value` are made of constants and numbers above.
    async fn sweep_part(
        &self,
        scope: &TenantScope,
        date: &str,
        build: i64,
        table: &str,
        narrower: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM {table} WHERE tenant = $1 AND day = $2 AND build = $3{narrower}{value}");
        let mut transaction = self.write().await?;
        sqlx::query(AssertSqlSafe(Arc::<str>::from(sql)))
            .persistent(false)
            .bind(scope.as_str())
            .bind(date)
            .bind(build)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}

/// Follows sessions that get other names: call it in the transaction that renames their events, before that. What was
/// counted stays as it is.
pub(in crate::store) async fn rename_sessions(
    transaction: &mut Transaction,
    scope: &TenantScope,
    renamed: &[(&str, &str)],
) -> Result<(), StoreError> {
    // The lock first, as whoever counts takes it; and what was read before is void.
    sqlx::query("UPDATE rollup_cursors SET epoch = epoch + 1 WHERE tenant = $1")
        .bind(scope.as_str())
        .execute(&mut **transaction)
        .await?;
    let days = sqlx::query("SELECT day, build FROM report_days WHERE tenant = $1 AND sessions_kept = 1 ORDER BY day")
        .bind(scope.as_str())
        .fetch_all(&mut **transaction)
        .await?;
    for row in days {
        let (day, build): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        for (from, to) in renamed {
            // One that has both names (part of it was renamed before) keeps both: it is recounted.
            sqlx::query(
                "UPDATE day_sessions SET session = $5 WHERE tenant = $1 AND day = $2 AND build = $3 AND session = $4 \
                 AND NOT EXISTS (SELECT 1 FROM day_sessions s WHERE s.tenant = $1 AND s.day = $2 AND s.build = $3 \
                 AND s.session = $5)",
            )
            .bind(scope.as_str())
            .bind(&*day)
            .bind(build)
            .bind(&*session_hash(from))
            .bind(&*session_hash(to))
            .execute(&mut **transaction)
            .await?;
        }
    }
    Ok(())
}

/// The tables of a build with all their columns.
fn tables() -> [(&'static str, String); 4] {
    let sums = COLUMNS.join(", ");
    [
        ("rollup_days", format!("channel, campaign, ad, device, geo, counted_by, traffic, {sums}")),
        ("rollup_hours", format!("hour, channel, campaign, ad, device, geo, counted_by, traffic, {sums}")),
        ("rollup_names", "channel, campaign, ad, traffic, kind, name, count".to_owned()),
        ("rollup_uniques", "mask, channel, campaign, ad, device, geo, uniques".to_owned()),
    ]
}

/// Rows that only one of two builds has.
async fn differing(
    transaction: &mut Transaction,
    scope: &TenantScope,
    date: &str,
    table: &str,
    columns: String,
    one: i64,
    other: i64,
) -> Result<i64, StoreError> {
    let rows =
        |build: &str| format!("SELECT {columns} FROM {table} WHERE tenant = $1 AND day = $2 AND build = {build}");
    let only = |a: &str, b: &str| format!("SELECT COUNT(*) AS n FROM ({} EXCEPT {}) x", rows(a), rows(b));
    let sql =
        format!("SELECT CAST(SUM(n) AS BIGINT) FROM ({} UNION ALL {}) both_ways", only("$3", "$4"), only("$4", "$3"));
    let row = sqlx::query(AssertSqlSafe(Arc::<str>::from(sql)))
        .bind(scope.as_str())
        .bind(date)
        .bind(one)
        .bind(other)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(row.try_get(0)?)
}
