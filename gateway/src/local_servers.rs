//! Model servers on this machine: which ones answer on their usual ports, and what models they have.
//!
//! Only addresses of the loopback interface are asked, for half a second at most, and for lists and properties alone: nothing of a
//! prompt or key is sent.

mod model_list;
mod question;

use std::net::SocketAddr;

use gateway_config::{KnownProvider, known_providers};
use protocol::ServedFacts;

/// The environment variable that switches the search off, by the value `off`.
pub(crate) const SWITCH: &str = "XIETONG_LOCAL_SERVERS";

/// Billions of parameters that the small model of a ladder has at most, where there is a choice.
const SMALL_AT_MOST: f64 = 9.0;
/// Billions of parameters that a machine is trusted to run at all, where there is a choice.
const LARGE_AT_MOST: f64 = 40.0;

/// A model server on this machine that answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocalServer {
    /// Which one it is, by its port.
    pub(crate) provider: KnownProvider,
    /// Its models, in its own order; at least one.
    pub(crate) models: Vec<LocalModel>,
}

/// A model of a server on this machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocalModel {
    /// What the server calls it.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: LocalModelKind,
    /// Billions of parameters; `None` where neither its server nor its name says.
    pub(crate) billions: Option<f64>,
    /// Tokens that prompt and answer may have together; `None` where its server does not say.
    pub(crate) context: Option<u64>,
}

/// What a model of a server on this machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalModelKind {
    /// It answers chats.
    Chat,
    /// It makes vectors or ranks texts, and answers no chats.
    Embedding,
    /// Its server only passes requests on to another machine, so that it is not local at all.
    Elsewhere,
}

impl LocalServer {
    /// Its models that answer chats on this machine, in its own order.
    pub(crate) fn chat_models(&self) -> impl Iterator<Item = &LocalModel> {
        self.models.iter().filter(|model| model.kind == LocalModelKind::Chat)
    }
}

/// The servers that answer on their usual ports with at least one model; none where the environment switches the search off.
pub(crate) fn find() -> Vec<LocalServer> {
    if std::env::var(SWITCH).is_ok_and(|value| value == "off") {
        return Vec::new();
    }
    let usual = known_providers().filter(|provider| provider.local);
    find_at(usual.filter_map(|provider| Some((provider, address(provider.base_url)?))))
}

/// The servers that answer at these addresses, in this order.
fn find_at(places: impl Iterator<Item = (KnownProvider, SocketAddr)>) -> Vec<LocalServer> {
    let loopback = places.filter(|(_, address)| address.ip().is_loopback());
    // Side by side: a port that swallows connections must not hold up the others.
    let asked: Vec<_> = loopback
        .map(|(provider, address)| (provider, std::thread::spawn(move || models(provider.name, address))))
        .collect();
    let found = asked
        .into_iter()
        .map(|(provider, answer)| LocalServer { provider, models: answer.join().unwrap_or_default() });
    found.filter(|server| !server.models.is_empty()).collect()
}

/// What the server at `base_url` says of a model of this name; `None` where it is on another machine, does not answer, or the
/// environment switches the search off.
pub(crate) fn served(base_url: &str, model: &str) -> Option<ServedFacts> {
    let address = address(base_url).filter(|address| address.ip().is_loopback())?;
    if std::env::var(SWITCH).is_ok_and(|value| value == "off") {
        return None;
    }
    let list = question::get(address, "/v1/models")?;
    let listed = ServedFacts::of_list(&list, model).unwrap_or_default();
    let beside = || {
        let props = question::get(address, "/props").map(|props| ServedFacts::of_props(&props));
        props.filter(|served| !served.is_silent())
    };
    let studio = || ServedFacts::of_list(&question::get(address, "/api/v0/models")?, model);
    let loaded = || ServedFacts::of_list(&question::get(address, "/api/ps")?, model);
    let owner = list["data"][0]["owned_by"].as_str().unwrap_or_default();
    let more = match owner {
        "llamacpp" => beside(),
        "organization_owner" => studio(),
        "library" => loaded(),
        _ => None,
    };
    Some(more.unwrap_or_default().or(listed))
}

/// The address in `http://ADDRESS/v1`.
fn address(base_url: &str) -> Option<SocketAddr> {
    base_url.strip_prefix("http://")?.split('/').next()?.parse().ok()
}

/// The models of the server at an address: by the list of its own that tells most, else by OpenAI's.
fn models(server: &str, address: SocketAddr) -> Vec<LocalModel> {
    let lists: &[&str] = match server {
        "ollama" => &["/api/tags", "/v1/models"],
        "lm-studio" => &["/api/v0/models", "/v1/models"],
        _ => &["/v1/models"],
    };
    let answers = lists.iter().filter_map(|path| question::get(address, path));
    answers.map(|list| model_list::read(&list)).find(|models| !models.is_empty()).unwrap_or_default()
}

/// A model on this machine that fits as the small one of a ladder, with its server: the largest of at most nine billion
/// parameters, else one of unknown size, else the smallest.
pub(crate) fn small_model(servers: &[LocalServer]) -> Option<(&LocalServer, &LocalModel)> {
    largest_within(servers, SMALL_AT_MOST)
}

/// A model on this machine that fits as the large one of a ladder, with its server: the largest of at most forty billion
/// parameters, else one of unknown size, else the smallest.
pub(crate) fn large_model(servers: &[LocalServer]) -> Option<(&LocalServer, &LocalModel)> {
    largest_within(servers, LARGE_AT_MOST)
}

fn largest_within(servers: &[LocalServer], most: f64) -> Option<(&LocalServer, &LocalModel)> {
    let all = || servers.iter().flat_map(|server| server.chat_models().map(move |model| (server, model)));
    let sized = || all().filter_map(|found| Some((found.1.billions?, found)));
    let fitting = sized().filter(|(size, _)| *size <= most);
    // Of equals the first: servers and models stand in an order of preference.
    let largest = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let unknown = || all().find(|(_, model)| model.billions.is_none());
    let smallest = || sized().reduce(|best, next| if next.0 < best.0 { next } else { best });
    largest.map(|found| found.1).or_else(unknown).or_else(|| smallest().map(|found| found.1))
}

#[cfg(test)]
mod tests;
