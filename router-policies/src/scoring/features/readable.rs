//! Features that a person can read. All are finite and grow at most with the logarithm of the text.

use std::sync::LazyLock;

use super::lexicon::LexiconCounts;
use super::options::options;
use super::sample::TextSample;
use super::signs::CharacterCounts;
use super::tokens::{TextToken, TextTokenKind};
use super::{Prompt, PromptRole};
use crate::scoring::numbers::ln;

/// How many readable features there are.
pub const COUNT: usize = 60;

/// Their names, in order. `log_x` is ln(1 + x), a `share` is in 0..=1.
pub const NAMES: [&str; COUNT] = [
    "log_chars",
    "log_words",
    "log_lines",
    "word_length",
    "long_word_share",
    "digit_share",
    "log_numbers",
    "largest_number_digits",
    "log_decimals",
    "options",
    "log_option_chars",
    "log_longest_option",
    "numeric_option_share",
    "log_stem_chars",
    "log_latex",
    "log_code_signs",
    "log_code_lines",
    "log_operators",
    "log_negations",
    "log_reasoning",
    "log_amounts",
    "log_facts",
    "log_steps",
    "log_constraints",
    "log_writing",
    "log_rewriting",
    "log_chat",
    "log_extraction",
    "log_code",
    "log_mathematics",
    "log_science",
    "log_law",
    "log_medicine",
    "log_society",
    "log_comparisons",
    "log_puzzles",
    "log_blanks",
    "log_quotes",
    "capital_share",
    "ideograph_share",
    "other_script_share",
    "log_questions",
    "log_sentences",
    "word_variety",
    "log_sentence_words",
    "log_commas",
    "log_brackets",
    "log_longest_paragraph",
    "log_examples",
    "log_list_items",
    "log_last_line",
    "log_money",
    "log_names",
    "ends_with_question",
    "earlier_turns",
    "log_assistant_chars",
    "log_system_chars",
    "log_tools",
    "structured",
    "attachments",
];

/// Reads them all.
pub(super) fn readable(
    prompt: &Prompt<'_>,
    sample: &TextSample,
    tokens: &[TextToken],
    counts: &LexiconCounts,
) -> [f32; COUNT] {
    let chars = &sample.chars[..];
    let mut values = FeatureValues { values: [0.0; COUNT], next: 0 };
    let signs = CharacterCounts::count(chars);
    let tally = TokenKinds::of(chars, tokens);
    words(&mut values, sample, &signs, &tally);
    numbers(&mut values, chars, &signs, &tally);
    let options = options(chars, &signs.capitals_at);
    values.add(options.count.min(12) as f64 / 4.0);
    values.log(options.chars);
    values.log(options.longest);
    values.share(options.numeric, options.count);
    values.log(if options.count > 1 { options.stem } else { chars.len() });
    for count in [signs.latex, signs.code, signs.code_lines, signs.operators] {
        values.log(count);
    }
    for count in counts.topics {
        values.log(count as usize);
    }
    shape(&mut values, chars, &signs, tokens, &tally);
    conversation(&mut values, prompt, sample);
    values.values
}

fn words(values: &mut FeatureValues, sample: &TextSample, signs: &CharacterCounts, tally: &TokenKinds) {
    values.log(sample.length);
    values.log(tally.spoken);
    values.log(signs.lines);
    values.ratio(tally.word_chars, tally.words, 5.0);
    values.share(tally.long_words, tally.words);
}

fn numbers(values: &mut FeatureValues, chars: &[char], signs: &CharacterCounts, tally: &TokenKinds) {
    values.share(signs.digits, chars.len());
    values.log(tally.numbers);
    values.add(tally.largest.min(12) as f64 / 4.0);
    values.log(signs.decimals);
}

/// What kinds of tokens there are.
#[derive(Default)]
struct TokenKinds {
    /// Tokens that are no signs.
    spoken: usize,
    words: usize,
    /// Characters in all words.
    word_chars: usize,
    /// Words of eight characters or more.
    long_words: usize,
    numbers: usize,
    /// Plain digits at the beginning of the number that has most of them.
    largest: usize,
}

impl TokenKinds {
    /// Sums without branches: what comes next cannot be guessed.
    fn of(chars: &[char], tokens: &[TextToken]) -> Self {
        let mut tally = Self::default();
        for token in tokens {
            let word = usize::from(token.kind == TextTokenKind::Word);
            tally.spoken += usize::from(token.kind != TextTokenKind::Sign);
            tally.words += word;
            tally.word_chars += word * token.length;
            tally.long_words += word & usize::from(token.length >= 8);
            if token.kind == TextTokenKind::Number {
                let number = &chars[token.at..token.at + token.length];
                tally.numbers += 1;
                tally.largest = tally.largest.max(number.iter().take_while(|c| c.is_ascii_digit()).count());
            }
        }
        tally
    }
}

fn shape(
    values: &mut FeatureValues,
    chars: &[char],
    signs: &CharacterCounts,
    tokens: &[TextToken],
    tally: &TokenKinds,
) {
    values.log(signs.blanks);
    values.log(signs.quotes);
    values.share(signs.capitals, signs.letters);
    values.share(signs.ideographs, chars.len());
    values.share(signs.other_script, chars.len());
    values.log(signs.questions);
    values.log(signs.sentences);
    values.add(variety(tokens));
    values.add(ln(1.0 + tally.spoken as f64 / (1.0 + signs.sentences as f64)));
    for count in [signs.commas, signs.brackets, signs.longest_paragraph, signs.examples, signs.list_items] {
        values.log(count);
    }
    let trimmed = chars.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
    let last_line = chars[..trimmed].iter().rposition(|&c| c == '\n').map_or(trimmed, |at| trimmed - at - 1);
    values.log(last_line);
    values.log(signs.money);
    values.log(signs.names);
    values.flag(trimmed > 0 && matches!(chars[trimmed - 1], '?' | '？'));
}

fn conversation(values: &mut FeatureValues, prompt: &Prompt<'_>, sample: &TextSample) {
    let length = |role: PromptRole| {
        prompt.turns.iter().filter(|turn| turn.role == role).map(|turn| turn.text.len()).sum()
    };
    values.add(sample.earlier as f64);
    values.log(length(PromptRole::Assistant));
    values.log(length(PromptRole::System));
    values.log(prompt.tools);
    values.flag(prompt.structured);
    values.add(prompt.attachments.min(4) as f64);
}

/// Different words among all, of the first 256.
fn variety(tokens: &[TextToken]) -> f64 {
    // Hashes by their first bits, at most half full; 0 is a free place, and the one hash that is 0 has a count of its
    // own.
    let mut places = [0u64; 512];
    let (mut all, mut different, mut zero) = (0, 0, 0);
    for hash in tokens.iter().filter(|t| t.kind != TextTokenKind::Sign).take(256).map(|t| t.hash) {
        all += 1;
        if hash == 0 {
            zero = 1;
            continue;
        }
        let mut at = (hash >> 55) as usize;
        while places[at] != 0 && places[at] != hash {
            at = (at + 1) % places.len();
        }
        different += usize::from(places[at] == 0);
        places[at] = hash;
    }
    if all == 0 { 0.0 } else { (different + zero) as f64 / f64::from(all) }
}

fn log(count: usize) -> f64 {
    ln(1.0 + count as f64)
}

/// The values so far.
struct FeatureValues {
    values: [f32; COUNT],
    next: usize,
}

impl FeatureValues {
    fn add(&mut self, value: f64) {
        self.values[self.next] = value as f32;
        self.next += 1;
    }

    fn log(&mut self, count: usize) {
        /// Logarithms of small counts, which most are.
        static SMALL: LazyLock<[f64; 256]> = LazyLock::new(|| std::array::from_fn(log));
        self.add(SMALL.get(count).copied().unwrap_or_else(|| log(count)));
    }

    fn share(&mut self, part: usize, whole: usize) {
        self.add(if whole == 0 { 0.0 } else { part as f64 / whole as f64 });
    }

    fn ratio(&mut self, sum: usize, count: usize, unit: f64) {
        self.add(if count == 0 { 0.0 } else { (sum as f64 / count as f64 / unit).min(6.0) });
    }

    fn flag(&mut self, yes: bool) {
        self.add(f64::from(u8::from(yes)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Features;
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expected: f64) {
        let features = Features::of(&Prompt::from_text(text));
        let (_, value) = features.named().find(|(found, _)| *found == name).unwrap();
        assert!((f64::from(value) - expected).abs() < 1e-6, "{text:?}: {name} is {value}, not {expected}");
    }

    fn log(count: u32) -> f64 {
        ln(1.0 + f64::from(count))
    }

    #[test]
    fn features_say_what_they_are_named_for() {
        check("four", "log_chars", log(4));
        check("one two 3", "log_words", log(3));
        check("a\nb\nc", "log_lines", log(3));
        check("abcde fghij", "word_length", 1.0);
        check("1234 and 56", "largest_number_digits", 1.0);
        check("1234 and 56", "log_numbers", log(2));
        check("is 3.14 or 2.71", "log_decimals", log(2));
        check("Q?\nA. 1\nB. 2\nC. 3\nD. x", "options", 1.0);
        check("Q?\nA. 1\nB. 2\nC. 3\nD. x", "numeric_option_share", 0.75);
        check("$\\frac{1}{2}$", "log_latex", log(3));
        check("```\nfn main() {\n}\n```", "log_code_lines", log(4));
        check("Prove it. 证明", "log_reasoning", log(2));
        check("The ____ is", "log_blanks", log(1));
        check("求证明文", "ideograph_share", 1.0);
        check("привет", "other_script_share", 1.0);
        check("Why?", "ends_with_question", 1.0);
        check("为什么？ ", "ends_with_question", 1.0);
        check("a a a a", "word_variety", 0.25);
        check("It costs $5 or 10%", "log_money", log(2));
        check("1. a\n2. b\n- c", "log_list_items", log(3));
    }

    #[test]
    fn the_conversation_counts() {
        let turn = |role, text: &'static str| super::super::PromptTurn { role, text: text.into() };
        let prompt = Prompt {
            turns: vec![
                turn(PromptRole::System, "abc"),
                turn(PromptRole::User, "x"),
                turn(PromptRole::Assistant, "y"),
                turn(PromptRole::User, "z"),
            ],
            tools: 2,
            structured: true,
            attachments: 9,
        };
        let features = Features::of(&prompt);
        let value = |name| features.named().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(value("earlier_turns"), 1.0);
        assert_eq!(value("structured"), 1.0);
        assert_eq!(value("attachments"), 4.0);
        assert!(value("log_tools") > 1.0 && value("log_system_chars") > 1.0);
    }
}
