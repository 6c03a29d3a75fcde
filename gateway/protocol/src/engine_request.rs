//! A chat request as the embedded engine takes it.

use router_policies::PromptRole;

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::fields::FieldFormat;
use super::messages::MessageOutline;
use super::scan::{Cursor, ValueKind};
use super::value::FieldValue;

/// One message, its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleTurn {
    /// Who speaks; never a tool.
    pub role: PromptRole,
    /// What.
    pub text: String,
}

/// A chat request as the embedded engine takes it: every value in range, `None` where the client said nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineRequest {
    /// The conversation, oldest first.
    pub turns: Vec<SimpleTurn>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// How many of the likeliest tokens are considered; 0 for all. A field that llama.cpp and vLLM have.
    pub top_k: Option<u32>,
    /// 0 to 1. A field that llama.cpp and vLLM have.
    pub min_p: Option<f64>,
    /// Makes sampling repeatable.
    pub seed: Option<u64>,
    /// Texts that end the answer and do not appear in it; none is empty; at most 16.
    pub stop: Vec<String>,
    /// −2 to 2.
    pub presence_penalty: f64,
    /// −2 to 2.
    pub frequency_penalty: f64,
    /// Token and what is added to its logit, −100 to 100.
    pub logit_bias: Vec<(u32, f64)>,
    /// How many alternatives a token is to come with, 0 to 20; `None`: no log-probabilities at all.
    pub logprobs: Option<u8>,
    /// Whether the answer must be a JSON object (`response_format` of type `json_object`).
    pub json_object: bool,
    /// Whether the last turn is the beginning of the answer.
    pub prefill: bool,
}

impl ChatRequest {
    /// The request for the embedded engine, or what the engine cannot do.
    pub fn simple(&self) -> Result<EngineRequest, BadRequest> {
        EngineRequest::of(self)
    }
}

impl EngineRequest {
    /// From a request that the engine can serve.
    fn of(chat: &ChatRequest) -> Result<Self, BadRequest> {
        refuse_the_impossible(chat)?;
        let turn = |message: &MessageOutline| SimpleTurn {
            role: message.role,
            text: chat.text(message).into_owned(),
        };
        let number = |name, least, most| given(chat, name).map_or(Ok(None), |it| it.number(least, most));
        let integer = |name, least, most| given(chat, name).map_or(Ok(None), |it| it.integer(least, most));
        let alternatives = integer("top_logprobs", 0, 20)?.unwrap_or(0);
        let logprobs = chat.fields.logprobs.then(|| u8::try_from(alternatives).unwrap_or_default());
        // vLLM says −1 where llama.cpp says 0: consider them all.
        let top_k = integer("top_k", -1, i64::from(u32::MAX))?;
        Ok(Self {
            turns: chat.messages.list.iter().map(|message: &MessageOutline| turn(message)).collect(),
            max_tokens: chat.max_tokens(),
            temperature: number("temperature", 0.0, 2.0)?,
            top_p: number("top_p", 0.0, 1.0)?,
            top_k: top_k.map(|most| u32::try_from(most).unwrap_or(0)),
            min_p: number("min_p", 0.0, 1.0)?,
            seed: integer("seed", i64::MIN, i64::MAX)?.map(i64::cast_unsigned),
            stop: stop(chat)?,
            presence_penalty: number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0),
            frequency_penalty: number("frequency_penalty", -2.0, 2.0)?.unwrap_or(0.0),
            logit_bias: logit_bias(chat)?,
            logprobs,
            json_object: chat.fields.format == FieldFormat::Json,
            prefill: chat.needs().prefill,
        })
    }
}

fn refuse_the_impossible(chat: &ChatRequest) -> Result<(), BadRequest> {
    let needs = chat.needs();
    let cannot = [
        (needs.image, "messages", "images"),
        (needs.audio, "messages", "sound"),
        (needs.video, "messages", "films"),
        (needs.file, "messages", "files"),
        (needs.tools, "tools", "tools"),
        (needs.json_schema, "response_format", "JSON schemas"),
        (chat.fields.format == FieldFormat::Other, "response_format", "this response format"),
        (chat.n() > 1, "n", "more than one choice"),
    ];
    match cannot.into_iter().find(|(asked, _, _)| *asked) {
        Some((_, param, what)) => {
            let message = format!("The model is an embedded one, which does not support {what}.");
            Err(BadRequest::new(param, "unsupported_value", message))
        }
        None => Ok(()),
    }
}

fn given<'a>(chat: &'a ChatRequest, name: &'static str) -> Option<FieldValue<'a>> {
    let raw = std::str::from_utf8(chat.object.get(name)?).ok()?;
    Some(FieldValue { name, raw })
}

/// Empty stop texts would end every answer at once; they are left out.
fn stop(chat: &ChatRequest) -> Result<Vec<String>, BadRequest> {
    let Some(given) = given(chat, "stop") else { return Ok(Vec::new()) };
    let mut cursor = Cursor::over(given.raw);
    let mut texts = Vec::new();
    match given.kind()? {
        ValueKind::String => texts.push(cursor.string()?.cow().into_owned()),
        ValueKind::Array => cursor.elements(|cursor, _| {
            texts.push(cursor.string()?.cow().into_owned());
            Ok::<_, BadRequest>(())
        })?,
        _ => {}
    }
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}

fn logit_bias(chat: &ChatRequest) -> Result<Vec<(u32, f64)>, BadRequest> {
    let mut biases = Vec::new();
    let Some(given) = given(chat, "logit_bias") else { return Ok(biases) };
    if given.kind()? != ValueKind::Object {
        return Ok(biases);
    }
    Cursor::over(given.raw).members(|cursor, name| {
        let token =
            name.cow().parse().map_err(|_| BadRequest::value("logit_bias", "a key is no token number"))?;
        let bias = FieldValue { raw: cursor.skip()?, ..given }.number(-100.0, 100.0)?;
        biases.extend(bias.map(|bias| (token, bias)));
        Ok::<_, BadRequest>(())
    })?;
    Ok(biases)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn simple(field: &str) -> Result<EngineRequest, BadRequest> {
        let text = format!(r#"{{"model":"a","messages":[{{"role":"user","content":"hi"}}]{field}}}"#);
        ChatRequest::parse(Bytes::from(text)).unwrap().simple()
    }

    #[test]
    fn sampling_fields_are_read() {
        let plain = simple("").unwrap();
        assert_eq!(plain.turns, [SimpleTurn { role: PromptRole::User, text: "hi".into() }]);
        assert_eq!((plain.temperature, plain.top_k, plain.seed, plain.logprobs), (None, None, None, None));
        let all = simple(
            r#","temperature":0.5,"top_p":0.9,"top_k":-1,"min_p":0.05,"seed":-1,"stop":["a","","\n"],
               "presence_penalty":1,"frequency_penalty":-1,"logit_bias":{"50256":-100,"3":null},"logprobs":true,
               "top_logprobs":5,"max_tokens":9,"response_format":{"type":"json_object"},"cache_prompt":true"#,
        );
        let expected = EngineRequest {
            turns: plain.turns,
            max_tokens: Some(9),
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(0),
            min_p: Some(0.05),
            seed: Some(u64::MAX),
            stop: vec!["a".into(), "\n".into()],
            presence_penalty: 1.0,
            frequency_penalty: -1.0,
            logit_bias: vec![(50256, -100.0)],
            logprobs: Some(5),
            json_object: true,
            prefill: false,
        };
        assert_eq!(all.unwrap(), expected);
        assert_eq!(simple(r#","stop":"x""#).unwrap().stop, ["x"]);
        assert_eq!(simple(r#","logprobs":true"#).unwrap().logprobs, Some(0));
    }

    #[test]
    fn what_the_engine_cannot_do_is_refused() {
        let check = |field: &str, param: &str| {
            assert_eq!(simple(field).unwrap_err().param.as_deref(), Some(param), "{field}");
        };
        check(r#","n":2"#, "n");
        check(r#","tools":[{"type":"function"}]"#, "tools");
        check(r#","response_format":{"type":"json_schema"}"#, "response_format");
        check(r#","response_format":{"type":"regex"}"#, "response_format");
        check(r#","modalities":["audio"]"#, "messages");
        check(r#","min_p":1e308"#, "min_p");
        check(r#","top_k":-2"#, "top_k");
        check(r#","seed":1.5"#, "seed");
        check(r#","logit_bias":{"the":1}"#, "logit_bias");
        let image =
            r#"{"model":"a","messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]}"#;
        let error = ChatRequest::parse(Bytes::from_static(image.as_bytes())).unwrap().simple().unwrap_err();
        assert_eq!(error.message, "The model is an embedded one, which does not support images.");
    }
}
