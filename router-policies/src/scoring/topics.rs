//! Which field a prompt belongs to, by a few examples of it: the words that are frequent in the examples and rare
//! elsewhere speak for it.
//!
//! What is rare elsewhere is known from the prompts that the shipped scorer was fitted on, and from the examples of the
//! other topics, which share the form of this operator's prompts. No network, no model: a look into a table for each word
//! and pair of words, a few microseconds a topic.

use crate::scoring::features::Features;
use crate::scoring::features::SLOTS;
use crate::scoring::numbers::ln;
use crate::scoring::scorers::default_scorer;

/// Examples that a topic needs at least.
pub const LEAST: usize = 5;
/// Examples that are learned from at most; more change little.
pub const MOST: usize = 10_000;
/// How alike a prompt must be unless the configuration says otherwise: of the values tried, the one at which few prompts
/// of other fields are taken for law or medicine (the README has the figures).
pub const ALIKE: f64 = 0.6;

/// How many examples' worth of doubt a word's frequency among the examples is held against what is usual.
const DOUBT: f64 = 16.0;
/// The most that one word says, for or against (a natural logarithm): no single one decides.
const LOUDEST: f64 = 3.0;

/// A field that prompts can belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptTopic {
    /// As the configuration names it.
    pub name: String,
    /// The likeness from which on a prompt belongs to it.
    pub at: f64,
    /// How many examples it was learned from.
    pub examples: usize,
    /// What each slot's words say for the topic: the logarithm of how much more often they stand in its prompts.
    odds: Vec<f32>,
    /// What the words of any prompt say on average …
    anyone: f64,
    /// … and how much more those of the example in the middle say.
    span: f64,
}

/// Why examples make no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicError {
    /// Fewer than [`LEAST`] that have any words.
    TooFew,
    /// They have no more in common than any prompts have.
    Unlike,
}

impl std::fmt::Display for TopicError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew => write!(f, "fewer than {LEAST} examples"),
            Self::Unlike => f.write_str("the examples have no more in common than any prompts have"),
        }
    }
}

impl PromptTopic {
    /// Learns a topic from examples of its prompts and of `others`, and takes prompts for its own from the likeness `at`
    /// on.
    ///
    /// # Errors
    /// When there are too few examples, or they have nothing in common.
    pub fn learn(
        name: &str,
        examples: &[Features],
        others: &[Features],
        at: f64,
    ) -> Result<Self, TopicError> {
        let spoken = |examples: &'_ [Features]| {
            examples
                .iter()
                .filter(|example| !example.grams.is_empty())
                .take(MOST)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (examples, others) = (spoken(examples), spoken(others));
        if examples.len() < LEAST {
            return Err(TopicError::TooFew);
        }
        let elsewhere = elsewhere(&others);
        let counts = counts(&examples);
        let of = |slot: usize, count, all| odds(elsewhere[slot], count, all);
        // Each example as the rest would judge it: what it adds to the counts is taken away again.
        let rest = examples.len() - 1;
        let apart = |example: &Features| mean(example, |slot| of(slot, counts[slot].saturating_sub(1), rest));
        let mut apart: Vec<f64> = examples.iter().map(apart).collect();
        apart.sort_by(f64::total_cmp);
        let odds: Vec<f32> = (0..SLOTS).map(|slot| of(slot, counts[slot], examples.len()) as f32).collect();
        let anyone = anyone(&odds, &elsewhere);
        let span = apart[apart.len() / 2] - anyone;
        if span <= 0.0 {
            return Err(TopicError::Unlike);
        }
        Ok(Self { name: name.to_owned(), at, examples: examples.len(), odds, anyone, span })
    }

    /// How alike a prompt is to the topic's: 0 as any prompt, 1 as the example in the middle, judged by the others.
    pub fn likeness(&self, features: &Features) -> f64 {
        if features.grams.is_empty() {
            return 0.0;
        }
        (mean(features, |slot| f64::from(self.odds[slot])) - self.anyone) / self.span
    }
}

/// In how many of these each slot's words stand.
fn counts(examples: &[Features]) -> Vec<u32> {
    let mut counts = vec![0u32; SLOTS];
    for gram in examples.iter().flat_map(|example| &example.grams) {
        counts[gram.slot()] += 1;
    }
    counts
}

/// In what share of prompts each slot's words stand that are not of the topic.
fn elsewhere(others: &[Features]) -> Vec<f64> {
    let counts = counts(others);
    let share = |(slot, count): (usize, &u32)| {
        (f64::from(*count) + DOUBT * default_scorer().lens.commonness(slot)) / (others.len() as f64 + DOUBT)
    };
    counts.iter().enumerate().map(share).collect()
}

/// What a word says that stands in `count` of `all` examples, and elsewhere in this share of prompts.
fn odds(elsewhere: f64, count: u32, all: usize) -> f64 {
    let here = (f64::from(count) + DOUBT * elsewhere) / (all as f64 + DOUBT);
    ln(here / elsewhere).clamp(-LOUDEST, LOUDEST)
}

fn mean(features: &Features, odds: impl Fn(usize) -> f64) -> f64 {
    features.grams.iter().map(|gram| odds(gram.slot())).sum::<f64>() / features.grams.len().max(1) as f64
}

/// What the words of a prompt say on average that is not of the topic: each as often as it stands there.
fn anyone(odds: &[f32], elsewhere: &[f64]) -> f64 {
    let said: f64 = odds.iter().zip(elsewhere).map(|(odds, share)| share * f64::from(*odds)).sum();
    said / elsewhere.iter().sum::<f64>()
}

/// The topic that a prompt belongs to: of those that it is alike enough, the one that it is most alike.
pub fn topic_of<'a, T: AsRef<PromptTopic>>(topics: &'a [T], features: &Features) -> Option<&'a PromptTopic> {
    let judged = topics.iter().map(AsRef::as_ref).map(|topic| (topic, topic.likeness(features)));
    let alike = judged.filter(|(topic, likeness)| *likeness >= topic.at);
    alike.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(topic, _)| topic)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scoring::features::Prompt;

    fn features(texts: &[&str]) -> Vec<Features> {
        texts.iter().map(|text| Features::of(&Prompt::from_text(*text))).collect()
    }

    const LAW: [&str; 6] = [
        "The plaintiff sued the defendant for breach of contract. Did the court rule correctly?",
        "A defendant was charged with burglary. Which defence has the court to consider?",
        "The buyer claims that the contract is void. What remedy may the plaintiff seek?",
        "Is a landlord liable in tort when a tenant is injured by a defect of the premises?",
        "The state enacted a statute that bans the sale. Is the statute constitutional?",
        "Can the plaintiff recover damages from the defendant under the contract?",
    ];
    const COOKING: [&str; 6] = [
        "How long do I simmer the tomato sauce with garlic and basil?",
        "Which flour makes the best pizza dough, and how long does the dough rest?",
        "My soup is too salty. Which ingredients rescue the soup?",
        "Give me a recipe for roast chicken with lemon, garlic and thyme.",
        "How do I keep the sauce from splitting when I add the cream?",
        "Can I replace butter by olive oil in the dough of this recipe?",
    ];

    #[test]
    fn tells_its_prompts_from_others() {
        let learn = |name, texts, others| {
            Arc::new(PromptTopic::learn(name, &features(texts), &features(others), ALIKE).unwrap())
        };
        let topics = [learn("law", &LAW, &COOKING), learn("cooking", &COOKING, &LAW)];
        let check = |text: &str, expected: Option<&str>| {
            let features = Features::of(&Prompt::from_text(text));
            let found = topic_of(&topics, &features).map(|topic| topic.name.as_str());
            assert_eq!(
                found,
                expected,
                "{text}: {:?}",
                [topics[0].likeness(&features), topics[1].likeness(&features)]
            );
        };
        check("The defendant broke the contract. May the plaintiff claim damages in court?", Some("law"));
        check("How long do I simmer a soup with garlic?", Some("cooking"));
        check("Write a function that sorts an array of integers.", None);
        check("请介绍一下量子计算。", None);
        check("", None);
    }

    #[test]
    fn a_topic_needs_examples_with_something_in_common() {
        assert_eq!(
            PromptTopic::learn("law", &features(&LAW[..4]), &[], ALIKE).err(),
            Some(TopicError::TooFew)
        );
        assert_eq!(
            PromptTopic::learn("law", &features(&["", " ", "\n", "", ""]), &[], ALIKE).err(),
            Some(TopicError::TooFew)
        );
        let same = || PromptTopic::learn("law", &features(&LAW), &features(&COOKING), ALIKE);
        assert_eq!(same(), same());
    }
}
