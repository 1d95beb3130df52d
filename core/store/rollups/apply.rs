//! Adds a batch's sums to the rows of one build of one day.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use jiff::civil::Date;
use sqlx::AssertSqlSafe;

use super::{COLUMNS, Cell, DayTally, Line, Sums, uniques};
use crate::store::{StoreError, TenantScope, Transaction, placeholders};

/// Rows of one statement: see `events`. A third of what both databases take of parameters.
pub(super) const ROWS: usize = 50;

/// A table that sums are added to: its key and its numbers.
pub(super) struct Table {
    many: Arc<str>,
    one: Arc<str>,
}

impl Table {
    pub(super) fn new(name: &str, key: &[&str], numbers: &[&str]) -> Self {
        let columns = [key, numbers].concat();
        let sums: Vec<String> =
            numbers.iter().map(|number| format!("{number} = {name}.{number} + excluded.{number}")).collect();
        let statement = |rows: usize| {
            format!(
                "INSERT INTO {name} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
                columns.join(", "),
                placeholders(1, rows, columns.len()),
                key.join(", "),
                sums.join(", ")
            )
        };
        Self { many: statement(ROWS).into(), one: statement(1).into() }
    }

    /// Runs the statements for these rows; `bind` binds one row's values, in the order of the columns.
    pub(super) async fn add<'a, T: Sync>(
        &self,
        transaction: &mut Transaction,
        rows: &'a [T],
        bind: impl Fn(Query<'a>, &'a T) -> Query<'a>,
    ) -> Result<(), StoreError> {
        let full = rows.chunks_exact(ROWS);
        let rest = full.remainder().chunks(1);
        for rows in full.chain(rest) {
            // Made of names and placeholders above.
            let sql = if rows.len() == ROWS { &self.many } else { &self.one };
            let query = sqlx::query(AssertSqlSafe(sql.clone()));
            rows.iter().fold(query, &bind).execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

/// Which rows of a table.
struct Place<'p> {
    tenant: &'p str,
    date: &'p str,
    build: i64,
}

impl Place<'_> {
    fn bind<'a>(&self, query: Query<'a>) -> Query<'a> {
        query.bind(self.tenant.to_owned()).bind(self.date.to_owned()).bind(self.build)
    }
}

pub(super) type Query<'a> = sqlx::query::Query<'a, sqlx::Any, sqlx::any::AnyArguments>;

static HOURS: LazyLock<Table> = LazyLock::new(|| {
    let key = ["tenant", "day", "build", "hour", "channel", "campaign", "ad", "device", "geo", "counted_by", "traffic"];
    Table::new("rollup_hours", &key, &COLUMNS)
});
static DAYS: LazyLock<Table> = LazyLock::new(|| {
    let key = ["tenant", "day", "build", "channel", "campaign", "ad", "device", "geo", "counted_by", "traffic"];
    Table::new("rollup_days", &key, &COLUMNS)
});
static NAMES: LazyLock<Table> = LazyLock::new(|| {
    let key = ["tenant", "day", "build", "channel", "campaign", "ad", "traffic", "kind", "name"];
    Table::new("rollup_names", &key, &["count"])
});

/// `sessions`: whether what sessions saw is known from before, so that uniques can be told.
pub(super) async fn write(
    transaction: &mut Transaction,
    scope: &TenantScope,
    day: Date,
    build: i64,
    tally: &DayTally,
    sessions: bool,
) -> Result<(), StoreError> {
    let date = day.to_string();
    let place = Place { tenant: scope.as_str(), date: &date, build };
    let mut of_day: HashMap<&Line, Sums> = HashMap::new();
    for ((_, line), sums) in &tally.hours {
        of_day.entry(line).or_default().add_all(sums);
    }
    // In the order of their keys: neighbours in the table are written together.
    let mut hours: Vec<_> = tally.hours.iter().collect();
    hours.sort_unstable_by_key(|(key, _)| *key);
    HOURS
        .add(transaction, &hours, |query, ((hour, line), sums)| {
            bind_sums(bind_line(place.bind(query).bind(*hour), line), sums)
        })
        .await?;
    let mut days: Vec<_> = of_day.into_iter().collect();
    days.sort_unstable_by_key(|(line, _)| *line);
    DAYS.add(transaction, &days, |query, (line, sums)| bind_sums(bind_line(place.bind(query), line), sums)).await?;
    let mut names: Vec<_> = tally.names.iter().collect();
    names.sort_unstable();
    NAMES
        .add(transaction, &names, |query, (line, count)| {
            place
                .bind(query)
                .bind(&*line.channel)
                .bind(&*line.campaign)
                .bind(&*line.ad)
                .bind(&*line.traffic)
                .bind(line.kind.as_str())
                .bind(&*line.name)
                .bind(**count)
        })
        .await?;
    if sessions {
        uniques::add(transaction, scope, day, build, &tally.sessions).await?;
    }
    Ok(())
}

pub(super) fn bind_cell<'a>(query: Query<'a>, cell: &'a Cell) -> Query<'a> {
    query.bind(&*cell.channel).bind(&*cell.campaign).bind(&*cell.ad).bind(&*cell.device).bind(&*cell.geo)
}

fn bind_line<'a>(query: Query<'a>, line: &'a Line) -> Query<'a> {
    bind_cell(query, &line.cell).bind(&*line.counted_by).bind(&*line.traffic)
}

pub(super) fn bind_sums<'a>(query: Query<'a>, sums: &Sums) -> Query<'a> {
    sums.numbers().iter().fold(query, |query, number| query.bind(*number))
}
