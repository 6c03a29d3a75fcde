//! What is asked: real prompts, what the scorer foresees of them, and how good answers to them were.

use std::path::Path;

use router_policies::ladder_prediction::{LadderModel, LadderPrediction};
use router_policies::scorers::default_scorer;
use router_policies::scoring::random::SplitMix64;
use router_policies::{Features, ModelClass, Prompt};
use serde_json::Value;

use crate::questions::read;

/// A prompt; of both numbers the first is the small model's, the second the large one's.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The text.
    pub text: String,
    /// The chance that an answer suffices, as the gateway foresees it.
    pub suffices: [f64; 2],
    /// How good the models' answers were, 0..=1; `None` where nobody looked.
    pub labels: Option<[f64; 2]>,
}

/// The class that each model of the ladder resembles.
pub const CLASSES: [ModelClass; 2] = [ModelClass::Small, ModelClass::Frontier];

/// Sources of the labelled data, with the names of their small and their large model.
const SOURCES: [(&str, &str, &str); 3] = [
    ("routellm", "weak:mixtral-8x7b", "strong:gpt-4-1106"),
    ("gaokao", "gpt-3.5-turbo", "gpt-4-0314"),
    ("zeroeval", "Meta-Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06"),
];

/// All prompts in an order drawn by `seed`: those of the labelled data, or, without it, the repository's own.
///
/// # Errors
/// A file that cannot be read.
pub fn prompts(data: Option<&Path>, seed: u64) -> Result<Vec<Asked>, String> {
    let mut all = match data {
        Some(data) => labelled(data)?,
        None => own(),
    };
    let mut draws = SplitMix64(seed);
    for at in (1..all.len()).rev() {
        all.swap(at, draws.below(at + 1));
    }
    Ok(all)
}

fn own() -> Vec<Asked> {
    let rows = include_str!("../../../router-policies/testdata/prompts.jsonl").lines();
    let rows = rows.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    rows.filter_map(|row| Some(asked(row["prompt"].as_str()?, None))).collect()
}

fn labelled(data: &Path) -> Result<Vec<Asked>, String> {
    let mut all = Vec::new();
    for (source, small, large) in SOURCES {
        let rows = read(&data.join(format!("{source}.jsonl.gz")))?;
        // RouteLLM leaves these out of its evaluation.
        let rows = rows.iter().filter(|row| row["contaminated"] != true);
        all.extend(rows.filter_map(|row| {
            let labels = [row["scores"][small].as_f64()?, row["scores"][large].as_f64()?];
            Some(asked(row["query"].as_str()?, Some(labels)))
        }));
    }
    Ok(all)
}

fn asked(text: &str, labels: Option<[f64; 2]>) -> Asked {
    let features = Features::of(&Prompt::from_text(text));
    let foresight = LadderPrediction::of(
        default_scorer(),
        None,
        &CLASSES.map(|class| LadderModel { class, card: None }),
        &features,
    );
    let suffices = [0, 1].map(|at: usize| foresight.rungs.get(at).map_or(0.0, |chance| chance.value()));
    Asked { text: text.to_owned(), suffices, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_order() {
        let texts =
            |seed| prompts(None, seed).unwrap().into_iter().map(|prompt| prompt.text).collect::<Vec<_>>();
        let (one, other) = (texts(1), texts(2));
        assert_eq!(one, texts(1));
        assert_ne!(one, other);
        assert_eq!(one.len(), 700);
    }
}
