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

/// A model's card.
#[derive(Debug, PartialEq)]
pub struct ModelCard {
    /// The file of its weights, by which it is found.
    pub file: &'static str,
    /// How many questions it answered.
    pub questions: u32,
    /// By kind, in the order of [`KIND_NAMES`](super::kinds::KIND_NAMES).
    pub kinds: [KindCard; KINDS],
}

/// The card of the model whose weights are in a file of this name, without regard to case.
pub fn card_of(file: &str) -> Option<&'static ModelCard> {
    CARDS.iter().find(|card| card.file.eq_ignore_ascii_case(file))
}

impl ModelCard {
    /// The chance that the model suffices for a prompt of these kinds; of what is of none of them, what was `foreseen`
    /// without a card.
    pub fn suffices(&self, shares: &[f64; SHARES], foreseen: Probability) -> Probability {
        let known = self.kinds.iter().zip(shares).map(|(card, share)| share * f64::from(card.suffices));
        Probability::new(known.sum::<f64>() + shares[ELSEWHERE] * foreseen.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_file_and_hold_shares() {
        assert!(card_of("Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf").is_some());
        assert!(card_of("another.gguf").is_none());
        for kind in CARDS.iter().flat_map(|card| &card.kinds) {
            assert!((0.0..=1.0).contains(&kind.suffices) && (0.0..=1.0).contains(&kind.agrees), "{kind:?}");
            assert!(kind.tokens > 0.0 && kind.seconds > 0.0, "{kind:?}");
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
