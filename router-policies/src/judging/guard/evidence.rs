//! What the tokens of an answer say of it: figures of those seen so far.

use crate::scoring::numbers::{exp, ln};

/// Figures of the tokens seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TokenEvidence {
    /// Tokens whose log-probability is known; of none the rest says nothing.
    pub tokens: u32,
    /// The mean of their log-probabilities.
    pub mean: f64,
    /// The lowest of them.
    pub lowest: f64,
    /// How far the likeliest token was ahead of the next, in log-probability, on the mean of those of which that is known.
    pub margin: Option<f64>,
    /// Entropy of the first token, in nats, all but the two likeliest taken as one; where they are known.
    pub entropy: Option<f64>,
    /// How many `margin` is the mean of.
    margins: u32,
}

impl TokenEvidence {
    /// Of the figures themselves.
    pub fn of(tokens: u32, mean: f64, lowest: f64, margin: Option<f64>, entropy: Option<f64>) -> Self {
        Self { tokens, mean, lowest, margin, entropy, margins: margin.map_or(0, |_| tokens) }
    }

    /// Takes note of further tokens: their log-probabilities, and those of the two likeliest in place of each, where they
    /// are known.
    pub fn add(&mut self, logprobs: &[f64], likeliest: &[[f64; 2]]) {
        if self.tokens == 0 && !logprobs.is_empty() {
            self.entropy = likeliest.first().map(|&two| entropy(two));
        }
        for &logprob in logprobs {
            self.tokens = self.tokens.saturating_add(1);
            self.mean += (logprob - self.mean) / f64::from(self.tokens);
            self.lowest = self.lowest.min(logprob);
        }
        for [first, second] in likeliest {
            self.margins = self.margins.saturating_add(1);
            let mean = self.margin.unwrap_or_default();
            self.margin = Some(mean + (first - second - mean) / f64::from(self.margins));
        }
    }
}

/// Of a choice between two tokens and the rest.
fn entropy(logprobs: [f64; 2]) -> f64 {
    let two = logprobs.map(|logprob| exp(logprob.min(0.0)));
    let rest = (1.0 - two[0] - two[1]).max(0.0);
    -[two[0], two[1], rest].into_iter().filter(|&p| p > 1e-9).map(|p| p * ln(p)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_all_tokens_however_they_come() {
        let (logprobs, likeliest) = ([-0.5, -0.1, -1.2], [[-0.5, -1.5], [-0.1, -3.1], [-1.2, -1.3]]);
        let mut at_once = TokenEvidence::default();
        at_once.add(&logprobs, &likeliest);
        let mut by_and_by = TokenEvidence::default();
        for (logprob, two) in logprobs.iter().zip(&likeliest) {
            by_and_by.add(&[*logprob], &[*two]);
        }
        assert_eq!(at_once, by_and_by);
        assert!((at_once.mean + 0.6).abs() < 1e-12 && at_once.lowest == -1.2, "{at_once:?}");
        assert!((at_once.margin.unwrap() - (1.0 + 3.0 + 0.1) / 3.0).abs() < 1e-12, "{at_once:?}");
        let mut bare = TokenEvidence::default();
        bare.add(&logprobs, &[]);
        assert_eq!((bare.mean, bare.margin, bare.entropy), (at_once.mean, None, None));
    }

    #[test]
    fn the_first_token_has_an_entropy() {
        let half = ln(0.5);
        assert!((entropy([half, half]) - ln(2.0)).abs() < 1e-9);
        assert!((entropy([ln(0.25), ln(0.25)]) - 1.5 * ln(2.0)).abs() < 1e-9);
        assert!(entropy([0.0, -40.0]) < 1e-9);
    }
}
