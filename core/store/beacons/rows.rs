//! Rows of the outbox: one for each address that an event calls for.

use sqlx::AssertSqlSafe;

use super::{
    Seen,
    ledger::{Count, Sums},
};
use crate::{
    domain::{Moment, Slug, Traffic},
    store::{StoreError, Transaction, placeholders},
};

const COLUMNS: usize = 11;

/// Rows of one statement: past some dozens a statement gains nothing.
const ROWS_PER_STATEMENT: usize = 25;

/// An event, its day, and how many addresses its ad has for it.
pub(super) struct Firing {
    pub day: String,
    pub addresses: u16,
    pub seen: Seen,
}

/// Makes the rows and counts them; answers how many are new. Invalid traffic is counted and not fired: whoever buys is
/// not to be told of robots.
pub(super) async fn insert_rows(
    transaction: &mut Transaction,
    tenant: &Slug,
    firing: &[Firing],
    sums: &mut Sums,
    now: Moment,
) -> Result<u64, StoreError> {
    let called = firing.iter().filter(|one| one.addresses > 0);
    let (valid, invalid): (Vec<&Firing>, Vec<&Firing>) = called.partition(|one| one.seen.traffic == Traffic::Valid);
    for one in invalid {
        sums.count(&one.day, &one.seen.channel, &one.seen.ad, Count::Withheld, i64::from(one.addresses));
    }
    let rows: Vec<(&Firing, u16)> =
        valid.into_iter().flat_map(|one| (0..one.addresses).map(move |place| (one, place))).collect();
    let mut fired = 0;
    let whole = rows.chunks_exact(ROWS_PER_STATEMENT);
    let rest = whole.remainder().chunks(1);
    for rows in whole.chain(rest) {
        let sql = format!(
            "INSERT INTO beacons (tenant, event, place, showing, event_type, event_time, error_code, day, channel, ad, next_at) \
             VALUES {} ON CONFLICT DO NOTHING",
            placeholders(1, rows.len(), COLUMNS)
        );
        // Made of constants and placeholders; two texts in all.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (one, place) in rows {
            query = query
                .bind(tenant.as_str())
                .bind(one.seen.id.to_string())
                .bind(i64::from(*place))
                .bind(one.seen.showing.to_string())
                .bind(one.seen.event_type.as_str().to_owned())
                .bind(one.seen.time.as_micros())
                .bind(one.seen.error_code)
                .bind(one.day.as_str())
                .bind(one.seen.channel.as_str())
                .bind(one.seen.ad.as_str())
                .bind(now.as_micros());
        }
        let new = query.execute(&mut **transaction).await?.rows_affected();
        debug_assert_eq!(new, rows.len() as u64, "an event is looked at once");
        fired += new;
        for (one, _) in rows {
            sums.count(&one.day, &one.seen.channel, &one.seen.ad, Count::Fired, 1);
        }
    }
    Ok(fired)
}
