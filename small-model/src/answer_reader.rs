//! Reads an answer's text: what is a thought, what is said, what is a call of a tool.
//!
//! Whatever way the text is cut into tokens, the same comes out.

use crate::answer_marks::{CallTriggers, ThoughtMarks};
use crate::tool_syntax::ToolSyntax;

mod calls;

use calls::CallReader;

/// A piece of a call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFragment {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// The tool's name; with a call's first piece only.
    pub name: Option<String>,
    /// More of its arguments: a JSON object, once all pieces are put together.
    pub arguments: String,
}

/// What a piece of an answer's text adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AnswerDelta {
    /// What is said.
    pub(crate) text: String,
    /// What is thought.
    pub(crate) thought: String,
    /// What is called.
    pub(crate) calls: Vec<CallFragment>,
}

/// Where in its answer a model is.
#[derive(Debug)]
enum ReaderState {
    /// Nothing but blanks yet, and perhaps the beginning of the mark that opens a thought.
    Start,
    /// In a thought; whether any of it was given.
    Thought(bool),
    /// After a thought, where blanks are no part of what follows.
    AfterThought,
    /// In what is said.
    Text,
    /// In calls, to the end.
    Calls(CallReader),
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct AnswerSplitter {
    state: ReaderState,
    marks: Option<ThoughtMarks>,
    triggers: Option<CallTriggers>,
    syntax: ToolSyntax,
    /// Whether what follows the thoughts are calls and nothing else.
    forced: bool,
    /// Read and not given yet.
    held: String,
    /// What was said, as far as a call may begin with it.
    said: usize,
}

/// What an answer may have beside text.
#[derive(Debug, Default)]
pub(crate) struct AnswerParts {
    /// The marks of thoughts, and whether the prompt has opened one.
    pub(crate) thoughts: Option<(ThoughtMarks, bool)>,
    /// How calls begin, and how they are written; whether they are forced.
    pub(crate) calls: Option<(CallTriggers, ToolSyntax, bool)>,
}

impl AnswerSplitter {
    /// A reader of one answer.
    pub(crate) fn new(parts: AnswerParts) -> Self {
        let opened = parts.thoughts.as_ref().is_some_and(|(_, opened)| *opened);
        let marks = parts.thoughts.map(|(marks, _)| marks);
        let (triggers, syntax, forced) = match parts.calls {
            Some((triggers, syntax, forced)) => (Some(triggers), syntax, forced),
            None => (None, ToolSyntax::Hermes, false),
        };
        let state = match &marks {
            Some(_) if opened => ReaderState::Thought(false),
            Some(_) => ReaderState::Start,
            None if forced => ReaderState::Calls(CallReader::new(syntax)),
            None => ReaderState::Text,
        };
        Self { state, marks, triggers, syntax, forced, held: String::new(), said: 0 }
    }

    /// What this text adds.
    pub(crate) fn push(&mut self, text: &str) -> AnswerDelta {
        let mut delta = AnswerDelta::default();
        self.held.push_str(text);
        while self.step(&mut delta) {}
        delta
    }

    /// Whether the answer repeats a call: nothing of what follows would be given.
    pub(crate) fn has_repeated(&self) -> bool {
        matches!(&self.state, ReaderState::Calls(calls) if calls.has_repeated())
    }

    /// Whether a call is under way whose arguments are not complete.
    pub(crate) fn has_open_call(&self) -> bool {
        matches!(&self.state, ReaderState::Calls(calls) if calls.is_open())
    }

    /// What was held back, now that nothing follows.
    pub(crate) fn finish(&mut self) -> AnswerDelta {
        let mut delta = AnswerDelta::default();
        let held = std::mem::take(&mut self.held);
        match &mut self.state {
            ReaderState::Thought(_) => delta.thought = held.trim_end().to_owned(),
            ReaderState::Calls(calls) => calls.push(&held, &mut delta),
            ReaderState::Start | ReaderState::AfterThought | ReaderState::Text => delta.text = held,
        }
        delta
    }

    /// Goes on by one state; whether there is more to do.
    fn step(&mut self, delta: &mut AnswerDelta) -> bool {
        match &mut self.state {
            ReaderState::Start => self.start(),
            ReaderState::Thought(_) => self.thought(delta),
            ReaderState::AfterThought => {
                let blanks = self.held.len() - self.held.trim_start().len();
                self.held.drain(..blanks);
                !self.held.is_empty() && self.begin_text()
            }
            ReaderState::Text => self.text(delta),
            ReaderState::Calls(calls) => {
                calls.push(&std::mem::take(&mut self.held), delta);
                false
            }
        }
    }

    fn start(&mut self) -> bool {
        let Some(marks) = &self.marks else { return self.begin_text() };
        let begun = self.held.trim_start();
        if let Some(rest) = begun.strip_prefix(marks.open.as_str()) {
            self.held = rest.to_owned();
            self.state = ReaderState::Thought(false);
            return true;
        }
        !marks.open.starts_with(begun) && self.begin_text()
    }

    fn begin_text(&mut self) -> bool {
        self.state =
            if self.forced { ReaderState::Calls(CallReader::new(self.syntax)) } else { ReaderState::Text };
        true
    }

    fn thought(&mut self, delta: &mut AnswerDelta) -> bool {
        let (Some(marks), ReaderState::Thought(given)) = (&self.marks, &mut self.state) else { return false };
        if !*given {
            let blanks = self.held.len() - self.held.trim_start().len();
            self.held.drain(..blanks);
        }
        if let Some(at) = self.held.find(marks.close.as_str()) {
            delta.thought += self.held[..at].trim_end();
            self.held.drain(..at + marks.close.len());
            self.state = ReaderState::AfterThought;
            return true;
        }
        let sure = self.held.len() - held_for(&self.held, &marks.close);
        let sure = self.held[..sure].trim_end().len();
        *given |= sure > 0;
        delta.thought.extend(self.held.drain(..sure));
        false
    }

    fn text(&mut self, delta: &mut AnswerDelta) -> bool {
        let Some(triggers) = &self.triggers else {
            delta.text += &std::mem::take(&mut self.held);
            return false;
        };
        // A call at the start can only begin where nothing was said.
        let found = triggers.find(self.held.as_bytes(), 0, self.said == 0);
        if let Some(at) = found {
            delta.text += self.held[..at].trim_end();
            self.held.drain(..at);
            self.state = ReaderState::Calls(CallReader::new(self.syntax));
            return true;
        }
        if self.said == 0 && triggers.may_begin(self.held.as_bytes()) {
            return false;
        }
        let hold = triggers.anywhere.iter().map(|mark| held_for(&self.held, mark)).max().unwrap_or(0);
        let sure = self.held[..self.held.len() - hold].trim_end().len();
        self.said += sure;
        delta.text.extend(self.held.drain(..sure));
        false
    }
}

/// How many bytes at the end of a text may be the beginning of a mark.
fn held_for(text: &str, mark: &str) -> usize {
    let begins = |length: &usize| mark.is_char_boundary(*length) && text.ends_with(&mark[..*length]);
    (1..mark.len()).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests;
