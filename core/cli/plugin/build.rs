//! `cuetone plugin new` and `cuetone plugin build`.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Args, ValueEnum};
use cuetone_build::{BUILD_DIR, Language, Point};

/// Writes a plugin that works: a starting point for yours.
#[derive(Args)]
pub struct New {
    /// What it is called: small letters, digits and dashes.
    name: String,
    /// What it decides.
    #[arg(long, value_enum)]
    point: PointName,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    language: LanguageName,
    /// Where to; a folder of its name where not given.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Builds a plugin's folder; installs the language's component tools into a cache the first time.
#[derive(Args)]
pub struct Build {
    /// The folder with plugin.yaml.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum PointName {
    /// Finds ad breaks.
    Detect,
    /// Keeps, drops or scores ads.
    Targeting,
    /// Chooses the ads of a break.
    Fill,
    /// Sends events elsewhere.
    Sink,
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageName {
    Rust,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    Python,
    C,
    Zig,
}

impl New {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let point = match self.point {
            PointName::Detect => Point::Detect,
            PointName::Targeting => Point::Targeting,
            PointName::Fill => Point::Fill,
            PointName::Sink => Point::Sink,
        };
        let language = match self.language {
            LanguageName::Rust => Language::Rust,
            LanguageName::JavaScript => Language::JavaScript,
            LanguageName::TypeScript => Language::TypeScript,
            LanguageName::Python => Language::Python,
            LanguageName::C => Language::C,
            LanguageName::Zig => Language::Zig,
        };
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        for file in cuetone_build::new_project(&folder, &self.name, point, language)? {
            println!("{}", file.display());
        }
        let folder = folder.display();
        println!("\nNext: cuetone plugin build {folder} && cuetone plugin test {folder}");
        Ok(ExitCode::SUCCESS)
    }
}

impl Build {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let built = cuetone_build::build(&self.folder, &mut |doing| eprintln!("{doing}"))?;
        println!(
            "{}: {} {} for {}, {} KiB, built in {:.1} s with {}",
            self.folder.join(BUILD_DIR).join(format!("{}.wasm", built.manifest.name)).display(),
            built.manifest.name,
            built.manifest.version,
            built.manifest.point,
            built.component.len().div_ceil(1024),
            started.elapsed().as_secs_f64(),
            built.toolchain,
        );
        Ok(ExitCode::SUCCESS)
    }
}
