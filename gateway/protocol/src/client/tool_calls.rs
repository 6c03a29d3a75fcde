//! Tool calls of a stream, one after the other: each is whole before the next begins. Nearly all upstreams write them so;
//! where one writes several at a time, the later ones wait.

use super::super::scan::Cursor;
use super::parsed_response::ToolCallDelta;

/// What follows from a piece of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolCallStep {
    /// A call begins; its id is empty where the upstream gave none.
    Begin {
        /// What answers to it are filed under.
        id: String,
        /// The tool.
        name: String,
    },
    /// Its arguments go on.
    More(String),
    /// It is whole.
    End,
}

/// The calls of an answer under way.
#[derive(Debug, Default)]
pub(super) struct ToolCallAssembler {
    /// The call that is being told, with all its arguments so far.
    open: Option<ToolCallDelta>,
    /// Those that began before it was whole.
    waiting: Vec<ToolCallDelta>,
}

impl ToolCallAssembler {
    /// Takes a piece.
    pub(super) fn take(&mut self, piece: ToolCallDelta) -> Vec<ToolCallStep> {
        let mut steps = Vec::new();
        match &mut self.open {
            Some(open) if goes_on(open, &piece) => {
                open.arguments.push_str(&piece.arguments);
                steps.extend(more(piece.arguments));
            }
            _ => match self.waiting.iter_mut().rev().find(|waiting| goes_on(waiting, &piece)) {
                Some(waiting) => waiting.arguments.push_str(&piece.arguments),
                None => self.waiting.push(piece),
            },
        }
        while !self.waiting.is_empty() && self.open.as_ref().is_none_or(is_whole) {
            self.turn(&mut steps);
        }
        steps
    }

    /// No piece of a call follows.
    pub(super) fn finish(&mut self) -> Vec<ToolCallStep> {
        let mut steps = Vec::new();
        while !self.waiting.is_empty() {
            self.turn(&mut steps);
        }
        steps.extend(self.open.take().map(|_| ToolCallStep::End));
        steps
    }

    /// Ends the open call and begins the next.
    fn turn(&mut self, steps: &mut Vec<ToolCallStep>) {
        steps.extend(self.open.take().map(|_| ToolCallStep::End));
        let next = self.waiting.remove(0);
        steps.push(ToolCallStep::Begin { id: next.id.clone(), name: next.name.clone() });
        steps.extend(more(next.arguments.clone()));
        self.open = Some(next);
    }
}

/// Whether a piece belongs to this call. Some upstreams give each of several calls the index 0, and an id of its own.
fn goes_on(call: &ToolCallDelta, piece: &ToolCallDelta) -> bool {
    let another = !piece.id.is_empty() && piece.id != call.id && !piece.name.is_empty();
    call.index == piece.index && !another
}

fn more(arguments: String) -> Option<ToolCallStep> {
    (!arguments.is_empty()).then_some(ToolCallStep::More(arguments))
}

fn is_whole(call: &ToolCallDelta) -> bool {
    let arguments = call.arguments.trim_end();
    let mut cursor = Cursor::over(arguments);
    arguments.ends_with('}') && cursor.skip().is_ok() && cursor.end().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u64, id: &str, name: &str, arguments: &str) -> ToolCallDelta {
        ToolCallDelta { index, id: id.into(), name: name.into(), arguments: arguments.into() }
    }

    fn told(pieces: &[ToolCallDelta]) -> String {
        let mut calls = ToolCallAssembler::default();
        let mut steps: Vec<_> = pieces.iter().flat_map(|piece| calls.take(piece.clone())).collect();
        steps.extend(calls.finish());
        let word = |step: &ToolCallStep| match step {
            ToolCallStep::Begin { id, name } => format!("<{id} {name}>"),
            ToolCallStep::More(arguments) => arguments.clone(),
            ToolCallStep::End => ";".to_owned(),
        };
        steps.iter().map(word).collect()
    }

    #[test]
    fn one_call_follows_the_other_however_they_come() {
        let check =
            |pieces: &[ToolCallDelta], expected: &str| assert_eq!(told(pieces), expected, "{pieces:?}");
        check(&[], "");
        check(&[call(0, "a", "f", ""), call(0, "", "", "{\"x\""), call(0, "", "", ":1}")], "<a f>{\"x\":1};");
        let (first, second) = (call(0, "a", "f", "{}"), call(1, "b", "g", "{\"y\":2}"));
        check(&[first.clone(), second.clone()], "<a f>{};<b g>{\"y\":2};");
        // Both at a time, the second to begin first.
        let pieces = [
            call(1, "b", "g", ""),
            call(0, "a", "f", "{\"x\""),
            call(1, "", "", "{"),
            call(0, "", "", ":1}"),
            call(1, "", "", "}"),
        ];
        check(&pieces, "<b g>{};<a f>{\"x\":1};");
        // Without arguments.
        check(&[call(0, "a", "f", ""), call(1, "b", "g", "{}")], "<a f>;<b g>{};");
        // All with the same index.
        check(&[first, call(0, "b", "g", "{}")], "<a f>{};<b g>{};");
    }
}
