use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::*;

fn provider(name: &str) -> KnownProvider {
    known_providers().find(|known| known.name == name).unwrap()
}

/// A server that answers each of these paths with its JSON, and every other one with 404.
fn serve(answers: &[(&'static str, Value)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = answers.to_vec();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut asked, mut byte) = (Vec::new(), [0]);
            while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                asked.extend_from_slice(&byte);
            }
            let asked = String::from_utf8_lossy(&asked).into_owned();
            let path = asked.split_whitespace().nth(1).unwrap_or_default();
            let answer = match answers.iter().find(|(known, _)| *known == path) {
                Some((_, body)) => {
                    let body = body.to_string();
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                }
                None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// What is found at a server of this kind with these answers: name, kind, billions of parameters, context.
#[track_caller]
fn check(
    server: &str,
    answers: &[(&'static str, Value)],
    expected: &[(&str, LocalModelKind, Option<f64>, Option<u64>)],
) {
    let found = find_at([(provider(server), serve(answers))].into_iter());
    let models: Vec<_> = found
        .iter()
        .flat_map(|server| &server.models)
        .map(|model| (model.name.as_str(), model.kind, model.billions, model.context))
        .collect();
    assert_eq!(models, expected, "{server}");
    assert_eq!(found.len(), usize::from(!expected.is_empty()), "{server}");
}

#[test]
fn lists_the_models_of_each_kind_of_server() {
    use LocalModelKind::{Chat, Elsewhere, Embedding};
    let tag = |name: &str, family: &str, size: &str| {
        json!({"name": name, "model": name, "size": 1, "details": {"family": family, "families": [family],
               "parameter_size": size, "quantization_level": "Q4_K_M"}})
    };
    let mut cloud = tag("qwen3-coder:480b-cloud", "qwen3", "480B");
    cloud["remote_host"] = json!("https://ollama.com:443");
    let tags = json!({"models": [
        tag("nomic-embed-text:latest", "nomic-bert", "137M"), tag("qwen3:4b", "qwen3", "4.0B"), tag("mine", "llama", "8.0B"), cloud
    ]});
    check(
        "ollama",
        &[("/api/tags", tags)],
        &[
            ("nomic-embed-text:latest", Embedding, Some(0.137), None),
            ("qwen3:4b", Chat, Some(4.0), None),
            ("mine", Chat, Some(8.0), None),
            ("qwen3-coder:480b-cloud", Elsewhere, Some(480.0), None),
        ],
    );
    let openai = |entries: Value| json!({"object": "list", "data": entries});
    let studio = openai(json!([
        {"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "arch": "nomic-bert", "max_context_length": 2048},
        {"id": "qwen2-vl-7b-instruct", "type": "vlm", "state": "not-loaded", "max_context_length": 32768},
    ]));
    let expected = [
        ("text-embedding-nomic-embed-text-v1.5", Embedding, None, Some(2048)),
        ("qwen2-vl-7b-instruct", Chat, Some(7.0), Some(32768)),
    ];
    check("lm-studio", &[("/api/v0/models", studio)], &expected);
    // Before it had a list of its own.
    let plain =
        openai(json!([{"id": "llama-3.2-3b-instruct", "object": "model", "owned_by": "organization_owner"}]));
    check("lm-studio", &[("/v1/models", plain)], &[("llama-3.2-3b-instruct", Chat, Some(3.0), None)]);
    let vllm = openai(
        json!([{"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "root": "Qwen/Qwen3-8B", "max_model_len": 40960}]),
    );
    check("vllm", &[("/v1/models", vllm)], &[("Qwen/Qwen3-8B", Chat, Some(8.0), Some(40960))]);
    let llama = json!({
        "models": [{"name": "/w/model.gguf", "model": "/w/model.gguf", "details": {"parameter_size": ""}, "capabilities": ["completion"]}],
        "object": "list",
        "data": [{"id": "/w/model.gguf", "owned_by": "llamacpp", "meta": {"n_params": 494_032_768_u64, "n_ctx_train": 32768, "n_ctx": 4096}}],
    });
    check("llama.cpp", &[("/v1/models", llama)], &[("/w/model.gguf", Chat, Some(0.494_032_768), Some(4096))]);
    let sglang = openai(json!([{"id": "BAAI/bge-m3", "owned_by": "sglang", "max_model_len": 8192}]));
    check("sglang", &[("/v1/models", sglang)], &[("BAAI/bge-m3", Embedding, None, Some(8192))]);
}

#[test]
fn takes_nothing_else_for_a_server() {
    let own =
        json!({"data": [{"id": "auto", "owned_by": "xietong"}, {"id": "large", "owned_by": "deepseek"}]});
    for list in
        [own, json!({"data": []}), json!([]), json!({"error": "no"}), json!({"data": [{"id": ""}, 1]})]
    {
        check("llama.cpp", &[("/v1/models", list)], &[]);
    }
    check("vllm", &[], &[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(find_at([(provider("vllm"), nobody)].into_iter()), []);
    let far = "192.0.2.1:8000".parse().unwrap();
    assert_eq!(find_at([(provider("vllm"), far)].into_iter()), [], "only this machine is asked");
}

#[test]
fn a_server_that_says_nothing_is_waited_for_briefly() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = (provider("vllm"), mute.local_addr().unwrap());
    assert_eq!(find_at([place].into_iter()), []);
}

#[test]
fn knows_the_usual_ports() {
    let local = known_providers().filter(|provider| provider.local);
    let mut ports: Vec<_> =
        local.map(|provider| (provider.name, address(provider.base_url).unwrap().port())).collect();
    ports.sort_unstable();
    assert_eq!(
        ports,
        [("llama.cpp", 8080), ("lm-studio", 1234), ("ollama", 11434), ("sglang", 30000), ("vllm", 8000)]
    );
}

#[test]
fn chooses_by_size() {
    let server = |name: &str, models: &[(&str, Option<f64>)]| LocalServer {
        provider: provider(name),
        models: models
            .iter()
            .map(|(name, billions)| LocalModel {
                name: (*name).to_owned(),
                kind: if *name == "embedder" { LocalModelKind::Embedding } else { LocalModelKind::Chat },
                billions: *billions,
                context: None,
            })
            .collect(),
    };
    let check = |servers: &[LocalServer], small: Option<&str>, large: Option<&str>| {
        assert_eq!(small_model(servers).map(|(_, model)| model.name.as_str()), small);
        assert_eq!(large_model(servers).map(|(_, model)| model.name.as_str()), large);
    };
    check(&[], None, None);
    check(&[server("ollama", &[("embedder", Some(0.1))])], None, None);
    let many = [
        server("vllm", &[("embedder", Some(8.0)), ("a", Some(1.5)), ("b", Some(32.0)), ("c", Some(70.0))]),
        server("ollama", &[("d", Some(8.0)), ("e", Some(4.0)), ("f", Some(8.0))]),
    ];
    check(&many, Some("d"), Some("b"));
    check(&[server("vllm", &[("huge", Some(70.0)), ("unnamed", None)])], Some("unnamed"), Some("unnamed"));
    check(&[server("vllm", &[("huge", Some(405.0)), ("large", Some(70.0))])], Some("large"), Some("large"));
}
