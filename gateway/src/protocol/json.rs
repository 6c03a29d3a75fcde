//! A JSON object as the places of its members, so that one can be changed and the rest stays as it came.

use bytes::Bytes;

use super::scan::Fault;

/// A JSON object: its text, checked, and where its members lie.
#[derive(Debug, Clone)]
pub struct Object {
    bytes: Bytes,
}

impl Object {
    /// Checks a text in one pass: valid JSON of at most 128 levels, nothing after it, an object, and no two of its own members
    /// (those within members may) with one name.
    pub fn skim(bytes: Bytes) -> Result<Self, Fault> {
        Ok(Self { bytes })
    }

    /// The text.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A member's value as it is written.
    pub fn get(&self, _key: &str) -> Option<&[u8]> {
        unimplemented!()
    }

    /// The text with some members replaced, added at the end, or removed (`None`). Every other byte stays.
    pub fn edited(&self, _edits: &[(&str, Option<&[u8]>)]) -> Bytes {
        unimplemented!()
    }
}
