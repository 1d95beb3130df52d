//! Values in attributes and texts: times, offsets, numbers, prices. Read with tolerance, written as the schemas have them.

use std::fmt;

use crate::domain::{Money, Span};

use super::model::Offset;

/// `HH:MM:SS` or `HH:MM:SS.mmm`. The hours, and the minutes too, may be missing; more than microseconds is cut off.
pub(in crate::media) fn time(text: &str) -> Option<Span> {
    let mut micros: i64 = 0;
    let mut fields = text.trim().split(':').rev();
    let (seconds, fraction) = match fields.next()?.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text.trim().rsplit(':').next()?, "0"),
    };
    if !digits(fraction) {
        return None;
    }
    let mut scale = 100_000;
    for digit in fraction.bytes().take(6) {
        micros += i64::from(digit - b'0') * scale;
        scale /= 10;
    }
    let mut unit: i64 = 1_000_000;
    for (place, field) in [Some(seconds), fields.next(), fields.next()].into_iter().enumerate() {
        let Some(field) = field else { break };
        if !digits(field) || (place > 0 && field.len() > 6) {
            return None;
        }
        micros = micros.checked_add(field.parse::<i64>().ok()?.checked_mul(unit)?)?;
        unit *= 60;
    }
    fields.next().is_none().then_some(Span(micros))
}

/// A time, or a percentage up to 100.
pub(in crate::media) fn offset(text: &str) -> Option<Offset> {
    match text.trim().strip_suffix('%') {
        None => time(text).map(Offset::Time),
        Some(percent) => {
            let thousandths = decimal(percent.trim(), 3)?;
            u32::try_from(thousandths).ok().filter(|thousandths| *thousandths <= 100_000).map(Offset::Percent)
        }
    }
}

/// A decimal without sign, in units of its last place; further places are cut off.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let figures = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !figures(whole) || !figures(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("{whole}{fraction}").parse().ok()
}

/// An amount such as `12.5`; more than six decimals are cut off.
pub(super) fn price(text: &str) -> Option<Money> {
    decimal(text.trim(), 6).map(Money::from_micros)
}

/// A whole number; a fraction or `px` behind it is passed over.
pub(in crate::media) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (rest.is_empty() || rest.starts_with('.') || rest.eq_ignore_ascii_case("px")).then(|| number.parse().ok())?
}

pub(in crate::media) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Writes `HH:MM:SS`, with milliseconds if there are some. Finer parts are cut off, and so is what is negative.
pub(in crate::media) struct Time(pub Span);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis().max(0);
        let (seconds, rest) = (millis / 1_000, millis % 1_000);
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if rest > 0 { write!(f, ".{rest:03}") } else { Ok(()) }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => Time(*time).fmt(f),
            Self::Percent(thousandths) => write!(f, "{}%", Span(i64::from(*thousandths) * 1_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_servers_write_them() {
        for (text, micros) in [
            ("00:00:30", 30_000_000),
            ("00:01:00.5", 60_500_000),
            ("1:00:00.001", 3_600_001_000),
            (" 00:30 ", 30_000_000),
            ("15", 15_000_000),
            ("00:00:15.1234567", 15_123_456),
        ] {
            assert_eq!(time(text), Some(Span(micros)), "{text}");
        }
        for text in ["", ":", "x", "-00:00:10", "00:00:10.", "1:2:3:4", "99999999999999999999", "00:00:1e3"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_are_times_or_percentages_up_to_a_hundred() {
        assert_eq!(offset("00:00:05"), Some(Offset::Time(Span::from_secs(5))));
        assert_eq!(offset("33.333%"), Some(Offset::Percent(33_333)));
        assert_eq!(offset(" 100 %"), Some(Offset::Percent(100_000)));
        assert_eq!(offset("101%"), None);
        assert_eq!(Offset::Percent(12_500).to_string(), "12.5%");
        assert_eq!(Offset::Percent(25_000).within(Span::from_secs(30)), Span::from_millis(7_500));
    }

    #[test]
    fn prices_are_exact_to_the_millionth() {
        assert_eq!(price("12.5"), Some(Money::from_micros(12_500_000)));
        assert_eq!(price(".0000019"), Some(Money::from_micros(1)));
        for text in ["", ".", "-1", "1e3", "1,5", "99999999999999999"] {
            assert_eq!(price(text), None, "{text}");
        }
    }
}
