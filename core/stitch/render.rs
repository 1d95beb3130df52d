//! Track + timeline → the media playlist of one viewer, numbered so that nothing once published ever changes.
//!
//! A content segment's number is the origin's plus a shift that grows, with each splice that has passed, by the number
//! of ad segments shown less the number of content segments replaced; likewise for discontinuities (RFC 8216bis
//! 4.4.3.2, 4.4.3.3, 6.2.2). [`Numbering`] is all that has to be remembered from one refresh to the next.
//! Deliberately does not know sessions, caches or how ad addresses are made.

use std::fmt::Write as _;

use super::{
    TOLERANCE,
    ladder::RenditionSpec,
    pod::{PodSegment, Role},
    timeline::Splice,
    track::{Container, Track, TrackSegment, push_date, push_line},
};
use crate::{
    domain::{AvailKind, Moment, Span},
    media::{
        attributes, datetime,
        multivariant::RenditionKind,
        tag::{self, Tag},
    },
};

/// A live playlist keeps at least this many target durations (RFC 8216bis 6.2.2).
const MIN_WINDOW_TARGETS: i64 = 3;

/// Writes the address of an ad segment, relative to the media playlist or absolute.
pub trait AdAddress {
    fn ad(&self, out: &mut String, splice: &Splice, segment: &PodSegment<'_>);
    /// An empty WebVTT file.
    fn no_subtitles(&self, out: &mut String);
}

#[derive(Clone, Copy)]
pub struct Render<'a> {
    pub track: &'a Track,
    /// Content from here on is not shown yet: the reference rendition has not got there, so breaks are not known.
    pub limit: Moment,
    pub spec: &'a RenditionSpec,
    pub reference: &'a RenditionSpec,
    /// Non-empty splices in order of time.
    pub splices: &'a [Splice],
    /// Start of the last splice that the timeline has forgotten.
    pub forgotten: Moment,
    /// The same for the whole session and all its renditions.
    pub target_duration: u32,
    pub version: u32,
}

/// How one rendition of one session is numbered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numbering {
    epoch: u32,
    /// What is added to the origin's media and discontinuity sequence numbers before the first remembered splice.
    shift: Shift,
    /// Splices that this rendition has entered and that have not left its window.
    entered: Vec<Entered>,
    /// Start of the last splice that has left its window.
    passed: Moment,
    last_msn: u64,
    last_disc: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Shift {
    msn: i64,
    disc: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entered {
    splice: u32,
    /// The origin's numbers at the splice: of the first replaced segment, and of discontinuities before it.
    msn: u64,
    disc: u64,
    /// Once content has resumed.
    after: Option<After>,
}

/// Behind a splice: the origin's number of the segment that content resumed at, and the shift from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct After {
    content: u64,
    shift: Shift,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("the origin's playlist has no segment that may be shown yet")]
    Empty,
}

impl Default for Numbering {
    fn default() -> Self {
        let shift = Shift::default();
        Self { epoch: 0, shift, entered: Vec::new(), passed: Moment::MIN, last_msn: 0, last_disc: 0 }
    }
}

impl Numbering {
    /// For a rendition that goes on as another of the same session: so discontinuity numbers agree.
    ///
    /// Media sequence numbers are each rendition's own: they go on from `own`, what it had before, if anything.
    pub fn beside(other: &Self, own: Option<&Self>, track: &Track, splices: &[Splice]) -> Self {
        let first = track.segments.first().map_or(0, |segment| segment.msn);
        let onwards = |own: &Self| own.shift.msn.max(difference(own.last_msn.saturating_add(1), first));
        let mut next = Self {
            epoch: track.epoch,
            shift: Shift { msn: own.map_or(0, onwards), disc: other.shift.disc },
            entered: Vec::new(),
            passed: other.passed,
            last_msn: own.map_or(0, |own| own.last_msn),
            last_disc: other.last_disc,
        };
        for splice in splices {
            if splice.avail.start > next.passed
                && next.has_left(splice, track)
                && let Some(after) = other.after(splice)
            {
                (next.shift.disc, next.passed) = (after.shift.disc, splice.avail.start);
            }
        }
        next
    }

    /// Whether a splice is over and the segment that content resumed at has left the window.
    fn has_left(&self, splice: &Splice, track: &Track) -> bool {
        if let Some(after) = self.after(splice) {
            return track.segments.first().is_some_and(|first| first.msn > after.content);
        }
        let margin = track.mean_duration().half();
        splice.outcome.is_some_and(|outcome| outcome.resume.max(splice.avail.start) + margin < track.start())
    }

    /// Whether it has seen every splice that the timeline has forgotten. A rendition that was not asked for while a
    /// break came and went has not, and must go on as one that has.
    pub fn is_current(&self, forgotten: Moment) -> bool {
        self.passed >= forgotten
    }

    /// What a splice that has left the window did to the numbers; `None` if it was never seen to its end.
    fn after(&self, splice: &Splice) -> Option<After> {
        self.entered.iter().find(|entered| entered.splice == splice.id)?.after
    }
}

impl Render<'_> {
    /// The playlist, and the numbering to use for the next one.
    pub fn render(&self, numbering: &Numbering, address: &dyn AdAddress) -> Result<(String, Numbering), RenderError> {
        let mut numbering = numbering.clone();
        let missed = |splice: &&Splice| {
            splice.avail.start > numbering.passed
                && numbering.has_left(splice, self.track)
                && numbering.after(splice).is_none()
        };
        let last_missed = self.splices.iter().filter(missed).map(|splice| splice.avail.start).max();
        if numbering.epoch != self.track.epoch || !numbering.is_current(self.forgotten) || last_missed.is_some() {
            numbering = self.restart(&numbering, last_missed.unwrap_or(Moment::MIN));
        }
        let mut walk = Walk::new(self, numbering, address);
        walk.run();
        walk.finish()
    }

    /// The origin counts anew, or the viewer was away for longer than we remember: go on where we stopped, one
    /// discontinuity later.
    fn restart(&self, before: &Numbering, missed: Moment) -> Numbering {
        let first = self.track.segments.first();
        let (msn, disc) = first.map_or((0, 0), |segment| (segment.msn, segment.disc));
        let fresh = before.last_msn == 0 && before.last_disc == 0;
        let shift = if fresh {
            Shift::default()
        } else {
            Shift {
                msn: difference(before.last_msn.saturating_add(1), msn),
                disc: difference(before.last_disc.saturating_add(1), disc),
            }
        };
        let passed = before.passed.max(self.forgotten).max(missed);
        Numbering { epoch: self.track.epoch, shift, entered: Vec::new(), passed, ..before.clone() }
    }
}

struct Walk<'a> {
    job: &'a Render<'a>,
    address: &'a dyn AdAddress,
    next: Numbering,
    shift: Shift,
    body: String,
    /// Number of the first item and of discontinuities before it.
    first: Option<(u64, u64)>,
    msn: u64,
    disc: u64,
    /// Content segments before this index may be shown.
    visible: usize,
    /// What inserted pods have moved the clock by.
    inserted: Span,
    /// The last item shown is content at the edge.
    ends_in_content: bool,
}

impl<'a> Walk<'a> {
    fn new(job: &'a Render<'a>, next: Numbering, address: &'a dyn AdAddress) -> Self {
        let track = job.track;
        let visible = if track.ended { track.segments.len() } else { track.index_at(job.limit) };
        Self {
            job,
            address,
            shift: next.shift,
            next,
            body: String::with_capacity(track.text.len() + 2048),
            first: None,
            msn: 0,
            disc: 0,
            visible,
            inserted: Span::ZERO,
            ends_in_content: false,
        }
    }

    fn run(&mut self) {
        let (track, splices) = (self.job.track, self.job.splices);
        let mut cursor = 0;
        let mut exit = false;
        for (index, splice) in splices.iter().enumerate() {
            let start = track.index_at(splice.avail.start);
            let resume = splice.outcome.map(|outcome| track.index_at(outcome.resume));
            let began_before = splice.avail.start + TOLERANCE < track.start() && start == 0;
            if splice.avail.start <= self.next.passed {
                continue;
            }
            if self.next.has_left(splice, track) {
                self.fold(splice);
                continue;
            }
            let at_end = track.ended && splice.avail.kind == AvailKind::Insert && start == track.segments.len();
            if start >= self.visible && !at_end {
                break;
            }
            self.content(cursor..start, exit);
            let entered = self.enter(splice, start, began_before);
            // Where content resumed once, it goes on resuming.
            let resumed = match entered.after {
                Some(after) => Some(track.position(after.content)),
                None => resume.filter(|resume| *resume < self.visible || track.ended),
            };
            let shown = self.pod(splice, &entered, resumed, began_before);
            self.ends_in_content = false;
            let Some(resume) = resumed else {
                cursor = track.segments.len();
                exit = false;
                break;
            };
            cursor = resume;
            let next_starts_here =
                splices.get(index + 1).is_some_and(|next| track.index_at(next.avail.start) == resume);
            exit = !next_starts_here;
            if let Some(after) = entered.after {
                self.shift = after.shift;
            } else if let Some(segment) = track.segments.get(resume) {
                let own = u64::from(segment.discontinuity);
                let disc = if next_starts_here {
                    difference(shown.disc, segment.disc.saturating_sub(own))
                } else {
                    difference(shown.disc.saturating_add(1), segment.disc)
                };
                let next = shift(entered.msn, self.shift.msn).saturating_add(shown.segments);
                self.shift = Shift { msn: difference(next, segment.msn), disc };
                let after = After { content: segment.msn, shift: self.shift };
                if let Some(entered) = self.next.entered.iter_mut().find(|entered| entered.splice == splice.id) {
                    entered.after = Some(after);
                }
            }
        }
        if cursor < self.visible {
            self.content(cursor..self.visible, exit);
        }
    }

    /// A splice has left the window: its shift becomes part of the base.
    fn fold(&mut self, splice: &Splice) {
        if let Some(after) = self.next.after(splice) {
            (self.next.shift, self.shift) = (after.shift, after.shift);
        }
        self.next.passed = splice.avail.start;
        self.next.entered.retain(|entered| entered.splice != splice.id);
    }

    /// Notes the origin's numbers at a splice when it first shows.
    fn enter(&mut self, splice: &Splice, start: usize, began_before: bool) -> Entered {
        if let Some(known) = self.next.entered.iter().find(|entered| entered.splice == splice.id) {
            return *known;
        }
        let track = self.job.track;
        let (msn, disc) = match track.segments.get(start) {
            Some(segment) => {
                // It began out of sight: what shows first takes the number of what would.
                let gone = if began_before { self.out_of_sight(splice) } else { 0 };
                let own = u64::from(segment.discontinuity);
                (segment.msn.saturating_sub(gone), segment.disc.saturating_sub(own))
            }
            None => track.segments.last().map_or((0, 0), |last| (last.msn.saturating_add(1), last.disc)),
        };
        let entered = Entered { splice: splice.id, msn, disc, after: None };
        self.next.entered.push(entered);
        entered
    }

    /// How many segments of a pod end before the window begins.
    fn out_of_sight(&self, splice: &Splice) -> u64 {
        let head = self.job.track.start() - splice.avail.start;
        splice
            .pod
            .segments(self.job.spec, self.job.reference, head)
            .take_while(|segment| segment.end() <= head + TOLERANCE)
            .count() as u64
    }

    fn pod(&mut self, splice: &Splice, entered: &Entered, resumed: Option<usize>, began_before: bool) -> Shown {
        let job = self.job;
        let edge = job.track.end().min(if job.track.ended { job.track.end() } else { job.limit }) - splice.avail.start;
        let length = splice.outcome.map(|outcome| outcome.length);
        let until = match (resumed, length) {
            (Some(_), Some(length)) => length,
            (_, length) => splice.pod.cut(edge).min(length.unwrap_or(Span::MAX)),
        };
        let segments: Vec<PodSegment<'_>> = splice.pod.segments(job.spec, job.reference, until).collect();
        let gone = if began_before { self.gone(splice, &segments, resumed) } else { 0 };
        let first_disc = shift(entered.disc, self.shift.disc);
        let mut disc = first_disc;
        let mut map = None;
        // At the very start of a title there is nothing to be discontinuous with.
        let opens_title = job.track.ended && self.first.is_none();
        for (index, segment) in segments.iter().enumerate() {
            let before = disc;
            let tagged = segment.discontinuity && !(opens_title && index == 0);
            disc = disc.saturating_add(u64::from(tagged));
            if index < gone {
                continue;
            }
            let msn = shift(entered.msn, self.shift.msn).saturating_add(index as u64);
            self.first.get_or_insert((msn, before));
            (self.msn, self.disc) = (msn, disc);
            let fresh = index == gone;
            if tagged {
                push_line(&mut self.body, "#EXT-X-DISCONTINUITY");
            }
            self.ad_segment(splice, segment, index == 0, fresh || map != segment.segment.map);
            map.clone_from(&segment.segment.map);
        }
        if splice.avail.kind == AvailKind::Insert {
            self.inserted += until;
        }
        Shown { segments: segments.len() as u64, disc }
    }

    /// How many of the pod's segments have left with the content they replaced, keeping the window long enough.
    fn gone(&self, splice: &Splice, segments: &[PodSegment<'_>], resumed: Option<usize>) -> usize {
        let track = self.job.track;
        let head = track.start() - splice.avail.start;
        let after: Span = resumed
            .map(|resume| track.segments.get(resume..self.visible).unwrap_or_default())
            .unwrap_or_default()
            .iter()
            .map(|segment| segment.duration)
            .sum();
        let mut left = after + segments.iter().map(|segment| segment.segment.duration).sum::<Span>();
        let hold = Span::from_secs(i64::from(self.job.target_duration) * MIN_WINDOW_TARGETS);
        let mut gone = 0;
        for segment in segments {
            left -= segment.segment.duration;
            if segment.end() > head + TOLERANCE || left < hold {
                break;
            }
            gone += 1;
        }
        gone
    }

    fn ad_segment(&mut self, splice: &Splice, segment: &PodSegment<'_>, opens: bool, state_map: bool) {
        let job = self.job;
        let subtitles = job.spec.kind == RenditionKind::Subtitles;
        if segment.discontinuity && job.dates() {
            // What is owed pulls the pod's dates forward, so that they never run past the content behind it.
            push_date(&mut self.body, splice.avail.start - splice.owed + segment.start + self.inserted);
        }
        if opens && self.keys_in_force(splice) {
            push_line(&mut self.body, "#EXT-X-KEY:METHOD=NONE");
        }
        if !subtitles
            && state_map
            && let Some(map) = &segment.segment.map
        {
            push_line(&mut self.body, map);
        }
        let _ = writeln!(self.body, "#EXTINF:{},", Decimal(segment.segment.duration));
        if subtitles {
            if job.spec.container == Container::Fmp4 {
                push_line(&mut self.body, "#EXT-X-GAP");
            }
            self.address.no_subtitles(&mut self.body);
        } else {
            if let Some((length, offset)) = segment.segment.byte_range {
                let _ = writeln!(self.body, "#EXT-X-BYTERANGE:{length}@{offset}");
            }
            match segment.item.role {
                Role::Slate => self.body.push_str(&segment.segment.url),
                Role::Ad { .. } => self.address.ad(&mut self.body, splice, segment),
            }
        }
        self.body.push('\n');
    }

    /// Whether content around a splice is encrypted.
    fn keys_in_force(&self, splice: &Splice) -> bool {
        let track = self.job.track;
        let at = track.index_at(splice.avail.start);
        let before = at.checked_sub(1).and_then(|index| track.segments.get(index));
        before.or(track.segments.get(at)).is_some_and(|segment| segment.keys.is_some())
    }

    fn content(&mut self, range: std::ops::Range<usize>, exit: bool) {
        let track = self.job.track;
        let Some(segments) = track.segments.get(range.start..range.end.min(self.visible)) else { return };
        let [head, rest @ ..] = segments else { return };
        let tagged = exit || head.discontinuity;
        let msn = shift(head.msn, self.shift.msn);
        let disc = shift(head.disc, self.shift.disc);
        self.first.get_or_insert((msn, disc.saturating_sub(u64::from(tagged))));
        let last = rest.last().unwrap_or(head);
        (self.msn, self.disc) = (shift(last.msn, self.shift.msn), shift(last.disc, self.shift.disc));
        self.ends_in_content = true;
        if exit {
            self.restate(head);
        }
        if self.inserted == Span::ZERO {
            self.body.push_str(&track.text[head.text.start as usize..last.text.end as usize]);
            return;
        }
        for segment in segments {
            let text = &track.text[segment.text.start as usize..segment.text.end as usize];
            if segment.has_dates { self.moved(text) } else { self.body.push_str(text) }
        }
    }

    /// Content after an ad: everything that the ad interrupted is said again, unless the segment says it itself.
    fn restate(&mut self, segment: &TrackSegment) {
        let track = self.job.track;
        if !segment.discontinuity {
            push_line(&mut self.body, "#EXT-X-DISCONTINUITY");
        }
        if !segment.dated && self.job.dates() {
            push_date(&mut self.body, segment.start + self.inserted);
        }
        let keys_of = |index: Option<u16>| index.and_then(|index| track.key_states.get(usize::from(index)));
        let map = segment.map.and_then(|index| track.map_states.get(usize::from(index)));
        let mut stated = None;
        if !segment.states_map
            && let Some(map) = map
        {
            // An initialisation section may be clear, or have been encrypted under an older key.
            if let Some(keys) = keys_of(map.keys) {
                self.body.push_str(keys);
            }
            push_line(&mut self.body, &map.line);
            stated = map.keys;
        }
        if !segment.states_keys
            && stated != segment.keys
            && let Some(keys) = keys_of(segment.keys)
        {
            self.body.push_str(keys);
        }
    }

    /// A segment's text with its dates moved by what has been inserted before it.
    fn moved(&mut self, text: &str) {
        for line in text.lines() {
            match Tag::of(line) {
                Tag::ProgramDateTime => match datetime::parse(tag::value(line).trim()) {
                    Ok(at) => push_date(&mut self.body, at + self.inserted),
                    Err(_) => push_line(&mut self.body, line),
                },
                Tag::DateRange => {
                    let line = self.moved_attribute(line, "START-DATE");
                    let line = self.moved_attribute(&line, "END-DATE");
                    push_line(&mut self.body, &line);
                }
                _ => push_line(&mut self.body, line),
            }
        }
    }

    fn moved_attribute(&self, line: &str, name: &str) -> String {
        let list = tag::value(line);
        let offset = line.len() - list.len();
        let found = attributes::value_range(list, name).and_then(|range| Some((range.clone(), list.get(range)?)));
        let Some((range, Ok(at))) = found.map(|(range, text)| (range, datetime::parse(text))) else {
            return line.to_owned();
        };
        let before = |splice: &&Splice| splice.avail.kind == AvailKind::Insert && splice.avail.start <= at;
        let by: Span = self.job.splices.iter().filter(before).map(|splice| splice.pod.ads).sum();
        [&line[..offset + range.start], &datetime::format(at + by), &line[offset + range.end..]].concat()
    }

    fn finish(mut self) -> Result<(String, Numbering), RenderError> {
        let job = self.job;
        let (msn, disc) = self.first.ok_or(RenderError::Empty)?;
        let mut out = String::with_capacity(self.body.len() + job.track.header.len() + job.track.tail.len() + 200);
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{msn}\n#EXT-X-DISCONTINUITY-SEQUENCE:{disc}\n",
            job.version, job.target_duration
        );
        out.push_str(&job.track.header);
        out.push_str(&self.body);
        let at_edge = self.ends_in_content && self.visible == job.track.segments.len();
        if at_edge && self.inserted == Span::ZERO {
            out.push_str(&job.track.tail);
        }
        if job.track.ended {
            push_line(&mut out, "#EXT-X-ENDLIST");
        }
        let live: Vec<u32> = job.splices.iter().map(|splice| splice.id).collect();
        self.next.entered.retain(|entered| live.contains(&entered.splice));
        (self.next.last_msn, self.next.last_disc) = (self.msn, self.disc);
        Ok((out, self.next))
    }
}

struct Shown {
    segments: u64,
    /// Discontinuity number of the last segment.
    disc: u64,
}

impl Render<'_> {
    /// Whether discontinuities are dated: always in live, in VOD if the origin dates its segments.
    fn dates(&self) -> bool {
        !self.track.ended || self.track.has_dates
    }
}

fn difference(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b) as i64
}

fn shift(number: u64, by: i64) -> u64 {
    number.saturating_add_signed(by)
}

/// EXTINF durations with at least three decimals, as players and validators expect of version 3 and up.
struct Decimal(Span);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.as_micros().unsigned_abs();
        let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
        if rest % 1_000 == 0 { write!(f, "{whole}.{:03}", rest / 1_000) } else { write!(f, "{whole}.{rest:06}") }
    }
}
