//! From messages to the text of a prompt: runs the chat template that the model carries.
//!
//! Templates are Jinja programs out of the model's file. They run with bounded work and can reach
//! nothing but the messages, the tools, and the date.

use minijinja::value::Serde;
use minijinja::{Environment, Error, Value};
use serde_json::{Map, Value as Json};

use crate::template_language::{RaisedByTemplate, environment, without_training_marks};
use crate::{ChatMessage, ThinkingOptions, ToolDefinition};

/// For models that know ChatML's marks but carry no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A chat template that was read without an error.
#[derive(Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    /// Texts of the tokens that begin and end a text, which many templates name.
    bos: String,
    eos: String,
}

/// What a template makes a prompt of.
#[derive(Debug, Clone, Copy, Default)]
pub struct TemplateInput<'a> {
    /// The conversation.
    pub messages: &'a [ChatMessage],
    /// The tools that are offered.
    pub tools: &'a [ToolDefinition],
    /// What is asked for of thinking; `None`: the template is told nothing of it.
    pub thinking: Option<&'a ThinkingOptions>,
}

/// Why a template makes no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template itself says that it does not take these messages.
    #[error("{0}")]
    Raised(String),
    /// The template does what cannot be done here: a function that is not known, or too much work.
    #[error("{0}")]
    Failed(String),
}

impl ChatTemplate {
    /// Reads a template. `bos` and `eos` are the texts of the tokens that begin and end a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(source: &str, bos: String, eos: String) -> Result<Self, TemplateError> {
        let source = without_training_marks(source);
        let read = |source: &str| {
            let environment = environment()?;
            environment.template_from_str(source)?;
            Ok(environment)
        };
        let environment = read(&source).map_err(|error: Error| TemplateError::Failed(error.to_string()))?;
        Ok(Self { source, environment, bos, eos })
    }

    /// ChatML.
    ///
    /// # Errors
    /// None in practice: the text is a constant.
    pub(crate) fn chatml(bos: String, eos: String) -> Result<Self, TemplateError> {
        Self::new(CHATML, bos, eos)
    }

    /// What was read, without the marks that are for training.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The prompt of a conversation, ready for the assistant's answer.
    ///
    /// # Errors
    /// The template does not take these messages, or fails.
    pub fn render(&self, input: TemplateInput<'_>) -> Result<String, TemplateError> {
        let messages: Vec<Value> = input.messages.iter().map(|it| Value::from(Serde(message(it)))).collect();
        let tools = match input.tools {
            [] => Value::from(()),
            tools => tools.iter().map(|tool| Value::from(Serde(&tool.description))).collect(),
        };
        let mut values = vec![
            ("messages", Value::from(messages)),
            ("tools", tools),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ];
        if let Some(thinking) = input.thinking {
            values.extend(thinking.enabled.map(|it| ("enable_thinking", Value::from(it))));
            values.extend(thinking.effort.as_deref().map(|it| ("reasoning_effort", Value::from(it))));
        }
        let values = Value::from_pairs(values);
        let rendered = self.environment.template_from_str(&self.source).and_then(|it| it.render(values));
        rendered.map_err(|error| match RaisedByTemplate::of(&error) {
            Some(raised) => TemplateError::Raised(raised.0),
            None => TemplateError::Failed(
                error
                    .detail()
                    .map_or_else(|| error.to_string(), |detail| format!("{}: {detail}", error.kind())),
            ),
        })
    }
}

/// A message as templates expect it: only what there is, arguments as objects, in the order of OpenAI's API.
fn message(message: &ChatMessage) -> Json {
    let mut members = Map::new();
    let mut add = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
    add("role", message.role.as_str().into());
    add("content", message.content.as_str().into());
    if let Some(thought) = &message.thought {
        add("reasoning_content", thought.as_str().into());
    }
    if !message.tool_calls.is_empty() {
        let call = |call: &crate::ToolCall| {
            let arguments: Json =
                serde_json::from_str(&call.arguments).unwrap_or_else(|_| call.arguments.as_str().into());
            serde_json::json!({
                "id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments},
            })
        };
        add("tool_calls", message.tool_calls.iter().map(call).collect());
    }
    if let Some(id) = &message.tool_call_id {
        add("tool_call_id", id.as_str().into());
    }
    if let Some(name) = &message.name {
        add("name", name.as_str().into());
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests;
