//! Models: from an entry and its preset to what is asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use router_policies::cards::{ModelCard, card_named, card_of};
use router_policies::money::PriceSurcharges;
use router_policies::{ModelClass, Money, Price, Tariff};

use super::authorities::authority;
use super::largest_event::largest_event;
use super::provenance::provenance;
use super::request_format::{self, RequestFormat};
use super::{ExchangeRates, ResolveReport, positive, prices, surcharges, timeouts};
use crate::capabilities::AcceptsWord;
use crate::class::{by_place, by_size};
use crate::file::{ModelFile, ProviderWord, WholeAsWord};
use crate::known_weights;
use crate::presets::{KnownModel, Preset, preset, presets};
use crate::problems::{item_path, key_path};
use crate::takes::TakesFile;
use crate::{
    DialectKind, EmbeddedModel, EnvLookup, ModelCapabilities, ModelConfig, ModelProvider, RemoteModel,
    WholeAs,
};

/// Requests that may wait for the embedded engine unless the file says otherwise.
const QUEUE: usize = 64;
/// How long a request may wait for the embedded engine.
const QUEUE_TIME: Duration = Duration::from_secs(30);
/// Bytes for conversations that lost their slot in the embedded engine.
const PREFIX_CACHE: usize = 64 << 20;
/// Tokens that prompt and answer may have together in an embedded model; each slot keeps memory for them.
const EMBEDDED_CONTEXT: u64 = 4096;
/// Tokens reserved for an answer unless the file says otherwise.
const MAX_OUTPUT: u64 = 4096;

/// What all models need to be resolved.
pub(super) struct ModelResolver<'a> {
    pub(super) env: &'a EnvLookup<'a>,
    pub(super) rates: &'a ExchangeRates,
    pub(super) source: Option<&'a Path>,
    pub(super) listen: SocketAddr,
}

impl ModelResolver<'_> {
    pub(super) fn all(&self, files: Vec<ModelFile>, report: &mut ResolveReport) -> Vec<Arc<ModelConfig>> {
        if files.is_empty() && !report.is_invalid("models") {
            report.fault("models", "there are none; a gateway needs at least one");
        }
        let (mut models, count): (Vec<Arc<ModelConfig>>, _) = (Vec::new(), files.len());
        for (number, file) in files.into_iter().enumerate() {
            let path = item_path("models", number);
            let model = self.one(file, by_place(number, count), &path, report);
            if !model.name.is_empty() && models.iter().any(|other| other.name == model.name) {
                report.fault(
                    &key_path(&path, "name"),
                    format!("`{}` is the name of another model", model.name),
                );
            }
            models.push(Arc::new(model));
        }
        models
    }

    fn one(&self, file: ModelFile, place: ModelClass, path: &str, report: &mut ResolveReport) -> ModelConfig {
        let name = name(file.name.as_deref(), path, report);
        let preset = self.preset(&file, path, report);
        let provider = self.kind(&file, preset, path, report);
        let upstream = file.model.as_deref().or_else(|| Some(preset?.models.first()?.name.as_str()));
        let known = preset
            .and_then(|preset| preset.models.iter().find(|known| Some(known.name.as_str()) == upstream));
        let embedded = provider == Some(ProviderWord::Embedded);
        let sized = if embedded { file.weights.as_deref() } else { upstream }.unwrap_or(&name);
        let class = file.class.or_else(|| known?.class).or_else(|| by_size(sized));
        let class = class.unwrap_or(if embedded { ModelClass::Tiny } else { place });
        let local = file.local.unwrap_or(embedded || preset.is_some_and(|preset| preset.local));
        let words = file.accepts.as_deref().or_else(|| known?.accepts.as_deref());
        if embedded && lists(&file, AcceptsWord::Embeddings) {
            report.fault(&key_path(path, "accepts"), "the engine in this process makes no embeddings");
        }
        ModelConfig {
            local,
            context: file.context.or_else(|| known?.context).or(embedded.then_some(EMBEDDED_CONTEXT)),
            max_output: file.max_output.unwrap_or(MAX_OUTPUT),
            accepts: ModelCapabilities {
                // It costs nothing to know, so that a list that leaves it out does not take it away.
                logprobs: embedded
                    || preset.is_some_and(|preset| preset.logprobs)
                    || lists(&file, AcceptsWord::Logprobs),
                ..ModelCapabilities::of(words, embedded)
            },
            languages: languages(&file),
            price: self.price(&file, known, local, path, report),
            surcharges: self.surcharges(&file, known, path, report),
            class,
            card: card(&file, upstream, embedded),
            provenance: provenance(&file, known, path, report),
            timeouts: timeouts::of(&file.timeouts, embedded, preset, &key_path(path, "timeouts"), report),
            whole_as: match file.whole_as.or_else(|| preset?.whole_as) {
                Some(WholeAsWord::Stream) => WholeAs::Stream,
                Some(WholeAsWord::Pass) | None => WholeAs::Pass,
            },
            retries: file.retries.unwrap_or(1),
            provider: if embedded {
                ModelProvider::Embedded(self.embedded(&file, path, report))
            } else {
                ModelProvider::Remote(self.remote(&file, &name, (upstream, local), preset, path, report))
            },
            name,
        }
    }

    fn preset(&self, file: &ModelFile, path: &str, report: &mut ResolveReport) -> Option<&'static Preset> {
        let name = file.preset.as_deref()?;
        let found = preset(name);
        if found.is_none() {
            let names = || presets().iter().map(|preset| preset.name.as_str());
            let hint = crate::suggest::hint(name, names());
            let known = names().collect::<Vec<_>>().join(", ");
            report.fault(&key_path(path, "preset"), format!("`{name}` is none of {known}{hint}"));
        }
        found
    }

    /// How the model is reached; `None` when the file does not say.
    fn kind(
        &self,
        file: &ModelFile,
        preset: Option<&Preset>,
        path: &str,
        report: &mut ResolveReport,
    ) -> Option<ProviderWord> {
        let at = key_path(path, "provider");
        match (file.provider, preset) {
            (Some(ProviderWord::Embedded), _) if file.preset.is_some() => {
                report.fault(&key_path(path, "preset"), "an embedded model has `weights`, not a preset");
                Some(ProviderWord::Embedded)
            }
            (Some(provider), Some(preset)) if provider != preset.provider && !has_address(file) => {
                let (name, word) = (&preset.name, DialectKind::of(Some(preset.provider)).word());
                let why =
                    format!("preset {name} speaks `{word}`; another API of its provider needs a `base_url`");
                report.fault(&at, why);
                Some(provider)
            }
            (Some(provider), _) => Some(provider),
            (None, Some(preset)) => Some(preset.provider),
            (None, None) => {
                if file.preset.is_none() && !report.is_invalid(&at) {
                    report.fault(
                        &at,
                        "is missing; it is one of `embedded`, `openai`, `anthropic`, `azure`, `gemini`",
                    );
                }
                None
            }
        }
    }

    fn embedded(&self, file: &ModelFile, path: &str, report: &mut ResolveReport) -> EmbeddedModel {
        let foreign = [
            ("base_url", file.base_url.is_some()),
            ("api_key", file.api_key.is_some()),
            ("endpoints", !file.endpoints.is_empty()),
            ("model", file.model.is_some()),
            ("api_version", file.api_version.is_some()),
            ("ca_file", file.ca_file.is_some()),
            ("speaks", file.speaks.is_some()),
            ("limit", file.limit.is_some()),
            ("thinking", file.thinking.is_some()),
            ("proxy", file.proxy.is_some()),
            ("max_event", file.max_event.is_some()),
            ("timeouts.thinking", file.timeouts.thinking.is_some()),
            ("takes", file.takes != TakesFile::default()),
        ];
        for (key, _) in foreign.iter().filter(|(_, given)| *given) {
            report
                .fault(&key_path(path, key), "an embedded model runs in this process and has no such thing");
        }
        let at = key_path(path, "weights");
        let weights = match &file.weights {
            Some(weights) => super::found(Path::new(weights), self.source),
            None => {
                if !report.is_invalid(&at) {
                    report.fault(&at, "is missing: the path of a GGUF file");
                }
                PathBuf::new()
            }
        };
        if file.weights.is_some() && !weights.is_file() {
            let weights = weights.display();
            report.warn(
                &at,
                &format!("no file at {weights} yet; `xietong fetch` gets the weights of the catalogue"),
            );
        }
        EmbeddedModel {
            weights,
            threads: file.threads,
            queue: file.queue.unwrap_or(QUEUE),
            slots: file.slots,
            prefix_cache: file
                .prefix_cache
                .map_or(PREFIX_CACHE, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            deterministic: file.deterministic.unwrap_or(false),
            gpu_layers: file.gpu_layers,
            queue_time: positive(
                file.timeouts.queue,
                QUEUE_TIME,
                &key_path(&key_path(path, "timeouts"), "queue"),
                report,
            ),
            first_token: file.timeouts.first_token.map(|span| span.0),
        }
    }

    fn remote(
        &self,
        file: &ModelFile,
        name: &str,
        (upstream, local): (Option<&str>, bool),
        preset: Option<&Preset>,
        path: &str,
        report: &mut ResolveReport,
    ) -> RemoteModel {
        let foreign = [
            ("weights", file.weights.is_some()),
            ("threads", file.threads.is_some()),
            ("queue", file.queue.is_some()),
            ("slots", file.slots.is_some()),
            ("prefix_cache", file.prefix_cache.is_some()),
            ("deterministic", file.deterministic.is_some()),
            ("gpu_layers", file.gpu_layers.is_some()),
            ("timeouts.queue", file.timeouts.queue.is_some()),
        ];
        for (key, _) in foreign.iter().filter(|(_, given)| *given && file.provider.is_some()) {
            report.fault(&key_path(path, key), "belongs to `provider: embedded` only");
        }
        let at = key_path(path, "model");
        let named = file.provider.is_some() || preset.is_some();
        if named && upstream.is_none() && !report.is_invalid(&at) {
            report.fault(&at, "is missing: the upstream's own name for the model");
        }
        let dialect = DialectKind::of(file.provider.or_else(|| Some(preset?.provider)));
        if file.api_version.is_some() && dialect != DialectKind::Azure {
            report.fault(&key_path(path, "api_version"), "belongs to `provider: azure` only");
        }
        let speech = RequestFormat::of(file, dialect, (preset, upstream), path, report);
        let preset_name = preset.map(|preset| preset.provider_name.as_str());
        let endpoints = if named { self.endpoints(file, name, preset, path, report) } else { Vec::new() };
        let takes = request_format::takes_of(file, dialect, upstream, &endpoints);
        RemoteModel {
            dialect,
            model: upstream.unwrap_or_default().to_owned(),
            provider_name: preset_name.unwrap_or(dialect.provider_name()).to_owned(),
            api_version: file.api_version.clone(),
            takes: takes.into(),
            speaks_responses: speech.responses,
            largest_event: largest_event(file.max_event, &key_path(path, "max_event"), report),
            // What is local never leaves this machine or cluster, and a proxy may be anywhere.
            is_direct: local || file.proxy.is_some(),
            limit: speech.limit(&endpoints),
            thinking: speech.thinking,
            endpoints,
            authority: authority(file.ca_file.as_deref(), self.source, &key_path(path, "ca_file"), report),
        }
    }

    fn surcharges(
        &self,
        file: &ModelFile,
        known: Option<&KnownModel>,
        path: &str,
        report: &mut ResolveReport,
    ) -> PriceSurcharges {
        let price = file.price.as_ref().or_else(|| known?.price.as_ref());
        price
            .map(|price| surcharges::of(self.rates, price, &key_path(path, "price"), report))
            .unwrap_or_default()
    }

    fn price(
        &self,
        file: &ModelFile,
        known: Option<&KnownModel>,
        local: bool,
        path: &str,
        report: &mut ResolveReport,
    ) -> Option<Tariff> {
        match (&file.price, known.and_then(|known| known.price.as_ref())) {
            (Some(price), _) => prices::tariff(self.rates, price, &key_path(path, "price"), report),
            (None, Some(price)) => prices::tariff(self.rates, price, &key_path(path, "preset"), report),
            (None, None) if local => {
                report.warn(
                    &key_path(path, "price"),
                    "is not given: the model is local, so it counts as free; `price: {per_hour: 2}` says what an hour of its \
                     machine costs",
                );
                Some(Tariff::constant(Price::Hour(Money::ZERO)))
            }
            (None, None) => {
                report
                    .warn(&key_path(path, "price"), "is not known: what this model costs cannot be counted");
                None
            }
        }
    }
}

/// Whether the file says where the model is.
fn has_address(file: &ModelFile) -> bool {
    let endpoints = &file.endpoints;
    file.base_url.is_some() || (!endpoints.is_empty() && endpoints.iter().all(|it| it.base_url.is_some()))
}

/// A name that fits into headers, paths and metric labels; empty when there is none, which is reported.
pub(super) fn name(name: Option<&str>, path: &str, report: &mut ResolveReport) -> String {
    let name = name.unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@+-".contains(c));
    let at = key_path(path, "name");
    if name.is_empty() {
        if !report.is_invalid(&at) {
            report.fault(&at, "is missing");
        }
    } else if !(starts_well && fits && name.len() <= 128) {
        report.fault(
            &at,
            "a name has up to 128 letters and digits, and `.`, `_`, `:`, `/`, `@`, `+`, `-` after the first",
        );
    }
    name.to_owned()
}

/// The languages of an entry; without them those of weights that are known by their name.
fn languages(file: &ModelFile) -> Option<Vec<String>> {
    let known = || known_weights::languages(Path::new(file.weights.as_deref()?).file_name()?.to_str()?);
    file.languages.clone().or_else(|| Some(known()?.iter().map(|code| (*code).to_owned()).collect()))
}

/// The card of an embedded model by its weights' file, of another by what its upstream calls it. An entry that says its class
/// is taken at its word.
fn card(file: &ModelFile, upstream: Option<&str>, embedded: bool) -> Option<&'static ModelCard> {
    match (file.class, embedded) {
        (Some(_), _) => None,
        (None, true) => card_of(Path::new(file.weights.as_deref()?).file_name()?.to_str()?),
        (None, false) => card_named(upstream?),
    }
}

fn lists(file: &ModelFile, word: AcceptsWord) -> bool {
    file.accepts.iter().flatten().any(|listed| *listed == word)
}
