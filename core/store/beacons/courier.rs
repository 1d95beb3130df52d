//! Rows on their way: claimed for a while, then settled or put off.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    KEYS_PER_STATEMENT, by_keys, id,
    ledger::{Count, Sums},
    parsed,
};
use crate::{
    domain::{EventId, EventType, Moment, Slug},
    store::{Store, StoreError, TenantScope, placeholders},
};

/// Rows swept in one transaction.
const SWEEP: i64 = 500;

/// An address that is to be fetched now. Nobody else tries before the lease is over.
#[derive(Clone, Debug)]
pub struct DueBeacon {
    pub tenant: Slug,
    pub event: EventId,
    /// Among the addresses of its type.
    pub place: u16,
    pub showing: EventId,
    pub event_type: EventType,
    pub time: Moment,
    pub error_code: Option<u16>,
    /// This one included.
    pub attempts: u32,
    /// `None`: somebody had the order erased.
    pub sealed: Option<String>,
    day: String,
    channel: String,
    ad: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Acknowledged,
    Failed,
    /// To be tried again then.
    Again(Moment),
}

pub struct Settled {
    pub beacon: DueBeacon,
    pub verdict: Verdict,
}

impl Store {
    /// Claims addresses that are due, the longest due first.
    pub async fn claim_beacons(
        &self,
        now: Moment,
        leased_until: Moment,
        limit: u32,
    ) -> Result<Vec<DueBeacon>, StoreError> {
        let mut link = self.read().await?;
        let due = sqlx::query("SELECT 1 FROM beacons WHERE next_at <= $1 LIMIT 1").bind(now.as_micros());
        if due.fetch_optional(&mut link).await?.is_none() {
            return Ok(Vec::new());
        }
        drop(link);
        let mut transaction = self.write().await?;
        // `next_at` is looked at again once a row is locked: two nodes never claim the same.
        let rows = sqlx::query(
            "UPDATE beacons SET attempts = attempts + 1, next_at = $2 WHERE next_at <= $1 AND (tenant, event, place) IN \
             (SELECT tenant, event, place FROM beacons WHERE next_at <= $1 ORDER BY next_at LIMIT $3) \
             RETURNING tenant, event, place, showing, event_type, event_time, error_code, day, channel, ad, attempts",
        )
        .bind(now.as_micros())
        .bind(leased_until.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&mut *transaction)
        .await?;
        let mut due: Vec<DueBeacon> = rows.iter().map(due_beacon).collect::<Result<_, _>>()?;
        let mut showings: BTreeMap<Slug, BTreeSet<EventId>> = BTreeMap::new();
        for beacon in &due {
            showings.entry(beacon.tenant.clone()).or_default().insert(beacon.showing);
        }
        let keys = placeholders(2, 1, KEYS_PER_STATEMENT);
        let sql = format!("SELECT showing, sealed FROM beacon_orders WHERE tenant = $1 AND showing IN {keys}");
        let mut sealed: BTreeMap<(Slug, EventId), String> = BTreeMap::new();
        for (tenant, showings) in showings {
            let showings: Vec<EventId> = showings.into_iter().collect();
            for keys in showings.chunks(KEYS_PER_STATEMENT) {
                for row in by_keys(&mut transaction, &sql, &tenant, None, keys).await? {
                    sealed.insert((tenant.clone(), id(&row, 0)?), row.try_get(1)?);
                }
            }
        }
        transaction.commit().await?;
        for beacon in &mut due {
            beacon.sealed = sealed.get(&(beacon.tenant.clone(), beacon.showing)).cloned();
        }
        Ok(due)
    }

    /// Writes down what became of claimed addresses, in one transaction with the ledger. An address that somebody else
    /// settled meanwhile (the lease was over) is not counted again.
    pub async fn settle_beacons(&self, settled: &[Settled]) -> Result<(), StoreError> {
        let mut of_tenants: BTreeMap<&Slug, Vec<&Settled>> = BTreeMap::new();
        for one in settled {
            of_tenants.entry(&one.beacon.tenant).or_default().push(one);
        }
        let mut transaction = self.write().await?;
        for (tenant, mut settled) in of_tenants {
            // All who lock rows lock them in this order.
            settled.sort_by_key(|one| (one.beacon.event, one.beacon.place));
            let mut sums = Sums::default();
            for Settled { beacon, verdict } in settled {
                let count = match verdict {
                    Verdict::Acknowledged => Count::Acknowledged,
                    Verdict::Failed => Count::Failed,
                    Verdict::Again(at) => {
                        sqlx::query(
                            "UPDATE beacons SET next_at = $5 WHERE tenant = $1 AND event = $2 AND place = $3 AND attempts = $4",
                        )
                        .bind(tenant.as_str())
                        .bind(beacon.event.to_string())
                        .bind(i64::from(beacon.place))
                        .bind(i64::from(beacon.attempts))
                        .bind(at.as_micros())
                        .execute(&mut *transaction)
                        .await?;
                        continue;
                    }
                };
                let gone = sqlx::query("DELETE FROM beacons WHERE tenant = $1 AND event = $2 AND place = $3")
                    .bind(tenant.as_str())
                    .bind(beacon.event.to_string())
                    .bind(i64::from(beacon.place))
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
                if gone > 0 {
                    sums.count(&beacon.day, &beacon.channel, &beacon.ad, count, 1);
                }
            }
            sums.add(&mut transaction, tenant).await?;
        }
        transaction.commit().await
    }

    /// Addresses that wait, of all tenants.
    pub async fn pending_beacons(&self) -> Result<i64, StoreError> {
        let mut link = self.read().await?;
        Ok(sqlx::query("SELECT COUNT(*) FROM beacons").fetch_one(&mut link).await?.try_get(0)?)
    }

    /// Deletes orders whose time is over and that nobody waits for; answers whether there may be more.
    pub async fn sweep_orders(&self, before: Moment) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let swept = sqlx::query(
            "DELETE FROM beacon_orders WHERE (tenant, showing) IN (SELECT o.tenant, o.showing FROM beacon_orders o \
             WHERE o.expires_at < $1 AND NOT EXISTS (SELECT 1 FROM beacons b WHERE b.tenant = o.tenant AND b.showing = o.showing) \
             ORDER BY o.expires_at LIMIT $2)",
        )
        .bind(before.as_micros())
        .bind(SWEEP)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(i64::try_from(swept).unwrap_or(i64::MAX) >= SWEEP)
    }

    /// Deletes what is kept of these sessions for third parties. Addresses that wait come to nothing: they fail.
    pub async fn erase_orders(&self, scope: &TenantScope, sessions: &[String]) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let keys = placeholders(2, 1, KEYS_PER_STATEMENT);
        let sql = format!("DELETE FROM beacon_orders WHERE tenant = $1 AND session IN {keys}");
        let mut erased = 0;
        for sessions in sessions.chunks(KEYS_PER_STATEMENT) {
            let Some(last) = sessions.last() else { continue };
            // Made of placeholders.
            let mut query = sqlx::query(AssertSqlSafe(sql.clone())).bind(scope.as_str());
            for session in sessions.iter().chain(std::iter::repeat(last)).take(KEYS_PER_STATEMENT) {
                query = query.bind(session.as_str());
            }
            erased += query.execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(erased)
    }
}

fn due_beacon(row: &AnyRow) -> Result<DueBeacon, StoreError> {
    Ok(DueBeacon {
        tenant: parsed(row, 0, "tenant")?,
        event: parsed(row, 1, "event")?,
        place: u16::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u16::MAX),
        showing: parsed(row, 3, "showing")?,
        event_type: parsed(row, 4, "event_type")?,
        time: Moment(row.try_get(5)?),
        error_code: row.try_get::<Option<i64>, _>(6)?.and_then(|code| u16::try_from(code).ok()),
        attempts: u32::try_from(row.try_get::<i64, _>(10)?).unwrap_or(u32::MAX),
        sealed: None,
        day: row.try_get(7)?,
        channel: row.try_get(8)?,
        ad: row.try_get(9)?,
    })
}
