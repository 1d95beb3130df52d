//! Which cues make avails. Knows nothing of the server, so it is tested without one.

use cuetone_plugin::{Avail, AvailKind, Cue, CueKind, Position, Window};
use serde::Deserialize;

/// What the host takes of an id: it hashes those that are longer or have other signs, and refuses the answer where one
/// cannot stand in an address.
const MAX_ID_CHARACTERS: usize = 96;

/// What the host takes of a note: it refuses the answer where one is longer.
const MAX_NOTE_BYTES: usize = 128;

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
        let upid = cue
            .signal
            .as_ref()
            .and_then(|signal| signal.upid.as_deref());
        let named = cue.id.as_deref().filter(|id| !id.is_empty());
        (cue.kind == CueKind::Out).then(|| Avail {
            // A break must have the same id on every call: one without gets it from its start.
            id: named
                .map(clean)
                .unwrap_or_else(|| format!("cue-{}", (cue.at * 1000.0).round())),
            start: cue.at,
            duration,
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            metadata: upid
                .map(|upid| ("upid".into(), shortened(upid)))
                .into_iter()
                .collect(),
        })
    }
}

/// Origins name cues as they like; an avail's id becomes part of addresses.
fn clean(id: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
    id.chars()
        .take(MAX_ID_CHARACTERS)
        .map(|sign| if plain(sign) { sign } else { '_' })
        .collect()
}

/// The whole characters that fit into a note.
fn shortened(note: &str) -> String {
    let ends = |(at, sign): (usize, char)| at + sign.len_utf8();
    let end = note
        .char_indices()
        .map(ends)
        .take_while(|end| *end <= MAX_NOTE_BYTES);
    note[..end.last().unwrap_or(0)].to_owned()
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
    fn names_become_part_of_addresses_and_notes_have_a_limit() {
        let signal = Signal {
            command: "time_signal".into(),
            segmentation_type: None,
            upid: Some(format!("{}\u{fc}y", "x".repeat(127))),
            upid_type: None,
            segment_num: None,
            segments_expected: None,
        };
        let named = Cue {
            id: Some(format!("Ad 1/\u{fc}{}", "x".repeat(100))),
            signal: Some(signal),
            ..cue_out(1012.0, 30.0)
        };
        let found = find(&Breaks::default(), vec![named], Vec::new());
        assert_eq!(found[0].id, format!("Ad_1__{}", "x".repeat(90)));
        assert_eq!(found[0].metadata, [("upid".into(), "x".repeat(127))]);
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
