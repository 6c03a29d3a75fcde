//! `xietong serve`: runs the gateway.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::PathBuf;

use gateway_config::{GatewayConfig, ModelProvider, StateConfig};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::default_ladder::{FoundConfig, configuration};
use super::neighbour::{PortOwner, reached};
use super::{CommandError, say};
#[cfg(feature = "engine")]
use crate::arrivals::ArrivalSender;
use crate::arrivals::Arrivals;
use crate::build_info::VERSION;
use crate::local_servers::LocalServer;
#[cfg(feature = "engine")]
use crate::weights;
use crate::{Listeners, LogFilter, LogOutput, RunError, bind, bind_shared, run_while_files_come};

/// The variable that says which notes the log has, as in most programs in Rust.
const LOG_VARIABLE: &str = "RUST_LOG";

/// Run the gateway.
///
/// Without --config it reads xietong.yaml from the working directory; without that file it runs the built-in default. Its
/// small model is one of a server on this machine (Ollama, LM Studio, vLLM, llama.cpp, SGLang on their usual ports), or else
/// the small embedded one; its large model is that of the first provider whose key is in the environment, or else the larger
/// embedded one. It answers as soon as one of them is there; weights that are missing are fetched beside it and then used.
///
/// Requests and notes go to standard output. RUST_LOG says which notes: RUST_LOG=xietong=warn leaves the gateway's
/// warnings and errors, RUST_LOG=hyper=debug,h2=debug,rustls=debug,reqwest=debug adds details of its connections,
/// RUST_LOG=error leaves errors.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong serve --config xietong.yaml")]
pub struct Args {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Fetch missing weights of the catalogue that the configuration file names, beside the gateway that runs.
    ///
    /// The built-in default does so by itself.
    #[arg(long, overrides_with = "no_fetch")]
    fetch: bool,
    /// Fetch no weights.
    #[arg(long)]
    no_fetch: bool,
    /// Look for no model servers on this machine. The environment's XIETONG_LOCAL_SERVERS=off says the same.
    #[arg(long)]
    no_local_servers: bool,
    /// Start beside a gateway that listens at the same addresses, so that it can be stopped without a refused connection.
    ///
    /// Both must have been started with this flag, by the same user. New connections go to either until the old one
    /// closes its ports. Without the flag a second gateway at the same address is a mistake, and does not start. Linux
    /// only.
    #[arg(long)]
    take_over: bool,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// 78 for a configuration that cannot be used, 69 for a port or weights that cannot be had.
pub fn run(args: Args) -> Result<(), CommandError> {
    let found =
        configuration(args.config.as_deref(), !args.no_local_servers).map_err(CommandError::configuration)?;
    std::panic::set_hook(Box::new(|panic| say(&panicked(panic.location(), panic.payload()))));
    let runtime = runtime().map_err(CommandError::other)?;
    let result = runtime.block_on(serve(found, args));
    // A thread that still loads or writes must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn serve(found: FoundConfig, args: Args) -> Result<(), CommandError> {
    let FoundConfig { config, source, servers } = found;
    let data = listen("listen", config.listen, args.take_over).await?;
    let admin = listen("admin", config.admin, args.take_over).await?;
    announce(&config, &servers);
    let fetches = !args.no_fetch && (args.fetch || config.source.is_none());
    let arrivals = if fetches { missing_weights(&config).await? } else { Arrivals::none() };
    // The ports may have been left to the system.
    let address = |listener: &TcpListener| listener.local_addr().map_err(CommandError::other);
    let (data_at, admin_at) = (address(&data)?, address(&admin)?);
    let listeners = Listeners { data, admin };
    let ready = move |config: &GatewayConfig| say(&invitation(config, data_at, admin_at));
    let out = LogOutput::new(io::stdout(), log_filter()).process_wide();
    let (stop, stopped) = oneshot::channel();
    let signals = StopSignals::listen()?;
    let shutdown = async { drop(stopped.await) };
    let end = tokio::select! {
        end = run_while_files_come(config, Some(source), arrivals, listeners, out, ready, shutdown) => end,
        never = signals.heed(stop) => match never {},
    };
    end.map_err(|error| match error {
        RunError::Snapshot(_) | RunError::Panicked | RunError::State(_) => CommandError::unavailable(error),
        RunError::Metrics(_) => CommandError::other(error),
    })
}

/// Sees to the weights that the configuration names and that are not here: where no model could answer without them, the
/// smallest is fetched before anything else; all others come beside the gateway.
#[cfg(feature = "engine")]
async fn missing_weights(config: &GatewayConfig) -> Result<Arrivals, CommandError> {
    let (here, mut missing): (Vec<_>, Vec<_>) =
        weights::wanted(config).into_iter().partition(weights::WantedWeights::is_here);
    let answers = |model: &gateway_config::ModelConfig| match &model.provider {
        ModelProvider::Remote(_) => true,
        ModelProvider::Embedded(embedded) => {
            embedded.weights.exists() && !missing.iter().any(|it| embedded.weights.ends_with(it.entry.file))
        }
    };
    if here.is_empty() && !config.models.iter().any(|model| answers(model)) {
        missing.sort_by_key(|it| it.entry.bytes);
        if !missing.is_empty() {
            let first = missing.remove(0);
            let mut progress = weights::DownloadProgress::new();
            first.fetch(&mut progress).await.map_err(CommandError::unavailable)?;
        }
    }
    if missing.is_empty() {
        return Ok(Arrivals::none());
    }
    let (sender, arrivals) = ArrivalSender::new();
    weights::fetch_beside(missing, sender).map_err(CommandError::other)?;
    Ok(arrivals)
}

/// A build without the engine needs no weights.
#[cfg(not(feature = "engine"))]
async fn missing_weights(_: &GatewayConfig) -> Result<Arrivals, CommandError> {
    Ok(Arrivals::none())
}

/// On one core, as a sidecar often is, nothing needs to be handed from thread to thread.
fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

/// Which notes the log has. That the variable cannot be read is no reason not to answer requests.
fn log_filter() -> LogFilter {
    let read = match std::env::var_os(LOG_VARIABLE) {
        None => return LogFilter::default(),
        Some(text) => text.to_str().map(str::parse::<LogFilter>),
    };
    let fault = match read {
        Some(Ok(filter)) => return filter,
        Some(Err(fault)) => fault.to_string(),
        None => "it is not UTF-8".to_owned(),
    };
    say(&format!("  warning: {LOG_VARIABLE}: {fault}; the log has what it has without it"));
    LogFilter::default()
}

/// Binds the port that this key of the configuration names.
async fn listen(key: &str, address: SocketAddr, shared: bool) -> Result<TcpListener, CommandError> {
    let bound = if shared { bind_shared(address).await } else { bind(address).await };
    match bound {
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => {
            let owner = PortOwner::at(reached(address)).await.words();
            let advice = format!("Stop it, or set another port as `{key}`.");
            Err(CommandError::unavailable(format!("{why}: {owner}. {advice}")))
        }
        bound => bound.map_err(CommandError::unavailable),
    }
}

/// What the operator reads of a panic. Words that were put together at run time are left out: those of the standard
/// library quote the text that an index fell outside of, which may be a prompt.
fn panicked(place: Option<&Location>, said: &dyn Any) -> String {
    let place = place.map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    let said = said.downcast_ref::<&'static str>().map(|said| format!(": {said}")).unwrap_or_default();
    format!("a fault of this build, please report it: panic at {place}{said}")
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on they do not end the process by themselves.
    fn listen() -> Result<Self, CommandError> {
        let terminate = signal(SignalKind::terminate()).map_err(CommandError::other)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(CommandError::other)?;
        Ok(Self { terminate, interrupt })
    }

    /// Says `stop` with the first one; a second one ends the process at once.
    async fn heed(mut self, stop: oneshot::Sender<()>) -> Infallible {
        self.next().await;
        say("stopping: requests under way are finished; a second signal ends them");
        let _ = stop.send(());
        self.next().await;
        std::process::exit(1)
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

/// What was found, before weights are loaded.
fn announce(config: &GatewayConfig, servers: &[LocalServer]) {
    match &config.source {
        Some(file) => say(&format!("xietong {} with {}", VERSION, file.display())),
        None => say(&format!("xietong {} with the built-in default (no configuration file)", VERSION)),
    }
    for server in servers {
        let models = listed(server.chat_models().map(|model| model.name.as_str()));
        say(&format!("  found {} at {} with {models}", server.provider.title, server.provider.base_url));
    }
    for model in &config.models {
        say(&format!("  model {}: {}", model.name, one_line(&describe(model))));
    }
    if config.models.iter().any(|model| matches!(model.provider, ModelProvider::Embedded(_))) {
        say_instructions();
    }
    if let (None, StateConfig::Embedded(state)) = (&config.source, &config.state) {
        say(&format!("  usage records in {}; `xietong report` shows what was saved", state.path.display()));
    }
    for warning in &config.warnings {
        say(&format!("  warning: {warning}"));
    }
}

/// A text from elsewhere without line ends and what else a terminal may take for an order.
fn one_line(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

/// The first names that a server gave its models, without what a terminal would obey, and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    // More names, and longer ones, would hide the rest of what is said at the start.
    const SHOWN: usize = 8;
    const LONGEST: usize = 64;
    let names: Vec<&str> = names.collect();
    let short = |name: &&str| one_line(&name.chars().take(LONGEST).collect::<String>());
    let shown: Vec<String> = names.iter().take(SHOWN).map(short).collect();
    match names.len() {
        0 => "no model for chats".to_owned(),
        all if all > SHOWN => format!("{} and {} more", shown.join(", "), all - SHOWN),
        _ => shown.join(", "),
    }
}

/// Which of the processor's instructions the embedded models compute with. Why there are none is told when one is loaded.
#[cfg(feature = "engine")]
fn say_instructions() {
    if let Ok(chosen) = small_model::instructions() {
        let chosen = chosen.unwrap_or("those that it was built for");
        say(&format!("  engine: llama.cpp, instructions: {chosen}"));
    }
    for gpu in small_model::gpus().unwrap_or_default() {
        let free = gpu.free as f64 / 1e9;
        say(&format!("  engine: GPU {} ({}), {free:.1} GB free", gpu.name, one_line(&gpu.description)));
    }
}

#[cfg(not(feature = "engine"))]
fn say_instructions() {}

fn describe(model: &gateway_config::ModelConfig) -> String {
    match &model.provider {
        ModelProvider::Embedded(embedded) => format!("in this process, {}", embedded.weights.display()),
        ModelProvider::Remote(remote) => {
            let addresses: Vec<&str> =
                remote.endpoints.iter().map(|endpoint| endpoint.base_url.as_str()).collect();
            format!("{} at {}", remote.model, addresses.join(", "))
        }
    }
}

fn invitation(config: &GatewayConfig, data: SocketAddr, admin: SocketAddr) -> String {
    let name = config.routes.first().map(|route| route.name.clone());
    let name = name.or_else(|| config.models.first().map(|model| model.name.clone())).unwrap_or_default();
    let key = if config.clients.is_empty() { "" } else { " -H 'authorization: Bearer YOUR_KEY'" };
    let body = serde_json::json!({ "model": name, "stream": true,
        "messages": [{ "role": "user", "content": "What is the capital of France?" }] });
    format!(
        "answering on http://{data}/v1, metrics on http://{admin}/metrics\ntry: curl -sN http://{data}/v1/chat/completions{key} \
         -H 'content-type: application/json' -d '{body}'"
    )
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn names_that_a_server_gave_stay_in_their_line() {
        let check = |names: &[&str], told: &str| assert_eq!(listed(names.iter().copied()), told);
        check(&[], "no model for chats");
        check(&["qwen3:4b", "模型"], "qwen3:4b, 模型");
        check(&["\u{1b}[31mred\n  model x: y"], "\u{fffd}[31mred\u{fffd}  model x: y");
        check(&["a"; 10], "a, a, a, a, a, a, a, a and 2 more");
        check(&["x".repeat(5000).as_str()], &"x".repeat(64));
    }

    #[test]
    fn a_panic_is_told_without_what_it_quotes() {
        let told =
            |panicking: fn()| panicked(Some(Location::caller()), &*catch_unwind(panicking).unwrap_err());
        let literal = told(|| panic!("the books do not balance"));
        assert!(
            literal.contains("serve.rs:") && literal.ends_with(": the books do not balance"),
            "{literal}"
        );
        let quoting = told(|| assert_eq!(&"a prompt: 協同"[1..11], ""));
        assert!(quoting.contains("serve.rs:") && !quoting.contains("prompt"), "{quoting}");
    }
}
