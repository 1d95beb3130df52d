//! A packager made up of numbers: any window of an endless channel, in any of the shapes that packagers produce.

use std::fmt::Write as _;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DateTags {
    Every,
    First,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Encryption {
    None,
    ImplicitIv,
    /// A new key each seven segments.
    Rotating,
    TwoFormats,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packaging {
    MuxedTs,
    /// fMP4 with audio and subtitles apart.
    SeparateFmp4,
}

/// In segments. `announced` longer than `length` with a closing cue: the origin ends the break early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Break {
    pub start: usize,
    pub length: usize,
    pub announced: usize,
}

#[derive(Clone, Debug)]
pub struct Origin {
    /// Microseconds.
    pub segment: i64,
    /// Segments in a live window.
    pub window: usize,
    pub dates: DateTags,
    pub keys: Encryption,
    pub packaging: Packaging,
    pub breaks: Vec<Break>,
    pub discontinuities: Vec<usize>,
    pub first_number: u64,
    /// Breaks end with CUE-IN.
    pub closing_cue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Video,
    Audio,
    Subtitles,
}

pub const EPOCH: i64 = 1_767_225_600_000_000;

impl Origin {
    pub fn kinds(&self) -> &'static [Kind] {
        match self.packaging {
            Packaging::MuxedTs => &[Kind::Video],
            Packaging::SeparateFmp4 => &[Kind::Video, Kind::Audio, Kind::Subtitles],
        }
    }

    pub fn start_of(&self, index: usize) -> i64 {
        EPOCH + index as i64 * self.segment
    }

    /// Audio segments end up to a frame late, but never drift.
    pub fn duration(&self, kind: Kind, index: usize) -> i64 {
        let wobble = |n: usize| if kind == Kind::Audio { (n as i64 * 7_919) % 21_333 } else { 0 };
        self.segment + wobble(index + 1) - wobble(index)
    }

    pub fn target_duration(&self) -> i64 {
        (self.segment + 40_000 + 500_000) / 1_000_000
    }

    /// Media sequence numbers are each rendition's own.
    pub fn number(&self, kind: Kind, index: usize) -> u64 {
        let own = if kind == Kind::Audio { 500 } else { 0 };
        self.first_number + own + index as u64
    }

    pub fn key_lines(&self, index: usize) -> Vec<String> {
        match self.keys {
            Encryption::None => vec![],
            Encryption::ImplicitIv => vec!["#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example.com/1\"".into()],
            Encryption::Rotating => {
                let n = index / 7;
                vec![format!("#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example.com/{n}\",IV=0x{n:032x}")]
            }
            Encryption::TwoFormats => vec![
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://1\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"".into(),
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,AA==\",KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",IV=0x01".into(),
            ],
        }
    }

    pub fn is_discontinuity(&self, index: usize) -> bool {
        self.discontinuities.contains(&index)
    }

    /// The playlist of segments `from..to`; `vod` closes it.
    pub fn playlist(&self, kind: Kind, from: usize, to: usize, vod: bool) -> String {
        let before = self.discontinuities.iter().collect::<std::collections::BTreeSet<_>>();
        let before = before.into_iter().filter(|index| **index < from).count();
        let mut out = format!(
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{before}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            self.target_duration(),
            self.number(kind, from)
        );
        if vod {
            out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        let mut keys = Vec::new();
        for index in from..to {
            if self.is_discontinuity(index) {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            let now = self.key_lines(index);
            if now != keys {
                keys = now;
                for line in &keys {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            if self.packaging == Packaging::SeparateFmp4 && kind != Kind::Subtitles && index == from {
                out.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
            }
            let dated = self.dates == DateTags::Every || (self.dates == DateTags::First && index == from);
            if dated && kind != Kind::Subtitles {
                let at = cuetone::domain::Moment(self.start_of(index));
                let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", cuetone::media::datetime::format(at));
            }
            if kind == Kind::Video {
                for ad_break in &self.breaks {
                    if ad_break.start == index {
                        let seconds = (ad_break.announced as i64 * self.segment) as f64 / 1e6;
                        let _ = writeln!(out, "#EXT-X-CUE-OUT:{seconds}");
                    }
                    if ad_break.start + ad_break.length == index && self.closing_cue {
                        out.push_str("#EXT-X-CUE-IN\n");
                    }
                }
            }
            let micros = self.duration(kind, index);
            let _ = writeln!(out, "#EXTINF:{}.{:06},title, {index}", micros / 1_000_000, micros % 1_000_000);
            let _ = writeln!(out, "{}-{index}.{}?q=1", kind.name(), kind.ending(self.packaging));
        }
        if vod {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitles => "text",
        }
    }

    fn ending(self, packaging: Packaging) -> &'static str {
        match (self, packaging) {
            (Self::Subtitles, _) => "vtt",
            (_, Packaging::MuxedTs) => "ts",
            (_, Packaging::SeparateFmp4) => "m4s",
        }
    }
}
