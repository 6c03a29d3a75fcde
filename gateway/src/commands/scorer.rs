//! The scorer that a command asks: the shipped one, or one adapted by `xietong calibrate`.

use std::path::Path;

use router_policies::calibrate::{CalibratedPrediction, Calibration};
use router_policies::score_reasons::ReasonFeature;
use router_policies::scorers::default_scorer::PromptView;
use router_policies::scorers::{DefaultScorer, default_scorer};
use router_policies::{Features, ModelClass, ScoreReasons};

use super::CommandError;

/// What a prompt gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreOutput {
    pub(super) small: f64,
    pub(super) gain: f64,
    pub(super) familiarity: f64,
    pub(super) reasons: ScoreReasons,
}

/// The shipped scorer, adapted or as it is.
pub(super) struct ScoredRequest {
    shipped: &'static DefaultScorer,
    calibration: Option<Calibration>,
    /// The classes of the smallest and the top rung.
    classes: (ModelClass, ModelClass),
}

impl ScoredRequest {
    /// Reads the calibration, if one is named.
    ///
    /// # Errors
    /// 2 when the file is not there, 1 when it is no calibration.
    pub(super) fn new(
        calibration: Option<&Path>,
        classes: (ModelClass, ModelClass),
    ) -> Result<Self, CommandError> {
        let calibration = calibration.map(load).transpose()?;
        Ok(Self { shipped: default_scorer(), calibration, classes })
    }

    /// The scorer of the first route, for its smallest and its top model; that of a calibration, if one is named.
    ///
    /// # Errors
    /// 78 when the configuration is wrong, else as for [`ScoredRequest::new`].
    pub(super) fn of_config(config: &Path, calibration: Option<&Path>) -> Result<Self, CommandError> {
        let config = gateway_config::load_without_keys(Some(config), &|name| std::env::var(name).ok())
            .map_err(|problems| CommandError::configuration(format!("{}\n{problems}", config.display())))?;
        let route = config.routes.first();
        let ends = route.and_then(|route| Some((route.ladder.first()?.class, route.ladder.last()?.class)));
        let mut asked = Self::new(calibration, ends.unwrap_or((ModelClass::Small, ModelClass::Frontier)))?;
        if calibration.is_none() {
            let of_route = route.and_then(|route| route.calibration.as_ref());
            asked.calibration = of_route.map(|calibrated| calibrated.scorer.clone());
        }
        Ok(asked)
    }

    /// Scores a prompt.
    pub(super) fn score(&self, features: &Features) -> ScoreOutput {
        match &self.calibration {
            Some(calibration) => {
                let plain = self.plain(&self.shipped.view(features));
                calibrated(calibration.predict(self.shipped, features), plain)
            }
            None => self.plain(&self.shipped.view(features)),
        }
    }

    /// What a labelled prompt is ranked by; one of the shipped scorer's training data as by a fit without it.
    pub(super) fn gain_unseen(&self, features: &Features) -> f64 {
        match &self.calibration {
            Some(calibration) => calibration.foresee_unseen(self.shipped, features).gain,
            None => self.plain(&self.shipped.view_unseen(features)).gain,
        }
    }

    /// Whether a prompt is of the shipped scorer's training data.
    pub(super) fn trained_on(&self, features: &Features) -> bool {
        self.shipped.memory.recall(features).is_some()
    }

    fn plain(&self, view: &PromptView) -> ScoreOutput {
        let (small, large) = (view.outlook.of(self.classes.0), view.outlook.of(self.classes.1));
        ScoreOutput {
            small: small.value(),
            gain: large.value() - small.value(),
            familiarity: view.familiarity,
            reasons: view.reasons,
        }
    }
}

fn calibrated(seen: CalibratedPrediction, plain: ScoreOutput) -> ScoreOutput {
    let small = seen.small.value();
    let mut reasons = plain.reasons;
    reasons.add(ReasonFeature::Calibration, plain.small - small);
    ScoreOutput { small, gain: seen.gain, familiarity: seen.familiarity, reasons }
}

fn load(path: &Path) -> Result<Calibration, CommandError> {
    let bytes =
        std::fs::read(path).map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    Calibration::load(&bytes).map_err(|bad| CommandError::other(format!("{}: {bad}", path.display())))
}
