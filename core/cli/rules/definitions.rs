//! `cuetone rules definitions`: what editors complete and check scripts with.

use super::{DefinitionsArgs, RulesError};
use crate::extension::rhai::{
    Host,
    definitions::{definition_file, reference},
};

pub fn execute(arguments: &DefinitionsArgs) -> Result<(String, bool), RulesError> {
    let host = Host::new()?;
    let text = if arguments.markdown { reference(host.vocabulary()) } else { definition_file(host.vocabulary()) };
    let Some(path) = &arguments.out else { return Ok((text, true)) };
    let failed =
        |error: std::io::Error| RulesError::Write { path: path.display().to_string(), reason: error.to_string() };
    std::fs::write(path, text).map_err(failed)?;
    Ok((format!("written to {}\n", path.display()), true))
}
