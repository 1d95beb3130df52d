//! The rules, each by name, over everything one viewer was given.

use std::collections::{BTreeMap, BTreeSet};

use cuetone::media::datetime;
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};

use crate::origin::{DateTags, EPOCH, Encryption, Kind, Origin, Packaging};

/// PROGRAM-DATE-TIME has milliseconds, audio ends up to a frame late.
const TOLERANCE: i64 = 60_000;

pub struct Seen {
    pub kind: Kind,
    /// How many segments the origin had.
    pub to: usize,
    pub text: String,
}

pub struct History<'a> {
    origin: &'a Origin,
    seen: Vec<Seen>,
    /// How much had been seen when the viewer went away.
    paused_after: Option<usize>,
}

/// What an entry shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Show {
    Content(usize),
    /// Avail, item of the pod, segment.
    Ad(String, usize, usize),
    Slate(usize),
    Silence,
}

#[derive(Clone, Debug)]
struct Entry {
    msn: u64,
    disc: u64,
    uri: String,
    show: Show,
    duration: i64,
    tagged: bool,
    date: Option<i64>,
    keys: Vec<String>,
    map: Option<String>,
}

#[derive(Debug)]
struct Read {
    first: u64,
    target: i64,
    entries: Vec<Entry>,
    ended: bool,
    leaked_cue: bool,
}

fn read(text: &str, kind: Kind) -> Result<Read, TestCaseError> {
    // m3u8-rs takes the rest of a title with a comma for a URI.
    let plain = text.replace("title, ", "title ");
    let (_, reader) = m3u8_rs::parse_media_playlist(plain.as_bytes())
        .map_err(|error| TestCaseError::fail(format!("m3u8-rs cannot read it: {error}\n{text}")))?;
    let mut out = Read { first: 0, target: 0, entries: vec![], ended: false, leaked_cue: false };
    let (mut disc, mut tagged, mut date, mut duration) = (None, 0, None, 0);
    let (mut keys, mut map): (Vec<String>, Option<String>) = (vec![], None);
    for line in text.lines() {
        let value = line.split_once(':').map_or("", |(_, value)| value);
        if line.starts_with("#EXT-X-MEDIA-SEQUENCE") {
            out.first = value.parse().expect("number");
        } else if line.starts_with("#EXT-X-DISCONTINUITY-SEQUENCE") {
            disc = Some(value.parse::<u64>().expect("number"));
        } else if line.starts_with("#EXT-X-TARGETDURATION") {
            out.target = value.parse().expect("number");
        } else if line == "#EXT-X-DISCONTINUITY" {
            tagged += 1;
        } else if line.starts_with("#EXT-X-PROGRAM-DATE-TIME") {
            prop_assert!(date.is_none(), "two dates on one segment\n{}", text);
            date = Some(datetime::parse(value).expect("a date").as_micros());
        } else if line.starts_with("#EXT-X-KEY") {
            // A key holds until the next of its KEYFORMAT (RFC 8216bis 4.4.4.4).
            let format = |line: &str| line.split_once("KEYFORMAT=").map(|(_, rest)| rest.to_owned());
            if value == "METHOD=NONE" {
                keys.clear();
            } else {
                keys.retain(|known| format(known) != format(line));
                keys.push(line.to_owned());
            }
        } else if line.starts_with("#EXT-X-MAP") {
            map = Some(line.to_owned());
        } else if line.starts_with("#EXTINF") {
            let seconds: f64 = value.split(',').next().unwrap_or_default().parse().expect("seconds");
            duration = (seconds * 1e6).round() as i64;
        } else if line == "#EXT-X-ENDLIST" {
            out.ended = true;
        } else if line.starts_with("#EXT-X-CUE") {
            out.leaked_cue = true;
        } else if !line.starts_with('#') && !line.is_empty() {
            prop_assert!(tagged <= 1, "rule 6: a doubled discontinuity\n{}", text);
            let number = disc.as_mut().ok_or_else(|| TestCaseError::fail("rule 3: no discontinuity sequence"))?;
            *number += tagged;
            out.entries.push(Entry {
                msn: out.first + out.entries.len() as u64,
                disc: *number,
                uri: line.to_owned(),
                show: show(line, kind),
                duration,
                tagged: tagged == 1,
                date,
                keys: keys.clone(),
                map: map.clone(),
            });
            (tagged, date) = (0, None);
        }
    }
    prop_assert_eq!(reader.segments.len(), out.entries.len(), "an independent reader sees as many segments");
    Ok(out)
}

fn show(uri: &str, kind: Kind) -> Show {
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    if let Some(path) = uri.strip_prefix("ad/") {
        let parts: Vec<&str> = path.split('/').collect();
        return Show::Ad(parts[0].to_owned(), number(parts[1]), number(parts[2]));
    }
    if let Some(index) = uri.strip_prefix("https://ads.example.com/x/ad") {
        return Show::Slate(number(index));
    }
    if uri == "empty.vtt" {
        return Show::Silence;
    }
    let index = uri.strip_prefix(&format!("https://origin.example.com/live/{}-", kind.name())).unwrap_or("0");
    Show::Content(number(index.split('.').next().unwrap_or_default()))
}

impl<'a> History<'a> {
    pub fn new(origin: &'a Origin) -> Self {
        Self { origin, seen: Vec::new(), paused_after: None }
    }

    pub fn add(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    pub fn pause(&mut self) {
        self.paused_after = Some(self.seen.len());
    }

    pub fn check(&self, target: u32, slate: bool) -> Result<(), TestCaseError> {
        let mut streams: BTreeMap<&str, Stream> = BTreeMap::new();
        for (index, seen) in self.seen.iter().enumerate() {
            if self.paused_after == Some(index) {
                self.check_renditions_agree(&streams)?;
                streams.values_mut().for_each(Stream::forget);
            }
            let read = read(&seen.text, seen.kind)?;
            let context = |rule: &str| format!("{rule} ({} at {})\n{}", seen.kind.name(), seen.to, seen.text);
            prop_assert_eq!(read.target, i64::from(target), "{}", context("rule 5: the target duration changed"));
            prop_assert!(!read.leaked_cue, "{}", context("rule 11: a marker leaked"));
            prop_assert!(!read.ended, "{}", context("rule 12: a live playlist ended"));
            let stream = streams.entry(seen.kind.name()).or_default();
            stream.add(self.origin, seen, &read, &context)?;
        }
        for (name, stream) in &streams {
            stream.check_order(self.origin, name, slate)?;
        }
        self.check_renditions_agree(&streams)
    }

    /// Rule 4: discontinuity numbers agree across renditions at the same media time.
    fn check_renditions_agree(&self, streams: &BTreeMap<&str, Stream>) -> Result<(), TestCaseError> {
        let Some(video) = streams.get("video") else { return Ok(()) };
        let by_content = |stream: &Stream| -> BTreeMap<usize, u64> {
            let content = stream.entries.values().filter_map(|entry| match entry.show {
                Show::Content(index) => Some((index, entry.disc)),
                _ => None,
            });
            content.collect()
        };
        let expect = by_content(video);
        for (name, stream) in streams {
            for (index, disc) in by_content(stream) {
                if let Some(other) = expect.get(&index) {
                    prop_assert_eq!(disc, *other, "rule 4: {} and video number content {} differently", name, index);
                }
            }
            let ads = |stream: &Stream| -> BTreeMap<(String, usize), u64> {
                let ads = stream.entries.values().filter_map(|entry| match &entry.show {
                    Show::Ad(avail, item, _) => Some(((avail.clone(), *item), entry.disc)),
                    _ => None,
                });
                ads.collect()
            };
            for (ad, disc) in ads(stream) {
                if let Some(other) = ads(video).get(&ad) {
                    prop_assert_eq!(disc, *other, "rule 4: {} and video number ad {:?} differently", name, ad);
                }
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Stream {
    entries: BTreeMap<u64, Entry>,
    last: Option<(u64, u64)>,
    /// The origin's edge when an entry was first shown.
    first_shown: BTreeMap<u64, usize>,
    joined: Option<(u64, usize)>,
}

impl Stream {
    /// Only the last number shown is remembered; an empty window must not repeat it.
    fn forget(&mut self) {
        self.entries.clear();
        self.first_shown.clear();
        self.joined = None;
    }

    fn add(
        &mut self,
        origin: &Origin,
        seen: &Seen,
        read: &Read,
        context: &dyn Fn(&str) -> String,
    ) -> Result<(), TestCaseError> {
        prop_assert!(!read.entries.is_empty(), "{}", context("an empty playlist"));
        let last = read.entries.last().map_or(0, |entry| entry.msn);
        if let Some((first_before, last_before)) = self.last {
            prop_assert!(read.first >= first_before, "{}", context("rule 2: the media sequence went back"));
            prop_assert!(last >= last_before, "{}", context("rule 1: a published segment was taken back"));
        }
        self.last = Some((read.first, last));
        for entry in &read.entries {
            prop_assert!(
                (entry.duration + 500_000) / 1_000_000 <= read.target,
                "{}",
                context("rule 5: a segment longer than the target duration")
            );
            if let Some(before) = self.entries.get(&entry.msn) {
                prop_assert_eq!(&entry.uri, &before.uri, "{}", context("rule 1: a number changed its URI"));
                prop_assert_eq!(entry.duration, before.duration, "{}", context("rule 1: EXTINF changed"));
                prop_assert_eq!(entry.disc, before.disc, "{}", context("rule 3: discontinuity number changed"));
                prop_assert_eq!(entry.tagged, before.tagged, "{}", context("rule 1: DISCONTINUITY came or went"));
                prop_assert_eq!(&entry.keys, &before.keys, "{}", context("rule 1: keys changed"));
                prop_assert_eq!(&entry.map, &before.map, "{}", context("rule 1: MAP changed"));
                if origin.dates == DateTags::Every {
                    prop_assert_eq!(entry.date, before.date, "{}", context("rule 1: date changed"));
                }
            } else {
                self.first_shown.insert(entry.msn, seen.to);
            }
            self.check_entry(origin, seen, entry, context)?;
            self.entries.insert(entry.msn, entry.clone());
        }
        for pair in read.entries.windows(2) {
            check_boundary(origin, &pair[0], &pair[1], context)?;
        }
        self.joined.get_or_insert((read.first, seen.to));
        Ok(())
    }

    fn check_entry(
        &self,
        origin: &Origin,
        seen: &Seen,
        entry: &Entry,
        context: &dyn Fn(&str) -> String,
    ) -> Result<(), TestCaseError> {
        match entry.show {
            Show::Content(index) => {
                prop_assert!(index < seen.to, "{}", context("rule 13: ahead of the origin"));
                let map = (origin.packaging == Packaging::SeparateFmp4 && seen.kind != Kind::Subtitles)
                    .then(|| "https://origin.example.com/live/init.mp4".to_owned());
                let has = entry.map.as_ref().filter(|_| seen.kind != Kind::Subtitles);
                prop_assert_eq!(
                    has.map(|line| line.replace("#EXT-X-MAP:URI=\"", "").replace('"', "")),
                    map,
                    "{}",
                    context("rule 8: the wrong initialisation section")
                );
                let keys: Vec<String> = origin
                    .key_lines(index)
                    .into_iter()
                    .map(|line| match origin.keys {
                        Encryption::ImplicitIv => format!("{line},IV=0x{:032x}", origin.number(seen.kind, index)),
                        _ => line,
                    })
                    .collect();
                prop_assert_eq!(&entry.keys, &keys, "{}", context("rule 7: the wrong keys on content"));
                if let Some(date) = entry.date
                    && origin.dates != DateTags::Never
                {
                    let off = (date - origin.start_of(index)).abs();
                    prop_assert!(off <= TOLERANCE, "{}", context("rule 9: content lost its own wall clock"));
                }
            }
            Show::Ad(..) | Show::Slate(_) => {
                prop_assert!(entry.keys.is_empty(), "{}", context("rule 7: a clear ad under a key"));
                let expect = (origin.packaging == Packaging::SeparateFmp4)
                    .then(|| "#EXT-X-MAP:URI=\"https://ads.example.com/x/ad-init.mp4\"".to_owned());
                prop_assert_eq!(&entry.map, &expect, "{}", context("rule 8: an ad without its MAP"));
            }
            Show::Silence => {}
        }
        if entry.tagged {
            prop_assert!(entry.date.is_some(), "{}", context("rule 9: a discontinuity without a date"));
        }
        Ok(())
    }

    /// Over everything shown: content in order, nothing twice, no drift, never ahead.
    fn check_order(&self, origin: &Origin, name: &str, slate: bool) -> Result<(), TestCaseError> {
        let entries: Vec<&Entry> = self.entries.values().collect();
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.msn).collect();
        prop_assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "rule 2: numbers without a segment in {}: {:?}",
            name,
            numbers
        );
        let mut shown = BTreeSet::new();
        let mut last = None;
        let mut clock = None;
        let most = origin.segment.max(1_000_000);
        // The generated sound ends up to a frame late, that of ads 15 ms; players start each ad anew by its date.
        let mut overhang = if name == "audio" { 21_333 } else { 0 };
        // Who joins in the middle of a break has not seen all of what it lost.
        let joined_in_break = !matches!(entries.first().map(|entry| &entry.show), Some(Show::Content(_)));
        let least = if joined_in_break { -most } else { 0 };
        for entry in &entries {
            if let Show::Content(index) = entry.show {
                prop_assert!(shown.insert(index), "rule 13: content {} twice in {}", index, name);
                if let Some(before) = last {
                    prop_assert!(index > before, "rule 13: content runs backwards in {}", name);
                    let missing = before + 1..index;
                    let within = missing.clone().all(|gone| {
                        let in_break = |b: &crate::origin::Break| {
                            // An origin segment may have to go with a break that ends inside it, or pay back.
                            gone >= b.start && gone <= b.start + b.announced.max(b.length)
                        };
                        origin.breaks.iter().any(in_break)
                    });
                    prop_assert!(within, "rule 13: content {:?} lost outside a break in {}", missing, name);
                }
                last = Some(index);
                // The stitched clock against the origin's at each content segment.
                let stitched = *clock.get_or_insert(origin.start_of(index));
                let lag = origin.start_of(index) - stitched;
                prop_assert!(
                    lag >= least - TOLERANCE - overhang && lag <= most + TOLERANCE,
                    "rule 13: {} drifted by {} µs at content {} (slate: {})",
                    name,
                    lag,
                    index,
                    slate
                );
            }
            if let Some(now) = clock.as_mut() {
                if !matches!(entry.show, Show::Content(_)) && entry.tagged && name == "audio" {
                    overhang += 15_000;
                }
                *now += entry.duration;
                let edge = origin.start_of(self.first_shown.get(&entry.msn).copied().unwrap_or(0));
                prop_assert!(
                    *now <= edge + TOLERANCE * 2 + overhang - least,
                    "rule 13: {} is ahead of the origin at {:?}",
                    name,
                    entry
                );
            }
        }
        let dates: Vec<i64> = entries.iter().filter_map(|entry| entry.date).collect();
        prop_assert!(dates.windows(2).all(|pair| pair[0] <= pair[1]), "rule 9: dates run backwards in {}", name);
        Ok(())
    }
}

/// Rule 6: a discontinuity wherever the picture comes from somewhere else.
fn check_boundary(
    origin: &Origin,
    a: &Entry,
    b: &Entry,
    context: &dyn Fn(&str) -> String,
) -> Result<(), TestCaseError> {
    let expect = match (&a.show, &b.show) {
        (Show::Content(before), Show::Content(index)) => index - before > 1 || origin.is_discontinuity(*index),
        (Show::Ad(avail, item, _), Show::Ad(next_avail, next_item, _)) => avail != next_avail || item != next_item,
        (Show::Slate(before), Show::Slate(after)) => after <= before,
        // Silence stands for any ad.
        (Show::Silence, Show::Silence) => b.tagged,
        _ => true,
    };
    prop_assert_eq!(b.tagged, expect, "{}", context("rule 6: discontinuity missing or out of place"));
    Ok(())
}

pub fn check_vod(
    origin: &Origin,
    texts: &BTreeMap<&'static str, String>,
    length: usize,
    inserted: i64,
    target: u32,
) -> Result<(), TestCaseError> {
    let mut discs: Option<Vec<(usize, u64)>> = None;
    for kind in origin.kinds() {
        let text = &texts[kind.name()];
        let read = read(text, *kind)?;
        prop_assert!(read.ended, "rule 12: ENDLIST lost\n{}", text);
        prop_assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD"), "rule 12: PLAYLIST-TYPE lost");
        prop_assert_eq!(read.target, i64::from(target));
        let content: Vec<(usize, u64)> = read
            .entries
            .iter()
            .filter_map(|entry| match entry.show {
                Show::Content(index) => Some((index, entry.disc)),
                _ => None,
            })
            .collect();
        let indices: Vec<usize> = content.iter().map(|(index, _)| *index).collect();
        prop_assert_eq!(indices, (0..length).collect::<Vec<_>>(), "all of the title, once, in order");
        let total: i64 = read.entries.iter().map(|entry| entry.duration).sum();
        let title: i64 = (0..length).map(|index| origin.duration(*kind, index)).sum();
        let ads = read.entries.iter().filter(|entry| !matches!(entry.show, Show::Content(_))).count() as i64;
        prop_assert!((total - title - inserted).abs() <= TOLERANCE * (ads + 1), "every ad whole\n{}", text);
        let dates: Vec<i64> = read.entries.iter().filter_map(|entry| entry.date).collect();
        prop_assert!(dates.windows(2).all(|pair| pair[0] < pair[1]), "rule 9: dates run backwards\n{}", text);
        if let Some(first) = dates.first() {
            prop_assert!(*first >= EPOCH - TOLERANCE);
        }
        for pair in read.entries.windows(2) {
            check_boundary(origin, &pair[0], &pair[1], &|rule| format!("{rule}\n{text}"))?;
        }
        match &discs {
            None => discs = Some(content),
            Some(expect) => prop_assert_eq!(expect, &content, "rule 4: discontinuity numbers differ"),
        }
    }
    Ok(())
}
