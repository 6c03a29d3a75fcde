//! Checks a tree against the schema of the file: every key, type, word and range, all in one pass.
//!
//! What fits comes out as JSON that the file types can be read from; what does not is reported and left out, so that
//! the rest can still be looked at.

use serde_json::{Map, Value};

use crate::better_names::{better_name, by_better_name, hint};
use crate::problems::{Problems, brief, item_path, key_path};
use crate::scalars::{self, SECRET};
use crate::source_map::{OlderName, SourceMap};
use crate::yaml::{MapEntry, NodeKind, YamlNode, YamlScalar};

/// The part of `node` that fits `schema`, and where everything stands.
pub(crate) fn shape(node: &YamlNode, schema: &Value, problems: &mut Problems) -> (Value, SourceMap) {
    let mut check = SchemaCheck { root: schema, problems, places: SourceMap::default() };
    let value = check.value(node, schema, "");
    if value.is_none() && check.problems.touch("") {
        check.places.lost.push(String::new());
    }
    (value.unwrap_or_else(|| Value::Object(Map::new())), check.places)
}

struct SchemaCheck<'a> {
    root: &'a Value,
    problems: &'a mut Problems,
    places: SourceMap,
}

impl<'a> SchemaCheck<'a> {
    /// `None`: nothing was written, or it did not fit and was reported.
    fn value(&mut self, node: &YamlNode, schema: &'a Value, path: &str) -> Option<Value> {
        self.places.lines.entry(path.to_owned()).or_insert(node.line);
        if is_nothing(node) {
            return None;
        }
        let schema = self.target(schema);
        if let Some(words) = words(schema) {
            return self.word(node, &words, &[], path);
        }
        if let Some(choices) = choices(schema) {
            return self.choice(node, choices, path);
        }
        match (&node.kind, schema["type"].as_str().unwrap_or("object")) {
            (NodeKind::Map(entries), "object") => Some(self.map(node, entries, schema, path)),
            (NodeKind::List(items), "array") => self.list(items, &schema["items"], path),
            (NodeKind::Scalar(scalar), "string") => {
                self.text(node, scalar, schema["format"].as_str().unwrap_or(""), path)
            }
            (NodeKind::Scalar(scalar), "number" | "integer") => self.number(node, scalar, schema, path),
            (NodeKind::Scalar(scalar), "boolean") => self.truth(node, scalar, path),
            (_, wanted) => self.fault(node, path, format!("must be {}, not {}", article(wanted), what(node))),
        }
    }

    fn map(&mut self, node: &YamlNode, entries: &[MapEntry], schema: &'a Value, path: &str) -> Value {
        let mut map = Map::new();
        for entry in entries {
            let outer = path;
            let path = key_path(outer, &entry.key);
            if let Some((known, inner)) = by_better_name(schema, &entry.key) {
                self.places.better_paths.push((key_path(outer, known), path.clone()));
                let value = self.value(&entry.value, inner, &path);
                map.extend(value.map(|value| (known.to_owned(), value)));
                continue;
            }
            let inner = schema["properties"].get(&entry.key).or_else(|| schema.get("additionalProperties"));
            match inner {
                Some(inner) if inner.is_object() => {
                    if !self.is_by_one_name(entry, entries, inner, &path) {
                        continue;
                    }
                    let value = self.value(&entry.value, inner, &path);
                    map.extend(value.map(|value| (entry.key.clone(), value)));
                }
                _ => self.unknown_key(entry, schema, &path),
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for key in required.filter(|key| !map.contains_key(*key)) {
            let better = better_name(&schema["properties"][key]).unwrap_or(key);
            let (older, better) = (key_path(path, key), key_path(path, better));
            if !self.problems.touch(&older) && !self.problems.touch(&better) {
                self.problems.add(&better, Some(node.line), "is missing");
            }
        }
        Value::Object(map)
    }

    /// Whether a key by its older name does not stand beside its better one; then the better one is noted.
    fn is_by_one_name(&mut self, entry: &MapEntry, entries: &[MapEntry], schema: &Value, path: &str) -> bool {
        let Some(better) = better_name(schema) else { return true };
        // An empty value counts as left out.
        if is_nothing(&entry.value) {
            return true;
        }
        if entries.iter().any(|other| other.key == better && !is_nothing(&other.value)) {
            let message =
                format!("stands beside `{better}`, which is its better name: leave one of them out");
            self.problems.add(path, Some(entry.line), message);
            return false;
        }
        self.places.older_names.push(OlderName { path: path.to_owned(), better: better.to_owned() });
        true
    }

    fn unknown_key(&mut self, entry: &MapEntry, schema: &Value, path: &str) {
        let all = schema["properties"].as_object();
        let mut known: Vec<&str> =
            all.into_iter().flatten().map(|(key, inner)| better_name(inner).unwrap_or(key)).collect();
        known.sort_unstable();
        let older = all.into_iter().flatten();
        let older: Vec<_> =
            older.filter_map(|(key, inner)| Some((key.as_str(), better_name(inner)?))).collect();
        let hint = hint(&entry.key, known.iter().copied(), &older);
        let message = match () {
            () if entry.key == "<<" => {
                "merge keys are not supported; an alias for a whole value is".to_owned()
            }
            () if hint.is_empty() => format!("unknown key; known here are {}", known.join(", ")),
            () => format!("unknown key{hint}"),
        };
        self.problems.add(path, Some(entry.line), message);
    }

    /// `None` where a text or number in it does not fit; mappings that do not fit leave an empty one in their place,
    /// so that the others keep their numbers.
    fn list(&mut self, items: &[YamlNode], schema: &'a Value, path: &str) -> Option<Value> {
        let of_maps = self.target(schema)["type"] == "object";
        let mut values = Vec::new();
        let mut whole = true;
        for (number, item) in items.iter().enumerate() {
            let path = item_path(path, number);
            match self.value(item, schema, &path) {
                Some(value) => values.push(value),
                None => {
                    if !self.problems.touch(&path) {
                        self.problems.add(&path, Some(item.line), "is empty");
                    }
                    whole &= of_maps;
                    self.places.lost.push(path);
                    values.push(Value::Object(Map::new()));
                }
            }
        }
        whole.then_some(Value::Array(values))
    }

    /// One of these words; `older` has names that some of them had before.
    fn word(&mut self, node: &YamlNode, words: &[&str], older: &[(&str, &str)], path: &str) -> Option<Value> {
        let NodeKind::Scalar(scalar) = &node.kind else {
            return self.fault(
                node,
                path,
                format!("must be one of {}, not {}", list_words(words), what(node)),
            );
        };
        if words.contains(&scalar.text.as_str()) {
            return Some(Value::from(scalar.text.as_str()));
        }
        let hint = match scalar.source {
            None => hint(&scalar.text, words.iter().copied(), older),
            Some(_) => String::new(),
        };
        self.fault(node, path, format!("must be one of {}, not {}{hint}", list_words(words), quote(scalar)))
    }

    /// One of several forms: mappings are told apart by their `kind`, all else by being a scalar, list or mapping.
    fn choice(&mut self, node: &YamlNode, choices: &'a [Value], path: &str) -> Option<Value> {
        let choices: Vec<&Value> = choices.iter().map(|choice| self.target(choice)).collect();
        let mut fitting = choices.iter().copied().filter(|choice| fits(node, choice));
        let Some(first) = fitting.next() else {
            let forms: Vec<_> = choices.iter().map(|choice| article(form(choice))).collect();
            return self.fault(node, path, format!("must be {}, not {}", forms.join(" or "), what(node)));
        };
        match &node.kind {
            NodeKind::Map(entries) => self.kinds(node, entries, &choices, first, path),
            _ => self.value(node, first, path),
        }
    }

    fn kinds(
        &mut self,
        node: &YamlNode,
        entries: &[MapEntry],
        choices: &[&'a Value],
        first: &'a Value,
        path: &str,
    ) -> Option<Value> {
        // A choice that is itself a choice of kinds.
        if choices_of(first).is_some() {
            return self.value(node, first, path);
        }
        let older_of = |choice: &&'a Value| choice["properties"]["kind"]["const"].as_str();
        let kind_of = |choice: &&'a Value| better_name(choice).or_else(|| older_of(choice));
        let kinds: Vec<&str> = choices.iter().filter_map(kind_of).collect();
        // Only one of the forms is a mapping: there is nothing to tell apart.
        if kinds.is_empty() {
            return self.value(node, first, path);
        }
        let path_of_kind = key_path(path, "kind");
        let Some(entry) = entries.iter().find(|entry| entry.key == "kind") else {
            return self.fault(
                node,
                &path_of_kind,
                format!("is missing; it is one of {}", list_words(&kinds)),
            );
        };
        let older: Vec<_> =
            choices.iter().filter_map(|choice| Some((older_of(choice)?, better_name(choice)?))).collect();
        if let Some((known, better)) = older.iter().find(|(known, _)| Some(*known) == text_of(&entry.value)) {
            self.places.older_names.push(OlderName { path: path_of_kind, better: (*better).to_owned() });
            let choice = choices.iter().copied().find(|choice| older_of(choice) == Some(*known))?;
            return Some(self.map(node, entries, choice, path));
        }
        let word = self.word(&entry.value, &kinds, &older, &path_of_kind)?;
        let choice = choices.iter().copied().find(|choice| kind_of(choice) == word.as_str())?;
        let entries: Vec<MapEntry> =
            entries.iter().map(|entry| with_known_kind(entry, older_of(&choice))).collect();
        Some(self.map(node, &entries, choice, path))
    }

    fn text(&mut self, node: &YamlNode, scalar: &YamlScalar, format: &str, path: &str) -> Option<Value> {
        if format == SECRET && scalar.source.is_none() {
            self.places.literal_secrets.push(path.to_owned());
        }
        if let Some(fault) = scalars::fault(format, &scalar.text) {
            let message = if format == SECRET {
                fault
            } else {
                format!("{} is not right here: {fault}", quote(scalar))
            };
            return self.fault(node, path, message);
        }
        let is_text = !scalar.plain || scalar.source.is_some() || format == SECRET;
        if !is_text
            && (scalar.text.parse::<f64>().is_ok() || matches!(scalar.text.as_str(), "true" | "false"))
        {
            return self.fault(node, path, "must be a text; put it in quotes if it is one".to_owned());
        }
        Some(Value::from(scalar.text.as_str()))
    }

    fn number(&mut self, node: &YamlNode, scalar: &YamlScalar, schema: &Value, path: &str) -> Option<Value> {
        let whole = schema["type"] == "integer";
        let text = scalar.text.trim();
        let number = if whole {
            text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok()
        } else {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        };
        let wanted = if whole { "a whole number" } else { "a finite number" };
        let Some(number) = number else {
            return self.fault(node, path, format!("must be {wanted}, not {}", quote(scalar)));
        };
        if !scalar.plain && scalar.source.is_none() {
            return self.fault(node, path, "must be a number; write it without quotes".to_owned());
        }
        let value = number.as_f64().unwrap_or(f64::NAN);
        match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(least), _) if value < least => self.fault(node, path, format!("must not be below {least}")),
            (_, Some(most)) if value > most => self.fault(node, path, format!("must not be above {most}")),
            _ => Some(number),
        }
    }

    fn truth(&mut self, node: &YamlNode, scalar: &YamlScalar, path: &str) -> Option<Value> {
        match (scalar.text.as_str(), scalar.plain || scalar.source.is_some()) {
            ("true", true) => Some(Value::Bool(true)),
            ("false", true) => Some(Value::Bool(false)),
            _ => self.fault(node, path, format!("must be `true` or `false`, not {}", quote(scalar))),
        }
    }

    fn fault(&mut self, node: &YamlNode, path: &str, message: String) -> Option<Value> {
        self.problems.add(path, Some(node.line), message);
        None
    }

    /// The schema that a reference stands for.
    fn target(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            schema = &self.root["$defs"][name];
        }
        schema
    }
}

/// The entry; if it is `kind`, with the word that serde knows.
fn with_known_kind(entry: &MapEntry, known: Option<&str>) -> MapEntry {
    let mut entry = entry.clone();
    if let (NodeKind::Scalar(scalar), Some(known), "kind") =
        (&mut entry.value.kind, known, entry.key.as_str())
    {
        known.clone_into(&mut scalar.text);
    }
    entry
}

fn text_of(node: &YamlNode) -> Option<&str> {
    match &node.kind {
        NodeKind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

fn is_nothing(node: &YamlNode) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.plain => matches!(scalar.text.as_str(), "" | "~" | "null"),
        NodeKind::Scalar(scalar) => scalar.text.is_empty(),
        _ => false,
    }
}

/// The words of a schema that allows nothing else.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::as_str).collect();
    }
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    // schemars groups the words without a description under one `enum`.
    let nested = choices_of(schema)?.iter().map(|choice| choice["type"].as_str().and(words(choice)));
    Some(nested.collect::<Option<Vec<_>>>()?.concat())
}

fn choices(schema: &Value) -> Option<&[Value]> {
    choices_of(schema).map(Vec::as_slice)
}

fn choices_of(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())
}

fn form(schema: &Value) -> &str {
    match () {
        () if words(schema).is_some() => "word",
        () if choices_of(schema).is_some() => "object",
        () => schema["type"].as_str().unwrap_or("object"),
    }
}

fn fits(node: &YamlNode, schema: &Value) -> bool {
    let form = form(schema);
    match node.kind {
        NodeKind::Map(_) => form == "object",
        NodeKind::List(_) => form == "array",
        NodeKind::Scalar(_) => !matches!(form, "object" | "array"),
    }
}

fn article(form: &str) -> &str {
    match form {
        "object" => "a mapping (`key: value`)",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "a word",
    }
}

fn what(node: &YamlNode) -> String {
    match &node.kind {
        NodeKind::Map(_) => "a mapping".to_owned(),
        NodeKind::List(_) => "a list".to_owned(),
        NodeKind::Scalar(scalar) => quote(scalar),
    }
}

/// The scalar as the file has it: what came from the environment is not shown.
fn quote(scalar: &YamlScalar) -> String {
    format!("`{}`", brief(scalar.source.as_deref().unwrap_or(&scalar.text)))
}

fn list_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
