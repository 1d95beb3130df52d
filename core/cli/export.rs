//! `cuetone export`: a tenant as a folder that `cuetone apply` takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Format, Settings};
use crate::{
    app::open_store,
    bundle::{BundleFiles, is_plugin, unpack},
    domain::Slug,
    registry::stored,
    store::TenantScope,
};

#[derive(Args)]
pub struct Export {
    /// The tenant's slug.
    tenant: Slug,
    /// Where to write it; a folder named as the tenant when absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write into a folder that has files: they are overwritten, and scripts that the tenant does not have are removed.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Export {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?;
        let scope = TenantScope::new(self.tenant.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(async {
            let store = open_store(&config).await?;
            let found = stored(&store, &scope).await;
            store.close().await;
            anyhow::Ok(found?)
        })?;
        let Some(found) = found else {
            bail!("there is no tenant `{}` in {}", self.tenant, config.data_dir.display());
        };
        let out = self.out.unwrap_or_else(|| PathBuf::from(self.tenant.as_str()));
        let files = BundleFiles::of(&found.manifest);
        write(&out, &files, self.replace)?;
        let names: Vec<&String> = files.files.keys().collect();
        let text = format!(
            "{}: {} at version {} ({} files); apply it anywhere with: cuetone apply {}",
            out.display(),
            self.tenant,
            found.version,
            names.len(),
            out.display()
        );
        self.format
            .print(&text, || json!({"tenant": self.tenant, "version": found.version, "folder": out, "files": names}));
        Ok(ExitCode::SUCCESS)
    }
}

fn write(out: &Path, files: &BundleFiles, replace: bool) -> anyhow::Result<()> {
    let taken = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !replace {
        bail!("{} has files in it: choose another folder, or say --replace", out.display());
    }
    if taken {
        // A script that stays would be part of the bundle.
        let before = BundleFiles::read(out)?;
        for path in before.scripts().keys().filter(|path| !files.has(path)) {
            fs::remove_file(out.join(path)).with_context(|| format!("{path} cannot be removed"))?;
        }
    }
    for (path, text) in &files.files {
        let path = out.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let written = if is_plugin(&path.to_string_lossy()) {
            let component = unpack(text).with_context(|| path.display().to_string())?;
            fs::write(&path, component)
        } else {
            fs::write(&path, text.as_bytes())
        };
        written.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> BundleFiles {
        BundleFiles { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).into())).collect() }
    }

    #[test]
    fn a_folder_with_files_is_left_alone_unless_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("acme");
        let first = bundle(&[("tenant.yaml", "a"), ("rules/old.rhai", "x"), ("rules/kids.rhai", "y")]);
        write(&out, &first, false).expect("written");
        fs::write(out.join("notes.txt"), "mine").expect("written");
        let second = bundle(&[("tenant.yaml", "b"), ("rules/kids.rhai", "z")]);
        assert!(write(&out, &second, false).is_err());
        assert_eq!(BundleFiles::read(&out).expect("read"), first, "nothing happened");
        write(&out, &second, true).expect("replaced");
        assert_eq!(BundleFiles::read(&out).expect("read"), second);
        assert!(out.join("notes.txt").exists(), "what is no part of a bundle stays");
    }
}
