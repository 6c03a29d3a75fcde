//! Asks a model questions over HTTP, and notes what the tokens of its answers say.

#![allow(clippy::print_stderr, reason = "an hour of asking says how far it is")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use router_policies::answers::FinalAnswer;
use router_policies::guard::evidence::TokenEvidence;
use router_policies::guard::fit::{JudgedAnswer, SecondAnswer};
use router_policies::guard::length;
use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::questions::Question;
use crate::wire;

/// After so many tokens the figures are read; and at the end.
const PLACES: [usize; 6] = [1, 4, 8, 24, 48, 96];
/// Tokens that an answer has at most.
const LONGEST: u32 = 320;
/// Of second answers; as in the gateway.
const TEMPERATURE: f64 = 0.7;
/// Between two words on how far it is.
const SILENCE: Duration = Duration::from_secs(5);

/// A model that is asked.
pub struct Asked {
    name: String,
    address: SocketAddr,
    /// In this process; `None`: elsewhere.
    _gateway: Option<Gateway>,
}

/// An answer.
#[derive(Debug, Clone, Default)]
struct Answer {
    text: String,
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
            return Self { name: model.to_owned(), address, _gateway: None };
        }
        let patient = "timeouts: {first_token: 5m, idle: 5m, total: 15m}";
        let gateway = Gateway::start(&format!(
            "models: [{{name: asked, provider: embedded, weights: \"{model}\", threads: 1, {patient}}}]\n"
        ))
        .await;
        let name = Path::new(model).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, address: gateway.data, _gateway: Some(gateway) }
    }

    /// Asks it all of these but what `rows` hold already, each question a second time where `again`, and adds the rows, to
    /// `file`, too, one at a time, so that what was asked before a run was broken off is not asked anew.
    ///
    /// # Errors
    /// A file that cannot be written, and what the model says in place of an answer.
    pub async fn ask_all(
        &self,
        questions: &[Question],
        again: bool,
        file: Option<&Path>,
        rows: &mut Vec<JudgedAnswer>,
    ) -> Result<(), String> {
        let mut file = file.map(Sink::to).transpose()?;
        let (began, mut said) = (Instant::now(), None::<Instant>);
        for (at, question) in questions.iter().enumerate() {
            let known = |row: &JudgedAnswer| {
                row.model == self.name && row.kind == question.kind && row.id == question.id
            };
            if rows.iter().any(known) {
                continue;
            }
            let row = self.row(question, again).await?;
            if let Some(file) = &mut file {
                file.write(&row)?;
            }
            rows.push(row);
            if said.is_none_or(|said| said.elapsed() >= SILENCE) || at + 1 == questions.len() {
                let (done, seconds) = (at + 1, began.elapsed().as_secs());
                eprintln!("{}: {done} of {}, {seconds} s, {}", self.name, questions.len(), question.kind);
                said = Some(Instant::now());
            }
        }
        Ok(())
    }

    /// Asks a question, and a second time where `again`.
    async fn row(&self, question: &Question, again: bool) -> Result<JudgedAnswer, String> {
        let answer = self.ask(&question.prompt, 0.0).await?;
        let mut row = row(question, &answer);
        row.model.clone_from(&self.name);
        // Where no answer is right, nothing is to be learned from two.
        if again && question.answer.is_some() {
            let other = self.ask(&question.prompt, TEMPERATURE).await?;
            let agrees = FinalAnswer::of(&answer.text).agrees(&FinalAnswer::of(&other.text));
            row.again = Some(SecondAnswer {
                agrees,
                tokens: u32::try_from(other.logprobs.len()).unwrap_or(u32::MAX),
            });
        }
        Ok(row)
    }

    async fn ask(&self, prompt: &str, temperature: f64) -> Result<Answer, String> {
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

/// The rows of a file.
///
/// # Errors
/// A file that cannot be read, and a line that is no row.
pub fn rows(file: &Path) -> Result<Vec<JudgedAnswer>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|why| named(&why))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|why| named(&why))).collect()
}

/// Where rows are kept.
struct Sink {
    file: File,
    name: String,
}

impl Sink {
    fn to(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map(|file| Self { file, name: name.clone() }).map_err(|why| format!("{name}: {why}"))
    }

    fn write(&mut self, row: &JudgedAnswer) -> Result<(), String> {
        let line = serde_json::to_string(row).map_err(|why| why.to_string())?;
        writeln!(self.file, "{line}").map_err(|why| format!("{}: {why}", self.name))
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
fn row(question: &Question, answer: &Answer) -> JudgedAnswer {
    let features = Features::of(&Prompt::from_text(question.prompt.as_str()));
    let prospects = default_scorer().predict(&features);
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    let places = PLACES.into_iter().filter(|&place| place < answer.logprobs.len());
    let all: Vec<TokenEvidence> =
        places.chain([answer.logprobs.len()]).map(|place| after(answer, place)).collect();
    let figures = |it: &TokenEvidence| {
        (it.tokens, rounded(it.mean), rounded(it.lowest), rounded(it.margin.unwrap_or_default()))
    };
    JudgedAnswer {
        model: String::new(),
        kind: question.kind.to_owned(),
        id: question.id.clone(),
        right: question.is_answered_by(&answer.text),
        large: question.large,
        foreseen: [ModelClass::Tiny, ModelClass::Frontier].map(|class| rounded(prospects.of(class).value())),
        numbers: length::numbers(&features).map(rounded),
        prompt: answer.prompt,
        seen: all.iter().map(figures).collect(),
        entropy: all.first().and_then(|it| it.entropy).map_or(0.0, rounded),
        again: None,
    }
}

/// The figures of an answer's first tokens.
fn after(answer: &Answer, place: usize) -> TokenEvidence {
    let mut evidence = TokenEvidence::default();
    evidence.add(&answer.logprobs[..place], &answer.likeliest[..place.min(answer.likeliest.len())]);
    evidence
}
