//! Reads the calls of tools that an answer ends with.

use super::{AnswerDelta, CallFragment};
use crate::tool_syntax::ToolSyntax;

/// Reads calls, one after the other, up to the first that repeats one: a small model that goes round in a circle would call to
/// the end of its context.
#[derive(Debug)]
pub(super) struct CallReader {
    syntax: ToolSyntax,
    state: CallState,
    /// The calls so far, the last of which may be under way.
    calls: Vec<ReadCall>,
    /// Nothing of the last call was given yet: so far it is the same as one before.
    held: bool,
}

#[derive(Debug)]
struct ReadCall {
    name: String,
    arguments: String,
}

#[derive(Debug)]
enum CallState {
    /// Before a call's name, with what was read since the last call: marks, blanks, the beginning of the object.
    Head(String),
    /// In its arguments.
    Arguments(JsonDepth),
    /// After them, in what is left of the object.
    Tail(JsonDepth),
    /// A call came a second time; so does what follows.
    Repeated,
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
        Self { syntax, state: CallState::Head(String::new()), calls: Vec::new(), held: false }
    }

    /// Whether a call was repeated, after which nothing is read.
    pub(super) fn has_repeated(&self) -> bool {
        matches!(self.state, CallState::Repeated)
    }

    /// Whether the last call's arguments are under way.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, CallState::Arguments(_))
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
                self.give(c, delta);
                if over {
                    self.state = match self.syntax {
                        _ if self.held => CallState::Repeated,
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
            CallState::Repeated => {}
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
        let mut depth = JsonDepth::default();
        depth.read(c);
        self.state = CallState::Arguments(depth);
        self.calls.push(ReadCall { name, arguments: String::new() });
        self.held = true;
        self.give(c, delta);
    }

    /// Gives the next character of the last call's arguments, once they are not those of a call before.
    fn give(&mut self, c: char, delta: &mut AnswerDelta) {
        let index = u32::try_from(self.calls.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let Some((last, before)) = self.calls.split_last_mut() else { return };
        last.arguments.push(c);
        if self.held {
            let like =
                |call: &ReadCall| call.name == last.name && call.arguments.starts_with(&last.arguments);
            self.held = before.iter().any(like);
            if !self.held {
                let (name, arguments) = (Some(last.name.clone()), last.arguments.clone());
                delta.calls.push(CallFragment { index, name, arguments });
            }
            return;
        }
        match delta.calls.last_mut() {
            Some(given) if given.index == index => given.arguments.push(c),
            _ => delta.calls.push(CallFragment { index, name: None, arguments: c.into() }),
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
