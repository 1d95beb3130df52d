//! What a cue does, by the policy: tags and splice_insert say it themselves, a time_signal says it by its segmentation
//! type. Does not know the breaks around it.

use cuetone_plugin::{Cue, CueKind};

use crate::config::{Config, Use};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Start,
    Continue,
    End,
    Cancel,
}

/// How far out a kind of break lies: its place in `breaks`, 0 is the outermost. `None` where only a tag or splice_insert
/// speaks.
pub type Level = Option<usize>;

/// `None`: not a matter of breaks, or one that the policy ignores.
pub fn read(cue: &Cue, config: &Config) -> Option<(Meaning, Level)> {
    if cue.kind == CueKind::Cancel {
        return Some((Meaning::Cancel, None));
    }
    let by_itself = |used: Use| if used == Use::Use { Some((by_kind(cue.kind)?, None)) } else { None };
    let Some(signal) = &cue.signal else { return by_itself(config.tags) };
    if signal.command == "splice_insert" {
        return by_itself(config.splice_insert);
    }
    let Some(segmentation_type) = signal.segmentation_type else { return by_itself(config.tags) };
    let level =
        config.breaks.iter().position(|kind| kind.start == segmentation_type || kind.end == segmentation_type)?;
    let starts = config.breaks.get(level)?.start == segmentation_type;
    let meaning = match cue.kind {
        CueKind::Continue if starts => Meaning::Continue,
        // A further segment of a message that is repeated while its break goes on.
        CueKind::Info if starts && cue.elapsed.is_some() => Meaning::Continue,
        // A packager may repeat the signal that opened the break where the break ends.
        CueKind::In => Meaning::End,
        _ if starts => Meaning::Start,
        _ => Meaning::End,
    };
    Some((meaning, Some(level)))
}

fn by_kind(kind: CueKind) -> Option<Meaning> {
    match kind {
        CueKind::Out => Some(Meaning::Start),
        CueKind::Continue => Some(Meaning::Continue),
        CueKind::In => Some(Meaning::End),
        CueKind::Cancel => Some(Meaning::Cancel),
        CueKind::Info => None,
    }
}

/// The level of a kind of break, by the type that opened it.
pub fn level_of(segmentation_type: u8, config: &Config) -> Level {
    config.breaks.iter().position(|kind| kind.start == segmentation_type)
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::{Signal, testing::cue_out};

    use super::*;
    use crate::config::BreakType;

    fn cue(kind: CueKind, command: &str, segmentation_type: Option<u8>) -> Cue {
        let signal = Signal {
            command: command.into(),
            segmentation_type,
            upid: None,
            upid_type: None,
            segment_num: None,
            segments_expected: None,
        };
        Cue { kind, signal: Some(signal).filter(|signal| !signal.command.is_empty()), ..cue_out(0.0, 30.0) }
    }

    #[test]
    fn types_decide_over_time_signals() {
        use CueKind::{Continue, In, Info, Out};
        let config = Config::default();
        for (kind, segmentation_type, meaning) in [
            (Out, 0x34, Some((Meaning::Start, Some(1)))),
            (In, 0x35, Some((Meaning::End, Some(1)))),
            (Out, 0x36, Some((Meaning::Start, Some(2)))),
            (Out, 0x30, Some((Meaning::Start, Some(3)))),
            (In, 0x33, Some((Meaning::End, Some(4)))),
            (Out, 0x22, Some((Meaning::Start, Some(0)))),
            (Continue, 0x34, Some((Meaning::Continue, Some(1)))),
            (In, 0x34, Some((Meaning::End, Some(1)))),
            // Programme, chapter, unscheduled event, overlay: whatever the tag calls them.
            (Info, 0x10, None),
            (Out, 0x10, None),
            (Info, 0x20, None),
            (Out, 0x40, None),
            (Out, 0x38, None),
            (Continue, 0x10, None),
        ] {
            assert_eq!(
                read(&cue(kind, "time_signal", Some(segmentation_type)), &config),
                meaning,
                "{segmentation_type:#x}"
            );
        }
    }

    #[test]
    fn further_segments_of_a_message_count_by_their_types() {
        let config = Config::default();
        let beside = |segmentation_type| cue(CueKind::Info, "time_signal", Some(segmentation_type));
        assert_eq!(read(&beside(0x36), &config), Some((Meaning::Start, Some(2))));
        assert_eq!(read(&beside(0x37), &config), Some((Meaning::End, Some(2))));
        let repeated = Cue { elapsed: Some(0.0), ..beside(0x36) };
        assert_eq!(read(&repeated, &config), Some((Meaning::Continue, Some(2))));
        let ended = Cue { elapsed: Some(8.0), ..beside(0x37) };
        assert_eq!(read(&ended, &config), Some((Meaning::End, Some(2))));
        // A splice_insert speaks for its whole message.
        assert_eq!(read(&cue(CueKind::Info, "splice_insert", Some(0x36)), &config), None);
    }

    #[test]
    fn other_types_can_be_made_breaks() {
        let config = Config { breaks: vec![BreakType { start: 0x44, end: 0x45 }], ..Config::default() };
        let read = |kind, segmentation_type| read(&cue(kind, "time_signal", Some(segmentation_type)), &config);
        assert_eq!(read(CueKind::Info, 0x44), Some((Meaning::Start, Some(0))));
        assert_eq!(read(CueKind::Info, 0x45), Some((Meaning::End, Some(0))));
        assert_eq!(read(CueKind::Out, 0x34), None);
    }

    #[test]
    fn tags_and_splice_insert_say_it_themselves() {
        let config = Config::default();
        let ignoring = Config { tags: Use::Ignore, splice_insert: Use::Ignore, ..Config::default() };
        for (kind, meaning) in [
            (CueKind::Out, Some((Meaning::Start, None))),
            (CueKind::In, Some((Meaning::End, None))),
            (CueKind::Continue, Some((Meaning::Continue, None))),
            (CueKind::Info, None),
        ] {
            for command in ["", "splice_insert"] {
                assert_eq!(read(&cue(kind, command, None), &config), meaning);
                assert_eq!(read(&cue(kind, command, None), &ignoring), None);
            }
            assert_eq!(read(&cue(kind, "splice_insert", Some(0x10)), &config), meaning);
        }
        assert_eq!(read(&cue(CueKind::Cancel, "", None), &ignoring), Some((Meaning::Cancel, None)));
    }
}
