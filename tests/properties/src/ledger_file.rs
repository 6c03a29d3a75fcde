use ledger::LedgerEntry;
use ledger::balance::{Balance, BalanceKey, Balances};
use ledger::ledger_file::REQUEST;
use ledger::line;
use ledger::testing::{entries, replay, salvaged};
use serde_json::Value;

/// A file of any bytes is read or refused, and what is salvaged of it is sound; one that was written is read as it was
/// written, and where it was cut or changed, that is noticed.
pub fn ledger_lines(input: &[u8]) {
    is_salvaged(input);
    let Some((&[high, low, fault], lines)) = input.split_first_chunk() else { return };
    let (place, lines) = (usize::from(u16::from_be_bytes([high, low])), lines.split(|&byte| byte == b'\n'));
    let lines: Vec<&[u8]> = lines.collect();
    let file = WrittenFile::new(&lines);
    file.is_read_as_written(&lines);
    file.is_cut(place % (file.bytes.len() + 1));
    file.is_changed(place % file.bytes.len(), fault);
    entries(&file.bytes).0.iter().for_each(is_written_again);
}

/// What is salvaged of a file of these bytes is sound, and is all that a report reads in it.
fn is_salvaged(bytes: &[u8]) {
    let kept = salvaged(bytes);
    let sound = replay(&kept).expect("what was salvaged is sound").sound;
    assert_eq!(usize::try_from(sound), Ok(kept.len()));
    assert_eq!(entries(&kept), (entries(bytes).0, 0));
}

/// A file, and where each of its lines begins.
struct WrittenFile {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl WrittenFile {
    fn new(lines: &[&[u8]]) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (number, json) in (0..).zip(lines) {
            starts.push(bytes.len());
            line::write(&mut bytes, number, json);
        }
        Self { bytes, starts }
    }

    /// Where the line begins that this byte is in.
    fn start(&self, at: usize) -> usize {
        self.starts.iter().rfind(|start| **start <= at).copied().unwrap_or(0)
    }

    fn is_read_as_written(&self, lines: &[&[u8]]) {
        let read = replay(&self.bytes).expect("what was written is sound");
        assert_eq!(usize::try_from(read.sound), Ok(self.bytes.len()));
        assert_eq!(usize::try_from(read.next), Ok(lines.len()));
        let said: Option<Vec<LedgerEntry>> =
            lines.iter().map(|json| serde_json::from_slice(json).ok()).collect();
        // Balances are read without most of a request: as from all of it, where all of it is known.
        if let Some(said) = said
            && said
                .iter()
                .zip(lines)
                .all(|(entry, json)| matches!(entry, LedgerEntry::Request(_)) == json.starts_with(REQUEST))
        {
            assert_eq!(read.balances, balances(&said));
        }
    }

    /// A torn end is not counted, and is no damage.
    fn is_cut(&self, at: usize) {
        let sound = if at == self.bytes.len() { at } else { self.start(at) };
        let read = replay(&self.bytes[..at]).expect("a torn end is no damage");
        assert_eq!(Some(read), replay(&self.bytes[..sound]));
    }

    /// A byte that is not what was written makes its line one that is not sound: damage where sound lines follow, a torn end
    /// where none do.
    fn is_changed(&self, at: usize, fault: u8) {
        let mut changed = self.bytes.clone();
        changed[at] ^= fault;
        let (read, whole) = (replay(&changed), replay(&self.bytes));
        // The digits of a checksum can be written in other ways.
        if read == whole {
            let digits = self.start(at)..self.start(at) + 8;
            assert!(fault == 0 || digits.contains(&at), "a change at {at} is noticed");
            return;
        }
        let last = self.starts.last().copied().unwrap_or(0);
        // Without the end of the line before the last, those two are one.
        let is_at_end = at + 1 >= last;
        assert_eq!(read, is_at_end.then(|| replay(&self.bytes[..self.start(at)])).flatten());
    }
}

fn balances(entries: &[LedgerEntry]) -> Vec<(BalanceKey, Balance)> {
    let mut balances = Balances::default();
    for entry in entries {
        match entry {
            LedgerEntry::Open { .. } => {}
            LedgerEntry::Lease { key, amount } => balances.lease(key, *amount),
            LedgerEntry::Back { key, amount } => balances.lease(key, amount.saturating_neg()),
            LedgerEntry::Balance { key, balance } => balances.set(key, *balance),
            LedgerEntry::Request(record) => {
                record.paid.iter().for_each(|paid| balances.spend(&paid.key, paid.amount));
            }
        }
    }
    let mut balances: Vec<_> = balances.iter().map(|(key, balance)| (key.clone(), *balance)).collect();
    balances.sort_by(|(one, _), (other, _)| one.cmp(other));
    balances
}

/// What was read can be written, and is then read as the same.
fn is_written_again(entry: &LedgerEntry) {
    let json = serde_json::to_vec(entry).expect("plain data");
    let again: LedgerEntry = serde_json::from_slice(&json).expect("what was written can be read");
    let value = |entry| serde_json::to_value(entry).expect("plain data");
    assert!(is_alike(&value(entry), &value(&again)), "{entry:?}\n{again:?}");
    if let LedgerEntry::Request(record) = entry {
        let mut written = REQUEST.to_vec();
        record.write(&mut written);
        written.push(b'}');
        assert_eq!(String::from_utf8(written), String::from_utf8(json));
    }
}

/// The same, but for the last digit of numbers with a fraction, which serde_json does not read exactly.
fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            (one - other).abs() <= 4.0 * f64::EPSILON * one.abs()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((name, one), (again, other))| name == again && is_alike(one, other))
        }
        (one, other) => one == other,
    }
}
