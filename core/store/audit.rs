//! Who changed what and when, read from the tables that `entities` writes.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{Author, Door, Entity, Kind, Store, StoreError, TenantScope, bodies::LARGE_BYTES};
use crate::domain::{Moment, Text};

/// Entities listed per change. A first `apply` brings a hundred thousand: nobody reads on, and
/// [`Store::state_at`] has them all.
pub const MAX_LISTED_EDITS: usize = 1_000;

/// Characters of a body that [`Store::stretches`] answers: the first line of a packed plugin has 77.
pub const HEAD_CHARS: usize = 128;

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

/// Versions in which an entity had one body, and what is known of that without having it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub since: i64,
    /// The version that ended it; `None`: it is there now.
    pub until: Option<i64>,
    pub bytes: usize,
    /// How it begins: at most [`HEAD_CHARS`].
    pub head: String,
    /// In hexadecimal digits. Not of a large body that was written before there was a table of bodies.
    pub sha256: Option<String>,
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

    /// When an entity had which body, newest first as in [`Store::history`], and what is known of the bodies without reading
    /// large ones: a list of versions must not bring gigabytes into memory.
    pub async fn stretches(
        &self,
        scope: &TenantScope,
        kind: Kind,
        name: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Stretch>, StoreError> {
        let mut link = self.read().await?;
        // Without a hash the body stands in the row: whole where it is small, and begun where it is from before the table
        // of bodies.
        let sql = format!(
            "SELECT e.since, e.until, e.body_hash, \
             CAST(COALESCE(octet_length(b.body), octet_length(e.body)) AS BIGINT), \
             CASE WHEN b.body IS NOT NULL THEN substr(b.body, 1, {HEAD_CHARS}) \
                  WHEN octet_length(e.body) < {LARGE_BYTES} THEN e.body ELSE substr(e.body, 1, {HEAD_CHARS}) END \
             FROM entities e LEFT JOIN bodies b ON b.hash = e.body_hash \
             WHERE e.tenant = $1 AND e.kind = $2 AND e.name = $3 AND e.since < $4 ORDER BY e.since DESC LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.as_str())
            .bind(kind.as_str())
            .bind(super::plain(name))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&mut link)
            .await?;
        rows.iter().map(stretch).collect()
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

fn stretch(row: &AnyRow) -> Result<Stretch, StoreError> {
    let (hash, bytes, begun): (Option<String>, i64, String) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    let bytes = usize::try_from(bytes).unwrap_or_default();
    let whole = begun.len() == bytes;
    Ok(Stretch {
        since: row.try_get(0)?,
        until: row.try_get(1)?,
        bytes,
        sha256: hash.or_else(|| whole.then(|| Text::from(&*begun).digest().to_owned())),
        head: begun.chars().take(HEAD_CHARS).collect(),
    })
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
