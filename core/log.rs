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
            let lines = lines.with_writer(|| Events(io::stderr())).with_ansi(io::stderr().is_terminal());
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
struct Events<W>(W);

impl<W: Write> Write for Events<W> {
    /// Takes a whole event with the end of its line: so the formatter hands them over. Escape sequences in it are the
    /// formatter's colours; those of others it has written out already.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let moves = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\x1b');
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        if !text.iter().any(|byte| moves(*byte)) {
            return self.0.write_all(event).map(|()| event.len());
        }
        let mut line = Vec::with_capacity(event.len() * 2);
        for byte in text {
            match *byte {
                b'\n' => line.extend_from_slice(GOES_ON),
                byte if moves(byte) => line.extend(byte.escape_ascii()),
                byte => line.push(byte),
            }
        }
        line.push(b'\n');
        self.0.write_all(&line).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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

    #[test]
    fn what_is_logged_cannot_look_like_a_line_of_the_log() {
        let shared = Shared::default();
        let writer = shared.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_target(false);
        let log = tracing_subscriber::registry().with(lines.with_writer(move || Events(writer.clone())));
        tracing::subscriber::with_default(log, || {
            let error = "no such host\nERROR the database is gone\r\n\u{1b}[2K\u{8}done\tä";
            tracing::warn!(error = %error, "{error}");
            tracing::info!("all is well");
        });
        let shown = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let starts: Vec<&str> = shown.lines().map(|line| line.get(..5).unwrap_or(line)).collect();
        assert_eq!(starts, [" WARN", "  | E", "  | \\", "  | E", "  | \\", " INFO"], "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
        assert!(shown.contains("done\tä"), "{shown}");
    }

    #[test]
    fn a_malformed_filter_is_refused_and_the_default_is_not() {
        assert!(parse(DEFAULT_FILTER).is_ok());
        assert!(matches!(parse("cuetone=shout"), Err(LogError::Filter { .. })));
    }
}
