//! Whether two answers to one question come to the same.
//!
//! What an answer comes to is its last word on the matter: a JSON value, the letter of an option, a number, or a short
//! text. Two essays can be neither compared nor told apart, and say nothing about each other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scoring::features::tokens::is_ideograph;

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum FinalAnswer {
    /// A JSON text, or one within a fence.
    Json(Value),
    /// Letters of options, such as `B` or `ACD`.
    Options(BTreeSet<char>),
    /// A number as it is written without separators, signs of currency and zeros at its end.
    Number(String),
    /// A short text, without case, spaces and punctuation.
    Text(String),
    /// Nothing that could be compared.
    Open,
}

/// Characters of a text that is short enough to be compared as it stands.
const SHORT: usize = 80;
/// Phrases that the last word follows, in lower case.
const MARKS: [&str; 12] = [
    "####",
    "final answer",
    "the answer is",
    "answer:",
    "answer is",
    "correct option is",
    "正确答案",
    "答案是",
    "答案为",
    "答案：",
    "答案:",
    "故选",
];

impl FinalAnswer {
    /// What an answer comes to.
    pub fn of(answer: &str) -> Self {
        let answer = answer.trim();
        if let Some(value) = json(answer) {
            return Self::Json(value);
        }
        let last = boxed(answer).or_else(|| marked(answer));
        if let Some(last) = last {
            if let Some(options) = options(last, false) {
                return Self::Options(options);
            }
            if let Some(number) = numbers(last).next() {
                return Self::Number(number);
            }
            let text = plain(last.lines().next().unwrap_or_default());
            if !text.is_empty() && text.chars().count() <= SHORT {
                return Self::Text(text);
            }
        }
        if let Some(options) = options(answer, true) {
            return Self::Options(options);
        }
        let text = plain(answer);
        let short = text.chars().count() <= SHORT;
        match numbers(answer).last() {
            // In a text of some length the last number is what a calculation comes to.
            Some(number) if !short || text.chars().all(|it| it.is_ascii_digit()) => Self::Number(number),
            _ if short && !text.is_empty() => Self::Text(text),
            _ => Self::Open,
        }
    }

    /// Whether two answers come to the same; `None` where that cannot be said.
    pub fn agrees(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Open, _) | (_, Self::Open) => None,
            (Self::Text(one), Self::Text(other)) => {
                Some(one.contains(other.as_str()) || other.contains(one.as_str()))
            }
            (one, other) => Some(one == other),
        }
    }
}

fn json(answer: &str) -> Option<Value> {
    let inner = answer.strip_prefix("```json").or_else(|| answer.strip_prefix("```"));
    let text = inner.and_then(|inner| inner.trim_end().strip_suffix("```")).unwrap_or(answer);
    let value: Value = serde_json::from_str(text.trim()).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// What stands in the last `\boxed{…}`.
fn boxed(answer: &str) -> Option<&str> {
    let inner = &answer[answer.rfind("\\boxed{")? + "\\boxed{".len()..];
    let mut depth = 1;
    let end = inner.char_indices().find(|(_, letter)| {
        depth += match letter {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    end.map(|(at, _)| &inner[..at])
}

/// What follows the last phrase that announces an answer.
fn marked(answer: &str) -> Option<&str> {
    // Lower case of ASCII alone, so that places stay the same.
    let lower = answer.to_ascii_lowercase();
    let after = MARKS.iter().filter_map(|mark| lower.rfind(mark).map(|at| at + mark.len())).max()?;
    let rest = answer[after..]
        .trim_start_matches(|it: char| !it.is_alphanumeric() && !matches!(it, '-' | '\\' | '$'));
    let rest = rest.strip_prefix("is ").unwrap_or(rest);
    (!rest.is_empty()).then_some(rest)
}

/// The options that a text names: its first word (`B`, `(B)`, `B.`, `ACD`, `A、C`); in a whole answer only where the text
/// begins with it and says little else.
fn options(text: &str, whole: bool) -> Option<BTreeSet<char>> {
    let text = text.trim_start_matches(|it: char| {
        it.is_whitespace() || matches!(it, '(' | '（' | '*' | '[' | '【' | ':' | '：')
    });
    let text = ["option ", "Option ", "选项"].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let text = text.trim_start_matches(['(', '（']);
    let mut letters = BTreeSet::new();
    let mut rest = text.chars().peekable();
    while let Some(&letter) = rest.peek() {
        match letter {
            'A'..='J' => drop(letters.insert(letter)),
            ',' | '、' | '，' if !letters.is_empty() => {}
            _ => break,
        }
        rest.next();
    }
    // `Apples`, `A robe`: a word, not an option.
    let next = rest.next();
    let ends = next.is_none_or(|it| !it.is_alphanumeric() || is_ideograph(it));
    let word = whole && next == Some(' ') && text.chars().count() > SHORT;
    let long = whole && text.chars().count() > 4 * SHORT;
    (!letters.is_empty() && ends && !word && !long).then_some(letters)
}

/// The numbers of a text, one after the other.
fn numbers(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begins = rest.find(|it: char| it.is_ascii_digit())?;
        let negative = rest[..begins].ends_with('-') || rest[..begins].ends_with("-$");
        let (number, after) = number(&rest[begins..]);
        rest = after;
        Some(if negative && number != "0" { format!("-{number}") } else { number })
    })
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> (String, &str) {
    let mut digits = String::new();
    let mut end = 0;
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(end) {
        let digit_follows = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' => digits.push(char::from(byte)),
            // A separator of thousands, and a point, stand between digits.
            b',' if digit_follows && !digits.contains('.') => {}
            b'.' if digit_follows && !digits.contains('.') => digits.push('.'),
            _ => break,
        }
        end += 1;
    }
    let trimmed = digits.trim_start_matches('0');
    let trimmed =
        if digits.contains('.') { trimmed.trim_end_matches('0').trim_end_matches('.') } else { trimmed };
    let number = match trimmed {
        "" => "0".to_owned(),
        point if point.starts_with('.') => format!("0{point}"),
        number => number.to_owned(),
    };
    (number, &text[end..])
}

/// Letters and digits, in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, expected: Option<bool>) {
        let (one_is, other_is) = (FinalAnswer::of(one), FinalAnswer::of(other));
        assert_eq!(one_is.agrees(&other_is), expected, "{one_is:?} {other_is:?}");
        assert_eq!(other_is.agrees(&one_is), expected, "the other way round: {one_is:?} {other_is:?}");
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        check("She has 3 + 4 = 7 apples.\n#### 7", "3 and 4 make 7. The answer is 7.", Some(true));
        check("The answer is $1,200.00.", "So it costs \\boxed{1200}", Some(true));
        check("#### 12", "#### 21", Some(false));
        check("The final answer: -5", "答案是-5。", Some(true));
        check("0.50", "\\boxed{0.5}", Some(true));
        check("18", "18.", Some(true));
        let long = "First we count the eggs, which are 16, then those that are eaten, which are 7, and sell the others at 2 each";
        check(&format!("{long}: 9 * 2 = 18 dollars."), &format!("{long}. That gives $18"), Some(true));
        check(&format!("{long}: 9 * 2 = 18 dollars."), &format!("{long}. That gives $20"), Some(false));
    }

    #[test]
    fn options_are_compared_as_sets() {
        check("B", "(B) was doing", Some(true));
        check("B.", "The answer is B", Some(true));
        check("答案：ACD", "A、C、D", Some(true));
        check("故选B。", "正确答案是（C）", Some(false));
        check("**B**", "B: because it is so", Some(true));
        check("A", "AB", Some(false));
    }

    #[test]
    fn json_is_compared_by_value() {
        check(r#"{"a": 1, "b": [2]}"#, "```json\n{\"b\":[2],\"a\":1}\n```", Some(true));
        check(r#"{"a": 1}"#, r#"{"a": 2}"#, Some(false));
        check(r#"{"a": 1}"#, "The answer is 1", Some(false));
    }

    #[test]
    fn short_texts_are_compared_and_essays_are_not() {
        check("Paris", "paris.", Some(true));
        check("Paris", "The capital of France is Paris.", Some(true));
        check("Paris", "London", Some(false));
        check("巴黎", "法国的首都是巴黎。", Some(true));
        let essay = "Autumn leaves fall and drift over the quiet town while children run after them, and the river goes on as \
                     it always did, without a word";
        check(essay, "Snow", None);
        check("", "Paris", None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_agrees_with_itself(text: String) {
            let upshot = FinalAnswer::of(&text);
            proptest::prop_assert_ne!(upshot.agrees(&upshot), Some(false));
        }
    }
}
