//! The page of configuration keys, made from the schema of the file.

use serde_json::Value;

use super::markdown::{MADE, cell, put};

/// Every key: its type, default and range.
pub fn configuration() -> String {
    let schema = gateway_config::schema_with_defaults();
    let mut page = format!(
        "{}# Configuration keys\n\nEvery key of `xietong.yaml`, from the schema that `xietong check` goes by. How keys work \
         together, with examples: [config/README.md](../../config/README.md).\n\nDurations are written `250ms`, `10s`, `5m`, \
         `7d`; sizes `64KiB`, `32MiB`, `1GiB`. In a path, `[]` stands for each element of a list and `*` for each key of a \
         mapping.\n",
        MADE
    );
    let mut walk =
        Walk { schema: &schema, told: Vec::new(), waiting: vec![("The file".to_owned(), &schema)] };
    while !walk.waiting.is_empty() {
        let (path, mapping) = walk.waiting.remove(0);
        walk.section(&mut page, &path, mapping);
    }
    page
}

/// Every key with its type and default, one a line.
pub(super) fn keys() -> String {
    let page = configuration();
    let (mut path, mut lines) = ("", String::new());
    for line in page.lines() {
        path = line.strip_prefix("## ").unwrap_or(path);
        let mut cells = line.split(" | ");
        let key = cells.next().and_then(|cell| cell.strip_prefix("| `"));
        let (Some(key), Some(kind), Some(default)) = (key, cells.next(), cells.next()) else { continue };
        lines += &format!("{path}: {}: {kind}; default: {default}\n", key.trim_end_matches('`'));
    }
    lines
}

struct Walk<'a> {
    schema: &'a Value,
    /// Mappings that have a section, with its title.
    told: Vec<(&'a Value, String)>,
    waiting: Vec<(String, &'a Value)>,
}

impl<'a> Walk<'a> {
    fn section(&mut self, page: &mut String, path: &str, mapping: &'a Value) {
        put(page, format_args!("\n## {path}\n"));
        if let Some(says) = mapping["description"].as_str().filter(|_| path != "The file") {
            put(page, format_args!("{}\n", cell(says)));
        }
        put(page, format_args!("| key | type | default | range | says |\n| --- | --- | --- | --- | --- |"));
        let required: Vec<&str> =
            mapping["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, about) in mapping["properties"].as_object().into_iter().flatten() {
            let below = match path {
                "The file" => key.clone(),
                path => format!("{path}.{key}"),
            };
            let kind = self.kind(about, &below);
            let default = match default(about) {
                Some(default) => default,
                None if required.contains(&key.as_str()) => "required".to_owned(),
                None => String::new(),
            };
            let says = cell(without_default(about["description"].as_str().unwrap_or_default()));
            let range = self.range(about);
            put(page, format_args!("| `{key}` | {kind} | {default} | {range} | {says} |"));
        }
    }

    fn target(&self, about: &'a Value) -> &'a Value {
        let name = about["$ref"].as_str().and_then(|link| link.strip_prefix("#/$defs/"));
        name.map_or(about, |name| &self.schema["$defs"][name])
    }

    /// The type of a value in words; mappings get a section of their own, once.
    fn kind(&mut self, about: &'a Value, path: &str) -> String {
        let about = self.target(about);
        if let Some(choices) = about["oneOf"].as_array().or(about["anyOf"].as_array()) {
            let mut kinds: Vec<String> = Vec::new();
            for choice in choices {
                let kind = match kind_word(choice) {
                    Some(word) => self.link(choice, format!("{path}, kind: {word}"), Some(about)),
                    None => self.kind(choice, path),
                };
                kinds.push(kind);
            }
            return kinds.join(", ");
        }
        if let Some(word) = about["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some(words) = about["enum"].as_array() {
            let words: Vec<_> =
                words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        match about["type"].as_str() {
            Some("array") => format!("list of: {}", self.kind(&about["items"], &format!("{path}[]"))),
            Some("object") if about["properties"].is_object() => self.link(about, path.to_owned(), None),
            Some("object") => {
                format!("mapping to: {}", self.kind(&about["additionalProperties"], &format!("{path}.*")))
            }
            Some("boolean") => "true or false".to_owned(),
            Some("integer") => "whole number".to_owned(),
            Some("string") => about["format"].as_str().unwrap_or("text").to_owned(),
            other => other.unwrap_or("any").to_owned(),
        }
    }

    /// A link to the section of a mapping.
    fn link(&mut self, mapping: &'a Value, path: String, of: Option<&'a Value>) -> String {
        let known =
            self.told.iter().find(|(told, _)| std::ptr::eq(*told, mapping)).map(|(_, title)| title.clone());
        let title = known.unwrap_or_else(|| {
            self.told.push((mapping, path.clone()));
            self.waiting.push((path.clone(), mapping));
            path
        });
        let anchor: String = title
            .to_lowercase()
            .chars()
            .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'))
            .map(|sign| if sign == ' ' { '-' } else { sign })
            .collect();
        let shown = match of {
            Some(_) => kind_word(mapping).unwrap_or("mapping"),
            None => "mapping",
        };
        format!("[{shown}](#{anchor})")
    }

    fn range(&self, about: &'a Value) -> String {
        let about = if about["minimum"].is_null() { self.target(about) } else { about };
        match (&about["minimum"], &about["maximum"]) {
            (Value::Null, Value::Null) => match about["minItems"].as_u64() {
                Some(least) => format!("{least} or more elements"),
                None => String::new(),
            },
            (least, Value::Null) => format!("{least} or more"),
            (Value::Null, most) => format!("up to {most}"),
            (least, most) => format!("{least} to {most}"),
        }
    }
}

/// The word of `kind` that a mapping is told by; of several the first, which is the one to use.
fn kind_word(mapping: &Value) -> Option<&str> {
    let kind = &mapping["properties"]["kind"];
    kind["const"].as_str().or(kind["enum"][0].as_str())
}

/// What a key is by default: as its type says, or else as its sentence does.
fn default(about: &Value) -> Option<String> {
    match &about["default"] {
        Value::Null => {}
        Value::Object(members) if members.is_empty() => {}
        default => return Some(format!("`{}`", written(default))),
    }
    let says = about["description"].as_str()?;
    let default = says[without_default(says).len()..].trim().strip_prefix("Default")?;
    Some(cell(default.trim_start_matches(':').trim_end_matches('.')))
}

/// A sentence or several without the one at their end that says what the default is.
fn without_default(says: &str) -> &str {
    match says.rfind("Default") {
        Some(at) if at == 0 || says[..at].ends_with([' ', '\n']) => says[..at].trim_end(),
        _ => says,
    }
}

/// A value as YAML's flow style has it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
