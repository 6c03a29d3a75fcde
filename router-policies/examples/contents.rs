//! Times the search for private contents on 10 MB, and counts what it finds in real prompts that have none to protect:
//! `cargo run --release -p router-policies --example contents [-- FILE…]`, each FILE JSON lines with `prompt` or `query`.

// A benchmark is for people to read.
#![allow(clippy::print_stdout)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it reads files and measures what policies take"
)]

use std::time::Instant;

use router_policies::sensitive_data::{SensitiveKind, SensitiveKinds};

const ALL: [SensitiveKind; 5] = [
    SensitiveKind::IdNumber,
    SensitiveKind::Phone,
    SensitiveKind::BankCard,
    SensitiveKind::Email,
    SensitiveKind::Key,
];

#[derive(serde::Deserialize)]
struct PromptRow {
    #[serde(alias = "query")]
    prompt: String,
}

fn main() {
    for unit in [
        "The quick brown fox 12 ",
        "请问这道题怎么做？",
        "1 ",
        "13812345678 ",
        "a@",
        "密码:",
        "secret=",
        "eyJ.",
    ] {
        let text = unit.repeat(10_000_000 / unit.len());
        let began = Instant::now();
        let found = SensitiveKinds::in_text(&text, SensitiveKinds::of(&ALL));
        let millis = began.elapsed().as_secs_f64() * 1e3;
        println!("10 MB of {unit:?}: {millis:.0} ms{}", if found.is_empty() { "" } else { ", found" });
    }
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let prompts: Vec<String> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<PromptRow>(line).ok())
            .map(|row| row.prompt)
            .collect();
        let began = Instant::now();
        let found: Vec<SensitiveKinds> =
            prompts.iter().map(|prompt| SensitiveKinds::in_text(prompt, SensitiveKinds::of(&ALL))).collect();
        let micros = began.elapsed().as_secs_f64() * 1e6 / prompts.len().max(1) as f64;
        println!("{path}: {} prompts, {micros:.1} µs each", prompts.len());
        for kind in ALL {
            let those: Vec<usize> = (0..prompts.len()).filter(|at| found[*at].has(kind)).collect();
            println!("  {kind:?}: {}", those.len());
            if std::env::var_os("SHOW").is_some() {
                those
                    .iter()
                    .take(8)
                    .for_each(|at| println!("    {:?}", prompts[*at].chars().take(300).collect::<String>()));
            }
        }
    }
}
