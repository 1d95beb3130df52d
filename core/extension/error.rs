//! Why a call into an extension gave no answer.

use std::time::Duration;

#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum ExtensionError {
    /// The script does not compile, or lacks the function its point needs.
    #[error("{path}:{line}:{column}: {message}{}", hint.as_ref().map(|h| format!("\n  hint: {h}")).unwrap_or_default())]
    Compile { path: String, line: usize, column: usize, message: String, hint: Option<String> },
    /// The component is none, too large, or does not keep to the contract.
    #[error("{path}: {message}{}", hint.as_ref().map(|h| format!("\n  hint: {h}")).unwrap_or_default())]
    Component { path: String, message: String, hint: Option<String> },
    /// It ran and failed.
    #[error("{path}:{line}:{column}: {message}{}", hint.as_ref().map(|h| format!("\n  hint: {h}")).unwrap_or_default())]
    Runtime { path: String, line: usize, column: usize, message: String, hint: Option<String> },
    /// A plugin did what WebAssembly forbids, or gave up: its own panic.
    #[error("{path}: it trapped: {message}\n{backtrace}")]
    Trap { path: String, message: String, backtrace: String },
    /// A plugin said by itself that it cannot answer.
    #[error("{path}: {message}")]
    Refused { path: String, message: String },
    #[error("{path}: stopped after {limit:?}, its time limit")]
    Deadline { path: String, limit: Duration },
    #[error("{path}: stopped at its limit: {what}")]
    Limit { path: String, what: String },
    /// It answered, but not with what its point allows.
    #[error("{path}: {message}")]
    Answer { path: String, message: String },
    /// The host itself failed while it worked for the extension. The call is lost, the server is not.
    #[error("{path}: the host failed while running it: {message}")]
    Panic { path: String, message: String },
    /// Its tenant's extensions have used up what they may use together: the host does not ask it for a moment, or stops it
    /// where it wants more memory.
    #[error("{path}: refused: the tenant's extensions have used up their {what}")]
    Quota { path: String, what: String },
    /// Others used the processors: no place to run it became free, or it was stopped before it had the processor time that
    /// it may have.
    #[error(
        "{path}: the server is too busy: {what}; nothing is wrong with the extension: give the server more processors, or \
         less to do"
    )]
    Busy { path: String, what: String },
    /// It failed too often lately; the host does not ask it for a while.
    #[error("{path}: not asked: it failed {failures} times in a row (circuit open)")]
    CircuitOpen { path: String, failures: u32 },
}

impl ExtensionError {
    /// A short, stable name for metrics and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Compile { .. } | Self::Component { .. } => "compile",
            Self::Runtime { .. } | Self::Refused { .. } => "runtime",
            Self::Trap { .. } => "trap",
            Self::Deadline { .. } => "deadline",
            Self::Limit { .. } => "limit",
            Self::Answer { .. } => "answer",
            Self::Panic { .. } => "panic",
            Self::Quota { .. } => "quota",
            Self::Busy { .. } => "busy",
            Self::CircuitOpen { .. } => "circuit_open",
        }
    }

    /// The host did not ask it, or stopped it, for what others use: that says nothing about the extension. An open circuit
    /// does: it opens for nothing else than failures of its own.
    pub fn is_the_hosts(&self) -> bool {
        matches!(self, Self::Quota { .. } | Self::Busy { .. })
    }
}
