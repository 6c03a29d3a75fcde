//! The shipped scorer adapted to labelled rows of one's own.
//!
//! A fresh ridge fit on the rows is stacked with what the shipped scorer says, by cross-fitting: no row is judged by
//! a fit that saw its stem. The shipped scorer is the prior: with few rows its say is left as it is.

use crate::scoring::bytes::{ByteReader, ByteWriter};
use crate::scoring::certify::CertifiedBound;
use crate::scoring::class_predictions::Probability;
use crate::scoring::evaluate::ScoredPrompt;
use crate::scoring::feature_transform::{FeatureVector, Standardizer};
use crate::scoring::features::Features;
use crate::scoring::numbers::{logistic, logit};
use crate::scoring::ridge::{RidgeRow, fit as ridge};
use crate::scoring::scorers::default_scorer::{DefaultScorer, ExpertForecast, PromptView};
use crate::scoring::scorers::stacked_heads::StackedHeads;
use crate::scoring::squares::{least_squares, logistic_curve};

/// The fewest rows that are calibrated on.
pub const FEWEST: usize = 50;
/// The version of the file.
pub const VERSION: u32 = 1;
/// The penalty of the fresh fit.
const PENALTY: f64 = 10.0;
const FOLDS: u64 = 10;
/// What the stack says of a gain before any row is seen: what the shipped scorer says, and of the fresh fit the more
/// the more rows it had. In the order of [`StackInputs::of_gain`]: constant, shipped gain, shipped level, fresh gain, fresh
/// level.
const GAIN_PRIOR: [f64; 5] = [0.0, 1.0, 0.0, 0.5, 0.0];
/// How hard each is held there: the noise of a gain over the prior's own variance.
const GAIN_HOLD: [f64; 5] = [1.0, 6.0, 200.0, 6.0, 60.0];
/// The same for the small model's logit: constant, shipped logit, fresh level.
const LEVEL_PRIOR: [f64; 3] = [0.0, 1.0, 2.0];
const LEVEL_HOLD: f64 = 4.0;
/// Rows at which the fresh fit has half of its say.
const HALF: f64 = 400.0;

/// One labelled row.
#[derive(Debug, Clone)]
pub struct LabelledRow {
    /// The prompt as numbers.
    pub features: Features,
    /// Quality of the small model's answer, 0..=1.
    pub small: f64,
    /// Quality of the large model's answer, 0..=1.
    pub large: f64,
    /// The question's [`crate::scoring::stem::stem`].
    pub stem: u64,
}

/// The shipped scorer adapted to one pair of models and one kind of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Rows that it was fitted on.
    pub rows: usize,
    /// What was certified of it.
    pub promise: Option<CertifiedBound>,
    /// Heads of the fresh fit: the level of the small model, and the gain of the large one.
    fresh: StackedHeads,
    gauge: Standardizer,
    level: [f64; 3],
    gain: [f64; 5],
}

/// What a calibrated scorer foresees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibratedPrediction {
    /// The chance that the small model suffices.
    pub small: Probability,
    /// The chance that the large model suffices.
    pub large: Probability,
    /// What the large model is expected to add; prompts are ranked by it.
    pub gain: f64,
    /// How close the prompt is to what the shipped scorer was fitted on, 0..=1.
    pub familiarity: f64,
}

/// A calibration, and what it says of its own rows by fits that did not see them.
#[derive(Debug, Clone)]
pub struct CalibrationFit {
    /// The calibration.
    pub calibration: Calibration,
    /// Each row in order, as foreseen by fits without its stem.
    pub held_out: Vec<CalibratedPrediction>,
}

impl CalibrationFit {
    /// The rows with their held-out gains as scores.
    pub fn scored(&self, rows: &[LabelledRow]) -> Vec<ScoredPrompt> {
        let pairs = rows.iter().zip(&self.held_out);
        pairs
            .map(|(row, seen)| ScoredPrompt { score: seen.gain, small: row.small, large: row.large })
            .collect()
    }
}

/// Why rows cannot be calibrated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// Rows that were given.
    pub rows: usize,
}

impl std::fmt::Display for TooFew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} usable rows are too few to calibrate on: {FEWEST} are needed", self.rows)
    }
}

impl std::error::Error for TooFew {}

impl Calibration {
    /// Fits to rows. `progress` is told after each of [`STEPS`] steps.
    ///
    /// # Errors
    /// When there are fewer than [`FEWEST`] rows.
    pub fn fit(
        shipped: &DefaultScorer,
        rows: &[LabelledRow],
        mut progress: impl FnMut(),
    ) -> Result<CalibrationFit, TooFew> {
        if rows.len() < FEWEST {
            return Err(TooFew { rows: rows.len() });
        }
        let gauge = Standardizer::fit(rows.iter().map(|row| &row.features));
        let views: Vec<PromptView> = rows
            .iter()
            .map(|row| {
                let mut view = shipped.view_unseen(&row.features);
                shipped.lens.regauge(&mut view.sight, &row.features, &gauge);
                view
            })
            .collect();
        let mut heads = vec![[0.0; 2]; rows.len()];
        for fold in 0..FOLDS {
            let fresh = fresh(rows, &views, |at| rows[at].stem % FOLDS != fold);
            for at in (0..rows.len()).filter(|&at| rows[at].stem % FOLDS == fold) {
                heads[at] = values(&fresh, &views[at].sight);
            }
            progress();
        }
        let inputs: Vec<StackInputs> =
            views.iter().zip(&heads).map(|(view, heads)| StackInputs::of(view, *heads)).collect();
        let held_out = held_out(rows, &inputs, &views);
        let (level, gain) = stack(rows, &inputs, |_| true);
        let calibration = Self {
            rows: rows.len(),
            promise: None,
            fresh: fresh(rows, &views, |_| true),
            gauge,
            level,
            gain,
        };
        progress();
        Ok(CalibrationFit { calibration, held_out })
    }

    /// What it foresees for a prompt.
    pub fn predict(&self, shipped: &DefaultScorer, features: &Features) -> CalibratedPrediction {
        self.foresee_from(shipped, features, shipped.view(features))
    }

    /// The same for a labelled prompt, as if the shipped scorer had not been trained on it; for measurements.
    pub fn foresee_unseen(&self, shipped: &DefaultScorer, features: &Features) -> CalibratedPrediction {
        self.foresee_from(shipped, features, shipped.view_unseen(features))
    }

    /// The same from what the shipped scorer sees in the prompt.
    pub fn foresee_from(
        &self,
        shipped: &DefaultScorer,
        features: &Features,
        mut view: PromptView,
    ) -> CalibratedPrediction {
        shipped.lens.regauge(&mut view.sight, features, &self.gauge);
        let inputs = StackInputs::of(&view, values(&self.fresh, &view.sight));
        foreseen(&self.level, &self.gain, &inputs, &view)
    }

    /// As bytes of a JSON file.
    pub fn write(&self) -> Vec<u8> {
        let mut fresh = ByteWriter::default();
        self.fresh.write(&mut fresh);
        let file = CalibrationFile {
            version: VERSION,
            scorer: crate::scoring::scorers::default_scorer::VERSION,
            rows: self.rows,
            promise: self.promise,
            level: self.level,
            gain: self.gain,
            gauge: self.gauge.clone(),
            fresh: to_hex(&fresh.0),
        };
        serde_json::to_vec(&file).unwrap_or_default()
    }

    /// From bytes of a JSON file.
    ///
    /// # Errors
    /// When they are no calibration, or one for another scorer.
    pub fn load(bytes: &[u8]) -> Result<Self, BadCalibration> {
        let file: CalibrationFile =
            serde_json::from_slice(bytes).map_err(|error| BadCalibration::Foreign(error.to_string()))?;
        if (file.version, file.scorer) != (VERSION, crate::scoring::scorers::default_scorer::VERSION) {
            return Err(BadCalibration::Version);
        }
        let fresh = from_hex(&file.fresh).and_then(|bytes| StackedHeads::read(&mut ByteReader(&bytes)));
        let fresh = fresh.ok_or(BadCalibration::Damaged)?;
        if !file.gauge.fits() {
            return Err(BadCalibration::Damaged);
        }
        Ok(Self {
            rows: file.rows,
            promise: file.promise,
            fresh,
            gauge: file.gauge,
            level: file.level,
            gain: file.gain,
        })
    }
}

/// Steps of a fit that progress is told of.
pub const STEPS: usize = FOLDS as usize + 1;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibrationFile {
    version: u32,
    scorer: u32,
    rows: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promise: Option<CertifiedBound>,
    level: [f64; 3],
    gain: [f64; 5],
    gauge: Standardizer,
    fresh: String,
}

/// Why a calibration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadCalibration {
    /// Not a calibration.
    Foreign(String),
    /// Made for another version of the scorer.
    Version,
    /// Cut or changed.
    Damaged,
}

impl std::fmt::Display for BadCalibration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign(why) => write!(f, "this is no calibration ({why})"),
            Self::Version => {
                f.write_str("made for another version of the scorer: run `xietong calibrate` again")
            }
            Self::Damaged => f.write_str("the calibration is damaged: run `xietong calibrate` again"),
        }
    }
}

impl std::error::Error for BadCalibration {}

/// What the stack combines.
#[derive(Debug, Clone, Copy)]
struct StackInputs {
    shipped: ExpertForecast,
    fresh: [f64; 2],
}

impl StackInputs {
    fn of(view: &PromptView, fresh: [f64; 2]) -> Self {
        Self { shipped: view.outlook, fresh }
    }

    fn of_gain(&self) -> [f64; 5] {
        [1.0, self.shipped.gains[2], self.shipped.small - 0.5, self.fresh[1], self.fresh[0]]
    }

    fn of_level(&self) -> [f64; 3] {
        [1.0, logit(self.shipped.small), self.fresh[0]]
    }
}

fn dot<const N: usize>(one: &[f64; N], other: &[f64; N]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn foreseen(
    level: &[f64; 3],
    gain: &[f64; 5],
    inputs: &StackInputs,
    view: &PromptView,
) -> CalibratedPrediction {
    let gain = dot(gain, &inputs.of_gain()).clamp(-1.0, 1.0);
    let small = logistic(dot(level, &inputs.of_level()));
    let chances = ExpertForecast { small, gains: [0.0, 0.0, gain] }.chances();
    CalibratedPrediction { small: chances[1], large: chances[3], gain, familiarity: view.familiarity }
}

/// Weights of the stack from some of the rows.
fn stack(
    rows: &[LabelledRow],
    inputs: &[StackInputs],
    among: impl Fn(usize) -> bool,
) -> ([f64; 3], [f64; 5]) {
    let chosen = || (0..rows.len()).filter(|&at| among(at));
    let levels: Vec<_> = chosen().map(|at| (inputs[at].of_level(), rows[at].small)).collect();
    let gains = chosen().map(|at| (inputs[at].of_gain(), rows[at].large - rows[at].small));
    let say = levels.len() as f64 / (levels.len() as f64 + HALF);
    let (mut level, mut gain) = (LEVEL_PRIOR, GAIN_PRIOR);
    level[2] *= say;
    gain[3] *= say;
    (logistic_curve(&levels, level, LEVEL_HOLD), least_squares(gains, gain, GAIN_HOLD))
}

fn held_out(rows: &[LabelledRow], inputs: &[StackInputs], views: &[PromptView]) -> Vec<CalibratedPrediction> {
    let stacks: Vec<_> =
        (0..FOLDS).map(|fold| stack(rows, inputs, |at| rows[at].stem % FOLDS != fold)).collect();
    (0..rows.len())
        .map(|at| {
            let (level, gain) = &stacks[(rows[at].stem % FOLDS) as usize];
            foreseen(level, gain, &inputs[at], &views[at])
        })
        .collect()
}

/// The fresh fit on some of the rows, about their means.
fn fresh(rows: &[LabelledRow], views: &[PromptView], among: impl Fn(usize) -> bool) -> StackedHeads {
    let chosen: Vec<usize> = (0..rows.len()).filter(|&at| among(at)).collect();
    let targets = |at: usize| [rows[at].small, rows[at].large - rows[at].small];
    let mut means = [0.0; 2];
    for &at in &chosen {
        let share = 1.0 / chosen.len() as f64;
        means.iter_mut().zip(targets(at)).for_each(|(mean, target)| *mean += share * target);
    }
    let fitted: Vec<_> = chosen
        .iter()
        .map(|&at| {
            let [level, gain] = targets(at);
            RidgeRow { sight: &views[at].sight, targets: [level - means[0], gain - means[1]], weight: 1.0 }
        })
        .collect();
    StackedHeads::new(&ridge(&fitted, PENALTY))
}

fn values(fresh: &StackedHeads, sight: &FeatureVector) -> [f64; 2] {
    let [level, gain, ..] = fresh.values(sight);
    [level, gain]
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::evaluate::{RecoveryCurve, calibration_error};
    use crate::scoring::features::Prompt;
    use crate::scoring::random::SplitMix64;
    use crate::scoring::scorers::default_scorer;
    use crate::scoring::stem::stem;

    /// Made-up traffic in which a word decides: the large model is needed where `gnarl` stands.
    fn rows(count: usize) -> Vec<LabelledRow> {
        let mut draws = SplitMix64(7);
        (0..count)
            .map(|at| {
                let hard = draws.uniform() < 0.4;
                let word = if hard { "gnarl" } else { "plain" };
                let text =
                    format!("Please do the {word} thing number {at} for the {} of {}", at % 13, at % 31);
                let small = f64::from(u8::from(draws.uniform() < if hard { 0.2 } else { 0.9 }));
                let large = f64::from(u8::from(draws.uniform() < 0.9));
                LabelledRow {
                    features: Features::of(&Prompt::from_text(text.as_str())),
                    small,
                    large,
                    stem: stem(&text),
                }
            })
            .collect()
    }

    #[test]
    fn learns_what_the_rows_teach() {
        let rows = rows(600);
        let fitted = Calibration::fit(default_scorer(), &rows, || {}).unwrap();
        let apgr = RecoveryCurve::of(&fitted.scored(&rows)).unwrap().apgr();
        assert!(apgr > 0.75, "{apgr}");
        let pairs: Vec<_> =
            fitted.held_out.iter().zip(&rows).map(|(seen, row)| (seen.small.value(), row.small)).collect();
        assert!(calibration_error(&pairs) < 0.08, "{}", calibration_error(&pairs));
    }

    #[test]
    fn a_file_reads_back_the_same() {
        let rows = rows(60);
        let fitted = Calibration::fit(default_scorer(), &rows, || {}).unwrap().calibration;
        let loaded = Calibration::load(&fitted.write()).unwrap();
        let features = &rows[3].features;
        assert_eq!(loaded.predict(default_scorer(), features), fitted.predict(default_scorer(), features));
        assert!(matches!(Calibration::load(b"{}"), Err(BadCalibration::Foreign(_))));
        let other = String::from_utf8(fitted.write()).unwrap().replacen("\"version\":1", "\"version\":9", 1);
        assert_eq!(Calibration::load(other.as_bytes()).err(), Some(BadCalibration::Version));
        let cut = String::from_utf8(fitted.write()).unwrap().replacen("\"fresh\":\"02", "\"fresh\":\"", 1);
        assert_eq!(Calibration::load(cut.as_bytes()).err(), Some(BadCalibration::Damaged));
    }

    #[test]
    fn few_rows_are_refused() {
        assert_eq!(Calibration::fit(default_scorer(), &rows(49), || {}).err(), Some(TooFew { rows: 49 }));
    }
}
