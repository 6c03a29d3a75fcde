//! What a host of OpenAI's dialect wants otherwise than OpenAI has it: how the longest answer is called, how hard to think,
//! what becomes of earlier thoughts, and how an answer that was begun is told.
//!
//! Who writes a host's own words is taken at them: nothing is changed where they stand in the request.

use bytes::Bytes;
use gateway_config::{
    EffortLevel, ModelTakes, OutputLimitField, ThinkingConfig, ThinkingHistory, ThinkingSwitch,
};
use memchr::memmem;
use router_policies::PromptRole;

use super::call_ids::CallIdForm;
use super::chat::ChatRequest;
use super::endpoint::ApiEndpoint;
use super::json::{FieldEdit, RawObject, string};
use super::past_calls::PastCalls;
use super::prefill::PrefillStyle;

/// How a host is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct ProviderQuirks<'a> {
    /// What it calls the longest answer.
    pub limit: OutputLimitField,
    /// How it is told how hard to think.
    pub thinking: &'a ThinkingConfig,
    /// How it is told that an answer was begun, where it can go on with one.
    pub prefix: Option<PrefillStyle>,
    /// What the model takes of a request.
    pub takes: &'a ModelTakes,
}

/// Tokens to think in, where a host wants a number: as Anthropic's older models are told.
const LITTLE: u64 = 2_048;
const SOME: u64 = 8_192;
const MUCH: u64 = 24_576;

/// What an assistant's message may hold of its thoughts.
const THOUGHTS: [&str; 4] = ["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"];

impl ChatRequest {
    /// What is to be changed for a host that is spoken to so.
    pub(super) fn spoken(&self, speech: &ProviderQuirks<'_>) -> Vec<FieldEdit> {
        let mut edits = Vec::new();
        self.limit(speech.limit, &mut edits);
        self.effort(speech.thinking, &mut edits);
        let prefix = speech.prefix.filter(|_| self.is_begun_for_sure());
        if prefix == Some(PrefillStyle::Continued) {
            edits.push(("add_generation_prompt", Some(Bytes::from_static(b"false"))));
            edits.push(("continue_final_message", Some(Bytes::from_static(b"true"))));
        }
        if let Some(messages) = self.retold(speech.thinking.history, prefix) {
            edits.push(("messages", Some(messages)));
        }
        edits
    }

    /// Whether its last message begins the answer: in OpenAI's own words that may be a mere turn, in Anthropic's it is so.
    fn is_begun_for_sure(&self) -> bool {
        self.needs().prefill && self.native().is_some_and(|native| native.endpoint() == ApiEndpoint::Messages)
    }

    fn limit(&self, limit: OutputLimitField, edits: &mut Vec<FieldEdit>) {
        let (name, other) = match limit {
            OutputLimitField::AsWritten => return,
            OutputLimitField::Tokens => ("max_tokens", "max_completion_tokens"),
            OutputLimitField::CompletionTokens => ("max_completion_tokens", "max_tokens"),
        };
        let Some(most) = self.max_tokens() else { return };
        if self.object.get(other).is_some_and(|value| value != b"null") {
            edits.push((other, None));
            edits.push((name, Some(most.to_string().into())));
        }
    }

    fn effort(&self, thinking: &ThinkingConfig, edits: &mut Vec<FieldEdit>) {
        let word =
            self.object.get("reasoning_effort").and_then(|raw| serde_json::from_slice::<String>(raw).ok());
        let Some(asked) = word.as_deref().and_then(EffortLevel::of) else { return };
        if thinking
            .switch
            .is_some_and(|switch| names(switch).iter().any(|name| self.object.get(name).is_some()))
        {
            return;
        }
        let on = asked != EffortLevel::None || thinking.always;
        if let Some(switch) = thinking.switch {
            edits.push(told(switch, on));
        }
        let budget = budget(asked).filter(|_| on && thinking.budget);
        edits.extend(budget.map(|budget| ("thinking_budget", Some(budget.to_string().into()))));
        let known = match thinking.efforts.is_some() {
            true => thinking.nearest(asked),
            // A host that nothing is known of may not know that word; of Anthropic's clients it means what it thinks anyway.
            false if asked == EffortLevel::None && self.native().is_some() => None,
            false => Some(asked),
        };
        let known = known.filter(|_| on || thinking.switch.is_none());
        if known != Some(asked) {
            edits.push(("reasoning_effort", known.map(|effort| string(effort.word()).into())));
        }
    }

    /// The messages, where some are to be told otherwise.
    fn retold(&self, history: ThinkingHistory, prefix: Option<PrefillStyle>) -> Option<Bytes> {
        let body = self.object.bytes();
        let raw = self.object.get("messages")?;
        let thoughts = match history {
            ThinkingHistory::Kept => false,
            ThinkingHistory::Needed => self.messages.tools,
            ThinkingHistory::Refused => {
                memmem::find(raw, b"\"reasoning").is_some()
                    || memmem::find(raw, b"\"thinking_blocks\"").is_some()
            }
        };
        let mark = match prefix {
            Some(PrefillStyle::Marked(field)) => Some(field),
            _ => None,
        };
        let plain = history == ThinkingHistory::Refused;
        let form = if plain { CallIdForm::Short } else { CallIdForm::Any };
        let mut past = self.messages.tools.then(|| PastCalls::of(raw, form, plain)).flatten();
        if !thoughts && mark.is_none() && past.is_none() {
            return None;
        }
        let begins = raw.as_ptr() as usize - body.as_ptr() as usize;
        let (mut out, mut end, mut changed) = (Vec::with_capacity(raw.len() + 64), begins, false);
        let last = self.messages.list.len().saturating_sub(1);
        for (number, message) in self.messages.list.iter().enumerate() {
            let assistant = message.role == PromptRole::Assistant;
            if !assistant && (past.is_none() || message.role != PromptRole::Tool) {
                continue;
            }
            let Ok(object) = RawObject::skim(body.slice(message.at.clone())) else { continue };
            let mut edits = if thoughts && assistant { remembered(&object, history) } else { Vec::new() };
            if let Some(past) = &mut past {
                let (name, told) = match assistant {
                    true => ("tool_calls", past.calls(&object)),
                    false => ("tool_call_id", past.answered(&object)),
                };
                edits.extend(told.map(|told| (name, Some(Bytes::from(told)))));
            }
            if let Some(field) = mark.filter(|_| number == last) {
                edits.push((field, Some(Bytes::from_static(b"true"))));
            }
            if edits.is_empty() {
                continue;
            }
            let edits: Vec<_> = edits.iter().map(|(name, value)| (*name, value.as_deref())).collect();
            out.extend_from_slice(&body[end..message.at.start]);
            out.extend_from_slice(&object.edited(&edits));
            (end, changed) = (message.at.end, true);
        }
        out.extend_from_slice(&body[end..begins + raw.len()]);
        changed.then(|| out.into())
    }
}

/// What a message of an assistant is to say of its thoughts.
fn remembered(message: &RawObject, history: ThinkingHistory) -> Vec<FieldEdit> {
    let said = |name: &str| message.get(name).filter(|raw| !matches!(*raw, b"null" | b"\"\"" | b"[]"));
    match history {
        ThinkingHistory::Kept => Vec::new(),
        ThinkingHistory::Refused => {
            THOUGHTS.into_iter().filter(|name| message.get(name).is_some()).map(|name| (name, None)).collect()
        }
        ThinkingHistory::Needed if said("tool_calls").is_none() || said("reasoning_content").is_some() => {
            Vec::new()
        }
        ThinkingHistory::Needed => {
            // Another host's model made the call, and may have thought under another name. An empty text is as good as
            // none to some of these, a space is not.
            let thought = said("reasoning").filter(|raw| raw.starts_with(b"\"")).unwrap_or(b"\" \"");
            vec![("reasoning_content", Some(Bytes::copy_from_slice(thought)))]
        }
    }
}

/// The members of a request that a switch is made of.
fn names(switch: ThinkingSwitch) -> &'static [&'static str] {
    match switch {
        ThinkingSwitch::Thinking | ThinkingSwitch::Adaptive => &["thinking"],
        ThinkingSwitch::EnableThinking => &["enable_thinking", "thinking_budget"],
        ThinkingSwitch::ChatTemplate => &["chat_template_kwargs"],
    }
}

fn told(switch: ThinkingSwitch, on: bool) -> FieldEdit {
    let text = match (switch, on) {
        (ThinkingSwitch::Thinking, true) => r#"{"type":"enabled"}"#,
        (ThinkingSwitch::Adaptive, true) => r#"{"type":"adaptive"}"#,
        (ThinkingSwitch::Thinking | ThinkingSwitch::Adaptive, false) => r#"{"type":"disabled"}"#,
        (ThinkingSwitch::EnableThinking, true) => "true",
        (ThinkingSwitch::EnableThinking, false) => "false",
        (ThinkingSwitch::ChatTemplate, true) => r#"{"enable_thinking":true,"thinking":true}"#,
        (ThinkingSwitch::ChatTemplate, false) => r#"{"enable_thinking":false,"thinking":false}"#,
    };
    (names(switch)[0], Some(Bytes::from_static(text.as_bytes())))
}

/// Tokens to think in; without a bound where it is to be as much as can be.
fn budget(effort: EffortLevel) -> Option<u64> {
    match effort {
        EffortLevel::None | EffortLevel::Xhigh | EffortLevel::Max => None,
        EffortLevel::Minimal | EffortLevel::Low => Some(LITTLE),
        EffortLevel::Medium => Some(SOME),
        EffortLevel::High => Some(MUCH),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn chat(body: &Value) -> ChatRequest {
        ChatRequest::parse(body.to_string().into()).unwrap()
    }

    fn spoken(
        chat: &ChatRequest,
        limit: OutputLimitField,
        thinking: &ThinkingConfig,
        prefix: Option<PrefillStyle>,
    ) -> Value {
        let takes = ModelTakes::default();
        let edits = chat.spoken(&ProviderQuirks { limit, thinking, prefix, takes: &takes });
        let edits: Vec<_> = edits.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        serde_json::from_slice(&chat.object.edited(&edits)).unwrap()
    }

    fn with(fields: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    }

    #[test]
    fn the_longest_answer_has_the_hosts_name() {
        let check = |limit: OutputLimitField, given: Value, expected: Value| {
            let body = spoken(&chat(&with(given.clone())), limit, &ThinkingConfig::default(), None);
            assert_eq!(body, with(expected), "{limit:?} {given}");
        };
        for (limit, name, other) in [
            (OutputLimitField::Tokens, "max_tokens", "max_completion_tokens"),
            (OutputLimitField::CompletionTokens, "max_completion_tokens", "max_tokens"),
        ] {
            check(limit, json!({other: 7}), json!({name: 7}));
            check(limit, json!({name: 7}), json!({name: 7}));
            check(limit, json!({other: null}), json!({other: null}));
            check(limit, json!({}), json!({}));
            // The newer name counts where both are given.
            check(limit, json!({"max_tokens": 5, "max_completion_tokens": 7}), json!({name: 7}));
            check(OutputLimitField::AsWritten, json!({other: 7}), json!({other: 7}));
        }
    }

    #[test]
    fn how_hard_to_think_is_said_in_the_hosts_words() {
        let thinking = |switch: Option<ThinkingSwitch>, efforts: Option<&[EffortLevel]>| ThinkingConfig {
            switch,
            efforts: efforts.map(<[_]>::to_vec),
            ..ThinkingConfig::default()
        };
        let check = |thinking: &ThinkingConfig, given: Value, expected: Value| {
            let body = spoken(&chat(&with(given.clone())), OutputLimitField::AsWritten, thinking, None);
            assert_eq!(body, with(expected), "{thinking:?} {given}");
        };
        let effort = |word: &str| json!({"reasoning_effort": word});
        for word in ["none", "low", "xhigh", "unheard of"] {
            check(&ThinkingConfig::default(), effort(word), effort(word));
        }
        let three = thinking(
            Some(ThinkingSwitch::Thinking),
            Some(&[EffortLevel::Low, EffortLevel::High, EffortLevel::Max]),
        );
        check(&three, effort("none"), json!({"thinking": {"type": "disabled"}}));
        check(&three, effort("medium"), json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}));
        check(&three, json!({}), json!({}));
        check(&three, json!({"reasoning_effort": null}), json!({"reasoning_effort": null}));
        check(&three, effort("unheard of"), effort("unheard of"));
        let own = json!({"reasoning_effort": "medium", "thinking": {"type": "auto"}});
        check(&three, own.clone(), own);
        let always = ThinkingConfig { always: true, ..three };
        check(&always, effort("none"), json!({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}));
        let qwen =
            ThinkingConfig { budget: true, ..thinking(Some(ThinkingSwitch::EnableThinking), Some(&[])) };
        check(&qwen, effort("none"), json!({"enable_thinking": false}));
        check(&qwen, effort("medium"), json!({"enable_thinking": true, "thinking_budget": 8192}));
        check(&qwen, effort("max"), json!({"enable_thinking": true}));
        let template = thinking(Some(ThinkingSwitch::ChatTemplate), None);
        let kwargs = |on: bool| json!({"enable_thinking": on, "thinking": on});
        check(&template, effort("none"), json!({"chat_template_kwargs": kwargs(false)}));
        check(
            &template,
            effort("low"),
            json!({"chat_template_kwargs": kwargs(true), "reasoning_effort": "low"}),
        );
        let own = json!({"reasoning_effort": "none", "chat_template_kwargs": {"x": 1}});
        check(&template, own.clone(), own);
        let words =
            thinking(None, Some(&[EffortLevel::None, EffortLevel::Low, EffortLevel::High, EffortLevel::Max]));
        check(&words, effort("medium"), effort("high"));
        check(&words, effort("none"), effort("none"));
        check(&thinking(None, Some(&[])), effort("high"), json!({}));
    }

    #[test]
    fn earlier_thoughts_are_kept_given_or_taken_out() {
        let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
        let user = json!({"role": "user", "content": "x", "reasoning_content": "a person's"});
        let result = json!({"role": "tool", "tool_call_id": "c", "content": "4"});
        let check = |history: ThinkingHistory, messages: Value, expected: Value| {
            let thinking = ThinkingConfig { history, ..ThinkingConfig::default() };
            let given = json!({"model": "m", "messages": messages, "x": 1});
            let body = spoken(&chat(&given), OutputLimitField::AsWritten, &thinking, None);
            assert_eq!(body, json!({"model": "m", "messages": expected, "x": 1}), "{history:?}");
        };
        let said = |thoughts: Value| {
            let mut message = json!({"role": "assistant", "content": null, "tool_calls": call});
            message.as_object_mut().unwrap().extend(thoughts.as_object().unwrap().clone());
            json!([user, message, result])
        };
        let thought = |text: &str| json!({"reasoning_content": text});
        check(ThinkingHistory::Kept, said(json!({})), said(json!({})));
        check(ThinkingHistory::Needed, said(json!({})), said(thought(" ")));
        check(ThinkingHistory::Needed, said(thought("")), said(thought(" ")));
        check(ThinkingHistory::Needed, said(thought("hm")), said(thought("hm")));
        let other = json!({"reasoning": "hm"});
        check(
            ThinkingHistory::Needed,
            said(other.clone()),
            said(json!({"reasoning": "hm", "reasoning_content": "hm"})),
        );
        let all =
            json!({"reasoning": "hm", "reasoning_content": "hm", "thinking_blocks": [{"type": "thinking"}]});
        check(ThinkingHistory::Refused, said(all.clone()), said(json!({})));
        check(ThinkingHistory::Kept, said(all.clone()), said(all));
        // Who called no tool owes no thoughts.
        let talk = json!([user, {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}]);
        check(ThinkingHistory::Needed, talk.clone(), talk.clone());
        check(ThinkingHistory::Refused, talk.clone(), talk);
    }

    /// Every preset of OpenAI's dialect stands here: what a client's `none` and `medium` become, what becomes of a call
    /// without its thoughts and of thoughts, and what the longest answer is called.
    #[test]
    fn every_preset_has_its_words() {
        let (off, on) = (json!({"thinking": {"type": "disabled"}}), json!({"thinking": {"type": "enabled"}}));
        let effort = |word: &str| json!({"reasoning_effort": word});
        let both = |switch: &Value, word: &str| {
            let mut all = switch.clone();
            all["reasoning_effort"] = word.into();
            all
        };
        let qwen =
            [json!({"enable_thinking": false}), json!({"enable_thinking": true, "thinking_budget": 8192})];
        let kwargs = |on: bool| json!({"chat_template_kwargs": {"enable_thinking": on, "thinking": on}});
        let glm = [both(&on, "low"), both(&on, "high")];
        let adaptive = [off.clone(), json!({"thinking": {"type": "adaptive"}})];
        let plain = [effort("none"), effort("medium")];
        let table: Vec<(&str, [Value; 2], ThinkingHistory, OutputLimitField)> = vec![
            ("deepseek", [off.clone(), both(&on, "high")], ThinkingHistory::Needed, OutputLimitField::Tokens),
            ("dashscope", qwen.clone(), ThinkingHistory::Kept, OutputLimitField::Tokens),
            ("dashscope-intl", qwen, ThinkingHistory::Kept, OutputLimitField::Tokens),
            (
                "moonshot",
                [effort("none"), effort("high")],
                ThinkingHistory::Needed,
                OutputLimitField::AsWritten,
            ),
            (
                "moonshot-intl",
                [effort("none"), effort("high")],
                ThinkingHistory::Needed,
                OutputLimitField::AsWritten,
            ),
            (
                "moonshot-intl, model: kimi-k2.6",
                [off.clone(), on.clone()],
                ThinkingHistory::Needed,
                OutputLimitField::AsWritten,
            ),
            ("zhipu", glm.clone(), ThinkingHistory::Kept, OutputLimitField::Tokens),
            ("zhipu-intl", glm, ThinkingHistory::Kept, OutputLimitField::Tokens),
            (
                "zhipu, model: glm-5.3-flash",
                [off.clone(), on.clone()],
                ThinkingHistory::Kept,
                OutputLimitField::Tokens,
            ),
            ("openai", plain.clone(), ThinkingHistory::Refused, OutputLimitField::CompletionTokens),
            ("ark", [off.clone(), on.clone()], ThinkingHistory::Kept, OutputLimitField::AsWritten),
            ("hunyuan", plain.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            (
                "qianfan",
                [json!({"enable_thinking": false}), json!({"enable_thinking": true})],
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            ("minimax", adaptive.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            ("minimax-intl", adaptive, ThinkingHistory::Kept, OutputLimitField::AsWritten),
            ("spark", plain.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            ("huawei-maas", plain.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            ("gemini-openai", plain.clone(), ThinkingHistory::Refused, OutputLimitField::AsWritten),
            ("openrouter", plain.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            (
                "vllm, model: m",
                [kwargs(false), both(&kwargs(true), "medium")],
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            (
                "sglang, model: m",
                [kwargs(false), both(&kwargs(true), "medium")],
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            (
                "llama.cpp, model: m",
                [kwargs(false), both(&kwargs(true), "medium")],
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            ("ollama, model: m", plain.clone(), ThinkingHistory::Kept, OutputLimitField::AsWritten),
            (
                "transformers, base_url: 'http://h/v1', model: m",
                plain.clone(),
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            (
                "litellm, base_url: 'http://h/v1', model: m",
                plain.clone(),
                ThinkingHistory::Kept,
                OutputLimitField::AsWritten,
            ),
            ("lm-studio, model: m", plain, ThinkingHistory::Kept, OutputLimitField::AsWritten),
        ];
        for (entry, words, history, limit) in &table {
            let yaml =
                format!("listen: 127.0.0.1:1\nexchange: {{USD: 7}}\nmodels: [{{name: m, preset: {entry}}}]");
            let config = gateway_config::from_str(&yaml, None, &|_| Some("k".to_owned()));
            let config = config.unwrap_or_else(|problems| panic!("{entry}: {problems}"));
            let gateway_config::ModelProvider::Remote(remote) = &config.models[0].provider else {
                panic!("{entry}")
            };
            assert_eq!((remote.thinking.history, remote.limit), (*history, *limit), "{entry}");
            for (asked, expected) in ["none", "medium"].iter().zip(words) {
                let given = chat(&with(json!({"reasoning_effort": asked})));
                let told = spoken(&given, remote.limit, &remote.thinking, None);
                assert_eq!(told, with(expected.clone()), "{entry} {asked}");
            }
        }
        for known in
            gateway_config::known_providers().filter(|known| !matches!(known.name, "anthropic" | "gemini"))
        {
            let told = table.iter().any(|(entry, ..)| entry.split(',').next() == Some(known.name));
            assert!(told, "{} is not in the table", known.name);
        }
    }

    #[test]
    fn an_answer_that_a_client_of_anthropics_began_is_marked() {
        let body = json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "x"}, {"role": "assistant", "content": "{"}]});
        let messages = ApiEndpoint::Messages.read(body.to_string().into(), "r").unwrap().chat;
        let same = chat(&body);
        let none = ThinkingConfig::default();
        let marked =
            spoken(&messages, OutputLimitField::AsWritten, &none, Some(PrefillStyle::Marked("partial")));
        assert_eq!(marked["messages"][1], json!({"role": "assistant", "content": "{", "partial": true}));
        let continued = spoken(&messages, OutputLimitField::AsWritten, &none, Some(PrefillStyle::Continued));
        assert_eq!(
            (&continued["continue_final_message"], &continued["add_generation_prompt"]),
            (&json!(true), &json!(false))
        );
        // Of a chat it may be a mere turn.
        assert_eq!(
            spoken(&same, OutputLimitField::AsWritten, &none, Some(PrefillStyle::Marked("partial"))),
            body
        );
    }
}
