//! Moments on a tenant's clock and calendar.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{domain::Moment, extension::point::LocalTime};

/// `moment` on the clock of `zone`. Moments outside the years −9999 to 9999 become the nearest end.
pub fn local_time(moment: Moment, zone: &TimeZone) -> LocalTime {
    let local = timestamp(moment).to_zoned(zone.clone());
    LocalTime {
        year: local.year(),
        month: local.month(),
        day: local.day(),
        hour: local.hour(),
        minute: local.minute(),
        weekday: local.weekday().to_monday_one_offset(),
        moment,
    }
}

/// RFC 3339 in UTC.
pub fn rfc3339(moment: Moment) -> String {
    timestamp(moment).to_string()
}

fn timestamp(moment: Moment) -> Timestamp {
    let end = if moment.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(moment.0).unwrap_or(end)
}

/// When the day begins in `zone`; after the last day of the calendar, the end of time.
pub(super) fn start_of_day(date: Date, zone: &TimeZone) -> Moment {
    date.to_zoned(zone.clone()).map_or(Moment(i64::MAX), |start| Moment(start.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_moment_is_read_on_the_tenants_clock() {
        // 2024-06-02T18:30:00Z is already Monday in Jakarta (UTC+7).
        let moment = Moment(1_717_353_000_000_000);
        let jakarta = local_time(moment, &zone("Asia/Jakarta"));
        assert_eq!((jakarta.day, jakarta.hour, jakarta.minute, jakarta.weekday), (3, 1, 30, 1));
        let utc = local_time(moment, &TimeZone::UTC);
        assert_eq!((utc.day, utc.hour, utc.weekday), (2, 18, 7));
        assert_eq!(rfc3339(moment), "2024-06-02T18:30:00Z");
    }

    #[test]
    fn a_day_starts_at_its_own_offset_across_a_clock_change() {
        // Berlin springs forward on 2024-03-31: that day has 23 hours.
        let berlin = zone("Europe/Berlin");
        let day = |day| start_of_day(Date::constant(2024, 3, day), &berlin);
        let next = start_of_day(Date::constant(2024, 4, 1), &berlin);
        assert_eq!((next - day(31)).as_secs_f64(), 23.0 * 3600.0);
    }

    #[test]
    fn moments_beyond_the_calendar_are_clamped() {
        assert_eq!(local_time(Moment(i64::MAX), &TimeZone::UTC).year, 9999);
        assert_eq!(local_time(Moment(i64::MIN), &TimeZone::UTC).year, -9999);
    }
}
