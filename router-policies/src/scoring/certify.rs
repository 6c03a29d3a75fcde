//! A threshold whose expected quality loss is at most L with confidence C, whatever the distribution of the rows.
//!
//! Learn then Test (Angelopoulos et al., arXiv 2110.01052): thresholds from careful to bold, chosen before the
//! held-out rows are looked at, are tested in that order until the first fails; so all that passed hold together.
//! Each test bets against "the loss is more than L" (Waudby-Smith and Ramdas, arXiv 2010.09686): the wealth of a
//! fair game exceeds 1/(1-C) with a chance of at most 1-C.

use crate::scoring::random::SplitMix64;

/// Thresholds that are tried: each keeps a hundredth more of the prompts on the small model.
const CANDIDATES: usize = 100;

/// One held-out row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CertifiedOutcome {
    /// What the threshold is compared with: a row above it goes to the large model.
    pub score: f64,
    /// Quality of the large model's answer less that of the small one's, -1..=1.
    pub lost: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Certificate {
    /// Prompts with a gain above it go to the large model.
    pub threshold: f64,
    /// The mean loss of quality on the held-out rows at this threshold, against sending all to the large model.
    pub held_out_loss: f64,
    /// The share of the held-out rows that stay with the small model.
    pub kept_small: f64,
    /// The bound on the expected loss.
    pub max_loss: f64,
    /// With what probability it holds.
    pub confidence: f64,
    /// Rows that the scorer was fitted on.
    pub rows_used: usize,
    /// Rows that the bound was tested on.
    pub rows_held_out: usize,
    /// By what method.
    pub method: &'static str,
}

/// What a certificate says, to be held against what comes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedBound {
    /// Prompts with a gain above it go to the large model.
    pub threshold: f64,
    /// The bound on the expected loss.
    pub max_loss: f64,
    /// With what probability it holds.
    pub confidence: f64,
}

impl Certificate {
    /// What it says.
    pub fn promise(&self) -> CertifiedBound {
        CertifiedBound { threshold: self.threshold, max_loss: self.max_loss, confidence: self.confidence }
    }
}

/// The method's name and papers.
pub const METHOD: &str =
    "Learn then Test (arXiv 2110.01052), fixed sequence, betting tests (arXiv 2010.09686)";

/// Finds the boldest threshold that passes. `earlier` are scores of other rows, from which the candidates are taken.
/// `None` when not even the most careful one passes: the data do not support a certificate.
pub fn certify(
    earlier: &[f64],
    held_out: &[CertifiedOutcome],
    max_loss: f64,
    confidence: f64,
) -> Option<Certificate> {
    let mut sorted = earlier.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |at: usize| sorted.get(at * sorted.len() / CANDIDATES).or(sorted.last()).copied();
    let shuffled = shuffled(held_out);
    let mut best = None;
    for threshold in (1..=CANDIDATES).filter_map(quantile) {
        let losses = shuffled.iter().map(|row| if row.score > threshold { 0.0 } else { row.lost });
        if !passes(losses, max_loss, confidence) {
            break;
        }
        best = Some(threshold);
    }
    let threshold = best?;
    let kept = || held_out.iter().filter(|row| row.score <= threshold);
    let count = held_out.len() as f64;
    Some(Certificate {
        threshold,
        held_out_loss: kept().map(|row| row.lost).sum::<f64>() / count,
        kept_small: kept().count() as f64 / count,
        max_loss,
        confidence,
        rows_used: earlier.len(),
        rows_held_out: held_out.len(),
        method: METHOD,
    })
}

/// Whether losses in -1..=1 speak against a mean of more than `max_loss`.
fn passes(losses: impl Iterator<Item = f64>, max_loss: f64, confidence: f64) -> bool {
    // Losses as numbers in 0..=1, and the bound on the same scale.
    let bound = (max_loss + 1.0) / 2.0;
    let needed = 1.0 / (1.0 - confidence).max(1e-12);
    let (mut wealth, mut sum, mut squares, mut count) = (1.0f64, 0.5f64, 0.25f64, 1.0f64);
    for loss in losses {
        let loss = (loss.clamp(-1.0, 1.0) + 1.0) / 2.0;
        // Each bet depends on earlier rows alone: growth is fastest at edge over variance. Staking at most half of
        // what the worst outcome would take keeps the wealth positive.
        let edge = bound - sum / count;
        let stake = (edge / (squares / count + edge * edge)).clamp(0.0, 0.5 / (1.0 - bound).max(1e-3));
        wealth *= 1.0 + stake * (bound - loss);
        if wealth >= needed {
            return true;
        }
        count += 1.0;
        sum += loss;
        let off = loss - sum / count;
        squares += off * off;
    }
    false
}

/// In an order that does not depend on how the rows were sorted: bets assume that none is.
fn shuffled(rows: &[CertifiedOutcome]) -> Vec<CertifiedOutcome> {
    let mut dealt = rows.to_vec();
    let mut draws = SplitMix64(0xce27);
    for at in (1..dealt.len()).rev() {
        dealt.swap(at, draws.below(at + 1));
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gains rise with the score, from nothing to 0.4.
    fn world(seed: u64, count: usize) -> Vec<CertifiedOutcome> {
        let mut draws = SplitMix64(seed);
        (0..count)
            .map(|_| {
                let score = draws.uniform();
                let lost = if draws.uniform() < 0.4 * score { 1.0 } else { 0.0 };
                let lost = if lost == 0.0 && draws.uniform() < 0.05 { -1.0 } else { lost };
                CertifiedOutcome { score, lost }
            })
            .collect()
    }

    fn true_loss(threshold: f64) -> f64 {
        // ∫ over the kept of 0.4 s - 0.05 (1 - 0.4 s).
        0.21 * threshold * threshold - 0.05 * threshold
    }

    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        let (mut broken, mut found) = (0, 0);
        for seed in 0..300 {
            let earlier: Vec<f64> = world(seed + 10_000, 300).iter().map(|row| row.score).collect();
            let Some(certificate) = certify(&earlier, &world(seed, 500), 0.05, 0.9) else { continue };
            found += 1;
            broken += usize::from(true_loss(certificate.threshold) > 0.05);
        }
        assert!(found > 150, "{found}");
        assert!(broken <= 30, "{broken} of {found}");
    }

    #[test]
    fn more_rows_certify_more() {
        let earlier: Vec<f64> = (0..100).map(|at| f64::from(at) / 100.0).collect();
        let kept =
            |rows| certify(&earlier, &world(1, rows), 0.05, 0.95).map_or(0.0, |found| found.kept_small);
        assert!(kept(20_000) > kept(1000), "{} {}", kept(20_000), kept(1000));
    }

    #[test]
    fn what_the_data_do_not_support_is_refused() {
        let earlier: Vec<f64> = (0..100).map(|at| f64::from(at) / 100.0).collect();
        assert_eq!(certify(&earlier, &world(1, 20), 0.01, 0.95), None);
        assert_eq!(certify(&earlier, &[], 0.5, 0.9), None);
        assert_eq!(certify(&[], &world(1, 500), 0.5, 0.9), None);
    }
}
