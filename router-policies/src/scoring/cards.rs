//! Cards of the catalogue's models: how likely each suffices, by kind of question, from its own answers to an exam.

mod fitted;

use super::class_predictions::Probability;
use super::kinds::{ELSEWHERE, KINDS, SHARES};
pub use fitted::CARDS;

/// What a model did in one kind of question. Drawn to what it did in all of them where there were few.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindCard {
    /// The share of its answers that were right, 0..=1.
    pub suffices: f32,
    /// The share of questions on which it and the catalogue's other carded model gave the same answer, 0..=1.
    pub agrees: f32,
    /// The mean length of its answers, in tokens.
    pub tokens: f32,
    /// The mean processor time of a question, in seconds of one core of the machine that the exam was taken on; compare
    /// models by their ratio.
    pub seconds: f32,
}

/// How long a model works on a prompt, by its card. Only ratios count: the seconds are those of the machine that the card was
/// made on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForeseenWork {
    /// Processor seconds that this prompt is foreseen to take.
    pub seconds: f64,
    /// Processor seconds that prompts take on the mean.
    pub usual: f64,
}

/// A model's card.
#[derive(Debug, PartialEq)]
pub struct ModelCard {
    /// The file of its weights, by which it is found.
    pub file: &'static str,
    /// How many questions it answered.
    pub questions: u32,
    /// Of prompts of no kind, the share of those that its class is foreseen to fail at which it suffices all the same,
    /// 0..=1: so a larger model of a class goes before a smaller one.
    pub beyond: f32,
    /// By kind, in the order of [`KIND_NAMES`](super::kinds::KIND_NAMES).
    pub kinds: [KindCard; KINDS],
}

/// The card of the model whose weights are in a file of this name, without regard to case.
pub fn card_of(file: &str) -> Option<&'static ModelCard> {
    CARDS.iter().find(|card| card.file.eq_ignore_ascii_case(file))
}

/// The card of the model that a server calls by this name, where the name leaves no doubt: that of the weights' file, or of
/// the maker's repository, with this quantisation or none; or Ollama's tag, whose default is this quantisation. Base
/// models and other quantisations have no card.
pub fn card_named(model: &str) -> Option<&'static ModelCard> {
    let name = model.rsplit(['/', '\\']).next().unwrap_or(model).to_ascii_lowercase();
    let name = name.strip_suffix(".gguf").or_else(|| name.strip_suffix("-gguf")).unwrap_or(&name);
    CARDS.iter().find(|card| {
        let stem = card.file.trim_end_matches(".gguf");
        let instruct = stem.trim_end_matches("-q4_k_m");
        // `qwen2.5-coder:0.5b`: without the colon it would be the base model's name.
        let tag = instruct.trim_end_matches("-instruct").rsplit_once('-');
        let (dashed, tagged) = (name.replacen(':', "-", 1), name.split_once(':'));
        dashed == stem || dashed == instruct || (tagged.is_some() && tagged == tag)
    })
}

impl ModelCard {
    /// How long the model works on a prompt of these kinds; on what is of none of them, as long as usual.
    pub fn work(&self, shares: &[f64; SHARES]) -> ForeseenWork {
        let seconds = |kind: &KindCard| f64::from(kind.seconds);
        let usual = self.kinds.iter().map(seconds).sum::<f64>() / KINDS as f64;
        let known = self.kinds.iter().zip(shares).map(|(kind, share)| share * seconds(kind));
        ForeseenWork { seconds: known.sum::<f64>() + shares[ELSEWHERE] * usual, usual }
    }

    /// The chance that the model suffices for a prompt of these kinds; of what is of none of them, what was `foreseen`
    /// of its class, and [`beyond`](Self::beyond).
    pub fn suffices(&self, shares: &[f64; SHARES], foreseen: Probability) -> Probability {
        let known = self.kinds.iter().zip(shares).map(|(card, share)| share * f64::from(card.suffices));
        let foreseen = foreseen.value() + f64::from(self.beyond) * (1.0 - foreseen.value());
        Probability::new(known.sum::<f64>() + shares[ELSEWHERE] * foreseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_file_and_hold_shares() {
        assert!(card_of("Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf").is_some());
        assert!(card_of("another.gguf").is_none());
        let [small, large] = [&CARDS[0], &CARDS[1]].map(|card| card.beyond);
        assert!(small == 0.0 && (0.05..0.5).contains(&large), "{small} {large}");
        for kind in CARDS.iter().flat_map(|card| &card.kinds) {
            assert!((0.0..=1.0).contains(&kind.suffices) && (0.0..=1.0).contains(&kind.agrees), "{kind:?}");
            assert!(kind.tokens > 0.0 && kind.seconds > 0.0, "{kind:?}");
        }
    }

    #[test]
    fn names_that_leave_no_doubt_have_a_card() {
        let check = |name: &str, expected: Option<usize>| {
            let found = card_named(name).map(|card| card.file);
            assert_eq!(found, expected.map(|at| CARDS[at].file), "{name}");
        };
        check("qwen2.5-coder:0.5b", Some(0));
        check("qwen2.5-coder:1.5b", Some(1));
        check("qwen2.5-coder:1.5b-instruct", Some(1));
        check("qwen2.5-coder:0.5b-instruct-q4_K_M", Some(0));
        check("qwen2.5-coder-0.5b-instruct", Some(0));
        check("Qwen/Qwen2.5-Coder-1.5B-Instruct", Some(1));
        check("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", Some(1));
        check("/models/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", Some(1));
        check(r"C:\models\Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf", Some(1));
        // Base models, other quantisations, other sizes, other families, models made of these.
        for other in [
            "Qwen/Qwen2.5-Coder-0.5B",
            "qwen2.5-coder-0.5b",
            "qwen2.5-coder:0.5b-base",
            "qwen2.5-coder:0.5b-instruct-q2_K",
            "qwen2.5-coder:latest",
            "qwen2.5-coder",
            "qwen2.5-coder:7b",
            "qwen2.5:0.5b",
            "qwen2.5-coder:0.5b:x",
            "my-qwen2.5-coder-0.5b-instruct",
            "qwen2.5-coder-0.5b-instruct-sql",
            "0.5b",
            "",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn what_is_of_no_kind_is_judged_without_a_card() {
        let mut shares = [0.0; SHARES];
        shares[ELSEWHERE] = 1.0;
        assert_eq!(CARDS[0].suffices(&shares, Probability::new(0.7)), Probability::new(0.7));
        shares[ELSEWHERE] = 0.0;
        shares[3] = 1.0;
        let sure = CARDS[0].suffices(&shares, Probability::new(0.7));
        assert_eq!(sure, Probability::new(CARDS[0].kinds[3].suffices.into()));
    }
}
