//! From a request's messages to the tokens of its prompt.

use llama_cpp_2::token::LlamaToken;

use crate::model::LoadedModel;
use crate::template::{TemplateError, TemplateInput};
use crate::{ChatMessage, EngineRefusal, ThinkingOptions, ToolDefinition, conversation};

/// What a prompt is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct PromptParts<'a> {
    /// The conversation.
    pub(crate) messages: Vec<ChatMessage>,
    /// Said first where no message is a system message.
    pub(crate) system: Option<&'a str>,
    /// How the answer begins.
    pub(crate) prefill: Option<&'a str>,
    /// The tools that the model is shown.
    pub(crate) tools: Vec<ToolDefinition>,
    /// What it is told of thinking.
    pub(crate) thinking: Option<&'a ThinkingOptions>,
}

/// A prompt, after which the answer begins.
#[derive(Debug)]
pub(crate) struct PromptTokens {
    /// At least one.
    pub(crate) tokens: Vec<LlamaToken>,
    /// Whether the prompt opens a thought that the answer ends.
    pub(crate) opens_thought: bool,
}

/// The tokens of a prompt. What messages say can never become a control token: a user who writes
/// `<|im_end|>` gets these letters and no end of the turn.
///
/// # Errors
/// [`EngineRefusal::Invalid`], [`EngineRefusal::Unable`] and [`EngineRefusal::PromptTooLong`].
pub(crate) fn tokens(model: &LoadedModel, parts: PromptParts<'_>) -> Result<PromptTokens, EngineRefusal> {
    let prefill = parts.prefill.filter(|prefill| !prefill.is_empty());
    let facts = &model.template_facts;
    let messages = conversation::with_system(parts.messages, parts.system)?;
    let (mut messages, mut tools) = conversation::as_the_template_takes_it(facts, messages, parts.tools);
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    check_length(model, model.fewest_tokens(bytes + prefill.map_or(0, str::len)))?;
    let cut = model.marks.cut_in(&mut messages, &mut tools);
    let input = TemplateInput { messages: &messages, tools: &tools, thinking: parts.thinking };
    let text = model.template.render(input).map_err(|error| refused(&error))?;
    let mut tokens = Vec::new();
    for (index, part) in text.split(cut).enumerate() {
        if index == 0 {
            tokens = model.tokens_of_start(part);
        } else {
            tokens.extend(model.tokens_of_more(part, true));
        }
    }
    if let Some(prefill) = prefill {
        tokens.extend(model.tokens_of_more(prefill, false));
    }
    if tokens.is_empty() {
        return Err(EngineRefusal::Invalid("messages: the prompt is empty".into()));
    }
    let opens = |open: &str| prefill.is_none() && text.trim_end().ends_with(open);
    let opens_thought = facts.thoughts.as_ref().is_some_and(|marks| opens(&marks.open));
    Ok(PromptTokens { tokens, opens_thought })
}

/// A template's own refusal is about the messages; any other failure is the model's.
fn refused(error: &TemplateError) -> EngineRefusal {
    match error {
        TemplateError::Raised(reason) => EngineRefusal::Invalid(format!(
            "messages: the model's chat template does not take them: {reason}"
        )),
        TemplateError::Failed(reason) => {
            EngineRefusal::Unable(format!("the embedded model's chat template fails: {reason}"))
        }
    }
}

/// Refuses a prompt that leaves no room for an answer.
pub(crate) fn check_length(model: &LoadedModel, tokens: usize) -> Result<(), EngineRefusal> {
    let context = model.facts.context;
    match u32::try_from(tokens) {
        Ok(prompt) if prompt < context => Ok(()),
        prompt => Err(EngineRefusal::PromptTooLong { prompt: prompt.unwrap_or(u32::MAX), context }),
    }
}
