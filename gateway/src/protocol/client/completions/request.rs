//! A request for a completion → a chat.

use super::super::super::json::{Object, string};
use super::super::super::refusal::BadRequest;
use super::super::super::scan::Kind;
use super::super::build::{Build, array};
use super::super::members::{Members, elements, inside, kind, said};
use super::super::{Converted, LeftOut};
use super::told::Completions;

/// Tokens of an answer where the request sets no limit: the API's own default.
const DEFAULT_MOST: &str = "16";
/// Likeliest tokens that a completion may be asked to name.
const MOST_LOGPROBS: u64 = 5;

/// Reads a request. What both kinds of request have, and what neither the API nor we know, stays as it is.
pub(in super::super) fn read(body: &Object, id: &str) -> Result<Converted, BadRequest> {
    let mut members = Members::of_body(body)?;
    let prompt = prompt(members.need("prompt")?)?;
    let message = Build::new().text("role", "user").raw("content", prompt).end();
    let mut chat = Build::new().raw("model", members.need("model")?).raw("messages", &array([message]));
    chat = chat.raw("max_tokens", members.take("max_tokens").unwrap_or(DEFAULT_MOST));
    if members.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(BadRequest::value("suffix", "a chat model cannot write what comes before a text"));
    }
    let n = members.take("n");
    chat = chat.maybe("n", n);
    if members.take("best_of").is_some_and(|best| best != n.unwrap_or("1")) {
        return Err(BadRequest::value("best_of", "it must be equal to 'n': nothing here compares answers"));
    }
    let echo = members.boolean("echo")? == Some(true);
    let wanted = logprobs(members.take("logprobs"))?;
    if let Some(most) = wanted {
        if echo {
            let why = "together with 'echo' it asks for the prompt's, which no chat model gives";
            return Err(BadRequest::value("logprobs", why));
        }
        chat = chat.raw("logprobs", "true");
        chat = if most > 0 { chat.number("top_logprobs", most) } else { chat };
    }
    for (name, value) in members.others() {
        // A name that a client made up may need escapes, which ours do not.
        chat = chat.raw(inside(&string(&name)), value);
    }
    let echoed = if echo { said(prompt)?.into_owned() } else { String::new() };
    let teller = Box::new(Completions::new(id, echoed));
    Ok(Converted { chat: chat.end(), teller, left_out: LeftOut::default(), cannot: None })
}

/// The one prompt, as it is written.
fn prompt(raw: &str) -> Result<&str, BadRequest> {
    let only = |why: &str| BadRequest::value("prompt", why);
    match kind(raw)? {
        Kind::String => return Ok(raw),
        Kind::Array => {}
        other => return Err(super::super::super::messages::wrong_type("prompt".into(), "a string", other)),
    }
    match &elements(raw, "prompt")?[..] {
        [(_, only)] if kind(only)? == Kind::String => Ok(only),
        [(_, first), ..] if kind(first)? == Kind::String => {
            Err(only("it has several prompts; send one a request"))
        }
        _ => Err(only("it must be a text: a chat model does not take tokens")),
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
