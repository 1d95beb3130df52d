//! What an event counts as: from events to the sums of a batch. Pure.

use jiff::civil::Date;

use super::calendar::Calendar;
use crate::{
    domain::{EventType, Moment, Traffic},
    store::{Cell, Column, Line, NameKind, NameLine, RawEvent, Sums, Tally, dimension, session_hash},
};

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// What stands for an error that came without a code. Codes have digits only.
pub const NO_CODE: &str = "unknown";

pub struct Tallier {
    calendar: Calendar,
    /// Events of other days are passed over.
    only: Option<Date>,
    /// Minutes before this are not counted.
    minutes_since: Moment,
    tally: Tally,
}

impl Tallier {
    pub fn new(calendar: Calendar, only: Option<Date>, minutes_since: Moment) -> Self {
        Self { calendar, only, minutes_since, tally: Tally::default() }
    }

    pub fn add(&mut self, event: &RawEvent<'_>) {
        let day = self.calendar.day(event.id, event.time);
        if self.only.is_some_and(|only| only != day) {
            return;
        }
        let mut sums = Sums::default();
        let name = count(event, &mut sums);
        let tally = self.tally.days.entry(day).or_default();
        tally.first = if tally.events == 0 { event.id } else { tally.first.min(event.id) };
        tally.last = tally.last.max(event.id);
        tally.events += 1;
        let cell = Cell {
            channel: dimension(event.channel),
            campaign: dimension(event.campaign),
            ad: dimension(event.ad),
            device: dimension(event.device),
            geo: dimension(event.geo),
        };
        if let Some((kind, name)) = name {
            let line = NameLine {
                channel: cell.channel.clone(),
                campaign: cell.campaign.clone(),
                ad: cell.ad.clone(),
                traffic: event.traffic.into(),
                kind,
                name: dimension(&name),
            };
            *tally.names.entry(line).or_default() += 1;
        }
        if sums == Sums::default() {
            return;
        }
        if event.time >= self.minutes_since {
            let minute = event.time.as_micros().div_euclid(MICROS_PER_MINUTE);
            let key = (minute, cell.channel.clone(), Box::from(event.traffic));
            self.tally.minutes.entry(key).or_default().add_all(&sums);
        }
        let valid = event.traffic == Traffic::Valid.as_str();
        if event.event_type == EventType::Impression.as_str() && valid && !event.session.is_empty() {
            let cells = tally.sessions.entry(session_hash(event.session)).or_default();
            if !cells.contains(&cell) {
                cells.insert(cell.clone());
            }
        }
        let hour = event.time.as_micros().div_euclid(MICROS_PER_HOUR);
        let line = Line { cell, counted_by: event.counted_by.into(), traffic: event.traffic.into() };
        tally.hours.entry((hour, line)).or_default().add_all(&sums);
    }

    pub fn finish(self) -> Tally {
        self.tally
    }
}

/// Fills in what the event adds; answers the name that it counts for beside, if any.
fn count(event: &RawEvent<'_>, sums: &mut Sums) -> Option<(NameKind, String)> {
    let length = event.value.unwrap_or_default();
    // Whatever is in the table was a type when it was written.
    let event_type = event.event_type.parse::<EventType>().ok()?;
    sums.add(Column::Spend, event.price);
    match event_type {
        EventType::Impression => sums.add(Column::Impressions, 1),
        EventType::Start => sums.add(Column::Starts, 1),
        EventType::FirstQuartile => sums.add(Column::FirstQuartiles, 1),
        EventType::Midpoint => sums.add(Column::Midpoints, 1),
        EventType::ThirdQuartile => sums.add(Column::ThirdQuartiles, 1),
        EventType::Complete => sums.add(Column::Completes, 1),
        EventType::Click => sums.add(Column::Clicks, 1),
        EventType::Error => {
            sums.add(Column::Errors, 1);
            let code = event.error_code.map_or(NO_CODE.to_owned(), |code| code.to_string());
            return Some((NameKind::Error, code));
        }
        EventType::Break => {
            sums.add(Column::Breaks, 1);
            sums.add(Column::BreakMicros, length);
        }
        EventType::Decided => {
            sums.add(Column::Decided, 1);
            sums.add(Column::DecidedMicros, length);
        }
        EventType::Stitched => sums.add(Column::Stitched, 1),
        EventType::Custom(_) => {
            sums.add(Column::Others, 1);
            return Some((NameKind::Event, event.event_type.to_owned()));
        }
        // About no viewer: they belong to no report.
        EventType::Budget50 | EventType::Budget80 | EventType::Budget100 => {}
    }
    None
}
