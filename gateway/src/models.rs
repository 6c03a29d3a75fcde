//! `GET /v1/models`: the names that a client may put in `model`.

use bytes::Bytes;
use gateway_config::{ClientConfig, ModelConfig};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::error::ApiError;
use crate::snapshot::Snapshot;
use protocol::client::ClientVendor;

/// One name, as either vendor's clients know it.
#[derive(Serialize)]
#[serde(untagged)]
enum ModelEntry<'a> {
    OpenAi {
        id: &'a str,
        object: &'static str,
        created: u64,
        owned_by: &'a str,
        /// Tokens, where known: configured, or told by the model's server.
        #[serde(skip_serializing_if = "Option::is_none")]
        context_length: Option<u64>,
    },
    Anthropic {
        r#type: &'static str,
        id: &'a str,
        display_name: &'a str,
        created_at: String,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum ModelList<'a> {
    OpenAi {
        object: &'static str,
        data: Vec<ModelEntry<'a>>,
    },
    Anthropic {
        data: Vec<ModelEntry<'a>>,
        has_more: bool,
        first_id: Option<&'a str>,
        last_id: Option<&'a str>,
    },
}

/// A name that a client may use.
struct NamedModel<'a> {
    id: &'a str,
    owner: &'a str,
    /// Tokens that prompt and answer may have together; `None` when unknown.
    context: Option<u64>,
}

/// The list, or one entry of it. `created` is when the gateway started, in seconds since 1970.
///
/// # Errors
/// A name that is not in the client's list.
pub fn answer(
    snapshot: &Snapshot,
    client: Option<&ClientConfig>,
    name: Option<&str>,
    vendor: ClientVendor,
    created: u64,
) -> Result<Bytes, ApiError> {
    let context = |model: &ModelConfig| snapshot.pool(model).and_then(|pool| pool.context());
    let routes = snapshot.config.routes.iter().map(|route| NamedModel {
        id: &route.name,
        owner: "xietong",
        // A prompt goes to a rung that it fits.
        context: route
            .ladder
            .iter()
            .map(|model| context(model))
            .collect::<Option<Vec<_>>>()
            .into_iter()
            .flatten()
            .max(),
    });
    let models = snapshot.config.models.iter().map(|model| NamedModel {
        id: &model.name,
        owner: model.provider.name(),
        context: context(model),
    });
    let names: Vec<_> =
        routes.chain(models).filter(|named| snapshot.target(named.id, client).is_some()).collect();
    let json = match name {
        None => serde_json::to_vec(&list(&names, vendor, created)),
        Some(name) => {
            // Clients escape names such as `qwen/qwen3`.
            let unescaped = percent_decode_str(name).decode_utf8_lossy();
            let named = names.iter().find(|named| unescaped == named.id);
            let named = named.ok_or_else(|| ApiError::NoSuchModel(name.to_owned()))?;
            serde_json::to_vec(&entry(named, vendor, created))
        }
    };
    json.map(Bytes::from).map_err(|_| ApiError::Internal)
}

/// All in one page, whatever page was asked for: there are never many.
fn list<'a>(names: &[NamedModel<'a>], vendor: ClientVendor, created: u64) -> ModelList<'a> {
    let data = names.iter().map(|named| entry(named, vendor, created)).collect();
    let id = |named: Option<&NamedModel<'a>>| named.map(|named| named.id);
    match vendor {
        ClientVendor::OpenAi => ModelList::OpenAi { object: "list", data },
        ClientVendor::Anthropic => ModelList::Anthropic {
            data,
            has_more: false,
            first_id: id(names.first()),
            last_id: id(names.last()),
        },
    }
}

fn entry<'a>(named: &NamedModel<'a>, vendor: ClientVendor, created: u64) -> ModelEntry<'a> {
    let NamedModel { id, owner: owned_by, context: context_length } = *named;
    match vendor {
        ClientVendor::OpenAi => ModelEntry::OpenAi { id, object: "model", created, owned_by, context_length },
        ClientVendor::Anthropic => {
            let at = i64::try_from(created).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let created_at = at.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
            ModelEntry::Anthropic { r#type: "model", id, display_name: id, created_at }
        }
    }
}
