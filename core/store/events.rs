//! The journal of counted events: added to, read by cursor, never changed.

use std::{str::FromStr, sync::LazyLock};

use serde::de::{IntoDeserializer, value};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{Store, StoreError, TenantScope, take};
use crate::domain::{AvailId, DeviceType, Event, Moment, Slug};

/// Rows of one transaction: keeps commits short for everybody who waits.
pub const MAX_EVENTS_PER_INSERT: usize = 1_000;

/// Rows of one INSERT statement. SQLite and PostgreSQL take 32,766 and 65,535 parameters; past some dozens of rows a
/// statement gains nothing.
const ROWS_PER_STATEMENT: usize = 50;

const COLUMNS: usize = 14;

/// An event and its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Ascending in commit order over all tenants: a cursor for readers.
    pub id: i64,
    pub event: Event,
}

fn insert_statement(rows: usize) -> String {
    let row = |row: usize| {
        let values: Vec<String> = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column)).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO events (tenant, id, channel, session, viewer, avail, pod_position, ad, campaign, event_type, time, device, geo, \
         counted_by) VALUES {} ON CONFLICT DO NOTHING RETURNING id",
        rows.join(", ")
    )
}

static INSERT_MANY: LazyLock<std::sync::Arc<str>> = LazyLock::new(|| insert_statement(ROWS_PER_STATEMENT).into());
static INSERT_ONE: LazyLock<std::sync::Arc<str>> = LazyLock::new(|| insert_statement(1).into());

impl Store {
    /// Adds events in one transaction and answers, per event, the id it got or `None` when it had been counted before
    /// (in the journal, or earlier in the same call). On return they are on disk.
    pub async fn insert_events(&self, events: &[Event]) -> Result<Vec<Option<i64>>, StoreError> {
        let mut ids = Vec::with_capacity(events.len());
        for batch in events.chunks(MAX_EVENTS_PER_INSERT) {
            self.insert_batch(batch, &mut ids).await?;
        }
        Ok(ids)
    }

    async fn insert_batch(&self, events: &[Event], ids: &mut Vec<Option<i64>>) -> Result<(), StoreError> {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let mut transaction = self.write().await?;
        let mut id = take(&mut transaction, "events", count).await? - count;
        for statement in statements(events) {
            let sql = if statement.len() == ROWS_PER_STATEMENT { &*INSERT_MANY } else { &*INSERT_ONE };
            // Made of placeholders by `insert_statement`; no value is part of the text.
            let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
            let first = id + 1;
            for event in statement {
                id += 1;
                query = query
                    .bind(event.tenant.as_str())
                    .bind(id)
                    .bind(event.channel.as_str())
                    .bind(event.session.as_str())
                    .bind(event.viewer.as_deref())
                    .bind(event.avail.as_str())
                    .bind(i64::from(event.pod_position))
                    .bind(event.ad.as_str())
                    .bind(event.campaign.as_ref().map(Slug::as_str))
                    .bind(event.event_type.as_str())
                    .bind(event.time.as_micros())
                    .bind(event.device.as_str())
                    .bind(&*event.geo)
                    .bind(counted_by_name(event));
            }
            let mut inserted = Vec::with_capacity(statement.len());
            for row in query.fetch_all(&mut *transaction).await? {
                inserted.push(row.try_get::<i64, _>(0)?);
            }
            inserted.sort_unstable();
            ids.extend((first..=id).map(|id| inserted.binary_search(&id).is_ok().then_some(id)));
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Events of a tenant after a cursor (0 for the beginning), oldest first.
    pub async fn events_after(
        &self,
        scope: &TenantScope,
        cursor: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, channel, session, viewer, avail, pod_position, ad, campaign, event_type, time, device, geo, counted_by \
             FROM events WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(scope.as_str())
        .bind(cursor)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| stored(scope, row)).collect()
    }

    /// The last id that was given out: where a reader starts who wants only what is new.
    pub async fn events_head(&self) -> Result<i64, StoreError> {
        self.counter("events").await
    }

    /// Events of a tenant by type name.
    pub async fn event_counts(&self, scope: &TenantScope) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT event_type, COUNT(*) FROM events WHERE tenant = $1 GROUP BY event_type ORDER BY event_type",
        )
        .bind(scope.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

/// Full statements first, the rest one row each: two statements in all, prepared once per connection.
fn statements(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let full = events.chunks_exact(ROWS_PER_STATEMENT);
    let rest = full.remainder().chunks(1);
    full.chain(rest)
}

fn counted_by_name(event: &Event) -> &'static str {
    use crate::domain::Beaconing;
    match event.counted_by {
        Beaconing::Segment => "segment",
        Beaconing::Client => "client",
        Beaconing::Stitch => "stitch",
    }
}

fn stored(scope: &TenantScope, row: &AnyRow) -> Result<StoredEvent, StoreError> {
    let event = Event {
        tenant: scope.tenant().clone(),
        channel: parsed(row, 1, "channel")?,
        session: row.try_get(2)?,
        viewer: row.try_get::<Option<String>, _>(3)?.map(Into::into),
        avail: AvailId::new(row.try_get::<&str, _>(4)?),
        pod_position: u16::try_from(row.try_get::<i64, _>(5)?).map_err(|e| unreadable("pod_position", e))?,
        ad: parsed(row, 6, "ad")?,
        campaign: match row.try_get::<Option<&str>, _>(7)? {
            Some(text) => Some(text.parse().map_err(|reason: String| unreadable("campaign", reason))?),
            None => None,
        },
        event_type: named(row, 8, "event_type")?,
        time: Moment(row.try_get(9)?),
        device: parsed::<DeviceType>(row, 10, "device")?,
        geo: row.try_get::<&str, _>(11)?.into(),
        counted_by: named(row, 12, "counted_by")?,
    };
    Ok(StoredEvent { id: row.try_get(0)?, event })
}

fn parsed<T: FromStr<Err = String>>(row: &AnyRow, index: usize, column: &'static str) -> Result<T, StoreError> {
    row.try_get::<&str, _>(index)?.parse().map_err(|reason| unreadable(column, reason))
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
