//! Measures a model in the engine as the gateway runs it: time to load and to the first token, tokens
//! per second of prompt and answer, memory.
//!
//! `cargo run --release -p small-model --example measure -- models/FILE.gguf [THREADS] [AT_A_TIME]`
#![allow(clippy::print_stdout)] // It is a program for people.

use std::error::Error;
use std::time::{Duration, Instant};

use small_model::{
    ChatMessage, Engine, EngineOptions, GenerationPiece, GenerationRequest, GenerationUsage, SamplingOptions,
};

const ANSWER: u32 = 96;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().ok_or("usage: measure FILE.gguf [THREADS] [AT_A_TIME]")?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (threads, at_a_time) = (number(1)?, number(1)?);

    let begun = Instant::now();
    let options = EngineOptions { threads, slots: at_a_time.max(2), ..EngineOptions::new(weights) };
    let engine = Engine::load(options)?;
    println!("{:?}", engine.facts());
    println!("threads {threads}, loaded in {:.2?}, memory {}", begun.elapsed(), memory());

    let short = "What is the capital of France?".to_owned();
    let long = "The river runs past the old mill, and nobody remembers who built it. ".repeat(32);
    report("short prompt", &run(&engine, &short).await?);
    report("512-token prompt", &run(&engine, &long).await?);
    report("the same again", &run(&engine, &long).await?);
    if at_a_time > 1 {
        together(&engine, at_a_time).await?;
    }
    println!("memory {}", memory());
    Ok(())
}

/// One answer's times.
struct MeasuredRun {
    first: Duration,
    rest: Duration,
    usage: GenerationUsage,
}

async fn run(engine: &Engine, question: &str) -> Result<MeasuredRun, Box<dyn Error>> {
    let begun = Instant::now();
    let mut answer = engine.generate(request(question)).await?;
    let mut first = None;
    while let Some(piece) = answer.next().await {
        match piece? {
            GenerationPiece::Started { .. } => {}
            GenerationPiece::Token(_) => drop(first.get_or_insert_with(|| begun.elapsed())),
            GenerationPiece::End { usage, .. } => {
                let first = first.unwrap_or_default();
                return Ok(MeasuredRun { first, rest: begun.elapsed() - first, usage });
            }
        }
    }
    Err("the answer has no end".into())
}

fn report(what: &str, run: &MeasuredRun) {
    let read = run.usage.prompt_tokens - run.usage.cached_tokens;
    let per_second = |tokens: u32, time: Duration| f64::from(tokens) / time.as_secs_f64();
    println!(
        "{what}: first token after {} ms ({read} of {} prompt tokens read, {:.0}/s), then {:.1} tokens/s",
        run.first.as_millis(),
        run.usage.prompt_tokens,
        per_second(read, run.first),
        per_second(run.usage.completion_tokens.saturating_sub(1), run.rest),
    );
}

async fn together(engine: &Engine, at_a_time: usize) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let questions = ["Tell me about rivers.", "Tell me about bread.", "Tell me about chess."];
    let answers = questions.iter().cycle().take(at_a_time).map(|question| run(engine, question));
    let mut tokens = 0;
    for answer in futures_util::future::join_all(answers).await {
        tokens += answer?.usage.completion_tokens;
    }
    let all = f64::from(tokens) / begun.elapsed().as_secs_f64();
    println!("{at_a_time} at a time: {all:.1} tokens/s together, prompts included");
    Ok(())
}

fn request(question: &str) -> GenerationRequest {
    let sampling = SamplingOptions {
        temperature: Some(0.0),
        // So that every answer has the full length: the end of an answer is banned by its ids.
        logit_bias: vec![(2, -100.0), (0, -100.0), (151_645, -100.0), (151_643, -100.0)],
        ..SamplingOptions::default()
    };
    let messages = vec![ChatMessage::new("user", question)];
    GenerationRequest { max_tokens: Some(ANSWER), sampling, ..GenerationRequest::of(messages) }
}

/// Resident memory of this process, as Linux says it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "unknown".into(), |size| size.trim().into())
}
