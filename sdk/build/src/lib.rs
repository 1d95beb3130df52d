//! Starts and builds plugins of Cuetone: from a folder of sources to one WebAssembly component.
//!
//! Each language has a module that finds its toolchain and compiles; all else is the same for all. This crate does not
//! know the server: what it shares with it is the contract, `sdk/wit`.

mod c;
pub mod component;
mod error;
mod javascript;
mod manifest;
mod project;
mod python;
mod rust;
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use error::BuildError;
pub use manifest::{CONTRACT, Language, LeftOut, MANIFEST_FILE, Manifest, Point};
pub use project::new_project;

/// The folder of a project for all that is built.
pub const BUILD_DIR: &str = "build";

/// What a language's compiler made.
pub struct Core {
    /// A core module with the contract's types embedded, or a component where the language's own tool makes one.
    pub module: Vec<u8>,
    /// Names and versions of what compiled it, for people.
    pub toolchain: String,
}

/// What `build` made.
pub struct Built {
    pub component: Vec<u8>,
    pub manifest: Manifest,
    /// Names and versions of what compiled it, for people.
    pub toolchain: String,
    /// `build/<name>.wasm` in the project.
    pub written: PathBuf,
}

/// Builds the project into `build/<name>.wasm`. `say` is told what takes long.
pub fn build(project: &Path, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    // First: it says what to do where there is no such folder.
    let manifest = Manifest::read(project)?;
    let project = &project.canonicalize().map_err(BuildError::io(project))?;
    let Core { module, toolchain } = match manifest.language {
        Language::Rust => rust::build(project, &manifest, say),
        Language::JavaScript | Language::TypeScript => javascript::build(project, &manifest, say),
        Language::Python => python::build(project, &manifest, say),
        Language::C | Language::Zig => c::build(project, &manifest, say),
    }?;
    let component = component::finish(&module, &manifest)?;
    let written = build_dir(project)?.join(format!("{}.wasm", manifest.name));
    write_whole(&written, &component)?;
    Ok(Built { component, manifest, toolchain, written })
}

/// The project's folder for what is built, made if need be.
fn build_dir(project: &Path) -> Result<PathBuf, BuildError> {
    let dir = project.join(BUILD_DIR);
    fs::create_dir_all(&dir).map_err(BuildError::io(&dir))?;
    Ok(dir)
}

/// Writes beside and renames, so that nobody reads half a file.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    let beside = path.with_extension("wasm.new");
    fs::write(&beside, content).map_err(BuildError::io(&beside))?;
    fs::rename(&beside, path).map_err(BuildError::io(path))
}
