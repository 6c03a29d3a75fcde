//! Keeps what messages say from becoming control tokens.

use std::collections::HashSet;

use serde_json::Value;

use crate::{ChatMessage, ToolDefinition};

/// The texts that the tokeniser takes for control tokens.
#[derive(Debug)]
pub(crate) struct SpecialTokens(Vec<String>);

impl SpecialTokens {
    /// These texts; those too short to be cut are left out.
    pub(crate) fn new(mut texts: Vec<String>) -> Self {
        texts.retain(|text| text.chars().count() > 1);
        Self(texts)
    }

    /// Puts a character that occurs nowhere else after the first character of each mark in the
    /// messages and tools, and returns it: a prompt split there has the same letters, and no part holds a
    /// mark of a message. Templates may move or trim the text meanwhile.
    pub(crate) fn cut_in(&self, messages: &mut [ChatMessage], tools: &mut [ToolDefinition]) -> char {
        let mut seen = HashSet::new();
        let mut see = |text: &mut String| {
            seen.extend(text.chars().filter(|c| ('\u{e000}'..='\u{f8ff}').contains(c)));
        };
        each_text(messages, tools, &mut see);
        // A text with all 6400 of them is no text: then the last one is taken, and vanishes from it.
        let cut = ('\u{e000}'..='\u{f8ff}').find(|c| !seen.contains(c)).unwrap_or('\u{f8ff}');
        each_text(messages, tools, &mut |text: &mut String| {
            for mark in &self.0 {
                if text.contains(mark.as_str()) {
                    *text = cut_mark(text, mark, cut);
                }
            }
        });
        cut
    }
}

/// Every text that whoever asks has written.
fn each_text(messages: &mut [ChatMessage], tools: &mut [ToolDefinition], each: &mut dyn FnMut(&mut String)) {
    for message in messages {
        each(&mut message.content);
        let texts = [&mut message.thought, &mut message.tool_call_id, &mut message.name];
        texts.into_iter().flatten().for_each(&mut *each);
        for call in &mut message.tool_calls {
            each(&mut call.id);
            each(&mut call.name);
            each(&mut call.arguments);
        }
    }
    for tool in tools {
        each_text_of(&mut tool.description, each);
    }
}

fn each_text_of(value: &mut Value, each: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text_of(item, each)),
        Value::Object(members) => {
            let own = std::mem::take(members);
            *members = own
                .into_iter()
                .map(|(mut name, mut value)| {
                    each(&mut name);
                    each_text_of(&mut value, each);
                    (name, value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
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
        let marks = SpecialTokens::new(vec!["<|im_end|>".into(), "<s>".into(), "<".into(), "协同".into()]);
        let mut messages = [ChatMessage::new("user", content)];
        let mut tools = [ToolDefinition {
            description: serde_json::json!({"a": [{content: 1}, content]}),
            ..ToolDefinition::named("f")
        }];
        let cut = marks.cut_in(&mut messages, &mut tools);
        assert_eq!(messages[0].content.split(cut).collect::<Vec<_>>(), parts);
        let parts = parts.join(&cut.to_string());
        assert_eq!(tools[0].description, serde_json::json!({"a": [{parts.as_str(): 1}, parts]}));
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
}
