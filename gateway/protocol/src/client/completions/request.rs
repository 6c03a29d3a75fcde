//! A request for a completion → a chat, as far as there is one that says the same.

use super::super::super::bad_request::BadRequest;
use super::super::super::json::{RawObject, string};
use super::super::super::json_error::quoted;
use super::super::super::scan::ValueKind;
use super::super::super::value::wrong_type;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, elements, inside, kind, said};
use super::super::{ConvertedRequest, DroppedFields};
use super::encoder::CompletionsEncoder;

/// Likeliest tokens that a completion may be asked to name.
const MOST_LOGPROBS: u64 = 5;

/// Reads a request. What both kinds of request have, and what neither the API nor we know, stays as it is.
pub(in super::super) fn read(body: &RawObject, id: &str) -> Result<ConvertedRequest, BadRequest> {
    let mut members = ObjectReader::of_body(body)?;
    let mut cannot = None;
    let prompts = PromptTexts::read(members.need("prompt")?, &mut cannot)?;
    let messages =
        prompts.texts.iter().map(|text| JsonBuilder::new().text("role", "user").raw("content", text).end());
    let mut chat = JsonBuilder::new().raw("model", members.need("model")?).raw("messages", &array(messages));
    chat = chat.maybe("max_tokens", members.take("max_tokens"));
    if members.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        cannot
            .get_or_insert(BadRequest::value("suffix", "a chat model cannot write what comes before a text"));
    }
    let n = number(members.take("n"), "n")?.unwrap_or(1);
    if number(members.take("best_of"), "best_of")?.is_some_and(|best| best != n) {
        cannot.get_or_insert(BadRequest::value("best_of", "for a chat model it must be equal to 'n'"));
    }
    // That many answers must be whole before all are.
    let answers = n.saturating_mul(prompts.count);
    chat = if answers == 1 { chat } else { chat.number("n", answers) };
    let echo = members.boolean("echo")? == Some(true);
    if let Some(most) = logprobs(members.take("logprobs"))? {
        if echo {
            let why = "together with 'echo' it asks for the prompt's, which no chat model gives";
            cannot.get_or_insert(BadRequest::value("logprobs", why));
        }
        chat = chat.raw("logprobs", "true");
        chat = if most > 0 { chat.number("top_logprobs", most) } else { chat };
    }
    for (name, value) in members.others() {
        // A name that a client made up may need escapes, which ours do not.
        chat = chat.raw(inside(&string(&name)), value);
    }
    let echoed = if echo { said(prompts.texts[0])?.into_owned() } else { String::new() };
    let converted =
        ConvertedRequest::new(chat.end(), CompletionsEncoder::new(id, echoed), DroppedFields::default());
    Ok(ConvertedRequest { tokens: prompts.tokens, cannot, ..converted })
}

/// What is to be gone on with.
struct PromptTexts<'a> {
    /// As they are written; never empty.
    texts: Vec<&'a str>,
    count: u64,
    /// How many tokens, where that is what was given.
    tokens: Option<u64>,
}

impl<'a> PromptTexts<'a> {
    fn read(raw: &'a str, cannot: &mut Option<BadRequest>) -> Result<Self, BadRequest> {
        let only = |text| Self { texts: vec![text], count: 1, tokens: None };
        match kind(raw)? {
            ValueKind::String => return Ok(only(raw)),
            ValueKind::Array => {}
            other => return Err(wrong_type("prompt".into(), "a string or an array", other)),
        }
        let list = elements(raw, "prompt")?;
        let kinds = list.iter().map(|(_, raw)| kind(raw)).collect::<Result<Vec<_>, _>>()?;
        let count = list.len() as u64;
        let tokens = "a chat model does not take tokens; send a text";
        match kinds.first() {
            Some(first) if kinds.iter().any(|other| other != first) => Err(mixed()),
            Some(ValueKind::String) if count == 1 => Ok(only(list[0].1)),
            Some(ValueKind::String) => {
                *cannot = Some(BadRequest::value("prompt", "a chat model takes one text a request"));
                Ok(Self { texts: list.into_iter().map(|(_, raw)| raw).collect(), count, tokens: None })
            }
            Some(ValueKind::Number) => {
                *cannot = Some(BadRequest::value("prompt", tokens));
                Ok(Self { tokens: Some(count), ..only("\"\"") })
            }
            Some(ValueKind::Array) => {
                *cannot = Some(BadRequest::value("prompt", tokens));
                let each = list.iter().map(|(place, raw)| elements(raw, place).map(|list| list.len() as u64));
                Ok(Self { count, tokens: Some(each.sum::<Result<_, _>>()?), ..only("\"\"") })
            }
            Some(_) | None => Err(mixed()),
        }
    }
}

fn mixed() -> BadRequest {
    BadRequest::value("prompt", "it must be a text, or a list of texts, of tokens, or of lists of tokens")
}

fn number(raw: Option<&str>, name: &'static str) -> Result<Option<u64>, BadRequest> {
    let Some(raw) = raw else { return Ok(None) };
    match raw.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(BadRequest::value(name, format!("{} is no whole number above 0", quoted(raw)))),
    }
}

/// How many of the likeliest tokens are to be named, if any.
fn logprobs(raw: Option<&str>) -> Result<Option<u64>, BadRequest> {
    let Some(raw) = raw.filter(|raw| *raw != "false") else { return Ok(None) };
    match raw.parse() {
        Ok(most) if most <= MOST_LOGPROBS => Ok(Some(most)),
        _ => {
            Err(BadRequest::value("logprobs", format!("it must be a whole number from 0 to {MOST_LOGPROBS}")))
        }
    }
}
