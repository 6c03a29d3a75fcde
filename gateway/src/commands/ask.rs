//! `xietong ask`: one question from the terminal, and what its answer cost.

use std::io::{IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use gateway_config::{GatewayConfig, Secret, StateConfig};
use serde_json::json;

use super::default_ladder::configuration;
use super::gateway_client::{GatewayAnswer, GatewayClient, in_nanos};
use super::neighbour::{PortOwner, reached};
use super::own_gateway::OwnGateway;
use super::{CommandError, say};
use crate::report::amount;
use crate::terminal::harmless;

/// Bytes of standard input that a question may have.
const LONGEST: u64 = 16 << 20;

/// Ask one question, and see which model answered, what it cost, and what the largest would have cost.
///
/// The answer goes to standard output as it comes, the line about it to standard error. The gateway that listens at the
/// configuration's address is asked; where none does, one runs in this process for this question.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  xietong ask \"What is the capital of France?\"\n  git diff | xietong ask \"Review this change:\" -"
)]
pub struct Args {
    /// The question; a `-` at its end stands for standard input.
    #[arg(required = true, value_name = "QUESTION")]
    question: Vec<String>,
    /// The route or model to ask. Default: the first route.
    #[arg(long, visible_alias = "route", value_name = "NAME")]
    model: Option<String>,
    /// The gateway to ask. Default: the one at the configuration's `listen`.
    #[arg(long, env = "XIETONG_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// The key that the gateway asks its clients for.
    #[arg(long, env = "XIETONG_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// The configuration file (YAML). Default: xietong.yaml in the working directory, else the built-in default.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Print the answer and all that is known of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks, prints the answer, and says what came of it.
///
/// # Errors
/// 2 for a question or a name that makes no sense, 69 for a gateway or model that cannot be had, 78 for a configuration
/// that cannot be used.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let question = question(&args.question, &mut std::io::stdin().lock())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::other)?;
    let result = runtime.block_on(ask(args, &question));
    // A model that still loads or writes must not hold up the end.
    runtime.shutdown_background();
    result
}

/// The words of the command line, with standard input in place of a `-` at their end.
fn question(words: &[String], input: &mut dyn Read) -> Result<String, CommandError> {
    let (said, read) = match words.split_last() {
        Some((last, before)) if last == "-" => (before, true),
        _ => (words, false),
    };
    let mut question = said.join(" ");
    if read {
        let mut text = String::new();
        input
            .take(LONGEST + 1)
            .read_to_string(&mut text)
            .map_err(|why| CommandError::usage(format!("standard input cannot be read: {why}")))?;
        if text.len() as u64 > LONGEST {
            return Err(CommandError::usage(format!(
                "standard input has more than {} MiB, which no model takes",
                LONGEST >> 20
            )));
        }
        let between = if question.is_empty() { "" } else { "\n\n" };
        question = format!("{question}{between}{}", text.trim_end());
    }
    match question.trim().is_empty() {
        true => Err(CommandError::usage("the question is empty")),
        false => Ok(question),
    }
}

async fn ask(args: &Args, question: &str) -> Result<(), CommandError> {
    let key = args.key.clone().filter(|key| !key.is_empty()).map(Secret::new);
    if let Some(url) = &args.url {
        return answer(args, question, &GatewayClient::new(url, key)?).await;
    }
    let config = configuration(args.config.as_deref(), true).map_err(CommandError::configuration)?.config;
    let address = reached(config.listen);
    if PortOwner::at(address).await == PortOwner::Xietong {
        return answer(args, question, &GatewayClient::new(&format!("http://{address}"), key)?).await;
    }
    say(&in_this_process(&config, address));
    let keeps = config.state != StateConfig::None;
    let own = OwnGateway::start(config, "ask", std::io::sink()).await?;
    let client = GatewayClient::new(&format!("http://{}", own.data), Some(own.key.clone()))?;
    let answered = answer(args, question, &client).await;
    if keeps {
        // What was paid must reach the ledger.
        own.stop().await?;
    }
    answered
}

fn in_this_process(config: &GatewayConfig, address: SocketAddr) -> String {
    let from = match &config.source {
        Some(file) => file.display().to_string(),
        None => "the built-in default".to_owned(),
    };
    let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
    format!(
        "no gateway answers at {address}: asking in this process, by {from} (models: {})",
        models.join(", ")
    )
}

async fn answer(args: &Args, question: &str, client: &GatewayClient) -> Result<(), CommandError> {
    let model = match &args.model {
        Some(model) => model.clone(),
        None => client.first_route().await?,
    };
    let body = json!({"model": model, "messages": [{"role": "user", "content": question}]});
    let mut out = AnswerPrinter::new(args.json);
    let answered = client.ask(&body, |text| out.piece(text)).await;
    out.end();
    let answered = answered?;
    if args.json {
        let json = serde_json::to_string_pretty(&answered).map_err(CommandError::other)? + "\n";
        return std::io::stdout().write_all(json.as_bytes()).map_err(CommandError::other);
    }
    say(&about(&answered));
    Ok(())
}

/// Prints an answer as it comes.
struct AnswerPrinter {
    silent: bool,
    terminal: bool,
    /// Whether something was printed that has no line end yet.
    open: bool,
}

impl AnswerPrinter {
    fn new(silent: bool) -> Self {
        Self { silent, terminal: std::io::stdout().is_terminal(), open: false }
    }

    fn piece(&mut self, text: &str) {
        if self.silent {
            return;
        }
        let shown = if self.terminal { harmless(text) } else { text.into() };
        let mut out = std::io::stdout();
        // That nobody reads on is no reason to fail.
        let _ = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
        self.open = !text.ends_with('\n');
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = std::io::stdout().write_all(b"\n");
        }
    }
}

/// The line about an answer.
fn about(answer: &GatewayAnswer) -> String {
    let currency = answer.currency.as_deref().unwrap_or_default();
    let money = |units: f64| format!("{} {currency}", amount(in_nanos(units))).trim_end().to_owned();
    let mut parts = vec![harmless(answer.model.as_deref().unwrap_or("an unnamed model")).into_owned()];
    parts.extend(answer.difficulty.map(|difficulty| format!("difficulty {difficulty:.2}")));
    if let Some(attempts) = answer.attempts.filter(|attempts| *attempts > 1) {
        parts.push(format!("after {attempts} attempts"));
    }
    parts.push(answer.cost.map_or("cost unknown".to_owned(), |cost| format!("cost {}", money(cost))));
    if let (Some(top), Some(baseline)) = (&answer.baseline_model, answer.baseline_cost)
        && Some(top) != answer.model.as_ref()
    {
        parts.push(format!("{} would have cost {}", harmless(top), money(baseline)));
    }
    if let (Some(prompt), Some(completion)) = (answer.prompt_tokens, answer.completion_tokens) {
        parts.push(format!("{prompt}+{completion} tokens in {:.1} s", answer.seconds));
    }
    match answer.finish_reason.as_deref() {
        Some("length") => parts.push("cut at its limit of tokens".to_owned()),
        Some("content_filter") => parts.push("cut by the provider's filter".to_owned()),
        _ if answer.answer.is_empty() => parts.push("the answer is empty".to_owned()),
        _ => {}
    }
    format!("[{}]", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_words_or_standard_input_or_both() {
        let check = |words: &[&str], input: &[u8], expected: Result<&str, &str>| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let found = question(&words, &mut &*input).map_err(|fault| {
                assert_eq!(fault.code(), 2);
                fault.to_string()
            });
            match expected {
                Ok(expected) => assert_eq!(found.as_deref(), Ok(expected)),
                Err(part) => assert!(found.unwrap_err().contains(part), "{words:?}"),
            }
        };
        check(&["What is 2 + 2?"], b"unread", Ok("What is 2 + 2?"));
        check(&["What", "is", "2?"], b"", Ok("What is 2?"));
        check(&["-"], "法国的首都？\n".as_bytes(), Ok("法国的首都？"));
        check(&["Review this:", "-"], b"a\nb\n", Ok("Review this:\n\na\nb"));
        check(&["-", "1"], b"unread", Ok("- 1"));
        check(&["-"], b" \n", Err("empty"));
        check(&["  "], b"", Err("empty"));
        check(&["-"], b"\xff\xfe", Err("cannot be read"));
    }

    #[test]
    fn the_line_says_who_answered_and_what_it_saved() {
        let text = |text: &str| Some(text.to_owned());
        let small = GatewayAnswer {
            answer: "Paris.".to_owned(),
            model: text("small"),
            difficulty: Some(0.214),
            attempts: Some(1),
            cost: Some(0.0),
            baseline_model: text("large"),
            baseline_cost: Some(0.000_42),
            currency: text("CNY"),
            prompt_tokens: Some(14),
            completion_tokens: Some(3),
            finish_reason: text("stop"),
            seconds: 0.84,
            ..GatewayAnswer::default()
        };
        let check = |answer: &GatewayAnswer, expected: &str| assert_eq!(about(answer), expected);
        check(
            &small,
            "[small, difficulty 0.21, cost 0 CNY, large would have cost 0.00042 CNY, 14+3 tokens in 0.8 s]",
        );
        let large =
            GatewayAnswer { model: text("large"), attempts: Some(2), cost: Some(0.000_5), ..small.clone() };
        check(&large, "[large, difficulty 0.21, after 2 attempts, cost 0.0005 CNY, 14+3 tokens in 0.8 s]");
        let unpriced = GatewayAnswer {
            cost: None,
            baseline_cost: None,
            difficulty: None,
            finish_reason: text("length"),
            ..small.clone()
        };
        check(&unpriced, "[small, cost unknown, 14+3 tokens in 0.8 s, cut at its limit of tokens]");
        let empty = GatewayAnswer { answer: String::new(), ..small };
        assert!(about(&empty).ends_with("the answer is empty]"));
    }
}
