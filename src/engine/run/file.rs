//! The journal on disk. One process writes it; a record counts once the disk has it; and what an act may have to say afterwards is
//! reserved before the act: with no space left, nothing is done.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use serde_json::Value;

use crate::base::clock::Moment;
use crate::base::redact::Redactor;
use crate::playbook::journal::{self, Event, Journal, Record};
use crate::playbook::outcome::tail;

/// The longest line. What would be longer has its texts cut, so that what was reserved is always enough.
const MOST_LINE: usize = 256 << 10;
/// What one act may have to say: its beginning, its end, and what follows from it.
pub const SLOT: u64 = 3 * MOST_LINE as u64;
/// Reserved at once, so that not every act has to ask the file system.
const STRIDE: u64 = 1 << 20;

/// The name of the file in a run's folder.
pub const NAME: &str = "journal.jsonl";

/// A journal that only this process writes.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
    next: u64,
    end: u64,
    reserved: u64,
    redact: Redactor,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{path}: another process runs this ({error})")]
    Taken { path: PathBuf, error: String },
    #[error("no space for the journal in {path}: {error}. Nothing was done")]
    NoSpace { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Damaged { path: PathBuf, error: journal::Damaged },
}

fn full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

impl JournalFile {
    /// A new run's folder and journal below `runs`.
    pub fn create(runs: &Path, id: &str, redact: Redactor) -> Result<Self, Trouble> {
        let folder = runs.join(id);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| if full(&error) { Trouble::NoSpace { path, error } } else { Trouble::Io { path, error } }
        };
        DirBuilder::new().mode(0o700).recursive(true).create(runs).map_err(io(runs))?;
        DirBuilder::new().mode(0o700).create(&folder).map_err(io(&folder))?;
        let path = folder.join(NAME);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(io(&path))?;
        // The name must be on the disk as well as the content.
        for folder in [folder.as_path(), runs] {
            File::open(folder).and_then(|f| f.sync_all()).map_err(io(folder))?;
        }
        let this = Self { file, path, next: 0, end: 0, reserved: 0, redact };
        this.lock()?;
        Ok(this)
    }

    /// The journal of a run that was begun before. What was torn at its end is cut off.
    pub fn open(runs: &Path, id: &str, redact: Redactor) -> Result<(Self, Journal), Trouble> {
        let path = runs.join(id).join(NAME);
        let io = |error| Trouble::Io { path: path.clone(), error };
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        let mut this = Self { file: file.try_clone().map_err(io)?, path: path.clone(), next: 0, end: 0, reserved: 0, redact };
        this.lock()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let found = journal::read(&bytes).map_err(|error| Trouble::Damaged { path: path.clone(), error })?;
        this.next = found.records.len() as u64;
        this.end = found.whole;
        this.file.set_len(found.whole).map_err(io)?;
        this.reserved = found.whole;
        Ok((this, found))
    }

    /// A journal for reading only, also while its run goes on.
    pub fn read(runs: &Path, id: &str) -> Result<Journal, Trouble> {
        let path = runs.join(id).join(NAME);
        let bytes = std::fs::read(&path).map_err(|error| Trouble::Io { path: path.clone(), error })?;
        journal::read(&bytes).map_err(|error| Trouble::Damaged { path, error })
    }

    /// Is a process at work on this run?
    pub fn is_taken(runs: &Path, id: &str) -> bool {
        let open = File::open(runs.join(id).join(NAME));
        open.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock(&self) -> Result<(), Trouble> {
        self.file.try_lock().map_err(|error| Trouble::Taken { path: self.path.clone(), error: error.to_string() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that `acts` acts can be written down, whatever they say.
    pub fn reserve(&mut self, acts: usize) -> Result<(), Trouble> {
        let needed = self.end + SLOT * (acts as u64 + 1);
        if needed <= self.reserved {
            return Ok(());
        }
        let first = self.allocate(needed + STRIDE);
        first.or_else(|_| self.allocate(needed)).map_err(|error| Trouble::NoSpace { path: self.path.clone(), error })
    }

    fn allocate(&mut self, to: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.reserved, to - self.reserved) {
            Ok(()) => {}
            // A file system that cannot reserve gets zeros to write over; a reader takes them for the end.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let zeros = vec![0; 64 << 10];
                let mut at = self.reserved;
                while at < to {
                    let count = zeros.len().min(usize::try_from(to - at).unwrap_or(zeros.len()));
                    self.file.write_all_at(&zeros[..count], at)?;
                    at += count as u64;
                }
                self.file.sync_data()?;
            }
            Err(error) => return Err(error.into()),
        }
        self.reserved = to;
        Ok(())
    }

    /// Writes events down, all at once, and waits for the disk. Gives their records.
    pub fn append(&mut self, events: Vec<(Moment, Event)>) -> Result<Vec<Record>, Trouble> {
        let mut records = Vec::with_capacity(events.len());
        let mut bytes = Vec::new();
        for (at, event) in events {
            let record = Record { seq: self.next + records.len() as u64, at, event };
            let line = self.line(&record).map_err(|e| Trouble::Io { path: self.path.clone(), error: io::Error::other(e) })?;
            bytes.write_all(line.as_bytes()).map_err(|error| Trouble::Io { path: self.path.clone(), error })?;
            records.push(record);
        }
        let written = self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        written
            .map_err(|error| if full(&error) { Trouble::NoSpace { path: self.path.clone(), error } } else { Trouble::Io { path: self.path.clone(), error } })?;
        self.next += records.len() as u64;
        self.end += bytes.len() as u64;
        self.reserved = self.reserved.max(self.end);
        Ok(records)
    }

    /// The line of a record, every known secret taken out of every text in it.
    fn line(&self, record: &Record) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(record)?;
        self.clean(&mut value);
        let mut line = value.to_string();
        let mut most = MOST_LINE / 4;
        while line.len() >= MOST_LINE && most > 16 {
            shorten(&mut value, most);
            line = value.to_string();
            most /= 4;
        }
        Ok(line + "\n")
    }

    fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let cleaned = self.redact.clean(text);
                if cleaned != *text {
                    *text = cleaned;
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|v| self.clean(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.clean(v)),
            _ => {}
        }
    }

    /// Gives reserved space back.
    pub fn trim(&mut self) {
        if self.reserved > self.end && self.file.set_len(self.end).is_ok() {
            self.reserved = self.end;
        }
    }
}

/// Cuts texts and lists that are longer than `most`, keeping their ends: what was said last counts.
fn shorten(value: &mut Value, most: usize) {
    match value {
        Value::String(text) if text.len() > most => *text = format!("[...]{}", tail(text, most)),
        Value::Array(all) => {
            if all.len() > most / 16 {
                all.drain(..all.len() - most / 16);
            }
            for one in all {
                shorten(one, most);
            }
        }
        Value::Object(map) => map.values_mut().for_each(|v| shorten(v, most)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::journal::{Closing, FORMAT, Opened};

    fn opened() -> (Moment, Event) {
        (Moment(1), Event::Opened(Box::new(Opened { format: FORMAT, playbook: "p hunter2".to_owned(), ..Opened::default() })))
    }

    fn closed() -> (Moment, Event) {
        (Moment(2), Event::Closed { why: Closing::Stopped, note: String::new() })
    }

    #[test]
    fn two_do_not_write_one_journal_and_a_torn_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let redact = Redactor::default();
        redact.learn("hunter2");
        let mut first = JournalFile::create(dir.path(), "r1", redact.clone()).unwrap();
        first.reserve(3).unwrap();
        first.append(vec![opened(), closed()]).unwrap();
        assert!(JournalFile::is_taken(dir.path(), "r1"));
        assert!(matches!(JournalFile::open(dir.path(), "r1", redact.clone()), Err(Trouble::Taken { .. })));
        assert_eq!(JournalFile::read(dir.path(), "r1").unwrap().records.len(), 2, "reserved space is not read");
        drop(first);
        assert!(!JournalFile::is_taken(dir.path(), "r1"));
        let path = dir.path().join("r1").join(NAME);
        let mut text = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
        text.extend_from_slice(b"{\"seq\":2,\"at\":\"20");
        std::fs::write(&path, &text).unwrap();
        let (mut again, found) = JournalFile::open(dir.path(), "r1", redact).unwrap();
        assert_eq!(found.records.len(), 2);
        let records = again.append(vec![closed()]).unwrap();
        assert_eq!(records[0].seq, 2);
        again.trim();
        assert_eq!(JournalFile::read(dir.path(), "r1").unwrap().records.len(), 3);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
