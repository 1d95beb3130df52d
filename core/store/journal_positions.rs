//! How far each node's own journal has been carried over into the tables.

use sqlx::Row;

use super::{Store, StoreError, Transaction};

/// A place in a node's journal: what lies before it is in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    pub node: &'a str,
    pub segment: u64,
    /// Records of that segment.
    pub record: u64,
}

impl Carried<'_> {
    pub(super) async fn save(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO journal_positions (node, segment, record) VALUES ($1, $2, $3) \
             ON CONFLICT (node) DO UPDATE SET segment = excluded.segment, record = excluded.record",
        )
        .bind(self.node)
        .bind(i64::try_from(self.segment).unwrap_or(i64::MAX))
        .bind(i64::try_from(self.record).unwrap_or(i64::MAX))
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Segment and record up to which the node's journal has been carried over; `None` for a node never seen.
    pub async fn journal_position(&self, node: &str) -> Result<Option<(u64, u64)>, StoreError> {
        let mut link = self.read().await?;
        let row = sqlx::query("SELECT segment, record FROM journal_positions WHERE node = $1")
            .bind(node)
            .fetch_optional(&mut link)
            .await?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        row.map(|row| Ok((unsigned(row.try_get(0)?), unsigned(row.try_get(1)?)))).transpose()
    }

    /// Moves a position without events.
    pub async fn move_journal_position(&self, to: &Carried<'_>) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        to.save(&mut transaction).await?;
        transaction.commit().await
    }

    /// All of a run is carried over and its files are gone.
    pub async fn forget_journal_position(&self, node: &str) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM journal_positions WHERE node = $1").bind(node).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
