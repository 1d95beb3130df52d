//! What one viewer has seen: read from the journal when the viewer comes back.

use sqlx::Row;

use super::{Store, StoreError, TenantScope};
use crate::domain::{Moment, Slug};

/// A counted impression.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenAd {
    pub session: String,
    pub ad: Slug,
    pub campaign: Option<Slug>,
    pub time: Moment,
}

impl Store {
    /// The newest impressions of the viewer whom the caller names so, oldest first.
    pub async fn viewer_impressions(
        &self,
        scope: &TenantScope,
        viewer: &str,
        since: Moment,
        limit: u32,
    ) -> Result<Vec<SeenAd>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT session, ad, campaign, time FROM events WHERE tenant = $1 AND viewer = $2 AND time >= $3 \
             AND event_type = 'impression' ORDER BY time DESC LIMIT $4",
        )
        .bind(scope.as_str())
        .bind(viewer)
        .bind(since.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let slug = |text: Option<String>, column| {
            let parsed = text.filter(|text| !text.is_empty()).map(|text| text.parse::<Slug>()).transpose();
            parsed.map_err(|reason| StoreError::Row { table: "events", column, reason })
        };
        let mut seen = Vec::with_capacity(rows.len());
        for row in &rows {
            // An alert has no ad, and no viewer either.
            let Some(ad) = slug(row.try_get(1)?, "ad")? else { continue };
            seen.push(SeenAd {
                session: row.try_get(0)?,
                ad,
                campaign: slug(row.try_get(2)?, "campaign")?,
                time: Moment(row.try_get(3)?),
            });
        }
        seen.reverse();
        Ok(seen)
    }
}
