//! The tags of RFC 8216bis that a stitcher has to understand. Everything else is [`Tag::Other`] and passes untouched.
//!
//! Knows names only; values are read by whoever needs them.

/// What a playlist line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    ExtM3u,
    Version,
    TargetDuration,
    MediaSequence,
    DiscontinuitySequence,
    EndList,
    PlaylistType,
    IFramesOnly,
    /// A playlist-wide tag that passes untouched: PART-INF, START, INDEPENDENT-SEGMENTS …
    Header,
    ServerControl,
    Define,
    Inf,
    Discontinuity,
    ProgramDateTime,
    Key,
    Map,
    ByteRange,
    DateRange,
    Gap,
    Part,
    PreloadHint,
    RenditionReport,
    Skip,
    StreamInf,
    Media,
    IFrameStreamInf,
    SessionKey,
    SessionData,
    ContentSteering,
    /// An unknown tag.
    Other,
    Comment,
    Blank,
    Uri,
}

impl Tag {
    /// What `line` is; the line comes without its end.
    pub fn of(line: &str) -> Self {
        let bytes = line.as_bytes();
        match bytes.first() {
            None => return Self::Blank,
            Some(b'#') => {}
            Some(_) if line.trim().is_empty() => return Self::Blank,
            Some(_) => return Self::Uri,
        }
        if !bytes.starts_with(b"#EXT") {
            return Self::Comment;
        }
        let name = line.split_once(':').map_or(line, |(name, _)| name).trim_end();
        match name {
            "#EXTM3U" => Self::ExtM3u,
            "#EXTINF" => Self::Inf,
            "#EXT-X-VERSION" => Self::Version,
            "#EXT-X-TARGETDURATION" => Self::TargetDuration,
            "#EXT-X-MEDIA-SEQUENCE" => Self::MediaSequence,
            "#EXT-X-DISCONTINUITY-SEQUENCE" => Self::DiscontinuitySequence,
            "#EXT-X-ENDLIST" => Self::EndList,
            "#EXT-X-PLAYLIST-TYPE" => Self::PlaylistType,
            "#EXT-X-I-FRAMES-ONLY" => Self::IFramesOnly,
            "#EXT-X-PART-INF" | "#EXT-X-START" | "#EXT-X-INDEPENDENT-SEGMENTS" | "#EXT-X-ALLOW-CACHE" => Self::Header,
            "#EXT-X-SERVER-CONTROL" => Self::ServerControl,
            "#EXT-X-DEFINE" => Self::Define,
            "#EXT-X-DISCONTINUITY" => Self::Discontinuity,
            "#EXT-X-PROGRAM-DATE-TIME" => Self::ProgramDateTime,
            "#EXT-X-KEY" => Self::Key,
            "#EXT-X-MAP" => Self::Map,
            "#EXT-X-BYTERANGE" => Self::ByteRange,
            "#EXT-X-DATERANGE" => Self::DateRange,
            "#EXT-X-GAP" => Self::Gap,
            "#EXT-X-PART" => Self::Part,
            "#EXT-X-PRELOAD-HINT" => Self::PreloadHint,
            "#EXT-X-RENDITION-REPORT" => Self::RenditionReport,
            "#EXT-X-SKIP" => Self::Skip,
            "#EXT-X-STREAM-INF" => Self::StreamInf,
            "#EXT-X-MEDIA" => Self::Media,
            "#EXT-X-I-FRAME-STREAM-INF" => Self::IFrameStreamInf,
            "#EXT-X-SESSION-KEY" => Self::SessionKey,
            "#EXT-X-SESSION-DATA" => Self::SessionData,
            "#EXT-X-CONTENT-STEERING" => Self::ContentSteering,
            _ => Self::Other,
        }
    }

    /// Whether the tag says something about the playlist as a whole.
    pub fn is_header(self) -> bool {
        matches!(
            self,
            Self::ExtM3u
                | Self::Version
                | Self::TargetDuration
                | Self::MediaSequence
                | Self::DiscontinuitySequence
                | Self::PlaylistType
                | Self::IFramesOnly
                | Self::Header
                | Self::ServerControl
                | Self::Define
        )
    }
}

/// What stands after the tag's colon; empty if nothing does.
pub fn value(line: &str) -> &str {
    line.split_once(':').map_or("", |(_, value)| value)
}

/// A decimal number of seconds in exact microseconds; further digits are rounded. `None` for anything else.
pub fn decimal_seconds(text: &str) -> Option<crate::domain::Span> {
    /// A day: no segment is longer, and sums of a full playlist stay far from overflow.
    const MAX_SECONDS: i64 = 86_400;
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let seconds: i64 = if whole.is_empty() { 0 } else { whole.parse().ok().filter(|s| *s <= MAX_SECONDS)? };
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + fraction.as_bytes().get(place).map_or(0, |d| i64::from(d - b'0'));
    }
    let round_up = fraction.as_bytes().get(6).is_some_and(|d| *d >= b'5');
    Some(crate::domain::Span(seconds * 1_000_000 + micros + i64::from(round_up)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Span;

    #[test]
    fn seconds_are_read_exactly() {
        for (text, expect) in [
            ("6", Some(6_000_000)),
            ("5.994", Some(5_994_000)),
            ("10.0106666", Some(10_010_667)),
            (".5", Some(500_000)),
            ("6.", Some(6_000_000)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(decimal_seconds(text), expect.map(Span), "{text}");
        }
    }

    #[test]
    fn lines_are_told_apart() {
        for (line, tag) in [
            ("", Tag::Blank),
            ("seg.ts", Tag::Uri),
            ("# note", Tag::Comment),
            ("#EXTINF:6,title, with comma", Tag::Inf),
            ("#EXT-X-DISCONTINUITY", Tag::Discontinuity),
            ("#EXT-X-DISCONTINUITY-SEQUENCE:4", Tag::DiscontinuitySequence),
            ("#EXT-X-VENDOR:1", Tag::Other),
        ] {
            assert_eq!(Tag::of(line), tag, "{line}");
        }
    }
}
