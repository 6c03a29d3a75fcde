//! Questions that both models answered, with what each way of choosing between them goes by.

use std::collections::{BTreeMap, HashMap};

use router_policies::answers::FinalAnswer;

use crate::proof::answers::ExamAnswer;
use crate::proof::exam::ExamQuestion;
use crate::proof::foresight::Foresight;
use crate::proof::replay::{Judged, foreseen_tokens, judged};

/// Tokens that the cascades hold; `None`: the whole answer.
pub const HOLDS: [Option<u32>; 3] = [Some(8), Some(24), None];
/// Parts that questions are dealt into where a part is judged by what the others teach.
const PARTS: usize = 5;

/// One model's answer to a question.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Side {
    /// 1 where it is right, else 0.
    pub right: f64,
    /// What it cost, in seconds or whatever else costs are counted in.
    pub cost: f64,
    /// Tokens of the prompt and of the answer.
    pub tokens: [f64; 2],
}

/// A question that both models answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What sort of task it is.
    pub kind: String,
    /// The small model's answer and the large one's.
    pub small: Side,
    /// The large model's answer.
    pub large: Side,
    /// What the gateway foresaw.
    pub foreseen: Foresight,
    /// How long an answer was foreseen to be, in tokens.
    pub foreseen_tokens: f64,
    /// What the guard says of the small model's answer, by [`HOLDS`].
    pub judged: [Judged; 3],
    /// What a second answer of the small model cost, and whether it comes to the same; `None` where there is none.
    pub second: Option<(f64, bool)>,
    /// What the large model adds on the mean of this kind, by questions of other parts.
    pub gain_of_kind: f64,
}

/// What one token costs a model: of the prompt, and of the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// A token of the prompt.
    pub prompt: f64,
    /// A token of the answer.
    pub answer: f64,
}

impl Pace {
    /// Fitted by least squares to whole answers; neither is less than 0.
    pub fn of<'a>(sides: impl Iterator<Item = &'a Side>) -> Self {
        let (mut pp, mut pa, mut aa, mut pc, mut ac) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for side in sides {
            let [prompt, answer] = side.tokens;
            pp += prompt * prompt;
            pa += prompt * answer;
            aa += answer * answer;
            pc += prompt * side.cost;
            ac += answer * side.cost;
        }
        let determinant = pp * aa - pa * pa;
        let (prompt, answer) = ((pc * aa - ac * pa) / determinant, (ac * pp - pc * pa) / determinant);
        let alone = |with_cost: f64, squared: f64| with_cost / squared.max(f64::MIN_POSITIVE);
        // Where all are alike, or one comes out below 0, the other explains what it can.
        if determinant <= 1e-9 * pp * aa || prompt < 0.0 {
            Self { prompt: 0.0, answer: alone(ac, aa) }
        } else if answer < 0.0 {
            Self { prompt: alone(pc, pp), answer: 0.0 }
        } else {
            Self { prompt, answer }
        }
    }

    /// What so many tokens cost.
    pub fn cost(&self, [prompt, answer]: [f64; 2]) -> f64 {
        self.prompt * prompt + self.answer * answer
    }
}

/// The rows of a model, by question.
pub fn by_question<'a>(rows: &'a [ExamAnswer], model: &str) -> HashMap<&'a str, &'a ExamAnswer> {
    rows.iter().filter(|row| row.model == model).map(|row| (row.id.as_str(), row)).collect()
}

/// A row as a side, its cost in seconds of the processor, or of the machine where the former are not known.
pub fn side(row: &ExamAnswer) -> Side {
    Side {
        right: f64::from(u8::from(row.correct)),
        cost: row.processor.unwrap_or(row.busy),
        tokens: [f64::from(row.prompt_tokens), f64::from(row.answer_tokens)],
    }
}

/// The questions that the small model answered and that `large` has a side for, in the order of `questions`.
pub fn cases(
    questions: &[&ExamQuestion],
    small: &HashMap<&str, &ExamAnswer>,
    large: &dyn Fn(&str) -> Option<Side>,
    again: &HashMap<&str, &ExamAnswer>,
    foreseen: &BTreeMap<String, Foresight>,
) -> Vec<Case> {
    let case = |question: &&ExamQuestion| {
        let row = *small.get(question.id.as_str())?;
        let foreseen = *foreseen.get(&question.id)?;
        let second = again.get(question.id.as_str()).map(|other| {
            let agrees = FinalAnswer::of(&said(row)).agrees(&FinalAnswer::of(&said(other)));
            (side(other).cost, agrees != Some(false))
        });
        Some(Case {
            kind: question.kind.clone(),
            small: side(row),
            large: large(&question.id)?,
            foreseen,
            foreseen_tokens: foreseen_tokens(question),
            judged: HOLDS.map(|hold| judged(question, row, foreseen.suffices[0], hold)),
            second,
            gain_of_kind: 0.0,
        })
    };
    let mut all: Vec<Case> = questions.iter().filter_map(case).collect();
    learn_kinds(&mut all);
    all
}

fn said(row: &ExamAnswer) -> String {
    let calls: Vec<String> =
        row.calls.iter().map(|call| format!("{} {}", call.name, call.arguments)).collect();
    format!("{}{}", row.answer, calls.join("\n"))
}

/// The mean gain of each kind in the other parts, drawn towards that of all kinds as if two questions more had it.
fn learn_kinds(cases: &mut [Case]) {
    const PRIOR: f64 = 2.0;
    let gain = |case: &Case| case.large.right - case.small.right;
    let learned: Vec<f64> = (0..cases.len())
        .map(|at| {
            let others = || {
                cases
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| other % PARTS != at % PARTS)
                    .map(|(_, case)| case)
            };
            let of_kind = || others().filter(|case| case.kind == cases[at].kind);
            let all = others().map(gain).sum::<f64>() / (others().count() as f64).max(1.0);
            (of_kind().map(gain).sum::<f64>() + PRIOR * all) / (of_kind().count() as f64 + PRIOR)
        })
        .collect();
    cases.iter_mut().zip(learned).for_each(|(case, learned)| case.gain_of_kind = learned);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_of_a_model_is_found_again() {
        let side = |prompt: f64, answer: f64| Side {
            right: 1.0,
            cost: 0.01 * prompt + 0.05 * answer,
            tokens: [prompt, answer],
        };
        let pace = Pace::of([side(100.0, 10.0), side(30.0, 200.0), side(70.0, 1.0)].iter());
        assert!((pace.prompt - 0.01).abs() < 1e-9 && (pace.answer - 0.05).abs() < 1e-9, "{pace:?}");
        assert!((pace.cost([10.0, 2.0]) - 0.2).abs() < 1e-9);
    }
}
