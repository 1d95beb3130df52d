//! Ads of ad servers in a session's pods, and telling their servers what was counted of them.
//!
//! Best effort: a session that is gone tells nobody. What was counted stands in the journal all the same.

use std::sync::Arc;

use super::{Session, Sessions, offers};
use crate::{
    demand::{AdValues, Source, Tracking},
    domain::{Avail, EventType, Span},
};

/// Ads remembered per session: those of the last breaks. Players are some segments behind, not hours.
const MAX_AIRED: usize = 64;

/// An ad in its place, and whom to tell.
#[derive(Clone)]
pub struct Aired {
    pub avail: Arc<Avail>,
    pub position: u16,
    pub duration: Span,
    pub source: Arc<Source>,
    pub tracking: Arc<Tracking>,
}

/// Adds what was decided; the oldest go.
pub fn remember(aired: &mut Vec<Aired>, new: impl Iterator<Item = Aired>) {
    aired.extend(new);
    let beyond = aired.len().saturating_sub(MAX_AIRED);
    aired.drain(..beyond);
}

impl Sessions {
    /// Fires an ad server's beacons for events that were counted now.
    pub fn tell_ad_server(&self, session: &Arc<Session>, avail: &str, position: u16, events: &[EventType]) {
        let aired = {
            let state = session.state.lock();
            state.aired.iter().find(|aired| aired.position == position && aired.avail.id.as_str() == avail).cloned()
        };
        let Some(Aired { avail, duration, source, tracking, .. }) = aired else { return };
        let context = offers::context(session, avail);
        for event in events {
            let playhead = Span(duration.as_micros() / 4 * quarters(*event));
            let mut values = self.demand.values(&source, &context);
            values.ad = AdValues::playing(&tracking, u32::from(position) + 1, playhead);
            self.demand.fire(tracking.urls(*event), &values);
        }
    }
}

/// How much of the ad an event says was seen.
fn quarters(event: EventType) -> i64 {
    match event {
        EventType::FirstQuartile => 1,
        EventType::Midpoint => 2,
        EventType::ThirdQuartile => 3,
        EventType::Complete => 4,
        _ => 0,
    }
}
