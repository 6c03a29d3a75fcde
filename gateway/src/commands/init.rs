//! `xietong init`: writes a commented configuration to start from, of what is there.

mod dialogue;
mod found;
mod trial;

use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway_config::{LargeChoice, SmallChoice, StarterFile, known_providers, nearest};
use router_policies::Money;

use super::{CommandError, say};
use dialogue::SetupDialogue;
use found::{FoundProvider, LadderProposal};

/// Write a starter configuration.
///
/// On a terminal it asks for what the flags do not say, and offers to fetch weights and to try both models. Otherwise it
/// takes what it would propose: as the large model the first provider whose key is in the environment, as the small one a
/// model of a server on this machine; where there is neither, the embedded ones.
#[derive(clap::Args, Default)]
#[command(
    after_help = "Examples:\n  xietong init --provider deepseek && xietong check\n  xietong init --small ollama/qwen3:4b --provider deepseek --budget 20 --yes"
)]
pub struct Args {
    /// Where to write; `-` is standard output.
    #[arg(value_name = "FILE", default_value = gateway_config::DEFAULT_FILE)]
    file: PathBuf,
    /// The large model's provider: a preset such as `deepseek` or `ollama`, the URL of an API like OpenAI's, or
    /// `embedded`.
    #[arg(long, value_name = "NAME|URL")]
    provider: Option<String>,
    /// The provider's own name for the model.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The environment variable that holds the provider's key.
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// The small model: `embedded`, `provider` (the cheapest of the large model's), or one of a server on this machine, such
    /// as `ollama/qwen3:4b`.
    #[arg(long, value_name = "SERVER/MODEL", conflicts_with_all = ["embedded", "no_embedded"])]
    small: Option<String>,
    /// What clients may spend a day, in the account currency. They need a key then.
    #[arg(long, value_name = "AMOUNT", value_parser = dialogue::money)]
    budget: Option<Money>,
    /// The data port.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Run the small model in this process.
    #[arg(long, overrides_with = "no_embedded")]
    embedded: bool,
    /// Run no model in this process.
    #[arg(long)]
    no_embedded: bool,
    /// Ask nothing; fetch missing weights, and ask both models one question.
    #[arg(long)]
    yes: bool,
    /// Overwrite the file if it is there.
    #[arg(long)]
    force: bool,
}

/// Writes the file, tries it where that is wanted, and says how to go on.
///
/// # Errors
/// 2 for arguments that make no sense, 1 when the file is there already or cannot be written, 69 when weights cannot be
/// fetched or a model does not answer.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let shown = args.file == Path::new("-");
    if !shown && args.file.exists() && !args.force {
        return Err(CommandError::other(format!(
            "{} is there already; --force overwrites it",
            args.file.display()
        )));
    }
    let found = FoundProvider::look();
    let asks = !args.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stderr());
    let starter = match asks {
        true => ask(args, &found, &mut input, &mut output)?,
        false => choose(args, &found)?,
    };
    write(args, &starter.yaml())?;
    if shown {
        return Ok(());
    }
    say(&format!("wrote {}", args.file.display()));
    let mut dialogue = SetupDialogue { input: &mut input, output: &mut output };
    let mut consent = |question: &str| match asks {
        true => dialogue.yes(question),
        false => Ok(args.yes),
    };
    let tried = trial::run(&args.file, &starter, &mut consent);
    say(&next_steps(args, &starter));
    std::io::stdout().write_all(exports(&starter).as_bytes()).map_err(CommandError::other)?;
    tried
}

/// The choice without asking.
fn choose(args: &Args, found: &FoundProvider) -> Result<StarterFile, CommandError> {
    let proposal = found.proposal(args.provider.as_deref());
    let model = args.model.clone().or(proposal.model.clone());
    let small = apart(small(args, &proposal)?, &proposal.provider, model.as_deref());
    Ok(StarterFile {
        listen: args.listen.unwrap_or(proposal.listen),
        large: large(&proposal.provider, model, args.key_env.clone(), args.no_embedded)?,
        small,
        budget: args.budget,
    })
}

/// The small model as the flags say, else as proposed.
fn small(args: &Args, proposal: &LadderProposal) -> Result<SmallChoice, CommandError> {
    match &args.small {
        Some(answer) => small_named(answer).map_err(|why| CommandError::usage(format!("--small: {why}"))),
        None if args.embedded => Ok(SmallChoice::Embedded),
        None if args.no_embedded && proposal.small == SmallChoice::Embedded => Ok(SmallChoice::Provider),
        None => Ok(proposal.small.clone()),
    }
}

/// A ladder has two models: where the small one is the large one, the embedded one takes its place.
fn apart(small: SmallChoice, provider: &str, model: Option<&str>) -> SmallChoice {
    match &small {
        SmallChoice::Server { preset, model: own } if preset == provider && Some(own.as_str()) == model => {
            SmallChoice::Embedded
        }
        _ => small,
    }
}

/// A small model by its name in answers and flags.
fn small_named(answer: &str) -> Result<SmallChoice, String> {
    let local = || known_providers().filter(|known| known.local).map(|known| known.name);
    match answer.split_once('/') {
        _ if answer == "embedded" => Ok(SmallChoice::Embedded),
        _ if answer == "provider" => Ok(SmallChoice::Provider),
        Some((server, model)) if local().any(|known| known == server) && !model.is_empty() => {
            Ok(SmallChoice::Server { preset: server.to_owned(), model: model.to_owned() })
        }
        Some((server, _)) if local().all(|known| known != server) => {
            Err(format!("there is no local server `{server}`{}", meant(server, local())))
        }
        _ => Err(format!(
            "`{answer}` is neither `embedded`, `provider` nor SERVER/MODEL{}",
            meant(answer, ["embedded", "provider"])
        )),
    }
}

fn small_name(small: &SmallChoice) -> String {
    match small {
        SmallChoice::Embedded => "embedded".to_owned(),
        SmallChoice::Provider => "provider".to_owned(),
        SmallChoice::Server { preset, model } => format!("{preset}/{model}"),
    }
}

/// `; did you mean …?` or nothing.
fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

fn large(
    provider: &str,
    model: Option<String>,
    key: Option<String>,
    no_embedded: bool,
) -> Result<LargeChoice, CommandError> {
    if let Some(name) = key.as_deref().filter(|name| !dialogue::is_variable(name)) {
        return Err(CommandError::usage(format!(
            "--key-env takes the name of an environment variable, not `{name}`"
        )));
    }
    if provider == "embedded" {
        return match (no_embedded, model, key) {
            (true, ..) => {
                Err(CommandError::usage("--provider embedded and --no-embedded leave no model to run"))
            }
            (false, None, None) => Ok(LargeChoice::Embedded),
            (false, ..) => {
                Err(CommandError::usage("--model and --key-env have no meaning with --provider embedded"))
            }
        };
    }
    if is_address(provider) {
        let model = model.ok_or_else(|| {
            CommandError::usage(format!("{provider} needs --model: the name of the model there"))
        })?;
        return Ok(LargeChoice::Address { base_url: provider.to_owned(), model, key });
    }
    let Some(known) = known_providers().find(|known| known.name == provider) else {
        let names: Vec<_> = known_providers().map(|known| known.name).collect();
        return Err(CommandError::usage(format!(
            "there is no provider `{provider}`{} It is `embedded`, a URL, or one of {}",
            match meant(provider, names.iter().copied()) {
                none if none.is_empty() => ".".to_owned(),
                hint => hint,
            },
            names.join(", ")
        )));
    };
    if model.is_none() && known.model.is_none() {
        return Err(CommandError::usage(format!(
            "{provider} needs --model: the name of the model that it has loaded"
        )));
    }
    Ok(LargeChoice::Preset { name: provider.to_owned(), model, key })
}

fn is_address(provider: &str) -> bool {
    provider.starts_with("http://") || provider.starts_with("https://")
}

fn is_provider(answer: &str) -> Result<(), String> {
    let names = || known_providers().map(|known| known.name).chain(["embedded"]);
    let known = names().any(|known| known == answer) || is_address(answer);
    known.then_some(()).ok_or_else(|| format!("`{answer}` is none of them{}", meant(answer, names())))
}

/// The choice by asking for what the flags leave open. An answer that makes no sense is asked for again.
fn ask(
    args: &Args,
    found: &FoundProvider,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<StarterFile, CommandError> {
    let mut dialogue = SetupDialogue { input, output };
    let provider = match &args.provider {
        Some(provider) => provider.clone(),
        None => {
            dialogue.say(&found.offer())?;
            let proposed = found.proposal(None).provider;
            dialogue.ask(
                "Large model: a name from above, or the URL of another API",
                proposed,
                is_provider,
            )?
        }
    };
    let proposal = found.proposal(Some(&provider));
    let known = known_providers().find(|known| known.name == provider);
    let remote = provider != "embedded";
    let model = match &args.model {
        Some(model) => Some(model.clone()),
        None if remote => {
            let own = known.and_then(|known| known.model).map(str::to_owned);
            let suggestion = proposal.model.clone().or(own).unwrap_or_default();
            Some(dialogue.ask("Its model there", suggestion, dialogue::not_empty)?)
        }
        None => None,
    };
    let key_env = match &args.key_env {
        Some(key) => Some(key.clone()),
        // A preset names the variable of its key.
        None if remote && known.is_none() => {
            dialogue.variable("Environment variable with its key, `-` for none")?
        }
        None => None,
    };
    let small = ask_small(args, &proposal, &mut dialogue)?;
    let listen = match args.listen {
        Some(listen) => listen,
        None => {
            let answer =
                dialogue.ask("Data port", proposal.listen.to_string(), dialogue::parses::<SocketAddr>)?;
            answer.parse().map_err(CommandError::other)?
        }
    };
    let budget = match args.budget {
        Some(budget) => Some(budget),
        None => {
            dialogue.amount("What clients may spend a day, `-` for no bound (with one they need a key)")?
        }
    };
    let small = apart(small, &provider, model.as_deref());
    let large = large(&provider, model, key_env, args.no_embedded)?;
    Ok(StarterFile { listen, small, large, budget })
}

/// The small model by asking, unless a flag says it.
fn ask_small(
    args: &Args,
    proposal: &LadderProposal,
    dialogue: &mut SetupDialogue<'_>,
) -> Result<SmallChoice, CommandError> {
    if args.small.is_some() || args.embedded || args.no_embedded {
        return small(args, proposal);
    }
    let question = "Small model: `embedded`, `provider` (its cheapest), or SERVER/MODEL here";
    let good = |answer: &str| small_named(answer).map(drop);
    let answer = dialogue.ask(question, small_name(&proposal.small), good)?;
    small_named(&answer).map_err(CommandError::usage)
}

/// A file that is there is left alone unless --force was given, even when it appears in the meantime.
fn write(args: &Args, yaml: &str) -> Result<(), CommandError> {
    if args.file == Path::new("-") {
        return std::io::stdout().write_all(yaml.as_bytes()).map_err(CommandError::other);
    }
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .create_new(!args.force)
        .truncate(args.force)
        .open(&args.file);
    let written = file.and_then(|mut file| file.write_all(yaml.as_bytes()));
    written.map_err(|why| CommandError::other(format!("cannot write {}: {why}", args.file.display())))
}

fn next_steps(args: &Args, starter: &StarterFile) -> String {
    let mut text = String::new();
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    for name in [starter.provider_key().as_deref(), starter.client_key()].into_iter().flatten() {
        if !is_set(name) {
            text.push_str(&format!("set {name} first: export {name}=…\n"));
        }
    }
    let config = match args.file == Path::new(gateway_config::DEFAULT_FILE) {
        true => String::new(),
        false => format!(" --config {}", args.file.display()),
    };
    let fetch = match trial::missing(starter) {
        names if names.is_empty() => String::new(),
        names => format!("xietong fetch {} && ", names.join(" ")),
    };
    text.push_str(&format!("next: {fetch}xietong check{config} && xietong serve{config}\n"));
    text.push_str("clients find it by:");
    text
}

/// What clients need in their environment; comments say the rest.
fn exports(starter: &StarterFile) -> String {
    let mut address = starter.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let key = starter.client_key().map_or("none-needed".to_owned(), |name| format!("\"${name}\""));
    format!(
        "export OPENAI_BASE_URL=http://{address}/v1\nexport OPENAI_API_KEY={key}\n\
         # Claude Code, and others that speak Anthropic's API:\n\
         export ANTHROPIC_BASE_URL=http://{address}\nexport ANTHROPIC_AUTH_TOKEN={key}\n\
         export ANTHROPIC_MODEL=auto ANTHROPIC_DEFAULT_HAIKU_MODEL=auto\n\
         # Codex, in ~/.codex/config.toml:\n\
         #   model = \"auto\"\n#   model_provider = \"xietong\"\n#   [model_providers.xietong]\n#   name = \"Xietong\"\n\
         #   base_url = \"http://{address}/v1\"\n#   env_key = \"OPENAI_API_KEY\"\n#   wire_api = \"responses\"\n"
    )
}

#[cfg(test)]
mod tests;
