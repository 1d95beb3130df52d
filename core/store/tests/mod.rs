//! The repositories, each test on both databases: real files and a real PostgreSQL.

mod bodies;
mod entities;
mod keys;
mod listen;
mod outage;
#[path = "../../../tests/postgres/mod.rs"]
pub(crate) mod postgres;
mod records;
mod repositories;
mod viewers;

use std::time::Duration;

use super::*;
use crate::domain::{AvailId, CountedBy, DeviceType, Event, EventType, Moment};

/// A machine that is busy with other tests is no outage.
const PATIENT: Limits = Limits { acquire: Duration::from_secs(30), answer: Duration::from_secs(30) };

/// An empty database. Dropped, it is gone.
pub(crate) enum Fresh {
    Sqlite(tempfile::TempDir),
    Postgres(postgres::Database),
}

impl Fresh {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder"))
    }
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(postgres::Database::fresh().await)
    }
    /// Each call is one more node on the same database.
    pub(crate) async fn open(&self) -> Store {
        match self {
            Self::Sqlite(folder) => Store::open_file(&folder.path().join("sub folder/é%?#.db")).await,
            Self::Postgres(database) => Store::open_within(database.url(), PATIENT).await,
        }
        .expect("opens")
    }
}

/// Runs tests, each an `async fn(Fresh)`, on both databases: `name::on_sqlite` and `name::on_postgres`.
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use $crate::store::tests::Fresh;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$test(Fresh::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$test(Fresh::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use on_each_database;

/// A store for tests that care about something else.
pub(crate) async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_file(&folder.path().join("cuetone.db")).await.expect("opens");
    (folder, store)
}

pub(crate) fn scope(tenant: &str) -> TenantScope {
    TenantScope::new(tenant.parse().expect("a slug"))
}

pub(crate) fn event(tenant: &str, session: &str, event_type: EventType) -> Event {
    let event = Event {
        channel: Some("news".parse().expect("a slug")),
        session: session.into(),
        viewer: Some("theirs".into()),
        avail: AvailId::new("break-1"),
        ad: Some("cola".parse().expect("a slug")),
        campaign: Some("summer".parse().expect("a slug")),
        device: DeviceType::SmartTv,
        geo: "US".into(),
        counted_by: Some(CountedBy::Segment),
        ..Event::new(tenant.parse().expect("a slug"), event_type, Moment(1_700_000_000_000_000))
    };
    event.identified()
}
