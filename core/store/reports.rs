//! Reports: sums by any of the columns, page by page, from the rollups alone. No single event is read.

use std::collections::BTreeMap;

use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    Store, StoreError, TenantScope,
    rollups::{COLUMNS, Grouping, NameKind, Sums, read_sums},
};
use crate::domain::CountedBy;

/// What a report is grouped by or filtered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// On the tenant's calendar.
    Day,
    /// Hours since the epoch.
    Hour,
    Channel,
    Campaign,
    Ad,
    Device,
    Geo,
    CountedBy,
}

impl Dimension {
    pub const ALL: [Self; 8] =
        [Self::Day, Self::Hour, Self::Channel, Self::Campaign, Self::Ad, Self::Device, Self::Geo, Self::CountedBy];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Ad => "ad",
            Self::Device => "device",
            Self::Geo => "geo",
            Self::CountedBy => "counted_by",
        }
    }

    /// Its bit among the ways to group uniques, if it is one.
    fn bit(self) -> Option<u8> {
        match self {
            Self::Channel => Some(Grouping::CHANNEL),
            Self::Campaign => Some(Grouping::CAMPAIGN),
            Self::Ad => Some(Grouping::AD),
            Self::Device => Some(Grouping::DEVICE),
            Self::Geo => Some(Grouping::GEO),
            Self::Day | Self::Hour | Self::CountedBy => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReportTraffic {
    #[default]
    Valid,
    Invalid,
    All,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportQuery {
    /// Both days are included.
    pub from: Date,
    pub to: Date,
    /// In the order of the rows; none: one row for all.
    pub group_by: Vec<Dimension>,
    /// A row has one of the values of each of these. Not on days or hours.
    pub filters: Vec<(Dimension, Vec<String>)>,
    pub traffic: ReportTraffic,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyValue {
    Text(String),
    Number(i64),
}

/// The values of a row's `group_by`, in that order.
pub type ReportKey = Vec<KeyValue>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    pub key: ReportKey,
    pub sums: Sums,
    /// The ways in which its events were counted.
    pub counted_by: Vec<CountedBy>,
    /// Sessions with an impression; `None` where they cannot be told from the rollups.
    pub uniques: Option<i64>,
    /// By code, and by a tenant's own types; `None` where they are not kept by what is asked for.
    pub errors: Option<BTreeMap<String, i64>>,
    pub events: Option<BTreeMap<String, i64>>,
}

impl ReportQuery {
    /// Whether rows are told apart by one of these, by group or filter.
    pub fn tells(&self, dimensions: &[Dimension]) -> bool {
        let mut used = self.group_by.iter().chain(self.filters.iter().map(|(dimension, _)| dimension));
        used.any(|used| dimensions.contains(used))
    }

    /// Whether breaks belong to rows: they have no campaign, no ad, and nobody but us counts them.
    pub fn has_breaks(&self) -> bool {
        !self.tells(&[Dimension::Campaign, Dimension::Ad, Dimension::CountedBy])
    }

    fn has_names(&self) -> bool {
        !self.tells(&[Dimension::Hour, Dimension::Device, Dimension::Geo, Dimension::CountedBy])
    }

    fn grouping(&self) -> Option<Grouping> {
        let told = self.traffic == ReportTraffic::Valid && !self.tells(&[Dimension::Hour, Dimension::CountedBy]);
        let used = self.group_by.iter().chain(self.filters.iter().map(|(dimension, _)| dimension));
        told.then(|| Grouping::of(used.filter_map(|dimension| dimension.bit()).fold(0, |mask, bit| mask | bit)))
    }
}

/// A statement under construction. Its text has names and placeholders only.
struct Statement {
    sql: String,
    values: Vec<KeyValue>,
}

impl Statement {
    fn place(&mut self, value: KeyValue) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// `SELECT keys, what FROM table WHERE …` of the days' builds that serve. A CROSS JOIN has SQLite go from the few days
    /// to their rows; PostgreSQL goes as it likes.
    fn new(scope: &TenantScope, query: &ReportQuery, what: &str, table: &str) -> Self {
        let mut statement = Self { sql: String::new(), values: Vec::new() };
        let tenant = statement.place(KeyValue::Text(scope.as_str().to_owned()));
        let from = statement.place(KeyValue::Text(query.from.to_string()));
        let to = statement.place(KeyValue::Text(query.to.to_string()));
        let keys = if query.group_by.is_empty() { String::new() } else { format!("{}, ", keys(query)) };
        statement.sql = format!(
            "SELECT {keys}{what} FROM report_days d CROSS JOIN {table} r WHERE d.tenant = {tenant} AND d.day >= {from} AND \
             d.day <= {to} AND r.tenant = d.tenant AND r.day = d.day AND r.build = d.build"
        );
        for (dimension, values) in &query.filters {
            let places: Vec<String> =
                values.iter().map(|value| statement.place(KeyValue::Text(value.clone()))).collect();
            statement.sql += &format!(" AND r.{} IN ({})", dimension.as_str(), places.join(", "));
        }
        statement
    }

    fn traffic(&mut self, traffic: ReportTraffic) {
        self.sql += match traffic {
            ReportTraffic::Valid => " AND r.traffic = 'valid'",
            ReportTraffic::Invalid => " AND r.traffic <> 'valid'",
            ReportTraffic::All => "",
        };
    }

    /// Rows behind a key, or up to one.
    fn bound(&mut self, query: &ReportQuery, relation: &str, key: &ReportKey) {
        let places: Vec<String> = key.iter().map(|value| self.place(value.clone())).collect();
        self.sql += &format!(" AND ({}) {relation} ({})", keys(query), places.join(", "));
    }

    async fn rows(self, store: &Store) -> Result<Vec<AnyRow>, StoreError> {
        let mut link = store.read().await?;
        let query = sqlx::query(AssertSqlSafe(self.sql));
        let query = self.values.into_iter().fold(query, |query, value| match value {
            KeyValue::Text(text) => query.bind(text),
            KeyValue::Number(number) => query.bind(number),
        });
        Ok(query.fetch_all(&mut link).await?)
    }
}

fn keys(query: &ReportQuery) -> String {
    let keys: Vec<String> = query.group_by.iter().map(|dimension| format!("r.{}", dimension.as_str())).collect();
    keys.join(", ")
}

fn grouped(query: &ReportQuery) -> String {
    if query.group_by.is_empty() { String::new() } else { format!(" GROUP BY {}", keys(query)) }
}

fn ordered(query: &ReportQuery) -> String {
    if query.group_by.is_empty() { String::new() } else { format!(" ORDER BY {}", keys(query)) }
}

impl Store {
    /// Rows of a report in the order of their keys: those behind `after`, so many at most. A query that groups by
    /// nothing has one row.
    pub async fn report_page(
        &self,
        scope: &TenantScope,
        query: &ReportQuery,
        after: Option<&ReportKey>,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError> {
        let mut rows = self.report_sums(scope, query, after, limit).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(rows) };
        self.add_uniques(scope, query, after, &last, &mut rows).await?;
        self.add_names(scope, query, after, &last, &mut rows).await?;
        Ok(rows)
    }

    /// The same without uniques, error codes and events of a tenant's own types, which take queries of their own.
    pub async fn report_sums(
        &self,
        scope: &TenantScope,
        query: &ReportQuery,
        after: Option<&ReportKey>,
        limit: u32,
    ) -> Result<Vec<ReportRow>, StoreError> {
        let sums = COLUMNS.map(|column| format!("CAST(COALESCE(SUM(r.{column}), 0) AS BIGINT)"));
        let ways = CountedBy::ALL.map(|way| {
            format!("CAST(COALESCE(MAX(CASE WHEN r.counted_by = '{}' THEN 1 ELSE 0 END), 0) AS BIGINT)", way.as_str())
        });
        let what = [sums.as_slice(), ways.as_slice()].concat().join(", ");
        let table = if query.group_by.contains(&Dimension::Hour) { "rollup_hours" } else { "rollup_days" };
        let mut statement = Statement::new(scope, query, &what, table);
        statement.traffic(query.traffic);
        if query.tells(&[Dimension::CountedBy]) {
            statement.sql += " AND r.counted_by <> ''";
        }
        if let Some(after) = after {
            statement.bound(query, ">", after);
        }
        statement.sql += &grouped(query);
        if !query.has_breaks() && !query.group_by.is_empty() {
            let shown: Vec<String> = COLUMNS.iter().skip(2).map(|column| format!("SUM(r.{column})")).collect();
            statement.sql += &format!(" HAVING {} <> 0", shown.join(" + "));
        }
        statement.sql += &ordered(query);
        let limit = statement.place(KeyValue::Number(limit.into()));
        statement.sql += &format!(" LIMIT {limit}");
        let width = query.group_by.len();
        let mut rows = Vec::new();
        for row in statement.rows(self).await? {
            let mut counted_by = Vec::new();
            for (at, way) in CountedBy::ALL.into_iter().enumerate() {
                if row.try_get::<i64, _>(width + COLUMNS.len() + at)? == 1 {
                    counted_by.push(way);
                }
            }
            let (key, sums) = (key(query, &row)?, read_sums(&row, width)?);
            rows.push(ReportRow { key, sums, counted_by, uniques: None, errors: None, events: None });
        }
        Ok(rows)
    }

    async fn add_uniques(
        &self,
        scope: &TenantScope,
        query: &ReportQuery,
        after: Option<&ReportKey>,
        last: &ReportKey,
        rows: &mut [ReportRow],
    ) -> Result<(), StoreError> {
        let Some(grouping) = query.grouping() else { return Ok(()) };
        // Uniques of several rows cannot be added: a session may be in each of them.
        let what = "CASE WHEN COUNT(*) = 1 AND MIN(d.uniques_exact) = 1 THEN MAX(r.uniques) END";
        let mut statement = Statement::new(scope, query, what, "rollup_uniques");
        let mask = statement.place(KeyValue::Number(grouping.mask().into()));
        statement.sql += &format!(" AND r.mask = {mask}");
        if !query.group_by.is_empty() {
            if let Some(after) = after {
                statement.bound(query, ">", after);
            }
            statement.bound(query, "<=", last);
        }
        statement.sql += &grouped(query);
        let mut found = BTreeMap::new();
        for row in statement.rows(self).await? {
            found.insert(key(query, &row)?, row.try_get::<Option<i64>, _>(query.group_by.len())?);
        }
        let exact = self.report_days(scope, query.from, query.to).await?.iter().all(|day| day.uniques_exact);
        for row in rows {
            // Without a row nobody had an impression.
            let none = (exact && row.sums.get(super::Column::Impressions) == 0).then_some(0);
            row.uniques = found.remove(&row.key).flatten().or(none);
        }
        Ok(())
    }

    async fn add_names(
        &self,
        scope: &TenantScope,
        query: &ReportQuery,
        after: Option<&ReportKey>,
        last: &ReportKey,
        rows: &mut [ReportRow],
    ) -> Result<(), StoreError> {
        if !query.has_names() {
            return Ok(());
        }
        let what = "r.kind, r.name, CAST(SUM(r.count) AS BIGINT)";
        let mut statement = Statement::new(scope, query, what, "rollup_names");
        statement.traffic(query.traffic);
        let separator = if query.group_by.is_empty() { "" } else { ", " };
        if !query.group_by.is_empty() {
            if let Some(after) = after {
                statement.bound(query, ">", after);
            }
            statement.bound(query, "<=", last);
        }
        statement.sql += &format!(" GROUP BY {}{separator}r.kind, r.name", keys(query));
        let width = query.group_by.len();
        let mut found: BTreeMap<ReportKey, [BTreeMap<String, i64>; 2]> = BTreeMap::new();
        for row in statement.rows(self).await? {
            let maps = found.entry(key(query, &row)?).or_default();
            let is_error = row.try_get::<&str, _>(width)? == NameKind::Error.as_str();
            let [errors, events] = maps;
            let map = if is_error { errors } else { events };
            map.insert(row.try_get(width + 1)?, row.try_get(width + 2)?);
        }
        for row in rows {
            let [errors, events] = found.remove(&row.key).unwrap_or_default();
            (row.errors, row.events) = (Some(errors), Some(events));
        }
        Ok(())
    }
}

fn key(query: &ReportQuery, row: &AnyRow) -> Result<ReportKey, StoreError> {
    let value = |(at, dimension): (usize, &Dimension)| match dimension {
        Dimension::Hour => row.try_get(at).map(KeyValue::Number),
        _ => row.try_get(at).map(KeyValue::Text),
    };
    Ok(query.group_by.iter().enumerate().map(value).collect::<Result<_, _>>()?)
}
