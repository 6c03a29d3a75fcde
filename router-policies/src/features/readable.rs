//! Features that a person can read. All are finite and grow at most with the logarithm of the text.

use super::lexicon::{self, TOPICS};
use super::options::options;
use super::sample::Sample;
use super::tokens::{Kind, Token, is_ideograph};
use super::{Prompt, Role};
use crate::numbers::ln;

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
pub(super) fn readable(prompt: &Prompt<'_>, sample: &Sample, tokens: &[Token]) -> [f32; COUNT] {
    let chars = &sample.chars[..];
    let mut values = Values { values: [0.0; COUNT], next: 0 };
    let signs = Signs::count(chars);
    words(&mut values, sample, &signs, tokens);
    numbers(&mut values, chars, &signs, tokens);
    let options = options(chars);
    values.add(options.count.min(12) as f64 / 4.0);
    values.log(options.chars);
    values.log(options.longest);
    values.share(options.numeric, options.count);
    values.log(if options.count > 1 { options.stem } else { chars.len() });
    for count in [signs.latex, signs.code, signs.code_lines, signs.operators] {
        values.log(count);
    }
    let topics: [u32; TOPICS] = lexicon::count(tokens);
    for count in topics {
        values.log(count as usize);
    }
    shape(&mut values, chars, &signs, tokens);
    conversation(&mut values, prompt, sample);
    values.values
}

fn words(values: &mut Values, sample: &Sample, signs: &Signs, tokens: &[Token]) {
    let words: Vec<usize> = tokens.iter().filter(|t| t.kind == Kind::Word).map(|t| t.length).collect();
    let spoken = tokens.iter().filter(|t| t.kind != Kind::Sign).count();
    values.log(sample.length);
    values.log(spoken);
    values.log(signs.lines);
    values.ratio(words.iter().sum(), words.len(), 5.0);
    values.share(words.iter().filter(|&&length| length >= 8).count(), words.len());
}

fn numbers(values: &mut Values, chars: &[char], signs: &Signs, tokens: &[Token]) {
    let numbers = || tokens.iter().filter(|t| t.kind == Kind::Number);
    let digits = |t: &Token| chars[t.at..t.at + t.length].iter().take_while(|c| c.is_ascii_digit()).count();
    values.share(signs.digits, chars.len());
    values.log(numbers().count());
    values.add(numbers().map(digits).max().unwrap_or(0).min(12) as f64 / 4.0);
    values.log(signs.decimals);
}

fn shape(values: &mut Values, chars: &[char], signs: &Signs, tokens: &[Token]) {
    let spoken = tokens.iter().filter(|t| t.kind != Kind::Sign).count();
    values.log(signs.blanks);
    values.log(signs.quotes);
    values.share(signs.capitals, signs.letters);
    values.share(signs.ideographs, chars.len());
    values.share(signs.other_script, chars.len());
    values.log(signs.questions);
    values.log(signs.sentences);
    values.add(variety(tokens));
    values.add(ln(1.0 + spoken as f64 / (1.0 + signs.sentences as f64)));
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

fn conversation(values: &mut Values, prompt: &Prompt<'_>, sample: &Sample) {
    let length =
        |role: Role| prompt.turns.iter().filter(|turn| turn.role == role).map(|turn| turn.text.len()).sum();
    values.add(sample.earlier as f64);
    values.log(length(Role::Assistant));
    values.log(length(Role::System));
    values.log(prompt.tools);
    values.flag(prompt.structured);
    values.add(prompt.attachments.min(4) as f64);
}

/// Different words among all, of the first 256.
fn variety(tokens: &[Token]) -> f64 {
    let mut hashes: Vec<u64> =
        tokens.iter().filter(|t| t.kind != Kind::Sign).take(256).map(|t| t.hash).collect();
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    if all == 0 { 0.0 } else { hashes.len() as f64 / all as f64 }
}

/// The values so far.
struct Values {
    values: [f32; COUNT],
    next: usize,
}

impl Values {
    fn add(&mut self, value: f64) {
        self.values[self.next] = value as f32;
        self.next += 1;
    }

    fn log(&mut self, count: usize) {
        self.add(ln(1.0 + count as f64));
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

/// What single characters tell.
#[derive(Default)]
struct Signs {
    lines: usize,
    letters: usize,
    capitals: usize,
    digits: usize,
    decimals: usize,
    latex: usize,
    code: usize,
    code_lines: usize,
    operators: usize,
    blanks: usize,
    quotes: usize,
    ideographs: usize,
    other_script: usize,
    questions: usize,
    sentences: usize,
    commas: usize,
    brackets: usize,
    longest_paragraph: usize,
    examples: usize,
    list_items: usize,
    money: usize,
    names: usize,
}

impl Signs {
    fn count(chars: &[char]) -> Self {
        let mut signs = Self { lines: usize::from(!chars.is_empty()), ..Self::default() };
        let mut previous = '\n';
        let mut line_began = 0;
        for (at, &c) in chars.iter().enumerate() {
            let next = chars.get(at + 1).copied().unwrap_or('\n');
            signs.character(previous, c, next);
            if c == '\n' {
                signs.lines += 1;
                signs.line(&chars[line_began..at]);
                line_began = at + 1;
            }
            previous = c;
        }
        signs.line(&chars[line_began..]);
        signs
    }

    fn character(&mut self, previous: char, c: char, next: char) {
        match c {
            'a'..='z' => self.letters += 1,
            'A'..='Z' => {
                self.letters += 1;
                self.capitals += 1;
                self.names += usize::from(previous == ' ' && next.is_ascii_lowercase());
            }
            '0'..='9' => self.digits += 1,
            '.' | '。' if previous.is_ascii_digit() && next.is_ascii_digit() => self.decimals += 1,
            '.' | '。' | '!' | '！' => self.sentences += 1,
            '?' | '？' => {
                self.questions += 1;
                self.sentences += 1;
            }
            ',' | '，' | '、' | ';' | '；' => {
                self.commas += 1;
                self.code += usize::from(c == ';' && next == '\n');
            }
            '\\' | '^' => self.latex += 1,
            '$' | '￥' | '€' | '£' if next.is_ascii_digit() => self.money += 1,
            '$' => self.latex += 1,
            '%' => self.money += 1,
            '{' | '}' | '`' => self.code += 1,
            '(' | '（' => self.brackets += 1,
            '=' | '+' | '*' | '/' | '<' | '>' | '×' | '÷' | '≤' | '≥' => self.operators += 1,
            '_' => {
                self.blanks += usize::from(previous == '_' && next != '_');
                self.code += usize::from(previous.is_ascii_alphanumeric() && next.is_ascii_alphanumeric());
            }
            '"' | '“' | '”' | '「' => self.quotes += 1,
            _ if c.is_ascii() => {}
            _ if is_ideograph(c) => self.ideographs += 1,
            _ if c.is_alphabetic() => self.other_script += 1,
            _ => {}
        }
    }

    fn line(&mut self, line: &[char]) {
        self.longest_paragraph = self.longest_paragraph.max(line.len());
        let indent = line.iter().take_while(|c| matches!(c, ' ' | '\t')).count();
        let text = &line[indent.min(line.len())..];
        let fence = text.starts_with(&['`', '`', '`']);
        let end = line.iter().rev().find(|c| !c.is_whitespace());
        let ends_like_code = matches!(end, Some('{' | '}' | ';'));
        self.code_lines += usize::from(fence || ends_like_code || (indent >= 4 && !text.is_empty()));
        let item = match text {
            ['-' | '*' | '•', ' ', ..] => true,
            [first, '.' | ')' | '、', ..] => first.is_ascii_digit(),
            _ => false,
        };
        self.list_items += usize::from(item);
        let example = matches!(text, ['Q' | 'A' | '问' | '答', ':' | '：', ..]);
        self.examples += usize::from(example);
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
        let turn = |role, text: &'static str| super::super::Turn { role, text: text.into() };
        let prompt = Prompt {
            turns: vec![
                turn(Role::System, "abc"),
                turn(Role::User, "x"),
                turn(Role::Assistant, "y"),
                turn(Role::User, "z"),
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
