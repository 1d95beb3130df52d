use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use super::*;
use crate::{
    domain::{AvailKind, Moment, Position, Span},
    extension::{
        Window,
        breaker::monotonic,
        limits::{
            BREAKER_FAILURES, MAX_AVAIL, MAX_AVAIL_METADATA, MAX_AVAILS, MAX_ID_BYTES, MAX_MESSAGE_BYTES,
            MAX_METADATA_BYTES, MAX_REASON_BYTES,
        },
        logs::{Level, TenantLog},
        sample,
    },
};

/// Answers as it is told.
struct Scripted {
    answers: Mutex<Vec<Result<Vec<FoundAvail>, &'static str>>>,
    asked: AtomicUsize,
}

impl BreakDetector for Scripted {
    fn detect(&self, _: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().pop();
        match answer {
            Some(Ok(found)) => Ok(found),
            Some(Err("panic")) => panic!("a bug in the host"),
            Some(Err("busy")) => Err(ExtensionError::Busy { path: "x".to_owned(), what: "no place".to_owned() }),
            Some(Err(message)) => Err(ExtensionError::Answer { path: "x".to_owned(), message: message.to_owned() }),
            None => Ok(Vec::new()),
        }
    }
}

fn guarded(mut answers: Vec<Result<Vec<FoundAvail>, &'static str>>) -> Arc<Guarded<dyn BreakDetector>> {
    answers.reverse();
    let scripted = Scripted { answers: Mutex::new(answers), asked: AtomicUsize::new(0) };
    let label = Label {
        tenant: "acme".to_owned(),
        extension: "rules/x.rhai".to_owned(),
        version: String::new(),
        point: Point::Detect,
    };
    Guarded::new(Box::new(scripted) as Box<dyn BreakDetector>, label, monotonic())
}

fn ask(detector: &dyn BreakDetector, live: bool) -> Result<Vec<FoundAvail>, ExtensionError> {
    let window = Window { live, start: Moment(0), end: Moment::from_millis(60_000), ..Window::default() };
    let (break_interval, break_duration) = (Span::from_secs(360), Span::from_secs(60));
    detector.detect(&DetectInput { window: &window, known: &[], break_interval, break_duration, config: &Value::Null })
}

fn avail(id: &str) -> FoundAvail {
    FoundAvail {
        id: id.to_owned(),
        start: Moment::from_millis(6_000),
        duration: Span::from_secs(30),
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: true,
        metadata: BTreeMap::new(),
    }
}

#[test]
fn good_answers_pass_through() {
    let longest = FoundAvail { duration: MAX_AVAIL, ..avail(&"x".repeat(MAX_ID_BYTES)) };
    let many = (0..MAX_AVAILS).map(|index| avail(&format!("a{index}"))).collect();
    for answer in [vec![avail("scte35-A_1.b")], vec![longest], many] {
        assert_eq!(ask(&*guarded(vec![Ok(answer.clone())]), true), Ok(answer));
    }
}

#[test]
fn a_panic_is_an_error_and_the_next_call_works() {
    let detector = guarded(vec![Err("panic"), Ok(vec![avail("a")])]);
    let error = ask(&*detector, true).unwrap_err();
    assert_eq!(error.kind(), "panic");
    assert!(error.to_string().contains("a bug in the host"));
    assert!(ask(&*detector, true).is_ok());
}

#[test]
fn answers_that_the_point_does_not_allow_are_refused() {
    let worded =
        |bytes| FoundAvail { metadata: BTreeMap::from([("upid".to_owned(), "x".repeat(bytes))]), ..avail("a") };
    let long = |id: &str| FoundAvail { duration: Span::from_secs(100_000), ..avail(id) };
    let noted = |entries: usize| FoundAvail {
        metadata: (0..entries).map(|entry| (entry.to_string(), String::new())).collect(),
        ..avail("a")
    };
    let refusals = [
        (vec![avail("a"), avail("a")], "two avails have the id `a`"),
        (vec![avail("")], "cannot be an avail's id"),
        (vec![avail("ads/1")], "cannot be an avail's id"),
        (vec![avail("urn:x:1")], "cannot be an avail's id"),
        (vec![avail("..")], "cannot be an avail's id"),
        (vec![avail(&"x".repeat(MAX_ID_BYTES + 1))], "cannot be an avail's id"),
        (vec![long("a")], "not between 0 s and"),
        (vec![FoundAvail { duration: Span::ZERO, ..avail("a") }], "replaces nothing"),
        (vec![FoundAvail { duration: Span(-1), ..avail("a") }], "not between 0 s and"),
        (vec![FoundAvail { kind: AvailKind::Insert, ..avail("a") }], "inserts into a live channel"),
        (vec![FoundAvail { start: Moment(i64::MAX), ..avail("a") }], "more than a day away"),
        ((0..501).map(|index| avail(&format!("a{index}"))).collect(), "501 avails"),
        (vec![noted(MAX_AVAIL_METADATA + 1)], "51 entries of metadata"),
        (vec![worded(MAX_METADATA_BYTES + 1)], "is longer than 128 bytes"),
    ];
    for (answer, complaint) in refusals {
        let error = ask(&*guarded(vec![Ok(answer)]), true).unwrap_err();
        assert_eq!(error.kind(), "answer");
        assert!(error.to_string().contains(complaint), "{error}");
    }
    assert!(ask(&*guarded(vec![Ok(vec![noted(MAX_AVAIL_METADATA)])]), true).is_ok());
    let insert = FoundAvail { kind: AvailKind::Insert, ..avail("a") };
    assert!(ask(&*guarded(vec![Ok(vec![insert])]), false).is_ok());
}

#[test]
fn bad_answers_count_as_failures() {
    let bad = || Ok(vec![avail("")]);
    let detector = guarded((0..BREAKER_FAILURES + 1).map(|_| bad()).collect());
    for _ in 0..BREAKER_FAILURES {
        assert_eq!(ask(&*detector, true).unwrap_err().kind(), "answer");
    }
    assert!(detector.is_open());
    let error = ask(&*detector, true).unwrap_err();
    assert_eq!(error, ExtensionError::CircuitOpen { path: "rules/x.rhai".to_owned(), failures: BREAKER_FAILURES });
}

#[test]
fn what_others_take_is_counted_and_not_held_against_it() {
    let detector = guarded((0..3 * BREAKER_FAILURES).map(|_| Err("busy")).collect());
    for _ in 0..3 * BREAKER_FAILURES {
        assert_eq!(ask(&*detector, true).unwrap_err().kind(), "busy");
    }
    assert!(!detector.is_open());
    let seen = detector.standing.figures.totals().seen();
    assert_eq!(
        (seen.failed, &seen.errors["busy"]),
        (3 * u64::from(BREAKER_FAILURES), &seen.failed),
        "the fallback answered"
    );
}

/// Says the same of every ad, or why it cannot.
struct Says(Result<Verdict, ExtensionError>);

impl TargetingRule for Says {
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        self.0.clone().map(|verdict| vec![verdict; input.candidates.len()])
    }
}

fn said(answer: Result<Verdict, ExtensionError>) -> Result<Vec<Verdict>, ExtensionError> {
    let label = Label {
        tenant: "acme".to_owned(),
        extension: "rules/x.rhai".to_owned(),
        version: String::new(),
        point: Point::Targeting,
    };
    let rule: Arc<Guarded<dyn TargetingRule>> = Guarded::new(Box::new(Says(answer)), label, monotonic());
    sample::targeting(&Value::Null, |input| rule.judge(input))
}

#[test]
fn the_reason_for_a_drop_is_cut_before_anybody_keeps_it() {
    for (reason, bytes) in [("no".to_owned(), 2), ("ä".repeat(500_000), 255), ("x".repeat(257), 256)] {
        let verdicts = said(Ok(Verdict::Drop { reason: reason.clone() })).expect("an answer");
        let Some(Verdict::Drop { reason: kept }) = verdicts.first() else { panic!("{verdicts:?}") };
        assert_eq!(kept.len(), bytes);
        assert!(kept.len() <= MAX_REASON_BYTES && kept.capacity() <= 2 * MAX_REASON_BYTES, "{}", kept.capacity());
        assert_eq!(kept == &reason, bytes == 2);
        assert!(kept.ends_with('…') || kept == &reason, "it shows that it was cut: {kept}");
    }
}

#[test]
fn what_a_failing_extension_says_is_cut_before_anybody_keeps_it() {
    let (path, long) = (|| "rules/x.rhai".to_owned(), || "ä".repeat(500_000));
    let place = (1, 1);
    for error in [
        ExtensionError::Runtime { path: path(), line: place.0, column: place.1, message: long(), hint: Some(long()) },
        ExtensionError::Trap { path: path(), message: long(), backtrace: long() },
        ExtensionError::Refused { path: path(), message: long() },
        ExtensionError::Answer { path: path(), message: long() },
        ExtensionError::Limit { path: path(), what: long() },
        ExtensionError::Component { path: path(), message: long(), hint: Some(long()) },
        ExtensionError::Panic { path: path(), message: long() },
    ] {
        let kind = error.kind();
        let kept = said(Err(error)).expect_err("it failed");
        assert_eq!(kept.kind(), kind);
        let shown = kept.to_string();
        assert!(shown.len() < 2 * MAX_MESSAGE_BYTES + 100 && shown.contains('…'), "{kind}: {} bytes", shown.len());
    }
    let short = ExtensionError::Refused { path: path(), message: "not today".to_owned() };
    assert_eq!(said(Err(short.clone())), Err(short));
}

#[test]
fn what_is_wrong_with_an_answer_is_said_in_so_many_words() {
    let error = ask(&*guarded(vec![Ok(vec![avail(&"x".repeat(1_000_000))])]), true).expect_err("no id");
    assert!(error.to_string().len() < MAX_MESSAGE_BYTES + 100, "{} bytes", error.to_string().len());
}

/// What the operator's log, in its text form, shows of `work`.
fn operators_log(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(log, work);
    let lines = lines.0.lock().unwrap();
    String::from_utf8(lines.clone()).unwrap()
}

#[test]
fn no_tenant_writes_lines_of_its_own_into_the_operators_log() {
    const FORGED: &str = "fine\n2026-01-01T00:00:00Z ERROR the database is gone\r\u{1b}[2K\u{8}\u{85}\u{2028}end";
    let refused = || ExtensionError::Refused { path: "plugins/x.wasm".to_owned(), message: FORGED.to_owned() };
    let trapped = || ExtensionError::Trap {
        path: "plugins/x.wasm".to_owned(),
        message: "unreachable".to_owned(),
        backtrace: FORGED.to_owned(),
    };
    let log = TenantLog::new("acme", monotonic());
    let written = || log.write(&"rules/x.rhai".into(), Level::Info, FORGED);
    let failed = |error: ExtensionError| drop(said(Err(error)));
    for shown in [operators_log(written), operators_log(|| failed(refused())), operators_log(|| failed(trapped()))] {
        assert!(shown.contains("the database is gone") && shown.contains("end"), "{shown}");
        let line = shown.strip_suffix('\n').unwrap();
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{2028}'), "{line:?}");
    }
    assert_eq!(log.newest(1)[0].1.message, FORGED, "the tenant reads what it wrote");
}

#[test]
fn an_extension_that_fails_all_day_does_not_fill_the_operators_log() {
    // Never five times in a row, so that it is asked on and on.
    let answers = || [Err("no"), Ok(Vec::new())];
    let detector = guarded((0..2_000).flat_map(|_| answers()).collect());
    let shown = operators_log(|| {
        for _ in 0..4_000 {
            let _: Result<_, _> = ask(&*detector, true);
        }
    });
    assert_eq!(detector.standing.figures.totals().seen().failed, 2_000, "all are counted");
    let lines = shown.lines().count();
    assert!((1..1_000).contains(&lines), "{lines} lines");
}

#[test]
fn who_logs_without_end_cannot_hide_that_it_fails() {
    let log = TenantLog::new("acme", Arc::new(|| Duration::ZERO));
    for line in 0..10_000 {
        log.write(&"rules/x.rhai".into(), Level::Info, &line.to_string());
    }
    let shown = operators_log(|| {
        log.failed("rules/x.rhai", Point::Fill, &ExtensionError::Limit { path: "x".to_owned(), what: "y".to_owned() });
    });
    assert!(shown.contains("an extension failed"), "{shown}");
}
