//! Rows of answers that were found right or wrong → the coefficients of the chance.

use super::chance::{AnswerPrior, COUNT, ChanceModel, ChanceSignals, NAMES, foreseen, share, signals};
use super::evidence::TokenEvidence;
use super::length::{self, LengthFeatures};
use crate::scoring::class_predictions::Probability;
use crate::scoring::numbers::{ln, logistic, logit};
use crate::scoring::squares::least_squares;

/// An answer whose worth is known. As JSON it is a line of what `signals` writes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JudgedAnswer {
    /// Who gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// What kind of question it answers; each kind counts as much as any other.
    pub kind: String,
    /// Which question.
    pub id: String,
    /// Whether it is right; `None`: no answer to such a question is, and only its length is learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// How good a large model's answer is, 0..=1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub large: f64,
    /// The chances that were foreseen for the class of its model and for the largest class.
    pub foreseen: [f64; 2],
    /// What its length is told from.
    pub numbers: LengthFeatures,
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Its figures after so many tokens: tokens, mean, lowest, mean margin. The last are those of the whole.
    pub seen: Vec<(u32, f64, f64, f64)>,
    /// Entropy of its first token.
    pub entropy: f64,
    /// A second answer to the same question, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<SecondAnswer>,
}

/// A second answer, at a temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SecondAnswer {
    /// Whether it comes to the same as the first; `None`: that cannot be said.
    pub agrees: Option<bool>,
    /// Its tokens.
    pub tokens: u32,
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

impl JudgedAnswer {
    /// What was seen of it, in order; the last is the whole.
    pub fn evidence(&self) -> impl ExactSizeIterator<Item = TokenEvidence> + '_ {
        self.seen.iter().map(|&(tokens, mean, lowest, margin)| {
            TokenEvidence::of(tokens, mean, lowest, Some(margin), Some(self.entropy))
        })
    }

    /// What was foreseen of it.
    pub fn prior(&self, form: &ChanceModel) -> AnswerPrior {
        let tokens = Some(length::tokens(&self.numbers, &form.length));
        AnswerPrior { suffices: Some(Probability::new(self.foreseen[0])), tokens, ..AnswerPrior::default() }
    }

    /// Tokens of the whole of it.
    pub fn tokens(&self) -> u32 {
        self.seen.last().map_or(0, |last| last.0)
    }
}

/// How strongly coefficients are drawn to nothing, in answers.
const PULL: f64 = 1.0;
/// Rounds of a descent along one coefficient after the other.
const ROUNDS: usize = 150;
/// No answer is so sure beforehand that the logit could not move by half of one.
const LEAST_UNSEEN: f64 = 0.25;
/// The ridge of the fit of lengths.
const LENGTH_PULL: f64 = 3.0;
/// Coefficients beside those of the signals: the level, and how much what was foreseen yields.
const BEFORE: usize = 2;
/// Places: more than these differ by chance.
const PLACES: f64 = 1000.0;

/// The most likely coefficients, to three places, of those where each signal counts for the better.
pub fn fit(rows: &[JudgedAnswer]) -> ChanceModel {
    fit_weighing(rows, ChanceSignals::default())
}

/// The same with some signals left out.
pub fn fit_weighing(rows: &[JudgedAnswer], weigh: ChanceSignals) -> ChanceModel {
    let length = lengths(rows).map(rounded);
    let on = [weigh.mean, weigh.lowest, weigh.margin, weigh.entropy, weigh.length];
    let bare =
        ChanceModel { level: 0.0, yields: 0.0, signals: [(0.0, 0.0); COUNT], unseen: (0.0, 0.0), length };
    let mut form = descend(&bare, rows, on);
    form.level = rounded(form.level);
    form.yields = rounded(form.yields);
    form.signals = form.signals.map(|(weight, mean)| (rounded(weight), rounded(mean)));
    form.unseen = unseen(&form, rows);
    form
}

fn rounded(value: f64) -> f64 {
    (value * PLACES).round() / PLACES
}

/// Of the logarithm of the tokens of all answers.
fn lengths(rows: &[JudgedAnswer]) -> LengthFeatures {
    let targets = rows.iter().map(|row| (row.numbers, ln(f64::from(row.tokens().max(1)))));
    let mut penalties = [LENGTH_PULL; length::TELLING.len() + 1];
    penalties[0] = 0.0;
    least_squares(targets, [0.0; length::TELLING.len() + 1], penalties)
}

/// One view of one answer.
struct FitPoint {
    /// The logit of what was foreseen.
    foreseen: f64,
    numbers: [f64; BEFORE + COUNT],
    right: f64,
    weight: f64,
}

/// The most likely coefficients.
fn descend(bare: &ChanceModel, rows: &[JudgedAnswer], on: [bool; COUNT]) -> ChanceModel {
    let judged: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.right.is_some()).collect();
    let (means, spreads) = averages(bare, &judged);
    let points = points(bare, &judged, &means);
    let mut found = [0.0; BEFORE + COUNT];
    let mut logits: Vec<f64> = points.iter().map(|point| point.foreseen).collect();
    let pull = |at: usize| match at {
        0 => 0.0,
        1 => PULL,
        _ => PULL * spreads[at - BEFORE] * spreads[at - BEFORE],
    };
    let (least, most) = (
        |at: usize| if at == 0 { f64::NEG_INFINITY } else { 0.0 },
        |at: usize| {
            if at == 1 { 1.0 } else { f64::INFINITY }
        },
    );
    for _ in 0..ROUNDS {
        for at in (0..found.len()).filter(|&at| at < BEFORE || on[at - BEFORE]) {
            let (mut slope, mut bend) = (-pull(at) * found[at], pull(at) + 1e-9);
            for (point, &logit) in points.iter().zip(&logits) {
                let (p, x) = (logistic(logit), point.numbers[at]);
                slope += point.weight * (point.right - p) * x;
                bend += point.weight * p * (1.0 - p) * x * x;
            }
            let next = (found[at] + (slope / bend).clamp(-1.0, 1.0)).clamp(least(at), most(at));
            let step = next - found[at];
            found[at] = next;
            logits.iter_mut().zip(&points).for_each(|(logit, point)| *logit += step * point.numbers[at]);
        }
    }
    let signals = std::array::from_fn(|at| (found[BEFORE + at], means[at]));
    ChanceModel { level: found[0], yields: found[1], signals, ..*bare }
}

/// The mean of each signal at the end, and its spread.
fn averages(bare: &ChanceModel, rows: &[&JudgedAnswer]) -> ([f64; COUNT], [f64; COUNT]) {
    let count = rows.len().max(1) as f64;
    let ends = || rows.iter().filter_map(|row| Some(values(&row.evidence().last()?, row, bare, true)));
    let means: [f64; COUNT] =
        std::array::from_fn(|at| rounded(ends().map(|end| end[at]).sum::<f64>() / count));
    let square = |at: usize| ends().map(|end| (end[at] - means[at]) * (end[at] - means[at])).sum::<f64>();
    (means, std::array::from_fn(|at| (square(at) / count).sqrt()))
}

/// Signals of one view; rows know all of them.
fn values(evidence: &TokenEvidence, row: &JudgedAnswer, form: &ChanceModel, ended: bool) -> [f64; COUNT] {
    signals(evidence, length::tokens(&row.numbers, &form.length), ended).map(Option::unwrap_or_default)
}

fn points(bare: &ChanceModel, rows: &[&JudgedAnswer], means: &[f64; COUNT]) -> Vec<FitPoint> {
    let kinds: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let each = rows.len() as f64 / kinds.len().max(1) as f64;
    let mut points = Vec::new();
    for row in rows {
        let of_kind = rows.iter().filter(|other| other.kind == row.kind).count() as f64;
        let views = row.seen.len();
        // The end decides more often than any other place.
        let weight = each / of_kind / 2.0;
        for (at, evidence) in row.evidence().enumerate() {
            let ended = at + 1 == views;
            let share = share(&evidence, length::tokens(&row.numbers, &bare.length), ended);
            let seen = values(&evidence, row, bare, ended);
            let foreseen = foreseen(Probability::new(row.foreseen[0]));
            let mut numbers = [share, -share * foreseen, 0.0, 0.0, 0.0, 0.0, 0.0];
            for (number, (value, mean)) in numbers[BEFORE..].iter_mut().zip(seen.iter().zip(means)) {
                *number = share * (value - mean);
            }
            let weight = if ended { weight } else { weight / (views - 1) as f64 };
            let right = f64::from(u8::from(row.right == Some(true)));
            points.push(FitPoint { foreseen, numbers, right, weight });
        }
    }
    points
}

/// How far the logit still moves to the end, by the share that is not seen: its variance, by the length that was foreseen.
fn unseen(form: &ChanceModel, rows: &[JudgedAnswer]) -> (f64, f64) {
    let mut moves = Vec::new();
    for row in rows.iter().filter(|row| row.right.is_some()) {
        let prior = row.prior(form);
        let at = |evidence: &TokenEvidence, ended| {
            logit(form.read(evidence, &prior, ended, ChanceSignals::default()).chance.value())
        };
        let Some(end) = row.evidence().last().map(|whole| at(&whole, true)) else { continue };
        for evidence in row.evidence().take(row.seen.len() - 1) {
            let tokens = prior.tokens.unwrap_or(1.0).max(1.0);
            let moved = end - at(&evidence, false);
            moves.push(([1.0, 1.0 / tokens], moved * moved / (1.0 - share(&evidence, tokens, false))));
        }
    }
    let [long, short] = least_squares(moves.into_iter(), [0.0; 2], [0.0; 2]);
    (rounded(long.max(LEAST_UNSEEN)), rounded(short.max(0.0)))
}

/// The coefficients as the source that they are kept in.
pub fn source(form: &ChanceModel) -> String {
    let pairs = form.signals.iter().zip(NAMES);
    let signals: String =
        pairs.map(|(pair, name)| format!("        // {name}\n        {pair:?},\n")).collect();
    let length: String = form.length.iter().map(|weight| format!("        {weight:?},\n")).collect();
    format!(
        "//! The coefficients in use. Made, not written, by `make guard`.\n\n\
         use super::chance::Form;\n\n\
         /// Fitted on answers of Qwen2.5-Coder-0.5B-Instruct Q4_K_M (`testdata/guard.jsonl`).\n\
         pub const FITTED: Form = Form {{\n    level: {:?},\n    yields: {:?},\n    signals: [\n{signals}    ],\n    \
         unseen: {:?},\n    length: [\n{length}    ],\n}};\n",
        form.level, form.yields, form.unseen
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::random::SplitMix64;

    /// Short answers that betray themselves, and long ones whose beginnings say nothing.
    fn rows(count: usize) -> Vec<JudgedAnswer> {
        let mut draws = SplitMix64(9);
        let row = |at: usize| {
            let long = at.is_multiple_of(2);
            let right = draws.uniform() < 0.5;
            let whole = if right { -0.1 } else { -0.9 } + 0.3 * draws.normal();
            let whole = whole.min(-0.001);
            let noise = (-0.5 + 0.4 * draws.normal()).min(-0.001);
            let mut numbers = [0.0; length::TELLING.len() + 1];
            (numbers[0], numbers[1]) = (1.0, if long { 5.0 } else { 3.0 });
            let seen = if long {
                vec![(8, noise, -2.0, 2.0), (24, noise, -2.0, 2.0), (160, whole, -2.0, 2.0)]
            } else {
                vec![(1, whole, -2.0, 2.0), (4, whole, -2.0, 2.0)]
            };
            JudgedAnswer {
                model: String::new(),
                kind: if long { "reasoned" } else { "short" }.to_owned(),
                id: at.to_string(),
                right: Some(right),
                large: 1.0,
                foreseen: [0.5, 0.9],
                numbers,
                prompt: 20,
                seen,
                entropy: 0.5,
                again: None,
            }
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn finds_what_there_is_and_nothing_else() {
        let form = fit(&rows(600));
        let (mean, margin) = (form.signals[0].0, form.signals[2].0);
        assert!(mean > 3.0 && margin < 0.2, "{form:?}");
        assert!(form.unseen.0 > 0.25, "{form:?}");
        let after = |row: &JudgedAnswer, place: usize, ended: bool| {
            let evidence = row.evidence().nth(place).unwrap();
            form.read(&evidence, &row.prior(&form), ended, ChanceSignals::default())
        };
        for row in rows(40) {
            let (early, end) = (after(&row, 0, false), after(&row, row.seen.len() - 1, true));
            assert_eq!((end.low, end.high), (end.chance, end.chance), "all was seen");
            if row.kind == "reasoned" {
                assert!(
                    (early.chance.value() - 0.5).abs() < 0.2,
                    "eight of 160 tokens say little: {early:?}"
                );
                assert!(early.low.value() < 0.3 && early.high.value() > 0.7, "{early:?}");
            }
        }
        let lengths: Vec<f64> = rows(2).iter().map(|row| row.prior(&form).tokens.unwrap()).collect();
        assert!((lengths[0] - 160.0).abs() < 10.0 && (lengths[1] - 4.0).abs() < 1.0, "{lengths:?}");
    }

    #[test]
    fn a_signal_that_is_off_has_no_weight() {
        let form = fit_weighing(&rows(200), ChanceSignals { mean: false, ..ChanceSignals::default() });
        assert_eq!(form.signals[0].0, 0.0);
    }
}
