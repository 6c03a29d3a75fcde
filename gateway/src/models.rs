//! `GET /v1/models`: the names that a client may put in `model`.

use bytes::Bytes;
use gateway_config::Client;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::error::Failure;
use crate::snapshot::Snapshot;

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

/// The list, or one entry of it. `created` is when the gateway started, in seconds since 1970.
///
/// # Errors
/// A name that is not in the client's list.
pub fn answer(
    snapshot: &Snapshot,
    client: Option<&Client>,
    name: Option<&str>,
    created: u64,
) -> Result<Bytes, Failure> {
    let routes = snapshot.config.routes.iter().map(|route| (route.name.as_str(), "xietong"));
    let models = snapshot.config.models.iter().map(|model| (model.name.as_str(), model.provider.name()));
    let mut data: Vec<Entry<'_>> = routes
        .chain(models)
        .filter(|(id, _)| snapshot.target(id, client).is_some())
        .map(|(id, owned_by)| Entry { id, object: "model", created, owned_by })
        .collect();
    let json = match name {
        None => serde_json::to_vec(&List { object: "list", data }),
        Some(name) => {
            // Clients escape names such as `qwen/qwen3`.
            let unescaped = percent_decode_str(name).decode_utf8_lossy();
            let at = data.iter().position(|entry| unescaped == entry.id);
            let at = at.ok_or_else(|| Failure::NoSuchModel(name.to_owned()))?;
            serde_json::to_vec(&data.swap_remove(at))
        }
    };
    json.map(Bytes::from).map_err(|_| Failure::Internal)
}
