//! How a provider is told that the last message is the beginning of its answer.

use gateway_config::{Model, Provider};

use crate::protocol::Prefix;

impl Prefix {
    /// The way of a model's provider.
    pub fn of(model: &Model) -> Self {
        let Provider::Remote(remote) = &model.provider else { return Self::Plain };
        match remote.provider_name.as_str() {
            "deepseek" | "mistral_ai" => Self::Marked("prefix"),
            "moonshot_ai" | "alibaba_cloud" => Self::Marked("partial"),
            "vllm" | "sglang" => Self::Continued,
            _ => Self::Plain,
        }
    }
}
