//! Multivariant playlists, line by line: what a stitcher rewrites is understood, the rest passes untouched.
//!
//! m3u8-rs drops unknown tags, comments and the order of lines here, so this is our own scanner; m3u8-rs reads our
//! output in the tests. Deliberately does not know sessions or ads.

use std::borrow::Cow;

use url::Url;

use super::{
    attributes,
    playlist::{MAX_PLAYLIST_BYTES, PlaylistError},
    tag::{self, Tag},
    uri::{self, Variables},
};

/// More renditions than any real ladder has; keeps the table of a hostile origin small.
pub const MAX_RENDITIONS: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenditionKind {
    /// A variant stream: video, or audio alone, possibly muxed.
    Variant,
    Audio,
    Subtitles,
}

/// One media playlist that the multivariant playlist names.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    pub kind: RenditionKind,
    /// Absolute address.
    pub url: Url,
    pub bandwidth: u64,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    pub codecs: Vec<String>,
    /// The audio group that a variant uses, or that an audio rendition is in.
    pub audio_group: Option<String>,
    pub language: Option<String>,
    pub default: bool,
}

/// A multivariant playlist: its renditions and the text to answer with.
#[derive(Clone, Debug)]
pub struct Multivariant {
    /// In order of appearance, each address once.
    pub renditions: Vec<Rendition>,
    /// Groups of EXT-X-MEDIA TYPE=AUDIO whose members have media playlists of their own.
    pub separate_audio: Vec<String>,
    pub variables: Variables,
    pieces: Vec<Piece>,
}

/// The text around the rendition URIs.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Rendition(usize),
}

impl Multivariant {
    /// Reads the playlist found at `base`.
    pub fn parse(bytes: &[u8], base: &Url) -> Result<Self, PlaylistError> {
        if bytes.len() > MAX_PLAYLIST_BYTES {
            return Err(PlaylistError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| PlaylistError::NotUtf8(error.valid_up_to()))?;
        let text = text.trim_start_matches('\u{feff}');
        if !text.trim_start().starts_with("#EXTM3U") {
            return Err(PlaylistError::NotPlaylist);
        }
        let mut out = Self {
            renditions: Vec::new(),
            separate_audio: Vec::new(),
            variables: Variables::new(),
            pieces: Vec::new(),
        };
        let mut stream_inf: Option<(usize, String)> = None;
        for (number, raw) in text.lines().enumerate() {
            let line = raw.trim_end_matches('\r');
            match Tag::of(line) {
                Tag::Define => out.take_define(line, base),
                // Trick-play playlists list byte ranges of the origin's own frames; they cannot show ads.
                Tag::IFrameStreamInf => {}
                // A steering server would send players back to the origin's own addresses.
                Tag::ContentSteering => {}
                Tag::Media => out.take_media(line, base)?,
                Tag::StreamInf => {
                    let line = uri::substitute(line, &out.variables).into_owned();
                    stream_inf = Some((number, line));
                }
                Tag::Uri => match stream_inf.take() {
                    Some((_, inf)) => out.take_variant(&inf, line, base)?,
                    None => return Err(PlaylistError::NoDuration { line: number + 1 }),
                },
                Tag::Inf | Tag::TargetDuration => {
                    return Err(PlaylistError::BadValue {
                        line: number + 1,
                        tag: "a media playlist's tag",
                        expected: "to stand in a media playlist, not beside variants",
                    });
                }
                Tag::SessionKey | Tag::SessionData => {
                    let line = uri::substitute(line, &out.variables).into_owned();
                    out.push_line(&uri::absolute_attribute(&line, base));
                }
                _ => out.push_line(&uri::substitute(line, &out.variables.clone())),
            }
        }
        if out.renditions.iter().all(|rendition| rendition.kind != RenditionKind::Variant) {
            return Err(PlaylistError::BadValue {
                line: 1,
                tag: "a multivariant playlist",
                expected: "at least one #EXT-X-STREAM-INF",
            });
        }
        Ok(out)
    }

    /// What a media playlist that stands alone is wrapped in.
    pub fn wrapper(media: &Url) -> Self {
        let variant = Rendition {
            kind: RenditionKind::Variant,
            url: media.clone(),
            bandwidth: 1,
            resolution: None,
            codecs: Vec::new(),
            audio_group: None,
            language: None,
            default: true,
        };
        let text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:BANDWIDTH=1\n".to_owned();
        let pieces = vec![Piece::Text(text), Piece::Rendition(0), Piece::Text("\n".to_owned())];
        Self { renditions: vec![variant], separate_audio: Vec::new(), variables: Variables::new(), pieces }
    }

    /// Whether a variant's sound comes from a rendition of its own.
    pub fn has_separate_audio(&self, rendition: &Rendition) -> bool {
        rendition.audio_group.as_ref().is_some_and(|group| self.separate_audio.contains(group))
    }

    /// The playlist with each rendition's URI as `address` gives it.
    pub fn render(&self, mut address: impl FnMut(usize, &mut String)) -> String {
        let mut out = String::with_capacity(1024);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Rendition(index) => address(*index, &mut out),
            }
        }
        out
    }

    fn take_define(&mut self, line: &str, base: &Url) {
        let none = Variables::new();
        uri::define(&mut self.variables, tag::value(line), &none, base);
        // QUERYPARAM would look at our address, which does not have the parameter: say the value outright.
        if let Some(name) = attributes::get(tag::value(line), "QUERYPARAM") {
            let value = self.variables.get(name).cloned().unwrap_or_default();
            self.push_line(&format!("#EXT-X-DEFINE:NAME=\"{name}\",VALUE=\"{value}\""));
        } else {
            self.push_line(line);
        }
    }

    fn take_media(&mut self, line: &str, base: &Url) -> Result<(), PlaylistError> {
        let line = uri::substitute(line, &self.variables).into_owned();
        let list = tag::value(&line);
        let kind = match attributes::get(list, "TYPE") {
            Some("AUDIO") => Some(RenditionKind::Audio),
            Some("SUBTITLES") => Some(RenditionKind::Subtitles),
            // Alternative video angles pass as variants do.
            Some("VIDEO") => Some(RenditionKind::Variant),
            _ => None,
        };
        let (Some(kind), Some(range)) = (kind, attributes::value_range(list, "URI")) else {
            self.push_line(&line);
            return Ok(());
        };
        let group = attributes::get(list, "GROUP-ID").map(str::to_owned);
        if kind == RenditionKind::Audio
            && let Some(group) = &group
        {
            self.separate_audio.push(group.clone());
        }
        let rendition = Rendition {
            kind,
            url: join(base, &list[range.clone()])?,
            bandwidth: 0,
            resolution: None,
            codecs: Vec::new(),
            audio_group: group.filter(|_| kind == RenditionKind::Audio),
            language: attributes::get(list, "LANGUAGE").map(str::to_owned),
            default: attributes::get(list, "DEFAULT") == Some("YES"),
        };
        let index = self.rendition(rendition)?;
        let offset = line.len() - list.len();
        self.push_text(&line[..offset + range.start]);
        self.pieces.push(Piece::Rendition(index));
        self.push_line(&line[offset + range.end..]);
        Ok(())
    }

    fn take_variant(&mut self, inf: &str, address: &str, base: &Url) -> Result<(), PlaylistError> {
        let list = tag::value(inf);
        let address = uri::substitute(address, &self.variables).into_owned();
        let resolution = attributes::get(list, "RESOLUTION").and_then(|text| {
            let (width, height) = text.split_once(['x', 'X'])?;
            Some((width.parse().ok()?, height.parse().ok()?))
        });
        let codecs = attributes::get(list, "CODECS").unwrap_or_default();
        let rendition = Rendition {
            kind: RenditionKind::Variant,
            url: join(base, &address)?,
            bandwidth: attributes::get(list, "BANDWIDTH").and_then(|text| text.parse().ok()).unwrap_or(0),
            resolution,
            codecs: codecs.split(',').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect(),
            audio_group: attributes::get(list, "AUDIO").map(str::to_owned),
            language: None,
            default: false,
        };
        let index = self.rendition(rendition)?;
        self.push_line(inf);
        self.pieces.push(Piece::Rendition(index));
        self.push_text("\n");
        Ok(())
    }

    fn rendition(&mut self, rendition: Rendition) -> Result<usize, PlaylistError> {
        if let Some(known) = self.renditions.iter().position(|r| r.url == rendition.url && r.kind == rendition.kind) {
            return Ok(known);
        }
        if self.renditions.len() >= MAX_RENDITIONS {
            return Err(PlaylistError::BadValue { line: 1, tag: "a playlist", expected: "at most 128 renditions" });
        }
        self.renditions.push(rendition);
        Ok(self.renditions.len() - 1)
    }

    fn push_line(&mut self, line: &str) {
        self.push_text(line);
        self.push_text("\n");
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

/// Whether the text is a multivariant playlist: the first telling tag decides.
pub fn is_multivariant(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes.get(..64 * 1024).unwrap_or(bytes));
    let telling = text.lines().map(|line| Tag::of(line.trim_end_matches('\r'))).find_map(|tag| match tag {
        Tag::StreamInf | Tag::Media | Tag::IFrameStreamInf | Tag::SessionKey => Some(true),
        Tag::Inf | Tag::TargetDuration | Tag::MediaSequence => Some(false),
        _ => None,
    });
    telling.unwrap_or(false)
}

fn join(base: &Url, address: &str) -> Result<Url, PlaylistError> {
    base.join(address).map_err(|_| PlaylistError::BadValue { line: 1, tag: "a URI", expected: "to be a valid address" })
}

/// The family of a codec string: `avc1.64001f` and `avc3.…` play in the same decoder, `hvc1` does not.
pub fn codec_family(codec: &str) -> Cow<'_, str> {
    let fourcc = codec.split('.').next().unwrap_or(codec);
    match fourcc {
        "avc1" | "avc3" => "avc".into(),
        "hvc1" | "hev1" => "hevc".into(),
        "dvh1" | "dvhe" => "dolby-vision".into(),
        "mp4a" => {
            // mp4a.40.34 and mp4a.6B are MP3; the rest is AAC.
            let mp3 = codec.eq_ignore_ascii_case("mp4a.40.34") || codec.eq_ignore_ascii_case("mp4a.6b");
            if mp3 { "mp3".into() } else { "aac".into() }
        }
        other => other.to_ascii_lowercase().into(),
    }
}

/// Whether a codec family carries pictures.
pub fn is_video(family: &str) -> bool {
    matches!(family, "avc" | "hevc" | "dolby-vision" | "av01" | "vp09" | "vp08" | "mp4v" | "vvc1" | "vvi1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-DEFINE:NAME=\"q\",VALUE=\"t=1\"\n# a comment\n#EXT-X-VENDOR:keep\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English, main\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"a/en.m3u8\",X-ODD=\"1,2\"\n\
        #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"CC\",INSTREAM-ID=\"CC1\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"a\"\nv/360.m3u8?{$q}\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240,CODECS=\"avc1.42e01e,mp4a.40.2\",AUDIO=\"a\"\nv/240.m3u8\n";

    fn parsed() -> Multivariant {
        let base = Url::parse("https://cdn.example.com/x/master.m3u8").expect("valid");
        Multivariant::parse(MASTER.as_bytes(), &base).expect("valid")
    }

    #[test]
    fn only_rendition_uris_change_and_trick_play_goes() {
        let text = parsed().render(|index, out| out.push_str(&format!("r{index}.m3u8")));
        let expect = MASTER
            .replace("a/en.m3u8", "r0.m3u8")
            .replace("v/360.m3u8?{$q}", "r1.m3u8")
            .replace("v/240.m3u8", "r2.m3u8")
            .replace("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n", "");
        assert_eq!(text, expect);
    }

    #[test]
    fn an_independent_reader_agrees() {
        let text = parsed().render(|index, out| out.push_str(&format!("r{index}.m3u8")));
        let read = m3u8_rs::parse_master_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
        assert_eq!(read.variants.len(), 2);
        assert_eq!(read.alternatives[0].uri.as_deref(), Some("r0.m3u8"));
    }

    #[test]
    fn renditions_know_what_a_ladder_needs() {
        let playlist = parsed();
        assert_eq!(playlist.renditions.len(), 3);
        assert_eq!(playlist.renditions[1].url.as_str(), "https://cdn.example.com/x/v/360.m3u8?t=1");
        assert_eq!(playlist.renditions[1].resolution, Some((640, 360)));
        assert!(playlist.has_separate_audio(&playlist.renditions[1]));
        assert_eq!(codec_family("avc1.64001f"), codec_family("avc3.4d401f"));
    }

    #[test]
    fn kinds_of_playlist_are_told_apart() {
        assert!(is_multivariant(MASTER.as_bytes()));
        assert!(!is_multivariant(b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n"));
        assert!(!is_multivariant(b"<html>"));
    }
}
