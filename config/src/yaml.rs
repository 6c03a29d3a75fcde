//! A YAML text as a tree with line numbers, within bounds.
//!
//! Only the plain part of YAML is taken: one document, texts as keys, no tags, no key twice. Aliases are expanded up
//! to a bound, so that a few lines cannot grow into gigabytes.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::problems::{Problems, item_path, key_path};

/// Values that a document may hold, aliases expanded.
const MOST_VALUES: usize = 100_000;
/// Mappings and lists inside each other.
const DEEPEST: usize = 64;

/// A value with the line that it starts on, from 1.
#[derive(Debug, Clone)]
pub(crate) struct YamlNode {
    pub(crate) line: usize,
    pub(crate) kind: NodeKind,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Map(Vec<MapEntry>),
    List(Vec<YamlNode>),
    Scalar(YamlScalar),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct MapEntry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: YamlNode,
}

#[derive(Debug, Clone)]
pub(crate) struct YamlScalar {
    pub(crate) text: String,
    /// Written without quotes, so that it may be a number, a truth value or nothing.
    pub(crate) plain: bool,
    /// What stood there before environment variables were put in.
    pub(crate) source: Option<String>,
}

/// The tree of the one document in `text`; `None` when it is empty. Keys that stand twice are added to `problems`.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Result<Option<YamlNode>, Problems> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let events = Parser::new_from_str_with_options(text, options);
    let mut builder = TreeBuilder { events, anchors: HashMap::new(), values: 0, problems };
    builder.document()
}

struct TreeBuilder<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// The anchored nodes and how many values each holds.
    anchors: HashMap<usize, (YamlNode, usize)>,
    values: usize,
    problems: &'a mut Problems,
}

impl<'a> TreeBuilder<'a> {
    fn document(&mut self) -> Result<Option<YamlNode>, Problems> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_none() => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, &span, "")?);
                }
                _ => return Err(refuse(&span, "the file holds more than one YAML document")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problems> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(why)) => Err(syntax(&why)),
            None => Err(Problems::one("the file ends in the middle of a value")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, path: &str) -> Result<YamlNode, Problems> {
        self.count(1, span)?;
        let before = self.values;
        let line = span.start.line();
        let (kind, anchor, tagged) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let scalar = YamlScalar { text: text.into_owned(), plain, source: None };
                (NodeKind::Scalar(scalar), anchor, tag.is_some())
            }
            Event::SequenceStart(_, anchor, tag) => (NodeKind::List(self.list(path)?), anchor, tag.is_some()),
            Event::MappingStart(_, anchor, tag) => (NodeKind::Map(self.map(path)?), anchor, tag.is_some()),
            _ => return Err(refuse(span, "a value is missing here")),
        };
        if tagged {
            self.problems.add(path, Some(line), "YAML tags (`!…`) have no meaning here");
        }
        let node = YamlNode { line, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before + 1));
        }
        Ok(node)
    }

    fn list(&mut self, path: &str) -> Result<Vec<YamlNode>, Problems> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, &span, &item_path(path, items.len()))?);
        }
    }

    fn map(&mut self, path: &str) -> Result<Vec<MapEntry>, Problems> {
        let mut entries: Vec<MapEntry> = Vec::new();
        let mut seen = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(refuse(&span, "a key must be a plain text")),
            };
            self.count(1, &span)?;
            let path = key_path(path, &key);
            let (event, span) = self.next()?;
            let value = self.node(event, &span, &path)?;
            if let Some(first) = seen.insert(key.clone(), line) {
                self.problems.add(&path, Some(line), format!("stands twice, first in line {first}"));
                continue;
            }
            entries.push(MapEntry { key, line, value });
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<YamlNode, Problems> {
        let Some((node, values)) = self.anchors.get(&anchor).cloned() else {
            return Err(refuse(span, "an alias must not stand inside what it stands for"));
        };
        self.count(values, span)?;
        Ok(YamlNode { line: span.start.line(), ..node })
    }

    fn count(&mut self, values: usize, span: &Span) -> Result<(), Problems> {
        self.values += values;
        if self.values > MOST_VALUES {
            return Err(refuse(
                span,
                &format!("the file holds more than {MOST_VALUES} values, aliases expanded"),
            ));
        }
        Ok(())
    }
}

fn refuse(span: &Span, message: &str) -> Problems {
    Problems::at(Some(span.start.line()), message)
}

fn syntax(why: &ScanError) -> Problems {
    // The kind names at most a character or a limit of the scanner, never a text of the file.
    Problems::at(Some(why.marker().line()), format!("not valid YAML: {}", why.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut problems = Problems::default();
        let got = match parse(text, &mut problems) {
            Ok(_) if !problems.is_empty() => problems.to_string(),
            Ok(node) => node.map_or("empty".to_owned(), |node| brief(&node)),
            Err(problems) => problems.to_string(),
        };
        assert!(got.contains(expected), "{text:?}\n got      {got}\n expected {expected}");
    }

    fn brief(node: &YamlNode) -> String {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.plain => scalar.text.clone(),
            NodeKind::Scalar(scalar) => format!("{:?}", scalar.text),
            NodeKind::List(items) => format!("[{}]", items.iter().map(brief).collect::<Vec<_>>().join(", ")),
            NodeKind::Map(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|entry| format!("{}: {}", entry.key, brief(&entry.value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn reads_the_plain_part_of_yaml() {
        check("", "empty");
        check("# nothing\n", "empty");
        check("a: 1\r\nb: [x, 'y']\r\n", "{a: 1, b: [x, \"y\"]}");
        check("\u{feff}a: ä\n", "{a: ä}");
        check("a: &t {x: 1}\nb: *t\n", "{a: {x: 1}, b: {x: 1}}");
    }

    #[test]
    fn refuses_the_rest_with_its_line() {
        check("a: 1\na: 2\n", "a: stands twice, first in line 1 (line 2)");
        check("m:\n  - {x: 1, x: 2}\n", "m[0].x: stands twice");
        check("a: !secret x\n", "a: YAML tags (`!…`) have no meaning here (line 1)");
        check("a: 1\n---\nb: 2\n", "more than one YAML document (line 2)");
        check("? [a]\n: 1\n", "a key must be a plain text");
        check("a: *b\n", "not valid YAML");
        check("a: [1, 2\nb: 3\n", "not valid YAML");
        check("a: \"x\n", "not valid YAML");
        check(&format!("a: {}1{}\n", "[".repeat(70), "]".repeat(70)), "not valid YAML");
        check("a: &a [*a]\n", "");
    }

    #[test]
    fn aliases_cannot_grow_without_bound() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..20 {
            let items = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{items}]\n"));
        }
        check(&bomb, "more than 100000 values");
    }
}
