//! A report as CSV (RFC 4180), with a line of names first.

use super::fields::{self, Fields};
use crate::store::{KeyValue, ReportQuery, ReportRow, Sums};

pub struct Csv;

impl Csv {
    pub fn head(&self, query: &ReportQuery) -> Vec<u8> {
        line(fields::of(&empty(query), query, "").iter().map(|(name, _)| (*name).to_owned()))
    }

    pub fn rows(&self, rows: &[Fields]) -> Vec<u8> {
        rows.iter().flat_map(|row| line(row.iter().map(|(_, value)| value.text()))).collect()
    }
}

/// A row of this query, to see its fields.
pub fn empty(query: &ReportQuery) -> ReportRow {
    let key = |dimension: &crate::store::Dimension| match dimension {
        crate::store::Dimension::Hour => KeyValue::Number(0),
        crate::store::Dimension::Day => KeyValue::Text("1970-01-01".to_owned()),
        _ => KeyValue::Text(String::new()),
    };
    let key = query.group_by.iter().map(key).collect();
    ReportRow { key, sums: Sums::default(), counted_by: Vec::new(), uniques: None, errors: None, events: None }
}

fn line(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let cells: Vec<String> = cells.map(|cell| cell_text(&cell)).collect();
    format!("{}\r\n", cells.join(",")).into_bytes()
}

/// Quoted where it must be. Text that a spreadsheet would take for a formula gets a `'` before it: a viewer's country
/// comes from anybody.
fn cell_text(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
