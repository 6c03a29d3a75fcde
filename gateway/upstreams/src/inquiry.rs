//! Asks a model server on this machine or in this cluster what it says of its model: lists and properties alone, which cost
//! nothing.

use std::sync::Arc;

use bytes::Bytes;
use gateway_config::RemoteModel;
use protocol::ServedFacts;
use reqwest::Url;
use serde_json::{Value, json};

use super::transport::Transport;
use super::upstream::{Asking, Inquiry};

/// The questions to one endpoint.
pub(super) struct ModelInquiry {
    /// Its list of models.
    list: Url,
    /// What it calls the model.
    model: String,
    server: ServerKind,
}

/// Servers that have properties of their own beside the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerKind {
    LlamaCpp,
    LmStudio,
    Ollama,
    /// vLLM and SGLang, whose list says all.
    Lists,
    /// Its list may still tell.
    Unknown,
}

impl ModelInquiry {
    /// For the model of an endpoint with this list of models.
    pub(super) fn new(remote: &RemoteModel, list: &Url) -> Self {
        let server = match remote.provider_name.as_str() {
            "llama_cpp" => ServerKind::LlamaCpp,
            "lm_studio" => ServerKind::LmStudio,
            "ollama" => ServerKind::Ollama,
            "vllm" | "sglang" => ServerKind::Lists,
            _ => ServerKind::Unknown,
        };
        Self { list: list.clone(), model: remote.model.clone(), server }
    }

    /// Asked by this transport.
    pub(super) fn by(self, transport: &Arc<dyn Transport>) -> Inquiry {
        let eager = self.server != ServerKind::Unknown;
        let asked = Arc::new((self, Arc::clone(transport)));
        let ask = Arc::new(move || {
            let asked = Arc::clone(&asked);
            Box::pin(async move { asked.0.ask(&*asked.1).await }) as Asking
        });
        Inquiry { ask, eager }
    }

    /// What the server says; `None` where it does not answer, or is not ready.
    async fn ask(&self, transport: &dyn Transport) -> Option<ServedFacts> {
        let list = json_of(&transport.fetch(&self.list, None).await?);
        let listed = ServedFacts::of_list(&list, &self.model).unwrap_or_default();
        let beside = async |path: &str, body: Option<Value>| {
            // Below the address that the version is added to.
            let url = self.list.join(path).ok()?;
            let body = body.map(|body| Bytes::from(body.to_string()));
            Some(json_of(&transport.fetch(&url, body).await?))
        };
        let listed_beside = async |path: &str| {
            let list = beside(path, None).await;
            list.and_then(|list| ServedFacts::of_list(&list, &self.model)).unwrap_or_default()
        };
        Some(match self.server.or_by(&list) {
            ServerKind::LlamaCpp => {
                let props = beside("../props", None).await;
                props.map(|props| ServedFacts::of_props(&props)).unwrap_or_default().or(listed)
            }
            ServerKind::LmStudio => listed_beside("../api/v0/models").await.or(listed),
            ServerKind::Ollama => {
                let loaded = listed_beside("../api/ps").await;
                let show = beside("../api/show", Some(json!({"model": self.model}))).await;
                let shown = show.map(|show| ServedFacts::of_show(&show)).unwrap_or_default();
                loaded.or(shown).or(listed)
            }
            ServerKind::Lists | ServerKind::Unknown => listed,
        })
    }
}

impl ServerKind {
    /// Itself, else as the owner of the list's models tells.
    fn or_by(self, list: &Value) -> Self {
        let owner = list["data"][0]["owned_by"].as_str();
        match (self, owner) {
            (Self::Unknown, Some("llamacpp")) => Self::LlamaCpp,
            (Self::Unknown, Some("organization_owner")) => Self::LmStudio,
            (Self::Unknown, Some("library")) => Self::Ollama,
            (known, _) => known,
        }
    }
}

/// What is no JSON says nothing.
fn json_of(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}
