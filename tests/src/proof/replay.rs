//! What a cascade's guard says of a recorded answer: the gateway's own guard, shown the tokens one by one.

use std::time::Duration;

use router_policies::guard::{
    AnswerEnd, AnswerExpectation, AnswerObservation, AnswerPrior, FITTED, Guard, GuardRun, GuardSignals,
    HoldBack, Verdict,
};
use router_policies::outcomes::Correction;
use router_policies::{Features, Probability, Prompt};

use crate::proof::answers::{AskedForm, ExamAnswer};
use crate::proof::exam::ExamQuestion;

/// What was seen of an answer when the guard made up its mind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The chance that it will do; below 0 where a refusal, a repetition, the format or the language speaks against it.
    pub chance: f64,
    /// Tokens that were written by then.
    pub tokens: f64,
}

/// Runs the guard with a hold of so many tokens, `None` for the whole answer, over an answer. `suffices` is what was
/// foreseen. No threshold is set: whoever sweeps over the chance sets all of them.
pub fn judged(question: &ExamQuestion, answer: &ExamAnswer, suffices: f64, hold: Option<u32>) -> Judged {
    let hold_back = match hold {
        Some(tokens) => HoldBack::Until { tokens, at_most: Duration::MAX },
        None => HoldBack::All,
    };
    let signals = GuardSignals { confidence: 0.0, ..GuardSignals::default() };
    let mut run = GuardRun::new(
        Guard { hold: hold_back, signals, agree: None },
        expectation(question, answer, suffices),
    );
    for (at, token) in answer.tokens.iter().enumerate() {
        let likeliest: Vec<[f64; 2]> = token.2.into_iter().collect();
        let piece = AnswerObservation {
            text: &token.0,
            logprobs: &[token.1],
            likeliest: &likeliest,
            tokens: 1.0,
            elapsed: Duration::ZERO,
        };
        let seen = (at + 1) as f64;
        match run.see(piece) {
            Verdict::Escalate(_) => return Judged { chance: -1.0, tokens: seen },
            Verdict::Keep => {
                return Judged { chance: run.chance().map_or(0.5, Probability::value), tokens: seen };
            }
            Verdict::Wait => {}
        }
    }
    let calls = !answer.calls.is_empty();
    let end =
        AnswerEnd { cut: answer.finish == "length", well_formed: is_well_formed(question, answer), calls };
    let doubted = matches!(run.end(end), Verdict::Escalate(_));
    let chance = if doubted { -1.0 } else { run.chance().map_or(0.5, Probability::value) };
    Judged { chance, tokens: f64::from(answer.answer_tokens) }
}

fn expectation(question: &ExamQuestion, answer: &ExamAnswer, suffices: f64) -> AnswerExpectation {
    AnswerExpectation {
        json: question.response_format.is_some() && answer.asked == AskedForm::AsItIs,
        chinese: AnswerExpectation::chinese_for(&last_question(question)),
        limited: true,
        prior: AnswerPrior {
            suffices: Some(Probability::new(suffices)),
            tokens: Some(foreseen_tokens(question)),
            correction: Correction::NONE,
        },
    }
}

/// How long an answer to a question is foreseen to be, in tokens.
pub fn foreseen_tokens(question: &ExamQuestion) -> f64 {
    let features = Features::of(&Prompt::from_text(last_question(question).as_str()));
    FITTED.tokens(&features).min(f64::from(question.max_tokens))
}

fn last_question(question: &ExamQuestion) -> String {
    let last = question.messages.iter().rev().find(|message| message["role"] == "user");
    last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
}

/// JSON where JSON was asked for, and calls whose arguments are JSON.
fn is_well_formed(question: &ExamQuestion, answer: &ExamAnswer) -> bool {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    let formed =
        answer.asked == AskedForm::InWords || question.response_format.is_none() || is_json(&answer.answer);
    formed && answer.calls.iter().all(|call| is_json(&call.arguments))
}
