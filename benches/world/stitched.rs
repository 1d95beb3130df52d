//! The stitcher alone, on the same window and ads: playlist text in, playlist text out, no server around it.

use std::{path::Path, sync::Arc};

use cuetone::{
    decision::{CreativeLookup, SkipReason},
    domain::{Avail, AvailId, AvailKind, MarkerPolicy, MidBreakJoin, Moment, Position, Slug, Span},
    media::{multivariant::Multivariant, playlist::MediaPlaylist, uri::Variables},
    session::Links,
    stitch::{
        ladder::{Creative, RenditionSpec, creative},
        pod::Pod,
        render::{Numbering, Render},
        timeline::{Splice, Timeline},
        track::{Container, Placement, Track, TrackContext},
    },
    tracking::SigningKey,
};
use url::Url;

use super::{NOW, origin};

/// The window's address; everything in it is relative to this.
pub fn base() -> Url {
    Url::parse("http://origin.example.com/live/10/360.m3u8").expect("an address")
}

/// One version of the window, read and built.
pub fn track(text: &str) -> Arc<Track> {
    let context = TrackContext {
        base: &base(),
        imported: &Variables::new(),
        markers: MarkerPolicy::Strip,
        previous: None,
        placement: Placement::EndsAt(NOW),
    };
    Track::build(1, &MediaPlaylist::parse(text.as_bytes()).expect("a playlist"), &context)
}

pub fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

/// The break of the window.
pub fn avail() -> Avail {
    Avail {
        id: AvailId::new("scte35-1207959695"),
        start: NOW - Span::from_secs(24),
        duration: Span::from_secs(32),
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: true,
        source: "shipped:detect/scte35".into(),
        metadata: Default::default(),
    }
}

/// A viewer in the middle of the break.
pub struct Stitched {
    track: Arc<Track>,
    spec: RenditionSpec,
    splices: Vec<Splice>,
    forgotten: Moment,
    key: SigningKey,
    channel: Slug,
}

impl Stitched {
    pub fn new(segments: i64) -> Self {
        let track = track(&origin::window(segments, false));
        let lineup = Multivariant::parse(origin::MASTER.as_bytes(), &base()).expect("a master");
        let rendition = lineup.renditions.iter().find(|rendition| rendition.resolution.is_some()).expect("a variant");
        let spec = RenditionSpec::new(rendition, Container::Fmp4, lineup.has_separate_audio(rendition));
        let ads = ["red", "green", "yellow"].map(|name| (slug(name), Some(slug("all")), Arc::new(load(name))));
        let mut pod = Pod::new(ads.into(), None, Span::from_secs(40), &spec);
        pod.expires = 1_767_247_200;
        let mut timeline = Timeline::default();
        for avail in timeline.follow(&track, &[Arc::new(avail())], MidBreakJoin::Ads) {
            timeline.place(avail, Arc::new(pod.clone()));
        }
        timeline.decided(&track);
        let splices: Vec<Splice> = timeline.splices().cloned().collect();
        assert_eq!(splices.len(), 1, "the viewer is in the break");
        Self {
            forgotten: timeline.forgotten(),
            track,
            spec,
            splices,
            key: SigningKey::new(&[7; 32]),
            channel: slug("live"),
        }
    }

    /// A fresh playlist: nothing is cached, every ad address is signed.
    pub fn render(&self) -> String {
        let render = Render {
            track: &self.track,
            limit: self.track.end(),
            spec: &self.spec,
            reference: &self.spec,
            splices: &self.splices,
            forgotten: self.forgotten,
            target_duration: 4,
            version: 7,
        };
        let links = Links::new(&self.key, &self.channel, false);
        render.render(&Numbering::default(), &links).expect("a playlist").0
    }
}

/// An ad of the demo.
fn load(name: &str) -> Creative {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media/ads").join(name);
    let base = Url::parse("http://ads.example.com/master.m3u8").expect("an address").join(name).expect("an address");
    let base = Url::parse(&format!("{base}/master.m3u8")).expect("an address");
    let master =
        Multivariant::parse(&std::fs::read(folder.join("master.m3u8")).expect("a file"), &base).expect("a master");
    let media = master.renditions.iter().map(|rendition| {
        let path = rendition.url.path().trim_start_matches('/').split_once('/').expect("a path").1.to_owned();
        let text = std::fs::read(folder.join(path)).expect("a file");
        Some((MediaPlaylist::parse(&text).expect("a playlist"), rendition.url.clone()))
    });
    creative(name.into(), &master, &media.collect::<Vec<_>>()).expect("a creative")
}

/// Every creative is there and ten seconds long.
pub struct AllReady;

impl CreativeLookup for AllReady {
    fn check(&self, _: &Slug) -> Result<Span, SkipReason> {
        Ok(Span::from_secs(10))
    }
}
