//! Versions of tenants' bundles, kept as the files that were applied. Knows nothing of what the files say.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sqlx::{Row, any::AnyRow};

use super::{Store, StoreError, TenantScope, take};
use crate::{
    domain::{Moment, Slug},
    secret::hex,
};

/// Text by path inside the bundle (`tenant.yaml`, `rules/kids.rhai`).
pub type BundleFiles = BTreeMap<String, String>;

/// One applied version.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    pub tenant: Slug,
    /// 1, 2, 3 … per tenant.
    pub version: i64,
    /// SHA-256 of the files, hexadecimal.
    pub hash: String,
    pub files: BundleFiles,
    pub applied_at: Moment,
}

/// What [`Store::put_bundle`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    New(i64),
    /// The latest version has the same content; nothing was written.
    Unchanged(i64),
}

impl Applied {
    pub fn version(&self) -> i64 {
        match self {
            Self::New(version) | Self::Unchanged(version) => *version,
        }
    }
}

/// SHA-256 over paths and texts, each with its length before it so that no two sets of files look alike.
pub fn content_hash(files: &BundleFiles) -> String {
    let mut hash = Sha256::new();
    for (path, text) in files {
        for part in [path, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex(&hash.finalize())
}

impl Store {
    /// Adds a version, unless the latest one has the same content.
    pub async fn put_bundle(
        &self,
        scope: &TenantScope,
        files: &BundleFiles,
        now: Moment,
    ) -> Result<Applied, StoreError> {
        let hash = content_hash(files);
        let text = serde_json::to_string(files).map_err(unreadable)?;
        let mut transaction = self.write().await?;
        let latest = sqlx::query("SELECT version, hash FROM bundles WHERE tenant = $1 ORDER BY version DESC LIMIT 1")
            .bind(scope.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let version: i64 = match &latest {
            Some(row) if row.try_get::<String, _>(1)? == hash => {
                transaction.rollback().await?;
                return Ok(Applied::Unchanged(row.try_get(0)?));
            }
            Some(row) => row.try_get::<i64, _>(0)? + 1,
            None => 1,
        };
        sqlx::query("INSERT INTO bundles (tenant, version, hash, files, applied_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(scope.as_str())
            .bind(version)
            .bind(hash)
            .bind(text)
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        take(&mut transaction, "bundles", 1).await?;
        transaction.commit().await?;
        Ok(Applied::New(version))
    }

    pub async fn latest_bundle(&self, scope: &TenantScope) -> Result<Option<Bundle>, StoreError> {
        let row = sqlx::query(
            "SELECT tenant, version, hash, files, applied_at FROM bundles WHERE tenant = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(scope.as_str())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(bundle).transpose()
    }

    /// The latest version of every tenant: for the registry, which serves them all.
    pub async fn latest_bundles(&self) -> Result<Vec<Bundle>, StoreError> {
        let rows = sqlx::query(
            "SELECT b.tenant, b.version, b.hash, b.files, b.applied_at FROM bundles b \
             WHERE b.version = (SELECT MAX(n.version) FROM bundles n WHERE n.tenant = b.tenant) ORDER BY b.tenant",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(bundle).collect()
    }

    /// Versions of a tenant, newest first.
    pub async fn bundle_history(&self, scope: &TenantScope, limit: u32) -> Result<Vec<Bundle>, StoreError> {
        let rows = sqlx::query(
            "SELECT tenant, version, hash, files, applied_at FROM bundles WHERE tenant = $1 ORDER BY version DESC LIMIT $2",
        )
        .bind(scope.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(bundle).collect()
    }

    /// Grows with every new version of any tenant, in any process. One row: cheap enough to ask several times a second.
    pub async fn bundle_generation(&self) -> Result<i64, StoreError> {
        self.counter("bundles").await
    }
}

fn bundle(row: &AnyRow) -> Result<Bundle, StoreError> {
    let tenant: String = row.try_get(0)?;
    Ok(Bundle {
        tenant: tenant.parse().map_err(|reason| StoreError::Row { table: "bundles", column: "tenant", reason })?,
        version: row.try_get(1)?,
        hash: row.try_get(2)?,
        files: serde_json::from_str(row.try_get(3)?).map_err(unreadable)?,
        applied_at: Moment(row.try_get(4)?),
    })
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Row { table: "bundles", column: "files", reason: error.to_string() }
}
