//! Plugins that mean harm, are broken or lie. Each is a few lines of WebAssembly text around the contract's own types,
//! so that no toolchain for guests is needed here.

mod busy;
mod counters;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{Host, Plugin, metadata::SECTION, plugin::Ran, v1};
use crate::extension::{
    Allowance, Candidate, Counters, ExtensionError, FillInput, FillStrategy, Guarded, Patience, Point, RuleInput,
    Verdict, call::Label, limits, monotonic, quota::Quota, sample,
};

fn host() -> &'static Arc<Host> {
    static HOST: OnceLock<Arc<Host>> = OnceLock::new();
    HOST.get_or_init(|| Arc::new(Host::new(None).expect("an engine")))
}

fn world(point: Point) -> &'static str {
    match point {
        Point::Detect => "break-detector",
        Point::Targeting => "targeting-rule",
        Point::Fill => "fill-strategy",
        Point::Sink => "tracking-sink",
    }
}

/// A component of a core module's text.
fn component(point: Point, core: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).expect("WebAssembly text");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("sdk/wit/v1").expect("the contract");
    let world = resolve.select_world(&[package], Some(world(point))).expect("a world of it");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("types");
    ComponentEncoder::default().module(&module).expect("a module").encode().expect("a component")
}

fn with_section(mut component: Vec<u8>, name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = leb(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    component.push(0);
    component.extend(leb(body.len()));
    component.extend(body);
    component
}

/// Unsigned LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn described(component: Vec<u8>, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut metadata = json!({"name": "test", "version": "1.0.0", "point": "fill", "contract": 1});
    change(&mut metadata);
    with_section(component, SECTION, metadata.to_string().as_bytes())
}

/// A fill strategy whose function has this body. What it answers stands in memory at 64: `result<list<u32>, string>` is
/// a byte that is 0 for a list, and at 68 and 72 where the list is and how long.
fn filler(body: &str) -> Vec<u8> {
    described(fill_component(body), |_| {})
}

fn fill_component(body: &str) -> Vec<u8> {
    let core = format!(
        r#"(module
            (import "cuetone:extension/log@1.0.0" "log" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 4096))
            (global $calls (mut i32) (i32.const 0))
            (table $table 1 funcref)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (block $enough (loop $more
                    (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                    (br $more)))
                (local.get $at))
            (func $answer (param $at i32) (param $count i32) (result i32)
                (i32.store (i32.const 68) (local.get $at))
                (i32.store (i32.const 72) (local.get $count))
                (i32.const 64))
            (func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func (export "cuetone:extension/fill@1.0.0#fill") (param $input i32) (result i32) {body}))"#
    );
    component(Point::Fill, &core)
}

fn load(bytes: &[u8], point: Point) -> Result<Plugin, ExtensionError> {
    Plugin::load(host(), bytes, "plugins/test.wasm", Some(point))
}

fn fill(bytes: &[u8]) -> v1::Fill {
    v1::Fill::new(Arc::new(load(bytes, Point::Fill).expect("it loads").keep_log())).expect("a strategy")
}

/// Until the machine has time for it: what the plugin did is asked for here.
fn asked(strategy: &v1::Fill) -> Result<Ran<Vec<usize>>, ExtensionError> {
    loop {
        let ran = sample::fill(&json!({}), |input| strategy.run(input));
        if !matches!(ran, Err(ExtensionError::Busy { .. })) {
            return ran;
        }
    }
}

fn guarded(strategy: v1::Fill) -> Arc<Guarded<dyn FillStrategy>> {
    let label = Label {
        tenant: "acme".to_owned(),
        extension: "plugins/test.wasm".to_owned(),
        version: String::new(),
        point: Point::Fill,
    };
    Guarded::new(Box::new(strategy), label, monotonic())
}

#[test]
fn a_good_plugin_answers() {
    let none = fill(&filler("(call $answer (i32.const 0) (i32.const 0))"));
    assert_eq!(asked(&none).expect("an answer").answer, Vec::<usize>::new());
    let first_and_third = fill(&filler(
        "(i32.store (i32.const 1024) (i32.const 0)) (i32.store (i32.const 1028) (i32.const 2)) (call $answer (i32.const 1024) (i32.const 2))",
    ));
    let ran = asked(&first_and_third).expect("an answer");
    assert_eq!(ran.answer, [0, 2]);
    assert!(ran.used.memory_bytes >= 2 * 65536 && ran.used.cpu > Duration::ZERO, "{:?}", ran.used);
}

#[test]
fn every_kind_of_harm_is_stopped_in_time_and_named() {
    let harm = [
        ("an endless loop", "(loop $again (br $again)) unreachable", "deadline"),
        ("a trap", "unreachable", "trap"),
        ("a memory bomb", "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable", "limit"),
        (
            "one huge request",
            "(drop (memory.grow (i32.const 20000))) (call $answer (i32.const 0) (i32.const 0))",
            "limit",
        ),
        ("endless recursion", "(call $deep (i32.const 0))", "limit"),
        (
            "a table bomb",
            "(loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
            "trap",
        ),
        ("a list longer than its memory", "(call $answer (i32.const 0) (i32.const 0x0fffffff))", "answer"),
        ("a list outside of its memory", "(call $answer (i32.const 0x7ffffff0) (i32.const 1))", "answer"),
        ("a list out of line", "(call $answer (i32.const 3) (i32.const 1))", "answer"),
        ("an answer outside of its memory", "(i32.const 0x7ffffff0)", "answer"),
        ("an answer of no known case", "(i32.store8 (i32.const 64) (i32.const 9)) (i32.const 64)", "answer"),
        (
            "a text that is not UTF-8",
            "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 1024) (i32.const 255)) (call $answer (i32.const 1024) (i32.const 1))",
            "answer",
        ),
        (
            "an endless log",
            "(loop $more (call $log (i32.const 1) (i32.const 66000) (i32.const 60000)) (br $more)) unreachable",
            "deadline",
        ),
    ];
    for (name, body, kind) in harm {
        let strategy = fill(&filler(body));
        let started = Instant::now();
        let error = asked(&strategy).expect_err(name);
        let took = started.elapsed();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(took < Duration::from_millis(100), "{name} was stopped after {took:?}");
        println!("{name}: {took:?}: {error}");
    }
}

/// What a tenant with 16 MiB for all its plugins may use.
fn small_quota() -> Arc<Quota> {
    Arc::new(Quota::new(Allowance { memory_mib: 16, ..Allowance::default() }, monotonic()))
}

/// A strategy that grows to so many pages of 64 KiB and then does `body`.
fn growing(pages: usize, body: &str, quota: &Arc<Quota>) -> Arc<Plugin> {
    let grow = format!("(drop (memory.grow (i32.const {}))) {body}", pages - 2);
    let plugin = load(&filler(&grow), Point::Fill).expect("it loads");
    Arc::new(plugin.keep_log().within(Some(Arc::clone(quota))))
}

const TEN_MIB: usize = 160;
const NOTHING: &str = "(call $answer (i32.const 0) (i32.const 0))";

#[test]
fn calls_at_the_same_time_share_their_tenants_memory_and_nobody_elses() {
    let (ours, theirs) = (small_quota(), small_quota());
    let strategy = |quota: &Arc<Quota>| v1::Fill::new(growing(TEN_MIB, NOTHING, quota)).expect("a strategy");
    let (second, stranger) = (strategy(&ours), strategy(&theirs));
    // The first is made with 10 MiB and, while it has them, the others are asked.
    let core = r#"(module (memory (export "memory") 160)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32) (i32.const 64)))"#;
    let first = load(&described(component(Point::Fill, core), |_| {}), Point::Fill).expect("it loads");
    let meanwhile =
        first.within(Some(Arc::clone(&ours))).call(&json!({}), &Counters::default(), &Patience::default(), |_, _| {
            assert_eq!(ours.memory_taken(), TEN_MIB * 65536);
            Ok(Ok((asked(&second), asked(&stranger))))
        });
    let (refused, answered) = meanwhile.expect("the first has what it wants").answer;
    let error = refused.expect_err("20 MiB of 16");
    assert_eq!(error.kind(), "quota");
    assert!(error.to_string().contains("16 MiB of memory (memory_mib_per_tenant)"), "{error}");
    assert_eq!(answered.expect("another tenant's").answer, Vec::<usize>::new());
    // After them, each has room again.
    assert_eq!((ours.memory_taken(), theirs.memory_taken()), (0, 0));
    asked(&second).expect("the first is gone");
}

#[test]
fn memory_is_given_back_however_a_call_ends() {
    let quota = small_quota();
    let ends = [
        (NOTHING, None),
        ("unreachable", Some("trap")),
        ("(loop $again (br $again)) unreachable", Some("deadline")),
        ("(drop (memory.grow (i32.const 200))) (call $answer (i32.const 0) (i32.const 0))", Some("limit")),
        ("(call $answer (i32.const 3) (i32.const 1))", Some("answer")),
    ];
    for (body, kind) in ends {
        let strategy = v1::Fill::new(growing(TEN_MIB, body, &quota)).expect("a strategy");
        assert_eq!(asked(&strategy).err().map(|error| error.kind()), kind, "{body}");
        assert_eq!(quota.memory_taken(), 0, "{body}");
    }
    let plugin = growing(TEN_MIB, NOTHING, &quota);
    let lost = std::thread::spawn(move || {
        plugin.call::<()>(&json!({}), &Counters::default(), &Patience::default(), |_, _| panic!("a bug in the host"))
    })
    .join();
    assert!(lost.is_err());
    assert_eq!(quota.memory_taken(), 0, "after a panic of the host's");
}

#[test]
fn who_claims_more_by_its_language_gets_what_its_tenant_has_and_its_breaker_stays_closed() {
    let body = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable";
    let bytes = described(fill_component(body), |metadata| metadata["language"] = json!("python"));
    let quota = small_quota();
    let greedy = load(&bytes, Point::Fill).expect("it loads").within(Some(Arc::clone(&quota)));
    assert!(greedy.budget().memory_bytes > 16 * 1024 * 1024);
    let greedy = guarded(v1::Fill::new(Arc::new(greedy)).expect("a strategy"));
    for _ in 0..2 * limits::BREAKER_FAILURES {
        let error = sample::fill(&json!({}), |input| greedy.fill(input)).expect_err("more than its tenant has");
        assert_eq!(error.kind(), "quota", "{error}");
    }
    assert!(!greedy.is_open());
}

#[test]
fn what_it_does_while_it_is_made_counts_too() {
    let core = |start: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (start $start) (func $start {start})
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32) (i32.const 64)))"#
        )
    };
    for (start, kind) in [("(loop $again (br $again))", "deadline"), ("unreachable", "trap")] {
        let strategy = fill(&described(component(Point::Fill, &core(start)), |_| {}));
        assert_eq!(asked(&strategy).expect_err(start).kind(), kind);
    }
    let large = r#"(module (memory (export "memory") 400)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32) (i32.const 64)))"#;
    let strategy = fill(&described(component(Point::Fill, large), |_| {}));
    assert_eq!(asked(&strategy).expect_err("25 MiB at once").kind(), "limit");
}

#[test]
fn a_wrong_place_is_refused_and_failures_in_a_row_open_the_breaker() {
    let lies = [
        (
            "an ad that was not offered",
            "(i32.store (i32.const 1024) (i32.const 10000)) (call $answer (i32.const 1024) (i32.const 1))",
        ),
        ("an ad twice", "(call $answer (i32.const 1024) (i32.const 2))"),
        ("all ads and no end", "(call $answer (i32.const 1024) (i32.const 15000))"),
    ];
    for (name, body) in lies {
        let strategy = guarded(fill(&filler(body)));
        for _ in 0..limits::BREAKER_FAILURES {
            let error = sample::fill(&json!({}), |input| strategy.fill(input)).expect_err(name);
            assert_eq!(error.kind(), "answer", "{name}: {error}");
        }
        let error = sample::fill(&json!({}), |input| strategy.fill(input)).expect_err("left alone");
        assert_eq!(error.kind(), "circuit_open", "{name}");
    }
}

#[test]
fn no_call_sees_what_another_left_behind() {
    let counts = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store (i32.const 1024) (i32.sub (global.get $calls) (i32.const 1)))
        (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
        (i32.store (i32.const 1028) (i32.load (i32.const 2048)))
        (call $answer (i32.const 1024) (i32.const 2))";
    let strategy = fill(&filler(counts));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(asked(&strategy).expect("an answer").answer, [0, 1]);
                }
            });
        }
    });
}

#[test]
fn a_small_answer_cannot_become_a_large_one_in_the_host() {
    // 20 verdicts that all drop with one text of 1 MiB.
    let core = r#"(module (memory (export "memory") 40)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2097152))
        (func (export "cuetone:extension/targeting@1.0.0#judge") (param i32) (result i32)
            (local $at i32)
            (local.set $at (i32.const 1024))
            (loop $next
                (i32.store8 (local.get $at) (i32.const 1))
                (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 65536))
                (i32.store (i32.add (local.get $at) (i32.const 12)) (i32.const 1048576))
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 1344))))
            (i32.store (i32.const 68) (i32.const 1024))
            (i32.store (i32.const 72) (i32.const 20))
            (i32.const 64)))"#;
    let bytes = described(component(Point::Targeting, core), |metadata| metadata["point"] = json!("targeting"));
    let rule = v1::Targeting::new(Arc::new(load(&bytes, Point::Targeting).expect("it loads"))).expect("a rule");
    let error = sample::targeting(&json!({}), |input: &RuleInput<'_>| rule.run(input)).expect_err("20 MiB");
    assert_eq!(error.kind(), "answer", "{error}");
}

#[test]
fn what_a_plugin_says_is_cut_before_it_is_kept() {
    // Refuses with 60,000 bytes of text.
    let refuses =
        "(i32.store8 (i32.const 64) (i32.const 1)) (memory.fill (i32.const 66000) (i32.const 120) (i32.const 60000))
        (call $answer (i32.const 66000) (i32.const 60000))";
    let Err(ExtensionError::Refused { message, .. }) = asked(&fill(&filler(refuses))) else { panic!("it refuses") };
    assert_eq!(message.len(), limits::MAX_MESSAGE_BYTES);
    // Drops every ad with as much.
    let core = r#"(module (memory (export "memory") 40)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2097152))
        (func (export "cuetone:extension/targeting@1.0.0#judge") (param i32) (result i32)
            (local $at i32)
            (memory.fill (i32.const 66000) (i32.const 120) (i32.const 60000))
            (local.set $at (i32.const 1024))
            (loop $next
                (i32.store8 (local.get $at) (i32.const 1))
                (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 66000))
                (i32.store (i32.add (local.get $at) (i32.const 12)) (i32.const 60000))
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 1344))))
            (i32.store (i32.const 68) (i32.const 1024))
            (i32.store (i32.const 72) (i32.const 20))
            (i32.const 64)))"#;
    let bytes = described(component(Point::Targeting, core), |metadata| metadata["point"] = json!("targeting"));
    let rule = v1::Targeting::new(Arc::new(load(&bytes, Point::Targeting).expect("it loads"))).expect("a rule");
    let ran = sample::targeting(&json!({}), |input: &RuleInput<'_>| rule.run(input)).expect("verdicts");
    let lengths = ran.answer.iter().map(|verdict| match verdict {
        Verdict::Drop { reason } => reason.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [limits::MAX_REASON_BYTES; 20]);
}

#[test]
fn verdicts_are_read_as_they_are_written() {
    // keep, drop "no" and score 2.5, over and over.
    let core = r#"(module (memory (export "memory") 40) (data (i32.const 512) "no")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2097152))
        (func (export "cuetone:extension/targeting@1.0.0#judge") (param i32) (result i32)
            (local $at i32) (local $case i32)
            (local.set $at (i32.const 1024))
            (loop $next
                (i32.store8 (local.get $at) (local.get $case))
                (if (i32.eq (local.get $case) (i32.const 1)) (then
                    (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 512))
                    (i32.store (i32.add (local.get $at) (i32.const 12)) (i32.const 2))))
                (if (i32.eq (local.get $case) (i32.const 2)) (then
                    (f64.store (i32.add (local.get $at) (i32.const 8)) (f64.const 2.5))))
                (local.set $case (i32.rem_u (i32.add (local.get $case) (i32.const 1)) (i32.const 3)))
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 1344))))
            (i32.store (i32.const 68) (i32.const 1024))
            (i32.store (i32.const 72) (i32.const 20))
            (i32.const 64)))"#;
    let bytes = described(component(Point::Targeting, core), |metadata| metadata["point"] = json!("targeting"));
    let rule = v1::Targeting::new(Arc::new(load(&bytes, Point::Targeting).expect("it loads"))).expect("a rule");
    let ran = sample::targeting(&json!({}), |input: &RuleInput<'_>| rule.run(input)).expect("verdicts");
    let expect = [Verdict::Keep, Verdict::Drop { reason: "no".to_owned() }, Verdict::Score(2.5)];
    assert_eq!(ran.answer, expect.iter().cycle().take(20).cloned().collect::<Vec<_>>());
}

#[test]
fn a_plugin_that_cannot_be_one_is_refused_with_a_reason() {
    let good = "(call $answer (i32.const 0) (i32.const 0))";
    let bare = component(
        Point::Fill,
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32) (i32.const 64)))"#,
    );
    let wasi = wat::parse_str(r#"(component (import "wasi:cli/stderr@0.2.0" (instance)))"#).expect("a component");
    let empty = wat::parse_str("(component)").expect("a component");
    let module = wat::parse_str("(module)").expect("a module");
    let of = |component: &Vec<u8>, change: fn(&mut Value)| described(component.clone(), change);
    let refused = [
        (b"fn fill(avail, ads) { [] }".to_vec(), "it is no WebAssembly"),
        (Vec::new(), "it is no WebAssembly"),
        (filler(good)[..200].to_vec(), "it is no WebAssembly"),
        (module, "a module, not a component"),
        (bare.clone(), "no metadata"),
        (of(&of(&bare, |_| {}), |_| {}), "two sections"),
        (with_section(bare.clone(), SECTION, b"{"), "its metadata"),
        (with_section(bare.clone(), SECTION, &vec![b' '; 20_000]), "more than 16384 bytes"),
        (of(&bare, |m| m["contract"] = json!(2)), "version 2 of the contract"),
        (of(&bare, |m| m["colour"] = json!("red")), "unknown field `colour`"),
        (of(&bare, |m| m["point"] = json!("sink")), "a plugin for sink, not for fill"),
        (of(&wasi, |_| {}), "wasi:cli/stderr@0.2.0"),
        (of(&empty, |_| {}), "does not export cuetone:extension/fill@1.0.0"),
    ];
    for (bytes, reason) in refused {
        let error = load(&bytes, Point::Fill).expect_err(reason);
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert_eq!(error.kind(), "compile");
    }
    // An interface of the right name with another function in it.
    let other = wat::parse_str(
        r#"(component (core module $m (func (export "fill") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "fill")))
            (instance $fill (export "fill" (func $f)))
            (export "cuetone:extension/fill@1.0.0" (instance $fill)))"#,
    )
    .expect("a component");
    let plugin = load(&described(other, |_| {}), Point::Fill).expect("its types are looked at when it is tried");
    let error = plugin.trial(&json!({})).expect_err("another type");
    assert!(matches!(error.kind(), "compile" | "answer"), "{error}");
}

#[test]
fn log_lines_are_kept_in_number_and_length() {
    let flood = "(local $line i32)
        (loop $more
            (call $log (i32.const 1) (i32.const 66000) (i32.const 5000))
            (local.set $line (i32.add (local.get $line) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $line) (i32.const 600))))
        (call $answer (i32.const 0) (i32.const 0))";
    let log = asked(&fill(&filler(flood))).expect("an answer").log;
    assert_eq!(log.len(), limits::MAX_LOG_LINES + 1);
    assert!(log.iter().all(|line| line.len() <= limits::MAX_LOG_BYTES));
    assert_eq!(log.last().map(String::as_str), Some("(further lines of this call are left out)"));
}

#[test]
fn more_calls_than_places_wait_and_are_served() {
    let strategy = fill(&filler("(call $answer (i32.const 0) (i32.const 0))"));
    std::thread::scope(|scope| {
        for _ in 0..super::engine::PLACES * 2 {
            scope.spawn(|| {
                for _ in 0..5 {
                    asked(&strategy).expect("a place");
                }
            });
        }
    });
}

#[test]
fn fields_that_a_plugin_leaves_out_are_not_handed_over() {
    // Answers its first candidate's id and the number of its labels as an error.
    let core = r#"(module (memory (export "memory") 2)
        (global $free (mut i32) (i32.const 4096))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
            (global.set $free (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func (export "cuetone:extension/fill@1.0.0#fill") (param $input i32) (result i32)
            (local $ad i32)
            (local.set $ad (i32.load (i32.add (local.get $input) (i32.const CANDIDATES))))
            (i32.store8 (i32.const 64) (i32.const 1))
            (i32.store (i32.const 68) (i32.load (local.get $ad)))
            (i32.store (i32.const 72) (i32.load (i32.add (local.get $ad) (i32.const 4))))
            (i32.const 64)))"#;
    let candidates = candidates_offset();
    let component = component(Point::Fill, &core.replace("CANDIDATES", &candidates.to_string()));
    let said = |bytes: Vec<u8>| match asked(&fill(&bytes)) {
        Err(ExtensionError::Refused { message, .. }) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(described(component.clone(), |_| {})), "sample-ad-0");
    assert_eq!(said(described(component, |metadata| metadata["leaves_out"] = json!(["ids", "labels"]))), "");
}

/// Where the list of candidates stands among the arguments: behind the request.
fn candidates_offset() -> usize {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("sdk/wit/v1").expect("the contract");
    let types = resolve.packages[package].interfaces["types"];
    let request = resolve.interfaces[types].types["request"];
    let mut sizes = wit_parser::SizeAlign::default();
    sizes.fill(&resolve);
    let size = sizes.size(&wit_parser::Type::Id(request)).size_wasm32();
    size.next_multiple_of(4)
}

#[test]
fn what_is_kept_on_disk_is_used_again_and_not_believed_when_changed() {
    use super::Artefacts;
    use crate::secret::MasterKey;

    let folder = tempfile::tempdir().expect("a folder");
    let key = MasterKey::from_bytes([3; 32]);
    let bytes = filler("(call $answer (i32.const 0) (i32.const 0))");
    let started = |key: &MasterKey| {
        let artefacts = Artefacts::new(folder.path().to_owned(), key);
        let host = Arc::new(Host::new(Some(artefacts)).expect("an engine"));
        let plugin = Plugin::load(&host, &bytes, "plugins/test.wasm", Some(Point::Fill)).expect("it loads");
        plugin.trial(&json!({})).expect("it answers");
    };
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("a file").path())
            .map(|path| (std::fs::read(&path).expect("its content"), path))
            .collect();
        files.sort();
        files
    };
    started(&key);
    let [(first, path)] = &files()[..] else { panic!("one file") };
    // As it is, it is used: nothing is written.
    let before = std::fs::metadata(path).expect("its date").len();
    started(&key);
    assert_eq!(files(), [(first.clone(), path.clone())]);
    assert_eq!(before, first.len() as u64);
    // A changed byte, a cut end and another server's key: compiled anew, and written over.
    let mut changed = first.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    for (content, key) in [(changed, &key), (first[..100].to_vec(), &key), (first[..10].to_vec(), &key)] {
        std::fs::write(path, &content).expect("changed");
        started(key);
        assert_eq!(files().len(), 1);
        assert_ne!(files()[0].0, content);
    }
    let ours = files()[0].0.clone();
    started(&MasterKey::from_bytes([4; 32]));
    assert_ne!(files()[0].0[..32], ours[..32], "another key, another stamp");
}

#[test]
fn an_ad_for_each_of_200_candidates_fits_into_memory() {
    let strategy = fill(&filler("(call $answer (i32.const 0) (i32.const 0))"));
    sample::with_avail(60, |request, candidates| {
        let many: Vec<Candidate<'_>> = candidates.iter().cycle().take(2_000).cloned().collect();
        let config = json!({});
        let input = FillInput { request, candidates: &many, config: &config, counters: &Counters::default() };
        let ran = strategy.run(&input).expect("an answer");
        println!("2,000 candidates: {:?}", ran.used);
    });
}
