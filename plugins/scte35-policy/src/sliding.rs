//! What must hold whatever an origin writes, while the window slides over its cues.

use std::collections::BTreeMap;

use cuetone_plugin::{Avail, AvailKind, Cue, CueKind, Dialect};
use proptest::prelude::*;

use crate::scenarios::{cue, detect, id, lasts, typed};

const WINDOW: f64 = 60.0;
/// Of an origin that uses event ids again, and of one that does not.
const CONFIGS: [&str; 2] = [REUSED, UNIQUE];
const REUSED: &str = r#"{"event_ids": "reused", "min_duration": 5, "max_duration": 90, "default_duration": 40}"#;
const UNIQUE: &str = r#"{"min_duration": 5, "max_duration": 90, "default_duration": 40, "upids": [{"segmentation_type": 54, "action": "deny"}]}"#;

fn any_cue() -> impl Strategy<Value = Cue> {
    let kinds = prop::sample::select(vec![
        CueKind::Out,
        CueKind::Out,
        CueKind::In,
        CueKind::Continue,
        CueKind::Cancel,
        CueKind::Info,
    ]);
    let types = prop::option::of(prop::sample::select(vec![0x22_u8, 0x23, 0x34, 0x35, 0x36, 0x37, 0x30, 0x31, 0x10]));
    let dialects = prop::sample::select(vec![Dialect::CueOut, Dialect::Daterange]);
    let duration = prop::option::of(0_u16..130);
    (0_u16..60, kinds, prop::option::of(0_u8..4), duration, prop::option::of(0_u16..60), types, dialects).prop_map(
        |(segment, kind, event, duration, elapsed, segmentation_type, dialect)| {
            let mut cue = Cue { dialect, elapsed: elapsed.map(f64::from), ..cue(kind, f64::from(segment) * 6.0) };
            if let Some(event) = event {
                cue = id(&event.to_string(), cue);
            }
            if let Some(duration) = duration {
                cue = lasts(f64::from(duration), cue);
            }
            segmentation_type.map_or(cue.clone(), |segmentation_type| typed(segmentation_type, cue))
        },
    )
}

/// In playlist order.
fn any_cues() -> impl Strategy<Value = Vec<Cue>> {
    prop::collection::vec(any_cue(), 0..24).prop_map(|mut cues| {
        cues.sort_by(|a, b| a.at.total_cmp(&b.at));
        cues
    })
}

/// Breaks as a well-behaved origin announces them: one after the other, each with an id, repeats and its end.
fn proper_cues() -> impl Strategy<Value = Vec<Cue>> {
    let one = (1_u16..8, 1_u16..12, any::<bool>(), any::<bool>(), prop::option::of(1_u16..12));
    prop::collection::vec(one, 1..8).prop_map(|breaks| {
        let (mut at, mut cues) = (0.0, Vec::new());
        for (number, (gap, segments, announced, repeats, early)) in breaks.into_iter().enumerate() {
            at += f64::from(gap) * 6.0;
            let length = f64::from(segments) * 6.0;
            let played = early.map_or(length, |early| f64::from(early.min(segments)) * 6.0);
            let told = |cue: Cue| if announced { lasts(length, cue) } else { cue };
            let signal = |cue: Cue| id(&number.to_string(), typed(0x34, cue));
            cues.push(told(signal(cue(CueKind::Out, at))));
            let mut passed = 6.0;
            while repeats && passed < played {
                let going_on = Cue { elapsed: Some(passed), ..cue(CueKind::Continue, at + passed) };
                cues.push(told(id(&number.to_string(), going_on)));
                passed += 6.0;
            }
            at += played;
            cues.push(Cue { duration: None, ..id(&number.to_string(), typed(0x35, cue(CueKind::In, at))) });
        }
        cues
    })
}

fn inside(cues: &[Cue], start: f64) -> Vec<Cue> {
    cues.iter().filter(|cue| cue.at >= start && cue.at < start + WINDOW).cloned().collect()
}

fn sound(found: &[Avail]) {
    for (index, avail) in found.iter().enumerate() {
        assert!(found.iter().skip(index + 1).all(|other| other.id != avail.id), "ids are unique");
        assert!(avail.duration > 0.0 && avail.duration <= 90.0, "{avail:?}");
        assert_eq!(avail.kind, AvailKind::Replace);
        if let Some(next) = found.get(index + 1) {
            assert!(avail.start + avail.duration <= next.start + 1e-6, "{avail:?} reaches into {next:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_comes_names_starts_and_bounds_hold(cues in any_cues(), config in prop::sample::select(CONFIGS.to_vec())) {
        let mut known: Vec<Avail> = Vec::new();
        let mut starts: BTreeMap<String, f64> = BTreeMap::new();
        let cancels = cues.iter().any(|cue| cue.kind == CueKind::Cancel);
        for step in 0..60 {
            let start = f64::from(step) * 6.0;
            let found = detect(true, (start, start + WINDOW), known.clone(), inside(&cues, start), config);
            sound(&found);
            for avail in &found {
                // A name is taken for good, or as long as its break is known.
                if config == UNIQUE && known.iter().all(|before| before.id != avail.id) {
                    starts.remove(&avail.id);
                }
                let first = starts.entry(avail.id.clone()).or_insert(avail.start);
                prop_assert_eq!(*first, avail.start, "{}", avail.id);
                let before = known.iter().find(|before| before.id == avail.id && before.closed);
                // What is cancelled and announced again may be longer.
                if let Some(before) = before.filter(|_| !cancels) {
                    prop_assert!(avail.duration <= before.duration && avail.closed, "{} grew", avail.id);
                }
            }
            known = found;
        }
    }

    #[test]
    fn a_proper_origin_has_each_break_once_and_right(cues in proper_cues()) {
        let mut known: Vec<Avail> = Vec::new();
        let mut last: BTreeMap<String, Avail> = BTreeMap::new();
        for step in 0..200 {
            let start = f64::from(step) * 6.0 - WINDOW;
            let seen = inside(&cues, start);
            let found = detect(true, (start, start + WINDOW), known.clone(), seen.clone(), "{}");
            // Asked again, it says the same.
            let again = detect(true, (start, start + WINDOW), found.clone(), seen.clone(), "{}");
            prop_assert_eq!(&again, &found);
            // Another node that never saw the earlier windows gives the same names to what starts in this one.
            for fresh in detect(true, (start, start + WINDOW), vec![], seen, "{}") {
                let same = found.iter().find(|avail| avail.id == fresh.id);
                prop_assert_eq!(same.map(|avail| avail.start), Some(fresh.start));
            }
            last.extend(found.iter().map(|avail| (avail.id.clone(), avail.clone())));
            known = found;
        }
        let outs = cues.iter().filter(|cue| cue.kind == CueKind::Out);
        let ins = cues.iter().filter(|cue| cue.kind == CueKind::In);
        let expect: Vec<(f64, f64)> = outs.zip(ins).map(|(out, back)| (out.at, back.at - out.at)).collect();
        let mut got: Vec<(f64, f64)> = last.values().map(|avail| (avail.start, avail.duration)).collect();
        got.sort_by(|a, b| a.0.total_cmp(&b.0));
        prop_assert_eq!(got, expect);
    }
}
