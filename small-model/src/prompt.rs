//! From a request's messages to the tokens of its prompt.

use llama_cpp_2::token::LlamaToken;

use crate::model::LoadedModel;
use crate::{ChatMessage, EngineRefusal};

/// The tokens of the prompt for these messages, after which the answer begins.
///
/// `system` is said first where no message is a system message. What messages say can never become a
/// control token: a user who writes `<|im_end|>` gets these letters and no end of the turn.
///
/// # Errors
/// [`EngineRefusal::Invalid`] and [`EngineRefusal::PromptTooLong`].
pub(crate) fn tokens(
    model: &LoadedModel,
    messages: Vec<ChatMessage>,
    system: Option<&str>,
    prefill: Option<&str>,
) -> Result<Vec<LlamaToken>, EngineRefusal> {
    let messages = with_system(messages, system)?;
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    let fewest = model.fewest_tokens(bytes + prefill.map_or(0, str::len));
    check_length(model, fewest)?;
    let (messages, cut) = model.marks.cut_in(messages);
    let text = model.template.render(&messages)?;
    let mut tokens = Vec::new();
    for (index, part) in text.split(cut).enumerate() {
        if index == 0 {
            tokens = model.tokens_of_start(part);
        } else {
            tokens.extend(model.tokens_of_more(part, true));
        }
    }
    if let Some(prefill) = prefill.filter(|prefill| !prefill.is_empty()) {
        tokens.extend(model.tokens_of_more(prefill, false));
    }
    if tokens.is_empty() {
        return Err(EngineRefusal::Invalid("messages: the prompt is empty".into()));
    }
    Ok(tokens)
}

/// Refuses a prompt that leaves no room for an answer.
pub(crate) fn check_length(model: &LoadedModel, tokens: usize) -> Result<(), EngineRefusal> {
    let context = model.facts.context;
    match u32::try_from(tokens) {
        Ok(prompt) if prompt < context => Ok(()),
        prompt => Err(EngineRefusal::PromptTooLong { prompt: prompt.unwrap_or(u32::MAX), context }),
    }
}

fn with_system(
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
