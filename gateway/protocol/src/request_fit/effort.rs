//! How hard to think, and tools that must be called, which some models do not do together.

use bytes::Bytes;
use gateway_config::{ModelTakes, RequestFeature, Treatment};
use serde::Deserialize;
use serde_json::Value;

use super::super::bad_request::BadRequest;
use super::super::json::RawObject;
use super::{RequestFit, TakesView, not_taken};

/// Whether a request asks its model to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ThinkingAsked {
    /// It does not say.
    Unsaid,
    /// Not to.
    Off,
    /// To.
    On,
}

/// What a request says of thinking and of tools that must be called, whichever dialect it is written in.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Effort {
    pub(in super::super) thinking: ThinkingAsked,
    /// A tool must be called.
    pub(in super::super) forced: bool,
    /// It is named which.
    pub(in super::super) named: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum EffortFit {
    /// It is told as it is.
    AsItIs,
    /// The model is asked not to think.
    SwitchedOff,
    /// Nothing is said of thinking.
    LeftOut,
}

impl Effort {
    /// What becomes of it at a model.
    ///
    /// # Errors
    /// What the model does not take, by the name of the field that it is said in.
    pub(in super::super) fn fit(
        self,
        takes: &ModelTakes,
        thinking: &'static str,
    ) -> Result<EffortFit, BadRequest> {
        use RequestFeature as Feature;
        let refused = |feature| takes.of(feature) == Treatment::Refused;
        let altered = |feature| takes.of(feature) == Treatment::Altered;
        let asked = self.thinking == ThinkingAsked::On;
        if (self.forced && refused(Feature::ForcedTools))
            || (self.named && refused(Feature::NamedTool))
            || (self.forced && asked && refused(Feature::ForcedToolsWithThinking))
        {
            return Err(not_taken("tool_choice"));
        }
        let off = takes.of(Feature::ThinkingOff);
        let calms = self.forced
            && (altered(Feature::ForcedTools) || (asked && altered(Feature::ForcedToolsWithThinking)));
        match (calms, self.thinking, off) {
            (true, _, Treatment::Taken) => Ok(EffortFit::SwitchedOff),
            (true, ..) | (_, ThinkingAsked::Off, Treatment::LeftOut) => Ok(EffortFit::LeftOut),
            (_, ThinkingAsked::Off, Treatment::Refused) => Err(not_taken(thinking)),
            _ => Ok(EffortFit::AsItIs),
        }
    }
}

/// Fits a chat.
pub(super) fn fit(object: &RawObject, view: TakesView<'_>, fit: &mut RequestFit) -> Result<(), BadRequest> {
    const HEEDED: [RequestFeature; 4] = [
        RequestFeature::ForcedTools,
        RequestFeature::NamedTool,
        RequestFeature::ForcedToolsWithThinking,
        RequestFeature::ThinkingOff,
    ];
    if HEEDED.iter().all(|feature| view.of(*feature) == Treatment::Taken) {
        return Ok(());
    }
    let said = effort(object, fit);
    let told = said.fit(view.takes, "reasoning_effort")?;
    if told == EffortFit::AsItIs {
        return Ok(());
    }
    for field in ["thinking", "reasoning_effort"] {
        if fit.get(object, field).is_some() {
            fit.leave_out(field, said.thinking != ThinkingAsked::Unsaid);
        }
    }
    if told == EffortFit::SwitchedOff {
        fit.set("reasoning_effort", Some(Bytes::from_static(b"\"none\"")));
    }
    Ok(())
}

/// Whether the model of a chat is asked to think, after all that is done to it.
pub(super) fn thinks(object: &RawObject, fit: &RequestFit) -> bool {
    thinking(object, fit) == ThinkingAsked::On
}

fn effort(object: &RawObject, fit: &RequestFit) -> Effort {
    let choice: Value =
        fit.get(object, "tool_choice").and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
    let named = choice.is_object();
    Effort { thinking: thinking(object, fit), forced: named || choice == "required", named }
}

fn thinking(object: &RawObject, fit: &RequestFit) -> ThinkingAsked {
    #[derive(Deserialize)]
    struct ThinkingField {
        #[serde(rename = "type")]
        kind: String,
    }
    let own = fit.get(object, "thinking").and_then(|raw| serde_json::from_slice::<ThinkingField>(raw).ok());
    match (own.as_ref().map(|own| own.kind.as_str()), fit.get(object, "reasoning_effort")) {
        (Some("disabled"), _) | (None, Some(b"\"none\"")) => ThinkingAsked::Off,
        (Some(_), _) | (None, Some(_)) => ThinkingAsked::On,
        (None, None) => ThinkingAsked::Unsaid,
    }
}
