//! Money in integer micro-units (a millionth of the currency's unit). Never floats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount in the tenant's currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(i64);

impl Money {
    pub const ZERO: Self = Self(0);
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl FromStr for Money {
    type Err = String;
    /// Reads a plain decimal such as `12.50`; at most six decimals, no sign, no exponent.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!("`{text}` is not an amount: write a decimal in quotes with at most six decimals, such as \"12.50\"")
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(invalid());
        }
        let micros: i64 = format!("{fraction:0<6}").parse().map_err(|_| invalid())?;
        let whole: i64 = whole.parse().map_err(|_| invalid())?;
        whole.checked_mul(1_000_000).and_then(|w| w.checked_add(micros)).map(Self).ok_or_else(invalid)
    }
}
impl TryFrom<String> for Money {
    type Error = String;
    fn try_from(value: String) -> Result<Self, String> {
        value.parse()
    }
}
impl From<Money> for String {
    fn from(value: Money) -> Self {
        value.to_string()
    }
}
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let fraction = format!("{:06}", micros % 1_000_000);
        let shown = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{shown:0<2}", micros / 1_000_000)
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_bad_ones_are_refused() {
        assert_eq!("12.50".parse::<Money>(), Ok(Money(12_500_000)));
        assert_eq!("50000".parse::<Money>(), Ok(Money(50_000_000_000)));
        for bad in ["", "-1", "1e3", "1.", ".5", "0.0000001", "9223372036854.775808"] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
        assert_eq!(Money(12_500_000).to_string(), "12.50");
        assert_eq!(Money(1).to_string(), "0.000001");
    }
}
