//! Finds scripts and their tests, and reads them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::RulesError;
use crate::extension::{
    Point, ScriptSource,
    rhai::{Host, Script},
};

const SCRIPT: &str = ".rhai";
const DEFINITIONS: &str = ".d.rhai";
const TESTS: &str = ".test.yaml";

/// Folders that hold no rules but many files.
const SKIPPED: [&str; 3] = ["target", "node_modules", "data"];

/// Deeper than any tenant's folder; ends circles of links.
const MAX_FOLDER_DEPTH: usize = 12;

pub fn read(path: &Path) -> Result<String, RulesError> {
    std::fs::read_to_string(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => neighbours(path),
            std::io::ErrorKind::IsADirectory => Some("this is a folder; name a file in it".to_owned()),
            _ => None,
        };
        RulesError::Read { path: path.display().to_string(), reason: error.to_string(), hint }
    })
}

/// The scripts that do exist where one was looked for.
fn neighbours(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| name(path).ends_with(SCRIPT) || name(path).ends_with(TESTS))
        .map(|path| path.display().to_string())
        .collect();
    names.sort();
    (!names.is_empty()).then(|| format!("there are {}", names.join(", ")))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// All scripts that `paths` name or contain, sorted.
pub fn scripts(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RulesError> {
    let is_script = |name: &str| name.ends_with(SCRIPT) && !name.ends_with(DEFINITIONS);
    let found = search(paths, &is_script)?;
    if found.is_empty() {
        return Err(nothing(paths, "check", "scripts end in .rhai"));
    }
    Ok(found)
}

/// All test files that `paths` name or contain; a script stands for the tests beside it.
pub fn tests(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RulesError> {
    let beside = |path: &PathBuf| {
        let name = name(path);
        match name.strip_suffix(SCRIPT).filter(|_| path.is_file()) {
            Some(stem) => path.with_file_name(format!("{stem}{TESTS}")),
            None => path.clone(),
        }
    };
    let found = search(&paths.iter().map(beside).collect::<Vec<_>>(), &|name| name.ends_with(TESTS))?;
    if found.is_empty() {
        return Err(nothing(paths, "test", "the tests of x.rhai stand beside it in x.test.yaml"));
    }
    Ok(found)
}

fn nothing(paths: &[PathBuf], what: &'static str, hint: &'static str) -> RulesError {
    let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    RulesError::Nothing { paths, what, hint }
}

/// The script that a test file is about.
pub fn script_of(tests: &Path) -> PathBuf {
    let name = name(tests);
    tests.with_file_name(format!("{}{SCRIPT}", name.strip_suffix(TESTS).unwrap_or(&name)))
}

fn search(paths: &[PathBuf], wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>, RulesError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, wanted, &mut found, 0)?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Vec<PathBuf>,
    depth: usize,
) -> Result<(), RulesError> {
    let entries = std::fs::read_dir(folder).map_err(|error| RulesError::Read {
        path: folder.display().to_string(),
        reason: error.to_string(),
        hint: None,
    })?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = name(&path);
        if path.is_dir() {
            if depth < MAX_FOLDER_DEPTH && !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                walk(&path, wanted, found, depth + 1)?;
            }
        } else if wanted(&name) {
            found.push(path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path));
        }
    }
    Ok(())
}

/// Compiles a script for the point that was asked for, that its folder names, or that its functions tell.
pub fn load(host: &Arc<Host>, path: &Path, text: &str, point: Option<Point>) -> Result<Script, RulesError> {
    let shown = path.display().to_string();
    let source = ScriptSource { name: &shown, text };
    let folder = || path.parent()?.file_name()?.to_str()?.parse().ok();
    let point = match point.or_else(folder) {
        Some(point) => point,
        None => Script::guess_point(host, source)?.ok_or(RulesError::Point { path: shown.clone() })?,
    };
    Ok(Script::load(host, source, point)?.keep_log())
}
