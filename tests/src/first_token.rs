//! How long clients wait for the first token of an answer, alone and in a cascade, through a real gateway.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gateway::{Gateway, chat};
use crate::questions;
use crate::wire;

/// Questions that are asked.
const QUESTIONS: usize = 30;
/// Tokens of the longest answer.
const LONGEST: u32 = 48;

/// Milliseconds to the first token, and who answered.
struct Wait {
    millis: f64,
    model: String,
}

/// Asks two models, each a file of weights or the address of a server that speaks OpenAI's API, and a cascade of them, and
/// says how long the first tokens took.
///
/// # Errors
/// An answer that is none.
pub async fn table(small: &str, large: &str) -> Result<String, String> {
    let gateway = Gateway::start(&configuration(small, large)).await;
    let asked = questions::own();
    // Of all kinds, in turn.
    let step = asked.len() / QUESTIONS;
    let (mut alone, mut above, mut guarded, mut doubted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (at, question) in asked.iter().step_by(step.max(1)).take(QUESTIONS).enumerate() {
        // No prompt is like one before it, or the models would know its beginning.
        let prompt = |name: &str| format!("{name}{at}: {}", question.prompt);
        let mut turns = [("small", "A"), ("large", "B"), ("auto", "C"), ("strict", "D")];
        turns.rotate_left(at % 4);
        for (model, name) in turns {
            let wait = first_token(&gateway, model, &prompt(name)).await?;
            match model {
                "small" => alone.push(wait),
                "large" => above.push(wait),
                "auto" => guarded.push(wait),
                _ => doubted.push(wait),
            }
        }
    }
    let of = |waits: &[Wait], model: &str| -> Vec<f64> {
        waits.iter().filter(|wait| wait.model == model).map(|wait| wait.millis).collect()
    };
    let all = |waits: &[Wait]| waits.iter().map(|wait| wait.millis).collect::<Vec<_>>();
    Ok(written(&[
        ("the small model alone", all(&alone), "small"),
        ("the large model alone", all(&above), "large"),
        ("the cascade, where the small model's answer is kept", of(&guarded, "small"), "small"),
        ("the cascade, where the large model answers", of(&guarded, "large"), "large"),
        ("the same, of a guard that nothing pleases", of(&doubted, "large"), "large"),
    ]))
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
    format!(
        "models:\n{}{}routes:\n  - {{name: auto, ladder: [small, large], policy: {{kind: cascade, policy: {{kind: fixed, \
         model: small}}}}}}\n  - {{name: strict, ladder: [small, large], policy: {{kind: cascade, policy: {{kind: fixed, \
         model: small}}, guard: {{confidence: 1}}}}}}\n",
        model("small", small),
        model("large", large)
    )
}

async fn first_token(gateway: &Gateway, model: &str, prompt: &str) -> Result<Wait, String> {
    let body = json!({
        "model": model,
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
    let answer = live.rest().await;
    let who = answer.header("x-xietong-model").unwrap_or(model).to_owned();
    millis.map(|millis| Wait { millis, model: who }).ok_or_else(|| answer.text())
}

fn says_something(data: &str) -> bool {
    let chunk: Value = serde_json::from_str(data).unwrap_or_default();
    chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
}

fn written(rows: &[(&str, Vec<f64>, &str)]) -> String {
    let half = |waits: &[f64], share: f64| {
        let mut sorted = waits.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or(f64::NAN)
    };
    let alone =
        |model: &str| rows.iter().find(|row| row.2 == model).map_or(f64::NAN, |row| half(&row.1, 0.5));
    let mut out = "| who | answers | first token, p50 | p90 | p50 by that of the model alone |\n\
                   | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for (name, waits, model) in rows.iter().filter(|row| !row.1.is_empty()) {
        let (p50, p90) = (half(waits, 0.5), half(waits, 0.9));
        let by = p50 / alone(model);
        out += &format!("| {name} | {} | {p50:.0} ms | {p90:.0} ms | {by:.2} |\n", waits.len());
    }
    out
}
