//! `cuetone rules run`: one script, one input, one answer.

use std::{fmt::Write, io::Read, path::Path, sync::Arc};

use serde_json::json;

use super::{Format, RulesError, RunArgs, files};
use crate::{
    cli::cases::{AskError, Given, ask},
    extension::rhai::Host,
};

/// More than any input that a person writes; keeps a wrong pipe from filling the memory.
const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;

pub fn execute(arguments: &RunArgs) -> Result<(String, bool), RulesError> {
    let host = Arc::new(Host::new()?);
    let text = files::read(&arguments.file)?;
    let script = files::load(&host, &arguments.file, &text, arguments.point)?;
    let input = read_input(&arguments.input)?;
    let path = arguments.input.display().to_string();
    let given = Given::from_yaml(script.point(), &input)
        .map_err(|error| RulesError::Input { path: path.clone(), reason: error.to_string() })?;
    match ask(&script, &given) {
        Ok(outcome) => {
            let (micros, operations) =
                (outcome.usage.elapsed.as_micros(), outcome.usage.operations.unwrap_or_default());
            if arguments.format == Format::Json {
                let document = json!({ "answer": outcome.answer, "log": outcome.log, "operations": operations,
                    "microseconds": u64::try_from(micros).unwrap_or(u64::MAX) });
                return Ok((format!("{document:#}\n"), true));
            }
            let mut shown = format!("{:#}\n", outcome.answer);
            for line in &outcome.log {
                let _ = writeln!(shown, "log: {line}");
            }
            let _ = writeln!(shown, "in {micros} µs, {operations} operations");
            Ok((shown, true))
        }
        Err(AskError::Input(reason)) => Err(RulesError::Input { path, reason }),
        Err(AskError::Extension(error)) if arguments.format == Format::Json => {
            Ok((format!("{:#}\n", json!({ "error": error.to_string(), "kind": error.kind() })), false))
        }
        Err(AskError::Extension(error)) => Ok((format!("FAIL  {error}\n"), false)),
    }
}

fn read_input(path: &Path) -> Result<String, RulesError> {
    if path != Path::new("-") {
        return files::read(path);
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text).map_err(|error| RulesError::Read {
        path: "the standard input".to_owned(),
        reason: error.to_string(),
        hint: None,
    })?;
    Ok(text)
}
