//! The pages of `docs/reference`.

use std::collections::BTreeMap;

use gateway::reference::{self, ErrorEntry, HeaderEntry, LabelValues, METRICS, MetricDefinition, Word};
use gateway_config::{KnownTakes, RequestFeature};

use super::markdown::{MADE, cell, put};
use super::tables;

pub use super::configuration::configuration;

/// Every metric with its labels, and what each word of a label means.
pub fn metrics() -> String {
    let mut page = format!(
        "{MADE}# Metrics\n\n`GET /metrics` on the admin port has {} metrics, as Prometheus' text or as OpenMetrics. Names of \
         metrics, labels and the words below do not change without an entry in the changelog. A label says a name of the \
         configuration or one of the words of its table, and never anything of a request.\n\nHistograms also have the series \
         `_bucket`, `_sum` and `_count`.\n\n| metric | type | unit | labels |\n| --- | --- | --- | --- |\n",
        METRICS.len()
    );
    for MetricDefinition { name, kind, unit, labels, .. } in METRICS {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        put(&mut page, format_args!("| [`{name}`](#{name}) | {kind} | {unit} | {} |", labels.join(", ")));
    }
    let mut told = Vec::new();
    for metric in METRICS {
        describe(&mut page, &metric, &mut told);
    }
    page
}

/// A metric: its sentence, its labels, and tables of words that stand nowhere above.
fn describe(page: &mut String, metric: &MetricDefinition, told: &mut Vec<(Vec<Word>, String)>) {
    let MetricDefinition { name, kind, unit, help, labels, buckets } = metric;
    put(page, format_args!("\n## {name}\n\n{help} {}: {unit}.", capital(kind)));
    let mut tables = String::new();
    for (at, label) in labels.iter().enumerate() {
        let (words, named) = match reference::label_values(name, label) {
            Some(LabelValues::Named(named)) => (Vec::new(), named),
            Some(LabelValues::Words(words)) => (words, "One of the words of the table below."),
            Some(LabelValues::WordsOrNamed(words, named)) => (words, named),
            None => panic!("{name}{{{label}}} is not described"),
        };
        let said = match told.iter().find(|(known, _)| *known == words && !words.is_empty()) {
            Some((_, place)) => format!("One of the words of {place}."),
            None => named.to_owned(),
        };
        put(page, format_args!("{}- `{label}`: {said}", if at == 0 { "\n" } else { "" }));
        if !words.is_empty() && said == named {
            put(&mut tables, format_args!("\n| `{label}` | means |\n| --- | --- |"));
            for (word, meaning) in &words {
                let word = if word.is_empty() { "(empty)".to_owned() } else { format!("`{word}`") };
                put(&mut tables, format_args!("| {word} | {} |", cell(meaning)));
            }
            told.push((words, format!("[`{name}{{{label}}}`](#{name})")));
        }
    }
    if !buckets.is_empty() {
        let bounds: Vec<_> = buckets.iter().map(f64::to_string).collect();
        put(page, format_args!("\nUpper bounds of its buckets: {}.", bounds.join(", ")));
    }
    page.push_str(&tables);
}

/// Every error code.
pub fn errors() -> String {
    let mut page = format!(
        "{MADE}# Errors\n\nAn error has OpenAI's shape on OpenAI's paths (`{{\"error\": {{\"message\", \"type\", \"param\", \
         \"code\"}}}}`) and Anthropic's on `/v1/messages`. After the first byte of a stream it is an event in the stream. \
         Where a provider refused the request, `code` and `type` are the provider's where it gave them; the metrics and the \
         log have the codes below.\n\nA request that ends in an error counts in `xietong_requests_total` with the outcome \
         `refused` (the request is at fault, or not allowed), `failed` (no model answered) or `cut` (the answer broke off).\n\n\
         | code | status | outcome | when | what the client can do |\n| --- | --- | --- | --- | --- |\n"
    );
    let mut sorted: BTreeMap<(u16, &str), Vec<ErrorEntry>> = BTreeMap::new();
    for error in reference::errors() {
        sorted.entry((error.status, error.code)).or_default().push(error);
    }
    for ((status, code), errors) in &sorted {
        for error in errors {
            let mut remedy = error.remedy.to_owned();
            remedy += if error.retry_after { " The answer has `Retry-After`." } else { "" };
            remedy += if error.final_try { " The answer has `x-should-retry: false`." } else { "" };
            let (when, remedy) = (cell(error.when), cell(&remedy));
            put(&mut page, format_args!("| `{code}` | {status} | {} | {when} | {remedy} |", error.outcome));
        }
    }
    page
}

/// Headers that are read and written.
pub fn headers() -> String {
    let mut page = format!("{MADE}# Headers\n");
    let ways: [(&str, &str, Vec<HeaderEntry>); 3] = [
        ("Read from clients", "All others are ignored, and never passed on.", reference::from_clients()),
        (
            "Sent to clients",
            "A route that says `expose_decisions: false` leaves out those that begin with `x-xietong-`, except \
             `x-xietong-left-out`. Headers of the HTTP connection itself, such as `date` and `content-length`, come beside \
             these.",
            reference::to_clients(),
        ),
        ("Sent to upstreams", "`headers` of an endpoint adds others.", reference::to_upstreams()),
    ];
    for (title, more, headers) in ways {
        put(&mut page, format_args!("\n## {title}\n\n{more}\n\n| header | says |\n| --- | --- |"));
        for (name, says) in headers {
            put(&mut page, format_args!("| `{name}` | {} |", cell(says)));
        }
    }
    page
}

/// Commands with their options, and exit codes.
pub fn commands() -> String {
    let mut page = format!("{MADE}# Commands\n\n| exit code | when |\n| --- | --- |\n");
    for (code, _, meaning) in reference::exit_codes() {
        put(&mut page, format_args!("| {code} | {meaning} |"));
    }
    put(
        &mut page,
        format_args!(
            "\n`xietong --version` prints the version and the commit. Builds without the embedded engine have no `fetch`."
        ),
    );
    for (name, help) in tables::helps() {
        let help: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
        put(&mut page, format_args!("\n## xietong {name}\n\n```text\n{}\n```", help.join("\n")));
    }
    page
}

/// Lines of the ledger.
pub fn ledger() -> String {
    let mut page = format!(
        "{MADE}# The ledger's lines\n\nUnder `state: {{kind: embedded}}` the gateway appends lines to a file: `CHECKSUM NUMBER \
         JSON`, a CRC-32 of the rest in eight hexadecimal digits, a number that grows by one, and an object with one member, \
         the kind of line. Under `state: {{kind: redis}}` the stream `xietong:requests` has the objects of `request`. Amounts \
         and costs are in nano-units of the currency of accounts. A reader passes over kinds and members that it does not \
         know. `xietong report` reads both; [how the ledger holds in a crash](../../gateway/ledger/README.md).\n\n\
         | member | says |\n| --- | --- |\n"
    );
    for (name, says) in reference::LEDGER_MEMBERS {
        put(&mut page, format_args!("| `{name}` | {} |", cell(says)));
    }
    page
}

/// What models take of a request, by the table.
pub fn takes() -> String {
    let mut page = format!(
        "{MADE}# What models take\n\nWhat of a request is altered, left out or refused for which models. A row holds for the \
         models of its API, its providers (by preset, or by the address of one) and its families; \
         of two rows that hold for a model, the later one has the last word, and `takes` in \
         [the configuration](../../config/README.md) the very last. What no row speaks of is taken.\n\nA family is how a model's name begins, without what stands before a `/`, and a dot as \
         a `-`: `o1` holds for `o1` and `o1-mini`, for the name ends there or goes on with a sign that is no letter or digit; \
         `claude-3*` holds for any continuation. Newer models that no row names are treated as their older relatives, or as any.\n\n\
         The facts are assumed from what the sources say, some of them a third party's page, and were not tested against the providers. \
         `recorded` is the day on which a source was read.\n\n| API | providers | models | what becomes of what | source |\n\
         | --- | --- | --- | --- | --- |\n"
    );
    for KnownTakes { of: [api, hosts, models], takes, source } in gateway_config::known_takes() {
        let any = |text: String| if text.is_empty() { "any".to_owned() } else { cell(&text) };
        let takes =
            takes.iter().map(|(key, value)| format!("`{key}`: {}", value.to_string().replace('"', "")));
        let takes = takes.collect::<Vec<_>>().join(", ");
        put(
            &mut page,
            format_args!("| {} | {} | {} | {takes} | {} |", any(api), any(hosts), any(models), cell(source)),
        );
    }
    page.push_str("\n## Keys\n\n| key | values beside `taken` | what it is |\n| --- | --- | --- |\n");
    for feature in RequestFeature::ALL {
        let words: Vec<_> = feature.treatments().iter().map(|it| format!("`{}`", it.word())).collect();
        put(
            &mut page,
            format_args!("| `{}` | {} | {} |", feature.word(), words.join(", "), cell(feature.about())),
        );
    }
    for (key, values, says) in [
        ("most_stops", "a number", "The most texts that `stop` may have. A request with more is refused."),
        (
            "picture_types",
            "a list",
            "The types of pictures sent as data. A request with another type is refused.",
        ),
        (
            "tool_ids",
            "`any`, `plain`, `short`, `nine`",
            "What the id of a tool's call may look like. Another is put into this form.",
        ),
    ] {
        put(&mut page, format_args!("| `{key}` | {values} | {says} |"));
    }
    page
}

/// Members of log lines.
pub fn log() -> String {
    let mut page = format!(
        "{MADE}# The log\n\nUnder `log: json` the gateway writes one line of JSON to standard output for each request when it is \
         over. Prompts and answers stand in it only on routes that say `record: content`; keys never do. Words are those of \
         [metrics](metrics.md) and [errors](errors.md). Money is in units of `currency`.\n\n| member | type | says |\n\
         | --- | --- | --- |\n"
    );
    for (name, kind, says) in reference::LOG_FIELDS {
        put(&mut page, format_args!("| `{name}` | {kind} | {} |", cell(says)));
    }
    page
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
