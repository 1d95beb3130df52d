//! A tenant's calendar: which day an event belongs to, and when a day is closed. Pure.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::domain::{Moment, Privacy, ReportTime, Tenant};

/// Microseconds within which no time zone changes its offset: all changes known are at a quarter of an hour.
const QUARTER: i64 = 900_000_000;

/// Quarters of an hour whose day is remembered, at most: two months.
const REMEMBERED: usize = 6_000;

/// What reports must know of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSettings {
    /// IANA name.
    pub timezone: String,
    pub report_time: ReportTime,
    pub retention_days: u16,
    /// Names of the sinks whose cursors keep events from being deleted.
    pub sinks: Vec<String>,
}

impl Default for ReportSettings {
    fn default() -> Self {
        let retention_days = Privacy::default().retention_days;
        Self { timezone: "UTC".to_owned(), report_time: ReportTime::default(), retention_days, sinks: Vec::new() }
    }
}

impl ReportSettings {
    /// Of a tenant, without its sinks.
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            timezone: tenant.timezone.clone(),
            report_time: tenant.report_time,
            retention_days: tenant.privacy.retention_days,
            sinks: Vec::new(),
        }
    }
}

/// The time zones that a tenant had, each from an event on.
#[derive(Clone, Debug)]
pub struct Calendar {
    zones: Vec<(i64, String, TimeZone)>,
    days: HashMap<(usize, i64), Date>,
}

impl Calendar {
    /// `zones`: from an event's id on, its zone; ascending.
    pub fn new(zones: &[(i64, String)]) -> Self {
        let zones = zones.iter().map(|(since, name)| (*since, name.clone(), zone(name)));
        Self { zones: zones.collect(), days: HashMap::new() }
    }

    /// The name of the zone that holds now.
    pub fn latest(&self) -> Option<&str> {
        self.zones.last().map(|(_, name, _)| name.as_str())
    }

    /// Another zone from this event on.
    pub fn begin(&mut self, since: i64, name: &str) {
        self.zones.push((since, name.to_owned(), zone(name)));
    }

    /// The day of an event.
    pub fn day(&mut self, id: i64, time: Moment) -> Date {
        let at = self.zones.partition_point(|(since, _, _)| *since <= id);
        let quarter = time.as_micros().div_euclid(QUARTER);
        if let Some(day) = self.days.get(&(at, quarter)) {
            return *day;
        }
        let zone = at.checked_sub(1).and_then(|at| self.zones.get(at));
        let day = day_of(time, zone.map_or(&TimeZone::UTC, |(_, _, zone)| zone));
        if self.days.len() >= REMEMBERED {
            self.days.clear();
        }
        self.days.insert((at, quarter), day);
        day
    }
}

/// A zone by its name; UTC for one that this machine does not know.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// The date that a clock in this zone shows.
pub fn day_of(time: Moment, zone: &TimeZone) -> Date {
    let stamp = Timestamp::from_microsecond(time.as_micros());
    let stamp = stamp.unwrap_or(if time.as_micros() < 0 { Timestamp::MIN } else { Timestamp::MAX });
    zone.to_datetime(stamp).date()
}

/// When a day is closed: at the report time of the day after. A time that the clock skips is taken as much later as it
/// skips, one that it shows twice the first time: so there is exactly one such moment a day.
pub fn closes_at(day: Date, report_time: ReportTime, zone: &TimeZone) -> Option<Moment> {
    report_moment(day.tomorrow().ok()?, report_time, zone)
}

/// When the clock shows the report time on a day.
fn report_moment(day: Date, report_time: ReportTime, zone: &TimeZone) -> Option<Moment> {
    let (hour, minute) = (report_time.0 / 60, report_time.0 % 60);
    let time = day.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
    let stamp = zone.to_ambiguous_timestamp(time).compatible().ok()?;
    Some(Moment(stamp.as_microsecond()))
}

/// The last day that is over and may be closed at this moment, and the report time that made it so.
pub fn last_due(now: Moment, report_time: ReportTime, zone: &TimeZone) -> Option<(Date, Moment)> {
    let mut day = day_of(now, zone);
    // Today's report time may be yet to come.
    for _ in 0..2 {
        day = day.yesterday().ok()?;
        if let Some(at) = closes_at(day, report_time, zone).filter(|at| *at <= now) {
            return Some((day, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment(text.parse::<Timestamp>().expect("a time").as_microsecond())
    }

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn a_day_is_the_tenant_s_own_and_may_have_23_or_25_hours_or_begin_at_half_past() {
        let mut calendar = Calendar::new(&[(1, "Europe/Berlin".into()), (10, "Asia/Kathmandu".into())]);
        for (id, time, expect) in [
            (1, "2026-03-28T22:59:59Z", "2026-03-28"),
            (1, "2026-03-28T23:00:00Z", "2026-03-29"),
            (1, "2026-03-29T21:59:59Z", "2026-03-29"),
            (1, "2026-03-29T22:00:00Z", "2026-03-30"),
            (9, "2026-10-24T22:00:00Z", "2026-10-25"),
            (9, "2026-10-25T22:59:59Z", "2026-10-25"),
            (9, "2026-10-25T23:00:00Z", "2026-10-26"),
            // UTC+5:45.
            (10, "2026-10-25T18:14:59Z", "2026-10-25"),
            (10, "2026-10-25T18:15:00Z", "2026-10-26"),
            (0, "2026-10-25T23:59:59Z", "2026-10-25"),
        ] {
            assert_eq!(calendar.day(id, at(time)), date(expect), "{time}");
        }
        assert_eq!(calendar.day(99, Moment(i64::MIN)).year(), -9999, "nonsense is some day");
    }

    #[test]
    fn a_day_closes_once_also_when_its_report_time_is_skipped_or_comes_twice() {
        let berlin = zone("Europe/Berlin");
        let half_past_two = ReportTime(150);
        let closes = |day: &str| closes_at(date(day), half_past_two, &berlin);
        // 2026-03-29 has no 02:30: it is 03:30 there. 2026-10-25 has two: the first, in summer time, counts.
        assert_eq!(closes("2026-03-28"), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(closes("2026-10-24"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(closes("2026-10-25"), Some(at("2026-10-26T01:30:00Z")));
        // Minute by minute over both changes: the day that is due moves on once a day.
        for (from, days) in [("2026-03-27T00:00:00Z", 4), ("2026-10-23T00:00:00Z", 4)] {
            let mut seen = Vec::new();
            for minute in 0..days * 24 * 60 {
                let now = Moment(at(from).as_micros() + minute * 60_000_000);
                let due = last_due(now, half_past_two, &berlin).expect("a day");
                assert!(due.1 <= now);
                if seen.last() != Some(&due) {
                    seen.push(due);
                }
            }
            assert_eq!(seen.len(), usize::try_from(days).expect("small") + 1, "{seen:?}");
            assert!(seen.windows(2).all(|pair| pair[0].0.tomorrow().ok() == Some(pair[1].0)), "{seen:?}");
        }
    }

    #[test]
    fn at_midnight_exactly_the_day_before_is_due() {
        let utc = TimeZone::UTC;
        let due = |now: &str| last_due(at(now), ReportTime(0), &utc).map(|(day, _)| day);
        assert_eq!(due("2026-11-25T00:00:00Z"), Some(date("2026-11-24")));
        assert_eq!(due("2026-11-24T23:59:59Z"), Some(date("2026-11-23")));
    }
}
