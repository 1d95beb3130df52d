//! Keys to the API. What is stored cannot be turned back into a key: a hash, and some characters to tell keys apart.

use std::fmt;

use sha2::{Digest, Sha256};
use sqlx::{Row, any::AnyRow};

use super::{Author, Op, Store, StoreError, TenantScope, Transaction, plain, take};
use crate::{
    domain::{Moment, Slug, Span},
    secret::hex,
};

/// Random bytes of a key: too many to guess, so that a plain hash keeps it safe.
pub const KEY_RANDOM_BYTES: usize = 32;

/// Random digits that [`ApiKey::prefix`] shows. The other 58 are still 232 bits.
const SHOWN_DIGITS: usize = 6;

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// Good for all tenants and for the server itself.
    Platform,
    Tenant(TenantScope),
}

impl KeyOwner {
    /// As the table has it; no slug is empty.
    pub(super) fn column(&self) -> &str {
        match self {
            Self::Platform => "",
            Self::Tenant(scope) => scope.as_str(),
        }
    }
}

/// What is known of a key: all but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Ascending in the order of creation, over all owners.
    pub id: i64,
    /// `None`: the platform's.
    pub tenant: Option<Slug>,
    pub name: String,
    /// The first characters, for people to tell keys apart.
    pub prefix: String,
    pub created_at: Moment,
    /// From then on it is refused.
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
}

/// A key as its holder sends it. Shown once, never stored; debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl KeyText {
    /// `fast_<slug>_<64 hexadecimal digits>`, or `fast_platform_<64 digits>`.
    fn new(owner: &KeyOwner, random: [u8; KEY_RANDOM_BYTES]) -> Self {
        Self(format!("{}{}", Self::lead(owner), hex(&random)))
    }
    fn lead(owner: &KeyOwner) -> String {
        match owner {
            KeyOwner::Platform => "fast_platform_".into(),
            KeyOwner::Tenant(scope) => format!("fast_{scope}_"),
        }
    }
    fn prefix(&self, owner: &KeyOwner) -> String {
        self.0.chars().take(Self::lead(owner).len() + SHOWN_DIGITS).collect()
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// SHA-256 of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of what a request carries.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A key that is good, for a key ring in memory. Look at `expires_at` when it is used: a ring is as old as the last
/// change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKey {
    pub hash: KeyHash,
    pub id: i64,
    /// `None`: the platform's.
    pub tenant: Option<Slug>,
    pub name: String,
    pub expires_at: Option<Moment>,
}

impl Store {
    /// Makes a key. `random` must come from a cryptographic generator and be used once.
    pub async fn create_key(
        &self,
        owner: &KeyOwner,
        name: &str,
        expires_at: Option<Moment>,
        random: [u8; KEY_RANDOM_BYTES],
        author: &Author,
        now: Moment,
    ) -> Result<(ApiKey, KeyText), StoreError> {
        let mut transaction = self.write().await?;
        if let KeyOwner::Tenant(scope) = owner {
            // Locked: a tenant that is deleted at this moment takes the new key along.
            let there = sqlx::query("UPDATE tenants SET version = version WHERE tenant = $1 AND deleted = 0")
                .bind(scope.as_str())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if there == 0 {
                transaction.rollback().await?;
                return Err(StoreError::NoTenant { tenant: scope.to_string() });
            }
        }
        let made = insert(&mut transaction, owner, name, expires_at, random, now).await?;
        self.note_key(&mut transaction, owner, made.0.id, Op::Added, author, now).await?;
        self.announce(&mut transaction).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Makes a key with the name of another, which stays good for `overlap` (not longer than it was anyway). `None` when
    /// the owner has no such key that is good.
    #[expect(clippy::too_many_arguments, reason = "who, what, how long, and what the new one is made of")]
    pub async fn rotate_key(
        &self,
        owner: &KeyOwner,
        id: i64,
        overlap: Span,
        expires_at: Option<Moment>,
        random: [u8; KEY_RANDOM_BYTES],
        author: &Author,
        now: Moment,
    ) -> Result<Option<(ApiKey, KeyText)>, StoreError> {
        let mut transaction = self.write().await?;
        let end = now + overlap;
        let old = sqlx::query(
            "UPDATE api_keys SET expires_at = CASE WHEN expires_at < $3 THEN expires_at ELSE $3 END \
             WHERE id = $1 AND tenant = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4) \
             RETURNING name",
        )
        .bind(id)
        .bind(owner.column())
        .bind(end.as_micros())
        .bind(now.as_micros())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(old) = old else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let made = insert(&mut transaction, owner, old.try_get(0)?, expires_at, random, now).await?;
        self.note_key(&mut transaction, owner, id, Op::Changed, author, now).await?;
        self.note_key(&mut transaction, owner, made.0.id, Op::Added, author, now).await?;
        self.announce(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Some(made))
    }

    /// Ends a key at once. `false` when the owner has no such key that is not revoked.
    pub async fn revoke_key(
        &self,
        owner: &KeyOwner,
        id: i64,
        author: &Author,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let revoked =
            sqlx::query("UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND tenant = $2 AND revoked_at IS NULL")
                .bind(id)
                .bind(owner.column())
                .bind(now.as_micros())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        if revoked == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        self.note_key(&mut transaction, owner, id, Op::Removed, author, now).await?;
        self.announce(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Keys of an owner after a key (`None`: from the first), oldest first, expired and revoked ones too.
    pub async fn keys(&self, owner: &KeyOwner, after: Option<i64>, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT id, tenant, name, prefix, created_at, expires_at, revoked_at FROM api_keys \
             WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(owner.column())
        .bind(after.unwrap_or(i64::MIN))
        .bind(i64::from(limit))
        .fetch_all(&mut link)
        .await?;
        let key = |row: &AnyRow| {
            Ok(ApiKey {
                id: row.try_get(0)?,
                tenant: tenant(row, 1)?,
                name: row.try_get(2)?,
                prefix: row.try_get(3)?,
                created_at: Moment(row.try_get(4)?),
                expires_at: row.try_get::<Option<i64>, _>(5)?.map(Moment),
                revoked_at: row.try_get::<Option<i64>, _>(6)?.map(Moment),
            })
        };
        rows.iter().map(key).collect()
    }

    /// All keys of all owners that are good at `now`. Ask again when [`Store::generation`] has grown.
    pub async fn live_keys(&self, now: Moment) -> Result<Vec<LiveKey>, StoreError> {
        let mut link = self.read().await?;
        let rows = sqlx::query(
            "SELECT hash, id, tenant, name, expires_at FROM api_keys \
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1) ORDER BY id",
        )
        .bind(now.as_micros())
        .fetch_all(&mut link)
        .await?;
        let key = |row: &AnyRow| {
            let hash = KeyHash::parse(row.try_get(0)?).ok_or_else(|| unreadable("hash", "not SHA-256".into()))?;
            Ok(LiveKey {
                hash,
                id: row.try_get(1)?,
                tenant: tenant(row, 2)?,
                name: row.try_get(3)?,
                expires_at: row.try_get::<Option<i64>, _>(4)?.map(Moment),
            })
        };
        rows.iter().map(key).collect()
    }
}

async fn insert(
    transaction: &mut Transaction,
    owner: &KeyOwner,
    name: &str,
    expires_at: Option<Moment>,
    random: [u8; KEY_RANDOM_BYTES],
    now: Moment,
) -> Result<(ApiKey, KeyText), StoreError> {
    let text = KeyText::new(owner, random);
    let key = ApiKey {
        id: take(transaction, "api_keys", 1).await?,
        tenant: match owner {
            KeyOwner::Platform => None,
            KeyOwner::Tenant(scope) => Some(scope.tenant().clone()),
        },
        name: plain(name),
        prefix: text.prefix(owner),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    sqlx::query(
        "INSERT INTO api_keys (id, tenant, name, prefix, hash, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.id)
    .bind(owner.column())
    .bind(key.name.as_str())
    .bind(key.prefix.as_str())
    .bind(hex(&KeyHash::of(text.as_str()).0))
    .bind(now.as_micros())
    .bind(expires_at.map(Moment::as_micros))
    .execute(&mut **transaction)
    .await?;
    Ok((key, text))
}

fn tenant(row: &AnyRow, index: usize) -> Result<Option<Slug>, StoreError> {
    match row.try_get::<&str, _>(index)? {
        "" => Ok(None),
        slug => slug.parse().map(Some).map_err(|reason| unreadable("tenant", reason)),
    }
}

fn unreadable(column: &'static str, reason: String) -> StoreError {
    StoreError::Row { table: "api_keys", column, reason }
}
