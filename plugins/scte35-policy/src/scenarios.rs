//! A window, what is known and a policy; and the breaks that come of it.

use cuetone_plugin::{
    Avail, AvailKind, BreakDetector, Channel, Cue, CueKind, Dialect, Position, Signal,
    testing::{avail, with_config},
};

use crate::Scte35Policy;

pub fn cue(kind: CueKind, at: f64) -> Cue {
    Cue { at, kind, dialect: Dialect::CueOut, id: None, duration: None, elapsed: None, signal: None }
}

pub fn out(at: f64) -> Cue {
    cue(CueKind::Out, at)
}

pub fn back(at: f64) -> Cue {
    cue(CueKind::In, at)
}

pub fn going_on(at: f64, elapsed: f64) -> Cue {
    Cue { elapsed: Some(elapsed), ..cue(CueKind::Continue, at) }
}

pub fn id(id: &str, cue: Cue) -> Cue {
    Cue { id: Some(id.into()), ..cue }
}

pub fn lasts(duration: f64, cue: Cue) -> Cue {
    Cue { duration: Some(duration), ..cue }
}

/// A time_signal of this type.
pub fn typed(segmentation_type: u8, cue: Cue) -> Cue {
    let signal = Signal {
        command: "time_signal".into(),
        segmentation_type: Some(segmentation_type),
        upid: None,
        upid_type: None,
        segment_num: None,
        segments_expected: None,
    };
    Cue { signal: Some(signal), ..cue }
}

pub fn upid(upid: &str, cue: Cue) -> Cue {
    let signal = cue.signal.map(|signal| Signal { upid: Some(upid.into()), upid_type: Some(9), ..signal });
    Cue { signal, ..cue }
}

pub fn insert_command(cue: Cue) -> Cue {
    let signal = typed(0, cue.clone()).signal.map(|signal| Signal {
        command: "splice_insert".into(),
        segmentation_type: None,
        ..signal
    });
    Cue { signal, ..cue }
}

fn at_date(cue: Cue) -> Cue {
    Cue { dialect: Dialect::Daterange, ..cue }
}

pub fn known(id: &str, start: f64, duration: f64, closed: bool) -> Avail {
    Avail { closed, ..avail(id, start, duration) }
}

/// A known break that a time_signal opened.
pub fn of_type(segmentation_type: u8, avail: Avail) -> Avail {
    let metadata = [("command", "time_signal".to_owned()), ("segmentation_type", segmentation_type.to_string())];
    Avail { metadata: metadata.map(|(name, value)| (name.to_owned(), value)).into(), ..avail }
}

pub struct Scenario {
    pub name: &'static str,
    pub config: &'static str,
    pub live: bool,
    pub window: (f64, f64),
    pub known: Vec<Avail>,
    pub cues: Vec<Cue>,
    /// Id, start, duration, closed.
    pub expect: &'static [(&'static str, f64, f64, bool)],
}

impl Default for Scenario {
    fn default() -> Self {
        Self { name: "", config: "{}", live: true, window: (0.0, 240.0), known: vec![], cues: vec![], expect: &[] }
    }
}

pub fn detect(live: bool, window: (f64, f64), known: Vec<Avail>, cues: Vec<Cue>, config: &str) -> Vec<Avail> {
    let mut window = cuetone_plugin::testing::window(window.0, window.1);
    window.live = live;
    window.cues = cues;
    let channel = Channel { break_interval: 600.0, break_duration: 120.0 };
    with_config(config, || Scte35Policy::detect(window, known, channel)).unwrap()
}

pub fn check(scenarios: Vec<Scenario>) {
    for Scenario { name, config, live, window, known, cues, expect } in scenarios {
        let found = detect(live, window, known, cues, config);
        let found: Vec<_> =
            found.iter().map(|avail| (avail.id.as_str(), avail.start, avail.duration, avail.closed)).collect();
        assert_eq!(found, expect, "{name}");
    }
}

#[test]
fn starts_and_ends() {
    check(vec![
        Scenario {
            name: "an announced break is named after its event and lasts as announced",
            cues: vec![id("42", lasts(30.0, typed(0x34, out(12.0))))],
            expect: &[("scte35-42", 12.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "without an event id the second it starts in names it",
            cues: vec![lasts(30.0, out(12.2))],
            expect: &[("scte35-at-12", 12.2, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "without a length it lasts as long as the channel's breaks and stays open",
            cues: vec![typed(0x36, out(12.0))],
            expect: &[("scte35-at-12", 12.0, 120.0, false)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end closes an open break",
            cues: vec![typed(0x34, out(12.0)), typed(0x35, back(42.0))],
            expect: &[("scte35-at-12", 12.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end ends an announced break earlier, and it keeps its name",
            cues: vec![id("1", lasts(60.0, out(6.0))), id("1", back(36.0))],
            expect: &[("scte35-1", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an early end of a break whose start has left the window",
            window: (100.0, 160.0),
            known: vec![known("scte35-7", 70.0, 60.0, true)],
            cues: vec![back(112.0)],
            expect: &[("scte35-7", 70.0, 42.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end after the announced end changes nothing",
            cues: vec![lasts(24.0, out(6.0)), back(36.0)],
            expect: &[("scte35-at-6", 6.0, 24.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an open break ends where the end stands, also later than guessed",
            config: r#"{"default_duration": 60}"#,
            cues: vec![out(6.0), back(156.0)],
            expect: &[("scte35-at-6", 6.0, 150.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "the next start ends an open break",
            cues: vec![id("a", out(6.0)), id("b", lasts(30.0, out(66.0)))],
            expect: &[("scte35-a", 6.0, 60.0, true), ("scte35-b", 66.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "starts back to back are breaks of their own",
            cues: vec![id("a", lasts(30.5, typed(0x34, out(6.0)))), id("b", lasts(30.0, typed(0x34, out(36.0))))],
            expect: &[("scte35-a", 6.0, 30.0, true), ("scte35-b", 36.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end without a start is nothing",
            cues: vec![back(36.0), typed(0x35, back(66.0))],
            ..Scenario::default()
        },
        Scenario {
            name: "without auto-return the announced length is a guess",
            config: r#"{"auto_return": false}"#,
            cues: vec![id("1", lasts(30.0, out(6.0))), id("1", back(48.0)), id("2", lasts(30.0, out(90.0)))],
            expect: &[("scte35-1", 6.0, 42.0, true), ("scte35-2", 90.0, 30.0, false)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn types_and_what_lies_inside() {
    check(vec![
        Scenario {
            name: "parts inside of a break are none of their own, and their ends do not end it",
            cues: vec![
                id("a", lasts(60.0, typed(0x22, out(6.0)))),
                id("b", lasts(15.0, typed(0x30, out(6.5)))),
                id("b", typed(0x31, back(21.0))),
                id("c", lasts(45.0, typed(0x30, out(21.0)))),
            ],
            expect: &[("scte35-a", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "nor while the break is open",
            cues: vec![
                typed(0x34, out(6.0)),
                lasts(15.0, typed(0x30, out(21.0))),
                typed(0x31, back(36.0)),
                typed(0x35, back(66.0)),
            ],
            expect: &[("scte35-at-6", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end of something inside does not end a known break",
            window: (100.0, 160.0),
            known: vec![of_type(0x34, known("scte35-7", 70.0, 60.0, true))],
            cues: vec![typed(0x31, back(106.0))],
            expect: &[("scte35-7", 70.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "the end of something further out does",
            window: (100.0, 160.0),
            known: vec![of_type(0x34, known("scte35-7", 70.0, 60.0, true))],
            cues: vec![typed(0x23, back(106.0))],
            expect: &[("scte35-7", 70.0, 36.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "programmes, chapters, overlays and unscheduled events are no breaks",
            cues: [0x10, 0x11, 0x20, 0x38, 0x40].map(|kind| lasts(30.0, typed(kind, out(f64::from(kind))))).into(),
            ..Scenario::default()
        },
        Scenario {
            name: "the policy can choose the types",
            config: r#"{"breaks": [{"start": "0x36", "end": "0x37"}]}"#,
            cues: vec![id("a", lasts(30.0, typed(0x34, out(6.0)))), id("b", lasts(30.0, typed(0x36, out(66.0))))],
            expect: &[("scte35-b", 66.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "splice_insert opens and closes",
            cues: vec![id("5", insert_command(out(6.0))), id("5", insert_command(back(36.0)))],
            expect: &[("scte35-5", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "unless it is ignored, as tags can be",
            config: r#"{"splice_insert": "ignore", "tags": "ignore"}"#,
            cues: vec![insert_command(out(6.0)), out(66.0), typed(0x34, lasts(30.0, out(126.0)))],
            expect: &[("scte35-at-126", 126.0, 30.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn lengths() {
    check(vec![
        Scenario {
            name: "too long is cut, too short is none",
            config: r#"{"min_duration": 10, "max_duration": 90}"#,
            cues: vec![id("a", lasts(5.0, out(6.0))), id("b", lasts(120.0, out(66.0)))],
            expect: &[("scte35-b", 66.0, 90.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "announcements can be ignored",
            config: r#"{"durations": "default", "default_duration": 45}"#,
            cues: vec![id("a", lasts(9999.0, out(6.0))), id("b", out(66.0)), back(96.0)],
            expect: &[("scte35-a", 6.0, 45.0, true), ("scte35-b", 66.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a break that ended early stays, however short",
            config: r#"{"min_duration": 10}"#,
            cues: vec![lasts(30.0, out(6.0)), back(12.0)],
            expect: &[("scte35-at-6", 6.0, 6.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an end does not prolong a break beyond the limit",
            config: r#"{"max_duration": 60}"#,
            cues: vec![out(6.0), back(96.0)],
            expect: &[("scte35-at-6", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a date range that gets its real length ends the break earlier",
            window: (0.0, 60.0),
            known: vec![known("scte35-d", 12.0, 60.0, true)],
            cues: vec![id("d", at_date(lasts(24.0, out(13.5))))],
            expect: &[("scte35-d", 12.0, 24.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "0 inserts in a title on demand",
            live: false,
            config: r#"{"default_duration": 45}"#,
            cues: vec![lasts(0.0, out(120.0)), out(210.0)],
            expect: &[("scte35-at-120", 120.0, 45.0, true), ("scte35-at-210", 210.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario { name: "and means nothing in live", cues: vec![lasts(0.0, out(120.0))], ..Scenario::default() },
    ]);
}

#[test]
fn repeats_and_what_is_known() {
    check(vec![
        Scenario {
            name: "repeats of a cue are one break, also with what is left of it",
            cues: vec![
                id("42", lasts(30.0, out(6.0))),
                id("42", lasts(24.0, out(12.0))),
                id("42", lasts(18.0, out(18.0))),
            ],
            expect: &[("scte35-42", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "two dialects at one moment are one break",
            cues: vec![id("42", typed(0x34, out(6.0))), lasts(30.0, out(6.0))],
            expect: &[("scte35-42", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a date stays the same break although the host moved its start",
            known: vec![known("scte35-d", 18.0, 30.0, true)],
            cues: vec![id("d", at_date(lasts(30.0, out(15.5))))],
            expect: &[("scte35-d", 18.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a known break outlives its cues, until it is over",
            window: (100.0, 160.0),
            known: vec![known("scte35-7", 70.0, 60.0, true), known("scte35-6", 10.0, 60.0, true)],
            expect: &[("scte35-7", 70.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "breaks of other detectors are not its business",
            known: vec![known("static-3", 30.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an event id that comes again much later is another break",
            cues: vec![id("1", lasts(30.0, out(6.0))), id("1", lasts(30.0, out(106.0)))],
            expect: &[("scte35-1", 6.0, 30.0, true), ("scte35-1-106", 106.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "and keeps its name when the first has left",
            window: (100.0, 160.0),
            known: vec![known("scte35-1", 6.0, 30.0, true), known("scte35-1-106", 106.0, 30.0, true)],
            cues: vec![id("1", lasts(30.0, out(106.0)))],
            expect: &[("scte35-1-106", 106.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "event ids that are used again do not name breaks",
            config: r#"{"event_ids": "reused"}"#,
            cues: vec![id("1", lasts(30.0, out(6.0))), id("1", lasts(30.0, out(106.0)))],
            expect: &[("scte35-at-6", 6.0, 30.0, true), ("scte35-at-106", 106.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "cancel takes back what has not started",
            cues: vec![id("2", cue(CueKind::Cancel, 6.0)), id("3", cue(CueKind::Cancel, 60.0))],
            known: vec![known("scte35-2", 48.0, 30.0, true), known("scte35-3", 54.0, 30.0, true)],
            expect: &[("scte35-3", 54.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "also where event ids are used again",
            config: r#"{"event_ids": "reused"}"#,
            cues: vec![
                id("1", lasts(30.0, typed(0x34, out(6.0)))),
                id("1", lasts(30.0, typed(0x34, out(106.0)))),
                id("2", lasts(30.0, typed(0x34, out(166.0)))),
                id("1", cue(CueKind::Cancel, 60.0)),
            ],
            expect: &[("scte35-at-6", 6.0, 30.0, true), ("scte35-at-166", 166.0, 30.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn viewers_who_come_in_the_middle() {
    check(vec![
        Scenario {
            name: "a continuation tells the start that was never seen",
            window: (1000.0, 1060.0),
            cues: vec![lasts(60.0, going_on(1000.0, 12.0)), lasts(60.0, going_on(1006.0, 18.4)), back(1048.0)],
            expect: &[("scte35-at-988", 988.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "it keeps the name that the start gave",
            window: (1000.0, 1060.0),
            known: vec![known("scte35-9", 986.0, 60.0, true)],
            cues: vec![lasts(60.0, going_on(1000.0, 12.0))],
            expect: &[("scte35-9", 986.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "it tells an open break its length",
            cues: vec![out(6.0), lasts(48.0, going_on(12.0, 6.0))],
            expect: &[("scte35-at-6", 6.0, 48.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "at the very end of its break it opens nothing",
            window: (1000.0, 1060.0),
            cues: vec![lasts(60.0, going_on(1006.0, 60.0))],
            ..Scenario::default()
        },
        Scenario {
            name: "it can be ignored, but for known breaks",
            config: r#"{"continuations": "ignore"}"#,
            window: (1000.0, 1060.0),
            known: vec![known("scte35-9", 1030.0, 120.0, false)],
            cues: vec![lasts(30.0, going_on(1000.0, 12.0)), lasts(48.0, going_on(1036.0, 6.0))],
            expect: &[("scte35-9", 1030.0, 48.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an ended break is not opened again by a rounded continuation",
            known: vec![known("scte35-a", 6.0, 30.0, true)],
            cues: vec![lasts(60.0, going_on(37.0, 5.0))],
            expect: &[("scte35-a", 6.0, 30.0, true), ("scte35-at-36", 36.0, 60.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn upids_steer() {
    let signal = |text: &str, at: f64| id(text, upid(text, lasts(60.0, typed(0x34, out(at)))));
    check(vec![
        Scenario {
            name: "a denied break is none, and what continues it neither",
            config: r#"{"upids": [{"prefix": "TEST-", "action": "deny"}]}"#,
            cues: vec![
                signal("TEST-1", 6.0),
                lasts(60.0, going_on(12.0, 6.0)),
                id("TEST-1", back(66.0)),
                signal("REAL-1", 96.0),
            ],
            expect: &[("scte35-REAL-1", 96.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "an allowed break inside of a denied one counts",
            config: r#"{"upids": [{"segmentation_type": "0x34", "action": "deny"}]}"#,
            cues: vec![signal("NET-1", 6.0), id("LOCAL", lasts(30.0, typed(0x36, out(36.0))))],
            expect: &[("scte35-LOCAL", 36.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a denied start ends what was open",
            config: r#"{"upids": [{"prefix": "TEST-", "action": "deny"}]}"#,
            cues: vec![id("a", out(6.0)), signal("TEST-1", 36.0)],
            expect: &[("scte35-a", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "only what is allowed, where the default denies",
            config: r#"{"default_action": "deny", "upids": [{"equals": "OURS"}]}"#,
            cues: vec![signal("THEIRS", 6.0), out(36.0), signal("OURS", 96.0)],
            expect: &[("scte35-OURS", 96.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a rule limits and sets lengths",
            config: r#"{"upids": [{"equals": "SHORT", "max_duration": 20}, {"equals": "SET", "duration": 90}]}"#,
            cues: vec![signal("SHORT", 6.0), signal("SET", 66.0), signal("SET", 66.0)],
            expect: &[("scte35-SHORT", 6.0, 20.0, true), ("scte35-SET", 66.0, 90.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "the limit still holds when the end is told",
            config: r#"{"auto_return": false, "upids": [{"equals": "SHORT", "max_duration": 20}]}"#,
            cues: vec![signal("SHORT", 6.0), back(96.0)],
            expect: &[("scte35-SHORT", 6.0, 20.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn facts_and_what_a_rule_adds() {
    let config = r#"{"upids": [{"equals": "ABCD0123", "upid_type": 9, "position": "pre-roll",
        "metadata": {"tier": "gold", "upid": "mine"}}]}"#;
    let cues = vec![id("42", upid("ABCD0123", lasts(30.0, typed(0x34, out(6.0)))))];
    let found = detect(true, (0.0, 60.0), vec![], cues, config);
    let metadata: Vec<(&str, &str)> = found[0].metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
    let facts = [
        ("command", "time_signal"),
        ("dialect", "cue-out"),
        ("event_id", "42"),
        ("segmentation_type", "52"),
        ("tier", "gold"),
        ("upid", "ABCD0123"),
        ("upid_type", "9"),
    ];
    assert_eq!(metadata, facts);
    assert_eq!((found[0].position, found[0].kind), (Position::PreRoll, AvailKind::Replace));
    let long = vec![upid(&"ü".repeat(100), lasts(30.0, typed(0x34, out(6.0))))];
    let found = detect(true, (0.0, 60.0), vec![], long, "{}");
    assert!(found[0].metadata.iter().all(|(_, value)| value.len() <= 128));
}
