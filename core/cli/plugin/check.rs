//! `cuetone plugin check`.

use std::{process::ExitCode, time::Instant};

use clap::Args;
use serde_json::json;

use super::{Format, Which, load, needs_config, read_config};
use crate::extension::{ExtensionError, ScriptSource, secrets};

/// Says what a plugin is and whether a server would take it.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    which: Which,
    /// The configuration for the trial call, as JSON or YAML.
    #[arg(long, value_name = "TEXT", default_value = "{}")]
    config: String,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (file, bytes) = self.which.read()?;
        let config = read_config(&self.config)?;
        let without = config == json!({});
        let started = Instant::now();
        let plugin = load(&file, &bytes)?;
        let compiled = started.elapsed();
        let (about, budget) = (plugin.metadata().clone(), plugin.budget());
        let tried = (*plugin).clone().trial(&secrets::hide_for_trial(&config));
        let packed = crate::bundle::pack(&bytes);
        let version = ScriptSource { name: "plugin.wasm", text: &packed }.version();
        let path = file.display();
        if self.format == Format::Json {
            let trial = match &tried {
                Ok(used) => json!({"microseconds": used.elapsed.as_micros() as u64, "memory_bytes": used.memory_bytes}),
                Err(ExtensionError::Refused { message, .. }) if without => json!({"needs_config": message}),
                Err(error) => json!({"error": error.to_string(), "kind": error.kind()}),
            };
            let document = json!({"path": path.to_string(), "plugin": about, "hash": version, "bytes": bytes.len(),
                "packed_bytes": packed.len(), "compiled_ms": compiled.as_millis() as u64, "trial": trial});
            println!("{document:#}");
        } else {
            let mut rows = vec![
                ("hash", version),
                ("written", format!("in {}; licence {}", or_unknown(&about.language), or_unknown(&about.licence))),
                ("size", format!("{} KiB, kept as {} KiB", bytes.len().div_ceil(1024), packed.len().div_ceil(1024))),
                ("compiled", format!("in {} ms", compiled.as_millis())),
                ("limits", format!("{:?} and {} MiB a call", budget.deadline, budget.memory_bytes / 1024 / 1024)),
            ];
            if !about.counters.is_empty() {
                let counters: Vec<String> = about.counters.iter().map(ToString::to_string).collect();
                rows.push(("counters", format!("{}, where the tenant grants them", counters.join(", "))));
            }
            let trial = match &tried {
                Ok(used) => {
                    format!("answered in {:?} with {} KiB", used.elapsed, used.memory_bytes.div_ceil(1024))
                }
                Err(ExtensionError::Refused { message, .. }) if without => needs_config(message),
                Err(error) => format!("FAILED: {error}"),
            };
            rows.push(("trial", trial));
            let rows: String = rows.iter().map(|(name, what)| format!("  {name:<9} {what}\n")).collect();
            print!("{path}: {} {} for {}\n{rows}", about.name, about.version, about.point);
        }
        // As `pack` and an upload see it: only the mount has to work, with its configuration.
        let works = match tried {
            Ok(_) => true,
            Err(error) => without && matches!(error, ExtensionError::Refused { .. }),
        };
        Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
