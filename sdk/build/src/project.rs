//! Starts a project from the templates that this crate carries.

use std::{
    fs,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};

use crate::{BuildError, Language, MANIFEST_FILE, Point, manifest::check_name};

const MANIFEST: &str = include_str!("../template/plugin.yaml");
/// The contract.
static WIT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../wit/v1");
/// What Rust plugins depend on, copied so that a project builds as it is.
static RUST_CRATE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../rust/src");
const RUST_CRATE_MANIFEST: &str = include_str!("../../rust/Cargo.toml");
/// Tests of what the templates do, by point.
static TESTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../tests/conformance");
/// By language: `all` for every point, and a folder for each.
static RUST: Dir = include_dir!("$CARGO_MANIFEST_DIR/../rust/template");
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
    fs::create_dir_all(dir).map_err(BuildError::io(dir))?;
    writer.file(&dir.join(MANIFEST_FILE), MANIFEST)?;
    let template = match language {
        Language::Rust => &RUST,
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
    if let Some(tests) = TESTS.get_file(format!("{point}.test.yaml")).and_then(|file| file.contents_utf8()) {
        writer.file(&dir.join(format!("{name}.test.yaml")), tests)?;
    }
    match language {
        Language::Rust => {
            let to = dir.join("cuetone-plugin");
            writer.folder(&RUST_CRATE, &to.join("src"))?;
            writer.folder(&WIT, &to.join("wit"))?;
            writer.file(&to.join("Cargo.toml"), RUST_CRATE_MANIFEST)?;
        }
        _ => writer.folder(&WIT, &dir.join("wit"))?,
    }
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
            let (Some(name), Some(text)) = (file.path().file_name(), file.contents_utf8()) else { continue };
            let path = to.join(name);
            // A `Cargo.toml` among the templates would make a package of them.
            match path.extension().is_some_and(|extension| extension == "in") {
                true => self.file(&path.with_extension(""), text)?,
                false => self.file(&path, text)?,
            }
        }
        for inner in folder.dirs() {
            let Some(name) = inner.path().file_name() else { continue };
            self.folder(inner, &to.join(name))?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, text: &str) -> Result<(), BuildError> {
        fs::write(path, self.filled(text)).map_err(BuildError::io(path))?;
        self.written.push(path.into());
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
