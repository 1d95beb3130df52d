//! A pod: the ads of one avail laid end to end, with slate behind them where the channel has one.
//!
//! Its clock starts at 0 with the avail. All renditions share the cut points of one ladder, so that a pod ends at the
//! same place in picture, sound and subtitles. Deliberately does not know any playlist or viewer.

use std::sync::Arc;

use super::{
    TOLERANCE,
    ladder::{Creative, RenditionSpec, Rung, RungSegment},
};
use crate::{
    domain::{Slug, Span},
    media::multivariant::RenditionKind,
};

/// Slate is looped to fill a break; more loops than this are no slate but a mistake.
pub const MAX_SLATE_LOOPS: usize = 720;

#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    Ad { position: u16, campaign: Option<Slug> },
    Slate,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PodItem {
    pub ad: Slug,
    pub role: Role,
    pub creative: Arc<Creative>,
    /// Where it starts on the pod's clock.
    pub start: Span,
    pub duration: Span,
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pod {
    /// Tells pods apart without comparing them: pods of one id are the same pod.
    pub id: u64,
    /// When the addresses of its segments run out, in seconds since the epoch.
    pub expires: u64,
    pub items: Vec<PodItem>,
    /// Length of the ads, without slate.
    pub ads: Span,
    /// Ends of segments on the reference ladder, ascending: the only places where the pod may be cut.
    cuts: Vec<Span>,
}

/// One segment of a pod on one rendition.
#[derive(Clone, Copy, Debug)]
pub struct PodSegment<'a> {
    pub item: &'a PodItem,
    pub item_index: usize,
    /// Rung of the creative; for subtitles the rung whose timing is borrowed.
    pub rung: usize,
    pub index: usize,
    pub segment: &'a RungSegment,
    pub start: Span,
    /// A discontinuity stands before it.
    pub discontinuity: bool,
}

impl PodSegment<'_> {
    pub fn end(&self) -> Span {
        self.start + self.segment.duration
    }
}

impl Pod {
    /// Lays out `ads` and, if there is a slate, loops it until the pod is at least `fill` long.
    pub fn new(
        ads: Vec<(Slug, Option<Slug>, Arc<Creative>)>,
        slate: Option<(Slug, Arc<Creative>)>,
        fill: Span,
        reference: &RenditionSpec,
    ) -> Self {
        let mut pod = Self::default();
        for (position, (ad, campaign, creative)) in ads.into_iter().enumerate() {
            let position = u16::try_from(position).unwrap_or(u16::MAX);
            pod.push(ad, Role::Ad { position, campaign }, creative, reference);
        }
        pod.ads = pod.length();
        if let Some((ad, creative)) = slate {
            for _ in 0..MAX_SLATE_LOOPS {
                let before = pod.length();
                if before >= fill {
                    break;
                }
                pod.push(ad.clone(), Role::Slate, creative.clone(), reference);
                if pod.length() <= before {
                    break;
                }
            }
        }
        pod
    }

    fn push(&mut self, ad: Slug, role: Role, creative: Arc<Creative>, reference: &RenditionSpec) {
        let start = self.length();
        let Some(rung) = rung_for(&creative, reference, reference).and_then(|index| creative.rungs.get(index)) else {
            return;
        };
        self.cuts.extend(rung.segments.iter().map(|segment| start + segment.end));
        let duration = rung.duration();
        self.items.push(PodItem { ad, role, creative, start, duration });
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Ads and slate.
    pub fn length(&self) -> Span {
        self.cuts.last().copied().unwrap_or(Span::ZERO)
    }

    pub fn has_slate(&self) -> bool {
        self.items.last().is_some_and(|item| item.role == Role::Slate)
    }

    /// The last place at or before `at` where the pod may be cut.
    pub fn cut(&self, at: Span) -> Span {
        let count = self.cuts.partition_point(|cut| *cut <= at + TOLERANCE);
        count.checked_sub(1).and_then(|last| self.cuts.get(last)).copied().unwrap_or(Span::ZERO)
    }

    /// Its segments on a rendition, in order, up to a place given by [`Pod::cut`].
    pub fn segments<'a>(
        &'a self,
        spec: &'a RenditionSpec,
        reference: &'a RenditionSpec,
        until: Span,
    ) -> impl Iterator<Item = PodSegment<'a>> {
        self.items
            .iter()
            .enumerate()
            .flat_map(move |(item_index, item)| {
                let rung = rung_for(&item.creative, spec, reference);
                let found: Option<(usize, &Rung)> =
                    rung.and_then(|index| Some((index, item.creative.rungs.get(index)?)));
                found.into_iter().flat_map(move |(rung, found)| {
                    found.segments.iter().enumerate().map(move |(index, segment)| PodSegment {
                        item,
                        item_index,
                        rung,
                        index,
                        segment,
                        start: item.start + segment.end - segment.duration,
                        discontinuity: index == 0 || segment.discontinuity,
                    })
                })
            })
            // Sound and picture end some milliseconds apart: a segment is in if its middle is.
            .take_while(move |segment| segment.start + segment.segment.duration.half() < until)
    }
}

/// Subtitles have no ad of their own: they borrow the timing of the reference picture.
fn rung_for(creative: &Creative, spec: &RenditionSpec, reference: &RenditionSpec) -> Option<usize> {
    let spec = if spec.kind == RenditionKind::Subtitles { reference } else { spec };
    creative.fit(spec).ok()
}
