//! `cuetone rules check`: compiles scripts and tries each once.

use std::{fmt::Write, path::Path, sync::Arc};

use serde_json::{Value, json};

use super::{CheckArgs, Format, RulesError, files};
use crate::extension::{ExtensionError, Point, ScriptSource, rhai::Host};

pub fn execute(arguments: &CheckArgs) -> Result<(String, bool), RulesError> {
    let host = Arc::new(Host::new()?);
    let mut results = Vec::new();
    for path in files::scripts(&arguments.paths)? {
        let text = files::read(&path)?;
        results.push((path.display().to_string(), check(&host, &path, &text, arguments.point)));
    }
    let success = results.iter().all(|(_, result)| result.is_ok());
    let text = match arguments.format {
        Format::Json => {
            let shown: Vec<Value> = results.iter().map(|(path, result)| as_json(path, result)).collect();
            format!("{:#}\n", Value::Array(shown))
        }
        Format::Human => results.iter().fold(String::new(), |mut text, (path, result)| {
            let _ = match result {
                Ok(fine) => writeln!(
                    text,
                    "ok    {path}  {}, {} operations, version {}",
                    fine.signature, fine.operations, fine.version
                ),
                Err(error) => writeln!(text, "FAIL  {}", error.to_string().replace('\n', "\n    ")),
            };
            text
        }),
    };
    Ok((text, success))
}

struct Fine {
    point: Point,
    signature: String,
    operations: u64,
    version: String,
}

fn check(host: &Arc<Host>, path: &Path, text: &str, point: Option<Point>) -> Result<Fine, RulesError> {
    let script = files::load(host, path, text, point)?;
    let usage = script.trial()?;
    let name = script.path().to_owned();
    let starts = format!("{}(", script.function());
    let signature = script.functions().into_iter().find(|function| function.starts_with(&starts)).unwrap_or_default();
    Ok(Fine {
        point: script.point(),
        signature: format!("{}: {signature}", script.point()),
        operations: usage.operations,
        version: ScriptSource { name: &name, text }.version(),
    })
}

fn as_json(path: &str, result: &Result<Fine, RulesError>) -> Value {
    match result {
        Ok(fine) => json!({ "path": path, "ok": true, "point": fine.point.as_str(), "operations": fine.operations,
            "version": fine.version }),
        Err(RulesError::Extension(
            ExtensionError::Compile { line, column, message, hint, .. }
            | ExtensionError::Runtime { line, column, message, hint, .. },
        )) => json!({ "path": path, "ok": false, "line": line, "column": column, "error": message, "hint": hint }),
        Err(error) => json!({ "path": path, "ok": false, "error": error.to_string() }),
    }
}
