//! How long clients wait for the first token of an answer, alone and in a cascade, through a real gateway.

#![allow(clippy::print_stderr, reason = "minutes of asking say how far they are")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use router_policies::Probability;
use router_policies::guard::FITTED;
use router_policies::numbers::logistic;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gateway::{Gateway, chat};
use crate::questions;
use crate::wire;

/// Questions that are asked.
const QUESTIONS: usize = 16;
/// Tokens of the longest answer.
const LONGEST: u32 = 48;
/// Logit of a threshold above that of an answer of which nothing is weighed: it is doubted, but not beyond doubt before it
/// ends.
const ABOVE: f64 = 1.3;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Small,
    Large,
    /// A cascade as it is by default.
    Default,
    /// One that keeps every answer once it is whole.
    Whole,
    /// One that is pleased by nothing, which its sequential test sees at once.
    Soonest,
    /// One that doubts every answer after 24 tokens or at its end.
    Beginning,
    /// One that doubts every answer at its end.
    Latest,
}

impl Who {
    const ALL: [Self; 7] =
        [Self::Small, Self::Large, Self::Default, Self::Whole, Self::Soonest, Self::Beginning, Self::Latest];

    /// The model that a client asks for.
    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Default => "default",
            Self::Whole => "whole",
            Self::Soonest => "soonest",
            Self::Beginning => "beginning",
            Self::Latest => "latest",
        }
    }

    /// What its cascade is told beside its models.
    fn cascade(self) -> Option<String> {
        let blind = "mean: false, lowest: false, margin: false, entropy: false, length: false";
        let level = Probability::new(logistic(FITTED.level + ABOVE)).value();
        let doubting = format!("guard: {{confidence: {level}, weigh: {{{blind}}}}}");
        Some(match self {
            Self::Small | Self::Large => return None,
            Self::Default => "guard: {}".to_owned(),
            Self::Whole => {
                "hold: all, guard: {confidence: 0, refusal: false, repetition: false, format: false}"
                    .to_owned()
            }
            Self::Soonest => "guard: {confidence: 1}".to_owned(),
            Self::Beginning => format!("hold: {{tokens: 24, at_most: 10m}}, {doubting}"),
            Self::Latest => format!("hold: all, {doubting}"),
        })
    }

    fn words(self, model: &str) -> &'static str {
        match (self, model) {
            (Self::Small, _) => "the small model alone",
            (Self::Large, _) => "the large model alone",
            (Self::Default, "small") => "default `hold`, kept",
            (Self::Default, _) => "default `hold`, escalated",
            (Self::Whole, "small") => "`hold: all`, kept",
            (Self::Whole, _) => "`hold: all`, escalated for being empty",
            (Self::Soonest, "small") => "kept against all doubt",
            (Self::Soonest, _) => "default `hold`, escalated as soon as the test allows",
            (Self::Beginning, "small") => "24 tokens held, kept",
            (Self::Beginning, _) => "24 tokens held, or the whole of a shorter answer, then escalated",
            (Self::Latest, "small") => "the whole answer held, kept",
            (Self::Latest, _) => "`hold: all`, escalated",
        }
    }
}

/// Asks two models, each a file of weights or the address of a server that speaks OpenAI's API, and cascades of them, and
/// says how long the first tokens took.
///
/// # Errors
/// An answer that is none.
pub async fn table(small: &str, large: &str) -> Result<String, String> {
    let gateway = Gateway::start(&configuration(small, large)).await;
    for who in [Who::Small, Who::Large] {
        first_token(&gateway, who, "Are you there?").await?;
    }
    let asked = questions::own();
    // Of all kinds, in turn.
    let step = (asked.len() / QUESTIONS).max(1);
    let mut waits: Vec<BTreeMap<Who, Wait>> = Vec::new();
    for (at, question) in asked.iter().step_by(step).take(QUESTIONS).enumerate() {
        let mut turns: Vec<(usize, Who)> = Who::ALL.into_iter().enumerate().collect();
        turns.rotate_left(at % Who::ALL.len());
        let mut of_question = BTreeMap::new();
        for (turn, who) in turns {
            // No prompt is like one before it, or the models would know its beginning.
            let wait =
                first_token(&gateway, who, &format!("{}: {}", 10 * at + turn, question.prompt)).await?;
            of_question.insert(who, wait);
        }
        waits.push(of_question);
        eprintln!("{} of {QUESTIONS}", at + 1);
    }
    Ok(written(&waits))
}

fn configuration(small: &str, large: &str) -> String {
    let model = |name: &str, who: &str| {
        let from = match who.parse::<SocketAddr>() {
            Ok(address) => {
                format!(
                    "provider: openai, base_url: \"http://{address}/v1\", model: asked, accepts: [text, logprobs]"
                )
            }
            Err(_) => format!("provider: embedded, weights: \"{who}\", threads: 1"),
        };
        format!("  - {{name: {name}, {from}, timeouts: {{first_token: 5m, idle: 5m, total: 15m}}}}\n")
    };
    let mut yaml = format!("models:\n{}{}routes:\n", model("small", small), model("large", large));
    for who in Who::ALL {
        let Some(told) = who.cascade() else { continue };
        let policy = format!("{{kind: cascade, policy: {{kind: fixed, model: small}}, {told}}}");
        yaml += &format!("  - {{name: {}, ladder: [small, large], policy: {policy}}}\n", who.name());
    }
    yaml
}

/// Milliseconds to the first token, and who answered.
struct Wait {
    millis: f64,
    model: String,
}

/// Asks until the first token; the rest of the answer is not waited for.
async fn first_token(gateway: &Gateway, who: Who, prompt: &str) -> Result<Wait, String> {
    let body = json!({
        "model": who.name(),
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": LONGEST,
        "stream": true,
    });
    let began = Instant::now();
    let mut live = wire::open(gateway.data, &chat(&[], &body)).await;
    if live.status() != 200 {
        return Err(live.rest().await.text());
    }
    let mut millis = None;
    while let Some(event) = live.event().await {
        if says_something(&event.data) {
            millis = Some(began.elapsed().as_secs_f64() * 1000.0);
            break;
        }
    }
    let Some(millis) = millis else { return Err(live.rest().await.text()) };
    let model = live.head.header("x-xietong-model").unwrap_or(who.name()).to_owned();
    drop(live);
    gateway.settled().await;
    Ok(Wait { millis, model })
}

fn says_something(data: &str) -> bool {
    let chunk: Value = serde_json::from_str(data).unwrap_or_default();
    chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
}

fn written(waits: &[BTreeMap<Who, Wait>]) -> String {
    let mut out = "| who | answers | first token, p50 | p90 | by the small model's, p50 | by the large model's, p50 |\n\
                   | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for who in Who::ALL {
        for model in ["small", "large"] {
            let answered = |of: &&BTreeMap<Who, Wait>| of.get(&who).is_some_and(|wait| wait.model == model);
            let chosen: Vec<_> = waits.iter().filter(answered).collect();
            if chosen.is_empty() {
                continue;
            }
            let by = |other: Option<Who>| {
                let waited = |of: &&BTreeMap<Who, Wait>| {
                    of[&who].millis / other.map_or(1.0, |other| of[&other].millis)
                };
                chosen.iter().map(waited).collect::<Vec<f64>>()
            };
            let (alone, small, large) = (by(None), by(Some(Who::Small)), by(Some(Who::Large)));
            let [p50, p90] = [0.5, 0.9].map(|share| quantile(&alone, share));
            let [small, large] = [small, large].map(|ratios| quantile(&ratios, 0.5));
            let (name, count) = (who.words(model), chosen.len());
            out += &format!("| {name} | {count} | {p50:.0} ms | {p90:.0} ms | {small:.2} | {large:.2} |\n");
        }
    }
    out
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or(f64::NAN)
}
