//! The engine with real weights: SmolLM2-135M-Instruct. None of these tests knows a long text: what a
//! model says differs between machines.

#![allow(clippy::unwrap_used)] // The functions that the tests share are tests too.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use small_model::{
    AnswerFormat, ChatMessage, Engine, EngineOptions, EngineRefusal, GeneratedToken, Generation,
    GenerationError, GenerationFinish, GenerationPiece, GenerationRequest, GenerationUsage, LoadError,
    SamplingOptions, ToolChoice, ToolDefinition, catalogue,
};

/// The weights, or `None` when whoever runs the tests said to do without.
fn weights() -> Option<PathBuf> {
    if std::env::var("XIETONG_NO_WEIGHTS").is_ok_and(|value| value == "1") {
        return None;
    }
    let entry = catalogue::by_name("smollm2-135m").unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(entry.file);
    assert!(
        path.exists(),
        "models/{} is missing: fetch it with `xietong fetch {}`, or set XIETONG_NO_WEIGHTS=1 to skip these tests",
        entry.file,
        entry.name,
    );
    Some(path)
}

/// Runs a test against an engine of its own: one thread, small, and what `change` changes.
fn with_engine(change: impl FnOnce(&mut EngineOptions), test: impl AsyncFnOnce(Engine)) {
    let Some(weights) = weights() else { return };
    let mut options =
        EngineOptions { threads: 1, slots: 1, queue: 4, context: 1024, ..EngineOptions::new(weights) };
    change(&mut options);
    let engine = Engine::load(options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(test(engine));
}

const GREEDY: SamplingOptions = SamplingOptions {
    temperature: Some(0.0),
    top_p: None,
    top_k: None,
    min_p: None,
    seed: None,
    presence_penalty: None,
    frequency_penalty: None,
    repetition_penalty: None,
    logit_bias: Vec::new(),
};

/// A greedy request of up to 32 tokens, in this asker's name.
fn ask(question: &str, fairness: &str) -> GenerationRequest {
    GenerationRequest {
        sampling: GREEDY,
        max_tokens: Some(32),
        fairness: fairness.into(),
        ..GenerationRequest::of(vec![ChatMessage::new("user", question)])
    }
}

/// A request whose answer ends only with the context: the tokens that end an answer are banned.
fn endless(fairness: &str) -> GenerationRequest {
    let sampling = SamplingOptions { logit_bias: vec![(0, -100.0), (2, -100.0)], ..GREEDY };
    GenerationRequest { sampling, max_tokens: None, ..ask("Tell me a long story.", fairness) }
}

struct GatheredAnswer {
    text: String,
    tokens: Vec<GeneratedToken>,
    finish: GenerationFinish,
    usage: GenerationUsage,
}

async fn read(mut generation: Generation) -> GatheredAnswer {
    let started = generation.next().await;
    let Some(Ok(GenerationPiece::Started { prompt_tokens, cached_tokens })) = started else {
        panic!("{started:?}")
    };
    let (mut text, mut tokens) = (String::new(), Vec::new());
    loop {
        match generation.next().await.expect("an end").unwrap() {
            GenerationPiece::Started { .. } => panic!("started twice"),
            GenerationPiece::Token(token) => {
                text += &token.text;
                tokens.push(token);
            }
            GenerationPiece::End { text: rest, finish, usage, .. } => {
                text += &rest;
                assert_eq!((usage.prompt_tokens, usage.cached_tokens), (prompt_tokens, cached_tokens));
                assert_eq!(usage.completion_tokens as usize, tokens.len());
                assert_eq!(generation.next().await, None);
                return GatheredAnswer { text, tokens, finish, usage };
            }
        }
    }
}

async fn answer(engine: &Engine, request: GenerationRequest) -> GatheredAnswer {
    read(engine.generate(request).await.unwrap()).await
}

/// Reads on until the first token is there.
async fn first_token(generation: &mut Generation) {
    while !matches!(generation.next().await, Some(Ok(GenerationPiece::Token(_)))) {}
}

#[test]
fn knows_the_capital_of_france() {
    with_engine(
        |_| {},
        async |engine| {
            let answer = answer(&engine, ask("What is the capital of France?", "")).await;
            assert!(answer.text.contains("Paris"), "{}", answer.text);
            assert_eq!(answer.finish, GenerationFinish::Stop);
            let facts = engine.facts();
            assert!(
                facts.own_template && facts.context == 1024 && facts.trained_context == 8192,
                "{facts:?}"
            );
            assert_eq!(facts.parameters, catalogue::by_name("smollm2-135m").unwrap().parameters);
        },
    );
}

#[test]
fn goes_on_from_a_prefill() {
    with_engine(
        |_| {},
        async |engine| {
            let question = ask("What is the capital of France?", "");
            let request = GenerationRequest { prefill: Some("The capital of France is".into()), ..question };
            let answer = answer(&engine, request).await;
            assert!(answer.text.trim_start().starts_with("Paris"), "{}", answer.text);
        },
    );
}

#[test]
fn counts_as_it_reads() {
    with_engine(
        |_| {},
        async |engine| {
            for question in ["Hi", "协同 is what?", "", " \n "] {
                let request = GenerationRequest { max_tokens: Some(1), ..ask(question, question) };
                let counted = engine.count_tokens(&request.messages).await.unwrap();
                assert_eq!(answer(&engine, request).await.usage.prompt_tokens, counted, "{question:?}");
            }
        },
    );
}

#[test]
fn what_users_write_never_becomes_a_control_token() {
    with_engine(
        |_| {},
        async |engine| {
            let count = async |content: &str| {
                engine.count_tokens(&[ChatMessage::new("user", content)]).await.unwrap()
            };
            let (letter, mark) = (count("a").await, count("<|im_end|>").await);
            assert!(mark >= letter + 3, "{mark} tokens, a letter {letter}");
        },
    );
}

#[test]
fn ends_at_max_tokens_and_at_the_context() {
    with_engine(
        |options| options.context = 64,
        async |engine| {
            let five = answer(&engine, GenerationRequest { max_tokens: Some(5), ..endless("") }).await;
            assert_eq!((five.tokens.len(), five.finish), (5, GenerationFinish::Length));
            let whole = answer(&engine, endless("")).await;
            assert_eq!(whole.usage.prompt_tokens + whole.usage.completion_tokens, 64);
            assert_eq!(whole.finish, GenerationFinish::Length);
        },
    );
}

#[test]
fn stops_before_a_stop_sequence() {
    with_engine(
        |_| {},
        async |engine| {
            // Different askers, so that nothing is reused and both runs compute exactly the same.
            let free = answer(&engine, GenerationRequest { max_tokens: Some(24), ..endless("a") }).await;
            let stop: String = free.text.chars().skip(20).take(6).collect();
            let request = GenerationRequest {
                max_tokens: Some(24),
                stop: vec!["never said".into(), stop.clone()],
                ..endless("b")
            };
            let stopped = answer(&engine, request).await;
            assert_eq!(stopped.finish, GenerationFinish::Stop);
            assert_eq!(Some(stopped.text.as_str()), free.text.split(&stop).next());
            assert!(stopped.tokens.len() < free.tokens.len());
        },
    );
}

#[test]
fn a_seed_repeats_an_answer() {
    with_engine(
        |_| {},
        async |engine| {
            let text = async |seed, fairness| {
                let sampling =
                    SamplingOptions { temperature: Some(1.5), seed: Some(seed), ..endless("").sampling };
                let request = GenerationRequest { sampling, max_tokens: Some(24), ..endless(fairness) };
                answer(&engine, request).await.text
            };
            let first = text(1, "a").await;
            assert_eq!(first, text(1, "b").await);
            assert_ne!(first, text(2, "c").await);
        },
    );
}

#[test]
fn says_how_likely_its_tokens_were() {
    with_engine(
        |_| {},
        async |engine| {
            let request = GenerationRequest { top_logprobs: 5, ..ask("What is the capital of France?", "") };
            let answer = answer(&engine, request).await;
            let most_entropy = 49_152_f32.ln();
            for token in &answer.tokens {
                let top: Vec<f32> = token.top.iter().map(|other| other.logprob).collect();
                assert_eq!(top.len(), 5);
                assert!(
                    top.iter().all(|logprob| *logprob <= 0.0) && top.is_sorted_by(|a, b| a >= b),
                    "{token:?}"
                );
                assert!(top.iter().map(|logprob| logprob.exp()).sum::<f32>() <= 1.0001, "{token:?}");
                // Greedy: the token is the likeliest one.
                assert!(
                    (token.logprob - top[0]).abs() < 1e-5 && token.bytes == token.top[0].bytes,
                    "{token:?}"
                );
                assert!((token.margin - (top[0] - top[1])).abs() < 1e-3, "{token:?}");
                assert!((0.0..=most_entropy).contains(&token.entropy), "{token:?}");
            }
            let bytes: Vec<u8> = answer.tokens.iter().flat_map(|token| token.bytes.clone()).collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), answer.text);
        },
    );
}

#[test]
fn remembers_a_conversation_but_not_for_others() {
    with_engine(
        |_| {},
        async |engine| {
            let question = "What is the capital of France? Please answer in one sentence.";
            let first = answer(&engine, ask(question, "a")).await;
            let mut next = ask(question, "a");
            next.messages.push(ChatMessage::new("assistant", first.text));
            next.messages.push(ChatMessage::new("user", "And of Italy?"));
            let second = answer(&engine, next.clone()).await;
            assert!(second.usage.cached_tokens >= first.usage.prompt_tokens, "{:?}", second.usage);
            let other = answer(&engine, GenerationRequest { fairness: "b".into(), ..next }).await;
            assert_eq!(other.usage.cached_tokens, 0);
        },
    );
}

/// Several conversations take turns in one slot, and each reads only what is new; not what another asker said.
#[test]
fn remembers_conversations_that_lost_their_slot() {
    let turns = async |engine: &Engine, asker: &str, topic: &str| {
        let question =
            format!("{topic}! {}", "Please think about it well and say what is special. ".repeat(9));
        let first = answer(engine, ask(&question, asker)).await;
        let mut next = ask(&question, asker);
        next.messages.push(ChatMessage::new("assistant", &first.text));
        next.messages.push(ChatMessage::new("user", "And what else?"));
        (first.usage.prompt_tokens, next)
    };
    let check = |prefix_cache: usize, remembered: bool| {
        with_engine(
            |options| options.prefix_cache = prefix_cache,
            async |engine| {
                let mut later = Vec::new();
                for topic in ["Paris", "bread", "chess"] {
                    later.push(turns(&engine, "a", topic).await);
                }
                for (index, (prompt, next)) in later.into_iter().enumerate() {
                    let other = GenerationRequest { fairness: format!("b{index}"), ..next.clone() };
                    let usage = answer(&engine, next).await.usage;
                    let whole = usage.cached_tokens >= prompt;
                    assert_eq!(whole, remembered, "{usage:?}, first {prompt}");
                    assert_eq!(answer(&engine, other).await.usage.cached_tokens, 0);
                }
            },
        );
    };
    check(64 << 20, true);
    check(0, false);
}

/// Text and probabilities, to the bit.
fn bits(answer: &GatheredAnswer) -> (String, Vec<u32>) {
    (answer.text.clone(), answer.tokens.iter().map(|token| token.logprob.to_bits()).collect())
}

#[test]
fn gives_the_same_answer_every_time_where_that_is_asked_for() {
    with_engine(
        |options| {
            options.deterministic = true;
            options.slots = 3;
        },
        async |engine| {
            let text = "The river runs past the old mill, and nobody remembers who built it. ".repeat(12);
            let question = |end: &str, asker: &str| ask(&format!("{text}{end}"), asker);
            let alone = answer(&engine, question("Who built it?", "a")).await;
            assert_eq!(alone.usage.cached_tokens, 0);
            let same = async |request: GenerationRequest, cached: bool| {
                let again = answer(&engine, request).await;
                assert_eq!(bits(&again), bits(&alone), "{:?}", again.usage);
                assert_eq!(again.usage.cached_tokens > 0, cached, "{:?}", again.usage);
            };
            // From the cache, and after another question about the same text.
            same(question("Who built it?", "a"), true).await;
            answer(&engine, question("Where does it run? Say it in a sentence.", "b")).await;
            same(question("Who built it?", "b"), true).await;
            // Beside others, whose prompts are read and whose answers are written meanwhile.
            let mut story = engine.generate(endless("c")).await.unwrap();
            first_token(&mut story).await;
            let mut long = engine.generate(question("Why? Tell me all about it.", "d")).await.unwrap();
            same(question("Who built it?", "e"), false).await;
            first_token(&mut long).await;
            same(question("Who built it?", "a"), true).await;
        },
    );
}

#[test]
fn says_how_long_a_request_would_wait() {
    with_engine(
        |_| {},
        async |engine| {
            assert_eq!(engine.expected_wait("a"), Duration::ZERO);
            assert!(engine.expected_reading(1000) > engine.expected_reading(10));
            let mut running = engine.generate(endless("a")).await.unwrap();
            first_token(&mut running).await;
            let one = engine.expected_wait("b");
            assert!(one > Duration::ZERO);
            let _waiting = engine.generate(endless("b")).await.unwrap();
            let two = engine.expected_wait("b");
            assert!(two > one, "{two:?}, {one:?}");
            drop(running);
        },
    );
}

/// A short question need not wait until a long text is read.
#[test]
fn reads_a_short_prompt_beside_a_long_one() {
    with_engine(
        |options| {
            options.slots = 2;
            options.context = 4096;
        },
        async |engine| {
            let mut long = engine.generate(ask(&"word ".repeat(3000), "a")).await.unwrap();
            assert!(matches!(long.next().await, Some(Ok(GenerationPiece::Started { .. }))));
            let short = GenerationRequest { max_tokens: Some(1), ..ask("Hi", "b") };
            answer(&engine, short).await;
            assert!(long.next().now_or_never().is_none(), "the long prompt was read first");
        },
    );
}

#[test]
fn refuses_what_it_cannot_take() {
    with_engine(
        |_| {},
        async |engine| {
            let refusal = async |request: GenerationRequest| engine.generate(request).await.unwrap_err();
            for words in [2_000, 2_000_000] {
                let long = ask(&"word ".repeat(words), "");
                let EngineRefusal::PromptTooLong { prompt, context } = refusal(long).await else {
                    panic!("not too long")
                };
                assert!(context == 1024 && prompt > context);
            }
            let hi = || ask("Hi", "");
            let sampled = |sampling| GenerationRequest { sampling, ..hi() };
            let invalid = [
                (GenerationRequest { messages: Vec::new(), ..hi() }, "messages"),
                (GenerationRequest { messages: vec![ChatMessage::new("a b", "x")], ..hi() }, "messages"),
                (GenerationRequest { max_tokens: Some(0), ..hi() }, "max_tokens"),
                (GenerationRequest { stop: vec![String::new()], ..hi() }, "stop"),
                (GenerationRequest { stop: vec!["x".into(); 5], ..hi() }, "stop"),
                (GenerationRequest { top_logprobs: 21, ..hi() }, "top_logprobs"),
                (sampled(SamplingOptions { temperature: Some(2.1), ..GREEDY }), "temperature"),
                (sampled(SamplingOptions { temperature: Some(f32::NAN), ..GREEDY }), "temperature"),
                (sampled(SamplingOptions { top_p: Some(0.0), ..GREEDY }), "top_p"),
                (sampled(SamplingOptions { presence_penalty: Some(-3.0), ..GREEDY }), "presence_penalty"),
                (sampled(SamplingOptions { logit_bias: vec![(1, 101.0)], ..GREEDY }), "logit_bias"),
            ];
            for (request, field) in invalid {
                let EngineRefusal::Invalid(sentence) = refusal(request).await else {
                    panic!("{field} was taken")
                };
                assert!(sentence.starts_with(field), "{sentence}");
            }
            assert!(engine.alive());
        },
    );
}

#[test]
fn refuses_when_the_queue_is_full() {
    with_engine(
        |options| options.queue = 2,
        async |engine| {
            let mut running = engine.generate(endless("a")).await.unwrap();
            first_token(&mut running).await;
            let second = engine.generate(ask("Hi", "b")).await.unwrap();
            let third = engine.generate(ask("Hi", "c")).await.unwrap();
            assert_eq!((engine.load_now().queued, engine.load_now().running), (2, 1));
            assert_eq!(engine.generate(ask("Hi", "d")).await.unwrap_err(), EngineRefusal::Busy);
            // Who leaves makes room, whether waiting or running.
            drop(second);
            assert_eq!(engine.load_now().queued, 1);
            let fourth = engine.generate(ask("Hi", "d")).await.unwrap();
            drop(running);
            assert!(!read(third).await.text.is_empty());
            assert!(!read(fourth).await.text.is_empty());
            assert_eq!((engine.load_now().queued, engine.load_now().running), (0, 0));
        },
    );
}

#[test]
fn stops_working_for_who_left() {
    with_engine(
        |options| options.context = 4096,
        async |engine| {
            let mut left = engine.generate(endless("a")).await.unwrap();
            first_token(&mut left).await;
            let begun = Instant::now();
            for _ in 0..8 {
                first_token(&mut left).await;
            }
            let eight_tokens = begun.elapsed();
            drop(left);
            let begun = Instant::now();
            let mut next = engine.generate(ask("Hi", "b")).await.unwrap();
            assert!(matches!(next.next().await, Some(Ok(GenerationPiece::Started { .. }))));
            // One token's time, but for what else the machine does meanwhile; the story had 4000 to go.
            assert!(begun.elapsed() < eight_tokens * 100, "{:?}, {eight_tokens:?}", begun.elapsed());
        },
    );
}

#[test]
fn takes_turns_between_askers() {
    with_engine(
        |options| options.queue = 8,
        async |engine| {
            let mut running = engine.generate(endless("a")).await.unwrap();
            first_token(&mut running).await;
            let mut waiting = Vec::new();
            for asker in ["a", "a", "a", "b"] {
                let request = GenerationRequest { max_tokens: Some(1), ..ask("Hi", asker) };
                waiting.push(engine.generate(request).await.unwrap());
            }
            drop(running);
            let late = waiting.pop().unwrap();
            read(late).await;
            assert!(
                engine.load_now().queued >= 1,
                "the last to come was b, yet a was served three times before"
            );
        },
    );
}

#[test]
fn answers_together() {
    with_engine(
        |options| options.slots = 3,
        async |engine| {
            let question = "What is the capital of France?";
            let answers = ["a", "b", "c"].map(|asker| answer(&engine, ask(question, asker)));
            for answer in futures_util::future::join_all(answers).await {
                assert!(answer.text.contains("Paris"), "{}", answer.text);
                assert_eq!(answer.usage.cached_tokens, 0);
            }
        },
    );
}

#[test]
fn says_when_it_ends() {
    with_engine(
        |_| {},
        async |engine| {
            let mut running = engine.generate(endless("a")).await.unwrap();
            let mut waiting = engine.generate(endless("b")).await.unwrap();
            first_token(&mut running).await;
            drop(engine);
            let mut last = running.next().await;
            while matches!(last, Some(Ok(GenerationPiece::Token(_)))) {
                last = running.next().await;
            }
            assert!(matches!(last, Some(Err(GenerationError::Broken(_)))), "{last:?}");
            assert_eq!(running.next().await, None);
            assert_eq!(waiting.next().await, Some(Err(GenerationError::Dead)));
            assert_eq!(waiting.next().await, None);
        },
    );
}

#[test]
fn refuses_what_the_memory_does_not_hold() {
    let Some(weights) = weights() else { return };
    let options = EngineOptions { slots: 64, context: 1 << 30, ..EngineOptions::new(weights) };
    let Err(LoadError::Memory { needs, conversations, available, .. }) = Engine::load(options) else {
        panic!("a thousand gigabytes for each slot")
    };
    assert!(conversations > 1 << 40 && needs > conversations && available < needs);
}

#[test]
fn refuses_other_files() {
    let Some(weights) = weights() else { return };
    let folder = std::env::temp_dir().join(format!("small-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let whole = std::fs::read(weights).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Engine::load(EngineOptions::new(path)).err().expect("an error")
    };
    assert!(matches!(Engine::load(EngineOptions::new(folder.join("none.gguf"))), Err(LoadError::Missing(_))));
    assert!(matches!(Engine::load(EngineOptions::new(&folder)), Err(LoadError::Unreadable { .. })));
    assert!(matches!(file("empty.gguf", b""), LoadError::NotGguf(_)));
    assert!(matches!(file("page.gguf", b"<!doctype html>"), LoadError::NotGguf(_)));
    for length in [4, 5, 100, 1_000_000, whole.len() / 2] {
        let error = file("cut.gguf", &whole[..length]);
        let LoadError::Cut { has, needs, .. } = &error else { panic!("{error}") };
        assert_eq!(*has, length as u64);
        // Within its header it does not say how long it is.
        assert_eq!(*needs, (length > 10_000_000).then_some(whole.len() as u64));
        assert!(error.to_string().contains("incomplete"), "{error}");
    }
    // The same length, so that other architectures need no other file.
    let known =
        [b"general.architecture".as_slice(), &8_u32.to_le_bytes(), &5_u64.to_le_bytes(), b"llama"].concat();
    let at = whole.windows(known.len()).position(|bytes| bytes == known).unwrap() + known.len() - 5;
    let mut other = whole.clone();
    other[at..at + 5].copy_from_slice(b"lamas");
    let error = file("other.gguf", &other);
    assert!(matches!(&error, LoadError::Architecture { name, .. } if name == "lamas"), "{error}");
    let error = file("mangled.gguf", &[b"GGUF", [0xff; 60].as_slice()].concat());
    assert!(matches!(error, LoadError::Refused { .. }), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// An object of three members with short values.
fn place_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "size": {"enum": ["small", "large"]},
            "rivers": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["city", "size", "rivers"],
        "additionalProperties": false,
    })
}

#[track_caller]
fn check_place(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let members = value.as_object().unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["city", "size", "rivers"], "{text}");
    assert!(members["city"].as_str().unwrap().chars().count() <= 12, "{text}");
    assert!(["small", "large"].contains(&members["size"].as_str().unwrap()), "{text}");
    assert!(members["rivers"].as_u64().unwrap() <= 99, "{text}");
}

/// Whatever the seed and the temperature.
#[test]
fn an_answer_keeps_to_its_schema() {
    with_engine(
        |_| {},
        async |engine| {
            for seed in 0..12 {
                let temperature = Some([0.0, 0.7, 1.3, 2.0][usize::try_from(seed).unwrap() % 4]);
                let sampling = SamplingOptions {
                    temperature,
                    top_k: Some(0),
                    top_p: Some(1.0),
                    min_p: Some(0.0),
                    seed: Some(seed),
                    ..GREEDY
                };
                let format = AnswerFormat::JsonSchema { schema: place_schema(), strict: true };
                let request = GenerationRequest {
                    format: Some(format),
                    sampling,
                    max_tokens: Some(96),
                    ..ask("Tell me about Paris.", "a")
                };
                let answer = read(engine.generate(request).await.unwrap()).await;
                assert_eq!(answer.finish, GenerationFinish::Stop, "{}", answer.text);
                check_place(&answer.text);
            }
        },
    );
}

#[test]
fn a_ban_on_all_that_may_come_gives_way_to_the_schema() {
    with_engine(
        |_| {},
        async |engine| {
            let logit_bias = (0..49_152).map(|token| (token, -100.0)).collect();
            let format = AnswerFormat::JsonSchema { schema: json!({"enum": ["yes", "no"]}), strict: true };
            let request = GenerationRequest {
                format: Some(format),
                sampling: SamplingOptions { logit_bias, ..GREEDY },
                ..ask("Is water wet?", "a")
            };
            let answer = read(engine.generate(request).await.unwrap()).await;
            assert!(["\"yes\"", "\"no\""].contains(&answer.text.as_str()), "{}", answer.text);
        },
    );
}

#[test]
fn a_forced_call_keeps_to_its_tools_schema() {
    with_engine(
        |_| {},
        async |engine| {
            let tool = |name: &str| ToolDefinition {
                parameters: Some(place_schema()),
                strict: true,
                ..ToolDefinition::named(name)
            };
            for (seed, tool_choice) in [
                (1, ToolChoice::Required),
                (2, ToolChoice::Required),
                (3, ToolChoice::Named("lookup".into())),
            ] {
                let named = tool_choice != ToolChoice::Required;
                let request = GenerationRequest {
                    tools: vec![tool("describe"), tool("lookup")],
                    tool_choice,
                    single_call: true,
                    sampling: SamplingOptions { temperature: Some(1.5), seed: Some(seed), ..GREEDY },
                    max_tokens: Some(128),
                    ..ask("Look up Paris.", "a")
                };
                let mut generation = engine.generate(request).await.unwrap();
                let (mut name, mut arguments, mut said) = (None, String::new(), String::new());
                let mut finished = None;
                while let Some(piece) = generation.next().await {
                    let (text, calls) = match piece.unwrap() {
                        GenerationPiece::Started { .. } => continue,
                        GenerationPiece::Token(token) => (token.text, token.calls),
                        GenerationPiece::End { text, calls, finish, .. } => {
                            finished = Some(finish);
                            (text, calls)
                        }
                    };
                    said += &text;
                    for call in calls {
                        assert_eq!(call.index, 0);
                        name = name.or(call.name);
                        arguments += &call.arguments;
                    }
                }
                assert_eq!((finished, said.as_str()), (Some(GenerationFinish::ToolCalls), ""));
                let name = name.unwrap();
                assert!(name == "lookup" || (name == "describe" && !named), "{name}");
                check_place(&arguments);
            }
        },
    );
}

/// A schema that takes long to compile is its client's wait, and nobody else's.
#[test]
fn nobody_waits_for_the_schema_of_another() {
    with_engine(
        |options| options.slots = 2,
        async |engine| {
            let property = |number: usize| {
                (
                    format!("p{number}"),
                    json!({"type": "string", "pattern": format!("^[a-z]{{{},40}}$", number % 30 + 1)}),
                )
            };
            let properties: serde_json::Map<String, Value> = (0..2500).map(property).collect();
            let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
            let held = |schema: Value, asker: &str| GenerationRequest {
                format: Some(AnswerFormat::JsonSchema { schema, strict: false }),
                max_tokens: Some(2),
                ..ask("Hi", asker)
            };
            let small = json!({"enum": ["yes", "no"]});
            answer(&engine, held(small.clone(), "a")).await;
            let mut large = Box::pin(engine.generate(held(schema, "b")));
            assert!((&mut large).now_or_never().is_none());
            // Neither a plain question nor a schema that is known waits for it.
            answer(&engine, GenerationRequest { max_tokens: Some(1), ..ask("Hi", "c") }).await;
            let again = answer(&engine, held(small, "a")).await;
            assert!((&mut large).now_or_never().is_none(), "the large schema was compiled first");
            assert_eq!(again.usage.completion_tokens, 2);
            drop(large);
        },
    );
}

/// A small model that must call would call the same again and again.
#[test]
fn a_repeated_call_ends_the_answer() {
    with_engine(
        |_| {},
        async |engine| {
            let tool = ToolDefinition {
                parameters: Some(
                    json!({"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}),
                ),
                ..ToolDefinition::named("weather")
            };
            let request = GenerationRequest {
                tools: vec![tool],
                tool_choice: ToolChoice::Required,
                max_tokens: Some(400),
                // It may not end its answer by itself.
                sampling: SamplingOptions { logit_bias: vec![(0, -100.0), (2, -100.0)], ..GREEDY },
                ..ask("What is the weather in Paris?", "")
            };
            let answer = answer(&engine, request).await;
            assert_eq!(answer.finish, GenerationFinish::ToolCalls);
            let calls = answer.tokens.iter().flat_map(|token| &token.calls);
            assert_eq!(calls.filter(|call| call.name.is_some()).count(), 1);
            assert!(answer.usage.completion_tokens < 200, "{:?}", answer.usage);
        },
    );
}

#[test]
fn schemas_that_cannot_be_met_or_held_are_refused_by_name() {
    with_engine(
        |_| {},
        async |engine| {
            let refusal = async |schema: Value, strict: bool| {
                let format = Some(AnswerFormat::JsonSchema { schema, strict });
                engine.generate(GenerationRequest { format, ..ask("Hi", "a") }).await.err()
            };
            for schema in
                [json!(7), json!({"type": "text"}), json!({"type": "string", "minLength": 3, "maxLength": 2})]
            {
                let refused = refusal(schema.clone(), true).await;
                assert!(
                    matches!(&refused, Some(EngineRefusal::Invalid(why)) if why.contains("response_format")),
                    "{schema}: {refused:?}"
                );
            }
            // A keyword that the engine does not have: another model may.
            let unique = json!({"type": "array", "uniqueItems": true});
            assert!(matches!(refusal(unique.clone(), true).await, Some(EngineRefusal::Unable(_))));
            assert_eq!(refusal(unique, false).await, None);
            // Nothing of this takes long or much memory.
            let mut deep = json!({"type": "string"});
            for _ in 0..100 {
                deep = json!({"type": "object", "properties": {"a": deep}, "required": ["a"]});
            }
            assert_eq!(refusal(deep, true).await, None);
            let wide: serde_json::Map<String, Value> =
                (0..20_000).map(|index| (format!("property_{index}"), json!({"type": "string"}))).collect();
            let refused = refusal(json!({"type": "object", "properties": wide}), true).await;
            assert!(
                matches!(&refused, Some(EngineRefusal::Invalid(why)) if why.contains("bytes")),
                "{refused:?}"
            );
            let tree = json!({"$ref": "#/$defs/tree", "$defs": {"tree": {
                "type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
            }}});
            assert_eq!(refusal(tree, true).await, None);
            let doubled: serde_json::Map<String, Value> = (0..40)
                .map(|index| {
                    let next = json!({"$ref": format!("#/$defs/a{}", index + 1)});
                    (format!("a{index}"), json!({"allOf": [next, next], "type": "object"}))
                })
                .chain([("a40".to_owned(), json!({"type": "object"}))])
                .collect();
            let bomb = refusal(json!({"$ref": "#/$defs/a0", "$defs": doubled}), true).await;
            assert!(
                bomb.is_none() || matches!(bomb, Some(EngineRefusal::Unable(_) | EngineRefusal::Invalid(_)))
            );
        },
    );
}
