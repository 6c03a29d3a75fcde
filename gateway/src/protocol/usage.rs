//! What an upstream says it used, and what the client is told.

use std::fmt::Write as _;

use bytes::Bytes;
use router_policies::{Money, Usage};

use super::fault::Fault;
use super::json::Object;
use super::scan::{Cursor, Kind};
use super::write::{Stamp, head};

/// No answer has more tokens than this; a higher count is a mistake or an attack.
const MOST: u64 = 1 << 32;

/// Token counts as an upstream reported them, in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// Prompt tokens, cached ones included.
    pub prompt: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub completion: Option<u64>,
    /// Prompt tokens read from a cache; at most `prompt`.
    pub cached: Option<u64>,
    /// Tokens of reasoning; at most `completion`.
    pub reasoning: Option<u64>,
    /// Whether a number was out of range or did not fit the others, and was bounded.
    pub suspect: bool,
}

impl Reported {
    /// The counts by disjoint kinds.
    pub fn usage(&self) -> Usage {
        let cached = self.cached.unwrap_or(0);
        let reasoning = self.reasoning.unwrap_or(0);
        Usage {
            input: self.prompt.unwrap_or(0).saturating_sub(cached),
            cached_input: cached,
            output: self.completion.unwrap_or(0).saturating_sub(reasoning),
            reasoning,
            estimated: false,
        }
    }

    /// The same with an answer of at most so many tokens; suspect if that changed it.
    pub fn within(self, completion: u64) -> Self {
        let bounded = |count: Option<u64>| count.map(|count| count.min(completion));
        let suspect = self.suspect || self.completion.is_some_and(|count| count > completion);
        Self { completion: bounded(self.completion), reasoning: bounded(self.reasoning), suspect, ..self }
    }

    /// Takes a `usage` value from a cursor. `None`: it is null or no object, or has no counts.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Fault> {
        if cursor.kind()? != Kind::Object {
            cursor.skip()?;
            return Ok(None);
        }
        let mut counts = Counts::default();
        cursor.members(|cursor, name| counts.see(&name.cow(), cursor))?;
        Ok((counts.prompt.is_some() || counts.completion.is_some()).then(|| counts.fit()))
    }
}

/// The numbers as they come.
#[derive(Default)]
struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    reasoning: Option<u64>,
    suspect: bool,
}

impl Counts {
    fn see(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        match name {
            "prompt_tokens" => self.prompt = self.count(cursor)?.or(self.prompt),
            "completion_tokens" => self.completion = self.count(cursor)?.or(self.completion),
            "total_tokens" => self.total = self.count(cursor)?,
            // DeepSeek's and Moonshot's own words for it.
            "prompt_cache_hit_tokens" | "cached_tokens" => self.cached = self.count(cursor)?.or(self.cached),
            "prompt_tokens_details" => self.details(cursor, "cached_tokens")?,
            "completion_tokens_details" => self.details(cursor, "reasoning_tokens")?,
            "reasoning_tokens" => self.reasoning = self.count(cursor)?.or(self.reasoning),
            _ => drop(cursor.skip()?),
        }
        Ok(())
    }

    fn details(&mut self, cursor: &mut Cursor<'_>, word: &'static str) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| {
            if name.is(word) {
                return self.see(word, cursor);
            }
            cursor.skip().map(drop)
        })
    }

    /// A number of tokens: bounded, rounded up, suspect if that was needed. `None` for anything else.
    fn count(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Fault> {
        if cursor.kind()? != Kind::Number {
            cursor.skip()?;
            return Ok(None);
        }
        let raw = cursor.skip()?;
        if let Ok(count) = raw.parse::<u64>() {
            self.suspect |= count > MOST;
            return Ok(Some(count.min(MOST)));
        }
        let count = raw.parse().unwrap_or(f64::INFINITY);
        let bounded = count.clamp(0.0, MOST as f64).ceil();
        self.suspect |= bounded != count;
        Ok(Some(bounded as u64))
    }

    /// Bounds the parts by their wholes.
    fn fit(mut self) -> Reported {
        let hidden = self.hidden();
        if hidden > 0 {
            self.completion = Some(self.completion.unwrap_or(0) + hidden);
            self.reasoning = Some(hidden);
        }
        let bound = |part: Option<u64>, whole: Option<u64>| part.map(|part| part.min(whole.unwrap_or(0)));
        let cached = bound(self.cached, self.prompt);
        let reasoning = bound(self.reasoning, self.completion);
        let suspect = self.suspect || cached != self.cached || reasoning != self.reasoning;
        Reported { prompt: self.prompt, completion: self.completion, cached, reasoning, suspect }
    }

    /// Reasoning that the answer's count leaves out, but not the total: xAI names it, Gemini does not.
    fn hidden(&self) -> u64 {
        let (Some(prompt), Some(total)) = (self.prompt, self.total) else { return 0 };
        let rest = total.saturating_sub(prompt + self.completion.unwrap_or(0));
        let nameless = self.reasoning.unwrap_or(0) == 0 && self.cached.unwrap_or(0) == 0;
        if nameless || self.reasoning == Some(rest) { rest } else { 0 }
    }
}

/// What the client is told of tokens and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FinalUsage {
    /// Tokens of the answer that the client got.
    pub usage: Usage,
    /// Cost of the whole request in account currency; `None` when unknown, and then left out.
    pub cost: Option<Money>,
    /// Whether another model finished the answer than began it.
    pub resumed: bool,
}

impl FinalUsage {
    /// The `usage` object: the upstream's own with ours added. Written anew where it had none, where tokens are
    /// estimated, and where two upstreams wrote the answer.
    pub(super) fn object(&self, upstream: Option<&[u8]>) -> Bytes {
        let kept = !self.usage.estimated && !self.resumed;
        let own = upstream.filter(|_| kept).map(Bytes::copy_from_slice);
        let own = own.and_then(|own| Object::skim(own).ok());
        let cost = self.cost.map(|cost| cost.to_string());
        let marks = [
            ("cost", cost.as_deref().map(str::as_bytes)),
            ("estimated", self.usage.estimated.then_some(b"true".as_slice())),
            ("resumed", self.resumed.then_some(b"true".as_slice())),
        ];
        match own {
            Some(own) => own.edited(&marks),
            None => Object::skim(self.plain().into()).map_or_else(|_| Bytes::new(), |own| own.edited(&marks)),
        }
    }

    fn plain(&self) -> String {
        let usage = &self.usage;
        let (prompt, completion, total) = (usage.prompt(), usage.completion(), usage.total());
        let mut out =
            format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}"#);
        // Writing to a string cannot fail.
        if usage.cached_input > 0 {
            let _ = write!(out, r#","prompt_tokens_details":{{"cached_tokens":{}}}"#, usage.cached_input);
        }
        if usage.reasoning > 0 {
            let _ = write!(out, r#","completion_tokens_details":{{"reasoning_tokens":{}}}"#, usage.reasoning);
        }
        out.push('}');
        out
    }
}

/// The last usage chunk of a stream, `data: {…}\n\n`. `last` is the data of the upstream's last chunk with usage: the
/// chunk and its usage object are kept with no choices and with the cost added. Without one, or with tokens estimated, the
/// usage is written anew, under `stamp` if there is no chunk.
pub fn usage_chunk(last: Option<&[u8]>, stamp: &Stamp<'_>, usage: &FinalUsage) -> Bytes {
    let last = last.and_then(|last| Object::skim(Bytes::copy_from_slice(last)).ok());
    let object = usage.object(last.as_ref().and_then(|last| last.get("usage")));
    let chunk = last.or_else(|| Object::skim(head(stamp, "chat.completion.chunk").into()).ok());
    let edits = [("choices", Some(b"[]".as_slice())), ("usage", Some(&object[..]))];
    let chunk = chunk.map(|chunk| chunk.edited(&edits)).unwrap_or_default();
    [b"data: ", &chunk[..], b"\n\n"].concat().into()
}
