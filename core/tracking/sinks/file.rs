//! Sinks that write files: lines appended to `sinks/<tenant>/<name>` in the data folder, synced before anybody says that
//! they are delivered.
//!
//! A file that has grown large is put aside as `<name>.<number>`; somebody else takes it away. Nothing is ever deleted
//! here, and nothing is written outside of the tenant's own folder. Blocking: call it off the async threads.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use crate::domain::Slug;

/// The folder in the data folder.
const FOLDER: &str = "sinks";

/// Bytes of a file before it is put aside: 200,000 events, and quickly copied.
const ROTATE_BYTES: u64 = 100 * 1024 * 1024;

/// Files of one tenant, those put aside too: 20 GiB. Then nothing is written until somebody has taken some away.
const MAX_FILES: usize = 200;

/// Characters of a name.
const MAX_NAME: usize = 100;

/// Bytes looked through for the end of the last whole line: one batch at most was cut off.
const MAX_TORN: u64 = 16 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("`{0}` is not a file name: write letters, digits, - _ and dots, not first")]
    Name(String),
    #[error("the folder has {MAX_FILES} files: take away those that were put aside")]
    Full,
    #[error("{name}: {source}")]
    Io { name: String, source: io::Error },
}

impl FileError {
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

/// Where a tenant's files are.
pub fn folder(data_dir: &Path, tenant: &Slug) -> PathBuf {
    data_dir.join(FOLDER).join(tenant.as_str())
}

/// One file of one sink, open.
pub(super) struct Appender {
    folder: PathBuf,
    name: String,
    open: Option<(File, u64)>,
    rotate_bytes: u64,
}

impl Appender {
    pub fn new(data_dir: &Path, tenant: &Slug, name: &str) -> Result<Self, FileError> {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        // What ends in a number is a file that was put aside.
        let aside = name.rsplit_once('.').is_some_and(|(_, end)| end.chars().all(|c| c.is_ascii_digit()));
        if !plain || aside || name.is_empty() || name.starts_with('.') || name.len() > MAX_NAME {
            return Err(FileError::Name(name.chars().take(MAX_NAME).collect()));
        }
        Ok(Self { folder: folder(data_dir, tenant), name: name.to_owned(), open: None, rotate_bytes: ROTATE_BYTES })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends text, ended by a line break, and returns when it is on disk. After an error nothing of it stays.
    pub fn append(&mut self, text: &str) -> Result<(), FileError> {
        let written = self.write(text);
        if written.is_err() {
            // Whatever is half there is cut off when the file is opened again.
            self.open = None;
        }
        written
    }

    fn write(&mut self, text: &str) -> Result<(), FileError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut data = text.to_owned();
        if !data.ends_with('\n') {
            data.push('\n');
        }
        let path = self.folder.join(&self.name);
        // Another's hand may have taken the file away.
        if self.open.is_some() && !path.exists() {
            self.open = None;
        }
        let (mut file, mut length) = match self.open.take() {
            Some(open) => open,
            None => self.reopen(&path)?,
        };
        if length > 0 && length >= self.rotate_bytes {
            self.put_aside(&path)?;
            (file, length) = self.reopen(&path)?;
        }
        let appended = file.write_all(data.as_bytes()).and_then(|()| file.sync_data());
        if let Err(source) = appended {
            let _best_effort = file.set_len(length);
            return Err(self.failed(source));
        }
        let grown = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.open = Some((file, length.saturating_add(grown)));
        Ok(())
    }

    fn reopen(&self, path: &Path) -> Result<(File, u64), FileError> {
        let io = |source| self.failed(source);
        fs::create_dir_all(&self.folder).map_err(io)?;
        if let Ok(known) = fs::symlink_metadata(path) {
            if !known.is_file() {
                return Err(io(io::Error::other("this is no plain file")));
            }
        } else if fs::read_dir(&self.folder).map_err(io)?.count() >= MAX_FILES {
            return Err(FileError::Full);
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
        let length = whole_lines(&mut file).map_err(io)?;
        // The name itself has to be on disk before what is in the file counts.
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok((file, length))
    }

    fn put_aside(&self, path: &Path) -> Result<(), FileError> {
        let io = |source| self.failed(source);
        let prefix = format!("{}.", self.name);
        let mut last = 0u64;
        let mut count = 0;
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            count += 1;
            let name = entry.map_err(io)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)).and_then(|end| end.parse().ok());
            last = last.max(number.unwrap_or_default());
        }
        if count >= MAX_FILES {
            return Err(FileError::Full);
        }
        fs::rename(path, self.folder.join(format!("{prefix}{:06}", last.saturating_add(1)))).map_err(io)
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Io { name: self.name.clone(), source }
    }
}

/// Cuts off a line that a crash left without its end: it was never said to be delivered, and comes again.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(MAX_TORN);
    file.seek(SeekFrom::Start(length.saturating_sub(1)))?;
    let mut last = [b'\n'];
    if length == 0 || (file.read(&mut last)? == 1 && last == [b'\n']) {
        return Ok(length);
    }
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(MAX_TORN).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    let kept = start.saturating_add(u64::try_from(whole).unwrap_or_default());
    file.set_len(kept)?;
    file.sync_data()?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appender(data: &Path, name: &str) -> Result<Appender, FileError> {
        Appender::new(data, &"a".parse().expect("a slug"), name)
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_tenant_s_folder() {
        let data = tempfile::tempdir().expect("a folder");
        for bad in ["", "..", "../x", "/etc/passwd", "a/b", ".hidden", "a\\b", "a b", "x.000001", "a\0", "é"] {
            assert!(appender(data.path(), bad).is_err_and(|error| error.is_refusal()), "{bad}");
        }
        std::os::unix::fs::symlink("/tmp", data.path().join("link")).expect("made");
        appender(data.path(), "events.ndjson").expect("a name").append("x").expect("written");
        let inside = data.path().join("sinks/a");
        std::os::unix::fs::symlink(data.path().join("elsewhere"), inside.join("trap")).expect("made");
        assert!(appender(data.path(), "trap").expect("a name").append("x").is_err(), "a link is not followed");
        assert!(!data.path().join("elsewhere").exists());
    }

    #[test]
    fn what_a_crash_cut_off_is_removed_and_what_was_whole_stays() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join("sinks/a/x.ndjson");
        appender(data.path(), "x.ndjson").expect("a name").append("one\ntwo\n").expect("written");
        fs::write(&path, "one\ntwo\nthr").expect("torn");
        appender(data.path(), "x.ndjson").expect("a name").append("three").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "one\ntwo\nthree\n");
        fs::write(&path, "torn only").expect("torn");
        appender(data.path(), "x.ndjson").expect("a name").append("one").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "one\n");
    }

    #[test]
    fn a_large_file_is_put_aside_and_a_file_that_was_taken_away_begins_anew() {
        let data = tempfile::tempdir().expect("a folder");
        let mut file = appender(data.path(), "x").expect("a name");
        file.rotate_bytes = 8;
        for text in ["first", "second", "third", "fourth"] {
            file.append(text).expect("written");
        }
        let folder = data.path().join("sinks/a");
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(read("x.000001"), "first\nsecond\n");
        assert_eq!(read("x"), "third\nfourth\n");
        fs::rename(folder.join("x"), data.path().join("taken")).expect("taken");
        file.append("fifth").expect("written");
        assert_eq!(read("x"), "fifth\n");
    }
}
