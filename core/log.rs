//! Structured logs on standard error: lines for people or JSON for machines. Knows nothing of what is logged, and so sees to
//! it that nothing logged can look like a line of its own.
//!
//! Rules for who logs: readable sentences with fields, once, where a thing is handled; never addresses of viewers,
//! tokens or whole URLs.

use std::io::{self, IsTerminal, Write};

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged unless configured otherwise: our own news, and only troubles of libraries.
pub const DEFAULT_FILTER: &str = "warn,cuetone=info";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`{filter}` is not a log filter such as `warn,cuetone=info`: {reason}")]
    Filter { filter: String, reason: String },
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the whole process; once.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let registry = tracing_subscriber::registry().with(parse(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            let lines = lines.with_writer(move || Events { to: io::stderr(), colours }).with_ansi(colours);
            registry.with(lines).try_init()
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_current_span(true)).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// Stands before the second and further lines of one event: what a tenant, an origin or an ad server sent can have line
/// breaks in it, and words that look like another event.
const GOES_ON: &[u8] = b"\n  | ";

/// Where events are written as lines for people.
struct Events<W> {
    to: W,
    /// The formatter's; whatever else begins with an escape is not let through to a terminal.
    colours: bool,
}

impl<W: Write> Write for Events<W> {
    /// Takes a whole event with the end of its line: so the formatter hands them over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let moves = |byte: u8| byte.is_ascii_control() && byte != b'\t';
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        if !text.iter().any(|byte| moves(*byte)) {
            return self.to.write_all(event).map(|()| event.len());
        }
        let mut line = Vec::with_capacity(event.len() * 2);
        let mut rest = text;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            match *byte {
                b'\n' => line.extend_from_slice(GOES_ON),
                b'\x1b' if self.colours && is_colour(behind) => line.push(b'\x1b'),
                byte if moves(byte) => line.extend(byte.escape_ascii()),
                byte => line.push(byte),
            }
        }
        line.push(b'\n');
        self.to.write_all(&line).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether what stands behind an escape sets colours and no more: ECMA-48, SGR.
fn is_colour(behind: &[u8]) -> bool {
    let numbers = behind.strip_prefix(b"[").unwrap_or_default();
    numbers.iter().find(|byte| !matches!(byte, b'0'..=b'9' | b';')) == Some(&b'm')
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| LogError::Filter { filter: filter.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is shown of two events, of which the first has words of somebody else in it.
    fn shown(colours: bool) -> String {
        let shared = Shared::default();
        let writer = shared.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(colours).without_time().with_target(false);
        let lines = lines.with_writer(move || Events { to: writer.clone(), colours });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let error = "no such host\nERROR the database is gone\r\n\u{1b}[2K\u{8}done\tä";
            tracing::warn!(error = %error, "{error}");
            tracing::info!("all is well");
        });
        let shown = shared.0.lock().unwrap().clone();
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn what_is_logged_cannot_look_like_a_line_of_the_log() {
        let shown = shown(false);
        let starts: Vec<&str> = shown.lines().map(|line| line.get(..5).unwrap_or(line)).collect();
        assert_eq!(starts, [" WARN", "  | E", "  | \\", "  | E", "  | \\", " INFO"], "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
        assert!(shown.contains("done\tä"), "{shown}");
    }

    #[test]
    fn of_what_a_terminal_obeys_only_colours_pass() {
        let shown = shown(true);
        assert!(shown.contains("\u{1b}[33m WARN\u{1b}[0m"), "{shown:?}");
        assert!(!shown.contains("\u{1b}[2K") && !shown.contains('\u{8}'), "{shown:?}");
    }

    #[test]
    fn a_malformed_filter_is_refused_and_the_default_is_not() {
        assert!(parse(DEFAULT_FILTER).is_ok());
        assert!(matches!(parse("cuetone=shout"), Err(LogError::Filter { .. })));
    }
}
