//! Whether an answer says yes or no.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::folding::{Folded, regex};

/// Phrases that hold both.
static BOTH: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)\b(?:yes|true|correct|right) ?(?:or|/|and) ?(?:no|not|false|incorrect|wrong)\b|是否|对错|能否|是不是|能不能|会不会|有没有|可不可以|对\W?或\W?错|对还是错|是\W?或\W?否|能\W?或\W?不能",
    )
});
/// What says yes or no in a sentence; what says no stands first, as 不是 has 是 in it.
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(\b(?:no|not|false|incorrect|wrong|cannot|\w+n't)\b|不是|不对|不正确|不能|不会|不可以|不可|不行|没有|错误|错|否|不)|(\b(?:yes|true|correct|right)\b|是|对|正确|能|会|可以|有)",
    )
});
/// What says it wherever it stands.
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)(\b(?:no|false|incorrect)\b|不正确|错误|不是|否)|(\b(?:yes|true|correct)\b|正确|是的)")
});

/// Whether it is the right one.
pub(super) fn is_right(check: &Value, answer: &Folded) -> bool {
    let said = said(answer);
    said.is_some_and(|yes| check["gold"] == if yes { "yes" } else { "no" })
}

fn said(answer: &Folded) -> Option<bool> {
    let tail = answer.tail.as_deref().and_then(|tail| first(sentence(&apart(tail))));
    tail.or_else(|| at_start(&answer.all)).or_else(|| {
        let all = apart(&answer.all);
        PLAIN.captures_iter(&all).last().map(|found| found.get(2).is_some())
    })
}

/// Without phrases that hold both.
fn apart(text: &str) -> String {
    BOTH.replace_all(text, " ").into_owned()
}

fn sentence(text: &str) -> &str {
    text.split(['.', '!', '?', '。', '\n']).find(|it| !it.trim().is_empty()).unwrap_or_default()
}

fn first(text: &str) -> Option<bool> {
    WORDS.captures(text).map(|found| found.get(2).is_some())
}

fn at_start(text: &str) -> Option<bool> {
    let text = apart(text);
    let text = text.trim_start_matches(|it: char| {
        it.is_whitespace() || matches!(it, '*' | '_' | '"' | '`' | '\'' | '(')
    });
    WORDS
        .captures(text)
        .filter(|found| found.get(0).is_some_and(|it| it.start() == 0))
        .map(|found| found.get(2).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no() {
        let check = |text: &str, yes: Option<bool>| assert_eq!(said(&Folded::of(text)), yes, "{text}");
        check("Yes", Some(true));
        check("**No**, it does not.", Some(false));
        check("The answer is yes or no: no", Some(false));
        check("Answer: Not plausible. Yes", Some(false));
        check("It is hard to say, but true.", Some(true));
        check("That is incorrect", Some(false));
        check("对", Some(true));
        check("不对", Some(false));
        check("答案是不能", Some(false));
        check("答案：能", Some(true));
        check("这句话是否正确？不正确。", Some(false));
        check("错", Some(false));
        check("I do know it", None);
    }
}
