//! Asks a model questions over HTTP, and notes what the tokens of its answers say.

use std::net::SocketAddr;

use router_policies::guard::evidence::Evidence;
use router_policies::guard::fit::Row;
use router_policies::guard::length;
use router_policies::scorers::{Scorer, shipped};
use router_policies::{Class, Features, Prompt};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::questions::Question;
use crate::wire;

/// After so many tokens the figures are read; and at the end.
const PLACES: [usize; 6] = [1, 4, 8, 24, 48, 96];
/// Tokens that an answer has at most.
const LONGEST: u32 = 320;

/// A model that is asked.
pub struct Asked {
    address: SocketAddr,
    /// In this process; `None`: elsewhere.
    _gateway: Option<Gateway>,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Log-probabilities of its tokens.
    logprobs: Vec<f64>,
    /// Of the two likeliest in the place of each.
    likeliest: Vec<[f64; 2]>,
    /// Tokens of the prompt.
    prompt: u32,
}

impl Asked {
    /// The model behind an address (`127.0.0.1:8080`) of a server that speaks OpenAI's API, or that of weights in a file,
    /// run by a gateway in this process.
    pub async fn of(model: &str) -> Self {
        if let Ok(address) = model.parse() {
            return Self { address, _gateway: None };
        }
        let patient = "timeouts: {first_token: 5m, idle: 5m, total: 15m}";
        let yaml = format!(
            "models: [{{name: asked, provider: embedded, weights: \"{model}\", threads: 1, {patient}}}]\n\
             routes: [{{name: auto, ladder: [asked], policy: {{kind: fixed, model: asked}}}}]\n"
        );
        let gateway = Gateway::start(&yaml).await;
        Self { address: gateway.data, _gateway: Some(gateway) }
    }

    /// Asks it.
    ///
    /// # Errors
    /// What it says in place of an answer.
    pub async fn ask(&self, prompt: &str, temperature: f64) -> Result<Answer, String> {
        let body = json!({
            "model": "asked",
            "messages": [{"role": "user", "content": prompt}],
            "temperature": temperature,
            "seed": 7,
            "max_tokens": LONGEST,
            "logprobs": true,
            "top_logprobs": 2,
        });
        let request = wire::request("POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
        let answer = wire::exchange(self.address, &request).await;
        if answer.status() != 200 {
            return Err(format!("{}: {}", answer.status(), answer.text()));
        }
        let whole: Value = serde_json::from_str(&answer.text()).map_err(|why| why.to_string())?;
        read(&whole).ok_or_else(|| format!("no log-probabilities: {whole}"))
    }
}

fn read(whole: &Value) -> Option<Answer> {
    let choice = &whole["choices"][0];
    let mut tokens = choice["logprobs"]["content"].as_array()?.as_slice();
    // Some servers tell of the token that ends the answer, too.
    if let [before @ .., last] = tokens
        && last["token"] == ""
        && choice["finish_reason"] == "stop"
    {
        tokens = before;
    }
    let two = |token: &Value| {
        let logprob = |at: usize| token["top_logprobs"][at]["logprob"].as_f64();
        Some([logprob(0)?, logprob(1)?])
    };
    Some(Answer {
        text: choice["message"]["content"].as_str()?.to_owned(),
        logprobs: tokens
            .iter()
            .map(|token| Some(token["logprob"].as_f64()?.min(0.0)))
            .collect::<Option<_>>()?,
        likeliest: tokens.iter().filter_map(two).collect(),
        prompt: u32::try_from(whole["usage"]["prompt_tokens"].as_u64()?).ok()?,
    })
}

/// What is noted of an answer.
pub fn row(question: &Question, answer: &Answer) -> Row {
    let features = Features::of(&Prompt::from_text(question.prompt.as_str()));
    let prospects = shipped().foresee(&features);
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    let places = PLACES.into_iter().filter(|&place| place < answer.logprobs.len());
    let all: Vec<Evidence> =
        places.chain([answer.logprobs.len()]).map(|place| after(answer, place)).collect();
    let figures = |it: &Evidence| {
        (it.tokens, rounded(it.mean), rounded(it.lowest), rounded(it.margin.unwrap_or_default()))
    };
    Row {
        kind: question.kind.to_owned(),
        id: question.id.clone(),
        right: question.is_answered_by(&answer.text),
        large: question.large,
        foreseen: [Class::Tiny, Class::Frontier].map(|class| rounded(prospects.of(class).value())),
        numbers: length::numbers(&features).map(rounded),
        prompt: answer.prompt,
        seen: all.iter().map(figures).collect(),
        entropy: all.first().and_then(|it| it.entropy).map_or(0.0, rounded),
    }
}

/// The figures of an answer's first tokens.
fn after(answer: &Answer, place: usize) -> Evidence {
    let mut evidence = Evidence::default();
    evidence.add(&answer.logprobs[..place], &answer.likeliest[..place.min(answer.likeliest.len())]);
    evidence
}
