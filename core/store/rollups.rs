//! Sums of events: added to batch by batch behind a cursor, recounted day by day.
//!
//! A tenant's sums are at any time what counting its events up to the cursor gives: the sums of a batch are added in the
//! transaction that moves the cursor, and of several nodes only one can move it from where it was. A day's sums have a
//! `build` number; a recount writes a build of its own beside the one that serves and then switches over. Knows neither
//! what an event counts as nor what a day is: batches come tallied.

mod apply;
mod days;
mod minutes;
mod raw;
mod recount;
#[cfg(test)]
mod tests;
mod uniques;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use sqlx::Row;

pub(super) use self::recount::rename_sessions;
pub use self::{
    days::{DayState, ReportDay},
    minutes::MinuteRow,
    raw::RawEvent,
    recount::{Compared, Recount},
    uniques::{GROUPINGS, Grouping},
};
use super::{Store, StoreError, TenantScope, Transaction, plain};
use crate::domain::{Moment, Slug};

/// What sums have a column for, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Breaks,
    BreakMicros,
    Decided,
    DecidedMicros,
    Stitched,
    Impressions,
    Starts,
    FirstQuartiles,
    Midpoints,
    ThirdQuartiles,
    Completes,
    Clicks,
    Errors,
    /// Events of a tenant's own types.
    Others,
    /// In micro-units.
    Spend,
}

/// The columns' names in the tables, in the order of [`Column`].
pub const COLUMNS: [&str; 15] = [
    "breaks",
    "break_us",
    "decided",
    "decided_us",
    "stitched",
    "impressions",
    "starts",
    "first_quartiles",
    "midpoints",
    "third_quartiles",
    "completes",
    "clicks",
    "errors",
    "others",
    "spend",
];

/// One number for each column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sums([i64; COLUMNS.len()]);

impl Sums {
    pub fn of(numbers: [i64; COLUMNS.len()]) -> Self {
        Self(numbers)
    }
    pub fn get(&self, column: Column) -> i64 {
        self.0.get(column as usize).copied().unwrap_or_default()
    }
    pub fn add(&mut self, column: Column, number: i64) {
        if let Some(sum) = self.0.get_mut(column as usize) {
            *sum = sum.saturating_add(number);
        }
    }
    pub fn add_all(&mut self, other: &Self) {
        for (sum, number) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(number);
        }
    }
    /// In the order of [`COLUMNS`].
    pub fn numbers(&self) -> &[i64] {
        &self.0
    }
}

/// What an event is about and who saw it. Empty where it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Cell {
    pub channel: Box<str>,
    pub campaign: Box<str>,
    pub ad: Box<str>,
    pub device: Box<str>,
    pub geo: Box<str>,
}

/// A row of an hour or a day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Line {
    pub cell: Cell,
    pub counted_by: Box<str>,
    pub traffic: Box<str>,
}

/// What kind of thing a name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameKind {
    /// Errors by code.
    Error,
    /// Events without a column.
    Event,
}

impl NameKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Event => "event",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameLine {
    pub channel: Box<str>,
    pub campaign: Box<str>,
    pub ad: Box<str>,
    pub traffic: Box<str>,
    pub kind: NameKind,
    pub name: Box<str>,
}

/// What a batch adds to one day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayTally {
    /// The ids between which its events lie.
    pub first: i64,
    pub last: i64,
    pub events: i64,
    /// By hours since the epoch.
    pub hours: HashMap<(i64, Line), Sums>,
    pub names: HashMap<NameLine, i64>,
    /// Where sessions had valid impressions, by a hash of their name.
    pub sessions: BTreeMap<Box<str>, BTreeSet<Cell>>,
}

/// What a batch of events adds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub days: BTreeMap<Date, DayTally>,
    /// By minutes since the epoch, channel and traffic; of the last hours only.
    pub minutes: BTreeMap<(i64, Box<str>, Box<str>), Sums>,
}

/// How far a tenant's events are counted, and in which zones their days are told.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Id of the last event that is counted.
    pub position: i64,
    epoch: i64,
    /// From an event's id on, its time zone; ascending.
    pub zones: Vec<(i64, String)>,
}

/// A tenant whose newest events are not counted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub tenant: Slug,
    pub position: i64,
    /// Id of its newest event.
    pub head: i64,
}

impl Store {
    /// Tenants with events that are not counted yet.
    pub async fn rollups_behind(&self) -> Result<Vec<Behind>, StoreError> {
        self.rollup_lag(true).await
    }

    /// How far counting is, for every tenant that ever had an event.
    pub async fn rollup_positions(&self) -> Result<Vec<Behind>, StoreError> {
        self.rollup_lag(false).await
    }

    async fn rollup_lag(&self, behind: bool) -> Result<Vec<Behind>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT h.tenant, h.id, COALESCE(c.position, 0) FROM event_heads h \
             LEFT JOIN rollup_cursors c ON c.tenant = h.tenant WHERE $1 = 0 OR h.id > COALESCE(c.position, 0) \
             ORDER BY h.tenant",
        )
        .bind(i64::from(behind))
        .fetch_all(&mut link)
        .await?;
        let row = |row: &sqlx::any::AnyRow| {
            let tenant = row.try_get::<&str, _>(0)?.parse();
            let tenant = tenant.map_err(|reason| unreadable("event_heads", "tenant", reason))?;
            Ok(Behind { tenant, head: row.try_get(1)?, position: row.try_get(2)? })
        };
        rows.iter().map(row).collect()
    }

    /// How far the tenant's events are counted.
    pub async fn rollup_standing(&self, scope: &TenantScope) -> Result<Standing, StoreError> {
        // The cursor first: a zone that is added meanwhile begins behind it.
        let mut link = self.read().await?;
        let cursor = sqlx::query("SELECT position, epoch FROM rollup_cursors WHERE tenant = $1")
            .bind(scope.as_str())
            .fetch_optional(&mut link)
            .await?;
        let (position, epoch) = match cursor {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0, 0),
        };
        let zones = sqlx::query("SELECT since, zone FROM rollup_zones WHERE tenant = $1 ORDER BY since")
            .bind(scope.as_str())
            .fetch_all(&mut link)
            .await?;
        let zones = zones.iter().map(|row| Ok::<_, StoreError>((row.try_get(0)?, row.try_get(1)?)));
        Ok(Standing { position, epoch, zones: zones.collect::<Result<_, _>>()? })
    }

    /// Adds what the events behind `standing` up to `to` sum up to, and moves the cursor there: both or neither. False,
    /// and nothing is done, if somebody else counted them first or renamed what was counted.
    ///
    /// `zone`: the time zone from the first of these events on, if it is another than before.
    pub async fn apply_rollups(
        &self,
        scope: &TenantScope,
        standing: &Standing,
        to: i64,
        zone: Option<&str>,
        tally: &Tally,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        if !claim(&mut transaction, scope, standing, to).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        if let Some(zone) = zone {
            sqlx::query(
                "INSERT INTO rollup_zones (tenant, since, zone) VALUES ($1, $2, $3) \
                 ON CONFLICT (tenant, since) DO UPDATE SET zone = excluded.zone",
            )
            .bind(scope.as_str())
            .bind(standing.position + 1)
            .bind(zone)
            .execute(&mut *transaction)
            .await?;
        }
        for (day, tally) in &tally.days {
            let place = days::note(&mut transaction, scope, *day, tally, now).await?;
            apply::write(&mut transaction, scope, *day, place.build, tally, place.raw_complete).await?;
        }
        minutes::add(&mut transaction, scope, &tally.minutes).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Takes the events behind the standing for this transaction.
async fn claim(
    transaction: &mut Transaction,
    scope: &TenantScope,
    standing: &Standing,
    to: i64,
) -> Result<bool, StoreError> {
    sqlx::query("INSERT INTO rollup_cursors (tenant, position, epoch) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING")
        .bind(scope.as_str())
        .execute(&mut **transaction)
        .await?;
    let moved =
        sqlx::query("UPDATE rollup_cursors SET position = $4 WHERE tenant = $1 AND position = $2 AND epoch = $3")
            .bind(scope.as_str())
            .bind(standing.position)
            .bind(standing.epoch)
            .bind(to)
            .execute(&mut **transaction)
            .await?;
    Ok(moved.rows_affected() == 1)
}

/// Text of a dimension as the tables hold it: without control characters, which separate them elsewhere.
pub fn dimension(text: &str) -> Box<str> {
    if text.chars().any(char::is_control) {
        plain(text).chars().filter(|c| !c.is_control()).collect::<String>().into()
    } else {
        text.into()
    }
}

/// What stands for a session in the tables of sums: nobody is named there.
pub fn session_hash(session: &str) -> Box<str> {
    let digest: [u8; 32] = Sha256::digest(session.as_bytes()).into();
    URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().copied().unwrap_or_default()).into()
}

fn unreadable(table: &'static str, column: &'static str, reason: impl ToString) -> StoreError {
    StoreError::Row { table, column, reason: reason.to_string() }
}

/// The columns' numbers from one place of a row on.
pub(super) fn read_sums(row: &sqlx::any::AnyRow, first: usize) -> Result<Sums, StoreError> {
    let mut sums = Sums::default();
    for (at, sum) in sums.0.iter_mut().enumerate() {
        *sum = row.try_get(first + at)?;
    }
    Ok(sums)
}
