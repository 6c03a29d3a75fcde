//! The questions of a demonstration, and what its scripted models say to them.

use std::fmt::Write as _;
use std::time::Duration;

/// A question, and how a script answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScriptedQuestion {
    /// `en` or `zh`.
    pub(super) language: &'static str,
    /// Tokens of a scripted answer.
    pub(super) tokens: u64,
    /// Whether the scripted small model refuses, so that a guard has something to find.
    pub(super) refused: bool,
    /// The prompt.
    pub(super) prompt: &'static str,
}

/// A scripted model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptedModel {
    /// A small model on the machine.
    Small,
    /// A paid model of a provider.
    Paid,
}

/// All questions, in the order in which they are asked; the file has language, tokens, `no` where the small model refuses,
/// and the prompt.
pub(super) fn questions() -> Vec<ScriptedQuestion> {
    let lines = include_str!("questions.tsv").lines();
    let questions = lines.filter_map(|line| {
        let mut cells = line.splitn(4, '\t');
        Some(ScriptedQuestion {
            language: cells.next()?,
            tokens: cells.next()?.parse().ok()?,
            refused: cells.next()? == "no",
            prompt: cells.next()?,
        })
    });
    questions.collect()
}

impl ScriptedModel {
    /// The name in tables: what is scripted says so.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "scripted-small",
            Self::Paid => "scripted-paid",
        }
    }

    /// The model of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Small, Self::Paid].into_iter().find(|model| model.name() == name)
    }

    /// Until the first token.
    pub(super) fn silence(self) -> Duration {
        match self {
            Self::Small => Duration::from_millis(60),
            Self::Paid => Duration::from_millis(400),
        }
    }

    /// Tokens a second.
    pub(super) fn pace(self) -> u32 {
        match self {
            Self::Small => 120,
            Self::Paid => 160,
        }
    }

    /// The answer to this prompt, as pieces of one token each; of at most `limit` tokens.
    pub(super) fn answer(self, prompt: &str, limit: u64) -> Vec<String> {
        let question = questions().into_iter().find(|question| question.prompt == prompt);
        let question =
            question.unwrap_or(ScriptedQuestion { language: "en", tokens: 24, refused: false, prompt: "" });
        let chinese = question.language == "zh";
        if self == Self::Small && question.refused {
            let refusal = if chinese { "抱歉，我不知道。" } else { "I'm sorry, but I don't know." };
            return pieces(refusal, chinese).take(limit as usize).collect();
        }
        let tokens = question.tokens.min(limit) as usize;
        let mut text = String::new();
        let mut number = 0;
        // No sentence twice: a guard would take that for a model that has lost its thread.
        while pieces(&text, chinese).count() < tokens {
            number += 1;
            // Writing to a String cannot fail.
            let _ = match chinese {
                true => write!(text, "这是演示脚本的第{number}句话，不是模型的回答。"),
                false => {
                    write!(text, "Sentence {number} of a demonstration's script, which no model wrote. ")
                }
            };
        }
        pieces(&text, chinese).take(tokens).collect()
    }
}

/// A text in pieces of about one token: words, or characters of Chinese.
fn pieces(text: &str, chinese: bool) -> Box<dyn Iterator<Item = String> + '_> {
    match chinese {
        true => Box::new(text.chars().map(String::from)),
        false => Box::new(text.split_inclusive(' ').map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_in_two_languages_easy_and_hard() {
        let all = questions();
        assert_eq!(all.len(), include_str!("questions.tsv").lines().count());
        for language in ["en", "zh"] {
            let of = all.iter().filter(|question| question.language == language);
            let refused = of.clone().filter(|question| question.refused).count();
            assert!(of.count() >= 18 && refused >= 5, "{language}");
        }
        assert!(all.iter().all(|it| matches!(it.language, "en" | "zh") && (8..=800).contains(&it.tokens)));
    }

    #[test]
    fn scripts_answer_at_their_length_and_say_what_they_are() {
        for question in questions() {
            let paid = ScriptedModel::Paid.answer(question.prompt, 4096);
            assert_eq!(paid.len() as u64, question.tokens, "{}", question.prompt);
            let small = ScriptedModel::Small.answer(question.prompt, 4096).concat();
            let refuses = small.contains("don't know") || small.contains("不知道");
            assert_eq!(refuses, question.refused, "{}: {small}", question.prompt);
            if !question.refused && question.tokens > 12 {
                assert!(small.contains("script") || small.contains("脚本"), "{small}");
            }
        }
        assert_eq!(ScriptedModel::Paid.answer("What is the capital of France?", 3).len(), 3);
        assert!(!ScriptedModel::Small.answer("something else", 100).is_empty());
    }
}
