//! Compiled plugins on disk, so that a server that starts again need not compile them again.
//!
//! A file is machine code that runs with the server's rights. So it is believed only if this server wrote it: each file
//! begins with a keyed hash of what it is and what follows, and is named by the content that it was compiled from and the
//! engine that compiled it. What does not match is passed over and written anew. Does not know plugins' metadata.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use wasmtime::{Engine, component::Component};

use super::compile::ContentHash;
use crate::secret::{MasterKey, Purpose, STAMP_BYTES, Stamp, hex};

/// Bytes of all files together; those used longest ago are removed beyond. Python's machine code has some 40 MB.
const MAX_ARTEFACT_BYTES: u64 = 1024 * 1024 * 1024;

/// A folder of compiled plugins.
#[derive(Clone)]
pub struct Artefacts {
    folder: PathBuf,
    stamp: Stamp,
}

impl Artefacts {
    /// In `folder`, which is made when it is first needed.
    pub fn new(folder: PathBuf, master_key: &MasterKey) -> Self {
        Self { folder, stamp: Stamp::new(&master_key.server_key(Purpose::Artefacts)) }
    }

    /// What was compiled before from this content by this engine.
    pub(super) fn load(&self, engine: &Engine, content: &ContentHash) -> Option<Component> {
        let path = self.path(engine, content);
        let file = fs::read(&path).ok()?;
        let (stamp, code) = file.split_at_checked(STAMP_BYTES)?;
        if !self.stamp.matches(&[path_name(&path), code], stamp) {
            tracing::warn!(file = %path.display(), "a compiled plugin was not written by this server: it is compiled anew");
            return None;
        }
        // SAFETY: `deserialize` demands bytes that `serialize` made and nobody changed. The stamp just checked proves
        // it: only holders of this server's key can make one, over these bytes and this name. A file of another engine
        // has another name, and the engine checks its version and settings once more.
        match unsafe { Component::deserialize(engine, code) } {
            Ok(component) => {
                // The time of the last use decides what is removed first.
                #[allow(clippy::disallowed_methods, reason = "the date of a file, which no decision sees")]
                let _not_vital = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled plugin cannot be used: it is compiled anew");
                None
            }
        }
    }

    /// Keeps machine code for the next start. Failing costs nothing but time then.
    pub(super) fn keep(&self, engine: &Engine, content: &ContentHash, component: &Component) {
        let path = self.path(engine, content);
        let kept = component.serialize().map_err(|error| io::Error::other(format!("{error:#}")));
        if let Err(error) = kept.and_then(|code| self.write(&path, &code)) {
            tracing::warn!(file = %path.display(), %error, "a compiled plugin is not kept on disk");
        }
    }

    /// Beside, then renamed: nobody reads half a file, and two servers that write one agree on the last.
    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.make_room(code.len() as u64)?;
        let draft = path.with_extension(format!("draft-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        let written = file
            .write_all(&self.stamp.of(&[path_name(path), code]))
            .and_then(|()| file.write_all(code))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            let _gone = fs::remove_file(&draft);
        }
        written
    }

    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), entry.path()));
        }
        files.sort();
        let mut total = files.iter().map(|(_, size, _)| size).sum::<u64>().saturating_add(bytes);
        for (_, size, path) in files {
            if total <= MAX_ARTEFACT_BYTES {
                break;
            }
            fs::remove_file(path)?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }

    fn path(&self, engine: &Engine, content: &ContentHash) -> PathBuf {
        let mut engine_hash = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut engine_hash);
        self.folder.join(format!("{}-{:016x}.code", hex(content), engine_hash.finish()))
    }
}

/// What the stamp binds the code to.
fn path_name(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_encoded_bytes())
}
