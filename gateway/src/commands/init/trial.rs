//! Makes ready what a configuration needs, and tries its models with one question each.

use std::path::Path;

use gateway_config::{GatewayConfig, StarterFile, StateConfig};
use serde_json::json;

use crate::commands::gateway_client::GatewayClient;
use crate::commands::own_gateway::OwnGateway;
use crate::commands::{CommandError, say};
use crate::terminal::harmless;

/// What each model is asked.
const QUESTION: &str = "What is the capital of France? Answer in one sentence.";
/// Tokens of an answer.
const MOST: u64 = 64;
/// Characters of an answer that are shown.
const SHOWN: usize = 100;

/// Fetches missing weights and asks each model, as far as there is consent.
///
/// # Errors
/// 69 when weights cannot be fetched or a model does not answer.
pub(super) fn run(
    file: &Path,
    starter: &StarterFile,
    consent: &mut dyn FnMut(&str) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let names = missing(starter);
    if !names.is_empty()
        && consent(&format!("Fetch the weights of {} now{}", names.join(" and "), size(&names)))?
    {
        fetch(&names)?;
    }
    if !missing(starter).is_empty() {
        return Ok(());
    }
    let unset = |name: &&str| std::env::var(name).map_or(true, |value| value.trim().is_empty());
    if let Some(key) = starter.provider_key().as_deref().filter(unset) {
        say(&format!("not tried: {key} is not set"));
        return Ok(());
    }
    match consent("Ask each model one question, to see that it answers")? {
        true => try_models(file, starter),
        false => Ok(()),
    }
}

fn try_models(file: &Path, starter: &StarterFile) -> Result<(), CommandError> {
    // The clients' key may be set later.
    let env = |name: &str| {
        let later = (starter.client_key() == Some(name)).then(|| "a-key-that-comes-later".to_owned());
        std::env::var(name).ok().or(later)
    };
    let config = gateway_config::load(Some(file), &env).map_err(CommandError::configuration)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::other)?;
    let result = runtime.block_on(ask_each(config));
    runtime.shutdown_background();
    result
}

async fn ask_each(mut config: GatewayConfig) -> Result<(), CommandError> {
    // A trial is no traffic of the gateway's.
    config.state = StateConfig::None;
    let names: Vec<String> = config.models.iter().map(|model| model.name.clone()).collect();
    let own = OwnGateway::start(config, "init", std::io::sink()).await?;
    let client = GatewayClient::new(&format!("http://{}", own.data), Some(own.key.clone()))?;
    let mut silent = Vec::new();
    for name in names {
        let body =
            json!({"model": name, "max_tokens": MOST, "messages": [{"role": "user", "content": QUESTION}]});
        match client.ask(&body, |_| {}).await {
            Ok(answer) => {
                say(&format!("{name} answers in {:.1} s: {}", answer.seconds, shown(&answer.answer)))
            }
            Err(why) => {
                say(&format!("{name} does not answer: {why}"));
                silent.push(name);
            }
        }
    }
    match silent.is_empty() {
        true => Ok(()),
        false => Err(CommandError::unavailable(format!("{} did not answer", silent.join(" and ")))),
    }
}

/// An answer in one line.
fn shown(answer: &str) -> String {
    let line = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(SHOWN).collect();
    let cut = if short.len() < line.len() { "…" } else { "" };
    format!("{}{cut}", harmless(&short))
}

/// Names in the catalogue of the weights that a configuration needs and that are not here; none in a build that runs none.
#[cfg(feature = "engine")]
pub(super) fn missing(starter: &StarterFile) -> Vec<&'static str> {
    let missing = starter.weights().into_iter().filter(|path| !path.exists());
    let entries = missing
        .filter_map(|path| small_model::catalogue::ENTRIES.iter().find(|entry| path.ends_with(entry.file)));
    entries.map(|entry| entry.name).collect()
}

#[cfg(not(feature = "engine"))]
pub(super) fn missing(_: &StarterFile) -> Vec<&'static str> {
    Vec::new()
}

#[cfg(feature = "engine")]
fn size(names: &[&str]) -> String {
    let entries = names.iter().filter_map(|name| small_model::catalogue::by_name(name));
    format!(", {} MB", entries.map(|entry| entry.bytes / 1_000_000).sum::<u64>())
}

#[cfg(not(feature = "engine"))]
fn size(_: &[&str]) -> String {
    String::new()
}

#[cfg(feature = "engine")]
fn fetch(names: &[&str]) -> Result<(), CommandError> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    crate::commands::fetch::run(&crate::commands::fetch::Args::of(names))
}

#[cfg(not(feature = "engine"))]
fn fetch(_: &[&str]) -> Result<(), CommandError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_in_one_line() {
        for (answer, line) in
            [(" Paris.\n\nIt is.\n", "Paris. It is."), ("\u{1b}[31mred", "\u{fffd}[31mred"), ("", "")]
        {
            assert_eq!(shown(answer), line);
        }
        assert_eq!(shown(&"巴黎".repeat(80)).chars().count(), SHOWN + 1);
    }
}
