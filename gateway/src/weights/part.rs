//! A file that is not whole yet: `NAME.part` beside where it will be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use small_model::catalogue::CatalogueEntry;

use super::{FetchError, proof, with_extension};

/// A file on its way, locked against a second fetch for as long as this lives.
pub(super) struct PartialDownload {
    goal: PathBuf,
    path: PathBuf,
    /// Holds the lock. It is on a file of its own, as the part itself comes and goes.
    lock: File,
}

impl PartialDownload {
    /// The part of this file; what an earlier fetch left of it is kept.
    pub(super) fn open(goal: &Path) -> Result<Self, FetchError> {
        let unusable = |path: &Path, source| FetchError::Folder { path: path.to_owned(), source };
        let lock_path = with_extension(goal, "lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| unusable(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy(goal.to_owned())),
            // A file system without locks: the hash still tells whether two of us got in each other's way.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(Self { goal: goal.to_owned(), path: with_extension(goal, "part"), lock })
    }

    /// Where the bytes go.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a piece of it goes that comes by itself, by its number.
    pub(super) fn piece(&self, number: usize) -> PathBuf {
        with_extension(&self.goal, &format!("part-{number}"))
    }

    /// Bytes that are already there.
    pub(super) fn length(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// The file, to be written from its end on.
    pub(super) fn append(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.path)
    }

    /// Throws away what is there.
    pub(super) fn clear(&self) {
        // When it cannot be removed, the next attempt fails with the system's reason.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Gives the whole file, whose hash is right, its name, at once or not at all.
    pub(super) fn finish(self, entry: &CatalogueEntry) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::rename(&self.path, &self.goal)?;
        proof::write(&self.goal, entry)
    }
}

impl Drop for PartialDownload {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
        let _ = std::fs::remove_file(with_extension(&self.goal, "lock"));
    }
}
