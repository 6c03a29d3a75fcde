//! What is part of Xietong's configuration but not yet of this version: refused by name, never ignored.
//!
//! Looked at only for what the file types do not know, so an entry that has been built is merely superfluous.

/// Keys.
const KEYS: [&str; 1] = ["speaks"];

pub(crate) fn key(key: &str) -> bool {
    KEYS.contains(&key)
}

pub(crate) fn sentence(word: &str) -> String {
    format!("`{word}` is not supported by this version")
}
