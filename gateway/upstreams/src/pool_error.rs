//! Why a model's endpoints cannot be made ready.

use reqwest::Url;

/// Why a model's endpoints cannot be made ready. No sentence has a key in it.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A client cannot be built: authorities that are none, or a proxy that cannot be asked.
    #[error("model `{model}`: no HTTP client: {source}")]
    HttpClient {
        /// The model's configured name.
        model: String,
        /// What is wrong.
        source: reqwest::Error,
    },
    /// An endpoint cannot be asked.
    #[error("endpoint `{endpoint}`: {source}")]
    Endpoint {
        /// Its identifier.
        endpoint: String,
        /// What is wrong.
        source: EndpointError,
    },
    /// Weights cannot be loaded.
    #[cfg(feature = "engine")]
    #[error("model `{model}`: {source}")]
    Weights {
        /// The model's configured name.
        model: String,
        /// What is wrong.
        source: small_model::LoadError,
    },
    /// This build has no engine.
    #[cfg(not(feature = "engine"))]
    #[error("model `{0}` is `provider: embedded`, and this build of xietong has no engine")]
    NoEngine(String),
}

impl PoolError {
    /// Whether it concerns an embedded model's weights or engine: other models can answer all the same, and it may be
    /// mended without a change of the configuration.
    pub fn is_of_engine(&self) -> bool {
        match self {
            #[cfg(feature = "engine")]
            Self::Weights { .. } => true,
            #[cfg(not(feature = "engine"))]
            Self::NoEngine(_) => true,
            Self::HttpClient { .. } | Self::Endpoint { .. } => false,
        }
    }
}

/// Why an endpoint cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address that is none.
    #[error("`{url}`: {source}")]
    Url {
        /// As it would be asked.
        url: String,
        /// What is wrong.
        source: <Url as std::str::FromStr>::Err,
    },
    /// A key that cannot be sent.
    #[error("the API key has characters that no header can carry")]
    ApiKey,
    /// A configured header that cannot be sent.
    #[error("header `{0}` cannot be sent")]
    Header(String),
}
