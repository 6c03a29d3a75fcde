//! The ladder of a gateway without a configuration: what this machine and its environment have to make it of.

use std::net::SocketAddr;
use std::path::Path;

use gateway_config::{
    BuiltinChoice, DEFAULT_FILE, GatewayConfig, ModelConfig, ModelProvider, Problems, ServedModel,
    keyed_provider,
};

use crate::Source;
use crate::local_servers::{LocalModel, LocalServer, find, large_model, small_model};

/// Billions of parameters from which on a model of a server is larger than the largest embedded one of the default.
const BEYOND_EMBEDDED: f64 = 1.0;
/// Why layers for a GPU are computed on the processor. llama.cpp lists the GPUs that it finds, not those that it was built for.
const NO_GPU: &str =
    "this program was not built for a GPU, or finds none that it was built for; `gpu_layers` has no effect";
/// The port that llama.cpp's server and this gateway both listen at unless told otherwise.
const SHARED_PORT: u16 = 8080;

/// A configuration, how to read it again, and what was found on this machine where there is no file.
pub(super) struct FoundConfig {
    /// What is to run.
    pub(super) config: GatewayConfig,
    /// Reads it again, for reloads. What was found is not looked for again.
    pub(super) source: Source,
    /// Servers on this machine; none where there is a file, which says all.
    pub(super) servers: Vec<LocalServer>,
}

/// The configuration of this file; without one, of `xietong.yaml` in the working directory; without that, the default of what
/// the environment has, and if `search` of what servers on this machine have.
///
/// # Errors
/// Every problem of the file.
pub(super) fn configuration(file: Option<&Path>, search: bool) -> Result<FoundConfig, Problems> {
    if file.is_some() || Path::new(DEFAULT_FILE).exists() {
        let load = |file: Option<&Path>| gateway_config::load(file, &environment).map(with_idle_layers);
        let config = load(file)?;
        let again = file.map(Path::to_owned).or_else(|| config.source.clone());
        let source: Source = Box::new(move || load(again.as_deref()));
        return Ok(FoundConfig { config, source, servers: Vec::new() });
    }
    let servers = if search { find() } else { Vec::new() };
    let choice = choice(&servers, keyed_provider(&environment).is_some());
    let config = gateway_config::builtin(&environment, &choice)?;
    let source: Source = Box::new(move || gateway_config::builtin(&environment, &choice));
    Ok(FoundConfig { config, source, servers })
}

/// Warns of layers that are meant for a GPU where this program computes on none.
fn with_idle_layers(mut config: GatewayConfig) -> GatewayConfig {
    let asks = |model: &ModelConfig| match &model.provider {
        ModelProvider::Embedded(embedded) => embedded.gpu_layers.is_some_and(|layers| layers > 0),
        ModelProvider::Remote(_) => false,
    };
    let asking = config.models.iter().enumerate().filter(|(_, model)| asks(model));
    let asking: Vec<usize> = asking.map(|(number, _)| number).collect();
    // Looking for one starts the engine.
    if !asking.is_empty() && !has_gpu() {
        config.warnings.extend(asking.iter().map(|number| format!("models[{number}].gpu_layers: {NO_GPU}")));
    }
    config
}

/// Whether the engine computes on a GPU. Where it cannot start it says so by itself.
#[cfg(feature = "engine")]
fn has_gpu() -> bool {
    ::small_model::gpus().map_or(true, |gpus| !gpus.is_empty())
}

#[cfg(not(feature = "engine"))]
fn has_gpu() -> bool {
    false
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Which models of these servers the default ladder is made of. `keyed`: a provider's key is there, whose model is the large
/// one.
///
/// Without a key a server's model is the large one as soon as it is larger than the embedded ones are, and another of at most
/// half its size may be the small one.
pub(super) fn choice(servers: &[LocalServer], keyed: bool) -> BuiltinChoice {
    let small = small_model(servers);
    let large = large_model(servers);
    let is_large = large.is_some_and(|(_, model)| model.billions.is_none_or(|size| size > BEYOND_EMBEDDED));
    let (small, large) = match () {
        () if keyed => (small, None),
        () if is_large => (half_of(large, servers), large),
        () => (small, None),
    };
    // It is there already: this gateway goes next door.
    let taken = servers.iter().any(|server| server.provider.name == "llama.cpp");
    BuiltinChoice {
        small: small.map(served),
        large: large.map(served),
        listen: taken.then(|| SocketAddr::from(([127, 0, 0, 1], SHARED_PORT + 1))),
        ..BuiltinChoice::default()
    }
}

/// The largest model that is at most half as large as this one.
fn half_of<'a>(
    large: Option<(&LocalServer, &LocalModel)>,
    servers: &'a [LocalServer],
) -> Option<(&'a LocalServer, &'a LocalModel)> {
    let most = large?.1.billions? / 2.0;
    let all = servers.iter().flat_map(|server| server.chat_models().map(move |model| (server, model)));
    let halves = all.filter_map(|found| Some((found.1.billions.filter(|size| *size <= most)?, found)));
    let largest = halves.reduce(|best, next| if next.0 > best.0 { next } else { best });
    largest.filter(|(size, _)| *size >= BEYOND_EMBEDDED).map(|(_, found)| found)
}

fn served((server, model): (&LocalServer, &LocalModel)) -> ServedModel {
    ServedModel { preset: server.provider.name.to_owned(), model: model.name.clone(), context: model.context }
}

#[cfg(test)]
mod tests {
    use gateway_config::known_providers;

    use super::*;
    use crate::local_servers::LocalModelKind;

    fn server(name: &str, models: &[(&str, f64)]) -> LocalServer {
        let model = |(name, billions): &(&str, f64)| LocalModel {
            name: (*name).to_owned(),
            kind: LocalModelKind::Chat,
            billions: Some(*billions).filter(|size| *size > 0.0),
            context: None,
        };
        LocalServer {
            provider: known_providers().find(|known| known.name == name).unwrap(),
            models: models.iter().map(model).collect(),
        }
    }

    #[test]
    fn a_ladder_is_made_of_what_is_there() {
        let check = |servers: &[LocalServer], keyed, small: Option<&str>, large: Option<&str>| {
            let choice = choice(servers, keyed);
            let name = |model: &Option<ServedModel>| model.as_ref().map(|model| model.model.clone());
            let found = (name(&choice.small), name(&choice.large));
            assert_eq!(found, (small.map(str::to_owned), large.map(str::to_owned)), "{servers:?} {keyed}");
            // What it says must be a configuration.
            let key = |name: &str| (keyed && name == "DEEPSEEK_API_KEY").then(|| "sk-1".to_owned());
            let config =
                gateway_config::builtin(&key, &choice).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(config.routes[0].ladder.len(), 2);
        };
        let many = [server(
            "ollama",
            &[("qwen3:0.6b", 0.6), ("qwen3:4b", 4.0), ("qwen3:8b", 8.0), ("qwen3:32b", 32.0)],
        )];
        check(&many, true, Some("qwen3:8b"), None);
        check(&many, false, Some("qwen3:8b"), Some("qwen3:32b"));
        let pair = [server("ollama", &[("qwen3:4b", 4.0), ("qwen3:8b", 8.0)])];
        check(&pair, false, Some("qwen3:4b"), Some("qwen3:8b"));
        // Alone it is better than any embedded one, before which the small embedded one stands.
        check(&[server("ollama", &[("qwen3:4b", 4.0)])], false, None, Some("qwen3:4b"));
        check(&[server("ollama", &[("qwen3:4b", 4.0), ("qwen3:0.6b", 0.6)])], false, None, Some("qwen3:4b"));
        check(&[server("ollama", &[("qwen3:0.6b", 0.6)])], false, Some("qwen3:0.6b"), None);
        check(&[server("vllm", &[("mine", 0.0)])], false, None, Some("mine"));
        check(&[server("vllm", &[("mine", 0.0)])], true, Some("mine"), None);
        check(&[], true, None, None);
        check(&[], false, None, None);
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn layers_for_a_gpu_that_is_not_there_are_told() {
        let file = std::env::temp_dir().join(format!("xietong-layers-{}.yaml", std::process::id()));
        let model = |name, more| format!("{{name: {name}, provider: embedded, weights: w.gguf{more}}}");
        let [none, zero, some] = ["", ", gpu_layers: 0", ", gpu_layers: 7"].map(|more| model("a", more));
        let check = |first: &str, warned: &[&str]| {
            std::fs::write(&file, format!("models: [{first}, {}]", model("b", ""))).unwrap();
            let found = configuration(Some(&file), false).unwrap();
            for config in [found.config, (found.source)().unwrap()] {
                let warnings: Vec<&str> =
                    config.warnings.iter().filter_map(|it| it.strip_suffix(NO_GPU)).collect();
                assert_eq!(warnings, warned, "{first}");
            }
        };
        check(&none, &[]);
        check(&zero, &[]);
        check(&some, &["models[0].gpu_layers: "]);
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_left_alone() {
        let listen = |name| choice(&[server(name, &[("m-4b", 4.0)])], false).listen;
        assert_eq!(listen("llama.cpp"), Some("127.0.0.1:8081".parse().unwrap()));
        assert_eq!(listen("ollama"), None);
    }
}
