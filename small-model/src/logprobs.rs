//! What the logits of one step say: how likely, how sure, and what else there was.

/// A token and the model's log-probability for it.
pub(crate) type RankedTokens = (u32, f32);

/// A summary of one step's distribution, taken before any penalty, temperature or truncation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampledLogprobs {
    /// Log of the sum of all exponentials: a logit less this is a log-probability.
    norm: f32,
    /// Log-probability of the likeliest token less that of the runner-up; a banned runner-up counts as
    /// 1000 behind, so that it stays a number that JSON can say.
    pub(crate) margin: f32,
    /// In nats.
    pub(crate) entropy: f32,
}

impl SampledLogprobs {
    /// Reads the logits of a whole vocabulary, at least two; `None` when none of them is finite.
    pub(crate) fn of(logits: &[f32]) -> Option<Self> {
        let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        for &logit in logits {
            if logit > best {
                (best, second) = (logit, best);
            } else if logit > second {
                second = logit;
            }
        }
        if !best.is_finite() {
            return None;
        }
        // With d = logit - best: entropy = ln Σ exp d - Σ d·exp d / Σ exp d. In f64, as a hundred
        // thousand small terms add up.
        let (mut sum, mut weighted) = (0.0_f64, 0.0_f64);
        for &logit in logits {
            let distance = logit - best;
            if distance > -60.0 {
                let share = f64::from(distance.exp());
                sum += share;
                weighted += share * f64::from(distance);
            }
        }
        let entropy = sum.ln() - weighted / sum;
        Some(Self {
            norm: best + sum.ln() as f32,
            margin: (best - second).min(1000.0),
            entropy: entropy.max(0.0) as f32,
        })
    }

    /// Log-probability of a token with this logit, 0 or less.
    pub(crate) fn logprob(&self, logit: f32) -> f32 {
        (logit - self.norm).min(0.0)
    }

    /// The `count` likeliest tokens, likeliest first; equal ones in the order of their ids.
    pub(crate) fn top(&self, logits: &[f32], count: usize) -> Vec<RankedTokens> {
        let mut top: Vec<RankedTokens> = Vec::with_capacity(count + 1);
        for (token, &logit) in (0_u32..).zip(logits) {
            if top.len() < count || top.last().is_some_and(|(_, least)| logit > *least) {
                let at = top.partition_point(|(_, other)| *other >= logit);
                top.insert(at, (token, logit));
                top.truncate(count);
            }
        }
        for (_, value) in &mut top {
            *value = self.logprob(*value);
        }
        top
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(logits: &[f32], logprobs: &[f32], margin: f32, entropy: f32) {
        let odds = SampledLogprobs::of(logits).unwrap();
        for (logit, expected) in logits.iter().zip(logprobs) {
            assert!((odds.logprob(*logit) - expected).abs() < 1e-4, "{odds:?}");
        }
        assert!((odds.margin - margin).abs() < 1e-4, "{odds:?}");
        assert!((odds.entropy - entropy).abs() < 1e-4, "{odds:?}");
    }

    #[test]
    fn summarises() {
        check(&[0.0, 0.0], &[-LN_2; 2], 0.0, LN_2);
        check(&[5.0; 4], &[-1.386_294; 4], 0.0, 1.386_294);
        check(&[100.0, 0.0], &[0.0, -100.0], 100.0, 0.0);
        check(&[3_f32.ln(), 0.0], &[0.75_f32.ln(), 0.25_f32.ln()], 3_f32.ln(), 0.562_335);
        check(&[-1000.0, -1000.0], &[-LN_2; 2], 0.0, LN_2);
        check(&[1.0, f32::NEG_INFINITY], &[0.0], 1000.0, 0.0);
        assert_eq!(SampledLogprobs::of(&[f32::NAN, f32::NAN]), None);
        assert_eq!(SampledLogprobs::of(&[f32::NEG_INFINITY; 3]), None);
    }

    #[test]
    fn ranks() {
        let logits = [1.0, 3.0, 2.0, 3.0];
        let odds = SampledLogprobs::of(&logits).unwrap();
        let order = |count| odds.top(&logits, count).iter().map(|(token, _)| *token).collect::<Vec<_>>();
        assert!(order(0).is_empty());
        assert_eq!(order(1), [1]);
        assert_eq!(order(3), [1, 3, 2]);
        assert_eq!(order(9), [1, 3, 2, 0]);
    }

    proptest! {
        #[test]
        fn is_a_distribution(logits in proptest::collection::vec(-40.0_f32..40.0, 2..300)) {
            let odds = SampledLogprobs::of(&logits).unwrap();
            let sum: f64 = logits.iter().map(|logit| f64::from(odds.logprob(*logit)).exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-3, "{}", sum);
            prop_assert!(odds.margin >= 0.0);
            prop_assert!(odds.entropy >= 0.0 && odds.entropy <= (logits.len() as f32).ln() + 1e-3);
            let top = odds.top(&logits, 5);
            prop_assert!(top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
    }
}
