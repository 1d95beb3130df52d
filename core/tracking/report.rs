//! Reports as documents: JSON, CSV or Parquet, page by page, in memory of one page.
//!
//! `fields` says what a row consists of, once for all three; the others write it. Everything comes from sums; no single
//! event is read. Knows no HTTP and no SQL.

mod csv;
mod fields;
mod json;
mod parquet;
#[cfg(test)]
mod tests;

use jiff::civil::Date;

pub use self::fields::Value;
use crate::{
    domain::Slug,
    store::{Dimension, ReportDay, ReportKey, ReportQuery, ReportRow, ReportTraffic, Store, StoreError, TenantScope},
};

/// Rows that are read and written together: some megabytes at most.
pub const PAGE: u32 = 5_000;

/// Days with events of one report: a year and a bit. More is several reports, so that no query takes for ever.
pub const MAX_DAYS: usize = 400;

/// Values of one filter: as many as fit an address.
pub const MAX_FILTER_VALUES: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Json,
    Csv,
    Parquet,
}

impl Shape {
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Parquet];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the report could not be written as Parquet: {0}")]
    Parquet(String),
}

/// Why a report cannot be asked for like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Refused {
    pub field: &'static str,
    pub reason: String,
}

/// What is asked for, besides the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub query: ReportQuery,
    pub shape: Shape,
}

/// Of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub tenant: Slug,
    /// IANA name.
    pub timezone: String,
    /// ISO 4217 code.
    pub currency: String,
}

/// Reads `day,channel`.
pub fn group_by(text: &str) -> Result<Vec<Dimension>, Refused> {
    let mut dimensions = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == name);
        let all = || Dimension::ALL.map(Dimension::as_str).join(", ");
        let shown: String = name.chars().take(64).collect();
        let Some(dimension) = known else {
            return Err(Refused { field: "group_by", reason: format!("`{shown}` is unknown; known are {}", all()) });
        };
        // An ad can move to another campaign: by ad means by campaign and ad.
        let implied = (dimension == Dimension::Ad).then_some(Dimension::Campaign);
        for dimension in implied.into_iter().chain([dimension]) {
            if !dimensions.contains(&dimension) {
                dimensions.push(dimension);
            }
        }
    }
    Ok(dimensions)
}

/// Checks the days of a report.
pub fn days(from: Date, to: Date) -> Result<(), Refused> {
    if to < from {
        return Err(Refused { field: "to", reason: format!("{to} is before {from}") });
    }
    Ok(())
}

/// What a reader of this report has to know.
fn notes(query: &ReportQuery, days: &[ReportDay]) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if query.traffic != ReportTraffic::Valid {
        notes.push("uniques are of valid traffic only, and null here");
    } else if query.tells(&[Dimension::Hour, Dimension::CountedBy]) {
        notes.push("uniques are kept by day, not by hour or counted_by, and null here");
    } else {
        notes.push("uniques are exact per day; null where they would have to be added up over days or filters");
    }
    if !query.has_breaks() {
        notes.push("breaks and fill rates belong to no campaign, ad or counted_by, and are null here");
    }
    if query.tells(&[Dimension::Hour, Dimension::Device, Dimension::Geo, Dimension::CountedBy]) {
        notes.push("errors_by_code and events are kept by day, channel, campaign and ad, and null here");
    }
    if days.iter().any(|day| !day.uniques_exact) {
        notes.push("events came in for a day whose single events are deleted by age: its uniques are null");
    }
    notes
}

/// One of the three.
enum Writer {
    Json(json::Json),
    Csv(csv::Csv),
    Parquet(Box<parquet::Parquet>),
}

/// Where a document is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Rows,
    Done,
}

/// A report under way.
pub struct Document {
    store: Store,
    scope: TenantScope,
    subject: Subject,
    query: ReportQuery,
    writer: Writer,
    stage: Stage,
    after: Option<ReportKey>,
    /// Rows so far.
    pub rows: u64,
}

impl Document {
    pub fn new(store: Store, subject: Subject, asked: Asked) -> Result<Self, ReportError> {
        let Asked { query, shape } = asked;
        let writer = match shape {
            Shape::Json => Writer::Json(json::Json::default()),
            Shape::Csv => Writer::Csv(csv::Csv),
            Shape::Parquet => Writer::Parquet(Box::new(parquet::Parquet::new(&query)?)),
        };
        let scope = TenantScope::new(subject.tenant.clone());
        Ok(Self { store, scope, subject, query, writer, stage: Stage::Head, after: None, rows: 0 })
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ReportError> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Rows;
                let days = self.store.report_days(&self.scope, self.query.from, self.query.to).await?;
                if days.len() > MAX_DAYS {
                    let reason = format!("a report has {MAX_DAYS} days with events at most: ask for it in parts");
                    return Err(Refused { field: "to", reason }.into());
                }
                Ok(Some(match &mut self.writer {
                    Writer::Json(json) => json.head(&self.subject, &self.query, &days, &notes(&self.query, &days)),
                    Writer::Csv(csv) => csv.head(&self.query),
                    Writer::Parquet(parquet) => parquet.head(),
                }))
            }
            Stage::Rows => {
                let page = self.store.report_page(&self.scope, &self.query, self.after.as_ref(), PAGE).await?;
                // What groups by nothing has its one row.
                let last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) || self.query.group_by.is_empty();
                self.after = page.last().map(|row| row.key.clone());
                self.rows += page.len() as u64;
                let mut bytes = self.write(&page)?;
                if last {
                    self.stage = Stage::Done;
                    bytes.extend(self.tail().await?);
                }
                Ok(Some(bytes))
            }
            Stage::Done => Ok(None),
        }
    }

    fn write(&mut self, page: &[ReportRow]) -> Result<Vec<u8>, ReportError> {
        let rows: Vec<fields::Fields> =
            page.iter().map(|row| fields::of(row, &self.query, &self.subject.currency)).collect();
        match &mut self.writer {
            Writer::Json(json) => Ok(json.rows(&rows)),
            Writer::Csv(csv) => Ok(csv.rows(&rows)),
            Writer::Parquet(parquet) => parquet.rows(&rows),
        }
    }

    async fn tail(&mut self) -> Result<Vec<u8>, ReportError> {
        match &mut self.writer {
            Writer::Csv(_) => Ok(Vec::new()),
            Writer::Parquet(parquet) => parquet.tail(),
            Writer::Json(json) => {
                let all = ReportQuery { group_by: Vec::new(), ..self.query.clone() };
                let all_rows = self.store.report_page(&self.scope, &all, None, 1).await?;
                let totals = all_rows.first().map(|row| fields::of(row, &all, &self.subject.currency));
                Ok(json.tail(totals.as_ref()))
            }
        }
    }
}
