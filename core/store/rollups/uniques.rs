//! Sessions with a valid impression, exactly, for each way to group a day.
//!
//! What a session's impression adds to the uniques of a grouping follows from the cells that the session has been in on
//! that day: it adds one to each group that none of those cells belongs to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Row};

use super::{
    Cell,
    apply::{ROWS, Table, bind_cell},
};
use crate::store::{StoreError, TenantScope, Transaction, placeholders};

/// The columns that a day is grouped by. By ad means by campaign and ad: an ad can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grouping(u8);

impl Grouping {
    pub const CHANNEL: u8 = 1;
    pub const CAMPAIGN: u8 = 2;
    pub const AD: u8 = 4;
    pub const DEVICE: u8 = 8;
    pub const GEO: u8 = 16;

    /// What `mask` groups by, and the campaign if it has the ad.
    pub fn of(mask: u8) -> Self {
        if mask & Self::AD != 0 { Self(mask | Self::CAMPAIGN) } else { Self(mask) }
    }
    pub fn mask(self) -> u8 {
        self.0
    }
    fn project(self, cell: &Cell) -> Cell {
        let keep = |bit: u8, text: &str| if self.0 & bit != 0 { text.into() } else { Box::default() };
        Cell {
            channel: keep(Self::CHANNEL, &cell.channel),
            campaign: keep(Self::CAMPAIGN, &cell.campaign),
            ad: keep(Self::AD, &cell.ad),
            device: keep(Self::DEVICE, &cell.device),
            geo: keep(Self::GEO, &cell.geo),
        }
    }
}

/// All groupings that uniques are kept for: with or without channel, device and geo, by nothing, campaign, or ad.
pub const GROUPINGS: [Grouping; 24] = {
    let mut all = [Grouping(0); 24];
    let (mut mask, mut at) = (0u8, 0);
    while mask < 32 {
        if mask & Grouping::AD == 0 || mask & Grouping::CAMPAIGN != 0 {
            all[at] = Grouping(mask);
            at += 1;
        }
        mask += 1;
    }
    all
};

/// Stand between the fields of a cell and between cells: dimensions have no control characters.
const FIELD: char = '\u{1f}';
const CELL: char = '\u{1e}';

static UNIQUES: LazyLock<Table> = LazyLock::new(|| {
    let key = ["tenant", "day", "build", "mask", "channel", "campaign", "ad", "device", "geo"];
    Table::new("rollup_uniques", &key, &["uniques"])
});

static READ: LazyLock<std::sync::Arc<str>> = LazyLock::new(|| {
    let sessions = placeholders(4, 1, ROWS);
    format!("SELECT session, cells FROM day_sessions WHERE tenant = $1 AND day = $2 AND build = $3 AND session IN {sessions}")
        .into()
});

static WRITE_MANY: LazyLock<std::sync::Arc<str>> = LazyLock::new(|| write_statement(ROWS).into());
static WRITE_ONE: LazyLock<std::sync::Arc<str>> = LazyLock::new(|| write_statement(1).into());

fn write_statement(rows: usize) -> String {
    format!(
        "INSERT INTO day_sessions (tenant, day, build, session, cells) VALUES {} \
         ON CONFLICT (tenant, day, build, session) DO UPDATE SET cells = excluded.cells",
        placeholders(1, rows, 5)
    )
}

/// Adds the cells that sessions have been in.
pub(super) async fn add(
    transaction: &mut Transaction,
    scope: &TenantScope,
    day: Date,
    build: i64,
    sessions: &BTreeMap<Box<str>, BTreeSet<Cell>>,
) -> Result<(), StoreError> {
    let date = day.to_string();
    let mut added: BTreeMap<(Grouping, Cell), i64> = BTreeMap::new();
    let mut changed: Vec<(&str, String)> = Vec::new();
    let all: Vec<(&str, &BTreeSet<Cell>)> = sessions.iter().map(|(session, cells)| (&**session, cells)).collect();
    for sessions in all.chunks(ROWS) {
        let mut known = read(transaction, scope, &date, build, sessions).await?;
        for (session, new) in sessions {
            let mut cells = known.remove(*session).unwrap_or_default();
            let before = cells.len();
            for cell in *new {
                if !cells.contains(cell) {
                    count(&cells, cell, &mut added);
                    cells.push(cell.clone());
                }
            }
            if cells.len() > before {
                changed.push((*session, text(&cells)));
            }
        }
    }
    let full = changed.chunks_exact(ROWS);
    let rest = full.remainder().chunks(1);
    for rows in full.chain(rest) {
        let sql = if rows.len() == ROWS { &*WRITE_MANY } else { &*WRITE_ONE };
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for (session, cells) in rows {
            query = query.bind(scope.as_str()).bind(&*date).bind(build).bind(*session).bind(&**cells);
        }
        query.execute(&mut **transaction).await?;
    }
    let added: Vec<_> = added.iter().collect();
    UNIQUES
        .add(transaction, &added, |query, ((grouping, cell), count)| {
            let query = query.bind(scope.as_str().to_owned()).bind(date.clone()).bind(build);
            bind_cell(query.bind(i64::from(grouping.mask())), cell).bind(**count)
        })
        .await
}

async fn read(
    transaction: &mut Transaction,
    scope: &TenantScope,
    date: &str,
    build: i64,
    sessions: &[(&str, &BTreeSet<Cell>)],
) -> Result<BTreeMap<String, Vec<Cell>>, StoreError> {
    // One statement for any number: placeholders are filled up by repeating a session.
    let Some((first, _)) = sessions.first() else { return Ok(BTreeMap::new()) };
    let mut query = sqlx::query(AssertSqlSafe(READ.clone())).bind(scope.as_str()).bind(date).bind(build);
    for session in sessions.iter().map(|(session, _)| *session).chain(std::iter::repeat(*first)).take(ROWS) {
        query = query.bind(session);
    }
    let mut known = BTreeMap::new();
    for row in query.fetch_all(&mut **transaction).await? {
        known.insert(row.try_get::<String, _>(0)?, cells(row.try_get(1)?));
    }
    Ok(known)
}

/// Counts a cell that the session has not been in, where it opens a group that the session has not been in either.
fn count(known: &[Cell], cell: &Cell, added: &mut BTreeMap<(Grouping, Cell), i64>) {
    // A group is known if one cell agrees with the new one in all that it groups by.
    let agrees: Vec<u8> = known.iter().map(|known| agreement(known, cell)).collect();
    for grouping in GROUPINGS {
        if !agrees.iter().any(|agrees| grouping.mask() & !agrees == 0) {
            *added.entry((grouping, grouping.project(cell))).or_default() += 1;
        }
    }
}

/// The columns in which two cells are the same.
fn agreement(a: &Cell, b: &Cell) -> u8 {
    let bit = |bit: u8, same: bool| if same { bit } else { 0 };
    bit(Grouping::CHANNEL, a.channel == b.channel)
        | bit(Grouping::CAMPAIGN, a.campaign == b.campaign)
        | bit(Grouping::AD, a.ad == b.ad)
        | bit(Grouping::DEVICE, a.device == b.device)
        | bit(Grouping::GEO, a.geo == b.geo)
}

fn text(cells: &[Cell]) -> String {
    let mut text = String::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            text.push(CELL);
        }
        for (at, field) in [&cell.channel, &cell.campaign, &cell.ad, &cell.device, &cell.geo].into_iter().enumerate() {
            if at > 0 {
                text.push(FIELD);
            }
            text.push_str(field);
        }
    }
    text
}

fn cells(text: &str) -> Vec<Cell> {
    let cell = |text: &str| {
        let mut fields = text.split(FIELD).map(Box::from);
        let mut next = || fields.next().unwrap_or_default();
        Cell { channel: next(), campaign: next(), ad: next(), device: next(), geo: next() }
    };
    text.split(CELL).map(cell).collect()
}
