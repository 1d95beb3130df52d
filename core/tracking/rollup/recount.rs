//! A day counted anew from its single events, in batches, beside the sums that serve.

use jiff::civil::Date;

use super::{Rollups, calendar::Calendar, tally::Tallier};
use crate::{
    domain::Moment,
    store::{Compared, ReportDay, ReportQuery, ReportTraffic, StoreError, Sums, TenantScope},
};

/// How often a recount starts or goes on because of what happened meanwhile, before it is given up. A day that is over
/// needs one; today's may need some, while events come in.
const MAX_ROUNDS: u32 = 200;

/// How a recount went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recounted {
    Done {
        /// Of the day.
        events: i64,
        /// Rows that were different before; 0, or something is wrong (and was put right).
        differences: i64,
    },
    /// The day has no events.
    Empty,
    /// Single events of the day were deleted by age.
    RawGone,
    /// Too much happened meanwhile. Nothing was changed.
    Restless,
}

/// How far a recount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events of the day so far.
    pub events: i64,
    /// Of the range of ids that the day's events lie in: done and whole.
    pub done: i64,
    pub whole: i64,
}

impl Rollups {
    /// Counts a day anew and puts the result in the place of what was there, if that is possible. `close`: the day is
    /// over. Memory is that of one batch.
    pub async fn recount(
        &self,
        scope: &TenantScope,
        day: Date,
        close: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Recounted, StoreError> {
        self.catch_up_one(scope).await?;
        for _ in 0..MAX_ROUNDS {
            match self.store.report_day(scope, day).await? {
                None => return Ok(Recounted::Empty),
                Some(ReportDay { raw_complete: false, .. }) => return Ok(Recounted::RawGone),
                Some(_) => {}
            }
            if let Some(done) = self.attempt(scope, day, close, progress).await? {
                return Ok(done);
            }
        }
        Ok(Recounted::Restless)
    }

    /// `None`: start anew.
    async fn attempt(
        &self,
        scope: &TenantScope,
        day: Date,
        close: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Option<Recounted>, StoreError> {
        let Some(recount) = self.store.begin_recount(scope, day, self.now()).await? else { return Ok(None) };
        let first = recount.day.first_event;
        let (mut covered, mut to) = (first - 1, recount.day.last_event);
        let mut events = 0;
        for _ in 0..MAX_ROUNDS {
            // Zones hold from an event on: none is added before one that is counted.
            let calendar = Calendar::new(&self.store.rollup_standing(scope).await?.zones);
            while covered < to {
                let mut tallier = Tallier::new(calendar.clone(), Some(day), Moment(i64::MAX));
                let (count, last) =
                    self.store.scan_events(scope, covered, to, self.batch, |event| tallier.add(event)).await?;
                covered = if count < self.batch { to } else { last };
                if let Some(tally) = tallier.finish().days.get(&day) {
                    events += tally.events;
                    if !self.store.add_to_recount(scope, &recount, tally, self.now()).await? {
                        return Ok(None);
                    }
                }
                progress(Progress { events, done: covered - first + 1, whole: to - first + 1 });
            }
            match self.store.finish_recount(scope, &recount, covered, events, close, self.now()).await? {
                Compared::Switched { differences } => {
                    if differences > 0 {
                        let tenant = scope.tenant();
                        metrics::counter!("cuetone_report_differences_total").increment(differences.unsigned_abs());
                        tracing::error!(%tenant, %day, differences, "a day's sums were not those of its events; they are now");
                    }
                    return Ok(Some(Recounted::Done { events, differences }));
                }
                Compared::Behind { last } => to = last,
                Compared::Void => return Ok(None),
            }
        }
        Ok(Some(Recounted::Restless))
    }
}

/// A day's sums beside a count of its single events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub day: ReportDay,
    /// `None` if single events were deleted by age.
    pub raw: Option<(i64, Sums)>,
    pub counted: Sums,
}

impl Checked {
    /// What is counted is what is there.
    pub fn agrees(&self) -> bool {
        self.raw.is_none_or(|(events, sums)| events == self.day.events && sums == self.counted)
    }
}

impl Rollups {
    /// Holds a day's sums against its single events, and changes nothing. `None`: the day has no events.
    pub async fn check(&self, scope: &TenantScope, day: Date) -> Result<Option<Checked>, StoreError> {
        loop {
            let Some(before) = self.store.report_day(scope, day).await? else { return Ok(None) };
            let all = ReportQuery {
                from: day,
                to: day,
                group_by: Vec::new(),
                filters: Vec::new(),
                traffic: ReportTraffic::All,
            };
            let row = self.store.report_page(scope, &all, None, 1).await?.pop();
            let counted = row.map(|row| row.sums).unwrap_or_default();
            let raw = if before.raw_complete { Some(self.raw(scope, &before).await?) } else { None };
            let after = self.store.report_day(scope, day).await?;
            // Otherwise events came in meanwhile: the two are of different moments.
            if after
                .as_ref()
                .is_some_and(|after| after.last_event == before.last_event && after.events == before.events)
            {
                return Ok(Some(Checked { day: before, raw, counted }));
            }
        }
    }

    async fn raw(&self, scope: &TenantScope, day: &ReportDay) -> Result<(i64, Sums), StoreError> {
        let calendar = Calendar::new(&self.store.rollup_standing(scope).await?.zones);
        let (mut after, mut events, mut sums) = (day.first_event - 1, 0, Sums::default());
        while after < day.last_event {
            let mut tallier = Tallier::new(calendar.clone(), Some(day.day), Moment(i64::MAX));
            let (count, last) =
                self.store.scan_events(scope, after, day.last_event, self.batch, |event| tallier.add(event)).await?;
            after = if count < self.batch { day.last_event } else { last };
            if let Some(tally) = tallier.finish().days.get(&day.day) {
                events += tally.events;
                tally.hours.values().for_each(|hour| sums.add_all(hour));
            }
        }
        Ok((events, sums))
    }
}
