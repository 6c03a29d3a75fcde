//! `xietong init`: writes a commented configuration to start from.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway_config::{KnownProvider, LargeChoice, StarterFile, known_providers};

use super::{CommandError, say};
use crate::local_servers::{self, LocalServer};

/// Write a starter configuration.
///
/// On a terminal it asks for what the flags do not say. Otherwise it takes the first provider whose key is in the
/// environment, else a model server that runs on this machine, else the larger embedded model.
#[derive(clap::Args, Default)]
#[command(after_help = "Example:\n  xietong init --provider deepseek && xietong check")]
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
    /// The data port.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Run the small model in this process.
    #[arg(long, overrides_with = "no_embedded")]
    embedded: bool,
    /// Run no model in this process.
    #[arg(long)]
    no_embedded: bool,
    /// Overwrite the file if it is there.
    #[arg(long)]
    force: bool,
}

/// Writes the file, and says how to go on.
///
/// # Errors
/// 2 for arguments that make no sense, 1 when the file is there already or cannot be written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    if args.file != Path::new("-") && args.file.exists() && !args.force {
        return Err(CommandError::other(format!(
            "{} is there already; --force overwrites it",
            args.file.display()
        )));
    }
    let found = FoundProvider::look();
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let starter = match asks {
        true => ask(args, &found, &mut std::io::stdin().lock(), &mut std::io::stderr())?,
        false => choose(args, &found)?,
    };
    write(args, &starter.yaml())?;
    say(&next_steps(args, &starter, &found));
    if args.file != Path::new("-") {
        std::io::stdout().write_all(exports(&starter).as_bytes()).map_err(CommandError::other)?;
    }
    Ok(())
}

/// What there is to choose from.
#[derive(Debug, Default)]
struct FoundProvider {
    /// Providers whose key is in the environment.
    keyed: Vec<KnownProvider>,
    /// Model servers on this machine.
    servers: Vec<LocalServer>,
}

impl FoundProvider {
    fn look() -> Self {
        let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let mut keyed: Vec<KnownProvider> = Vec::new();
        for provider in known_providers().filter(|provider| provider.key.is_some_and(is_set)) {
            // International sites share the variable of the first; it cannot be seen which one a key is for.
            if keyed.iter().all(|other| other.key != provider.key) {
                keyed.push(provider);
            }
        }
        Self { keyed, servers: local_servers::find() }
    }

    /// What is taken when nobody says anything else.
    fn first(&self) -> String {
        let keyed = self.keyed.first().map(|provider| provider.name);
        let server = local_servers::large_model(&self.servers).map(|(server, _)| server.provider.name);
        keyed.or(server).unwrap_or("embedded").to_owned()
    }

    /// The largest model of a local server that this machine is trusted to run.
    fn model_of(&self, provider: &str) -> Option<&str> {
        let at = self.servers.iter().position(|server| server.provider.name == provider)?;
        let (_, model) = local_servers::large_model(self.servers.get(at..=at)?)?;
        Some(model.name.as_str())
    }
}

/// The choice without asking.
fn choose(args: &Args, found: &FoundProvider) -> Result<StarterFile, CommandError> {
    let provider = args.provider.clone().unwrap_or_else(|| found.first());
    let model = args.model.clone().or_else(|| found.model_of(&provider).map(str::to_owned));
    Ok(StarterFile {
        listen: args.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
        embedded: !args.no_embedded,
        large: large(&provider, model, args.key_env.clone(), args.no_embedded)?,
    })
}

fn large(
    provider: &str,
    model: Option<String>,
    key: Option<String>,
    no_embedded: bool,
) -> Result<LargeChoice, CommandError> {
    if let Some(name) = key.as_deref().filter(|name| !is_variable(name)) {
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
    if provider.starts_with("http://") || provider.starts_with("https://") {
        let model = model.ok_or_else(|| {
            CommandError::usage(format!("{provider} needs --model: the name of the model there"))
        })?;
        return Ok(LargeChoice::Address { base_url: provider.to_owned(), model, key });
    }
    let Some(known) = known_providers().find(|known| known.name == provider) else {
        let names: Vec<_> = known_providers().map(|known| known.name).collect();
        return Err(CommandError::usage(format!(
            "there is no provider `{provider}`: it is `embedded`, a URL, or one of {}",
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

fn is_variable(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
            dialogue.say(&offer(found))?;
            dialogue.ask(
                "Large model: a name from above, or the URL of another API",
                found.first(),
                is_provider,
            )?
        }
    };
    let needs = |provider: &str| provider != "embedded";
    let known = known_providers().find(|known| known.name == provider);
    let suggestion = found.model_of(&provider).or_else(|| known?.model).unwrap_or_default().to_owned();
    let model = match &args.model {
        Some(model) => Some(model.clone()),
        None if needs(&provider) => Some(dialogue.ask("Its model there", suggestion, not_empty)?),
        None => None,
    };
    let key_env = match (&args.key_env, known) {
        (Some(key), _) => Some(key.clone()),
        (None, None) if needs(&provider) => {
            let name = dialogue.ask(
                "Environment variable with its key, `-` for none",
                "-".to_owned(),
                is_variable_or_none,
            )?;
            Some(name).filter(|name| name != "-")
        }
        _ => None,
    };
    let no_embedded = match (args.embedded || provider == "embedded", args.no_embedded) {
        (true, _) => false,
        (_, true) => true,
        _ => dialogue
            .ask("Run a small model in this process (y/n)", "y".to_owned(), is_yes_or_no)?
            .starts_with(['n', 'N']),
    };
    let listen = match args.listen {
        Some(listen) => listen,
        None => dialogue
            .ask("Data port", "127.0.0.1:8080".to_owned(), parses::<SocketAddr>)?
            .parse()
            .map_err(CommandError::other)?,
    };
    Ok(StarterFile { listen, embedded: !no_embedded, large: large(&provider, model, key_env, no_embedded)? })
}

/// Questions and answers, line by line.
struct SetupDialogue<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl SetupDialogue<'_> {
    fn say(&mut self, text: &str) -> Result<(), CommandError> {
        self.output.write_all(text.as_bytes()).map_err(CommandError::other)
    }

    /// An empty answer is the default, if that is good.
    fn ask(
        &mut self,
        question: &str,
        default: String,
        good: fn(&str) -> Result<(), String>,
    ) -> Result<String, CommandError> {
        loop {
            match default.is_empty() {
                true => self.say(&format!("{question}: "))?,
                false => self.say(&format!("{question} [{default}]: "))?,
            }
            self.output.flush().map_err(CommandError::other)?;
            let mut line = String::new();
            if self.input.read_line(&mut line).map_err(CommandError::other)? == 0 {
                return Err(CommandError::other(
                    "the input ended before everything was answered; nothing was written",
                ));
            }
            let answer = Some(line.trim()).filter(|line| !line.is_empty()).unwrap_or(&default).to_owned();
            match good(&answer) {
                Ok(()) => return Ok(answer),
                Err(fault) => self.say(&format!("  {fault}\n"))?,
            }
        }
    }
}

fn offer(found: &FoundProvider) -> String {
    let mut text = String::from("Found on this machine:\n");
    for provider in &found.keyed {
        let key = provider.key.unwrap_or_default();
        text.push_str(&format!("  {:<14} {}: {key} is set\n", provider.name, provider.title));
    }
    for server in &found.servers {
        let models: Vec<_> = server.chat_models().map(|model| model.name.as_str()).collect();
        text.push_str(&format!(
            "  {:<14} {} with {}\n",
            server.provider.name,
            server.provider.base_url,
            if models.is_empty() { "no model that answers chats".to_owned() } else { models.join(", ") }
        ));
    }
    text.push_str("  embedded       a small coder model in this process, no provider needed\n");
    let names: Vec<_> = known_providers().map(|known| known.name).collect();
    text.push_str(&format!("All providers: {}\n", names.join(", ")));
    text
}

fn is_provider(answer: &str) -> Result<(), String> {
    let known = known_providers().any(|known| known.name == answer);
    let address = answer.starts_with("http://") || answer.starts_with("https://");
    (known || address || answer == "embedded")
        .then_some(())
        .ok_or_else(|| format!("`{answer}` is none of them"))
}

fn not_empty(answer: &str) -> Result<(), String> {
    (!answer.is_empty()).then_some(()).ok_or_else(|| "a name is needed".to_owned())
}

fn is_variable_or_none(answer: &str) -> Result<(), String> {
    let good = answer == "-" || is_variable(answer);
    good.then_some(())
        .ok_or_else(|| "the name of a variable, such as MY_API_KEY, not the key itself".to_owned())
}

fn is_yes_or_no(answer: &str) -> Result<(), String> {
    matches!(answer, "y" | "Y" | "yes" | "n" | "N" | "no").then_some(()).ok_or_else(|| "y or n".to_owned())
}

fn parses<T: std::str::FromStr<Err: Display>>(answer: &str) -> Result<(), String> {
    answer.parse::<T>().map(drop).map_err(|why| why.to_string())
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

fn next_steps(args: &Args, starter: &StarterFile, found: &FoundProvider) -> String {
    let file = args.file.display();
    let mut text = match args.file == Path::new("-") {
        true => String::new(),
        false => format!("wrote {file}\n"),
    };
    let is_set = |name: &str| {
        found.keyed.iter().any(|provider| provider.key == Some(name)) || std::env::var(name).is_ok()
    };
    for name in [starter.provider_key().as_deref(), starter.client_key()].into_iter().flatten() {
        if !is_set(name) {
            text.push_str(&format!("set {name} first: export {name}=…\n"));
        }
    }
    text.push_str(&format!("next: xietong check --config {file} && xietong serve --config {file}\n"));
    text.push_str("clients find it by:");
    text
}

/// What a client needs in its environment.
fn exports(starter: &StarterFile) -> String {
    let mut address = starter.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let key = starter.client_key().map_or("none-needed".to_owned(), |name| format!("\"${name}\""));
    format!("export OPENAI_BASE_URL=http://{address}/v1\nexport OPENAI_API_KEY={key}\n")
}

#[cfg(test)]
mod tests;
