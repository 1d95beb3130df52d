//! Which events the fetch of an ad segment proves. Pure: knows no session, no time, no storage.
//!
//! The measure is what the segment shows when it plays: VAST 4.3 (2.3.1, 3.14.1) names the tracking events, the MRC's
//! *Server-Side Ad Insertion and OTT Guidance* lets a server count when media is delivered, as long as it counts a
//! request for the media itself and says that it did (`Event::counted_by`). So:
//!
//! - the first segment proves `impression` and `start`,
//! - the segment that contains, or ends at, a quarter, half or three quarters of the ad proves that quartile,
//! - the last segment proves `complete`.
//!
//! An ad of one segment proves all six with it. Over all segments of an ad every event is proved exactly once.

use smallvec::SmallVec;

use crate::domain::{EventType, Span};

/// At most impression, start, three quartiles, complete.
pub type Proved = SmallVec<[EventType; 6]>;

const QUARTILES: [(i128, EventType); 3] =
    [(1, EventType::FirstQuartile), (2, EventType::Midpoint), (3, EventType::ThirdQuartile)];

/// Events of segment `index` (0-based) of an ad whose segments end at `ends`, measured from the ad's start, ascending.
/// They come in the order in which they happen. An index past the end proves nothing.
pub fn events_of(index: usize, ends: &[Span]) -> Proved {
    let mut events = Proved::new();
    let (Some(end), Some(total)) = (ends.get(index), ends.last()) else { return events };
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |span| i128::from(span.0));
    if index == 0 {
        events.extend([EventType::Impression, EventType::Start]);
    }
    // Compared in quarters of a microsecond, so that nothing is rounded.
    let (start, end, total) = (start * 4, i128::from(end.0) * 4, i128::from(total.0));
    let contained = QUARTILES.iter().filter(|(quarters, _)| start < total * quarters && total * quarters <= end);
    events.extend(contained.map(|(_, event)| *event));
    if index + 1 == ends.len() {
        events.push(EventType::Complete);
    }
    events
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::EventType::{Complete, FirstQuartile, Impression, Midpoint, Start, ThirdQuartile};

    fn check(durations: &[i64], expect: &[&[EventType]]) {
        let ends = ends(durations);
        let proved: Vec<Vec<EventType>> = (0..ends.len()).map(|index| events_of(index, &ends).to_vec()).collect();
        assert_eq!(proved, expect, "{durations:?}");
    }

    fn ends(durations: &[i64]) -> Vec<Span> {
        durations
            .iter()
            .scan(0, |end, duration| {
                *end += duration;
                Some(Span(*end))
            })
            .collect()
    }

    #[test]
    fn each_segment_proves_the_quartiles_it_contains_or_ends_at() {
        check(&[30_000_000], &[&[Impression, Start, FirstQuartile, Midpoint, ThirdQuartile, Complete]]);
        check(&[6_000_000, 4_000_000], &[&[Impression, Start, FirstQuartile, Midpoint], &[ThirdQuartile, Complete]]);
        check(&[5, 5], &[&[Impression, Start, FirstQuartile, Midpoint], &[ThirdQuartile, Complete]]);
        check(&[1, 1, 1, 1], &[&[Impression, Start, FirstQuartile], &[Midpoint], &[ThirdQuartile], &[Complete]]);
        check(&[1, 1, 1, 1, 1], &[&[Impression, Start], &[FirstQuartile], &[Midpoint], &[ThirdQuartile], &[Complete]]);
    }

    #[test]
    fn segments_that_do_not_exist_prove_nothing() {
        assert!(events_of(0, &[]).is_empty());
        assert!(events_of(3, &[Span(1), Span(2), Span(3)]).is_empty());
        assert!(events_of(usize::MAX, &[Span(1)]).is_empty());
    }

    proptest! {
        #[test]
        fn every_event_is_proved_exactly_once_and_in_order(durations in proptest::collection::vec(1i64..20_000_000, 1..40)) {
            let ends = ends(&durations);
            let all: Vec<EventType> = (0..ends.len()).flat_map(|index| events_of(index, &ends)).collect();
            prop_assert_eq!(all, [Impression, Start, FirstQuartile, Midpoint, ThirdQuartile, Complete]);
        }

        #[test]
        fn no_quartile_counts_before_its_point_is_in_what_was_fetched(durations in proptest::collection::vec(1i64..20_000_000, 1..40)) {
            let ends = ends(&durations);
            let total = ends.last().map_or(0, |end| end.0);
            for (index, end) in ends.iter().enumerate() {
                for event in events_of(index, &ends) {
                    let quarters = match event { FirstQuartile => 1, Midpoint => 2, ThirdQuartile => 3, Complete => 4, _ => 0 };
                    prop_assert!(end.0 * 4 >= total * quarters);
                }
            }
        }
    }
}
