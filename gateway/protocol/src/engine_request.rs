//! A chat request as the embedded engine takes it.

use router_policies::PromptRole;

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::engine_format::EngineFormat;
use super::engine_tools::{self, EngineTool, EngineToolChoice, TurnFields};
use super::fields::FieldFormat;
use super::messages::MessageOutline;
use super::scan::{Cursor, ValueKind};
use super::value::FieldValue;

/// One message, its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleTurn {
    /// Who speaks.
    pub role: PromptRole,
    /// What.
    pub text: String,
    /// What it has beside that.
    pub fields: TurnFields,
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
    /// The shape that the answer must have; `None`: any text.
    pub format: Option<EngineFormat>,
    /// The tools that the answer may call.
    pub tools: Vec<EngineTool>,
    /// Whether it calls them.
    pub tool_choice: EngineToolChoice,
    /// Whether it may call one only (`parallel_tool_calls: false`).
    pub single_call: bool,
    /// Whether to think before the answer: `enable_thinking`, there or in `chat_template_kwargs`.
    pub enable_thinking: Option<bool>,
    /// `reasoning_effort`, where the client says one.
    pub reasoning_effort: Option<String>,
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
        let turn = |message: &MessageOutline| {
            let whole = chat.object.bytes().get(message.at.clone()).unwrap_or_default();
            let text = chat.text(message).into_owned();
            Ok::<_, BadRequest>(SimpleTurn { role: message.role, text, fields: engine_tools::turn(whole)? })
        };
        let number = |name, least, most| given(chat, name).map_or(Ok(None), |it| it.number(least, most));
        let integer = |name, least, most| given(chat, name).map_or(Ok(None), |it| it.integer(least, most));
        let alternatives = integer("top_logprobs", 0, 20)?.unwrap_or(0);
        let logprobs = chat.fields.logprobs.then(|| u8::try_from(alternatives).unwrap_or_default());
        // vLLM says −1 where llama.cpp says 0: consider them all.
        let top_k = integer("top_k", -1, i64::from(u32::MAX))?;
        Ok(Self {
            turns: chat.messages.list.iter().map(turn).collect::<Result<_, _>>()?,
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
            format: EngineFormat::of(chat)?,
            tools: engine_tools::tools(chat)?,
            tool_choice: engine_tools::choice(chat)?,
            single_call: chat.object.get("parallel_tool_calls") == Some(b"false"),
            enable_thinking: enable_thinking(chat),
            reasoning_effort: effort(chat),
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
        (chat.object.get("functions").is_some(), "functions", "functions: use tools"),
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

/// The switch of templates that think, where vLLM, SGLang and llama.cpp have it, else where Alibaba has it. `none` of an effort
/// is no thinking.
fn enable_thinking(chat: &ChatRequest) -> Option<bool> {
    #[derive(Default, serde::Deserialize)]
    struct TemplateFields {
        enable_thinking: Option<bool>,
    }
    let inner = chat.object.get("chat_template_kwargs");
    let inner: Option<TemplateFields> = inner.and_then(|raw| serde_json::from_slice(raw).ok());
    let own = || serde_json::from_slice(chat.object.get("enable_thinking")?).ok();
    let none = || (effort(chat).as_deref() == Some("none")).then_some(false);
    inner.and_then(|fields| fields.enable_thinking).or_else(own).or_else(none)
}

fn effort(chat: &ChatRequest) -> Option<String> {
    serde_json::from_slice(chat.object.get("reasoning_effort")?).ok()
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

    use super::super::engine_tools::{CalledFunction, TurnCall};
    use super::*;

    fn simple(field: &str) -> Result<EngineRequest, BadRequest> {
        let text = format!(r#"{{"model":"a","messages":[{{"role":"user","content":"hi"}}]{field}}}"#);
        ChatRequest::parse(Bytes::from(text)).unwrap().simple()
    }

    #[test]
    fn sampling_fields_are_read() {
        let plain = simple("").unwrap();
        assert_eq!(
            plain.turns,
            [SimpleTurn { role: PromptRole::User, text: "hi".into(), fields: TurnFields::default() }]
        );
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
            format: Some(EngineFormat::JsonObject),
            tools: Vec::new(),
            tool_choice: EngineToolChoice::Auto,
            single_call: false,
            enable_thinking: None,
            reasoning_effort: None,
            prefill: false,
        };
        assert_eq!(all.unwrap(), expected);
        assert_eq!(simple(r#","stop":"x""#).unwrap().stop, ["x"]);
        assert_eq!(simple(r#","logprobs":true"#).unwrap().logprobs, Some(0));
    }

    #[test]
    fn a_schema_is_checked_and_kept_as_it_is_written() {
        let asked = |named: &str| {
            let field = format!(r#","response_format":{{"type":"json_schema","json_schema":{named}}}"#);
            simple(&field).map(|request| request.format)
        };
        let schema = r#"{"type":"object", "properties":{"b":{},"a":{}}}"#;
        let expected = |strict| Some(EngineFormat::JsonSchema { schema: schema.into(), strict });
        assert_eq!(asked(&format!(r#"{{"name":"x","schema":{schema}}}"#)).unwrap(), expected(false));
        assert_eq!(asked(&format!(r#"{{"strict":true,"schema":{schema}}}"#)).unwrap(), expected(true));
        assert_eq!(asked(r#"{"name":"x","strict":null}"#).unwrap(), Some(EngineFormat::JsonObject));
        for (schema, place) in [
            (r#"{"type":"text"}"#, "/type"),
            (r#"{"properties":{"a":{"minimum":"1"}}}"#, "/properties/a/minimum"),
            (r#"{"$schema":"http://json-schema.org/draft-07/schema#","required":"a"}"#, "/required"),
            ("7", "must be a JSON object"),
        ] {
            let error = asked(&format!(r#"{{"schema":{schema}}}"#)).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("response_format.json_schema.schema"), "{schema}");
            assert!(error.message.contains(place), "{}", error.message);
        }
    }

    #[test]
    fn tools_and_thinking_are_read() {
        let tool =
            r#"{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}"#;
        let asked = simple(&format!(
            r#","tools":[{tool}],"tool_choice":{{"type":"function","function":{{"name":"f"}}}},"parallel_tool_calls":false,
               "chat_template_kwargs":{{"enable_thinking":false}},"reasoning_effort":"low""#
        ));
        let asked = asked.unwrap();
        let parameters = Some(r#"{"type":"object"}"#.to_owned());
        assert_eq!(
            asked.tools,
            [EngineTool { name: "f".into(), parameters, strict: true, text: tool.into() }]
        );
        assert_eq!((asked.tool_choice, asked.single_call), (EngineToolChoice::Named("f".into()), true));
        assert_eq!((asked.enable_thinking, asked.reasoning_effort.as_deref()), (Some(false), Some("low")));
        let thinking = |field: &str| simple(field).unwrap().enable_thinking;
        assert_eq!(thinking(r#","enable_thinking":true"#), Some(true));
        assert_eq!(thinking(r#","reasoning_effort":"none""#), Some(false));
        assert_eq!(thinking(r#","reasoning_effort":"high""#), None);
        for (word, choice) in [("auto", EngineToolChoice::Auto), ("none", EngineToolChoice::None)] {
            assert_eq!(simple(&format!(r#","tool_choice":"{word}""#)).unwrap().tool_choice, choice);
        }
        let body = r#"{"model":"a","messages":[{"role":"user","content":"hi"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c","content":"7"}]}"#;
        let turns = ChatRequest::parse(Bytes::from_static(body.as_bytes())).unwrap().simple().unwrap().turns;
        let function = CalledFunction { name: "f".into(), arguments: "{}".into() };
        assert_eq!(turns[1].fields.tool_calls, [TurnCall { id: "c".into(), function }]);
        assert_eq!(turns[2].fields.tool_call_id.as_deref(), Some("c"));
    }

    #[test]
    fn what_the_engine_cannot_do_is_refused() {
        let check = |field: &str, param: &str| {
            assert_eq!(simple(field).unwrap_err().param.as_deref(), Some(param), "{field}");
        };
        check(r#","n":2"#, "n");
        check(r#","tools":[{"type":"web_search"}]"#, "tools");
        check(r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"x"}}}]"#, "tools");
        check(r#","tool_choice":"sometimes""#, "tool_choice");
        check(r#","functions":[{"name":"f"}]"#, "functions");
        check(r#","response_format":{"type":"json_schema"}"#, "response_format.json_schema");
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
