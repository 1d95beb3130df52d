//! Connections and transactions whose every answer has a deadline.
//!
//! A host that vanishes sends nothing, not even an error; without a deadline a query would wait for it until TCP gives
//! up, a quarter of an hour later. What failed or came late closes its connection: nobody else gets it in a state that
//! nobody knows.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Any, Describe, Either, Error, Execute, Executor, SqlStr,
    any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
    pool::PoolConnection,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{StoreError, connect::LockWait};

/// A pooled connection.
pub(super) struct Link {
    connection: PoolConnection<Any>,
    /// The longest wait for the next row or for the end.
    limit: Duration,
    failed: bool,
}

impl Link {
    pub(super) fn new(connection: PoolConnection<Any>, limit: Duration) -> Self {
        Self { connection, limit, failed: false }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.failed {
            self.connection.close_on_drop();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("failed", &self.failed).finish_non_exhaustive()
    }
}

pub(super) fn late() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// What a query answers, as long as it comes in time.
struct Answers<'e, T> {
    inner: BoxStream<'e, Result<T, Error>>,
    failed: &'e mut bool,
    limit: Duration,
    /// Set while waiting only: rows that are there cost no timer.
    patience: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl<T> Stream for Answers<'_, T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(answer) = this.inner.poll_next_unpin(context) {
            this.waiting = false;
            if let Some(Err(_)) = answer {
                *this.failed = true;
            }
            return Poll::Ready(answer);
        }
        let limit = this.limit;
        let patience = this.patience.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !this.waiting {
            this.waiting = true;
            patience.as_mut().reset(Instant::now() + limit);
        }
        ready!(patience.poll_unpin(context));
        *this.failed = true;
        Poll::Ready(Some(Err(late())))
    }
}

impl<'c> Executor<'c> for &'c mut Link {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let Link { connection, limit, failed } = self;
        let inner = connection.fetch_many(query);
        Answers { inner, failed, limit: *limit, patience: None, waiting: false }.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        // To the end of the stream: a statement whose answer is dropped half-way is not done.
        async move {
            let mut answers = self.fetch_many(query);
            let mut first = None;
            while let Some(answer) = answers.try_next().await? {
                first = first.or(answer.right());
            }
            Ok(first)
        }
        .boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        async move { in_time(self.limit, &mut self.failed, self.connection.prepare_with(sql, parameters)).await }
            .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'c: 'e,
    {
        async move { in_time(self.limit, &mut self.failed, self.connection.describe(sql)).await }.boxed()
    }
}

async fn in_time<T>(
    limit: Duration,
    failed: &mut bool,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(late()));
    *failed |= answer.is_err();
    answer
}

/// A transaction. Dropped without [`Self::commit`] it closes its connection, which rolls it back.
#[derive(Debug)]
pub(super) struct Transaction {
    link: Link,
    open: bool,
}

impl Transaction {
    /// `begin`: what opens a transaction that may write on this database.
    pub(super) async fn begin(link: Link, begin: &'static str) -> Result<Self, StoreError> {
        let mut transaction = Self { link, open: true };
        let link = &mut transaction.link;
        let wait = LockWait::start();
        // Not through the link: a lock that is taken is no failure of the connection.
        while let Err(error) = in_time(link.limit, &mut false, link.connection.execute(begin)).await {
            wait.after(error).await?;
        }
        Ok(transaction)
    }

    /// On return the changes are on disk. After an error nobody knows whether they are.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        // PostgreSQL answers COMMIT after a failed statement with a silent ROLLBACK.
        if self.link.failed {
            return Err(StoreError::Sql(Error::Protocol("a failed transaction was to be committed".into())));
        }
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(mut self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), StoreError> {
        self.link.execute(statement).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.link.failed |= self.open;
    }
}

impl Deref for Transaction {
    type Target = Link;
    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}
