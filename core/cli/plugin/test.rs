//! `cuetone plugin test`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;

use super::{Format, Which};
use crate::cli::cases::{FileOutcome, report, run_text};

/// Runs tests of the same form as those of scripts (rules/README.md) against a plugin.
#[derive(Args)]
pub struct Test {
    #[command(flatten)]
    which: Which,
    /// A file of tests; without it all *.test.yaml beside plugin.yaml or the .wasm file.
    #[arg(long, value_name = "FILE")]
    cases: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Test {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let plugin = self.which.load()?;
        let files = if self.cases.is_empty() { self.beside()? } else { self.cases.clone() };
        let mut outcomes = Vec::new();
        for file in &files {
            let shown = file.display().to_string();
            let text = std::fs::read_to_string(file).with_context(|| shown.clone())?;
            outcomes.push(run_text(&plugin, &shown, &text));
        }
        print!("{}", report(&outcomes, self.format));
        let passed = outcomes.iter().all(FileOutcome::passed);
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn beside(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = &self.which.path;
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let file = entry?.path();
            if file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.yaml")) {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            bail!("there is no *.test.yaml in {}: write one, or name one with --cases", folder.display());
        }
        Ok(files)
    }
}
