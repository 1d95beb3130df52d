//! Who made, replaced and revoked keys: the part of the audit log that has no version of a tenant.

use sqlx::{Row, any::AnyRow};

use super::{Author, Door, KeyOwner, Op, Store, StoreError, Transaction, plain, take};
use crate::domain::Moment;

/// One change of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange {
    /// Ascending, over all owners.
    pub id: i64,
    pub key: i64,
    pub op: Op,
    pub at: Moment,
    pub author: Author,
}

impl Store {
    pub(super) async fn note_key(
        &self,
        transaction: &mut Transaction,
        owner: &KeyOwner,
        key: i64,
        op: Op,
        author: &Author,
        now: Moment,
    ) -> Result<(), StoreError> {
        let id = take(transaction, "key_changes", 1).await?;
        sqlx::query(
            "INSERT INTO key_changes (id, tenant, api_key, op, at, actor, door, summary, request) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id)
        .bind(owner.column())
        .bind(key)
        .bind(op.as_str())
        .bind(now.as_micros())
        .bind(plain(&author.actor))
        .bind(author.door.as_str())
        .bind(plain(&author.summary))
        .bind(author.request.as_deref().map(plain))
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Changes of an owner's keys, newest first: those before one of them, or the last.
    pub async fn key_changes(
        &self,
        owner: &KeyOwner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<KeyChange>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT id, api_key, op, at, actor, door, summary, request FROM key_changes \
             WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(owner.column())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let change = |row: &AnyRow| {
            Ok(KeyChange {
                id: row.try_get(0)?,
                key: row.try_get(1)?,
                op: Op::read(row, 2)?,
                at: Moment(row.try_get(3)?),
                author: Author {
                    actor: row.try_get(4)?,
                    door: Door::read(row, 5)?,
                    summary: row.try_get(6)?,
                    request: row.try_get(7)?,
                },
            })
        };
        rows.iter().map(change).collect()
    }
}
