//! News of other nodes' changes: PostgreSQL's LISTEN and NOTIFY.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Executor,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use url::Url;

use super::{Limits, Place, Store, StoreError, Transaction, take};

/// The channel that nodes are told on. What changed is found by asking: news may be lost with a connection.
const CHANNEL: &str = "cuetone_changes";

/// A connection that said nothing for so long is tested: a network that is gone says nothing either.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Between two attempts to reach a server that is away.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Hears of changes. Dropped, it stops listening.
pub struct Listener {
    news: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Listener {
    /// Returns when something changed on any node, this one too, or may have: each time the connection was lost and is
    /// back. News that come together count as one. On SQLite it never returns: ask for [`Store::generation`]. May be
    /// cancelled at any time.
    pub async fn heard(&self) {
        self.news.notified().await;
    }
}

impl Store {
    /// Starts listening, in the background. Never fails: a server that is away is waited for.
    pub fn listen(&self) -> Listener {
        let news = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        if let Place::Postgres(url) = &*self.place {
            task.spawn(listen(url.clone(), self.limits, news.clone()));
        }
        Listener { news, _task: task }
    }

    /// Whether other nodes' changes are heard; otherwise the generation has to be asked for.
    pub fn tells(&self) -> bool {
        matches!(&*self.place, Place::Postgres(_))
    }

    /// Lets the generation grow, and tells all nodes when (and only if) the transaction commits.
    pub(super) async fn announce(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        take(transaction, "generation", 1).await?;
        if let Place::Postgres(_) = &*self.place {
            transaction.execute(sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL)).await?;
        }
        Ok(())
    }
}

async fn listen(url: Url, limits: Limits, news: Arc<Notify>) {
    let mut told = false;
    loop {
        let Err(error) = listen_once(&url, limits, &news, &mut told).await;
        if !told {
            tracing::warn!(%error, "news of other nodes' changes are not heard");
            told = true;
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Listens until the connection is lost.
async fn listen_once(
    url: &Url,
    limits: Limits,
    news: &Notify,
    told: &mut bool,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limits.acquire).connect(url.as_str()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    in_time(limits, listener.listen(CHANNEL)).await?;
    if std::mem::take(told) {
        tracing::info!("news of other nodes' changes are heard again");
    }
    // Whatever happened before is not told any more.
    news.notify_one();
    // Reconnecting is ours: it is then known that something may have been missed.
    listener.eager_reconnect(false);
    loop {
        match timeout(HEARTBEAT, listener.try_recv()).await {
            Ok(Ok(Some(_))) => news.notify_one(),
            Ok(Ok(None)) => return Err(sqlx::Error::WorkerCrashed),
            Ok(Err(error)) => return Err(error),
            Err(_quiet) => in_time(limits, listener.execute("SELECT 1")).await.map(|_| ())?,
        }
    }
}

async fn in_time<T>(limits: Limits, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(limits.answer, answer).await.unwrap_or_else(|_| Err(super::link::late()))
}
