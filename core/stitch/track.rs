//! One version of one origin rendition: placed on the channel's media clock, its text ready to be copied.
//!
//! URIs are made absolute, ad markers taken out, implicit values (IVs, byte-range offsets) written out, once per
//! version; a viewer's playlist then copies stretches of this text. Deliberately does not know breaks, ads or viewers.

use std::{fmt::Write as _, ops::Range, sync::Arc};

use url::Url;

use crate::{
    domain::{MarkerPolicy, Moment, Span},
    extension::point::{PlacedCue, Window},
    media::{
        attributes, cue, datetime,
        playlist::{MediaPlaylist, Segment, needs_explicit_iv},
        tag::{self, Tag},
        uri::{self, Variables},
    },
};

/// How segments are packed; ads must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    Ts,
    Fmp4,
    /// AAC, MP3 or AC-3 frames without a container.
    PackedAudio,
    WebVtt,
}

impl Container {
    pub fn of(playlist: &MediaPlaylist) -> Self {
        let first = playlist.segments.first();
        let has_map = first.is_some_and(|s| playlist.lines_in(&s.lines).any(|(tag, _)| tag == Tag::Map));
        if has_map || playlist.header().any(|(tag, _)| tag == Tag::Map) {
            return Self::Fmp4;
        }
        let uri = first.map_or("", |segment| playlist.uri(segment));
        let path = uri.split(['?', '#']).next().unwrap_or_default();
        match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "aac" | "mp3" | "ac3" | "ec3" => Self::PackedAudio,
            "vtt" | "webvtt" => Self::WebVtt,
            _ => Self::Ts,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ts => "MPEG-TS",
            Self::Fmp4 => "fMP4",
            Self::PackedAudio => "packed audio",
            Self::WebVtt => "WebVTT",
        }
    }
}

/// Where the first segment goes on the media clock when the origin does not date it.
#[derive(Clone, Copy, Debug)]
pub enum Placement<'a> {
    /// The window ends now: a live origin that gives no dates, seen for the first time.
    EndsAt(Moment),
    /// It starts here: VOD.
    StartsAt(Moment),
    /// As the rendition that the channel is timed by, number by number.
    Like(&'a Track),
}

/// What building a track needs beside the playlist.
#[derive(Clone, Copy)]
pub struct TrackContext<'a> {
    /// Address that the playlist was found at, after redirects.
    pub base: &'a Url,
    /// Variables of the multivariant playlist, for EXT-X-DEFINE:IMPORT.
    pub imported: &'a Variables,
    pub markers: MarkerPolicy,
    pub previous: Option<&'a Track>,
    pub placement: Placement<'a>,
}

#[derive(Clone, Debug)]
pub struct TrackSegment {
    /// The origin's media sequence number.
    pub msn: u64,
    /// The origin's discontinuity sequence number of this segment, its own tag counted.
    pub disc: u64,
    pub start: Moment,
    pub duration: Span,
    pub discontinuity: bool,
    /// Where its text stands.
    pub text: Range<u32>,
    /// The text carries its own PROGRAM-DATE-TIME.
    pub dated: bool,
    /// The text holds dates (PROGRAM-DATE-TIME or DATERANGE) that an inserted pod moves.
    pub has_dates: bool,
    /// Keys in force, as an index of [`Track::key_states`], and whether the text states them itself.
    pub keys: Option<u16>,
    pub states_keys: bool,
    /// Likewise for the initialisation section.
    pub map: Option<u16>,
    pub states_map: bool,
}

impl TrackSegment {
    pub fn end(&self) -> Moment {
        self.start + self.duration
    }
}

/// An initialisation section, and the keys that it is encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapState {
    pub line: String,
    pub keys: Option<u16>,
}

#[derive(Debug)]
pub struct Track {
    /// Unique within the process.
    pub id: u64,
    /// Rises when the origin starts to count anew.
    pub epoch: u32,
    pub version: u32,
    pub target_duration: u32,
    pub ended: bool,
    pub container: Container,
    /// Header lines that pass untouched, each with its line end.
    pub header: String,
    pub text: String,
    /// What stands after the last segment: parts of the next one.
    pub tail: String,
    pub segments: Vec<TrackSegment>,
    pub key_states: Vec<String>,
    pub map_states: Vec<MapState>,
    /// The origin dates its segments.
    pub has_dates: bool,
    pub cues: Vec<PlacedCue>,
    pub corrupt_cues: u32,
}

impl Track {
    /// Builds a track from a playlist; `id` must be new.
    pub fn build(id: u64, playlist: &MediaPlaylist, context: &TrackContext<'_>) -> Arc<Self> {
        let restarts = |previous: &&Self| sequel(playlist, previous, context.base) == Sequel::Restart;
        let previous = context.previous.filter(|previous| !restarts(previous));
        let epoch = match (context.previous, previous) {
            (Some(before), None) => before.epoch + 1,
            (Some(before), Some(_)) => before.epoch,
            (None, _) => 0,
        };
        let starts = place(playlist, previous, context.placement);
        let mut builder = Builder::new(playlist, context);
        builder.header();
        for (index, segment) in playlist.segments.iter().enumerate() {
            builder.segment(index as u64, segment, starts.get(index).copied().unwrap_or_default());
        }
        builder.tail();
        let Builder { header, text, tail, segments, key_states, map_states, cues, corrupt_cues, .. } = builder;
        Arc::new(Self {
            id,
            epoch,
            version: playlist.version,
            target_duration: playlist.target_duration,
            ended: playlist.ended,
            container: Container::of(playlist),
            header,
            text,
            tail,
            segments,
            key_states,
            map_states,
            has_dates: playlist.segments.iter().any(|segment| segment.date_time.is_some()),
            cues,
            corrupt_cues,
        })
    }

    /// Whether a playlist is older than this: a cache between us and the origin is behind.
    pub fn is_newer_than(&self, playlist: &MediaPlaylist, base: &Url) -> bool {
        !playlist.ended && sequel(playlist, self, base) == Sequel::Stale
    }

    /// Where segment `msn` stands; 0 if it has left.
    pub fn position(&self, msn: u64) -> usize {
        let first = self.segments.first().map_or(0, |segment| segment.msn);
        usize::try_from(msn.saturating_sub(first)).unwrap_or(usize::MAX).min(self.segments.len())
    }

    /// The address of segment `msn`.
    fn uri_of(&self, msn: u64) -> Option<&str> {
        let index = usize::try_from(msn.checked_sub(self.segments.first()?.msn)?).ok()?;
        let range = &self.segments.get(index)?.text;
        self.text.get(range.start as usize..range.end as usize)?.lines().last()
    }

    pub fn start(&self) -> Moment {
        self.segments.first().map_or(Moment::default(), |segment| segment.start)
    }

    pub fn end(&self) -> Moment {
        self.segments.last().map_or(Moment::default(), TrackSegment::end)
    }

    pub fn duration(&self) -> Span {
        self.end() - self.start()
    }

    /// The segment that starts nearest to `at`: the first whose middle lies after it. `len()` if there is none.
    pub fn index_at(&self, at: Moment) -> usize {
        self.segments.partition_point(|segment| segment.start + segment.duration.half() <= at)
    }

    /// Mean segment length, for estimates.
    pub fn mean_duration(&self) -> Span {
        let count = i64::try_from(self.segments.len()).unwrap_or(1).max(1);
        Span((self.duration().as_micros() / count).max(1))
    }

    /// What a break detector sees.
    pub fn window(&self) -> Window {
        Window {
            live: !self.ended,
            start: self.start(),
            end: self.end(),
            boundaries: self.segments.iter().map(|segment| segment.start).collect(),
            cues: self.cues.clone(),
        }
    }
}

/// How a playlist relates to the version before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequel {
    /// The origin has moved on, or said the same again.
    Next,
    /// An older version: a cache on the way is behind.
    Stale,
    /// The packager counts anew.
    Restart,
}

fn sequel(playlist: &MediaPlaylist, previous: &Track, base: &Url) -> Sequel {
    let (Some(first), Some(last)) = (previous.segments.first(), previous.segments.last()) else { return Sequel::Next };
    let count = playlist.segments.len() as u64;
    let (new_first, new_end) = (playlist.media_sequence, playlist.media_sequence.saturating_add(count));
    let shared = new_first.max(first.msn);
    if shared >= new_end || shared > last.msn {
        return if new_first < first.msn { Sequel::Restart } else { Sequel::Next };
    }
    let segment = usize::try_from(shared - new_first).ok().and_then(|index| playlist.segments.get(index));
    let new_uri = segment.map(|segment| uri::absolute(playlist.uri(segment).trim(), base));
    let same = match (new_uri, previous.uri_of(shared)) {
        (Some(new), Some(known)) => without_query(&new) == without_query(known),
        _ => false,
    };
    match same {
        true if new_end <= last.msn => Sequel::Stale,
        false if new_first < first.msn => Sequel::Restart,
        _ => Sequel::Next,
    }
}

fn without_query(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or(uri)
}

fn place(playlist: &MediaPlaylist, previous: Option<&Track>, placement: Placement<'_>) -> Vec<Moment> {
    let segments = &playlist.segments;
    let total: Span = segments.iter().map(|segment| segment.duration).sum();
    let dated = segments.iter().position(|segment| segment.date_time.is_some());
    let first = match dated {
        Some(index) => {
            let before: Span = segments.iter().take(index).map(|segment| segment.duration).sum();
            segments.get(index).and_then(|segment| segment.date_time).unwrap_or_default() - before
        }
        None => {
            let known = previous.and_then(|track| continue_from(playlist, track));
            known.unwrap_or_else(|| match placement {
                Placement::EndsAt(now) => now - total,
                Placement::StartsAt(start) => start,
                Placement::Like(track) => {
                    // Numbers count only if they lead to about the same edge: audio may be cut and counted otherwise.
                    let near = Span::from_secs(i64::from(track.target_duration.max(playlist.target_duration))) * 2;
                    let by_number = continue_from(playlist, track);
                    let agrees = |start: &Moment| (*start + total - track.end()).abs() <= near;
                    by_number.filter(agrees).unwrap_or_else(|| track.end() - total)
                }
            })
        }
    };
    let known = |number: u64| {
        let track = previous?;
        let index = number.checked_sub(track.segments.first()?.msn)?;
        track.segments.get(usize::try_from(index).ok()?).map(|segment| segment.start)
    };
    let mut at = first;
    let mut starts: Vec<Moment> = Vec::with_capacity(segments.len());
    for (number, segment) in segments.iter().enumerate() {
        let number = playlist.media_sequence.saturating_add(number as u64);
        // What has been placed stays. A date that runs backwards cannot be right; the sum of durations is.
        let date = segment.date_time.filter(|date| starts.last().is_none_or(|last| date > last));
        at = known(number).or(date).unwrap_or(at);
        starts.push(at);
        at += segment.duration;
    }
    starts
}

/// The start of the playlist's first segment, by a track that knows one of its numbers.
fn continue_from(playlist: &MediaPlaylist, track: &Track) -> Option<Moment> {
    let (first, last) = (track.segments.first()?, track.segments.last()?);
    let number = playlist.media_sequence;
    if number >= first.msn && number <= last.msn {
        return track.segments.get(usize::try_from(number - first.msn).ok()?).map(|segment| segment.start);
    }
    if number > last.msn {
        let missing = i64::try_from(number - last.msn - 1).ok()?;
        return Some(last.end() + track.mean_duration() * missing);
    }
    let skip = usize::try_from(first.msn - number).ok()?;
    let before: Span = playlist.segments.get(..skip)?.iter().map(|segment| segment.duration).sum();
    Some(first.start - before)
}

struct Builder<'a> {
    playlist: &'a MediaPlaylist,
    context: &'a TrackContext<'a>,
    variables: Variables,
    header: String,
    text: String,
    tail: String,
    segments: Vec<TrackSegment>,
    /// Active keys as (KEYFORMAT, line).
    keys: Vec<(String, String)>,
    key_states: Vec<String>,
    map_states: Vec<MapState>,
    disc: u64,
    /// The origin dates its segments.
    dated: bool,
    cues: Vec<PlacedCue>,
    corrupt_cues: u32,
}

impl<'a> Builder<'a> {
    fn new(playlist: &'a MediaPlaylist, context: &'a TrackContext<'a>) -> Self {
        Self {
            playlist,
            context,
            variables: Variables::new(),
            header: String::new(),
            text: String::with_capacity(playlist.text().len() + playlist.segments.len() * 64),
            tail: String::new(),
            segments: Vec::with_capacity(playlist.segments.len()),
            keys: Vec::new(),
            key_states: Vec::new(),
            map_states: Vec::new(),
            disc: playlist.discontinuity_sequence,
            dated: playlist.segments.iter().any(|segment| segment.date_time.is_some()),
            cues: Vec::new(),
            corrupt_cues: 0,
        }
    }

    fn header(&mut self) {
        for (tag, line) in self.playlist.header() {
            match tag {
                Tag::Define => {
                    let list = tag::value(line);
                    uri::define(&mut self.variables, list, self.context.imported, self.context.base);
                    // Imports and query parameters would be looked up at our address; their uses are written out.
                    if attributes::get(list, "NAME").is_some() {
                        push_line(&mut self.header, line);
                    }
                }
                Tag::ServerControl => {
                    if let Some(line) = without_blocking_reload(line) {
                        push_line(&mut self.header, &line);
                    }
                }
                Tag::PlaylistType | Tag::IFramesOnly | Tag::Header | Tag::Other | Tag::Comment => {
                    let line = uri::substitute(line, &self.variables);
                    push_line(&mut self.header, &line);
                }
                _ => {}
            }
        }
    }

    fn segment(&mut self, index: u64, segment: &Segment, start: Moment) {
        let playlist = self.playlist;
        let text_start = self.text.len() as u32;
        let (mut states_keys, mut states_map, mut has_dates) = (false, false, segment.date_time.is_some());
        self.disc = self.disc.saturating_add(u64::from(segment.discontinuity));
        let msn = playlist.media_sequence.saturating_add(index);
        let has_key_tags = playlist.lines_in(&segment.lines).any(|(tag, _)| tag == Tag::Key);
        // An implicit IV has to be written out for each segment anew.
        if !has_key_tags && self.has_implicit_iv() {
            states_keys = true;
            self.write_keys(msn);
        }
        if segment.discontinuity && segment.date_time.is_none() && (!playlist.ended || self.dated) {
            push_date(&mut self.text, start);
            has_dates = true;
        }
        let dated = has_dates;
        for (tag, line) in playlist.lines_in(&segment.lines) {
            if self.take_marker(line, start) {
                continue;
            }
            let line = uri::substitute(line, &self.variables);
            match tag {
                Tag::Blank | Tag::EndList => {}
                // Where it stands: a MAP before a KEY is clear, one behind it is not.
                Tag::Key => {
                    states_keys = true;
                    self.take_key(&line, msn);
                }
                Tag::Map => {
                    let line = uri::absolute_attribute(&line, self.context.base);
                    states_map = true;
                    // An encrypted section has an explicit IV (RFC 8216bis 4.4.4.5); without one it is clear.
                    let clear = self.keys.is_empty() || self.has_implicit_iv();
                    let keys = if clear { None } else { Some(self.key_state()) };
                    let state = MapState { line: line.to_string(), keys };
                    if self.map_states.last() != Some(&state) {
                        self.map_states.push(state);
                    }
                    push_line(&mut self.text, &line);
                }
                Tag::ByteRange => match segment.byte_range {
                    Some((length, Some(offset))) => {
                        let _ = writeln!(self.text, "#EXT-X-BYTERANGE:{length}@{offset}");
                    }
                    _ => push_line(&mut self.text, &line),
                },
                Tag::Uri => {
                    let uri = uri::absolute(line.trim(), self.context.base);
                    push_line(&mut self.text, &uri);
                }
                Tag::DateRange => {
                    has_dates = true;
                    push_line(&mut self.text, &line);
                }
                Tag::Part | Tag::PreloadHint => {
                    let line = uri::absolute_attribute(&line, self.context.base);
                    push_line(&mut self.text, &line);
                }
                // It speaks of our other playlists with the origin's numbers.
                Tag::RenditionReport => {}
                _ => push_line(&mut self.text, &line),
            }
        }
        let keys = if self.keys.is_empty() { None } else { Some(self.key_state()) };
        self.segments.push(TrackSegment {
            msn,
            disc: self.disc,
            start,
            duration: segment.duration,
            discontinuity: segment.discontinuity,
            text: text_start..self.text.len() as u32,
            dated,
            has_dates,
            keys,
            states_keys,
            map: self.map_states.len().checked_sub(1).map(|last| last as u16),
            states_map,
        });
    }

    fn tail(&mut self) {
        let playlist = self.playlist;
        let at = self.segments.last().map_or(Moment::default(), TrackSegment::end);
        let mut next_is_marked = false;
        let mut tail = String::new();
        for (tag, line) in playlist.lines_in(&playlist.trailer) {
            if self.take_marker(line, at) {
                next_is_marked = true;
                continue;
            }
            let line = uri::substitute(line, &self.variables);
            match tag {
                Tag::EndList | Tag::Blank | Tag::RenditionReport | Tag::Key => {}
                _ if tag.is_header() => {}
                _ => push_line(&mut tail, &uri::absolute_attribute(&line, self.context.base)),
            }
        }
        // Parts of a segment that opens a break may be replaced as soon as it is whole: do not show them before.
        if !next_is_marked {
            self.tail = tail;
        }
    }

    /// Notes an ad marker; true if the line is to be left out.
    fn take_marker(&mut self, line: &str, start: Moment) -> bool {
        if !cue::is_marker(line) {
            return false;
        }
        match cue::decode(line) {
            Some(Ok(cues)) => {
                // A marker's own date is worth something only on a clock that the origin set.
                let at = |cue: &cue::Cue| cue.at.filter(|_| self.dated).unwrap_or(start);
                self.cues.extend(cues.into_iter().map(|cue| PlacedCue { at: at(&cue), cue }));
            }
            Some(Err(_)) => self.corrupt_cues += 1,
            None => {}
        }
        self.context.markers == MarkerPolicy::Strip
    }

    /// Notes a key and writes it.
    fn take_key(&mut self, line: &str, msn: u64) {
        let list = tag::value(line);
        if attributes::get(list, "METHOD") == Some("NONE") {
            self.keys.clear();
            push_line(&mut self.text, line);
            return;
        }
        let format = attributes::get(list, "KEYFORMAT").unwrap_or("identity").to_owned();
        let line = uri::absolute_attribute(line, self.context.base).into_owned();
        write_key(&mut self.text, &line, msn);
        match self.keys.iter_mut().find(|(known, _)| *known == format) {
            Some((_, known)) => *known = line,
            None => self.keys.push((format, line)),
        }
    }

    /// All keys in force for segment `msn`.
    fn write_keys(&mut self, msn: u64) {
        for (_, line) in &self.keys {
            write_key(&mut self.text, line, msn);
        }
    }

    fn has_implicit_iv(&self) -> bool {
        self.keys.iter().any(|(_, line)| needs_explicit_iv(tag::value(line)))
    }

    fn key_state(&mut self) -> u16 {
        let mut state = String::new();
        for (_, line) in &self.keys {
            push_line(&mut state, line);
        }
        if self.key_states.last() != Some(&state) {
            self.key_states.push(state);
        }
        (self.key_states.len() - 1) as u16
    }
}

fn write_key(out: &mut String, line: &str, msn: u64) {
    out.push_str(line);
    if needs_explicit_iv(tag::value(line)) {
        let _ = write!(out, ",IV=0x{msn:032x}");
    }
    out.push('\n');
}

/// SERVER-CONTROL without the promise of blocking reloads and delta updates: the stitched playlist answers at once and
/// in full. `None` if nothing is left.
fn without_blocking_reload(line: &str) -> Option<String> {
    let kept: Vec<&str> = tag::value(line)
        .split(',')
        .map(str::trim)
        .filter(|item| !item.starts_with("CAN-BLOCK-RELOAD") && !item.starts_with("CAN-SKIP"))
        .collect();
    (!kept.is_empty() && kept != [""]).then(|| format!("#EXT-X-SERVER-CONTROL:{}", kept.join(",")))
}

pub(super) fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

pub(super) fn push_date(out: &mut String, at: Moment) {
    out.push_str("#EXT-X-PROGRAM-DATE-TIME:");
    out.push_str(&datetime::format(at));
    out.push('\n');
}

#[cfg(test)]
mod tests;
