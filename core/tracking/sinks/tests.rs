//! Sinks against a real receiver on the loopback interface.

use std::{
    collections::BTreeMap,
    path::Path,
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
    extension::{
        Allowance, ExtensionError, Extensions, SinkInput, SinkRequest, lane::Lanes, limits::MAX_SINK_REQUESTS,
        monotonic, quota::Quota,
    },
    ledger::tests::ledger,
    outbound::OutboundConfig,
    secret::MasterKey,
    store::{
        SinkState,
        tests::{Fresh, event, store},
    },
    tracking::signature::sign_body,
};

pub(super) const QUICK: SinkTiming = SinkTiming {
    gather: Duration::from_millis(5),
    poll: Duration::from_millis(200),
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    attempts: 4,
    request_deadline: Duration::from_millis(300),
};

pub(super) const KEY: MasterKey = MasterKey::from_bytes([9; 32]);

pub(super) struct FixedClock;
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
    /// Calls that the host refuses.
    refused: std::ops::Range<usize>,
    one_request_per_event: bool,
}

impl TestSink {
    fn posting(url: String) -> Self {
        Self { url, calls: AtomicUsize::new(0), failing_calls: 0, refused: 0..0, one_request_per_event: false }
    }
}

impl TrackingSink for TestSink {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call < self.failing_calls {
            panic!("a broken sink");
        }
        if self.refused.contains(&call) {
            return Err(ExtensionError::Quota { path: "hook".to_owned(), what: "calls".to_owned() });
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

pub(super) struct Bench {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub journal: Arc<Journal>,
    pub runner: SinkRunner,
    pub outbound: Outbound,
}

async fn bench() -> Bench {
    bench_with(QUICK).await
}

pub(super) async fn bench_with(timing: SinkTiming) -> Bench {
    let (folder, store) = store().await;
    let journal = Journal::start(ledger(&store), &store);
    let config = OutboundConfig { allow_hosts: vec!["127.0.0.1".into()], ..Default::default() };
    let outbound = Outbound::new(config).expect("a client");
    let runner = runner(&store, &journal, outbound.clone(), folder.path(), timing);
    Bench { folder, store, journal, runner, outbound }
}

fn runner(
    store: &Store,
    journal: &Arc<Journal>,
    outbound: Outbound,
    data_dir: &Path,
    timing: SinkTiming,
) -> SinkRunner {
    runner_of("one", store, journal, outbound, data_dir, timing)
}

fn runner_of(
    node: &str,
    store: &Store,
    journal: &Arc<Journal>,
    outbound: Outbound,
    data_dir: &Path,
    timing: SinkTiming,
) -> SinkRunner {
    SinkRunner::new(Tools {
        node: node.to_owned(),
        store: store.clone(),
        journal: journal.clone(),
        outbound,
        vault: Vault::new(store.clone(), KEY),
        data_dir: data_dir.to_owned(),
        clock: Arc::new(FixedClock),
        random: Arc::new(|| 0.5),
        timing,
    })
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

pub(super) fn scope() -> TenantScope {
    TenantScope::new("a".parse().expect("a slug"))
}

fn spec(sink: TestSink, revision: &str, host: &str) -> SinkSpec {
    SinkSpec {
        scope: scope(),
        name: "hook".into(),
        revision: revision.into(),
        sink: Arc::new(sink),
        lane: Extensions::new(monotonic()).expect("an engine").lane("a"),
        config: Value::Null,
        secrets: Placeholders::new(),
        allow_hosts: vec![host.to_owned()],
        refused_if: None,
        signing_key: [5; 32],
    }
}

#[tokio::test]
async fn events_arrive_signed_in_order_and_none_from_before_the_sink() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    bench.record(0..3).await;
    bench.journal.carried().await;
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
async fn what_the_host_refuses_costs_time_and_no_attempt() {
    let bench = bench_with(SinkTiming { poll: Duration::from_millis(10), ..QUICK }).await;
    let receiver = Receiver::default();
    let host = receiver.start().await;
    let refused = 0..3 * QUICK.attempts as usize;
    let sink = TestSink { refused, ..TestSink::posting(format!("http://{host}/hook")) };
    bench.runner.reconcile(vec![spec(sink, "1", &host)]).await.expect("started");
    let expected = bench.record(0..2).await;
    assert_eq!(receiver.wait_for(2).await, expected);
    assert!(bench.store.dead_letters(&scope(), 9).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_gets_no_thread_costs_time_and_no_attempt() {
    let bench = bench_with(SinkTiming { poll: Duration::from_millis(10), ..QUICK }).await;
    let receiver = Receiver::default();
    let host = receiver.start().await;
    let quota = Arc::new(Quota::new(Allowance::default(), monotonic()));
    quota.charge(Duration::from_secs(60));
    let lane = Lane::new(Arc::new(Lanes::new().expect("a runtime")), Some(quota));
    let (taken, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..threads {
        let (lane, taken, over) = (lane.clone(), taken.clone(), over.clone());
        let hold = move || {
            taken.fetch_add(1, Ordering::SeqCst);
            while over.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        tokio::spawn(async move { lane.run(hold).await });
    }
    while taken.load(Ordering::SeqCst) < threads {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let spec = SinkSpec { lane, ..spec(TestSink::posting(format!("http://{host}/hook")), "1", &host) };
    bench.runner.reconcile(vec![spec]).await.expect("started");
    let expected = bench.record(0..2).await;
    // More often than a batch is tried, or until it was given up.
    let refused_enough = async || {
        let states = bench.store.sink_states(&scope()).await.expect("read");
        let failures = |state: &SinkState| state.failure.as_ref().map_or(0, |failure| failure.failures);
        states.first().is_some_and(|state| state.dead_letters > 0 || failures(state) > i64::from(QUICK.attempts))
    };
    while !refused_enough().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(1, Ordering::SeqCst);
    assert_eq!(receiver.wait_for(2).await, expected);
    assert!(bench.store.dead_letters(&scope(), 9).await.expect("read").is_empty());
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
    let next =
        runner(&bench.store, &bench.journal, Outbound::new(config).expect("a client"), bench.folder.path(), QUICK);
    next.reconcile(vec![spec(TestSink::posting(url), "1", &host)]).await.expect("started");
    assert_eq!(receiver.wait_for(4).await, ["s0", "s1", "s2", "s3"]);
}

#[tokio::test]
async fn a_dead_letter_is_delivered_again_when_asked_for_and_is_gone_when_it_was_taken() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    receiver.refuse.store(5, Ordering::SeqCst);
    let sink = TestSink::posting(format!("http://{host}/hook"));
    bench.runner.reconcile(vec![spec(sink, "1", &host)]).await.expect("started");
    let expected = bench.record(0..2).await;
    while bench.store.letters(&scope(), 0, 9).await.expect("read").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let letter = bench.store.letters(&scope(), 0, 9).await.expect("read").remove(0);
    let failure = bench.store.sink_states(&scope()).await.expect("read").remove(0).failure.expect("it failed");
    assert!(failure.failures >= 4 && failure.error.contains("503"), "{failure:?}");
    // Somebody else's is not touched.
    let other = TenantScope::new("b".parse().expect("a slug"));
    assert!(!bench.store.request_replay(&other, letter.id, None, Moment(5)).await.expect("asked"));
    assert!(!bench.store.delete_letter(&other, letter.id).await.expect("asked"));
    // The receiver is still ill: the letter stays, with one attempt more.
    assert!(bench.store.request_replay(&scope(), letter.id, None, Moment(5)).await.expect("asked"));
    loop {
        let now = bench.store.letter(&scope(), letter.id).await.expect("read").expect("it stays");
        if now.replay_at.is_none() {
            assert_eq!(now.letter.attempts, letter.letter.attempts + 1);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bench.store.request_replay(&scope(), letter.id, Some("hook"), Moment(5)).await.expect("asked"));
    assert_eq!(receiver.wait_for(2).await, expected);
    while bench.store.letter(&scope(), letter.id).await.expect("read").is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.record(2..3).await;
    receiver.wait_for(3).await;
    while bench.store.sink_states(&scope()).await.expect("read").remove(0).failure.is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_dead_letter_that_the_host_did_not_let_be_tried_stays_wanted() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    receiver.refuse.store(QUICK.attempts as usize, Ordering::SeqCst);
    // Asked once for the batch; refused when the letter is delivered again.
    let sink = TestSink { refused: 1..3, ..TestSink::posting(format!("http://{host}/hook")) };
    bench.runner.reconcile(vec![spec(sink, "1", &host)]).await.expect("started");
    let expected = bench.record(0..2).await;
    while bench.store.letters(&scope(), 0, 9).await.expect("read").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let letter = bench.store.letters(&scope(), 0, 9).await.expect("read").remove(0);
    assert!(bench.store.request_replay(&scope(), letter.id, None, Moment(5)).await.expect("asked"));
    assert_eq!(receiver.wait_for(2).await, expected);
}

/// Its receiver takes connections and never answers.
#[tokio::test]
async fn a_sink_that_hangs_holds_up_neither_the_journal_nor_another_sink() {
    let (bench, receiver) = (bench().await, Receiver::default());
    let host = receiver.start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("bound").to_string();
    let mut hanging = spec(TestSink::posting(format!("http://{address}/hook")), "1", &address);
    hanging.name = "hanging".into();
    let well = spec(TestSink::posting(format!("http://{host}/hook")), "1", &host);
    bench.runner.reconcile(vec![hanging, well]).await.expect("started");
    let begun = std::time::Instant::now();
    let mut expected = Vec::new();
    for round in 0..20 {
        expected.extend(bench.record(round * 50..(round + 1) * 50).await);
    }
    assert_eq!(receiver.wait_for(1_000).await, expected);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let states = bench.store.sink_states(&scope()).await.expect("read");
    let hanging = states.iter().find(|state| state.sink == "hanging").expect("it is there");
    assert!(hanging.behind > 0 || hanging.dead_letters > 0, "{hanging:?}");
    bench.runner.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_delivers_and_the_other_goes_on_when_it_stops() {
    let fresh = Fresh::postgres().await;
    let (store, receiver, folder) = (fresh.open().await, Receiver::default(), tempfile::tempdir().expect("a folder"));
    let journal = Journal::start(ledger(&store), &store);
    let host = receiver.start().await;
    let config = OutboundConfig { allow_hosts: vec!["127.0.0.1".into()], ..Default::default() };
    let outbound = Outbound::new(config).expect("a client");
    let of = |node| runner_of(node, &store, &journal, outbound.clone(), folder.path(), QUICK);
    let (one, two) = (of("one"), of("two"));
    let hook = format!("http://{host}/hook");
    for runner in [&one, &two] {
        runner.reconcile(vec![spec(TestSink::posting(hook.clone()), "1", &host)]).await.expect("started");
    }
    let record = async |range: std::ops::Range<usize>| {
        let names: Vec<String> = range.map(|n| format!("s{n}")).collect();
        let events = names.iter().map(|name| event("a", name, EventType::Start)).collect();
        journal.record(events).await.expect("recorded");
        names
    };
    let mut expected = record(0..700).await;
    assert_eq!(receiver.wait_for(700).await, expected);
    one.shutdown().await;
    expected.extend(record(700..1_000).await);
    receiver.wait_for(1_000).await;
    two.shutdown().await;
    assert_eq!(receiver.sessions(), expected, "each once and in order");
}

/// Asks for so many requests, whatever the batch.
struct Chatty(String, usize);

impl TrackingSink for Chatty {
    fn deliver(&self, _input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        let request =
            |_| SinkRequest { method: "POST".into(), url: self.0.clone(), headers: BTreeMap::new(), body: "x".into() };
        Ok((0..self.1).map(request).collect())
    }
}

#[tokio::test]
async fn a_batch_may_ask_for_all_the_requests_that_the_contract_allows_and_for_none_more() {
    for (requests, sent, dead) in [(MAX_SINK_REQUESTS, MAX_SINK_REQUESTS, 0), (MAX_SINK_REQUESTS + 1, 0, 1)] {
        let (bench, receiver) = (bench().await, Receiver::default());
        let host = receiver.start().await;
        let sink = Chatty(format!("http://{host}/hook"), requests);
        let spec = SinkSpec { sink: Arc::new(sink), ..spec(TestSink::posting(String::new()), "1", &host) };
        bench.runner.reconcile(vec![spec]).await.expect("started");
        bench.record(0..1).await;
        while bench.cursor().await < 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(receiver.sessions().len(), sent);
        assert_eq!(bench.store.dead_letters(&scope(), 9).await.expect("read").len(), dead);
        bench.runner.shutdown().await;
    }
}
