//! A machine that is too busy: nobody is to be left alone for what others take.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::{
    domain::CounterName,
    extension::{
        CounterView, Lane, RequestContext,
        lane::{Lanes, is_slow},
        patience::PATIENCE,
    },
};

/// A strategy that counts to `turns` and then answers none.
fn counting(turns: u32) -> Vec<u8> {
    filler(&format!(
        "(local $left i32) (local.set $left (i32.const {turns}))
         (loop $more
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left)))
         {NOTHING}"
    ))
}

/// One that takes about so much processor time.
fn lasting(time: Duration) -> Vec<u8> {
    const TURNS: u32 = 2_000_000;
    let strategy = fill(&counting(TURNS));
    let tries = (0..5).map(|_| asked(&strategy).expect("it is quick").used.cpu);
    let least = tries.min().expect("some").max(Duration::from_micros(10));
    counting((f64::from(TURNS) * time.as_secs_f64() / least.as_secs_f64()) as u32)
}

#[test]
fn who_finds_no_place_waits_once_for_a_decision_and_is_not_left_alone_for_it() {
    let host = Arc::new(Host::new(None).expect("an engine"));
    let plugin = Plugin::load(&host, &filler(NOTHING), "plugins/test.wasm", Some(Point::Fill)).expect("it loads");
    let strategy = guarded(v1::Fill::new(Arc::new(plugin)).expect("a strategy"));
    let taken: Vec<_> = (0..host.gate.places()).map(|_| host.gate.enter(Duration::ZERO).expect("free")).collect();
    let started = Instant::now();
    sample::with_avail(60, |request, candidates| {
        let (config, counters, patience) = (json!({}), Counters::default(), Patience::default());
        let request = &RequestContext { patience: &patience, ..request.clone() };
        for _ in 0..2 * limits::BREAKER_FAILURES {
            let input = FillInput { request, candidates, config: &config, counters: &counters };
            let error = strategy.fill(&input).expect_err("no place");
            assert_eq!(error.kind(), "busy", "{error}");
        }
    });
    let waited = started.elapsed();
    assert!(waited >= PATIENCE && waited < 2 * PATIENCE, "{waited:?}");
    assert!(!strategy.is_open());
    drop(taken);
    assert_eq!(sample::fill(&json!({}), |input| strategy.fill(input)), Ok(Vec::new()));
}

/// Takes its time to tell a counter, and none of the processor's.
struct Slow;

impl CounterView for Slow {
    fn value(&self, _: &CounterName) -> Option<i64> {
        thread::sleep(Duration::from_millis(5));
        None
    }
}

#[test]
fn who_does_not_get_the_processor_is_stopped_and_not_left_alone_for_it() {
    let core = r#"(module
        (import "cuetone:extension/counters@1.0.0" "read" (func $read (param i32 i32 i32)))
        (memory (export "memory") 1) (data (i32.const 512) "clicks.hour")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
        (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32)
            (loop $again (call $read (i32.const 512) (i32.const 11) (i32.const 128)) (br $again))
            unreachable))"#;
    let bytes = described(component(Point::Fill, core), |metadata| metadata["counters"] = json!(["clicks.hour"]));
    let strategy = guarded(fill(&bytes));
    let counters = Counters::new(Arc::new(Slow)).granting(&["clicks.hour".parse().expect("a grant")].into());
    for _ in 0..2 * limits::BREAKER_FAILURES {
        let input = |input: &FillInput<'_>| strategy.fill(&FillInput { counters: &counters, ..*input });
        let error = sample::fill(&json!({}), input).expect_err("it is stopped");
        assert_eq!(error.kind(), "busy", "{error}");
        assert!(error.to_string().contains("of the 20ms that it may have"), "{error}");
    }
    assert!(!strategy.is_open());
}

/// Seventeen tenants have four decisions each at the same time: more than the pool has places.
#[test]
fn many_tenants_that_meet_a_break_together_open_nobody_s_breaker() {
    let bytes = lasting(Duration::from_millis(6));
    let tenants: Vec<_> = (0..17).map(|_| guarded(fill(&bytes))).collect();
    let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for strategy in tenants.iter().flat_map(|strategy| [strategy; 4]) {
            scope.spawn(|| {
                for _ in 0..limits::BREAKER_FAILURES {
                    match sample::fill(&json!({}), |input| strategy.fill(input)) {
                        Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error.kind(), "busy", "{error}");
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
    });
    let (answered, refused) = (answered.into_inner(), refused.into_inner());
    println!("{answered} answered, {refused} refused");
    assert!(tenants.iter().all(|strategy| !strategy.is_open()));
    // How many depends on what else the machine does: those who get a place get the processor too.
    assert!(answered > refused / 4, "{answered} answered, {refused} refused");
}

#[test]
fn sinks_that_take_long_keep_no_decision_waiting() {
    let host = Arc::new(Host::new(None).expect("an engine"));
    let plugin = Plugin::load(&host, &filler(NOTHING), "plugins/test.wasm", Some(Point::Fill)).expect("it loads");
    let strategy = v1::Fill::new(Arc::new(plugin)).expect("a strategy");
    let core = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "cuetone:extension/sink@1.0.0#deliver") (param i32 i32) (result i32) (i32.const 64)))"#;
    let bytes = described(component(Point::Sink, core), |metadata| metadata["point"] = json!("sink"));
    let sink = Plugin::load(&host, &bytes, "plugins/sink.wasm", Some(Point::Sink)).expect("it loads");
    let sinks = host.background.places();
    // Each is in the midst of its call when the next begins.
    fn all(sink: &Plugin, more: usize, last: &dyn Fn()) {
        let one = sink.call(&json!({}), &Counters::default(), &Patience::default(), |_, _| {
            if more > 1 {
                all(sink, more - 1, last)
            } else {
                last()
            }
            Ok(Ok(()))
        });
        one.expect("a place");
    }
    all(&sink, sinks, &|| {
        let one_more = sink.call(&json!({}), &Counters::default(), &Patience::default(), |_, _| Ok(Ok(())));
        assert_eq!(one_more.expect_err("all are taken").kind(), "busy");
        assert_eq!(asked(&strategy).expect("a place of its own").answer, [0_usize; 0]);
    });
}

#[tokio::test]
async fn the_slow_lane_takes_no_place_of_others_and_they_none_of_its() {
    let host = Arc::new(Host::new(None).expect("an engine"));
    let plugin = Plugin::load(&host, &filler(NOTHING), "plugins/test.wasm", Some(Point::Fill)).expect("it loads");
    let strategy = Arc::new(v1::Fill::new(Arc::new(plugin)).expect("a strategy"));
    let quota = Arc::new(Quota::new(Allowance::default(), monotonic()));
    quota.charge(Duration::from_secs(1));
    let lane = Lane::new(Arc::new(Lanes::new().expect("threads")), Some(quota));
    let all = |gate: &Arc<super::super::gate::Gate>| -> Vec<_> {
        (0..gate.places()).map(|_| gate.enter(Duration::ZERO).expect("free")).collect()
    };
    {
        let _others = all(&host.gate);
        let strategy = Arc::clone(&strategy);
        let ran = lane.run(move || (is_slow(), asked(&strategy).map(|ran| ran.answer))).await;
        assert_eq!(ran, Ok((true, Ok(Vec::new()))));
    }
    let _its = all(&host.slow);
    assert_eq!(asked(&strategy).expect("a place").answer, [0_usize; 0]);
}

#[tokio::test]
async fn who_rests_in_the_slow_lane_is_not_stopped_for_it() {
    let strategy = fill(&lasting(Duration::from_millis(12)));
    let quota = Arc::new(Quota::new(Allowance::default(), monotonic()));
    quota.charge(Duration::from_secs(1));
    let lane = Lane::new(Arc::new(Lanes::new().expect("threads")), Some(quota));
    let used = lane.run(move || asked(&strategy).map(|ran| ran.used)).await.expect("a thread").expect("it answers");
    assert!(used.elapsed > used.cpu + Duration::from_millis(5), "{used:?}");
}
