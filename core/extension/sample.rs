//! Typical inputs, for the trial call at activation and for `cuetone rules explain`.
//!
//! Does not know what is asked with them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    domain::{
        Avail, AvailId, AvailKind, CountedBy, DeviceType, Event, EventType, Moment, Money, Position, Slug, Span, Viewer,
    },
    extension::{
        Candidate, Counters, DetectInput, ExtensionError, FillInput, LocalTime, Patience, PlacedCue, RequestContext,
        RuleInput, SinkInput, Window,
    },
    media::cue::{Cue, CueKind, Dialect, Signal},
};

/// 2026-01-05 09:00 UTC, a Monday.
const NOON: Moment = Moment(1_767_603_600 * 1_000_000);

/// On a busy machine a trial can run out of time, or find no place, without being slow; a slow one does so every time.
const TRIALS: usize = 3;

/// Asks until it is clear whether it answers in time.
pub fn tried<T>(ask: impl Fn() -> Result<T, ExtensionError>) -> Result<T, ExtensionError> {
    let mut tried = ask();
    for _ in 1..TRIALS {
        if !matches!(tried, Err(ExtensionError::Deadline { .. } | ExtensionError::Busy { .. })) {
            break;
        }
        tried = ask();
    }
    tried
}

/// A minute of live window with an announced break, and one break known from before.
pub fn detect<T>(config: &Value, ask: impl FnOnce(&DetectInput<'_>) -> T) -> T {
    let seconds = |seconds: i64| NOON + Span::from_secs(seconds);
    let signal = Signal {
        command: "splice_insert",
        segmentation_type_id: Some(0x34),
        upid: Some("SAMPLE".to_owned()),
        upid_type: Some(9),
        segment_num: Some(1),
        segments_expected: Some(1),
    };
    let cue = |kind, duration| Cue {
        kind,
        dialect: Dialect::CueOut,
        id: Some("42".to_owned()),
        duration,
        elapsed: None,
        at: None,
        signal: Some(signal.clone()),
    };
    let window = Window {
        live: true,
        start: seconds(0),
        end: seconds(60),
        boundaries: (0..10).map(|index| seconds(6 * index)).collect(),
        cues: vec![
            PlacedCue { at: seconds(12), cue: cue(CueKind::Out, Some(Span::from_secs(30))) },
            PlacedCue { at: seconds(42), cue: cue(CueKind::In, None) },
        ],
    };
    let known = [avail(seconds(-360), 60)];
    ask(&DetectInput {
        window: &window,
        known: &known,
        break_interval: Span::from_secs(360),
        break_duration: Span::from_secs(120),
        config,
    })
}

/// Twenty ads and a minute.
pub fn targeting<T>(config: &Value, ask: impl FnOnce(&RuleInput<'_>) -> T) -> T {
    with_avail(60, |request, candidates| {
        ask(&RuleInput { request, candidates, config, counters: &Counters::default() })
    })
}

/// The same.
pub fn fill<T>(config: &Value, ask: impl FnOnce(&FillInput<'_>) -> T) -> T {
    with_avail(60, |request, candidates| {
        ask(&FillInput { request, candidates, config, counters: &Counters::default() })
    })
}

/// One ad's impression, start and complete.
pub fn sink<T>(
    config: &Value,
    ask: impl FnOnce(&SinkInput<'_>) -> Result<T, ExtensionError>,
) -> Result<T, ExtensionError> {
    let events = events()?;
    ask(&SinkInput { tenant: "sample", events: &events, config })
}

fn avail(start: Moment, seconds: i64) -> Avail {
    Avail {
        id: AvailId::new("sample-1"),
        start,
        duration: Span::from_secs(seconds),
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: true,
        source: "sample".to_owned(),
        metadata: BTreeMap::from([("upid".to_owned(), "SAMPLE".to_owned())]),
    }
}

/// Twenty ads of a typical library, a viewer of whom everything is known, and an avail of so many seconds.
pub fn with_avail<T>(seconds: i64, body: impl FnOnce(&RequestContext<'_>, &[Candidate<'_>]) -> T) -> T {
    const LENGTHS: [i64; 5] = [30, 15, 20, 10, 30];
    let labels = BTreeMap::from([("rating".to_owned(), "PG".to_owned()), ("category".to_owned(), "travel".to_owned())]);
    let viewer = Viewer {
        session_id: Some("sample".into()),
        geo: "US".into(),
        device: DeviceType::SmartTv,
        params: BTreeMap::from([("app".into(), "sample".into())]),
    };
    let avail = avail(NOON, seconds);
    let now = LocalTime { year: 2026, month: 1, day: 5, hour: 9, minute: 0, weekday: 1, moment: NOON };
    let request = RequestContext {
        tenant: "sample",
        channel: "news",
        channel_labels: &labels,
        viewer: &viewer,
        avail: &avail,
        now,
        seed: 7,
        patience: &Patience::default(),
    };
    let ids: Vec<String> = (0..20).map(|index| format!("sample-ad-{index}")).collect();
    let candidates = ids.iter().zip(LENGTHS.iter().cycle()).enumerate().map(|(index, (id, length))| Candidate {
        id,
        campaign: (index % 4 != 0).then_some("sample-campaign"),
        duration: Span::from_secs(*length),
        priority: 10 - i32::try_from(index).unwrap_or(0) / 4,
        cpm_micros: 12_500_000,
        score: 0.0,
        labels: &labels,
        category: (index == 1).then_some("travel"),
        seen: u32::from(index % 3 == 0),
    });
    body(&request, &candidates.collect::<Vec<_>>())
}

fn events() -> Result<Vec<Event>, ExtensionError> {
    let slug = |text: &str| {
        text.parse::<Slug>().map_err(|message| ExtensionError::Answer { path: "sample".to_owned(), message })
    };
    let event = |event_type| {
        let event = Event {
            channel: Some(slug("news")?),
            session: "sample-session".to_owned(),
            avail: AvailId::new("sample-1"),
            ad: Some(slug("sample-ad")?),
            campaign: Some(slug("sample-campaign")?),
            device: DeviceType::SmartTv,
            geo: "US".into(),
            counted_by: Some(CountedBy::Segment),
            price: Money::from_micros(if event_type == EventType::Impression { 12_500 } else { 0 }),
            ..Event::new(slug("sample")?, event_type, NOON)
        };
        Ok(event.identified())
    };
    [EventType::Impression, EventType::Start, EventType::Complete].into_iter().map(event).collect()
}
