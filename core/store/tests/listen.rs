//! News from node to node.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    entities::{author, put},
    *,
};

const SOON: Duration = Duration::from_secs(1);

/// Long enough to say that nothing comes.
const QUIET: Duration = Duration::from_millis(300);

async fn change(store: &Store, body: &str) {
    store.change(&scope("a"), None, &[put(Kind::Ad, "x", body)], &author("me"), Moment(1)).await.expect("changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_one_node_is_heard_on_another_within_a_second_and_only_once_it_is_there() {
    let fresh = Fresh::postgres().await;
    let (here, there) = (fresh.open().await, fresh.open().await);
    let listener = there.listen();
    timeout(Duration::from_secs(10), listener.heard()).await.expect("it listens");
    for body in ["1", "2", "3"] {
        change(&here, body).await;
        timeout(SOON, listener.heard()).await.expect("heard");
        let state = there.state(&scope("a")).await.expect("read").expect("there");
        assert_eq!(&*state.entities[0].body, body);
    }
    assert!(timeout(QUIET, listener.heard()).await.is_err(), "nothing more is heard");
    change(&here, "3").await;
    let mut transaction = here.write().await.expect("a transaction");
    here.announce(&mut transaction).await.expect("announced");
    assert!(timeout(QUIET, listener.heard()).await.is_err(), "what did not happen is not heard");
    transaction.rollback().await.expect("rolled back");
    assert!(timeout(QUIET, listener.heard()).await.is_err(), "nor later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_goes_on_after_the_server_was_away() {
    let mut server = postgres::Server::start();
    let database = postgres::Database::fresh_on(&server.url("postgres")).await;
    let store = Store::open(database.url()).await.expect("opens");
    let listener = store.listen();
    timeout(Duration::from_secs(10), listener.heard()).await.expect("it listens");
    for (round, end) in [postgres::Server::stop, postgres::Server::kill].into_iter().enumerate() {
        end(&mut server);
        server.restart();
        timeout(Duration::from_secs(20), listener.heard()).await.expect("it is told that it may have missed something");
        change(&store, &format!("{round}")).await;
        timeout(SOON, listener.heard()).await.expect("heard");
    }
}

#[tokio::test]
async fn on_sqlite_nothing_is_heard() {
    let (_folder, store) = store().await;
    let listener = store.listen();
    change(&store, "1").await;
    assert!(timeout(QUIET, listener.heard()).await.is_err());
}
