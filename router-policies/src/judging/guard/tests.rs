use proptest::prelude::*;

use super::*;
use crate::judging::outcomes::Correction;

const FREE: AnswerExpectation =
    AnswerExpectation { json: false, chinese: false, limited: false, prior: AnswerPrior::NOTHING };
const FINE: AnswerEnd = AnswerEnd { cut: false, well_formed: true, calls: false };

fn guard(hold: HoldBack, signals: GuardSignals) -> Guard {
    Guard { hold, signals, agree: None }
}

fn short() -> Guard {
    guard(HoldBack::Until { tokens: 4, at_most: Duration::from_millis(600) }, GuardSignals::default())
}

fn piece<'a>(text: &'a str, logprobs: &'a [f64]) -> AnswerObservation<'a> {
    AnswerObservation { text, logprobs, likeliest: &[], tokens: 1.0, elapsed: Duration::ZERO }
}

#[test]
fn keeps_an_answer_once_enough_was_seen() {
    let mut watch = GuardRun::new(short(), FREE);
    for text in ["The", " capital", " is"] {
        assert_eq!(watch.see(piece(text, &[-0.1])), Verdict::Wait);
    }
    assert_eq!(watch.see(piece(" Paris", &[-0.1])), Verdict::Keep);
    assert!(watch.chance().unwrap().value() > 0.5);
}

#[test]
fn keeps_an_answer_once_its_time_is_over() {
    let mut watch = GuardRun::new(short(), FREE);
    assert_eq!(watch.see(piece("The", &[-0.1])), Verdict::Wait);
    assert_eq!(watch.at(Duration::from_millis(599)), Verdict::Wait);
    assert_eq!(watch.at(Duration::from_millis(600)), Verdict::Keep);
}

#[test]
fn doubts_improbable_tokens() {
    let mut watch = GuardRun::new(short(), FREE);
    for _ in 0..3 {
        assert_eq!(watch.see(piece("x", &[-2.0])), Verdict::Wait);
    }
    assert_eq!(watch.see(piece("x", &[-2.0])), Verdict::Escalate(RejectReason::Confidence));
    let off = GuardSignals { confidence: 0.0, ..GuardSignals::default() };
    let mut watch = GuardRun::new(guard(short().hold, off), FREE);
    assert_eq!(watch.see(piece("xxxx", &[-2.0; 4])), Verdict::Keep);
}

#[test]
fn little_doubt_ends_the_hold_early() {
    let long =
        guard(HoldBack::Until { tokens: 24, at_most: Duration::from_secs(9) }, GuardSignals::default());
    let after = |expected: AnswerExpectation, text: &str, logprobs: &[f64]| {
        let mut watch = GuardRun::new(long, expected);
        (1..=24)
            .find_map(|count| {
                let verdict = watch.see(piece(text, &[logprobs[count % logprobs.len()]]));
                (verdict != Verdict::Wait).then_some((count, verdict))
            })
            .unwrap()
    };
    // Where it was foreseen as well.
    let foreseen = |chance| AnswerPrior { suffices: Some(Probability::new(chance)), ..AnswerPrior::NOTHING };
    let prior = foreseen(0.9);
    assert_eq!(after(AnswerExpectation { prior, ..FREE }, "a ", &[-0.05, -0.1]), (8, Verdict::Keep));
    let unlikely = AnswerExpectation { prior: foreseen(0.1), ..FREE };
    assert_eq!(after(unlikely, "a ", &[-2.0, -3.0]), (8, Verdict::Escalate(RejectReason::Confidence)));
    let (count, _) = after(FREE, "a ", &[-0.1, -0.4]);
    assert!(count > 12, "{count}");
    // Whether it is Chinese is not known yet.
    let chinese = AnswerExpectation { chinese: true, prior, ..FREE };
    assert_eq!(after(chinese, "a ", &[-0.05, -0.1]), (24, Verdict::Keep));
    assert_eq!(after(chinese, "一", &[-0.05, -0.1]), (8, Verdict::Keep));
}

#[test]
fn the_beginning_of_a_long_answer_leaves_what_was_foreseen() {
    let chance = |suffices: f64, tokens: f64, logprob: f64, correction: Correction| {
        let prior =
            AnswerPrior { suffices: Some(Probability::new(suffices)), tokens: Some(tokens), correction };
        let mut watch = GuardRun::new(short(), AnswerExpectation { prior, ..FREE });
        watch.see(piece("a b c d", &[logprob; 4]));
        watch.chance().unwrap().value()
    };
    let spread =
        |tokens| chance(0.6, tokens, -0.1, Correction::NONE) - chance(0.6, tokens, -1.5, Correction::NONE);
    assert!(spread(4.0) > 0.6 && spread(400.0) < 0.2, "{} {}", spread(4.0), spread(400.0));
    for tokens in [4.0, 400.0] {
        let of = |suffices| chance(suffices, tokens, -0.5, Correction::NONE);
        assert!(of(0.9) > of(0.5) && of(0.5) > of(0.1));
    }
}

#[test]
fn a_whole_answer_is_let_go_as_soon_as_it_is_beyond_doubt_that_it_will_not_do() {
    let prior = AnswerPrior { suffices: Some(Probability::new(0.2)), ..AnswerPrior::NOTHING };
    let mut watch =
        GuardRun::new(guard(HoldBack::All, GuardSignals::default()), AnswerExpectation { prior, ..FREE });
    assert_eq!(watch.see(piece("a b c d e f g", &[-4.0; 7])), Verdict::Wait);
    assert_eq!(watch.see(piece("h", &[-4.0])), Verdict::Escalate(RejectReason::Confidence));
}

#[test]
fn without_probabilities_the_other_signals_judge() {
    let mut watch = GuardRun::new(short(), FREE);
    assert_eq!(
        watch.see(AnswerObservation { text: "Paris", tokens: 5.0, ..AnswerObservation::default() }),
        Verdict::Keep
    );
    let mut watch = GuardRun::new(short(), FREE);
    let refusal = AnswerObservation {
        text: "I'm sorry, but I can't help with that.",
        tokens: 3.0,
        ..AnswerObservation::default()
    };
    assert_eq!(watch.see(refusal), Verdict::Escalate(RejectReason::Refusal));
}

#[test]
fn each_signal_can_be_switched_off() {
    let check = |expected: AnswerExpectation, text: &str, doubt: RejectReason, off: GuardSignals| {
        let see = |signals| {
            let mut watch = GuardRun::new(guard(HoldBack::All, signals), expected);
            watch.see(AnswerObservation { text, tokens: 50.0, ..AnswerObservation::default() })
        };
        assert_eq!(see(GuardSignals::default()), Verdict::Escalate(doubt), "{text}");
        assert_eq!(see(off), Verdict::Wait, "{text}");
    };
    let on = GuardSignals::default();
    check(FREE, "抱歉，我无法回答这个问题。", RejectReason::Refusal, GuardSignals { refusal: false, ..on });
    let circles = "I like apples. ".repeat(8);
    check(FREE, &circles, RejectReason::Repetition, GuardSignals { repetition: false, ..on });
    let format = GuardSignals { format: false, ..on };
    check(AnswerExpectation { json: true, ..FREE }, "Here is the JSON:", RejectReason::Format, format);
    let english = "The capital of France is Paris, which is a large city on the river Seine.";
    check(AnswerExpectation { chinese: true, ..FREE }, english, RejectReason::Language, format);
}

#[test]
fn whole_answers_are_judged_at_their_end() {
    let all = guard(HoldBack::All, GuardSignals::default());
    let end = |guard: Guard, expected: AnswerExpectation, text: &str, end: AnswerEnd| {
        let mut watch = GuardRun::new(guard, expected);
        assert_eq!(watch.see(piece(text, &[-0.1; 40])), Verdict::Wait, "{text}");
        watch.end(end)
    };
    assert_eq!(end(all, FREE, "Paris", FINE), Verdict::Keep);
    assert_eq!(end(all, FREE, " \n", FINE), Verdict::Escalate(RejectReason::Empty));
    assert_eq!(end(all, FREE, "", AnswerEnd { calls: true, ..FINE }), Verdict::Keep);
    assert_eq!(end(all, FREE, "Par", AnswerEnd { cut: true, ..FINE }), Verdict::Escalate(RejectReason::Cut));
    let limited = AnswerExpectation { limited: true, ..FREE };
    assert_eq!(end(all, limited, "Par", AnswerEnd { cut: true, ..FINE }), Verdict::Keep);
    assert_eq!(
        end(all, FREE, "", AnswerEnd { well_formed: false, calls: true, ..FINE }),
        Verdict::Escalate(RejectReason::Format)
    );
    // JSON can only be judged whole, whatever the hold.
    let json = AnswerExpectation { json: true, ..FREE };
    assert_eq!(
        end(short(), json, "{\"a\":", AnswerEnd { well_formed: false, ..FINE }),
        Verdict::Escalate(RejectReason::Format)
    );
    // And so can what others are to agree with.
    let agreeing = Guard { agree: Some(AgreementCheck { samples: 1, rung: None }), ..short() };
    assert_eq!(end(agreeing, FREE, "Paris", FINE), Verdict::Keep);
}

#[test]
fn holds_read_as_they_are_written() {
    let read = |text: &str| serde_json::from_str::<HoldConfig>(text).map(HoldBack::from);
    assert_eq!(read("\"all\"").unwrap(), HoldBack::All);
    let until = |tokens, millis| HoldBack::Until { tokens, at_most: Duration::from_millis(millis) };
    assert_eq!(read(r#"{"tokens":24,"at_most":"600ms"}"#).unwrap(), until(24, 600));
    assert_eq!(read(r#"{"tokens":8}"#).unwrap(), until(8, 600));
    assert!(read("\"some\"").is_err() && read(r#"{"token":8}"#).is_err());
}

proptest! {
    #[test]
    fn a_verdict_never_comes_before_its_time(pieces in prop::collection::vec((".{0,12}", -3.0f64..0.0), 0..30)) {
        let mut watch = GuardRun::new(guard(HoldBack::All, GuardSignals::default()), FREE);
        for (text, logprob) in &pieces {
            prop_assert_ne!(watch.see(piece(text, &[*logprob])), Verdict::Keep);
        }
        prop_assert_ne!(watch.end(FINE), Verdict::Wait);
    }
}
