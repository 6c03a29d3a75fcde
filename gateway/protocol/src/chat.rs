//! A chat request, read once.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gateway_config::{FeatureSet, RequestFeature};
use router_policies::{Prompt, PromptTurn};

use super::bad_request::BadRequest;
use super::conversions::ConversionCache;
use super::endpoint::ApiEndpoint;
use super::estimate::{in_tokens, weight, weight_of};
use super::fields::{FieldFormat, KnownFields};
use super::image_tokens::{ImageTokenRule, ImageTokens};
use super::json::{FieldEdit, MemberSpans, RawObject};
use super::json_error::JsonError;
use super::messages::{MessageList, MessageOutline};
use super::original_request::OriginalRequest;
use super::scan::{Cursor, ValueKind, text_of};
use super::text_profile::TextProfile;

/// What the framing of a message adds, and what begins the answer, in tokens, as OpenAI counts them.
const MESSAGE_TOKENS: u64 = 4;
const ANSWER_TOKENS: u64 = 3;

/// The least temperature of a further answer: at 0 it would be the same one.
const FURTHER_TEMPERATURE: f64 = 0.7;
const FURTHER_TEMPERATURE_WORD: &[u8] = b"0.7";

/// What a model must be able to do to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequiredCapabilities {
    /// See images.
    pub image: bool,
    /// Hear sound, or speak.
    pub audio: bool,
    /// Watch films.
    pub video: bool,
    /// Read attached files.
    pub file: bool,
    /// Call tools, or read what they gave back.
    pub tools: bool,
    /// Keep to a JSON schema.
    pub json_schema: bool,
    /// Go on with an answer that the client began: the last message is the assistant's.
    pub prefill: bool,
    /// Say how probable its tokens were.
    pub logprobs: bool,
}

/// A chat request: its text as it came, and what the gateway must know of it.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    pub(super) object: RawObject,
    pub(super) fields: KnownFields,
    pub(super) messages: MessageList,
    /// The estimate of prompt tokens without pictures, once somebody has asked for it.
    tokens: OnceLock<u64>,
    /// What its texts are made of, once somebody needs to know.
    profile: OnceLock<Box<TextProfile>>,
    /// What the client wrote, where that was no chat.
    native: Option<OriginalRequest>,
    /// The same request in other dialects' words.
    conversions: ConversionCache,
    /// The same request as the model takes it that was asked about first, and what had to be done to it for that.
    pub(super) fitted: OnceLock<(Vec<FieldEdit>, Arc<ChatRequest>)>,
}

impl ChatRequest {
    /// Reads a request body. What the gateway does not know is left alone.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = text_of(&body)?;
        let places = MemberSpans::of(text)?;
        let fields = KnownFields::read(text, &places)?;
        let at = places.find(&body, "messages").ok_or_else(|| BadRequest::missing("messages"))?.start;
        let messages = MessageList::read(text, at)?;
        let object = RawObject::placed(body, places);
        let (tokens, profile, conversions) = (OnceLock::new(), OnceLock::new(), ConversionCache::default());
        let fitted = OnceLock::new();
        Ok(Self { object, fields, messages, tokens, profile, native: None, conversions, fitted })
    }

    /// What stands in its place for a model that does not take all of it.
    pub(super) fn in_place_of(&self, body: Bytes) -> Result<Self, BadRequest> {
        Ok(Self { native: self.native.clone(), ..Self::parse(body)? })
    }

    /// What it has that not every model takes; it may say more than it has.
    #[inline]
    pub(super) fn features(&self) -> FeatureSet {
        let features = self.fields.features.and(self.messages.features);
        if self.messages.attachments.images > 0 {
            features.with(RequestFeature::PictureUrls)
        } else {
            features
        }
    }

    /// The same, converted from what a client wrote in another dialect.
    pub(super) fn spoken_in(mut self, native: OriginalRequest, tokens: Option<u64>) -> Self {
        if let Some(tokens) = tokens {
            self.tokens = tokens.into();
        }
        Self { native: Some(native), ..self }
    }

    /// Whether it asks for vectors, and not for words.
    pub fn is_for_embeddings(&self) -> bool {
        self.native.as_ref().is_some_and(|native| native.endpoint() == ApiEndpoint::Embeddings)
    }

    /// Whether an upstream may answer it in a dialect that has no chunks of chats, so that no whole is made of its pieces.
    pub fn is_native(&self) -> bool {
        let endpoint = self.native.as_ref().map(OriginalRequest::endpoint);
        matches!(endpoint, Some(ApiEndpoint::Embeddings | ApiEndpoint::Completions))
    }

    /// What the client wrote, where that was no chat: an upstream that speaks the same dialect can be told just that.
    #[inline]
    pub fn native(&self) -> Option<&OriginalRequest> {
        self.native.as_ref()
    }

    /// Whether it says all that its client said. Where not, only an upstream of the client's own dialect may be asked.
    pub fn says_all(&self) -> bool {
        self.native.as_ref().is_none_or(|native| native.cannot_be_a_chat().is_none())
    }

    /// Where its conversions are kept.
    pub(super) fn conversions(&self) -> &ConversionCache {
        &self.conversions
    }

    /// The name that the client asks for: a route or a model. Not empty, otherwise anything at all.
    #[inline]
    pub fn model(&self) -> &str {
        &self.fields.model
    }

    /// Whether the answer is to come as a stream.
    #[inline]
    pub fn stream(&self) -> bool {
        self.fields.stream
    }

    /// Whether the client wants the usage at the end of its stream.
    #[inline]
    pub fn include_usage(&self) -> bool {
        self.fields.include_usage
    }

    /// The longest answer that the client allows, in tokens: `max_completion_tokens`, else `max_tokens`; 1 to 2³².
    #[inline]
    pub fn max_tokens(&self) -> Option<u64> {
        self.fields.max_tokens
    }

    /// How many answers are asked for: 1 to 128.
    #[inline]
    pub fn n(&self) -> u64 {
        self.fields.n
    }

    /// How many answers are written and billed: `n`, or more where the best of them are asked for.
    pub fn written_answers(&self) -> u64 {
        self.fields.written
    }

    /// What a model must be able to do to answer this.
    pub fn needs(&self) -> RequiredCapabilities {
        let attached = &self.messages.attachments;
        let last = self.messages.list.last();
        RequiredCapabilities {
            image: attached.images > 0 || attached.in_files.image,
            audio: attached.sounds > 0 || attached.in_files.audio || self.fields.speaks,
            video: attached.films > 0 || attached.in_files.video,
            file: attached.files > 0,
            tools: self.fields.tools > 0 || self.messages.tools,
            json_schema: self.fields.format == FieldFormat::Schema,
            prefill: last.is_some_and(|message| message.role == router_policies::PromptRole::Assistant),
            logprobs: self.fields.logprobs,
        }
    }

    /// Whether any message has sound.
    pub(super) fn has_sound(&self) -> bool {
        self.messages.attachments.sounds > 0 || self.messages.attachments.in_files.audio
    }

    /// Whether a structured answer is asked for.
    #[inline]
    pub fn structured(&self) -> bool {
        self.fields.format != FieldFormat::Text
    }

    /// What a scorer reads. Borrows the text where it has no escapes; call it once.
    pub fn prompt(&self) -> Prompt<'_> {
        let turn = |message: &MessageOutline| PromptTurn { role: message.role, text: self.text(message) };
        Prompt {
            turns: self.messages.list.iter().map(turn).collect(),
            tools: self.fields.tools,
            structured: self.fields.format != FieldFormat::Text,
            attachments: self.messages.attachments.count(),
        }
    }

    /// An estimate of all prompt tokens: messages, tools, and attachments within bounds. Walks the text the first time.
    pub fn prompt_tokens(&self) -> u64 {
        self.prompt_tokens_by(ImageTokenRule::Unknown)
    }

    /// The same for a model that counts pictures by this rule.
    pub fn prompt_tokens_by(&self, sight: ImageTokenRule) -> u64 {
        self.read_tokens().saturating_add(self.pictures().by(sight))
    }

    /// The same without pictures.
    #[inline]
    pub fn read_tokens(&self) -> u64 {
        *self.tokens.get_or_init(|| self.count_tokens())
    }

    /// What its pictures count for.
    #[inline]
    pub fn pictures(&self) -> &ImageTokens {
        &self.messages.attachments.pictures
    }

    /// The tokens that a tokenizer makes of the texts, given as what it makes of a profile, without pictures.
    pub(super) fn text_tokens(&self, of: impl Fn(&TextProfile) -> u64) -> u64 {
        let profile = self.profile.get_or_init(|| Box::new(self.read_profile()));
        let rest = in_tokens(self.messages.rest);
        let counted = of(profile).saturating_add(rest).saturating_add(self.framing());
        // What the client wrote in another dialect may say more than the chat that was made of it.
        let unsaid = match (&self.native, self.tokens.get()) {
            (Some(_), Some(native)) => native.saturating_sub(self.count_tokens()),
            _ => 0,
        };
        counted.saturating_add(unsaid)
    }

    fn count_tokens(&self) -> u64 {
        let texts = self.messages.spans.iter().map(|span| weight(&span.text(self.object.bytes()).cow()));
        let fields = self.read_fields().map(weight_of);
        let weight = texts.chain(fields).fold(self.messages.rest, u64::saturating_add);
        in_tokens(weight).saturating_add(self.framing())
    }

    fn read_profile(&self) -> TextProfile {
        let mut profile = TextProfile::default();
        self.messages.spans.iter().for_each(|span| profile.add(&span.text(self.object.bytes()).cow()));
        self.read_fields()
            .filter_map(|field| std::str::from_utf8(field).ok())
            .for_each(|field| profile.add(field));
        profile
    }

    /// Fields beside the messages that a model reads.
    fn read_fields(&self) -> impl Iterator<Item = &[u8]> {
        ["tools", "functions", "response_format"].into_iter().filter_map(|key| self.object.get(key))
    }

    /// What stands around the texts, and what attachments count for.
    fn framing(&self) -> u64 {
        let framing = MESSAGE_TOKENS * self.messages.list.len() as u64 + ANSWER_TOKENS;
        framing.saturating_add(self.messages.attachments.tokens)
    }

    /// The same request for a further answer, which is to differ where the model is not sure.
    pub fn again(&self) -> Option<Self> {
        if !self.says_all() {
            return None;
        }
        let warm =
            self.object.get("temperature").and_then(|it| std::str::from_utf8(it).ok()?.parse::<f64>().ok());
        let temperature: Option<&[u8]> = match warm {
            Some(warm) if warm >= FURTHER_TEMPERATURE => None,
            _ => Some(FURTHER_TEMPERATURE_WORD),
        };
        let mut edits = vec![("seed", None), ("logprobs", None), ("top_logprobs", None)];
        edits.extend(temperature.map(|word| ("temperature", Some(word))));
        Self::parse(self.object.edited(&edits)).ok()
    }

    /// The last thing that a person said.
    pub fn question(&self) -> Cow<'_, str> {
        let last =
            self.messages.list.iter().rev().find(|message| message.role == router_policies::PromptRole::User);
        last.map_or(Cow::Borrowed(""), |message| self.text(message))
    }

    /// Every text of the request, however deep: what fields are called, what they say, and numbers as they are written.
    pub fn texts(&self, each: &mut dyn FnMut(&str)) {
        // It was checked when it came. What a client wrote in other words may leave in them.
        let object = self.native.as_ref().map_or(&self.object, OriginalRequest::body);
        if let Ok(text) = text_of(object.bytes()) {
            let _ = texts(&mut Cursor::over(text), each);
        }
    }

    /// A message's text, its parts one below the other.
    pub(super) fn text(&self, message: &MessageOutline) -> Cow<'_, str> {
        let body = self.object.bytes();
        match &self.messages.spans[message.texts.clone()] {
            [] => Cow::Borrowed(""),
            [span] => span.text(body).cow(),
            spans => {
                let texts: Vec<_> = spans.iter().map(|span| span.text(body).cow()).collect();
                Cow::Owned(texts.join("\n"))
            }
        }
    }
}

fn texts(cursor: &mut Cursor<'_>, each: &mut dyn FnMut(&str)) -> Result<(), JsonError> {
    match cursor.kind()? {
        ValueKind::String => each(&cursor.string()?.cow()),
        ValueKind::Object => cursor.members(|cursor, name| {
            each(&name.cow());
            texts(cursor, each)
        })?,
        ValueKind::Array => cursor.elements(|cursor, _| texts(cursor, each))?,
        ValueKind::Number | ValueKind::Bool | ValueKind::Null => each(cursor.skip()?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use router_policies::PromptRole;

    use super::super::upstream::EncodeOptions;
    use super::*;

    const HI: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

    fn parse(text: &str) -> Result<ChatRequest, BadRequest> {
        ChatRequest::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A chat with one more field.
    fn with(field: &str) -> Result<ChatRequest, BadRequest> {
        parse(&format!(r#"{{"model":"auto",{HI},{field}}}"#))
    }

    fn refused(text: &str, code: &str, param: Option<&str>) {
        let error = parse(text).expect_err(text);
        assert_eq!((error.code, error.param.as_deref()), (Some(code), param), "{text}: {}", error.message);
        assert!(error.message.chars().count() < 260 && error.message.ends_with('.'), "{}", error.message);
    }

    #[test]
    fn every_text_is_given_whatever_its_depth_and_escapes() {
        let chat = with(r#""x":[{"\u0031\u0032":["a\nb",3.5e2,true,{"deep":"\u4f60"}]}]"#).unwrap();
        let mut texts = Vec::new();
        chat.texts(&mut |text| texts.push(text.to_owned()));
        for text in ["model", "auto", "hi", "x", "12", "a\nb", "3.5e2", "deep", "你"] {
            assert!(texts.iter().any(|it| it == text), "no {text:?} in {texts:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in
            ["", " ", "x", "[]", "1", "{", "{\"model\":\"a\"} {}", "\u{feff}{}", r#"{"model":"\ud800"}"#]
        {
            refused(text, "invalid_json", None);
        }
        for key in ["model", "stream", "max_tokens", "messages", "n"] {
            refused(&format!(r#"{{"{key}":1,"{key}":2}}"#), "duplicate_key", None);
        }
        let deep = "[".repeat(129) + &"]".repeat(129);
        refused(&format!(r#"{{"model":"a",{HI},"ignored":{deep}}}"#), "invalid_json_depth", None);
        refused(
            &format!(r#"{{"messages":[{{"role":"user","content":{deep}}}]}}"#),
            "invalid_json_depth",
            None,
        );
        refused("{}", "missing_required_parameter", Some("model"));
        refused(r#"{"model":"a"}"#, "missing_required_parameter", Some("messages"));
        refused(&format!("{{{HI}}}"), "missing_required_parameter", Some("model"));
        refused(&format!(r#"{{"model":1,{HI}}}"#), "invalid_type", Some("model"));
        refused(&format!(r#"{{"model":null,{HI}}}"#), "invalid_type", Some("model"));
        refused(&format!(r#"{{"model":" ",{HI}}}"#), "invalid_value", Some("model"));
    }

    #[test]
    fn messages_are_checked() {
        let check = |messages: &str, code: &str, param: &str| {
            refused(&format!(r#"{{"model":"a","messages":{messages}}}"#), code, Some(param));
        };
        check("null", "invalid_type", "messages");
        check("\"hi\"", "invalid_type", "messages");
        check("[]", "empty_array", "messages");
        check("[1]", "invalid_type", "messages[0]");
        check("[{}]", "missing_required_parameter", "messages[0].role");
        check(r#"[{"role":"robot","content":"x"}]"#, "invalid_value", "messages[0].role");
        check(r#"[{"role":3,"content":"x"}]"#, "invalid_type", "messages[0].role");
        check(r#"[{"role":"user"}]"#, "missing_required_parameter", "messages[0].content");
        check(r#"[{"role":"user","content":null}]"#, "invalid_type", "messages[0].content");
        check(r#"[{"role":"user","content":5}]"#, "invalid_type", "messages[0].content");
        check(
            r#"[{"role":"assistant","content":null,"tool_calls":[]}]"#,
            "invalid_type",
            "messages[0].content",
        );
        check(r#"[{"role":"user","content":[]}]"#, "empty_array", "messages[0].content");
        check(r#"[{"role":"user","content":["x"]}]"#, "invalid_type", "messages[0].content[0]");
        let part = |part: &str, code: &str, field: &str| {
            let good = r#"{"type":"text","text":"x"}"#;
            let messages = format!(r#"[{{"role":"user","content":[{good},{part}]}}]"#);
            check(&messages, code, &format!("messages[0].content[1]{field}"));
        };
        part("{}", "missing_required_parameter", ".type");
        part(r#"{"type":"text"}"#, "missing_required_parameter", ".text");
        part(r#"{"type":"text","text":null}"#, "invalid_type", ".text");
        part(r#"{"type":"hologram"}"#, "invalid_value", ".type");
        part(r#"{"type":"image_url"}"#, "missing_required_parameter", ".image_url");
        part(r#"{"type":"image_url","image_url":7}"#, "invalid_type", ".image_url");
        part(r#"{"type":"file","file":{"file_id":"file-1"}}"#, "invalid_value", ".file.file_id");
        let many = |count: usize, one: &str| format!("[{}{one}]", format!("{one},").repeat(count - 1));
        let hi = r#"{"role":"user","content":"x"}"#;
        check(&many(10_001, hi), "array_above_max_length", "messages");
        let parts = many(1_001, r#"{"type":"text","text":"x"}"#);
        check(
            &format!(r#"[{{"role":"user","content":{parts}}}]"#),
            "array_above_max_length",
            "messages[0].content",
        );
        let twice = r#"{"model":"a","messages":[{"role":"user","role":"system","content":"x"}]}"#;
        refused(twice, "duplicate_key", None);
        parse(&format!(r#"{{"model":"a","messages":{}}}"#, many(10_000, hi))).unwrap();
    }

    #[test]
    fn fields_are_checked() {
        let check = |field: &str, code: &str| {
            let param = field.split('"').nth(1);
            refused(&format!(r#"{{"model":"a",{HI},{field}}}"#), code, param);
        };
        for value in ["\"true\"", "1", "[]"] {
            check(&format!(r#""stream":{value}"#), "invalid_type");
        }
        check(r#""stream_options":{"include_usage":true}"#, "invalid_value");
        check(r#""stream_options":7"#, "invalid_type");
        for name in ["max_tokens", "max_completion_tokens"] {
            check(&format!(r#""{name}":0"#), "integer_below_min_value");
            check(&format!(r#""{name}":-1"#), "integer_below_min_value");
            check(&format!(r#""{name}":-99999999999999999999"#), "integer_below_min_value");
            check(&format!(r#""{name}":4294967297"#), "integer_above_max_value");
            check(&format!(r#""{name}":9223372036854775808"#), "integer_above_max_value");
            check(&format!(r#""{name}":1.5"#), "invalid_type");
            check(&format!(r#""{name}":"5""#), "invalid_type");
        }
        check(r#""n":0"#, "integer_below_min_value");
        check(r#""n":1000000"#, "integer_above_max_value");
        check(r#""best_of":1000000"#, "integer_above_max_value");
        check(r#""top_logprobs":1000000000"#, "integer_above_max_value");
        check(r#""logprobs":5"#, "invalid_type");
        check(r#""temperature":2.1"#, "number_above_max_value");
        check(r#""temperature":1e400"#, "number_above_max_value");
        check(r#""temperature":-0.1"#, "number_below_min_value");
        check(r#""temperature":"hot""#, "invalid_type");
        check(r#""top_p":1.01"#, "number_above_max_value");
        check(r#""presence_penalty":-3"#, "number_below_min_value");
        check(r#""stop":5"#, "invalid_type");
        check(&format!(r#""stop":[{}"x"]"#, "\"x\",".repeat(16)), "array_above_max_length");
        refused(&format!(r#"{{"model":"a",{HI},"stop":["x",1]}}"#), "invalid_type", Some("stop[1]"));
        let biases: Vec<_> = (0..1025).map(|n| format!(r#""{n}":1"#)).collect();
        check(&format!(r#""logit_bias":{{{}}}"#, biases.join(",")), "invalid_value");
        check(r#""logit_bias":{"1":101}"#, "number_above_max_value");
        check(&format!(r#""tools":[{}{{}}]"#, "{},".repeat(1024)), "array_above_max_length");
        check(r#""tools":{}"#, "invalid_type");
        check(r#""response_format":"json""#, "invalid_type");
        refused(
            &format!(r#"{{"model":"a",{HI},"response_format":{{}}}}"#),
            "missing_required_parameter",
            Some("response_format.type"),
        );
        let pairs: Vec<_> = (0..17).map(|n| format!(r#""{n}":"x""#)).collect();
        check(&format!(r#""metadata":{{{}}}"#, pairs.join(",")), "invalid_value");
        check(&format!(r#""metadata":{{"{}":"x"}}"#, "k".repeat(65)), "string_above_max_length");
        check(&format!(r#""metadata":{{"k":"{}"}}"#, "好".repeat(513)), "string_above_max_length");
        check(r#""metadata":{"k":1}"#, "invalid_type");
    }

    #[test]
    fn null_is_as_good_as_nothing_and_unknown_fields_are_never_wrong() {
        for name in [
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "temperature",
            "top_p",
            "stop",
            "logit_bias",
            "metadata",
            "tools",
            "functions",
            "response_format",
            "logprobs",
            "top_logprobs",
            "presence_penalty",
            "frequency_penalty",
            "seed",
            "modalities",
            "user",
        ] {
            with(&format!(r#""{name}":null"#)).unwrap();
        }
        for field in [
            r#""n_discard":-1"#,
            r#""min_p":1e308"#,
            r#""x":1e400"#,
            r#""y":123456789012345678901234567890"#,
            r#""thinking":{"type":"enabled"}"#,
            r#""enable_thinking":false"#,
            r#""__proto__":{}"#,
            r#""temperature":0"#,
            r#""temperature":2.0"#,
            r#""top_p":1"#,
            r#""stop":"x""#,
            r#""stop":[]"#,
            r#""max_tokens":4294967296"#,
            r#""metadata":{"k":"好"}"#,
            r#""response_format":{"type":"grammar"}"#,
        ] {
            let chat = with(field).unwrap();
            let sent = chat.encode("upstream", false, &EncodeOptions::default());
            assert!(String::from_utf8(sent.to_vec()).unwrap().contains(field), "{field}");
        }
    }

    #[test]
    fn values_are_read() {
        let chat =
            with(r#""stream":true,"stream_options":{"include_usage":true},"max_tokens":7,"n":3"#).unwrap();
        assert_eq!((chat.model(), chat.stream(), chat.include_usage()), ("auto", true, true));
        assert_eq!((chat.max_tokens(), chat.n()), (Some(7), 3));
        for (fields, written) in [
            (r#""n":3"#, 3),
            (r#""best_of":20"#, 20),
            (r#""n":2,"best_of":20"#, 20),
            (r#""n":2,"best_of":null"#, 2),
            (r#""n":1"#, 1),
        ] {
            assert_eq!(with(fields).unwrap().written_answers(), written, "{fields}");
        }
        let chat = with(r#""max_tokens":7,"max_completion_tokens":9"#).unwrap();
        assert_eq!(
            (chat.max_tokens(), chat.n(), chat.stream(), chat.include_usage()),
            (Some(9), 1, false, false)
        );
        let odd = parse(&format!(r#"{{"model":"../\u202e{{{{7*7}}}}",{HI}}}"#)).unwrap();
        assert_eq!(odd.model(), "../\u{202e}{{7*7}}");
    }

    #[test]
    fn needs_are_found() {
        let none = RequiredCapabilities::default();
        let check = |chat: Result<ChatRequest, BadRequest>, needs: RequiredCapabilities| {
            assert_eq!(chat.unwrap().needs(), needs)
        };
        let parts = |parts: &str| {
            parse(&format!(r#"{{"model":"a","messages":[{{"role":"user","content":[{parts}]}}]}}"#))
        };
        check(with(r#""tools":[],"tool_choice":"none""#), none);
        check(with(r#""tools":[{"type":"function"}]"#), RequiredCapabilities { tools: true, ..none });
        check(with(r#""response_format":{"type":"json_object"}"#), none);
        check(
            with(r#""response_format":{"type":"json_schema"}"#),
            RequiredCapabilities { json_schema: true, ..none },
        );
        check(with(r#""logprobs":true"#), RequiredCapabilities { logprobs: true, ..none });
        check(with(r#""modalities":["text","audio"]"#), RequiredCapabilities { audio: true, ..none });
        check(
            parts(r#"{"type":"image_url","image_url":{"url":"https://a/b"}}"#),
            RequiredCapabilities { image: true, ..none },
        );
        check(
            parts(r#"{"image_url":"https://a/b","type":"image_url"}"#),
            RequiredCapabilities { image: true, ..none },
        );
        check(
            parts(r#"{"type":"input_audio","input_audio":{"data":"AAAA"}}"#),
            RequiredCapabilities { audio: true, ..none },
        );
        check(
            parts(r#"{"type":"video_url","video_url":{"url":"x"}}"#),
            RequiredCapabilities { video: true, ..none },
        );
        check(
            parts(r#"{"type":"file","file":{"file_data":"x"}}"#),
            RequiredCapabilities { file: true, ..none },
        );
        for (kind, needs) in [
            ("image", RequiredCapabilities { image: true, ..none }),
            ("audio", RequiredCapabilities { audio: true, ..none }),
            ("VIDEO", RequiredCapabilities { video: true, ..none }),
        ] {
            let url = format!("data:{kind}/x;base64,AAAA");
            check(parts(&format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#)), needs);
            let file = RequiredCapabilities { file: true, ..needs };
            check(parts(&format!(r#"{{"type":"file","file":{{"file_data":"{url}"}}}}"#)), file);
        }
        let last = |message: &str| parse(&format!(r#"{{"model":"a","messages":[{message}]}}"#));
        check(last(r#"{"role":"assistant","content":"So"}"#), RequiredCapabilities { prefill: true, ..none });
        check(
            last(r#"{"role":"tool","tool_call_id":"1","content":"x"}"#),
            RequiredCapabilities { tools: true, ..none },
        );
        check(
            last(r#"{"role":"function","name":"f","content":null}"#),
            RequiredCapabilities { tools: true, ..none },
        );
        let called =
            r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"user","content":"x"}"#;
        check(last(called), RequiredCapabilities { tools: true, ..none });
    }

    #[test]
    fn a_scorer_reads_the_conversation() {
        let text = r#"{"model":"a","tools":[{}],"response_format":{"type":"json_object"},"messages":[
            {"role":"developer","content":"Be brief."},
            {"role":"user","content":[{"type":"text","text":"看\n图"},{"type":"image_url","image_url":{"url":"x"}},
                {"type":"text","text":"What is it?"}]},
            {"content":"你好","role":"assistant"},
            {"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}]}"#;
        let chat = parse(text).unwrap();
        let prompt = chat.prompt();
        let turn = |role, text: &'static str| PromptTurn { role, text: text.into() };
        assert_eq!(
            prompt.turns,
            [
                turn(PromptRole::System, "Be brief."),
                turn(PromptRole::User, "看\n图\nWhat is it?"),
                turn(PromptRole::Assistant, "你好"),
                turn(PromptRole::Assistant, ""),
            ]
        );
        assert_eq!((prompt.tools, prompt.structured, prompt.attachments), (1, true, 1));
        assert!(matches!(prompt.turns[0].text, Cow::Borrowed(_)));
        assert!(matches!(prompt.turns[2].text, Cow::Borrowed(_)));
    }

    #[test]
    fn attachments_count_for_neither_nothing_nor_everything() {
        let tokens = |url: &str| {
            let part = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#);
            let text = format!(r#"{{"model":"a","messages":[{{"role":"user","content":[{part}]}}]}}"#);
            parse(&text).unwrap().prompt_tokens()
        };
        // Of what is only an address nothing is known.
        assert_eq!(tokens("https://example.com/cat.png"), 2_000 + 7);
        assert_eq!(tokens("data:image/png;base64,AAAA"), 85 + 7);
        assert_eq!(tokens(&format!("data:image/png;base64,{}", "A".repeat(5_000_000))), 2_000 + 7);
        assert_eq!(tokens("data:no comma"), 85 + 7);
    }

    #[test]
    fn pictures_count_by_their_size_and_by_whose_model_sees_them() {
        // The first bytes of a picture of 1,024 by 1,024.
        let png = "iVBORw0KGgoAAAANSUhEUgAABAAAAAQACAYAAAB";
        let check = |url: &str, detail: &str, sight: ImageTokenRule, expected: u64| {
            let part = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"{detail}}}}}"#);
            let text = format!(r#"{{"model":"a","messages":[{{"role":"user","content":[{part},{part}]}}]}}"#);
            assert_eq!(
                parse(&text).unwrap().prompt_tokens_by(sight),
                2 * expected + 7,
                "{url} {detail} {sight:?}"
            );
        };
        let url = format!("data:image/png;base64,{png}");
        check(&url, "", ImageTokenRule::Tiles, 765);
        check(&url, r#","detail":"low""#, ImageTokenRule::Tiles, 85);
        check(&url, r#","detail":"low""#, ImageTokenRule::Claude, 1_369);
        check(&url, "", ImageTokenRule::Qwen32, 1_026);
        check(&url, "", ImageTokenRule::Unknown, 1_369);
        check(&url.replace('/', "\\/"), "", ImageTokenRule::Tiles, 765);
        check("https://h/x.png", "", ImageTokenRule::FineClaude, 4_784);
        check("https://h/x.png", r#","detail":"low""#, ImageTokenRule::Tiles, 85);
    }

    #[test]
    fn everything_that_a_model_reads_is_counted() {
        let count = |field: &str| with(field).unwrap().prompt_tokens();
        let plain = count(r#""x":1"#);
        assert_eq!(plain, 1 + 4 + 3);
        assert!(
            count(
                r#""tools":[{"type":"function","function":{"name":"weather","description":"The weather"}}]"#
            ) > plain + 15
        );
        let escaped =
            parse(r#"{"model":"a","messages":[{"role":"user","content":"\u4f60\u597d\u4e16\u754c"}]}"#);
        assert_eq!(escaped.unwrap().prompt_tokens(), 3 + 7);
    }

    proptest::proptest! {
        #[test]
        fn no_request_makes_it_panic(
            messages in "(\\{|\\}|\\[|\\]|:|,|\"(role|content|user|type|text|image_url|data:,|tool_calls|url)\"|null|1|\"\\\\u4f60好\"){0,30}",
            field in "\"(stop|n|logit_bias|metadata|stream_options|response_format|modalities|tools)\":(null|[0-9.e-]{1,4}|\\[\"audio\"\\]|\\{\"type\":\"json_schema\"\\}|\\{\"1\":1\\})",
        ) {
            for messages in [&*messages, r#"[{"role":"user","content":"hi"}]"#] {
                if let Ok(chat) = parse(&format!(r#"{{"model":"a","messages":{messages},{field}}}"#)) {
                    let _ = (chat.prompt(), chat.prompt_tokens(), chat.simple(), chat.needs());
                    let again = ChatRequest::parse(chat.encode("b", true, &EncodeOptions::default())).unwrap();
                    proptest::prop_assert!(again.stream() && again.include_usage() && again.model() == "b");
                }
            }
        }
    }
}
