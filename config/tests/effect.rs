//! What a file that is right means, and what of it is shown.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use gateway_config::{
    BuiltinChoice, EmbeddedStateConfig, GatewayConfig, LargeChoice, ModelProvider, RemoteModel, ServedModel,
    SmallChoice, StarterFile, StateConfig, WholeAs, builtin, from_str, known_providers, load, redacted,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use router_policies::{ModelClass, Money, Price, Tariff};
use serde_json::Value;

fn read(text: &str, env: &[(&str, &str)]) -> GatewayConfig {
    let env = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    from_str(text, None, &env).unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
}

fn remote(config: &GatewayConfig, name: &str) -> RemoteModel {
    match &config.model(name).unwrap().provider {
        ModelProvider::Remote(remote) => remote.clone(),
        ModelProvider::Embedded(_) => panic!("{name} is embedded"),
    }
}

fn yuan(amount: f64) -> Money {
    Money::from_units(amount).unwrap()
}

const EXAMPLE: &str = include_str!("../xietong.example.yaml");
const KEYS: [(&str, &str); 2] = [("DEEPSEEK_API_KEY", "sk-example"), ("TEAM_A_KEY", "0123456789abcdef0123")];

#[test]
fn the_example_means_what_it_says() {
    let config = read(EXAMPLE, &KEYS);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    let [small, middle, large] = &config.models[..] else { panic!("three models") };
    assert_eq!(small.price, Some(Tariff::constant(Price::Hour(yuan(2.4)))));
    assert!(small.local && middle.local && !large.local);
    assert_eq!(
        (small.class, middle.class, large.class),
        (ModelClass::Tiny, ModelClass::Small, ModelClass::Frontier)
    );
    // A Sunday, a Tuesday's peak hours, and the promotion.
    for (when, output) in
        [("2026-11-22T02:00:00Z", 4.0), ("2026-11-24T02:00:00Z", 8.0), ("2026-12-01T02:00:00Z", 2.0)]
    {
        let Some(Price::Tokens(tiers)) = large.price.as_ref().unwrap().at(when.parse().unwrap()) else {
            panic!()
        };
        assert_eq!(tiers.base.output, yuan(output), "{when}");
    }
    assert_eq!(middle.timeouts.connect, Duration::from_millis(500));
    assert_eq!(large.whole_as, WholeAs::Pass);
    let endpoint = &remote(&config, "large").endpoints[0];
    assert_eq!(endpoint.base_url, "https://api.deepseek.com/v1");
    assert_eq!(endpoint.api_key.as_ref().unwrap().reveal(), "sk-example");
    assert_eq!(endpoint.headers["x-team"].reveal(), "research");
    assert_eq!(config.route("careful").unwrap().ladder.len(), 3);
    assert!(config.route("careful").unwrap().record_content);
    assert_eq!(config.clients[0].budget.unwrap().amount, yuan(50.0));
    assert_eq!(config.clients[1].key.0[..2], [0x2c, 0x26]);
    assert!(config.clients[1].local_only && config.clients[0].hints);
    assert_eq!(config.limits.body, 32 << 20);
    assert_eq!(config.otlp.as_ref().map(|otlp| otlp.share), Some(0.01));
    assert_eq!(
        config.state,
        StateConfig::Embedded(EmbeddedStateConfig {
            path: "xietong.db".into(),
            keep: Duration::from_secs(90 * 86_400),
            at_most: 1 << 30,
            required: true,
        })
    );
}

#[test]
fn traces_go_where_the_file_says() {
    let otlp = |more: &str| {
        let text =
            format!("models: [{{name: l, preset: ollama, model: m}}]\ntelemetry: {{otlp: {{{more}}}}}");
        read(&text, &[("OTLP_TOKEN", "otlp-canary")]).otlp.unwrap()
    };
    let plain = otlp("endpoint: 'http://127.0.0.1:4318'");
    assert_eq!(plain.endpoint, "http://127.0.0.1:4318/v1/traces");
    assert_eq!((plain.share, plain.service.as_str()), (1.0, "xietong"));
    let check = |written: &str, endpoint: &str| {
        assert_eq!(otlp(&format!("endpoint: '{written}'")).endpoint, endpoint, "{written}");
    };
    check("https://otlp.example/otlp/", "https://otlp.example/otlp/v1/traces");
    check("https://otlp.example/v1/traces", "https://otlp.example/v1/traces");
    check("https://otlp.example/v1/traces/", "https://otlp.example/v1/traces");
    let full = otlp(
        "endpoint: 'https://o.example', headers: {Authorization: 'Bearer ${OTLP_TOKEN}'}, share: 0.5,
                     service: edge, attributes: {a.b: c}",
    );
    assert_eq!(full.headers["authorization"].reveal(), "Bearer otlp-canary");
    assert_eq!((full.share, full.service.as_str(), full.attributes["a.b"].as_str()), (0.5, "edge", "c"));
    assert_eq!(read("models: [{name: l, preset: ollama, model: m}]\ntelemetry: {}", &[]).otlp, None);
}

/// A schema is what editors complete and mark by: it must fit the example, and be the one of these types.
#[test]
fn the_schema_for_editors_is_up_to_date() {
    let committed: Value = serde_json::from_str(include_str!("../xietong.schema.json")).unwrap();
    assert!(
        committed == gateway_config::schema(),
        "config/xietong.schema.json is stale: cargo run -p gateway-config --example schema > config/xietong.schema.json"
    );
}

#[test]
fn every_key_is_in_the_example_and_the_readme() {
    let (mut keys, schema) = (Vec::new(), gateway_config::schema());
    collect_keys(&schema, &mut keys);
    let readme = include_str!("../README.md");
    for (key, is_older_name) in keys {
        assert!(
            EXAMPLE.contains(&format!("{key}:")) || key == "at" || is_older_name,
            "the example has no `{key}`"
        );
        assert!(
            readme.contains(&format!("`{key}`")) || readme.contains(&format!(".{key}`")),
            "the README has no `{key}`"
        );
    }
}

/// A policy that nobody shows is one that nobody finds. Its keys alone do not remind of it: other policies have them too.
#[test]
fn every_kind_of_policy_is_in_the_example_and_the_readme() {
    let (schema, readme) = (gateway_config::schema(), include_str!("../README.md"));
    let kinds = schema["$defs"]["Policy"]["oneOf"].as_array().unwrap();
    assert!(kinds.len() >= 8, "{kinds:?}");
    for kind in kinds.iter().map(|kind| &kind["properties"]["kind"]) {
        let names: Vec<&str> = kind["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([&kind["const"]])
            .filter_map(Value::as_str)
            .collect();
        assert!(!names.is_empty(), "{kind}");
        let in_example = names.iter().any(|name| EXAMPLE.contains(&format!("kind: {name}")));
        let in_readme = names.iter().any(|name| readme.contains(&format!("`{name}`")));
        assert!(
            in_example && in_readme,
            "the example or the README has no policy `{}`",
            names.join("` or `")
        );
    }
}

/// The keys, and whether each is an older name.
fn collect_keys(schema: &Value, keys: &mut Vec<(String, bool)>) {
    // What the example leaves out: shorthands, and what excludes something that it shows.
    const ELSEWHERE: [&str; 2] = ["path", "output"];
    if let Some(properties) = schema["properties"].as_object() {
        let named = properties.iter().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str()));
        keys.extend(named.map(|(key, value)| (key.clone(), value["deprecated"] == true)));
    }
    match schema {
        Value::Object(map) => map.values().for_each(|value| collect_keys(value, keys)),
        Value::Array(items) => items.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn a_preset_fills_what_is_not_said() {
    let key = [("DEEPSEEK_API_KEY", " sk-1\r\n")];
    let config = read("models: [{name: l, preset: deepseek}]", &key);
    let (model, upstream) = (config.model("l").unwrap(), remote(&config, "l"));
    assert_eq!((upstream.model.as_str(), upstream.provider_name.as_str()), ("deepseek-flash", "deepseek"));
    assert_eq!(upstream.endpoints[0].api_key.as_ref().unwrap().reveal(), "sk-1");
    assert_eq!(model.context, Some(1_000_000));
    assert!(model.accepts.tools && !model.accepts.image);

    // The price of one model is not the price of another.
    let config = read("models: [{name: l, preset: deepseek, model: unheard-of}]", &key);
    assert_eq!((config.models[0].price.clone(), config.models[0].context), (None, None));
    assert!(config.warnings.iter().any(|warning| warning.starts_with("models[0].price: is not known")));

    // The provider's key goes to the provider only.
    let elsewhere = "models: [{name: l, preset: deepseek, base_url: 'https://elsewhere.example/v1'}]";
    assert_eq!(remote(&read(elsewhere, &key), "l").endpoints[0].api_key, None);
    let same = "models: [{name: l, preset: deepseek, base_url: 'https://api.deepseek.com/beta'}]";
    assert!(remote(&read(same, &key), "l").endpoints[0].api_key.is_some());
}

#[test]
fn prices_are_in_the_currency_of_accounts() {
    let text = "exchange: {USD: 7}\nmodels: [{name: l, preset: openai, api_key: k}]";
    let price = read(text, &[]).models[0].price.clone();
    assert_eq!(price, Some(Tariff::constant(Price::tokens(yuan(14.0), yuan(0.7), yuan(70.0)))));
}

#[test]
fn the_default_takes_the_first_provider_with_a_key() {
    let with = |keys: &[&str]| {
        let env = |name: &str| keys.contains(&name).then(|| "sk-1".to_owned());
        builtin(&env, &BuiltinChoice { weights: "weights".into(), ..BuiltinChoice::default() })
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    let upstream = |config: &GatewayConfig| match &config.model("large").unwrap().provider {
        ModelProvider::Remote(remote) => (remote.provider_name.clone(), config.currency.code().to_owned()),
        ModelProvider::Embedded(embedded) => {
            (embedded.weights.display().to_string(), config.currency.code().to_owned())
        }
    };
    let check = |keys: &[&str], name: &str, currency: &str| {
        let config = with(keys);
        assert_eq!(upstream(&config), (name.to_owned(), currency.to_owned()), "{keys:?}");
        assert!(config.listen.ip().is_loopback() && config.admin.ip().is_loopback());
        let ladder: Vec<_> =
            config.route("auto").unwrap().ladder.iter().map(|model| model.name.clone()).collect();
        assert_eq!(ladder, ["small", "large"]);
    };
    check(&[], "weights/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "CNY");
    check(&["DEEPSEEK_API_KEY"], "deepseek", "CNY");
    check(&["OPENAI_API_KEY"], "openai", "USD");
    check(&["OPENAI_API_KEY", "DASHSCOPE_API_KEY"], "alibaba_cloud", "CNY");
    check(&["ANTHROPIC_API_KEY"], "anthropic", "USD");
    check(&["QIANFAN_API_KEY"], "baidu", "CNY");
}

/// Which models of the default have a card, and by what its route chooses.
#[test]
fn the_default_goes_by_cards_where_both_models_have_one() {
    let check = |keys: &[&str], small: Option<&str>, large: Option<&str>, cards: [bool; 2], kind: &str| {
        let env = |name: &str| keys.contains(&name).then(|| "sk-1".to_owned());
        let served = |model: Option<&str>| {
            let (preset, model) = ("ollama".to_owned(), model?.to_owned());
            Some(ServedModel { preset, model, context: None })
        };
        let choice = BuiltinChoice { small: served(small), large: served(large), ..BuiltinChoice::default() };
        let config = builtin(&env, &choice).unwrap_or_else(|problems| panic!("{problems}"));
        let found = ["small", "large"].map(|name| config.model(name).unwrap().card.is_some());
        let policy = serde_json::to_value(&config.route("auto").unwrap().policy).unwrap();
        assert_eq!((found, policy["kind"].as_str()), (cards, Some(kind)), "{small:?} {large:?}");
    };
    check(&[], None, None, [true, true], "threshold");
    check(&["DEEPSEEK_API_KEY"], None, None, [true, false], "cascade");
    check(&[], Some("qwen2.5-coder:0.5b"), None, [true, true], "threshold");
    check(&[], Some("qwen2.5-coder:0.5b"), Some("qwen2.5-coder:1.5b"), [true, true], "threshold");
    check(&[], Some("llama3.2:1b"), None, [false, true], "cascade");
    check(&[], None, Some("qwen3:8b"), [true, false], "cascade");
}

/// An entry that says its class is taken at its word; other weights have no card.
#[test]
fn a_card_goes_with_its_weights() {
    let check = |entry: &str, expected: bool| {
        let config = read(&format!("models: [{{name: m, {entry}}}]"), &[]);
        assert_eq!(config.models[0].card.is_some(), expected, "{entry}");
    };
    check("provider: embedded, weights: models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", true);
    check("provider: embedded, weights: Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf", true);
    check("provider: embedded, weights: qwen2.5-coder-0.5b-instruct-q4_k_m.gguf, class: small", false);
    check("provider: embedded, weights: SmolLM2-135M-Instruct.Q4_1.gguf", false);
    check("provider: openai, base_url: 'http://h/v1', model: Qwen/Qwen2.5-Coder-1.5B-Instruct", true);
    check("provider: openai, base_url: 'http://h/v1', model: qwen2.5-coder-7b-instruct", false);
    // The name in this file says nothing of the model.
    check("provider: openai, base_url: 'http://h/v1', model: x", false);
}

#[test]
fn what_a_starter_writes_is_right() {
    let env = |_: &str| Some("0123456789abcdef0123".to_owned());
    let mut larges = vec![
        LargeChoice::Embedded,
        LargeChoice::Address { base_url: "http://h:1/v1".to_owned(), model: "true".to_owned(), key: None },
        LargeChoice::Address {
            base_url: "https://h/v1".to_owned(),
            model: "a: ${b} \"#".to_owned(),
            key: Some("K".to_owned()),
        },
    ];
    for provider in known_providers() {
        for model in [None, Some("4".to_owned())] {
            let model = model.or_else(|| provider.model.is_none().then(|| "qwen2.5:7b".to_owned()));
            larges.push(LargeChoice::Preset { name: provider.name.to_owned(), model, key: None });
        }
    }
    for large in larges {
        let here = SmallChoice::Server { preset: "ollama".to_owned(), model: "qwen3:4b".to_owned() };
        for (small, listen, budget) in [
            (SmallChoice::Embedded, "127.0.0.1:8081", None),
            (here, "127.0.0.1:8081", Some(Money(1_500_000_000))),
            (SmallChoice::Provider, "0.0.0.0:80", None),
        ] {
            let open = small == SmallChoice::Embedded;
            let starter =
                StarterFile { listen: listen.parse().unwrap(), small, large: large.clone(), budget };
            let yaml = starter.yaml();
            let config =
                from_str(&yaml, None, &env).unwrap_or_else(|problems| panic!("{problems}\nin\n{yaml}"));
            assert_eq!(config.routes.len(), usize::from(config.models.len() > 1), "{yaml}");
            assert_eq!(config.clients.is_empty(), open, "{yaml}");
            let spends = config.clients.first().and_then(|client| client.budget.as_ref());
            assert_eq!(spends.map(|budget| budget.amount), budget, "{yaml}");
            assert!(matches!(config.state, StateConfig::Embedded(_)), "{yaml}");
            let named = match &large {
                LargeChoice::Preset { model: Some(model), .. } | LargeChoice::Address { model, .. } => {
                    Some(model.clone())
                }
                _ => None,
            };
            assert!(named.is_none_or(|named| remote(&config, "large").model == named), "{yaml}");
            let dear = config.warnings.iter().find(|w| w.contains("stands in a file") || w.contains("${"));
            assert_eq!(dear, None, "{yaml}");
        }
    }
}

#[test]
fn files_are_read_within_bounds() {
    let folder = std::env::temp_dir().join(format!("xietong-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let problems = load(Some(&path), &|_| None).unwrap_err().to_string();
        assert!(problems.contains(expected), "{name}: {problems}");
    };
    check("empty.yaml", b"", "the file is empty");
    check("latin1.yaml", b"listen: 127.0.0.1:1\nlog: \xe4\n", "the file is not UTF-8 (line 2)");
    check("large.yaml", &vec![b'#'; (1 << 20) + 1], "larger than 1 MiB");
    let missing = load(Some(&folder.join("missing.yaml")), &|_| None).unwrap_err().to_string();
    assert!(missing.contains("cannot read") && missing.contains("missing.yaml"), "{missing}");
    assert!(load(Some(&folder), &|_| None).is_err(), "a folder is no file");

    // Weights beside the file are found, and a readable key is warned of.
    std::fs::write(folder.join("w.gguf"), b"").unwrap();
    let path = folder.join("good.yaml");
    std::fs::write(&path, "models:\n- {name: s, provider: embedded, weights: w.gguf}\n- {name: l, preset: ollama, model: m, api_key: literal-key}\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let config = load(Some(&path), &|_| None).unwrap();
    let ModelProvider::Embedded(embedded) = &config.models[0].provider else { panic!("embedded") };
    assert_eq!(embedded.weights, folder.join("w.gguf"));
    let warned =
        config.warnings.iter().any(|warning| warning.starts_with("models[1].api_key: stands in a file"));
    assert!(warned && !config.warnings.join("").contains("literal-key"), "{:?}", config.warnings);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let config = read(EXAMPLE, &KEYS);
    let shown = redacted(&config);
    let mut again = shown.clone();
    for (number, client) in again["clients"].as_array_mut().unwrap().iter_mut().enumerate() {
        client["key_sha256"] = Value::from(format!("{number:064}"));
    }
    let again = read(&again.to_string(), &[]);
    assert_eq!(redacted(&again), shown);
    assert_eq!(shown["models"][2]["endpoints"][0]["api_key"], "[redacted]");
    assert_eq!(shown["models"][2]["timeouts"]["total"], "10m");
    assert_eq!(shown["models"][2]["price"]["cached_input"], 0.02);
}

proptest! {
    /// Wherever secrets may stand: neither what is shown nor `Debug` holds them.
    #[test]
    fn no_secret_is_ever_shown(secret in "zq[a-zA-Z0-9+/=_-]{8,40}", variable: bool) {
        let written = if variable { "${KEY}".to_owned() } else { secret.clone() };
        let text = format!(
            "proxy: 'http://user:{written}@proxy.lan:3128/'
telemetry: {{otlp: {{endpoint: 'https://o.example', headers: {{x-key: '{written}'}}}}}}
models:
  - {{name: l, preset: ollama, model: m, endpoints: [{{api_key: '{written}', headers: {{x-app: '{written}'}}}}]}}
  - {{name: k, preset: deepseek}}
clients: [{{name: a, key: '{written}'}}]
");
        let env = |name: &str| matches!(name, "KEY" | "DEEPSEEK_API_KEY").then(|| secret.clone());
        // Some secrets do not fit into a URL.
        let Ok(config) = from_str(&text, None, &env) else { return Ok(()) };
        let shown = format!("{}{config:?}{:?}", redacted(&config), config.warnings);
        prop_assert!(!shown.contains(&secret), "{}", shown);
        prop_assert!(shown.contains("http://proxy.lan:3128/"));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z:\\[\\]{}\\-&*!|>'\"%@`#,?$ \\n\\t0-9.]{0,200}") {
        is_read(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        is_read(&String::from_utf8_lossy(&bytes));
    }
}

/// Whether a text is read. Where it is not, it is said what is wrong, and on which of its lines, in their order; where it is,
/// what is shown of it says nothing of keys. Either comes out the same again.
fn is_read(text: &str) -> bool {
    let env = |name: &str| KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| (*key).to_owned());
    match (from_str(text, None, &env), from_str(text, None, &env)) {
        (Ok(config), Ok(again)) => {
            let shown = redacted(&config);
            assert_eq!(shown, redacted(&again), "{text}");
            let said = format!("{shown} {config:?}");
            assert!(KEYS.iter().all(|(_, key)| !said.contains(key)), "{text}\n{said}");
            true
        }
        (Err(problems), Err(again)) => {
            assert_eq!(problems, again, "{text}");
            let lines: Vec<_> = problems.iter().map(|problem| problem.line.unwrap_or(usize::MAX)).collect();
            assert!(!lines.is_empty() && lines.is_sorted(), "{text}\n{problems}");
            // YAML ends a line with a carriage return, too.
            let most = text.matches(['\n', '\r']).count() + 2;
            assert!(lines.iter().all(|line| (1..=most).contains(line) || *line == usize::MAX), "{problems}");
            assert!(problems.iter().all(|problem| !problem.message.is_empty()), "{text}");
            false
        }
        (one, other) => panic!("{text}\n{:?}\n{:?}", one.err(), other.err()),
    }
}

/// What stands where a person wrote something else.
const VALUES: [&str; 20] = [
    "0",
    "1",
    "-1",
    ".nan",
    "1e999",
    "99999999999999999999",
    "''",
    "\"\\u0000\"",
    "[]",
    "{}",
    "null",
    "true",
    "&a [*a]",
    "*b",
    "!!str 1",
    "7s",
    "64KiB",
    "${NONE}",
    "auto",
    "{kind: fixed, model: small}",
];

/// The example with one line left out, written twice, or with another value.
fn spoilt() -> impl Strategy<Value = String> {
    let lines = EXAMPLE.lines().count();
    (0..lines, 0..VALUES.len() + 3).prop_map(|(spoilt, how)| {
        let mut text = String::new();
        for (at, line) in EXAMPLE.lines().enumerate() {
            match (at == spoilt, how.checked_sub(3), line.split_once(": ")) {
                (true, Some(value), Some((key, _))) => text += &format!("{key}: {}\n", VALUES[value]),
                (true, None, _) if how == 0 => {}
                (true, None, _) if how == 1 => text += &format!("{line}\n{line}\n"),
                _ => text += &format!("{line}\n"),
            }
        }
        text
    })
}

/// A good part of what is tried is sound, and a good part is not: otherwise one half of the reader would never run.
#[test]
fn a_spoilt_example_is_read_or_refused() {
    const CASES: usize = 256;
    let mut runner = TestRunner::deterministic();
    let spoilt = spoilt();
    let read = (0..CASES)
        .filter(|_| is_read(&spoilt.new_tree(&mut runner).expect("no case is turned down").current()))
        .count();
    assert!((CASES / 5..=CASES * 4 / 5).contains(&read), "{read} of {CASES}");
}

/// The example with one piece cut out or doubled.
#[test]
fn an_example_with_a_piece_too_few_or_too_many_is_read_or_refused() {
    const CASES: usize = 256;
    let mut runner = TestRunner::deterministic();
    let piece = (0..EXAMPLE.len(), 0usize..60, any::<bool>());
    let read = (0..CASES).filter(|_| {
        let (start, length, doubled) = piece.new_tree(&mut runner).expect("no case is turned down").current();
        let (start, end) = (EXAMPLE.ceil_char_boundary(start), EXAMPLE.ceil_char_boundary(start + length));
        let (until, from) = if doubled { (end, start) } else { (start, end) };
        is_read(&[&EXAMPLE[..until], &EXAMPLE[from..]].concat())
    });
    let read = read.count();
    assert!((CASES / 20..=CASES * 19 / 20).contains(&read), "{read} of {CASES}");
}

#[test]
fn prices_by_day_hour_and_length() {
    let text = "
models:
  - {name: small, provider: embedded, weights: s.gguf, price: {hour: 0}}
  - {name: large, preset: deepseek, api_key: k, price: {input: 1, output: 4, cached_input: 0.02, zone: Asia/Shanghai,
     tiers: [{above: 1000, input: 3}],
     windows: [{days: [mon-fri], hours: ['09:00-12:00'], except: [prc, 2026-11-25], input: 2, output: 8}],
     changes: [{from: 2026-12-01, until: 2026-12-31, input: 0.5, output: 2}]}}";
    let config = read(text, &[]);
    let tariff = config.models[1].price.clone().unwrap();
    let check = |when: &str, prompt: u64, input: f64, output: f64| {
        let Some(Price::Tokens(tiers)) = tariff.at(when.parse().unwrap()) else {
            panic!("no price at {when}")
        };
        let rates = tiers.of(prompt);
        assert_eq!((rates.input, rates.output), (yuan(input), yuan(output)), "{when} {prompt}");
    };
    check("2026-11-24T00:30:00Z", 1000, 1.0, 4.0);
    check("2026-11-24T00:30:00Z", 1001, 3.0, 4.0);
    check("2026-11-24T01:30:00Z", 10, 2.0, 8.0);
    check("2026-11-25T01:30:00Z", 10, 1.0, 4.0);
    // In Beijing it is December already.
    check("2026-11-30T16:00:00Z", 10, 0.5, 2.0);
    // What is shown means the same when it is read again.
    let shown = redacted(&config)["models"][1]["price"].clone();
    let again = format!("models:\n  - {{name: large, preset: deepseek, api_key: k, price: {shown}}}");
    assert_eq!(read(&again, &[]).models[0].price, Some(tariff));
}

#[test]
fn presets_know_peak_hours() {
    let config = read("models: [{name: large, preset: deepseek, api_key: k}]", &[]);
    let tariff = config.models[0].price.as_ref().unwrap();
    let output = |when: &str| match tariff.at(when.parse().unwrap()) {
        Some(Price::Tokens(tiers)) => tiers.base.output,
        other => panic!("{other:?}"),
    };
    assert_eq!(output("2026-11-24T02:00:00Z"), yuan(8.0));
    assert_eq!(output("2026-11-24T05:00:00Z"), yuan(4.0));
    assert_eq!(output("2026-10-01T02:00:00Z"), yuan(4.0));
}
