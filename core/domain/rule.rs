//! What a declared ad rule means: which operators each type takes, which values, and the condition that results.
//!
//! The bundle reader refuses bad rules with it and the decision evaluates with it, so both always agree. It does not
//! know requests or viewers.

use std::fmt;

use super::{AdRule, DeviceType, RuleOperator, RuleType, RuleValue, Slug};

impl RuleType {
    pub const ALL: [Self; 6] = [Self::Geo, Self::Device, Self::Time, Self::Channel, Self::DayOfWeek, Self::Script];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Geo => "geo",
            Self::Device => "device",
            Self::Time => "time",
            Self::Channel => "channel",
            Self::DayOfWeek => "day_of_week",
            Self::Script => "script",
        }
    }

    /// The operators that make sense on this type.
    pub fn operators(self) -> &'static [RuleOperator] {
        use RuleOperator::{Contains, Equals, In, NotIn, Range};
        match self {
            Self::Geo => &[Equals, In, NotIn],
            Self::Device | Self::Channel => &[Equals, In, NotIn, Contains],
            Self::Time | Self::DayOfWeek => &[Equals, In, NotIn, Range],
            Self::Script => &[Equals],
        }
    }
}

impl RuleOperator {
    pub const ALL: [Self; 5] = [Self::Equals, Self::In, Self::NotIn, Self::Contains, Self::Range];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Contains => "contains",
            Self::Range => "range",
        }
    }
}

/// `geo in [US, CA]`, `time range 9..17`.
impl fmt::Display for AdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.kind.as_str(), self.operator.as_str())?;
        match &self.value {
            RuleValue::One(value) => f.write_str(value),
            RuleValue::Many(values) => write!(f, "[{}]", values.join(", ")),
            RuleValue::Range { min, max } => write!(f, "{min}..{max}"),
        }
    }
}

/// Which part of the rule is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulePart {
    Operator,
    Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    pub part: RulePart,
    pub message: String,
    pub expected: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.message, self.expected)
    }
}
impl std::error::Error for RuleError {}

/// Numbers below 32 as bits: hours, weekdays, devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BitSet(u32);

impl BitSet {
    pub fn contains(self, member: u32) -> bool {
        self.0.checked_shr(member).is_some_and(|bits| bits & 1 == 1)
    }
    fn with(self, member: u32) -> Self {
        Self(self.0 | 1_u32.checked_shl(member).unwrap_or(0))
    }
    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
impl FromIterator<u32> for BitSet {
    fn from_iter<I: IntoIterator<Item = u32>>(members: I) -> Self {
        members.into_iter().fold(Self::default(), Self::with)
    }
}

/// A rule that is known to make sense. Negations are folded into the sets that can hold them.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Upper-case ISO 3166-1 alpha-2 codes. An unknown country is in no list.
    Geo {
        countries: Vec<Box<str>>,
        wanted: bool,
    },
    /// Positions in [`DeviceType::ALL`].
    Device(BitSet),
    /// Hours 0–23 of the tenant's day.
    Hour(BitSet),
    /// 1 is Monday, 7 is Sunday.
    Weekday(BitSet),
    Channel {
        slugs: Vec<Slug>,
        wanted: bool,
    },
    ChannelContains(Box<str>),
    /// The targeting script, as `ExtensionRef` prints it, that must keep the ad.
    Script(String),
}

impl Condition {
    pub fn new(rule: &AdRule) -> Result<Self, RuleError> {
        let operators = rule.kind.operators();
        if !operators.contains(&rule.operator) {
            let takes = operators.iter().map(|operator| operator.as_str()).collect::<Vec<_>>().join(", ");
            return Err(RuleError {
                part: RulePart::Operator,
                message: format!("a {} rule does not take `{}`", rule.kind.as_str(), rule.operator.as_str()),
                expected: format!("one of {takes}"),
            });
        }
        match rule.kind {
            RuleType::Geo => {
                let countries =
                    operands(rule, "a country")?.iter().map(|text| country(text)).collect::<Result<_, _>>()?;
                Ok(Self::Geo { countries, wanted: rule.operator != RuleOperator::NotIn })
            }
            RuleType::Device => Ok(Self::Device(devices(rule)?)),
            RuleType::Time => Ok(Self::Hour(numbers(rule, "an hour from 0 to 23", 0, 23, hour)?)),
            RuleType::DayOfWeek => Ok(Self::Weekday(numbers(rule, DAY_EXPECTED, 1, 7, weekday)?)),
            RuleType::Channel if rule.operator == RuleOperator::Contains => {
                Ok(Self::ChannelContains(part_of_name(rule)?.into()))
            }
            RuleType::Channel => {
                let read = |text: &String| text.parse().map_err(|message| value_error(message, "a channel's slug"));
                let slugs = operands(rule, "a channel's slug")?.iter().map(read).collect::<Result<_, _>>()?;
                Ok(Self::Channel { slugs, wanted: rule.operator != RuleOperator::NotIn })
            }
            RuleType::Script => match operands(rule, "a targeting script")? {
                [script] if !script.is_empty() => Ok(Self::Script(script.clone())),
                _ => Err(value_error("it names no script".into(), "a targeting script, such as rules/kids.rhai")),
            },
        }
    }
}

const DAY_EXPECTED: &str = "a day: monday to sunday, or 1 (Monday) to 7 (Sunday)";

fn value_error(message: String, expected: &str) -> RuleError {
    RuleError { part: RulePart::Value, message, expected: expected.into() }
}

/// One value for `equals` and `contains`, a list for `in` and `not_in`.
fn operands<'a>(rule: &'a AdRule, what: &str) -> Result<&'a [String], RuleError> {
    let operator = rule.operator.as_str();
    match (rule.operator, &rule.value) {
        (RuleOperator::Equals | RuleOperator::Contains, RuleValue::One(value)) => Ok(std::slice::from_ref(value)),
        (RuleOperator::In | RuleOperator::NotIn, RuleValue::Many(values)) if !values.is_empty() => Ok(values),
        (RuleOperator::In | RuleOperator::NotIn, RuleValue::Many(_)) => {
            Err(value_error("the list is empty".into(), &format!("a list with at least {what}")))
        }
        (RuleOperator::In | RuleOperator::NotIn, _) => {
            Err(value_error(format!("`{operator}` takes a list"), &format!("a list of values, each {what}")))
        }
        (RuleOperator::Range, _) => Err(value_error("`range` takes two ends".into(), "`{ min: …, max: … }`")),
        _ => Err(value_error(format!("`{operator}` takes one value"), what)),
    }
}

fn country(text: &str) -> Result<Box<str>, RuleError> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_uppercase().into());
    }
    Err(value_error(format!("`{text}` is not a country code"), "an ISO 3166-1 code of two letters, such as US"))
}

fn part_of_name(rule: &AdRule) -> Result<&str, RuleError> {
    match operands(rule, "a part of the name")? {
        [part] if !part.is_empty() => Ok(part),
        _ => Err(value_error("the text is empty".into(), "a part of the name")),
    }
}

fn devices(rule: &AdRule) -> Result<BitSet, RuleError> {
    let all = || (0_u32..).zip(DeviceType::ALL);
    if rule.operator == RuleOperator::Contains {
        let part = part_of_name(rule)?;
        let found: BitSet = all().filter(|(_, device)| device.as_str().contains(part)).map(|(at, _)| at).collect();
        if found == BitSet::default() {
            let known = DeviceType::ALL.map(DeviceType::as_str).join(", ");
            return Err(value_error(
                format!("no device has `{part}` in its name"),
                &format!("a part of one of {known}"),
            ));
        }
        return Ok(found);
    }
    let read = |text: &String| {
        all().find(|(_, device)| device.as_str() == text).map(|(at, _)| at).ok_or_else(|| {
            let known = DeviceType::ALL.map(DeviceType::as_str).join(", ");
            value_error(format!("unknown device `{text}`"), &format!("one of {known}"))
        })
    };
    let named: BitSet = operands(rule, "a device")?.iter().map(read).collect::<Result<_, _>>()?;
    let every: BitSet = all().map(|(at, _)| at).collect();
    Ok(if rule.operator == RuleOperator::NotIn { every.without(named) } else { named })
}

fn hour(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `monday`, `Mon` or `1`.
pub fn weekday(text: &str) -> Option<i64> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let lower = text.to_ascii_lowercase();
    let named = (1_i64..).zip(DAYS).find(|(_, day)| *day == lower || (lower.len() == 3 && day.starts_with(&lower)));
    named.map(|(number, _)| number).or_else(|| lower.parse().ok())
}

/// Hours or weekdays: single ones, lists, or a range that may wrap (22..4 is 22, 23, 0, 1, 2, 3, 4).
fn numbers(rule: &AdRule, what: &str, low: i64, high: i64, read: fn(&str) -> Option<i64>) -> Result<BitSet, RuleError> {
    let inside = |number: i64| u32::try_from(number).ok().filter(|_| (low..=high).contains(&number));
    let outside = |text: &dyn fmt::Display| value_error(format!("`{text}` is not usable here"), what);
    let every = || (low..=high).filter_map(inside);
    if rule.operator == RuleOperator::Range {
        let RuleValue::Range { min, max } = rule.value else {
            return Err(value_error("`range` takes two ends".into(), &format!("`{{ min: …, max: … }}`, each {what}")));
        };
        let (from, to) = (inside(min).ok_or_else(|| outside(&min))?, inside(max).ok_or_else(|| outside(&max))?);
        let wraps = from > to;
        return Ok(every().filter(|&n| if wraps { n >= from || n <= to } else { n >= from && n <= to }).collect());
    }
    let one = |text: &String| read(text).and_then(inside).ok_or_else(|| outside(text));
    let named: BitSet = operands(rule, what)?.iter().map(one).collect::<Result<_, _>>()?;
    Ok(if rule.operator == RuleOperator::NotIn { every().collect::<BitSet>().without(named) } else { named })
}
