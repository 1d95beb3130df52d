//! The command line: one file per command.

mod bundle;
pub mod cases;
mod decisions;
mod export;
mod keys;
pub mod plugin;
mod reports;
pub mod rules;
mod serve;
mod sinks;
mod tracking;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::Config;

/// An ad server for FAST channels that tenants change while it runs.
///
/// Start with `cuetone demo`: it needs nothing else and prints what to open. A real server is `cuetone serve` with a
/// cuetone.yaml, and tenants that you apply to it: `cuetone apply my-tenant/`.
#[derive(Parser)]
#[command(name = "cuetone", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Run a server with an origin, two tenants and ads of its own, and a page to watch it all.
    Demo(serve::Demo),
    /// Validate a tenant's folder and activate it.
    Apply(bundle::Apply),
    /// Validate a tenant's folder and change nothing.
    Check(bundle::Check),
    /// Write a tenant into a folder that can be applied.
    Export(export::Export),
    /// Make, list, replace and revoke API keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Look at what was decided, and decide it again with other rules.
    #[command(subcommand)]
    Decisions(decisions::DecisionsCommand),
    /// Check, close, recount and export reports.
    #[command(subcommand)]
    Reports(reports::ReportsCommand),
    /// See that events are counted.
    #[command(subcommand)]
    Tracking(tracking::TrackingCommand),
    /// See how sinks do, and deliver again what they could not.
    #[command(subcommand)]
    Sinks(sinks::SinksCommand),
    /// Write and test rule scripts.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Start, build, test and pack plugins.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Print a completion script for your shell.
    Completions { shell: clap_complete::Shell },
}

/// Where the server's settings come from.
#[derive(Args)]
pub struct Settings {
    /// The server's settings; examples/cuetone.yaml explains each. Without it, the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database and keys live.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
        if let Some(data) = &self.data {
            config.data_dir.clone_from(data);
        }
        Ok(config)
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// The exit code of a program that wrote to nobody, as shells know it: 128 and the signal SIGPIPE.
const NOBODY_READS: i32 = 141;

/// `cuetone … | head -1` ends when head has what it wants, and without words: Rust would panic where it prints.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(NOBODY_READS);
        }
        usual(panic);
    }));
}

/// Runs the command line.
pub fn run() -> ExitCode {
    end_quietly_when_nobody_reads();
    let outcome = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Apply(apply) => apply.run(),
        Command::Check(check) => check.run(),
        Command::Export(export) => export.run(),
        Command::Keys(command) => command.run(),
        Command::Decisions(command) => command.run(),
        Command::Reports(command) => command.run(),
        Command::Tracking(command) => command.run(),
        Command::Sinks(command) => command.run(),
        Command::Rules(command) => return rules::run(command),
        Command::Plugin(command) => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cuetone", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
