//! What is the same though it is written otherwise, and the places of an answer where its result may stand.

use std::sync::LazyLock;

use icu_normalizer::ComposingNormalizerBorrowed;
use regex::Regex;

/// Where an answer announces its result.
static MARKER: LazyLock<Regex> = LazyLock::new(|| {
    let announced = r"\b(?:answer|result|output)\b[*_`\x22 ]*(?:\bis\b|:|=)";
    let choice = r"\b(?:correct|right|best)[ ]+(?:option|choice)[*_ ]*(?:\bis\b|:)";
    let chinese = r"(?:答案|结果|输出)[*_ ]*(?:是|为|:)|(?:故选|应选|选择|选)";
    let line = r"^[ \t*_]*答:";
    regex(&format!("(?im)####|{announced}|{choice}|{chinese}|{line}"))
});

/// A pattern of ours.
#[allow(clippy::expect_used, reason = "patterns are constants, and every one is used by a test")]
pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of ours")
}

/// An answer in plain forms.
#[derive(Debug, Clone)]
pub(super) struct Folded {
    /// All of it, without outer blanks.
    pub(super) all: String,
    /// What follows the last marker that has text behind it.
    pub(super) tail: Option<String>,
}

impl Folded {
    /// Folds a text and looks for its tail.
    pub(super) fn of(text: &str) -> Self {
        let all = fold(text).trim().to_owned();
        let tail = boxed(&all).or_else(|| behind_marker(&all));
        Self { all, tail }
    }

    /// The first line that is not empty.
    pub(super) fn first_line(&self) -> &str {
        lines(&self.all).next().unwrap_or_default()
    }

    /// The last line that is not empty.
    pub(super) fn last_line(&self) -> &str {
        lines(&self.all).last().unwrap_or_default()
    }
}

/// Lines with something in them, without outer blanks.
pub(super) fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// What stands behind the last end of thoughts; nothing where thoughts never end.
pub(super) fn without_thoughts(text: &str) -> &str {
    match text.rsplit_once("</think>") {
        Some((_, said)) => said,
        None if text.contains("<think>") => "",
        None => text,
    }
}

/// Full-width forms, curly quotes, dashes and the ideographic comma as their plain forms. Superscripts become `^` and digits,
/// which are no number of their own.
pub(super) fn fold(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' => plain.extend(['^', it]),
            '½' | '¼' | '¾' | '⅓' | '⅔' => plain.extend([' ', it]),
            _ => plain.push(it),
        }
    }
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&plain).into_owned();
    let folded = composed.chars().map(|it| match it {
        '“' | '”' | '„' | '″' => '"',
        '‘' | '’' | '′' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
        '、' => ',',
        '⁄' => '/',
        _ => it,
    });
    folded.collect()
}

/// What the last `\boxed{…}` has in it.
fn boxed(text: &str) -> Option<String> {
    let begin = text.rfind("\\boxed{")? + "\\boxed{".len();
    let mut depth = 1;
    let end = text[begin..].find(|it| {
        depth += i32::from(it == '{') - i32::from(it == '}');
        depth == 0
    });
    let inside = text[begin..end.map_or(text.len(), |end| begin + end)].trim();
    (!inside.is_empty()).then(|| inside.to_owned())
}

fn behind_marker(text: &str) -> Option<String> {
    let begins_text = |it: char| !it.is_whitespace() && !matches!(it, ':' | '=' | '*' | '_');
    let behind = MARKER.find_iter(text).filter_map(|marker| {
        let rest = &text[marker.end()..];
        // 选项 is an option, and announces nothing.
        if marker.as_str().ends_with('选') && rest.starts_with('项') {
            return None;
        }
        rest.find(begins_text).map(|at| rest[at..].trim().to_owned())
    });
    behind.last()
}

/// Words in small letters, marks left out; each Chinese character is a word.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for it in fold(text).chars().flat_map(char::to_lowercase) {
        if is_chinese(it) {
            words.push(it.to_string());
            open = false;
        } else if it.is_alphanumeric() {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.push(it),
                None => words.push(it.to_string()),
            }
            open = true;
        } else {
            open = false;
        }
    }
    words
}

/// Whether it is a Chinese character.
pub(super) fn is_chinese(it: char) -> bool {
    matches!(it, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '〇')
}

/// Where some words stand in others, one behind the other; the places of their first words.
pub(super) fn places(words: &[String], sought: &[String]) -> Vec<usize> {
    if sought.is_empty() {
        return Vec::new();
    }
    (0..words.len()).filter(|at| words[*at..].starts_with(sought)).collect()
}

/// Which of some names stand in a text, by their places in the list. A name that stands only within a longer one does not
/// count.
pub(super) fn named(text: &[String], names: &[Vec<String>]) -> Vec<usize> {
    let stands = |name: &Vec<String>| {
        places(text, name).into_iter().any(|at| {
            let inside = |longer: &Vec<String>| {
                longer.len() > name.len()
                    && places(text, longer)
                        .iter()
                        .any(|begin| (*begin..=begin + longer.len() - name.len()).contains(&at))
            };
            !names.iter().any(inside)
        })
    };
    (0..names.len()).filter(|at| stands(&names[*at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_what_follows_the_last_marker_with_text_behind_it() {
        let check = |text: &str, tail: Option<&str>| {
            assert_eq!(Folded::of(text).tail.as_deref(), tail, "{text}");
        };
        check("It is 5.", None);
        check("The answer is 5.", Some("5."));
        check("**Answer:** 5", Some("5"));
        check("Answer**: 7", Some("7"));
        check("Result = 5\nThe answer is", Some("5\nThe answer is"));
        check("x\n#### 18", Some("18"));
        check("Answer: 3, so \\boxed{\\frac{1}{2}} it is", Some("\\frac{1}{2}"));
        check("The correct option is (B)", Some("(B)"));
        check("所以答案是：乙", Some("乙"));
        check("答：8只", Some("8只"));
        check("故选B", Some("B"));
        check("选项B是对的", None);
        check("the resulting output", None);
    }

    #[test]
    fn plain_forms() {
        assert_eq!(fold("Ａ：“１２”、–５ ½ x²"), "A:\"12\",-5  1/2 x^2");
        assert_eq!(words("The Cat's 北京 gāoshān-a_b"), ["the", "cat", "s", "北", "京", "gāoshān", "a", "b"]);
        assert_eq!(without_thoughts("<think>a</think> b"), " b");
        assert_eq!(without_thoughts("<think>a"), "");
    }

    #[test]
    fn a_name_within_a_longer_one_is_not_named() {
        let names: Vec<Vec<String>> = ["spam", "not spam", "ham"].map(words).to_vec();
        let check =
            |text: &str, expected: &[usize]| assert_eq!(named(&words(text), &names), expected, "{text}");
        check("It is spam.", &[0]);
        check("not spam", &[1]);
        check("not spam, but spam", &[0, 1]);
        check("hamster", &[]);
    }
}
