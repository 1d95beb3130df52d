//! An ad's creative as a ladder of rungs, and which rung fits which rendition of a channel.
//!
//! Deliberately does not know where the playlists came from or who chose the ad.

use std::{fmt, sync::Arc};

use url::Url;

use super::track::Container;
use crate::{
    domain::Span,
    media::{
        multivariant::{Multivariant, Rendition, RenditionKind, codec_family, is_video},
        playlist::MediaPlaylist,
        tag::{self, Tag},
        uri::{self, Variables},
    },
};

/// What a rendition of the channel asks of an ad.
#[derive(Clone, Debug, PartialEq)]
pub struct RenditionSpec {
    pub kind: RenditionKind,
    pub container: Container,
    pub bandwidth: u64,
    pub resolution: Option<(u32, u32)>,
    /// Codec families; empty when the origin does not say.
    pub codecs: Vec<String>,
    /// Sound comes from an audio rendition.
    pub separate_audio: bool,
    pub language: Option<String>,
}

impl RenditionSpec {
    pub fn new(rendition: &Rendition, container: Container, separate_audio: bool) -> Self {
        Self {
            kind: rendition.kind,
            container,
            bandwidth: rendition.bandwidth,
            resolution: rendition.resolution,
            codecs: rendition.codecs.iter().map(|codec| codec_family(codec).into_owned()).collect(),
            separate_audio,
            language: rendition.language.clone(),
        }
    }

    fn video_codec(&self) -> Option<&str> {
        self.codecs.iter().map(String::as_str).find(|family| is_video(family))
    }

    fn audio_codec(&self) -> Option<&str> {
        self.codecs.iter().map(String::as_str).find(|family| !is_video(family))
    }

    fn is_audio_only(&self) -> bool {
        self.kind == RenditionKind::Audio || (!self.codecs.is_empty() && self.video_codec().is_none())
    }
}

/// Why an ad cannot be shown on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    Container(Container),
    Codec(String),
    SeparateAudio,
    MuxedAudio,
    SegmentTooLong { seconds: i64, target: u32 },
    Encrypted,
    Empty,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(container) => write!(f, "no rendition in {}", container.as_str()),
            Self::Codec(codec) => write!(f, "no rendition in codec {codec}"),
            Self::SeparateAudio => f.write_str("no rendition with a separate audio playlist, as the channel has"),
            Self::MuxedAudio => f.write_str("no rendition with sound and picture together, as the channel has"),
            Self::SegmentTooLong { seconds, target } => {
                write!(f, "a segment of {seconds} s is longer than the channel's target duration of {target} s")
            }
            Self::Encrypted => f.write_str("the creative is encrypted"),
            Self::Empty => f.write_str("the creative has no segments"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct RungSegment {
    pub duration: Span,
    /// End on the creative's own clock.
    pub end: Span,
    pub url: Arc<str>,
    pub byte_range: Option<(u64, u64)>,
    pub discontinuity: bool,
    /// EXT-X-MAP line in force.
    pub map: Option<Arc<str>>,
}

/// One media playlist of a creative.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    pub spec: RenditionSpec,
    pub segments: Vec<RungSegment>,
}

impl Rung {
    pub fn duration(&self) -> Span {
        self.segments.last().map_or(Span::ZERO, |segment| segment.end)
    }

    /// The segments of a complete, clear playlist.
    pub fn new(spec: RenditionSpec, playlist: &MediaPlaylist, base: &Url, imported: &Variables) -> Result<Self, Unfit> {
        let mut variables = Variables::new();
        for (tag, line) in playlist.header() {
            if tag == Tag::Define {
                uri::define(&mut variables, tag::value(line), imported, base);
            }
        }
        let (mut end, mut map) = (Span::ZERO, None::<Arc<str>>);
        let mut segments = Vec::with_capacity(playlist.segments.len());
        for segment in &playlist.segments {
            for (tag, line) in playlist.lines_in(&segment.lines) {
                match tag {
                    Tag::Key if !line.contains("METHOD=NONE") => return Err(Unfit::Encrypted),
                    Tag::Map => {
                        let line = uri::substitute(line, &variables).into_owned();
                        map = Some(uri::absolute_attribute(&line, base).into());
                    }
                    _ => {}
                }
            }
            end += segment.duration;
            let address = uri::substitute(playlist.uri(segment).trim(), &variables).into_owned();
            segments.push(RungSegment {
                duration: segment.duration,
                end,
                url: uri::absolute(&address, base).into(),
                byte_range: segment.byte_range.and_then(|(length, offset)| Some((length, offset?))),
                discontinuity: segment.discontinuity && !segments.is_empty(),
                map: map.clone(),
            });
        }
        if segments.is_empty() {
            return Err(Unfit::Empty);
        }
        Ok(Self { spec, segments })
    }
}

/// A creative whose playlists have been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Creative {
    /// Names this very content: a changed creative gets a new id.
    pub id: Arc<str>,
    pub rungs: Vec<Rung>,
}

impl Creative {
    /// Length of its first variant.
    pub fn duration(&self) -> Span {
        self.rungs.iter().find(|rung| rung.spec.kind == RenditionKind::Variant).map_or(Span::ZERO, Rung::duration)
    }

    /// Longest segment, rounded as EXT-X-TARGETDURATION counts.
    pub fn target_duration(&self) -> i64 {
        let segments = self.rungs.iter().flat_map(|rung| &rung.segments);
        segments.map(|segment| segment.duration.rounded_secs()).max().unwrap_or(0)
    }

    /// The rung to show on a rendition, as an index of [`Creative::rungs`]. Subtitles have no rung: ads are silent there.
    pub fn fit(&self, want: &RenditionSpec) -> Result<usize, Unfit> {
        let mut candidates: Vec<(usize, &Rung)> = self.rungs.iter().enumerate().collect();
        let mut keep = |reason: Unfit, test: &dyn Fn(&RenditionSpec) -> bool| {
            candidates.retain(|(_, rung)| test(&rung.spec));
            if candidates.is_empty() { Err(reason) } else { Ok(()) }
        };
        if want.is_audio_only() {
            let separate = want.kind == RenditionKind::Audio;
            keep(Unfit::SeparateAudio, &|have| {
                have.kind == RenditionKind::Audio || (!separate && have.is_audio_only())
            })?;
            keep(Unfit::Container(want.container), &|have| have.container == want.container)?;
            let language = want
                .language
                .as_deref()
                .and_then(|wanted| candidates.iter().find(|(_, rung)| rung.spec.language.as_deref() == Some(wanted)));
            return Ok(language.or(candidates.first()).map_or(0, |(index, _)| *index));
        }
        keep(Unfit::Empty, &|have| have.kind == RenditionKind::Variant && !have.is_audio_only())?;
        keep(Unfit::Container(want.container), &|have| have.container == want.container)?;
        let audio = if want.separate_audio { Unfit::SeparateAudio } else { Unfit::MuxedAudio };
        keep(audio, &|have| have.separate_audio == want.separate_audio)?;
        if let Some(codec) = want.video_codec() {
            keep(Unfit::Codec(codec.to_owned()), &|have| have.video_codec().is_none_or(|known| known == codec))?;
        }
        if let Some(codec) = want.audio_codec() {
            keep(Unfit::Codec(codec.to_owned()), &|have| have.audio_codec().is_none_or(|known| known == codec))?;
        }
        let distance = |rung: &Rung| (height_distance(&rung.spec, want), ratio(rung.spec.bandwidth, want.bandwidth));
        let nearest = candidates.iter().min_by(|(_, a), (_, b)| {
            let (a, b) = (distance(a), distance(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        Ok(nearest.map_or(0, |(index, _)| *index))
    }

    /// Whether it can be shown on all renditions of a channel, within its target duration.
    pub fn fits_all(&self, specs: &[RenditionSpec], target_duration: u32) -> Result<(), Unfit> {
        for want in specs.iter().filter(|spec| spec.kind != RenditionKind::Subtitles) {
            let rung = self.rungs.get(self.fit(want)?).ok_or(Unfit::Empty)?;
            let longest = rung.segments.iter().map(|segment| segment.duration.rounded_secs()).max().unwrap_or(0);
            if longest > i64::from(target_duration) {
                return Err(Unfit::SegmentTooLong { seconds: longest, target: target_duration });
            }
        }
        Ok(())
    }
}

/// Builds a creative from its playlists. `media` has one playlist per rendition of `multivariant`, each with its
/// address; renditions that could not be read are `None` and left out.
pub fn creative(
    id: Arc<str>,
    multivariant: &Multivariant,
    media: &[Option<(MediaPlaylist, Url)>],
) -> Result<Creative, Unfit> {
    let mut rungs = Vec::new();
    for (rendition, media) in multivariant.renditions.iter().zip(media) {
        let Some((playlist, base)) = media else { continue };
        let separate = multivariant.has_separate_audio(rendition);
        let spec = RenditionSpec::new(rendition, Container::of(playlist), separate);
        rungs.push(Rung::new(spec, playlist, base, &multivariant.variables)?);
    }
    if rungs.iter().all(|rung| rung.spec.kind != RenditionKind::Variant) {
        return Err(Unfit::Empty);
    }
    Ok(Creative { id, rungs })
}

fn height_distance(have: &RenditionSpec, want: &RenditionSpec) -> f64 {
    match (have.resolution, want.resolution) {
        (Some((_, have)), Some((_, want))) => ratio(u64::from(have), u64::from(want)),
        _ => 0.0,
    }
}

/// How many times larger the larger is, as a logarithm; 0 for equal or unknown.
fn ratio(a: u64, b: u64) -> f64 {
    if a == 0 || b == 0 { 0.0 } else { (a as f64 / b as f64).ln().abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(height: u32, bandwidth: u64, container: Container, codecs: &[&str], separate_audio: bool) -> Rung {
        let spec = RenditionSpec {
            kind: RenditionKind::Variant,
            container,
            bandwidth,
            resolution: (height > 0).then_some((height * 16 / 9, height)),
            codecs: codecs.iter().map(|codec| (*codec).to_owned()).collect(),
            separate_audio,
            language: None,
        };
        let segment = RungSegment {
            duration: Span::from_secs(6),
            end: Span::from_secs(6),
            url: "https://x.example.com/a.ts".into(),
            byte_range: None,
            discontinuity: false,
            map: None,
        };
        Rung { spec, segments: vec![segment] }
    }

    fn check(rungs: &[Rung], want: &Rung, expect: Result<usize, Unfit>) {
        let creative = Creative { id: "c".into(), rungs: rungs.to_vec() };
        assert_eq!(creative.fit(&want.spec), expect);
    }

    #[test]
    fn the_nearest_height_wins_then_the_nearest_bandwidth() {
        let ladder = [
            rung(240, 300, Container::Ts, &["avc", "aac"], false),
            rung(720, 2000, Container::Ts, &["avc", "aac"], false),
            rung(720, 4000, Container::Ts, &["avc", "aac"], false),
        ];
        check(&ladder, &rung(360, 800, Container::Ts, &["avc", "aac"], false), Ok(0));
        check(&ladder, &rung(1080, 5000, Container::Ts, &["avc", "aac"], false), Ok(2));
        check(&ladder, &rung(0, 2100, Container::Ts, &[], false), Ok(1));
    }

    #[test]
    fn containers_codecs_and_audio_layout_never_mix() {
        let ladder = [rung(720, 2000, Container::Ts, &["avc", "aac"], false)];
        check(&ladder, &rung(720, 1, Container::Fmp4, &[], false), Err(Unfit::Container(Container::Fmp4)));
        check(&ladder, &rung(720, 1, Container::Ts, &["hevc", "aac"], false), Err(Unfit::Codec("hevc".into())));
        check(&ladder, &rung(720, 1, Container::Ts, &["avc", "ac-3"], false), Err(Unfit::Codec("ac-3".into())));
        check(&ladder, &rung(720, 1, Container::Ts, &["avc", "aac"], true), Err(Unfit::SeparateAudio));
    }

    #[test]
    fn a_segment_longer_than_the_target_duration_is_refused() {
        let creative = Creative { id: "c".into(), rungs: vec![rung(720, 1, Container::Ts, &[], false)] };
        let specs = [creative.rungs[0].spec.clone()];
        assert_eq!(creative.fits_all(&specs, 6), Ok(()));
        assert_eq!(creative.fits_all(&specs, 5), Err(Unfit::SegmentTooLong { seconds: 6, target: 5 }));
    }
}
