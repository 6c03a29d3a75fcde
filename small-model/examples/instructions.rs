//! The engine with the instructions that are chosen here beside AVX2 alone: two processes, the same weights and threads, asked
//! in turn.
//!
//! `cargo run --release -p small-model --example instructions -- models/FILE.gguf [ROUNDS] [THREADS] [OTHER]`
//!
//! OTHER is what is compared with, `avx2` by default. Beside the ratio of the speeds stands that of the processor time (Linux),
//! which other work on the machine disturbs less.
#![allow(clippy::print_stdout)] // It is a program for people.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use small_model::{ChatMessage, Engine, EngineOptions, GenerationPiece, GenerationRequest, SamplingOptions};

/// Tokens of each answer.
const ANSWER: u32 = 64;
/// The variable by which the engine is asked for instructions.
const VARIABLE: &str = "XIETONG_INSTRUCTIONS";
/// The word that makes this program the one that is asked.
const ASKED: &str = "--asked";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [word, weights, threads] = arguments.as_slice()
        && word == ASKED
    {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        return runtime.block_on(answer(weights, threads.parse()?));
    }
    compare(arguments)
}

fn compare(arguments: Vec<String>) -> Result<(), Box<dyn Error>> {
    let mut arguments = arguments.into_iter();
    let usage = "usage: instructions FILE.gguf [ROUNDS] [THREADS] [OTHER]";
    let weights = arguments.next().ok_or(usage)?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let threads = arguments.next().unwrap_or_else(|| "1".into());
    let other = arguments.next().unwrap_or_else(|| "avx2".into());

    let mut chosen = AskedProcess::start(&weights, &threads, "")?;
    let mut other = AskedProcess::start(&weights, &threads, &other)?;
    println!("{weights}, threads {threads}: {} over {}", chosen.instructions, other.instructions);
    let (mut read, mut wrote) = (RoundRatios::default(), RoundRatios::default());
    for round in 0..=rounds {
        // Whoever goes first finds another machine than who goes second: each does in turn.
        let (own, its) = if round % 2 == 0 {
            let its = other.ask()?;
            (chosen.ask()?, its)
        } else {
            (chosen.ask()?, other.ask()?)
        };
        // The first round reads the weights from the disk.
        if round > 0 {
            println!(
                "round {round}: prompt {}, answer {}",
                read.add(&own.0, &its.0),
                wrote.add(&own.1, &its.1)
            );
        }
    }
    println!("prompt: {}", read.spread());
    println!("answer: {}", wrote.spread());
    Ok(())
}

/// What some tokens took, by the clock and on a processor, in seconds for each.
struct TokenTime {
    wall: f64,
    processor: f64,
}

/// A process with an engine, which answers for each line that it reads.
struct AskedProcess {
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
    instructions: String,
}

impl AskedProcess {
    fn start(weights: &str, threads: &str, wanted: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ASKED, weights, threads])
            .env(VARIABLE, wanted)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take().ok_or("it is piped")?;
        let mut told = BufReader::new(child.stdout.take().ok_or("it is piped")?);
        let mut instructions = String::new();
        told.read_line(&mut instructions)?;
        Ok(Self { child, ask, told, instructions: instructions.trim().into() })
    }

    /// Times of the prompt and of the answer.
    fn ask(&mut self) -> Result<(TokenTime, TokenTime), Box<dyn Error>> {
        writeln!(self.ask)?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        let numbers: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [read, read_on, wrote, wrote_on] = numbers.as_slice() else { return Err("it ended".into()) };
        Ok((TokenTime { wall: *read, processor: *read_on }, TokenTime { wall: *wrote, processor: *wrote_on }))
    }
}

impl Drop for AskedProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Speeds over the other's, round by round.
#[derive(Default)]
struct RoundRatios {
    wall: Vec<f64>,
    processor: Vec<f64>,
}

impl RoundRatios {
    /// One more round, and its words.
    fn add(&mut self, own: &TokenTime, other: &TokenTime) -> String {
        let (wall, processor) = (other.wall / own.wall, other.processor / own.processor);
        self.wall.push(wall);
        self.processor.push(processor);
        format!(
            "{:.1} and {:.1} tokens/s, {wall:.2}; by processor time {processor:.2}",
            own.wall.recip(),
            other.wall.recip()
        )
    }

    fn spread(mut self) -> String {
        let words = |ratios: &mut Vec<f64>| {
            ratios.sort_by(f64::total_cmp);
            let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
            let last = ratios.len().saturating_sub(1);
            format!("median {:.2}, {:.2} to {:.2}", at(ratios.len() / 2), at(0), at(last))
        };
        format!("{}; by processor time {}", words(&mut self.wall), words(&mut self.processor))
    }
}

/// The process that is asked: says its instructions, then a line of times for each line that it reads.
async fn answer(weights: &str, threads: usize) -> Result<(), Box<dyn Error>> {
    let engine = Engine::load(EngineOptions { threads, slots: 1, ..EngineOptions::new(weights) })?;
    println!("{}", small_model::instructions()?.unwrap_or("one set"));
    for (round, line) in std::io::stdin().lines().enumerate() {
        line?;
        let [read, read_on, wrote, wrote_on] = run(&engine, round).await?;
        println!("{read} {read_on} {wrote} {wrote_on}");
    }
    Ok(())
}

/// Seconds for each token: of the prompt by the clock and on a processor, then of the answer. The first token counts as the
/// prompt's, as it comes from the prompt's logits.
async fn run(engine: &Engine, round: usize) -> Result<[f64; 4], Box<dyn Error>> {
    let mut begun = (Instant::now(), processor_time());
    let mut answer = engine.generate(question(round)).await?;
    let mut read = None;
    while let Some(piece) = answer.next().await {
        let now = (Instant::now(), processor_time());
        let spent = (now.0 - begun.0, now.1.saturating_sub(begun.1));
        match piece? {
            GenerationPiece::Token(_) if read.is_none() => {
                read = Some(spent);
                begun = now;
            }
            GenerationPiece::End { usage, .. } => {
                let (wall, processor) = read.ok_or("an answer has a token")?;
                let of = |time: Duration, tokens: u32| time.as_secs_f64() / f64::from(tokens);
                let (prompt, rest) = (usage.prompt_tokens, usage.completion_tokens - 1);
                return Ok([of(wall, prompt), of(processor, prompt), of(spent.0, rest), of(spent.1, rest)]);
            }
            _ => {}
        }
    }
    Err("the answer has no end".into())
}

/// Some 450 tokens, in the name of a new asker each round, who finds nothing in a cache.
fn question(round: usize) -> GenerationRequest {
    let words = "The river runs past the old mill, and nobody remembers who built it. ".repeat(29);
    let sampling = SamplingOptions {
        temperature: Some(0.0),
        // So that every answer has the full length: the end of an answer is banned by its ids.
        logit_bias: vec![(2, -100.0), (0, -100.0), (151_645, -100.0), (151_643, -100.0)],
        ..SamplingOptions::default()
    };
    GenerationRequest {
        max_tokens: Some(ANSWER),
        sampling,
        fairness: round.to_string(),
        ..GenerationRequest::of(vec![ChatMessage::new("user", words)])
    }
}

/// What all threads of this process have used, by Linux's own count; elsewhere nothing is known of it.
fn processor_time() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let of = |thread: std::fs::DirEntry| {
        let counts = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        counts.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(of).sum())
}
