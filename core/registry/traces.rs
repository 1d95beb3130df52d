//! The last decisions of a channel, for whoever asks why an ad was chosen. Bounded in number and in memory, whatever
//! scripts say of however many ads.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use crate::decision::Trace;

/// Decisions remembered per channel: a screen full.
const REMEMBERED: usize = 64;

/// Their memory together, in bytes: 64 decisions over a hundred ads fit, with a sentence for each ad.
const REMEMBERED_BYTES: usize = 2 << 20;

#[derive(Default)]
pub struct Traces(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Newest first, each with its weight.
    traces: VecDeque<(usize, Arc<Trace>)>,
    bytes: usize,
}

impl Traces {
    /// The newest one is kept, however large.
    pub fn add(&self, trace: Trace) {
        let weight = trace.weight();
        // Freed after the lock, so that nobody waits for it.
        let mut forgotten = Vec::new();
        let mut kept = self.0.lock();
        while kept.traces.len() >= REMEMBERED || kept.bytes + weight > REMEMBERED_BYTES {
            let Some((weight, trace)) = kept.traces.pop_back() else { break };
            kept.bytes -= weight;
            forgotten.push(trace);
        }
        kept.bytes += weight;
        kept.traces.push_front((weight, Arc::new(trace)));
    }

    /// Newest first.
    pub fn latest(&self) -> Vec<Arc<Trace>> {
        self.0.lock().traces.iter().map(|(_, trace)| trace.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decision::{AdTrace, AvailTrace, Filler, Outcome, Stage},
        domain::{Moment, Position, Slug, Span, Viewer},
    };

    fn trace(number: i64, ads: usize, reason: &str) -> Trace {
        let slug = |text: &str| text.parse::<Slug>().expect("a slug");
        let (outcome, stage) = (Outcome::Dropped, Stage::Script);
        let candidate = |at| AdTrace { ad: slug(&format!("ad-{at}")), outcome, stage, reason: reason.to_owned() };
        Trace {
            time: Moment(number),
            session: "s".to_owned(),
            viewer: Viewer::default(),
            tenant: slug("acme"),
            channel: slug("news"),
            avail: AvailTrace {
                id: "break".to_owned(),
                start: Moment(number),
                duration: Span::from_secs(30),
                position: Position::MidRoll,
            },
            pod: Vec::new(),
            filler: Filler::None,
            candidates: (0..ads).map(candidate).collect(),
            scripts: Vec::new(),
            counters: Default::default(),
        }
    }

    fn times(traces: &Traces) -> Vec<i64> {
        traces.latest().iter().map(|trace| trace.time.0).collect()
    }

    #[test]
    fn a_screen_full_is_remembered_newest_first() {
        let traces = Traces::default();
        (0..100).for_each(|number| traces.add(trace(number, 100, "it is on after ten in the evening")));
        assert_eq!(times(&traces), (36..100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn long_reasons_for_many_ads_take_no_more_memory_than_allowed() {
        let traces = Traces::default();
        (0..100).for_each(|number| traces.add(trace(number, 1_000, &"x".repeat(256))));
        let kept = times(&traces);
        assert!((2..=10).contains(&kept.len()) && kept.first() == Some(&99), "{kept:?}");
        let bytes: usize = traces.latest().iter().map(|trace| trace.weight()).sum();
        assert!(bytes <= REMEMBERED_BYTES, "{bytes}");
        assert_eq!(bytes, traces.0.lock().bytes);
    }

    #[test]
    fn the_newest_is_there_even_if_it_alone_is_too_large() {
        let traces = Traces::default();
        (0..3).for_each(|number| traces.add(trace(number, 20_000, &"x".repeat(256))));
        assert_eq!(times(&traces), [2]);
        traces.add(trace(3, 1, "small"));
        assert_eq!(times(&traces), [3], "what was too large goes first");
    }
}
