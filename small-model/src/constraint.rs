//! Holds an answer to a grammar: which tokens may come next.

use std::collections::VecDeque;
use std::fmt;

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use crate::answer_marks::{CallTriggers, ThoughtMarks, find};

/// The most symbols of a grammar: a tenth of llguidance's own bound, and far above what people write.
const MOST_SYMBOLS: usize = 50_000;

/// A model's vocabulary, as grammars see it.
pub(crate) struct GrammarVocabulary {
    factory: ParserFactory,
    tokens: TokEnv,
}

/// What may come next in one answer.
pub(crate) struct TokenConstraint {
    stages: VecDeque<ConstraintStage>,
    matcher: Matcher,
    tokens: TokEnv,
    /// What was written since the stage began.
    written: Vec<u8>,
}

/// A part of an answer, and what holds in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConstraintStage {
    /// The answer may begin with this token, which opens a thought, or with the grammar.
    MayOpen(u32),
    /// Anything may come until this text has, for instance the end of a thought.
    Until(String),
    /// Anything may come until a tool is called, which no thought at the start can do.
    UntilCall(CallTriggers, Option<ThoughtMarks>),
    /// The grammar holds, to the end.
    Grammar,
}

/// The grammar became too complex for its bounds, or went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConstraintFailure;

impl GrammarVocabulary {
    /// From the bytes of every token: none for one that never comes, a first byte of 0xFF for control tokens. `ends` are the
    /// tokens that end an answer; at least one.
    ///
    /// # Errors
    /// In llguidance's words.
    pub(crate) fn new(words: &[Vec<u8>], ends: &[u32]) -> Result<Self, String> {
        let first = ends.first().copied().ok_or("no token ends an answer")?;
        let info = TokRxInfo::new(u32::try_from(words.len()).map_err(|error| error.to_string())?, first);
        let trie = TokTrie::from(&info, words).with_eos_tokens(ends);
        let tokens: TokEnv = std::sync::Arc::new(ApproximateTokEnv::new(trie));
        let slices = SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&tokens, InferenceCapabilities::default(), &slices)
            .map_err(|error| error.to_string())?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_grammar_size = MOST_SYMBOLS;
        // Its errors would quote the answer.
        limits.verbose_errors = false;
        Ok(Self { factory, tokens })
    }

    /// What follows a grammar, from its beginning.
    ///
    /// # Errors
    /// In llguidance's words.
    pub(crate) fn matcher(&self, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let parser = self.factory.create_parser(grammar).map_err(|error| error.to_string())?;
        let mut matcher = Matcher::new(Ok(parser));
        if let Some(error) = matcher.get_error() {
            return Err(error);
        }
        // A rule that only leads to itself is found when the first token is looked for.
        let begins = matcher.compute_mask_or_eos().is_ok_and(|mask| !mask.is_zero());
        if !begins {
            return Err("unsatisfiable: no text meets it, or its first token cannot be found".to_owned());
        }
        Ok(matcher)
    }

    /// A constraint of these stages, whose last is the grammar.
    pub(crate) fn constraint(&self, matcher: Matcher, stages: Vec<ConstraintStage>) -> TokenConstraint {
        TokenConstraint { stages: stages.into(), matcher, tokens: self.tokens.clone(), written: Vec::new() }
    }
}

impl TokenConstraint {
    /// Says what the answer already begins with; whether the grammar takes it.
    pub(crate) fn begin_with(&mut self, text: &str) -> bool {
        let bound = self.stages.front() == Some(&ConstraintStage::Grammar);
        !bound || text.is_empty() || self.feed(text.as_bytes()) == Ok(true)
    }

    /// The tokens that may come next; `None`: all.
    pub(crate) fn allowed(&mut self) -> Result<Option<SimpleVob>, ConstraintFailure> {
        let opener = match self.stages.front() {
            Some(ConstraintStage::Until(_) | ConstraintStage::UntilCall(..)) | None => return Ok(None),
            Some(ConstraintStage::MayOpen(token)) => Some(*token),
            Some(ConstraintStage::Grammar) => None,
        };
        let mut mask = self.matcher.compute_mask_or_eos().map_err(|_| ConstraintFailure)?;
        if let Some(token) = opener {
            mask.allow_token(token);
        }
        Ok(Some(mask))
    }

    /// Says which token comes; `false` where it must not: it begins a call, and goes on with what no call has there.
    pub(crate) fn accept(&mut self, token: u32) -> Result<bool, ConstraintFailure> {
        match self.stages.front() {
            None => Ok(true),
            Some(ConstraintStage::MayOpen(opener)) => {
                let opens = token == *opener;
                self.stages.pop_front();
                if opens {
                    return Ok(true);
                }
                // The thought is not opened, so it has no end either.
                if matches!(self.stages.front(), Some(ConstraintStage::Until(_))) {
                    self.stages.pop_front();
                }
                self.accept(token)
            }
            Some(ConstraintStage::Until(_) | ConstraintStage::UntilCall(..)) => self.accept_free(token),
            Some(ConstraintStage::Grammar) => self.accept_bound(token),
        }
    }

    fn accept_bound(&mut self, token: u32) -> Result<bool, ConstraintFailure> {
        // The token that ends an answer ends it: a grammar that has stopped takes none.
        if !self.matcher.is_stopped() {
            self.matcher.consume_token(token).map_err(|_| ConstraintFailure)?;
        }
        Ok(true)
    }

    fn accept_free(&mut self, token: u32) -> Result<bool, ConstraintFailure> {
        let before = self.written.len();
        let bytes = self.tokens.tok_trie().token(token);
        if bytes.first() != Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
            self.written.extend_from_slice(bytes);
        }
        let Some(end) = self.end_of_freedom(before) else { return Ok(true) };
        let rest = self.written.get(end..).unwrap_or_default().to_vec();
        if self.stages.get(1) != Some(&ConstraintStage::Grammar) {
            self.written = rest;
            self.stages.pop_front();
        } else if self.feed(&rest)? {
            self.stages.pop_front();
        } else {
            self.written.truncate(before);
            return Ok(false);
        }
        Ok(true)
    }

    /// Where in what was written the next stage begins, if it does.
    fn end_of_freedom(&mut self, before: usize) -> Option<usize> {
        match self.stages.front_mut()? {
            ConstraintStage::Until(mark) => {
                find(&self.written, mark.as_bytes(), before).map(|at| at + mark.len())
            }
            ConstraintStage::UntilCall(triggers, thought) => {
                let begun = |marks: &&mut ThoughtMarks| {
                    self.written.trim_ascii_start().starts_with(marks.open.as_bytes())
                };
                if let Some(marks) = thought.as_mut().filter(begun) {
                    let close = marks.close.as_bytes();
                    let end = find(&self.written, close, 0)? + close.len();
                    self.written.drain(..end);
                    *thought = None;
                }
                triggers.find(&self.written, 0, true)
            }
            ConstraintStage::MayOpen(_) | ConstraintStage::Grammar => None,
        }
    }

    /// Begins the grammar with a text that is already written. Blanks between a thought and the answer are no part of either.
    fn feed(&mut self, text: &[u8]) -> Result<bool, ConstraintFailure> {
        let tokens = self.tokens.tokenize_bytes(text.trim_ascii_start());
        if self.matcher.validate_tokens(&tokens).map_err(|_| ConstraintFailure)? < tokens.len() {
            return Ok(false);
        }
        self.matcher.consume_tokens(&tokens).map_err(|_| ConstraintFailure)?;
        Ok(true)
    }
}

impl fmt::Debug for TokenConstraint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenConstraint").field("stages", &self.stages).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool_syntax::ToolSyntax;
    use crate::{AnswerFormat, ToolDefinition, answer_grammar};

    /// A vocabulary of single bytes, and a token that ends an answer.
    fn vocabulary() -> GrammarVocabulary {
        let mut words: Vec<Vec<u8>> = (0..TokTrie::SPECIAL_TOKEN_MARKER).map(|byte| vec![byte]).collect();
        let end = u32::try_from(words.len()).unwrap();
        words.push(vec![TokTrie::SPECIAL_TOKEN_MARKER, b'e']);
        GrammarVocabulary::new(&words, &[end]).unwrap()
    }

    /// How many blanks may follow on a beginning, ends of lines first.
    fn blanks_after(grammar: TopLevelGrammar, begun: &str) -> usize {
        let vocabulary = vocabulary();
        let matcher = vocabulary.matcher(grammar).unwrap();
        let mut constraint = vocabulary.constraint(matcher, vec![ConstraintStage::Grammar]);
        for byte in begun.bytes() {
            let allowed = constraint.allowed().unwrap().unwrap();
            assert!(allowed.is_allowed(byte.into()), "{begun}: {}", char::from(byte));
            assert_eq!(constraint.accept(byte.into()), Ok(true));
        }
        for blanks in 0..1000 {
            let allowed = constraint.allowed().unwrap().unwrap();
            let blank = b"\n\t \r".iter().find(|byte| allowed.is_allowed(u32::from(**byte)));
            let Some(blank) = blank else { return blanks };
            assert_eq!(constraint.accept(u32::from(*blank)), Ok(true));
        }
        usize::MAX
    }

    /// A small model would otherwise write ends of lines to its last token.
    #[test]
    fn blanks_of_json_have_an_end() {
        let object = AnswerFormat::JsonObject;
        let schema = json!({"type": "object", "properties": {"a": {"type": "array"}, "b": {}}});
        let schema = AnswerFormat::JsonSchema { schema, strict: true };
        let tool = ToolDefinition { parameters: Some(json!({})), ..ToolDefinition::named("f") };
        let begun = [
            "",
            "{",
            r#"{"a""#,
            r#"{"a":"#,
            r#"{"a":["#,
            r#"{"a":[1"#,
            r#"{"a":[1,"#,
            r#"{"a":[1]"#,
            r#"{"a":[],"#,
            r#"{"a":[],"b":{}"#,
            r#"{"a":[]}"#,
        ];
        for format in [&object, &schema] {
            for begun in begun {
                let blanks = blanks_after(answer_grammar::of_format(format).unwrap(), begun);
                assert!(blanks <= 22, "{format:?}, {begun}: {blanks}");
            }
        }
        for syntax in [ToolSyntax::Hermes, ToolSyntax::Llama] {
            for format in [None, Some(&object)] {
                let grammar = || syntax.grammar(std::slice::from_ref(&tool), false, false, format).unwrap();
                for begun in ["", "{", r#"{"name""#, r#"{"name":"f","#] {
                    let blanks = blanks_after(grammar(), begun);
                    assert!(blanks <= 22, "{syntax:?}, {format:?}, {begun}: {blanks}");
                }
            }
        }
    }

    /// Answers to the same grammar do not come into each other's way.
    #[test]
    fn a_compiled_grammar_serves_many_answers() {
        let vocabulary = vocabulary();
        let schema = AnswerFormat::JsonSchema { schema: json!({"enum": ["ab", "ac"]}), strict: true };
        let matcher = vocabulary.matcher(answer_grammar::of_format(&schema).unwrap()).unwrap();
        let mut answers = [b'b', b'c']
            .map(|byte| (byte, vocabulary.constraint(matcher.deep_clone(), vec![ConstraintStage::Grammar])));
        for position in 0..4 {
            for (byte, constraint) in &mut answers {
                let token = u32::from([b'"', b'a', *byte, b'"'][position]);
                assert!(constraint.allowed().unwrap().unwrap().is_allowed(token));
                assert_eq!(constraint.accept(token), Ok(true));
            }
        }
    }
}
