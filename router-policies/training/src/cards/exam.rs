//! The exam's questions, and models' answers to them as `proof` writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use router_policies::kinds::{KIND_NAMES, sight};
use router_policies::scorers::default_scorer;
use router_policies::scoring::feature_transform::FeatureVector;
use router_policies::{Features, Prompt, PromptRole, PromptTurn};
use serde_json::Value;

use super::FILES;
use crate::corpus::CorpusLine;

/// A question.
pub(crate) struct TemplateQuestion {
    id: String,
    /// Its kind's place.
    pub(crate) kind: usize,
    pub(crate) features: Features,
    /// As the classifier sees it.
    pub(crate) sight: FeatureVector,
    /// The hash of what it shares with others of its template: kind, source and first words.
    pub(crate) template: u64,
}

/// A model's answer.
pub(crate) struct GivenAnswer {
    pub(crate) right: bool,
    pub(crate) text: String,
    /// Its length in tokens.
    pub(crate) tokens: f64,
    /// Processor time.
    pub(crate) seconds: f64,
    pub(crate) log_probability: f64,
}

#[derive(serde::Deserialize)]
struct ExamLine {
    id: String,
    kind: String,
    source: String,
    messages: Vec<ExamMessage>,
    #[serde(default)]
    tools: Vec<Value>,
    response_format: Option<Value>,
}

#[derive(serde::Deserialize)]
struct ExamMessage {
    role: String,
    content: String,
}

#[derive(serde::Deserialize)]
struct AnswerLine {
    id: String,
    model: String,
    correct: bool,
    /// `as_it_is`, or `in_words` where the build that was asked could not be given functions or a form.
    #[serde(default)]
    asked: String,
    #[serde(default)]
    answer: Option<String>,
    answer_tokens: f64,
    processor: f64,
    #[serde(default)]
    mean_logprob: Option<f64>,
}

/// Reads the exam.
pub(crate) fn questions(path: &Path) -> Result<Vec<TemplateQuestion>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|why| named(&why))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let question = |line: std::io::Result<String>| {
        let line = line.map_err(|why| named(&why))?;
        question(serde_json::from_str(&line).map_err(|why| named(&why))?).map_err(|why| named(&why))
    };
    lines.map(question).collect()
}

/// The prompts of a file of labelled ones.
pub(crate) fn prompts(path: &Path) -> Result<Vec<Features>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|why| named(&why))?;
    let prompt = |line: std::io::Result<String>| {
        let line: CorpusLine =
            serde_json::from_str(&line.map_err(|why| named(&why))?).map_err(|why| named(&why))?;
        Ok(Features::of(&Prompt::from_text(line.query.as_str())))
    };
    BufReader::new(GzDecoder::new(file)).lines().map(prompt).collect()
}

fn question(line: ExamLine) -> Result<TemplateQuestion, String> {
    let place = KIND_NAMES.iter().position(|name| *name == line.kind);
    let kind = place.ok_or_else(|| format!("`{}` is no kind", line.kind))?;
    let last = line.messages.last().map(|message| message.content.clone()).unwrap_or_default();
    let begins: Vec<String> = last
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .take(2)
        // A run of Chinese is one word here: its first two characters.
        .map(|word| {
            word.chars().take(if word.is_ascii() { 32 } else { 2 }).collect::<String>().to_lowercase()
        })
        .collect();
    let template = hash(&format!("{}|{}|{}", line.kind, line.source, begins.join(" ")));
    let turn = |message: ExamMessage| PromptTurn {
        role: match message.role.as_str() {
            "system" => PromptRole::System,
            "assistant" => PromptRole::Assistant,
            "tool" => PromptRole::Tool,
            _ => PromptRole::User,
        },
        text: message.content.into(),
    };
    let features = Features::of(&Prompt {
        turns: line.messages.into_iter().map(turn).collect(),
        tools: line.tools.len(),
        structured: line.response_format.is_some(),
        attachments: 0,
    });
    let sight = sight(&default_scorer().view(&features).sight, &features);
    Ok(TemplateQuestion { id: line.id, kind, features, sight, template })
}

/// Reads answers, those of the models with cards to questions as they stand; of several to a question the last.
pub(crate) fn answers(
    path: &Path,
    questions: &[TemplateQuestion],
) -> Result<[BTreeMap<usize, GivenAnswer>; 2], String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let places: BTreeMap<&str, usize> =
        questions.iter().enumerate().map(|(at, question)| (question.id.as_str(), at)).collect();
    let mut answers = [BTreeMap::new(), BTreeMap::new()];
    let text = std::fs::read_to_string(path).map_err(|why| named(&why))?;
    // Whoever asks may be writing the last line.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let line: AnswerLine = serde_json::from_str(line).map_err(|why| named(&why))?;
        let model = FILES.iter().position(|file| file.strip_suffix(".gguf") == Some(line.model.as_str()));
        if line.asked == "in_words" {
            continue;
        }
        let (Some(model), Some(place)) = (model, places.get(line.id.as_str())) else { continue };
        let answer = GivenAnswer {
            right: line.correct,
            text: line.answer.unwrap_or_default().trim().to_lowercase(),
            tokens: line.answer_tokens,
            seconds: line.processor,
            log_probability: line.mean_logprob.unwrap_or(-2.0),
        };
        answers[model].insert(*place, answer);
    }
    Ok(answers)
}

fn hash(text: &str) -> u64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash >> 20
}
