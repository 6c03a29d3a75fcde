use super::default_scorer::{BadWeights, DefaultScorer, ExpertForecast, VERSION};
use super::stacked_heads::StackedHeads;
use super::{Scorer, default_scorer};
use crate::scoring::class_predictions::ModelClass;
use crate::scoring::feature_transform::{FeatureTransform, Standardizer};
use crate::scoring::features::{Features, Prompt};
use crate::scoring::random::SplitMix64;
use crate::scoring::ridge::{RidgeRow, fit};

fn gain(text: &str) -> f64 {
    let prospects = default_scorer().predict(&Features::of(&Prompt::from_text(text)));
    prospects.of(ModelClass::Frontier).value() - prospects.of(ModelClass::Small).value()
}

#[test]
fn weights_say_what_they_were_fitted_on() {
    assert_eq!(default_scorer().data.len(), 8);
    assert!(default_scorer().data.iter().all(|line| line.contains("rows")), "{:?}", default_scorer().data);
    assert!(include_bytes!("shipped.bin").len() < 8 << 20);
}

#[test]
fn written_weights_read_back_the_same() {
    assert!(default_scorer().write() == include_bytes!("shipped.bin"));
}

#[test]
fn damaged_weights_are_refused() {
    let mut bytes = include_bytes!("shipped.bin").to_vec();
    bytes[100_000] ^= 1;
    assert_eq!(DefaultScorer::read(&bytes).err(), Some(BadWeights::Damaged));
    assert_eq!(DefaultScorer::read(&bytes[..1000]).err(), Some(BadWeights::Damaged));
    bytes[4] = VERSION as u8 + 1;
    assert_eq!(DefaultScorer::read(&bytes).err(), Some(BadWeights::Version(VERSION + 1)));
    assert_eq!(DefaultScorer::read(b"GGUF").err(), Some(BadWeights::Foreign));
}

#[test]
fn more_is_gained_where_more_is_asked() {
    let hard = "Prove by induction that the algorithm terminates, derive its complexity, and implement it in Rust \
        without recursion. It must handle at least 10^6 integers and return JSON.";
    let chat = "Hi! Thanks for yesterday. What is your favorite song?";
    assert!(gain(hard) > gain(chat) + 0.05, "{} {}", gain(hard), gain(chat));
    let hard = "请证明该算法的正确性，推导时间复杂度，并用代码实现，必须满足以下要求：至少处理一百万个整数。";
    let chat = "你好，请推荐一首你喜欢的歌。";
    assert!(gain(hard) > gain(chat) + 0.02, "{} {}", gain(hard), gain(chat));
}

#[test]
fn what_is_unlike_training_is_unfamiliar() {
    let familiarity =
        |text: &str| default_scorer().predict(&Features::of(&Prompt::from_text(text))).familiarity;
    let exam = "Which of the following is a function of the liver?\nA. Storing bile\nB. Producing bile\nC. \
        Producing insulin\nD. Filtering urine\nAnswer:";
    assert!(familiarity(exam) > 0.7, "{}", familiarity(exam));
    assert!(familiarity("Kuinka monta kertaa olen sanonut, että sauna lämpenee hitaasti?") < 0.2);
    assert_eq!(familiarity(""), 0.0);
}

#[test]
fn differences_are_kept_and_the_level_yields() {
    let chances = |small, gains| {
        ExpertForecast { small, gains }.chances().map(|chance| (chance.value() * 100.0).round())
    };
    assert_eq!(chances(0.95, [-0.1, 0.05, 0.2]), [70.0, 80.0, 85.0, 100.0]);
    assert_eq!(chances(0.05, [-0.2, 0.0, -0.1]), [0.0, 20.0, 20.0, 10.0]);
    assert_eq!(chances(0.5, [-0.1, 0.1, 0.2]), [40.0, 50.0, 60.0, 70.0]);
}

#[test]
fn packing_keeps_values_within_a_hundredth() {
    let texts: Vec<String> =
        (0..60).map(|at| format!("question {at} about topic {} and {}", at % 7, at * at)).collect();
    let features: Vec<Features> =
        texts.iter().map(|text| Features::of(&Prompt::from_text(text.as_str()))).collect();
    let lens = FeatureTransform::fit(features.iter());
    let gauge = Standardizer::fit(features.iter());
    let sights: Vec<_> = features.iter().map(|features| lens.see(features, &gauge)).collect();
    let mut draws = SplitMix64(5);
    let rows: Vec<_> = sights
        .iter()
        .map(|sight| RidgeRow { sight, targets: [draws.uniform(), draws.normal()], weight: 1.0 })
        .collect();
    let linears = fit(&rows, 1.0);
    let packed = StackedHeads::new(&linears);
    for sight in &sights {
        let values = packed.values(sight);
        assert!((values[0] - linears[0].value(sight)).abs() < 0.01);
        assert!((values[1] - linears[1].value(sight)).abs() < 0.01);
    }
}
