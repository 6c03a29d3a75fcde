//! The difficulty agrees with common sense: long work is hard; greetings, common facts and simple jobs are easy.

use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt, PromptRole, PromptTurn};

#[derive(serde::Deserialize)]
struct CommonSenseLine {
    half: String,
    lang: String,
    sense: String,
    prompt: String,
}

fn lines() -> Vec<CommonSenseLine> {
    let lines = include_str!("../testdata/common-sense.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a line")).collect()
}

fn difficulty(prompt: &str, class: ModelClass) -> f64 {
    1.0 - default_scorer().predict(&Features::of(&Prompt::from_text(prompt))).of(class).value()
}

/// The chance that a hard request has a higher difficulty than an easy one.
fn auc(lines: &[&CommonSenseLine], class: ModelClass) -> f64 {
    let scores = |sense: &str| -> Vec<f64> {
        let of = lines.iter().filter(|line| line.sense == sense);
        of.map(|line| difficulty(&line.prompt, class)).collect()
    };
    let (easy, hard) = (scores("easy"), scores("hard"));
    let above = hard.iter().map(|hard| easy.iter().filter(|easy| hard > easy).count()).sum::<usize>();
    above as f64 / (easy.len() * hard.len()) as f64
}

/// The half that the prior was not fitted on.
#[test]
fn hard_requests_of_the_held_half_are_harder_than_easy_ones() {
    let lines = lines();
    for lang in ["en", "zh"] {
        for class in [ModelClass::Tiny, ModelClass::Small] {
            let held: Vec<_> = lines.iter().filter(|line| line.half == "held" && line.lang == lang).collect();
            assert_eq!(held.len(), 60, "{lang}");
            let auc = auc(&held, class);
            assert!(auc >= 0.95, "{lang}, {class:?}: {auc}");
        }
    }
}

#[track_caller]
fn check(hard: &str, easy: &str) {
    for class in [ModelClass::Tiny, ModelClass::Small] {
        let (hard_score, easy_score) = (difficulty(hard, class), difficulty(easy, class));
        assert!(hard_score > easy_score, "{class:?}: {hard} {hard_score}, {easy} {easy_score}");
    }
}

#[test]
fn what_users_found_the_wrong_way_round() {
    check("Write a compiler pass that turns SSA into register form", "Capital of Japan?");
    check("Design a multi-region, strongly consistent key-value store", "What is the capital of France?");
    check("Prove that e is irrational.", "What is the capital of France?");
    check("Prove that e is irrational.", "ok");
    check("Draft a mutual NDA with GDPR clauses", "Who wrote Romeo and Juliet?");
    check("Plan a six-month migration from COBOL to Java", "What language is 'Guten Morgen'?");
    check("Find why the CI test is flaky, fix it and open a pull request", "What is 2 + 2?");
    check("证明哥德巴赫猜想", "法国的首都是哪里？");
}

/// A light question is lighter than the work before it, though that is still read.
#[test]
fn the_last_turn_opens_the_request() {
    let turn = |role, text: &'static str| PromptTurn { role, text: text.into() };
    let after = |work: &'static str, last: &'static str| {
        let turns = vec![
            turn(PromptRole::User, work),
            turn(PromptRole::Assistant, "Here it is."),
            turn(PromptRole::User, last),
        ];
        let features = Features::of(&Prompt { turns, ..Prompt::default() });
        1.0 - default_scorer().predict(&features).of(ModelClass::Tiny).value()
    };
    for (work, light) in [
        (
            "Design a multi-region, strongly consistent key-value store",
            "Thanks! What is the capital of France?",
        ),
        ("设计一个强一致的多区域键值存储", "谢谢！法国的首都是哪里？"),
    ] {
        let (light, harder) = (after(work, light), after(work, work));
        assert!(light < 0.5 && harder > light + 0.2, "{light} {harder}");
    }
}
