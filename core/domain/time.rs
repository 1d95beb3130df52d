//! Points and lengths on the media clock, in whole microseconds: sums never drift as floats do.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
};

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A point in time: microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

/// A signed length of time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Moment {
    /// Before everything: where an `Option` would cost eight bytes in each of a million sessions.
    pub const MIN: Self = Self(i64::MIN);

    pub fn as_micros(self) -> i64 {
        self.0
    }
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }
    /// Whole seconds since the epoch, rounded down.
    pub fn as_secs(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }
    /// For scripts and reports only; arithmetic stays in integers.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * MICROS_PER_SECOND as f64).round() as i64)
    }
}

impl Span {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(i64::MAX);

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(MICROS_PER_SECOND))
    }
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * MICROS_PER_SECOND as f64).round() as i64)
    }
    pub fn as_micros(self) -> i64 {
        self.0
    }
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }
    /// Seconds rounded to the nearest whole one, as EXT-X-TARGETDURATION compares them (RFC 8216bis 4.4.3.1).
    pub fn rounded_secs(self) -> i64 {
        (self.0 + MICROS_PER_SECOND / 2).div_euclid(MICROS_PER_SECOND)
    }
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
    pub fn half(self) -> Self {
        Self(self.0 / 2)
    }
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
    /// As a `std` duration; negative lengths become zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<std::time::Duration> for Span {
    fn from(value: std::time::Duration) -> Self {
        Self(i64::try_from(value.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Add<Span> for Moment {
    type Output = Moment;
    fn add(self, rhs: Span) -> Moment {
        Moment(self.0.saturating_add(rhs.0))
    }
}
impl Sub<Span> for Moment {
    type Output = Moment;
    fn sub(self, rhs: Span) -> Moment {
        Moment(self.0.saturating_sub(rhs.0))
    }
}
impl Sub for Moment {
    type Output = Span;
    fn sub(self, rhs: Moment) -> Span {
        Span(self.0.saturating_sub(rhs.0))
    }
}
impl Add for Span {
    type Output = Span;
    fn add(self, rhs: Span) -> Span {
        Span(self.0.saturating_add(rhs.0))
    }
}
impl Sub for Span {
    type Output = Span;
    fn sub(self, rhs: Span) -> Span {
        Span(self.0.saturating_sub(rhs.0))
    }
}
impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(self.0.saturating_neg())
    }
}
impl Mul<i64> for Span {
    type Output = Span;
    fn mul(self, rhs: i64) -> Span {
        Span(self.0.saturating_mul(rhs))
    }
}
impl AddAssign for Span {
    fn add_assign(&mut self, rhs: Span) {
        *self = *self + rhs;
    }
}
impl SubAssign for Span {
    fn sub_assign(&mut self, rhs: Span) {
        *self = *self - rhs;
    }
}
impl AddAssign<Span> for Moment {
    fn add_assign(&mut self, rhs: Span) {
        *self = *self + rhs;
    }
}
impl Sum for Span {
    fn sum<I: Iterator<Item = Span>>(iter: I) -> Span {
        iter.fold(Span::ZERO, Add::add)
    }
}

/// Seconds with as many decimals as needed, at most six: what EXTINF carries.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (whole, mut rest) = (micros / 1_000_000, micros % 1_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut width = 6;
        while rest % 10 == 0 {
            rest /= 10;
            width -= 1;
        }
        write!(f, "{sign}{whole}.{rest:0width$}")
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}s")
    }
}
impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}s", Span(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_the_shortest_exact_decimal() {
        for (micros, text) in [(6_000_000, "6"), (5_994_000, "5.994"), (1, "0.000001"), (-500_000, "-0.5")] {
            assert_eq!(Span(micros).to_string(), text);
        }
    }

    #[test]
    fn target_duration_rounds_half_up() {
        assert_eq!(Span(6_499_999).rounded_secs(), 6);
        assert_eq!(Span(6_500_000).rounded_secs(), 7);
    }
}
