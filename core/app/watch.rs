//! A watched folder: each folder in it with a `tenant.yaml` is a tenant, applied when it changes.
//!
//! A bundle that does not validate changes nothing; its errors go to the log with file, line and column.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use notify::{RecursiveMode, Watcher};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    bundle::{BundleFiles, MANIFEST_FILE},
    registry::Registry,
    store::{Author, Door},
};

/// Editors write in several steps; a change is looked at once they have been quiet this long.
const QUIET: Duration = Duration::from_millis(150);

/// Starts watching; the first look comes at once.
pub fn tenants(dir: PathBuf, registry: Arc<Registry>) -> anyhow::Result<JoinHandle<()>> {
    std::fs::create_dir_all(&dir).with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    let (changed, mut changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Full means that a look is due already.
            let _due = changed.try_send(());
        }
    })?;
    watcher
        .watch(&dir, RecursiveMode::Recursive)
        .with_context(|| format!("the folder {} cannot be watched", dir.display()))?;
    Ok(tokio::spawn(async move {
        let _watcher = watcher;
        let mut seen = BTreeMap::new();
        loop {
            look(&dir, &registry, &mut seen).await;
            if changes.recv().await.is_none() {
                return;
            }
            while tokio::time::timeout(QUIET, changes.recv()).await.is_ok_and(|change| change.is_some()) {}
        }
    }))
}

/// Applies every bundle whose content is new.
pub(super) async fn look(dir: &Path, registry: &Arc<Registry>, seen: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let author =
        Author { actor: "folder".to_owned(), door: Door::Folder, summary: "bundle applied".to_owned(), request: None };
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.join(MANIFEST_FILE).is_file()) {
        let shown = folder.display().to_string();
        let files = match BundleFiles::read(&folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(folder = shown, "the bundle cannot be read; what serves goes on serving:\n{error}");
                continue;
            }
        };
        let hash = files.hash();
        if seen.insert(folder, hash.clone()).is_some_and(|before| before == hash) {
            continue;
        }
        if let Err(error) = registry.apply(files, &author).await {
            tracing::error!(folder = shown, "the bundle is not valid; what serves goes on serving:\n{error}");
        }
    }
}
