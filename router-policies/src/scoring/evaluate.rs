//! How good a ranking of prompts is for routing, as RouteLLM's evaluation defines it.

use std::cmp::Ordering;

use crate::scoring::random::SplitMix64;

/// One labelled prompt with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPrompt {
    /// What prompts are ranked by: the highest go to the large model first.
    pub score: f64,
    /// Quality of the small model's answer, 0..=1.
    pub small: f64,
    /// Quality of the large model's answer, 0..=1.
    pub large: f64,
}

/// The curve of performance gap recovered over the share of calls to the large model.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryCurve {
    /// PGR after each prompt, from none to all sent to the large model; prompts of equal score are averaged.
    pub recovered: Vec<f64>,
}

impl RecoveryCurve {
    /// Ranks by score. `None` when the large model is no better on the whole: there is no gap to recover.
    pub fn of(rows: &[ScoredPrompt]) -> Option<Self> {
        let mut order: Vec<&ScoredPrompt> = rows.iter().collect();
        order.sort_by(|one, other| other.score.partial_cmp(&one.score).unwrap_or(Ordering::Equal));
        let gap: f64 = order.iter().map(|row| row.large - row.small).sum();
        if gap <= 1e-9 {
            return None;
        }
        let mut recovered = Vec::with_capacity(rows.len() + 1);
        recovered.push(0.0);
        let mut sum = 0.0;
        for tied in order.chunk_by(|one, other| one.score == other.score) {
            let gain: f64 = tied.iter().map(|row| row.large - row.small).sum();
            let each = gain / tied.len() as f64;
            recovered.extend((1..=tied.len()).map(|count| (sum + each * count as f64) / gap));
            sum += gain;
        }
        Some(Self { recovered })
    }

    /// The area under the exact curve.
    pub fn apgr(&self) -> f64 {
        let count = self.recovered.len().saturating_sub(1).max(1);
        self.recovered.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / count as f64
    }

    /// The area as RouteLLM's code takes it: by trapezoids over eleven points.
    pub fn apgr_of_eleven(&self) -> f64 {
        let points: Vec<f64> = (0..=10).map(|tenth| self.at(f64::from(tenth) / 10.0)).collect();
        points.windows(2).map(|pair| (pair[0] + pair[1]) / 20.0).sum()
    }

    /// PGR when this share of calls goes to the large model.
    pub fn at(&self, share: f64) -> f64 {
        let place = share.clamp(0.0, 1.0) * (self.recovered.len() - 1) as f64;
        let (below, part) = (place.floor() as usize, place.fract());
        let above = (below + 1).min(self.recovered.len() - 1);
        self.recovered[below] * (1.0 - part) + self.recovered[above] * part
    }

    /// The smallest share of calls to the large model with at least this PGR.
    pub fn calls_for(&self, pgr: f64) -> f64 {
        let first = self.recovered.iter().position(|&reached| reached >= pgr - 1e-12);
        first.unwrap_or(self.recovered.len() - 1) as f64 / (self.recovered.len() - 1).max(1) as f64
    }
}

/// The figures of a ranking.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RankingFigures {
    /// Rows.
    pub rows: usize,
    /// Mean quality when everything goes to the small model.
    pub all_small: f64,
    /// Mean quality when everything goes to the large model.
    pub all_large: f64,
    /// Area under the exact PGR curve; 0.5 is random.
    pub apgr: f64,
    /// Its 95 % interval by bootstrap.
    pub apgr_interval: [f64; 2],
    /// The area by RouteLLM's eleven points.
    pub apgr_eleven: f64,
    /// The smallest share of calls to the large model that recovers half of the gap.
    pub cpt50: f64,
    /// The same for 80 %.
    pub cpt80: f64,
    /// How well the score tells rows where only the large model is right from the others (area under ROC).
    pub auc: f64,
    /// The APGR of the best ranking there is.
    pub oracle: f64,
    /// The APGR of ranking by chance.
    pub random: f64,
    /// Mean APGR of the same scores dealt out anew: as many calls, no knowledge.
    pub shuffled: f64,
}

/// Bootstrap samples for an interval.
const SAMPLES: usize = 1000;

impl RankingFigures {
    /// Of scored rows. `None` when there is no gap to recover. `progress` is told of each bootstrap sample.
    pub fn of(rows: &[ScoredPrompt], mut progress: impl FnMut()) -> Option<Self> {
        let curve = RecoveryCurve::of(rows)?;
        let mut draws = SplitMix64(rows.len() as u64);
        let mut areas = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let sample: Vec<ScoredPrompt> = (0..rows.len()).map(|_| rows[draws.below(rows.len())]).collect();
            areas.extend(RecoveryCurve::of(&sample).map(|curve| curve.apgr()));
            progress();
        }
        areas.sort_by(f64::total_cmp);
        let quantile =
            |share: f64| areas.get((share * areas.len() as f64) as usize).copied().unwrap_or(f64::NAN);
        let mean = |value: fn(&ScoredPrompt) -> f64| rows.iter().map(value).sum::<f64>() / rows.len() as f64;
        Some(Self {
            rows: rows.len(),
            all_small: mean(|row| row.small),
            all_large: mean(|row| row.large),
            apgr: curve.apgr(),
            apgr_interval: [quantile(0.025), quantile(0.975)],
            apgr_eleven: curve.apgr_of_eleven(),
            cpt50: curve.calls_for(0.5),
            cpt80: curve.calls_for(0.8),
            auc: auc(rows),
            oracle: RecoveryCurve::of(&oracle(rows))?.apgr(),
            random: 0.5,
            shuffled: shuffled(rows),
        })
    }
}

/// The rows ranked by what the large model really added.
pub fn oracle(rows: &[ScoredPrompt]) -> Vec<ScoredPrompt> {
    rows.iter().map(|row| ScoredPrompt { score: row.large - row.small, ..*row }).collect()
}

/// The rows with their scores dealt out anew.
pub fn shuffle(rows: &[ScoredPrompt], draws: &mut SplitMix64) -> Vec<ScoredPrompt> {
    let mut dealt = rows.to_vec();
    for at in (1..dealt.len()).rev() {
        let other = draws.below(at + 1);
        (dealt[at].score, dealt[other].score) = (dealt[other].score, dealt[at].score);
    }
    dealt
}

fn shuffled(rows: &[ScoredPrompt]) -> f64 {
    const DEALS: usize = 20;
    let mut draws = SplitMix64(17);
    let areas = (0..DEALS).filter_map(|_| Some(RecoveryCurve::of(&shuffle(rows, &mut draws))?.apgr()));
    areas.sum::<f64>() / DEALS as f64
}

/// The area under the ROC curve for "only the large model does"; ties count half. NaN when one side is empty.
fn auc(rows: &[ScoredPrompt]) -> f64 {
    let mut order: Vec<&ScoredPrompt> = rows.iter().collect();
    order.sort_by(|one, other| one.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal));
    let wanted = |row: &&ScoredPrompt| row.large - row.small > 0.5;
    let (mut below, mut sum, mut hits) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|one, other| one.score == other.score) {
        let yes = tied.iter().filter(|row| wanted(row)).count() as f64;
        let no = tied.len() as f64 - yes;
        sum += yes * (below + no / 2.0);
        below += no;
        hits += yes;
    }
    sum / (below * hits)
}

/// Expected calibration error over ten bins of equal width: how far chances lie from what came true.
pub fn calibration_error(pairs: &[(f64, f64)]) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for &(chance, came_true) in pairs {
        let bin = &mut bins[((chance * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1.0, bin.1 + chance, bin.2 + came_true);
    }
    bins.iter().map(|(_, chances, truths)| (chances - truths).abs()).sum::<f64>() / pairs.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(f64, f64, f64)]) -> Vec<ScoredPrompt> {
        rows.iter().map(|&(score, small, large)| ScoredPrompt { score, small, large }).collect()
    }

    #[track_caller]
    fn check(given: &[(f64, f64, f64)], apgr: f64, cpt50: f64, cpt80: f64) {
        let curve = RecoveryCurve::of(&rows(given)).unwrap();
        assert!((curve.apgr() - apgr).abs() < 1e-9, "APGR {}", curve.apgr());
        assert_eq!((curve.calls_for(0.5), curve.calls_for(0.8)), (cpt50, cpt80));
    }

    #[test]
    fn agrees_with_curves_drawn_by_hand() {
        // Two gains in four prompts, ranked first: PGR 0, .5, 1, 1, 1.
        check(&[(4.0, 0.0, 1.0), (3.0, 0.0, 1.0), (2.0, 1.0, 1.0), (1.0, 1.0, 1.0)], 0.75, 0.25, 0.5);
        // Ranked last.
        check(&[(1.0, 0.0, 1.0), (2.0, 0.0, 1.0), (3.0, 1.0, 1.0), (4.0, 1.0, 1.0)], 0.25, 0.75, 1.0);
        // All equal: the diagonal.
        check(&[(0.0, 0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 1.0, 1.0)], 0.5, 0.5, 1.0);
        // One loss, ranked last, recovers more than the gap on the way.
        check(&[(3.0, 0.0, 1.0), (2.0, 0.0, 1.0), (1.0, 1.0, 0.0)], 7.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0);
    }

    #[test]
    fn no_gap_is_no_curve() {
        assert_eq!(RecoveryCurve::of(&rows(&[(0.0, 1.0, 1.0)])), None);
        assert_eq!(RecoveryCurve::of(&rows(&[(0.0, 1.0, 0.0)])), None);
        assert_eq!(RecoveryCurve::of(&[]), None);
    }

    #[test]
    fn controls_are_what_they_should_be() {
        let mut draws = SplitMix64(1);
        let given: Vec<ScoredPrompt> = (0..2000)
            .map(|_| {
                let hard = draws.uniform();
                let small = f64::from(u8::from(draws.uniform() > hard));
                ScoredPrompt { score: hard, small, large: f64::from(u8::from(draws.uniform() > hard / 3.0)) }
            })
            .collect();
        let figures = RankingFigures::of(&given, || {}).unwrap();
        assert!((figures.shuffled - 0.5).abs() < 0.02, "{figures:?}");
        assert!(figures.oracle > figures.apgr && figures.apgr > 0.55, "{figures:?}");
        let [low, high] = figures.apgr_interval;
        assert!(low < figures.apgr && figures.apgr < high && high - low < 0.15, "{figures:?}");
        assert!((figures.apgr - figures.apgr_eleven).abs() < 0.01, "{figures:?}");
        assert!(figures.auc > 0.5 && figures.auc < 1.0);
    }

    #[test]
    fn calibration_error_of_known_chances() {
        assert_eq!(calibration_error(&[(0.25, 0.0), (0.25, 1.0)]), 0.25);
        assert_eq!(calibration_error(&[(1.0, 1.0), (0.0, 0.0)]), 0.0);
    }
}
