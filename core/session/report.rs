//! What a session says of itself: that a break came up, which ads were chosen for it, which of them it was given.
//!
//! Told once each, however many renditions and refreshes show it: the ids of the events see to that, over restarts too.
//! No playlist waits for it.

use std::{sync::Arc, time::Duration};

use super::{Session, Sessions, body::ShownAd, decide::Laid};
use crate::{
    domain::{Avail, Beaconing, CountedBy, Event, EventType, Moment},
    stitch::{pod::Role, timeline::Splice},
    tracking::Journal,
};

/// A journal that is overloaded takes them a little later.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

impl Sessions {
    /// A break that came up for decision, and what was decided.
    pub(super) fn report_decided(&self, session: &Session, avail: &Avail, laid: &[Laid<'_>]) {
        let now = self.clock.now();
        let said = |event_type| session.event(event_type, avail, now);
        let came_up = Event { value: Some(avail.duration.as_micros()), ..said(EventType::Break) }.identified();
        let decided = laid.iter().zip(0..).map(|(Laid { picked, .. }, pod_position)| {
            let decided = Event {
                pod_position,
                ad: Some(picked.ad.clone()),
                campaign: picked.campaign.clone(),
                value: Some(picked.duration.as_micros()),
                ..said(EventType::Decided)
            };
            decided.identified()
        });
        record(&self.journal, std::iter::once(came_up).chain(decided).collect());
    }

    /// Ads that were put into the session's playlist for the first time. Where the channel counts that, they are
    /// impressions.
    pub(super) fn report_stitched(&self, session: &Session, splices: &[Splice], new: &[ShownAd]) {
        let (now, counts) = (self.clock.now(), session.beaconing == Beaconing::Stitch);
        let mut events = Vec::with_capacity(new.len() * 2);
        for shown in new {
            let Some(splice) = splices.iter().find(|splice| splice.id == shown.splice) else { continue };
            let of_pod = splice.pod.items.iter().find_map(|item| match &item.role {
                Role::Ad { position, campaign } if *position == shown.position => Some((item, campaign)),
                _ => None,
            });
            let Some((item, campaign)) = of_pod else { continue };
            let said = |event_type| Event {
                pod_position: shown.position,
                ad: Some(item.ad.clone()),
                campaign: campaign.clone(),
                ..session.event(event_type, &splice.avail, now)
            };
            events.push(said(EventType::Stitched).identified());
            if counts {
                let price = session.followed.newest().tenant.impression_price(campaign.as_ref());
                let impression = Event { price, counted_by: Some(CountedBy::Stitch), ..said(EventType::Impression) };
                events.push(impression.identified());
            }
        }
        record(&self.journal, events);
    }
}

impl Session {
    /// An event of one of its breaks that says nothing of an ad yet.
    fn event(&self, event_type: EventType, avail: &Avail, now: Moment) -> Event {
        Event {
            channel: Some(self.channel().clone()),
            session: self.token.name().to_owned(),
            viewer: self.viewer_name().map(Into::into),
            avail: avail.id.clone(),
            device: self.viewer.device,
            geo: self.viewer.geo.clone(),
            traffic: self.traffic,
            ..Event::new(self.tenant().clone(), event_type, now)
        }
    }
}

/// Queued at once and in order; nobody waits for the disk here.
fn record(journal: &Arc<Journal>, events: Vec<Event>) {
    let (again, mut recorded) = (events.clone(), Box::pin(journal.record(events)));
    let journal = journal.clone();
    tokio::spawn(async move {
        for _ in 0..ATTEMPTS {
            let Err(error) = recorded.await else { return };
            tracing::debug!(%error, "a session's events could not be written; trying again");
            tokio::time::sleep(PAUSE).await;
            recorded = Box::pin(journal.record(again.clone()));
        }
        tracing::error!(events = again.len(), "a session's events could not be written");
    });
}
