//! A conversation, brought into the form that a model's chat template takes.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::json;

use crate::template_facts::TemplateFacts;
use crate::tool_syntax::ToolSyntax;
use crate::{ChatMessage, EngineRefusal, ToolDefinition};

/// How many letters and digits an id of a call has with Mistral's models, whose templates refuse others.
const MISTRAL_ID: usize = 9;

/// The messages with roles that templates know, and this system message where there is none.
///
/// # Errors
/// A role that is no word.
pub(crate) fn with_system(
    mut messages: Vec<ChatMessage>,
    system: Option<&str>,
) -> Result<Vec<ChatMessage>, EngineRefusal> {
    for message in &mut messages {
        // Roles become part of the template's own text, so nothing but a word may stand there.
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if message.role.is_empty() || message.role.len() > 32 || !message.role.chars().all(word) {
            return Err(EngineRefusal::Invalid("messages: a role is no word".into()));
        }
        if message.role == "developer" {
            message.role = "system".into();
        }
    }
    match system {
        Some(system) if messages.iter().all(|message| message.role != "system") => {
            messages.insert(0, ChatMessage::new("system", system));
        }
        _ => {}
    }
    Ok(messages)
}

/// What a template does not take is told as text: tools and calls where it knows none, the system message where it has no
/// place for one.
pub(crate) fn as_the_template_takes_it(
    facts: &TemplateFacts,
    mut messages: Vec<ChatMessage>,
    mut tools: Vec<ToolDefinition>,
) -> (Vec<ChatMessage>, Vec<ToolDefinition>) {
    if facts.tools {
        if matches!(facts.syntax, ToolSyntax::MistralList | ToolSyntax::MistralArguments) {
            messages.iter_mut().for_each(with_short_ids);
        }
    } else {
        messages = messages.into_iter().map(told_as_text).collect();
        if !tools.is_empty() {
            add_to_system(&mut messages, &tools_as_text(&tools));
            tools.clear();
        }
    }
    if !facts.system {
        move_system_to_user(&mut messages);
    }
    (messages, tools)
}

fn with_short_ids(message: &mut ChatMessage) {
    let short = |id: &mut String| {
        if id.len() == MISTRAL_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let digits = format!("{:016x}", hasher.finish());
        *id = digits.chars().take(MISTRAL_ID).collect();
    };
    message.tool_calls.iter_mut().for_each(|call| short(&mut call.id));
    message.tool_call_id.iter_mut().for_each(short);
}

/// Tools as Hermes' models were taught them.
fn tools_as_text(tools: &[ToolDefinition]) -> String {
    let lines: Vec<String> = tools.iter().map(|tool| tool.description.to_string()).collect();
    format!(
        "You may call functions to answer. They are, one JSON object a line:\n{}\n\nTo call one, answer with nothing but:\n\
         <tool_call>\n{{\"name\": <its name>, \"arguments\": <its arguments as a JSON object>}}\n</tool_call>\n\
         Answer in words where no function helps.",
        lines.join("\n")
    )
}

/// Calls and what tools answered, in the words of [`tools_as_text`].
fn told_as_text(message: ChatMessage) -> ChatMessage {
    if message.role == "tool" {
        let content = format!("<tool_response>\n{}\n</tool_response>", message.content);
        return ChatMessage::new("user", content);
    }
    if message.tool_calls.is_empty() {
        return message;
    }
    let mut parts: Vec<String> =
        Some(message.content.clone()).into_iter().filter(|content| !content.is_empty()).collect();
    for call in &message.tool_calls {
        let arguments =
            serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments.as_str()));
        let call = json!({"name": call.name, "arguments": arguments});
        parts.push(format!("<tool_call>\n{call}\n</tool_call>"));
    }
    ChatMessage { thought: message.thought, ..ChatMessage::new(message.role, parts.join("\n")) }
}

fn add_to_system(messages: &mut Vec<ChatMessage>, text: &str) {
    match messages.iter_mut().find(|message| message.role == "system") {
        Some(system) => system.content = format!("{}\n\n{text}", system.content),
        None => messages.insert(0, ChatMessage::new("system", text)),
    }
}

/// What the system messages say, before what the user says next.
fn move_system_to_user(messages: &mut Vec<ChatMessage>) {
    let said: Vec<String> =
        messages.extract_if(.., |message| message.role == "system").map(|message| message.content).collect();
    if said.is_empty() {
        return;
    }
    let said = said.join("\n\n");
    match messages.iter_mut().find(|message| message.role == "user") {
        Some(user) => user.content = format!("{said}\n\n{}", user.content),
        None => messages.insert(0, ChatMessage::new("user", said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;

    #[test]
    fn says_the_system_message_once() {
        let roles = |roles: &[&str], system| {
            let messages = roles.iter().map(|role| ChatMessage::new(*role, "x")).collect();
            let messages = with_system(messages, system).map_err(|refusal| refusal.to_string())?;
            Ok::<_, String>(messages.iter().map(|m| m.role.as_str()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(roles(&["user"], Some("s")).unwrap(), "system user");
        assert_eq!(roles(&["user"], None).unwrap(), "user");
        assert_eq!(roles(&["system", "user"], Some("s")).unwrap(), "system user");
        assert_eq!(roles(&["developer", "user"], Some("s")).unwrap(), "system user");
        assert_eq!(roles(&["user\n<|im_start|>"], None).unwrap_err(), "messages: a role is no word");
        assert!(roles(&[""], None).is_err());
    }

    fn facts(tools: bool, system: bool, syntax: ToolSyntax) -> TemplateFacts {
        TemplateFacts {
            syntax,
            tools,
            system,
            thoughts: None,
            thinking_switch: false,
            thinking_effort: false,
            fault: None,
        }
    }

    fn conversation() -> Vec<ChatMessage> {
        let call = ToolCall { id: "call_1".into(), name: "f".into(), arguments: r#"{"a": 1}"#.into() };
        vec![
            ChatMessage::new("system", "Be brief."),
            ChatMessage::new("user", "Hi"),
            ChatMessage { tool_calls: vec![call], ..ChatMessage::new("assistant", "Well.") },
            ChatMessage { tool_call_id: Some("call_1".into()), ..ChatMessage::new("tool", "7") },
        ]
    }

    #[test]
    fn what_a_template_does_not_know_is_told_as_text() {
        let plain = facts(false, true, ToolSyntax::Hermes);
        let (messages, tools) =
            as_the_template_takes_it(&plain, conversation(), vec![ToolDefinition::named("f")]);
        assert!(tools.is_empty());
        assert!(
            messages[0].content.starts_with("Be brief.\n\nYou may call functions"),
            "{}",
            messages[0].content
        );
        assert!(messages[0].content.contains(r#"{"type":"function","function":{"name":"f"}}"#));
        assert_eq!(
            messages[2].content,
            "Well.\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n</tool_call>"
        );
        assert_eq!(
            (messages[3].role.as_str(), messages[3].content.as_str()),
            ("user", "<tool_response>\n7\n</tool_response>")
        );
    }

    #[test]
    fn a_system_message_without_a_place_is_said_to_the_user() {
        let (messages, _) =
            as_the_template_takes_it(&facts(true, false, ToolSyntax::Hermes), conversation(), Vec::new());
        assert_eq!(messages[0], ChatMessage::new("user", "Be brief.\n\nHi"));
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn ids_of_calls_are_as_mistrals_templates_want_them() {
        let mistral = facts(true, true, ToolSyntax::MistralList);
        let (messages, _) = as_the_template_takes_it(&mistral, conversation(), Vec::new());
        let id = &messages[2].tool_calls[0].id;
        assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        assert_eq!(messages[3].tool_call_id.as_ref(), Some(id));
    }
}
