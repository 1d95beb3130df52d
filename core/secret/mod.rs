//! The server's master key and the keys derived from it.
//!
//! One secret per installation: 32 random bytes in `DIR/secret.key`, made on first start, or given as
//! `CUETONE_SECRET_KEY` (64 hexadecimal digits). Every tenant and purpose gets its own key by HKDF-SHA256 (RFC 5869), so
//! that one leaked key opens nothing else. Does not know what the keys sign.

mod seal;
mod stamp;

use std::{
    fmt, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use hkdf::Hkdf;
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;

pub use self::{
    seal::Sealer,
    stamp::{STAMP_BYTES, Stamp, keyed},
};
use crate::domain::Slug;

pub const KEY_BYTES: usize = 32;

/// Name of the key file inside the data folder.
pub const KEY_FILE: &str = "secret.key";

/// Environment variable that takes the place of the file, for installations whose disks do not last.
pub const KEY_VARIABLE: &str = "CUETONE_SECRET_KEY";

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{place}: expected 64 hexadecimal digits")]
    Malformed { place: String },
    #[error("{path}: readable by others (mode {mode:o}); run: chmod 600 {path}")]
    Permissions { path: PathBuf, mode: u32 },
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
    #[error("sealed data does not open: it was changed, moved or sealed with another key")]
    Seal,
}

/// What a derived key is for. Keys of different purposes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Ad-segment and beacon URLs.
    Urls,
    /// The signature on requests of sinks.
    Webhooks,
    /// Hashes of what must not be kept as it is: addresses, names of viewers who opted out.
    Viewers,
    /// Tenants' secrets: passwords and tokens of the receivers of their sinks.
    Secrets,
    /// What it takes to fire third parties' beacons.
    Beacons,
    /// Plugins' machine code on disk.
    Artefacts,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Urls => b"urls",
            Self::Webhooks => b"webhooks",
            Self::Viewers => b"viewers",
            Self::Secrets => b"secrets",
            Self::Beacons => b"beacons",
            Self::Artefacts => b"artefacts",
        }
    }
}

/// Never printed, never sent.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key of this installation: `variable` (the value of [`KEY_VARIABLE`]) if set, else the file in `data_dir`,
    /// which is made with bytes of the operating system when it is missing.
    pub fn load(data_dir: &Path, variable: Option<&str>) -> Result<Self, SecretError> {
        if let Some(text) = variable {
            return from_hex(text).ok_or_else(|| SecretError::Malformed { place: KEY_VARIABLE.into() });
        }
        let path = data_dir.join(KEY_FILE);
        match read(&path) {
            Err(SecretError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => create(data_dir, &path),
            outcome => outcome,
        }
    }

    /// The key of one tenant for one purpose; the same on every start and every node.
    pub fn tenant_key(&self, tenant: &Slug, purpose: Purpose) -> [u8; KEY_BYTES] {
        self.derive(tenant.as_str(), purpose)
    }

    /// The key of the server itself for one purpose. No tenant has it: a slug is not empty.
    pub fn server_key(&self, purpose: Purpose) -> [u8; KEY_BYTES] {
        self.derive("", purpose)
    }

    fn derive(&self, of: &str, purpose: Purpose) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        // A slug has no zero byte, so label and slug cannot run into each other.
        let info: [&[u8]; 4] = [b"cuetone/v1/", purpose.label(), b"\0", of.as_bytes()];
        let derived = Hkdf::<Sha256>::new(None, &self.0).expand_multi_info(&info, &mut key);
        debug_assert!(derived.is_ok(), "32 bytes are far below HKDF's limit");
        key
    }
}

fn read(path: &Path) -> Result<MasterKey, SecretError> {
    let failed = |source| SecretError::Io { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Permissions { path: path.to_owned(), mode });
        }
    }
    from_hex(&text).ok_or_else(|| SecretError::Malformed { place: path.display().to_string() })
}

/// Writes a whole file under another name and links it into place: two processes that start together agree on the key
/// of whoever was first, and nobody ever reads half a key.
fn create(data_dir: &Path, path: &Path) -> Result<MasterKey, SecretError> {
    let failed = |source| SecretError::Io { path: path.to_owned(), source };
    let key = random_key()?;
    // Named by a hash of the key: unique without telling anything about it.
    let name = <Sha256 as sha2::Digest>::digest(key);
    let draft = data_dir.join(format!("{KEY_FILE}.{}", hex(name.get(..8).unwrap_or_default())));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    fs::create_dir_all(data_dir).map_err(failed)?;
    let mut file = options.open(&draft).map_err(failed)?;
    let written = writeln!(file, "{}", hex(&key)).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let _gone = fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(MasterKey(key)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(failed(error)),
    }
}

/// Bytes that nobody can guess, from the operating system: for a key that is made now.
pub fn random_key() -> Result<[u8; KEY_BYTES], SecretError> {
    let mut key = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(|error| SecretError::Random(error.to_string()))?;
    Ok(key)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<MasterKey> {
    let text = text.trim();
    if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(MasterKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> Slug {
        text.parse().expect("a slug")
    }

    #[test]
    fn the_key_is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("new");
        let first = MasterKey::load(&data, None).expect("made");
        let again = MasterKey::load(&data, None).expect("read");
        assert_eq!(first.0, again.0);
        assert_eq!(fs::read_dir(&data).expect("listed").count(), 1, "no draft is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = data.join(KEY_FILE);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
            assert!(matches!(MasterKey::load(&data, None), Err(SecretError::Permissions { mode: 0o644, .. })));
        }
    }

    #[test]
    fn two_first_starts_at_once_agree() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| MasterKey::load(folder.path(), None))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic").expect("a key").0).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_malformed_key_is_refused_by_place() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["", "00", "+1".repeat(32).as_str(), "zz".repeat(32).as_str()] {
            let error = MasterKey::load(folder.path(), Some(text)).expect_err(text);
            assert!(error.to_string().starts_with(KEY_VARIABLE), "{error}");
        }
        let given = MasterKey::load(folder.path(), Some(&"0f".repeat(32))).expect("valid");
        assert_eq!((given.0, hex(&given.0)), ([15; 32], "0f".repeat(32)));
    }

    #[test]
    fn keys_differ_by_tenant_and_purpose_and_are_never_printed() {
        let master = MasterKey::from_bytes([7; 32]);
        let keys = [
            master.tenant_key(&slug("a"), Purpose::Urls),
            master.tenant_key(&slug("b"), Purpose::Urls),
            master.tenant_key(&slug("a"), Purpose::Webhooks),
        ];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(keys[0], MasterKey::from_bytes([7; 32]).tenant_key(&slug("a"), Purpose::Urls));
        assert_eq!(format!("{master:?}"), "MasterKey(…)");
    }
}
