//! The marks by which parts of an answer are told from each other.

/// The marks around a thought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThoughtMarks {
    /// Opens it.
    pub(crate) open: String,
    /// Ends it.
    pub(crate) close: String,
}

/// How a call of a tool begins where none is forced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallTriggers {
    /// Marks that begin a call wherever they come.
    pub(crate) anywhere: Vec<String>,
    /// Texts without blanks. They begin a call where an answer, its own blanks left out, begins with one of them.
    pub(crate) at_start: Vec<String>,
}

impl CallTriggers {
    /// Where the text that begins a call begins, if `text` has all of it. What is before `from` was searched for marks already;
    /// `first`: it is the beginning of what is said.
    pub(crate) fn find(&self, text: &[u8], from: usize, first: bool) -> Option<usize> {
        let anywhere = self.anywhere.iter().filter_map(|mark| find(text, mark.as_bytes(), from));
        let begins = first && self.at_start.iter().any(|start| follows(text, start) == Some(true));
        let at_start = begins.then(|| text.len() - text.trim_ascii_start().len());
        at_start.into_iter().chain(anywhere).min()
    }

    /// Whether a text, the beginning of what is said, may still become the beginning of a call.
    pub(crate) fn may_begin(&self, text: &[u8]) -> bool {
        self.at_start.iter().any(|start| follows(text, start) == Some(false))
    }
}

/// Where a mark begins in a text of which what is before `from` was searched already.
pub(crate) fn find(text: &[u8], mark: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(mark.len().saturating_sub(1));
    let rest = text.get(from..)?;
    rest.windows(mark.len().max(1)).position(|window| window == mark).map(|at| at + from)
}

/// Whether a text, its blanks left out, has all of `start` at its beginning; `None` where it begins otherwise.
fn follows(text: &[u8], start: &str) -> Option<bool> {
    let mut letters = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    for expected in start.as_bytes() {
        match letters.next() {
            None => return Some(false),
            Some(letter) if letter != expected => return None,
            Some(_) => {}
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_begin_with_a_mark_or_at_the_start() {
        let triggers = CallTriggers {
            anywhere: vec!["<tool_call>".into()],
            at_start: vec![r#"{"name":"f""#.into(), r#"```json{"name":"f""#.into()],
        };
        let check = |text: &str, found: Option<usize>, may: bool| {
            assert_eq!(triggers.find(text.as_bytes(), 0, true), found, "{text}");
            assert_eq!(triggers.may_begin(text.as_bytes()), may, "{text}");
        };
        check("", None, true);
        check("I will <tool_call>", Some(7), false);
        check("I will <tool_cal", None, false);
        check(" {\n \"name\": ", None, true);
        check(" {\n \"name\": \"f\"", Some(1), false);
        check("{\"name\": \"g", None, false);
        check("```json\n{\"name\": \"f\",", Some(0), false);
        assert_eq!(triggers.find(br#"{"name":"f""#, 0, false), None);
        assert_eq!(triggers.find(b"xx<tool_call>", 12, false), Some(2));
    }
}
