//! What can go wrong between a folder of sources and a component. Every text says what to do next.

use std::{io, path::PathBuf};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum BuildError {
    #[error("{}: {problem}", path.display())]
    Manifest { path: PathBuf, problem: String },
    #[error("`{name}` is not a name for a plugin: {problem}")]
    Name { name: String, problem: String },
    #[error("{} is not empty: name a folder that does not exist yet", dir.display())]
    NotEmpty { dir: PathBuf },
    /// `install` is a whole sentence with the commands.
    #[error("{tool} was not found. {install}")]
    MissingTool { tool: String, install: String },
    /// `output` is what the tool wrote, unchanged.
    #[error("{tool} failed:\n{output}")]
    Failed { tool: String, output: String },
    #[error("the compiled module is not a component that a host can load: {problem}")]
    Encode { problem: String },
    #[error(
        "the plugin imports {}, which the host does not offer. It may import cuetone:extension/log, config, counters \
         and types only: no files, network, clock or randomness. Remove what pulls that in, often a dependency",
        names.join(", ")
    )]
    Imports { names: Vec<String> },
    #[error("plugin.yaml says `point: {point}`, but the plugin does not export {wanted}. Export it, or mend `point`")]
    Export { point: &'static str, wanted: String },
    // Not called `source`: who prints the chain of causes would print it twice.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl BuildError {
    /// For `map_err`: adds the path that an operation was about.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
