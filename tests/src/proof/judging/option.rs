//! Which of lettered options an answer chose.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::folding::{Folded, lines, named, regex, words};

static ONLY: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)^[\s*_`\x22'(\[{]*(?:option\b|选项|选)?[\s:*_(\[]*([a-z])[\s*_`\x22')\]}.,:;。]*$")
});
static LEADING: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^[\s*_`\x22'(\[{]*(?:[Oo]ption\s+|选项)?[*_`(\[]*(?:([A-Z])(?:[^A-Za-z']|$)|([a-z])(?:[).:\]]|$))",
    )
});
static BEGINNING: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^[\s*_`\x22'(\[]*(?:[Oo]ption\s+|选项)?[*_`(\[]*([A-Za-z])(?:[*_`\x22']*(?:[.:)\](,]|\s*$|\s*\n)|\s+(?:because|since|is)\b|\s*因为|\s*是)",
    )
});
static LATER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?m)[(\[]([A-Za-z])[)\]]|^[\s*_`>-]*([A-Z])(?:[.:,)*]|$)|(?:\b[Oo]ption\s+|选项?\s*)[*_`(\[]*([A-Za-z])(?:[^A-Za-z]|$)",
    )
});
static RUN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[^A-Za-z])([A-H](?:(?:[\s,;/&.*]|and\b|和|与|及)*[A-H])*)(?:[^A-Za-z]|$)"));
static LETTERED: LazyLock<Regex> = LazyLock::new(|| regex(r"^[\s*_(\[-]*([A-H])[*_]*[.:)\]]\s*(.+)$"));
/// Words that may stand beside those of an option that a line names.
const BESIDE: usize = 10;

/// Whether the right option, or all right options, were chosen.
pub(super) fn is_right(check: &Value, answer: &Folded) -> bool {
    let Some(gold) = check["gold"].as_str() else { return false };
    if check["several"] == true {
        return several(answer).is_some_and(|chosen| chosen == gold.chars().collect());
    }
    let options = Options::of(&check["options"]);
    options.chosen(answer).is_some_and(|letter| gold.starts_with(letter))
}

struct Options {
    letters: Vec<char>,
    words: Vec<Vec<String>>,
}

impl Options {
    fn of(options: &Value) -> Self {
        let all = options.as_object().into_iter().flatten();
        let (letters, words) = all
            .filter_map(|(letter, text)| {
                Some((letter.chars().next()?, words(text.as_str().unwrap_or_default())))
            })
            .unzip();
        Self { letters, words }
    }

    fn chosen(&self, answer: &Folded) -> Option<char> {
        let tail = answer.tail.as_deref();
        self.letter(&ONLY, &answer.all)
            .or_else(|| tail.and_then(|tail| self.letter(&LEADING, tail)))
            .or_else(|| tail.and_then(|tail| self.by_words(tail, usize::MAX)))
            .or_else(|| self.letter(&BEGINNING, &answer.all))
            .or_else(|| self.by_words(answer.first_line(), BESIDE))
            .or_else(|| self.last_letter(&answer.all))
            .or_else(|| self.by_words(answer.last_line(), BESIDE))
    }

    fn letter(&self, pattern: &Regex, text: &str) -> Option<char> {
        pattern.captures(text).and_then(|found| self.known(&found))
    }

    fn last_letter(&self, text: &str) -> Option<char> {
        LATER.captures_iter(text).filter_map(|found| self.known(&found)).last()
    }

    /// The letter that a pattern found, if there is such an option.
    fn known(&self, found: &regex::Captures<'_>) -> Option<char> {
        let letter = found.iter().skip(1).flatten().next()?.as_str().chars().next()?.to_ascii_uppercase();
        self.letters.contains(&letter).then_some(letter)
    }

    /// The one option whose words are there, with at most so many others.
    fn by_words(&self, text: &str, others: usize) -> Option<char> {
        let text = words(text);
        let [only] = named(&text, &self.words).try_into().ok()?;
        let only: usize = only;
        (text.len().saturating_sub(self.words[only].len()) <= others).then(|| self.letters[only])
    }
}

/// All letters that were chosen: the first run in the tail, else of lettered lines, else of the first line.
fn several(answer: &Folded) -> Option<BTreeSet<char>> {
    answer
        .tail
        .as_deref()
        .and_then(run)
        .or_else(|| lettered(&answer.all))
        .or_else(|| run(answer.first_line()))
}

fn run(text: &str) -> Option<BTreeSet<char>> {
    let found = RUN.captures(text)?;
    // Between letters of the run only the word "and" has letters.
    Some(found[1].replace("and", "").chars().filter(char::is_ascii_uppercase).collect())
}

fn lettered(text: &str) -> Option<BTreeSet<char>> {
    let letter = |line: &str| {
        let found = LETTERED.captures(line)?;
        let rest = &found[2];
        let is_run = rest.chars().all(|it| !it.is_alphanumeric() || it.is_ascii_uppercase());
        (!is_run).then(|| found[1].chars().next())?
    };
    let letters: BTreeSet<char> = lines(text).filter_map(letter).collect();
    (!letters.is_empty()).then_some(letters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_option() {
        let options = json!({"A": "red", "B": "dark red", "C": "a blue car", "D": "green"});
        let check = |text: &str, gold: &str, right: bool| {
            let check = json!({"gold": gold, "options": options});
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{text}");
        };
        check("B", "B", true);
        check("(b)", "B", true);
        check("**B**", "B", true);
        check("Option B", "B", true);
        check("The answer is B.", "B", true);
        check("Answer: dark red", "B", true);
        check("Answer: red", "A", true);
        check("B. dark red\nbecause A is wrong", "B", true);
        check("B because it is so, as (A) is not", "B", true);
        check("The colour is dark red", "B", true);
        check("It is red or green", "A", false);
        check("First we look at (A). Then we see that it must be (D)\nfor all we know of this", "D", true);
        check("A dog ran.\nIn the end it is green", "D", true);
        check("选 C", "C", true);
        check("答案是C", "C", true);
        check("选项D正确，其余都不对", "D", true);
        check("E", "E", false);
        check("nobody knows", "A", false);
    }

    #[test]
    fn several_options() {
        let check = |text: &str, gold: &str, right: bool| {
            let check = json!({"gold": gold, "several": true, "options": {}});
            assert_eq!(is_right(&check, &Folded::of(text)), right, "{text}");
        };
        check("ACE", "ACE", true);
        check("A、C、E", "ACE", true);
        check("E, C and A", "ACE", true);
        check("答案：AB", "AB", true);
        check("A. 住宅不受侵犯\nC. 人格尊严", "AC", true);
        check("A. B. C", "ABC", true);
        check("ABCD", "ABC", false);
        check("都不对", "A", false);
    }
}
