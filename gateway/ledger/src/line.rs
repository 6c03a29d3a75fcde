//! The lines of a ledger's file: `CHECKSUM NUMBER JSON`. A person can read them, and any torn, changed, lost or doubled
//! one is noticed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::balance::{Balance, BalanceKey};
use super::usage_record::UsageRecord;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerEntry {
    /// A gateway opened the file.
    Open {
        /// How often the file was opened so far; a smaller number than the lock's says that an old copy was put back.
        epoch: u64,
        /// When.
        time: Timestamp,
    },
    /// A part of a budget is leased to the gateway that runs.
    Lease {
        /// The budget.
        #[serde(flatten)]
        key: BalanceKey,
        /// In nano-units.
        amount: i64,
    },
    /// A part of it came back.
    Back {
        /// The budget.
        #[serde(flatten)]
        key: BalanceKey,
        /// In nano-units.
        amount: i64,
    },
    /// A budget's state, in place of all that was said of it before.
    Balance {
        /// The budget.
        #[serde(flatten)]
        key: BalanceKey,
        /// Its state.
        #[serde(flatten)]
        balance: Balance,
    },
    /// A request is over.
    Request(Box<UsageRecord<'static>>),
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// It is not a line of a ledger, or was cut or changed.
    Torn,
}

/// Writes a line with its end.
pub fn write(out: &mut Vec<u8>, number: u64, json: &[u8]) {
    write_with(out, number, |out| out.extend_from_slice(json));
}

/// The same where the JSON is still to be written.
pub fn write_with(out: &mut Vec<u8>, number: u64, json: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"........ ");
    let body = out.len();
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b' ');
    json(out);
    let sum = crc32fast::hash(&out[body..]);
    out[start..body - 1].copy_from_slice(&hex(sum));
    out.push(b'\n');
}

/// A checksum in eight digits.
fn hex(sum: u32) -> [u8; 8] {
    std::array::from_fn(|at| b"0123456789abcdef"[(sum >> (28 - 4 * at) & 0xf) as usize])
}

/// Reads a line, its end included: its number and its JSON.
pub fn read(line: &[u8]) -> Result<(u64, &[u8]), LineError> {
    let line = line.strip_suffix(b"\n").ok_or(LineError::Torn)?;
    let (sum, body) = line.split_at_checked(9).ok_or(LineError::Torn)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| LineError::Torn);
    let sum = u32::from_str_radix(text(&sum[..8])?, 16).map_err(|_| LineError::Torn)?;
    if line[8] != b' ' || crc32fast::hash(body) != sum {
        return Err(LineError::Torn);
    }
    let space = memchr::memchr(b' ', body).ok_or(LineError::Torn)?;
    let number = text(&body[..space])?.parse().map_err(|_| LineError::Torn)?;
    Ok((number, &body[space + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> BalanceKey {
        BalanceKey { client: "数 a\n".into(), period: "2026-11-24".into() }
    }

    #[test]
    fn entries_read_back() {
        let entries = [
            LedgerEntry::Open { epoch: 3, time: "2026-11-24T01:02:03Z".parse().unwrap() },
            LedgerEntry::Lease { key: key(), amount: 5 },
            LedgerEntry::Back { key: key(), amount: 4 },
            LedgerEntry::Balance { key: key(), balance: Balance { leased: 7, spent: 6 } },
        ];
        for entry in entries {
            let json = serde_json::to_vec(&entry).unwrap();
            let mut line = Vec::new();
            write(&mut line, 12, &json);
            let (number, read_json) = read(&line).unwrap();
            assert_eq!((number, serde_json::from_slice::<LedgerEntry>(read_json).unwrap()), (12, entry));
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let mut line = Vec::new();
        write(&mut line, 12, br#"{"lease":{"client":"a","period":"2026-11-24","amount":5}}"#);
        for at in 0..line.len() {
            assert_eq!(read(&line[..at]), Err(LineError::Torn), "cut at {at}");
            for bit in 0..8 {
                let mut changed = line.clone();
                changed[at] ^= 1 << bit;
                let got = read(&changed);
                // A checksum may be written in capitals, too.
                let same = got.is_ok() && changed.eq_ignore_ascii_case(&line) && at < 8;
                assert!(got == Err(LineError::Torn) || same, "bit {bit} of byte {at}");
            }
        }
    }
}
