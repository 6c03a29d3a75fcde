//! What an upstream says it used, and what the client is told.

use std::fmt::Write as _;

use bytes::Bytes;
use router_policies::money::{AnswerSpeed, BilledExtras, InferenceRegion, ServiceTerms, ServiceTier};
use router_policies::{Money, Usage};

use super::json::RawObject;
use super::json_error::JsonError;
use super::scan::{Cursor, ValueKind};

/// No answer has more tokens than this; a higher count is a mistake or an attack.
const MOST: u64 = 1 << 32;

/// Token counts as an upstream reported them, in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportedUsage {
    /// Prompt tokens, cached ones included.
    pub prompt: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub completion: Option<u64>,
    /// Prompt tokens read from a cache; at most `prompt`.
    pub cached: Option<u64>,
    /// Prompt tokens written to a cache of five minutes, or to the provider's only one; with `cached` and
    /// `written_hour` at most `prompt`.
    pub written: u64,
    /// Prompt tokens written to a cache of an hour.
    pub written_hour: u64,
    /// Tokens of reasoning; at most `completion`.
    pub reasoning: Option<u64>,
    /// Whether a number was out of range or did not fit the others, and was bounded.
    pub suspect: bool,
    /// What is billed beside tokens of text.
    pub extras: ReportedExtras,
}

/// What an upstream says of what is billed beside tokens of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportedExtras {
    /// How soon it worked.
    pub tier: Option<ServiceTier>,
    /// How fast it wrote.
    pub speed: Option<AnswerSpeed>,
    /// Where it did so.
    pub region: Option<InferenceRegion>,
    /// Prompt tokens that are sound.
    pub audio_input: u64,
    /// Tokens of the answer that are sound.
    pub audio_output: u64,
    /// Searches of the web that it made.
    pub searches: u64,
}

impl ReportedExtras {
    /// What is billed for an answer to a request for these terms: what was served, and where that is not said, what was asked.
    pub fn billed(&self, asked: ServiceTerms) -> BilledExtras {
        BilledExtras {
            terms: ServiceTerms {
                tier: self.tier.unwrap_or(asked.tier),
                speed: self.speed.unwrap_or(asked.speed),
                region: self.region.unwrap_or(asked.region),
            },
            audio_input: self.audio_input,
            audio_output: self.audio_output,
            searches: self.searches,
        }
    }
}

impl ReportedUsage {
    /// The counts by disjoint kinds.
    pub fn usage(&self) -> Usage {
        let cached = self.cached.unwrap_or(0);
        let reasoning = self.reasoning.unwrap_or(0);
        Usage {
            input: self.prompt.unwrap_or(0).saturating_sub(cached + self.written + self.written_hour),
            cached_input: cached,
            cache_write: self.written,
            cache_write_hour: self.written_hour,
            output: self.completion.unwrap_or(0).saturating_sub(reasoning),
            reasoning,
            ..Usage::default()
        }
    }

    /// The counts of two of the answers to one prompt, which each counts: the prompt is taken as the later says.
    #[must_use]
    pub fn beside(self, later: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| {
            one.map(|one| one.saturating_add(other.unwrap_or(0))).or(other)
        };
        let extras = ReportedExtras {
            audio_output: self.extras.audio_output.saturating_add(later.extras.audio_output),
            searches: self.extras.searches.saturating_add(later.extras.searches),
            ..later.extras
        };
        Self {
            completion: sum(self.completion, later.completion),
            reasoning: sum(self.reasoning, later.reasoning),
            suspect: self.suspect || later.suspect,
            extras,
            ..later
        }
    }

    /// The same with an answer of at most so many tokens; suspect if that changed it.
    #[inline]
    pub fn within(self, completion: u64) -> Self {
        let bounded = |count: Option<u64>| count.map(|count| count.min(completion));
        let suspect = self.suspect || self.completion.is_some_and(|count| count > completion);
        Self { completion: bounded(self.completion), reasoning: bounded(self.reasoning), suspect, ..self }
    }

    /// Reads a `usage` object.
    pub(super) fn of(usage: &str) -> Option<Self> {
        Self::read(&mut Cursor::over(usage)).ok().flatten()
    }

    /// Takes a `usage` value from a cursor. `None`: it is null or no object, or has no counts.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            cursor.skip()?;
            return Ok(None);
        }
        let mut counts = UsageFields::default();
        cursor.members(|cursor, name| counts.see(&name.cow(), cursor))?;
        Ok((counts.prompt.is_some() || counts.completion.is_some()).then(|| counts.fit()))
    }
}

/// The numbers as they come.
#[derive(Default)]
struct UsageFields {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    /// Written to any cache; of that to one of five minutes, and to one of an hour.
    written: Option<u64>,
    written_short: Option<u64>,
    written_hour: Option<u64>,
    reasoning: Option<u64>,
    suspect: bool,
    extras: ReportedExtras,
}

/// What tells of the prompt, beside its count: OpenAI's and OpenRouter's words, and Alibaba's, who has Anthropic's.
const OF_PROMPT: [&str; 4] =
    ["cached_tokens", "cache_write_tokens", "cache_creation_input_tokens", "cache_creation"];
/// Beside them, what of either is sound.
const OF_SOUND: &str = "audio_tokens";
/// What tells how long what was written is kept.
const OF_WRITTEN: [&str; 2] = ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"];

impl UsageFields {
    fn see(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        match name {
            "prompt_tokens" => self.prompt = self.count(cursor)?.or(self.prompt),
            "completion_tokens" => self.completion = self.count(cursor)?.or(self.completion),
            "total_tokens" => self.total = self.count(cursor)?,
            // DeepSeek's, Moonshot's and Anthropic's own words for it.
            "prompt_cache_hit_tokens" | "cached_tokens" | "cache_read_input_tokens" => {
                self.cached = self.count(cursor)?.or(self.cached);
            }
            "cache_write_tokens" | "cache_creation_input_tokens" => {
                self.written = self.count(cursor)?.or(self.written);
            }
            "ephemeral_5m_input_tokens" => self.written_short = self.count(cursor)?.or(self.written_short),
            "ephemeral_1h_input_tokens" => self.written_hour = self.count(cursor)?.or(self.written_hour),
            "cache_creation" => drop(self.details(cursor, &OF_WRITTEN)?),
            "prompt_tokens_details" => {
                let sound = self.details(cursor, &OF_PROMPT)?;
                self.extras.audio_input = sound.unwrap_or(self.extras.audio_input);
            }
            "completion_tokens_details" => {
                let sound = self.details(cursor, &["reasoning_tokens"])?;
                self.extras.audio_output = sound.unwrap_or(self.extras.audio_output);
            }
            "service_tier" => self.extras.tier = word(cursor)?.map(|word| ServiceTier::of(&word)),
            "speed" => self.extras.speed = word(cursor)?.map(|word| AnswerSpeed::of(&word)),
            "inference_geo" => self.extras.region = word(cursor)?.map(|word| InferenceRegion::of(&word)),
            "server_tool_use" => drop(self.details(cursor, &["web_search_requests"])?),
            "web_search_requests" => self.extras.searches = self.count(cursor)?.unwrap_or(0),
            "reasoning_tokens" => self.reasoning = self.count(cursor)?.or(self.reasoning),
            _ => drop(cursor.skip()?),
        }
        Ok(())
    }

    /// Reads these, and says how many tokens are sound, if that is said.
    fn details(&mut self, cursor: &mut Cursor<'_>, words: &[&str]) -> Result<Option<u64>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(|_| None);
        }
        let mut sound = None;
        cursor.members(|cursor, name| match words.iter().find(|word| name.is(word)) {
            Some(word) => self.see(word, cursor),
            None if name.is(OF_SOUND) => {
                sound = self.count(cursor)?;
                Ok(())
            }
            None => cursor.skip().map(drop),
        })?;
        Ok(sound)
    }

    /// A number of tokens: bounded, rounded up, suspect if that was needed. `None` for anything else.
    fn count(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, JsonError> {
        if cursor.kind()? != ValueKind::Number {
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
    fn fit(mut self) -> ReportedUsage {
        let hidden = self.hidden();
        if hidden > 0 {
            self.completion = Some(self.completion.unwrap_or(0) + hidden);
            self.reasoning = Some(hidden);
        }
        let (written, written_hour) = self.write();
        let writes = written + written_hour;
        if writes > 0 && writes + self.cached.unwrap_or(0) > self.prompt.unwrap_or(0) {
            // Counted as Anthropic does: the prompt without what a cache had a part in.
            self.prompt = Some(self.prompt.unwrap_or(0) + self.cached.unwrap_or(0) + writes);
        }
        let bound = |part: Option<u64>, whole: Option<u64>| part.map(|part| part.min(whole.unwrap_or(0)));
        let cached = bound(self.cached, self.prompt);
        let reasoning = bound(self.reasoning, self.completion);
        let suspect = self.suspect || cached != self.cached || reasoning != self.reasoning;
        let (prompt, completion, extras) = (self.prompt, self.completion, self.extras);
        ReportedUsage { prompt, completion, cached, written, written_hour, reasoning, suspect, extras }
    }

    /// What was written to a cache of five minutes, or to the only one, and to one of an hour.
    fn write(&self) -> (u64, u64) {
        let hour = self.written_hour.unwrap_or(0);
        let short = self.written.unwrap_or(0).saturating_sub(hour).max(self.written_short.unwrap_or(0));
        (short, hour)
    }

    /// Reasoning that the answer's count leaves out, but not the total: xAI names it, Gemini does not.
    fn hidden(&self) -> u64 {
        let (Some(prompt), Some(completion), Some(total)) = (self.prompt, self.completion, self.total) else {
            return 0;
        };
        let rest = total.saturating_sub(prompt + completion);
        let cache = self.cached.unwrap_or(0) + self.written.unwrap_or(0);
        let nameless = self.reasoning.unwrap_or(0) == 0 && cache == 0;
        if nameless || self.reasoning == Some(rest) { rest } else { 0 }
    }
}

/// A word; `None` for anything else.
fn word(cursor: &mut Cursor<'_>) -> Result<Option<String>, JsonError> {
    match cursor.kind()? {
        ValueKind::String => Ok(Some(cursor.string()?.cow().into_owned())),
        _ => cursor.skip().map(|_| None),
    }
}

/// What the client is told of tokens and cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FinalUsage {
    /// Tokens of the answer that the client got.
    pub usage: Usage,
    /// Cost of the whole request in account currency; `None` when unknown, and then left out.
    pub cost: Option<Money>,
    /// Whether another model finished the answer than began it.
    pub resumed: bool,
    /// Whether it is the sum of what the upstream counts for each of several answers.
    pub summed: bool,
    /// A JSON object for the member `account`: who answered and what that saved. For clients that ask for it.
    pub account: Option<Box<str>>,
}

impl FinalUsage {
    /// The `usage` object: the upstream's own with ours added. Written anew where it had none, where tokens are
    /// estimated, and where two upstreams wrote the answer or one has counted each of several.
    pub(super) fn object(&self, upstream: Option<&[u8]>) -> Bytes {
        let kept = !self.usage.estimated && !self.resumed && !self.summed;
        let own = upstream.filter(|_| kept);
        let cost = self.cost.map(|cost| cost.to_string());
        let marks = [
            ("cost", cost.as_deref().map(str::as_bytes)),
            ("estimated", self.usage.estimated.then_some(b"true".as_slice())),
            ("resumed", self.resumed.then_some(b"true".as_slice())),
            ("account", self.account.as_deref().map(str::as_bytes)),
        ];
        if let Some(marked) = own.and_then(|own| appended(own, &marks)) {
            return marked;
        }
        match own.and_then(|own| RawObject::skim(Bytes::copy_from_slice(own)).ok()) {
            Some(own) => own.edited(&marks),
            None => RawObject::skim(plain(&self.usage).into())
                .map_or_else(|_| Bytes::new(), |own| own.edited(&marks)),
        }
    }

    /// A usage object of another dialect with ours added; its own counts stay.
    pub(super) fn marked(&self, own: &[u8]) -> Option<Bytes> {
        let own = RawObject::skim(Bytes::copy_from_slice(own)).ok()?;
        let cost = self.cost.map(|cost| cost.to_string());
        let estimated = self.usage.estimated.then_some(b"true".as_slice());
        Some(own.edited(&[
            ("cost", cost.as_deref().map(str::as_bytes)),
            ("estimated", estimated),
            ("account", self.account.as_deref().map(str::as_bytes)),
        ]))
    }
}

/// A checked object with these members at its end, where it plainly has none of that name: most have not, and need not be
/// read again for it.
fn appended(object: &[u8], members: &[(&str, Option<&[u8]>)]) -> Option<Bytes> {
    if memchr::memchr(b'\\', object).is_some() {
        return None;
    }
    // Without escapes a name is what stands between two quotes.
    let has = |name: &str, from: usize| {
        object[from + 1..].strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"\""))
    };
    if memchr::memchr_iter(b'"', object).any(|quote| members.iter().any(|(name, _)| has(name, quote))) {
        return None;
    }
    let inside = object.strip_suffix(b"}")?.trim_ascii_end();
    if inside.ends_with(b"{") {
        return None;
    }
    let mut out = Vec::with_capacity(object.len() + 64);
    out.extend_from_slice(inside);
    for (name, value) in members.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        for part in [b",\"", name.as_bytes(), b"\":", value] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(&object[inside.len()..]);
    Some(out.into())
}

/// Token counts in OpenAI's shape.
pub(super) fn plain(usage: &Usage) -> String {
    let (prompt, completion, total) = (usage.prompt(), usage.completion(), usage.total());
    let mut out =
        format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}"#);
    // Writing to a string cannot fail.
    let written = usage.cache_write.saturating_add(usage.cache_write_hour);
    if usage.cached_input > 0 || written > 0 {
        let _ = write!(out, r#","prompt_tokens_details":{{"cached_tokens":{}"#, usage.cached_input);
        if written > 0 {
            let _ = write!(out, r#","cache_write_tokens":{written}"#);
        }
        out.push('}');
    }
    if usage.reasoning > 0 {
        let _ = write!(out, r#","completion_tokens_details":{{"reasoning_tokens":{}}}"#, usage.reasoning);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn members_are_put_in_without_reading_only_where_that_is_the_same() {
        let check = |own: &str, by_hand: bool| {
            let members =
                [("cost", Some(b"0.1".as_slice())), ("estimated", None), ("resumed", Some(b"true"))];
            let read = RawObject::skim(Bytes::copy_from_slice(own.as_bytes())).unwrap().edited(&members);
            let put = appended(own.as_bytes(), &members);
            assert_eq!(put.is_some(), by_hand, "{own}");
            assert!(put.is_none_or(|put| put == read), "{own}");
        };
        check(r#"{"prompt_tokens":1,"completion_tokens_details":{"reasoning_tokens":0}}"#, true);
        check("{ \"a\" : [1, 2]\n }", true);
        check(r#"{"a":"cost"}"#, false);
        check(r#"{"a":1,"cost":2}"#, false);
        check(r#"{"estimated" :false}"#, false);
        check(r#"{"c\u006fst":2}"#, false);
        check("{}", false);
        check("{ }", false);
        check(r#"{"costs":2,"a":{}}"#, true);
    }

    fn read(usage: &str) -> Option<ReportedUsage> {
        ReportedUsage::read(&mut Cursor::over(usage)).unwrap()
    }

    /// Input, cached input, output, reasoning, suspect.
    fn kinds(usage: &str) -> (u64, u64, u64, u64, bool) {
        let reported = read(usage).unwrap();
        let usage = reported.usage();
        (usage.input, usage.cached_input, usage.output, usage.reasoning, reported.suspect)
    }

    #[test]
    fn kinds_are_disjoint_in_every_dialect_of_usage() {
        let check =
            |usage: &str, expected: (u64, u64, u64, u64, bool)| assert_eq!(kinds(usage), expected, "{usage}");
        check(r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}"#, (10, 0, 5, 0, false));
        check(
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":3}}"#,
            (6, 4, 2, 3, false),
        );
        // DeepSeek.
        check(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}"#,
            (2, 8, 5, 0, false),
        );
        // Gemini, and xAI: reasoning only in the total.
        check(r#"{"prompt_tokens":7,"completion_tokens":9,"total_tokens":32}"#, (7, 0, 9, 16, false));
        check(
            r#"{"prompt_tokens":7,"completion_tokens":9,"total_tokens":32,"completion_tokens_details":{"reasoning_tokens":16}}"#,
            (7, 0, 9, 16, false),
        );
        // A total that counts cached tokens once more says nothing of reasoning.
        check(
            r#"{"prompt_tokens":7,"completion_tokens":9,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":5}}"#,
            (2, 5, 9, 0, false),
        );
        check(
            r#"{"prompt_tokens":null,"completion_tokens":5,"prompt_tokens_details":null}"#,
            (0, 0, 5, 0, false),
        );
        check(r#"{"prompt_tokens":10.0,"completion_tokens":5e0}"#, (10, 0, 5, 0, false));
    }

    /// Input, cached input, written, written for an hour, output.
    fn cache(usage: &str) -> (u64, u64, u64, u64, u64) {
        let usage = read(usage).unwrap().usage();
        (usage.input, usage.cached_input, usage.cache_write, usage.cache_write_hour, usage.output)
    }

    #[test]
    fn what_is_written_to_a_cache_is_a_kind_of_its_own() {
        let check = |more: &str, expected: (u64, u64, u64, u64, u64)| {
            let text = format!(r#"{{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,{more}}}"#);
            assert_eq!(cache(&text), expected, "{more}");
        };
        // OpenRouter.
        check(r#""prompt_tokens_details":{"cached_tokens":30,"cache_write_tokens":20}"#, (50, 30, 20, 0, 5));
        // Alibaba.
        check(
            r#""prompt_tokens_details":{"cached_tokens":30,"cache_creation_input_tokens":20,
                "cache_creation":{"ephemeral_5m_input_tokens":20},"cache_type":"ephemeral"}"#,
            (50, 30, 20, 0, 5),
        );
        // Anthropic's words beside OpenAI's: the hour is part of the sum.
        check(
            r#""cache_read_input_tokens":10,"cache_creation_input_tokens":50,
                "cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30}"#,
            (40, 10, 20, 30, 5),
        );
        check(r#""cache_creation":{"ephemeral_1h_input_tokens":30}"#, (70, 0, 0, 30, 5));
        check(r#""cache_creation_input_tokens":0,"cache_creation":null"#, (100, 0, 0, 0, 5));
        check(r#""cache_creation_input_tokens":"20","cache_creation":[20]"#, (100, 0, 0, 0, 5));
        // A prompt counted without them is as long as all three.
        let apart = r#"{"prompt_tokens":3,"completion_tokens":5,"total_tokens":68,"cache_read_input_tokens":10,
            "cache_creation_input_tokens":50}"#;
        assert_eq!(cache(apart), (3, 10, 50, 0, 5));
    }

    #[test]
    fn odd_numbers_are_bounded_and_suspect() {
        let check = |usage: &str, expected: (u64, u64, u64, u64)| {
            let (input, cached, output, reasoning, suspect) = kinds(usage);
            assert_eq!((input, cached, output, reasoning), expected, "{usage}");
            assert!(suspect, "{usage}");
        };
        check(r#"{"prompt_tokens":-5,"completion_tokens":5}"#, (0, 0, 5, 0));
        check(r#"{"prompt_tokens":1,"completion_tokens":1000000000000000000}"#, (1, 0, MOST, 0));
        check(r#"{"prompt_tokens":1,"completion_tokens":1e400}"#, (1, 0, MOST, 0));
        check(r#"{"prompt_tokens":1.5,"completion_tokens":1}"#, (2, 0, 1, 0));
        check(r#"{"prompt_tokens":3,"completion_tokens":1,"cached_tokens":9}"#, (0, 3, 1, 0));
        check(r#"{"prompt_tokens":3,"completion_tokens":1,"reasoning_tokens":9}"#, (3, 0, 0, 1));
        assert_eq!(read("null"), None);
        assert_eq!(read("[1]"), None);
        assert_eq!(read(r#"{"prompt_tokens":"5"}"#), None);
        let long = read(r#"{"prompt_tokens":3,"completion_tokens":100,"reasoning_tokens":60}"#).unwrap();
        assert_eq!(long.within(100), long);
        let bounded = ReportedUsage { completion: Some(50), reasoning: Some(50), suspect: true, ..long };
        assert_eq!(long.within(50), bounded);
    }

    proptest! {
        #[test]
        fn no_usage_overflows(numbers in prop::collection::vec(prop_oneof![any::<f64>().prop_map(|n| json!(n)), any::<i64>().prop_map(|n| json!(n)), any::<u64>().prop_map(|n| json!(n)), Just(Value::Null)], 8)) {
            let text = json!({
                "prompt_tokens": numbers[0], "completion_tokens": numbers[1], "total_tokens": numbers[2],
                "prompt_tokens_details": {"cached_tokens": numbers[3], "cache_write_tokens": numbers[6]},
                "cache_creation": {"ephemeral_1h_input_tokens": numbers[7]}, "prompt_cache_hit_tokens": numbers[4],
                "completion_tokens_details": {"reasoning_tokens": numbers[5]},
            });
            if let Some(reported) = read(&text.to_string()) {
                let usage = reported.usage();
                prop_assert!(usage.total() <= 8 * MOST);
                prop_assert_eq!(usage.prompt(), reported.prompt.unwrap_or(0));
                prop_assert_eq!(usage.completion(), reported.completion.unwrap_or(0));
            }
        }
    }
}
