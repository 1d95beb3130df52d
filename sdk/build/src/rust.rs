//! Rust plugins. A placeholder until the language comes.

use std::path::Path;

use crate::{BuildError, Core, Manifest};

pub fn build(_project: &Path, _manifest: &Manifest, _say: &mut dyn FnMut(&str)) -> Result<Core, BuildError> {
    Err(BuildError::Failed { tool: "cuetone".into(), output: "Rust cannot be built yet".into() })
}
