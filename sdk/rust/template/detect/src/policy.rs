//! Which cues make avails. Knows nothing of the server, so it is tested without one.

use cuetone_plugin::{Avail, AvailKind, Cue, CueKind, Position, Window};
use serde::Deserialize;

/// The tenant's configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Breaks {
    /// Shorter breaks are left alone, in seconds.
    min_duration: f64,
}

impl Breaks {
    /// An avail for each cue that begins a break, and those known avails that are not over when the window begins.
    pub fn find(&self, window: &Window, known: Vec<Avail>) -> Vec<Avail> {
        let running = known
            .into_iter()
            .filter(|avail| avail.start + avail.duration > window.start);
        let mut avails: Vec<Avail> = Vec::new();
        for avail in window
            .cues
            .iter()
            .filter_map(|cue| self.avail(cue))
            .chain(running)
        {
            // Cues are repeated, and a known avail is often found again: the first counts.
            if avails.iter().all(|other| other.id != avail.id) {
                avails.push(avail);
            }
        }
        avails
    }

    fn avail(&self, cue: &Cue) -> Option<Avail> {
        let duration = cue
            .duration
            .filter(|duration| *duration > 0.0 && *duration >= self.min_duration)?;
        let upid = cue.signal.as_ref().and_then(|signal| signal.upid.clone());
        (cue.kind == CueKind::Out).then(|| Avail {
            // A break must have the same id on every call: one without gets it from its start.
            id: cue
                .id
                .clone()
                .unwrap_or_else(|| format!("cue-{}", (cue.at * 1000.0).round())),
            start: cue.at,
            duration,
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            metadata: upid.map(|upid| ("upid".into(), upid)).into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::{
        Signal,
        testing::{avail, cue_out, window},
    };

    use super::*;

    fn find(breaks: &Breaks, cues: Vec<Cue>, known: Vec<Avail>) -> Vec<Avail> {
        breaks.find(
            &Window {
                cues,
                ..window(1000.0, 1060.0)
            },
            known,
        )
    }

    #[test]
    fn a_cue_that_begins_a_break_makes_an_avail() {
        let found = find(
            &Breaks::default(),
            vec![cue_out(1012.3456, 30.0)],
            Vec::new(),
        );
        assert_eq!(found, [avail("cue-1012346", 1012.3456, 30.0)]);
    }

    #[test]
    fn other_cues_and_short_breaks_make_none() {
        let end = Cue {
            kind: CueKind::In,
            ..cue_out(1030.0, 30.0)
        };
        let unknown = Cue {
            duration: None,
            ..cue_out(1012.0, 0.0)
        };
        let cues = vec![end, unknown, cue_out(1012.0, 0.0), cue_out(1018.0, 9.0)];
        assert_eq!(find(&Breaks { min_duration: 10.0 }, cues, Vec::new()), []);
    }

    #[test]
    fn the_first_cue_of_an_id_counts_with_its_upid() {
        let signal = Signal {
            command: "time_signal".into(),
            segmentation_type: Some(0x34),
            upid: Some("house-7".into()),
            upid_type: None,
            segment_num: None,
            segments_expected: None,
        };
        let first = Cue {
            id: Some("a".into()),
            signal: Some(signal),
            ..cue_out(1012.0, 30.0)
        };
        let again = Cue {
            id: Some("a".into()),
            ..cue_out(1018.0, 24.0)
        };
        let metadata = vec![("upid".into(), "house-7".into())];
        assert_eq!(
            find(&Breaks::default(), vec![first, again], Vec::new()),
            [Avail {
                metadata,
                ..avail("a", 1012.0, 30.0)
            }]
        );
    }

    #[test]
    fn known_avails_stay_until_they_are_over() {
        let known = vec![
            avail("over", 970.0, 30.0),
            avail("running", 980.0, 30.0),
            avail("cue-1012000", 1011.0, 5.0),
        ];
        let found = find(&Breaks::default(), vec![cue_out(1012.0, 30.0)], known);
        assert_eq!(
            found,
            [
                avail("cue-1012000", 1012.0, 30.0),
                avail("running", 980.0, 30.0)
            ]
        );
    }
}
