//! A JSON object as the places of its members, so that one can be changed and the rest stays as it came.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::scan::{Cursor, Fault, FaultKind, Kind, Text, quoted, text_of};

/// Members up to which comparing each with each is the fastest way to find two of one name.
const FEW: usize = 16;

/// A JSON object: its text, checked, and where its members lie.
#[derive(Debug, Clone)]
pub struct Object {
    bytes: Bytes,
    places: Places,
}

impl Object {
    /// Checks a text in one pass: valid JSON of at most 128 levels, nothing after it, an object, and no two of its own
    /// members (those within members may) with one name.
    pub fn skim(bytes: Bytes) -> Result<Self, Fault> {
        let places = Places::of(text_of(&bytes)?)?;
        Ok(Self { bytes, places })
    }

    /// From the places found in these very bytes.
    pub(super) fn placed(bytes: Bytes, places: Places) -> Self {
        Self { bytes, places }
    }

    /// The text.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A member's value as it is written.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        Some(&self.bytes[self.places.find(&self.bytes, key)?])
    }

    /// The text with some members replaced, added at the end, or removed (`None`). Every other byte stays.
    pub fn edited(&self, edits: &[(&str, Option<&[u8]>)]) -> Bytes {
        let changes = |(key, value): &&(&str, Option<&[u8]>)| self.get(key) != *value;
        if edits.iter().filter(changes).count() == 0 {
            return self.bytes.clone();
        }
        let extra: usize =
            edits.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len) + 4).sum();
        let mut out = Vec::with_capacity(self.bytes.len() + extra);
        let members = &self.places.members;
        let mut end = members.first().map_or(self.places.close, |first| first.start);
        out.extend_from_slice(&self.bytes[..end]);
        let mut any = false;
        let mut done = vec![false; edits.len()];
        for member in members {
            let edit = edits.iter().position(|(key, _)| member.is(&self.bytes, key));
            let value = edit.map_or(Some(&self.bytes[member.value.clone()]), |at| edits[at].1);
            if let Some(at) = edit {
                done[at] = true;
            }
            if let Some(value) = value {
                // What lies before the first member is written already; before each other there is one comma.
                let gap = if any { &self.bytes[end..member.start] } else { &[] };
                out.extend_from_slice(gap);
                out.extend_from_slice(&self.bytes[member.start..member.value.start]);
                out.extend_from_slice(value);
                any = true;
            }
            end = member.value.end;
        }
        for ((key, value), _) in edits.iter().zip(done).filter(|(_, done)| !done) {
            if let Some(value) = value {
                add(&mut out, any, key, value);
                any = true;
            }
        }
        out.extend_from_slice(&self.bytes[end..]);
        out.into()
    }
}

fn add(out: &mut Vec<u8>, comma: bool, key: &str, value: &[u8]) {
    if comma {
        out.push(b',');
    }
    out.extend_from_slice(string(key).as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

/// A text as a JSON string, quotes included.
pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where the members of an object lie in its text.
#[derive(Debug, Clone)]
pub(super) struct Places {
    members: Vec<Member>,
    /// The closing bracket.
    close: usize,
}

#[derive(Debug, Clone)]
struct Member {
    /// The quote that begins its name.
    start: usize,
    /// Where the name ends, before its quote.
    name_end: usize,
    escaped: bool,
    value: Range<usize>,
}

impl Member {
    fn is(&self, bytes: &[u8], key: &str) -> bool {
        let raw = &bytes[self.start + 1..self.name_end];
        if !self.escaped {
            return raw == key.as_bytes();
        }
        std::str::from_utf8(raw).is_ok_and(|raw| Text { raw, escaped: true, at: self.start + 1 }.is(key))
    }

    fn name<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let raw = &text[self.start + 1..self.name_end];
        Text { raw, escaped: self.escaped, at: self.start + 1 }.cow()
    }
}

impl Places {
    /// Checks a text and finds them.
    pub(super) fn of(text: &str) -> Result<Self, Fault> {
        let mut cursor = Cursor::over(text);
        if cursor.kind()? != Kind::Object {
            let fault = cursor.fault(FaultKind::NotAnObject);
            cursor.skip()?;
            cursor.end()?;
            return Err(fault);
        }
        let mut members = Vec::with_capacity(FEW);
        cursor.members(|cursor, name| {
            let value = cursor.skip()?.len();
            members.push(Member {
                start: name.at - 1,
                name_end: name.at + name.raw.len(),
                escaped: name.escaped,
                value: cursor.at() - value..cursor.at(),
            });
            Ok::<_, Fault>(())
        })?;
        let close = cursor.at() - 1;
        cursor.end()?;
        let places = Self { members, close };
        places.refuse_duplicates(text)?;
        Ok(places)
    }

    /// Names and where the values lie.
    pub(super) fn iter<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Cow<'a, str>, Range<usize>)> {
        self.members.iter().map(|member| (member.name(text), member.value.clone()))
    }

    /// Where the value of this name lies.
    pub(super) fn find(&self, text: &[u8], key: &str) -> Option<Range<usize>> {
        let member = self.members.iter().find(|member| member.is(text, key))?;
        Some(member.value.clone())
    }

    fn refuse_duplicates(&self, text: &str) -> Result<(), Fault> {
        let mut names: Vec<_> = self.members.iter().map(|member| (member.name(text), member.start)).collect();
        let second = if names.len() <= FEW {
            (1..names.len()).find(|at| names[..*at].iter().any(|(name, _)| *name == names[*at].0))
        } else {
            names.sort();
            (1..names.len()).find(|at| names[*at].0 == names[*at - 1].0)
        };
        let Some(second) = second else { return Ok(()) };
        let (name, at) = &names[second];
        Err(Fault { kind: FaultKind::DuplicateKey(quoted(name)), at: *at })
    }
}
