//! Keys and kinds that have a better name than the one that serde knows.

use serde_json::Value;

use crate::schema::BETTER_NAME;
use crate::suggest::nearest;

/// `; did you mean …?`, if the word is nearly one that is known, or nearly an older name of one (older, better); or nothing.
pub(crate) fn hint<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    older: &[(&'a str, &'a str)],
) -> String {
    let better = |meant: &str| older.iter().find(|(older, _)| *older == meant).map(|(_, better)| *better);
    // A slip in an older name is one as well; a better name comes first.
    let meant =
        nearest(word, known).or_else(|| better(nearest(word, older.iter().map(|(older, _)| *older))?));
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

/// The better name of a key or of a variant's `kind`.
pub(crate) fn better_name(schema: &Value) -> Option<&str> {
    schema[BETTER_NAME].as_str()
}

/// The key that serde knows by this better name, and its schema.
pub(crate) fn by_better_name<'a>(schema: &'a Value, key: &str) -> Option<(&'a str, &'a Value)> {
    let mut properties = schema["properties"].as_object()?.iter();
    properties
        .find(|(_, inner)| better_name(inner) == Some(key))
        .map(|(known, inner)| (known.as_str(), inner))
}
