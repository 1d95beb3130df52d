//! A PostgreSQL that goes away and comes back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const QUICK: Limits = Limits { acquire: Duration::from_secs(1), answer: Duration::from_secs(1) };

/// Waiting for a connection, for its answer, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

async fn write(store: &Store, session: &str) -> Result<(), StoreError> {
    store.insert_events(&[event("a", session, EventType::Start)]).await.map(|_| ())
}

async fn fails_in_time(store: &Store) {
    let started = Instant::now();
    let a = scope("a");
    let (written, read) = tokio::join!(write(store, "lost"), store.event_counts(&a));
    let (written, read) = (written.expect_err("an error"), read.expect_err("an error"));
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    for error in [written, read] {
        assert!(error.is_outage(), "{error} ({})", error.kind());
        assert!(!error.to_string().contains(postgres::PASSWORD), "{error}");
    }
}

/// As a node does that asks again and again.
async fn comes_back(store: &Store, session: &str) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while let Err(error) = write(store, session).await {
        assert!(error.is_outage() && Instant::now() < deadline, "{error}");
    }
    store.ping().await.expect("readers are back as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_or_killed_server_gives_errors_within_seconds_and_is_found_again() {
    let mut server = postgres::Server::start();
    let database = postgres::Database::fresh_on(&server.url("postgres")).await;
    let store = Store::open_within(database.url(), QUICK).await.expect("opens");
    write(&store, "before").await.expect("written");
    for (round, end) in [postgres::Server::stop, postgres::Server::kill].into_iter().enumerate() {
        end(&mut server);
        fails_in_time(&store).await;
        fails_in_time(&store).await;
        server.restart();
        comes_back(&store, &format!("after {round}")).await;
    }
    let sessions: Vec<_> =
        store.events_after(&scope("a"), 0, 10).await.expect("read").into_iter().map(|e| e.event.session).collect();
    assert_eq!(sessions, ["before", "after 0", "after 1"]);
}

/// A network that swallows packets: nothing answers, nothing is refused.
struct Network {
    port: u16,
    dead: Arc<AtomicBool>,
}

impl Network {
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let dead = Arc::new(AtomicBool::new(false));
        let network = Self { port, dead: dead.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let dead = dead.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(carry(from_client, to_server, &dead), carry(from_server, to_client, &dead));
                });
            }
        });
        network
    }
}

/// Bytes that come while the network is dead are lost for good, so such a connection never recovers.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, dead: &AtomicBool) {
    let mut buffer = [0; 4096];
    let mut cut = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        cut |= dead.load(Ordering::Relaxed);
        if !cut && to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    if cut {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_gives_errors_within_seconds_and_is_found_again() {
    let server = postgres::Server::start();
    let network = Network::before(server.port()).await;
    let database = postgres::Database::fresh_on(&server.url("postgres")).await;
    let mut url = url::Url::parse(database.url()).expect("a URL");
    url.set_port(Some(network.port)).expect("a port");
    let store = Store::open_within(url.as_str(), QUICK).await.expect("opens");
    write(&store, "before").await.expect("written");
    // In the middle of transactions and queries: every connection of the pools is caught.
    let mut caught = Vec::new();
    for _ in 0..4 {
        caught.push((store.write().await.expect("a transaction"), store.read().await.expect("a connection")));
    }
    network.dead.store(true, Ordering::Relaxed);
    for (mut transaction, mut link) in caught {
        let started = Instant::now();
        let silent = tokio::join!(
            sqlx::query("SELECT value FROM counters").fetch_all(&mut *transaction),
            sqlx::query("SELECT value FROM counters").fetch_all(&mut link)
        );
        assert!(silent.0.is_err() && silent.1.is_err() && started.elapsed() < PATIENCE);
    }
    fails_in_time(&store).await;
    network.dead.store(false, Ordering::Relaxed);
    comes_back(&store, "after").await;
    assert_eq!(store.event_counts(&scope("a")).await.expect("read"), [("start".to_owned(), 2)]);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named_with_the_reason_and_without_the_password() {
    let database = postgres::Database::fresh().await;
    let mut url = url::Url::parse(database.url()).expect("a URL");
    let refused =
        async |url: &url::Url| Store::open_within(url.as_str(), QUICK).await.err().expect("refused").to_string();
    url.set_password(Some("s3cret")).expect("set");
    url.set_username("nobody-we-know").expect("set");
    let error = refused(&url).await;
    assert!(error.contains("nobody-we-know") && !error.contains("s3cret"), "{error}");
    // Nobody listens on port 1.
    url.set_port(Some(1)).expect("set");
    let error = refused(&url).await;
    assert!(error.contains(":1/") && error.contains("refused") && !error.contains("s3cret"), "{error}");
}
