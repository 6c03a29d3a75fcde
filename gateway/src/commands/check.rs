//! `xietong check`: says whether a configuration is right, and what was understood.

use std::path::PathBuf;

use gateway_config::{
    BudgetPeriodLength, ClientBudget, ClientConfig, GatewayConfig, ModelConfig, ModelProvider, NamedTopic,
    RequestFeature, Route, Treatment,
};
use jiff::Timestamp;
use router_policies::money::{Tariff, TokenRates};
use router_policies::{Currency, Price};
use serde_json::Value;

use super::CommandError;
use super::default_ladder::configuration;
use crate::local_servers::served;
use protocol::ServedFacts;

/// Check a configuration.
///
/// Prints every problem with its place in the file, or what was understood. Exits with 78 when something is wrong.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong check --config xietong.yaml")]
pub struct Args {
    /// The configuration file (YAML). Default: xietong.yaml in the working directory, else the built-in default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints what the configuration means.
///
/// # Errors
/// 78 with every problem, one a line.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let loaded = configuration(args.config.as_deref(), true);
    let config = loaded.map(|found| found.config).map_err(|problems| {
        let file = args.config.clone().unwrap_or_else(|| gateway_config::DEFAULT_FILE.into());
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        CommandError::configuration(format!("{count} in {}\n{problems}", file.display()))
    })?;
    let served = |model: &ModelConfig| match &model.provider {
        ModelProvider::Remote(remote) if model.local => {
            remote.endpoints.iter().find_map(|endpoint| served(&endpoint.base_url, &remote.model))
        }
        _ => None,
    };
    let text = understood(&config, Timestamp::now(), &served);
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).map_err(CommandError::other)
}

/// What the server of a model on this machine says of it.
type Served<'a> = dyn Fn(&ModelConfig) -> Option<ServedFacts> + 'a;

/// What a configuration means, as short tables.
fn understood(config: &GatewayConfig, now: Timestamp, served: &Served<'_>) -> String {
    let source = config.source.as_ref().map(|file| file.display().to_string());
    let mut text = match source {
        Some(file) => format!("{file} is right.\n"),
        None => "The built-in default (no configuration file).\n".to_owned(),
    };
    text.push_str(&format!("\ndata port {}, admin port {}\n", config.listen, config.admin));
    let currency = config.currency;
    section(&mut text, "models", config.models.iter().map(|one| model(one, currency, now)).collect());
    let servers = config.models.iter().filter_map(|model| server(model, served(model)?)).collect();
    section(&mut text, "servers on this machine", servers);
    let takes = config.models.iter().filter_map(|one| takes(one)).collect();
    section(&mut text, "what of a request is not told to a model as it is", takes);
    if config.models.iter().any(|one| matches!(one.provider, ModelProvider::Embedded(_))) {
        section(&mut text, "GPUs of the embedded models", gpus());
    }
    section(&mut text, "routes", config.routes.iter().map(|one| route(one)).collect());
    section(&mut text, "topics", config.topics.iter().map(topic).collect());
    let clients = config.clients.iter().map(|one| client(one, currency)).collect::<Vec<_>>();
    match clients.is_empty() {
        true => text.push_str("\nclients: none; whoever reaches the data port is let in\n"),
        false => section(&mut text, "clients", clients),
    }
    section(&mut text, "warnings", config.warnings.iter().map(|warning| vec![warning.clone()]).collect());
    text
}

/// A heading and rows, their columns aligned.
fn section(text: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(&format!("  {cell:<width$}", width = width(column).unwrap_or(0)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn model(model: &ModelConfig, currency: Currency, now: Timestamp) -> Vec<String> {
    let reached = match &model.provider {
        ModelProvider::Embedded(embedded) => format!("in this process, {}", embedded.weights.display()),
        ModelProvider::Remote(remote) => {
            let addresses: Vec<&str> =
                remote.endpoints.iter().map(|endpoint| endpoint.base_url.as_str()).collect();
            format!("{} at {}", remote.model, addresses.join(", "))
        }
    };
    let place = if model.local { "local" } else { "remote" };
    vec![
        model.name.clone(),
        reached,
        place.to_owned(),
        price(model.price.as_ref(), currency, now),
        provenance(model),
        model
            .card
            .map_or(String::new(), |card| format!("foreseen by its card, of {} answers", card.questions)),
    ]
}

/// What a model's server says of it beside what the configuration does; `None` where it says nothing.
fn server(model: &ModelConfig, served: ServedFacts) -> Option<Vec<String>> {
    let context = served.context.map(|served| match model.context {
        Some(context) if context > served => {
            format!("takes {served} tokens, fewer than `context: {context}`")
        }
        _ => format!("takes {served} tokens"),
    });
    let lacks = |takes: Option<bool>, what: &str| (takes == Some(false)).then(|| format!("no {what}"));
    let parts = [context, lacks(served.image, "images"), lacks(served.audio, "audio")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| vec![model.name.clone(), parts.join(", ")])
}

/// The keys of `takes` that are not `taken`, by what becomes of them, and its bounds. `None`: the model takes everything.
fn takes(model: &ModelConfig) -> Option<Vec<String>> {
    let ModelProvider::Remote(remote) = &model.provider else { return None };
    let takes = &remote.takes;
    let treated = [Treatment::Altered, Treatment::LeftOut, Treatment::Refused].map(|treatment| {
        let features = RequestFeature::ALL.into_iter().filter(|feature| takes.of(*feature) == treatment);
        let keys: Vec<&str> = features.map(RequestFeature::word).collect();
        (!keys.is_empty()).then(|| format!("{}: {}", treatment.word(), keys.join(", ")))
    });
    let is_feature = |key: &str| RequestFeature::ALL.iter().any(|feature| feature.word() == key);
    let bounds = takes.shown().into_iter().filter(|(key, _)| !is_feature(key));
    let bounds = bounds.map(|(key, value)| format!("{key}: {}", flow(&value)));
    let parts: Vec<String> = treated.into_iter().flatten().chain(bounds).collect();
    (!parts.is_empty()).then(|| vec![model.name.clone(), parts.join("; ")])
}

/// What graphics processors there are that this build can compute on.
#[cfg(feature = "engine")]
fn gpus() -> Vec<Vec<String>> {
    let row = |gpu: small_model::GpuDevice| {
        vec![gpu.name, gpu.description, format!("{:.1} GB free", gpu.free as f64 / 1e9)]
    };
    small_model::gpus().unwrap_or_default().into_iter().map(row).collect()
}

#[cfg(not(feature = "engine"))]
fn gpus() -> Vec<Vec<String>> {
    Vec::new()
}

/// The price at this moment, and whether it is another at other times or for longer prompts.
fn price(tariff: Option<&Tariff>, currency: Currency, now: Timestamp) -> String {
    let Some(price) = tariff.and_then(|tariff| tariff.at(now)) else {
        return "cost unknown".to_owned();
    };
    let varies = tariff.is_some_and(|tariff| match tariff.terms() {
        [only] => !only.windows.is_empty(),
        _ => true,
    });
    let moment = if varies { " now" } else { "" };
    match price {
        Price::Hour(hour) => format!("{hour} {currency} an hour{moment}"),
        Price::Tokens(tiers) => {
            let TokenRates { input, cached_input, output, .. } = tiers.base;
            let longer = if tiers.higher.is_empty() { "" } else { ", more for long prompts" };
            format!("{input} / {cached_input} / {output} {currency}{moment}{longer}")
        }
    }
}

fn provenance(model: &ModelConfig) -> String {
    let from = &model.provenance;
    let parts = [&from.developer, &from.path, &from.licence, &from.terms, &from.origin];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    match parts.is_empty() {
        true => "provenance not stated".to_owned(),
        false => parts.join(", "),
    }
}

fn route(route: &Route) -> Vec<String> {
    let ladder: Vec<&str> = route.ladder.iter().map(|model| model.name.as_str()).collect();
    let policy = serde_json::to_value(&route.policy).map_or_else(|_| String::new(), |policy| flow(&policy));
    let calibrated = route.calibration.as_ref().map_or(String::new(), |calibrated| {
        format!("calibrated on {} rows, {}", calibrated.scorer.rows, calibrated.file.display())
    });
    vec![route.name.clone(), ladder.join(" → "), policy, calibrated]
}

/// A value as it may stand in the file, in one line.
fn flow(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Object(members) => {
            // What it is goes before what it has.
            let is_kind = |name: &str| name == "kind";
            let kind = members.iter().filter(|(name, _)| is_kind(name));
            let others = members.iter().filter(|(name, _)| !is_kind(name));
            let named = kind.chain(others).filter(|(_, value)| !value.is_null());
            format!("{{{}}}", list(named.map(|(name, value)| format!("{name}: {}", flow(value))).collect()))
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(flow).collect())),
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether YAML reads a text without quotes as this text.
fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|sign: char| sign.is_ascii_alphabetic());
    let word = text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_./".contains(sign));
    begins && word && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off")
}

fn topic(named: &NamedTopic) -> Vec<String> {
    let file = named.file.as_ref().map_or(String::new(), |file| format!(" of {}", file.display()));
    vec![
        named.topic.name.clone(),
        format!("{} examples{file}", named.topic.examples),
        format!("at {}", named.topic.at),
    ]
}

fn client(client: &ClientConfig, currency: Currency) -> Vec<String> {
    let routes =
        client.routes.as_ref().map_or("all routes and models".to_owned(), |routes| routes.join(", "));
    let budget =
        client.budget.as_ref().map_or("no budget".to_owned(), |budget| self::budget(budget, currency));
    let place = if client.local_only { "local models only" } else { "" };
    vec![client.name.clone(), routes, budget, place.to_owned()]
}

fn budget(budget: &ClientBudget, currency: Currency) -> String {
    let per = match budget.per {
        BudgetPeriodLength::Hour => "an hour",
        BudgetPeriodLength::Day => "a day",
        BudgetPeriodLength::Month => "a month",
    };
    format!("{} {currency} {per}", budget.amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_understood_and_nothing_secret() {
        let example = include_str!("../../../config/xietong.example.yaml");
        let env = |name: &str| name.ends_with("KEY").then(|| "0123456789abcdef0123".to_owned());
        let config = gateway_config::from_str(example, None, &env).unwrap();
        // A Tuesday morning in Beijing, within the example's dearer hours; and an hour when they are over.
        let served = |model: &ModelConfig| {
            (model.name == config.models[0].name).then_some(ServedFacts {
                context: Some(1024),
                image: Some(false),
                audio: None,
            })
        };
        let text = understood(&config, "2026-11-24T02:00:00Z".parse().unwrap(), &served);
        let later = understood(&config, "2026-11-24T11:00:00Z".parse().unwrap(), &|_| None);
        assert!(!later.contains("servers on this machine"), "{later}");
        assert!(later.contains("1 / 0.02 / 4 CNY now, more for long prompts"), "{later}");
        for part in [
            "data port 127.0.0.1:8080, admin port 127.0.0.1:9464",
            "deepseek-flash at https://api.deepseek.com/v1",
            "2 / 0.04 / 8 CNY now",
            "2.4 CNY an hour",
            "DeepSeek, self-developed, MIT, CN",
            "small → middle → large",
            "50 CNY a day",
            "local models only",
            "takes 1024 tokens, fewer than `context: ",
            ", no images",
            "models[0].weights: no file at",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains("0123456789abcdef"), "{text}");
        assert!(text.contains("{kind: ") && !text.contains("\"kind\""), "policies as in a file: {text}");
    }

    #[test]
    fn shows_all_that_a_model_is_not_told_as_it_is() {
        let own =
            "takes: {developer_role: taken, several_systems: taken, later_system: taken, empty_tools: taken}";
        let text = format!(
            "
models:
  - {{name: server, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m}}
  - {{name: granted, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, takes: {{developer_role: taken, seed: left_out}}}}
  - {{name: all, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, {own}}}
  - {{name: kimi, preset: moonshot, api_key: k, model: kimi-k2.6}}
  - {{name: gpt, preset: openai, api_key: k, model: gpt-4.1}}
"
        );
        let config = gateway_config::from_str(&text, None, &|_| None).unwrap();
        let rows: Vec<Vec<String>> = config.models.iter().filter_map(|model| takes(model)).collect();
        let of_templates = "several_systems, later_system";
        let expected = [
            ["server", &format!("altered: empty_tools, developer_role, {of_templates}")],
            ["granted", &format!("altered: empty_tools, {of_templates}; left_out: seed")],
            [
                "kimi",
                &format!(
                    "altered: empty_tools, developer_role, {of_templates}; \
                     left_out: temperature, top_p, presence_penalty, frequency_penalty; refused: several_answers"
                ),
            ],
            [
                "gpt",
                "altered: empty_tools, open_objects; most_stops: 4; picture_types: [png, jpeg, gif, webp]; tool_ids: short",
            ],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_value_is_shown_as_it_may_stand_in_a_file() {
        let value = serde_json::json!({"kind": "rules", "at": 0.5, "none": null, "list": ["a b", "yes", "c-1", true]});
        let shown = flow(&value);
        assert_eq!(shown, r#"{kind: rules, at: 0.5, list: ["a b", "yes", c-1, true]}"#);
    }
}
