//! `cuetone rules test`: runs the tests beside scripts.

use std::{path::Path, sync::Arc};

use super::{RulesError, TestArgs, files};
use crate::{
    cli::cases::{FileOutcome, report, run_text},
    extension::rhai::Host,
};

pub fn execute(arguments: &TestArgs) -> Result<(String, bool), RulesError> {
    let host = Arc::new(Host::new()?);
    let files = files::tests(&arguments.paths)?;
    let outcomes: Result<Vec<FileOutcome>, RulesError> = files.iter().map(|path| test_file(&host, path)).collect();
    let outcomes = outcomes?;
    let success = outcomes.iter().all(FileOutcome::passed);
    Ok((report(&outcomes, arguments.format), success))
}

/// Runs one test file against the script beside it.
pub fn test_file(host: &Arc<Host>, path: &Path) -> Result<FileOutcome, RulesError> {
    let script_path = files::script_of(path);
    let text = files::read(path)?;
    let script_text = files::read(&script_path)?;
    let shown = path.display().to_string();
    Ok(match files::load(host, &script_path, &script_text, None) {
        Ok(script) => run_text(&script, &shown, &text),
        Err(error) => FileOutcome::broken(&shown, error.to_string()),
    })
}
