//! A report as one JSON object, whose rows come as they are read.

use serde_json::{Map, Value, json};

use super::{Subject, fields::Fields};
use crate::{
    media::datetime,
    store::{Dimension, ReportDay, ReportQuery, ReportTraffic},
};

#[derive(Default)]
pub struct Json {
    /// There is a row before the next one.
    begun: bool,
}

impl Json {
    pub fn head(&self, subject: &Subject, query: &ReportQuery, days: &[ReportDay], notes: &[&str]) -> Vec<u8> {
        let traffic = match query.traffic {
            ReportTraffic::Valid => "valid",
            ReportTraffic::Invalid => "invalid",
            ReportTraffic::All => "all",
        };
        let day = |day: &ReportDay| {
            json!({
                "day": day.day.to_string(),
                "state": day.state.as_str(),
                "closed_at": day.closed_at.map(datetime::format),
                "events": day.events,
            })
        };
        let head = json!({
            "tenant": subject.tenant,
            "from": query.from.to_string(),
            "to": query.to.to_string(),
            "timezone": subject.timezone,
            "currency": subject.currency,
            "traffic": traffic,
            "group_by": query.group_by.iter().map(|dimension| Dimension::as_str(*dimension)).collect::<Vec<_>>(),
            "days": days.iter().map(day).collect::<Vec<_>>(),
            "notes": notes,
        });
        let mut text = head.to_string();
        // The object goes on.
        text.pop();
        text.push_str(",\"rows\":[");
        text.into_bytes()
    }

    pub fn rows(&mut self, rows: &[Fields]) -> Vec<u8> {
        let mut text = String::new();
        for row in rows {
            if std::mem::replace(&mut self.begun, true) {
                text.push(',');
            }
            text.push('\n');
            text.push_str(&object(row).to_string());
        }
        text.into_bytes()
    }

    pub fn tail(&self, totals: Option<&Fields>) -> Vec<u8> {
        format!("\n],\"totals\":{}}}\n", totals.map_or(Value::Null, object)).into_bytes()
    }
}

fn object(row: &Fields) -> Value {
    let fields: Map<String, Value> = row.iter().map(|(name, value)| ((*name).to_owned(), value.json())).collect();
    Value::Object(fields)
}
