//! Measures the engine under several people, and what the same answer every time costs.
//!
//! `cargo run --release -p small-model --example together -- models/FILE.gguf [THREADS] [ROUNDS]`
//!
//! Three tables: a short question beside a long story, by slots; four conversations that take turns, with and without
//! `prefix_cache`; and `deterministic` beside the default, in turn: times, and how many of some thirty answers differ
//! between an idle engine and one that has the prompt cached or writes other answers meanwhile.
//!
//! All times are of the processor (Linux), which other work on the machine disturbs less than the clock: with one thread, what
//! a quiet machine's clock would say.
#![allow(clippy::print_stdout)] // It is a program for people.

use std::error::Error;
use std::time::Duration;

use small_model::{
    ChatMessage, Engine, EngineOptions, Generation, GenerationPiece, GenerationRequest, SamplingOptions,
};

type Measured<T> = Result<T, Box<dyn Error>>;

const QUESTIONS: [&str; 8] = [
    "What is the capital of France?",
    "Write a haiku about rain.",
    "Explain in two sentences why the sky is blue.",
    "List three uses of copper.",
    "What is 17 times 23?",
    "Write a Python function that reverses a string.",
    "Who wrote Romeo and Juliet, and when?",
    "Name a river in Germany and say where it ends.",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Measured<()> {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().ok_or("usage: together FILE.gguf [THREADS] [ROUNDS]")?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (threads, rounds) = (number(1)?, number(3)?);
    let options = EngineOptions { threads, slots: 2, ..EngineOptions::new(weights) };
    beside_a_story(&options, rounds).await?;
    conversations(&options).await?;
    every_time(&options, rounds).await
}

/// What one answer took.
struct MeasuredAnswer {
    text: String,
    first: Duration,
    total: Duration,
    cached: u32,
    prompt: u32,
}

async fn read(mut answer: Generation) -> Measured<MeasuredAnswer> {
    let begun = processor_time();
    let (mut said, mut first) = (String::new(), None);
    while let Some(piece) = answer.next().await {
        match piece? {
            GenerationPiece::Started { .. } => {}
            GenerationPiece::Token(token) => {
                first.get_or_insert_with(|| processor_time().saturating_sub(begun));
                said += &token.text;
            }
            GenerationPiece::End { text, usage, .. } => {
                let (first, total) = (first.unwrap_or_default(), processor_time().saturating_sub(begun));
                said += &text;
                let (cached, prompt) = (usage.cached_tokens, usage.prompt_tokens);
                return Ok(MeasuredAnswer { text: said, first, total, cached, prompt });
            }
        }
    }
    Err("the answer has no end".into())
}

async fn ask(
    engine: &Engine,
    messages: Vec<ChatMessage>,
    tokens: u32,
    asker: &str,
) -> Measured<MeasuredAnswer> {
    read(engine.generate(request(messages, tokens, asker)).await?).await
}

fn request(messages: Vec<ChatMessage>, tokens: u32, asker: &str) -> GenerationRequest {
    GenerationRequest {
        max_tokens: Some(tokens),
        sampling: SamplingOptions { temperature: Some(0.0), ..SamplingOptions::default() },
        fairness: asker.into(),
        ..GenerationRequest::of(messages)
    }
}

fn user(text: &str) -> Vec<ChatMessage> {
    vec![ChatMessage::new("user", text)]
}

/// Begins a long story and returns with its first token.
async fn story(engine: &Engine, asker: &str) -> Measured<Generation> {
    // The ends of an answer in SmolLM2 and in Qwen are banned.
    let logit_bias = vec![(2, -100.0), (0, -100.0), (151_645, -100.0), (151_643, -100.0)];
    let mut long = request(user("Tell me a very long story about a river."), 3000, asker);
    long.sampling.logit_bias = logit_bias;
    let mut story = engine.generate(long).await?;
    while !matches!(story.next().await.ok_or("no story")??, GenerationPiece::Token(_)) {}
    Ok(story)
}

/// What the process's threads have had of processors.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let each = threads.filter_map(|thread| {
        let counts = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        counts.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(each.sum())
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

async fn beside_a_story(options: &EngineOptions, rounds: usize) -> Measured<()> {
    println!("The first token of \"hi\", in seconds: alone, and beside a long story that began before");
    let engine = Engine::load(options.clone())?;
    for round in 0..rounds {
        let alone = ask(&engine, user("hi"), 8, &format!("alone {round}")).await?;
        let story = story(&engine, "story").await?;
        let beside = ask(&engine, user("hi"), 8, &format!("beside {round}")).await?;
        let (one, other) = (seconds(alone.first), seconds(beside.first));
        println!("  {one:.2}, {other:.2}: {:.2} times", other / one);
        drop(story);
    }
    Ok(())
}

async fn conversations(options: &EngineOptions) -> Measured<()> {
    println!("Four conversations in turn, two slots: first tokens of their second turns, in seconds");
    let text = "The river runs past the old mill, and nobody remembers who built it. ".repeat(24);
    for (name, prefix_cache) in [("prefix_cache: 0B", 0), ("prefix_cache: 64MiB", 64 << 20)] {
        let engine = Engine::load(EngineOptions { prefix_cache, ..options.clone() })?;
        let mut later = Vec::new();
        for topic in ["bread", "chess", "Paris", "copper"] {
            let mut turns = user(&format!("{topic}. {text} What has this to do with {topic}?"));
            let answer = ask(&engine, turns.clone(), 32, "someone").await?;
            turns.push(ChatMessage::new("assistant", answer.text));
            turns.push(ChatMessage::new("user", "And what else?"));
            later.push(turns);
        }
        let mut firsts = Vec::new();
        for turns in later {
            let answer = ask(&engine, turns, 8, "someone").await?;
            firsts.push(format!(
                "{:.2} ({} of {} cached)",
                seconds(answer.first),
                answer.cached,
                answer.prompt
            ));
        }
        println!("  {name}: {}", firsts.join(", "));
    }
    Ok(())
}

/// An engine, and what it took for each kind of work.
struct EngineContender {
    name: &'static str,
    engine: Engine,
    alone: Duration,
    again: Duration,
    together: Duration,
    differ: usize,
    asked: usize,
}

async fn every_time(options: &EngineOptions, rounds: usize) -> Measured<()> {
    println!(
        "The same answer every time: seconds for eight answers, and how many of the later ones differ from the first"
    );
    let contender = |name, deterministic| -> Measured<EngineContender> {
        let engine = Engine::load(EngineOptions { deterministic, ..options.clone() })?;
        let none = Duration::ZERO;
        Ok(EngineContender { name, engine, alone: none, again: none, together: none, differ: 0, asked: 0 })
    };
    let mut both = [contender("default", false)?, contender("deterministic", true)?];
    for round in 0..rounds {
        for contender in &mut both {
            contender.run(round).await?;
        }
    }
    for EngineContender { name, alone, again, together, differ, asked, .. } in &both {
        let each = |time: &Duration| seconds(*time) / rounds as f64;
        println!(
            "  {name}: alone {:.2}, from the cache {:.2}, two at a time {:.2}; {differ} of {asked} differ",
            each(alone),
            each(again),
            each(together)
        );
    }
    let ratio = |of: fn(&EngineContender) -> Duration| seconds(of(&both[1])) / seconds(of(&both[0]));
    println!(
        "  ratio: alone {:.2}, from the cache {:.2}, two at a time {:.2}",
        ratio(|it| it.alone),
        ratio(|it| it.again),
        ratio(|it| it.together)
    );
    Ok(())
}

impl EngineContender {
    async fn run(&mut self, round: usize) -> Measured<()> {
        let asker = |what: &str| format!("{what} {round}");
        let text = "The river runs past the old mill, and nobody remembers who built it. ".repeat(5);
        let turns = |question: &str| user(&format!("{text}{question}"));
        let mut firsts = Vec::new();
        for question in QUESTIONS {
            let answer = ask(&self.engine, turns(question), 32, &asker("alone")).await?;
            self.alone += answer.total;
            firsts.push(answer.text);
        }
        for (question, first) in QUESTIONS.iter().zip(&firsts) {
            ask(&self.engine, turns(question), 1, &asker("again")).await?;
            let answer = ask(&self.engine, turns(question), 32, &asker("again")).await?;
            self.again += answer.total;
            self.note(&answer.text, first);
        }
        let begun = processor_time();
        for (pair, firsts) in QUESTIONS.chunks(2).zip(firsts.chunks(2)) {
            let answers = pair.iter().enumerate().map(|(index, question)| {
                let asker = asker(&format!("together {index}"));
                let (engine, turns) = (&self.engine, turns(question));
                async move { ask(engine, turns, 32, &asker).await }
            });
            let answers = futures_util::future::join_all(answers).await;
            for (answer, first) in answers.into_iter().zip(firsts) {
                let answer = answer?;
                self.note(&answer.text, first);
            }
        }
        self.together += processor_time().saturating_sub(begun);
        Ok(())
    }

    fn note(&mut self, text: &str, first: &str) {
        self.asked += 1;
        self.differ += usize::from(text != first);
    }
}
