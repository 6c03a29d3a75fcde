//! The difficulty agrees with common sense: long work is hard; greetings, common facts and simple jobs are easy.

use router_policies::cards::CARDS;
use router_policies::ladder_prediction::{LadderModel, LadderPrediction};
use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{
    CostEstimate, Features, ModelClass, Policy, Prompt, PromptRole, PromptTurn, Query, RequestDraw,
    RequestFacts, RungState,
};

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

/// What goes up in the built-in ladders, of each half and language of the list: at most so much of what is easy, at least so much
/// of what is hard.
#[track_caller]
fn check_ladder(models: [LadderModel; 2], policy: &str, easy: f64, hard: f64) {
    let policy: Policy = serde_json::from_str(policy).expect("a policy");
    let up = |line: &CommonSenseLine| {
        let features = Features::of(&Prompt::from_text(line.prompt.as_str()));
        let seen = LadderPrediction::of(default_scorer(), None, &models, &features);
        let rung = |at: usize| RungState {
            model: ["small", "large"][at],
            p_success: seen.rungs[at],
            eligible: true,
            estimate: CostEstimate { work: seen.work.get(at).copied().flatten(), ..CostEstimate::default() },
        };
        let ladder = [rung(0), rung(1)];
        let query = Query {
            features: &features,
            familiarity: seen.familiarity,
            ladder: &ladder,
            draw: RequestDraw::default(),
            recent: None,
            weights: None,
            facts: RequestFacts::default(),
        };
        policy.decide(&query).expect("a decision").plan.first().0 == 1
    };
    let lines = lines();
    for (half, lang) in [("develop", "en"), ("develop", "zh"), ("held", "en"), ("held", "zh")] {
        let share = |sense: &str| {
            let of = lines.iter().filter(|it| (&*it.half, &*it.lang, &*it.sense) == (half, lang, sense));
            let ups: Vec<f64> = of.map(|line| f64::from(u8::from(up(line)))).collect();
            ups.iter().sum::<f64>() / ups.len() as f64
        };
        let found = (share("easy"), share("hard"));
        assert!(found.0 <= easy && found.1 >= hard, "{policy:?}, {half}, {lang}: {found:?}");
    }
}

#[test]
fn hard_requests_go_up_in_the_ladders_of_the_default_and_easy_ones_stay() {
    let by_gain = r#"{"kind": "threshold", "at": 0.16, "by": "gain_for_time"}"#;
    let by_difficulty = r#"{"kind": "threshold", "at": 0.6}"#;
    let [small, large] = [0, 1].map(|at| LadderModel { class: ModelClass::Tiny, card: Some(&CARDS[at]) });
    let other = |class| LadderModel { class, card: None };
    check_ladder([small, large], by_gain, 0.10, 0.95);
    // A provider's model has no card, nor has a small one of a server on this machine.
    check_ladder([small, other(ModelClass::Frontier)], by_difficulty, 0.10, 0.95);
    check_ladder([other(ModelClass::Tiny), other(ModelClass::Frontier)], by_difficulty, 0.10, 0.95);
    check_ladder([other(ModelClass::Small), other(ModelClass::Frontier)], by_difficulty, 0.10, 0.80);
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
