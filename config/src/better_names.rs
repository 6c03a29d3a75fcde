//! Keys and kinds that have a better name than the one that serde knows.

use serde_json::Value;

use crate::schema::BETTER_NAME;
use crate::suggest::nearest;

/// Which better name was meant, if the key is nearly an older one.
pub(crate) fn hint_of_older<'a>(key: &str, older: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let older: Vec<(&str, &str)> =
        older.filter_map(|(key, inner)| Some((key.as_str(), better_name(inner)?))).collect();
    let meant = nearest(key, older.iter().map(|(older, _)| *older));
    let better = older.iter().find(|(older, _)| Some(*older) == meant).map(|(_, better)| *better);
    better.map_or_else(String::new, |better| format!("; did you mean `{better}`?"))
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
