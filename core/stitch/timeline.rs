//! A viewer's timeline on one channel: which pods take the place of which content, and what is still owed.
//!
//! **Where content resumes.** A pod starts where the avail starts and ends at one of its cut points; content resumes at
//! an origin segment that starts no earlier than the pod needs. The difference (always less than a segment of the
//! origin, or of the slate) is lost time: it is carried to the next break, which resumes that much earlier. So the
//! stitched clock never runs away from the origin's, however often breaks and ads do not match.
//!
//! Deliberately does not know playlists' text, numbers or how ads are chosen.

use std::sync::Arc;

use super::{TOLERANCE, pod::Pod, track::Track};
use crate::domain::{Avail, AvailId, AvailKind, MidBreakJoin, Moment, Span};

/// A pod placed on the origin's timeline. An empty pod means that this viewer sees the content.
#[derive(Clone, Debug)]
pub struct Splice {
    pub id: u32,
    pub avail: Arc<Avail>,
    pub pod: Arc<Pod>,
    /// Lost time brought along from earlier breaks.
    pub owed: Span,
    pub outcome: Option<Outcome>,
}

/// How a splice ended. Never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Where content resumes on the origin's clock.
    pub resume: Moment,
    /// How much of the pod is shown.
    pub length: Span,
}

#[derive(Clone, Debug)]
pub struct Timeline {
    splices: Vec<Splice>,
    next_id: u32,
    owed: Span,
    /// The origin's edge when this was last brought forward: what lies before it may have been published.
    published: Option<Moment>,
    epoch: u32,
    /// Start of the last non-empty splice that was forgotten.
    forgotten: Moment,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { splices: Vec::new(), next_id: 0, owed: Span::ZERO, published: None, epoch: 0, forgotten: Moment::MIN }
    }
}

impl Timeline {
    /// Start of the last splice that was forgotten; renditions that have not seen it must not go on by themselves.
    pub fn forgotten(&self) -> Moment {
        self.forgotten
    }

    /// Nothing has been followed yet.
    pub fn is_new(&self) -> bool {
        self.published.is_none()
    }

    /// Non-empty splices in order of time.
    pub fn splices(&self) -> impl Iterator<Item = &Splice> {
        self.splices.iter().filter(|splice| !splice.pod.is_empty())
    }

    pub fn find(&self, id: &AvailId) -> Option<&Splice> {
        self.splices.iter().find(|splice| splice.avail.id == *id)
    }

    /// Follows the reference track: ends splices whose content resumed, forgets those that left the window, and
    /// answers which avails need a decision now.
    pub fn follow(&mut self, track: &Track, avails: &[Arc<Avail>], join: MidBreakJoin) -> Vec<Arc<Avail>> {
        if track.epoch != self.epoch {
            self.splices.clear();
            self.epoch = track.epoch;
            self.published = None;
        }
        for splice in &mut self.splices {
            if let Some(latest) = avails.iter().find(|avail| avail.id == splice.avail.id) {
                splice.avail = latest.clone();
            }
        }
        self.settle(track);
        if self.published.is_some_and(|edge| edge < track.start()) {
            // A viewer who was away starts at the edge again: nothing is owed.
            self.owed = Span::ZERO;
        }
        if !track.ended {
            // One window longer than needed: other renditions may be behind.
            let (start, window) = (track.start(), track.duration());
            let (kept, gone) =
                std::mem::take(&mut self.splices).into_iter().partition(|splice| splice.gone_after() + window > start);
            self.splices = kept;
            let gone: Vec<Splice> = gone;
            let last = gone.iter().filter(|splice| !splice.pod.is_empty()).map(|splice| splice.avail.start).max();
            self.forgotten = self.forgotten.max(last.unwrap_or(Moment::MIN));
        }
        let first_visit = self.published.is_none();
        let mut undecided = Vec::new();
        for avail in avails {
            if self.find(&avail.id).is_some() || !in_reach(avail, track) {
                continue;
            }
            let late = self.published.is_some_and(|edge| avail.start + TOLERANCE < edge);
            let joined_after = first_visit && !track.ended && {
                // Players start three target durations before the edge (RFC 8216bis 6.3.3).
                let join_at = track.end() - Span::from_secs(i64::from(track.target_duration)) * 3;
                match join {
                    MidBreakJoin::Content => avail.start + TOLERANCE < join_at,
                    MidBreakJoin::Ads => avail.end() <= join_at,
                }
            };
            // A pre-roll of this viewer's own may be in the way of the channel's next break.
            let end = avail.end();
            let taken = self.splices().any(|other| avail.start < other.gone_after() && other.avail.start < end);
            if late || joined_after || taken {
                self.place(avail.clone(), Arc::default());
            } else {
                undecided.push(avail.clone());
            }
        }
        if undecided.is_empty() {
            self.published = Some(track.end());
        }
        undecided
    }

    /// Puts a decided pod in its place; after the last one call [`Timeline::decided`].
    pub fn place(&mut self, avail: Arc<Avail>, pod: Arc<Pod>) {
        if self.find(&avail.id).is_some() {
            return;
        }
        let splice = Splice { id: self.next_id, avail, pod, owed: Span::ZERO, outcome: None };
        self.next_id += 1;
        let at = self.splices.partition_point(|other| other.avail.start <= splice.avail.start);
        // Timelines are as many as viewers, and short: no room is kept for more.
        self.splices.reserve_exact(1);
        self.splices.insert(at, splice);
    }

    /// All avails that [`Timeline::follow`] named have been placed.
    pub fn decided(&mut self, track: &Track) {
        self.published = Some(track.end());
        self.settle(track);
    }

    /// Ends splices, in order, so that each knows what the one before owes.
    fn settle(&mut self, track: &Track) {
        for splice in self.splices.iter_mut().filter(|splice| splice.outcome.is_none()) {
            splice.owed = self.owed;
            if splice.pod.is_empty() {
                splice.outcome = Some(Outcome { resume: splice.avail.end(), length: Span::ZERO });
                continue;
            }
            let Some(outcome) = splice.end(track) else { break };
            if splice.avail.kind == AvailKind::Replace {
                let replaced = outcome.resume - splice.avail.start + splice.owed;
                self.owed = replaced - outcome.length;
            }
            splice.outcome = Some(outcome);
        }
    }
}

impl Splice {
    /// Where and how this ends, once the reference track shows it.
    fn end(&self, track: &Track) -> Option<Outcome> {
        let (avail, pod) = (&self.avail, &self.pod);
        if avail.kind == AvailKind::Insert {
            return Some(Outcome { resume: avail.start, length: pod.ads });
        }
        let (start, end) = (avail.start, avail.end());
        // No ad is cut short unless the origin ended the break early.
        let cut_short = pod.ads > avail.duration + TOLERANCE;
        let ads_end = start + pod.ads - self.owed;
        let wanted = if cut_short {
            // After the last ad segment that still fits; the rest of the break shows content.
            start + pod.cut(avail.duration + self.owed) - self.owed
        } else if pod.has_slate() {
            // The boundary nearest to the break's end, if it is still in the window.
            let nearest = track.segments.get(track.index_at(end)).map_or(end, |segment| segment.start);
            ads_end.max(if end < track.start() { end } else { nearest })
        } else {
            ads_end
        };
        let index = track.segments.partition_point(|segment| segment.start + TOLERANCE < wanted);
        let resume = match track.segments.get(index) {
            Some(segment) if index > 0 || segment.start <= wanted + TOLERANCE || start >= track.start() => {
                segment.start
            }
            // The boundary has left the window: nobody sees the difference any more.
            Some(_) => wanted,
            None if track.ended => track.end(),
            None => return None,
        };
        Some(Outcome { resume, length: pod.cut(resume - start + self.owed) })
    }

    /// The last moment at which the window must have passed it by.
    fn gone_after(&self) -> Moment {
        self.outcome.map_or_else(|| self.avail.end(), |outcome| outcome.resume.max(self.avail.end()))
    }
}

/// Whether an avail's start is at a segment that the track has, or before it, and its end not yet gone.
fn in_reach(avail: &Avail, track: &Track) -> bool {
    let started = avail.start + TOLERANCE < track.end() || (track.ended && avail.kind == AvailKind::Insert);
    let going = match avail.kind {
        AvailKind::Replace => avail.end() > track.start() && avail.duration.is_positive(),
        AvailKind::Insert => track.ended,
    };
    started && going
}
