//! A commented configuration to start from.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use router_policies::Money;
use router_policies::cards::card_named;

use crate::builtin::{BuiltinWeights, DIFFICULTY, GAIN, LARGE, SMALL, WEIGHTS};
use crate::presets::{KnownModel, Preset, preset};

/// What a starter configuration depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterFile {
    /// The data port. One that other machines reach gets a client with the key `${XIETONG_KEY}`.
    pub listen: SocketAddr,
    /// The small model.
    pub small: SmallChoice,
    /// The large model.
    pub large: LargeChoice,
    /// What clients may spend a day, in the account currency; `None`: no bound. With one they need a key.
    pub budget: Option<Money>,
}

/// Where the small model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmallChoice {
    /// In this process.
    Embedded,
    /// At a server on this machine that a preset knows.
    Server {
        /// The preset's name.
        preset: String,
        /// What the server calls the model.
        model: String,
    },
    /// The cheapest of the large model's provider, if that is another one.
    Provider,
}

/// Where the large model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LargeChoice {
    /// In this process.
    Embedded,
    /// At a provider that a preset knows.
    Preset {
        /// The preset's name.
        name: String,
        /// The upstream's own name for the model; `None`: the preset's choice.
        model: Option<String>,
        /// The environment variable with the key; `None`: the preset's.
        key: Option<String>,
    },
    /// At any other address that speaks OpenAI's chat completions.
    Address {
        /// The URL to which `/chat/completions` is added.
        base_url: String,
        /// The upstream's own name for the model.
        model: String,
        /// The environment variable with the key; `None`: no key is sent.
        key: Option<String>,
    },
}

impl StarterFile {
    /// The environment variable of the key that clients need; `None`: they need none.
    pub fn client_key(&self) -> Option<&'static str> {
        (self.budget.is_some() || !self.listen.ip().is_loopback()).then_some("XIETONG_KEY")
    }

    /// The environment variable with the provider's key.
    pub fn provider_key(&self) -> Option<String> {
        match &self.large {
            LargeChoice::Embedded => None,
            LargeChoice::Address { key, .. } => key.clone(),
            LargeChoice::Preset { name, key, .. } => key.clone().or_else(|| preset(name)?.key.clone()),
        }
    }

    /// The files of embedded models that it names, from small to large.
    pub fn weights(&self) -> Vec<PathBuf> {
        let small = (self.small_is_embedded()).then_some(SMALL);
        let large = (self.large == LargeChoice::Embedded).then_some(LARGE);
        small.into_iter().chain(large).map(|weights| Path::new(WEIGHTS).join(weights.file)).collect()
    }

    /// The text of the file.
    pub fn yaml(&self) -> String {
        let mut models = self.small().into_iter().collect::<Vec<_>>();
        models.push(self.large());
        let mut text = self.head();
        text.push_str("models:                            # from small to large\n");
        models.iter().for_each(|model| text.push_str(model));
        text.push_str(&self.routes(models.len()));
        text.push_str(&self.clients());
        text.push_str("\nlog: text                          # or json: one line a request\n");
        text
    }

    fn head(&self) -> String {
        let mut text = String::from(
            "# Xietong's configuration. `xietong check` says whether it is right, `xietong serve` runs it.\n\
             # ${NAME} is an environment variable, ${NAME:-default} one that may be missing.\n\n",
        );
        let listen = format!("listen: {}", self.listen);
        let _ = writeln!(text, "{listen:<34} # the data port: where clients ask");
        text.push_str(
            "admin: 127.0.0.1:9464              # metrics, health, reload: keep it away from clients\n",
        );
        let currency = self.preset().and_then(|preset| preset.models.first()?.price.as_ref()?.currency);
        let currency =
            format!("currency: {}", currency.map_or_else(crate::resolve::default_currency, |code| code.0));
        let _ = writeln!(text, "{currency:<34} # of prices, accounts and budgets");
        text.push_str(
            "state: {kind: embedded, path: xietong.db}   # keeps budgets, and what `xietong report` shows\n\n",
        );
        text
    }

    fn preset(&self) -> Option<&'static Preset> {
        match &self.large {
            LargeChoice::Preset { name, .. } => preset(name),
            _ => None,
        }
    }

    /// The small model: embedded, at a server on this machine, or the provider's cheapest unless that is the large one already.
    fn small(&self) -> Option<String> {
        if self.small_is_embedded() {
            return Some(embedded("small", SMALL));
        }
        if let SmallChoice::Server { preset: name, model } = &self.small {
            return Some(at_preset("small", preset(name)?, Some(model), None));
        }
        let provider = self.preset()?;
        let cheapest = provider.by_price().into_iter().next()?;
        if Some(&cheapest.name) == self.model_name().as_ref() {
            return None;
        }
        Some(at_preset("small", provider, Some(&cheapest.name), self.provider_key().as_deref()))
    }

    /// Without a provider the small model can only be here.
    fn small_is_embedded(&self) -> bool {
        let alone = self.large == LargeChoice::Embedded && self.small == SmallChoice::Provider;
        self.small == SmallChoice::Embedded || alone
    }

    fn large(&self) -> String {
        match &self.large {
            LargeChoice::Embedded => embedded("large", LARGE),
            LargeChoice::Preset { .. } => self.preset().map_or_else(String::new, |preset| {
                at_preset("large", preset, self.model_name().as_deref(), self.provider_key().as_deref())
            }),
            LargeChoice::Address { base_url, model, key } => {
                let mut text =
                    String::from("  - name: large\n    provider: openai               # the API dialect\n");
                let _ = writeln!(text, "    base_url: {}\n    model: {}", quoted(base_url), quoted(model));
                push_key(&mut text, key.as_deref());
                text.push_str("    # price: {input: 2, output: 8} # per million tokens; without it costs cannot be counted\n");
                text
            }
        }
    }

    /// The large model's name at a preset's provider: the one asked for, else the preset's choice, or its dearest
    /// where the small model is from there, too.
    fn model_name(&self) -> Option<String> {
        let LargeChoice::Preset { model, .. } = &self.large else { return None };
        let preset = self.preset()?;
        let both = self.small == SmallChoice::Provider;
        let chosen = preset.by_price().last().copied().filter(|_| both);
        let chosen = chosen.or(preset.models.first());
        model.clone().or_else(|| chosen.map(|model| model.name.clone()))
    }

    fn routes(&self, models: usize) -> String {
        if models < 2 {
            return "\n# A route needs two models: add a smaller one above, then clients can ask for `auto`.\n\
                    # routes:\n#   - name: auto\n#     ladder: [small, large]\n\
                    #     policy: {kind: threshold, at: 0.5}\n"
                .to_owned();
        }
        let policy = if self.both_have_cards() {
            format!(
                "      kind: threshold              # expected gain above which the large model answers;\n      \
                 at: {GAIN}                     # a longer wait lowers the gain\n      \
                 by: gain_for_time\n"
            )
        } else {
            format!(
                "      kind: cascade                # the small model begins; where a guard doubts its answer, the large one takes over\n      \
                 policy: {{kind: threshold, at: {DIFFICULTY}}}         # requests harder than this go straight to the large model\n      \
                 hold: {{tokens: 4, max_wait: 600ms}}         # how much is judged before the client sees a byte\n"
            )
        };
        format!(
            "\nroutes:                            # clients ask for `auto`, or for a model by its name\n  - name: auto\n    \
             ladder: [small, large]         # tried upward\n    policy:\n{policy}    \
             fallback: up_then_down         # where to go when a rung fails\n"
        )
    }

    /// Whether both models are of the catalogue and have a card.
    fn both_have_cards(&self) -> bool {
        let small = match &self.small {
            SmallChoice::Server { model, .. } => card_named(model).is_some(),
            SmallChoice::Embedded | SmallChoice::Provider => self.small_is_embedded(),
        };
        small && self.large == LargeChoice::Embedded
    }

    fn clients(&self) -> String {
        match self.client_key() {
            Some(key) => {
                let budget = match self.budget {
                    Some(amount) => format!("budget: {{amount: {amount}, per: day}}"),
                    None => "# budget: {amount: 50, per: day}".to_owned(),
                };
                format!(
                    "\nclients:                           # who may use the data port\n  - name: default\n    key: ${{{key}}}\n    \
                     {budget}\n    # limits: {{requests_per_minute: 600, concurrent: 64}}\n"
                )
            }
            None => "\n# Nobody needs a key while the data port listens on this machine only.\n# clients:\n#   - name: team-a\n\
                     #     key: ${TEAM_A_KEY}\n#     budget: {amount: 50, per: day}\n"
                .to_owned(),
        }
    }
}

fn at_preset(name: &str, preset: &Preset, model: Option<&str>, key: Option<&str>) -> String {
    let mut text = format!("  - name: {name}\n");
    let line = format!("    preset: {}", preset.name);
    let address = preset.base_url.as_deref().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line:<34} # {}, {address}", preset.title);
    if let Some(model) = model {
        let _ = writeln!(text, "    model: {}", quoted(model));
    }
    push_key(&mut text, key);
    let known = preset.models.iter().find(|known| Some(known.name.as_str()) == model);
    text.push_str(&price_comment(known, preset.local));
    if preset.local {
        text.push_str("    timeouts: {first_token: 60s}   # its server may have to load it first\n");
    }
    text
}

fn embedded(name: &str, weights: BuiltinWeights) -> String {
    let BuiltinWeights { file, max_output } = weights;
    let most = format!("    max_output: {max_output}");
    format!(
        "  - name: {name}\n    provider: embedded             # in this process\n    weights: {WEIGHTS}/{file}\n\
         {most:<34} # tokens of an answer that a client did not limit\n    \
         price: {{per_hour: 0}}           # what an hour of this machine costs, while it is busy\n    \
         provenance: {{developer: Alibaba Cloud, development: open weights, licence: Apache-2.0, origin: CN}}\n"
    )
}

fn push_key(text: &mut String, key: Option<&str>) {
    if let Some(key) = key {
        let _ = writeln!(text, "    api_key: ${{{key}}}");
    }
}

fn price_comment(known: Option<&KnownModel>, local: bool) -> String {
    let price = known.and_then(|known| known.price.as_ref().zip(known.source.as_ref()));
    match price {
        Some((price, source)) => format!(
            "    # Price from the preset, per million tokens: {} in, {} out. {source}\n",
            price.input.unwrap_or_default(),
            price.output.unwrap_or_default(),
        ),
        None if local => {
            "    price: {per_hour: 0}           # what an hour of this machine costs, while it is busy\n"
                .to_owned()
        }
        None => {
            "    # price: {input: 2, output: 8} # per million tokens; without it costs cannot be counted\n"
                .to_owned()
        }
    }
}

/// A text as YAML that can only be read as this text.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !matches!(text, "true" | "false" | "null" | "inf" | "infinity" | "nan");
    if plain {
        return text.to_owned();
    }
    // JSON's strings are YAML's double-quoted ones. A `${` in them would be taken for a variable.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}
