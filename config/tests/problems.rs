//! What is wrong with a file, and where it says so.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use gateway_config::{GatewayConfig, Problems, from_str};

/// Secrets of the environment; no message may ever hold one.
const SECRETS: [(&str, &str); 4] = [
    ("DEEPSEEK_API_KEY", "sk-deepseek-1f7a"),
    ("TEAM_A_KEY", "team-a-0123456789abcdef"),
    ("CRLF_KEY", "\u{feff}sk-trimmed-77aa\r\n"),
    ("YAML_KEY", "x\nopen: true # [a]: {b}"),
];

fn env(name: &str) -> Option<String> {
    let plain = [("PORT", "8081"), ("AT", "0.25"), ("ON", "true"), ("EMPTY", "")];
    let found = SECRETS.iter().chain(&plain).find(|(known, _)| *known == name);
    found.map(|(_, value)| (*value).to_owned())
}

fn read(text: &str) -> Result<GatewayConfig, Problems> {
    from_str(text, None, &env)
}

/// Two models and a route that are right; `more` is added at the top level.
fn with(more: &str) -> String {
    format!(
        "models:
  - {{name: small, provider: embedded, weights: s.gguf, price: {{hour: 0}}}}
  - {{name: large, provider: openai, base_url: 'https://h.example/v1', model: m, price: {{input: 1, output: 2}}}}
{more}"
    )
}

/// `model` in place of the second model.
fn model(model: &str) -> String {
    format!(
        "models:\n  - {{name: small, provider: embedded, weights: s.gguf, price: {{hour: 0}}}}\n  - {model}\n"
    )
}

/// The problems must be exactly these: (path, a part of the message) each.
fn check(text: &str, expected: &[(&str, &str)]) {
    let problems = match read(text) {
        Ok(_) if expected.is_empty() => return,
        Ok(_) => panic!("no problem found in\n{text}\nexpected {expected:?}"),
        Err(problems) => problems,
    };
    let got: Vec<_> =
        problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    let all_found =
        expected.iter().all(|(path, part)| got.iter().any(|(p, m)| p == path && m.contains(part)));
    assert!(all_found && got.len() == expected.len(), "{text}\ngot\n{problems}\nexpected {expected:#?}");
}

#[test]
fn what_is_right_is_read() {
    check(&with(""), &[]);
    check(&with("routes:\n  - {name: auto, ladder: [small, large]}"), &[]);
    check(&with("listen: 127.0.0.1:${PORT}\nadmin: localhost:0\nopen: ${ON}"), &[]);
    check(&with("clients:\nroutes: ~\nlog: json\nstate: none\nexchange: {}"), &[]);
    check(&with("state: {kind: embedded, path: x.db}"), &[]);
    check(&with("state: {kind: none}"), &[]);
    check(&with("clients:\n  - {name: 团队一, key: '${TEAM_A_KEY}'}\nlisten: 0.0.0.0:8080"), &[]);
    check(&model("{name: large, preset: deepseek}"), &[]);
    check(&model("{name: large, provider: openai, preset: deepseek, model: other}"), &[]);
}

#[test]
fn the_file_as_a_whole() {
    check("", &[("", "the file is empty")]);
    check("# nothing\n---\n", &[("models", "at least one")]);
    check("[]", &[("", "must be a mapping")]);
    check("models: []", &[("models", "at least one")]);
    check("a: b: c", &[("", "not valid YAML")]);
    check("a: [", &[("", "not valid YAML")]);
    check("models: *x", &[("", "not valid YAML")]);
    check(&with("log: text\nlog: json"), &[("log", "stands twice, first in line 4")]);
}

#[test]
fn keys() {
    check(&with("lsiten: 127.0.0.1:1"), &[("lsiten", "did you mean `listen`?")]);
    check(&with("colour: red"), &[("colour", "known here are admin, clients")]);
    check(&with("\"a b\": red"), &[("[\"a b\"]", "unknown key")]);
    check(&with("<<: {}"), &[("[\"<<\"]", "merge keys")]);
    check(
        &model("{name: l, provider: openai, baseurl: x, model: m, price: {input: 1, outpt: 2}}"),
        &[
            ("models[1].baseurl", "did you mean `base_url`?"),
            ("models[1].price.outpt", "did you mean `output`?"),
            ("models[1].base_url", "is missing"),
        ],
    );
}

#[test]
fn types() {
    check(&with("open: yes"), &[("open", "must be `true` or `false`, not `yes`")]);
    check(&with("open: 'true'"), &[("open", "must be `true` or `false`")]);
    check(&with("open: [true]"), &[("open", "not a list")]);
    check(&with("log: loud"), &[("log", "must be one of `text`, `json`, not `loud`")]);
    check(&with("log: jsn"), &[("log", "did you mean `json`?")]);
    check(&with("routes: auto"), &[("routes", "must be a list, not `auto`")]);
    check(&with("routes: [auto]"), &[("routes[0]", "must be a mapping")]);
    check(&with("routes: [~]"), &[("routes[0]", "is empty")]);
    check(&with("exchange: 7"), &[("exchange", "must be a mapping")]);
    check(&with("exchange: {USD: many}"), &[("exchange.USD", "finite number")]);
    check(&with("limits: {connections: 0}"), &[("limits.connections", "must not be below 1")]);
    check(&with("limits: {connections: 1.5}"), &[("limits.connections", "whole number")]);
    check(&with("limits: {connections: '5'}"), &[("limits.connections", "without quotes")]);
    check(&model("{name: 7, provider: embedded, weights: w}"), &[("models[1].name", "must be a text")]);
    check(
        &model("{name: l, provider: embedded, weights: {a: b}}"),
        &[("models[1].weights", "not a mapping")],
    );
    check(
        &model(
            "{name: l, preset: ollama, model: m, accepts: [text, smell], retries: -1, context: 0, class: huge}",
        ),
        &[
            ("models[1].accepts[1]", "must be one of `text`, `image`"),
            ("models[1].retries", "must not be below 0"),
            ("models[1].context", "must not be below 1"),
            ("models[1].class", "`tiny`, `small`, `medium`, `frontier`"),
        ],
    );
}

#[test]
fn where_traces_go() {
    let otlp = |more: &str| with(&format!("telemetry: {{otlp: {{{more}}}}}"));
    check(
        &otlp("endpoint: 'http://127.0.0.1:4318', share: 1.5"),
        &[("telemetry.otlp.share", "must not be above 1")],
    );
    check(&otlp("share: 0.5"), &[("telemetry.otlp.endpoint", "is missing")]);
    check(&otlp("endpoint: 'grpc://h:4317'"), &[("telemetry.otlp.endpoint", "a URL with scheme and host")]);
    check(
        &otlp("endpoint: 'http://u:p@h:4318'"),
        &[("telemetry.otlp.endpoint", "a key goes into `headers`")],
    );
    check(&otlp("endpoint: 'http://h:4318/?a=b'"), &[("telemetry.otlp.endpoint", "without `?` or `#`")]);
    check(
        &otlp("endpoint: 'http://h:4318', headers: {content-type: a, 'x y': b}"),
        &[
            ("telemetry.otlp.headers.content-type", "set by the gateway itself"),
            ("telemetry.otlp.headers[\"x y\"]", "no name that an HTTP header can have"),
        ],
    );
    check(
        &otlp("endpoint: 'http://h:4318', ca_file: nowhere.pem"),
        &[("telemetry.otlp.ca_file", "cannot be read")],
    );
    check(&with("telemetry: {oltp: {}}"), &[("telemetry.oltp", "otlp")]);
}

#[test]
fn durations_sizes_and_currencies() {
    check(&with("grace: 10"), &[("grace", "its unit (ms, s, m, h or d)")]);
    check(&with("limits: {body: 64KB}"), &[("limits.body", "its unit (B, KiB, MiB or GiB)")]);
    check(&with("limits: {body: 0B}"), &[("limits.body", "from 1B to 1GiB")]);
    check(
        &with("limits: {head: 0s, heartbeat: soon}"),
        &[("limits.head", "longer than nothing"), ("limits.heartbeat", "its unit")],
    );
    check(&with("currency: yuan"), &[("currency", "three capital letters")]);
    check(
        &with("exchange: {usd: 7, EUR: 0, CNY: 2, JPY: -1}"),
        &[
            ("exchange.usd", "three capital letters"),
            ("exchange.EUR", "must be above 0"),
            ("exchange.JPY", "must be above 0"),
            ("exchange.CNY", "itself"),
        ],
    );
    check(
        &model("{name: l, preset: ollama, model: m, timeouts: {connect: 0s, total: 1}}"),
        &[("models[1].timeouts.connect", "longer than nothing"), ("models[1].timeouts.total", "its unit")],
    );
}

#[test]
fn prices() {
    let price = |price: &str, expected: &[(&str, &str)]| {
        check(&model(&format!("{{name: l, preset: ollama, model: m, price: {price}}}")), expected);
    };
    price("{input: 0, output: 0}", &[]);
    price("{hour: 2.4}", &[]);
    price("{input: -1, output: 1}", &[("models[1].price.input", "must not be below 0")]);
    price("{input: .nan, output: 1}", &[("models[1].price.input", "finite number")]);
    price(
        "{input: .inf, output: 1e400}",
        &[("models[1].price.input", "finite"), ("models[1].price.output", "finite")],
    );
    price("{input: 1}", &[("models[1].price", "lacks `output`")]);
    price("{output: 1}", &[("models[1].price", "lacks `input`")]);
    price("{}", &[("models[1].price", "names no price")]);
    price("{hour: 1, input: 1, output: 1}", &[("models[1].price", "not both")]);
    price("{input: 1, output: 1e12}", &[("models[1].price", "too large")]);
    price("{input: 1, output: 1, currency: USD}", &[("models[1].price", "exchange: {USD: 7.1}")]);
    price("{input: 1, output: 1, zone: Beijing}", &[("models[1].price.zone", "IANA name")]);
    price(
        "{input: 1, output: 1, tiers: [{above: 9, input: 2}, {above: 9, input: 3}]}",
        &[("models[1].price.tiers[1].above", "more than")],
    );
    price("{input: 1, output: 1, tiers: [{input: 2}]}", &[("models[1].price.tiers[0].above", "is missing")]);
    price(
        "{input: 1, output: 1, windows: [{hours: ['22:00-06:00']}]}",
        &[("models[1].price.windows[0].hours[0]", "two")],
    );
    price(
        "{input: 1, output: 1, windows: [{days: [funday]}]}",
        &[("models[1].price.windows[0].days[0]", "mon-fri")],
    );
    price("{input: 1, output: 1, from: 2026-02-30}", &[("models[1].price.from", "2026-12-01")]);
    price(
        "{input: 1, output: 1, from: 2026-02-03, until: 2026-02-02}",
        &[("models[1].price.until", "before")],
    );
    price(
        "{input: 1, output: 1, changes: [{input: 1, output: 1}]}",
        &[("models[1].price.changes[0]", "neither")],
    );
    price("{input: 1, output: 1, currency: usd}", &[("models[1].price.currency", "three capital letters")]);
    check("models: [{name: l, preset: openai, api_key: k}]", &[("models[0].preset", "the price is in USD")]);
    check("models: [{name: l, preset: openai, api_key: k}]\nexchange: {USD: 7.1}", &[]);
    check("models: [{name: l, preset: openai, api_key: k}]\ncurrency: USD", &[]);
}

#[test]
fn models() {
    check(&model("{}"), &[("models[1].name", "is missing"), ("models[1].provider", "is missing")]);
    check(
        &model("{name: small, preset: ollama, model: m}"),
        &[("models[1].name", "the name of another model")],
    );
    check(&model("{name: '-', preset: ollama, model: m}"), &[("models[1].name", "letters and digits")]);
    check(&model("{name: 大, preset: ollama, model: m}"), &[("models[1].name", "letters and digits")]);
    check(&model("{name: l, preset: olama, model: m}"), &[("models[1].preset", "did you mean `ollama`?")]);
    check(&model("{name: l, preset: ollama}"), &[("models[1].model", "the upstream's own name")]);
    check(
        &model("{name: l, preset: ollama, model: m, takes: {seed: altered}}"),
        &[("models[1].takes.seed", "must be one of `taken`, `left_out`, `refused`, not `altered`")],
    );
    check(&model("{name: l, preset: ollama, model: m, takes: {seed: left_out, min_p: refused}}"), &[]);
    check(&model("{name: l, preset: moonshot}"), &[("models[1].api_key", "MOONSHOT_API_KEY")]);
    check(&model("{name: l, provider: embedded}"), &[("models[1].weights", "is missing")]);
    check(
        &model("{name: l, provider: embedded, weights: w, preset: ollama, model: m}"),
        &[("models[1].preset", "has `weights`"), ("models[1].model", "no such thing")],
    );
    check(
        &model("{name: l, preset: ollama, model: m, provider: openai, slots: 2}"),
        &[("models[1].slots", "`provider: embedded` only")],
    );
    check(
        &model("{name: l, preset: ollama, model: m, provenance: {origin: China}}"),
        &[("models[1].provenance.origin", "two capital letters")],
    );
}

#[test]
fn endpoints() {
    let url = |url: &str, part: &str| {
        let text =
            model(&format!("{{name: l, provider: openai, model: m, endpoints: [{{base_url: '{url}'}}]}}"));
        check(&text, &[("models[1].endpoints[0].base_url", part)]);
    };
    url("api.deepseek.com/v1", "scheme and host");
    url("ftp://h/v1", "scheme and host");
    url("https://", "scheme and host");
    url("http:///v1", "scheme and host");
    url("https:h/v1", "scheme and host");
    url("https://h\\v1", "scheme and host");
    url("https://user:pass@h/v1", "no user or password");
    url("https://h/v1?key=1", "without `?`");
    url("https://h/v1/chat/completions", "which is added");
    url("http://127.0.0.1:8080/v1", "requests would go in circles");
    url("http://localhost:8080/v1", "requests would go in circles");
    check(&model("{name: l, provider: openai, model: m}"), &[("models[1].base_url", "is missing")]);
    check(
        &model("{name: l, provider: openai, model: m, endpoints: [{}]}"),
        &[("models[1].endpoints[0].base_url", "is missing")],
    );
    check(
        &model("{name: l, preset: ollama, model: m, base_url: 'http://h/v1', endpoints: [{id: a}, {id: a}]}"),
        &[("models[1].base_url", "not both"), ("models[1].endpoints[1].id", "another endpoint")],
    );
    check(
        &model(
            "{name: l, preset: ollama, model: m, endpoints: [{headers: {Host: x, 'a b': y, x-app: ok, X-App: ok}}]}",
        ),
        &[
            ("models[1].endpoints[0].headers.Host", "set by the gateway"),
            ("models[1].endpoints[0].headers[\"a b\"]", "no name"),
            ("models[1].endpoints[0].headers.x-app", "stands twice"),
        ],
    );
}

#[test]
fn routes() {
    let route =
        |route: &str, expected: &[(&str, &str)]| check(&with(&format!("routes: [{route}]")), expected);
    route("{}", &[("routes[0].name", "is missing"), ("routes[0].ladder", "is missing")]);
    route("{name: auto, ladder: [small]}", &[("routes[0].ladder", "two or more")]);
    route("{name: auto, ladder: []}", &[("routes[0].ladder", "two or more")]);
    route("{name: auto, ladder: small}", &[("routes[0].ladder", "must be a list")]);
    route(
        "{name: auto, ladder: [smal, large]}",
        &[("routes[0].ladder[0]", "no model `smal`; did you mean `small`?")],
    );
    route("{name: auto, ladder: [small, small]}", &[("routes[0].ladder[1]", "already")]);
    route("{name: auto, ladder: [small, auto]}", &[("routes[0].ladder[1]", "is a route")]);
    route("{name: small, ladder: [small, large]}", &[("routes[0].name", "the name of a model")]);
    route(
        "{name: a, ladder: [small, large]}, {name: a, ladder: [small, large]}",
        &[("routes[1].name", "another route")],
    );
    route(
        "{name: auto, ladder: [small, large], fallback: sideways, resume: maybe, record: all}",
        &[
            ("routes[0].fallback", "must be one of `up`, `down`, `up_then_down`, `none`"),
            ("routes[0].resume", "must be one of `auto`, `never`"),
            ("routes[0].record", "must be one of `content`"),
        ],
    );
    route(
        "{name: auto, ladder: [small, large], calibration: no/such.json}",
        &[("routes[0].calibration", "no/such.json: cannot be read")],
    );
    route(
        "{name: auto, ladder: [small, large], calibration: Cargo.toml}",
        &[("routes[0].calibration", "Cargo.toml: this is no calibration")],
    );
}

#[test]
fn policies() {
    let policy = |policy: &str, expected: &[(&str, &str)]| {
        check(
            &with(&format!("routes: [{{name: auto, ladder: [small, large], policy: {policy}}}]")),
            expected,
        );
    };
    policy("{kind: fixed, model: large}", &[]);
    policy("{kind: threshold, at: [0.5]}", &[]);
    policy("{kind: threshold, at: '${AT}'}", &[]);
    policy("threshold", &[("routes[0].policy", "must be a mapping")]);
    policy("{at: 0.5}", &[("routes[0].policy.kind", "is missing")]);
    policy("{kind: treshold, at: 0.5}", &[("routes[0].policy.kind", "did you mean `threshold`?")]);
    policy("{kind: threshold}", &[("routes[0].policy.at", "is missing")]);
    policy("{kind: threshold, at: 1.5}", &[("routes[0].policy.at", "from 0 to 1")]);
    policy("{kind: threshold, at: .nan}", &[("routes[0].policy.at", "finite number")]);
    policy("{kind: threshold, at: -0.1}", &[("routes[0].policy.at", "from 0 to 1")]);
    policy("{kind: threshold, at: high}", &[("routes[0].policy.at", "number")]);
    policy("{kind: threshold, at: [0.1, x]}", &[("routes[0].policy.at[1]", "finite number")]);
    policy(
        "{kind: threshold, at: {x: 1}}",
        &[("routes[0].policy.at.x", "known here are share"), ("routes[0].policy.at.share", "is missing")],
    );
    policy("{kind: threshold, at: 0.5, att: 1}", &[("routes[0].policy.att", "did you mean `at`?")]);
    policy("{kind: fixed, model: huge}", &[("routes[0].policy.model", "not a model of this route's ladder")]);
}

#[test]
fn clients() {
    let client =
        |client: &str, expected: &[(&str, &str)]| check(&with(&format!("clients: [{client}]")), expected);
    let hash = "ab".repeat(32);
    client(&format!("{{name: a, key_sha256: '{hash}'}}"), &[]);
    client("{name: a}", &[("clients[0].key", "is missing")]);
    client("{key: 0123456789abcdef0123}", &[("clients[0].name", "is missing")]);
    client("{name: a, key: '${EMPTY:-}'}", &[("clients[0].key", "is missing")]);
    client("{name: a, key: short}", &[("clients[0].key", "too short")]);
    client("{name: a, key_sha256: abc}", &[("clients[0].key_sha256", "64 hexadecimal digits")]);
    client(&format!("{{name: a, key: 0123456789, key_sha256: '{hash}'}}"), &[("clients[0]", "only one")]);
    client(
        "{name: a, key: 0123456789}, {name: b, key: 0123456789}",
        &[("clients[1]", "the same key as clients[0]")],
    );
    client(
        "{name: a, key: 0123456789}, {name: a, key: 0123456780}",
        &[("clients[1].name", "clients[0], too")],
    );
    client(
        "{name: a, key: 0123456789, routes: [larg, nowhere]}",
        &[("clients[0].routes[0]", "did you mean `large`?"), ("clients[0].routes[1]", "no route or model")],
    );
    client("{name: a, key: 0123456789, routes: []}", &[("clients[0].routes", "names nothing")]);
    client(
        "{name: a, key: 0123456789, locality: remote}",
        &[("clients[0].locality", "must be one of `local`")],
    );
    client(
        "{name: a, key: 0123456789, budget: {amount: -1, per: week}}",
        &[
            ("clients[0].budget.amount", "must not be below 0"),
            ("clients[0].budget.per", "`hour`, `day`, `month`"),
        ],
    );
    client("{name: a, key: 0123456789, budget: {amount: 1}}", &[("clients[0].budget.per", "is missing")]);
    client(
        "{name: a, key: 0123456789, limits: {requests_per_minute: 0, concurrent: many}}",
        &[
            ("clients[0].limits.requests_per_minute", "must not be below 1"),
            ("clients[0].limits.concurrent", "whole number"),
        ],
    );
}

#[test]
fn ports() {
    check(&with("listen: 8080"), &[("listen", "an IP address and a port")]);
    check(&with("listen: example.com:80"), &[("listen", "an IP address and a port")]);
    check(&with("listen: 0.0.0.0:8080"), &[("listen", "nobody needs a key")]);
    check(&with("listen: '[::]:8080'"), &[("listen", "nobody needs a key")]);
    check(&with("listen: 0.0.0.0:8080\nopen: true"), &[]);
    check(&with("listen: '[::1]:8080'"), &[]);
    check(&with("listen: 127.0.0.1:9464"), &[("admin", "collides")]);
    check(&with("admin: 0.0.0.0:8080"), &[("admin", "collides")]);
    check(&with("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0"), &[]);
    check(&with("proxy: nonsense"), &[("proxy", "write a URL")]);
    check(&with("upstream_client: reqwest"), &[]);
    check(&with("upstream_client: builtin"), &[]);
    check(&with("upstream_client: hyper"), &[("upstream_client", "`builtin`")]);
}

#[test]
fn variables() {
    check(&with("grace: ${UNSET}"), &[("grace", "UNSET is not set")]);
    check(&with("grace: ${EMPTY}"), &[("grace", "EMPTY is empty")]);
    check(&with("grace: ${UNSET:-5s}"), &[]);
    check(&with("grace: ${UNSET:-}"), &[]);
    check(&with("grace: $${UNSET}"), &[("grace", "`$${UNSET}`")]);
    check(&with("grace: ${UNSET"), &[("grace", "without `}`")]);
    check(&with("clients: [{name: a, key: '${UNSET}'}]"), &[("clients[0].key", "UNSET is not set")]);
    check(&model("{name: '${UNSET}', preset: ollama, model: m}"), &[("models[1].name", "UNSET is not set")]);
    // What a variable holds stays one text.
    check(
        &with("listen: 0.0.0.0:1\n${YAML_KEY}: x"),
        &[("[\"${YAML_KEY}\"]", "unknown"), ("listen", "nobody")],
    );
    check(&with("log: ${YAML_KEY}"), &[("log", "not `${YAML_KEY}`")]);
}

#[test]
fn prices_of_what_clients_choose() {
    let priced = |price: &str| {
        model(&format!("{{name: l, provider: openai, base_url: 'https://h', model: m, price: {price}}}"))
    };
    check(
        &priced(
            "{input: 1, output: 2, service_tier: {priority: 2, flex: 0.5}, speed: {fast: 6}, inference_geo: {us: 1.1}}",
        ),
        &[],
    );
    check(&priced("{input: 1, output: 2, audio_input: 3, audio_output: 4, web_search: 10}"), &[]);
    check(
        &priced("{input: 1, output: 2, service_tier: {turbo: 2}}"),
        &[("models[1].price.service_tier.turbo", "unknown")],
    );
    check(
        &priced("{input: 1, output: 2, service_tier: {priority: -1}}"),
        &[("models[1].price.service_tier.priority", "")],
    );
    check(&priced("{per_hour: 1, speed: {fast: 6}}"), &[("models[1].price", "by the hour costs the same")]);
    let change =
        "{input: 1, output: 2, changes: [{from: 2027-01-01, input: 1, output: 2, speed: {fast: 6}}]}";
    check(&priced(change), &[("models[1].price.changes[0]", "belong to the price itself")]);
}

#[test]
fn authorities() {
    check(&with("state: {kind: redis, url: 'redis://h'}"), &[]);
    check(&with("state: {kind: redis, url: 'rediss://h'}"), &[]);
    check(&with("state: {kind: redis, url: 'http://h'}"), &[("state.url", "`rediss://` for TLS")]);
    for url in
        ["redis://:p/ss@h:6379", "redis://:p#ss@h", "redis://:p?ss@h", "redis://u:12/ss@h", "redis://h?@"]
    {
        check(
            &with(&format!("state: {{kind: redis, url: '{url}'}}")),
            &[("state.url", "keys `username` and `password`")],
        );
    }
    check(&with("state: {kind: redis, url: 'redis://h', username: u, password: 'p/ss'}"), &[]);
    let twice = "state: {kind: redis, url: 'redis://u:p@h', username: u, password: 'p/ss'}";
    check(&with(twice), &[("state.username", "in one of them"), ("state.password", "in one of them")]);
    let missing =
        |prefix: &str| with(&format!("state: {{kind: redis, url: '{prefix}://h', ca_file: no-such.pem}}"));
    check(&missing("rediss"), &[("state.ca_file", "no-such.pem: cannot be read")]);
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let model_with = |file: &str| {
        model(&format!("{{name: l, provider: openai, base_url: 'https://h', model: m, ca_file: '{file}'}}"))
    };
    check(&model_with("no-such.pem"), &[("models[1].ca_file", "no-such.pem: cannot be read")]);
    check(&model_with(other), &[("models[1].ca_file", "holds no certificate in PEM")]);
    check(
        &model(&format!("{{name: l, provider: embedded, weights: w.gguf, ca_file: '{other}'}}")),
        &[("models[1].ca_file", "runs in this process")],
    );
    let pem = std::env::temp_dir().join(format!("xietong-authority-{}.pem", std::process::id()));
    std::fs::write(&pem, "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").unwrap();
    check(&model_with(pem.to_str().unwrap()), &[]);
    let useless = format!("state: {{kind: redis, url: 'redis://h', ca_file: '{}'}}", pem.display());
    check(&with(&useless), &[("state.ca_file", "of no use without TLS")]);
    std::fs::remove_file(&pem).unwrap();
}

#[test]
fn rules_name_what_there_is() {
    let route = |name: &str, rule: &str| {
        format!(
            "  - {{name: {name}, ladder: [small, large], policy: {{kind: rules, rules: [{rule}], otherwise: {{kind: fixed, model: small}}}}}}\n"
        )
    };
    let examples = "[wills, courts, contracts, judges, laws]";
    let routes = |rule: &str| {
        with(&format!(
            "topics: [{{name: law, examples: {examples}}}]\nroutes:\n{}{}",
            route("auto", rule),
            route("other", "{when: {}, locality: local}")
        ))
    };
    let at = |place: &str| format!("routes[0].policy.rules[0].{place}");
    let check = |rule: &str, place: &str, message: &str| check(&routes(rule), &[(&at(place), message)]);
    check(
        "{when: {topic: lwa}, locality: local}",
        "when.topic",
        "there is no topic `lwa`; did you mean `law`?",
    );
    check("{when: {topic: medicine}, locality: local}", "when.topic", "there is no topic `medicine`");
    check("{when: {}, route: othr}", "route", "there is no route `othr`; did you mean `other`?");
    check("{when: {}, route: auto}", "route", "is the route that the rule stands in");
    let right = routes("{route: other, when: {topic: law}}");
    assert!(read(&right).is_ok(), "{right}");
}

#[test]
fn a_spend_that_cannot_be_counted_is_warned_of() {
    let warnings = |first: &str, second: &str, policy: &str| {
        let model = |name: &str, price: &str| {
            format!(
                "  - {{name: {name}, provider: openai, base_url: 'https://{name}.example/v1', model: m{price}}}\n"
            )
        };
        let models = model("a", first) + &model("b", second);
        let text =
            format!("models:\n{models}routes:\n  - {{name: auto, ladder: [a, b], policy: {policy}}}\n");
        let config = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let about = |warning: &&String| {
            warning.starts_with("routes[0].policy: ") && warning.contains("`targets.spend`")
        };
        config.warnings.iter().filter(about).cloned().collect::<Vec<_>>()
    };
    let (price, none) = (", price: {input: 1, output: 2}", "");
    let spend = "{kind: utility, targets: {spend: {amount: 5, per: day}}}";
    assert_eq!(warnings(price, price, spend), [""; 0]);
    let one = warnings(none, price, spend);
    assert!(one.len() == 1 && one[0].contains("`a`") && one[0].contains("dearest"), "{one:?}");
    let both = warnings(none, none, &format!("{{kind: cascade, policy: {spend}}}"));
    assert!(both.len() == 1 && both[0].contains("cannot be kept to"), "{both:?}");
    assert_eq!(warnings(none, none, "{kind: utility, targets: {quality: 0.9}}"), [""; 0]);
}

#[test]
fn a_ladder_of_one_supplier_is_warned_of() {
    let warned = |second: &str| {
        let first = "{name: a, provider: openai, base_url: 'https://h.example/v1', model: m, price: {input: 1, output: 2}}";
        let text = format!(
            "models:\n  - {first}\n  - {{name: b, provider: openai, model: m, price: {{input: 1, output: 2}}, {second}}}\nroutes:\n  - {{name: auto, ladder: [a, b]}}\n"
        );
        let config = read(&text).unwrap_or_else(|problems| panic!("{second}: {problems}"));
        let warning = config.warnings.iter().find(|warning| warning.starts_with("routes[0].ladder"));
        warning.map(|warning| warning.contains("h.example")).unwrap_or_default()
    };
    assert!(warned("base_url: 'https://h.example/other'"));
    for other in [
        "base_url: 'https://other.example/v1'",
        "base_url: 'https://h.example:8443/v1'",
        "base_url: 'https://h.example/v1', local: true",
        "endpoints: [{base_url: 'https://h.example/v1'}, {base_url: 'https://other.example/v1'}]",
    ] {
        assert!(!warned(other), "{other}");
    }
}

#[test]
fn what_belongs_to_openais_dialect() {
    let refused = [
        ("models[1].speaks", "belongs to `provider: openai` and `azure` only"),
        ("models[1].limit", "belongs to"),
        ("models[1].thinking", "belongs to"),
    ];
    let keys =
        "speaks: [responses], limit: max_tokens, thinking: {switch: enable_thinking, efforts: [none, high]}";
    for provider in ["anthropic", "gemini"] {
        let entry = format!("{{name: l, provider: {provider}, base_url: 'https://h', model: m, {keys}}}");
        check(&model(&entry), &refused);
    }
    check(&model(&format!("{{name: l, preset: ollama, model: m, {keys}}}")), &[]);
    check(&model("{name: l, provider: anthropic, base_url: 'https://h', model: m, speaks: []}"), &[]);
    let inside = model(&format!("{{name: l, provider: embedded, weights: w.gguf, {keys}}}"));
    let embedded = refused.map(|(place, _)| (place, "runs in this process"));
    check(&inside, &embedded);
    check(
        &model("{name: l, preset: ollama, model: m, speaks: [smoke]}"),
        &[("models[1].speaks[0]", "responses")],
    );
    check(
        &model("{name: l, preset: ollama, model: m, thinking: {switch: sometimes, efforts: [much]}}"),
        &[("models[1].thinking.switch", "enable_thinking"), ("models[1].thinking.efforts[0]", "minimal")],
    );
}

#[test]
fn everything_at_once_in_the_order_of_the_file() {
    let text = "listen: nowhere\nmodels:\n  - name: a\n    provider: openai\n    price: {input: -1, output: x}\n  - naem: b\nroutes:\n  - name: auto\n    ladder: [a, c]\n    policy: {kind: threshold, at: 2}\n";
    let problems = read(text).unwrap_err();
    let got: Vec<_> =
        problems.iter().map(|problem| (problem.path.as_str(), problem.line.unwrap_or(0))).collect();
    assert_eq!(
        got,
        [
            ("listen", 1),
            ("models[0].model", 3),
            ("models[0].base_url", 3),
            ("models[0].price.input", 5),
            ("models[0].price.output", 5),
            ("models[1].naem", 6),
            ("models[1].name", 6),
            ("models[1].provider", 6),
            ("routes[0].policy.at", 10),
        ]
    );
    assert!(
        problems.to_string().contains("models[0].price.input: must not be below 0 (line 5)\n"),
        "{problems}"
    );
}

/// Every secret in every place where a text can stand, right or wrong.
#[test]
fn no_message_holds_a_secret() {
    let places = [
        "listen: ${X}",
        "currency: ${X}",
        "exchange: {USD: '${X}'}",
        "log: ${X}",
        "proxy: ${X}",
        "grace: ${X}",
        "state: ${X}",
        "state: {kind: '${X}'}",
        "limits: {body: '${X}', connections: '${X}'}",
        "routes: [{name: '${X}', ladder: ['${X}', small], policy: {kind: fixed, model: '${X}'}}]",
        "routes: [{name: b, ladder: [large, small], policy: {kind: fixed, model: '${X}'}}]",
        "routes: [{name: b, ladder: '${X}', fallback: '${X}', policy: {kind: '${X}'}}]",
        "routes: [{name: b, ladder: [small, large], policy: {kind: threshold, at: '${X}'}}]",
        "clients: [{name: '${X}', key: '${X}', routes: ['${X}']}, {name: '${X}', key: '${X}', budget: '${X}'}]",
        "clients: [{name: b, key_sha256: '${X}'}]",
        "clients: [{name: b, key: '${X} é'}]",
    ];
    let models = [
        "{name: '${X}', preset: '${X}'}",
        "{name: '${X}', provider: embedded, weights: '${X}'}",
        "{name: l, provider: '${X}', accepts: ['${X}'], class: '${X}'}",
        "{name: l, provider: openai, model: '${X}', endpoints: [{base_url: '${X}', id: '${X}', headers: {host: '${X}'}}]}",
        "{name: l, provider: openai, model: m, base_url: 'http://u:${X}@h/'}",
        "{name: l, preset: ollama, model: m, price: {input: '${X}', output: '${X}', currency: '${X}'}}",
    ];
    for (name, secret) in SECRETS {
        let texts = places.iter().map(|place| with(place)).chain(models.iter().map(|entry| model(entry)));
        for text in texts.map(|text| text.replace("${X}", &format!("${{{name}}}"))) {
            let shown = match read(&text) {
                Ok(config) => config.warnings.join("\n"),
                Err(problems) => format!("{problems}{problems:?}"),
            };
            assert!(!shown.contains(secret.trim()), "{text}\nshows a secret:\n{shown}");
        }
    }
}
