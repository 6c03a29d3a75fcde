//! Which text of a conversation is read: the last human turn, and up to three before it.

use std::borrow::Cow;

use super::wrapper::own_words;
use super::{Prompt, PromptRole};

/// Characters read of the last human turn: as many from its beginning …
const HEAD: usize = 3072;
/// … and as many from its end.
const TAIL: usize = 1024;
/// Characters read of each earlier human turn.
const EARLIER: usize = 600;
/// How many earlier human turns count. With none, a follow-up is judged like the whole conversation in 14 % of
/// cases; with two, in 78 %.
const EARLIER_TURNS: usize = 3;
/// Bytes of a turn in which wrapper text is looked for, at either end: this bounds the work on huge prompts.
const WINDOW: usize = 1 << 17;
/// A last turn of at most so many characters may be a mere courtesy.
const COURTESY: usize = 16;

/// The text that is read.
pub(super) struct TextSample {
    /// Its characters: earlier turns first, a line break after each.
    pub(super) chars: Vec<char>,
    /// Where among them the last turn begins.
    pub(super) last: usize,
    /// Characters of the last human turn before sampling.
    pub(super) length: usize,
    /// Human turns that were read besides the last.
    pub(super) earlier: usize,
}

impl TextSample {
    pub(super) fn of(prompt: &Prompt<'_>) -> Self {
        let humans = || prompt.turns.iter().rev().filter(|turn| turn.role == PromptRole::User);
        let mut own = humans().map(|turn| (turn.text.as_ref(), words_of(&turn.text)));
        // A turn of nothing but wrapper text is skipped; if all are, the last is taken as it stands.
        let (raw, last) = own.by_ref().find(|(_, words)| !words.trim().is_empty()).unwrap_or_else(|| {
            let raw = humans().next().map_or("", |turn| &turn.text);
            (raw, Cow::Borrowed(raw))
        });
        let last = last.trim();
        let mut earlier: Vec<_> = if is_courtesy(last) {
            Vec::new()
        } else {
            own.map(|(_, words)| words).filter(|words| !words.trim().is_empty()).take(EARLIER_TURNS).collect()
        };
        earlier.reverse();
        let room = earlier.len() * EARLIER + HEAD + TAIL + 8;
        let mut chars = Vec::with_capacity(
            room.min(raw.len() + earlier.iter().map(|turn| turn.len() + 1).sum::<usize>() + 8),
        );
        for turn in &earlier {
            chars.extend(turn.trim().chars().take(EARLIER));
            chars.push('\n');
        }
        let begin = chars.len();
        let shown = last.chars().count();
        if shown <= HEAD + TAIL {
            append(&mut chars, last);
        } else {
            chars.extend(last.chars().take(HEAD));
            chars.push('\n');
            let tail = last.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
            chars.extend(last[tail..].chars());
        }
        // What the window left out counts for the length all the same.
        let unseen = if raw.len() > 2 * WINDOW { raw.chars().count().saturating_sub(shown) } else { 0 };
        Self { chars, last: begin, length: shown + unseen, earlier: earlier.len() }
    }
}

/// Appends all characters; plain text, which needs no decoding, at several a cycle.
fn append(chars: &mut Vec<char>, text: &str) {
    if text.is_ascii() {
        chars.extend(text.bytes().map(char::from));
    } else {
        chars.extend(text.chars());
    }
}

fn words_of(text: &str) -> Cow<'_, str> {
    if text.len() <= 2 * WINDOW {
        return own_words(text);
    }
    let head = &text[..text.floor_char_boundary(WINDOW)];
    let tail = &text[text.ceil_char_boundary(text.len() - WINDOW)..];
    Cow::Owned(format!("{}\n{}", own_words(head), own_words(tail)))
}

/// `Thanks!`, `好的`: nothing is asked, whatever went before.
fn is_courtesy(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "thanks",
        "thank you",
        "thx",
        "ok",
        "okay",
        "great",
        "cool",
        "nice",
        "perfect",
        "bye",
        "谢谢",
        "好的",
        "多谢",
        "再见",
        "明白了",
        "感谢",
    ];
    if text.chars().count() > COURTESY {
        return false;
    }
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    WORDS.contains(&text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::features::PromptTurn;

    fn conversation(turns: &[(PromptRole, &'static str)]) -> Prompt<'static> {
        let turns = turns.iter().map(|&(role, text)| PromptTurn { role, text: text.into() }).collect();
        Prompt { turns, ..Prompt::default() }
    }

    #[track_caller]
    fn check(turns: &[(PromptRole, &'static str)], text: &str) {
        let sample = TextSample::of(&conversation(turns));
        assert_eq!(sample.chars.iter().collect::<String>(), text);
    }

    #[test]
    fn reads_the_last_human_turn_and_those_before() {
        use PromptRole::{Assistant, System, Tool, User};
        check(&[(System, "be kind"), (User, "one"), (Assistant, "1"), (User, " two ")], "one\ntwo");
        check(&[(User, "a"), (User, "b"), (User, "c"), (User, "d"), (User, "e")], "b\nc\nd\ne");
        check(&[(User, "prove it"), (Assistant, "…"), (User, "Thanks!")], "Thanks!");
        check(&[(User, "prove it"), (Assistant, "…"), (Tool, "42")], "prove it");
        check(&[(User, "prove it"), (User, "<system-reminder>x</system-reminder>")], "prove it");
        check(&[(User, "<system-reminder>x</system-reminder>")], "<system-reminder>x</system-reminder>");
        check(&[(System, "be kind")], "");
        check(&[], "");
    }

    #[test]
    fn long_texts_are_read_at_both_ends() {
        let text = format!("begin{}end", "你".repeat(1_000_000));
        let sample = TextSample::of(&Prompt::from_text(text.as_str()));
        assert_eq!(sample.chars.len(), HEAD + TAIL + 1);
        assert!(sample.chars.starts_with(&['b', 'e']) && sample.chars.ends_with(&['n', 'd']));
        assert_eq!(sample.length, 1_000_008);
    }
}
