//! What clients get wrong: the right status, a sentence that helps, nothing at an upstream, and the process stays up.

use end_to_end::gateway::Gateway;
use end_to_end::http1::Connection;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire::{self, Answer};

struct Bench {
    upstream: Scripted,
    gateway: Gateway,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = Scripted::start(Reply::text("yes")).await;
        let gateway = change(Setup::ladder(&upstream.base_url(), &upstream.base_url())).start().await;
        Self { upstream, gateway }
    }

    /// The bytes are refused with this status and code, and reach no upstream.
    async fn refuses(&self, label: &str, bytes: &[u8], status: u16, code: Option<&str>) -> Answer {
        let answer = self.gateway.say(bytes).await;
        let shown = format!("{label}: {:?} {}", answer.head.line, answer.text());
        assert_eq!(answer.status(), status, "{shown}");
        let error = answer.json()["error"].clone();
        for key in ["message", "type", "param", "code"] {
            assert!(error.get(key).is_some(), "no {key}: {shown}");
        }
        let message = error["message"].as_str().expect("a message");
        assert!(message.len() > 10 && message.len() < 1000 && message.ends_with('.'), "{shown}");
        assert!(!message.contains("serde") && !message.contains("::"), "no words of the code: {shown}");
        if let Some(code) = code {
            assert_eq!(error["code"], code, "{shown}");
        }
        assert!(answer.header("x-request-id").is_some(), "{shown}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown}");
        assert!(self.upstream.seen().is_empty(), "something reached the upstream: {shown}");
        answer
    }

    /// A body is refused with a 400 whose message has these words in it.
    async fn refuses_body(&self, body: &[u8], words: &str) {
        let bytes = wire::request("POST", "/v1/chat/completions", &[], body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let answer = self.refuses(&shown, &bytes, 400, None).await;
        assert!(answer.text().contains(words), "{shown}: {} lacks {words:?}", answer.text());
    }

    /// After all that, a good request is answered.
    async fn still_answers(&self) {
        let answer = self.gateway.ask(&openai::ask("auto", "Hi")).await;
        assert_eq!((answer.status(), self.upstream.seen().len()), (200, 1), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn broken_json() {
    let bench = Bench::new().await;
    for body in [
        "",
        " ",
        "x",
        "{",
        "[]",
        "null",
        "1",
        "\"a\"",
        "{\"model\":",
        "{\"model\":\"auto\",}",
        "{'model':'auto'}",
        "{\"model\":\"auto\"}{\"model\":\"auto\"}",
        "{\"model\":\"auto\" \"messages\":[]}",
        "\u{feff}{",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}",
        "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
        "{\"model\":\"auto\",\"temperature\":NaN,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"model\":\"auto\",\"temperature\":1e400,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"model\":\"auto\",\"temperature\":01,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    ] {
        bench.refuses_body(body.as_bytes(), "").await;
    }
    bench
        .refuses_body(b"{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc0\xaf\"}]}", "")
        .await;
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn deep_json() {
    let bench = Bench::new().await;
    for depth in [200, 100_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let body = format!(
                r#"{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"metadata":{value}}}"#
            );
            bench.refuses_body(body.as_bytes(), "").await;
            bench.refuses_body(open.repeat(depth).as_bytes(), "").await;
        }
    }
    bench.still_answers().await;
}

/// Never route on one of two and forward the other.
#[tokio::test(start_paused = true)]
async fn equal_keys() {
    let bench = Bench::new().await;
    let messages = r#""messages":[{"role":"user","content":"x"}]"#;
    for (key, body) in [
        ("model", format!(r#"{{"model":"auto","model":"large",{messages}}}"#)),
        ("model", format!(r#"{{"model":"auto","mod\u0065l":"large",{messages}}}"#)),
        ("stream", format!(r#"{{"model":"auto","stream":true,{messages},"stream":false}}"#)),
        ("max_tokens", format!(r#"{{"model":"auto","max_tokens":1,{messages},"max_tokens":100000}}"#)),
        ("messages", format!(r#"{{"model":"auto",{messages},{messages}}}"#)),
    ] {
        bench.refuses_body(body.as_bytes(), key).await;
    }
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_types_and_values() {
    let bench = Bench::new().await;
    for (key, value) in [
        ("model", "1"),
        ("model", "null"),
        ("model", "[]"),
        ("messages", "null"),
        ("messages", "[]"),
        ("messages", "{}"),
        ("messages", "\"x\""),
        ("messages", "[1]"),
        ("messages", "[{}]"),
        ("messages", "[{\"role\":\"user\",\"content\":5}]"),
        ("messages", "[{\"role\":7,\"content\":\"x\"}]"),
        ("stream", "\"true\""),
        ("stream", "1"),
        ("max_tokens", "-1"),
        ("max_tokens", "1.5"),
        ("max_tokens", "\"5\""),
        ("max_tokens", "9223372036854775808"),
        ("n", "0"),
        ("n", "1000000"),
        ("n", "\"1\""),
        ("temperature", "\"hot\""),
        ("temperature", "9"),
        ("top_p", "2"),
        ("top_logprobs", "1000000000"),
        ("stop", "5"),
        ("tools", "{}"),
        ("tools", "[5]"),
        ("stream_options", "5"),
        ("response_format", "\"json\""),
        ("logit_bias", "[1]"),
    ] {
        let mut body = serde_json::Map::new();
        body.insert("model".into(), "auto".into());
        body.insert("messages".into(), openai::ask("auto", "x")["messages"].clone());
        body.insert(key.into(), serde_json::from_str(value).expect("JSON"));
        bench.refuses_body(serde_json::Value::Object(body).to_string().as_bytes(), key).await;
    }
    for (body, key) in [
        ("{}", "model"),
        (r#"{"model":"auto"}"#, "messages"),
        (r#"{"messages":[{"role":"user","content":"x"}]}"#, "model"),
    ] {
        bench.refuses_body(body.as_bytes(), key).await;
    }
    let without_stream = r#"{"model":"auto","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}"#;
    bench.refuses_body(without_stream.as_bytes(), "stream_options").await;
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_models() {
    let bench = Bench::new().await;
    let long = "m".repeat(10_000);
    for name in [
        "gpt-9",
        "../../admin",
        "gpt%2f..",
        "a/b?c#d",
        "x\r\ny: z",
        "\u{202e}live",
        "{{7*7}}",
        "Auto",
        "auto ",
        &long,
    ] {
        let body = openai::ask(name, "x").to_string();
        let bytes = wire::request("POST", "/v1/chat/completions", &[], body.as_bytes());
        let answer = bench.refuses(name, &bytes, 404, Some("model_not_found")).await;
        assert!(answer.body.len() < 1000, "a long name is not echoed whole");
        assert!(!answer.text().contains('\u{202e}') && answer.header("y").is_none());
    }
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_paths_and_methods() {
    let bench = Bench::new().await;
    let body = openai::ask("auto", "x").to_string();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/chat",
        "/chat/completions",
        "/v1/chat/completions/",
        "/V1/chat/completions",
        "/v1//chat/completions",
        "/v1/./chat/completions",
        "/v1/%63hat/completions",
        "/v1/x/../chat/completions",
        "/metrics",
        "/config",
        "/livez",
        "/readyz",
        "/reload",
        "/decide",
        "/v1/..;/metrics",
        "//metrics",
    ] {
        for method in ["GET", "POST"] {
            bench.refuses(path, &wire::request(method, path, &[], body.as_bytes()), 404, None).await;
        }
    }
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("DELETE", "/v1/chat/completions"),
        ("PATCH", "/v1/chat/completions"),
        ("TRACE", "/v1/chat/completions"),
        ("FOO", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/auto"),
    ] {
        let answer = bench.refuses(method, &wire::request(method, path, &[], b""), 405, None).await;
        assert!(answer.header("allow").is_some(), "{method} {path}: {:?}", answer.head);
    }
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_kinds_of_bodies() {
    let bench = Bench::new().await;
    let body = openai::ask("auto", "x").to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ] {
        let bytes = wire::request("POST", "/v1/chat/completions", &[("content-type", kind)], body.as_bytes());
        bench.refuses(kind, &bytes, 415, None).await;
    }
    for coding in ["gzip", "br", "zstd", "gzip, gzip", "deflate"] {
        let bytes =
            wire::request("POST", "/v1/chat/completions", &[("content-encoding", coding)], body.as_bytes());
        bench.refuses(coding, &bytes, 415, None).await;
    }
    for kind in ["application/json; charset=utf-8", "application/json", "APPLICATION/JSON"] {
        let bytes = wire::request("POST", "/v1/chat/completions", &[("content-type", kind)], body.as_bytes());
        assert_eq!(bench.gateway.say(&bytes).await.status(), 200, "{kind}");
    }
}

/// A body beyond the limit is refused by its stated length at once, or as soon as it is too long.
#[tokio::test(start_paused = true)]
async fn oversize() {
    let bench = Bench::with(|setup| setup.top("limits: {body: 64KiB}")).await;
    let body = openai::ask("auto", &"x".repeat(70_000)).to_string();
    let bytes = wire::request("POST", "/v1/chat/completions", &[], body.as_bytes());
    bench.refuses("stated", &bytes, 413, None).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let only_stated = format!("{head}content-length: 1000000000000\r\n\r\n{{");
    bench.refuses("only stated", only_stated.as_bytes(), 413, None).await;
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..10 {
        chunked.extend_from_slice(format!("2000\r\n{}\r\n", "x".repeat(0x2000)).as_bytes());
    }
    bench.refuses("in chunks without an end", &chunked, 413, None).await;
    bench.still_answers().await;
}

/// Whoever sends a part of a request and then nothing is not waited for.
#[tokio::test(start_paused = true)]
async fn late_bodies_and_heads() {
    let bench = Bench::new().await;
    let started = tokio::time::Instant::now();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    bench.refuses("half a body", head.as_bytes(), 408, None).await;
    assert!(started.elapsed().as_secs() <= 31, "{:?}", started.elapsed());
    for part in
        ["", "PRI * HTTP/2.0\r\n", "POST /v1/chat", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"]
    {
        let started = tokio::time::Instant::now();
        let mut connection = Connection::open(bench.gateway.data).await.expect("it listens");
        connection.send(part).await.expect("it reads");
        connection.closed().await;
        assert!(started.elapsed().as_secs() <= 15, "{part:?}: {:?}", started.elapsed());
    }
    bench.still_answers().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_keys() {
    let bench = Bench::with(|setup| setup.top("clients: [{name: team, key: team-key-7}]")).await;
    let body = openai::ask("auto", "x").to_string();
    let with =
        |headers: &[(&str, &str)]| wire::request("POST", "/v1/chat/completions", headers, body.as_bytes());
    let long = format!("Bearer {}", "k".repeat(20_000));
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer team-key",
        "Bearer team-key-77",
        "Bearer TEAM-KEY-7",
        "team-key-7",
        "Basic dGVhbS1rZXktNw==",
        "Bearer ' OR 1=1 --",
        "Bearer team-key-7 x",
        &long,
    ] {
        let answer =
            bench.refuses(header, &with(&[("authorization", header)]), 401, Some("invalid_api_key")).await;
        assert!(!answer.text().contains("team-key"), "{}", answer.text());
    }
    bench.refuses("none", &with(&[]), 401, Some("invalid_api_key")).await;
    bench
        .refuses("models", &wire::request("GET", "/v1/models", &[], b""), 401, Some("invalid_api_key"))
        .await;
    let two = [("authorization", "Bearer team-key-7"), ("authorization", "Bearer other")];
    bench.refuses("two", &with(&two), 400, None).await;
    for headers in [
        [("authorization", "Bearer team-key-7")],
        [("authorization", "bearer team-key-7")],
        [("x-api-key", "team-key-7")],
        [("api-key", "team-key-7")],
    ] {
        assert_eq!(bench.gateway.say(&with(&headers)).await.status(), 200, "{headers:?}");
    }
}

/// Bytes that are no HTTP, or HTTP that could mean two things: at most a 400, and the connection ends.
#[tokio::test(start_paused = true)]
async fn broken_framing() {
    let bench = Bench::new().await;
    let body = openai::ask("auto", "x").to_string();
    let post = |headers: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n\r\n{body}"
        )
    };
    let length = body.len();
    for (label, bytes) in [
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
        ("two lengths", post(&format!("content-length: {length}\r\ncontent-length: 3"))),
        ("a list of lengths", post(&format!("content-length: {length},3"))),
        ("signed length", post(&format!("content-length: +{length}"))),
        ("hexadecimal length", post("content-length: 0x40")),
        ("long length", post("content-length: 99999999999999999999")),
        ("unknown coding", post("transfer-encoding: xchunked")),
        ("chunked is not last", post("transfer-encoding: chunked, identity")),
        ("space before colon", post(&format!("content-length : {length}"))),
        ("folded header", post(&format!("x-a: 1\r\n  folded\r\ncontent-length: {length}"))),
        ("NUL in a header", post(&format!("x-a: a\0b\r\ncontent-length: {length}"))),
        ("huge chunk", post("transfer-encoding: chunked").replace(&body, "fffffffffffffffff\r\nx")),
        ("many headers", post(&(0..200).map(|n| format!("x-{n}: 1\r\n")).collect::<String>())),
        ("large header", post(&format!("x-a: {}\r\ncontent-length: {length}", "a".repeat(1 << 20)))),
    ] {
        let mut connection = Connection::open(bench.gateway.data).await.expect("it listens");
        // It may close before it has read everything.
        let _ = connection.send(bytes.as_bytes()).await;
        if let Ok(Some(head)) = connection.head().await {
            let status: u16 =
                head.line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            assert!(matches!(status, 400 | 413 | 414 | 431 | 501), "{label}: {}", head.line);
            let _ = connection.body(head.answer_framing()).await;
        }
        connection.closed().await;
        assert!(bench.upstream.seen().is_empty(), "{label}: something reached the upstream");
    }
    bench.still_answers().await;
}

/// A request with this target and headers.
fn posted(target: &str, headers: &str) -> String {
    let body = openai::ask("auto", "x");
    format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n\r\n{body}")
}

/// The header with the length of its body.
fn right_length() -> String {
    format!("content-length: {}", openai::ask("auto", "x").to_string().len())
}

/// A header over two lines, which no server takes any more.
fn folded() -> String {
    format!("x-a: 1\r\n  folded\r\n{}", right_length())
}

/// What is no request of HTTP is told so in the shape of the API, noted and counted.
#[tokio::test(start_paused = true)]
async fn broken_heads() {
    let bench = Bench::new().await;
    let length = right_length();
    let chat = |headers: &str| posted("/v1/chat/completions", headers);
    let (malformed, encoding) = ("malformed_http", "unsupported_encoding");
    let cases = [
        ("two lengths", chat(&format!("{length}\r\ncontent-length: 3")), 400, malformed, "Content-Length"),
        ("a list of lengths", chat("content-length: 5, 5"), 400, malformed, "Content-Length"),
        (
            "chunked is not last",
            chat("transfer-encoding: chunked, gzip"),
            400,
            malformed,
            "Transfer-Encoding",
        ),
        ("no coding", chat("transfer-encoding: identity"), 400, malformed, "Transfer-Encoding"),
        ("folded header", chat(&folded()), 400, malformed, "folded"),
        ("blank in the target", posted("/v1/chat completions", &length), 400, malformed, "%20"),
        ("no first line", "hello\r\n\r\n".to_owned(), 400, malformed, "method"),
        ("many headers", chat(&"x-a: 1\r\n".repeat(200)), 431, malformed, "100 headers"),
        // Those that hyper takes.
        ("zipped on the way", chat("transfer-encoding: gzip, chunked"), 415, encoding, "compressed"),
        (
            "in two lines",
            chat("transfer-encoding: gzip\r\ntransfer-encoding: chunked"),
            415,
            encoding,
            "compressed",
        ),
        (
            "another expectation",
            chat(&format!("expect: 200-ok\r\n{length}")),
            417,
            "unknown_expectation",
            "Expect",
        ),
        ("no host", chat(&length).replace("host: x\r\n", ""), 400, malformed, "Host"),
        ("two hosts", chat(&format!("host: y\r\n{length}")), 400, malformed, "Host"),
    ];
    let count = cases.len() as f64;
    for (label, bytes, status, code, words) in &cases {
        let answer = bench.refuses(label, bytes.as_bytes(), *status, Some(code)).await;
        assert!(answer.text().contains(words), "{label}: {}", answer.text());
    }
    let anthropic = bench.gateway.say(posted("/v1/messages", &folded()).as_bytes()).await.json();
    let types = (anthropic["type"].as_str(), anthropic["error"]["type"].as_str());
    assert_eq!(types, (Some("error"), Some("invalid_request_error")));
    let metrics = bench.gateway.settled().await;
    let refused = metrics.sum("xietong_requests_total", &[("outcome", "refused")]);
    assert_eq!(refused, count + 1.0, "each is counted");
}

/// A connection ends with a head that cannot be read, after the answers to what came before it.
#[tokio::test(start_paused = true)]
async fn broken_heads_after_good_ones() {
    let bench = Bench::new().await;
    let mut connection = Connection::open(bench.gateway.data).await.expect("it listens");
    let chat = |headers: &str| posted("/v1/chat/completions", headers);
    connection.send(format!("{}{}", chat(&right_length()), chat(&folded()))).await.expect("it reads");
    for status in ["200", "400"] {
        let head = connection.head().await.expect("a head").expect("an answer");
        assert_eq!(head.line.split(' ').nth(1), Some(status));
        let body = connection.body(head.answer_framing()).await.expect("a body");
        assert!(!body.is_empty());
    }
    connection.closed().await;
    // On the admin port too.
    let mut connection = Connection::open(bench.gateway.admin).await.expect("it listens");
    connection.send("GET /live z HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it reads");
    let head = connection.head().await.expect("a head").expect("an answer");
    assert!(head.line.contains(" 400 "), "{}", head.line);
    assert!(!connection.body(head.answer_framing()).await.expect("a body").is_empty());
}

/// A length and chunks at once is a classic of smuggling: one request at most, and nothing of its tail is another.
#[tokio::test(start_paused = true)]
async fn length_and_chunks() {
    let bench = Bench::new().await;
    let body = openai::ask("auto", "x").to_string();
    let smuggled =
        String::from_utf8(wire::request("POST", "/v1/chat/completions", &[], body.as_bytes())).expect("text");
    let bytes = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}",
        body.len(),
        body.len(),
    );
    let mut connection = Connection::open(bench.gateway.data).await.expect("it listens");
    connection.send(bytes).await.expect("it reads");
    connection.closed().await;
    assert!(bench.upstream.seen().len() <= 1, "{} requests", bench.upstream.seen().len());
}
