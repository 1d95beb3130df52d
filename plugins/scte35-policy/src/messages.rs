//! Messages with several segments, and ends that come late: which break a cue is about.

use cuetone_plugin::{Cue, CueKind};

use crate::scenarios::{
    Scenario, back, check, cue, going_on, id, insert_command, known, lasts, of_type, out, typed, upid,
};

/// A further segment of the message that the cue before it carries.
fn beside(segmentation_type: u8, at: f64) -> Cue {
    typed(segmentation_type, cue(CueKind::Info, at))
}

/// The network's opportunity.
fn network(text: &str, at: f64) -> Cue {
    id(text, upid(text, lasts(60.0, typed(0x34, out(at)))))
}

#[test]
fn an_end_is_about_the_break_with_its_event_id() {
    check(vec![
        Scenario {
            name: "the late end of an earlier event does not end what runs by then",
            cues: vec![
                id("a", lasts(30.0, typed(0x36, out(6.0)))),
                id("b", lasts(60.0, typed(0x36, out(36.0)))),
                id("a", typed(0x37, back(38.0))),
            ],
            expect: &[("scte35-a", 6.0, 30.0, true), ("scte35-b", 36.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "nor does a tag's",
            cues: vec![id("a", lasts(30.0, out(6.0))), id("b", lasts(60.0, out(36.0))), id("a", back(38.0))],
            expect: &[("scte35-a", 6.0, 30.0, true), ("scte35-b", 36.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "nor does that of an event that nobody knows any more",
            window: (37.0, 97.0),
            known: vec![of_type(0x36, known("scte35-b", 36.0, 60.0, true))],
            cues: vec![id("a", typed(0x37, back(38.0)))],
            expect: &[("scte35-b", 36.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a break without an event id ends with whichever",
            cues: vec![out(6.0), id("a", typed(0x35, back(36.0)))],
            expect: &[("scte35-at-6", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "and an end without a level ends the latest: splice_insert may return with another id",
            cues: vec![id("7", insert_command(out(6.0))), id("8", insert_command(back(36.0)))],
            expect: &[("scte35-7", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "of breaks with one event id the one that runs ends",
            cues: vec![
                id("1", lasts(30.0, typed(0x34, out(6.0)))),
                id("1", lasts(60.0, typed(0x34, out(106.0)))),
                id("1", typed(0x35, back(136.0))),
            ],
            expect: &[("scte35-1", 6.0, 30.0, true), ("scte35-1-106", 106.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "where event ids are used again they do not tell which break ends",
            config: r#"{"event_ids": "reused"}"#,
            cues: vec![id("1", lasts(60.0, typed(0x34, out(6.0)))), id("2", typed(0x35, back(36.0)))],
            expect: &[("scte35-at-6", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a start that is too short for a break does not end the one around it",
            config: r#"{"min_duration": 10}"#,
            cues: vec![
                id("a", typed(0x34, out(6.0))),
                id("b", lasts(5.0, typed(0x34, out(36.0)))),
                id("b", typed(0x35, back(41.0))),
                id("a", typed(0x35, back(66.0))),
            ],
            expect: &[("scte35-a", 6.0, 60.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn segments_of_a_message_count_by_their_types() {
    check(vec![
        Scenario {
            name: "of the segments of one message the outermost that the policy has is the break",
            cues: vec![
                id("a", lasts(60.0, typed(0x34, out(6.0)))),
                id("b", lasts(30.0, beside(0x36, 6.0))),
                id("a", typed(0x35, back(66.0))),
                id("b", beside(0x37, 66.0)),
            ],
            expect: &[("scte35-a", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "also where that is not the outermost of the message",
            config: r#"{"breaks": [{"start": "0x36", "end": "0x37"}]}"#,
            cues: vec![
                id("a", lasts(60.0, typed(0x34, out(6.0)))),
                id("b", beside(0x36, 6.0)),
                id("a", typed(0x35, back(36.0))),
                id("b", beside(0x37, 36.0)),
            ],
            expect: &[("scte35-b", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "of two alike in one message the first is the break",
            cues: vec![
                id("a", lasts(60.0, typed(0x34, out(6.0)))),
                id("b", lasts(30.0, beside(0x34, 6.0))),
                id("c", lasts(15.0, typed(0x30, out(6.0)))),
            ],
            expect: &[("scte35-a", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a part in the message of its break does not shorten it, in whichever order the dialects come",
            cues: vec![
                lasts(60.0, out(6.0)),
                id("a", lasts(60.0, typed(0x34, out(6.0)))),
                id("b", lasts(30.0, beside(0x36, 6.0))),
            ],
            expect: &[("scte35-at-6", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "one ad after another, in one message, ends no break that a tag opened",
            cues: vec![
                lasts(60.0, out(6.0)),
                id("2", lasts(15.0, typed(0x30, out(21.0)))),
                id("1", beside(0x31, 21.0)),
            ],
            expect: &[("scte35-at-6", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "one opportunity ends and the next starts in one message",
            config: r#"{"event_ids": "reused"}"#,
            cues: vec![
                id("1", typed(0x34, out(6.0))),
                id("2", lasts(30.0, typed(0x34, out(36.0)))),
                id("1", beside(0x35, 36.0)),
            ],
            expect: &[("scte35-at-6", 6.0, 30.0, true), ("scte35-at-36", 36.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "each segment of a message that is repeated tells its own",
            config: r#"{"breaks": [{"start": "0x36", "end": "0x37"}]}"#,
            window: (1000.0, 1060.0),
            cues: vec![
                id("a", typed(0x34, lasts(60.0, going_on(1000.0, 12.0)))),
                id("b", lasts(30.0, Cue { elapsed: Some(12.0), ..beside(0x36, 1000.0) })),
                id("a", typed(0x34, lasts(60.0, going_on(1006.0, 18.0)))),
                id("b", lasts(30.0, Cue { elapsed: Some(18.0), ..beside(0x36, 1006.0) })),
            ],
            expect: &[("scte35-b", 988.0, 30.0, true)],
            ..Scenario::default()
        },
    ]);
}

#[test]
fn segments_of_a_message_are_judged_by_their_upids() {
    check(vec![
        Scenario {
            name: "an allowed break inside of a denied one counts, also in the same message",
            config: r#"{"upids": [{"segmentation_type": "0x34", "action": "deny"}]}"#,
            cues: vec![
                network("NET-1", 6.0),
                id("LOCAL", lasts(30.0, beside(0x36, 6.0))),
                network("NET-2", 96.0),
                id("LOCAL-2", lasts(30.0, beside(0x36, 96.0))),
                // A tag tells the same moment, and the message comes again while the break goes on.
                lasts(60.0, out(96.0)),
                id("NET-2", upid("NET-2", typed(0x34, lasts(60.0, going_on(102.0, 6.0))))),
                id("LOCAL-2", lasts(30.0, Cue { elapsed: Some(6.0), ..beside(0x36, 102.0) })),
                id("LOCAL-2", typed(0x37, back(120.0))),
            ],
            expect: &[("scte35-LOCAL", 6.0, 30.0, true), ("scte35-LOCAL-2", 96.0, 24.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "and ends with the denied one around it",
            config: r#"{"upids": [{"segmentation_type": "0x34", "action": "deny"}]}"#,
            cues: vec![
                network("NET-1", 6.0),
                id("LOCAL", lasts(50.0, beside(0x36, 6.0))),
                id("NET-1", typed(0x35, back(36.0))),
            ],
            expect: &[("scte35-LOCAL", 6.0, 30.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "the other way round the denied part changes nothing",
            config: r#"{"upids": [{"segmentation_type": "0x36", "action": "deny"}]}"#,
            cues: vec![lasts(60.0, out(6.0)), network("NET-1", 6.0), id("LOCAL", lasts(30.0, beside(0x36, 6.0)))],
            expect: &[("scte35-at-6", 6.0, 60.0, true)],
            ..Scenario::default()
        },
        Scenario {
            name: "a rule speaks of the UPID of a further segment",
            config: r#"{"breaks": [{"start": 54, "end": 55}], "upids": [{"equals": "BRIDGE", "max_duration": 20}]}"#,
            cues: vec![network("NET-1", 6.0), id("b", upid("BRIDGE", lasts(30.0, beside(0x36, 6.0))))],
            expect: &[("scte35-b", 6.0, 20.0, true)],
            ..Scenario::default()
        },
    ]);
}
