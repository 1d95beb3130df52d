//! Starts a project from the templates that this crate carries.

use std::{
    fs,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};

use crate::{BuildError, Language, Point, manifest::check_name};

/// What every project gets.
static PROJECT: Dir = include_dir!("$CARGO_MANIFEST_DIR/template");
/// The contract.
static WIT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../wit/v1");
/// By language: `all` for every point, and a folder for each.
static JAVASCRIPT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../js/javascript");
static TYPESCRIPT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../js/typescript");
static PYTHON: Dir = include_dir!("$CARGO_MANIFEST_DIR/../python/template");
static C: Dir = include_dir!("$CARGO_MANIFEST_DIR/../c/c");
static ZIG: Dir = include_dir!("$CARGO_MANIFEST_DIR/../c/zig");

/// Writes a project that builds and works into `dir`, which must be empty or not there. Answers the files written.
pub fn new_project(dir: &Path, name: &str, point: Point, language: Language) -> Result<Vec<PathBuf>, BuildError> {
    check_name(name).map_err(|problem| BuildError::Name { name: name.into(), problem })?;
    if dir.exists() && fs::read_dir(dir).map_err(BuildError::io(dir))?.next().is_some() {
        return Err(BuildError::NotEmpty { dir: dir.into() });
    }
    let mut writer = Writer { point, language, name, written: Vec::new() };
    writer.folder(&PROJECT, dir)?;
    let template = match language {
        Language::Rust => return Err(BuildError::Failed { tool: "cuetone".into(), output: "no template yet".into() }),
        Language::JavaScript => &JAVASCRIPT,
        Language::TypeScript => &TYPESCRIPT,
        Language::Python => &PYTHON,
        Language::C => &C,
        Language::Zig => &ZIG,
    };
    for part in ["all", point.name()] {
        if let Some(folder) = template.get_dir(part) {
            writer.folder(folder, dir)?;
        }
    }
    writer.folder(&WIT, &dir.join("wit"))?;
    Ok(writer.written)
}

struct Writer<'a> {
    point: Point,
    language: Language,
    name: &'a str,
    written: Vec<PathBuf>,
}

impl Writer<'_> {
    /// Writes the content of `folder` into `to`.
    fn folder(&mut self, folder: &Dir, to: &Path) -> Result<(), BuildError> {
        fs::create_dir_all(to).map_err(BuildError::io(to))?;
        for file in folder.files() {
            let Some(name) = file.path().file_name() else { continue };
            let path = to.join(name);
            let content = match file.contents_utf8() {
                Some(text) => self.filled(text).into_bytes(),
                None => file.contents().to_vec(),
            };
            fs::write(&path, content).map_err(BuildError::io(&path))?;
            self.written.push(path);
        }
        for inner in folder.dirs() {
            let Some(name) = inner.path().file_name() else { continue };
            self.folder(inner, &to.join(name))?;
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> String {
        // What the templates do not read. Only these two points see candidates.
        let leaves_out = match self.point {
            Point::Targeting => "[ids]",
            Point::Fill => "[ids, labels]",
            Point::Detect | Point::Sink => "[]",
        };
        text.replace("{{name}}", self.name)
            .replace("{{point}}", self.point.name())
            .replace("{{language}}", self.language.name())
            .replace("{{leaves_out}}", leaves_out)
    }
}
