//! The ledger's file: lines appended and synced in groups, replayed when it is opened.
//!
//! Why not a database: the ledger needs one thing, appending under a sync, and must know exactly what is durable when
//! a disk fails, which SQLite and redb decide behind their interfaces (a failed sync may not be retried on the same
//! descriptor; SQLite has no checksums over its pages, and redb locks a file against readers, while `xietong report`
//! reads this one beside a running gateway). It is also no further dependency, and a person can read it.

mod reading;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::balance::Balances;
use super::line::{self, LedgerEntry};
use super::store_error::StoreError;

pub(crate) use reading::LedgerReader;
use reading::each_line;
#[cfg(any(test, feature = "testing"))]
pub(crate) use reading::{copy_sound_lines, read_entries};
pub use reading::{read, salvage};

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFileError {
    /// The file or its folder.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: io::Error,
    },
    /// The writer's thread could not be started.
    #[error("the ledger's thread could not be started: {0}")]
    Thread(#[from] io::Error),
    /// A shared store.
    #[error(transparent)]
    Shared(StoreError),
    /// Another process has it.
    #[error("{}: another process has this ledger; each needs a `path` of its own", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// A line in the middle is not what was written.
    #[error(
        "{0}: line {line} (byte {offset}) is damaged, and sound lines follow it, so that its budgets cannot be trusted. \
         Restore the file, or keep what is sound of it with `xietong salvage {0} NEW` and put NEW in its place",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 0.
        offset: u64,
    },
}

/// An open ledger file. Nobody else writes it while this lives.
#[derive(Debug)]
pub struct LedgerFile {
    path: PathBuf,
    /// Held locked.
    _lock: File,
    file: File,
    /// Bytes that are known to be durable.
    sound: u64,
    /// The number of the next line.
    next: u64,
    epoch: u64,
    /// When the oldest request ended.
    oldest: Option<Timestamp>,
    /// Lines that are not durable yet, as they will stand in the file.
    pending: Vec<u8>,
    pending_lines: u64,
    /// Whether the end of the file is unknown after a failure.
    failed: bool,
    /// While this file exists, the disk is taken to be full.
    #[cfg(test)]
    full: Option<PathBuf>,
}

/// What a file said.
#[derive(Debug)]
pub struct LoadedLedger {
    /// For appending.
    pub file: LedgerFile,
    /// Every budget's state; nothing is leased out.
    pub balances: Balances,
    /// What the operator should know, one sentence each.
    pub notes: Vec<String>,
}

impl LedgerFile {
    /// Opens a ledger, or begins one. Cuts off a torn end, and counts as spent what an earlier process did not give back.
    ///
    /// # Errors
    /// A file that cannot be read or written, is in use, or is damaged before its end.
    pub fn open(path: &Path, now: Timestamp) -> Result<LoadedLedger, LedgerFileError> {
        let io = |why| LedgerFileError::Io { path: path.to_owned(), why };
        let mut lock = private().open(beside(path, "lock")).map_err(io)?;
        lock.try_lock().map_err(|why| match why {
            std::fs::TryLockError::WouldBlock => LedgerFileError::Taken { path: path.to_owned() },
            std::fs::TryLockError::Error(why) => io(why),
        })?;
        let file = private().open(path).map_err(io)?;
        // A device may have no end to read to.
        if !file.metadata().map_err(io)?.is_file() {
            return Err(io(io::Error::other("is no regular file")));
        }
        let mut replay = LedgerReader::default();
        replay.read(&file).map_err(io)?.map_or(Ok(()), |damaged| Err(damaged.in_file(path)))?;
        let LedgerReader { mut balances, sound, next, epoch, oldest, torn, .. } = replay;
        let mut notes = Vec::new();
        if torn > 0 {
            notes
                .push(format!("{}: cut off {torn} bytes that were not written to their end", path.display()));
            file.set_len(sound).map_err(io)?;
        }
        let seen = io::read_to_string(&mut lock).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if seen.is_some_and(|seen| seen > epoch) {
            notes.push(format!(
                "{}: this is an older copy of the ledger: what was spent since is not in it",
                path.display()
            ));
        }
        let epoch = epoch.max(seen.unwrap_or(0)).saturating_add(1);
        let mut opened = Self {
            path: path.to_owned(),
            file,
            sound,
            next,
            epoch,
            oldest,
            pending: Vec::new(),
            pending_lines: 0,
            failed: false,
            #[cfg(test)]
            full: None,
            _lock: lock.try_clone().map_err(io)?,
        };
        opened.write(&LedgerEntry::Open { epoch, time: now });
        let swept = balances.sweep();
        if !swept.is_empty() {
            notes.push(format!(
                "{}: the last process did not end in order: what it had at hand of {} budgets counts as spent",
                path.display(),
                swept.len()
            ));
        }
        for (key, balance) in swept {
            opened.write(&LedgerEntry::Balance { key, balance });
        }
        opened.sync().map_err(io)?;
        sync_folder(path).map_err(io)?;
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{epoch}")).map_err(io)?;
        lock.sync_all().map_err(io)?;
        Ok(LoadedLedger { file: opened, balances, notes })
    }

    /// Adds a line; it is durable after the next [`LedgerFile::sync`].
    pub fn write(&mut self, entry: &LedgerEntry) {
        self.write_json(|out| {
            // Plain data, which serialises.
            let _ = serde_json::to_writer(out, entry);
        });
    }

    /// Adds a request that ended then.
    pub fn write_request(&mut self, time: Timestamp, json: &[u8]) {
        self.oldest.get_or_insert(time);
        self.write_json(|out| {
            out.extend_from_slice(REQUEST);
            out.extend_from_slice(json);
            out.push(b'}');
        });
    }

    fn write_json(&mut self, json: impl FnOnce(&mut Vec<u8>)) {
        line::write_with(&mut self.pending, self.next, json);
        self.next += 1;
        self.pending_lines += 1;
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// When the disk fails. What was written stays pending, and the next call begins anew on a new descriptor from what
    /// is known to be durable: after a failed sync the old one may say that all is well while nothing was kept.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.failed {
            self.reopen()?;
        }
        self.failed = true;
        #[cfg(test)]
        if self.full.as_ref().is_some_and(|full| full.exists()) {
            // Half of it still found a place.
            self.file.write_all(&self.pending[..self.pending.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(&self.pending)?;
        self.file.sync_data()?;
        self.failed = false;
        self.sound += self.pending.len() as u64;
        self.forget();
        Ok(())
    }

    /// Takes back the lines that are not durable.
    pub fn drop_pending(&mut self) {
        self.next -= self.pending_lines;
        self.forget();
    }

    /// Says that it is in use again after a failure.
    pub fn write_open(&mut self, time: Timestamp) {
        self.write(&LedgerEntry::Open { epoch: self.epoch, time });
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.sound
    }

    /// When the oldest request in it ended.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts in its place a file with these balances and only the requests that `keep` wants, by time and by the bytes
    /// of all requests from there to the end of the file.
    ///
    /// # Errors
    /// When the disk fails; then the old file stays in use.
    pub fn compact(&mut self, balances: &Balances, now: Timestamp, keep: &RetentionPolicy) -> io::Result<()> {
        let wanted = keep.first_wanted(&self.path)?;
        let beside = beside(&self.path, "new");
        let mut out = io::BufWriter::new(File::create(&beside)?);
        let mut next = 0;
        let mut size = 0;
        let mut put = |json: &[u8]| -> io::Result<()> {
            let mut line = Vec::new();
            line::write(&mut line, next, json);
            next += 1;
            size += line.len() as u64;
            out.write_all(&line)
        };
        put(&serde_json::to_vec(&LedgerEntry::Open { epoch: self.epoch, time: now })?)?;
        each_line(File::open(&self.path)?, |at, _, json| {
            if at >= wanted && is_request(json) {
                put(json)?;
            }
            Ok(())
        })?;
        // Behind the requests: a balance stands in place of all that was said before it.
        for (key, balance) in balances.iter().filter(|(key, _)| keep.wants_period(&key.period)) {
            put(&serde_json::to_vec(&LedgerEntry::Balance { key: key.clone(), balance: *balance })?)?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop(file);
        restrict(&beside)?;
        std::fs::rename(&beside, &self.path)?;
        sync_folder(&self.path)?;
        self.file = private().open(&self.path)?;
        (self.sound, self.next, self.oldest) = (size, next, Some(keep.since));
        Ok(())
    }

    /// From now on the disk is full while the ledger file's path with the ending `full` exists.
    #[cfg(test)]
    pub(super) fn break_disk(&mut self, path: Option<PathBuf>) {
        self.full = path.map(|path| path.with_extension("full"));
        self.full.iter().for_each(|full| std::fs::write(full, b"").unwrap_or_default());
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = private().open(&self.path)?;
        file.set_len(self.sound)?;
        file.seek(SeekFrom::Start(self.sound))?;
        file.sync_all()?;
        self.file = file;
        Ok(())
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.pending_lines = 0;
    }
}

/// Which requests a file keeps.
#[derive(Debug, Clone, Copy)]
pub struct RetentionPolicy {
    /// No older ones.
    pub since: Timestamp,
    /// No more bytes of them, counted from the newest.
    pub bytes: u64,
}

impl RetentionPolicy {
    /// The offset from which requests are kept.
    fn first_wanted(&self, path: &Path) -> io::Result<u64> {
        let (mut fresh, mut end) = (None, 0);
        each_line(File::open(path)?, |at, line, json| {
            if fresh.is_none() && time_of(json).is_some_and(|time| time >= self.since) {
                fresh = Some(at);
            }
            end = at + line.len() as u64;
            Ok(())
        })?;
        Ok(fresh.unwrap_or(end).max(end.saturating_sub(self.bytes)))
    }

    /// Budgets of windows that ended long ago are of no more use.
    fn wants_period(&self, period: &str) -> bool {
        let since = self.since.strftime("%Y-%m").to_string();
        period.get(..7).is_none_or(|month| month >= since.as_str())
    }
}

/// How the JSON of a request begins.
pub const REQUEST: &[u8] = b"{\"request\":";

fn is_request(json: &[u8]) -> bool {
    json.starts_with(REQUEST)
}

fn time_of(json: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct TimedSegment {
        request: LedgerFileInner,
    }
    #[derive(serde::Deserialize)]
    struct LedgerFileInner {
        time: Timestamp,
    }
    is_request(json)
        .then(|| serde_json::from_slice::<TimedSegment>(json).ok())?
        .map(|timed| timed.request.time)
}

/// Files that only their owner reads: names of clients stand in them.
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
