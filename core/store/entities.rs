//! What tenants consist of, version by version: one table with the stretch of versions in which each entity had its
//! body. Knows names and texts, and nothing of what they say.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    Store, StoreError, TenantScope, Transaction,
    bodies::{self, in_row},
    link::Link,
    placeholders,
};
use crate::domain::{Moment, Slug, Text};

/// Rows of one statement: see `events`.
const ROWS_PER_STATEMENT: usize = 50;

/// More edits than this are compared with all that is there, read at once, instead of looked up one by one. (Looking
/// many up in one statement depends on statistics that PostgreSQL does not have yet when a large tenant is new: it then
/// reads all of the tenant for every statement.) Few in tests, so that generated changes go both ways.
const MAX_LOOKED_UP: usize = if cfg!(test) { 3 } else { 200 };

/// Bytes of an entity's name. A row of a PostgreSQL index takes 2,700; paths of scripts have some dozens.
pub const MAX_NAME_BYTES: usize = 1_024;

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The tenant's settings; the name is its slug.
    Tenant,
    Channel,
    Campaign,
    Ad,
    /// Which scripts are mounted where; the name is the tenant's slug.
    Extensions,
    /// A script's text; the name is its path.
    Script,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::Tenant, Self::Channel, Self::Campaign, Self::Ad, Self::Extensions, Self::Script];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Ad => "ad",
            Self::Extensions => "extensions",
            Self::Script => "script",
        }
    }

    pub(super) fn read(row: &AnyRow, index: usize) -> Result<Self, StoreError> {
        let text: &str = row.try_get(index)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| StoreError::Row { table: "entities", column: "kind", reason: format!("`{text}`") })
    }
}

/// One thing that a tenant consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub kind: Kind,
    /// A slug or a path.
    pub name: String,
    /// JSON in the bundle's shape, or a script's text.
    pub body: Text,
    /// The version of the tenant that brought this body.
    pub since: i64,
}

/// A new body of an entity; `None` takes the entity away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub kind: Kind,
    pub name: String,
    pub body: Option<Text>,
}

/// Who changed something, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Author {
    /// A key's name, a user of this machine, or what in Cuetone did it. Never a key.
    pub actor: String,
    pub door: Door,
    /// A sentence for people; may be empty.
    pub summary: String,
    /// The id of the request that did it, to find it in the log.
    pub request: Option<String>,
}

/// How a change came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The admin API.
    Api,
    /// `cuetone apply`.
    Apply,
    /// Another command at the database itself.
    CommandLine,
    /// The watched folder.
    Folder,
    /// Cuetone itself: a campaign was spent, a canary failed.
    Cuetone,
}

impl Door {
    pub const ALL: [Self; 5] = [Self::Api, Self::Apply, Self::CommandLine, Self::Folder, Self::Cuetone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Apply => "apply",
            Self::CommandLine => "command_line",
            Self::Folder => "folder",
            Self::Cuetone => "cuetone",
        }
    }

    pub(super) fn read(row: &AnyRow, index: usize) -> Result<Self, StoreError> {
        let text: &str = row.try_get(index)?;
        let door = Self::ALL.into_iter().find(|door| door.as_str() == text);
        door.ok_or_else(|| StoreError::Row { table: "changes", column: "door", reason: format!("`{text}`") })
    }
}

/// All of a tenant at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantState {
    pub version: i64,
    /// By kind and name.
    pub entities: Vec<Entity>,
}

impl Store {
    /// Applies edits in one transaction and answers the tenant's version behind them. The last edit of an entity counts;
    /// edits that change nothing are not written, and if none changes anything the version stays.
    ///
    /// `expected` is the version that the edits were made on, 0 when the tenant must not exist yet: if somebody was
    /// quicker, nothing is written ([`StoreError::Conflict`]). `None` writes whatever is there, and makes a tenant that is
    /// not. A tenant that was deleted counts as missing, and goes on with its numbers when it comes back.
    pub async fn change(
        &self,
        scope: &TenantScope,
        expected: Option<i64>,
        edits: &[Edit],
        author: &Author,
        now: Moment,
    ) -> Result<i64, StoreError> {
        // In order, so that each entity comes once.
        let edits: BTreeMap<(Kind, &str), Option<&Text>> =
            edits.iter().map(|edit| ((edit.kind, edit.name.as_str()), edit.body.as_ref())).collect();
        for ((kind, name), body) in &edits {
            storable(*kind, name, body.map_or("", |body| body))?;
        }
        let edits: Vec<_> = edits.into_iter().collect();

        let mut transaction = self.write().await?;
        let (version, found) = lock(&mut transaction, scope).await?;
        if let Some(expected) = expected
            && expected != found
        {
            transaction.rollback().await?;
            return Err(StoreError::Conflict { expected, found });
        }
        let next = version + 1;
        let Plan { ends, begins } = if found == 0 {
            Plan { ends: Vec::new(), begins: edits }
        } else if edits.len() <= MAX_LOOKED_UP {
            let edits = new_to_old_rows(&mut transaction, scope, edits).await?;
            Plan { ends: edits.clone(), begins: edits }
        } else {
            compare(&mut transaction, scope, edits).await?
        };
        let mut written = 0;
        bodies::keep(&mut transaction, begins.iter().filter_map(|(_, body)| *body)).await?;
        for edit in ends {
            written += end(&mut transaction, scope, next, edit).await?;
        }
        for edits in begins.chunks(ROWS_PER_STATEMENT) {
            written += begin(&mut transaction, scope, next, edits).await?;
        }
        if written == 0 {
            transaction.rollback().await?;
            return Ok(found);
        }
        self.finish_change(transaction, scope, next, false, author, now).await?;
        Ok(next)
    }

    /// Takes a tenant away: all its entities, its keys, its secrets, its sinks' places in the journal and their dead
    /// letters. Its history, its events and its numbering stay. Answers the version that this made.
    pub async fn delete_tenant(&self, scope: &TenantScope, author: &Author, now: Moment) -> Result<i64, StoreError> {
        let mut transaction = self.write().await?;
        let (version, found) = lock(&mut transaction, scope).await?;
        if found == 0 {
            transaction.rollback().await?;
            return Err(StoreError::NoTenant { tenant: scope.to_string() });
        }
        let next = version + 1;
        sqlx::query("UPDATE entities SET until = $2 WHERE tenant = $1 AND until IS NULL")
            .bind(scope.as_str())
            .bind(next)
            .execute(&mut *transaction)
            .await?;
        // The slug may come back as somebody else's.
        sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE tenant = $1 AND revoked_at IS NULL")
            .bind(scope.as_str())
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        self.forget_budgets(&mut transaction, scope).await?;
        for gone in [
            "DELETE FROM sink_cursors WHERE tenant = $1",
            "DELETE FROM sink_failures WHERE tenant = $1",
            "DELETE FROM dead_letters WHERE tenant = $1",
            "DELETE FROM tenant_secrets WHERE tenant = $1",
        ] {
            sqlx::query(gone).bind(scope.as_str()).execute(&mut *transaction).await?;
        }
        self.finish_change(transaction, scope, next, true, author, now).await?;
        Ok(next)
    }

    async fn finish_change(
        &self,
        mut transaction: Transaction,
        scope: &TenantScope,
        version: i64,
        deleted: bool,
        author: &Author,
        now: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE tenants SET version = $2, deleted = $3 WHERE tenant = $1")
            .bind(scope.as_str())
            .bind(version)
            .bind(i64::from(deleted))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO changes (tenant, version, at, actor, door, summary, deleted, request) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(scope.as_str())
        .bind(version)
        .bind(now.as_micros())
        .bind(super::plain(&author.actor))
        .bind(author.door.as_str())
        .bind(super::plain(&author.summary))
        .bind(i64::from(deleted))
        .bind(author.request.as_deref().map(super::plain))
        .execute(&mut *transaction)
        .await?;
        self.announce(&mut transaction).await?;
        transaction.commit().await
    }

    /// A tenant as it is now.
    pub async fn state(&self, scope: &TenantScope) -> Result<Option<TenantState>, StoreError> {
        // One statement: version and entities belong together, whoever writes meanwhile.
        let sql = "SELECT t.version, e.kind, e.name, e.body, e.since, e.body_hash FROM tenants t \
                   LEFT JOIN entities e ON e.tenant = t.tenant AND e.until IS NULL \
                   WHERE t.tenant = $1 AND t.deleted = 0";
        let mut link = self.read().await?;
        let rows = collect(sqlx::query(sql).bind(scope.as_str()).fetch(&mut link)).await?;
        self.state_of(&mut link, scope, rows).await
    }

    /// A tenant as it was at a version; `None` if it never had this version, or did not exist in it.
    pub async fn state_at(&self, scope: &TenantScope, version: i64) -> Result<Option<TenantState>, StoreError> {
        let sql = "SELECT c.version, e.kind, e.name, e.body, e.since, e.body_hash FROM changes c \
                   LEFT JOIN entities e ON e.tenant = c.tenant AND e.since <= c.version \
                   AND (e.until IS NULL OR e.until > c.version) \
                   WHERE c.tenant = $1 AND c.version = $2 AND c.deleted = 0";
        let mut link = self.read().await?;
        let rows = collect(sqlx::query(sql).bind(scope.as_str()).bind(version).fetch(&mut link)).await?;
        self.state_of(&mut link, scope, rows).await
    }

    /// Bodies never change, so those of a version may be read after its rows.
    async fn state_of(
        &self,
        link: &mut Link,
        scope: &TenantScope,
        rows: Option<(i64, Rows)>,
    ) -> Result<Option<TenantState>, StoreError> {
        let Some((version, rows)) = rows else { return Ok(None) };
        Ok(Some(TenantState { version, entities: self.with_bodies(link, scope, rows).await? }))
    }

    /// All tenants and the version that each is at: for the registry, which serves them all.
    pub async fn tenants(&self) -> Result<Vec<(Slug, i64)>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query("SELECT tenant, version FROM tenants WHERE deleted = 0 ORDER BY tenant")
            .fetch_all(&mut link)
            .await?;
        let tenant = |row: &AnyRow| {
            let slug = row.try_get::<&str, _>(0)?.parse();
            let slug = slug.map_err(|reason| StoreError::Row { table: "tenants", column: "tenant", reason })?;
            Ok((slug, row.try_get(1)?))
        };
        rows.iter().map(tenant).collect()
    }

    /// Grows with every change of any tenant and of any key, on any node. One row: cheap enough to ask several times a
    /// second.
    pub async fn generation(&self) -> Result<i64, StoreError> {
        self.counter("generation").await
    }
}

fn storable(kind: Kind, name: &str, body: &str) -> Result<(), StoreError> {
    let wrong =
        |reason| Err(StoreError::Unstorable { what: format!("{} `{}`", kind.as_str(), name.escape_debug()), reason });
    match () {
        () if name.is_empty() => wrong("has no name"),
        () if name.len() > MAX_NAME_BYTES => wrong("has too long a name"),
        // PostgreSQL's TEXT has no room for it.
        () if name.contains('\0') || body.contains('\0') => wrong("contains a NUL character"),
        () => Ok(()),
    }
}

/// Makes changes of this tenant queue behind this transaction. Answers the number of its last version, and the version
/// that it is at: 0 when there is no such tenant.
async fn lock(transaction: &mut Transaction, scope: &TenantScope) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query(
        "INSERT INTO tenants (tenant, version, deleted) VALUES ($1, 0, 1) \
         ON CONFLICT (tenant) DO UPDATE SET version = tenants.version RETURNING version, deleted",
    )
    .bind(scope.as_str())
    .fetch_one(&mut **transaction)
    .await?;
    let (version, deleted): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((version, if deleted == 0 { version } else { 0 }))
}

/// Rows of entities, each beside the hash of its body where that is in the table of bodies.
type Rows = Vec<(Entity, Option<String>)>;

type Edited<'a> = ((Kind, &'a str), Option<&'a Text>);

/// What to write: edits that may end something, and edits that may begin something.
struct Plan<'a> {
    ends: Vec<Edited<'a>>,
    begins: Vec<Edited<'a>>,
}

/// Leaves out what is there already. `edits` are in order.
async fn compare<'a>(
    transaction: &mut Transaction,
    scope: &TenantScope,
    edits: Vec<Edited<'a>>,
) -> Result<Plan<'a>, StoreError> {
    let mut ends = Vec::new();
    let mut same = vec![false; edits.len()];
    let mut rows = sqlx::query("SELECT kind, name, body, body_hash FROM entities WHERE tenant = $1 AND until IS NULL")
        .bind(scope.as_str())
        .fetch(&mut **transaction);
    while let Some(row) = rows.try_next().await? {
        let there = (Kind::read(&row, 0)?, row.try_get::<&str, _>(1)?);
        let Ok(at) = edits.binary_search_by(|(entity, _)| entity.cmp(&there)) else { continue };
        let (Some(edit), Some(same)) = (edits.get(at), same.get_mut(at)) else { continue };
        let (there, hash): (&str, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
        // A row from before there was a table of bodies has any body in it.
        *same = edit.1.is_some_and(|body| in_row(body) == (there, hash) || hash.is_none() && **body == *there);
        if !*same {
            ends.push(*edit);
        }
    }
    let begins = edits.into_iter().zip(same).filter_map(|(edit, same)| (!same).then_some(edit)).collect();
    Ok(Plan { ends, begins })
}

/// Leaves out large bodies that are there in rows from before there was a table of bodies: such a row has no hash.
async fn new_to_old_rows<'a>(
    transaction: &mut Transaction,
    scope: &TenantScope,
    edits: Vec<Edited<'a>>,
) -> Result<Vec<Edited<'a>>, StoreError> {
    let mut new = Vec::with_capacity(edits.len());
    for ((kind, name), body) in edits {
        let mut same = false;
        if let Some(body) = body.filter(|body| in_row(body).1.is_some()) {
            let row = sqlx::query(
                "SELECT body FROM entities WHERE tenant = $1 AND kind = $2 AND name = $3 AND until IS NULL \
                 AND body_hash IS NULL",
            );
            let row =
                row.bind(scope.as_str()).bind(kind.as_str()).bind(name).fetch_optional(&mut **transaction).await?;
            same = row.map(|row| Ok::<_, StoreError>(row.try_get::<&str, _>(0)? == &**body)).transpose()? == Some(true);
        }
        if !same {
            new.push(((kind, name), body));
        }
    }
    Ok(new)
}

/// Ends what the edit replaces or takes away; what stays the same goes on.
async fn end(
    transaction: &mut Transaction,
    scope: &TenantScope,
    version: i64,
    ((kind, name), body): Edited<'_>,
) -> Result<u64, StoreError> {
    let (body, hash) = body.map_or((None, None), |body| (Some(in_row(body).0), in_row(body).1));
    let ended = sqlx::query(
        "UPDATE entities SET until = $1 WHERE tenant = $2 AND kind = $3 AND name = $4 AND until IS NULL \
         AND ($5 IS NULL OR body <> $5 OR COALESCE(body_hash, '') <> $6)",
    )
    .bind(version)
    .bind(scope.as_str())
    .bind(kind.as_str())
    .bind(name)
    .bind(body)
    .bind(hash.unwrap_or_default())
    .execute(&mut **transaction)
    .await?;
    Ok(ended.rows_affected())
}

/// Adds the new bodies, but not where the entity is still there: then it has this body.
async fn begin(
    transaction: &mut Transaction,
    scope: &TenantScope,
    version: i64,
    edits: &[Edited<'_>],
) -> Result<u64, StoreError> {
    let put: Vec<_> = edits.iter().filter_map(|(entity, body)| Some((entity, (*body)?))).collect();
    if put.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO entities (tenant, kind, name, since, body, body_hash) VALUES {} ON CONFLICT DO NOTHING",
        placeholders(1, put.len(), 6)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        // The usual sizes are prepared once per connection.
        .persistent(put.len() == 1 || put.len() == ROWS_PER_STATEMENT);
    for ((kind, name), body) in put {
        let (body, hash) = in_row(body);
        query = query.bind(scope.as_str()).bind(kind.as_str()).bind(*name).bind(version).bind(body).bind(hash);
    }
    Ok(query.execute(&mut **transaction).await?.rows_affected())
}

/// Rows of version and entity, in order, each beside the hash of a body that is elsewhere; a row without an entity stands
/// for a tenant that has none.
async fn collect(
    mut rows: impl futures_util::Stream<Item = Result<AnyRow, sqlx::Error>> + Unpin,
) -> Result<Option<(i64, Rows)>, StoreError> {
    let mut state = None;
    while let Some(row) = rows.try_next().await? {
        let (_, entities) = state.get_or_insert((row.try_get(0)?, Vec::new()));
        if row.try_get::<Option<&str>, _>(1)?.is_some() {
            let body = row.try_get::<String, _>(3)?.into();
            let entity = Entity { kind: Kind::read(&row, 1)?, name: row.try_get(2)?, body, since: row.try_get(4)? };
            entities.push((entity, row.try_get(5)?));
        }
    }
    if let Some((_, entities)) = &mut state {
        entities.sort_unstable_by(|(a, _), (b, _)| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    }
    Ok(state)
}
