//! What there is to make a ladder of: keys in the environment, servers on this machine, the embedded models.

use std::net::SocketAddr;

use gateway_config::{KnownProvider, SmallChoice, known_providers};

use crate::commands::default_ladder::choice;
use crate::local_servers::{self, LocalModelKind, LocalServer};

/// What there is to choose from.
#[derive(Debug, Default)]
pub(super) struct FoundProvider {
    /// Providers whose key is in the environment.
    pub(super) keyed: Vec<KnownProvider>,
    /// Model servers on this machine.
    pub(super) servers: Vec<LocalServer>,
}

/// The ladder that is taken when nobody says anything else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LadderProposal {
    /// The large model's provider.
    pub(super) provider: String,
    /// Its model there, where a server on this machine has it.
    pub(super) model: Option<String>,
    /// The small model.
    pub(super) small: SmallChoice,
    /// The data port.
    pub(super) listen: SocketAddr,
}

impl FoundProvider {
    /// Looks for keys and asks the usual ports of this machine.
    pub(super) fn look() -> Self {
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

    /// The ladder below this provider's model, or below the one to propose.
    pub(super) fn proposal(&self, provider: Option<&str>) -> LadderProposal {
        let here = choice(&self.servers, false);
        let provider = provider.map(str::to_owned).unwrap_or_else(|| {
            let keyed = self.keyed.first().map(|provider| provider.name.to_owned());
            let served = here.large.as_ref().map(|model| model.preset.clone());
            keyed.or(served).unwrap_or_else(|| "embedded".to_owned())
        });
        let server = self.servers.iter().find(|server| server.provider.name == provider);
        let model = server.and_then(|server| {
            let proposed = here.large.as_ref().filter(|model| model.preset == provider);
            let largest =
                local_servers::large_model(std::slice::from_ref(server)).map(|(_, model)| &model.name);
            proposed.map(|model| model.model.clone()).or(largest.cloned())
        });
        let small = match (provider.as_str(), server) {
            // Models of servers that are larger than the large one are no small ones.
            ("embedded", _) if here.large.is_some() => None,
            ("embedded", _) | (_, Some(_)) => here.small,
            _ => choice(&self.servers, true).small,
        };
        let small = small.filter(|small| server.is_none() || model.as_ref() != Some(&small.model));
        LadderProposal {
            small: small.map_or(SmallChoice::Embedded, |small| SmallChoice::Server {
                preset: small.preset,
                model: small.model,
            }),
            model,
            provider,
            listen: here.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
        }
    }

    /// What was found, and what is proposed, for who is asked.
    pub(super) fn offer(&self) -> String {
        let mut text = String::from("Found on this machine:\n");
        for provider in &self.keyed {
            let key = provider.key.unwrap_or_default();
            text.push_str(&format!("  {:<14} {}: {key} is set\n", provider.name, provider.title));
        }
        for server in &self.servers {
            text.push_str(&format!(
                "  {:<14} {}: {}\n",
                server.provider.name,
                server.provider.base_url,
                models(server)
            ));
        }
        text.push_str("  embedded       small models in this process, no provider needed\n");
        let names: Vec<_> = known_providers().map(|known| known.name).collect();
        text.push_str(&format!("All providers: {}\n", names.join(", ")));
        let LadderProposal { provider, model, small, .. } = self.proposal(None);
        let model = model.map_or_else(String::new, |model| format!(" with {model}"));
        let small = match small {
            SmallChoice::Server { preset, model } => format!("{model} of {preset} here"),
            _ => "embedded".to_owned(),
        };
        text.push_str(&format!("Proposed: small: {small}, large: {provider}{model}\n"));
        text
    }
}

/// All models of a server; those that answer no chats are named as such.
fn models(server: &LocalServer) -> String {
    let named = server.models.iter().map(|model| match model.kind {
        LocalModelKind::Chat => model.name.clone(),
        LocalModelKind::Embedding => format!("{} (no chats)", model.name),
        LocalModelKind::Elsewhere => format!("{} (runs elsewhere)", model.name),
    });
    named.collect::<Vec<_>>().join(", ")
}
