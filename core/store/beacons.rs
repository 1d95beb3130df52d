//! Beacons of third parties: what it takes to fire them, which are due, and what became of them.
//!
//! An *order* is written when an ad is decided. A reader goes over the events by cursor ([`Store::fire_beacons`]) and
//! makes, in the transaction that moves the cursor, one row for each address of an order that an event calls for. Rows
//! are claimed, tried and settled; the ledger counts in the same transactions, so that it balances at any time:
//! `fired = acknowledged + failed + rows`.
//!
//! An order that comes late (its database was away) is looked up against the events that the cursor has passed, under
//! the cursor's lock: whichever comes first, each address gets one row. Knows no HTTP and no keys.

mod courier;
mod ledger;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

pub use self::{
    courier::{DueBeacon, Settled, Verdict},
    ledger::LedgerLine,
};
use self::{
    ledger::{Count, Sums},
    rows::{Firing, insert_rows},
};
use super::{Store, StoreError, TenantScope, Transaction, plain};
use crate::domain::{AvailId, EventId, EventType, Moment, Slug, Traffic};

/// Events that one step looks at: what a busy tenant has in a second.
const EVENTS_PER_STEP: i64 = 5_000;

/// Keys of one statement.
const KEYS_PER_STATEMENT: usize = 50;

/// Types whose events third parties are told of.
pub const FIRING: [EventType; 8] = EventType::ALL;

/// How many addresses an order has for each type of event.
pub type Counts = BTreeMap<EventType, u16>;

/// The day of a moment on a tenant's clock, as `2025-01-15`.
pub type DayOf<'a> = &'a (dyn Fn(&Slug, Moment) -> String + Send + Sync);

/// An ad in its place in a viewer's break.
#[derive(Clone, Debug, PartialEq)]
pub struct EventKey {
    pub avail: AvailId,
    pub pod_position: u16,
    pub ad: Slug,
}

/// What it takes to fire the beacons of one ad in one viewer's break.
#[derive(Clone, Debug, PartialEq)]
pub struct BeaconOrder {
    pub tenant: Slug,
    pub session: String,
    pub key: EventKey,
    pub channel: Slug,
    pub counts: Counts,
    pub sealed: String,
    /// No event can come after that.
    pub expires: Moment,
}

impl BeaconOrder {
    /// Its name: the ad in its place in a viewer's break.
    pub fn showing(&self) -> EventId {
        self.event(EventType::Decided)
    }

    fn event(&self, event_type: EventType) -> EventId {
        let EventKey { avail, pod_position, ad } = &self.key;
        EventId::of_showing(&self.tenant, &self.session, avail, *pod_position, Some(ad), event_type)
    }
}

/// What a step over the events did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FireStep {
    /// Events looked at; none: the reader has arrived.
    pub events: bool,
    /// Rows made.
    pub fired: u64,
}

impl Store {
    /// Keeps orders, and makes the rows of events that the cursor has passed already. An order that is there stays.
    pub async fn keep_orders(&self, orders: &[BeaconOrder], day: DayOf<'_>, now: Moment) -> Result<(), StoreError> {
        let mut of_tenants: BTreeMap<&Slug, Vec<&BeaconOrder>> = BTreeMap::new();
        for order in orders {
            of_tenants.entry(&order.tenant).or_default().push(order);
        }
        let mut transaction = self.write().await?;
        // In the order of the names, as all locks are taken.
        for (tenant, orders) in of_tenants {
            let position = lock(&mut transaction, tenant).await?;
            let mut new = Vec::with_capacity(orders.len());
            for order in orders {
                if insert_order(&mut transaction, order).await? {
                    new.push(order);
                }
            }
            let passed = passed(&mut transaction, tenant, &new, position, day).await?;
            let mut sums = Sums::default();
            insert_rows(&mut transaction, tenant, &passed, &mut sums, now).await?;
            sums.add(&mut transaction, tenant).await?;
        }
        transaction.commit().await
    }

    /// Tenants with events that have not been looked at.
    pub async fn beacon_backlog(&self) -> Result<Vec<TenantScope>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT h.tenant FROM event_heads h LEFT JOIN beacon_cursors c ON c.tenant = h.tenant \
             WHERE h.id > COALESCE(c.position, 0) ORDER BY h.tenant",
        )
        .fetch_all(&mut link)
        .await?;
        let scope = |row: &AnyRow| Ok(TenantScope::new(slug(row, 0, "tenant")?));
        rows.iter().map(scope).collect()
    }

    /// Looks at a tenant's next events: counts them in the ledger and makes the rows that they call for.
    pub async fn fire_beacons(&self, scope: &TenantScope, day: DayOf<'_>, now: Moment) -> Result<FireStep, StoreError> {
        let mut transaction = self.write().await?;
        let position = lock(&mut transaction, scope.tenant()).await?;
        let Some(end) = end_of_step(&mut transaction, scope, position).await? else {
            transaction.rollback().await?;
            return Ok(FireStep::default());
        };
        let seen = seen(&mut transaction, scope, position, end).await?;
        let mut sums = Sums::default();
        let mut firing = Vec::new();
        for seen in seen {
            let day = day(scope.tenant(), seen.time);
            let count = match seen.event_type {
                EventType::Decided => Some(Count::Decided),
                EventType::Stitched => Some(Count::Stitched),
                EventType::Impression => Some(Count::Delivered),
                _ => None,
            };
            if let Some(count) = count {
                sums.count(&day, &seen.channel, &seen.ad, count, 1);
            }
            if FIRING.contains(&seen.event_type) {
                firing.push(Firing { day, addresses: 0, seen });
            }
        }
        let orders = counts_of(&mut transaction, scope, firing.iter().map(|one| one.seen.showing)).await?;
        for one in &mut firing {
            let counts = orders.get(&one.seen.showing);
            one.addresses = counts.and_then(|counts| counts.get(&one.seen.event_type)).copied().unwrap_or(0);
        }
        let fired = insert_rows(&mut transaction, scope.tenant(), &firing, &mut sums, now).await?;
        sums.add(&mut transaction, scope.tenant()).await?;
        sqlx::query("UPDATE beacon_cursors SET position = $2 WHERE tenant = $1")
            .bind(scope.as_str())
            .bind(end)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(FireStep { events: true, fired })
    }

    /// Events of a tenant up to this id have been looked at: they may be swept.
    pub async fn beacon_position(&self, scope: &TenantScope) -> Result<i64, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT position FROM beacon_cursors WHERE tenant = $1")
            .bind(scope.as_str())
            .fetch_optional(&mut link)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }
}

/// An event, as far as beacons care.
pub(super) struct Seen {
    pub id: EventId,
    pub showing: EventId,
    pub channel: String,
    pub ad: String,
    pub event_type: EventType,
    pub time: Moment,
    pub traffic: Traffic,
    pub error_code: Option<i64>,
}

/// Takes the tenant's turn and answers how far its events have been looked at.
async fn lock(transaction: &mut Transaction, tenant: &Slug) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO beacon_cursors (tenant, position) VALUES ($1, 0) \
         ON CONFLICT (tenant) DO UPDATE SET position = beacon_cursors.position RETURNING position",
    )
    .bind(tenant.as_str())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(row.try_get(0)?)
}

/// The last event of the next step.
async fn end_of_step(
    transaction: &mut Transaction,
    scope: &TenantScope,
    position: i64,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(
        "SELECT MAX(id) FROM (SELECT id FROM events WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3) AS step",
    )
    .bind(scope.as_str())
    .bind(position)
    .bind(EVENTS_PER_STEP)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(row.try_get(0)?)
}

const SEEN: &str = "event_id, session, avail, pod_position, channel, ad, event_type, time, traffic, error_code";

/// What others report is told by them.
async fn seen(
    transaction: &mut Transaction,
    scope: &TenantScope,
    after: i64,
    end: i64,
) -> Result<Vec<Seen>, StoreError> {
    let sql = format!(
        "SELECT {SEEN} FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 AND ad IS NOT NULL \
         AND (counted_by IS NULL OR counted_by <> 'api') ORDER BY id"
    );
    // Made of constants.
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(scope.as_str()).bind(after).bind(end);
    rows.fetch_all(&mut **transaction).await?.iter().map(|row| seen_of(scope.tenant(), row)).collect()
}

fn seen_of(tenant: &Slug, row: &AnyRow) -> Result<Seen, StoreError> {
    let position = u16::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u16::MAX);
    let (session, avail) = (row.try_get::<&str, _>(1)?, AvailId::new(row.try_get::<&str, _>(2)?));
    let ad = slug(row, 5, "ad")?;
    let traffic = row.try_get::<&str, _>(8)?;
    Ok(Seen {
        id: id(row, 0)?,
        showing: EventId::of_showing(tenant, session, &avail, position, Some(&ad), EventType::Decided),
        channel: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        ad: ad.to_string(),
        event_type: parsed(row, 6, "event_type")?,
        time: Moment(row.try_get(7)?),
        traffic: Traffic::ALL.into_iter().find(|known| known.as_str() == traffic).unwrap_or_default(),
        error_code: row.try_get(9)?,
    })
}

/// Whether it was not there.
async fn insert_order(transaction: &mut Transaction, order: &BeaconOrder) -> Result<bool, StoreError> {
    let counts = serde_json::to_string(&order.counts).map_err(|error| unreadable("counts", error))?;
    let inserted = sqlx::query(
        "INSERT INTO beacon_orders (tenant, showing, session, channel, ad, counts, sealed, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    )
    .bind(order.tenant.as_str())
    .bind(order.showing().to_string())
    .bind(plain(&order.session))
    .bind(order.channel.as_str())
    .bind(order.key.ad.as_str())
    .bind(counts)
    .bind(order.sealed.as_str())
    .bind(order.expires.as_micros())
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Events of these orders that the cursor has passed: their rows have not been made.
async fn passed(
    transaction: &mut Transaction,
    tenant: &Slug,
    orders: &[&BeaconOrder],
    position: i64,
    day: DayOf<'_>,
) -> Result<Vec<Firing>, StoreError> {
    let events: Vec<EventId> =
        orders.iter().flat_map(|order| FIRING.map(|event_type| order.event(event_type))).collect();
    let keys = super::placeholders(3, 1, KEYS_PER_STATEMENT);
    let sql = format!(
        "SELECT {SEEN} FROM events WHERE tenant = $1 AND id <= $2 AND event_id IN {keys} AND counted_by <> 'api'"
    );
    let mut firing = Vec::new();
    for keys in events.chunks(KEYS_PER_STATEMENT) {
        for row in by_keys(transaction, &sql, tenant, Some(position), keys).await? {
            let seen = seen_of(tenant, &row)?;
            let order = orders.iter().find(|order| order.showing() == seen.showing);
            let addresses = order.and_then(|order| order.counts.get(&seen.event_type)).copied().unwrap_or(0);
            firing.push(Firing { day: day(tenant, seen.time), addresses, seen });
        }
    }
    Ok(firing)
}

async fn counts_of(
    transaction: &mut Transaction,
    scope: &TenantScope,
    showings: impl Iterator<Item = EventId>,
) -> Result<BTreeMap<EventId, Counts>, StoreError> {
    let mut wanted: Vec<EventId> = showings.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let keys = super::placeholders(2, 1, KEYS_PER_STATEMENT);
    let sql = format!("SELECT showing, counts FROM beacon_orders WHERE tenant = $1 AND showing IN {keys}");
    let mut found = BTreeMap::new();
    for keys in wanted.chunks(KEYS_PER_STATEMENT) {
        for row in by_keys(transaction, &sql, scope.tenant(), None, keys).await? {
            let counts = serde_json::from_str(row.try_get(1)?).map_err(|error| unreadable("counts", error))?;
            found.insert(id(&row, 0)?, counts);
        }
    }
    Ok(found)
}

/// Runs a statement over some keys. There is one text however many they are: the rest repeats the last.
async fn by_keys(
    transaction: &mut Transaction,
    sql: &str,
    tenant: &Slug,
    position: Option<i64>,
    keys: &[EventId],
) -> Result<Vec<AnyRow>, StoreError> {
    // Made of constants and placeholders.
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(tenant.as_str());
    if let Some(position) = position {
        query = query.bind(position);
    }
    let Some(last) = keys.last() else { return Ok(Vec::new()) };
    for key in keys.iter().chain(std::iter::repeat(last)).take(KEYS_PER_STATEMENT) {
        query = query.bind(key.to_string());
    }
    Ok(query.fetch_all(&mut **transaction).await?)
}

fn id(row: &AnyRow, index: usize) -> Result<EventId, StoreError> {
    parsed(row, index, "showing")
}

fn slug(row: &AnyRow, index: usize, column: &'static str) -> Result<Slug, StoreError> {
    parsed(row, index, column)
}

fn parsed<T: std::str::FromStr<Err = String>>(
    row: &AnyRow,
    index: usize,
    column: &'static str,
) -> Result<T, StoreError> {
    row.try_get::<&str, _>(index)?.parse().map_err(|reason: String| unreadable(column, reason))
}

fn unreadable(column: &'static str, reason: impl ToString) -> StoreError {
    StoreError::Row { table: "beacons", column, reason: reason.to_string() }
}
