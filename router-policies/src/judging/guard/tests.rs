use proptest::prelude::*;

use super::*;
use crate::judging::outcomes::Correction;

const FREE: Expected = Expected { json: false, chinese: false, limited: false, outset: Outset::NOTHING };
const FINE: End = End { cut: false, well_formed: true, calls: false };

fn guard(hold: Hold, signals: Signals) -> Guard {
    Guard { hold, signals, agree: None }
}

fn short() -> Guard {
    guard(Hold::Until { tokens: 4, at_most: Duration::from_millis(600) }, Signals::default())
}

fn piece<'a>(text: &'a str, logprobs: &'a [f64]) -> Glimpse<'a> {
    Glimpse { text, logprobs, likeliest: &[], tokens: 1.0, elapsed: Duration::ZERO }
}

#[test]
fn keeps_an_answer_once_enough_was_seen() {
    let mut watch = Watch::new(short(), FREE);
    for text in ["The", " capital", " is"] {
        assert_eq!(watch.see(piece(text, &[-0.1])), Verdict::Wait);
    }
    assert_eq!(watch.see(piece(" Paris", &[-0.1])), Verdict::Keep);
    assert!(watch.chance().unwrap().value() > 0.5);
}

#[test]
fn keeps_an_answer_once_its_time_is_over() {
    let mut watch = Watch::new(short(), FREE);
    assert_eq!(watch.see(piece("The", &[-0.1])), Verdict::Wait);
    assert_eq!(watch.at(Duration::from_millis(599)), Verdict::Wait);
    assert_eq!(watch.at(Duration::from_millis(600)), Verdict::Keep);
}

#[test]
fn doubts_improbable_tokens() {
    let mut watch = Watch::new(short(), FREE);
    for _ in 0..3 {
        assert_eq!(watch.see(piece("x", &[-2.0])), Verdict::Wait);
    }
    assert_eq!(watch.see(piece("x", &[-2.0])), Verdict::Escalate(Doubt::Confidence));
    let off = Signals { confidence: 0.0, ..Signals::default() };
    let mut watch = Watch::new(guard(short().hold, off), FREE);
    assert_eq!(watch.see(piece("xxxx", &[-2.0; 4])), Verdict::Keep);
}

#[test]
fn little_doubt_ends_the_hold_early() {
    let long = guard(Hold::Until { tokens: 24, at_most: Duration::from_secs(9) }, Signals::default());
    let after = |expected: Expected, text: &str, logprobs: &[f64]| {
        let mut watch = Watch::new(long, expected);
        (1..=24)
            .find_map(|count| {
                let verdict = watch.see(piece(text, &[logprobs[count % logprobs.len()]]));
                (verdict != Verdict::Wait).then_some((count, verdict))
            })
            .unwrap()
    };
    // Where it was foreseen as well.
    let foreseen = |chance| Outset { suffices: Some(Chance::new(chance)), ..Outset::NOTHING };
    let outset = foreseen(0.9);
    assert_eq!(after(Expected { outset, ..FREE }, "a ", &[-0.05, -0.1]), (8, Verdict::Keep));
    let unlikely = Expected { outset: foreseen(0.1), ..FREE };
    assert_eq!(after(unlikely, "a ", &[-2.0, -3.0]), (8, Verdict::Escalate(Doubt::Confidence)));
    let (count, _) = after(FREE, "a ", &[-0.1, -0.4]);
    assert!(count > 12, "{count}");
    // Whether it is Chinese is not known yet.
    let chinese = Expected { chinese: true, outset, ..FREE };
    assert_eq!(after(chinese, "a ", &[-0.05, -0.1]), (24, Verdict::Keep));
    assert_eq!(after(chinese, "一", &[-0.05, -0.1]), (8, Verdict::Keep));
}

#[test]
fn the_beginning_of_a_long_answer_leaves_what_was_foreseen() {
    let chance = |suffices: f64, tokens: f64, logprob: f64, correction: Correction| {
        let outset = Outset { suffices: Some(Chance::new(suffices)), tokens: Some(tokens), correction };
        let mut watch = Watch::new(short(), Expected { outset, ..FREE });
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
    let outset = Outset { suffices: Some(Chance::new(0.2)), ..Outset::NOTHING };
    let mut watch = Watch::new(guard(Hold::All, Signals::default()), Expected { outset, ..FREE });
    assert_eq!(watch.see(piece("a b c d e f g", &[-4.0; 7])), Verdict::Wait);
    assert_eq!(watch.see(piece("h", &[-4.0])), Verdict::Escalate(Doubt::Confidence));
}

#[test]
fn without_probabilities_the_other_signals_judge() {
    let mut watch = Watch::new(short(), FREE);
    assert_eq!(watch.see(Glimpse { text: "Paris", tokens: 5.0, ..Glimpse::default() }), Verdict::Keep);
    let mut watch = Watch::new(short(), FREE);
    let refusal =
        Glimpse { text: "I'm sorry, but I can't help with that.", tokens: 3.0, ..Glimpse::default() };
    assert_eq!(watch.see(refusal), Verdict::Escalate(Doubt::Refusal));
}

#[test]
fn each_signal_can_be_switched_off() {
    let check = |expected: Expected, text: &str, doubt: Doubt, off: Signals| {
        let see = |signals| {
            let mut watch = Watch::new(guard(Hold::All, signals), expected);
            watch.see(Glimpse { text, tokens: 50.0, ..Glimpse::default() })
        };
        assert_eq!(see(Signals::default()), Verdict::Escalate(doubt), "{text}");
        assert_eq!(see(off), Verdict::Wait, "{text}");
    };
    let on = Signals::default();
    check(FREE, "抱歉，我无法回答这个问题。", Doubt::Refusal, Signals { refusal: false, ..on });
    let circles = "I like apples. ".repeat(8);
    check(FREE, &circles, Doubt::Repetition, Signals { repetition: false, ..on });
    let format = Signals { format: false, ..on };
    check(Expected { json: true, ..FREE }, "Here is the JSON:", Doubt::Format, format);
    let english = "The capital of France is Paris, which is a large city on the river Seine.";
    check(Expected { chinese: true, ..FREE }, english, Doubt::Language, format);
}

#[test]
fn whole_answers_are_judged_at_their_end() {
    let all = guard(Hold::All, Signals::default());
    let end = |guard: Guard, expected: Expected, text: &str, end: End| {
        let mut watch = Watch::new(guard, expected);
        assert_eq!(watch.see(piece(text, &[-0.1; 40])), Verdict::Wait, "{text}");
        watch.end(end)
    };
    assert_eq!(end(all, FREE, "Paris", FINE), Verdict::Keep);
    assert_eq!(end(all, FREE, " \n", FINE), Verdict::Escalate(Doubt::Empty));
    assert_eq!(end(all, FREE, "", End { calls: true, ..FINE }), Verdict::Keep);
    assert_eq!(end(all, FREE, "Par", End { cut: true, ..FINE }), Verdict::Escalate(Doubt::Cut));
    let limited = Expected { limited: true, ..FREE };
    assert_eq!(end(all, limited, "Par", End { cut: true, ..FINE }), Verdict::Keep);
    assert_eq!(
        end(all, FREE, "", End { well_formed: false, calls: true, ..FINE }),
        Verdict::Escalate(Doubt::Format)
    );
    // JSON can only be judged whole, whatever the hold.
    let json = Expected { json: true, ..FREE };
    assert_eq!(
        end(short(), json, "{\"a\":", End { well_formed: false, ..FINE }),
        Verdict::Escalate(Doubt::Format)
    );
    // And so can what others are to agree with.
    let agreeing = Guard { agree: Some(Agree { samples: 1, rung: None }), ..short() };
    assert_eq!(end(agreeing, FREE, "Paris", FINE), Verdict::Keep);
}

#[test]
fn holds_read_as_they_are_written() {
    let read = |text: &str| serde_json::from_str::<WrittenHold>(text).map(Hold::from);
    assert_eq!(read("\"all\"").unwrap(), Hold::All);
    let until = |tokens, millis| Hold::Until { tokens, at_most: Duration::from_millis(millis) };
    assert_eq!(read(r#"{"tokens":24,"at_most":"600ms"}"#).unwrap(), until(24, 600));
    assert_eq!(read(r#"{"tokens":8}"#).unwrap(), until(8, 600));
    assert!(read("\"some\"").is_err() && read(r#"{"token":8}"#).is_err());
}

proptest! {
    #[test]
    fn a_verdict_never_comes_before_its_time(pieces in prop::collection::vec((".{0,12}", -3.0f64..0.0), 0..30)) {
        let mut watch = Watch::new(guard(Hold::All, Signals::default()), FREE);
        for (text, logprob) in &pieces {
            prop_assert_ne!(watch.see(piece(text, &[*logprob])), Verdict::Keep);
        }
        prop_assert_ne!(watch.end(FINE), Verdict::Wait);
    }
}
