//! The avails of a channel from one version of its playlist to the next.
//!
//! A detector answers from what it sees now; here its answers are checked and joined with what is known: ids and starts
//! never change, a break outlives its CUE-OUT, breaks do not overlap. Deliberately does not know detectors or viewers.

use std::sync::Arc;

use super::{TOLERANCE, track::Track};
use crate::{
    domain::{Avail, AvailId, AvailKind, Moment, Span},
    extension::{limits::MAX_AVAILS, point::FoundAvail},
};

/// Joins what a detector found with what is known. `source` names the detector. Breaks are remembered for `memory`
/// after they left the window: a detector may want to know when the last one was.
///
/// What was found has been through `extension::check`: ids and lengths are taken as they are.
pub fn merge(known: &[Arc<Avail>], found: &[FoundAvail], track: &Track, source: &str, memory: Span) -> Vec<Arc<Avail>> {
    let remembered = |end: Moment| end + memory > track.start();
    let mut avails: Vec<Arc<Avail>> = known.iter().filter(|avail| remembered(avail.end())).cloned().collect();
    for answer in found.iter().filter(|answer| remembered(answer.start + answer.duration)) {
        let duration = answer.duration;
        if let Some(avail) = avails.iter_mut().find(|avail| avail.id.as_str() == answer.id) {
            // An origin may end a break early; it cannot prolong one whose length it announced.
            let shorter = duration < avail.duration;
            if shorter || (!avail.closed && (avail.duration != duration || answer.closed)) {
                let metadata = answer.metadata.clone();
                *avail = Arc::new(Avail { duration, closed: answer.closed, metadata, ..(**avail).clone() });
            }
            continue;
        }
        // A live playlist cannot grow: insertion is for VOD.
        let kind_fits = answer.kind == AvailKind::Replace || track.ended;
        let Some(start) = snap(answer, track).filter(|_| kind_fits && duration.is_positive()) else { continue };
        let end = start + duration;
        let overlaps = |other: &Arc<Avail>| match answer.kind {
            AvailKind::Replace => other.start + TOLERANCE < end && start + TOLERANCE < other.end(),
            AvailKind::Insert => other.start == start,
        };
        if avails.iter().any(overlaps) || !make_room(&mut avails, end, track) {
            continue;
        }
        avails.push(Arc::new(Avail {
            id: AvailId::new(&answer.id),
            start,
            duration,
            kind: answer.kind,
            position: answer.position,
            closed: answer.closed,
            source: source.to_owned(),
            metadata: answer.metadata.clone(),
        }));
    }
    avails.sort_by_key(|avail| avail.start);
    avails
}

/// The segment boundary that an answer means; `None` while it is still to come.
fn snap(answer: &FoundAvail, track: &Track) -> Option<Moment> {
    if answer.start + TOLERANCE < track.start() {
        return Some(answer.start);
    }
    if answer.kind == AvailKind::Insert && answer.start + TOLERANCE >= track.end() {
        return track.ended.then(|| track.end());
    }
    track.segments.get(track.index_at(answer.start)).map(|segment| segment.start)
}

/// Whether one more may be known that ends at `end`. A detector that runs wild must not grow without end, and what the
/// window shows comes before what has left it: of that the oldest is forgotten.
fn make_room(avails: &mut Vec<Arc<Avail>>, end: Moment, track: &Track) -> bool {
    if avails.len() < MAX_AVAILS {
        return true;
    }
    let left = |avail: &Avail| avail.end() <= track.start();
    let oldest = avails.iter().enumerate().filter(|(_, avail)| left(avail)).min_by_key(|(_, avail)| avail.end());
    let Some((at, _)) = oldest.filter(|_| end > track.start()) else { return false };
    avails.remove(at);
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use url::Url;

    use super::*;
    use crate::{
        domain::{MarkerPolicy, Position},
        media::{playlist::MediaPlaylist, uri::Variables},
        stitch::track::{Placement, TrackContext},
    };

    /// Six-second segments from 0 to 60 s.
    fn track(ended: bool) -> Arc<Track> {
        let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n".to_owned();
        (0..10).for_each(|n| text.push_str(&format!("#EXTINF:6,\n{n}.ts\n")));
        text.push_str(if ended { "#EXT-X-ENDLIST\n" } else { "" });
        let context = TrackContext {
            base: &Url::parse("https://x.example.com/").expect("valid"),
            imported: &Variables::new(),
            markers: MarkerPolicy::Strip,
            previous: None,
            placement: Placement::StartsAt(Moment(0)),
        };
        Track::build(1, &MediaPlaylist::parse(text.as_bytes()).expect("valid"), &context)
    }

    fn found(id: &str, start: f64, duration: i64, kind: AvailKind) -> FoundAvail {
        FoundAvail {
            id: id.into(),
            start: Moment::from_secs_f64(start),
            duration: Span::from_secs(duration),
            kind,
            position: Position::MidRoll,
            closed: false,
            metadata: BTreeMap::new(),
        }
    }

    fn check(
        known: &[Arc<Avail>],
        answers: &[FoundAvail],
        ended: bool,
        expect: &[(&str, i64, i64)],
    ) -> Vec<Arc<Avail>> {
        let merged = merge(known, answers, &track(ended), "test", Span::ZERO);
        let got: Vec<_> =
            merged.iter().map(|a| (a.id.as_str(), a.start.as_secs(), a.duration.as_millis() / 1000)).collect();
        assert_eq!(got, expect);
        merged
    }

    #[test]
    fn starts_snap_to_the_nearest_segment_and_stay() {
        let known = check(&[], &[found("a", 13.0, 12, AvailKind::Replace)], false, &[("a", 12, 12)]);
        check(&known, &[found("a", 20.0, 18, AvailKind::Replace)], false, &[("a", 12, 18)]);
    }

    #[test]
    fn an_announced_break_may_end_early_but_not_late() {
        let announced = FoundAvail { closed: true, ..found("a", 12.0, 30, AvailKind::Replace) };
        let known = check(&[], std::slice::from_ref(&announced), false, &[("a", 12, 30)]);
        let longer = FoundAvail { duration: Span::from_secs(36), ..announced.clone() };
        check(&known, &[longer], false, &[("a", 12, 30)]);
        let shorter = FoundAvail { duration: Span::from_secs(18), ..announced };
        check(&known, &[shorter], false, &[("a", 12, 18)]);
    }

    #[test]
    fn a_break_outlives_its_marker() {
        let known = check(&[], &[found("a", 48.0, 30, AvailKind::Replace)], false, &[("a", 48, 30)]);
        check(&known, &[], false, &[("a", 48, 30)]);
    }

    #[test]
    fn what_cannot_be_is_left_out() {
        let answers = [
            found("a", 12.0, 12, AvailKind::Replace),
            found("overlap", 18.0, 12, AvailKind::Replace),
            found("insert-in-live", 42.0, 12, AvailKind::Insert),
            found("empty", 48.0, 0, AvailKind::Replace),
            found("future", 66.0, 12, AvailKind::Replace),
        ];
        check(&[], &answers, false, &[("a", 12, 12)]);
    }

    #[test]
    fn vod_takes_insertions_up_to_its_end() {
        let answers = [found("a", 0.0, 30, AvailKind::Insert), found("z", 60.0, 30, AvailKind::Insert)];
        check(&[], &answers, true, &[("a", 0, 30), ("z", 60, 30)]);
    }

    #[test]
    fn all_avails_that_an_answer_may_have_are_known_and_no_more() {
        let memory = Span::from_secs(1_000_000);
        // Before the window starts are not moved: there is room for as many as one likes.
        let past = |from: usize, count: usize| -> Vec<FoundAvail> {
            let name = |at: usize| (format!("past-{at}"), -1_000.0 * (at as f64 + 1.0));
            (from..from + count).map(name).map(|(id, at)| found(&id, at, 6, AvailKind::Replace)).collect()
        };
        let full = merge(&[], &past(0, MAX_AVAILS), &track(false), "test", memory);
        assert_eq!(full.len(), MAX_AVAILS);
        // What is known is still learned about, and what the window shows takes the place of the oldest that left it.
        let mut more = past(MAX_AVAILS, 1);
        more.extend([FoundAvail { closed: true, ..past(0, 1)[0].clone() }, found("now", 12.0, 12, AvailKind::Replace)]);
        let merged = merge(&full, &more, &track(false), "test", memory);
        let known = |id: &str| merged.iter().find(|avail| avail.id.as_str() == id);
        assert_eq!(merged.len(), MAX_AVAILS);
        assert!(known("past-0").is_some_and(|avail| avail.closed) && known("now").is_some());
        let (oldest, beyond) = (format!("past-{}", MAX_AVAILS - 1), format!("past-{MAX_AVAILS}"));
        assert!(known(&oldest).is_none() && known(&beyond).is_none());
    }
}
