//! What runs when there is no file: the embedded small model with a larger one behind it.

use std::path::Path;

use crate::file::{ConfigFile, ModelFile, PriceFile, ProvenanceFile, ProviderWord, RouteFile};
use crate::presets::{Preset, presets};
use crate::resolve::{ResolveReport, resolve};
use crate::{EnvLookup, GatewayConfig, Problems};

/// The folder with the embedded models' files.
pub(crate) const WEIGHTS: &str = "models";
/// The small embedded model.
pub(crate) const SMALL: BuiltinWeights = BuiltinWeights {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    developer: "Hugging Face",
    origin: "US",
    max_output: 512,
};
/// The larger embedded model.
pub(crate) const LARGE: BuiltinWeights = BuiltinWeights {
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    developer: "Alibaba Cloud",
    origin: "CN",
    max_output: 1024,
};

/// Short questions about common facts lie below it for a tiny model, reasoning in several steps above.
const THRESHOLD: f64 = 0.6;

/// Weights that come with Xietong; all are under Apache-2.0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuiltinWeights {
    pub(crate) file: &'static str,
    pub(crate) developer: &'static str,
    pub(crate) origin: &'static str,
    /// Tokens of an answer that a client did not limit. Models so small now and then find no end.
    pub(crate) max_output: u64,
}

/// The default without a file. `weights` is the folder with the embedded models' files.
///
/// The large model is the first provider whose key is in the environment, and accounts are in the currency of its
/// price; without a key it is the larger embedded model. Errors: a key that cannot be sent.
pub fn builtin(env: &EnvLookup<'_>, weights: &Path) -> Result<GatewayConfig, Problems> {
    let provider = presets().iter().find(|preset| {
        let key = preset.key.as_deref().filter(|_| preset.base_url.is_some()).and_then(env);
        key.is_some_and(|key| !key.trim().is_empty())
    });
    let large = match provider {
        Some(preset) => remote(preset),
        None => embedded("large", weights, LARGE),
    };
    let route = RouteFile {
        name: Some("auto".to_owned()),
        ladder: Some(vec!["small".to_owned(), "large".to_owned()]),
        policy: Some(serde_json::json!({ "kind": "threshold", "at": THRESHOLD })),
        ..RouteFile::default()
    };
    let file = ConfigFile {
        currency: provider.and_then(|preset| preset.models.first()?.price.as_ref()?.currency),
        models: vec![embedded("small", weights, SMALL), large],
        routes: vec![route],
        ..ConfigFile::default()
    };
    let mut report = ResolveReport::default();
    let config = resolve(file, env, None, &mut report);
    if report.problems.is_empty() { Ok(config) } else { Err(report.problems) }
}

fn remote(preset: &Preset) -> ModelFile {
    ModelFile { name: Some("large".to_owned()), preset: Some(preset.name.clone()), ..ModelFile::default() }
}

/// An embedded model. The machine is there anyway, so its time is counted as free.
fn embedded(name: &str, folder: &Path, weights: BuiltinWeights) -> ModelFile {
    let provenance = ProvenanceFile {
        developer: Some(weights.developer.to_owned()),
        path: Some("open weights".to_owned()),
        licence: Some("Apache-2.0".to_owned()),
        origin: Some(weights.origin.to_owned()),
        ..ProvenanceFile::default()
    };
    ModelFile {
        name: Some(name.to_owned()),
        provider: Some(ProviderWord::Embedded),
        weights: Some(folder.join(weights.file).to_string_lossy().into_owned()),
        price: Some(PriceFile { hour: Some(0.0), ..PriceFile::default() }),
        max_output: Some(weights.max_output),
        provenance,
        ..ModelFile::default()
    }
}
