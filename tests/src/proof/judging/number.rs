//! Numbers in a text, and which of them is the answer.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::folding::{Folded, is_chinese, lines, regex};
use super::numerals;

static FRACTION: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\\[dt]?frac\s*\{\s*(-?[\d.]+)\s*\}\s*\{\s*(-?[\d.]+)\s*\}"));
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|^\.\d+"));
static EXPONENT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?:[eE]([+-]?\d+)\b|\s*(?:[×xX*]|\\times)\s*10\s*\^\s*\{?\s*([+-]?\d+)\}?)"));
static OVER: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s?/\s?(\d+(?:\.\d+)?)\b"));
static MIXED: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s+(\d+)\s?/\s?(\d+)\b"));
static MANY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)^\s?(百|千|万|亿|thousand\b|million\b|billion\b)"));
static ITEM: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s*(\d+)[.)]\s+\S"));
static REASON: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)^[\s,.]*(?:\(|because\b|since\b|因为)"));

/// A number as it stands in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    value: f64,
    /// Whether a percent sign follows.
    percent: bool,
    /// Where it begins and ends, in bytes.
    begin: usize,
    end: usize,
}

/// Whether the number that the answer comes to is the right one.
pub(super) fn is_right(check: &Value, answer: &Folded) -> bool {
    let Some(gold) = check["gold"].as_f64() else { return false };
    let tolerance = |key: &str| check[key].as_f64();
    let room = [
        tolerance("rel_tol").map(|it| it * gold.abs()),
        tolerance("abs_tol"),
        Some(gold.abs().max(1.0) * 1e-6),
    ];
    let room = room.into_iter().flatten().fold(0.0, f64::max);
    let close = |value: f64| (value - gold).abs() <= room;
    final_number(answer).is_some_and(|it| close(it.value) || (it.percent && close(it.value / 100.0)))
}

/// The number that an answer comes to.
fn final_number(answer: &Folded) -> Option<Found> {
    let all = cleaned(&answer.all);
    let first = || of_first_line(lines(&all).next().unwrap_or_default());
    let tail = answer.tail.as_deref().and_then(of_tail);
    tail.or_else(first).or_else(|| numbers(&all).last().copied()).or_else(|| in_words(&all))
}

/// The first number, or, where the first line has an equals sign, the last one behind it.
fn of_tail(tail: &str) -> Option<Found> {
    let tail = cleaned(tail);
    let line = lines(&tail).next().unwrap_or_default();
    let behind = line.rfind('=').and_then(|at| numbers(&line[at + 1..]).last().copied());
    behind.or_else(|| numbers(&tail).first().copied()).or_else(|| in_words(&tail))
}

/// The only number of a line with little else; or the number that it begins with, where a reason follows.
fn of_first_line(line: &str) -> Option<Found> {
    let found = numbers(line);
    if let [only] = found.as_slice()
        && !line.ends_with(':')
        && line.chars().count().saturating_sub(line[only.begin..only.end].chars().count()) <= 16
    {
        return Some(*only);
    }
    let first = found.first().filter(|it| it.begin == 0)?;
    REASON.is_match(&line[first.end..]).then_some(*first)
}

fn in_words(text: &str) -> Option<Found> {
    let value = numerals::first(text)?;
    Some(Found { value, percent: text.contains('%'), begin: 0, end: 0 })
}

/// Without currency signs, fractions on one line, and without the numbers of a list.
fn cleaned(text: &str) -> String {
    let plain = FRACTION.replace_all(text, " $1/$2").replace("\\$", "").replace("{,}", ",");
    let plain: String = plain.chars().filter(|it| !matches!(it, '$' | '€' | '£' | '¥')).collect();
    let mut next = 1;
    let kept = plain.lines().map(|line| {
        let item =
            ITEM.captures(line).and_then(|found| Some((found.get(1)?.end(), found[1].parse::<u32>().ok()?)));
        match item {
            Some((end, number)) if number == next => {
                next += 1;
                line[end..].trim_start_matches(['.', ')', ' ']).to_owned()
            }
            _ => line.to_owned(),
        }
    });
    let lines: Vec<String> = kept.collect();
    // A single line that begins with a number and a point is a sentence.
    if next == 2 && lines.len() == 1 { plain } else { lines.join("\n").trim().to_owned() }
}

fn numbers(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(step) = text[at..].find(|it: char| it.is_ascii_digit() || it == '.') {
        let begin = at + step;
        match read(text, begin) {
            Some(found) => {
                at = found.end;
                if !belongs_to_word(&text[..begin]) {
                    all.push(found);
                }
            }
            None => at = begin + 1,
        }
    }
    all
}

/// Digits right after a letter, `^`, `_` or a point are no number.
fn belongs_to_word(before: &str) -> bool {
    let last = before.chars().last();
    last.is_some_and(|it| matches!(it, '^' | '_' | '.') || (it.is_alphabetic() && !is_chinese(it)))
}

/// The number that begins here, without its sign, and all that belongs to it.
fn read(text: &str, begin: usize) -> Option<Found> {
    let digits = DIGITS.find(&text[begin..])?;
    let mut value: f64 = digits.as_str().replace(',', "").parse().ok()?;
    let mut end = begin + digits.end();
    let parsed = |text: &str| text.parse::<f64>().ok();
    if let Some(found) = EXPONENT.captures(&text[end..]) {
        let power = found.get(1).or(found.get(2)).and_then(|it| parsed(it.as_str()))?;
        value *= 10f64.powf(power);
        end += found[0].len();
    } else if let Some(found) = OVER.captures(&text[end..]).filter(|it| parsed(&it[1]) > Some(0.0)) {
        value /= parsed(&found[1])?;
        end += found[0].len();
    } else if let Some(found) = MIXED.captures(&text[end..]).filter(|it| parsed(&it[2]) > Some(0.0)) {
        value += parsed(&found[1])? / parsed(&found[2])?;
        end += found[0].len();
    }
    while let Some(found) = MANY.captures(&text[end..]) {
        value *= times(&found[1]);
        end += found[0].len();
    }
    let (begin, value) = if is_negative(&text[..begin]) { (begin - 1, -value) } else { (begin, value) };
    let percent = text[end..].trim_start().trim_start_matches('\\').starts_with('%');
    Some(Found { value, percent, begin, end })
}

fn times(word: &str) -> f64 {
    match word.to_lowercase().as_str() {
        "百" => 100.0,
        "千" | "thousand" => 1e3,
        "万" => 1e4,
        "million" => 1e6,
        "亿" => 1e8,
        _ => 1e9,
    }
}

/// A minus counts unless a word, number or closing bracket stands before it.
fn is_negative(before: &str) -> bool {
    let Some(rest) = before.strip_suffix('-') else { return false };
    let right_before = rest.chars().last();
    let earlier = rest.trim_end().chars().last();
    let closes = |it: char| it.is_ascii_digit() || matches!(it, ')' | ']' | '}');
    !right_before.is_some_and(|it| it.is_alphanumeric() && !is_chinese(it)) && !earlier.is_some_and(closes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str) -> Option<f64> {
        final_number(&Folded::of(text)).map(|it| it.value)
    }

    #[test]
    fn which_number() {
        for (text, number) in [
            ("42", 42.0),
            ("The answer is 42.", 42.0),
            ("3 + 4 = 7, so the answer is 7 apples of 12", 7.0),
            ("Answer: 3 + 4 = 7", 7.0),
            ("There are 12 eggs in all.", 12.0),
            ("12 (because 3 times 4 is 12, and 5 is not)", 12.0),
            ("12 because 3 times 4", 12.0),
            ("We have 3 boxes of 4 apples each.\nThat makes 12.", 12.0),
            ("He sold 10 boxes in the following way:\nAll in all 2", 2.0),
            ("#### 18\n", 18.0),
            ("So \\boxed{15} of 20", 15.0),
            ("1. He takes 3 of the apples on the table.\n2. Add 4.\nIt makes 7", 7.0),
            ("1. Take three.\n2. Add four.", 3.0),
            ("答案：84", 84.0),
            ("一共要84元。", 84.0),
            ("forty-two", 42.0),
        ] {
            assert_eq!(found(text), Some(number), "{text}");
        }
        assert_eq!(found("I do not know."), None);
    }

    #[test]
    fn how_a_number_is_read() {
        for (text, number) in [
            ("1,234.5", 1234.5),
            ("$1,200", 1200.0),
            ("-5", -5.0),
            ("-$5", -5.0),
            ("x = -5", -5.0),
            ("10 - 5 = 5", 5.0),
            ("3/4", 0.75),
            ("1 1/2", 1.5),
            ("\\frac{3}{4}", 0.75),
            ("1½", 1.5),
            ("2e5", 2e5),
            ("3 × 10^4", 3e4),
            ("3 × 10⁴", 3e4),
            ("3万", 3e4),
            ("3.5 million", 3.5e6),
            ("area 12 m²", 12.0),
            ("H2O has 3", 3.0),
            ("x_1 = 7", 7.0),
            ("5kg", 5.0),
            ("共5个", 5.0),
            ("12,5", 5.0),
        ] {
            assert_eq!(found(text), Some(number), "{text}");
        }
    }

    #[test]
    fn right_within_tolerance() {
        let check = |check: Value, text: &str, right: bool| {
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{text}");
        };
        check(json!({"gold": 0.25}), "25%", true);
        check(json!({"gold": 25}), "25%", true);
        check(json!({"gold": 0.25}), "25", false);
        check(json!({"gold": 42.5, "abs_tol": 0.01}), "42.505", true);
        check(json!({"gold": 42.5}), "42.505", false);
        check(json!({"gold": 100, "rel_tol": 0.05}), "104", true);
        check(json!({"gold": 1_000_000}), "999999.5", true);
    }
}
