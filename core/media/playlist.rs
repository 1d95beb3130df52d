//! Media playlists, without loss: every byte that came in is still there and can be written again.
//!
//! The text is kept once; lines and segments are ranges in it. Knows RFC 8216bis chapter 4.4. Deliberately does not
//! know where the playlist came from, what its cues mean or how it will be stitched.

use std::{ops::Range, sync::Arc};

use super::{
    attributes, datetime,
    tag::{self, Tag},
};
use crate::domain::{Moment, Span};

/// Largest playlist that is read: a day of 2-second segments with long URLs and markers.
pub const MAX_PLAYLIST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    #[error("not an HLS playlist: the first line is not #EXTM3U")]
    NotPlaylist,
    #[error("not UTF-8 (byte {0})")]
    NotUtf8(usize),
    #[error("the playlist has {0} bytes, more than {MAX_PLAYLIST_BYTES}")]
    TooLarge(usize),
    #[error("line {line}: {tag} needs {expected}")]
    BadValue { line: usize, tag: &'static str, expected: &'static str },
    #[error("line {line}: a segment without #EXTINF")]
    NoDuration { line: usize },
    #[error("a multivariant playlist where a media playlist was expected (line {line})")]
    Multivariant { line: usize },
    #[error("no #EXT-X-TARGETDURATION")]
    NoTargetDuration,
    #[error("the playlist skips segments (#EXT-X-SKIP), which was not asked for")]
    Skipped,
}

/// One line: its text without the line end, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    start: u32,
    end: u32,
    pub tag: Tag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistType {
    Vod,
    Event,
}

/// A segment: its tags, its URI, and what the tags say.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its lines in [`MediaPlaylist::lines`], from the first tag to the URI, inclusive.
    pub lines: Range<u32>,
    pub duration: Span,
    pub discontinuity: bool,
    pub date_time: Option<Moment>,
    /// Length and offset of a byte range; the offset is worked out where the tag leaves it to the segment before.
    pub byte_range: Option<(u64, Option<u64>)>,
}

/// A media playlist as it was received.
#[derive(Clone, Debug)]
pub struct MediaPlaylist {
    text: Arc<str>,
    pub lines: Vec<Line>,
    pub segments: Vec<Segment>,
    /// Lines after the last segment's URI.
    pub trailer: Range<u32>,
    pub version: u32,
    pub target_duration: u32,
    pub media_sequence: u64,
    pub discontinuity_sequence: u64,
    pub ended: bool,
    pub playlist_type: Option<PlaylistType>,
    pub i_frames_only: bool,
}

impl MediaPlaylist {
    /// Reads a playlist. BOM and CRLF are accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, PlaylistError> {
        if bytes.len() > MAX_PLAYLIST_BYTES {
            return Err(PlaylistError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| PlaylistError::NotUtf8(error.valid_up_to()))?;
        let lines = split_lines(text);
        Reader::new(text, &lines).read().map(|read| Self { text: text.into(), lines, ..read })
    }

    /// What was received, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn line(&self, line: Line) -> &str {
        &self.text[line.start as usize..line.end as usize]
    }

    /// The lines of a range with their text.
    pub fn lines_in(&self, range: &Range<u32>) -> impl Iterator<Item = (Tag, &str)> {
        let lines = self.lines.get(range.start as usize..range.end as usize).unwrap_or_default();
        lines.iter().map(|line| (line.tag, self.line(*line)))
    }

    /// Playlist-wide lines, in order, wherever they stand.
    pub fn header(&self) -> impl Iterator<Item = (Tag, &str)> {
        let first = self.segments.first().map_or(self.trailer.start, |segment| segment.lines.start) as usize;
        let before = self.lines.iter().take(first);
        let later = self.lines.iter().skip(first).filter(|line| line.tag.is_header());
        before.chain(later).map(|line| (line.tag, self.line(*line)))
    }

    pub fn uri(&self, segment: &Segment) -> &str {
        let last = segment.lines.end.saturating_sub(1) as usize;
        self.lines.get(last).map_or("", |line| self.line(*line))
    }
}

fn split_lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::with_capacity(text.len() / 32);
    let body = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut start = body;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    for end in ends {
        if start > end {
            continue;
        }
        let line = text[start..end].trim_end_matches('\r');
        // Offsets fit: the text is at most MAX_PLAYLIST_BYTES long.
        lines.push(Line { start: start as u32, end: (start + line.len()) as u32, tag: Tag::of(line) });
        start = end + 1;
    }
    lines
}

struct Reader<'a> {
    text: &'a str,
    lines: &'a [Line],
    out: MediaPlaylist,
    seen_target_duration: bool,
    pending: Pending,
    next_range_offset: Option<(String, u64)>,
}

#[derive(Default)]
struct Pending {
    first_line: Option<u32>,
    duration: Option<Span>,
    discontinuity: bool,
    date_time: Option<Moment>,
    byte_range: Option<(u64, Option<u64>)>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, lines: &'a [Line]) -> Self {
        let out = MediaPlaylist {
            text: Arc::from(""),
            lines: Vec::new(),
            segments: Vec::with_capacity(lines.len() / 3),
            trailer: 0..0,
            version: 1,
            target_duration: 0,
            media_sequence: 0,
            discontinuity_sequence: 0,
            ended: false,
            playlist_type: None,
            i_frames_only: false,
        };
        Self { text, lines, out, seen_target_duration: false, pending: Pending::default(), next_range_offset: None }
    }

    fn read(mut self) -> Result<MediaPlaylist, PlaylistError> {
        let first = self.lines.iter().find(|line| line.tag != Tag::Blank);
        if first.is_none_or(|line| line.tag != Tag::ExtM3u) {
            return Err(PlaylistError::NotPlaylist);
        }
        let mut header_is_open = true;
        for (number, line) in self.lines.iter().enumerate() {
            let text = &self.text[line.start as usize..line.end as usize];
            // Unknown lines above the first segment tag speak of the playlist, below of the next segment.
            let neutral = matches!(line.tag, Tag::Other | Tag::Comment | Tag::Blank);
            header_is_open &= neutral || line.tag.is_header();
            let belongs_to_header = line.tag.is_header() || (header_is_open && !crate::media::cue::is_marker(text));
            header_is_open &= belongs_to_header;
            if !belongs_to_header && self.pending.first_line.is_none() {
                self.pending.first_line = Some(number as u32);
            }
            self.take(number, line.tag, text)?;
        }
        if !self.seen_target_duration {
            return Err(PlaylistError::NoTargetDuration);
        }
        let end = self.lines.len() as u32;
        self.out.trailer = self.pending.first_line.unwrap_or(end)..end;
        Ok(self.out)
    }

    fn take(&mut self, number: usize, tag: Tag, text: &str) -> Result<(), PlaylistError> {
        let value = tag::value(text);
        let bad = |tag, expected| PlaylistError::BadValue { line: number + 1, tag, expected };
        match tag {
            Tag::Version => self.out.version = value.trim().parse().unwrap_or(1),
            Tag::TargetDuration => {
                // Some packagers write a decimal; the next whole number is what they mean.
                let span = tag::decimal_seconds(value);
                let span = span.ok_or_else(|| bad("#EXT-X-TARGETDURATION", "a number of seconds"))?;
                self.out.target_duration = u32::try_from((span.as_micros() + 999_999) / 1_000_000).unwrap_or(u32::MAX);
                self.seen_target_duration = true;
            }
            Tag::MediaSequence => {
                self.out.media_sequence =
                    value.trim().parse().map_err(|_| bad("#EXT-X-MEDIA-SEQUENCE", "a whole number"))?;
            }
            Tag::DiscontinuitySequence => {
                self.out.discontinuity_sequence =
                    value.trim().parse().map_err(|_| bad("#EXT-X-DISCONTINUITY-SEQUENCE", "a whole number"))?;
            }
            Tag::PlaylistType => {
                self.out.playlist_type = match value.trim() {
                    "VOD" => Some(PlaylistType::Vod),
                    "EVENT" => Some(PlaylistType::Event),
                    _ => None,
                };
            }
            Tag::EndList => self.out.ended = true,
            Tag::IFramesOnly => self.out.i_frames_only = true,
            Tag::Skip => return Err(PlaylistError::Skipped),
            Tag::StreamInf | Tag::Media => return Err(PlaylistError::Multivariant { line: number + 1 }),
            Tag::Inf => {
                let seconds = value.split(',').next().unwrap_or_default();
                let duration = tag::decimal_seconds(seconds);
                self.pending.duration = Some(duration.ok_or_else(|| bad("#EXTINF", "a decimal number of seconds"))?);
            }
            Tag::Discontinuity => self.pending.discontinuity = true,
            // A date that cannot be read is passed on but not used.
            Tag::ProgramDateTime => self.pending.date_time = datetime::parse(value.trim()).ok(),
            Tag::ByteRange => {
                let (length, offset) = value.split_once('@').map_or((value, None), |(l, o)| (l, Some(o)));
                let number = |text: &str| text.trim().trim_matches('"').parse::<u64>().ok();
                let length = number(length).ok_or_else(|| bad("#EXT-X-BYTERANGE", "length[@offset]"))?;
                self.pending.byte_range = Some((length, offset.and_then(number)));
            }
            Tag::Uri => self.finish_segment(number, text)?,
            _ => {}
        }
        Ok(())
    }

    fn finish_segment(&mut self, number: usize, uri: &str) -> Result<(), PlaylistError> {
        let mut pending = std::mem::take(&mut self.pending);
        let duration = pending.duration.ok_or(PlaylistError::NoDuration { line: number + 1 })?;
        if let Some((length, offset)) = &mut pending.byte_range {
            let follows = self.next_range_offset.as_ref().filter(|(before, _)| before == uri);
            *offset = offset.or(follows.map(|(_, end)| *end));
            self.next_range_offset = offset.map(|start| (uri.to_owned(), start.saturating_add(*length)));
        } else {
            self.next_range_offset = None;
        }
        self.out.segments.push(Segment {
            lines: pending.first_line.unwrap_or(number as u32)..number as u32 + 1,
            duration,
            discontinuity: pending.discontinuity,
            date_time: pending.date_time,
            byte_range: pending.byte_range,
        });
        Ok(())
    }
}

/// The initialisation vector that a key without one implies: the media sequence number (RFC 8216bis 5.2).
pub fn needs_explicit_iv(key_list: &str) -> bool {
    let method = attributes::get(key_list, "METHOD").unwrap_or_default();
    let identity = attributes::get(key_list, "KEYFORMAT").is_none_or(|format| format == "identity");
    matches!(method, "AES-128" | "SAMPLE-AES" | "AES-256") && identity && attributes::get(key_list, "IV").is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIVE: &str = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:6\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n\
        #EXT-X-VENDOR-HEADER:1\r\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\r\n#EXTINF:6.006,Title, with comma\r\n\
        a.ts?x=1\r\n#EXT-X-DATERANGE:ID=\"1\",START-DATE=\"2026-01-01T00:00:06Z\"\r\n#EXT-X-DATERANGE:ID=\"2\",\
        START-DATE=\"2026-01-01T00:00:06Z\"\r\n#EXT-X-DISCONTINUITY\r\n#EXTINF:6,\r\nb.ts\r\n#EXT-X-PART:DURATION=1,URI=\"c1.ts\"\r\n";

    #[test]
    fn every_byte_survives() {
        let playlist = MediaPlaylist::parse(LIVE.as_bytes()).expect("valid");
        assert_eq!(playlist.text(), LIVE);
        let covered: usize = playlist.lines.iter().map(|line| playlist.line(*line).len() + 2).sum();
        assert_eq!(covered, LIVE.len() - '\u{feff}'.len_utf8() + 2);
    }

    #[test]
    fn segments_know_their_tags() {
        let playlist = MediaPlaylist::parse(LIVE.as_bytes()).expect("valid");
        let [first, second] = &playlist.segments[..] else { panic!("two segments") };
        assert_eq!(playlist.uri(first), "a.ts?x=1");
        assert_eq!(first.duration, Span(6_006_000));
        assert!(second.discontinuity && !first.discontinuity);
        assert_eq!(playlist.lines_in(&second.lines).filter(|(tag, _)| *tag == Tag::DateRange).count(), 2);
        assert_eq!(playlist.lines_in(&playlist.trailer).filter(|(tag, _)| *tag == Tag::Part).count(), 1);
        assert!(playlist.header().any(|(_, line)| line == "#EXT-X-VENDOR-HEADER:1"));
    }

    #[test]
    fn byte_ranges_continue_where_the_last_one_ended() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n#EXT-X-BYTERANGE:10@5\na\n#EXTINF:6,\n#EXT-X-BYTERANGE:20\na\n#EXTINF:6,\n#EXT-X-BYTERANGE:1\nb\n";
        let playlist = MediaPlaylist::parse(text.as_bytes()).expect("valid");
        let ranges: Vec<_> = playlist.segments.iter().filter_map(|segment| segment.byte_range).collect();
        assert_eq!(ranges, [(10, Some(5)), (20, Some(15)), (1, None)]);
    }

    #[test]
    fn what_is_not_a_media_playlist_is_refused_with_the_line() {
        for (text, expect) in [
            ("", "first line"),
            ("<html>", "first line"),
            ("#EXTM3U\n", "TARGETDURATION"),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "line 2"),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:6\nseg.ts\n", "line 3"),
            ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", "multivariant"),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:abc,\nseg.ts\n", "line 3"),
        ] {
            let error = MediaPlaylist::parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(expect), "{text:?}: {error}");
        }
    }

    #[test]
    fn implicit_ivs_are_recognised() {
        assert!(needs_explicit_iv(r#"METHOD=AES-128,URI="k""#));
        assert!(!needs_explicit_iv(r#"METHOD=AES-128,URI="k",IV=0x1"#));
        assert!(!needs_explicit_iv("METHOD=NONE"));
        assert!(!needs_explicit_iv(r#"METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="com.apple.streamingkeydelivery""#));
    }

    /// Lines of real playlists in any order: what a packager's bug might send.
    fn jumbled() -> impl Strategy<Value = String> {
        let lines = [
            "#EXTM3U",
            "#EXT-X-TARGETDURATION:6",
            "#EXTINF:6,",
            "a.ts",
            "#EXT-X-BYTERANGE:5",
            "#EXT-X-BYTERANGE:5@9",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"",
            "#EXT-X-MAP:URI=\"m\"",
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-ENDLIST",
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z",
            "#EXT-X-CUE-OUT:30",
            "",
            "\r",
            "#",
            "#EXT-X-MEDIA-SEQUENCE:18446744073709551615",
        ];
        prop::collection::vec(prop::sample::select(lines.to_vec()), 0..40).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in jumbled(), noise in ".{0,60}") {
            for text in [format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{text}"), format!("{text}\n{noise}"), noise.clone()] {
                if let Ok(playlist) = MediaPlaylist::parse(text.as_bytes()) {
                    prop_assert_eq!(playlist.text(), text.as_str());
                }
            }
        }
    }
}
