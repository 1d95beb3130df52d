//! Every spelling of every dialect, what signals mean, and damage.

use proptest::prelude::*;

use super::*;
use crate::media::scte35::{self, BreakDuration, Command, Descriptor, Section, Segmentation, Ticks, to_base64, to_hex};

/// SCTE 35 clause 14: `splice_insert` out, event 1207959695, 60.293567 s; and a provider placement opportunity start,
/// event 1207959694, 307 s.
const OUT: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
const PLACEMENT: &str = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==";

fn base64(section: &Section) -> String {
    to_base64(&scte35::encode(section).unwrap())
}

fn hex(section: &Section) -> String {
    to_hex(&scte35::encode(section).unwrap())
}

fn insert_out(seconds: u64) -> Section {
    Section::splice_out(7, None, Some(BreakDuration { auto_return: true, length: Ticks(seconds * 90_000) }))
}

fn starts(types: &[(u32, u8, Option<u64>)]) -> Section {
    let segment = |&(id, kind, seconds): &(u32, u8, Option<u64>)| {
        Segmentation::new(id, kind, seconds.map(|seconds| Ticks(seconds * 90_000)))
    };
    Section::time_signal(None, types.iter().map(segment))
}

/// What the marker means.
fn told(line: &str) -> String {
    match decode(line) {
        None => "no marker".to_owned(),
        Some(Err(error)) => format!("error: {error}"),
        Some(Ok(cues)) => cues.into_iter().next().map(told_of).unwrap(),
    }
}

/// What else its message says.
fn told_beside(line: &str) -> Vec<String> {
    decode(line).unwrap().unwrap().into_iter().skip(1).map(told_of).collect()
}

/// `Kind Dialect` and what is there of `id= duration= elapsed= at= signal=`.
fn told_of(cue: Cue) -> String {
    let mut text = format!("{:?} {:?}", cue.kind, cue.dialect);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!(" {name}={value}");
        }
    };
    add("id", cue.id);
    add("duration", cue.duration.map(|span| span.to_string()));
    add("elapsed", cue.elapsed.map(|span| span.to_string()));
    add("at", cue.at.map(crate::media::datetime::format));
    add("signal", cue.signal.as_ref().map(|signal| signal.command.to_owned()));
    text
}

fn check(line: &str, expect: &str) {
    assert_eq!(told(line), expect, "{line}");
    assert_eq!(is_marker(line), expect != "no marker", "is_marker {line}");
}

#[test]
fn cue_out_opens_a_break_in_every_spelling() {
    check("#EXT-X-CUE-OUT", "Out CueOut");
    check("#EXT-X-CUE-OUT:", "Out CueOut");
    check("#EXT-X-CUE-OUT\r", "Out CueOut");
    for line in [
        "#EXT-X-CUE-OUT:30.5",
        "#EXT-X-CUE-OUT: 30.500 \r",
        "#EXT-X-CUE-OUT:\"30.5\"",
        "#EXT-X-CUE-OUT:DURATION=30.5",
        "#EXT-X-CUE-OUT:DURATION=\"30.5\"",
        "#EXT-X-CUE-OUT:Duration=30.5",
        "#EXT-X-CUE-OUT DURATION=30.5",
        "#EXT-X-CUE-OUT:30.5,SpliceType=VOD_DAI,Action=REPLACE",
        "#EXT-X-CUE-OUT:SpliceType=LIVE_DAI,DURATION=30.5,PAID=example.com/A12345",
    ] {
        check(line, "Out CueOut duration=30.5");
    }
    check("#EXT-X-CUE-OUT:30,ID=a7", "Out CueOut id=a7 duration=30");
    check("#EXT-X-CUE-OUT:DURATION=30,BREAKID=9,ID=\"b,1\"", "Out CueOut id=b,1 duration=30");
}

#[test]
fn a_length_of_zero_asks_for_insertion() {
    check("#EXT-X-CUE-OUT:0", "Out CueOut duration=0");
    check("#EXT-X-CUE-OUT:DURATION=0.000", "Out CueOut duration=0");
}

#[test]
fn a_section_inside_a_cue_out_fills_in_what_the_tag_leaves_out() {
    check(&format!("#EXT-X-CUE-OUT:CUE={OUT}"), "Out CueOut id=1207959695 duration=60.293567 signal=splice_insert");
    check(&format!("#EXT-X-CUE-OUT:30,ID=x,CUE=\"{OUT}\""), "Out CueOut id=x duration=30 signal=splice_insert");
}

#[test]
fn cue_out_cont_goes_on_in_every_spelling() {
    check("#EXT-X-CUE-OUT-CONT", "Continue CueOut");
    for line in [
        "#EXT-X-CUE-OUT-CONT:8.0/30",
        "#EXT-X-CUE-OUT-CONT: 8.000/30.000",
        "#EXT-X-CUE-OUT-CONT:ElapsedTime=8,Duration=30",
        "#EXT-X-CUE-OUT-CONT:Duration=30,ElapsedTime=8",
        "#EXT-X-CUE-OUT-CONT:ELAPSED=8,DURATION=30",
    ] {
        check(line, "Continue CueOut duration=30 elapsed=8");
    }
    for line in ["#EXT-X-CUE-OUT-CONT:8.0", "#EXT-X-CUE-OUT-CONT:8.0/", "#EXT-X-CUE-OUT-CONT:8/0"] {
        check(line, "Continue CueOut elapsed=8");
    }
    check(
        &format!("#EXT-X-CUE-OUT-CONT:ElapsedTime=5.939,Duration=201.467,SCTE35={OUT}"),
        "Continue CueOut id=1207959695 duration=201.467 elapsed=5.939 signal=splice_insert",
    );
    check("#EXT-X-CUE-CONT:ID=1,AVAIL-DUR-ELAPSED=5.8", "Continue CueOut id=1 elapsed=5.8");
    check("#EXT-X-CUE-SPAN:TIMEFROMSIGNAL=PT10S", "Continue CueOut");
}

#[test]
fn cue_in_closes_the_break() {
    check("#EXT-X-CUE-IN", "In CueOut");
    check("#EXT-X-CUE-IN:", "In CueOut");
    check("#EXT-X-CUE-IN:ID=1", "In CueOut id=1");
}

#[test]
fn the_older_cue_tag_is_read_by_its_type() {
    let id = "TIME=266.198,ID=\"1\"";
    check(&format!("#EXT-X-CUE:TYPE=SpliceOut,{id},DURATION=60.0"), "Out CueOut id=1 duration=60");
    check(&format!("#EXT-X-CUE:DURATION=\"201.467\",{id},TYPE=\"SpliceOut\""), "Out CueOut id=1 duration=201.467");
    check(&format!("#EXT-X-CUE:TYPE=\"SpliceOut\",{id},DURATION=\"0\""), "Out CueOut id=1");
    check(
        &format!("#EXT-X-CUE:TYPE=SpliceOut,{id},DURATION=30,ELAPSED=0.233333"),
        "Continue CueOut id=1 duration=30 elapsed=0.233333",
    );
    check(&format!("#EXT-X-CUE:TYPE=SpliceInsert,{id}"), "Out CueOut id=1 duration=0");
    check(&format!("#EXT-X-CUE:TYPE=\"SpliceIn\",{id}"), "In CueOut id=1");
    check("#EXT-X-CUE:DURATION=27,ID=\"x\"", "Out CueOut id=x duration=27");
    check("#EXT-X-CUE:ID=\"x\"", "Info CueOut id=x");
    check(
        &format!("#EXT-X-CUE:ID=\"1026\",TYPE=\"scte35\",DURATION=30.000000,TIME=1544716520.022760,CUE=\"{OUT}\""),
        "Out CueOut id=1026 duration=30 signal=splice_insert",
    );
}

#[test]
fn oatcls_and_splicepoint_do_what_their_section_says() {
    for tag in ["#EXT-OATCLS-SCTE35", "#EXT-X-SPLICEPOINT-SCTE35"] {
        check(&format!("{tag}:{OUT}"), "Out Oatcls id=1207959695 duration=60.293567 signal=splice_insert");
        check(&format!("{tag}:{PLACEMENT}\r"), "Out Oatcls id=1207959694 duration=307 signal=time_signal");
        check(&format!("{tag}:{}", base64(&Section::splice_in(7, None))), "In Oatcls id=7 signal=splice_insert");
        check(&format!("{tag}:{}", base64(&Section::splice_cancel(7))), "Cancel Oatcls id=7 signal=splice_insert");
        check(&format!("{tag}:{}", base64(&Section::new(Command::Null, vec![]))), "Info Oatcls signal=splice_null");
    }
    let cont = format!("#EXT-X-SPLICEPOINT-SCTE35:{OUT},CUE-OUT=CONT,ELAPSED=4");
    check(&cont, "Continue Oatcls id=1207959695 duration=60.293567 elapsed=4 signal=splice_insert");
    let named = format!("#EXT-OATCLS-SCTE35:CUE=\"{OUT}\",ID=\"x\"");
    check(&named, "Out Oatcls id=x duration=60.293567 signal=splice_insert");
}

#[test]
fn the_scte35_tag_is_read_by_its_words_then_its_section_then_its_type() {
    let tag = |rest: &str| format!("#EXT-X-SCTE35:CUE=\"{OUT}\"{rest}");
    let out = "Scte35Tag id=1207959695 duration=60.293567";
    check(&tag(""), &format!("Out {out} signal=splice_insert"));
    check(&tag(" ,CUE-OUT=YES "), &format!("Out {out} signal=splice_insert"));
    check(
        &tag(",CUE-OUT=\"YES\",ID=\"e1\",TIME=12.5,DURATION=30"),
        "Out Scte35Tag id=e1 duration=30 signal=splice_insert",
    );
    check(&tag(",CUE-OUT=CONT,ELAPSED=4"), &format!("Continue {out} elapsed=4 signal=splice_insert"));
    check(&tag(",ELAPSED=4"), &format!("Continue {out} elapsed=4 signal=splice_insert"));
    check(&tag(",CUE-IN=YES"), "In Scte35Tag id=1207959695 signal=splice_insert");
    check(&tag(",CUE-OUT=NO"), "Info Scte35Tag id=1207959695 signal=splice_insert");
    check("#EXT-X-SCTE35:TYPE=0x34,ID=3,DURATION=20,UPID=\"0x08:0x2CA0A18A\"", "Out Scte35Tag id=3 duration=20");
    check("#EXT-X-SCTE35:TYPE=53,ID=3", "In Scte35Tag id=3");
    check("#EXT-X-SCTE35:TYPE=0x10,ID=3", "Info Scte35Tag id=3");
    check("#EXT-X-SCTE35-OUT:ID=3,DURATION=20", "Out Scte35Tag id=3 duration=20");
    check("#EXT-X-SCTE35-IN:ID=3", "In Scte35Tag id=3");
}

#[test]
fn date_ranges_open_close_and_command() {
    let range = |rest: &str| format!("#EXT-X-DATERANGE:ID=\"r1\",START-DATE=\"2026-01-02T03:04:05Z\"{rest}");
    let out = format!(",SCTE35-OUT={}", hex(&insert_out(45)));
    let at = "at=2026-01-02T03:04:05.000Z";
    let signal = "signal=splice_insert";
    check(&range(&out), &format!("Out DateRange id=r1 duration=45 {at} {signal}"));
    check(&range(&format!("{out},PLANNED-DURATION=30")), &format!("Out DateRange id=r1 duration=30 {at} {signal}"));
    check(
        &range(&format!("{out},PLANNED-DURATION=30,DURATION=29.97")),
        &format!("Out DateRange id=r1 duration=29.97 {at} {signal}"),
    );
    check(
        &range(&format!("{out},PLANNED-DURATION=30,END-DATE=\"2026-01-02T03:04:25.5Z\"")),
        &format!("Out DateRange id=r1 duration=20.5 {at} {signal}"),
    );

    let back = format!(",SCTE35-IN={}", hex(&Section::splice_in(7, None)));
    check(&range(&back), &format!("In DateRange id=r1 {at} {signal}"));
    let later = "at=2026-01-02T03:04:35.000Z";
    check(&range(&format!("{back},DURATION=30")), &format!("In DateRange id=r1 duration=30 {later} {signal}"));
    check(
        &range(&format!("{back},END-DATE=\"2026-01-02T10:04:35+07:00\"")),
        &format!("In DateRange id=r1 duration=30 {later} {signal}"),
    );
    check(
        &format!("#EXT-X-DATERANGE:ID=\"r1\",DURATION=59.993{back}"),
        "In DateRange id=r1 duration=59.993 signal=splice_insert",
    );

    let command = |section: &Section| range(&format!(",SCTE35-CMD={}", hex(section).to_lowercase()));
    check(&command(&insert_out(45)), &format!("Out DateRange id=r1 duration=45 {at} {signal}"));
    check(&command(&Section::splice_cancel(7)), &format!("Cancel DateRange id=r1 {at} {signal}"));
    check(&command(&starts(&[(3, 0x11, None)])), &format!("Info DateRange id=r1 {at} signal=time_signal"));
}

#[test]
fn only_date_ranges_about_breaks_are_markers() {
    let class = |name: &str| format!("#EXT-X-DATERANGE:ID=\"a\",CLASS=\"{name}\",DURATION=9");
    for name in ["com.example.ad-break", "AdBreak", "urn:x:commercial:break"] {
        check(&class(name), "Out DateRange id=a duration=9");
    }
    for name in ["com.apple.hls.interstitial", "urn:scte:scte35:2013:bin"] {
        check(&class(name), "Info DateRange id=a duration=9");
    }
    for name in ["com.example.chapter", "vendor-ad-quartile", "breakfast", "roads-breaking"] {
        check(&class(name), "no marker");
    }
    check("#EXT-X-DATERANGE:ID=\"SCTE35-OUT=0xFC\",X-NOTE=\"CLASS=ad-break\"", "no marker");
}

#[test]
fn an_asset_informs() {
    check("#EXT-X-ASSET:CAID=0x0000000020FB6501", "Info Asset id=0x0000000020FB6501");
    check("#EXT-X-ASSET:GENRE=CV,EPISODE=\"Name, Date\",ID=4", "Info Asset id=4");
}

#[test]
fn lines_that_are_no_markers_are_left_alone() {
    for line in [
        "",
        "#",
        "seg1.ts",
        "#EXTM3U",
        "#EXTINF:6,#EXT-X-CUE-OUT",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-DISCONTINUITY-SEQUENCE:4",
        "#EXT-X-DATERANGE:ID=\"x\"",
        "#EXT-X-CUE-OUTER",
        "#EXT-X-CUE-OUT-SIDE:1",
        "#EXT-X-ASSETS:1",
        "# EXT-X-CUE-OUT",
        "#ext-x-cue-out",
        "#EXT-",
        "#EXT-X-",
        "#EXT-O",
        "#EXT-X-CÜE",
    ] {
        check(line, "no marker");
    }
}

#[test]
fn corrupt_markers_are_refused_with_the_reason() {
    for text in ["abc", "-3", "1e9", "NaN", "1:30", "99999999999"] {
        check(&format!("#EXT-X-CUE-OUT:{text}"), &format!("error: DURATION is no number of seconds: {text:?}"));
    }
    check("#EXT-X-CUE-OUT:DURATION=x", "error: DURATION is no number of seconds: \"x\"");
    check("#EXT-X-CUE-OUT-CONT:a/30", "error: ElapsedTime is no number of seconds: \"a\"");
    check("#EXT-X-CUE-OUT-CONT:1/b", "error: Duration is no number of seconds: \"b\"");
    check("#EXT-OATCLS-SCTE35", "error: the tag has no SCTE-35 section");
    check("#EXT-X-DATERANGE:ID=\"a\",SCTE35-OUT=", "error: the tag has no SCTE-35 section");
    check("#EXT-OATCLS-SCTE35:?", "error: SCTE-35 in value: not base64: Invalid symbol 63, offset 0.");
    check("#EXT-X-CUE-OUT:30,CUE=/DA", "error: SCTE-35 in CUE: splice_info_section is cut off");
    check("#EXT-X-SCTE35:CUE-OUT=MAYBE", "error: CUE-OUT is \"MAYBE\"; expected YES, NO or CONT");
    check(
        "#EXT-X-DATERANGE:ID=\"a\",SCTE35-OUT=0xFC,START-DATE=\"yesterday\"",
        "error: START-DATE: expected YYYY-MM-DDThh:mm:ss[.fraction][zone]",
    );
    check(
        "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"ad-break\",START-DATE=\"2026-01-02T03:04:05Z\",END-DATE=\"2026-01-02T03:04:04Z\"",
        "error: END-DATE is before START-DATE",
    );
    let damaged = OUT.replacen("IAA", "IBA", 1);
    let answer = told(&format!("#EXT-OATCLS-SCTE35:{damaged}"));
    assert!(answer.starts_with("error: SCTE-35 in value: CRC mismatch: computed 0x"), "{answer}");
}

#[test]
fn a_cancelled_event_overrides_what_the_tag_calls_itself() {
    let cancel = base64(&Section::splice_cancel(7));
    check(&format!("#EXT-X-SCTE35:CUE=\"{cancel}\",CUE-OUT=YES"), "Cancel Scte35Tag id=7 signal=splice_insert");
    let cancel = base64(&Section::time_signal(None, [Segmentation::cancel(8)]));
    check(&format!("#EXT-OATCLS-SCTE35:{cancel}"), "Cancel Oatcls id=8 signal=time_signal");
}

/// The kind, id and duration of a time signal with these segments.
fn check_segments(types: &[(u32, u8, Option<u64>)], expect: &str) {
    let line = format!("#EXT-OATCLS-SCTE35:{}", base64(&starts(types)));
    assert_eq!(told(&line).replace(" Oatcls", "").replace(" signal=time_signal", ""), expect, "{types:02X?}");
}

#[test]
fn segmentation_types_open_and_close_breaks() {
    for kind in [0x22, 0x30, 0x32, 0x34, 0x36, 0x38, 0x3A] {
        check_segments(&[(5, kind, Some(60))], "Out id=5 duration=60");
        check_segments(&[(5, kind + 1, Some(60))], "In id=5");
    }
    for kind in [0x00, 0x01, 0x10, 0x11, 0x20, 0x21, 0x24, 0x2F, 0x3C, 0x40, 0x44, 0x50] {
        check_segments(&[(5, kind, Some(60))], "Info id=5");
    }
    check_segments(&[], "Info");
}

#[test]
fn of_several_segments_the_outermost_break_wins() {
    // The programme ends, a break starts, and in it the first opportunity and ad.
    check_segments(
        &[(1, 0x11, None), (4, 0x30, Some(15)), (3, 0x34, Some(60)), (2, 0x22, Some(90))],
        "Out id=2 duration=90",
    );
    // A break without a length has that of the opportunity that starts with it.
    check_segments(&[(2, 0x22, None), (4, 0x30, Some(15)), (3, 0x36, Some(60))], "Out id=2 duration=60");
    // One ad after another, inside one opportunity.
    check_segments(&[(4, 0x31, None), (5, 0x30, Some(15))], "Out id=5 duration=15");
    // The last ad and the break end.
    check_segments(&[(4, 0x31, None), (3, 0x35, None), (2, 0x23, None)], "In id=2");
    // An opportunity ends while an ad starts: the outer one decides.
    check_segments(&[(4, 0x30, Some(15)), (3, 0x35, None)], "In id=3");
    // Provider lies outside distributor; of two alike the first.
    check_segments(&[(6, 0x36, Some(30)), (7, 0x34, Some(40)), (8, 0x34, Some(50))], "Out id=7 duration=40");
}

#[test]
fn a_splice_insert_without_a_length_takes_that_of_its_segment() {
    let mut section = Section::splice_out(7, None, None);
    section.descriptors.push(Descriptor::Segmentation(Segmentation::new(9, 0x34, Some(Ticks(90_000 * 12)))));
    check(&format!("#EXT-OATCLS-SCTE35:{}", base64(&section)), "Out Oatcls id=7 duration=12 signal=splice_insert");
}

#[test]
fn what_policies_look_at_comes_from_the_winning_segment() {
    let cues = decode(&format!("#EXT-OATCLS-SCTE35:{PLACEMENT}")).unwrap().unwrap();
    let [Cue { signal: Some(signal), .. }] = &cues[..] else { panic!("{cues:?}") };
    let expect = Signal {
        command: "time_signal",
        segmentation_type_id: Some(0x34),
        upid: Some("000000002CA0A18A".to_owned()),
        upid_type: Some(8),
        segment_num: Some(2),
        segments_expected: Some(0),
    };
    assert_eq!(*signal, expect);
}

/// Of the cues behind the first: kind, id, duration, segmentation type.
fn check_beside(line: &str, expect: &[(&str, Option<i64>, u8)]) {
    let cues = decode(line).unwrap().unwrap();
    assert!(cues.iter().skip(1).all(|cue| cue.kind == CueKind::Info && cue.dialect == cues[0].dialect), "{cues:?}");
    let beside = cues.iter().skip(1).map(|cue| {
        let kind = cue.signal.as_ref().and_then(|signal| signal.segmentation_type_id).unwrap();
        (cue.id.as_deref().unwrap(), cue.duration.map(|length| length.as_micros() / 1_000_000), kind)
    });
    assert_eq!(beside.collect::<Vec<_>>(), expect, "{line}");
}

#[test]
fn the_other_segments_of_a_message_follow_with_ids_and_lengths_of_their_own() {
    let line = |types| format!("#EXT-OATCLS-SCTE35:{}", base64(&starts(types)));
    check_beside(
        &line(&[(1, 0x11, None), (4, 0x36, Some(15)), (3, 0x34, Some(60)), (2, 0x22, None)]),
        &[("1", None, 0x11), ("4", Some(15), 0x36), ("3", Some(60), 0x34)],
    );
    check_beside(&line(&[(4, 0x31, None), (5, 0x30, Some(15))]), &[("4", None, 0x31)]);
    // An end has no length; of two alike the second is told too.
    check_beside(
        &line(&[(7, 0x34, Some(40)), (6, 0x37, Some(9)), (8, 0x34, Some(50))]),
        &[("6", None, 0x37), ("8", Some(50), 0x34)],
    );
    check_beside(&line(&[(1, 0x10, Some(60)), (2, 0x20, None)]), &[("2", None, 0x20)]);
    check_beside(&line(&[(3, 0x34, Some(60))]), &[]);
    check_beside(&line(&[]), &[]);
}

#[test]
fn a_segment_beside_the_outermost_has_its_own_upid_and_numbers() {
    let mut section = starts(&[(3, 0x34, Some(60))]);
    let mut own = Segmentation::new(4, 0x36, None).with_upid(0x09, "OURS");
    own.segment.as_mut().unwrap().segment_num = 2;
    section.descriptors.insert(0, Descriptor::Segmentation(own));
    let cues = decode(&format!("#EXT-OATCLS-SCTE35:{}", base64(&section))).unwrap().unwrap();
    let signal = Signal {
        command: "time_signal",
        segmentation_type_id: Some(0x36),
        upid: Some("OURS".to_owned()),
        upid_type: Some(9),
        segment_num: Some(2),
        segments_expected: Some(0),
    };
    assert_eq!((cues[0].id.as_deref(), &cues[1].signal), (Some("3"), &Some(signal)));
}

#[test]
fn what_follows_takes_effect_where_its_marker_does() {
    let section = starts(&[(3, 0x34, Some(60)), (4, 0x36, Some(15))]);
    let (base64, hex) = (base64(&section), hex(&section));
    let line = format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-02T03:04:05Z\",SCTE35-OUT={hex}");
    let at = "at=2026-01-02T03:04:05.000Z signal=time_signal";
    assert_eq!(told(&line), format!("Out DateRange id=a duration=60 {at}"));
    assert_eq!(told_beside(&line), [format!("Info DateRange id=4 duration=15 {at}")]);
    // A repeat has begun as long ago as the one that it repeats.
    let line = format!("#EXT-X-CUE-OUT-CONT:ElapsedTime=8,Duration=60,SCTE35={base64}");
    assert_eq!(told_beside(&line), ["Info CueOut id=4 duration=15 elapsed=8 signal=time_signal"]);
    let line = format!("#EXT-X-CUE-OUT-CONT:SCTE35={base64}");
    assert_eq!(told_beside(&line), ["Info CueOut id=4 duration=15 elapsed=0 signal=time_signal"]);
    // Some packagers repeat the message that opened the break where it ends: nothing starts there.
    assert_eq!(told_beside(&format!("#EXT-X-CUE-IN:CUE=\"{base64}\"")), [""; 0]);
    let ends = super::tests::base64(&starts(&[(3, 0x35, None), (4, 0x37, None), (5, 0x30, Some(9))]));
    let beside = ["Info CueOut id=4 signal=time_signal", "Info CueOut id=5 duration=9 signal=time_signal"];
    assert_eq!(told_beside(&format!("#EXT-X-CUE-IN:CUE=\"{ends}\"")), beside);
}

#[test]
fn a_message_tells_a_limited_number_of_segments() {
    let many: Vec<(u32, u8, Option<u64>)> = (0..40).map(|id| (id, 0x30, Some(15))).collect();
    assert_eq!(told_beside(&format!("#EXT-OATCLS-SCTE35:{}", base64(&starts(&many)))).len(), 16);
}

proptest! {
    #[test]
    fn any_line_is_answered_without_panic_and_both_questions_agree(
        line in "#EXT-(X-CUE|X-CUE-OUT|X-CUE-OUT-CONT|OATCLS-SCTE35|X-SCTE35|X-DATERANGE|X-ASSET)(:.{0,80})?|.{0,60}",
    ) {
        prop_assert_eq!(decode(&line).is_some(), is_marker(&line));
    }

    #[test]
    fn any_attributes_are_answered_without_panic(
        items in proptest::collection::vec(
            (
                "DURATION|ELAPSED|CUE|CUE-OUT|TYPE|START-DATE|END-DATE|SCTE35-CMD|SCTE35-IN|CLASS",
                "\"?[0-9A-Fx/+=:.TZ-]{0,30}\"?",
            ),
            0..6,
        ),
        tag in "X-CUE|X-CUE-OUT|X-CUE-OUT-CONT|X-SCTE35|X-DATERANGE",
    ) {
        let list: Vec<_> = items.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!("#EXT-{tag}:{}", list.join(","));
        prop_assert_eq!(decode(&line).is_some(), is_marker(&line));
    }

    #[test]
    fn every_dialect_tells_the_same_break(seconds in 1_u64..7_200, id in 1_u32..) {
        let length = BreakDuration { auto_return: true, length: Ticks(seconds * 90_000) };
        let section = Section::splice_out(id, None, Some(length));
        for line in [
            format!("#EXT-X-CUE-OUT:{seconds},ID={id}"),
            format!("#EXT-X-CUE-OUT:DURATION={seconds}.000,CUE=\"{}\"", base64(&section)),
            format!("#EXT-X-CUE:TYPE=SpliceOut,ID={id},DURATION={seconds}"),
            format!("#EXT-OATCLS-SCTE35:{}", base64(&section)),
            format!("#EXT-X-SPLICEPOINT-SCTE35:{}", base64(&section)),
            format!("#EXT-X-SCTE35:CUE=\"{}\",CUE-OUT=YES", base64(&section)),
            format!("#EXT-X-DATERANGE:ID=\"{id}\",SCTE35-OUT={}", hex(&section)),
            format!("#EXT-X-DATERANGE:ID=\"{id}\",PLANNED-DURATION={seconds},SCTE35-CMD={}", hex(&section)),
        ] {
            let cue = decode(&line).unwrap().unwrap().remove(0);
            let expect = (CueKind::Out, Some(id.to_string()), Some(Span::from_secs(seconds as i64)));
            prop_assert_eq!((cue.kind, cue.id, cue.duration), expect, "{}", line);
        }
    }
}
