//! The files of a bundle, from a folder or from an upload.
//!
//! Knows which files matter and how large they may be. What is in them is not its business.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    BundleError, BundleErrors,
    limits::*,
    packed::{is_plugin, pack},
    render,
};
use crate::{
    domain::{TenantManifest, Text},
    secret::hex,
};

/// The file that makes a folder a bundle.
pub const MANIFEST_FILE: &str = "tenant.yaml";

/// Relative path (with `/`) → text; plugins are packed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct BundleFiles {
    pub files: BTreeMap<String, Text>,
}

impl BundleFiles {
    /// Reads the files that matter; others and hidden ones are passed over. A link that leads out of the folder is an
    /// error.
    pub fn read(dir: &Path) -> Result<Self, BundleErrors> {
        let fail = |error: io::Error| BundleErrors::from(BundleError::of_file(&shown(dir), plain(&error), ""));
        let root = fs::canonicalize(dir).map_err(fail)?;
        if !root.is_dir() {
            let error = BundleError::of_file(&shown(dir), "this is not a folder", "a folder with a tenant.yaml in it");
            return Err(error.into());
        }
        let mut walk = Walk { root, files: BTreeMap::new(), errors: Vec::new(), entries: 0, bytes: 0, plugin_bytes: 0 };
        walk.folder("", 0);
        if walk.errors.is_empty() { Ok(Self { files: walk.files }) } else { Err(BundleErrors::new(walk.errors)) }
    }

    /// Names and sizes, for files that came another way than [`read`](Self::read).
    pub(super) fn check(&self) -> Result<(), BundleErrors> {
        let mut errors = Vec::new();
        if self.files.len() > MAX_FILES {
            errors.push(BundleError::of_file(MANIFEST_FILE, too_many_files(), ""));
        }
        for (path, text) in &self.files {
            if let Err(message) = check_path(path) {
                errors.push(BundleError::of_file(path, message, "a path inside the folder"));
            }
            if text.len() > size_limit(path) {
                errors.push(too_large(path));
            }
        }
        let bytes = |plugins: bool| {
            let files = self.files.iter().filter(|(path, _)| is_plugin(path) == plugins);
            files.map(|(_, text)| text.len()).sum::<usize>()
        };
        if bytes(false) > MAX_BUNDLE_BYTES || bytes(true) > MAX_PLUGINS_BYTES {
            errors.push(BundleError::of_file(MANIFEST_FILE, bundle_too_large(), ""));
        }
        if errors.is_empty() { Ok(()) } else { Err(BundleErrors::new(errors)) }
    }

    /// A bundle that says what `manifest` does, always in the same bytes: `tenant.yaml` and the scripts.
    pub fn of(manifest: &TenantManifest) -> Self {
        let mut files = manifest.scripts.clone();
        // JSON values always have a spelling in YAML.
        files.insert(
            MANIFEST_FILE.to_owned(),
            serde_yaml::to_string(&render::manifest(manifest)).unwrap_or_default().into(),
        );
        Self { files }
    }

    /// SHA-256 over paths and texts, each with its length before it so that no two sets of files look alike.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.files.iter().flat_map(|(path, text)| [path, &**text]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex(&hash.finalize())
    }

    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Scripts and plugins, by path.
    pub fn scripts(&self) -> BTreeMap<String, Text> {
        let scripts = self.files.iter().filter(|(path, _)| path.ends_with(".rhai") || is_plugin(path));
        scripts.map(|(path, text)| (path.clone(), text.clone())).collect()
    }
}

struct Walk {
    root: PathBuf,
    files: BTreeMap<String, Text>,
    errors: Vec<BundleError>,
    entries: usize,
    bytes: usize,
    plugin_bytes: usize,
}

impl Walk {
    fn error(&mut self, path: &str, message: impl Into<String>, expected: &str) {
        let path = if path.is_empty() { "." } else { path };
        self.errors.push(BundleError::of_file(path, message, expected));
    }

    fn folder(&mut self, path: &str, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return self.error(path, format!("folders are nested more than {MAX_FOLDER_DEPTH} deep"), "");
        }
        let mut names = match self.names(path) {
            Ok(names) => names,
            Err(error) => return self.error(path, plain(&error), ""),
        };
        names.sort();
        for name in names {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || self.files.len() > MAX_FILES {
                if self.errors.len() < MAX_ERRORS {
                    self.error(path, too_many_files(), "");
                }
                return;
            }
            let child = if path.is_empty() { name } else { format!("{path}/{name}") };
            self.entry(&child, depth);
        }
    }

    /// Compressed as it is read: a folder's plugins are never in memory as they are.
    fn plugin(&mut self, path: &str, component: &[u8]) {
        let text = pack(component);
        self.plugin_bytes = self.plugin_bytes.saturating_add(text.len());
        if self.plugin_bytes > MAX_PLUGINS_BYTES {
            return self.error(path, bundle_too_large(), "");
        }
        self.files.insert(path.into(), text.into());
    }

    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(path))?.take(MAX_ENTRIES) {
            // A name that is not UTF-8 cannot be named in tenant.yaml either.
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn entry(&mut self, path: &str, depth: usize) {
        let full = self.root.join(path);
        let Ok(kind) = fs::symlink_metadata(&full).map(|metadata| metadata.file_type()) else { return };
        let target = if kind.is_symlink() {
            match fs::canonicalize(&full) {
                Ok(target) if target.starts_with(&self.root) => target,
                Ok(_) => return self.error(path, "this link leads out of the folder", "files inside the folder"),
                Err(error) => return self.error(path, format!("this link leads nowhere: {}", plain(&error)), ""),
            }
        } else {
            full
        };
        if target.is_dir() {
            return self.folder(path, depth + 1);
        }
        if !matters(path) || !target.is_file() {
            return;
        }
        let size = fs::metadata(&target).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(usize::MAX));
        if size > size_limit(path) {
            return self.errors.push(too_large(path));
        }
        if is_plugin(path) {
            return match fs::read(&target) {
                Ok(component) => self.plugin(path, &component),
                Err(error) => self.error(path, plain(&error), ""),
            };
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MAX_BUNDLE_BYTES {
            return self.error(path, bundle_too_large(), "");
        }
        match fs::read(&target).map(String::from_utf8) {
            Ok(Ok(text)) => {
                self.files.insert(path.into(), text.into());
            }
            Ok(Err(_)) => self.error(path, "this is not UTF-8 text", ""),
            Err(error) => self.error(path, plain(&error), ""),
        }
    }
}

fn matters(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path == MANIFEST_FILE
        || is_plugin(name)
        || name.ends_with(".rhai")
        || name.ends_with(".test.yaml")
        || name.starts_with("README")
}

fn size_limit(path: &str) -> usize {
    match path {
        MANIFEST_FILE => MAX_MANIFEST_BYTES,
        _ if is_plugin(path) => MAX_PLUGIN_BYTES,
        _ => MAX_FILE_BYTES,
    }
}

fn too_large(path: &str) -> BundleError {
    BundleError::of_file(path, "the file is too large", format!("at most {} KiB", size_limit(path) / 1024))
}

fn too_many_files() -> String {
    format!("there are too many files: a bundle holds at most {MAX_FILES}")
}

fn bundle_too_large() -> String {
    let (texts, plugins) = (MAX_BUNDLE_BYTES / 1024 / 1024, MAX_PLUGINS_BYTES / 1024 / 1024);
    format!("the bundle is too large: at most {texts} MiB in all, and {plugins} MiB of plugins (compressed)")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".into(),
        io::ErrorKind::PermissionDenied => "it may not be read".into(),
        _ => error.to_string(),
    }
}

/// Relative, with `/`, and never upwards.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("the path is longer than {MAX_PATH_BYTES} bytes"));
    }
    let odd = path.contains('\\') || path.contains(':') || path.chars().any(char::is_control);
    if odd || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("`{path}` is not a plain relative path"));
    }
    Ok(())
}
