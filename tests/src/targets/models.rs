//! Simulated models: what they take for an answer, and how long clients wait while others are before them.

use std::sync::Mutex;
use std::time::Duration;

use router_policies::scoring::random::SplitMix64;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::openai;
use crate::scripted::{Billed, Choose, Request, Script};

/// A model as an operator knows it.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// What a million tokens of prompts cost.
    pub input: f64,
    /// What a million tokens of answers cost.
    pub output: f64,
    /// Seconds from its turn to its first token: the middle one of its answers.
    pub first: f64,
    /// How far that is scattered: the standard deviation of its logarithm.
    pub scatter: f64,
    /// Seconds for each further token.
    pub per_token: f64,
    /// How many it answers at once; others wait for their turn.
    pub places: usize,
    /// Tokens of an answer: the middle one.
    pub answer: f64,
}

/// How far lengths of answers are scattered: the standard deviation of the logarithm.
const LENGTHS: f64 = 0.6;
/// The longest answer by the middle one.
const LONGEST: f64 = 6.0;

impl Model {
    /// What so many tokens cost.
    pub fn cost(&self, billed: Billed) -> f64 {
        (billed.input as f64 * self.input + billed.output as f64 * self.output) / 1e6
    }
}

/// A model that answers.
pub struct Simulated {
    model: Model,
    state: Mutex<State>,
}

struct State {
    draws: SplitMix64,
    /// When each of its places is free.
    free: Vec<Instant>,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// Until the first token.
    first: Duration,
    /// From the first token to the last.
    writing: Duration,
    tokens: u64,
}

impl Simulated {
    /// One that nobody has asked yet.
    pub fn new(model: Model, seed: u64) -> Self {
        let free = vec![Instant::now(); model.places];
        Self { model, state: Mutex::new(State { draws: SplitMix64(seed), free }) }
    }

    /// Whoever comes now is answered after those before.
    fn next(&self) -> Course {
        let (now, model) = (Instant::now(), &self.model);
        let mut state = self.state.lock().expect("no holder of this lock panics");
        let scattered = |middle: f64, scatter: f64, draw: f64| middle * (scatter * draw).exp();
        let tokens = scattered(model.answer, LENGTHS, state.draws.normal()).min(model.answer * LONGEST);
        let tokens = tokens.max(2.0).round();
        let first = scattered(model.first, model.scatter, state.draws.normal());
        let writing = Duration::from_secs_f64(model.per_token * (tokens - 1.0));
        let place = state.free.iter_mut().min().expect("a model has a place");
        let begins = (*place).max(now);
        let begun = begins + Duration::from_secs_f64(first);
        *place = begun + writing;
        Course { first: begun - now, writing, tokens: tokens as u64 }
    }
}

/// The answer as a stream of three events, so that hours of traffic are soon over: the first token, all others, the usage.
impl Choose for Simulated {
    fn choose(&self, request: &Request) -> Script {
        let course = self.next();
        let asked = request.json();
        let billed = Billed { input: prompt_tokens(&asked), cached: 0, output: course.tokens };
        Script::default()
            .pause(course.first)
            .then(Script::events())
            .event(chunk(json!({"role": "assistant", "content": "So"}), None))
            .pause(course.writing)
            .event(chunk(json!({"content": " it is."}), Some("stop")))
            .event(json!({"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "simulated", "choices": [], "usage": openai::usage(billed)}))
            .event("[DONE]")
            .end()
    }
}

fn chunk(delta: Value, finish: Option<&str>) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "simulated", "choices": [choice]})
}

/// What a tokenizer makes of a prompt, roughly, and otherwise than the gateway's own estimate: three and a half letters or
/// two thirds of a Chinese character.
fn prompt_tokens(asked: &Value) -> u64 {
    let text = asked["messages"][0]["content"].as_str().unwrap_or_default();
    let wide = text.chars().filter(|it| !it.is_ascii()).count() as f64;
    let narrow = text.chars().count() as f64 - wide;
    (narrow / 3.5 + wide / 1.5 + 9.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Model =
        Model { input: 1.0, output: 2.0, first: 0.5, scatter: 0.0, per_token: 0.0, places: 2, answer: 10.0 };

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_for_one() {
        let model = Simulated::new(MODEL, 1);
        let waits = || model.next().first.as_secs_f64();
        assert_eq!([waits(), waits(), waits(), waits(), waits()], [0.5, 0.5, 1.0, 1.0, 1.5]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!([waits(), waits()], [0.5, 1.0]);
    }

    #[test]
    fn an_answer_costs_its_tokens() {
        assert_eq!(MODEL.cost(Billed { input: 1_000_000, cached: 0, output: 500_000 }), 2.0);
    }
}
