//! The engine beside llama.cpp itself: the same weights, prompt, threads and number of tokens, in one process, in turn.
//!
//! `cargo run --release -p small-model --example against_llama_cpp -- models/FILE.gguf [ROUNDS] [THREADS]`
//!
//! "Itself" is what llama-bench does: `llama_decode` of the prompt in batches of 512 tokens, then of one token after
//! another, of which the likeliest is taken and nothing else is computed. The engine's times are those of one who asks:
//! they have the template, the tokeniser, the queue, log-probabilities, entropy, text and the channel in them.
//!
//! Beside the ratio of the speeds stands that of the processor time (Linux), which other work on the machine disturbs less.
#![allow(clippy::print_stdout)] // It is a program for people.

use std::collections::HashSet;
use std::error::Error;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use small_model::{ChatMessage, Engine, EngineOptions, GenerationPiece, GenerationRequest, SamplingOptions};

/// Tokens of each answer.
const ANSWER: u32 = 128;
/// llama-bench's own size of a batch.
const BATCH: usize = 512;
const SYSTEM: &str = "You are a helpful assistant.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().ok_or("usage: against_llama_cpp FILE.gguf [ROUNDS] [THREADS]")?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (rounds, threads) = (number(5)?, number(1)?);

    // The engine starts llama.cpp, which can be done once a process; the other one then only needs the word for it,
    // which is never dropped, as that would end llama.cpp.
    let engine = Engine::load(EngineOptions { threads, ..EngineOptions::new(&weights) })?;
    let backend: &'static LlamaBackend = Box::leak(Box::new(LlamaBackend {}));
    let model = LlamaModel::load_from_file(backend, &weights, &LlamaModelParams::default())?;
    let mut plain = PlainRun::new(&model, backend, threads)?;

    println!("{}, threads {threads}", engine.facts().name);
    println!("tokens per second of llama.cpp and the engine, ratio; ratio by processor time");
    let question = "The river runs past the old mill, and nobody remembers who built it. ".repeat(29);
    let (mut read, mut wrote, mut same) = (SpeedRatios::default(), SpeedRatios::default(), 0);
    for round in 0..=rounds {
        // Whoever goes first finds another machine than who goes second: each does in turn.
        let (own, other) = if round % 2 == 0 {
            let other = plain.run(&question)?;
            (ask(&engine, &question, round, &plain.banned).await?, other)
        } else {
            (ask(&engine, &question, round, &plain.banned).await?, plain.run(&question)?)
        };
        if own.prompt_tokens != other.prompt_tokens {
            return Err("the two read different prompts".into());
        }
        // The first round reads the weights from the disk.
        if round > 0 {
            let prompt = read.add(own.prompt_tokens, &own.first, &other.first);
            let answer = wrote.add(ANSWER as usize - 1, &own.rest, &other.rest);
            same += usize::from(own.bytes == other.bytes);
            println!("round {round}: prompt {prompt}, answer {answer}");
        }
    }
    println!("prompt ({} tokens), engine over llama.cpp: {}", plain.prompt_tokens, read.spread());
    println!("answer ({ANSWER} tokens), engine over llama.cpp: {}", wrote.spread());
    println!("the same answer in {same} of {rounds} rounds");
    Ok(())
}

/// What one answer took. The first token counts as the prompt's, as it comes from the prompt's logits.
struct ComparisonRun {
    prompt_tokens: usize,
    first: SpentTime,
    rest: SpentTime,
    bytes: Vec<u8>,
}

/// Time by the clock, and on a processor.
#[derive(Clone, Copy)]
struct SpentTime {
    wall: Duration,
    processor: Duration,
}

impl SpentTime {
    /// From then on until now.
    fn since(begun: (Instant, Duration)) -> Self {
        Self { wall: begun.0.elapsed(), processor: processor_time().saturating_sub(begun.1) }
    }
}

fn now() -> (Instant, Duration) {
    (Instant::now(), processor_time())
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

/// The engine's speed over llama.cpp's, round by round.
#[derive(Default)]
struct SpeedRatios {
    wall: Vec<f64>,
    processor: Vec<f64>,
}

impl SpeedRatios {
    /// One more round, and its words.
    fn add(&mut self, tokens: usize, own: &SpentTime, other: &SpentTime) -> String {
        let over = |own: Duration, other: Duration| other.as_secs_f64() / own.as_secs_f64();
        let rate = |spent: &SpentTime| tokens as f64 / spent.wall.as_secs_f64();
        let (wall, processor) = (over(own.wall, other.wall), over(own.processor, other.processor));
        self.wall.push(wall);
        self.processor.push(processor);
        format!("{:.1} {:.1}, {wall:.2}; {processor:.2}", rate(other), rate(own))
    }

    fn spread(mut self) -> String {
        let words = |ratios: &mut Vec<f64>| {
            ratios.sort_by(f64::total_cmp);
            let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
            let last = ratios.len().saturating_sub(1);
            format!("median {:.3}, {:.3} to {:.3}", at(ratios.len() / 2), at(0), at(last))
        };
        format!("{}; by processor time {}", words(&mut self.wall), words(&mut self.processor))
    }
}

/// llama.cpp without anything around it.
struct PlainRun<'a> {
    model: &'a LlamaModel,
    context: LlamaContext<'a>,
    /// Tokens that end an answer, in a set to ask and in a list for the engine.
    banned: Vec<LlamaToken>,
    ends: HashSet<LlamaToken>,
    prompt_tokens: usize,
}

impl<'a> PlainRun<'a> {
    fn new(model: &'a LlamaModel, backend: &LlamaBackend, threads: usize) -> Result<Self, Box<dyn Error>> {
        let (batch, threads) = (u32::try_from(BATCH)?, i32::try_from(threads)?);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(4096))
            .with_n_batch(batch)
            .with_n_ubatch(batch)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = model.new_context(backend, params)?;
        let banned: Vec<_> = model.vocab().tokens().filter(|token| model.vocab().is_eog(*token)).collect();
        let ends = banned.iter().copied().collect();
        Ok(Self { model, context, banned, ends, prompt_tokens: 0 })
    }

    fn run(&mut self, question: &str) -> Result<ComparisonRun, Box<dyn Error>> {
        let text = format!(
            "<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        );
        let prompt = self.model.vocab().tokenize(text.as_bytes(), false, true);
        self.prompt_tokens = prompt.len();
        self.context.clear_kv_cache();
        let mut batch = LlamaBatch::new(BATCH, 1);
        let begun = now();
        for (at, piece) in prompt.chunks(BATCH).enumerate() {
            batch.clear();
            for (index, token) in piece.iter().enumerate() {
                let position = at * BATCH + index;
                let last = position + 1 == prompt.len();
                batch.add(*token, i32::try_from(position)?, &[0], last)?;
            }
            self.context.decode(&mut batch)?;
        }
        let mut answer = vec![self.likeliest(batch.n_tokens() - 1)];
        let (first, begun) = (SpentTime::since(begun), now());
        for position in (prompt.len()..).take(ANSWER as usize - 1) {
            batch.clear();
            let last = answer.last().ok_or("it has begun")?;
            batch.add(*last, i32::try_from(position)?, &[0], true)?;
            self.context.decode(&mut batch)?;
            answer.push(self.likeliest(0));
        }
        let rest = SpentTime::since(begun);
        let bytes = answer.iter().flat_map(|token| self.model.vocab().token_to_piece(*token, false, None));
        Ok(ComparisonRun { prompt_tokens: prompt.len(), first, rest, bytes: bytes.collect() })
    }

    /// The likeliest token that does not end the answer, so that all answers have the same length.
    fn likeliest(&self, output: i32) -> LlamaToken {
        let logits = (0..).zip(self.context.get_logits_ith(output).iter().copied());
        let ahead = |best: (i32, f32), next: (i32, f32)| {
            if next.1 > best.1 && !self.ends.contains(&LlamaToken(next.0)) { next } else { best }
        };
        LlamaToken(logits.fold((0, f32::NEG_INFINITY), ahead).0)
    }
}

/// The same of the engine, in the name of a new asker each round, who finds nothing in a cache.
async fn ask(
    engine: &Engine,
    question: &str,
    round: usize,
    banned: &[LlamaToken],
) -> Result<ComparisonRun, Box<dyn Error>> {
    let logit_bias = banned.iter().map(|token| Ok((u32::try_from(token.0)?, -100.0)));
    let sampling = SamplingOptions {
        temperature: Some(0.0),
        logit_bias: logit_bias.collect::<Result<_, std::num::TryFromIntError>>()?,
        ..SamplingOptions::default()
    };
    let messages = vec![ChatMessage::new("system", SYSTEM), ChatMessage::new("user", question)];
    let request = GenerationRequest {
        max_tokens: Some(ANSWER),
        sampling,
        fairness: round.to_string(),
        ..GenerationRequest::of(messages)
    };
    let mut begun = now();
    let mut answer = engine.generate(request).await?;
    let (mut first, mut bytes) = (None, Vec::new());
    while let Some(piece) = answer.next().await {
        match piece? {
            GenerationPiece::Started { .. } => {}
            GenerationPiece::Token(token) => {
                if first.is_none() {
                    (first, begun) = (Some(SpentTime::since(begun)), now());
                }
                bytes.extend(token.bytes);
            }
            GenerationPiece::End { usage, .. } => {
                let (first, rest) = (first.ok_or("an answer has a token")?, SpentTime::since(begun));
                assert_eq!((usage.cached_tokens, usage.completion_tokens), (0, ANSWER));
                return Ok(ComparisonRun { prompt_tokens: usage.prompt_tokens as usize, first, rest, bytes });
            }
        }
    }
    Err("the answer has no end".into())
}
