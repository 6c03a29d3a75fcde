//! What a streamed answer says, one thing after the other: each call is whole before anything else is told. Nearly all
//! upstreams write them so; where one puts a text, a thought or another call between the pieces of a call, that waits.

use std::collections::VecDeque;

use super::super::call_pieces::{CallPiece, CallPieces, PlacedPiece};
use super::parsed_response::{ChoiceDelta, ToolCallDelta};

/// Bytes that wait for a call to become whole; beyond them the call is taken as it is.
const MOST_WAITING: usize = 1 << 20;

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpokenText {
    /// What the model thinks.
    Reasoning,
    /// What it answers.
    Text,
    /// Why it does not answer.
    Refusal,
}

/// What follows from a piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerStep {
    /// It says something; how probable its tokens were, as written.
    Say(SpokenText, String, Option<String>),
    /// A call begins; its id is empty where the upstream gave none, or one that another call of the answer has.
    Begin {
        /// What answers to it are filed under.
        id: String,
        /// The tool.
        name: String,
    },
    /// Its arguments go on.
    Arguments(String),
    /// It is whole.
    End,
}

/// An answer under way.
#[derive(Debug, Default)]
pub(super) struct AnswerOrder {
    pieces: CallPieces,
    calls: Vec<OrderedCall>,
    /// The call that is being told.
    open: Option<usize>,
    /// What came before it was whole.
    waiting: VecDeque<WaitingPart>,
    waiting_bytes: usize,
    /// White space that may be all that a text says.
    blank: Vec<(String, Option<String>)>,
    /// Whether what came last is text of the answer.
    in_text: bool,
}

/// A call of it.
#[derive(Debug, Default)]
struct OrderedCall {
    id: String,
    /// Arguments that nobody was told yet.
    untold: String,
    begun: bool,
}

#[derive(Debug)]
enum WaitingPart {
    Said(SpokenText, String, Option<String>),
    Call(usize),
}

impl AnswerOrder {
    /// Takes what a piece says.
    pub(super) fn take(&mut self, said: &mut ChoiceDelta, steps: &mut Vec<AnswerStep>) {
        let odds = said.logprobs.take();
        self.say(SpokenText::Reasoning, std::mem::take(&mut said.reasoning), None, steps);
        self.say(SpokenText::Text, std::mem::take(&mut said.text), odds, steps);
        self.say(SpokenText::Refusal, std::mem::take(&mut said.refusal), None, steps);
        for call in std::mem::take(&mut said.calls) {
            self.call(call, steps);
        }
    }

    /// Whether a tool was called.
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, steps: &mut Vec<AnswerStep>) {
        // A line end beside a call says nothing, and no provider takes a text of nothing else back.
        if self.calls.is_empty() {
            self.say_blank(steps);
        }
        self.proceed(true, steps);
    }

    fn say(&mut self, kind: SpokenText, text: String, odds: Option<String>, steps: &mut Vec<AnswerStep>) {
        if text.is_empty() {
            return;
        }
        let is_text = kind == SpokenText::Text;
        if is_text && !self.in_text && text.trim().is_empty() {
            return self.blank.push((text, odds));
        }
        if is_text {
            self.say_blank(steps);
        }
        self.in_text = is_text;
        if self.open.is_none() && self.waiting.is_empty() {
            return steps.push(AnswerStep::Say(kind, text, odds));
        }
        self.waiting_bytes += text.len();
        self.waiting.push_back(WaitingPart::Said(kind, text, odds));
        self.proceed(self.waiting_bytes > MOST_WAITING, steps);
    }

    fn say_blank(&mut self, steps: &mut Vec<AnswerStep>) {
        if !self.blank.is_empty() {
            self.in_text = true;
        }
        for (text, odds) in std::mem::take(&mut self.blank) {
            self.say(SpokenText::Text, text, odds, steps);
        }
    }

    fn call(&mut self, call: ToolCallDelta, steps: &mut Vec<AnswerStep>) {
        let ToolCallDelta { index, place, id, name, arguments } = call;
        let piece = CallPiece { index, place, id: &id, name: &name, arguments: &arguments };
        let Some(PlacedPiece { number, begins, .. }) = self.pieces.take(piece) else { return };
        if begins {
            self.calls.push(OrderedCall::default());
            self.waiting.push_back(WaitingPart::Call(number));
            self.in_text = false;
        }
        let known = &mut self.calls[number];
        if known.id.is_empty() {
            known.id = id;
        }
        if self.open == Some(number) {
            steps.extend((!arguments.is_empty()).then_some(AnswerStep::Arguments(arguments)));
        } else if !known.begun {
            known.untold.push_str(&arguments);
        }
        self.proceed(false, steps);
    }

    /// Tells what need not wait any longer; `all`: whatever there is.
    fn proceed(&mut self, all: bool, steps: &mut Vec<AnswerStep>) {
        loop {
            if let Some(open) = self.open {
                let goes_on = self.waiting.is_empty() || !self.pieces.is_whole(open);
                if goes_on && !all {
                    return;
                }
                steps.push(AnswerStep::End);
                self.open = None;
            }
            match self.waiting.pop_front() {
                None => return,
                Some(WaitingPart::Said(kind, text, odds)) => {
                    self.waiting_bytes -= text.len();
                    steps.push(AnswerStep::Say(kind, text, odds));
                }
                // Nobody can be told of a call of nothing.
                Some(call @ WaitingPart::Call(number)) if !all && self.pieces.name(number).is_empty() => {
                    return self.waiting.push_front(call);
                }
                Some(WaitingPart::Call(number)) => self.begin(number, steps),
            }
        }
    }

    fn begin(&mut self, number: usize, steps: &mut Vec<AnswerStep>) {
        let id = std::mem::take(&mut self.calls[number].id);
        let taken = self.calls.iter().any(|call| call.begun && call.id == id);
        let call = &mut self.calls[number];
        call.begun = true;
        let name = self.pieces.name(number).to_owned();
        steps.push(AnswerStep::Begin { id: if taken { String::new() } else { id.clone() }, name });
        call.id = id;
        let untold = std::mem::take(&mut call.untold);
        steps.extend((!untold.is_empty()).then_some(AnswerStep::Arguments(untold)));
        self.open = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u64, id: &str, name: &str, arguments: &str) -> ChoiceDelta {
        let (id, name, arguments) = (id.into(), name.into(), arguments.into());
        let call = ToolCallDelta { index: Some(index), place: 0, id, name, arguments };
        ChoiceDelta { calls: vec![call], ..ChoiceDelta::default() }
    }

    fn text(text: &str) -> ChoiceDelta {
        ChoiceDelta { text: text.into(), ..ChoiceDelta::default() }
    }

    fn thought(text: &str) -> ChoiceDelta {
        ChoiceDelta { reasoning: text.into(), ..ChoiceDelta::default() }
    }

    fn told(pieces: Vec<ChoiceDelta>) -> String {
        let (mut order, mut steps) = (AnswerOrder::default(), Vec::new());
        for mut piece in pieces {
            order.take(&mut piece, &mut steps);
        }
        order.finish(&mut steps);
        let word = |step: &AnswerStep| match step {
            AnswerStep::Say(SpokenText::Reasoning, text, _) => format!("({text})"),
            AnswerStep::Say(_, text, _) => text.clone(),
            AnswerStep::Begin { id, name } => format!("<{id} {name}>"),
            AnswerStep::Arguments(arguments) => arguments.clone(),
            AnswerStep::End => ";".to_owned(),
        };
        steps.iter().map(word).collect()
    }

    #[test]
    fn one_call_follows_the_other_however_they_come() {
        let check = |pieces: Vec<ChoiceDelta>, expected: &str| assert_eq!(told(pieces), expected);
        check(vec![], "");
        check(
            vec![call(0, "a", "f", ""), call(0, "", "", "{\"x\""), call(0, "", "", ":1}")],
            "<a f>{\"x\":1};",
        );
        let (first, second) = (|| call(0, "a", "f", "{}"), || call(1, "b", "g", "{\"y\":2}"));
        check(vec![first(), second()], "<a f>{};<b g>{\"y\":2};");
        // Both at a time, the second to begin first.
        check(
            vec![
                call(1, "b", "g", ""),
                call(0, "a", "f", "{\"x\""),
                call(1, "", "", "{"),
                call(0, "", "", ":1}"),
                call(1, "", "", "}"),
            ],
            "<b g>{};<a f>{\"x\":1};",
        );
        // Without arguments.
        check(vec![call(0, "a", "f", ""), call(1, "b", "g", "{}")], "<a f>;<b g>{};");
        // All with the same index.
        check(vec![first(), call(0, "b", "g", "{}")], "<a f>{};<b g>{};");
        // A name that comes late, and one that comes again.
        check(vec![call(0, "a", "", "{"), call(0, "", "f", "}"), second()], "<a f>{};<b g>{\"y\":2};");
        check(vec![call(0, "a", "f", "{"), call(0, "a", "f", "}")], "<a f>{};");
        // An id that another call has.
        check(vec![first(), call(1, "a", "g", "{}")], "<a f>{};< g>{};");
        // What comes for a call that was whole.
        check(vec![first(), text("x"), call(0, "", "", "\n")], "<a f>{};x");
    }

    #[test]
    fn what_comes_between_the_pieces_of_a_call_waits() {
        let begin = || call(0, "a", "f", "{\"x\":");
        let end = || call(0, "", "", "1}");
        let check = |between: Vec<ChoiceDelta>, expected: &str| {
            let pieces = std::iter::once(begin()).chain(between).chain([end()]).collect();
            assert_eq!(told(pieces), expected);
        };
        check(vec![], "<a f>{\"x\":1};");
        check(vec![text("\n")], "<a f>{\"x\":1};");
        check(vec![text("one"), text(" two")], "<a f>{\"x\":1};one two");
        check(vec![thought("hm")], "<a f>{\"x\":1};(hm)");
        check(vec![text("\n"), thought("hm"), text("so")], "<a f>{\"x\":1};(hm)\nso");
        check(vec![call(1, "b", "g", "{"), text("x"), call(1, "", "", "}")], "<a f>{\"x\":1};<b g>{};x");
        let refusal = ChoiceDelta { refusal: "no".into(), ..ChoiceDelta::default() };
        check(vec![refusal], "<a f>{\"x\":1};no");
        // A text and a piece in one chunk.
        let both = ChoiceDelta { text: "x".into(), ..call(0, "", "", "") };
        check(vec![both], "<a f>{\"x\":1};x");
        // A call that never becomes whole.
        assert_eq!(told(vec![begin(), text("x")]), "<a f>{\"x\":;x");
        // More than is kept.
        let long = "x".repeat(MOST_WAITING);
        assert_eq!(told(vec![begin(), text(&long), text("y"), text("z")]), format!("<a f>{{\"x\":;{long}yz"));
    }

    #[test]
    fn white_space_beside_calls_is_no_text() {
        let call = || call(0, "a", "f", "{}");
        assert_eq!(told(vec![text("\n\n"), call()]), "<a f>{};");
        assert_eq!(told(vec![text("\n\n"), text("x"), text(" "), call()]), "\n\nx <a f>{};");
        assert_eq!(told(vec![call(), text("\n"), text("x")]), "<a f>{};\nx");
        assert_eq!(told(vec![text("\n")]), "\n");
        assert_eq!(told(vec![thought("hm"), text("\n")]), "(hm)\n");
    }
}
