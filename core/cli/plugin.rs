//! `cuetone plugin …`: what authors of plugins need at their desk, from an empty folder to a file that a tenant mounts.
//! Runs plugins with the same engine, limits and checks as the server, and needs neither server nor network.

mod bench;
mod build;
mod check;
pub mod native;
mod pack;
mod test;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use self::bench::{ask, sizes, starter_config, starter_script};
use super::Format;
use crate::extension::wasm::{Host, Plugin};

#[derive(Subcommand)]
pub enum PluginCommand {
    /// Start a plugin: writes a small one that works, in the language of your choice.
    New(build::New),
    /// Build a plugin's folder into one .wasm file.
    Build(build::Build),
    /// Look into a plugin, compile it, and try it once as a server would.
    Check(check::Check),
    /// Run the tests of a plugin: the *.test.yaml files of its folder.
    Test(test::Test),
    /// Measure what a call costs, beside the same policy in Rust and in Rhai.
    Bench(bench::Bench),
    /// Check a plugin and write the file to ship, signed if you have a key.
    Pack(pack::Pack),
    /// Make a key to sign plugins with.
    Keygen(pack::Keygen),
}

impl PluginCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(command) => command.run(),
            Self::Build(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Test(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Pack(command) => command.run(),
            Self::Keygen(command) => command.run(),
        }
    }
}

/// Which plugin.
#[derive(Args)]
struct Which {
    /// A .wasm file, or a plugin's folder after `cuetone plugin build`.
    #[arg(value_name = "FILE|FOLDER", default_value = ".")]
    path: PathBuf,
}

impl Which {
    /// The plugin's file.
    fn file(&self) -> anyhow::Result<PathBuf> {
        if !self.path.is_dir() {
            return Ok(self.path.clone());
        }
        let manifest = cuetone_build::Manifest::read(&self.path)?;
        let built = self.path.join(cuetone_build::BUILD_DIR).join(format!("{}.wasm", manifest.name));
        if !built.is_file() {
            bail!("{} is not there yet: run `cuetone plugin build {}`", built.display(), self.path.display());
        }
        Ok(built)
    }

    fn read(&self) -> anyhow::Result<(PathBuf, Vec<u8>)> {
        let file = self.file()?;
        let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        Ok((file, bytes))
    }

    /// Compiled, for whichever point it is made.
    fn load(&self) -> anyhow::Result<Arc<Plugin>> {
        let (file, bytes) = self.read()?;
        load(&file, &bytes)
    }
}

/// The text of `--config`: a mapping, as a mount's `config:` is.
fn read_config(text: &str) -> anyhow::Result<Value> {
    let config: Value = serde_yaml::from_str(text).context("--config is neither JSON nor YAML")?;
    match config {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(config),
        other => bail!("--config: {other} is no mapping of names to values, such as '{{\"url\": \"https://…\"}}'"),
    }
}

/// What to do about a plugin that refuses to work without the configuration that only its tenant knows.
fn needs_config(message: &str) -> String {
    format!("needs a configuration ({message}): try again with --config '{{…}}'")
}

/// Compiles a plugin as a server does, and keeps what it logs.
pub fn load(file: &Path, bytes: &[u8]) -> anyhow::Result<Arc<Plugin>> {
    let host = Arc::new(Host::new(None)?);
    let plugin = Plugin::load(&host, bytes, &file.display().to_string(), None)?;
    Ok(Arc::new(plugin.keep_log()))
}
