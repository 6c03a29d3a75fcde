//! `xietong demo`: a gateway at work before a scripted paid model, and what it saves.

mod live;
mod script;
mod traffic;
mod upstream;

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_config::{BuiltinChoice, GatewayConfig, ListPrice, ModelProvider, known_providers, list_price};
use jiff::tz::TimeZone;

use super::gateway_client::GatewayClient;
use super::own_gateway::OwnGateway;
use super::report::{LedgerSource, read};
use super::{CommandError, say};
use crate::report::{table, tally::ReportTally};
use live::LiveView;
use script::ScriptedModel;
use upstream::ScriptedProvider;

/// Whose list price the scripted paid model has where no provider's key is in the environment.
const USUAL_PRICE: &str = "deepseek";

/// Watch a gateway save money: easy and hard questions in English and Chinese, before a scripted paid model.
///
/// It runs for two minutes on free ports of this machine, sends nothing elsewhere, needs no key and no weights, and ends
/// with a report. The paid model is a script that is named so; the small model is the embedded one where its weights are
/// here, else a script, too. The gateway, its decisions and its accounts are the real ones. Ctrl-C ends it early.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong demo --seconds 30")]
pub struct Args {
    /// How long questions are asked.
    #[arg(long, default_value_t = 120, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// End after so many questions.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// The preset whose list price the scripted paid model has. Default: the first provider whose key is in the
    /// environment, else deepseek.
    #[arg(long, value_name = "PRESET")]
    price_of: Option<String>,
    /// Script the small model even where its weights are here.
    #[arg(long)]
    scripted: bool,
    /// Keep the ledger in this new file, for `xietong report --ledger FILE`.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// How long is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TrafficPlan {
    /// At most so long.
    time: Duration,
    /// At most so many questions.
    requests: Option<u64>,
}

/// Asks for a while, shows what happens, and sums it up.
///
/// # Errors
/// 2 for an unknown preset or a ledger that is there already, 69 for ports that cannot be had, 1 when nothing was answered.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let price = price(args.price_of.as_deref())?;
    if let Some(ledger) = args.ledger.as_ref().filter(|ledger| ledger.exists()) {
        return Err(CommandError::usage(format!("{} is there already", ledger.display())));
    }
    let folder = DemoFolder::new()?;
    let ledger = args.ledger.clone().unwrap_or_else(|| folder.0.join("demo.db"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::other)?;
    let result = runtime.block_on(demonstrate(args, &price, &ledger));
    // A model that still writes must not hold up the end.
    runtime.shutdown_background();
    result
}

/// The list price of this preset; without one, of the first provider whose key is there.
fn price(preset: Option<&str>) -> Result<ListPrice, CommandError> {
    let priced = || known_providers().filter(|provider| list_price(provider.name).is_some());
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    let keyed = priced().find(|provider| provider.key.is_some_and(is_set)).map(|provider| provider.name);
    let preset = preset.or(keyed).unwrap_or(USUAL_PRICE);
    list_price(preset).ok_or_else(|| {
        let names: Vec<_> = priced().map(|provider| provider.name).collect();
        CommandError::usage(format!("no price is recorded for `{preset}`; one is for {}", names.join(", ")))
    })
}

async fn demonstrate(args: &Args, price: &ListPrice, ledger: &Path) -> Result<(), CommandError> {
    let provider = ScriptedProvider::start().await?;
    let weights = if args.scripted { None } else { embedded_weights() };
    let start = |weights: Option<PathBuf>| {
        let config = configuration(weights.as_deref(), price, provider.address, ledger);
        async { OwnGateway::start(config?, "demo", std::io::sink()).await }
    };
    let (own, embedded) = match start(weights.clone()).await {
        Err(fault) if weights.is_some() => {
            say(&format!("the small model cannot run and is scripted, too: {fault}"));
            (start(None).await?, false)
        }
        own => (own?, weights.is_some()),
    };
    say(&preface(embedded, weights.as_deref(), price, &own));
    let client = GatewayClient::new(&format!("http://{}", own.data), Some(own.key.clone()))?;
    let plan = TrafficPlan { time: Duration::from_secs(args.seconds), requests: args.requests };
    let mut view = LiveView::new(plan, price.currency);
    let interrupted = traffic::run(plan, client, &mut view).await;
    view.end();
    own.stop().await?;
    if interrupted {
        say("interrupted: this is what was asked until then");
    }
    sum_up(ledger, embedded, price)?;
    if let Some(ledger) = &args.ledger {
        say(&format!("a page with charts: xietong report --ledger {} --format html", ledger.display()));
    }
    match view.answered() {
        0 => Err(CommandError::other(view.fault().unwrap_or("no question was answered").to_owned())),
        _ => Ok(()),
    }
}

/// The embedded small model's weights, where they are here and this build can run them.
fn embedded_weights() -> Option<PathBuf> {
    let default = gateway_config::builtin(&|_| None, &BuiltinChoice::default()).ok()?;
    let weights = default.models.iter().find_map(|model| match &model.provider {
        ModelProvider::Embedded(embedded) => Some(embedded.weights.clone()),
        ModelProvider::Remote(_) => None,
    })?;
    (cfg!(feature = "engine") && weights.exists()).then_some(weights)
}

/// The gateway of the demonstration: a cascade from the small model to the scripted paid one.
fn configuration(
    weights: Option<&Path>,
    price: &ListPrice,
    provider: std::net::SocketAddr,
    ledger: &Path,
) -> Result<GatewayConfig, CommandError> {
    let quoted =
        |path: &Path| serde_json::Value::from(path.to_string_lossy().replace("${", "$${")).to_string();
    let (small, paid) = (small_name(weights.is_some()), ScriptedModel::Paid.name());
    let runs = match weights {
        Some(weights) => format!("provider: embedded, weights: {}", quoted(weights)),
        None => format!(
            "provider: openai, base_url: 'http://{provider}/v1', model: {small}, class: tiny, local: true"
        ),
    };
    let ListPrice { input, cached_input, output, currency, .. } = price;
    let yaml = format!(
        "currency: {currency}\nstate: {{kind: embedded, path: {}}}\nmodels:\n  \
         - {{name: {small}, {runs}, max_output: 128, price: {{per_hour: 0}}}}\n  \
         - {{name: {paid}, provider: openai, base_url: 'http://{provider}/v1', model: {paid}, class: frontier, \
         price: {{input: {input}, cached_input: {cached_input}, output: {output}}}}}\n\
         routes:\n  - name: auto\n    ladder: [{small}, {paid}]\n    \
         policy: {{kind: cascade, policy: {{kind: threshold, at: 0.5}}, hold: {{tokens: 24, max_wait: 600ms}}}}\n",
        quoted(ledger)
    );
    gateway_config::from_str(&yaml, None, &|_| None).map_err(CommandError::other)
}

fn small_name(embedded: bool) -> &'static str {
    if embedded { "small" } else { ScriptedModel::Small.name() }
}

fn preface(embedded: bool, weights: Option<&Path>, price: &ListPrice, own: &OwnGateway) -> String {
    let small = match weights.filter(|_| embedded) {
        Some(weights) => format!("small           real: in this process, {}", weights.display()),
        None => "scripted-small  SIMULATED: a script, as if it ran here for nothing".to_owned(),
    };
    let ListPrice { title, model, input, output, currency, source, .. } = price;
    format!(
        "Questions in English and Chinese to a gateway of this demonstration's own; decisions and accounts are real.\n  \
         {small}\n  \
         scripted-paid   SIMULATED: a script, at the list price of {title}'s {model}, {input} / {output} {currency} per million\n                  \
         tokens in / out ({source})\n\
         metrics: http://{}/metrics    Ctrl-C: summary",
        own.admin
    )
}

/// What `xietong report` says of it, and what of it is simulated.
fn sum_up(ledger: &Path, embedded: bool, price: &ListPrice) -> Result<(), CommandError> {
    let mut tally = ReportTally::default();
    read(&LedgerSource::File(ledger.to_owned()), |record| tally.add(&record, &TimeZone::UTC))?;
    let simulated = match embedded {
        true => "scripted-paid is a script: its lengths and times are simulated",
        false => {
            "scripted-small and scripted-paid are scripts: their lengths, times and refusals are simulated"
        }
    };
    let text = format!(
        "\n{}\nSimulated: {simulated}.\nThe price is that of {}'s list for {}.\n",
        table::table(&tally),
        price.title,
        price.model
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::other)
}

/// A folder that only this user reads, gone with the demonstration.
struct DemoFolder(PathBuf);

impl DemoFolder {
    fn new() -> Result<Self, CommandError> {
        let path = std::env::temp_dir().join(format!("xietong-demo-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|why| CommandError::other(format!("{}: {why}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_is_right_and_names_what_is_scripted() {
        let ledger = Path::new("/tmp/it's \"${here}\".db");
        let at = "127.0.0.1:1".parse().unwrap();
        for provider in known_providers().filter_map(|provider| list_price(provider.name)) {
            let config = configuration(None, &provider, at, ledger).unwrap();
            assert_eq!(config.currency, provider.currency);
            let names: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
            assert_eq!(names, ["scripted-small", "scripted-paid"]);
            let gateway_config::StateConfig::Embedded(state) = config.state else { panic!("no ledger") };
            assert_eq!(state.path, ledger);
        }
    }

    #[test]
    fn a_price_is_that_of_a_preset() {
        assert_eq!(price(Some("openai")).unwrap().title, "OpenAI");
        let fault = price(Some("opnai")).unwrap_err();
        assert!(fault.code() == 2 && fault.to_string().contains("deepseek"), "{fault}");
    }
}
