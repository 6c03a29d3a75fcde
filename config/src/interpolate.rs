//! Puts environment variables where `${NAME}` stands.
//!
//! It works on scalars of the parsed tree: whatever a variable holds stays one text and cannot become a key, a list
//! or a comment. A value is never looked at again for further `${…}`.

use crate::EnvLookup;
use crate::problems::{Problems, item_path, key_path};
use crate::yaml::{NodeKind, YamlNode, YamlScalar};

/// What the environment gave: (value, name) each, so that messages can say the name instead.
pub(crate) type UsedVariables = Vec<(String, String)>;

/// Why a variable cannot be put in. Holds names of variables, never what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum VariableError {
    /// `${` without its end.
    #[error("`${{` without `}}`; write `$${{` where the characters themselves are meant")]
    Unclosed,
    /// Something else between the braces.
    #[error(
        "between `${{` and `}}` stands the name of an environment variable, such as `${{API_KEY}}` or `${{PORT:-8080}}`"
    )]
    NotAName,
    /// Set to nothing, without a default.
    #[error("the environment variable {0} is empty; write `${{{0}:-}}` where it may be")]
    Empty(String),
    /// Not set, without a default.
    #[error("the environment variable {0} is not set")]
    Unset(String),
}

/// Replaces every `${NAME}` and `${NAME:-default}` below `node`; what cannot be replaced is a problem at its path.
pub(crate) fn interpolate(
    node: &mut YamlNode,
    path: &str,
    env: &EnvLookup<'_>,
    taken: &mut UsedVariables,
    problems: &mut Problems,
) {
    match &mut node.kind {
        NodeKind::Map(entries) => {
            for entry in entries {
                interpolate(&mut entry.value, &key_path(path, &entry.key), env, taken, problems);
            }
        }
        NodeKind::List(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                interpolate(item, &item_path(path, number), env, taken, problems);
            }
        }
        NodeKind::Scalar(scalar) if scalar.text.contains("${") => match fill(scalar, env, taken) {
            Ok(()) => {}
            Err(why @ (VariableError::Unset(_) | VariableError::Empty(_))) => {
                problems.add_unset(path, Some(node.line), why.to_string());
            }
            Err(why) => problems.add(path, Some(node.line), why.to_string()),
        },
        NodeKind::Scalar(_) => {}
    }
}

fn fill(
    scalar: &mut YamlScalar,
    env: &EnvLookup<'_>,
    taken: &mut UsedVariables,
) -> Result<(), VariableError> {
    let source = scalar.text.clone();
    scalar.source = Some(source.clone());
    let filled = fill_text(&source, env, taken);
    // What could not be filled counts as not given, so that it is reported once.
    scalar.text = filled.as_ref().map_or_else(|_| String::new(), Clone::clone);
    filled.map(drop)
}

fn fill_text(source: &str, env: &EnvLookup<'_>, taken: &mut UsedVariables) -> Result<String, VariableError> {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            text.push_str(before);
            text.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        text.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or(VariableError::Unclosed)?;
        text.push_str(&variable(&inner[..end], env, taken)?);
        rest = &inner[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// The value for what stands between the braces.
fn variable(inner: &str, env: &EnvLookup<'_>, taken: &mut UsedVariables) -> Result<String, VariableError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(VariableError::NotAName);
    }
    match (env(name), default) {
        (Some(value), _) if !value.is_empty() => {
            taken.push((value.clone(), name.to_owned()));
            Ok(value)
        }
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(_), None) => Err(VariableError::Empty(name.to_owned())),
        (None, None) => Err(VariableError::Unset(name.to_owned())),
    }
}

/// The message with the names of variables in place of their values.
pub(crate) fn conceal(message: &str, taken: &UsedVariables) -> String {
    let mut message = message.to_owned();
    // Very short values (`1`, `on`) are no secrets, and replacing them would garble the message.
    for (value, name) in taken.iter().filter(|(value, _)| value.trim().len() >= 4) {
        for form in [value.as_str(), value.trim()] {
            message = message.replace(form, &format!("${{{name}}}"));
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: Result<&str, &str>) {
        let env = |name: &str| match name {
            "KEY" => Some("v: [1]\n# x ${HOST}".to_owned()),
            "HOST" => Some("h".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match (fill_text(source, &env, &mut Vec::new()), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{source}"),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{source}: {got}"),
            (got, expected) => panic!("{source}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn puts_values_in() {
        check("none", Ok("none"));
        check("$HOST {HOST} $", Ok("$HOST {HOST} $"));
        check("http://${HOST}:${PORT:-80}/", Ok("http://h:80/"));
        check("${KEY}", Ok("v: [1]\n# x ${HOST}"));
        check("${EMPTY:-x}${UNSET:-}", Ok("x"));
        check("$${HOST} is ${HOST}", Ok("${HOST} is h"));
        check("${HOST:-${HOST}}", Ok("h}"));
    }

    #[test]
    fn says_what_it_cannot_put_in() {
        check("${UNSET}", Err("UNSET is not set"));
        check("${EMPTY}", Err("EMPTY is empty"));
        check("${", Err("without `}`"));
        check("${}", Err("the name of an environment variable"));
        check("${1X}", Err("the name of an environment variable"));
        check("${A B}", Err("the name of an environment variable"));
    }
}
