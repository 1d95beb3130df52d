//! Dates with times as playlists write them (ISO 8601 / RFC 3339: EXT-X-PROGRAM-DATE-TIME, DATERANGE) ↔ [`Moment`].
//!
//! Reads every zone spelling seen in the wild. Deliberately knows no time zone rules, no leap-second table and no
//! clock: an offset is a number here.

use crate::domain::Moment;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Finer fractions than nanoseconds are no clock's reading; the limit keeps the sum within range.
const MAX_FRACTION_DIGITS: usize = 9;
/// `2026-01-02T03:04:05.678901Z`
const LONGEST: usize = 27;

/// Why a text is not a date with a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateTimeError {
    /// Not of the form `YYYY-MM-DDThh:mm:ss`.
    #[error("expected YYYY-MM-DDThh:mm:ss[.fraction][zone]")]
    Shape,
    /// The form is right, but there is no such day or time: 30 February, 25:00.
    #[error("no such {0}")]
    Range(&'static str),
    /// The fraction has no digit or more than nine.
    #[error("a fraction has 1 to 9 digits")]
    Fraction,
    /// What follows the time is none of `Z`, `±hh`, `±hhmm`, `±hh:mm`.
    #[error("expected a zone: Z, +hh:mm, +hhmm or +hh")]
    Zone,
}

/// Reads a date with a time. No zone means UTC (RFC 8216bis leaves it open; packagers mean UTC). The fraction is cut
/// to microseconds; second 60 is the first of the next minute.
pub fn parse(text: &str) -> Result<Moment, DateTimeError> {
    let mut scan = Scan { rest: text.trim().as_bytes() };
    let year = scan.digits(4)?;
    scan.expect(b"-")?;
    let month = scan.digits(2)?;
    scan.expect(b"-")?;
    let day = scan.digits(2)?;
    scan.expect(b"Tt ")?;
    let hour = scan.digits(2)?;
    scan.expect(b":")?;
    let minute = scan.digits(2)?;
    scan.expect(b":")?;
    let second = scan.digits(2)?;
    let micros = scan.fraction()?;
    let offset = scan.zone()?;

    within(month, 1, 12, "month")?;
    within(day, 1, days_in_month(year, month), "day")?;
    within(hour, 0, 23, "hour")?;
    within(minute, 0, 59, "minute")?;
    within(second, 0, 60, "second")?;
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second - offset;
    Ok(Moment(seconds * MICROS_PER_SECOND + micros))
}

/// Writes `2026-01-02T03:04:05.678Z`: milliseconds, or six digits where the microseconds need them. Years outside
/// 0000–9999 print as the nearest moment that has four digits.
pub fn format(at: Moment) -> String {
    let (bytes, length) = render(at);
    bytes.iter().take(length).map(|&byte| char::from(byte)).collect()
}

/// As [`format`], appended to a playlist under construction without allocating.
pub fn write(out: &mut Vec<u8>, at: Moment) {
    let (bytes, length) = render(at);
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

fn render(at: Moment) -> ([u8; LONGEST], usize) {
    let first = days_from_civil(0, 1, 1) * SECONDS_PER_DAY * MICROS_PER_SECOND;
    let last = days_from_civil(10_000, 1, 1) * SECONDS_PER_DAY * MICROS_PER_SECOND - 1;
    let micros = at.as_micros().clamp(first, last);
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);

    let mut out = Digits { bytes: [0; LONGEST], length: 0 };
    out.number(year, 4).mark(b'-').number(month, 2).mark(b'-').number(day, 2).mark(b'T');
    out.number(of_day / 3_600, 2).mark(b':').number(of_day / 60 % 60, 2).mark(b':').number(of_day % 60, 2).mark(b'.');
    if fraction % 1_000 == 0 { out.number(fraction / 1_000, 3) } else { out.number(fraction, 6) }.mark(b'Z');
    (out.bytes, out.length)
}

struct Digits {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Digits {
    fn mark(&mut self, byte: u8) -> &mut Self {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        self
    }

    fn number(&mut self, value: i64, width: u32) -> &mut Self {
        for power in (0..width).rev() {
            // A value modulo ten fits a byte.
            self.mark(b'0' + (value / 10_i64.pow(power) % 10) as u8);
        }
        self
    }
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn digits(&mut self, count: usize) -> Result<i64, DateTimeError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(DateTimeError::Shape)?;
        let value = head.iter().try_fold(0_i64, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')).ok_or(DateTimeError::Shape)
        })?;
        self.rest = rest;
        Ok(value)
    }

    fn expect(&mut self, any_of: &[u8]) -> Result<(), DateTimeError> {
        match self.rest.split_first() {
            Some((byte, rest)) if any_of.contains(byte) => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(DateTimeError::Shape),
        }
    }

    /// Microseconds of the fraction, if one follows.
    fn fraction(&mut self) -> Result<i64, DateTimeError> {
        let Some((b'.' | b',', rest)) = self.rest.split_first() else { return Ok(0) };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || count > MAX_FRACTION_DIGITS {
            return Err(DateTimeError::Fraction);
        }
        self.rest = rest;
        let mut nanos = self.digits(count)?;
        for _ in count..MAX_FRACTION_DIGITS {
            nanos *= 10;
        }
        Ok(nanos / 1_000)
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, DateTimeError> {
        let sign = match self.rest {
            [] | [b'Z' | b'z'] => return Ok(0),
            [b'+', rest @ ..] => {
                self.rest = rest;
                1
            }
            [b'-', rest @ ..] => {
                self.rest = rest;
                -1
            }
            _ => return Err(DateTimeError::Zone),
        };
        let hours = self.digits(2).map_err(|_| DateTimeError::Zone)?;
        if let [b':', rest @ ..] = self.rest {
            self.rest = rest;
        } else if self.rest.is_empty() {
            within(hours, 0, 23, "zone")?;
            return Ok(sign * hours * 3_600);
        }
        let minutes = self.digits(2).map_err(|_| DateTimeError::Zone)?;
        if !self.rest.is_empty() {
            return Err(DateTimeError::Zone);
        }
        within(hours, 0, 23, "zone")?;
        within(minutes, 0, 59, "zone")?;
        Ok(sign * (hours * 3_600 + minutes * 60))
    }
}

fn within(value: i64, low: i64, high: i64, what: &'static str) -> Result<(), DateTimeError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(DateTimeError::Range(what)) }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Counting years from March puts the leap day last, so
/// that months have a fixed place in the year: (153·m + 2) / 5.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-02T03:04:05Z, from `date -ud … +%s`.
    const BASE: i64 = 1_767_323_045_000_000;

    fn check(text: &str, micros: i64) {
        assert_eq!(parse(text), Ok(Moment(micros)), "{text}");
    }

    #[test]
    fn every_zone_spelling_is_read() {
        for zone in ["Z", "z", "", "+00:00", "-00:00", "+0000", "+00"] {
            check(&format!("2026-01-02T03:04:05{zone}"), BASE);
        }
        for zone in ["+07:00", "+0700", "+07"] {
            check(&format!("2026-01-02T10:04:05{zone}"), BASE);
        }
        check("2026-01-01T23:34:05-03:30", BASE);
    }

    #[test]
    fn fractions_of_one_to_nine_digits_are_cut_to_microseconds() {
        for (fraction, micros) in
            [("6", 600_000), ("67", 670_000), ("678", 678_000), ("678901", 678_901), ("678901999", 678_901)]
        {
            check(&format!("2026-01-02T03:04:05.{fraction}Z"), BASE + micros);
        }
        check("2026-01-02T03:04:05,5+00:00", BASE + 500_000);
    }

    #[test]
    fn dates_before_the_epoch_and_leap_days_count_right() {
        check("1969-12-31T23:59:59.5Z", -500_000);
        check("2000-02-29T00:00:00Z", 951_782_400_000_000);
        check("2024-12-31T23:59:60Z", 1_735_689_600_000_000);
        check("0000-03-01T00:00:00Z", -62_162_035_200_000_000);
    }

    #[test]
    fn what_is_no_date_time_is_refused_with_the_reason() {
        for (text, error) in [
            ("", DateTimeError::Shape),
            ("2026-01-02", DateTimeError::Shape),
            ("2026-1-02T03:04:05Z", DateTimeError::Shape),
            ("2026-01-02T03:04Z", DateTimeError::Shape),
            ("+026-01-02T03:04:05Z", DateTimeError::Shape),
            ("2026-13-02T03:04:05Z", DateTimeError::Range("month")),
            ("2025-02-29T03:04:05Z", DateTimeError::Range("day")),
            ("2026-01-02T24:04:05Z", DateTimeError::Range("hour")),
            ("2026-01-02T03:60:05Z", DateTimeError::Range("minute")),
            ("2026-01-02T03:04:61Z", DateTimeError::Range("second")),
            ("2026-01-02T03:04:05.Z", DateTimeError::Fraction),
            ("2026-01-02T03:04:05.1234567890Z", DateTimeError::Fraction),
            ("2026-01-02T03:04:05UTC", DateTimeError::Zone),
            ("2026-01-02T03:04:05+7", DateTimeError::Zone),
            ("2026-01-02T03:04:05+07:0", DateTimeError::Zone),
            ("2026-01-02T03:04:05+07:000", DateTimeError::Zone),
            ("2026-01-02T03:04:05+24:00", DateTimeError::Range("zone")),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn milliseconds_are_printed_and_microseconds_only_where_needed() {
        for (micros, text) in [
            (BASE, "2026-01-02T03:04:05.000Z"),
            (BASE + 678_000, "2026-01-02T03:04:05.678Z"),
            (BASE + 678_001, "2026-01-02T03:04:05.678001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(format(Moment(micros)), text);
            let mut out = b"#".to_vec();
            write(&mut out, Moment(micros));
            assert_eq!(out, format!("#{text}").into_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_moment_of_four_digit_years_survives_a_round_trip(
            micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000,
        ) {
            proptest::prop_assert_eq!(parse(&format(Moment(micros))), Ok(Moment(micros)));
        }

        #[test]
        fn any_text_is_answered_without_panic(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
