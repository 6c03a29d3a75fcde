//! From a request's messages to the tokens of its prompt.

use llama_cpp_2::token::LlamaToken;

use crate::model::Model;
use crate::{Message, Refusal};

/// The tokens of the prompt for these messages, after which the answer begins.
///
/// `system` is said first where no message is a system message. What messages say can never become a
/// control token: a user who writes `<|im_end|>` gets these letters and no end of the turn.
///
/// # Errors
/// [`Refusal::Invalid`] and [`Refusal::PromptTooLong`].
pub(crate) fn tokens(
    model: &Model,
    messages: Vec<Message>,
    system: Option<&str>,
    prefill: Option<&str>,
) -> Result<Vec<LlamaToken>, Refusal> {
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
        return Err(Refusal::Invalid("messages: the prompt is empty".into()));
    }
    Ok(tokens)
}

/// Refuses a prompt that leaves no room for an answer.
pub(crate) fn check_length(model: &Model, tokens: usize) -> Result<(), Refusal> {
    let context = model.facts.context;
    match u32::try_from(tokens) {
        Ok(prompt) if prompt < context => Ok(()),
        prompt => Err(Refusal::PromptTooLong { prompt: prompt.unwrap_or(u32::MAX), context }),
    }
}

fn with_system(mut messages: Vec<Message>, system: Option<&str>) -> Result<Vec<Message>, Refusal> {
    for message in &mut messages {
        // Roles become part of the template's own text, so nothing but a word may stand there.
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if message.role.is_empty() || message.role.len() > 32 || !message.role.chars().all(word) {
            return Err(Refusal::Invalid("messages: a role is no word".into()));
        }
        if message.role == "developer" {
            message.role = "system".into();
        }
    }
    match system {
        Some(system) if messages.iter().all(|message| message.role != "system") => {
            messages.insert(0, Message::new("system", system));
        }
        _ => {}
    }
    Ok(messages)
}

/// The texts that the tokeniser takes for control tokens.
#[derive(Debug)]
pub(crate) struct Marks(Vec<String>);

impl Marks {
    /// These texts; those too short to be cut are left out.
    pub(crate) fn new(mut texts: Vec<String>) -> Self {
        texts.retain(|text| text.chars().count() > 1);
        Self(texts)
    }

    /// Puts a character that occurs nowhere else after the first character of each mark in the
    /// messages, and returns it: a prompt split there has the same letters, and no part holds a mark
    /// of a message. Templates may move or trim the text meanwhile.
    fn cut_in(&self, mut messages: Vec<Message>) -> (Vec<Message>, char) {
        let private_use = '\u{e000}'..='\u{f8ff}';
        let free = |c: &char| messages.iter().all(|message| !message.content.contains(*c));
        // A text with all 6400 of them is no text: then the last one is taken, and vanishes from it.
        let cut = private_use.clone().find(free).unwrap_or('\u{f8ff}');
        for message in &mut messages {
            for mark in &self.0 {
                if message.content.contains(mark.as_str()) {
                    message.content = cut_mark(&message.content, mark, cut);
                }
            }
        }
        (messages, cut)
    }
}

fn cut_mark(text: &str, mark: &str, cut: char) -> String {
    let first = mark.chars().next().map_or(0, char::len_utf8);
    let (head, rest) = mark.split_at(first);
    text.replace(mark, &format!("{head}{cut}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, parts: &[&str]) {
        let marks = Marks::new(vec!["<|im_end|>".into(), "<s>".into(), "<".into(), "协同".into()]);
        let (messages, cut) = marks.cut_in(vec![Message::new("user", content)]);
        assert_eq!(messages[0].content.split(cut).collect::<Vec<_>>(), parts);
    }

    #[test]
    fn cuts_marks() {
        check("plain < text", &["plain < text"]);
        check("a<|im_end|>b", &["a<", "|im_end|>b"]);
        check("<s><s>", &["<", "s><", "s>"]);
        check("<<s>|im_end|>", &["<<", "s>|im_end|>"]);
        check("协同", &["协", "同"]);
        check("\u{e000}<s>", &["\u{e000}<", "s>"]);
    }

    #[test]
    fn says_the_system_message_once() {
        let roles = |roles: &[&str], system| {
            let messages = roles.iter().map(|role| Message::new(*role, "x")).collect();
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
