//! The result of a request when an upstream or a client misbehaves: every case, non-streaming and streaming, in one table,
//! which is also in `tests/RELIABILITY.md`.
//!
//! `cargo test -p end-to-end --test all reliability:: -- --nocapture` prints it; with `UPDATE=1` in the environment it is
//! written to the page.

use std::time::Duration;

use end_to_end::clock::slowly;
use end_to_end::gateway::{Gateway, chat};
use end_to_end::h2_upstream::{Act, Arrival, H2Upstream, code};
use end_to_end::http1::Connection;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, End, Refusing, Request, Script, Scripted, Step, in_turn};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire::{Answer, Live};
use serde_json::{Value, json};

const SMALL: &str = "one two three";
const LARGE: &str = "the large one";

/// The small rung's misbehaviour and what the client gets, whole and streamed.
struct Case {
    id: &'static str,
    stimulus: &'static str,
    whole: Script,
    streamed: Script,
    expected: [&'static str; 2],
}

fn case(id: &'static str, stimulus: &'static str, script: Script, expected: [&'static str; 2]) -> Case {
    Case { id, stimulus, whole: script.clone(), streamed: script, expected }
}

/// A fault that looks different in a whole answer and in a stream.
fn pair(id: &'static str, stimulus: &'static str, scripts: [Script; 2], expected: [&'static str; 2]) -> Case {
    let [whole, streamed] = scripts;
    Case { id, stimulus, whole, streamed, expected }
}

const NEXT: &str = "the next rung answers";
const COMPLETE: &str = "complete";
const CUT: &str = "error event upstream_truncated";
const RETRIED: &str = "complete at the 2nd attempt";

fn small() -> Reply {
    Reply::text(SMALL)
}

fn stream() -> Script {
    small().stream(true)
}

/// The first `count` chunks of the stream; the role is the first.
fn first(count: usize) -> Script {
    stream().until_chunk(count)
}

fn head(rest: &str) -> Script {
    Script::default().say(format!("HTTP/1.1 200 OK\r\n{rest}\r\n"))
}

fn half_a_body() -> Script {
    head("content-type: application/json\r\ncontent-length: 500\r\n").say("{\"id\"")
}

fn limited(retry_after: Option<&str>) -> Script {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(retry_after.map(|value| ("retry-after", value)));
    Script::whole(429, &headers, openai::error_object("rate_limit_error", "slow_down", "later").to_string())
}

fn unreachable_and_silent() -> Vec<Case> {
    vec![
        case("U-02", "accepts, never answers", Script::default().stall(), [NEXT, NEXT]),
        case("U-03", "closes after the request, before a status", Script::default().close(), [NEXT, NEXT]),
        case("U-03", "resets after the request, before a status", Script::default().reset(), [NEXT, NEXT]),
        pair(
            "U-05",
            "silent after the head",
            [half_a_body().stall(), Script::events().stall()],
            [NEXT, NEXT],
        ),
        pair("U-05", "silent after two tokens", [half_a_body().stall(), first(3).stall()], [NEXT, CUT]),
        pair(
            "U-05",
            "a byte every 20 s",
            [
                half_a_body()
                    .step(Step::Drip(b"xxxxxxxxxxxxxxxxxxxx".to_vec(), Duration::from_secs(20)))
                    .stall(),
                first(3).step(Step::Drip(b": aaaaaaaaaaaaaaaaaa".to_vec(), Duration::from_secs(20))).stall(),
            ],
            [NEXT, CUT],
        ),
        pair(
            "U-05",
            "slow, within the limits",
            [
                Script::default().pause(Duration::from_secs(20)).then(small().whole()),
                stream().paced(Duration::from_secs(2)),
            ],
            [COMPLETE, COMPLETE],
        ),
    ]
}

fn cut() -> Vec<Case> {
    let usage = stream().chunks_joined();
    let events = end_to_end::sse::events(&usage).len();
    vec![
        pair("U-04", "reset before the first token", [half_a_body().reset(), first(1).reset()], [NEXT, NEXT]),
        pair("U-04", "reset after one token", [half_a_body().reset(), first(2).reset()], [NEXT, CUT]),
        pair("U-04", "closed after two tokens", [half_a_body().close(), first(3).close()], [NEXT, CUT]),
        pair(
            "U-06",
            "ends normally without a finish reason",
            [half_a_body().close(), first(3).end()],
            [NEXT, CUT],
        ),
        pair(
            "U-06",
            "ends without its marker",
            [small().whole(), stream().until_chunk(events - 1).end()],
            [COMPLETE, COMPLETE],
        ),
        pair(
            "U-06",
            "reset after the finish reason",
            [small().whole(), stream().until_chunk(events - 2).reset()],
            [COMPLETE, COMPLETE],
        ),
        pair(
            "U-06",
            "silent after the finish reason",
            [small().whole(), stream().until_chunk(events - 2).stall()],
            [COMPLETE, COMPLETE],
        ),
        pair(
            "U-04",
            "half an event, then the end",
            [half_a_body().close(), first(3).chunk("data: {\"choices\":[{\"del").end()],
            [NEXT, CUT],
        ),
    ]
}

fn errors_in_band() -> Vec<Case> {
    let error = openai::error_object("server_error", "overloaded", &format!("trouble with {UPSTREAM_KEY}"));
    let page = || Script::whole(200, &[("content-type", "text/html")], "<html>Welcome</html>");
    vec![
        pair(
            "U-07",
            "an error after two tokens",
            [Script::json(200, &error), first(3).event(&error).end()],
            [NEXT, CUT],
        ),
        pair(
            "U-07",
            "`event: error` after two tokens",
            [Script::json(200, &error), first(3).chunk(format!("event: error\ndata: {error}\n\n")).end()],
            [NEXT, CUT],
        ),
        pair(
            "U-07",
            "an error as the first event",
            [Script::json(200, &error), Script::events().event(&error).end()],
            [NEXT, NEXT],
        ),
        case("U-15", "200 with an error for a body", Script::json(200, &error), [NEXT, NEXT]),
        case("U-15", "200 with an HTML page", page(), [NEXT, NEXT]),
        case(
            "U-15",
            "200 with half a JSON text",
            Script::whole(200, &[("content-type", "application/json")], "{\"id\":"),
            [NEXT, NEXT],
        ),
        case("U-15", "204", Script::default().say("HTTP/1.1 204 No Content\r\n\r\n"), [NEXT, NEXT]),
        case("U-15", "206", Script::json(206, &small().object()), [NEXT, NEXT]),
        case("U-15", "304", Script::default().say("HTTP/1.1 304 Not Modified\r\n\r\n"), [NEXT, NEXT]),
        pair(
            "U-15",
            "1,000 interim answers first",
            [interim().then(small().whole()), interim().then(stream())],
            [COMPLETE, COMPLETE],
        ),
        pair(
            "U-16",
            "the other form of answer than requested",
            [stream(), small().whole()],
            [COMPLETE, COMPLETE],
        ),
        pair(
            "U-27",
            "no text at all",
            [Reply::text("").whole(), Reply::text("").stream(true)],
            ["complete, empty", "complete, empty"],
        ),
        pair(
            "U-27",
            "a marker and nothing else",
            [Script::json(200, &json!({"id": "x", "choices": []})), Script::events().event("[DONE]").end()],
            [NEXT, NEXT],
        ),
    ]
}

fn interim() -> Script {
    Script::default().say("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1000))
}

fn statuses() -> Vec<Case> {
    let redirect = |to: &'static str| Script::whole(307, &[("location", to)], "");
    let leak = openai::error_object(
        "invalid_request_error",
        "invalid_api_key",
        &format!("Incorrect API key: {UPSTREAM_KEY}"),
    );
    vec![
        case("U-18", "401 that quotes our key", Script::json(401, &leak), [NEXT, NEXT]),
        case("", "403", openai::error(403, "x"), [NEXT, NEXT]),
        case("", "404", openai::error(404, "model_not_found"), [NEXT, NEXT]),
        case("", "408", openai::error(408, "x"), [NEXT, NEXT]),
        case("", "400", openai::error(400, "invalid_value"), ["400 invalid_value"; 2]),
        case(
            "",
            "400 by a content policy",
            openai::error(400, "content_policy_violation"),
            ["400 content_policy_violation"; 2],
        ),
        case("", "400, the prompt is too long", openai::error(400, "context_length_exceeded"), [NEXT, NEXT]),
        case("", "413", openai::error(413, "x"), [NEXT, NEXT]),
        case("", "422", openai::error(422, "unprocessable"), ["422 unprocessable"; 2]),
        case("", "500 repeatedly", openai::error(500, "x"), [NEXT, NEXT]),
        case("", "502 repeatedly", openai::error(502, "x"), [NEXT, NEXT]),
        case("", "503 repeatedly", openai::error(503, "x"), [NEXT, NEXT]),
        case("", "504 repeatedly", openai::error(504, "x"), [NEXT, NEXT]),
        case("", "529 repeatedly", openai::error(529, "x"), [NEXT, NEXT]),
        case("U-19", "429 repeatedly, without `Retry-After`", limited(None), [NEXT, NEXT]),
        case("U-19", "429, `Retry-After: 1000000000`", limited(Some("1000000000")), [NEXT, NEXT]),
        case("U-20", "307 to another host", redirect("http://127.0.0.1:9/v1/chat/completions"), [NEXT, NEXT]),
        case("U-20", "307 to a metadata service", redirect("http://169.254.169.254/latest"), [NEXT, NEXT]),
    ]
}

fn odd_bytes() -> Vec<Case> {
    let text = |it: &str| {
        format!(
            r#"{{"id":"x","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{it}"}}}}]}}"#
        )
    };
    let finish = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let odd = format!(
        "\u{feff}: hello\r\n\r\nid: 7\r\nretry: 1\r\ndata:{}\r\n\r\ndata: {}\n\ndata: {}\r\rfield\ndata: {finish}\n\ndata: [DONE]\n\n",
        text("one "),
        text("two "),
        text("three"),
    );
    let whole = || small().whole();
    let long = || Step::Chunk(vec![b'x'; 64 << 10]);
    let endless = (0..40).fold(first(2).chunk("data: "), |script, _| script.step(long())).stall();
    let huge = format!("x-filler: {}\r\n", "a".repeat(1 << 20));
    let packed = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
    let json_packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let account =
        ["set-cookie: a=b", "openai-organization: org-1", "x-amzn-requestid: 7", "server: secret-host"]
            .join("\r\n");
    let object = small().object().to_string();
    let named =
        head(&format!("content-type: application/json\r\n{account}\r\ncontent-length: {}\r\n", object.len()));
    vec![
        pair(
            "U-11",
            "CR, LF and CRLF, a BOM, comments, `id:`, `retry:`",
            [whole(), Script::events().chunk(odd.clone()).end()],
            [COMPLETE; 2],
        ),
        pair(
            "U-11",
            "the same, byte by byte",
            [whole(), Script::events().chunk(odd).in_pieces(1).end()],
            [COMPLETE; 2],
        ),
        pair("U-13", "an endless line", [whole(), endless], [COMPLETE, CUT]),
        pair(
            "U-13",
            "an event that is not JSON",
            [whole(), stream().insert_chunk(2, "data: {not json\n\n")],
            [COMPLETE, CUT],
        ),
        pair(
            "U-14",
            "labelled gzip, and is not",
            [
                Script::whole(200, &json_packed, "garbage"),
                Script::chunked(200, &packed).chunk("garbage").end(),
            ],
            [NEXT, NEXT],
        ),
        pair("U-17", "a header of 1 MiB", [head(&huge).stall(), head(&huge).stall()], [NEXT, NEXT]),
        pair(
            "U-17",
            "headers that name accounts and hosts",
            [named.clone().say(object.clone()), named.say(object)],
            [COMPLETE; 2],
        ),
        pair(
            "U-26",
            "a choice with index 1,000,000,000",
            [
                whole(),
                first(3).event(r#"{"choices":[{"index":1000000000,"delta":{"content":"three"}}]}"#).reset(),
            ],
            [COMPLETE, CUT],
        ),
        pair(
            "U-12",
            "in chunks of one byte",
            [chunked_whole().in_pieces(1).end(), stream().in_pieces(1)],
            [COMPLETE; 2],
        ),
    ]
}

fn chunked_whole() -> Script {
    Script::chunked(200, &[("content-type", "application/json")]).chunk(small().object().to_string())
}

fn passing() -> Vec<Case> {
    vec![
        case("", "500 once", openai::error(500, "x"), [RETRIED; 2]),
        case("", "503 once", openai::error(503, "x"), [RETRIED; 2]),
        case("U-19", "429 once, without `Retry-After`", limited(None), [RETRIED; 2]),
        case("U-19", "429 once, `Retry-After: 2`", limited(Some("2")), [RETRIED; 2]),
        case("U-19", "429 once, `Retry-After: -1`", limited(Some("-1")), [RETRIED; 2]),
        case("U-19", "429 once, `Retry-After: soon`", limited(Some("soon")), [RETRIED; 2]),
        case(
            "U-19",
            "429 once, `Retry-After` in the past",
            limited(Some("Mon, 01 Jan 2001 00:00:00 GMT")),
            [RETRIED; 2],
        ),
    ]
}

/// What the client got, in words; what must always hold is asserted.
async fn judge(label: &str, gateway: &Gateway, small: usize, large: &Scripted, answer: &Answer) -> String {
    let label = format!("{label}: {} {}", answer.head.line, answer.text());
    let streamed = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let metrics = gateway.settled().await;
    let attempts = metrics.sum("xietong_attempts_total", &[]) as usize;
    assert_eq!(attempts, small + large.seen().len(), "each attempt is in the books once, {label}");
    assert_eq!(metrics.sum("xietong_requests_total", &[("endpoint", "chat")]), 1.0, "one end, {label}");
    let seen = [answer.text(), format!("{:?}", answer.head), metrics.text];
    assert!(seen.iter().all(|text| !text.contains(UPSTREAM_KEY)), "our key, {label}");
    for header in ["set-cookie", "openai-organization", "x-amzn-requestid", "server", "content-encoding"] {
        assert!(answer.header(header).is_none(), "{header}, {label}");
    }
    assert!(answer.complete, "the body's framing is whole, {label}");
    if answer.status() != 200 {
        return format!("{} {}", answer.status(), answer.json()["error"]["code"].as_str().unwrap_or("?"));
    }
    if let Some(error) = answer.error() {
        assert!(!answer.has_done(), "no marker after an error, {label}");
        assert!(SMALL.starts_with(&answer.content()), "what came is right, {label}");
        return format!("error event {}", error["code"].as_str().unwrap_or("?"));
    }
    assert!(!streamed || answer.has_done(), "no end, {label}");
    match (answer.content().as_str(), small) {
        (SMALL, 2..) => RETRIED.to_owned(),
        (SMALL, _) => COMPLETE.to_owned(),
        (LARGE, _) => NEXT.to_owned(),
        ("", _) => "complete, empty".to_owned(),
        (other, _) => format!("{other:?}"),
    }
}

async fn observe(label: &str, script: impl Choose, streamed: bool) -> String {
    let small = Scripted::start(script).await;
    let large = Scripted::start(Reply::text(LARGE)).await;
    let gateway = ladder(&small.base_url(), &large.base_url()).start().await;
    let answer = gateway.ask(&body(streamed)).await;
    judge(label, &gateway, small.seen().len(), &large, &answer).await
}

fn ladder(small: &str, large: &str) -> Setup {
    Setup::ladder(small, large)
        .model("small", "context: 4096")
        .model("large", "context: 32768")
        .every_model("max_output: 256")
        .every_model("timeouts: {connect: 1s, first_token: 5s, idle: 5s, total: 60s}")
}

fn body(streamed: bool) -> Value {
    if streamed { openai::ask_stream("auto", "Hello") } else { openai::ask("auto", "Hello") }
}

/// A row of the table.
struct Row {
    id: &'static str,
    stimulus: String,
    cells: [String; 2],
}

async fn upstream_rows() -> Vec<Row> {
    let lasting = [unreachable_and_silent(), cut(), errors_in_band(), statuses(), odd_bytes()];
    let (down, plain) = (Refusing::start(), Scripted::start(small()).await);
    let mut rows = vec![
        unreachable("no listener", &down.base_url()).await,
        unreachable("unknown host name", "http://nobody.invalid/v1").await,
        unreachable("TLS fails", &plain.base_url().replace("http:", "https:")).await,
        stale().await,
    ];
    for (once, case) in lasting
        .into_iter()
        .flatten()
        .map(|case| (false, case))
        .chain(passing().into_iter().map(|case| (true, case)))
    {
        let mut cells = [String::new(), String::new()];
        for (at, (streamed, script)) in [(false, case.whole), (true, case.streamed)].into_iter().enumerate() {
            let label = format!("{} {}, streamed {streamed}", case.id, case.stimulus);
            let good = if streamed { stream() } else { small().whole() };
            let script = if once { in_turn([script, good]) } else { in_turn([script]) };
            cells[at] = observe(&label, script, streamed).await;
            assert_eq!(cells[at], case.expected[at], "{label}");
        }
        rows.push(Row { id: case.id, stimulus: case.stimulus.to_owned(), cells });
    }
    for (stimulus, acts, expected) in h2_cases() {
        rows.push(h2_row(stimulus, acts, expected).await);
    }
    rows
}

/// What an upstream over HTTP/2 does with the first request on a connection, given an answer and one that has begun.
type Acts = fn(Vec<Act>, Vec<Act>) -> Vec<Act>;

fn h2_cases() -> Vec<(&'static str, Acts, [&'static str; 2])> {
    const GONE: u32 = code::ENHANCE_YOUR_CALM;
    vec![
        ("HTTP/2: a complete answer", |whole, _| whole, [COMPLETE; 2]),
        ("HTTP/2: the stream is refused", |_, _| vec![Act::Reset(code::REFUSED_STREAM)], [RETRIED; 2]),
        ("HTTP/2: GOAWAY, the stream was not processed", |_, _| vec![Act::GoAway(0, 0)], [RETRIED; 2]),
        ("HTTP/2: the same with ENHANCE_YOUR_CALM", |_, _| vec![Act::GoAway(0, GONE)], [RETRIED; 2]),
        ("HTTP/2: the stream ends with ENHANCE_YOUR_CALM", |_, _| vec![Act::Reset(GONE)], [NEXT; 2]),
        (
            "HTTP/2: GOAWAY, the stream was processed, then the connection is lost",
            |_, _| vec![Act::GoAway(1, 0), Act::Pause(Duration::from_millis(50)), Act::Hang],
            [NEXT; 2],
        ),
        (
            "HTTP/2: GOAWAY within the answer, which goes on",
            |whole, _| [&whole[..1], &[Act::GoAway(1, 0)], &whole[1..]].concat(),
            [COMPLETE; 2],
        ),
        (
            "HTTP/2: the stream is reset within the answer",
            |_, begun| {
                [begun, vec![Act::Pause(Duration::from_millis(50)), Act::Reset(code::INTERNAL_ERROR)]]
                    .concat()
            },
            [NEXT, CUT],
        ),
        (
            "HTTP/2: the connection is lost within the answer",
            |_, begun| [begun, vec![Act::Pause(Duration::from_millis(50)), Act::Hang]].concat(),
            [NEXT, CUT],
        ),
        (
            "HTTP/2: the stream ends normally within the answer",
            |_, begun| [begun, vec![Act::Pause(Duration::from_millis(50)), Act::End]].concat(),
            [NEXT, CUT],
        ),
        ("HTTP/2: accepts, never answers", |_, _| vec![Act::Stall], [NEXT; 2]),
    ]
}

/// The first request that comes is treated so; a second one is answered.
async fn h2_row(stimulus: &str, acts: Acts, expected: [&'static str; 2]) -> Row {
    let mut cells = [String::new(), String::new()];
    for (at, streamed) in [false, true].into_iter().enumerate() {
        let first = std::sync::atomic::AtomicBool::new(true);
        let small = H2Upstream::start(move |_: Arrival| {
            let (kind, whole, begun) = match streamed {
                true => {
                    let text = String::from_utf8(stream().chunks_joined()).expect("text");
                    let begun = text.split_inclusive("\n\n").take(3).collect::<String>();
                    ("text/event-stream", text, begun)
                }
                false => ("application/json", small().object().to_string(), "{\"id\"".to_owned()),
            };
            let answer = |body: String| vec![Act::Head(kind), Act::Data(body.into_bytes())];
            let whole = [answer(whole), vec![Act::End]].concat();
            match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                true => acts(whole, answer(begun)),
                false => whole,
            }
        })
        .await;
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway =
            ladder(&small.base_url(), &large.base_url()).model("small", &small.trust()).start().await;
        let answer = gateway.ask(&body(streamed)).await;
        cells[at] = judge(stimulus, &gateway, small.seen().len(), &large, &answer).await;
        assert_eq!(cells[at], expected[at], "{stimulus}, streamed {streamed}");
    }
    Row { id: "U-21", stimulus: stimulus.to_owned(), cells }
}

/// No connection comes about: nothing was sent, so it is tried again, then the next rung.
async fn unreachable(stimulus: &str, base_url: &str) -> Row {
    let mut cells = [String::new(), String::new()];
    for (at, streamed) in [false, true].into_iter().enumerate() {
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway = ladder(base_url, &large.base_url()).start().await;
        let answer = gateway.ask(&body(streamed)).await;
        cells[at] = judge(stimulus, &gateway, 2, &large, &answer).await;
        assert_eq!(cells[at], NEXT, "{stimulus}");
    }
    Row { id: "U-01", stimulus: stimulus.to_owned(), cells }
}

/// The upstream closes a connection that was kept for the next request.
async fn stale() -> Row {
    let mut cells = [String::new(), String::new()];
    for (at, streamed) in [false, true].into_iter().enumerate() {
        let good = move || if streamed { stream() } else { small().whole() };
        let small = Scripted::start(in_turn([good().close(), good()])).await;
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway = ladder(&small.base_url(), &large.base_url()).start().await;
        for _ in 0..2 {
            let answer = gateway.ask(&body(streamed)).await;
            assert_eq!((answer.content().as_str(), answer.header("x-xietong-attempts")), (SMALL, Some("1")));
        }
        assert!(large.seen().is_empty());
        cells[at] = COMPLETE.to_owned();
    }
    Row { id: "U-25", stimulus: "closes a connection that was kept for reuse".to_owned(), cells }
}

/// How a client misbehaves: what it sends after its request, and how it goes.
#[derive(Clone, Copy)]
enum Leaves {
    Close,
    Reset,
    /// Says that it sends no more, and reads on.
    Half,
    /// With a byte of a further request that nobody has read.
    WithByte,
}

/// The client leaves while the upstream is in this phase; says whether the upstream was let go within a second.
async fn leave(script: Script, streamed: bool, events: usize, how: Leaves) -> String {
    let small = Scripted::start(script).await;
    let gateway = ladder(&small.base_url(), &small.base_url())
        .every_model("timeouts: {first_token: 5m, idle: 5m, total: 10m}")
        .start()
        .await;
    let mut connection = Connection::open(gateway.data).await.expect("it listens");
    let extra: &[u8] = if matches!(how, Leaves::WithByte) { b"G" } else { b"" };
    connection.send([&chat(&[], &body(streamed))[..], extra].concat()).await.expect("it reads");
    while small.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if streamed && events > 0 {
        let mut live = Live::on(connection).await.expect("a head");
        for _ in 0..events {
            live.event().await.expect("an event");
        }
        connection = live.into_connection();
    }
    let left = tokio::time::Instant::now();
    let half = match how {
        Leaves::Close | Leaves::WithByte => {
            drop(connection);
            None
        }
        Leaves::Reset => {
            connection.reset();
            None
        }
        Leaves::Half => {
            connection.finish_sending().await.expect("a socket");
            Some(connection)
        }
    };
    let (end, when) = slowly(small.only().end()).await;
    assert_eq!(end, End::PeerLeft);
    drop(half);
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "abandoned")]), 1.0, "{}", metrics.text);
    let took = when.duration_since(left);
    assert!(took <= Duration::from_secs(1), "{took:?}");
    "upstream request closed within 1 s".to_owned()
}

async fn client_rows() -> Vec<Row> {
    let silent = || Script::default().stall();
    let mut rows = Vec::new();
    for (id, stimulus, scripts, events, how) in [
        ("C-01", "closes while the upstream is silent", [silent(), silent()], 0, Leaves::Close),
        ("C-01", "resets while the upstream is silent", [silent(), silent()], 0, Leaves::Reset),
        ("C-01", "closes within the answer", [half_a_body().stall(), first(3).stall()], 3, Leaves::Close),
        ("C-01", "resets within the answer", [half_a_body().stall(), first(3).stall()], 3, Leaves::Reset),
        ("C-02", "closes with an unread byte, upstream silent", [silent(), silent()], 0, Leaves::WithByte),
        (
            "C-02",
            "closes with an unread byte, within the answer",
            [half_a_body().stall(), first(3).stall()],
            3,
            Leaves::WithByte,
        ),
        (
            "P-25",
            "closes its sending side (half close), upstream silent",
            [silent(), silent()],
            0,
            Leaves::Half,
        ),
        (
            "P-25",
            "closes its sending side (half close), within the answer",
            [half_a_body().stall(), first(3).stall()],
            3,
            Leaves::Half,
        ),
    ] {
        let [whole, streamed] = scripts;
        let cells = [leave(whole, false, 0, how).await, leave(streamed, true, events, how).await];
        rows.push(Row { id, stimulus: stimulus.to_owned(), cells });
    }
    rows.push(stalled().await);
    rows.push(slow_body().await);
    rows
}

/// Reads nothing of an answer without an end, and keeps the connection.
async fn stalled() -> Row {
    let flood = first(3).step(Step::Flood(b"f\r\n: 0123456789a\n\n\r\n".to_vec()));
    let small = Scripted::start(flood).await;
    let gateway = ladder(&small.base_url(), &small.base_url())
        .every_model("timeouts: {first_token: 5m, idle: 50m, total: 60m}")
        .start()
        .await;
    let live = gateway.open(&body(true)).await;
    let started = tokio::time::Instant::now();
    let connection = live.into_connection();
    // Up to shortly before the limit as fast as may be.
    tokio::time::sleep(Duration::from_secs(298)).await;
    let (end, when) = slowly(small.only().end()).await;
    assert_eq!(end, End::PeerLeft);
    let took = when.duration_since(started).as_secs();
    assert!((290..=330).contains(&took), "{took} s");
    drop(connection);
    gateway.settled().await;
    let cells =
        ["as fast as its connection accepts it".to_owned(), "upstream request closed after 5 min".to_owned()];
    Row { id: "C-08", stimulus: "does not read, and keeps the connection".to_owned(), cells }
}

/// A body that is sent slowly reaches no upstream before it is whole.
async fn slow_body() -> Row {
    let mut cells = [String::new(), String::new()];
    for (at, streamed) in [false, true].into_iter().enumerate() {
        let small = Scripted::start(|request: &Request| small().choose(request)).await;
        let gateway = ladder(&small.base_url(), &small.base_url()).start().await;
        let bytes = chat(&[], &body(streamed));
        let mut connection = Connection::open(gateway.data).await.expect("it listens");
        for piece in bytes.chunks(40) {
            connection.send(piece).await.expect("it reads");
            assert!(small.seen().is_empty());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let answer = Live::on(connection).await.expect("a head").rest().await;
        assert_eq!(answer.content(), SMALL, "{}", answer.text());
        cells[at] = "asked when the body is complete".to_owned();
    }
    Row { id: "C-12", stimulus: "sends its request slowly".to_owned(), cells }
}

fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| case | what happens | non-streaming | streaming |\n| --- | --- | --- | --- |\n");
    for Row { id, stimulus, cells: [whole, streamed] } in rows {
        text += &format!("| {id} | {stimulus} | {whole} | {streamed} |\n");
    }
    text
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RELIABILITY.md");
const BEGIN: &str = "<!-- table: written by the test `reliability` -->\n";
const END: &str = "<!-- end of the table -->\n";

#[tokio::test(start_paused = true)]
async fn the_table_holds_and_is_in_the_docs() {
    let mut rows = upstream_rows().await;
    rows.extend(client_rows().await);
    let table = table(&rows);
    println!("{table}\n{} cases", rows.len());
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let begin = page.find(BEGIN).expect("the table begins") + BEGIN.len();
    let end = page.find(END).expect("the table ends");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, [&page[..begin], &table, &page[end..]].concat())
            .expect("the page can be written");
    } else {
        assert_eq!(&page[begin..end], table, "run it with UPDATE=1");
    }
}
