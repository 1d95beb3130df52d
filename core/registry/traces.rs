//! The last decisions of a channel, for whoever asks why an ad was chosen.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use crate::decision::Trace;

/// Decisions remembered per channel: a screen full, some hundred kilobytes.
const REMEMBERED: usize = 64;

#[derive(Default)]
pub struct Traces(Mutex<VecDeque<Arc<Trace>>>);

impl Traces {
    pub fn add(&self, trace: Trace) {
        let mut traces = self.0.lock();
        traces.truncate(REMEMBERED - 1);
        traces.push_front(Arc::new(trace));
    }

    /// Newest first.
    pub fn latest(&self) -> Vec<Arc<Trace>> {
        self.0.lock().iter().cloned().collect()
    }
}
