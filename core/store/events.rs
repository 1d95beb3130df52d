//! The journal of counted events: added to, read by cursor, never changed (but for viewers who are forgotten).

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::{Arc, LazyLock},
};

use serde::de::{IntoDeserializer, value};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    Balance, Billing, Store, StoreError, TenantScope, Transaction, budgets::Account, placeholders, plain, take,
};
use crate::domain::{AvailId, CountedBy, DeviceType, Event, EventId, EventType, Moment, Money, More, Slug};

/// Rows of one transaction: keeps commits short for everybody who waits.
pub const MAX_EVENTS_PER_INSERT: usize = 1_000;

/// Rows of one INSERT statement. PostgreSQL is asked across a network: the more the better. SQLite looks for the name of
/// each parameter among all of a statement's, so many rows cost more than many statements.
const MANY_ROWS: usize = 50;
const SOME_ROWS: usize = 10;

/// Ids in a statement that takes prices away.
const IDS_PER_STATEMENT: usize = 50;

const COLUMNS: usize = 21;

/// Reads events as [`stored`] takes them.
macro_rules! select_events {
    () => {
        "SELECT id, event_id, channel, session, viewer, avail, pod_position, ad, campaign, event_type, time, received, device, \
         geo, counted_by, traffic, price, error_code, value, more FROM events"
    };
}
pub(super) use select_events;

/// An event and its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Ascending in commit order over all tenants: a cursor for readers.
    pub id: i64,
    pub event: Event,
}

/// What became of events that were handed to the journal.
#[derive(Clone, Debug, Default)]
pub struct Inserted {
    /// Per event, its id and what was charged; `None` when it had been counted before.
    pub counted: Vec<Option<Counted>>,
    /// Alerts that these events set off, written with them.
    pub alerts: Vec<StoredEvent>,
    /// Every campaign that was charged, as it stands now.
    pub balances: Vec<Balance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub id: i64,
    pub price: Money,
}

fn insert_statement(rows: usize) -> String {
    format!(
        "INSERT INTO events (tenant, id, event_id, channel, session, viewer, avail, pod_position, ad, campaign, event_type, time, \
         received, device, geo, counted_by, traffic, price, error_code, value, more) VALUES {} \
         ON CONFLICT DO NOTHING",
        placeholders(1, rows, COLUMNS)
    )
}

/// Placeholders are filled up by repeating an id.
fn unbill_statement() -> String {
    let ids = placeholders(2, 1, IDS_PER_STATEMENT);
    format!("UPDATE events SET price = 0 WHERE tenant = $1 AND id IN {ids}")
}

static INSERT_MANY: LazyLock<Arc<str>> = LazyLock::new(|| insert_statement(MANY_ROWS).into());
static INSERT_SOME: LazyLock<Arc<str>> = LazyLock::new(|| insert_statement(SOME_ROWS).into());
static INSERT_ONE: LazyLock<Arc<str>> = LazyLock::new(|| insert_statement(1).into());
static UNBILL: LazyLock<Arc<str>> = LazyLock::new(|| unbill_statement().into());

impl Store {
    /// Adds events in one transaction and answers, per event, the id it got or `None` when it had been counted before
    /// (in the journal, or earlier in the same call). On return they are on disk. Impressions are charged as by
    /// [`Self::record_events`], for a node that holds no lease.
    pub async fn insert_events(&self, events: &[Event]) -> Result<Vec<Option<i64>>, StoreError> {
        let inserted = self.record_events(events, &Billing::default()).await?;
        Ok(inserted.counted.into_iter().map(|counted| Some(counted?.id)).collect())
    }

    /// Adds events and charges impressions that are new to their campaigns, in one transaction (one for each
    /// [`MAX_EVENTS_PER_INSERT`]): a campaign's `spent` is the sum of its events' prices at any time. An impression
    /// that the budget or goal cannot take is kept with price 0.
    pub async fn record_events(&self, events: &[Event], billing: &Billing<'_>) -> Result<Inserted, StoreError> {
        let mut inserted = Inserted { counted: Vec::with_capacity(events.len()), ..Inserted::default() };
        let mut covered = billing.covered.chunks(MAX_EVENTS_PER_INSERT);
        let mut batches = events.chunks(MAX_EVENTS_PER_INSERT).peekable();
        while let Some(batch) = batches.next() {
            let covered = covered.next().unwrap_or_default();
            // The journal is carried that far only with the last of them.
            let carried = billing.carried.filter(|_| batches.peek().is_none());
            self.insert_batch(batch, &Billing { covered, carried, ..*billing }, &mut inserted).await?;
        }
        Ok(inserted)
    }

    async fn insert_batch(
        &self,
        events: &[Event],
        billing: &Billing<'_>,
        into: &mut Inserted,
    ) -> Result<(), StoreError> {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let mut transaction = self.write().await?;
        let mut id = take(&mut transaction, "events", count).await? - count;
        let mut counted = Vec::with_capacity(events.len());
        for statement in statements(events, if self.tells() { MANY_ROWS } else { SOME_ROWS }) {
            let first = id + 1;
            id += i64::try_from(statement.len()).unwrap_or(i64::MAX);
            let new = insert(&mut transaction, first, statement).await?;
            let outcomes = (first..=id)
                .zip(statement)
                .map(|(id, event)| new.contains(id).then(|| Counted { id, price: price(event) }));
            counted.extend(outcomes);
        }
        let mut charged = charge(&mut transaction, events, billing, &mut counted).await?;
        let mut alerts = Vec::new();
        for account in &mut charged {
            account.alert(&mut transaction, billing.now, &mut alerts).await?;
            account.save(&mut transaction, billing.node, billing.now).await?;
        }
        note_heads(&mut transaction, events, &counted).await?;
        if let Some(carried) = &billing.carried {
            carried.save(&mut transaction).await?;
        }
        transaction.commit().await?;
        into.counted.append(&mut counted);
        into.alerts.append(&mut alerts);
        into.balances.extend(charged.into_iter().map(Account::into_balance));
        Ok(())
    }

    /// Events of a tenant after a cursor (0 for the beginning), oldest first.
    pub async fn events_after(
        &self,
        scope: &TenantScope,
        cursor: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(concat!(select_events!(), " WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3"))
            .bind(scope.as_str())
            .bind(cursor)
            .bind(i64::from(limit))
            .fetch_all(&mut link)
            .await?;
        rows.iter().map(|row| stored(scope, row)).collect()
    }

    /// The last id that was given out: where a reader starts who wants only what is new.
    pub async fn events_head(&self) -> Result<i64, StoreError> {
        self.counter("events").await
    }

    /// Events of a tenant by type name.
    pub async fn event_counts(&self, scope: &TenantScope) -> Result<Vec<(String, i64)>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT event_type, COUNT(*) FROM events WHERE tenant = $1 GROUP BY event_type ORDER BY event_type",
        )
        .bind(scope.as_str())
        .fetch_all(&mut link)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

/// Notes the newest event of each tenant that has a new one.
async fn note_heads(
    transaction: &mut Transaction,
    events: &[Event],
    counted: &[Option<Counted>],
) -> Result<(), StoreError> {
    let new = events.iter().zip(counted).filter_map(|(event, counted)| Some((&event.tenant, (*counted)?.id)));
    // In the order of the names, as all locks are taken.
    let mut heads: BTreeMap<&Slug, i64> = BTreeMap::new();
    for (tenant, id) in new {
        let head = heads.entry(tenant).or_default();
        *head = id.max(*head);
    }
    for (tenant, id) in heads {
        note_head(transaction, tenant, id).await?;
    }
    Ok(())
}

async fn note_head(transaction: &mut Transaction, tenant: &Slug, id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event_heads (tenant, id) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET id = excluded.id \
         WHERE event_heads.id < excluded.id",
    )
    .bind(tenant.as_str())
    .bind(id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Writes an event that the transaction itself gives rise to; `None` if it was written before.
pub(super) async fn insert_one(transaction: &mut Transaction, event: Event) -> Result<Option<StoredEvent>, StoreError> {
    let id = take(transaction, "events", 1).await?;
    let new = insert(transaction, id, std::slice::from_ref(&event)).await?;
    if new.contains(id) {
        note_head(transaction, &event.tenant, id).await?;
    }
    Ok(new.contains(id).then_some(StoredEvent { id, event }))
}

/// Which rows of a statement were new.
enum New {
    All,
    /// Ids, ascending.
    Only(Vec<i64>),
}

impl New {
    fn contains(&self, id: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.binary_search(&id).is_ok(),
        }
    }
}

/// Runs an INSERT for these events, numbered from `first`.
async fn insert(transaction: &mut Transaction, first: i64, events: &[Event]) -> Result<New, StoreError> {
    let sql = match events.len() {
        MANY_ROWS => &*INSERT_MANY,
        SOME_ROWS => &*INSERT_SOME,
        _ => &*INSERT_ONE,
    };
    // Made of placeholders by `insert_statement`; no value is part of the text.
    let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
    for (id, event) in (first..).zip(events) {
        query = query
            .bind(event.tenant.as_str())
            .bind(id)
            .bind(event.id.to_string())
            .bind(event.channel.as_ref().map(Slug::as_str))
            .bind(plain(&event.session))
            .bind(event.viewer.as_deref().map(plain))
            .bind(plain(event.avail.as_str()))
            .bind(i64::from(event.pod_position))
            .bind(event.ad.as_ref().map(Slug::as_str))
            .bind(event.campaign.as_ref().map(Slug::as_str))
            .bind(event.event_type.as_str())
            .bind(event.time.as_micros())
            .bind(event.received.as_micros())
            .bind(event.device.as_str())
            .bind(plain(&event.geo))
            .bind(event.counted_by.map(CountedBy::as_str))
            .bind(event.traffic.as_str())
            .bind(price(event).micros())
            .bind(event.error_code.map(i64::from))
            .bind(event.value)
            .bind(event.more.as_deref().map(more).transpose()?);
    }
    // Asking for the new rows' ids would cost more than writing them; mostly all are new.
    let inserted = query.execute(&mut **transaction).await?.rows_affected();
    if inserted == events.len() as u64 {
        return Ok(New::All);
    }
    let mut new = Vec::with_capacity(usize::try_from(inserted).unwrap_or(0));
    if inserted > 0 {
        let last = first + i64::try_from(events.len()).unwrap_or(i64::MAX) - 1;
        let tenants: BTreeSet<&Slug> = events.iter().map(|event| &event.tenant).collect();
        for tenant in tenants {
            let rows = sqlx::query("SELECT id FROM events WHERE tenant = $1 AND id BETWEEN $2 AND $3")
                .bind(tenant.as_str())
                .bind(first)
                .bind(last)
                .fetch_all(&mut **transaction)
                .await?;
            for row in rows {
                new.push(row.try_get::<i64, _>(0)?);
            }
        }
        new.sort_unstable();
    }
    Ok(New::Only(new))
}

/// Charges what is new to its campaigns, in the order of the events. What cannot be paid loses its price.
async fn charge(
    transaction: &mut Transaction,
    events: &[Event],
    billing: &Billing<'_>,
    counted: &mut [Option<Counted>],
) -> Result<Vec<Account>, StoreError> {
    let new = events.iter().zip(&*counted).filter(|(_, counted)| counted.is_some());
    // In the order of the names: whoever locks several rows of `budgets` does so in this order.
    let keys: BTreeSet<_> = new.filter_map(|(event, _)| billable(event)).collect();
    let mut accounts = BTreeMap::new();
    for (tenant, campaign) in keys {
        let account = Account::open(transaction, tenant, campaign, billing.node, billing.now).await?;
        accounts.insert((tenant, campaign), account);
    }
    let mut unbilled: BTreeMap<&Slug, Vec<i64>> = BTreeMap::new();
    for (at, (event, counted)) in events.iter().zip(&mut *counted).enumerate() {
        let (Some(key), Some(counted)) = (billable(event), counted) else { continue };
        let covered = billing.covered.get(at).copied().unwrap_or_default();
        let charged = accounts.get_mut(&key).is_some_and(|account| account.book.charge(counted.price, covered));
        if !charged && counted.price != Money::ZERO {
            counted.price = Money::ZERO;
            unbilled.entry(key.0).or_default().push(counted.id);
        }
    }
    for (tenant, ids) in unbilled {
        for ids in ids.chunks(IDS_PER_STATEMENT) {
            let mut query = sqlx::query(AssertSqlSafe(UNBILL.clone())).bind(tenant.as_str());
            for id in ids.iter().chain(std::iter::repeat(ids.first().unwrap_or(&0))).take(IDS_PER_STATEMENT) {
                query = query.bind(*id);
            }
            query.execute(&mut **transaction).await?;
        }
    }
    Ok(accounts.into_values().collect())
}

/// Whose budget an event is charged to.
fn billable(event: &Event) -> Option<(&Slug, &Slug)> {
    Some((&event.tenant, event.campaign.as_ref().filter(|_| event.is_billable())?))
}

/// Only impressions of campaigns are paid for.
fn price(event: &Event) -> Money {
    if event.is_billable() { event.price.max(Money::ZERO) } else { Money::ZERO }
}

/// Full statements first, the rest in smaller ones: three statements in all, prepared once per connection.
fn statements(events: &[Event], rows: usize) -> impl Iterator<Item = &[Event]> {
    let full = events.chunks_exact(rows);
    let fewer = full.remainder().chunks_exact(SOME_ROWS);
    let rest = fewer.remainder().chunks(1);
    full.chain(fewer).chain(rest)
}

pub(super) fn stored(scope: &TenantScope, row: &AnyRow) -> Result<StoredEvent, StoreError> {
    let event = Event {
        tenant: scope.tenant().clone(),
        id: parsed::<EventId>(row, 1, "event_id")?,
        channel: slug(row, 2, "channel")?,
        session: row.try_get(3)?,
        viewer: row.try_get::<Option<String>, _>(4)?.map(Into::into),
        avail: AvailId::new(row.try_get::<&str, _>(5)?),
        pod_position: u16::try_from(row.try_get::<i64, _>(6)?).map_err(|e| unreadable("pod_position", e))?,
        ad: slug(row, 7, "ad")?,
        campaign: slug(row, 8, "campaign")?,
        event_type: parsed::<EventType>(row, 9, "event_type")?,
        time: Moment(row.try_get(10)?),
        received: Moment(row.try_get(11)?),
        device: parsed::<DeviceType>(row, 12, "device")?,
        geo: row.try_get::<&str, _>(13)?.into(),
        counted_by: match row.try_get::<Option<&str>, _>(14)? {
            Some(_) => Some(named(row, 14, "counted_by")?),
            None => None,
        },
        traffic: named(row, 15, "traffic")?,
        price: Money::from_micros(row.try_get(16)?),
        error_code: match row.try_get::<Option<i64>, _>(17)? {
            Some(code) => Some(u16::try_from(code).map_err(|e| unreadable("error_code", e))?),
            None => None,
        },
        value: row.try_get(18)?,
        more: match row.try_get::<Option<&str>, _>(19)? {
            Some(json) => Some(serde_json::from_str(json).map_err(|e| unreadable("more", e))?),
            None => None,
        },
    };
    Ok(StoredEvent { id: row.try_get(0)?, event })
}

fn more(more: &More) -> Result<String, StoreError> {
    // PostgreSQL takes no NUL; in JSON it is written as six characters.
    serde_json::to_string(more).map_err(|error| unreadable("more", error))
}

fn parsed<T: FromStr<Err = String>>(row: &AnyRow, index: usize, column: &'static str) -> Result<T, StoreError> {
    row.try_get::<&str, _>(index)?.parse().map_err(|reason| unreadable(column, reason))
}

fn slug(row: &AnyRow, index: usize, column: &'static str) -> Result<Option<Slug>, StoreError> {
    let text = row.try_get::<Option<&str>, _>(index)?;
    text.map(|text| text.parse().map_err(|reason: String| unreadable(column, reason))).transpose()
}

/// Reads an enum by the name that it has in JSON.
fn named<T: for<'de> serde::Deserialize<'de>>(
    row: &AnyRow,
    index: usize,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: &str = row.try_get(index)?;
    T::deserialize(text.into_deserializer()).map_err(|error: value::Error| unreadable(column, error))
}

fn unreadable(column: &'static str, reason: impl ToString) -> StoreError {
    StoreError::Row { table: "events", column, reason: reason.to_string() }
}
