//! Large bodies of entities: each content is one row of a table, and one text in memory, whichever tenants and versions
//! have it.
//!
//! What an entity's row then holds is the SHA-256 of its body. A hash comes from rows of the tenant's own entities and from
//! nowhere else, so that nobody reads another's body by naming it. Bodies are never deleted: an entity's history keeps
//! all its versions, a deleted tenant's too. Knows nothing of what bodies say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Row};

use super::{Entity, Store, StoreError, TenantScope, Transaction, link::Link, placeholders};
use crate::domain::{Text, text::WeakText};

/// Smaller bodies stand in the rows of their entities: a row and a hash for each would cost more than they save. Plugins
/// begin at 10 KB and reach megabytes. Few in tests, so that generated changes go both ways.
pub(super) const LARGE_BYTES: usize = if cfg!(test) { 8 } else { 16 * 1024 };

/// Bodies that one statement reads.
const BODIES_PER_STATEMENT: usize = 16;

/// The large texts that somebody in this process holds, by their digests.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<String, WeakText>>);

impl Held {
    fn get(&self, digest: &str) -> Option<Text> {
        self.0.lock().get(digest).and_then(WeakText::upgrade)
    }

    fn share(&self, text: Text) -> Text {
        let mut held = self.0.lock();
        if let Some(first) = held.get(text.digest()).and_then(WeakText::upgrade) {
            return first;
        }
        held.retain(|_, text| text.is_held());
        held.insert(text.digest().to_owned(), text.downgrade());
        text
    }
}

/// How a row of `entities` has a body: the text itself, or nothing and the hash.
pub(super) fn in_row(body: &Text) -> (&str, Option<&str>) {
    if body.len() < LARGE_BYTES { (body, None) } else { ("", Some(body.digest())) }
}

impl Store {
    /// The same text, where a large one is held already the one that is held. Reads all of it the first time: call it off
    /// the async threads.
    pub fn shared(&self, text: Text) -> Text {
        if text.len() < LARGE_BYTES {
            return text;
        }
        // Outside of the lock.
        let _ = text.digest();
        self.held.share(text)
    }

    /// Entities with their large bodies, each beside the hash in its row. Only those that nobody holds are read.
    pub(super) async fn with_bodies(
        &self,
        link: &mut Link,
        scope: &TenantScope,
        mut rows: Vec<(Entity, Option<String>)>,
    ) -> Result<Vec<Entity>, StoreError> {
        let mut found: HashMap<String, Text> = HashMap::new();
        let mut wanted = BTreeSet::new();
        for hash in rows.iter().filter_map(|(_, hash)| hash.as_deref()) {
            match self.held.get(hash) {
                Some(text) => drop(found.insert(hash.to_owned(), text)),
                None => drop(wanted.insert(hash.to_owned())),
            }
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        for hashes in wanted.chunks(BODIES_PER_STATEMENT) {
            found.extend(self.read_bodies(link, scope, hashes).await?);
        }
        // Rows that were written before there was a table of bodies have large ones in them.
        if rows.iter().any(|(entity, _)| entity.body.len() >= LARGE_BYTES) {
            let store = self.clone();
            let share = move || {
                rows.iter_mut().for_each(|(entity, _)| entity.body = store.shared(entity.body.clone()));
                rows
            };
            rows = tokio::task::spawn_blocking(share).await.map_err(|_| interrupted())?;
        }
        let entity = |(entity, hash): (Entity, Option<String>)| match hash {
            None => Ok(entity),
            Some(hash) => match found.get(&hash) {
                Some(body) => Ok(Entity { body: body.clone(), ..entity }),
                None => Err(wrong(format!("there is no body {hash}"))),
            },
        };
        rows.into_iter().map(entity).collect()
    }

    /// Only such as an entity of the tenant has, or had.
    async fn read_bodies(
        &self,
        link: &mut Link,
        scope: &TenantScope,
        hashes: &[String],
    ) -> Result<HashMap<String, Text>, StoreError> {
        let sql = format!(
            "SELECT hash, body FROM bodies WHERE hash IN ({}) AND EXISTS ( \
                 SELECT 1 FROM entities WHERE entities.tenant = $1 AND entities.body_hash = bodies.hash)",
            placeholders(2, hashes.len(), 1)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(scope.as_str());
        for hash in hashes {
            query = query.bind(hash.as_str());
        }
        let rows = query.fetch_all(link).await?;
        let texts = rows.iter().map(|row| Ok((row.try_get::<String, _>(0)?, Text::from(row.try_get::<String, _>(1)?))));
        let texts = texts.collect::<Result<Vec<_>, StoreError>>()?;
        drop(rows);
        let store = self.clone();
        let read = move || {
            let checked = texts.into_iter().map(|(hash, text)| match text.digest() == hash {
                true => Ok((hash, store.held.share(text))),
                false => Err(wrong(format!("the body {hash} is damaged"))),
            });
            checked.collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| interrupted())?
    }
}

/// Writes the large ones of these bodies that are not there yet: in the order of their hashes, so that two changes never
/// wait for each other.
pub(super) async fn keep<'a>(
    transaction: &mut Transaction,
    bodies: impl Iterator<Item = &'a Text>,
) -> Result<(), StoreError> {
    let large: BTreeMap<&str, &Text> = bodies.filter_map(|body| Some((in_row(body).1?, body))).collect();
    for (hash, body) in large {
        // Asked first, so that what is there is not sent.
        let there = sqlx::query("SELECT hash FROM bodies WHERE hash = $1").bind(hash);
        if there.fetch_optional(&mut **transaction).await?.is_none() {
            sqlx::query("INSERT INTO bodies (hash, body) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(hash)
                .bind(&**body)
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}

fn wrong(reason: String) -> StoreError {
    StoreError::Row { table: "bodies", column: "hash", reason }
}

fn interrupted() -> StoreError {
    wrong("reading was interrupted".to_owned())
}
