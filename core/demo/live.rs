//! An endless live channel made from a looping minute of media.
//!
//! A window is a pure function of the time: every segment has a number that never changes its meaning, so that any
//! two requests agree and a restart of the server goes unnoticed. It knows no files and no HTTP.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::splice;
use crate::domain::Moment;

/// Length of every segment in `examples/media/live`.
pub const SEGMENT_SECONDS: i64 = 2;
/// Segments in the loop.
pub const LOOP_SEGMENTS: i64 = 30;
/// Segments in a playlist: 20 s, enough for players that start three segments behind the live edge.
pub const WINDOW_SEGMENTS: i64 = 10;
/// The loop's one break covers the segments from this one …
const BREAK_FIRST: i64 = 15;
/// … up to but without this one: 20 s.
const BREAK_END: i64 = 25;

/// Whether a channel announces its breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markers {
    Announced,
    None,
}

/// The media playlist of one rendition at `now`. Segment URIs are relative: `07.ts`.
///
/// The newest segment is the last one that lies wholly in the past. Number `n` covers the seconds `2n` to `2n + 2`
/// since the epoch.
pub fn playlist(now: Moment, markers: Markers) -> String {
    let end = now.as_secs().div_euclid(SEGMENT_SECONDS).max(WINDOW_SEGMENTS);
    let first = end - WINDOW_SEGMENTS;
    // The loop starts anew, with a discontinuity, before each multiple of LOOP_SEGMENTS; those before `first` are gone.
    let discontinuities = (first - 1).div_euclid(LOOP_SEGMENTS).max(0);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    for number in first..end {
        segment(&mut text, number, markers);
    }
    text
}

fn segment(text: &mut String, number: i64, markers: Markers) {
    let place = number.rem_euclid(LOOP_SEGMENTS);
    if place == 0 && number > 0 {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", date(number));
    if markers == Markers::Announced {
        markers_before(text, number, place);
    }
    let _ = writeln!(text, "#EXTINF:{SEGMENT_SECONDS}.000000,\n{place:02}.ts");
}

fn markers_before(text: &mut String, number: i64, place: i64) {
    let seconds = (BREAK_END - BREAK_FIRST) * SEGMENT_SECONDS;
    let written = match place {
        BREAK_FIRST => {
            let event = splice_event_id(number);
            writeln!(
                text,
                "#EXT-X-DATERANGE:ID=\"break-{event}\",START-DATE=\"{}\",PLANNED-DURATION={seconds}.000,SCTE35-OUT={}\n\
                 #EXT-X-CUE-OUT:{seconds}.000",
                date(number),
                splice::out_of_network(event, seconds)
            )
        }
        place if place > BREAK_FIRST && place < BREAK_END => {
            let elapsed = (place - BREAK_FIRST) * SEGMENT_SECONDS;
            writeln!(text, "#EXT-X-CUE-OUT-CONT:{elapsed}.000/{seconds}.000")
        }
        BREAK_END => writeln!(text, "#EXT-X-CUE-IN"),
        _ => Ok(()),
    };
    let _ = written;
}

/// One event id per turn of the loop; it fits 32 bits for the next thousands of years.
fn splice_event_id(number: i64) -> u32 {
    u32::try_from(number.div_euclid(LOOP_SEGMENTS)).unwrap_or(0)
}

fn date(number: i64) -> String {
    let start = Timestamp::from_second(number.saturating_mul(SEGMENT_SECONDS)).unwrap_or(Timestamp::UNIX_EPOCH);
    start.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-06-01T00:00:00Z, where a loop starts.
    const LOOP_START: i64 = 1_748_736_000;

    fn at(second: i64) -> String {
        playlist(Moment(second * 1_000_000), Markers::Announced)
    }

    fn value<'a>(text: &'a str, tag: &str) -> &'a str {
        text.lines().find_map(|line| line.strip_prefix(tag)).expect(tag)
    }

    #[test]
    fn the_newest_segment_lies_wholly_in_the_past() {
        let text = at(LOOP_START + 41);
        assert!(text.ends_with("19.ts\n"), "{text}");
        assert_eq!(value(&text, "#EXT-X-MEDIA-SEQUENCE:"), ((LOOP_START + 20) / 2).to_string());
        assert_eq!(value(&text, "#EXT-X-PROGRAM-DATE-TIME:"), "2025-06-01T00:00:20.000Z");
    }

    #[test]
    fn a_discontinuity_is_counted_when_it_leaves_the_window_and_not_before() {
        let count =
            |second| value(&at(LOOP_START + second), "#EXT-X-DISCONTINUITY-SEQUENCE:").parse::<i64>().expect("int");
        // At 20 s the loop's first segment is the window's first: its tag is still there.
        assert!(at(LOOP_START + 20).contains("#EXT-X-DISCONTINUITY\n"));
        assert!(!at(LOOP_START + 22).contains("#EXT-X-DISCONTINUITY\n"));
        assert_eq!(count(20), count(2));
        assert_eq!(count(22), count(20) + 1);
    }

    #[test]
    fn a_segment_keeps_its_number_uri_date_and_markers_on_every_refresh() {
        let mut seen = std::collections::BTreeMap::new();
        for second in 0..150 {
            let text = at(LOOP_START + second);
            let first: i64 = value(&text, "#EXT-X-MEDIA-SEQUENCE:").parse().expect("int");
            let body = text.split_once("#EXT-X-INDEPENDENT-SEGMENTS\n").expect("header").1;
            for (index, chunk) in body.split_inclusive(".ts\n").enumerate() {
                let number = first + i64::try_from(index).expect("small");
                assert_eq!(seen.entry(number).or_insert_with(|| chunk.to_owned()), chunk);
            }
        }
        assert_eq!(seen.len(), 84);
    }

    #[test]
    fn a_break_is_opened_continued_and_closed_and_the_plain_channel_is_silent() {
        let opening = at(LOOP_START + 40);
        assert!(opening.contains("#EXT-X-CUE-OUT:20.000\n#EXTINF"), "{opening}");
        assert!(opening.contains("PLANNED-DURATION=20.000,SCTE35-OUT=0xFC"), "{opening}");
        assert!(opening.contains("#EXT-X-CUE-OUT-CONT:8.000/20.000\n"), "{opening}");
        assert!(at(LOOP_START + 52).contains("#EXT-X-CUE-IN\n"));
        let plain = playlist(Moment((LOOP_START + 40) * 1_000_000), Markers::None);
        assert!(!plain.contains("CUE") && !plain.contains("DATERANGE"), "{plain}");
    }
}
