//! Which signal of an answer under way tells whether it will be right, and after how many tokens: asks an embedded model
//! questions whose answers are known, and prints a table of AUC by tokens seen.
//!
//! usage: `signals WEIGHTS [ROWS]`
//!
//! ROWS has JSON lines of `{"prompt", "answer", "kind"?}`; without it, sums of its own are asked, in English and Chinese,
//! whose answers it works out. AUC is the chance that of two answers, one right and one wrong, the signal is higher for
//! the right one: 0.5 says nothing (Hanley and McNeil 1982, with their standard error).

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use router_policies::answers::Upshot;
use serde_json::Value;
use small_model::{Engine, Message, Options, Piece, Request, Sampling, Token};

/// After so many tokens the signals are read; the last place is the end.
const PLACES: [usize; 7] = [1, 4, 8, 24, 48, 96, usize::MAX];
const NAMES: [&str; 5] = ["mean", "lowest", "margin", "-entropy", "-length"];
const LONGEST: u32 = 320;

struct Row {
    prompt: String,
    answer: String,
    kind: String,
}

struct Answer {
    text: String,
    tokens: Vec<Token>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(weights) = arguments.next() else {
        eprintln!("usage: signals WEIGHTS [ROWS]");
        return ExitCode::from(2);
    };
    let rows = match arguments.next().map(|file| read(&file)) {
        None => sums(),
        Some(Ok(rows)) => rows,
        Some(Err(why)) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    match measure(&weights, &rows).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(weights: &str, rows: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::load(Options { threads: 1, ..Options::new(weights) })?;
    let mut kinds: BTreeMap<&str, Vec<(Answer, bool, bool)>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let answer = ask(&engine, &row.prompt, 0.0).await?;
        let second = ask(&engine, &row.prompt, 0.7).await?;
        let upshot = Upshot::of(&answer.text);
        let right = upshot.agrees(&Upshot::of(&row.answer)) == Some(true);
        let agrees = upshot.agrees(&Upshot::of(&second.text)) == Some(true);
        kinds.entry(&row.kind).or_default().push((answer, right, agrees));
        eprint!("\r{} of {}", at + 1, rows.len());
    }
    eprintln!();
    for (kind, answers) in &kinds {
        print(kind, answers);
    }
    Ok(())
}

async fn ask(engine: &Engine, prompt: &str, temperature: f32) -> Result<Answer, Box<dyn std::error::Error>> {
    let request = Request {
        max_tokens: Some(LONGEST),
        sampling: Sampling { temperature: Some(temperature), seed: Some(7), ..Sampling::default() },
        ..Request::of(vec![Message::new("user", prompt)])
    };
    let mut answer = Answer { text: String::new(), tokens: Vec::new() };
    let mut pieces = engine.generate(request).await?;
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Token(token) => {
                answer.text.push_str(&token.text);
                answer.tokens.push(token);
            }
            Piece::End { text, .. } => answer.text.push_str(&text),
            Piece::Started { .. } => {}
        }
    }
    Ok(answer)
}

fn print(kind: &str, answers: &[(Answer, bool, bool)]) {
    let right = answers.iter().filter(|(_, right, _)| *right).count();
    println!("\n{kind}: {} questions, {right} answered right", answers.len());
    println!("| tokens seen | answers | {} |", NAMES.join(" | "));
    println!("| ---: | ---: |{}", " ---: |".repeat(NAMES.len()));
    for place in PLACES {
        let seen: Vec<_> = answers
            .iter()
            .filter(|(answer, ..)| place == usize::MAX || answer.tokens.len() >= place)
            .collect();
        let cells = (0..NAMES.len()).map(|signal| {
            let scored =
                seen.iter().map(|(answer, right, _)| (signals(&answer.tokens, place)[signal], *right));
            shown(&scored.collect::<Vec<_>>())
        });
        let name = if place == usize::MAX { "all".to_owned() } else { place.to_string() };
        println!("| {name} | {} | {} |", seen.len(), cells.collect::<Vec<_>>().join(" | "));
    }
    let agreement: Vec<_> =
        answers.iter().map(|(_, right, agrees)| (f64::from(u8::from(*agrees)), *right)).collect();
    println!("agreement with one more answer: {}", shown(&agreement));
}

/// In the order of [`NAMES`], each the higher the better.
fn signals(tokens: &[Token], place: usize) -> [f64; 5] {
    let seen = &tokens[..tokens.len().min(place)];
    let count = seen.len().max(1) as f64;
    let mean = |of: fn(&Token) -> f32| seen.iter().map(|token| f64::from(of(token))).sum::<f64>() / count;
    let lowest = seen.iter().map(|token| f64::from(token.logprob)).fold(0.0, f64::min);
    let first = seen.first().map_or(0.0, |token| f64::from(token.entropy));
    [mean(|token| token.logprob), lowest, mean(|token| token.margin), -first, -(seen.len() as f64)]
}

/// AUC and its standard error.
fn shown(scored: &[(f64, bool)]) -> String {
    let side = |wanted| scored.iter().filter(move |(_, right)| *right == wanted).map(|(score, _)| *score);
    let (rights, wrongs) = (side(true).count() as f64, side(false).count() as f64);
    if rights == 0.0 || wrongs == 0.0 {
        return "–".to_owned();
    }
    let beats = |right: f64| {
        side(false)
            .map(|wrong| if right > wrong { 1.0 } else { f64::from(u8::from(right == wrong)) / 2.0 })
            .sum::<f64>()
    };
    let auc = side(true).map(beats).sum::<f64>() / (rights * wrongs);
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let variance = auc * (1.0 - auc) + (rights - 1.0) * (q1 - auc * auc) + (wrongs - 1.0) * (q2 - auc * auc);
    format!("{auc:.2} ± {:.2}", (variance.max(0.0) / (rights * wrongs)).sqrt())
}

fn read(file: &str) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(file).map_err(|why| format!("{file}: {why}"))?;
    let row = |(at, line): (usize, &str)| {
        let value: Value = serde_json::from_str(line).map_err(|why| format!("{file}:{}: {why}", at + 1))?;
        let of = |key: &str| value[key].as_str().map(str::to_owned);
        let missing = |key: &str| format!("{file}:{}: no `{key}`", at + 1);
        Ok(Row {
            prompt: of("prompt").ok_or_else(|| missing("prompt"))?,
            answer: of("answer").ok_or_else(|| missing("answer"))?,
            kind: of("kind").unwrap_or_else(|| "rows".to_owned()),
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(row).collect()
}

/// Sums from easy to hard, half of them asked in Chinese.
fn sums() -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, size) in [3, 7, 12, 25, 60, 140, 350, 900, 2500, 9000].into_iter().enumerate() {
        for step in 0..8_u64 {
            let (one, other) = (size + 3 * step, size / 2 + 7 * step + at as u64);
            let (sign, result) = if step % 2 == 0 { ("+", one + other) } else { ("×", one * other) };
            let (prompt, kind) = match step % 4 {
                0 | 1 => {
                    (format!("What is {one} {sign} {other}? Answer with the number only."), "sums, English")
                }
                _ => (format!("{one} {sign} {other} 等于多少？只回答数字。"), "sums, Chinese"),
            };
            rows.push(Row { prompt, answer: format!("#### {result}"), kind: kind.to_owned() });
        }
    }
    rows
}
