//! The last hours by the minute: for pages that show what happens now.

use std::{collections::BTreeMap, sync::LazyLock};

use sqlx::Row;

use super::{COLUMNS, Sums, apply::Table, apply::bind_sums};
use crate::{
    domain::Moment,
    store::{Store, StoreError, TenantScope, Transaction},
};

/// One minute of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinuteRow {
    /// Since the epoch.
    pub minute: i64,
    /// Empty for events of no channel.
    pub channel: String,
    pub traffic: String,
    pub sums: Sums,
}

const MICROS: i64 = 60_000_000;

static MINUTES: LazyLock<Table> =
    LazyLock::new(|| Table::new("rollup_minutes", &["tenant", "minute", "channel", "traffic"], &COLUMNS));

pub(super) async fn add(
    transaction: &mut Transaction,
    scope: &TenantScope,
    minutes: &BTreeMap<(i64, Box<str>, Box<str>), Sums>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = minutes.iter().collect();
    MINUTES
        .add(transaction, &rows, |query, ((minute, channel, traffic), sums)| {
            let query = query.bind(scope.as_str().to_owned()).bind(*minute).bind(&**channel).bind(&**traffic);
            bind_sums(query, sums)
        })
        .await
}

impl Store {
    /// A tenant's minutes from a moment on, oldest first.
    pub async fn rollup_minutes(&self, scope: &TenantScope, since: Moment) -> Result<Vec<MinuteRow>, StoreError> {
        let mut link = self.read().await?;
        let sql = format!(
            "SELECT minute, channel, traffic, {} FROM rollup_minutes WHERE tenant = $1 AND minute >= $2 \
             ORDER BY minute, channel, traffic",
            COLUMNS.join(", ")
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(scope.as_str())
            .bind(since.as_micros().div_euclid(MICROS))
            .fetch_all(&mut link)
            .await?;
        let row = |row: &sqlx::any::AnyRow| {
            let sums = super::read_sums(row, 3)?;
            Ok(MinuteRow { minute: row.try_get(0)?, channel: row.try_get(1)?, traffic: row.try_get(2)?, sums })
        };
        rows.iter().map(row).collect()
    }

    /// Deletes a tenant's minutes from before a moment.
    pub async fn sweep_rollup_minutes(&self, scope: &TenantScope, before: Moment) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let swept = sqlx::query("DELETE FROM rollup_minutes WHERE tenant = $1 AND minute < $2")
            .bind(scope.as_str())
            .bind(before.as_micros().div_euclid(MICROS))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(swept.rows_affected())
    }
}
