//! The ledger: what became of each day's ads and their beacons.

use std::collections::BTreeMap;

use sqlx::Row;

use super::parsed;
use crate::{
    domain::Slug,
    store::{Store, StoreError, TenantScope, Transaction},
};

/// One day of one ad on one channel. Ads: decided, stitched, delivered. Addresses of third parties: the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// On the tenant's clock: `2025-01-15`.
    pub day: String,
    pub channel: Option<Slug>,
    pub ad: Slug,
    pub decided: i64,
    pub stitched: i64,
    pub delivered: i64,
    pub fired: i64,
    pub withheld: i64,
    pub acknowledged: i64,
    pub failed: i64,
    /// Rows that are there, counted: not what is left of the others.
    pub pending: i64,
}

#[derive(Clone, Copy)]
pub(super) enum Count {
    Decided,
    Stitched,
    Delivered,
    Fired,
    Withheld,
    Acknowledged,
    Failed,
}

const COUNTS: usize = 7;

/// What is to be added, by day, channel and ad: in the order in which rows are locked.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<(String, String, String), [i64; COUNTS]>);

impl Sums {
    pub(super) fn count(&mut self, day: &str, channel: &str, ad: &str, what: Count, by: i64) {
        let line = self.0.entry((day.to_owned(), channel.to_owned(), ad.to_owned())).or_default();
        if let Some(count) = line.get_mut(what as usize) {
            *count += by;
        }
    }

    pub(super) async fn add(self, transaction: &mut Transaction, tenant: &Slug) -> Result<(), StoreError> {
        for ((day, channel, ad), counts) in self.0 {
            let mut query = sqlx::query(
                "INSERT INTO beacon_days (tenant, day, channel, ad, decided, stitched, delivered, fired, withheld, acknowledged, \
                 failed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (tenant, day, channel, ad) DO UPDATE SET \
                 decided = beacon_days.decided + excluded.decided, stitched = beacon_days.stitched + excluded.stitched, \
                 delivered = beacon_days.delivered + excluded.delivered, fired = beacon_days.fired + excluded.fired, \
                 withheld = beacon_days.withheld + excluded.withheld, \
                 acknowledged = beacon_days.acknowledged + excluded.acknowledged, failed = beacon_days.failed + excluded.failed",
            )
            .bind(tenant.as_str())
            .bind(day)
            .bind(channel)
            .bind(ad);
            for count in counts {
                query = query.bind(count);
            }
            query.execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

impl Store {
    /// The ledger's lines from the first to the last day, in order. One statement, so one moment.
    pub async fn beacon_ledger(
        &self,
        scope: &TenantScope,
        from: &str,
        to: &str,
        limit: u32,
    ) -> Result<Vec<LedgerLine>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT d.day, d.channel, d.ad, d.decided, d.stitched, d.delivered, d.fired, d.withheld, d.acknowledged, d.failed, \
             COALESCE(p.pending, 0) FROM beacon_days d LEFT JOIN (SELECT day, channel, ad, COUNT(*) AS pending FROM beacons \
             WHERE tenant = $1 GROUP BY day, channel, ad) p ON p.day = d.day AND p.channel = d.channel AND p.ad = d.ad \
             WHERE d.tenant = $1 AND d.day >= $2 AND d.day <= $3 ORDER BY d.day, d.channel, d.ad LIMIT $4",
        )
        .bind(scope.as_str())
        .bind(from)
        .bind(to)
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let line = |row: &sqlx::any::AnyRow| {
            let channel = row.try_get::<&str, _>(1)?;
            Ok(LedgerLine {
                day: row.try_get(0)?,
                channel: if channel.is_empty() { None } else { Some(parsed(row, 1, "channel")?) },
                ad: parsed(row, 2, "ad")?,
                decided: row.try_get(3)?,
                stitched: row.try_get(4)?,
                delivered: row.try_get(5)?,
                fired: row.try_get(6)?,
                withheld: row.try_get(7)?,
                acknowledged: row.try_get(8)?,
                failed: row.try_get(9)?,
                pending: row.try_get(10)?,
            })
        };
        rows.iter().map(line).collect()
    }
}
