//! Short answers in words, labels, exact characters, and translations by their key words.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::folding::{Folded, fold, lines, named, places, regex, words};
use super::{Judgement, python};

static LEAD: LazyLock<Regex> = LazyLock::new(|| regex(r"^[*_]*[\p{L} ]{1,40}[*_]*:[*_]*\s*"));
static BLOCK: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)```[\w+-]*[ \t]*\n?(.*?)```"));
static SPANS: LazyLock<[Regex; 6]> = LazyLock::new(|| {
    [r"\*\*([^*]+)\*\*", r"`([^`\n]+)`", r#""([^"\n]+)""#, "「([^」]+)」", "《([^》]+)》", "【([^】]+)】"]
        .map(regex)
});

/// Whether an answer is one of those that are right.
pub(super) fn is_right(check: &Value, answer: &Folded) -> bool {
    if let Some(labels) = check["labels"].as_object() {
        return is_labelled(labels, &check["gold"], answer);
    }
    let accepted = check["accept"].as_array().into_iter().flatten();
    let golds: Vec<String> =
        [&check["gold"]].into_iter().chain(accepted).filter_map(Value::as_str).map(fold).collect();
    let said = candidates(answer);
    let any =
        |same: &dyn Fn(&str, &str) -> bool| said.iter().any(|said| golds.iter().any(|gold| same(said, gold)));
    match check["form"].as_str().unwrap_or("words") {
        "exact" => any(&|said, gold| exact(said) == exact(gold)),
        "code" => any(&python::same),
        _ => {
            let within = check["within"].as_u64().and_then(|it| usize::try_from(it).ok());
            any(&|said, gold| {
                let (said, gold) = (plain(said), plain(gold));
                said == gold
                    || within.is_some_and(|most| said.len() <= most && !places(&said, &gold).is_empty())
            })
        }
    }
}

/// Where the answer may stand, each with and without a lead such as `Output:`.
fn candidates(answer: &Folded) -> Vec<String> {
    let all = answer.all.as_str();
    let mut found = vec![all.to_owned(), answer.first_line().to_owned(), answer.last_line().to_owned()];
    if let Some(tail) = &answer.tail {
        found.extend([tail.clone(), lines(tail).next().unwrap_or_default().to_owned()]);
    }
    let only = |pattern: &Regex| {
        let mut spans = pattern.captures_iter(all);
        let first = spans.next().map(|span| span[1].trim().to_owned());
        if spans.next().is_none() { first } else { None }
    };
    found.extend(only(&BLOCK));
    found.extend(SPANS.iter().filter_map(only));
    let bare: Vec<String> = found.iter().map(|it| LEAD.replace(it, "").into_owned()).collect();
    found.extend(bare);
    found.retain(|it| !it.trim().is_empty());
    found
}

/// Words without a leading article.
fn plain(text: &str) -> Vec<String> {
    let mut words = words(text);
    if words.len() > 1 && matches!(words[0].as_str(), "a" | "an" | "the") {
        words.remove(0);
    }
    words
}

/// Characters as they are, without outer blanks, one pair of quotes or backticks, and runs of blanks.
fn exact(text: &str) -> String {
    let text = text.trim();
    let pairs = [('"', '"'), ('\'', '\''), ('`', '`'), ('「', '」')];
    let inner = pairs.iter().find_map(|(begin, end)| text.strip_prefix(*begin)?.strip_suffix(*end));
    inner.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the labels named in the tail, else the first line, else all, are the right one alone.
fn is_labelled(labels: &serde_json::Map<String, Value>, gold: &Value, answer: &Folded) -> bool {
    let mut names = Vec::new();
    for (label, others) in labels {
        let others = others.as_array().into_iter().flatten().filter_map(Value::as_str);
        names.extend([label.as_str()].into_iter().chain(others).map(|name| (label, words(name))));
    }
    let all: Vec<Vec<String>> = names.iter().map(|(_, name)| name.clone()).collect();
    let named_in = |text: &str| {
        let mut labels: Vec<&String> = named(&words(text), &all).into_iter().map(|at| names[at].0).collect();
        labels.dedup();
        labels
    };
    let places = [answer.tail.as_deref().unwrap_or_default(), answer.first_line(), &answer.all];
    let found = places.into_iter().map(named_in).find(|labels| !labels.is_empty()).unwrap_or_default();
    matches!(found.as_slice(), [only] if gold == *only)
}

/// Whether one member of each group is there, and nothing that is forbidden.
pub(super) fn contains_all(check: &Value, answer: &Folded) -> Judgement {
    let said = words(&answer.all);
    let stands = |member: &Value| has(&said, member.as_str().unwrap_or_default());
    let any = |group: &Value| group.as_array().is_some_and(|group| group.iter().any(stands));
    if any(&check["forbid"]) {
        return Judgement::WRONG;
    }
    let groups = check["gold"].as_array().map_or(&[][..], Vec::as_slice);
    Judgement::of_parts(groups.iter().filter(|group| any(group)).count(), groups.len())
}

/// Whether words stand in others; a star stands for any ending of the last one.
fn has(said: &[String], member: &str) -> bool {
    let Some(begun) = member.strip_suffix('*') else { return !places(said, &words(member)).is_empty() };
    let sought = words(begun);
    let Some((last, before)) = sought.split_last() else { return false };
    let begins = |at: usize| said.get(at + before.len()).is_some_and(|word| word.starts_with(last.as_str()));
    (0..said.len()).any(|at| said[at..].starts_with(before) && begins(at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_wherever_an_answer_may_stand() {
        let check = |check: Value, text: &str, right: bool| {
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{check} {text}");
        };
        let white = json!({"gold": "white"});
        for (text, right) in [
            ("White.", true),
            ("The white", true),
            ("Output: white", true),
            ("It must be **white**", true),
            ("Hm.\nwhite", true),
            ("```\nwhite\n```", true),
            ("The answer is \"white\"", true),
            ("white nail", false),
            ("It is **white** or **nail**", false),
        ] {
            check(white.clone(), text, right);
        }
        let within = json!({"gold": "惯性定律", "within": 14});
        check(within.clone(), "牛顿第一定律又叫惯性定律。", true);
        check(within, "牛顿第一定律说明了很多事情，又叫做惯性定律。", false);
        check(json!({"gold": "gāoshān", "accept": ["gao1 shan1"]}), "Gao1 Shan1", true);
        check(json!({"gold": "两鬓可怜青", "within": 13}), "“两鬓可怜青”", true);
    }

    #[test]
    fn exact_characters() {
        let check = |gold: &str, text: &str, right: bool| {
            let check = json!({"gold": gold, "form": "exact", "accept": ["GREEN."]});
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{text}");
        };
        check("GREEN", "GREEN", true);
        check("GREEN", "GREEN.", true);
        check("GREEN", "green", false);
        check("a;b", "`a;b`", true);
        check("a;b", "a; b", false);
        check("a b", "\"a  b\"", true);
    }

    #[test]
    fn one_label_alone() {
        let check = |text: &str, right: bool| {
            let check = json!({"gold": "ham", "labels": {"spam": [], "ham": ["not spam", "legitimate"]}});
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{text}");
        };
        check("ham", true);
        check("This is not spam.", true);
        check("Ham\nIt is no spam", true);
        check("ham or spam", false);
        check("nothing", false);
    }

    #[test]
    fn key_words_of_a_translation() {
        let check = |check: Value, text: &str, right: bool, part: f64| {
            assert_eq!(contains_all(&check, &Folded::of(text)), Judgement { right, part }, "{text}");
        };
        let gold = json!({"gold": [["speeding"], ["fine", "fined"]]});
        check(gold.clone(), "He was fined for speeding.", true, 1.0);
        check(gold.clone(), "He had to pay a refined sum for speeding.", false, 0.5);
        check(json!({"gold": [["translat*"]]}), "They are translating.", true, 1.0);
        check(json!({"gold": [["猴"], ["喂", "投喂"]]}), "不要给猴子喂食。", true, 1.0);
        check(json!({"gold": [["fined"]], "forbid": ["not"]}), "not fined", false, 0.0);
        check(json!({"gold": [["7:30"]]}), "at 7:30", true, 1.0);
    }
}
