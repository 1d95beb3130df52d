//! What extensions say in words: cut to a length before anybody keeps it, and kept to one line where operators read it.
//!
//! Deliberately does not know who says it, nor who is told: reasons, messages and backtraces are all the same here.

use std::borrow::Cow;

use super::{
    ExtensionError, Verdict,
    limits::{MAX_MESSAGE_BYTES, MAX_REASON_BYTES},
};

/// Stands where a text was cut.
const CUT: &str = "…";

/// The text, or what of its beginning has at most `most` bytes together with the mark that more was said.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(most.saturating_sub(CUT.len()));
    Cow::Owned([text.get(..end).unwrap_or_default(), CUT].concat())
}

/// Why a rule drops an ad.
pub fn reason(text: &str) -> String {
    cut(text, MAX_REASON_BYTES).into_owned()
}

/// The same of one that is kept somewhere already: what was cut off is given back.
fn shorten(text: &mut String, most: usize) {
    if let Cow::Owned(short) = cut(text, most) {
        *text = short;
    }
}

/// Verdicts with reasons of a sensible length.
pub fn verdicts(mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    for verdict in &mut verdicts {
        if let Verdict::Drop { reason } = verdict {
            shorten(reason, MAX_REASON_BYTES);
        }
    }
    verdicts
}

/// An error with messages of a sensible length.
#[cold]
pub fn error(mut error: ExtensionError) -> ExtensionError {
    use ExtensionError::{Answer, Busy, Compile, Component, Limit, Panic, Quota, Refused, Runtime, Trap};
    match &mut error {
        Compile { message, hint, .. } | Component { message, hint, .. } | Runtime { message, hint, .. } => {
            shorten(message, MAX_MESSAGE_BYTES);
            if let Some(hint) = hint {
                shorten(hint, MAX_MESSAGE_BYTES);
            }
        }
        Trap { message, backtrace, .. } => {
            shorten(message, MAX_MESSAGE_BYTES);
            shorten(backtrace, MAX_MESSAGE_BYTES);
        }
        Refused { message: text, .. }
        | Answer { message: text, .. }
        | Panic { message: text, .. }
        | Limit { what: text, .. }
        | Quota { what: text, .. }
        | Busy { what: text, .. } => shorten(text, MAX_MESSAGE_BYTES),
        // Numbers, and a path, which is short since a bundle was read.
        _ => {}
    }
    error
}

/// The text on one line, with nothing in it that moves a terminal's cursor: who writes it cannot make it look like lines of
/// somebody else.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(moves) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if moves(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

/// Control characters, the line breaks of Unicode, and the signs that turn the direction of writing.
fn moves(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_shows_it() {
        for (text, most, expect) in [
            ("", 8, ""),
            ("as it is", 8, "as it is"),
            ("as it was", 8, "as it…"),
            ("ääää", 8, "ääää"),
            ("äääää", 8, "ää…"),
            ("äääää", 2, "…"),
        ] {
            assert_eq!(cut(text, most), expect, "{text}");
        }
    }

    #[test]
    fn only_what_moves_the_cursor_is_written_otherwise() {
        assert!(matches!(one_line("“as it is”: naïve \\n 100 %"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\r\nb\tc\u{1b}[2K\u{202e}d"), r"a\r\nb\tc\u{1b}[2K\u{202e}d");
    }
}
