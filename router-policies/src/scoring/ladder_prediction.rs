//! What is foreseen of a prompt for the models of a ladder, by the shipped scorer or by one adapted to a route.

use crate::scoring::calibrate::{CalibratedPrediction, Calibration};
use crate::scoring::cards::{ForeseenWork, ModelCard};
use crate::scoring::class_predictions::{ModelClass, Probability};
use crate::scoring::features::Features;
use crate::scoring::kinds::default_kinds;
use crate::scoring::score_reasons::{ReasonFeature, ScoreReasons};
use crate::scoring::scorers::DefaultScorer;

/// What is foreseen of a prompt for a ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct LadderPrediction {
    /// For each rung, from small to large, the chance that its answer suffices.
    pub rungs: Vec<Probability>,
    /// For each rung, how long it works on such a prompt; `None` without a card, and nothing where no rung has one.
    pub work: Vec<Option<ForeseenWork>>,
    /// The same chances by class of model, in the order of [`ModelClass::ALL`]. Of classes in the ladder it is what their rung has,
    /// of two rungs of one class the upper one's; of other classes what the shipped scorer says.
    pub suffices: [Probability; 4],
    /// How close the prompt is to what the shipped scorer was fitted on, 0..=1.
    pub familiarity: f64,
    /// What moved its difficulty most.
    pub reasons: ScoreReasons,
}

/// A model of a ladder, as far as foresight goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderModel {
    /// Which models it resembles.
    pub class: ModelClass,
    /// Its card, if it is one of the catalogue's that have one.
    pub card: Option<&'static ModelCard>,
}

impl LadderPrediction {
    /// Foresees for a ladder of these models, from small to large. A model's card goes before its class; with a
    /// calibration, it speaks for the first rung and the last.
    pub fn of(
        shipped: &DefaultScorer,
        calibration: Option<&Calibration>,
        models: &[LadderModel],
        features: &Features,
    ) -> Self {
        let view = shipped.view(features);
        let (familiarity, mut reasons) = (view.familiarity, view.reasons);
        let mut suffices = view.outlook.chances();
        let mut rungs: Vec<Probability> = models.iter().map(|model| suffices[model.class as usize]).collect();
        let mut work = Vec::new();
        if models.iter().any(|model| model.card.is_some()) {
            let shares = default_kinds().shares(&view.sight, features);
            work.extend(models.iter().map(|model| model.card.map(|card| card.work(&shares))));
            let before = rungs.first().copied();
            for (rung, card) in rungs.iter_mut().zip(models.iter().map(|model| model.card)) {
                *rung = card.map_or(*rung, |card| card.suffices(&shares, *rung));
            }
            moved(&mut reasons, ReasonFeature::Card, before, rungs.first());
        }
        if let Some(calibration) = calibration {
            let before = rungs.first().copied();
            rungs = between(&rungs, &calibration.foresee_from(shipped, features, view));
            moved(&mut reasons, ReasonFeature::Calibration, before, rungs.first());
        }
        // Without card and calibration a rung has what its class has.
        for (model, &rung) in models.iter().zip(&rungs) {
            suffices[model.class as usize] = rung;
        }
        Self { rungs, work, suffices, familiarity, reasons }
    }
}

/// Adds what moved the first rung's chance after the shipped scorer had its say.
fn moved(
    reasons: &mut ScoreReasons,
    by: ReasonFeature,
    before: Option<Probability>,
    after: Option<&Probability>,
) {
    if let (Some(before), Some(after)) = (before, after) {
        reasons.add(by, before.value() - after.value());
    }
}

/// The ends as calibrated. A rung between them lies as far up from the first to the last as the shipped scorer has it;
/// where that sees no rise, by its place in the ladder. Never below a smaller rung, if the last is above the first.
fn between(shipped: &[Probability], ends: &CalibratedPrediction) -> Vec<Probability> {
    let last = shipped.len().saturating_sub(1);
    let (Some(low), Some(high)) = (shipped.first(), shipped.last()) else { return Vec::new() };
    let rise = high.value() - low.value();
    let mut height: f64 = 0.0;
    let rung = |(at, chance): (usize, &Probability)| {
        let here =
            if rise > 0.0 { (chance.value() - low.value()) / rise } else { at as f64 / last.max(1) as f64 };
        height = height.max(here.clamp(0.0, 1.0));
        match at {
            0 => ends.small,
            at if at == last => ends.large,
            _ => Probability::new(ends.small.value() + height * (ends.large.value() - ends.small.value())),
        }
    };
    shipped.iter().enumerate().map(rung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shipped: &[f64], small: f64, large: f64, expected: &[f64]) {
        let ends = CalibratedPrediction {
            small: Probability::new(small),
            large: Probability::new(large),
            gain: large - small,
            familiarity: 1.0,
        };
        let shipped: Vec<_> = shipped.iter().map(|&chance| Probability::new(chance)).collect();
        let got: Vec<f64> = between(&shipped, &ends).into_iter().map(Probability::value).collect();
        let near = got.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12);
        assert!(near && got.len() == expected.len(), "{got:?} instead of {expected:?}");
    }

    #[test]
    fn rungs_between_lie_where_the_shipped_scorer_has_them() {
        check(&[0.4, 0.8], 0.2, 0.6, &[0.2, 0.6]);
        check(&[0.4, 0.5, 0.8], 0.2, 0.6, &[0.2, 0.2 + 0.4 / 4.0, 0.6]);
        // Never below a smaller rung, nor outside of the ends.
        check(&[0.4, 0.7, 0.6, 0.8], 0.2, 0.6, &[0.2, 0.5, 0.5, 0.6]);
        check(&[0.4, 0.9, 0.8], 0.2, 0.6, &[0.2, 0.6, 0.6]);
        check(&[0.4, 0.3, 0.8], 0.2, 0.6, &[0.2, 0.2, 0.6]);
        // Where a larger model does worse, so do those between.
        check(&[0.4, 0.6, 0.8], 0.6, 0.2, &[0.6, 0.4, 0.2]);
        // The shipped scorer sees no rise.
        check(&[0.5, 0.5, 0.5], 0.2, 0.6, &[0.2, 0.4, 0.6]);
        check(&[0.8, 0.5, 0.4], 0.2, 0.6, &[0.2, 0.4, 0.6]);
        check(&[0.5], 0.2, 0.6, &[0.2]);
        check(&[], 0.2, 0.6, &[]);
    }

    #[test]
    fn without_a_calibration_it_is_what_the_shipped_scorer_says() {
        use crate::scoring::scorers::{Scorer, default_scorer};
        let features =
            Features::of(&crate::scoring::features::Prompt::from_text("Prove that e is irrational."));
        let prospects = default_scorer().predict(&features);
        let classes = [ModelClass::Tiny, ModelClass::Frontier];
        let models = classes.map(|class| LadderModel { class, card: None });
        let seen = LadderPrediction::of(default_scorer(), None, &models, &features);
        assert_eq!(seen.rungs, classes.map(|class| prospects.of(class)));
        assert_eq!((seen.suffices, seen.familiarity), (prospects.suffices, prospects.familiarity));
    }

    #[test]
    fn a_card_goes_before_the_class_and_others_keep_their_score() {
        use crate::scoring::cards::card_of;
        use crate::scoring::scorers::default_scorer;
        let text = "Convert 7 miles to kilometres. Only the number.";
        let features = Features::of(&crate::scoring::features::Prompt::from_text(text));
        let card = card_of("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
        let small = LadderModel { class: ModelClass::Tiny, card };
        let large = LadderModel { class: ModelClass::Frontier, card: None };
        let without = LadderModel { card: None, ..small };
        let of = |models: &[LadderModel]| LadderPrediction::of(default_scorer(), None, models, &features);
        let (carded, plain) = (of(&[small, large]), of(&[without, large]));
        assert_ne!(carded.rungs[0], plain.rungs[0]);
        assert_eq!(carded.rungs[1], plain.rungs[1]);
        assert_eq!(carded.suffices[ModelClass::Tiny as usize], carded.rungs[0]);
    }
}
