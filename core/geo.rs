//! The country of an address, from a MaxMind database file (<https://maxmind.github.io/MaxMind-DB/>): GeoLite2, GeoIP2
//! or anybody's that has `country.iso_code`, Country or City.
//!
//! The file is held in memory (some 10 MB for countries, 60 MB for cities): a mapped one that is written over in place
//! would take the process down. A new file is taken up by its date and length; as long as it cannot be read, the one
//! before serves. Deliberately does not know headers or viewers, and keeps no address.

use std::{
    fmt, fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, Reader, path};
use parking_lot::Mutex;

/// How often the file is looked at. New ones come once a day or week.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Larger than any city database on the market; a wrong path must not fill the memory.
const MAX_BYTES: u64 = 1 << 30;

/// Networks that are looked at to see whether a database knows countries at all. Nearly every record of one does.
const SAMPLE: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {length} bytes are too many: expected a Country or City database of at most {MAX_BYTES}")]
    TooLarge { path: PathBuf, length: u64 },
    #[error("{path}: not a MaxMind database (.mmdb): {source}")]
    Malformed { path: PathBuf, source: MaxMindDbError },
    #[error("{path}: a database of type `{kind}` has no countries: expected a Country or City database")]
    NoCountries { path: PathBuf, kind: String },
}

/// Knows where addresses are. Injected, so that tests and other sources can take the database's place.
pub trait Geo: fmt::Debug + Send + Sync {
    /// ISO 3166-1 alpha-2, two upper-case letters; `None` when unknown.
    fn country(&self, address: IpAddr) -> Option<Box<str>>;
}

/// A database file that is followed.
pub struct GeoDatabase {
    path: PathBuf,
    reader: ArcSwap<Reader<Vec<u8>>>,
    /// What the file was when it was last looked at, readable or not. `None`: it was not there.
    seen: Mutex<Option<Stamp>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl GeoDatabase {
    /// Reads the file; blocks while it does.
    pub fn open(path: &Path) -> Result<Arc<Self>, GeoError> {
        let stamp = stamp(path)?;
        let reader = ArcSwap::from_pointee(read(path)?);
        Ok(Arc::new(Self { path: path.to_owned(), reader, seen: Mutex::new(Some(stamp)) }))
    }

    /// Reads the file anew if it is another one; blocks while it does. Answers whether it was. After an error, which
    /// comes once for each state of the file, the database before serves.
    pub fn refresh(&self) -> Result<bool, GeoError> {
        let found = stamp(&self.path);
        {
            let mut seen = self.seen.lock();
            let now = found.as_ref().ok().copied();
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        found?;
        self.reader.store(Arc::new(read(&self.path)?));
        Ok(true)
    }

    /// Follows the file, for ever. Run as one background task.
    pub async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.refresh()).await {
                Ok(Ok(true)) => tracing::info!(geo.database = self.kind(), "a new geo database serves"),
                Ok(Err(error)) => tracing::warn!(%error, "the new geo database cannot be used; the one before serves"),
                Ok(Ok(false)) | Err(_) => {}
            }
        }
    }

    /// As its maker named it, such as `GeoLite2-Country`.
    pub fn kind(&self) -> String {
        self.reader.load().metadata().database_type.clone()
    }
}

impl Geo for GeoDatabase {
    fn country(&self, address: IpAddr) -> Option<Box<str>> {
        // An error is an IPv6 address in a database for IPv4, or a damaged record: unknown, both.
        let reader = self.reader.load();
        let code: Option<&str> =
            reader.lookup(address.to_canonical()).ok()?.decode_path(&path!["country", "iso_code"]).ok()?;
        code.and_then(country_code)
    }
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GeoDatabase({})", self.path.display())
    }
}

/// Two letters in upper case; `None` for anything else and for `XX`, which edges and databases write for "unknown" (ISO
/// 3166-1 leaves it to its users).
pub fn country_code(text: &str) -> Option<Box<str>> {
    let letters = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    (letters && !text.eq_ignore_ascii_case("xx")).then(|| text.to_ascii_uppercase().into())
}

fn stamp(path: &Path) -> Result<Stamp, GeoError> {
    let read = |source| GeoError::Read { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(read)?;
    if metadata.is_dir() {
        return Err(read(io::ErrorKind::IsADirectory.into()));
    }
    Ok(Stamp { modified: metadata.modified().ok(), length: metadata.len() })
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, GeoError> {
    let at = || path.to_owned();
    let length = stamp(path)?.length;
    if length > MAX_BYTES {
        return Err(GeoError::TooLarge { path: at(), length });
    }
    let bytes = fs::read(path).map_err(|source| GeoError::Read { path: at(), source })?;
    let malformed = |source| GeoError::Malformed { path: at(), source };
    let reader = Reader::from_source(bytes).map_err(malformed)?;
    for network in reader.networks(Default::default()).map_err(malformed)?.take(SAMPLE) {
        let code: Option<&str> =
            network.and_then(|found| found.decode_path(&path!["country", "iso_code"])).map_err(malformed)?;
        if code.and_then(country_code).is_some() {
            return Ok(reader);
        }
    }
    Err(GeoError::NoCountries { path: at(), kind: reader.metadata().database_type.clone() })
}

#[cfg(test)]
#[path = "../tests/server/mmdb.rs"]
mod mmdb;

#[cfg(test)]
mod tests {
    use super::{
        mmdb::{Value, countries, database},
        *,
    };

    const NETWORKS: [(&str, &str); 4] =
        [("192.0.2.0/24", "US"), ("192.0.2.128/25", "CA"), ("2001:db8::/32", "ID"), ("203.0.113.7/32", "XX")];

    fn written(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join("geo.mmdb");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Writes over the file and makes sure that its date is another one, however coarse the disk's clock is.
    fn rewritten(path: &Path, bytes: &[u8], day: u64) {
        fs::write(path, bytes).expect("written");
        let file = fs::File::options().write(true).open(path).expect("opened");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400)).expect("dated");
    }

    fn of(geo: &dyn Geo, address: &str) -> Option<String> {
        geo.country(address.parse().expect("an address")).map(String::from)
    }

    #[test]
    fn an_address_has_the_country_of_its_smallest_network() {
        let folder = tempfile::tempdir().expect("a folder");
        let geo = GeoDatabase::open(&written(&folder, &countries(&NETWORKS))).expect("a database");
        for (address, expect) in [
            ("192.0.2.1", Some("US")),
            ("::ffff:192.0.2.1", Some("US")),
            ("192.0.2.200", Some("CA")),
            ("2001:db8:1::1", Some("ID")),
            ("192.0.3.1", None),
            ("127.0.0.1", None),
            ("fe80::1", None),
            ("203.0.113.7", None),
        ] {
            assert_eq!(of(&*geo, address).as_deref(), expect, "{address}");
        }
        assert_eq!((geo.kind().as_str(), geo.refresh().expect("there")), ("Test-Country", false));
    }

    #[test]
    fn a_new_file_is_taken_up_and_a_bad_one_leaves_the_old_serving() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(&folder, &countries(&NETWORKS));
        let geo = GeoDatabase::open(&path).expect("a database");
        let whole = countries(&[("192.0.2.0/24", "DE")]);
        rewritten(&path, &whole[..whole.len() / 2], 1);
        let error = geo.refresh().expect_err("half a file").to_string();
        assert!(error.contains("geo.mmdb: not a MaxMind database"), "{error}");
        assert_eq!(of(&*geo, "192.0.2.1").as_deref(), Some("US"));
        assert!(!geo.refresh().expect("looked at before"), "one state of the file is one message");
        fs::remove_file(&path).expect("removed");
        assert!(matches!(geo.refresh(), Err(GeoError::Read { .. })));
        assert!(!geo.refresh().expect("known to be missing"));
        assert_eq!(of(&*geo, "192.0.2.1").as_deref(), Some("US"));
        rewritten(&path, &whole, 2);
        assert!(geo.refresh().expect("a whole file"));
        assert_eq!(of(&*geo, "192.0.2.1").as_deref(), Some("DE"));
        assert_eq!(of(&*geo, "2001:db8::1"), None);
    }

    #[test]
    fn a_file_that_cannot_serve_is_refused_with_its_path_and_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |bytes: &[u8]| GeoDatabase::open(&written(&folder, bytes)).expect_err("refused").to_string();
        assert!(refused(b"").contains("geo.mmdb: not a MaxMind database (.mmdb): "));
        assert!(refused(b"<html>not found</html>").contains("not a MaxMind database"));
        let network = Value::Map(vec![("autonomous_system_number", Value::U32(64_500))]);
        let error = refused(&database("Test-ASN", &[("192.0.2.0/24", network)]));
        assert!(error.ends_with("a database of type `Test-ASN` has no countries: expected a Country or City database"));
        let missing = GeoDatabase::open(&folder.path().join("none.mmdb")).expect_err("missing").to_string();
        assert!(missing.contains("none.mmdb: "), "{missing}");
        assert!(GeoDatabase::open(folder.path()).is_err(), "a folder is no database");
    }

    #[test]
    fn a_damaged_file_never_takes_the_server_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = countries(&NETWORKS);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(geo) = GeoDatabase::open(&written(&folder, &bytes)) {
                for address in ["192.0.2.1", "192.0.2.200", "2001:db8::1", "::"] {
                    let _any = of(&*geo, address);
                }
            }
        }
    }

    #[test]
    fn a_country_is_two_letters_and_not_the_sign_for_unknown() {
        for (text, expect) in [
            ("US", Some("US")),
            ("id", Some("ID")),
            ("XX", None),
            ("xx", None),
            ("T1", None),
            ("", None),
            ("USA", None),
            ("é", None),
        ] {
            assert_eq!(country_code(text).as_deref(), expect, "{text}");
        }
    }
}
