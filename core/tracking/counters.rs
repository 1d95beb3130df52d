//! The numbers that a tenant's rules may read while they decide: kept in memory, brought up to date beside it.
//!
//! Read from the sums that reports are made of, so that every node has the same numbers and a restart loses none; they
//! are some seconds behind what viewers see. Only tenants that grant counters have any. Does not know who reads them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;

use super::rollup::calendar::{day_of, zone};
use crate::{
    domain::{Counted, CounterGrant, CounterName, CounterPeriod, CounterSubject, Moment, Slug, Span},
    extension::{CounterView, Counters},
    store::{Column, Dimension, KeyValue, ReportKey, ReportQuery, ReportTraffic, Store, StoreError, TenantScope},
};

/// How old the numbers get while somebody reads them.
const FRESH: Span = Span::from_secs(5);

/// How old they get while nobody does: the first who reads must not be told yesterday's.
const STALE: Span = Span::from_secs(60);

/// Channels, campaigns or ads of one counter: twice what a tenant may have, since those of this morning may be gone. Of a
/// tenant with more, none of these is known: a part would be taken for all. Few in tests, so that there is a tenant with more.
const MAX_SUBJECTS: usize = if cfg!(test) { 50 } else { 20_000 };

/// Lines read at a time. Few in tests, so that there is a second page.
const PAGE: u32 = if cfg!(test) { 2 } else { 5_000 };

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// What is summed up: since when, and by what.
type Sort = (CounterPeriod, Option<CounterSubject>);

/// One sum of a [`Sort`], by which counters are found.
type Counter = (CounterPeriod, Option<(CounterSubject, Slug)>);

/// A tenant's counters: those that some extension may read.
#[derive(Default)]
pub struct CounterBoard {
    values: ArcSwapOption<Values>,
    /// Since they were brought up to date last.
    read: AtomicBool,
}

/// The numbers of one moment.
#[derive(Debug)]
struct Values {
    at: Moment,
    /// What was asked for.
    sorts: BTreeSet<Sort>,
    /// What of it was read to its end.
    known: BTreeSet<Sort>,
    /// In the order of [`Counted::ALL`]. Those that are nought are left out.
    numbers: HashMap<Counter, [i64; Counted::ALL.len()]>,
}

impl CounterView for Values {
    fn value(&self, name: &CounterName) -> Option<i64> {
        let sort = (name.period, name.of.as_ref().map(|(subject, _)| *subject));
        if !self.known.contains(&sort) {
            return None;
        }
        let numbers = self.numbers.get(&(name.period, name.of.clone())).copied().unwrap_or_default();
        numbers.get(name.counted as usize).copied()
    }
}

impl CounterBoard {
    /// As they are now; none before they were read for the first time.
    pub fn now(&self) -> Counters {
        self.read.store(true, Relaxed);
        self.values.load_full().map_or_else(Counters::default, |values| Counters::new(values))
    }

    /// Reads the numbers that these grants are about, if those that are here are too old. Answers whether it did.
    pub async fn refresh(
        &self,
        store: &Store,
        scope: &TenantScope,
        grants: impl Iterator<Item = &CounterGrant>,
        timezone: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let sorts: BTreeSet<Sort> =
            grants.map(|grant| (grant.period, grant.of.as_ref().map(|(subject, _)| *subject))).collect();
        if !self.is_due(&sorts, now) {
            return Ok(false);
        }
        // Before they are read: who reads meanwhile wants the next ones too.
        self.read.store(false, Relaxed);
        let mut values = Values { at: now, sorts, known: BTreeSet::new(), numbers: HashMap::new() };
        for sort in values.sorts.clone() {
            if values.add(store, scope, sort, timezone).await? {
                values.known.insert(sort);
            } else {
                tracing::warn!(tenant = %scope.tenant(), ?sort, "more than {MAX_SUBJECTS} have counters: rules are not told them");
            }
        }
        self.values.store(Some(Arc::new(values)));
        Ok(true)
    }

    fn is_due(&self, sorts: &BTreeSet<Sort>, now: Moment) -> bool {
        let Some(known) = &*self.values.load() else { return !sorts.is_empty() };
        let most = if self.read.load(Relaxed) { FRESH } else { STALE };
        known.sorts != *sorts || now - known.at >= most || now < known.at
    }
}

impl Values {
    /// Reads the sums of one sort; false if they are too many.
    async fn add(
        &mut self,
        store: &Store,
        scope: &TenantScope,
        (period, subject): Sort,
        timezone: &str,
    ) -> Result<bool, StoreError> {
        let zone = zone(timezone);
        let hour = self.at.as_micros().div_euclid(MICROS_PER_HOUR);
        let dimension = subject.map(|subject| match subject {
            CounterSubject::Channel => Dimension::Channel,
            CounterSubject::Campaign => Dimension::Campaign,
            CounterSubject::Ad => Dimension::Ad,
        });
        let (from, to) = match period {
            CounterPeriod::Today => (self.at, self.at),
            // Where days do not begin with an hour, an hour may have two.
            CounterPeriod::Hour => (Moment(hour * MICROS_PER_HOUR), Moment((hour + 1) * MICROS_PER_HOUR - 1)),
        };
        let of_hour = (period == CounterPeriod::Hour).then_some(Dimension::Hour);
        let query = ReportQuery {
            from: day_of(from, &zone),
            to: day_of(to, &zone),
            group_by: of_hour.into_iter().chain(dimension).collect(),
            filters: Vec::new(),
            traffic: ReportTraffic::Valid,
        };
        // Hours are read from this one on.
        let mut after: Option<ReportKey> = of_hour.map(|_| {
            let before = KeyValue::Number(hour - 1);
            std::iter::once(before).chain(dimension.map(|_| KeyValue::Text(char::MAX.to_string()))).collect()
        });
        let mut read = 0;
        loop {
            let rows = store.report_sums(scope, &query, after.as_ref(), PAGE).await?;
            for row in &rows {
                let mut key = row.key.iter();
                if of_hour.is_some() {
                    match key.next() {
                        Some(KeyValue::Number(at)) if *at == hour => {}
                        // Of a clock that is ahead: rows come by the hour, so nothing of this one follows.
                        Some(KeyValue::Number(at)) if *at > hour => return Ok(true),
                        // Databases do not agree on which text is the last.
                        _ => continue,
                    }
                }
                read += 1;
                let of = match (subject, key.next()) {
                    (None, _) => None,
                    // Events without one are nobody's.
                    (Some(subject), Some(KeyValue::Text(slug))) => match slug.parse() {
                        Ok(slug) => Some((subject, slug)),
                        Err(_) => continue,
                    },
                    (Some(_), _) => continue,
                };
                let columns = [Column::Impressions, Column::Completes, Column::Clicks];
                let numbers = self.numbers.entry((period, of)).or_default();
                numbers.iter_mut().zip(columns).for_each(|(sum, column)| *sum += row.sums.get(column));
            }
            after = rows.last().map(|row| row.key.clone());
            if read > MAX_SUBJECTS {
                return Ok(false);
            }
            if rows.len() < PAGE as usize {
                return Ok(true);
            }
        }
    }
}
