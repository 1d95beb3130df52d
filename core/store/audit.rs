//! Who changed what and when, read from the tables that `entities` writes.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{Row, any::AnyRow};

use super::{Author, Door, Entity, Kind, Store, StoreError, TenantScope};
use crate::domain::Moment;

/// Entities listed per change. A first `apply` brings a hundred thousand: nobody reads on, and
/// [`Store::state_at`] has them all.
pub const MAX_LISTED_EDITS: usize = 1_000;

/// What a change did to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Added,
    Changed,
    Removed,
}

impl Op {
    const ALL: [Self; 3] = [Self::Added, Self::Changed, Self::Removed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }

    pub(super) fn read(row: &AnyRow, index: usize) -> Result<Self, StoreError> {
        let text: &str = row.try_get(index)?;
        let op = Self::ALL.into_iter().find(|op| op.as_str() == text);
        op.ok_or_else(|| StoreError::Row { table: "key_changes", column: "op", reason: format!("`{text}`") })
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// That it made.
    pub version: i64,
    pub at: Moment,
    pub author: Author,
    /// It deleted the tenant.
    pub deleted: bool,
    /// By kind and name; the first [`MAX_LISTED_EDITS`].
    pub edited: Vec<(Kind, String, Op)>,
    /// `edited` is not all.
    pub more: bool,
}

impl Store {
    /// Changes of a tenant, newest first: those before a version, or the last. A deleted tenant's are kept.
    pub async fn changes(
        &self,
        scope: &TenantScope,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT version, at, actor, door, summary, deleted, request FROM changes WHERE tenant = $1 AND version < $2 \
             ORDER BY version DESC LIMIT $3",
        )
        .bind(scope.as_str())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let version: i64 = row.try_get(0)?;
            // What came and what went; one more than is shown, to know whether there is more.
            let edited = sqlx::query(
                "SELECT kind, name, since FROM ( \
                     SELECT kind, name, since FROM entities WHERE tenant = $1 AND since = $2 \
                     UNION ALL \
                     SELECT kind, name, since FROM entities WHERE tenant = $1 AND until = $2 \
                 ) edited ORDER BY kind, name LIMIT $3",
            )
            .bind(scope.as_str())
            .bind(version)
            // A changed entity has two rows.
            .bind(i64::try_from(2 * MAX_LISTED_EDITS + 1).unwrap_or(i64::MAX))
            .fetch_all(&mut link)
            .await?;
            changes.push(change(row, version, &edited)?);
        }
        Ok(changes)
    }

    /// The bodies that an entity had, newest first, each with the version that ended it (`None`: it is there now). Those
    /// that came before a version, or the last.
    pub async fn history(
        &self,
        scope: &TenantScope,
        kind: Kind,
        name: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(Entity, Option<i64>)>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT body, since, until, body_hash FROM entities WHERE tenant = $1 AND kind = $2 AND name = $3 AND since < $4 \
             ORDER BY since DESC LIMIT $5",
        )
        .bind(scope.as_str())
        .bind(kind.as_str())
        .bind(super::plain(name))
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let (mut stretches, mut ends) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in &rows {
            let body = row.try_get::<String, _>(0)?.into();
            stretches.push((Entity { kind, name: name.to_owned(), body, since: row.try_get(1)? }, row.try_get(3)?));
            ends.push(row.try_get(2)?);
        }
        Ok(self.with_bodies(&mut link, scope, stretches).await?.into_iter().zip(ends).collect())
    }
}

fn change(row: &AnyRow, version: i64, edited: &[AnyRow]) -> Result<Change, StoreError> {
    let mut ops: BTreeMap<(Kind, String), Op> = BTreeMap::new();
    for row in edited {
        let came = row.try_get::<i64, _>(2)? == version;
        let once = if came { Op::Added } else { Op::Removed };
        ops.entry((Kind::read(row, 0)?, row.try_get(1)?)).and_modify(|op| *op = Op::Changed).or_insert(once);
    }
    let more = ops.len() > MAX_LISTED_EDITS;
    Ok(Change {
        version,
        at: Moment(row.try_get(1)?),
        author: Author {
            actor: row.try_get(2)?,
            door: Door::read(row, 3)?,
            summary: row.try_get(4)?,
            request: row.try_get(6)?,
        },
        deleted: row.try_get::<i64, _>(5)? != 0,
        edited: ops.into_iter().take(MAX_LISTED_EDITS).map(|((kind, name), op)| (kind, name, op)).collect(),
        more,
    })
}
