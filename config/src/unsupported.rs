//! What is part of Xietong's configuration but not yet of this version: refused by name, never ignored.
//!
//! Looked at only for what the file types do not know, so an entry that has been built is merely superfluous.

/// Keys.
const KEYS: [&str; 1] = ["speaks"];

/// Words, with the last key of the path that they stand at.
const WORDS: [(&str, &str); 3] = [("provider", "anthropic"), ("provider", "azure"), ("provider", "gemini")];

pub(crate) fn key(key: &str) -> bool {
    KEYS.contains(&key)
}

pub(crate) fn word(path: &str, word: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    WORDS.contains(&(key, word))
}

pub(crate) fn sentence(word: &str) -> String {
    format!("`{word}` is not supported by this version")
}
