//! A request for a message as its client wrote it, for a model that does not take all of it.

use bytes::Bytes;
use gateway_config::{FeatureSet, ModelTakes, RequestFeature, Treatment};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::bad_request::BadRequest;
use super::super::super::json::RawObject;
use super::super::super::request_fit::roles::{RoleFold, Teller, folded};
use super::super::super::request_fit::{
    Effort, EffortFit, RequestFit, TakesView, ThinkingAsked, fit_fields, fit_together,
};

/// What such a request may have of what some models do not take, under the same names as a chat.
const FIELDS: FeatureSet = FeatureSet::only(RequestFeature::Temperature)
    .with(RequestFeature::TopP)
    .with(RequestFeature::TopK)
    .with(RequestFeature::TemperatureWithTopP)
    .with(RequestFeature::SamplingWithThinking);

/// Tokens of thinking from which on its effort is called medium, and high; how many are usual, and how few there may be.
const MEDIUM: u64 = 4_096;
const HIGH: u64 = 16_384;
const USUAL: u64 = 8_192;
const LEAST: u64 = 1_024;

#[derive(Deserialize)]
struct TypedField {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct RoleField {
    role: String,
}

/// What is done to it. Every other byte stays the client's.
///
/// # Errors
/// What is refused.
pub(in super::super) fn native_fit(
    original: &RawObject,
    takes: &ModelTakes,
) -> Result<RequestFit, BadRequest> {
    let mut fit = RequestFit::default();
    let heeded = takes.heeded();
    if heeded.is_empty() {
        return Ok(fit);
    }
    let view = TakesView { takes, heeded: heeded.both(FIELDS) };
    fit_fields(original, view, &mut fit)?;
    let thinks = fit_effort(original, takes, &mut fit)?;
    if thinks {
        fit_thinking(original, takes, &mut fit);
    }
    fit_together(original, view, thinks, &mut fit)?;
    without_tools(original, takes, &mut fit);
    if takes.of(RequestFeature::LaterSystem) == Treatment::Altered
        && let Some(messages) = original.get("messages").and_then(two_speakers)
    {
        fit.set("messages", Some(messages));
    }
    Ok(fit)
}

/// Whether the model is asked to think in the end.
fn fit_effort(original: &RawObject, takes: &ModelTakes, fit: &mut RequestFit) -> Result<bool, BadRequest> {
    let kind = |name| Some(serde_json::from_slice::<TypedField>(original.get(name)?).ok()?.kind);
    let thinking = match kind("thinking").as_deref() {
        None => ThinkingAsked::Unsaid,
        Some("disabled") => ThinkingAsked::Off,
        Some(_) => ThinkingAsked::On,
    };
    let choice = kind("tool_choice");
    let named = choice.as_deref() == Some("tool");
    let forced = named || choice.as_deref() == Some("any");
    match (Effort { thinking, forced, named }).fit(takes, "thinking")? {
        EffortFit::AsItIs => Ok(thinking == ThinkingAsked::On),
        EffortFit::LeftOut => {
            fit.leave_out("thinking", true);
            Ok(false)
        }
        EffortFit::SwitchedOff => {
            fit.leave_out("thinking", thinking == ThinkingAsked::On);
            fit.set("thinking", Some(Bytes::from_static(br#"{"type":"disabled"}"#)));
            Ok(false)
        }
    }
}

/// How much to think, in the words of the model: older ones know a number of tokens, newer ones a word.
fn fit_thinking(original: &RawObject, takes: &ModelTakes, fit: &mut RequestFit) {
    #[derive(Deserialize)]
    struct NativeThinking {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        budget_tokens: u64,
    }
    let altered = |feature| takes.of(feature) == Treatment::Altered;
    let thinking =
        original.get("thinking").and_then(|raw| serde_json::from_slice::<NativeThinking>(raw).ok());
    let Some(thinking) = thinking else { return };
    match thinking.kind.as_str() {
        "enabled" if altered(RequestFeature::ThinkingBudget) => {
            fit.set("thinking", Some(Bytes::from_static(br#"{"type":"adaptive"}"#)));
            let config = original.get("output_config").unwrap_or(b"{}");
            let config = RawObject::skim(Bytes::copy_from_slice(config)).ok();
            if let Some(config) = config.filter(|config| config.get("effort").is_none()) {
                let word: &[u8] = match thinking.budget_tokens {
                    HIGH.. => b"\"high\"",
                    MEDIUM.. => b"\"medium\"",
                    _ => b"\"low\"",
                };
                fit.set("output_config", Some(config.edited(&[("effort", Some(word))])));
            }
        }
        "adaptive" if altered(RequestFeature::EffortWords) => {
            let most = original.get("max_tokens").and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok());
            let budget = most.map_or(0, |most: u64| (most / 2).min(USUAL));
            let told = match budget {
                LEAST.. => format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#),
                _ => r#"{"type":"disabled"}"#.to_owned(),
            };
            fit.set("thinking", Some(told.into()));
        }
        _ => {}
    }
}

/// Takes out a choice among no tools.
fn without_tools(original: &RawObject, takes: &ModelTakes, fit: &mut RequestFit) {
    let bare = original.get("tools").is_none_or(|tools| tools == b"[]" || tools == b"null");
    let choice = original.get("tool_choice");
    if !bare || choice.is_none() || takes.of(RequestFeature::EmptyTools) != Treatment::Altered {
        return;
    }
    let kind = choice.and_then(|raw| serde_json::from_slice::<TypedField>(raw).ok());
    if kind.is_some_and(|choice| matches!(choice.kind.as_str(), "auto" | "none")) {
        fit.leave_out("tool_choice", false);
    }
}

/// Messages of two speakers, what the program says among them in a person's; `None`: they are so already.
fn two_speakers(messages: &[u8]) -> Option<Bytes> {
    memchr::memmem::find(messages, br#""system""#)?;
    let list: Vec<&RawValue> = serde_json::from_slice(messages).ok()?;
    let teller = |raw: &RawValue| match serde_json::from_str::<RoleField>(raw.get()) {
        Ok(message) if message.role == "system" => Teller::System,
        Ok(message) if message.role == "user" => Teller::User,
        _ => Teller::Other,
    };
    let list: Vec<(Teller, Bytes)> =
        list.into_iter().map(|raw| (teller(raw), Bytes::copy_from_slice(raw.get().as_bytes()))).collect();
    let fold = RoleFold { leading: false, joined: false, later: true, after: true, renamed: false };
    list.iter().any(|(teller, _)| *teller == Teller::System).then(|| folded(list, fold))
}
