//! From cues to breaks, in playlist order.
//!
//! A break that is known keeps its name and start. The same cue may come again, in any dialect: it stays one break.
//! Breaks do not overlap; what starts inside of one whose end is certain is a part of it.

use std::collections::BTreeMap;

use cuetone_plugin::{Avail, AvailKind, Channel, Cue, CueKind, Dialect, Labels, Position, Window};

use crate::{
    config::{Action, Config, Durations, EventIds, MAX_DURATION, MAX_METADATA_BYTES, Use},
    meaning::{self, Level, Meaning},
    name,
    upid::{Verdict, judge},
};

/// Closer than this, two markers mean the same moment: elapsed times are often whole seconds.
const SAME_MOMENT: f64 = 1.0;

/// What floating-point sums may lose.
const ROUNDING: f64 = 1e-6;

/// Avails in an answer: the host refuses more.
const MAX_AVAILS: usize = 500;

/// Where the event id of a break's start is noted.
const EVENT_ID: &str = "event_id";

/// Where the type of the segment that opened a break is noted.
const SEGMENTATION_TYPE: &str = "segmentation_type";

/// Where a rule's `max_duration` is noted, for when the break's end is told.
const LIMIT: &str = "max_duration";

pub fn find(window: &Window, known: Vec<Avail>, channel: &Channel, config: &Config) -> Vec<Avail> {
    let mut breaks = Breaks::new(window, channel, config);
    for avail in known.into_iter().filter(name::is_ours) {
        breaks.put(avail);
    }
    for cue in window.cues.iter().filter(|cue| cue.at <= window.end + MAX_DURATION) {
        match meaning::read(cue, config) {
            Some((Meaning::Start, level)) => breaks.start(cue, level),
            Some((Meaning::Continue, level)) => breaks.carry_on(cue, level),
            Some((Meaning::End, level)) => breaks.end(cue, level),
            Some((Meaning::Cancel, _)) => breaks.cancel(cue),
            None => {}
        }
    }
    breaks.answer()
}

/// A break that the policy refused: what continues it is refused with it.
struct Refused<'a> {
    start: f64,
    event_id: Option<&'a str>,
}

struct Breaks<'a> {
    window: &'a Window,
    channel: &'a Channel,
    config: &'a Config,
    /// By their starts.
    list: Vec<Avail>,
    refused: Vec<Refused<'a>>,
    /// The host moves a start to a segment boundary: at most so far.
    moved: f64,
}

impl<'a> Breaks<'a> {
    fn new(window: &'a Window, channel: &'a Channel, config: &'a Config) -> Self {
        let ends = window.boundaries.iter().skip(1).chain(std::iter::once(&window.end));
        let longest = window.boundaries.iter().zip(ends).map(|(start, end)| end - start).fold(0.0, f64::max);
        Self { window, channel, config, list: Vec::new(), refused: Vec::new(), moved: longest.max(SAME_MOMENT) }
    }

    fn put(&mut self, avail: Avail) {
        let place = self.list.partition_point(|other| other.start <= avail.start);
        self.list.insert(place, avail);
    }

    /// The event id, where one tells breaks apart.
    fn event_id<'c>(&self, cue: &'c Cue) -> Option<&'c str> {
        cue.id.as_deref().filter(|id| !id.is_empty() && self.config.event_ids == EventIds::Unique)
    }

    /// What a break with the cue's event id is called.
    fn name(&self, cue: &Cue) -> Option<String> {
        self.event_id(cue).map(|id| name::of_break(Some(id), cue.at))
    }

    /// Whether a break has the cue's event id: by its name, or where ids are used again by what is noted of it.
    fn has_id(&self, avail: &Avail, cue: &Cue) -> bool {
        match self.config.event_ids {
            EventIds::Unique => is_named(avail, self.name(cue).as_deref()),
            EventIds::Reused => {
                let id = cue.id.clone().filter(|id| !id.is_empty()).map(shortened);
                id.is_some() && noted(&avail.metadata, EVENT_ID) == id.as_deref()
            }
        }
    }

    /// The break that a cue names again: it starts at this moment, or has the cue's event id and starts near or runs.
    fn same(&self, start: f64, cue: &Cue) -> Option<usize> {
        let near = |avail: &Avail, distance: f64| (avail.start - start).abs() <= distance;
        let name = self.name(cue);
        let named =
            |avail: &Avail| (near(avail, self.moved) || runs(avail, cue.at)) && is_named(avail, name.as_deref());
        let same = self.list.iter().rposition(named);
        same.or_else(|| self.list.iter().rposition(|avail| near(avail, SAME_MOMENT)))
    }

    /// The break that replaces content at this moment.
    fn running(&self, moment: f64) -> Option<usize> {
        self.list.iter().rposition(|avail| runs(avail, moment))
    }

    /// A break begins.
    fn start(&mut self, cue: &'a Cue, level: Level) {
        let insert = cue.duration.is_some_and(|duration| duration <= 0.0);
        if insert && self.window.live {
            return;
        }
        if let Some(same) = self.same(cue.at, cue) {
            if self.speaks_of(same, level) && !self.is_another(same, cue) {
                self.repeat(same, cue);
            }
            return;
        }
        // Another dialect has said more of this moment, and was refused.
        if is_mute(cue) && self.refused.iter().any(|refused| (refused.start - cue.at).abs() <= SAME_MOMENT) {
            return;
        }
        if !insert {
            if self.is_part(cue, level) {
                return;
            }
            // What is too short to be a break is no start of one either.
            if self.length(cue, &judge(cue, self.config)).0 >= self.config.min_duration {
                self.cut(cue.at);
            }
        }
        self.open(cue, cue.at, insert);
    }

    /// Whether it is a further segment of the message that opened a break: of two alike the first speaks.
    fn is_another(&self, same: usize, cue: &Cue) -> bool {
        let other = |avail: &Avail| !self.has_id(avail, cue);
        cue.kind == CueKind::Info && self.level(same).is_some() && self.list.get(same).is_some_and(other)
    }

    /// Whether a cue starts something inside of a break: something that lies further in, or anything where the break's
    /// end is certain.
    fn is_part(&self, cue: &Cue, level: Level) -> bool {
        let Some(running) = self.running(cue.at) else { return false };
        let further_in = self.level(running).is_some_and(|open| level.is_some_and(|level| level > open));
        let certain = |avail: &Avail| avail.closed && cue.at < end(avail) - SAME_MOMENT;
        further_in || self.list.get(running).is_some_and(certain)
    }

    /// What runs, or is open, is over when another break starts.
    fn cut(&mut self, moment: f64) {
        for avail in self.list.iter_mut().filter(|avail| avail.kind == AvailKind::Replace && avail.start < moment) {
            if !avail.closed || moment < end(avail) {
                avail.duration = avail.duration.min(moment - avail.start);
                avail.closed = true;
            }
        }
    }

    /// A break goes on whose start may have left the window.
    fn carry_on(&mut self, cue: &'a Cue, level: Level) {
        let start = cue.at - cue.elapsed.unwrap_or(0.0).max(0.0);
        let again = self.same(start, cue).or_else(|| self.running(cue.at));
        // What a rounded `elapsed` would have overlap with the break before.
        let before = |avail: &&Avail| avail.kind == AvailKind::Replace && avail.start < start;
        let start = self.list.iter().rfind(before).map_or(start, |before| start.max(end(before)));
        let same = again.or_else(|| self.same(start, cue));
        if let Some(same) = same {
            if self.speaks_of(same, level) && !self.is_another(same, cue) {
                self.learn(same, cue);
            }
            return;
        }
        let refused = |refused: &Refused<'_>| {
            (refused.start - start).abs() <= self.moved || (cue.id.is_some() && refused.event_id == cue.id.as_deref())
        };
        if self.config.continuations == Use::Ignore || self.refused.iter().any(refused) {
            return;
        }
        self.open(cue, start, false);
    }

    /// A new break, if the policy allows it.
    fn open(&mut self, cue: &'a Cue, start: f64, insert: bool) {
        let verdict = judge(cue, self.config);
        let (length, certain) = self.length(cue, &verdict);
        if !self.allows(&verdict, length) {
            self.refused.push(Refused { start, event_id: cue.id.as_deref() });
            return;
        }
        let length = if insert { length } else { self.room_after(start).min(length) };
        // The last marker of a break can stand exactly where it ends.
        if start + length <= cue.at + ROUNDING && !insert {
            return;
        }
        let Some(id) = self.free_name(cue, start) else { return };
        let position = verdict.rule.and_then(|rule| rule.position).unwrap_or(Position::MidRoll);
        let kind = if insert { AvailKind::Insert } else { AvailKind::Replace };
        let metadata = metadata(cue, &verdict);
        let closed = insert || (certain && self.config.auto_return);
        self.put(Avail { id, start, duration: length, kind, position, closed, metadata });
    }

    fn allows(&self, verdict: &Verdict<'_>, length: f64) -> bool {
        verdict.action == Action::Allow && length >= self.config.min_duration
    }

    /// How long a break lasts, and whether somebody said so.
    fn length(&self, cue: &Cue, verdict: &Verdict<'_>) -> (f64, bool) {
        let announced = cue.duration.filter(|duration| *duration > 0.0);
        let announced = announced.filter(|_| self.config.durations == Durations::Announced);
        let told = verdict.rule.and_then(|rule| rule.duration).or(announced);
        let length = told.or(self.config.default_duration).unwrap_or(self.channel.break_duration);
        let limit = verdict.rule.and_then(|rule| rule.max_duration).unwrap_or(MAX_DURATION);
        (length.min(limit).min(self.config.max_duration), told.is_some())
    }

    /// Until the next break.
    fn room_after(&self, start: f64) -> f64 {
        let mut later = self.list.iter().filter(|avail| avail.kind == AvailKind::Replace && avail.start > start);
        later.next().map_or(f64::MAX, |next| next.start - start)
    }

    /// `None` if the break's names are taken: then it is another one's repeat.
    fn free_name(&self, cue: &Cue, start: f64) -> Option<String> {
        let id = self.event_id(cue);
        let names = [Some(name::of_break(id, start)), id.map(|id| name::of_repeated(id, start))];
        names.into_iter().flatten().find(|name| self.list.iter().all(|avail| avail.id != *name))
    }

    /// The start comes again, perhaps in another dialect, which can say more of it. Where it takes back some of the
    /// length, the break ends earlier.
    fn repeat(&mut self, same: usize, cue: &'a Cue) {
        let verdict = judge(cue, self.config);
        let (length, certain) = self.length(cue, &verdict);
        let Some(avail) = self.list.get(same) else { return };
        let at_start = (avail.start - cue.at).abs() <= SAME_MOMENT;
        if !self.allows(&verdict, length) {
            if at_start && noted(&avail.metadata, "upid").or(noted(&avail.metadata, SEGMENTATION_TYPE)).is_none() {
                self.refused.push(Refused { start: avail.start, event_id: cue.id.as_deref() });
                self.list.remove(same);
            }
            return;
        }
        // Some packagers repeat the start with what is left of the break; only at the same place it means the whole.
        let whole = at_start || (cue.dialect == Dialect::Daterange && is_named(avail, self.name(cue).as_deref()));
        self.learn(same, cue);
        if at_start {
            self.note(same, cue, &verdict);
        }
        if let Some(avail) =
            self.list.get_mut(same).filter(|avail| certain && whole && avail.kind == AvailKind::Replace)
        {
            avail.duration = avail.duration.min(length);
        }
    }

    /// A later marker can tell the length of a break that began without one.
    fn learn(&mut self, index: usize, cue: &Cue) {
        let (length, certain) = self.length(cue, &judge(cue, self.config));
        let limit = self.list.get(index).map_or(MAX_DURATION, |avail| self.limit(avail));
        let room = self.list.get(index).map_or(0.0, |avail| self.room_after(avail.start));
        let auto_return = self.config.auto_return;
        let certain = certain && length >= self.config.min_duration;
        if let Some(avail) = self.list.get_mut(index).filter(|avail| certain && !avail.closed) {
            avail.duration = length.min(limit).min(room);
            avail.closed = auto_return;
        }
    }

    /// Adds what a typed message says of a break that a tag without one has opened at this moment.
    fn note(&mut self, index: usize, cue: &Cue, verdict: &Verdict<'_>) {
        let is_typed = cue.signal.as_ref().is_some_and(|signal| signal.segmentation_type.is_some());
        let untyped = |avail: &&mut Avail| is_typed && noted(&avail.metadata, SEGMENTATION_TYPE).is_none();
        let Some(avail) = self.list.get_mut(index).filter(untyped) else { return };
        for (name, value) in metadata(cue, verdict) {
            if noted(&avail.metadata, &name).is_none() {
                avail.metadata.push((name, value));
            }
        }
        avail.metadata.sort();
    }

    /// A break ends, perhaps earlier than announced: the one with this event id, else the latest.
    fn end(&mut self, cue: &Cue, level: Level) {
        let name = self.name(cue);
        let known = self.list.iter().any(|avail| is_named(avail, name.as_deref()));
        let ends = |index: &usize| {
            let Some(avail) = self.list.get(*index) else { return false };
            let started = avail.kind == AvailKind::Replace && avail.start < cue.at - ROUNDING;
            if !started || (avail.closed && cue.at >= end(avail)) {
                return false;
            }
            // An end can come late: what runs by then is another's.
            if known { is_named(avail, name.as_deref()) } else { self.lies_inside(*index, cue, level) }
        };
        let Some(index) = (0..self.list.len()).rev().find(ends) else { return };
        let limit = self.list.get(index).map_or(MAX_DURATION, |avail| self.limit(avail));
        let room = self.list.get(index).map_or(0.0, |avail| self.room_after(avail.start));
        if let Some(avail) = self.list.get_mut(index) {
            avail.duration = (cue.at - avail.start).min(limit).min(room);
            avail.closed = true;
        }
    }

    /// Whether the end of something of this level, that is no break we know, ends this break too.
    fn lies_inside(&self, index: usize, cue: &Cue, level: Level) -> bool {
        let open = self.level(index);
        let inside = match (level, open) {
            (Some(ending), Some(open)) => ending <= open,
            // A tag opened it. Of a message, what the first cue says counts for tags, not its further segments.
            (Some(_), None) => cue.kind != CueKind::Info,
            (None, _) => true,
        };
        let has_other_id = self.list.get(index).is_some_and(|avail| name::tells_event_id(&avail.id));
        if level.is_none() || self.event_id(cue).is_none() || !has_other_id {
            return inside;
        }
        // What the policy refused is known to lie around it, if it is of a kind further out.
        inside && level != open && self.refused.iter().any(|refused| refused.event_id == cue.id.as_deref())
    }

    /// An announced break will not take place. One that runs goes on.
    fn cancel(&mut self, cue: &'a Cue) {
        let mut list = std::mem::take(&mut self.list);
        list.retain(|avail| avail.start < cue.at || !self.has_id(avail, cue));
        self.list = list;
    }

    /// How long a break may last.
    fn limit(&self, avail: &Avail) -> f64 {
        let own = noted(&avail.metadata, LIMIT).and_then(|text| text.parse().ok());
        self.config.max_duration.min(own.unwrap_or(MAX_DURATION))
    }

    /// Whether a cue of this level is about this break, not about something inside or around it.
    fn speaks_of(&self, index: usize, level: Level) -> bool {
        let open = self.level(index);
        level.is_none() || open.is_none() || level == open
    }

    fn level(&self, index: usize) -> Level {
        let metadata = &self.list.get(index)?.metadata;
        let typed = noted(metadata, "command").is_some_and(|command| command != "splice_insert");
        let segmentation_type = noted(metadata, SEGMENTATION_TYPE).filter(|_| typed)?;
        meaning::level_of(segmentation_type.parse().ok()?, self.config)
    }

    /// What is not over before the window starts. Nothing is added to a title on demand: what is open ends with it.
    fn answer(mut self) -> Vec<Avail> {
        if !self.window.live {
            for avail in self.list.iter_mut().filter(|avail| !avail.closed) {
                avail.duration = avail.duration.min(self.window.end - avail.start);
                avail.closed = true;
            }
        }
        let window = self.window;
        self.list.retain(|avail| avail.duration > 0.0 && end(avail) > window.start);
        self.list.truncate(MAX_AVAILS);
        self.list
    }
}

fn end(avail: &Avail) -> f64 {
    avail.start + avail.duration
}

/// Whether a cue says nothing that rules go by.
fn is_mute(cue: &Cue) -> bool {
    cue.signal.as_ref().is_none_or(|signal| signal.upid.is_none() && signal.segmentation_type.is_none())
}

fn runs(avail: &Avail, moment: f64) -> bool {
    avail.kind == AvailKind::Replace && avail.start <= moment + ROUNDING && moment < end(avail)
}

fn is_named(avail: &Avail, name: Option<&str>) -> bool {
    name.is_some_and(|name| name::is_or_repeats(&avail.id, name))
}

fn noted<'m>(metadata: &'m Labels, name: &str) -> Option<&'m str> {
    metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What the rule adds and what the cue says; names that the cue has facts for stay its own.
fn metadata(cue: &Cue, verdict: &Verdict<'_>) -> Labels {
    let mut facts: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(rule) = verdict.rule {
        facts.extend(rule.metadata.iter().map(|(name, value)| (name.as_str(), value.clone())));
        facts.extend(rule.max_duration.map(|limit| (LIMIT, limit.to_string())));
    }
    facts.insert("dialect", dialect(cue.dialect).to_owned());
    facts.extend(cue.id.clone().map(|id| (EVENT_ID, id)));
    if let Some(signal) = &cue.signal {
        facts.insert("command", signal.command.clone());
        facts.extend(signal.segmentation_type.map(|kind| (SEGMENTATION_TYPE, kind.to_string())));
        facts.extend(signal.upid.clone().map(|upid| ("upid", upid)));
        facts.extend(signal.upid_type.map(|kind| ("upid_type", kind.to_string())));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), shortened(value))).collect()
}

fn shortened(mut text: String) -> String {
    let end = text.floor_char_boundary(MAX_METADATA_BYTES);
    text.truncate(end);
    text
}

fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::CueOut => "cue-out",
        Dialect::Oatcls => "oatcls",
        Dialect::Scte35Tag => "scte35-tag",
        Dialect::Daterange => "daterange",
        Dialect::Asset => "asset",
    }
}
