//! The folder of journal files: their names, what is left of earlier runs, reading from a place on.
//!
//! Each start of a server is a run with a name of its own, and writes files numbered from 1. A file is deleted when all
//! of it is in the database. Knows no events.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use super::frame::{self, Frame, Next};

const ENDING: &str = "journal";

/// Held by the server whose folder this is.
const LOCK_FILE: &str = "lock";

/// One file of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    pub run: String,
    pub number: u64,
}

impl Segment {
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-{:08}.{ENDING}", self.run, self.number))
    }

    fn parse(path: &Path) -> Option<Self> {
        if path.extension()? != ENDING {
            return None;
        }
        let (run, number) = path.file_stem()?.to_str()?.rsplit_once('-')?;
        Some(Self { run: run.to_owned(), number: number.parse().ok()? })
    }
}

/// Makes the folder if need be and takes it for this process; a second server is refused.
pub fn lock(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE))?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::AddrInUse, "another server is running on this data folder")
        }
        fs::TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// All files there are, in the order in which they were written: the names of runs begin with their start.
pub fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.extend(Segment::parse(&entry?.path()));
    }
    found.sort();
    Ok(found)
}

/// Bytes of all files.
pub fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for segment in segments(folder)? {
        bytes += fs::metadata(segment.path(folder))?.len();
    }
    Ok(bytes)
}

/// Reads one file from a record on.
pub struct Reader {
    file: BufReader<File>,
    /// Bytes read so far.
    read: u64,
    /// Records still to be passed over.
    skip: u64,
}

impl Reader {
    pub fn open(path: &Path, skip: u64) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(256 * 1024, File::open(path)?), read: 0, skip })
    }

    /// The next frame with records that were not read before, and how many of its first records were; `None` at the
    /// end: of `limit` bytes, or of what is whole.
    pub fn next(&mut self, limit: Option<u64>) -> io::Result<Option<(Frame, usize)>> {
        loop {
            if limit.is_some_and(|limit| self.read >= limit) {
                return Ok(None);
            }
            let Next::Frame(frame) = frame::read(&mut self.file)? else { return Ok(None) };
            self.read += frame.bytes();
            let records = u64::from(frame.records);
            if self.skip >= records {
                self.skip -= records;
                continue;
            }
            let passed = usize::try_from(std::mem::take(&mut self.skip)).unwrap_or(usize::MAX);
            return Ok(Some((frame, passed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_in_the_order_of_runs_and_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["0b-00000001", "0a-00000010", "0a-00000009", "0a-x", "-"] {
            fs::write(folder.path().join(format!("{name}.journal")), "").expect("written");
        }
        fs::write(folder.path().join("0a-00000001.txt"), "").expect("written");
        let found: Vec<_> = segments(folder.path()).expect("listed").into_iter().map(|s| (s.run, s.number)).collect();
        assert_eq!(found, [("0a".to_owned(), 9), ("0a".to_owned(), 10), ("0b".to_owned(), 1)]);
    }

    #[test]
    fn one_server_at_a_time_has_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = lock(folder.path()).expect("free");
        let second = lock(folder.path()).expect_err("taken");
        assert!(second.to_string().contains("another server"), "{second}");
        drop(first);
        lock(folder.path()).expect("free again");
    }

    #[test]
    fn reading_goes_on_after_any_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let mut file = Vec::new();
        frame::write(b"a\nb\n", 2, &mut file);
        let first = file.len() as u64;
        frame::write(b"c\nd\ne\n", 3, &mut file);
        file.extend_from_slice(b"CTJ1 torn");
        fs::write(&path, &file).expect("written");
        for skip in 0..=5 {
            let mut reader = Reader::open(&path, skip).expect("opens");
            let mut lines = Vec::new();
            while let Some((frame, passed)) = reader.next(None).expect("read") {
                lines.extend(frame.lines().skip(passed).map(<[u8]>::to_vec));
            }
            let expect: Vec<Vec<u8>> = b"abcde"[usize::try_from(skip).unwrap()..].iter().map(|b| vec![*b]).collect();
            assert_eq!(lines, expect, "{skip}");
        }
        let mut reader = Reader::open(&path, 0).expect("opens");
        assert!(reader.next(Some(first)).expect("read").is_some());
        assert!(reader.next(Some(first)).expect("read").is_none(), "not behind what was committed");
        assert!(reader.next(None).expect("read").is_some(), "and on, when there is more");
    }
}
