use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;

use super::*;
use crate::{
    domain::{AvailKind, Moment, Position, Span},
    extension::{
        Window,
        breaker::monotonic,
        limits::{BREAKER_FAILURES, MAX_AVAIL, MAX_AVAILS, MAX_ID_BYTES, MAX_METADATA_BYTES},
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
    let noted = |bytes| BTreeMap::from([("upid".to_owned(), "x".repeat(bytes))]);
    let long = |id: &str| FoundAvail { duration: Span::from_secs(100_000), ..avail(id) };
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
        (vec![FoundAvail { metadata: noted(MAX_METADATA_BYTES + 1), ..avail("a") }], "is longer than 128 bytes"),
    ];
    for (answer, complaint) in refusals {
        let error = ask(&*guarded(vec![Ok(answer)]), true).unwrap_err();
        assert_eq!(error.kind(), "answer");
        assert!(error.to_string().contains(complaint), "{error}");
    }
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
