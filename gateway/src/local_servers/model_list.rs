//! Lists of models as servers on this machine write them.

use gateway_config::billions_of_parameters;
use serde_json::Value;

use super::{LocalModel, LocalModelKind};

/// Parts of names of models that make vectors or rank texts.
const EMBEDDERS: [&str; 10] =
    ["embed", "minilm", "rerank", "bge-", "bge_", "gte-", "e5-", "jina-", "arctic-embed", "colbert"];

/// The models of a list of Ollama's (`models`), LM Studio's or OpenAI's (`data`); none for what is no such list, and none
/// of another Xietong's.
pub(super) fn read(list: &Value) -> Vec<LocalModel> {
    let entries = list["data"].as_array().or_else(|| list["models"].as_array());
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    // Beside its routes it lists its models under their providers' names, and those may be anywhere.
    let is_gateway = entries.iter().any(|entry| entry["owned_by"] == "xietong");
    if is_gateway { Vec::new() } else { entries.iter().filter_map(model).collect() }
}

fn model(entry: &Value) -> Option<LocalModel> {
    let text = |name: &str| entry[name].as_str();
    let number = |value: &Value| value.as_u64().filter(|number| *number > 0);
    let name =
        text("id").or_else(|| text("model")).or_else(|| text("name")).filter(|name| !name.is_empty())?;
    let counted = number(&entry["meta"]["n_params"]).map(|parameters| parameters as f64 / 1e9);
    let said = entry["details"]["parameter_size"].as_str().and_then(billions_of_parameters);
    let context = [&entry["max_model_len"], &entry["meta"]["n_ctx"], &entry["max_context_length"]];
    Some(LocalModel {
        name: name.to_owned(),
        kind: kind(entry, name),
        billions: counted.or(said).or_else(|| billions_of_parameters(name)),
        context: context.into_iter().find_map(number),
    })
}

fn kind(entry: &Value, name: &str) -> LocalModelKind {
    // Ollama lists models of its cloud beside those that are here.
    let is_remote = ["remote_host", "remote_model"].iter().any(|key| entry[*key].is_string());
    if is_remote || name.ends_with("-cloud") || name.ends_with(":cloud") {
        return LocalModelKind::Elsewhere;
    }
    let families = entry["details"]["families"].as_array().into_iter().flatten();
    let mut families =
        families.chain([&entry["details"]["family"], &entry["arch"]]).filter_map(Value::as_str);
    let said = matches!(entry["type"].as_str(), Some("embeddings" | "embedding"));
    let lower = name.to_lowercase();
    match said
        || families.any(|family| family.contains("bert"))
        || EMBEDDERS.iter().any(|it| lower.contains(it))
    {
        true => LocalModelKind::Embedding,
        false => LocalModelKind::Chat,
    }
}
