//! A viewer who polls: drives the stitcher as a session does and hands every playlist to the rules.

use std::{collections::BTreeMap, sync::Arc};

use cuetone::{
    domain::{Avail, AvailId, AvailKind, MarkerPolicy, MidBreakJoin, Moment, Position, Slug, Span},
    media::{
        multivariant::{Multivariant, RenditionKind},
        playlist::MediaPlaylist,
        uri::Variables,
    },
    stitch::{
        ladder::{self, Creative, RenditionSpec},
        pod::{Pod, PodSegment},
        render::{AdAddress, Numbering, Render},
        timeline::{Splice, Timeline},
        track::{Container, Placement, Track, TrackContext},
    },
};
use proptest::test_runner::TestCaseError;
use url::Url;

use crate::{
    origin::{EPOCH, Kind, Origin, Packaging},
    rules::{History, Seen},
};

#[derive(Clone, Debug)]
pub struct Ads {
    /// Microseconds.
    pub lengths: Vec<i64>,
    pub segment: i64,
    pub slate: bool,
}

struct Addresses;

impl AdAddress for Addresses {
    fn ad(&self, out: &mut String, splice: &Splice, segment: &PodSegment<'_>) {
        use std::fmt::Write as _;
        let _ = write!(out, "ad/{}/{}/{}", splice.avail.id, segment.item_index, segment.index);
    }
    fn no_subtitles(&self, out: &mut String) {
        out.push_str("empty.vtt");
    }
}

pub struct Watch<'a> {
    origin: &'a Origin,
    ads: &'a Ads,
    timeline: Timeline,
    tracks: BTreeMap<&'static str, Arc<Track>>,
    numbering: BTreeMap<&'static str, Numbering>,
    specs: Vec<(Kind, RenditionSpec)>,
    history: History<'a>,
    next_track: u64,
}

impl<'a> Watch<'a> {
    pub fn new(origin: &'a Origin, ads: &'a Ads) -> Self {
        let specs = origin.kinds().iter().map(|kind| (*kind, spec(origin, *kind))).collect();
        Self {
            origin,
            ads,
            timeline: Timeline::default(),
            tracks: BTreeMap::new(),
            numbering: BTreeMap::new(),
            specs,
            history: History::new(origin),
            next_track: 0,
        }
    }

    fn target_duration(&self) -> u32 {
        let ads = (self.ads.segment + 40_000 + 500_000) / 1_000_000;
        self.origin.target_duration().max(ads) as u32
    }

    fn track(&mut self, kind: Kind, from: usize, to: usize, vod: bool) -> Arc<Track> {
        let text = self.origin.playlist(kind, from, to, vod);
        let playlist = MediaPlaylist::parse(text.as_bytes()).expect("the origin is well-formed");
        let base = Url::parse("https://origin.example.com/live/index.m3u8").expect("valid");
        let reference = self.tracks.get("video").cloned();
        let placement = match (&reference, kind) {
            (_, Kind::Video) if vod => Placement::StartsAt(Moment(EPOCH)),
            (Some(track), Kind::Audio | Kind::Subtitles) => Placement::Like(track),
            _ => Placement::EndsAt(Moment(self.origin.start_of(to))),
        };
        let previous = self.tracks.get(kind.name()).cloned();
        let context = TrackContext {
            base: &base,
            imported: &Variables::new(),
            markers: MarkerPolicy::Strip,
            previous: previous.as_deref(),
            placement,
        };
        self.next_track += 1;
        let track = Track::build(self.next_track, &playlist, &context);
        self.tracks.insert(kind.name(), track.clone());
        track
    }

    /// One refresh of every rendition, when the origin has `to` segments.
    pub fn poll(&mut self, to: usize) {
        let from = to.saturating_sub(self.origin.window);
        let reference = self.track(Kind::Video, from, to, false);
        let avails = self.avails(to);
        self.decide(&reference, &avails);
        for (kind, spec) in self.specs.clone() {
            let track = if kind == Kind::Video { reference.clone() } else { self.track(kind, from, to, false) };
            let text = self.render(kind, &spec, &track, reference.end());
            self.history.add(Seen { kind, to, text });
        }
    }

    fn decide(&mut self, reference: &Track, avails: &[Arc<Avail>]) {
        let undecided = self.timeline.follow(reference, avails, MidBreakJoin::Ads);
        for avail in undecided {
            let pod = self.pod(&avail);
            self.timeline.place(avail, pod);
        }
        self.timeline.decided(reference);
    }

    fn render(&mut self, kind: Kind, spec: &RenditionSpec, track: &Track, limit: Moment) -> String {
        let splices: Vec<Splice> = self.timeline.splices().cloned().collect();
        let reference = &self.specs[0].1;
        let render = Render {
            track,
            limit,
            spec,
            reference,
            splices: &splices,
            forgotten: self.timeline.forgotten(),
            target_duration: self.target_duration(),
            version: 6,
        };
        let forgotten = self.timeline.forgotten();
        let mut current = self.numbering.values().filter(|known| known.is_current(forgotten));
        let own = self.numbering.get(kind.name()).filter(|own| own.is_current(forgotten)).cloned();
        let last = self.numbering.get(kind.name()).cloned();
        let beside = current.next().map(|other| Numbering::beside(other, last.as_ref(), track, &splices));
        let numbering = own.or(beside).or(last).unwrap_or_default();
        let (text, next) = render.render(&numbering, &Addresses).expect("something to show");
        self.numbering.insert(kind.name(), next);
        text
    }

    /// What a detector would say: the break as announced, until its end is seen.
    fn avails(&self, to: usize) -> Vec<Arc<Avail>> {
        let origin = self.origin;
        let known = origin.breaks.iter().filter(|ad_break| ad_break.start < to);
        known
            .map(|ad_break| {
                let end_seen = ad_break.start + ad_break.length < to && origin.closing_cue;
                let length = if end_seen { ad_break.length } else { ad_break.announced };
                Arc::new(avail(origin, ad_break.start, length, AvailKind::Replace, end_seen))
            })
            .collect()
    }

    fn pod(&self, avail: &Avail) -> Arc<Pod> {
        let mut left = avail.duration.as_micros();
        let mut ads = Vec::new();
        for (index, length) in self.ads.lengths.iter().cycle().take(8).enumerate() {
            if *length <= left {
                left -= length;
                ads.push((slug(&format!("ad-{index}")), None, creative(self.origin, *length, self.ads.segment)));
            }
        }
        let slate = self.ads.slate.then(|| (slug("slate"), creative(self.origin, 2_000_000, 1_000_000)));
        let fill = avail.duration + Span(self.origin.segment * 2);
        Arc::new(Pod::new(ads, slate, fill, &self.specs[0].1))
    }

    /// The viewer goes away: what was shown before is held against what comes after only by its numbers.
    pub fn pause(&mut self) {
        self.history.pause();
    }

    pub fn finish(self) -> Result<(), TestCaseError> {
        self.history.check(self.target_duration(), self.ads.slate)
    }
}

/// A VOD title with a pre-roll and a mid-roll.
pub fn check_vod(origin: &Origin, ads: &Ads) -> Result<(), TestCaseError> {
    let origin = Origin { breaks: Vec::new(), ..origin.clone() };
    let mut watch = Watch::new(&origin, ads);
    let length = origin.window * 3;
    let reference = watch.track(Kind::Video, 0, length, true);
    let avails: Vec<Arc<Avail>> = [0, length / 2, length]
        .into_iter()
        .map(|at| {
            let mut found = avail(&origin, at, 0, AvailKind::Insert, true);
            found.duration = Span::from_secs(30);
            found.start = reference.segments.get(at).map_or(reference.end(), |segment| segment.start);
            Arc::new(found)
        })
        .collect();
    watch.decide(&reference, &avails);
    let mut texts = BTreeMap::new();
    for (kind, spec) in watch.specs.clone() {
        let track = if kind == Kind::Video { reference.clone() } else { watch.track(kind, 0, length, true) };
        let first = watch.render(kind, &spec, &track, track.end());
        watch.decide(&reference, &avails);
        let second = watch.render(kind, &spec, &track, track.end());
        proptest::prop_assert_eq!(&first, &second, "the same bytes each time");
        texts.insert(kind.name(), first);
    }
    let inserted: i64 = watch.timeline.splices().map(|splice| splice.pod.ads.as_micros()).sum();
    crate::rules::check_vod(&origin, &texts, length, inserted, watch.target_duration())
}

/// A break wherever the window allows one, on an origin of any shape.
pub fn check_any(text: &str, ads: &Ads) -> Result<(), TestCaseError> {
    let origin = Origin {
        segment: 6_000_000,
        window: 5,
        dates: crate::origin::DateTags::Never,
        keys: crate::origin::Encryption::None,
        packaging: Packaging::MuxedTs,
        breaks: Vec::new(),
        discontinuities: Vec::new(),
        first_number: 0,
        closing_cue: false,
    };
    let Ok(playlist) = MediaPlaylist::parse(text.as_bytes()) else { return Ok(()) };
    let mut watch = Watch::new(&origin, ads);
    let base = Url::parse("https://origin.example.com/live/index.m3u8").expect("valid");
    let context = TrackContext {
        base: &base,
        imported: &Variables::new(),
        markers: MarkerPolicy::Strip,
        previous: None,
        placement: Placement::EndsAt(Moment(EPOCH)),
    };
    let track = Track::build(1, &playlist, &context);
    let middle = track.segments.get(track.segments.len() / 2).map_or(Moment(EPOCH), |segment| segment.start);
    let kind = if track.ended { AvailKind::Insert } else { AvailKind::Replace };
    let found = Avail { start: middle, ..avail(&origin, 0, 3, kind, true) };
    watch.decide(&track, &[Arc::new(found)]);
    let splices: Vec<Splice> = watch.timeline.splices().cloned().collect();
    let reference = &watch.specs[0].1;
    let render = Render {
        track: &track,
        limit: track.end(),
        spec: reference,
        reference,
        splices: &splices,
        forgotten: watch.timeline.forgotten(),
        target_duration: watch.target_duration(),
        version: 6,
    };
    match render.render(&Numbering::default(), &Addresses) {
        Ok((text, _)) => {
            let read = MediaPlaylist::parse(text.as_bytes());
            proptest::prop_assert!(read.is_ok_and(|read| !read.segments.is_empty()), "{}", text);
        }
        Err(_) => proptest::prop_assert!(track.segments.is_empty() || !track.ended, "{}", text),
    }
    Ok(())
}

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn avail(origin: &Origin, start: usize, length: usize, kind: AvailKind, closed: bool) -> Avail {
    Avail {
        id: AvailId::new(format!("break-{start}")),
        start: Moment(origin.start_of(start)),
        duration: Span(length as i64 * origin.segment),
        kind,
        position: Position::MidRoll,
        closed,
        source: "test".into(),
        metadata: BTreeMap::new(),
    }
}

fn spec(origin: &Origin, kind: Kind) -> RenditionSpec {
    let separate = origin.packaging == Packaging::SeparateFmp4;
    RenditionSpec {
        kind: match kind {
            Kind::Video => RenditionKind::Variant,
            Kind::Audio => RenditionKind::Audio,
            Kind::Subtitles => RenditionKind::Subtitles,
        },
        container: match (kind, separate) {
            (Kind::Subtitles, _) => Container::WebVtt,
            (_, true) => Container::Fmp4,
            (_, false) => Container::Ts,
        },
        bandwidth: 1_000_000,
        resolution: None,
        codecs: vec![],
        separate_audio: separate && kind == Kind::Video,
        language: None,
    }
}

/// An ad of `length` in the origin's packaging; its sound is cut a frame later than its picture.
fn creative(origin: &Origin, length: i64, segment: i64) -> Arc<Creative> {
    let master = match origin.packaging {
        Packaging::MuxedTs => "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nv.m3u8\n",
        Packaging::SeparateFmp4 => {
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1000000,AUDIO=\"a\"\nv.m3u8\n"
        }
    };
    let base = Url::parse("https://ads.example.com/x/master.m3u8").expect("valid");
    let multivariant = Multivariant::parse(master.as_bytes(), &base).expect("valid");
    let media = multivariant.renditions.iter().map(|rendition| {
        let late = if rendition.kind == RenditionKind::Audio { 15_000 } else { 0 };
        let map = if origin.packaging == Packaging::SeparateFmp4 { "#EXT-X-MAP:URI=\"ad-init.mp4\"\n" } else { "" };
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{}\n{map}", segment / 1_000_000 + 1);
        let (mut at, mut index) = (0, 0);
        while at < length {
            let this = segment.min(length - at);
            let shown = if index == 0 { this + late } else { this };
            text.push_str(&format!("#EXTINF:{}.{:06},\nad{index}\n", shown / 1_000_000, shown % 1_000_000));
            at += this;
            index += 1;
        }
        text.push_str("#EXT-X-ENDLIST\n");
        Some((MediaPlaylist::parse(text.as_bytes()).expect("valid"), rendition.url.clone()))
    });
    let media: Vec<_> = media.collect();
    Arc::new(ladder::creative("creative".into(), &multivariant, &media).expect("valid"))
}
