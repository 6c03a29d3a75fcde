//! Times features, scores and the decision by a share of recent traffic, on prompts of 4,000 characters:
//! `cargo run --release -p router-policies --example scoring [-- FILE]`, FILE holding a prompt a line.
//! The number that all scores come to tells whether two builds score alike.

// A benchmark is for people to read.
#![allow(clippy::print_stdout)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it reads files and measures what policies take"
)]

use std::time::Instant;

use router_policies::scorers::{Scorer, default_scorer};
use router_policies::{Features, ModelClass, Prompt, RecentGains};

/// Prompts that are timed.
const PROMPTS: usize = 20_000;
const CHARS: usize = 4_000;
/// The share of them that goes up.
const SHARE: f64 = 0.4;

fn main() {
    let texts = texts();
    let scorer = default_scorer();
    let (mut times, mut cuts) = (Vec::with_capacity(PROMPTS), Vec::with_capacity(PROMPTS));
    let mut recent = RecentGains::default();
    let (mut grams, mut bits) = (0, 0u64);
    for at in 0..PROMPTS {
        let text = &texts[at % texts.len()];
        let began = Instant::now();
        let features = Features::of(&Prompt::from_text(text.as_str()));
        let prospects = scorer.predict(&features);
        let scored = began.elapsed().as_nanos();
        let gain = prospects.of(ModelClass::Frontier).value() - prospects.of(ModelClass::Small).value();
        let up = gain > recent.cut(SHARE);
        recent.record(gain, up, SHARE);
        times.push(began.elapsed().as_nanos());
        cuts.push(began.elapsed().as_nanos() - scored);
        grams += features.grams.len();
        for class in ModelClass::ALL {
            bits = bits.rotate_left(7).wrapping_mul(0x9e37_79b9) ^ prospects.of(class).value().to_bits();
        }
        std::hint::black_box(prospects);
    }
    println!(
        "{PROMPTS} prompts of {CHARS} characters, {} grams each, all scores in one: {bits:016x}",
        grams / PROMPTS
    );
    print("features, score and share", times);
    print("of that, the share", cuts);
}

/// Prints quantiles of times in nanoseconds.
fn print(what: &str, mut times: Vec<u128>) {
    times.sort_unstable();
    let micros = |share: f64| times[(share * (times.len() - 1) as f64) as usize] as f64 / 1000.0;
    println!("{what}: p50 {:.1} µs, p99 {:.1} µs, most {:.1} µs", micros(0.5), micros(0.99), micros(1.0));
}

/// Different texts of [`CHARS`] characters: the lines of a file in turn, or made-up words.
fn texts() -> Vec<String> {
    let lines: Vec<String> = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect(),
        None => (0..2000u32).map(|at| format!("word{} the {} of", at * 7919 % 4001, at % 97)).collect(),
    };
    let joined = lines.join("\n");
    let chars: Vec<char> = joined.chars().collect();
    let count = (chars.len() / CHARS).clamp(1, 500);
    (0..count).map(|at| chars.iter().cycle().skip(at * CHARS).take(CHARS).collect()).collect()
}
