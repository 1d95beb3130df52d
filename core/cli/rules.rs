//! `cuetone rules …`: what authors of rules need at their desk. Runs scripts with the same engine, limits and checks as
//! the server, and needs neither server nor network.

mod check;
mod definitions;
mod explain;
mod files;
mod run;
mod test;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

pub use super::Format;
use crate::extension::{ExtensionError, Point};

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Compile scripts and try each once with a typical input.
    Check(CheckArgs),
    /// Run the `x.test.yaml` files beside scripts.
    Test(TestArgs),
    /// Run one script with an input of yours and print its answer.
    Run(RunArgs),
    /// Tell what a script is for, what it reads, what it costs and what limits it has.
    Explain(ExplainArgs),
    /// Print the definition file for editors.
    Definitions(DefinitionsArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scripts, such as rules/kids.rhai, or folders with scripts.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The point that the scripts are for: detect, targeting, fill or sink. Guessed from the folder or the functions.
    #[arg(long = "as", value_name = "POINT")]
    pub point: Option<Point>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Test files, scripts that have one beside them, or folders to search.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    pub file: PathBuf,
    /// A file with what a test has under `given:`; `-` reads the standard input.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    #[arg(long = "as", value_name = "POINT")]
    pub point: Option<Point>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    pub file: PathBuf,
    #[arg(long = "as", value_name = "POINT")]
    pub point: Option<Point>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct DefinitionsArgs {
    /// Write it here instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The reference tables of rules/README.md instead.
    #[arg(long)]
    pub markdown: bool,
}

/// Why a command could not do its work. That a script or a test fails is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read {path}: {reason}{}", hint.as_ref().map(|h| format!("\n  hint: {h}")).unwrap_or_default())]
    Read { path: String, reason: String, hint: Option<String> },
    #[error("cannot write {path}: {reason}")]
    Write { path: String, reason: String },
    #[error("{path}: {reason}")]
    Input { path: String, reason: String },
    #[error(
        "{path}: cannot tell which point this script is for\n  hint: define detect, target, fill or deliver; put it into a folder detect/, targeting/, fill/ or sink/; or say --as POINT"
    )]
    Point { path: String },
    #[error("{paths}: nothing here to {what}\n  hint: {hint}")]
    Nothing { paths: String, what: &'static str, hint: &'static str },
    #[error(transparent)]
    Extension(#[from] ExtensionError),
}

/// Exit code 0: all is well. 1: a script or test failed. 2: the command could not do its work.
pub fn run(command: RulesCommand) -> ExitCode {
    match execute(command) {
        Ok((text, success)) => {
            print(&text);
            if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            report(&error);
            ExitCode::from(2)
        }
    }
}

/// What to print, and whether all scripts and tests are well.
pub fn execute(command: RulesCommand) -> Result<(String, bool), RulesError> {
    match command {
        RulesCommand::Check(arguments) => check::execute(&arguments),
        RulesCommand::Test(arguments) => test::execute(&arguments),
        RulesCommand::Run(arguments) => run::execute(&arguments),
        RulesCommand::Explain(arguments) => explain::execute(&arguments),
        RulesCommand::Definitions(arguments) => definitions::execute(&arguments),
    }
}

/// A reader that closes early (`| head`) is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn report(error: &RulesError) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "error: {error}");
}

#[cfg(test)]
mod tests;
