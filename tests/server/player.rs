//! A player that reads playlists as RFC 8216bis says and holds each against the one before it.

use std::collections::BTreeMap;

use cuetone::{domain::Moment, media::datetime};
use url::Url;

use crate::harness::{Answer, read};

#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub number: u64,
    pub discontinuity: u64,
    pub micros: i64,
    /// As it stands in the playlist.
    pub uri: String,
    /// Wall clock, by the dates seen so far.
    pub at: Option<Moment>,
    /// EXT-X-KEY lines in force, and EXT-X-MAP.
    pub keys: Vec<String>,
    pub map: Option<String>,
}

impl Segment {
    /// The ad's slug, if it is an ad.
    pub fn ad(&self) -> Option<&str> {
        self.uri.strip_prefix("ad/")?.split('/').nth(2)
    }
    /// Number of the origin's segment, if it is content.
    pub fn content(&self) -> Option<u64> {
        if self.ad().is_some() || self.uri.ends_with("empty.vtt") || self.uri.contains("/ads/") {
            return None;
        }
        self.uri.rsplit_once('-')?.1.split('.').next()?.parse().ok()
    }
}

#[derive(Clone, Debug)]
pub struct Playlist {
    pub text: String,
    pub number: u64,
    pub target: u64,
    pub ended: bool,
    pub segments: Vec<Segment>,
}

impl Playlist {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        assert!(text.starts_with("#EXTM3U\n"), "{text}");
        let value = |tag: &str| {
            text.lines().find_map(|line| line.strip_prefix(tag)).map(|v| v.parse::<u64>().expect("a number"))
        };
        let number = value("#EXT-X-MEDIA-SEQUENCE:").unwrap_or(0);
        let target = value("#EXT-X-TARGETDURATION:").expect("a target duration");
        let mut discontinuity = value("#EXT-X-DISCONTINUITY-SEQUENCE:").unwrap_or(0);
        let (mut segments, mut micros, mut at) = (Vec::<Segment>::new(), None, None::<Moment>);
        let (mut keys, mut new_keys, mut map) = (Vec::new(), Vec::new(), None);
        for line in text.lines() {
            if line == "#EXT-X-DISCONTINUITY" {
                discontinuity += 1;
                at = None;
            } else if let Some(length) = line.strip_prefix("#EXTINF:") {
                let seconds: f64 = length.split(',').next().unwrap().parse().expect("seconds");
                micros = Some((seconds * 1e6).round() as i64);
            } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                at = Some(datetime::parse(date).expect("a date"));
            } else if line.starts_with("#EXT-X-KEY:") {
                new_keys.push(line.to_owned());
            } else if line.starts_with("#EXT-X-MAP:") {
                map = Some(line.to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                if !new_keys.is_empty() {
                    keys = std::mem::take(&mut new_keys);
                }
                let micros = micros.take().expect("a duration before each URI");
                let in_force: Vec<String> = keys.iter().filter(|key| !key.contains("METHOD=NONE")).cloned().collect();
                segments.push(Segment {
                    number: number + segments.len() as u64,
                    discontinuity,
                    micros,
                    uri: line.to_owned(),
                    at,
                    keys: in_force,
                    map: map.clone(),
                });
                at = at.map(|at| Moment(at.0 + micros));
                assert!((micros + 500_000) / 1_000_000 <= target as i64, "longer than the target duration: {text}");
            }
        }
        assert!(!segments.is_empty(), "no segments: {text}");
        Self { text: text.to_owned(), number, target, ended: text.contains("#EXT-X-ENDLIST"), segments }
    }

    pub fn ads(&self) -> Vec<&str> {
        let mut ads: Vec<&str> = self.segments.iter().filter_map(Segment::ad).collect();
        ads.dedup();
        ads
    }
    pub fn ad_segments(&self) -> usize {
        self.segments.iter().filter(|segment| segment.ad().is_some()).count()
    }
    /// Seconds from the start at which each segment begins, with its discontinuity number counted from the first.
    pub fn places(&self) -> Vec<(i64, u64)> {
        let mut at = 0;
        let places = self.segments.iter().map(|segment| {
            at += segment.micros;
            ((at - segment.micros) / 1_000, segment.discontinuity)
        });
        places.collect()
    }
}

/// What one rendition has shown so far.
#[derive(Default)]
struct History {
    seen: BTreeMap<u64, Segment>,
    first: u64,
    end: u64,
    target: u64,
}

/// One viewer.
pub struct Player {
    client: reqwest::Client,
    /// Addresses of the renditions by name: `v0`, `v1`, `a0`, `s1` …
    pub renditions: BTreeMap<String, Url>,
    history: BTreeMap<String, History>,
}

impl Player {
    pub async fn open(client: reqwest::Client, url: &str) -> Self {
        let answer = read(client.get(url).send().await.expect("an answer")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self::opened(client, url, answer.text())
    }

    /// One who has been answered a multivariant playlist at `url`.
    pub fn opened(client: reqwest::Client, url: &str, multivariant: &str) -> Self {
        let base = Url::parse(url).expect("a URL");
        let mut renditions = BTreeMap::new();
        for line in multivariant.lines() {
            let address = match line.split_once("URI=\"") {
                Some((_, rest)) => rest.split('"').next().unwrap(),
                None if line.starts_with('#') || line.is_empty() => continue,
                None => line,
            };
            let name = address.rsplit('/').next().unwrap().trim_end_matches(".m3u8");
            renditions.insert(name.to_owned(), base.join(address).expect("an address"));
        }
        Self { client, renditions, history: BTreeMap::new() }
    }

    /// The first rendition of a kind: `v`, `a` or `s`.
    pub fn name(&self, kind: &str) -> String {
        self.renditions.keys().find(|name| name.starts_with(kind)).expect("a rendition of that kind").clone()
    }

    pub fn url(&self, rendition: &str) -> &Url {
        &self.renditions[rendition]
    }

    pub async fn ask(&self, rendition: &str) -> Answer {
        read(self.client.get(self.renditions[rendition].clone()).send().await.expect("an answer")).await
    }

    /// Fetches a rendition and checks it against all that was seen of it before.
    pub async fn poll(&mut self, rendition: &str) -> Playlist {
        let answer = self.ask(rendition).await;
        assert_eq!(answer.status, 200, "{rendition}: {}", answer.text());
        let playlist = Playlist::parse(answer.text());
        self.remember(rendition, &playlist);
        playlist
    }

    fn remember(&mut self, rendition: &str, playlist: &Playlist) {
        let history = self.history.entry(rendition.to_owned()).or_default();
        let text = &playlist.text;
        assert!(playlist.number >= history.first, "{rendition}: the media sequence ran backwards\n{text}");
        assert!(
            history.target == 0 || history.target == playlist.target,
            "{rendition}: the target duration changed\n{text}"
        );
        let end = playlist.number + playlist.segments.len() as u64;
        assert!(end >= history.end, "{rendition}: the live edge ran backwards\n{text}");
        assert!(history.end == 0 || playlist.number <= history.end, "{rendition}: segments were left out\n{text}");
        for segment in &playlist.segments {
            if let Some(before) = history.seen.get(&segment.number) {
                let same = (&before.uri, before.micros, before.discontinuity, &before.keys, &before.map)
                    == (&segment.uri, segment.micros, segment.discontinuity, &segment.keys, &segment.map);
                assert!(same, "{rendition}: segment {} changed from {before:?} to {segment:?}\n{text}", segment.number);
            }
            history.seen.insert(segment.number, segment.clone());
        }
        (history.first, history.end, history.target) = (playlist.number, end, playlist.target);
    }

    /// Everything that a rendition has shown, in order.
    pub fn seen(&self, rendition: &str) -> Vec<&Segment> {
        self.history.get(rendition).map(|history| history.seen.values().collect()).unwrap_or_default()
    }
}
