//! Keys and kinds with a better name: both names mean the same, the older one is warned of, and both at once are an error.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use gateway_config::{GatewayConfig, Problems, from_str, redacted};

/// Where a key stands, its older name, its better one, and a file where `<VALUE>` stands for the key with its value.
const KEYS: [(&str, &str, &str, &str); 16] = [
    ("models[0]", "whole_as", "non_streaming_as", "models: [{MODEL, price: {hour: 0}, <stream>}]"),
    ("models[0]", "speaks", "apis", "models: [{MODEL, price: {hour: 0}, <[responses]>}]"),
    (
        "models[0].provenance",
        "path",
        "development",
        "models: [{MODEL, price: {hour: 0}, provenance: {<open code>}}]",
    ),
    ("models[0].price", "hour", "per_hour", "models: [{MODEL, price: {<2>}}]"),
    (
        "models[0].price",
        "zone",
        "time_zone",
        "models: [{MODEL, price: {input: 1, output: 1, <Asia/Shanghai>}}]",
    ),
    ("limits", "head", "head_timeout", "limits: {<3s>}\nLADDER"),
    ("limits", "body_time", "body_timeout", "limits: {<4s>}\nLADDER"),
    ("state", "keep", "retention", "state: {kind: embedded, <7d>}\nLADDER"),
    ("state", "at_most", "max_size", "state: {kind: embedded, <2MiB>}\nLADDER"),
    (
        "clients[0]",
        "hints",
        "routing_overrides",
        "clients: [{name: a, key: 0123456789abcdef0123, <true>}]\nLADDER",
    ),
    ("routes[0].policy", "silence", "delay", "ROUTE {kind: hedge, policy: FIXED, <1s>}\nLADDER"),
    (
        "routes[0].policy.hold",
        "at_most",
        "max_wait",
        "ROUTE {kind: cascade, policy: FIXED, hold: {tokens: 9, <1s>}}\nLADDER",
    ),
    (
        "routes[0].policy.guard",
        "weigh",
        "signals",
        "ROUTE {kind: cascade, policy: FIXED, guard: {<{margin: false}>}}\nLADDER",
    ),
    ("routes[0].policy.rules[0].when", "must_stay", "local_only", "RULES {when: {<true>}, policy: FIXED}"),
    (
        "routes[0].policy.rules[0].when",
        "zone",
        "time_zone",
        "RULES {when: {hours: ['09:00-18:00'], <Asia/Shanghai>}, policy: FIXED}",
    ),
    (
        "routes[0].policy.rules[0].require",
        "path",
        "development",
        "RULES {when: {media: false}, require: {<open code>}}",
    ),
];

fn read(file: &str) -> Result<GatewayConfig, Problems> {
    let file = match file.strip_prefix("RULES ") {
        Some(rule) => format!("ROUTE {{kind: rules, rules: [{rule}], otherwise: FIXED}}\nLADDER"),
        None => file.to_owned(),
    };
    let file = match file.split_once('\n') {
        Some((line, rest)) if line.starts_with("ROUTE ") => {
            format!("routes: [{{name: auto, ladder: [s, l], policy: {}}}]\n{rest}", &line["ROUTE ".len()..])
        }
        _ => file,
    };
    let model = "name: m, provider: openai, base_url: 'http://127.0.0.1:1', model: m";
    let ladder = "models:
  - {name: s, provider: openai, base_url: 'http://127.0.0.1:1', model: s, price: {input: 0, output: 0}}
  - {name: l, provider: openai, base_url: 'http://127.0.0.1:2', model: l, price: {input: 0, output: 0}}
";
    let file = file.replace("FIXED", "{kind: fixed, model: s}").replace("MODEL", model);
    from_str(&file.replace("LADDER", ladder), None, &|_| None)
}

/// The file with the key by these names.
fn with(file: &str, names: &[&str]) -> String {
    let (start, end) = (file.find('<').unwrap(), file.rfind('>').unwrap());
    let value = &file[start + 1..end];
    let keys: Vec<String> = names.iter().map(|name| format!("{name}: {value}")).collect();
    format!("{}{}{}", &file[..start], keys.join(", "), &file[end + 1..])
}

/// Warnings that name a better name.
fn hints(config: &GatewayConfig) -> Vec<&str> {
    let hints = config.warnings.iter().map(String::as_str);
    hints.filter(|warning| warning.contains("the better one is")).collect()
}

#[test]
fn both_names_mean_the_same_and_the_older_one_is_warned_of() {
    for (outer, older, better, file) in KEYS {
        let [by_older, by_better] = [older, better]
            .map(|name| read(&with(file, &[name])).unwrap_or_else(|why| panic!("{file} {name}: {why}")));
        assert_eq!(redacted(&by_older), redacted(&by_better), "{file}");
        let hint =
            format!("{outer}.{older}: is an older name, which goes on working; the better one is `{better}`");
        assert!(hints(&by_older).contains(&hint.as_str()), "{file}: {:?}", by_older.warnings);
        assert!(!hints(&by_better).iter().any(|hint| hint.contains(older)), "{:?}", by_better.warnings);
    }
}

#[test]
fn both_names_at_once_are_an_error_that_names_both() {
    for (outer, older, better, file) in KEYS {
        for names in [[older, better], [better, older]] {
            let problems = read(&with(file, &names)).unwrap_err().to_string();
            let expected = format!(
                "{outer}.{older}: stands beside `{better}`, which is its better name: leave one of them out"
            );
            assert!(problems.starts_with(&expected), "{file}: {problems}");
            assert_eq!(problems.lines().count(), 1, "{problems}");
        }
    }
}

/// Templates write keys without a value; those count as left out.
#[test]
fn a_name_without_a_value_may_stand_beside_the_other() {
    for (_, older, better, file) in KEYS {
        let alone = read(&with(file, &[better])).unwrap_or_else(|why| panic!("{file} {better}: {why}"));
        for (empty, full) in [(older, better), (better, older)] {
            let key = format!("{empty}: , {full}: ");
            let both = with(file, &[full]).replacen(&format!("{full}: "), &key, 1);
            let both = read(&both).unwrap_or_else(|why| panic!("{both}: {why}"));
            assert_eq!(redacted(&both), redacted(&alone), "{key}");
        }
    }
}

#[test]
fn a_slip_in_an_older_name_is_told_the_better_one() {
    for (slip, better, file) in [
        ("limits.heads", "head_timeout", "limits: {heads: 3s}\nLADDER"),
        ("state.kep", "retention", "state: {kind: embedded, kep: 7d}\nLADDER"),
        ("models[0].whole_a", "non_streaming_as", "models: [{MODEL, price: {hour: 0}, whole_a: stream}]"),
    ] {
        let problems = read(file).unwrap_err().to_string();
        let expected = format!("{slip}: unknown key; did you mean `{better}`?");
        assert!(problems.starts_with(&expected), "{file}: {problems}");
    }
}

#[test]
fn a_fault_is_reported_by_the_name_that_was_written() {
    for (outer, older, better, file) in KEYS {
        // Nothing that any of these keys takes.
        let start = file.find('<').unwrap();
        let wrong = format!("{}<[[1]]>{}", &file[..start], &file[file.rfind('>').unwrap() + 1..]);
        for name in [older, better] {
            let problems = read(&with(&wrong, &[name])).unwrap_err();
            let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
            let expected = format!("{outer}.{name}");
            assert!(paths.iter().all(|path| path.starts_with(&expected)), "{wrong} {name}: {problems}");
        }
    }
    // Found after the shape was checked, by the names that serde knows.
    for (name, file) in
        [("head", "limits: {head: 0s}\nLADDER"), ("head_timeout", "limits: {head_timeout: 0s}\nLADDER")]
    {
        let problems = read(file).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| (problem.path.clone(), problem.line)).collect();
        assert_eq!(found, [(format!("limits.{name}"), Some(1))]);
    }
}

#[test]
fn a_missing_key_is_asked_for_by_its_better_name() {
    let problems = read("ROUTE {kind: hedge, policy: FIXED}\nLADDER").unwrap_err();
    assert_eq!(problems.to_string(), "routes[0].policy.delay: is missing (line 1)");
}

#[test]
fn a_bound_on_escalations_is_no_budget() {
    let policy = |kind: &str| {
        read(&format!("ROUTE {{kind: {kind}, policy: FIXED, escalations: {{share: 0.2}}}}\nLADDER")).unwrap()
    };
    let (older, better) = (policy("budget"), policy("escalation_limit"));
    assert_eq!(older.routes[0].policy, better.routes[0].policy);
    assert!(hints(&better).is_empty(), "{:?}", better.warnings);
    let hint = "routes[0].policy.kind: is an older name, which goes on working; the better one is `escalation_limit`";
    assert_eq!(hints(&older), [hint]);
    // What is stored and shown keeps its form.
    let shown = serde_json::to_value(&better.routes[0].policy).unwrap();
    assert_eq!(shown["kind"], "budget");
    for slip in ["budgett", "buget", "escalation_limits"] {
        let problems =
            read(&format!("ROUTE {{kind: {slip}, policy: FIXED}}\nLADDER")).unwrap_err().to_string();
        assert!(!problems.contains("`budget`"), "{problems}");
        assert!(problems.contains("; did you mean `escalation_limit`?"), "{problems}");
    }
}

#[test]
fn documents_and_what_init_writes_use_the_better_names() {
    let env = |name: &str| name.ends_with("KEY").then(|| "0123456789abcdef0123".to_owned());
    let example = from_str(include_str!("../xietong.example.yaml"), None, &env).unwrap();
    assert_eq!(hints(&example), [""; 0]);
    for file in [
        include_str!("../../deploy/compose/config/xietong.yaml"),
        include_str!("../../deploy/kustomize/base/config/xietong.yaml"),
    ] {
        let config = from_str(file, None, &|name| env(name).or(Some("http://127.0.0.1:1/v1".to_owned())));
        assert_eq!(hints(&config.unwrap_or_else(|why| panic!("{why}"))), [""; 0]);
    }
}
