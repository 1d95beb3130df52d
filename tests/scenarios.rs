//! Scenario folders: what an origin says, step by step, and the playlist that a viewer must get.
//!
//! ```text
//! tests/scenarios/<name>/
//!   scenario.yaml      the channel's settings and the ads that every break gets, in order
//!   1.origin.m3u8      the origin's media playlist at the first refresh, 2.origin.m3u8 at the second …
//!   1.expect.m3u8      what the viewer gets for it
//! ```
//! Anyone can add one: write `scenario.yaml` and the origin's playlists, run `CUETONE_BLESS=1 cargo test --test
//! scenarios`, read what was written, and commit it if it is right.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use cuetone::{
    domain::{ExtensionRef, MarkerPolicy, MidBreakJoin, Moment, Slug, Span},
    extension::{BreakDetector, DetectInput, Extensions, monotonic},
    media::{multivariant::Multivariant, playlist::MediaPlaylist, uri::Variables},
    stitch::{
        avails::merge,
        ladder::{Creative, RenditionSpec, creative},
        pod::{Pod, PodSegment},
        render::{AdAddress, Numbering, Render},
        timeline::{Splice, Timeline},
        track::{Container, Placement, Track, TrackContext},
    },
};
use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// The rule that it defends, in a sentence.
    rule: String,
    #[serde(default = "scte35")]
    detector: String,
    #[serde(default = "thirty")]
    break_duration: f64,
    #[serde(default)]
    markers: MarkerPolicy,
    #[serde(default)]
    join: MidBreakJoin,
    /// Segment lengths of each ad.
    #[serde(default)]
    ads: Vec<Vec<f64>>,
    #[serde(default)]
    slate: Option<Vec<f64>>,
}

fn scte35() -> String {
    "detect/scte35".to_owned()
}
fn thirty() -> f64 {
    30.0
}

struct Addresses;

impl AdAddress for Addresses {
    fn ad(&self, out: &mut String, splice: &Splice, segment: &PodSegment<'_>) {
        out.push_str(&format!("{}/{}/{}", splice.avail.id, segment.item.ad, segment.index));
    }
    fn no_subtitles(&self, out: &mut String) {
        out.push_str("empty.vtt");
    }
}

#[test]
fn every_scenario_gives_the_expected_playlists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).expect("scenarios").map(|entry| entry.expect("entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() >= 10, "the scenarios are there");
    let failures: Vec<String> = folders.iter().flat_map(|folder| run(folder)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("scenario.yaml")).expect("scenario.yaml");
    let scenario: Scenario =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let extensions = Extensions::new(monotonic()).expect("shipped rules compile");
    let detector = extensions
        .load_detector(&ExtensionRef::Shipped(scenario.detector.clone()), &BTreeMap::new(), "test")
        .expect("a shipped detector");
    let mut viewer = Viewer::default();
    let mut failures = Vec::new();
    for step in 1.. {
        let Ok(origin) = fs::read(folder.join(format!("{step}.origin.m3u8"))) else { break };
        let got = viewer.refresh(step, &origin, &scenario, &*detector.extension);
        let path = folder.join(format!("{step}.expect.m3u8"));
        if std::env::var_os("CUETONE_BLESS").is_some() {
            fs::write(&path, &got).expect("written");
        }
        let expect = fs::read_to_string(&path).unwrap_or_default();
        if got != expect {
            failures.push(format!(
                "{} ({}), step {step}:\n--- expected\n{expect}\n--- got\n{got}",
                folder.display(),
                scenario.rule
            ));
        }
    }
    failures
}

#[derive(Default)]
struct Viewer {
    track: Option<Arc<Track>>,
    avails: Vec<Arc<cuetone::domain::Avail>>,
    timeline: Timeline,
    numbering: Numbering,
}

impl Viewer {
    fn refresh(&mut self, step: u64, origin: &[u8], scenario: &Scenario, detector: &dyn BreakDetector) -> String {
        let playlist = MediaPlaylist::parse(origin).expect("the origin's playlist");
        let base = Url::parse("https://origin.example.com/live/index.m3u8?token=1").expect("valid");
        let track = Track::build(
            step,
            &playlist,
            &TrackContext {
                base: &base,
                imported: &Variables::new(),
                markers: scenario.markers,
                previous: self.track.as_deref(),
                placement: if playlist.ended {
                    Placement::StartsAt(Moment(0))
                } else {
                    Placement::EndsAt(Moment::from_millis(1_767_225_660_000))
                },
            },
        );
        let known: Vec<_> = self.avails.iter().map(|avail| (**avail).clone()).collect();
        let found = detector.detect(&DetectInput {
            window: &track.window(),
            known: &known,
            break_interval: Span::from_secs(60),
            break_duration: Span::from_secs_f64(scenario.break_duration),
            config: &serde_json::Value::Null,
        });
        self.avails = merge(&self.avails, &found.expect("the detector answers"), &track, "test", Span::from_secs(60));
        let spec = RenditionSpec {
            kind: cuetone::media::multivariant::RenditionKind::Variant,
            container: track.container,
            bandwidth: 1,
            resolution: None,
            codecs: vec![],
            separate_audio: false,
            language: None,
        };
        for avail in self.timeline.follow(&track, &self.avails, scenario.join) {
            let mut left = avail.duration;
            let ads = scenario.ads.iter().enumerate().filter_map(|(index, lengths)| {
                let ad = ad(lengths, track.container);
                let fits = ad.duration() <= left;
                fits.then(|| {
                    left -= ad.duration();
                    (slug(&format!("ad{index}")), None, ad)
                })
            });
            let ads: Vec<_> = ads.collect();
            let slate = scenario.slate.as_ref().map(|lengths| (slug("slate"), ad(lengths, track.container)));
            let pod = Pod::new(ads, slate, avail.duration + Span::from_secs(12), &spec);
            self.timeline.place(avail, Arc::new(pod));
        }
        self.timeline.decided(&track);
        let splices: Vec<Splice> = self.timeline.splices().cloned().collect();
        let longest = scenario.ads.iter().flatten().chain(scenario.slate.iter().flatten()).copied().fold(0.0, f64::max);
        let render = Render {
            track: &track,
            limit: track.end(),
            spec: &spec,
            reference: &spec,
            splices: &splices,
            forgotten: self.timeline.forgotten(),
            target_duration: playlist.target_duration.max(longest.round() as u32),
            version: playlist.version,
        };
        let (text, next) = render.render(&self.numbering, &Addresses).expect("something to show");
        self.numbering = next;
        self.track = Some(track);
        text
    }
}

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn ad(lengths: &[f64], container: Container) -> Arc<Creative> {
    let base = Url::parse("https://ads.example.com/ad/index.m3u8").expect("valid");
    let map = if container == Container::Fmp4 { "#EXT-X-MAP:URI=\"ad.mp4\"\n" } else { "" };
    let segments: String =
        lengths.iter().enumerate().map(|(n, length)| format!("#EXTINF:{length},\n{n}.ts\n")).collect();
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:30\n{map}{segments}#EXT-X-ENDLIST\n");
    let media = MediaPlaylist::parse(text.as_bytes()).expect("valid");
    let multivariant = Multivariant::wrapper(&base);
    Arc::new(creative("ad".into(), &multivariant, &[Some((media, base))]).expect("valid"))
}
