//! `cuetone check` and `cuetone apply`: a tenant's folder, validated and activated.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{Format, Settings};
use crate::{
    app::{self, open_store},
    bundle::BundleFiles,
    domain::{Clock, SystemClock},
    extension::{Extensions, monotonic},
    registry::{self, Compiled, RegistryError},
    secret::{KEY_VARIABLE, MasterKey},
    store::{Author, Door, TenantScope},
};

#[derive(Args)]
pub struct Check {
    /// The tenant's folder: tenant.yaml and its scripts.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct Apply {
    /// The tenant's folder: tenant.yaml and its scripts.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Check {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let extensions = Extensions::new(monotonic())?;
        let mut good = true;
        for folder in &self.folders {
            good &= compile(folder, &extensions, self.format)
                .map(|compiled| {
                    let summary = describe(&compiled);
                    self.format.print(
                        &format!("{}: valid: {summary}", folder.display()),
                        || json!({"valid": true, "folder": folder}),
                    );
                })
                .is_ok();
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Apply {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?;
        let master_key = MasterKey::load(&config.data_dir, std::env::var(KEY_VARIABLE).ok().as_deref())?;
        // A plugin that is compiled here need not be compiled by the server.
        let extensions = app::extensions(&config, &master_key)?;
        let mut checked = Vec::new();
        for folder in &self.folders {
            match compile(folder, &extensions, self.format) {
                Ok(compiled) => checked.push((folder, compiled)),
                // A bad bundle changes nothing, and neither do its neighbours.
                Err(Reported) => return Ok(ExitCode::FAILURE),
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = open_store(&config).await?;
            for (folder, compiled) in checked {
                let scope = TenantScope::new(compiled.manifest.tenant.slug.clone());
                let before = registry::stored(&store, &scope).await?;
                let author = Author {
                    actor: "cuetone apply".into(),
                    door: Door::Apply,
                    summary: "bundle applied".into(),
                    request: None,
                };
                let now = SystemClock.now();
                let committed = registry::commit(&store, before.as_ref(), &compiled.manifest, &author, now).await?;
                let (version, changed) = (committed.version, committed.changed);
                let tenant = scope.tenant().as_str();
                let text = if changed {
                    format!(
                        "{}: {tenant} is now version {version} ({}); a running server on {} follows within a second",
                        folder.display(),
                        describe(&compiled),
                        config.data_dir.display()
                    )
                } else {
                    format!("{}: {tenant} is already version {version}; nothing changed", folder.display())
                };
                self.format.print(&text, || json!({"tenant": tenant, "version": version, "changed": changed}));
            }
            store.close().await;
            anyhow::Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The errors have been printed.
struct Reported;

fn compile(folder: &PathBuf, extensions: &Extensions, format: Format) -> Result<Compiled, Reported> {
    let read = BundleFiles::read(folder).map_err(RegistryError::from);
    let compiled = read.and_then(|files| registry::check_files(&files, extensions));
    compiled.map_err(|error| {
        let errors = match &error {
            RegistryError::Bundle(errors) => json!(errors),
            other => json!(other.to_string()),
        };
        if format == Format::Human {
            eprintln!("{}: not valid:\n{error}", folder.display());
        } else {
            println!("{}", json!({"valid": false, "folder": folder, "errors": errors}));
        }
        Reported
    })
}

fn describe(compiled: &Compiled) -> String {
    let manifest = &compiled.manifest;
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    [
        count(manifest.channels.len(), "channel"),
        count(manifest.campaigns.len(), "campaign"),
        count(manifest.ads.len(), "ad"),
        count(manifest.scripts.len(), "script"),
    ]
    .join(", ")
}

impl Format {
    pub(super) fn print(self, text: &str, json: impl FnOnce() -> serde_json::Value) {
        match self {
            Self::Human => println!("{text}"),
            Self::Json => println!("{}", json()),
        }
    }
}
