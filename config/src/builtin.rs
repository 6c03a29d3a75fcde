//! What runs when there is no file: the embedded small model with a larger one behind it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use router_policies::policies::{Steps, Threshold};
use router_policies::{Class, Currency, Policy};

use crate::{
    Accepts, Config, Embedded, Env, Fallback, Limits, LogFormat, Model, Provenance, Provider, Resume, Route,
    State, Timeouts, WholeAs,
};

/// The default without a file. `weights` is the folder with the embedded models' files.
pub fn builtin(_env: &Env<'_>, weights: &Path) -> Config {
    let small = Arc::new(embedded("small", weights, "SmolLM2-135M-Instruct.Q4_1.gguf"));
    let large = Arc::new(embedded("large", weights, "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"));
    let route = Route {
        name: "auto".to_owned(),
        ladder: vec![Arc::clone(&small), Arc::clone(&large)],
        policy: Policy::Threshold(Threshold { at: Steps::One(0.5) }),
        fallback: Fallback::UpThenDown,
        resume: Resume::Auto,
        expose_decisions: true,
        record_content: false,
    };
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        admin: SocketAddr::from(([127, 0, 0, 1], 9464)),
        currency: Currency::new("CNY").unwrap_or_else(|| unreachable!("three capital letters")),
        models: vec![small, large],
        routes: vec![Arc::new(route)],
        clients: Vec::new(),
        log: LogFormat::Text,
        limits: Limits::default(),
        proxy: None,
        state: State::None,
        grace: Duration::from_secs(25),
        source: None,
        warnings: Vec::new(),
    }
}

fn embedded(name: &str, folder: &Path, file: &str) -> Model {
    Model {
        name: name.to_owned(),
        provider: Provider::Embedded(Embedded {
            weights: folder.join(file),
            threads: None,
            queue: 64,
            slots: 1,
        }),
        local: true,
        context: None,
        max_output: 4096,
        accepts: Accepts::default(),
        price: None,
        class: Class::Tiny,
        provenance: Provenance::default(),
        timeouts: Timeouts::default(),
        whole_as: WholeAs::Pass,
        retries: 1,
    }
}
