//! What a session's playlists show of ads, as its player's clock has it: for players that report or decorate them.

use std::sync::Arc;

use super::{Session, Sessions, offers};
use crate::{
    demand::{Filler, Source, Tracking, ViewerContext},
    domain::{Avail, AvailKind, EventId, EventType, Moment, Slug, Span},
    stitch::pod::Role,
};

/// A break with ads in it.
pub struct ShownBreak {
    /// Ascending within the session.
    pub id: u32,
    pub avail: Arc<Avail>,
    /// Since the beginning of the session's first playlist: the sum of the segments shown before it.
    pub start: Span,
    /// As EXT-X-PROGRAM-DATE-TIME has it; titles have none.
    pub date: Option<Moment>,
    /// It may still change.
    pub open: bool,
    pub ads: Vec<ShownInBreak>,
}

/// An ad in it.
pub struct ShownInBreak {
    /// In the pod, from 0.
    pub position: u16,
    pub ad: Slug,
    /// Since the break's start.
    pub offset: Span,
    pub duration: Span,
    /// The ad server that gave it, and what came along.
    from: Option<(Arc<Source>, Arc<Tracking>)>,
    context: ViewerContext,
    random: u64,
}

impl ShownInBreak {
    pub fn tracking(&self) -> Option<&Tracking> {
        self.from.as_ref().map(|(_, tracking)| &**tracking)
    }

    /// Fills the macros of its URLs; `None`: it is our own.
    pub fn filler(&self, now: Moment) -> Option<Filler<'_>> {
        let (source, tracking) = self.from.as_ref()?;
        Some(Filler::new((source, tracking), &self.context, self.position, self.duration, (now, self.random)))
    }
}

impl Sessions {
    /// The breaks of a session that its playlists show, or have shown of late, from this id on. Titles: all that are
    /// known.
    pub fn shown(&self, session: &Arc<Session>, from: u32) -> Vec<ShownBreak> {
        let state = session.state.lock();
        if state.began == Moment::MIN {
            return Vec::new();
        }
        let dated = !session.lineup.ended;
        let mut inserted = Span::ZERO;
        let mut found = Vec::new();
        for splice in state.timeline.splices() {
            let start = splice.avail.start - splice.owed;
            let before = inserted;
            if splice.avail.kind == AvailKind::Insert {
                inserted += splice.pod.ads;
            }
            if splice.id < from {
                continue;
            }
            let end = splice.outcome.map_or(Span::MAX, |outcome| outcome.length);
            let ads = splice.pod.items.iter().filter_map(|item| {
                let Role::Ad { position, .. } = item.role else { return None };
                // Cut off at the end, or over before the viewer came.
                if item.start >= end || start + item.start + item.duration <= state.began {
                    return None;
                }
                let of = |aired: &&super::Aired| aired.position == position && aired.avail.id == splice.avail.id;
                let aired = state.aired.iter().find(of);
                let (tenant, name, avail) = (session.tenant(), session.token.name(), &splice.avail);
                let id = EventId::of_showing(tenant, name, &avail.id, position, Some(&item.ad), EventType::Decided);
                Some(ShownInBreak {
                    position,
                    ad: item.ad.clone(),
                    offset: item.start,
                    duration: item.duration.min(end - item.start),
                    from: aired.map(|aired| (aired.source.clone(), aired.tracking.clone())),
                    context: offers::context(session, avail.clone()),
                    random: u64::try_from(id.as_u128() & u128::from(u64::MAX)).unwrap_or(0),
                })
            });
            let ads: Vec<_> = ads.collect();
            if ads.is_empty() {
                continue;
            }
            found.push(ShownBreak {
                id: splice.id,
                avail: splice.avail.clone(),
                start: start - state.began + before,
                date: dated.then_some(start),
                open: splice.outcome.is_none(),
                ads,
            });
        }
        found
    }
}
