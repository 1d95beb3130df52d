//! What only tests do to sums: spoil them, count their rows, rename sessions.

use sqlx::Row;

use super::recount::rename_sessions;
use crate::store::{Store, TenantScope};

const TABLES: [&str; 5] = ["rollup_days", "rollup_hours", "rollup_names", "rollup_uniques", "day_sessions"];

impl Store {
    /// Rows of all builds, and rows of those that serve.
    pub(crate) async fn build_rows(&self) -> (i64, i64) {
        let (mut all, mut serving) = (0, 0);
        let mut link = self.read().await.expect("a connection");
        for table in TABLES {
            let sql = format!(
                "SELECT COUNT(*), COUNT(d.day) FROM {table} r LEFT JOIN report_days d ON d.tenant = r.tenant AND \
                 d.day = r.day AND d.build = r.build"
            );
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut link).await.expect("counted");
            all += row.get::<i64, _>(0);
            serving += row.get::<i64, _>(1);
        }
        (all, serving)
    }

    pub(crate) async fn spoil_rollups(&self) {
        let mut transaction = self.write().await.expect("a transaction");
        for sql in [
            "UPDATE rollup_days SET impressions = impressions + 1",
            "UPDATE rollup_hours SET spend = spend - 1",
            "DELETE FROM rollup_names WHERE kind = 'error'",
            "UPDATE rollup_uniques SET uniques = 0 WHERE mask = 0",
            "UPDATE report_days SET events = 1",
        ] {
            sqlx::query(sql).execute(&mut *transaction).await.expect("spoilt");
        }
        transaction.commit().await.expect("spoilt");
    }

    /// As erasing a viewer does.
    pub(crate) async fn rename_in_tests(&self, scope: &TenantScope, from: &str, to: &str) {
        let mut transaction = self.write().await.expect("a transaction");
        rename_sessions(&mut transaction, scope, &[(from, to)]).await.expect("renamed");
        sqlx::query("UPDATE events SET session = $3 WHERE tenant = $1 AND session = $2")
            .bind(scope.as_str())
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await
            .expect("renamed");
        transaction.commit().await.expect("renamed");
    }

    /// As firing beacons does.
    pub(crate) async fn beacons_read_in_tests(&self, scope: &TenantScope, position: i64) {
        let mut transaction = self.write().await.expect("a transaction");
        sqlx::query(
            "INSERT INTO beacon_cursors (tenant, position) VALUES ($1, $2) \
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position",
        )
        .bind(scope.as_str())
        .bind(position)
        .execute(&mut *transaction)
        .await
        .expect("moved");
        transaction.commit().await.expect("moved");
    }
}
