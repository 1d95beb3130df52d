//! What is kept of one viewer: read for those who ask what is known of them, and made anonymous for those who want to
//! be forgotten.
//!
//! A viewer is known by the caller's name or by our name of one session. Nothing is indexed by these names, which would
//! cost every event something; both jobs go through the tenant's events page by page instead, so that nobody else waits
//! long and memory stays bounded. Forgotten events stay and count as before: they only tell no longer whose they were.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::Row;

use super::{
    Store, StoreError, TenantScope,
    events::{StoredEvent, select_events, stored},
    plain,
    rollups::rename_sessions,
};
use crate::domain::EventId;

/// Events looked at in one step: some milliseconds.
const PAGE: i64 = 5_000;

/// Records of decisions looked at in one step; each has some kilobytes.
const DECISIONS: i64 = 200;

/// A viewer to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The caller's name of the viewer, or our name of one session.
    pub name: String,
    /// Random, used for this viewer only and thrown away afterwards: new names are made of it, so that an erasure which
    /// was cut off and is done again gives the same ones, and nobody can tell later which old name a new one stands for.
    pub secret: [u8; 32],
    /// Events up to this id: those after it may be of a viewer who came back.
    pub upto: i64,
}

/// What an erasure did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub events: u64,
    pub decisions: u64,
    /// Our names of the viewer's sessions, with those that they have now.
    pub sessions: BTreeMap<String, String>,
}

impl Erasure {
    /// What a session is called afterwards: unique sessions stay as many as they were.
    fn session(&self, old: &str) -> String {
        format!("{:032x}", self.number("session", old.as_bytes()))
    }

    fn event_id(&self, row: i64) -> EventId {
        EventId::random(self.number("event", &row.to_be_bytes()))
    }

    fn number(&self, what: &str, of: &[u8]) -> u128 {
        let digest: [u8; 32] =
            Sha256::new_with_prefix(self.secret).chain_update(what).chain_update(of).finalize().into();
        u128::from_be_bytes(digest.first_chunk::<16>().copied().unwrap_or_default())
    }
}

impl Store {
    /// Our names of the sessions of a viewer, in events up to an id; the name itself as well, which may be one.
    pub async fn viewer_sessions(
        &self,
        scope: &TenantScope,
        name: &str,
        upto: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        let name = plain(name);
        let mut sessions = BTreeSet::from([name.clone()]);
        let mut after = 0;
        while let Some(end) = self.page_end(scope, after, upto).await? {
            let mut link = self.read().await?;
            let rows = sqlx::query(
                "SELECT DISTINCT session FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 AND viewer = $4",
            )
            .bind(scope.as_str())
            .bind(after)
            .bind(end)
            .bind(name.as_str())
            .fetch_all(&mut link)
            .await?;
            for row in &rows {
                sessions.insert(row.try_get(0)?);
            }
            after = end;
        }
        Ok(sessions)
    }

    /// One page of a viewer's events after an id, oldest first, and the id to go on after; `None` at the end. A page may
    /// be empty: it is one of all events of the tenant. `sessions` are those of [`Self::viewer_sessions`].
    pub async fn viewer_events(
        &self,
        scope: &TenantScope,
        name: &str,
        sessions: &BTreeSet<String>,
        after: i64,
    ) -> Result<(Vec<StoredEvent>, Option<i64>), StoreError> {
        let Some(end) = self.page_end(scope, after, i64::MAX).await? else { return Ok((Vec::new(), None)) };
        let ids: Vec<i64> =
            self.rows_of(scope, name, sessions, after, end).await?.into_iter().map(|(id, _)| id).collect();
        let mut events = Vec::with_capacity(ids.len());
        let mut link = self.read().await?;
        for id in ids {
            let row = sqlx::query(concat!(select_events!(), " WHERE tenant = $1 AND id = $2"))
                .bind(scope.as_str())
                .bind(id)
                .fetch_optional(&mut link)
                .await?;
            if let Some(row) = &row {
                events.push(stored(scope, row)?);
            }
        }
        Ok((events, Some(end)))
    }

    /// Forgets a viewer: events lose its names, what identifies them and all that their reporter added; records of its
    /// decisions are deleted. Each page is a transaction. Cut off and called again with the same erasure, it ends as if
    /// it had not been.
    pub async fn erase_viewer(&self, scope: &TenantScope, erasure: &Erasure) -> Result<Erased, StoreError> {
        let sessions = self.viewer_sessions(scope, &erasure.name, erasure.upto).await?;
        // First, while the events still say which sessions were the viewer's.
        let named: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        self.erase_orders(scope, &named).await?;
        let mut erased = Erased::default();
        let mut after = 0;
        while let Some(end) = self.page_end(scope, after, erasure.upto).await? {
            let rows = self.rows_of(scope, &erasure.name, &sessions, after, end).await?;
            if !rows.is_empty() {
                let mut transaction = self.write().await?;
                let renamed: BTreeMap<&str, String> =
                    rows.iter().map(|(_, session)| (session.as_str(), erasure.session(session))).collect();
                let renamed: Vec<(&str, &str)> = renamed.iter().map(|(old, new)| (*old, new.as_str())).collect();
                rename_sessions(&mut transaction, scope, &renamed).await?;
                for (id, session) in rows {
                    let new = erased.sessions.entry(session).or_insert_with_key(|old| erasure.session(old));
                    sqlx::query(
                        "UPDATE events SET session = $3, viewer = NULL, event_id = $4, more = NULL \
                         WHERE tenant = $1 AND id = $2",
                    )
                    .bind(scope.as_str())
                    .bind(id)
                    .bind(new.as_str())
                    .bind(erasure.event_id(id).to_string())
                    .execute(&mut *transaction)
                    .await?;
                    erased.events += 1;
                }
                transaction.commit().await?;
            }
            after = end;
        }
        erased.decisions = self.erase_decisions(scope, &erasure.name, &sessions).await?;
        Ok(erased)
    }

    /// The id of the last event of the page after `after`.
    async fn page_end(&self, scope: &TenantScope, after: i64, upto: i64) -> Result<Option<i64>, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query(
            "SELECT MAX(id) FROM (SELECT id FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4) \
             AS page",
        )
        .bind(scope.as_str())
        .bind(after)
        .bind(upto)
        .bind(PAGE)
        .fetch_one(&mut link)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// Ids and sessions of the viewer's events on a page.
    async fn rows_of(
        &self,
        scope: &TenantScope,
        name: &str,
        sessions: &BTreeSet<String>,
        after: i64,
        end: i64,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let name = plain(name);
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT id, session, viewer FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 ORDER BY id",
        )
        .bind(scope.as_str())
        .bind(after)
        .bind(end)
        .fetch_all(&mut link)
        .await?;
        let mut found = Vec::new();
        for row in &rows {
            let session: &str = row.try_get(1)?;
            if sessions.contains(session) || row.try_get::<Option<&str>, _>(2)? == Some(name.as_str()) {
                found.push((row.try_get(0)?, session.to_owned()));
            }
        }
        Ok(found)
    }

    /// One page of the records of decisions that were made for a viewer, after a record's id, as `(id, body)`, and the id
    /// to go on after; `None` at the end. A page may be empty.
    pub async fn viewer_decisions(
        &self,
        scope: &TenantScope,
        name: &str,
        sessions: &BTreeSet<String>,
        after: &str,
    ) -> Result<(Vec<(String, String)>, Option<String>), StoreError> {
        // As `serde_json` writes the viewer's name; what else in a record says just that is the viewer's as well.
        let named = format!("\"session_id\":{}", serde_json::Value::from(plain(name)));
        let mut link = self.read().await?;
        let rows = sqlx::query("SELECT id, body FROM decisions WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(scope.as_str())
            .bind(after)
            .bind(DECISIONS)
            .fetch_all(&mut link)
            .await?;
        let Some(last) = rows.last() else { return Ok((Vec::new(), None)) };
        let mut theirs = Vec::new();
        for row in &rows {
            let (id, body): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            // A record's id is its session and its break.
            let session = id.split_once('/').map_or(id, |(session, _)| session);
            if sessions.contains(session) || body.contains(&named) {
                theirs.push((id.to_owned(), body.to_owned()));
            }
        }
        Ok((theirs, Some(last.try_get(0)?)))
    }

    async fn erase_decisions(
        &self,
        scope: &TenantScope,
        name: &str,
        sessions: &BTreeSet<String>,
    ) -> Result<u64, StoreError> {
        let (mut after, mut deleted) = (String::new(), 0);
        loop {
            let (theirs, next) = self.viewer_decisions(scope, name, sessions, &after).await?;
            if !theirs.is_empty() {
                let mut transaction = self.write().await?;
                for (id, _) in theirs {
                    let gone = sqlx::query("DELETE FROM decisions WHERE tenant = $1 AND id = $2")
                        .bind(scope.as_str())
                        .bind(id)
                        .execute(&mut *transaction)
                        .await?;
                    deleted += gone.rows_affected();
                }
                transaction.commit().await?;
            }
            let Some(next) = next else { return Ok(deleted) };
            after = next;
        }
    }
}
