//! Sinks against a real receiver on the loopback interface.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex as SyncMutex;

use super::*;
use crate::{
    domain::{Event, EventType, Moment},
    extension::{ExtensionError, SinkInput, SinkRequest},
    ledger::tests::ledger,
    outbound::OutboundConfig,
    store::tests::{event, store},
    tracking::signature::sign_body,
};

const QUICK: SinkTiming = SinkTiming {
    gather: Duration::from_millis(5),
    poll: Duration::from_millis(200),
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    attempts: 4,
    request_deadline: Duration::from_millis(300),
};

struct FixedClock;
impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment(1_700_000_000_000_000)
    }
}

/// Posts the sessions of a batch to its `url`; fails for a while, panics, or asks for the forbidden when told.
struct TestSink {
    url: String,
    calls: AtomicUsize,
    failing_calls: usize,
    one_request_per_event: bool,
}

impl TestSink {
    fn posting(url: String) -> Self {
        Self { url, calls: AtomicUsize::new(0), failing_calls: 0, one_request_per_event: false }
    }
}

impl TrackingSink for TestSink {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.failing_calls {
            panic!("a broken sink");
        }
        let request = |events: &[Event]| SinkRequest {
            method: "POST".into(),
            url: self.url.clone(),
            headers: BTreeMap::from([("X-Cuetone-Signature".to_owned(), "forged".to_owned())]),
            body: events.iter().map(|event| event.session.as_str()).collect::<Vec<_>>().join(","),
        };
        let size = if self.one_request_per_event { 1 } else { input.events.len() };
        Ok(input.events.chunks(size).map(request).collect())
    }
}

/// A receiver that answers 503 a number of times and then takes everything.
#[derive(Clone, Default)]
struct Receiver {
    refuse: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    bodies: Arc<SyncMutex<Vec<String>>>,
}

impl Receiver {
    async fn start(&self) -> String {
        let take = |State(receiver): State<Receiver>, headers: HeaderMap, body: String| async move {
            receiver.asked.fetch_add(1, Ordering::SeqCst);
            let refuse = receiver.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if refuse.is_ok() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let expected = format!("t=1700000000,v1={}", sign_body(&[5; 32], 1_700_000_000, body.as_bytes()));
            let signed: Vec<_> = headers.get_all("x-cuetone-signature").iter().collect();
            if signed != [expected.as_str()] {
                return StatusCode::UNAUTHORIZED;
            }
            receiver.bodies.lock().push(body);
            StatusCode::NO_CONTENT
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let router = Router::new().route("/hook", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn sessions(&self) -> Vec<String> {
        self.bodies.lock().iter().flat_map(|body| body.split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            if self.sessions().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.sessions()
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    journal: Arc<Journal>,
    runner: SinkRunner,
}

async fn bench() -> Bench {
    let (folder, store) = store().await;
    let journal = Journal::start(ledger(&store));
    let config = OutboundConfig { allow_hosts: vec!["127.0.0.1".into()], ..Default::default() };
    let outbound = Outbound::new(config).expect("a client");
    let runner = runner(&store, &journal, outbound);
    Bench { _folder: folder, store, journal, runner }
}

fn runner(store: &Store, journal: &Arc<Journal>, outbound: Outbound) -> SinkRunner {
    SinkRunner::new(store.clone(), journal.clone(), outbound, Arc::new(FixedClock), Arc::new(|| 0.5), QUICK)
}

impl Bench {
    async fn record(&self, sessions: std::ops::Range<usize>) -> Vec<String> {
        let names: Vec<String> = sessions.map(|n| format!("s{n}")).collect();
        let events = names.iter().map(|name| event("a", name, EventType::Start)).collect();
        self.journal.record(events).await.expect("recorded");
        names
    }

    async fn cursor(&self) -> i64 {
        self.store.sink_cursor(&scope(), "hook", -1, Moment(0)).await.expect("a cursor")
    }
}

fn scope() -> TenantScope {
    TenantScope::new("a".parse().expect("a slug"))
}

fn spec(sink: TestSink, revision: &str, host: &str) -> SinkSpec {
    SinkSpec {
        scope: scope(),
        name: "hook".into(),
        revision: revision.into(),
        sink: Arc::new(sink),
        config: Value::Null,
        allow_hosts: vec![host.to_owned()],
        signing_key: [5; 32],
    }
}

#[tokio::test]
async fn events_arrive_signed_in_order_and_none_from_before_the_sink() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    bench.record(0..3).await;
    bench
        .runner
        .reconcile(vec![spec(TestSink::posting(format!("http://{host}/hook")), "1", &host)])
        .await
        .expect("started");
    let expected = bench.record(10..1_010).await;
    assert_eq!(receiver.wait_for(1_000).await, expected);
    bench.runner.shutdown().await;
    assert_eq!(bench.cursor().await, 1_003);
    assert!(receiver.asked.load(Ordering::SeqCst) <= 10, "batched");
}

#[tokio::test]
async fn failures_are_retried_from_the_request_that_failed() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    receiver.refuse.store(2, Ordering::SeqCst);
    let sink =
        TestSink { failing_calls: 1, one_request_per_event: true, ..TestSink::posting(format!("http://{host}/hook")) };
    bench.runner.reconcile(vec![spec(sink, "1", &host)]).await.expect("started");
    let expected = bench.record(0..5).await;
    assert_eq!(receiver.wait_for(5).await, expected);
    bench.runner.shutdown().await;
    assert_eq!(receiver.asked.load(Ordering::SeqCst), 7, "five sent, two refused, none sent twice");
    assert!(bench.store.dead_letters(&scope(), 9).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_dead_receiver_s_batch_becomes_a_dead_letter_and_the_next_goes_on() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    receiver.refuse.store(4, Ordering::SeqCst);
    bench
        .runner
        .reconcile(vec![spec(TestSink::posting(format!("http://{host}/hook")), "1", &host)])
        .await
        .expect("started");
    bench.record(0..2).await;
    while bench.cursor().await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let expected = bench.record(2..4).await;
    assert_eq!(receiver.wait_for(2).await, expected);
    let letters = bench.store.dead_letters(&scope(), 9).await.expect("read");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].first_event, letters[0].last_event, letters[0].attempts), (1, 2, 4));
    assert!(letters[0].error.contains("503"), "{}", letters[0].error);
}

#[tokio::test]
async fn a_host_outside_the_manifest_is_never_reached_and_not_retried() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    let sink = TestSink::posting(format!("http://{host}/hook"));
    bench.runner.reconcile(vec![spec(sink, "1", "hooks.example.com")]).await.expect("started");
    bench.record(0..2).await;
    while bench.cursor().await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let letters = bench.store.dead_letters(&scope(), 9).await.expect("read");
    assert_eq!((letters.len(), letters[0].attempts, receiver.asked.load(Ordering::SeqCst)), (1, 1, 0));
}

#[tokio::test]
async fn hot_reload_restarts_a_changed_sink_where_it_was_and_leaves_others_alone() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    let url = format!("http://{host}/hook");
    // The first revision cannot deliver: its receiver does not exist.
    let nowhere = TestSink::posting("http://127.0.0.1:1/hook".into());
    let mut broken = spec(nowhere, "1", "127.0.0.1");
    broken.scope = scope();
    bench.runner.reconcile(vec![broken]).await.expect("started");
    let first = bench.record(0..1).await;
    bench.runner.reconcile(vec![spec(TestSink::posting(url.clone()), "2", &host)]).await.expect("restarted");
    assert_eq!(receiver.wait_for(1).await, first, "the new revision delivers what the old one could not");
    // The same revision again is not a restart: its (different) extension is not used.
    let ignored = TestSink::posting("http://127.0.0.1:1/other".into());
    bench.runner.reconcile(vec![spec(ignored, "2", &host)]).await.expect("nothing to do");
    bench.record(1..2).await;
    assert_eq!(receiver.wait_for(2).await.len(), 2);
    // Removed: events stay in the journal, and a later mount goes on from its cursor.
    bench.runner.reconcile(Vec::new()).await.expect("stopped");
    bench.record(2..3).await;
    bench.runner.reconcile(vec![spec(TestSink::posting(url), "3", &host)]).await.expect("started");
    assert_eq!(receiver.wait_for(3).await, ["s0", "s1", "s2"]);
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_last_one_stopped() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    let url = format!("http://{host}/hook");
    bench.runner.reconcile(vec![spec(TestSink::posting(url.clone()), "1", &host)]).await.expect("started");
    bench.record(0..2).await;
    receiver.wait_for(2).await;
    bench.runner.shutdown().await;
    bench.record(2..4).await;
    let config = OutboundConfig { allow_hosts: vec!["127.0.0.1".into()], ..Default::default() };
    let next = runner(&bench.store, &bench.journal, Outbound::new(config).expect("a client"));
    next.reconcile(vec![spec(TestSink::posting(url), "1", &host)]).await.expect("started");
    assert_eq!(receiver.wait_for(4).await, ["s0", "s1", "s2", "s3"]);
}
