//! The fields of a chat request beside its messages.

use bytes::Bytes;
use gateway_config::{FeatureSet, RequestFeature};

use super::bad_request::BadRequest;
use super::json::{MemberSpans, RawObject};
use super::json_error::{JsonError, JsonErrorKind};
use super::json_str::JsonStr;
use super::scan::{Cursor, ValueKind};
use super::value::FieldValue;

/// 2³²: no model has a longer context.
const MOST_TOKENS: i64 = 1 << 32;
/// OpenAI's bound on `n`.
const MOST_CHOICES: i64 = 128;
/// OpenAI allows 4 stop texts, others 16.
const MOST_STOPS: usize = 16;
const MOST_TOOLS: usize = 1024;
const MOST_BIASES: usize = 1024;
/// OpenAI's bounds on `metadata`: pairs, characters of a key, characters of a value.
const METADATA: (usize, usize, usize) = (16, 64, 512);
/// Bytes of `response_format`: a schema is written by a person or made from a type.
const MOST_FORMAT: usize = 1 << 20;

/// What kind of answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FieldFormat {
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// A JSON text of a given schema.
    Schema,
    /// A word that OpenAI does not have.
    Other,
}

/// The fields of a request that say how hard to think, in whichever words of a provider.
pub(super) const THOUGHT_FIELDS: [&str; 5] =
    ["reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs"];

/// Those that may have a price of their own.
const TERM_FIELDS: [&str; 4] = ["service_tier", "speed", "inference_geo", "web_search_options"];

/// What the gateway must know of these fields, each in range.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownFields {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) n: u64,
    /// Answers that are written, of which the best may be given back: never fewer than `n`.
    pub(super) written: u64,
    pub(super) logprobs: bool,
    pub(super) format: FieldFormat,
    /// Tools and functions offered.
    pub(super) tools: usize,
    /// Sound is asked for in the answer.
    pub(super) speaks: bool,
    /// What some models do not take.
    pub(super) features: FeatureSet,
    /// There is a field that may ask for thought, or one that may have a price of its own. Most have neither.
    pub(super) may_ask_for_thought: bool,
    pub(super) may_choose_terms: bool,
}

/// What was found while reading, before it is known what follows from it.
#[derive(Default)]
struct FoundField {
    model: Option<String>,
    options: bool,
    completion: Option<i64>,
    tokens: Option<i64>,
    n: Option<i64>,
    best_of: Option<i64>,
    /// Tools are listed, if only none, or it is said how they are to be used.
    has_tools: bool,
    fields: KnownFields,
}

impl KnownFields {
    /// Reads and checks them.
    pub(super) fn read(text: &str, places: &MemberSpans) -> Result<Self, BadRequest> {
        let mut found = FoundField::default();
        for (name, value) in places.iter(text) {
            found.see(&name, &text[value])?;
        }
        let mut fields = found.fields;
        fields.model = found.model.ok_or_else(|| BadRequest::missing("model"))?;
        let limit = found.completion.or(found.tokens);
        fields.max_tokens = limit.and_then(|limit| u64::try_from(limit).ok());
        fields.features = features(&fields, found.has_tools, found.n);
        fields.n = found.n.and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
        fields.written = found.best_of.and_then(|best| u64::try_from(best).ok()).unwrap_or(1).max(fields.n);
        if found.options && !fields.stream {
            let message = "'stream_options' may only be given when 'stream' is true.".into();
            return Err(BadRequest::new("stream_options", "invalid_value", message));
        }
        Ok(fields)
    }
}

impl FoundField {
    fn see(&mut self, name: &str, raw: &str) -> Result<(), BadRequest> {
        let field = |name| FieldValue { name, raw };
        match name {
            "model" => self.model = Some(model(field("model"))?),
            "stream" => self.fields.stream = field("stream").boolean()?.unwrap_or(false),
            "stream_options" => self.options(field("stream_options"))?,
            "max_completion_tokens" => {
                self.completion = field("max_completion_tokens").integer(1, MOST_TOKENS)?;
            }
            "max_tokens" => self.tokens = field("max_tokens").integer(1, MOST_TOKENS)?,
            "n" => self.n = field("n").integer(1, MOST_CHOICES)?,
            "best_of" => self.best_of = field("best_of").integer(1, MOST_CHOICES)?,
            "logprobs" => self.fields.logprobs = field("logprobs").boolean()?.unwrap_or(false),
            "response_format" => self.fields.format = format(field("response_format"))?,
            "tools" => {
                self.has_tools = true;
                self.fields.tools += field("tools").array(MOST_TOOLS, &[ValueKind::Object])?.unwrap_or(0)
            }
            "functions" => {
                self.fields.tools += field("functions").array(MOST_TOOLS, &[ValueKind::Object])?.unwrap_or(0);
            }
            "modalities" => self.fields.speaks = speaks(field("modalities"))?,
            "tool_choice" => {
                self.has_tools = true;
                self.fields.features = self.fields.features.and(CHOICE);
            }
            _ => {
                self.fields.features = self.fields.features.and(feature(name));
                self.fields.may_ask_for_thought |= THOUGHT_FIELDS.contains(&name);
                self.fields.may_choose_terms |= TERM_FIELDS.contains(&name);
                check(name, raw)?;
            }
        }
        Ok(())
    }

    fn options(&mut self, field: FieldValue<'_>) -> Result<(), BadRequest> {
        match field.kind()? {
            ValueKind::Null => return Ok(()),
            ValueKind::Object => self.options = true,
            kind => return Err(field.not("an object", kind)),
        }
        let mut seen = false;
        Cursor::over(field.raw).members(|cursor, name| {
            let raw = cursor.skip()?;
            if name.is("include_usage") {
                let twice = std::mem::replace(&mut seen, true);
                refuse_second(twice, name)?;
                let usage = FieldValue { name: "stream_options.include_usage", raw };
                self.fields.include_usage = usage.boolean()?.unwrap_or(false);
            }
            Ok(())
        })
    }
}

/// What a choice of tools may be too much of.
const CHOICE: FeatureSet = FeatureSet::only(RequestFeature::ForcedTools)
    .with(RequestFeature::NamedTool)
    .with(RequestFeature::ForcedToolsWithThinking);

/// What a field by itself may be too much of.
fn feature(name: &str) -> FeatureSet {
    use RequestFeature as Feature;
    let only = FeatureSet::only;
    match name {
        "temperature" => {
            only(Feature::Temperature).with(Feature::TemperatureWithTopP).with(Feature::SamplingWithThinking)
        }
        "top_p" => only(Feature::TopP).with(Feature::SamplingWithThinking),
        "top_k" => only(Feature::TopK).with(Feature::SamplingWithThinking),
        "min_p" => only(Feature::MinP),
        "presence_penalty" => only(Feature::PresencePenalty),
        "frequency_penalty" => only(Feature::FrequencyPenalty),
        "repetition_penalty" => only(Feature::RepetitionPenalty),
        "seed" => only(Feature::Seed),
        "logit_bias" => only(Feature::LogitBias),
        "top_logprobs" => only(Feature::Logprobs),
        "reasoning_effort" => only(Feature::ReasoningEffort).with(Feature::ThinkingOff),
        "thinking" => only(Feature::ThinkingOff),
        "parallel_tool_calls" => only(Feature::ParallelToolCalls),
        "stop" => only(Feature::Stop).with(Feature::BlankStops),
        _ => FeatureSet::default(),
    }
}

/// What fields have that some models do not take. `has_tools`: tools are spoken of.
fn features(fields: &KnownFields, has_tools: bool, n: Option<i64>) -> FeatureSet {
    use RequestFeature as Feature;
    let mut features = fields.features;
    features.set(Feature::SeveralAnswers, n.is_some_and(|n| n > 1));
    if fields.logprobs {
        features.insert(Feature::Logprobs);
    }
    features.set(Feature::JsonObject, fields.format == FieldFormat::Json);
    features.set(Feature::JsonSchema, fields.format == FieldFormat::Schema);
    let is_json = matches!(fields.format, FieldFormat::Json | FieldFormat::Schema);
    features.set(Feature::JsonWithTools, is_json && fields.tools > 0);
    features.set(Feature::EmptyTools, has_tools && fields.tools == 0);
    features.set(Feature::OpenObjects, fields.tools > 0);
    features
}

/// Two members of one name: which of them an upstream would read is anyone's guess.
pub(super) fn refuse_second(twice: bool, name: JsonStr<'_>) -> Result<(), JsonError> {
    match twice {
        true => Err(JsonError { kind: JsonErrorKind::DuplicateKey(name.cow().into_owned()), at: name.at }),
        false => Ok(()),
    }
}

/// Fields whose values only have to be in range.
fn check(name: &str, raw: &str) -> Result<(), BadRequest> {
    let field = |name| FieldValue { name, raw };
    match name {
        "top_logprobs" => drop(field("top_logprobs").integer(0, 20)?),
        "temperature" => drop(field("temperature").number(0.0, 2.0)?),
        "top_p" => drop(field("top_p").number(0.0, 1.0)?),
        "presence_penalty" => drop(field("presence_penalty").number(-2.0, 2.0)?),
        "frequency_penalty" => drop(field("frequency_penalty").number(-2.0, 2.0)?),
        "stop" => stop(field("stop"))?,
        "logit_bias" => logit_bias(field("logit_bias"))?,
        "metadata" => metadata(field("metadata"))?,
        _ => {}
    }
    Ok(())
}

fn model(field: FieldValue<'_>) -> Result<String, BadRequest> {
    match field.kind()? {
        ValueKind::String => {}
        kind => return Err(field.not("a string", kind)),
    }
    let model = Cursor::over(field.raw).string()?.cow().into_owned();
    if model.trim().is_empty() {
        return Err(BadRequest::value(field.name, "it is empty"));
    }
    Ok(model)
}

fn format(field: FieldValue<'_>) -> Result<FieldFormat, BadRequest> {
    match field.kind()? {
        ValueKind::Null => return Ok(FieldFormat::Text),
        ValueKind::Object => {}
        kind => return Err(field.not("an object", kind)),
    }
    if field.raw.len() > MOST_FORMAT {
        return Err(field.long("string_above_max_length", &format!("{MOST_FORMAT} bytes")));
    }
    let mut format = None;
    Cursor::over(field.raw).members(|cursor, name| {
        if !name.is("type") {
            return cursor.skip().map(drop).map_err(BadRequest::from);
        }
        refuse_second(format.is_some(), name)?;
        let kind = cursor.kind()?;
        if kind != ValueKind::String {
            return Err(FieldValue { name: "response_format.type", raw: field.raw }.not("a string", kind));
        }
        format = Some(match &*cursor.string()?.cow() {
            "text" => FieldFormat::Text,
            "json_object" => FieldFormat::Json,
            "json_schema" => FieldFormat::Schema,
            _ => FieldFormat::Other,
        });
        Ok(())
    })?;
    format.ok_or_else(|| BadRequest::missing("response_format.type"))
}

fn speaks(field: FieldValue<'_>) -> Result<bool, BadRequest> {
    if field.array(8, &[ValueKind::String])?.is_none() {
        return Ok(false);
    }
    let mut audio = false;
    Cursor::over(field.raw).elements(|cursor, _| {
        audio |= cursor.string()?.is("audio");
        Ok::<_, BadRequest>(())
    })?;
    Ok(audio)
}

fn stop(field: FieldValue<'_>) -> Result<(), BadRequest> {
    match field.kind()? {
        ValueKind::String => Ok(()),
        ValueKind::Array | ValueKind::Null => field.array(MOST_STOPS, &[ValueKind::String]).map(drop),
        kind => Err(field.not("a string or an array of strings", kind)),
    }
}

fn logit_bias(field: FieldValue<'_>) -> Result<(), BadRequest> {
    match field.kind()? {
        ValueKind::Null => return Ok(()),
        ValueKind::Object => {}
        kind => return Err(field.not("an object", kind)),
    }
    let mut count = 0;
    Cursor::over(field.raw).members(|cursor, _| {
        count += 1;
        if count > MOST_BIASES {
            return Err(field.long("invalid_value", &format!("{MOST_BIASES} entries")));
        }
        let bias = FieldValue { name: "logit_bias", raw: cursor.skip()? };
        bias.number(-100.0, 100.0).map(drop)
    })
}

fn metadata(field: FieldValue<'_>) -> Result<(), BadRequest> {
    match field.kind()? {
        ValueKind::Null => return Ok(()),
        ValueKind::Object => {}
        kind => return Err(field.not("an object", kind)),
    }
    let (pairs, key, value) = METADATA;
    let mut count = 0;
    Cursor::over(field.raw).members(|cursor, name| {
        count += 1;
        if count > pairs {
            return Err(field.long("invalid_value", &format!("{pairs} pairs")));
        }
        if longer(name, key) {
            return Err(field.long("string_above_max_length", &format!("{key} characters in a key")));
        }
        match cursor.kind()? {
            ValueKind::String if longer(cursor.string()?, value) => {
                Err(field.long("string_above_max_length", &format!("{value} characters in a value")))
            }
            ValueKind::String => Ok(()),
            kind => Err(field.not("strings as its values", kind)),
        }
    })
}

fn longer(text: JsonStr<'_>, most: usize) -> bool {
    text.raw.len() > most && text.cow().chars().nth(most).is_some()
}

/// A request's `stream_options` with the usage asked for.
pub(super) fn stream_options(request: &RawObject) -> Bytes {
    let asked = request.get("stream_options").unwrap_or_default();
    let options = RawObject::skim(request.bytes().slice_ref(asked));
    match options {
        Ok(options) => options.edited(&[("include_usage", Some(b"true"))]),
        Err(_) => Bytes::from_static(br#"{"include_usage":true}"#),
    }
}
