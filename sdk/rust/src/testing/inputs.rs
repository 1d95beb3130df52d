//! Typical inputs. Each is a whole record: a test changes the fields that it is about.

use crate::{Avail, AvailKind, Candidate, Device, LocalTime, Position, Request};

/// 2026-01-02T20:15:00Z, a Friday.
const NOW: f64 = 1_767_384_900.0;

/// A smart TV in Germany fills a minute on Friday evening.
pub fn request() -> Request {
    Request {
        tenant: "acme".into(),
        channel: "news".into(),
        geo: "DE".into(),
        device: Device::SmartTv,
        session_id: Some("viewer-1".into()),
        params: Vec::new(),
        labels: vec![("genre".into(), "news".into())],
        avail: avail("break-1", NOW, 60.0),
        now: LocalTime { year: 2026, month: 1, day: 2, hour: 20, minute: 15, weekday: 5, epoch: NOW },
        seed: 42,
    }
}

/// A mid-roll that replaces content and whose end is certain.
pub fn avail(id: &str, start: f64, duration: f64) -> Avail {
    Avail {
        id: id.into(),
        start,
        duration,
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: true,
        metadata: Vec::new(),
    }
}

/// An ad without category, campaign and labels that this session has not seen.
pub fn candidate(id: &str, duration: f64) -> Candidate {
    Candidate {
        id: id.into(),
        campaign: None,
        category: None,
        duration,
        priority: 0,
        cpm: 10.0,
        score: 0.0,
        seen: 0,
        labels: Vec::new(),
    }
}

/// `ad-1` …, in turns of 15, 20 and 30 seconds and of four categories, sorted as the host sorts them.
pub fn candidates(count: usize) -> Vec<Candidate> {
    let candidate = |place: usize| {
        let category = ["travel", "food", "cars", "games"][place % 4];
        Candidate {
            campaign: Some(format!("campaign-{}", place / 2 + 1)),
            category: Some(category.into()),
            cpm: 20.0 - place as f64 / 100.0,
            labels: vec![("category".into(), category.into())],
            ..candidate(&format!("ad-{}", place + 1), [15.0, 20.0, 30.0][place % 3])
        }
    };
    (0..count).map(candidate).collect()
}

#[cfg(feature = "detect")]
pub use detect::*;
#[cfg(feature = "detect")]
mod detect {
    use crate::{Channel, Cue, CueKind, Dialect, Window};

    /// A live window with a segment every six seconds and no cues.
    pub fn window(start: f64, end: f64) -> Window {
        let boundaries = std::iter::successors(Some(start), |at| Some(at + 6.0)).take_while(|at| *at < end).collect();
        Window { live: true, start, end, boundaries, cues: Vec::new() }
    }

    /// A break begins, as CUE-OUT says it: without an id and without SCTE 35.
    pub fn cue_out(at: f64, duration: f64) -> Cue {
        Cue {
            at,
            kind: CueKind::Out,
            dialect: Dialect::CueOut,
            id: None,
            duration: Some(duration),
            elapsed: None,
            signal: None,
        }
    }

    /// Breaks by the clock: two minutes every ten.
    pub fn channel() -> Channel {
        Channel { break_interval: 600.0, break_duration: 120.0 }
    }
}

#[cfg(feature = "sink")]
pub use sink::*;
#[cfg(feature = "sink")]
mod sink {
    use super::NOW;
    use crate::{CountedBy, Device, Event, Traffic};

    /// Something that happened to `ad-1`, counted by its segment and not charged.
    pub fn event(id: &str, event_type: &str) -> Event {
        Event {
            id: id.into(),
            event_type: event_type.into(),
            time: NOW,
            received: NOW,
            tenant: "acme".into(),
            channel: Some("news".into()),
            session: "session-1".into(),
            viewer: None,
            avail: "break-1".into(),
            pod_position: 0,
            ad: Some("ad-1".into()),
            campaign: Some("campaign-1".into()),
            device: Device::SmartTv,
            geo: "DE".into(),
            counted_by: Some(CountedBy::Segment),
            traffic: Traffic::Valid,
            price: 0.0,
            error_code: None,
            value: None,
            more: None,
        }
    }
}
