//! The scorer that ships with the product: experts for the kinds of prompts that labels were had for, a gate that
//! tells which of them a prompt belongs to, and a topic prior for the rest.

use super::Scorer;
use super::hold_out_index::HoldOutIndex;
use super::prior::{expect, plain_small};
use super::stacked_heads::{MOST, StackedHeads};
use crate::scoring::bytes::{ByteReader, ByteWriter, checksum};
use crate::scoring::class_predictions::{ClassPredictions, ModelClass, Probability};
use crate::scoring::feature_transform::{FeatureTransform, FeatureVector, Standardizer};
use crate::scoring::features::Features;
use crate::scoring::features::HashedGram;
use crate::scoring::numbers::{exp, logistic};
use crate::scoring::score_reasons::{ReasonFeature, ReasonSums, ScoreReasons};

/// How much of a prompt's level is the prior's at least, however familiar the prompt. Labels of short questions come from sets
/// that ask for rare facts and compare letter by letter; without this, small talk about common facts looked hard.
pub const SHARE_OF_PRIOR: f64 = 0.35;

/// The version of the format and of the features that the weights belong to.
pub const VERSION: u32 = 1;
const MAGIC: &[u8; 4] = b"XTSC";
/// How sharply the gate tells kinds apart: its heads are near 0 or 1.
const SHARPNESS: f64 = 12.0;
/// Experts with a smaller share than this are not asked.
const NEGLIGIBLE: f64 = 0.03;
/// Bits of a gram's hash in the record of grams seen in training.
const SEEN_BITS: u32 = 20;

/// What one expert knows.
#[derive(Debug, Clone)]
pub struct Expert {
    /// The kind of prompts, such as `exam`.
    pub name: String,
    /// Four heads: the level of small models, and the gain of tiny, medium and frontier ones over them.
    pub heads: StackedHeads,
    /// What is usual of readable features among its prompts.
    pub gauge: Standardizer,
    /// Heads to probabilities.
    pub scale: ProbabilityScale,
    /// The share of seen grams below which a prompt is nothing like its own, and above which it is wholly so.
    pub cover: [f32; 2],
}

/// How the heads of an expert become probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProbabilityScale {
    /// Intercept and slope of the small models' logit on the level head.
    pub level: [f32; 2],
    /// Each class's gain (tiny, medium, frontier): intercept, slope on its head, slope on the level head. Where gains
    /// are noisy, difficulty speaks for them.
    pub gains: [[f32; 3]; 3],
}

/// What an expert, or all of them, foresee.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ExpertForecast {
    /// The chance that a small model suffices.
    pub small: f64,
    /// What tiny, medium and frontier models add to that; may be negative.
    pub gains: [f64; 3],
}

/// The shipped scorer.
#[derive(Debug, Clone)]
pub struct DefaultScorer {
    /// What it was fitted on, one line a file.
    pub data: Vec<String>,
    /// How it looks at prompts.
    pub lens: FeatureTransform,
    /// What is usual of readable features among all prompts.
    pub gauge: Standardizer,
    /// Which grams were seen in training, a bit each.
    pub seen: SeenGrams,
    /// Heads that tell the experts' kinds apart, and one more for prompts of no such kind.
    pub gate: StackedHeads,
    /// The experts, in the gate's order.
    pub experts: Vec<Expert>,
    /// What it would say of its training prompts, had it not seen them.
    pub memory: HoldOutIndex,
}

/// A prompt, looked at from all sides.
#[derive(Debug, Clone)]
pub struct PromptView {
    /// As the lens shows it; by whose gauge is left open.
    pub sight: FeatureVector,
    /// Everything taken together.
    pub outlook: ExpertForecast,
    /// How close it is to what the scorer was fitted on, 0..=1.
    pub familiarity: f64,
    /// What moved its difficulty most.
    pub reasons: ScoreReasons,
}

impl DefaultScorer {
    /// Looks at a prompt.
    pub fn view(&self, features: &Features) -> PromptView {
        self.view_with(features, None)
    }

    /// Looks at a labelled prompt as if it had not been trained on; for fits and measurements on such prompts.
    pub fn view_unseen(&self, features: &Features) -> PromptView {
        self.view_with(features, self.memory.recall(features))
    }

    /// What it would foresee of a prompt of this familiarity, 0..=1: 1 trusts the experts alone, 0 the prior alone. To
    /// measure what familiarity is worth.
    pub fn outlook_trusting(&self, features: &Features, familiarity: f64) -> ExpertForecast {
        let mut sight = self.lens.see(features, &self.gauge);
        let shares = self.shares(&sight);
        self.outlook(features, &mut sight, &shares, familiarity, None).0
    }

    fn view_with(&self, features: &Features, recalled: Option<[f64; 4]>) -> PromptView {
        let mut sight = self.lens.see(features, &self.gauge);
        let shares = self.shares(&sight);
        let seen = self.seen.share(&features.grams);
        // Squared: a gate that wavers between kinds has found none.
        let homes =
            self.experts.iter().zip(&shares).map(|(expert, share)| share * share * expert.covers(seen));
        let familiarity = homes.sum::<f64>().clamp(0.0, 1.0);
        let (outlook, reasons) = self.outlook(features, &mut sight, &shares, familiarity, recalled);
        PromptView { sight, outlook, familiarity, reasons }
    }

    fn outlook(
        &self,
        features: &Features,
        sight: &mut FeatureVector,
        shares: &[f64; MOST],
        familiarity: f64,
        recalled: Option<[f64; 4]>,
    ) -> (ExpertForecast, ScoreReasons) {
        let asked = || self.experts.iter().zip(shares).filter(|(_, share)| **share >= NEGLIGIBLE);
        let all: f64 = asked().map(|(_, share)| share).sum();
        let prior = expect(features);
        // Between the classes the prior knows only an order.
        let mut mixed =
            ExpertForecast { small: prior.small, gains: [-0.8, 0.6, 1.0].map(|part| part * prior.gain) };
        let stranger = if all > 0.0 { 1.0 - familiarity } else { 1.0 };
        mixed.scale(stranger);
        // The level, unlike the order, depends on how strictly a source marked its answers: part of it stays with the
        // prior.
        let kept = prior.share(SHARE_OF_PRIOR);
        let mut sums = ReasonSums::new();
        prior.explain(stranger + (1.0 - stranger) * kept, &mut sums);
        // Gates are nearly always sure of prompts they were trained on: the first expert is the one recalled.
        let first = asked().map(|(_, share)| *share).fold(0.0, f64::max);
        for (expert, share) in asked() {
            let outlook = match recalled {
                Some([level, gains @ ..]) if *share == first => expert.scale.outlook(level, gains),
                _ => {
                    self.lens.regauge(sight, features, &expert.gauge);
                    expert.outlook(sight)
                }
            };
            let share = share / all * (1.0 - stranger);
            mixed.add(&outlook, share);
            let apart = (1.0 - kept) * share * (plain_small() - outlook.small);
            sums.add(ReasonFeature::of_expert(&expert.name), apart);
        }
        mixed.small += kept * (prior.small - mixed.small);
        (mixed, sums.strongest())
    }

    /// The gate's shares: of each expert, then of no kind.
    pub fn shares(&self, sight: &FeatureVector) -> [f64; MOST] {
        let kinds = self.experts.len() + 1;
        let mut shares = self.gate.values(sight);
        shares[kinds..].fill(0.0);
        shares[..kinds].iter_mut().for_each(|share| *share = exp(SHARPNESS * *share));
        let sum: f64 = shares[..kinds].iter().sum();
        shares[..kinds].iter_mut().for_each(|share| *share /= sum);
        shares
    }

    /// As bytes: magic, version, checksum of the rest, the rest.
    pub fn write(&self) -> Vec<u8> {
        let mut body = ByteWriter::default();
        body.text(&self.data.join("\n"));
        self.lens.write(&mut body);
        self.gauge.write(&mut body);
        body.bytes(&self.seen.0);
        self.gate.write(&mut body);
        body.number(self.experts.len() as u32);
        for expert in &self.experts {
            body.text(&expert.name);
            expert.heads.write(&mut body);
            expert.gauge.write(&mut body);
            body.floats(&expert.scale.floats());
            body.floats(&expert.cover);
        }
        self.memory.write(&mut body);
        let mut all = ByteWriter::default();
        all.bytes(MAGIC);
        all.number(VERSION);
        all.bytes(&checksum(&body.0).to_le_bytes());
        all.bytes(&body.0);
        all.0
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are no weights, of another version, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, BadWeights> {
        let mut from = ByteReader(bytes);
        if from.bytes(4) != Some(MAGIC) {
            return Err(BadWeights::Foreign);
        }
        match from.number() {
            Some(VERSION) => {}
            found => return Err(BadWeights::Version(found.unwrap_or_default())),
        }
        let sum = from.bytes(8).map(<[u8]>::to_vec);
        if sum != Some(checksum(from.0).to_le_bytes().to_vec()) {
            return Err(BadWeights::Damaged);
        }
        Self::body(&mut from).ok_or(BadWeights::Damaged)
    }

    fn body(from: &mut ByteReader<'_>) -> Option<Self> {
        let data = from.text()?.lines().map(str::to_owned).collect();
        let lens = FeatureTransform::read(from)?;
        let gauge = Standardizer::read(from)?;
        let seen = SeenGrams(from.bytes(1 << (SEEN_BITS - 3))?.to_vec());
        let gate = StackedHeads::read(from)?;
        let count = from.number()? as usize;
        let mut experts = Vec::new();
        for _ in 0..count.min(MOST - 1) {
            let name = from.text()?;
            let heads = StackedHeads::read(from)?;
            let gauge = Standardizer::read(from)?;
            let scale = ProbabilityScale::from_floats(&from.floats(11)?)?;
            let cover = from.floats(2)?.try_into().ok()?;
            experts.push(Expert { name, heads, gauge, scale, cover });
        }
        let memory = HoldOutIndex::read(from)?;
        Some(Self { data, lens, gauge, seen, gate, experts, memory })
    }
}

impl Scorer for DefaultScorer {
    fn predict(&self, features: &Features) -> ClassPredictions {
        let view = self.view(features);
        ClassPredictions { suffices: view.outlook.chances(), familiarity: view.familiarity }
    }
}

impl Expert {
    fn covers(&self, seen: f64) -> f64 {
        let [low, high] = self.cover.map(f64::from);
        ((seen - low) / (high - low).max(1e-6)).clamp(0.0, 1.0)
    }

    /// What this expert foresees of a prompt seen by its gauge, whether it is of its kind or not.
    pub fn outlook(&self, sight: &FeatureVector) -> ExpertForecast {
        let [level, gains @ ..] = self.heads.values(sight);
        self.scale.outlook(level, [gains[0], gains[1], gains[2]])
    }
}

impl ProbabilityScale {
    /// Heads to probabilities.
    pub fn outlook(&self, level: f64, heads: [f64; 3]) -> ExpertForecast {
        let small = logistic(f64::from(self.level[0]) + f64::from(self.level[1]) * level);
        let gain = |at: usize| {
            let [base, own, leaning] = self.gains[at].map(f64::from);
            base + own * heads[at] + leaning * level
        };
        ExpertForecast { small, gains: [gain(0), gain(1), gain(2)] }
    }

    fn floats(&self) -> Vec<f32> {
        [&self.level[..], self.gains.as_flattened()].concat()
    }

    fn from_floats(floats: &[f32]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k] = *floats else { return None };
        Some(Self { level: [a, b], gains: [[c, d, e], [f, g, h], [i, j, k]] })
    }
}

impl ExpertForecast {
    fn scale(&mut self, by: f64) {
        self.small *= by;
        self.gains.iter_mut().for_each(|gain| *gain *= by);
    }

    fn add(&mut self, other: &Self, share: f64) {
        self.small += share * other.small;
        for (gain, more) in self.gains.iter_mut().zip(other.gains) {
            *gain += share * more;
        }
    }

    /// As chances by class. Differences are kept where they fit into 0..=1, since prompts are ranked by them; the
    /// level yields.
    pub fn chances(&self) -> [Probability; 4] {
        let [tiny, medium, frontier] = self.gains;
        let all = [self.small + tiny, self.small, self.small + medium, self.small + frontier];
        let most = all.iter().copied().fold(f64::MIN, f64::max);
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        let shift = (1.0 - most).min(0.0) + (-least).max(0.0);
        all.map(|chance| Probability::new(chance + shift))
    }

    /// The chance that a model of this class suffices.
    pub fn of(&self, class: ModelClass) -> Probability {
        self.chances()[class as usize]
    }
}

/// Which grams were seen in training.
#[derive(Debug, Clone)]
pub struct SeenGrams(Vec<u8>);

impl SeenGrams {
    /// The record of the grams that stand in at least three of these prompts.
    pub fn of<'a>(prompts: impl Iterator<Item = &'a Features>) -> Self {
        let mut counts = vec![0u8; 1 << SEEN_BITS];
        for gram in prompts.flat_map(|features| &features.grams) {
            let count = &mut counts[(gram.0 >> (32 - SEEN_BITS)) as usize];
            *count = count.saturating_add(1);
        }
        let bits = counts.chunks(8).map(|eight| {
            eight.iter().enumerate().fold(0u8, |bits, (at, &count)| bits | (u8::from(count >= 3) << at))
        });
        Self(bits.collect())
    }

    /// The share of these that are in the record; 0 when there are none.
    pub fn share(&self, grams: &[HashedGram]) -> f64 {
        let known = |gram: &&HashedGram| {
            let at = (gram.0 >> (32 - SEEN_BITS)) as usize;
            self.0[at / 8] & (1 << (at % 8)) != 0
        };
        if grams.is_empty() {
            return 0.0;
        }
        grams.iter().filter(known).count() as f64 / grams.len() as f64
    }
}

/// Why weights cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadWeights {
    /// Not weights of a scorer.
    Foreign,
    /// Weights of another version.
    Version(u32),
    /// Cut or changed.
    Damaged,
}

impl std::fmt::Display for BadWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("these are not the weights of a scorer"),
            Self::Version(found) => {
                write!(f, "weights of version {found}, this program reads version {VERSION}")
            }
            Self::Damaged => f.write_str("the weights are damaged: their checksum does not fit"),
        }
    }
}

impl std::error::Error for BadWeights {}
