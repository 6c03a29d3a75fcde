//! Reads the calls of tools that an answer ends with.

use super::{AnswerDelta, CallFragment};
use crate::tool_syntax::ToolSyntax;

/// Reads calls, one after the other.
#[derive(Debug)]
pub(super) struct CallReader {
    syntax: ToolSyntax,
    state: CallState,
    /// How many calls have begun.
    begun: u32,
}

#[derive(Debug)]
enum CallState {
    /// Before a call's name, with what was read since the last call: marks, blanks, the beginning of the object.
    Head(String),
    /// In its arguments.
    Arguments(JsonDepth),
    /// After them, in what is left of the object.
    Tail(JsonDepth),
}

/// How deep in a JSON value a text is.
#[derive(Debug, Clone, Copy, Default)]
struct JsonDepth {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl CallReader {
    /// A reader of calls that are written like this.
    pub(super) fn new(syntax: ToolSyntax) -> Self {
        Self { syntax, state: CallState::Head(String::new()), begun: 0 }
    }

    /// What this text adds to the calls.
    pub(super) fn push(&mut self, text: &str, delta: &mut AnswerDelta) {
        for c in text.chars() {
            self.read(c, delta);
        }
    }

    fn read(&mut self, c: char, delta: &mut AnswerDelta) {
        match &mut self.state {
            CallState::Head(head) => {
                head.push(c);
                self.begin_arguments(c, delta);
            }
            CallState::Arguments(depth) => {
                let over = depth.read(c);
                self.give(None, c, delta);
                if over {
                    self.state = match self.syntax {
                        ToolSyntax::MistralArguments => CallState::Head(String::new()),
                        _ => CallState::Tail(JsonDepth { depth: 1, ..JsonDepth::default() }),
                    };
                }
            }
            CallState::Tail(depth) => {
                if depth.read(c) {
                    self.state = CallState::Head(String::new());
                }
            }
        }
    }

    /// Whether this character, the last of the head, is the first of the arguments.
    fn begin_arguments(&mut self, c: char, delta: &mut AnswerDelta) {
        let CallState::Head(head) = &self.state else { return };
        if c != '{' {
            return;
        }
        let name = match self.syntax {
            ToolSyntax::MistralArguments => name_before_mark(head),
            _ => name_in_object(head),
        };
        let Some(name) = name else { return };
        self.begun += 1;
        let mut depth = JsonDepth::default();
        depth.read(c);
        self.state = CallState::Arguments(depth);
        self.give(Some(name), c, delta);
    }

    fn give(&self, name: Option<String>, c: char, delta: &mut AnswerDelta) {
        let index = self.begun.saturating_sub(1);
        match delta.calls.last_mut() {
            Some(last) if last.index == index && name.is_none() => last.arguments.push(c),
            _ => delta.calls.push(CallFragment { index, name, arguments: c.into() }),
        }
    }
}

impl JsonDepth {
    /// Goes on by a character; whether the value is over.
    fn read(&mut self, c: char) -> bool {
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match c {
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

/// The name in `… {"name": "f", "arguments": {`, the head of a call.
fn name_in_object(head: &str) -> Option<String> {
    let object = head.get(head.find('{')?..)?;
    let rest = expect(object, &["{", "\"name\"", ":", "\""])?;
    let (name, rest) = rest.split_once('"')?;
    let rest = expect(rest, &[","])?;
    let rest = expect(rest, &["\"arguments\""]).or_else(|| expect(rest, &["\"parameters\""]))?;
    expect(rest, &[":", "{"]).filter(|rest| rest.is_empty())?;
    Some(name.to_owned())
}

/// The name in `[TOOL_CALLS]f[ARGS]{`.
fn name_before_mark(head: &str) -> Option<String> {
    let named = head.strip_suffix('{')?.trim_end().strip_suffix("[ARGS]")?;
    let named = named.rsplit_once("[TOOL_CALLS]").map_or(named, |(_, named)| named);
    // An id may stand between.
    let name = named.split("[CALL_ID]").next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// What follows these parts, with blanks between them.
fn expect<'a>(text: &'a str, parts: &[&str]) -> Option<&'a str> {
    parts.iter().try_fold(text, |rest, part| rest.trim_start().strip_prefix(part))
}
