//! Tests of extensions in YAML: what is given, what is expected, and whom to ask. The same file runs against a script, a
//! plugin in any language, and code of ours.

mod answer;
mod compare;
mod given;
mod report;
mod run;
mod subject;

pub use answer::{AskError, Given, Outcome as Answered, ask};
pub use report::report;
pub use run::{FileOutcome, Outcome, run_text};
pub use subject::{Subject, Told, Usage};
