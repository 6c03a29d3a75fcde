//! Chooses the next token of one answer.
//!
//! In llama.cpp's order: bias and penalties, then top-k, top-p and min-p on what the model said, and
//! the temperature last, so that a high temperature never brings back what was left out.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::SamplingOptions;
use crate::constraint::TokenConstraint;
use crate::logprobs::SampledLogprobs;

/// How many tokens are tried at one place before the answer is given up: a constraint turns one away only where it begins.
const MOST_TRIES: usize = 64;

/// The sampling of one answer: its settings, its random numbers, and what it has said so far.
#[derive(Debug)]
pub(crate) struct TokenSampler {
    temperature: f32,
    top_p: f32,
    top_k: usize,
    min_p: f32,
    presence: f32,
    frequency: f32,
    repetition: f32,
    bias: Vec<(u32, f32)>,
    said: HashMap<u32, u32>,
    chance: SamplerRng,
    constraint: Option<TokenConstraint>,
    /// Kept between steps only for its memory.
    logits: Vec<f32>,
}

impl TokenSampler {
    /// A sampler with these settings; they were checked before.
    pub(crate) fn new(sampling: &SamplingOptions) -> Self {
        Self {
            temperature: sampling.temperature.unwrap_or(0.8),
            top_p: sampling.top_p.unwrap_or(0.95),
            top_k: sampling.top_k.map_or(40, |top_k| top_k as usize),
            min_p: sampling.min_p.unwrap_or(0.05),
            presence: sampling.presence_penalty.unwrap_or(0.0),
            frequency: sampling.frequency_penalty.unwrap_or(0.0),
            repetition: sampling.repetition_penalty.unwrap_or(1.0),
            bias: sampling.logit_bias.clone(),
            said: HashMap::new(),
            chance: SamplerRng::new(sampling.seed),
            constraint: None,
            logits: Vec::new(),
        }
    }

    /// The same, for an answer that is held to a grammar.
    pub(crate) fn constrained(self, constraint: Option<TokenConstraint>) -> Self {
        Self { constraint, ..self }
    }

    /// The next token, given the logits of the whole vocabulary, of which one at least is finite. `None`: the answer cannot be
    /// held to its grammar any more.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        let mut adjusted = std::mem::take(&mut self.logits);
        adjusted.clear();
        adjusted.extend_from_slice(logits);
        self.adjust(&mut adjusted);
        let token = self.constrain(logits, &mut adjusted).and_then(|()| self.choose_accepted(&mut adjusted));
        self.logits = adjusted;
        *self.said.entry(token?).or_default() += 1;
        token
    }

    /// Leaves those tokens only that the grammar allows.
    fn constrain(&mut self, logits: &[f32], adjusted: &mut [f32]) -> Option<()> {
        let Some(constraint) = &mut self.constraint else { return Some(()) };
        let Some(allowed) = constraint.allowed().ok()? else { return Some(()) };
        allowed.iter_unset_entries(|token| {
            if let Some(logit) = adjusted.get_mut(token) {
                *logit = f32::NEG_INFINITY;
            }
        });
        if adjusted.iter().all(|logit| *logit == f32::NEG_INFINITY) {
            // Every token that may come is banned by a bias: the grammar comes first.
            for (token, (logit, own)) in (0_u32..).zip(adjusted.iter_mut().zip(logits)) {
                *logit = if allowed.is_allowed(token) { own.max(f32::MIN) } else { f32::NEG_INFINITY };
            }
        }
        Some(())
    }

    fn choose_accepted(&mut self, adjusted: &mut [f32]) -> Option<u32> {
        for _ in 0..MOST_TRIES {
            let token = if self.temperature <= 0.0 { likeliest(adjusted) } else { self.draw(adjusted) };
            let Some(constraint) = &mut self.constraint else { return Some(token) };
            if constraint.accept(token).ok()? {
                return Some(token);
            }
            *adjusted.get_mut(token as usize)? = f32::NEG_INFINITY;
        }
        None
    }

    fn adjust(&self, logits: &mut [f32]) {
        for (token, bias) in &self.bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                // OpenAI: -100 should ban a token, whatever its logit.
                *logit = if *bias <= -100.0 { f32::NEG_INFINITY } else { *logit + bias };
            }
        }
        for (token, times) in &self.said {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit = if *logit > 0.0 { *logit / self.repetition } else { *logit * self.repetition };
                *logit -= self.presence + self.frequency * *times as f32;
            }
        }
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let kept = self.kept(logits);
        let best = kept.first().map_or(0.0, |(_, logit)| *logit);
        let weight = |logit: f32| f64::from((logit - best) / self.temperature).exp();
        let total: f64 = kept.iter().map(|(_, logit)| weight(*logit)).sum();
        let mut left = self.chance.draw() * total;
        for (token, logit) in &kept {
            left -= weight(*logit);
            if left < 0.0 {
                return *token;
            }
        }
        kept.first().map_or(0, |(token, _)| *token)
    }

    /// The tokens that may be drawn, likeliest first: at least one.
    fn kept(&self, logits: &[f32]) -> Vec<(u32, f32)> {
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // ln 0 is -inf, which leaves out banned tokens only.
        let floor = (best + self.min_p.ln()).max(f32::MIN);
        let mut kept: Vec<(u32, f32)> =
            (0_u32..).zip(logits.iter().copied()).filter(|(_, logit)| *logit >= floor.min(best)).collect();
        let by_logit = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if self.top_k > 0 && self.top_k < kept.len() {
            kept.select_nth_unstable_by(self.top_k - 1, by_logit);
            kept.truncate(self.top_k);
        }
        kept.sort_unstable_by(by_logit);
        if self.top_p < 1.0 {
            let values: Vec<f32> = kept.iter().map(|(_, logit)| *logit).collect();
            kept.truncate(nucleus(&values, self.top_p));
        }
        kept
    }
}

/// How many of these logits, likeliest first, have together this much probability: at least one.
fn nucleus(logits: &[f32], top_p: f32) -> usize {
    let Some(odds) = SampledLogprobs::of(logits) else { return 1 };
    let mut sum = 0.0;
    for (index, logit) in logits.iter().enumerate() {
        sum += odds.logprob(*logit).exp();
        if sum >= top_p {
            return index + 1;
        }
    }
    logits.len().max(1)
}

fn likeliest(logits: &[f32]) -> u32 {
    let ahead = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
    (0_u32..).zip(logits.iter().copied()).fold((0, f32::NEG_INFINITY), ahead).0
}

/// Random numbers by SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug)]
struct SamplerRng(u64);

impl SamplerRng {
    /// From this seed, else from the keys that the standard library draws for its hash maps.
    fn new(seed: Option<u64>) -> Self {
        Self(seed.unwrap_or_else(|| RandomState::new().hash_one(0)))
    }

    /// Uniform in 0..1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: SamplingOptions = SamplingOptions {
        temperature: Some(1.0),
        top_p: Some(1.0),
        top_k: Some(0),
        min_p: Some(0.0),
        seed: Some(1),
        presence_penalty: None,
        frequency_penalty: None,
        repetition_penalty: None,
        logit_bias: Vec::new(),
    };

    /// Which tokens ever come in 2000 draws without a history.
    #[track_caller]
    fn check(sampling: &SamplingOptions, logits: &[f32], expected: &[u32]) {
        let mut sampler = TokenSampler::new(sampling);
        let mut seen: Vec<u32> = (0..2000)
            .map(|_| {
                sampler.said.clear();
                sampler.choose(logits).unwrap()
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, expected);
    }

    #[test]
    fn leaves_out() {
        // Probabilities 0.4, 0.3, 0.2, 0.1.
        let logits = [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln);
        check(&OPEN, &logits, &[0, 1, 2, 3]);
        check(&SamplingOptions { temperature: Some(0.0), ..OPEN }, &logits, &[0]);
        check(&SamplingOptions { top_k: Some(2), ..OPEN }, &logits, &[0, 1]);
        check(&SamplingOptions { top_k: Some(9), ..OPEN }, &logits, &[0, 1, 2, 3]);
        check(&SamplingOptions { top_p: Some(0.39), ..OPEN }, &logits, &[0]);
        check(&SamplingOptions { top_p: Some(0.65), ..OPEN }, &logits, &[0, 1]);
        check(&SamplingOptions { min_p: Some(0.4), ..OPEN }, &logits, &[0, 1, 2]);
        check(&SamplingOptions { min_p: Some(1.0), ..OPEN }, &logits, &[0]);
        check(&SamplingOptions { logit_bias: vec![(0, -100.0), (9, 5.0)], ..OPEN }, &logits, &[1, 2, 3]);
        check(&SamplingOptions { logit_bias: vec![(3, 100.0)], ..OPEN }, &logits, &[3]);
        check(&OPEN, &[1.0, f32::NEG_INFINITY, 1.0], &[0, 2]);
    }

    #[test]
    fn draws_as_often_as_the_odds_say() {
        let logits = [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln);
        let mut sampler = TokenSampler::new(&OPEN);
        let mut counts = [0_u32; 4];
        for _ in 0..40_000 {
            counts[sampler.choose(&logits).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([16_000_i64, 12_000, 8_000, 4_000]) {
            assert!((i64::from(*count) - expected).abs() < 500, "{counts:?}");
        }
    }

    #[test]
    fn penalties_turn_it_away_from_what_it_said() {
        let greedy = SamplingOptions { temperature: Some(0.0), ..OPEN };
        let said = |sampling: SamplingOptions, logits: &[f32], times: usize| {
            let mut sampler = TokenSampler::new(&sampling);
            (0..times).map(|_| sampler.choose(logits).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(said(greedy.clone(), &[2.0, 1.0], 3), [0, 0, 0]);
        let presence = SamplingOptions { presence_penalty: Some(1.5), ..greedy.clone() };
        assert_eq!(said(presence, &[2.0, 1.0], 3), [0, 1, 0]);
        let frequency = SamplingOptions { frequency_penalty: Some(0.4), ..greedy.clone() };
        assert_eq!(said(frequency, &[2.0, 1.0], 5), [0, 0, 0, 1, 0]);
        let repetition = SamplingOptions { repetition_penalty: Some(2.0), ..greedy.clone() };
        assert_eq!(said(repetition.clone(), &[2.0, 1.5], 2), [0, 1]);
        assert_eq!(said(repetition, &[-1.0, -1.5], 2), [0, 1]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draws = |seed| {
            let mut sampler = TokenSampler::new(&SamplingOptions { seed, ..OPEN });
            (0..50).map(|_| sampler.choose(&[0.0; 100])).collect::<Vec<_>>()
        };
        assert_eq!(draws(Some(7)), draws(Some(7)));
        assert_ne!(draws(Some(7)), draws(Some(8)));
        assert_ne!(draws(None), draws(None));
    }

    proptest! {
        #[test]
        fn always_chooses_a_token_that_may_come(
            logits in proptest::collection::vec(-30.0_f32..30.0, 1..200),
            temperature in 0.0_f32..2.0, top_p in 0.01_f32..=1.0, top_k in 0_u32..50, min_p in 0.0_f32..=1.0,
            seed in any::<u64>(),
        ) {
            let sampling = SamplingOptions {
                temperature: Some(temperature), top_p: Some(top_p), top_k: Some(top_k), min_p: Some(min_p),
                seed: Some(seed), ..OPEN
            };
            let token = TokenSampler::new(&sampling).choose(&logits).unwrap() as usize;
            prop_assert!(token < logits.len());
            let rank = logits.iter().filter(|logit| **logit > logits[token]).count();
            prop_assert!(top_k == 0 || rank < top_k as usize);
        }
    }
}
