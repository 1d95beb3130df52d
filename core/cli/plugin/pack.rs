//! `cuetone plugin pack` and `cuetone plugin keygen`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::{Which, load};
use crate::extension::{
    ExtensionError,
    wasm::signature::{SigningKey, signer},
};

/// Writes NAME-VERSION.wasm: compiled and tried once, and signed where a key is given.
#[derive(Args)]
pub struct Pack {
    #[command(flatten)]
    which: Which,
    /// The private key that `cuetone plugin keygen` wrote.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where to; NAME-VERSION.wasm here where not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes a private key into a file and prints its public one, for `plugin_keys` in tenant.yaml.
#[derive(Args)]
pub struct Keygen {
    /// The private key's file; must not exist yet.
    #[arg(value_name = "FILE", default_value = "plugin.key")]
    file: PathBuf,
}

impl Pack {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (file, bytes) = self.which.read()?;
        let plugin = load(&file, &bytes)?;
        let about = plugin.metadata().clone();
        match (*plugin).clone().trial(&serde_json::json!({})) {
            // Without its tenant's configuration it may refuse.
            Ok(_) | Err(ExtensionError::Refused { .. }) => {}
            Err(error) => return Err(error).context("the trial call failed"),
        }
        let signed = match &self.key {
            Some(path) => {
                let document = fs::read(path).with_context(|| path.display().to_string())?;
                SigningKey::read(&document).map_err(|reason| anyhow!("{}: {reason}", path.display()))?.sign(&bytes)
            }
            None => bytes,
        };
        let out = self.out.unwrap_or_else(|| PathBuf::from(format!("{}-{}.wasm", about.name, about.version)));
        fs::write(&out, &signed).with_context(|| out.display().to_string())?;
        let by = match signer(&signed).map_err(|reason| anyhow!(reason))? {
            Some(key) => format!("signed by {key}"),
            None => "not signed".to_owned(),
        };
        println!("{}: {} {} for {}, {by}", out.display(), about.name, about.version, about.point);
        Ok(ExitCode::SUCCESS)
    }
}

impl Keygen {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.file.exists() {
            bail!("{} is there already: a key that is written over is lost", self.file.display());
        }
        let (document, public) = SigningKey::generate().map_err(|reason| anyhow!(reason))?;
        write_private(&self.file, &document).with_context(|| self.file.display().to_string())?;
        println!("{public}");
        eprintln!("The private key is in {}: keep it. The line above goes into tenant.yaml:", self.file.display());
        eprintln!("  tenant: {{ plugin_keys: [\"{public}\"] }}");
        Ok(ExitCode::SUCCESS)
    }
}

fn write_private(path: &Path, document: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(document)?;
    file.sync_all()
}
