//! A chat's answer → a completion.

use serde::Deserialize;

use super::super::super::json::string;
use super::super::super::usage::plain;
use super::super::super::write::error_event;
use super::super::json_builder::{JsonBuilder, array};
use super::super::parsed_response::{ChoiceDelta, ParsedResponse, UsageCounts};
use super::super::{ClientVendor, EncodeResponse, ErrorWords};

/// What a completion, and each of its chunks, calls itself.
const OBJECT: &str = "text_completion";

/// A completion under way.
pub(super) struct CompletionsEncoder {
    request: String,
    /// What each answer begins with.
    echo: String,
    /// Which have begun.
    begun: Vec<u64>,
    /// Characters told of each, for the places of tokens.
    told: Vec<(u64, usize)>,
}

impl CompletionsEncoder {
    /// For a request of this name.
    pub(super) fn new(request: &str, echo: String) -> Self {
        Self { request: request.to_owned(), echo, begun: Vec::new(), told: Vec::new() }
    }

    fn written(&mut self, parsed: ParsedResponse, whole: bool) -> String {
        let only_usage = parsed.choices.is_empty();
        let choices: Vec<_> =
            parsed.choices.into_iter().filter_map(|said| self.choice(said, whole)).collect();
        if choices.is_empty() && !only_usage {
            return String::new();
        }
        let completion = JsonBuilder::new()
            .text("id", &format!("cmpl-{}", self.request))
            .text("object", OBJECT)
            .number("created", parsed.created)
            .text("model", &parsed.model)
            .raw("choices", &array(choices));
        completion.maybe("usage", parsed.usage.as_ref().map(usage).as_deref()).end()
    }

    /// `None` for a piece that says nothing that a completion has a place for.
    fn choice(&mut self, said: ChoiceDelta, whole: bool) -> Option<String> {
        let mut text = said.text;
        text.push_str(&said.refusal);
        if text.is_empty() && said.finish.is_none() && !whole {
            return None;
        }
        if !self.begun.contains(&said.index) {
            self.begun.push(said.index);
            text.insert_str(0, &self.echo);
        }
        let logprobs = said.logprobs.and_then(|raw| self.logprobs(said.index, &raw));
        let finish = said.finish.map(|finish| string(finish.word()));
        let choice = JsonBuilder::new().text("text", &text).number("index", said.index);
        Some(
            choice.or_null("logprobs", logprobs.as_deref()).or_null("finish_reason", finish.as_deref()).end(),
        )
    }

    fn logprobs(&mut self, index: u64, raw: &str) -> Option<String> {
        let odds: CompletionLogprobs = serde_json::from_str(raw).ok()?;
        let tokens = odds.content?;
        let at = self.told.iter().position(|(known, _)| *known == index).unwrap_or_else(|| {
            self.told.push((index, 0));
            self.told.len() - 1
        });
        let mut offsets = Vec::new();
        for token in &tokens {
            offsets.push(self.told[at].1.to_string());
            self.told[at].1 += token.token.chars().count();
        }
        let top = |token: &CompletionToken| {
            let named = token.top_logprobs.iter();
            let mut seen: Vec<&str> = Vec::new();
            let mut all = String::from("{");
            for likely in named {
                // Two tokens of bytes may show as the same text; an object has each name once.
                if seen.contains(&&*likely.token) {
                    continue;
                }
                seen.push(&likely.token);
                let comma = if all.len() > 1 { "," } else { "" };
                all.push_str(&format!("{comma}{}:{}", string(&likely.token), likely.logprob));
            }
            all + "}"
        };
        let logprobs = JsonBuilder::new()
            .raw("text_offset", &array(offsets))
            .raw("token_logprobs", &array(tokens.iter().map(|token| token.logprob.to_string())))
            .raw("tokens", &array(tokens.iter().map(|token| string(&token.token))))
            .raw("top_logprobs", &array(tokens.iter().map(top)));
        Some(logprobs.end())
    }
}

/// Log-probabilities of a chat.
#[derive(Deserialize)]
struct CompletionLogprobs {
    content: Option<Vec<CompletionToken>>,
}

#[derive(Deserialize)]
struct CompletionToken {
    token: String,
    logprob: serde_json::Number,
    #[serde(default)]
    top_logprobs: Vec<TopLogprobs>,
}

#[derive(Deserialize)]
struct TopLogprobs {
    token: String,
    logprob: serde_json::Number,
}

fn usage(used: &UsageCounts) -> String {
    let mut usage = plain(&used.tokens);
    for (name, value) in &used.marks {
        usage.truncate(usage.len() - 1);
        usage.push_str(&format!(",\"{name}\":{value}}}"));
    }
    usage
}

impl EncodeResponse for CompletionsEncoder {
    fn whole(&mut self, answer: ParsedResponse) -> String {
        self.written(answer, true)
    }

    fn encode_piece(&mut self, piece: ParsedResponse, out: &mut String) {
        let written = self.written(piece, false);
        if !written.is_empty() {
            out.push_str(&format!("data: {written}\n\n"));
        }
    }

    fn done(&mut self, out: &mut String) {
        out.push_str("data: [DONE]\n\n");
    }

    fn failed(&mut self, error: &ErrorWords, out: &mut String) {
        out.push_str(&String::from_utf8_lossy(&error_event(&error.body(ClientVendor::OpenAi, ""))));
    }

    fn is_told(&mut self, answer: &ParsedResponse) -> bool {
        answer.object == OBJECT
    }

    fn always_tells_usage(&self) -> bool {
        false
    }
}
