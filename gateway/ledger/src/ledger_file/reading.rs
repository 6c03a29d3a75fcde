//! A ledger file read back: at the start, for its balances; whole, for reports; and what is sound of a damaged one.

use std::io::Read;

use serde::Deserialize;

use super::*;
use crate::usage_record::BudgetDebit;

/// Reads every sound line of a ledger, in order; gives how many others there were. A torn end is no damage.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path, see: impl FnMut(LedgerEntry)) -> io::Result<u64> {
    read_entries(File::open(path)?, see)
}

/// As [`read`], from the bytes of a file.
pub(crate) fn read_entries(file: impl Read, mut see: impl FnMut(LedgerEntry)) -> io::Result<u64> {
    let (mut damaged, mut behind) = (0, 0);
    lines(file, |_, line| {
        match line::read(line) {
            Ok((_, json)) => {
                damaged += std::mem::take(&mut behind);
                // What a newer version wrote is passed over.
                if let Ok(entry) = serde_json::from_slice(json) {
                    see(entry);
                }
            }
            Err(_) => behind += 1,
        }
        Ok(())
    })?;
    Ok(damaged)
}

/// Calls `see` with the offset, the whole and the JSON of each sound line.
pub(super) fn each_line(
    file: impl Read,
    mut see: impl FnMut(u64, &[u8], &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    lines(file, |at, line| match line::read(line) {
        Ok((_, json)) => see(at, line, json),
        Err(_) => Ok(()),
    })
}

fn lines(file: impl Read, mut see: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut at, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        see(at, &line)?;
        at += line.len() as u64;
        line.clear();
    }
    Ok(())
}

/// A file on its way into memory.
#[derive(Debug, Default)]
pub(crate) struct LedgerReader {
    pub(crate) balances: Balances,
    /// Bytes up to the end of the last sound line, and those behind it.
    pub(crate) sound: u64,
    pub(super) torn: u64,
    /// The number of the next line.
    pub(crate) next: u64,
    pub(super) epoch: u64,
    pub(super) oldest: Option<Timestamp>,
    /// The first line that is not sound.
    bad: Option<DamagedLine>,
    count: u64,
}

/// Where a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DamagedLine {
    /// From 1.
    pub(crate) line: u64,
    /// From 0.
    pub(crate) offset: u64,
}

impl DamagedLine {
    pub(super) fn in_file(self, path: &Path) -> LedgerFileError {
        LedgerFileError::Damaged { path: path.to_owned(), line: self.line, offset: self.offset }
    }
}

impl LedgerReader {
    /// Reads a file to its end. What is not sound there was not written to its end; what is not sound before sound lines
    /// is damage, and the first of it is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&mut self, file: impl Read) -> io::Result<Option<DamagedLine>> {
        let mut damage = None;
        lines(file, |at, line| {
            self.count += 1;
            let here = DamagedLine { line: self.count, offset: at };
            match line::read(line) {
                // Said twice, as after a copy of lines: it counts once.
                Ok((number, _)) if number < self.next && self.bad.is_none() => {
                    self.sound = at + line.len() as u64;
                }
                Ok((number, json)) if number == self.next && self.bad.is_none() => {
                    self.next += 1;
                    self.sound = at + line.len() as u64;
                    self.take(json);
                }
                // A line is missing, or one before was bad and is not at the end.
                Ok(_) => damage = damage.or(self.bad.or(Some(here))),
                Err(_) => self.bad = self.bad.or(Some(here)),
            }
            self.torn = at + line.len() as u64 - self.sound;
            Ok(())
        })?;
        Ok(damage)
    }

    fn take(&mut self, json: &[u8]) {
        if is_request(json) {
            if let Ok(ClosedRequest { request }) = serde_json::from_slice(json) {
                self.oldest.get_or_insert(request.time);
                if let Some(paid) = request.paid {
                    self.balances.spend(&paid.key, paid.amount);
                }
            }
            return;
        }
        match serde_json::from_slice(json) {
            Ok(LedgerEntry::Open { epoch, .. }) => self.epoch = epoch,
            Ok(LedgerEntry::Lease { key, amount }) => self.balances.lease(&key, amount),
            Ok(LedgerEntry::Back { key, amount }) => self.balances.lease(&key, amount.saturating_neg()),
            Ok(LedgerEntry::Balance { key, balance }) => self.balances.set(&key, balance),
            // Requests were told by how they begin; the rest is of a newer version.
            Ok(LedgerEntry::Request(_)) | Err(_) => {}
        }
    }
}

/// What a balance depends on of a request: most of the lines are requests, and most of a line is not needed.
#[derive(Deserialize)]
struct ClosedRequest {
    request: RequestHistory,
}

#[derive(Deserialize)]
struct RequestHistory {
    time: Timestamp,
    #[serde(default)]
    paid: Option<BudgetDebit>,
}

/// Copies what is sound of a damaged ledger to a new one; gives how many lines were kept and how many were not.
///
/// # Errors
/// When a file cannot be read or written, or the new one exists.
pub fn salvage(from: &Path, to: &Path) -> io::Result<(u64, u64)> {
    // Read first: where there is nothing to read, no empty file is left behind.
    let from = File::open(from)?;
    let mut out = io::BufWriter::new(private().create_new(true).open(to)?);
    let counts = copy_sound_lines(from, &mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(counts)
}

/// As [`salvage`], from the bytes of one file to those of another.
pub(crate) fn copy_sound_lines(from: impl Read, out: &mut impl Write) -> io::Result<(u64, u64)> {
    let (mut kept, mut lost) = (0, 0);
    lines(from, |_, line| {
        let Ok((_, json)) = line::read(line) else {
            lost += 1;
            return Ok(());
        };
        let mut renumbered = Vec::new();
        line::write(&mut renumbered, kept, json);
        kept += 1;
        out.write_all(&renumbered)
    })?;
    Ok((kept, lost))
}
