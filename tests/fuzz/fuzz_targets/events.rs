//! Any body of reported events: no panic, and what is taken keeps to its limits, has one identity however often it comes,
//! and lies in the journal as it was.
#![no_main]

use cuetone_fuzz::{
    domain::Moment,
    shop::Shop,
    tracking::{
        intake::{
            Batch, Consent, Judge, TrafficLists,
            read::{MAX_AGE, MAX_METADATA, MAX_NAME},
            report::MAX_EVENTS,
        },
        record::{self, Record},
    },
};
use libfuzzer_sys::fuzz_target;

const NOW: Moment = Moment(1_780_000_000_000_000);

/// An event's line beside its metadata: names, keys and texts, each as long as it may be and escaped.
const MAX_LINE: usize = 32 * 1024 + 8 * MAX_METADATA;

thread_local! {
    static DESK: (Shop, Judge) = {
        let traffic = TrafficLists::read(None, Some("203.0.113.0/24")).expect("lists");
        (Shop::new(), Judge { traffic, geo: None })
    };
}

fuzz_target!(|body: &[u8]| {
    let (Ok(mut batch), Ok(mut twin)) = (Batch::parse(body), Batch::parse(body)) else { return };
    let (Some(reports), Some(twins)) = (&mut batch.events, &mut twin.events) else { return };
    assert!(reports.len() <= MAX_EVENTS);
    DESK.with(|(shop, judge)| {
        for (report, twin) in reports.iter_mut().zip(twins) {
            let first = judge.read(shop, report, Consent::default(), NOW);
            let second = judge.read(shop, twin, Consent::default(), NOW);
            let (Ok(first), Ok(second)) = (first.as_ref(), second) else {
                assert!(first.is_err(), "it was taken once");
                continue;
            };
            let event = &first.event;
            assert_eq!(event, &second.event);
            assert!(event.time <= NOW && event.time >= NOW - MAX_AGE, "{:?}", event.time);
            assert!((1..=MAX_NAME).contains(&event.session.len()), "{:?}", event.session);
            let mut line = Vec::new();
            record::write_event(event, &mut line).expect("it is written");
            assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
            let read = record::read(line.strip_suffix(b"\n").expect("a whole line")).expect("it was written");
            assert_eq!(read, Record::Event(event.clone()));
        }
    });
});
