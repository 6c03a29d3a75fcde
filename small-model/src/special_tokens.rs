//! Keeps what messages say from becoming control tokens.

use crate::ChatMessage;

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
    /// messages, and returns it: a prompt split there has the same letters, and no part holds a mark
    /// of a message. Templates may move or trim the text meanwhile.
    pub(crate) fn cut_in(&self, mut messages: Vec<ChatMessage>) -> (Vec<ChatMessage>, char) {
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
        let marks = SpecialTokens::new(vec!["<|im_end|>".into(), "<s>".into(), "<".into(), "协同".into()]);
        let (messages, cut) = marks.cut_in(vec![ChatMessage::new("user", content)]);
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
}
