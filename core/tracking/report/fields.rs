//! What a row of a report consists of: one list for all formats. Pure.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    domain::{CountedBy, Moment, Money},
    media::datetime,
    store::{Column, Dimension, KeyValue, ReportQuery, ReportRow},
};

/// One field of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Option<String>),
    Date(Date),
    Time(Moment),
    Count(Option<i64>),
    /// From 0 on; `None` where there is nothing to divide by.
    Rate(Option<f64>),
    Money(Money),
    /// By name.
    Counts(Option<BTreeMap<String, i64>>),
    List(Vec<&'static str>),
}

pub type Fields = Vec<(&'static str, Value)>;

/// Sums to ratios: to millionths.
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e6).round() / 1e6)
}

/// The fields of a row, in the order of the columns; always the same ones for the same query.
pub fn of(row: &ReportRow, query: &ReportQuery, currency: &str) -> Fields {
    let keys =
        query.group_by.iter().zip(&row.key).map(|(dimension, value)| (dimension.as_str(), key(*dimension, value)));
    let mut fields: Fields = keys.collect();
    let sum = |column| row.sums.get(column);
    let count = |column| Value::Count(Some(sum(column)));
    let of_breaks = |value: Value| if query.has_breaks() { value } else { none(&value) };
    let impressions = sum(Column::Impressions);
    fields.extend([
        ("impressions", count(Column::Impressions)),
        ("uniques", Value::Count(row.uniques)),
        ("starts", count(Column::Starts)),
        ("first_quartiles", count(Column::FirstQuartiles)),
        ("midpoints", count(Column::Midpoints)),
        ("third_quartiles", count(Column::ThirdQuartiles)),
        ("completions", count(Column::Completes)),
        ("completion_rate", Value::Rate(ratio(sum(Column::Completes), impressions))),
        ("clicks", count(Column::Clicks)),
        ("ctr", Value::Rate(ratio(sum(Column::Clicks), impressions))),
        ("errors", count(Column::Errors)),
        ("errors_by_code", Value::Counts(row.errors.clone())),
        ("spend", Value::Money(Money::from_micros(sum(Column::Spend)))),
        ("currency", Value::Text(Some(currency.to_owned()))),
        ("breaks", of_breaks(count(Column::Breaks))),
        ("decided", count(Column::Decided)),
        ("stitched", count(Column::Stitched)),
        ("fill_rate", of_breaks(Value::Rate(ratio(sum(Column::DecidedMicros), sum(Column::BreakMicros))))),
        ("events", Value::Counts(row.events.clone())),
        ("counted_by", Value::List(row.counted_by.iter().map(|way| CountedBy::as_str(*way)).collect())),
    ]);
    if query.group_by.contains(&Dimension::CountedBy) {
        // It is among the keys.
        fields.pop();
    }
    fields
}

/// An empty text says that there is none.
fn key(dimension: Dimension, value: &KeyValue) -> Value {
    match (dimension, value) {
        (Dimension::Day, KeyValue::Text(day)) => {
            day.parse().map_or_else(|_| Value::Text(Some(day.clone())), Value::Date)
        }
        (_, KeyValue::Text(text)) => Value::Text(Some(text.clone()).filter(|text| !text.is_empty())),
        (_, KeyValue::Number(hour)) => Value::Time(Moment(hour.saturating_mul(3_600_000_000))),
    }
}

fn none(value: &Value) -> Value {
    match value {
        Value::Rate(_) => Value::Rate(None),
        _ => Value::Count(None),
    }
}

impl Value {
    /// As JSON has it. Money is text: no reader may round it.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Text(text) => json!(text),
            Self::Date(date) => json!(date.to_string()),
            Self::Time(time) => json!(datetime::format(*time)),
            Self::Count(count) => json!(count),
            Self::Rate(rate) => json!(rate),
            Self::Money(money) => json!(money),
            Self::Counts(counts) => json!(counts),
            Self::List(list) => json!(list),
        }
    }

    /// As one cell of a table.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone().unwrap_or_default(),
            Self::Date(date) => date.to_string(),
            Self::Time(time) => datetime::format(*time),
            Self::Count(count) => count.map(|count| count.to_string()).unwrap_or_default(),
            Self::Rate(rate) => rate.map(|rate| rate.to_string()).unwrap_or_default(),
            Self::Money(money) => money.to_string(),
            Self::Counts(counts) => {
                let counts = counts.iter().flatten().map(|(name, count)| format!("{name}:{count}"));
                counts.collect::<Vec<_>>().join(" ")
            }
            Self::List(list) => list.join("+"),
        }
    }
}
