//! Secrets of tenants, as they lie in the database: sealed. Whoever reads them here cannot read them.
//!
//! Does not know the keys; a secret's name is the place that it is sealed for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::Row;

use super::{Store, StoreError, TenantScope};
use crate::domain::{Moment, Slug};

/// Secrets of one tenant: a few for each of its sinks.
pub const MAX_SECRETS: usize = 100;

/// That there is a secret, and since when it is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecret {
    pub name: String,
    pub updated_at: Moment,
}

impl Store {
    /// Keeps a secret, in place of the one of this name; false if there are too many already.
    pub async fn put_secret(
        &self,
        scope: &TenantScope,
        name: &Slug,
        sealed: &[u8],
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let count = sqlx::query("SELECT COUNT(*) FROM tenant_secrets WHERE tenant = $1 AND name <> $2")
            .bind(scope.as_str())
            .bind(name.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        if usize::try_from(count.try_get::<i64, _>(0)?).unwrap_or(usize::MAX) >= MAX_SECRETS {
            transaction.rollback().await?;
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO tenant_secrets (tenant, name, sealed, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
        )
        .bind(scope.as_str())
        .bind(name.as_str())
        .bind(STANDARD.encode(sealed))
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Names of a tenant's secrets, in order.
    pub async fn secrets(&self, scope: &TenantScope) -> Result<Vec<KnownSecret>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query("SELECT name, updated_at FROM tenant_secrets WHERE tenant = $1 ORDER BY name")
            .bind(scope.as_str())
            .fetch_all(&mut link)
            .await?;
        let known =
            |row: &sqlx::any::AnyRow| Ok(KnownSecret { name: row.try_get(0)?, updated_at: Moment(row.try_get(1)?) });
        rows.iter().map(known).collect()
    }

    /// A secret as it was sealed.
    pub async fn sealed_secret(&self, scope: &TenantScope, name: &Slug) -> Result<Option<Vec<u8>>, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT sealed FROM tenant_secrets WHERE tenant = $1 AND name = $2")
            .bind(scope.as_str())
            .bind(name.as_str())
            .fetch_optional(&mut link)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let sealed = STANDARD.decode(row.try_get::<&str, _>(0)?);
        sealed.map(Some).map_err(|error| StoreError::Row {
            table: "tenant_secrets",
            column: "sealed",
            reason: error.to_string(),
        })
    }

    /// Forgets a secret; false if there is none of this name.
    pub async fn delete_secret(&self, scope: &TenantScope, name: &Slug) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("DELETE FROM tenant_secrets WHERE tenant = $1 AND name = $2")
            .bind(scope.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }
}
