//! Clients: who they are, and what they may.

use std::collections::HashMap;
use std::sync::Arc;

use router_policies::Money;
use sha2::{Digest, Sha256};

use super::ResolveReport;
use crate::file::{BudgetFile, ClientFile, LocalityWord, PeriodWord};
use crate::problems::{item_path, key_path};
use crate::suggest::hint;
use crate::{BudgetPeriodLength, ClientBudget, ClientConfig, ClientLimits, KeyHash, ModelConfig, Route};

/// A client's key has at least this many characters.
const SHORTEST_KEY: usize = 8;
/// Below this many characters a key can be guessed in time.
const SOUND_KEY: usize = 20;

pub(super) fn clients(
    files: Vec<ClientFile>,
    models: &[Arc<ModelConfig>],
    routes: &[Arc<Route>],
    report: &mut ResolveReport,
) -> Vec<Arc<ClientConfig>> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut keys: HashMap<KeyHash, usize> = HashMap::new();
    let mut clients = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let path = item_path("clients", number);
        let client = client(file, models, routes, &path, report);
        if !client.name.is_empty()
            && let Some(other) = names.insert(client.name.clone(), number)
        {
            report.fault(
                &key_path(&path, "name"),
                format!("`{}` is the name of clients[{other}], too", client.name),
            );
        }
        if client.key != KeyHash([0; 32])
            && let Some(other) = keys.insert(client.key, number)
        {
            report.fault(&path, format!("has the same key as clients[{other}]"));
        }
        clients.push(Arc::new(client));
    }
    clients
}

fn client(
    file: ClientFile,
    models: &[Arc<ModelConfig>],
    routes: &[Arc<Route>],
    path: &str,
    report: &mut ResolveReport,
) -> ClientConfig {
    let local_only = file.locality == Some(LocalityWord::Local);
    if local_only && !models.iter().any(|model| model.local) && !report.is_invalid("models") {
        report.warn(&key_path(path, "locality"), "no model is local: this client will never get an answer");
    }
    ClientConfig {
        name: name(file.name.as_deref(), path, report),
        key: key(&file, path, report).unwrap_or(KeyHash([0; 32])),
        routes: file.routes.as_ref().map(|names| {
            check_routes(names, models, routes, &key_path(path, "routes"), report);
            names.clone()
        }),
        local_only,
        hints: file.hints.unwrap_or(false),
        budget: file.budget.and_then(|budget| self::budget(&budget, &key_path(path, "budget"), report)),
        limits: ClientLimits {
            requests_per_minute: file.limits.requests_per_minute,
            tokens_per_minute: file.limits.tokens_per_minute,
            concurrent: file.limits.concurrent,
        },
    }
}

/// Clients' names stand in metrics and logs only, so they may be in any script.
fn name(name: Option<&str>, path: &str, report: &mut ResolveReport) -> String {
    let name = name.unwrap_or_default();
    let at = key_path(path, "name");
    let fits = name.starts_with(char::is_alphanumeric)
        && name.chars().all(|c| c.is_alphanumeric() || "._:/@+- ".contains(c))
        && name.chars().count() <= 128;
    if name.is_empty() {
        if !report.is_invalid(&at) {
            report.fault(&at, "is missing");
        }
    } else if !fits {
        report.fault(
            &at,
            "a name has up to 128 letters and digits, and `.`, `_`, `:`, `/`, `@`, `+`, `-` after the first",
        );
    }
    name.to_owned()
}

fn key(file: &ClientFile, path: &str, report: &mut ResolveReport) -> Option<KeyHash> {
    match (&file.key, &file.key_sha256) {
        (Some(_), Some(_)) => {
            report.fault(path, "has `key` and `key_sha256`; one is enough, and only one is allowed")
        }
        (None, None) => {
            if !report.is_invalid(&key_path(path, "key")) && !report.is_invalid(&key_path(path, "key_sha256"))
            {
                report.fault(&key_path(path, "key"), "is missing: a client has a `key` or a `key_sha256`");
            }
        }
        (Some(key), None) => {
            let at = key_path(path, "key");
            let length = key.0.reveal().len();
            if length < SHORTEST_KEY {
                report.fault(
                    &at,
                    format!(
                        "is too short: {SHORTEST_KEY} characters at least, better {SOUND_KEY} random ones"
                    ),
                );
            } else if length < SOUND_KEY {
                report.warn(
                    &at,
                    &format!("is short enough to be guessed: {SOUND_KEY} random characters are safe"),
                );
            }
            return Some(KeyHash(Sha256::digest(key.0.reveal().as_bytes()).into()));
        }
        (None, Some(hash)) => match hex(hash.0.reveal()) {
            Some(hash) => return Some(KeyHash(hash)),
            None => report.fault(&key_path(path, "key_sha256"), "must be a SHA-256 in 64 hexadecimal digits"),
        },
    }
    None
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect();
    (digits.len() == 64).then_some(())?;
    bytes.try_into().ok()
}

fn check_routes(
    names: &[String],
    models: &[Arc<ModelConfig>],
    routes: &[Arc<Route>],
    path: &str,
    report: &mut ResolveReport,
) {
    if names.is_empty() {
        report.fault(
            path,
            "names nothing, so that the client may ask nothing; leave it out to allow everything",
        );
    }
    let known = || {
        models.iter().map(|model| model.name.as_str()).chain(routes.iter().map(|route| route.name.as_str()))
    };
    for (number, name) in names.iter().enumerate() {
        if !known().any(|known| known == name) && !known().any(str::is_empty) {
            let hint = hint(name, known());
            report.fault(&item_path(path, number), format!("there is no route or model `{name}`{hint}"));
        }
    }
}

fn budget(file: &BudgetFile, path: &str, report: &mut ResolveReport) -> Option<ClientBudget> {
    let (Some(amount), Some(per)) = (file.amount, file.per) else { return None };
    let Some(amount) = Money::from_units(amount) else {
        report.fault(&key_path(path, "amount"), "is too large");
        return None;
    };
    let per = match per {
        PeriodWord::Hour => BudgetPeriodLength::Hour,
        PeriodWord::Day => BudgetPeriodLength::Day,
        PeriodWord::Month => BudgetPeriodLength::Month,
    };
    Some(ClientBudget { amount, per })
}
