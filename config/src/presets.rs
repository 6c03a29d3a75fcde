//! Providers that speak a known dialect: where they are, which variable holds their key, what their models cost.
//!
//! The facts stand in `presets.yaml`, each price with its page and the day it was recorded. They are recorded facts:
//! none was tested against the provider.

use std::sync::LazyLock;

use router_policies::{Currency, ModelClass};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::capabilities::AcceptsWord;
use crate::file::{
    LimitWord, PriceFile, ProvenanceFile, ProviderWord, SpeaksWord, TimeoutsFile, WholeAsWord,
};
use crate::problems::Problems;
use crate::source_map::OlderName;
use crate::thinking::ThinkingFile;
use crate::{schema, schema_check, yaml};

/// A provider.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "title", "provider_name"]))]
pub(crate) struct Preset {
    /// What `preset:` says.
    pub(crate) name: String,
    /// The provider's own name, for people.
    pub(crate) title: String,
    /// `gen_ai.provider.name` of the OpenTelemetry conventions, or ours where they have none.
    pub(crate) provider_name: String,
    /// What it speaks.
    pub(crate) provider: ProviderWord,
    /// Where it is; `None`: each account has an address of its own.
    pub(crate) base_url: Option<String>,
    /// The environment variable with its key; `None`: it needs none.
    pub(crate) key: Option<String>,
    /// Runs on this machine.
    pub(crate) local: bool,
    /// How a whole answer is asked for, where it does not give every one as such.
    #[schemars(extend("x-better-name" = "non_streaming_as"))]
    pub(crate) whole_as: Option<WholeAsWord>,
    /// Its models say how probable their tokens were when they are asked to.
    pub(crate) logprobs: bool,
    /// APIs that it has beside chats, completions and embeddings.
    #[schemars(extend("x-better-name" = "apis"))]
    pub(crate) speaks: Vec<SpeaksWord>,
    /// What it calls the longest answer, where it refuses or ignores the other name.
    pub(crate) limit: Option<LimitWord>,
    /// How it is told how hard to think, where that is not by `reasoning_effort` alone.
    pub(crate) thinking: Option<ThinkingFile>,
    /// How long its models may be silent, where that is longer than others'.
    pub(crate) timeouts: TimeoutsFile,
    /// What is known of its models; the first is asked unless another is named.
    pub(crate) models: Vec<KnownModel>,
}

/// A model of a provider.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct KnownModel {
    /// The upstream's own name.
    pub(crate) name: String,
    /// Tokens that prompt and answer may have together.
    pub(crate) context: Option<u64>,
    /// What it can serve; `None`: not recorded.
    pub(crate) accepts: Option<Vec<AcceptsWord>>,
    /// Which models it resembles.
    pub(crate) class: Option<ModelClass>,
    /// What it costs; always with its currency.
    pub(crate) price: Option<PriceFile>,
    /// Where the price was read and when it was recorded.
    pub(crate) source: Option<String>,
    /// Where it comes from.
    pub(crate) provenance: ProvenanceFile,
    /// How it is told how hard to think, where that is not as the provider's others are.
    pub(crate) thinking: Option<ThinkingFile>,
}

impl Preset {
    /// The models with a price, cheapest first; what a token of the answer costs decides.
    pub(crate) fn by_price(&self) -> Vec<&KnownModel> {
        let output = |model: &KnownModel| model.price.as_ref().and_then(|price| price.output);
        let mut models: Vec<_> = self.models.iter().filter(|model| output(model).is_some()).collect();
        models.sort_by(|a, b| output(a).partial_cmp(&output(b)).unwrap_or(std::cmp::Ordering::Equal));
        models
    }
}

/// A provider that `preset:` can name, as far as whoever chooses one needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProvider {
    /// What `preset:` says.
    pub name: &'static str,
    /// The provider's own name, for people.
    pub title: &'static str,
    /// Where it is.
    pub base_url: &'static str,
    /// The environment variable with its key; `None`: it needs none.
    pub key: Option<&'static str>,
    /// Runs on this machine.
    pub local: bool,
    /// The model that is asked unless another is named; `None`: one must be named.
    pub model: Option<&'static str>,
}

/// All providers that `preset:` can name and whose address is known, in the order in which the default without a file looks for keys.
pub fn known_providers() -> impl Iterator<Item = KnownProvider> {
    presets().iter().filter_map(|preset| {
        Some(KnownProvider {
            name: &preset.name,
            title: &preset.title,
            base_url: preset.base_url.as_deref()?,
            key: preset.key.as_deref(),
            local: preset.local,
            model: preset.models.first().map(|model| model.name.as_str()),
        })
    })
}

/// What a provider lists as the price of its first model, per million tokens, at the hour that it is cheapest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListPrice {
    /// The provider's own name, for people.
    pub title: &'static str,
    /// The upstream's own name for the model.
    pub model: &'static str,
    /// Tokens of prompts.
    pub input: f64,
    /// Tokens of prompts that the provider's cache has.
    pub cached_input: f64,
    /// Tokens of answers.
    pub output: f64,
    /// The currency of all three.
    pub currency: Currency,
    /// Where the price was read and when it was recorded.
    pub source: &'static str,
}

/// The list price of the provider that `preset:` calls so; `None` where there is no such provider, or none is recorded.
pub fn list_price(provider: &str) -> Option<ListPrice> {
    let preset = preset(provider)?;
    let known = preset.models.first()?;
    let price = known.price.as_ref()?;
    let input = price.input?;
    Some(ListPrice {
        title: &preset.title,
        model: &known.name,
        input,
        cached_input: price.cached_input.unwrap_or(input),
        output: price.output?,
        currency: price.currency?.0,
        source: known.source.as_deref()?,
    })
}

/// The file as a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PresetsFile {
    presets: Vec<Preset>,
}

/// All presets, in the order in which the default without a file looks for keys.
pub(crate) fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        // The file is part of the program and a test reads it, so this cannot fail in a build that passed.
        read(include_str!("../presets.yaml"))
            .unwrap_or_else(|problems| unreachable!("presets.yaml: {problems}"))
    });
    &PRESETS
}

/// A preset by its name.
pub(crate) fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.name == name)
}

fn read(text: &str) -> Result<Vec<Preset>, Problems> {
    let mut problems = Problems::default();
    let node = yaml::parse(text, &mut problems)?.ok_or_else(|| Problems::one("is empty"))?;
    let (value, places) = schema_check::shape(&node, &schema::of::<PresetsFile>(), &mut problems);
    if let Some(OlderName { path, better }) = places.older_names.first() {
        return Err(Problems::one(format!("{path} is called `{better}`")));
    }
    match serde_json::from_value::<PresetsFile>(value) {
        Ok(file) if problems.is_empty() => Ok(file.presets),
        Ok(_) => Err(problems),
        Err(why) => Err(Problems::one(why.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];

    /// Whether a source ends with the day or the month in which it was read, since this project has prices.
    fn is_dated(source: &str) -> bool {
        let mut words = source.rsplit([' ', ',']);
        let (last, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let year = match last.parse::<jiff::civil::Date>() {
            Ok(day) => Some(day.year()),
            Err(_) => last.parse().ok().filter(|_| MONTHS.contains(&before)),
        };
        year.is_some_and(|year| (2025..2100).contains(&year))
    }

    #[test]
    fn a_price_without_a_plausible_date_is_found() {
        let check = |source: &str, dated: bool| assert_eq!(is_dated(source), dated, "{source}");
        check("api-docs.deepseek.com/pricing, October 2026", true);
        check("openai.com by litellm 1.110.2, recorded 2026-11-24", true);
        check("a page, January 2027", true);
        check("a page, 2031-02-28", true);
        check("a page, 2031-02-30", false);
        check("a page, 2026", false);
        check("a page about 2026 in October", false);
        check("a page, October 1926", false);
        check("", false);
    }

    #[test]
    fn every_preset_is_sound() {
        let presets = read(include_str!("../presets.yaml")).unwrap_or_else(|problems| panic!("{problems}"));
        let mut names = HashSet::new();
        for preset in &presets {
            let name = &preset.name;
            assert!(names.insert(name), "{name} stands twice");
            assert_ne!(preset.provider, ProviderWord::Embedded, "{name}");
            let url = preset.base_url.as_deref().map(|url| url::Url::parse(url).unwrap());
            let insecure = url.as_ref().is_some_and(|url| url.scheme() == "http");
            // A server of one's own may have no usual address.
            assert!(url.is_none() || preset.local == insecure, "{name}: remote providers are asked by https");
            assert_eq!(url.is_some() && !preset.local, preset.key.is_some(), "{name}");
            assert!(
                preset.key.iter().all(|key| key.ends_with("_API_KEY")),
                "{name}: init looks for *_API_KEY"
            );
            for model in &preset.models {
                let name = format!("{name}/{}", model.name);
                let Some(price) = &model.price else {
                    assert!(model.source.is_none(), "{name}: a source without a price");
                    continue;
                };
                assert!(price.currency.is_some(), "{name}: a price needs its currency");
                assert!(price.input.is_some() && price.output.is_some(), "{name}");
                let source = model.source.as_deref().unwrap_or_default();
                assert!(
                    is_dated(source),
                    "{name}: a price needs its source and the day it was recorded: {source}"
                );
            }
        }
    }
}
