//! Requests that are over, as they will be written down: many in one piece of memory, which is used again.

use jiff::Timestamp;

use super::usage_record::BudgetDebit;

/// So much room stays after a rush, in bytes.
const KEPT: usize = 1 << 20;

/// Requests in the order in which they ended.
#[derive(Debug, Default, Clone)]
pub struct RecordBatch {
    /// Each request's JSON behind the one before.
    json: Vec<u8>,
    notes: Vec<RecordMeta>,
}

/// What the ledger itself must know of a request.
#[derive(Debug, Clone)]
struct RecordMeta {
    /// Where its JSON ends.
    end: usize,
    time: Timestamp,
    paid: Option<BudgetDebit>,
}

/// One request of a batch.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// As it stands in the ledger.
    pub json: &'a [u8],
    /// When it ended.
    pub time: Timestamp,
    /// Which budget paid.
    pub paid: Option<&'a BudgetDebit>,
}

impl RecordBatch {
    /// How many requests.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Adds a request, as it stands in the ledger.
    pub fn push(&mut self, json: &[u8], time: Timestamp, paid: Option<BudgetDebit>) {
        self.json.extend_from_slice(json);
        self.notes.push(RecordMeta { end: self.json.len(), time, paid });
    }

    /// Takes over all of another's, behind its own.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let before = self.json.len();
        self.json.append(&mut other.json);
        self.notes.extend(other.notes.drain(..).map(|note| RecordMeta { end: note.end + before, ..note }));
    }

    /// Forgets the first ones, at most [`RecordBatch::len`] of them.
    pub fn forget_first(&mut self, count: usize) {
        let cut = self.end_of(count);
        self.json.drain(..cut);
        self.notes.drain(..count);
        self.notes.iter_mut().for_each(|note| note.end -= cut);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.json.clear();
        self.json.shrink_to(KEPT);
        self.notes.clear();
        self.notes.shrink_to(KEPT / size_of::<RecordMeta>());
    }

    /// In order, from the one with this number on, counted from 0.
    pub fn iter_from(&self, first: usize) -> impl Iterator<Item = RecordRef<'_>> {
        let mut begin = self.end_of(first);
        self.notes.iter().skip(first).map(move |note| {
            let json = &self.json[begin..note.end];
            begin = note.end;
            RecordRef { json, time: note.time, paid: note.paid.as_ref() }
        })
    }

    /// Where the first ones end.
    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.notes[last].end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::balance::BalanceKey;

    fn request() -> impl Strategy<Value = (Vec<u8>, i64, Option<BudgetDebit>)> {
        let paid = proptest::option::of(any::<i64>());
        (vec(any::<u8>(), 0..5), 0..9i64, paid).prop_map(|(json, second, amount)| {
            let key = BalanceKey { client: "a".into(), period: "2026-11-24".into() };
            (json, second, amount.map(|amount| BudgetDebit { key, amount }))
        })
    }

    fn batch(requests: &[(Vec<u8>, i64, Option<BudgetDebit>)]) -> RecordBatch {
        let mut batch = RecordBatch::default();
        for (json, second, paid) in requests {
            batch.push(json, Timestamp::from_second(*second).unwrap(), paid.clone());
        }
        batch
    }

    proptest! {
        #[test]
        fn requests_come_out_as_they_went_in(
            first in vec(request(), 0..6), second in vec(request(), 0..6), forgotten in 0..7usize, from in 0..13usize,
        ) {
            let (mut all, mut more) = (batch(&first), batch(&second));
            all.append(&mut more);
            prop_assert!(more.is_empty());
            let mut expected = [first, second].concat();
            let forgotten = forgotten.min(expected.len());
            all.forget_first(forgotten);
            expected.drain(..forgotten);
            prop_assert_eq!(all.len(), expected.len());
            let from = from.min(expected.len());
            let got: Vec<_> = all.iter_from(from).map(|it| (it.json.to_vec(), it.time.as_second(), it.paid.cloned())).collect();
            prop_assert_eq!(&got[..], &expected[from..]);
            all.clear();
            prop_assert!(all.is_empty() && all.iter_from(0).next().is_none());
        }
    }
}
