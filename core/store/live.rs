//! What happens right now: events between two ids by channel and type, and the sessions that nodes have open.

use sqlx::Row;

use super::{Store, StoreError, TenantScope};
use crate::domain::{Moment, Slug, Span};

/// How long a node's word on its sessions is good: it says so every few seconds.
pub const SESSIONS_GOOD_FOR: Span = Span::from_secs(20);

/// How many events of a type a channel had; no channel for events that have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCount {
    pub channel: Option<String>,
    pub event_type: String,
    pub events: i64,
}

/// Sessions that one node has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSessions {
    pub tenant: Slug,
    pub channel: Slug,
    pub sessions: u64,
}

impl Store {
    /// Events with `after < id <= upto`, counted.
    pub async fn live_counts(&self, scope: &TenantScope, after: i64, upto: i64) -> Result<Vec<LiveCount>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT channel, event_type, COUNT(*) FROM events WHERE tenant = $1 AND id > $2 AND id <= $3 \
             GROUP BY channel, event_type ORDER BY channel, event_type",
        )
        .bind(scope.as_str())
        .bind(after)
        .bind(upto)
        .fetch_all(&mut link)
        .await?;
        let count = |row: &sqlx::any::AnyRow| {
            Ok(LiveCount { channel: row.try_get(0)?, event_type: row.try_get(1)?, events: row.try_get(2)? })
        };
        rows.iter().map(count).collect()
    }

    /// Replaces what a node said before, and forgets nodes that say nothing any more.
    pub async fn put_open_sessions(&self, node: &str, open: &[OpenSessions], now: Moment) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM live_sessions WHERE node = $1 OR seen_at < $2")
            .bind(node)
            .bind((now - SESSIONS_GOOD_FOR).as_micros())
            .execute(&mut *transaction)
            .await?;
        for OpenSessions { tenant, channel, sessions } in open {
            sqlx::query(
                "INSERT INTO live_sessions (node, tenant, channel, sessions, seen_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(node)
            .bind(tenant.as_str())
            .bind(channel.as_str())
            .bind(i64::try_from(*sessions).unwrap_or(i64::MAX))
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// Open sessions of a tenant over all nodes, by channel.
    pub async fn open_sessions(&self, scope: &TenantScope, now: Moment) -> Result<Vec<(String, i64)>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT channel, CAST(SUM(sessions) AS BIGINT) FROM live_sessions WHERE tenant = $1 AND seen_at >= $2 \
             GROUP BY channel ORDER BY channel",
        )
        .bind(scope.as_str())
        .bind((now - SESSIONS_GOOD_FOR).as_micros())
        .fetch_all(&mut link)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}
