//! What runs when there is no file: a small model with a larger one behind it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use router_policies::cards::card_named;
use serde_json::json;

use crate::file::{ConfigFile, ModelFile, PriceFile, ProvenanceFile, ProviderWord, RouteFile, TimeoutsFile};
use crate::presets::{Preset, presets};
use crate::resolve::{ResolveReport, default_currency, resolve};
use crate::scalars::{HumanDuration, SocketAddress};
use crate::{EmbeddedStateConfig, EnvLookup, GatewayConfig, Problems, StateConfig};

/// The folder with the embedded models' files.
pub(crate) const WEIGHTS: &str = "models";
/// The small embedded model.
pub(crate) const SMALL: BuiltinWeights =
    BuiltinWeights { file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", max_output: 1024 };
/// The larger embedded model.
pub(crate) const LARGE: BuiltinWeights =
    BuiltinWeights { file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", max_output: 1024 };

/// Where both models have a card: prompts whose foreseen gain for its time is higher go to the large model. Of
/// `router-policies/testdata/common-sense.jsonl` 2 % of the easy requests do, and 99 % of the hard ones.
pub(crate) const GAIN: f64 = 0.16;
/// Where one has none: prompts that look harder than this go straight to the large model; a guard judges the small one's
/// answers to all others. The same lists: 2 % and 99 %.
pub(crate) const DIFFICULTY: f64 = 0.6;
/// A server on this machine may have to load a model before its first token.
const LOADING: Duration = Duration::from_secs(60);

/// Weights that come with Xietong; all are Alibaba Cloud's, under Apache-2.0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuiltinWeights {
    pub(crate) file: &'static str,
    /// Tokens of an answer that a client did not limit. Models so small now and then find no end.
    pub(crate) max_output: u64,
}

/// What the default without a file is made of, beside the keys in the environment.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltinChoice {
    /// The folder with the embedded models' files.
    pub weights: PathBuf,
    /// A model of a server on this machine, as the small one; `None`: the small embedded model.
    pub small: Option<ServedModel>,
    /// A model of a server on this machine, as the large one where no provider's key is there; `None`: the larger embedded
    /// model.
    pub large: Option<ServedModel>,
    /// The data port; `None`: the usual one.
    pub listen: Option<SocketAddr>,
}

impl Default for BuiltinChoice {
    /// Without servers on this machine.
    fn default() -> Self {
        Self { weights: PathBuf::from(WEIGHTS), small: None, large: None, listen: None }
    }
}

/// A model of a server on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedModel {
    /// The preset with the server's address.
    pub preset: String,
    /// What the server calls the model.
    pub model: String,
    /// Tokens that prompt and answer may have together; `None` when unknown.
    pub context: Option<u64>,
}

/// The provider whose key is in the environment: the large model of the default without a file. The first one counts.
pub fn keyed_provider(env: &EnvLookup<'_>) -> Option<&'static str> {
    keyed(env).map(|preset| preset.name.as_str())
}

fn keyed(env: &EnvLookup<'_>) -> Option<&'static Preset> {
    presets().iter().find(|preset| {
        let key = preset.key.as_deref().filter(|_| preset.base_url.is_some()).and_then(env);
        key.is_some_and(|key| !key.trim().is_empty())
    })
}

/// The default without a file.
///
/// The large model is the first provider whose key is in the environment, and accounts are in the currency of its price;
/// without a key it is the one chosen. Usage records are kept in a file of the user's, if there is a home for it.
/// Errors: a key that cannot be sent.
pub fn builtin(env: &EnvLookup<'_>, choice: &BuiltinChoice) -> Result<GatewayConfig, Problems> {
    let provider = keyed(env);
    let large = match (provider, &choice.large) {
        (Some(preset), _) => remote(preset),
        (None, Some(model)) => served("large", model),
        (None, None) => embedded("large", &choice.weights, LARGE),
    };
    let small = match &choice.small {
        Some(model) => served("small", model),
        None => embedded("small", &choice.weights, SMALL),
    };
    let route = RouteFile {
        name: Some("auto".to_owned()),
        ladder: Some(vec!["small".to_owned(), "large".to_owned()]),
        policy: Some(policy(both_have_cards(provider.is_some(), choice))),
        ..RouteFile::default()
    };
    let currency = provider.and_then(|preset| preset.models.first()?.price.as_ref()?.currency);
    let file = ConfigFile {
        listen: choice.listen.map(SocketAddress),
        currency,
        models: vec![small, large],
        routes: vec![route],
        ..ConfigFile::default()
    };
    let mut report = ResolveReport::default();
    let config = resolve(file, env, None, &mut report);
    let state = state(env, currency.map_or_else(default_currency, |code| code.0).code());
    if report.problems.is_empty() { Ok(GatewayConfig { state, ..config }) } else { Err(report.problems) }
}

/// Whether both models are of the catalogue and have a card.
fn both_have_cards(keyed: bool, choice: &BuiltinChoice) -> bool {
    let has_card =
        |model: &Option<ServedModel>| model.as_ref().is_none_or(|it| card_named(&it.model).is_some());
    !keyed && has_card(&choice.small) && has_card(&choice.large)
}

/// With cards, whom the prompt gains most from is known before anybody answers. Without, a cascade: the small model begins,
/// and the large one takes over where a guard doubts what it writes.
pub(crate) fn policy(cards: bool) -> serde_json::Value {
    if cards {
        return json!({ "kind": "threshold", "at": GAIN, "by": "gain_for_time" });
    }
    json!({
        "kind": "cascade",
        "policy": { "kind": "threshold", "at": DIFFICULTY },
        // A held token costs the time of one, and a reader of a stream waits for all of them.
        "hold": { "tokens": 4, "at_most": "600ms" },
    })
}

fn remote(preset: &Preset) -> ModelFile {
    ModelFile { name: Some("large".to_owned()), preset: Some(preset.name.clone()), ..ModelFile::default() }
}

/// The machine is there anyway, so its time is counted as free.
fn free() -> Option<PriceFile> {
    Some(PriceFile { hour: Some(0.0), ..PriceFile::default() })
}

fn served(name: &str, model: &ServedModel) -> ModelFile {
    let timeouts = TimeoutsFile { first_token: Some(HumanDuration(LOADING)), ..TimeoutsFile::default() };
    ModelFile {
        name: Some(name.to_owned()),
        preset: Some(model.preset.clone()),
        model: Some(model.model.clone()),
        context: model.context,
        price: free(),
        timeouts,
        ..ModelFile::default()
    }
}

fn embedded(name: &str, folder: &Path, weights: BuiltinWeights) -> ModelFile {
    let provenance = ProvenanceFile {
        developer: Some("Alibaba Cloud".to_owned()),
        path: Some("open weights".to_owned()),
        licence: Some("Apache-2.0".to_owned()),
        origin: Some("CN".to_owned()),
        ..ProvenanceFile::default()
    };
    ModelFile {
        name: Some(name.to_owned()),
        provider: Some(ProviderWord::Embedded),
        weights: Some(folder.join(weights.file).to_string_lossy().into_owned()),
        price: free(),
        max_output: Some(weights.max_output),
        provenance,
        ..ModelFile::default()
    }
}

/// Usage records in the user's own folder for such things, so that `xietong report` has something to show. Amounts of one
/// currency to a file: another key in the environment makes it another one.
fn state(env: &EnvLookup<'_>, currency: &str) -> StateConfig {
    let set = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let Some(home) = home else { return StateConfig::None };
    let path = home.join("xietong").join(format!("default-{}.db", currency.to_lowercase()));
    StateConfig::Embedded(EmbeddedStateConfig { required: false, ..EmbeddedStateConfig::at(path) })
}
