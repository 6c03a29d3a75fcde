//! The program as a process: with a ledger that it cannot write it does not start, or, on a disk that is full, only
//! local models are asked until there is room again; and what its log holds of prompts and answers.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "processes are waited for in real time"
)]

mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use ports::reserved;

/// A key of the gateway's own, which the upstream quotes in what it answers.
const KEY: &str = "sk-upstream-canary-77aa";

/// For whatever must happen at all, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_xietong");

/// A folder of its own for each test, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("xietong-program-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A configuration with this ledger; its models are at `upstream`.
    fn config(&self, state: &Path, data: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> PathBuf {
        let yaml = format!(
            "listen: {data}\nadmin: {admin}\nstate: {{kind: embedded, path: '{}'}}\nmodels:\n  \
             - {{name: mine, provider: openai, base_url: 'http://{upstream}', model: m, local: true, price: {{input: 0, output: 0}}}}\n  \
             - {{name: paid, provider: openai, base_url: 'http://{upstream}', api_key: {KEY}, model: m, price: {{input: 1, output: 1}}}}\n\
             routes:\n  - {{name: auto, ladder: [mine, paid], policy: {{kind: fixed, model: paid}}, record: content}}\n  \
             - {{name: quiet, ladder: [mine, paid], policy: {{kind: fixed, model: paid}}}}\n  \
             - {{name: door, ladder: [mine, paid], policy: {{kind: rules, rules: [{{when: {{}}, route: auto}}], \
             otherwise: {{kind: fixed, model: mine}}}}}}\nlog: json\n\
             clients: [{{name: a, key: key-of-a-01234567890, budget: {{amount: 1000, per: month}}}}]\n",
            state.display()
        );
        let file = self.at("xietong.yaml");
        std::fs::write(&file, yaml).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700));
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts the program with this ledger, and waits for its end.
fn start(state: &Path, limited: bool) -> Output {
    let folder = Folder::new();
    let config = folder.config(state, reserved(), reserved(), reserved());
    // The system lets root write anywhere, unless that is taken away.
    let mut command = Command::new(if limited { "setpriv" } else { PROGRAM });
    if limited {
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", PROGRAM]);
    }
    let output = command.args(["serve", "--config"]).arg(config).output();
    output.unwrap()
}

#[track_caller]
fn refused(state: &Path, why: &str, limited: bool) {
    let output = start(state, limited);
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(last.contains(&state.display().to_string()) && last.contains(why), "{said}");
    assert!(!said.contains("panic") && !said.contains("answering on"), "{said}");
}

/// Each is told in one line with the file's path, and nothing is answered meanwhile.
#[test]
fn a_ledger_that_cannot_be_written_is_no_start() {
    let folder = Folder::new();
    let (file, inner, link) = (folder.at("file"), folder.at("inner"), folder.at("link"));
    std::fs::write(&file, "").unwrap();
    std::fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    refused(&folder.at("none/xietong.db"), "No such file or directory", false);
    refused(&file.join("xietong.db"), "Not a directory", false);
    refused(&inner, "directory", false);
    refused(&link, "no regular file", false);
}

/// Whether there is this tool of util-linux. That it is missing is a failure where `XIETONG_REQUIRE` names it, as in CI.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok();
    let required = std::env::var("XIETONG_REQUIRE").is_ok_and(|tools| tools.split(' ').any(|it| it == tool));
    assert!(there || !required, "{tool} is required and not there");
    there
}

/// A folder of someone else, or one that is mounted for reading only.
#[test]
fn a_folder_that_cannot_be_written_is_no_start() {
    if !has("setpriv") {
        return println!("passed over: setpriv is not to be found");
    }
    let folder = Folder::new();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o555)).unwrap();
    refused(&folder.at("xietong.db"), "Permission denied", true);
    // A file that is there and cannot be written.
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["xietong.db", "xietong.db.lock"] {
        std::fs::write(folder.at(name), "").unwrap();
    }
    std::fs::set_permissions(folder.at("xietong.db"), std::fs::Permissions::from_mode(0o444)).unwrap();
    refused(&folder.at("xietong.db"), "Permission denied", true);
}

/// Answers whatever it is asked.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || answer(socket.unwrap()));
        }
    });
    address
}

fn answer(socket: TcpStream) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut asked = vec![0; length];
        reader.read_exact(&mut asked).unwrap();
        let asked: Value = serde_json::from_slice(&asked).unwrap_or_default();
        let (kind, body) = match asked["stream"] == true {
            true => ("text/event-stream", streamed()),
            false => ("application/json", whole().to_string()),
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        (&socket).write_all((head + &body).as_bytes()).unwrap();
    }
}

fn text() -> String {
    format!("I was given {KEY} to say 好")
}

fn whole() -> Value {
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text()}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}})
}

fn streamed() -> String {
    let text = text();
    let (one, two) = text.split_at(20);
    let mut body = String::new();
    for (said, finish) in [(one, Value::Null), (two, Value::Null), ("", json!("stop"))] {
        let choice = json!({"index": 0, "delta": {"content": said}, "finish_reason": finish});
        let chunk = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        body += &format!("data: {chunk}\n\n");
    }
    body + "data: [DONE]\n\n"
}

/// A running program. It ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until it answers.
fn answers(data: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(data).is_err() {
        assert!(began.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(data: SocketAddr, model: &str) -> String {
    post(data, &json!({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}))
}

fn post(data: SocketAddr, body: &Value) -> String {
    let body = body.to_string();
    exchange(
        data,
        &format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer key-of-a-01234567890\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// A file that may not grow is what a full disk is to a program: writes fail from one moment on.
#[test]
fn a_disk_that_is_full_stops_paid_models_until_there_is_room() {
    if !has("prlimit") {
        return println!("passed over: prlimit is not to be found");
    }
    let folder = Folder::new();
    let (data, admin) = (reserved(), reserved());
    let config = folder.config(&folder.at("xietong.db"), data, admin, upstream());
    // In blocks of 512 bytes. Without the trap the system would end the program at the first such write.
    let limited = "trap '' XFSZ; ulimit -S -f 40; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, "sh", PROGRAM, "serve", "--config"]).arg(config);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = Running(child);
    answers(data);
    let ok = |answer: &str| answer.starts_with("HTTP/1.1 200 ");
    let mut answered = 0;
    let refusal = loop {
        let answer = ask(data, "paid");
        if !ok(&answer) {
            break answer;
        }
        answered += 1;
        assert!(answered < 1000, "the disk is never full");
    };
    assert!(answered > 0 && refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("ledger_unavailable"), "{refusal}");
    let answer = ask(data, "mine");
    assert!(ok(&answer), "local models go on: {answer}");
    let get =
        |path: &str| exchange(admin, &format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"));
    assert!(get("/metrics").contains("\nxietong_ledger_up 0\n"));
    let room =
        Command::new("prlimit").args(["--fsize=unlimited", "--pid", &running.0.id().to_string()]).status();
    assert!(room.unwrap().success());
    let began = Instant::now();
    while !ok(&ask(data, "paid")) {
        assert!(began.elapsed() < PATIENCE, "it does not notice that there is room");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(get("/metrics").contains("\nxietong_ledger_up 1\n"));
    // What could not be written then is written now.
    let text = loop {
        let text = std::fs::read_to_string(folder.at("xietong.db")).unwrap();
        if text.matches("\"request\"").count() > answered + 2 {
            break text;
        }
        assert!(began.elapsed() < PATIENCE, "records are missing");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(text.contains("ledger_unavailable"));
}

/// What RUST_LOG says of notes is done, also where it cannot be read; lines of requests are there in any case.
#[test]
fn notes_are_those_that_the_environment_asks_for() {
    let check = |asked: Option<&str>, has_note: bool, warning: Option<&str>| {
        let folder = Folder::new();
        let (data, admin) = (reserved(), reserved());
        let config = folder.config(&folder.at("xietong.db"), data, admin, upstream());
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(config).env_remove("RUST_LOG");
        command.envs(asked.map(|asked| ("RUST_LOG", asked)));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Running(child);
        answers(data);
        let reload = "POST /reload HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(exchange(admin, reload).starts_with("HTTP/1.1 200 "));
        ask(data, "mine");
        let said = BufReader::new(running.0.stdout.take().unwrap());
        let lines = said.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let notes: Vec<Value> = lines.take_while(|line| line["request_id"].is_null()).collect();
        let note = notes.iter().find(|note| note["note"] == "the configuration has not changed");
        assert_eq!(note.is_some(), has_note, "{asked:?}: {notes:?}");
        if let Some(note) = note {
            assert_eq!((&note["level"], &note["target"]), (&json!("info"), &json!("xietong::config")));
        }
        let _ = running.0.kill();
        let mut complaints = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let complaint = complaints.lines().find(|line| line.contains("RUST_LOG"));
        assert_eq!(complaint.is_some(), warning.is_some(), "{asked:?}: {complaints}");
        if let (Some(complaint), Some(warning)) = (complaint, warning) {
            assert!(complaint.contains("warning: ") && complaint.contains(warning), "{complaint}");
        }
    };
    check(None, true, None);
    check(Some("h2=debug"), true, None);
    check(Some("xietong::config=warn"), false, None);
    check(Some("off"), false, None);
    check(Some("xietong=lots"), true, Some("`xietong=lots` cannot be read"));
}

/// Prompts and answers are in the lines of the route that says so, whole or as long as a line may be, and nowhere else; keys
/// are in none.
#[test]
fn contents_are_recorded_where_the_route_says_so_and_nowhere_else() {
    let folder = Folder::new();
    let (data, admin) = (reserved(), reserved());
    let config = folder.config(&folder.at("xietong.db"), data, admin, upstream());
    let mut command = Command::new(PROGRAM);
    let child =
        command.args(["serve", "--config"]).arg(config).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut running = Running(child.unwrap());
    let said = BufReader::new(running.0.stdout.take().unwrap());
    answers(data);
    let prompt = "A secret: 秘密\u{9b}31m";
    let body = |model: &str, prompt: &str, stream: bool| json!({"model": model, "stream": stream, "max_tokens": 10, "messages": [{"role": "user", "content": prompt}]});
    let long = "很长".repeat(40_000);
    let asked = [
        body("auto", prompt, false),
        body("auto", prompt, true),
        body("quiet", prompt, false),
        body("quiet", prompt, true),
        body("paid", prompt, false),
        body("auto", &long, false),
        body("door", prompt, false),
    ];
    for body in &asked {
        assert!(post(data, body).starts_with("HTTP/1.1 200 "));
    }
    let mut lines = Vec::new();
    for line in said.lines().map_while(Result::ok) {
        assert!(!line.contains(KEY) && !line.contains("key-of-a-01234567890"), "{line}");
        lines.push(serde_json::from_str::<Value>(&line).unwrap());
        if lines.len() == asked.len() {
            break;
        }
    }
    assert_eq!(lines.len(), asked.len());
    for (body, line) in asked.iter().zip(&lines).take(5) {
        let recorded = body["model"] == "auto";
        assert_eq!(line["prompt"].is_null(), !recorded, "{line}");
        assert_eq!(line["answer"].is_null(), !recorded, "{line}");
        assert_eq!(line.to_string().contains("秘密"), recorded, "{line}");
        if recorded {
            assert_eq!(line["prompt"], body["messages"]);
            let choice = &line["answer"][0];
            assert_eq!(choice["message"]["content"], text().replace(KEY, "[key]"));
            assert_eq!(choice["finish_reason"], "stop");
        }
    }
    let cut = lines[5]["prompt"].as_str().expect("the beginning, as text");
    assert!(cut.starts_with("[{") && cut.ends_with("很") | cut.ends_with("长"), "{}", &cut[..40]);
    assert!((65_530..=65_536).contains(&cut.len()), "{}", cut.len());
    assert_eq!(lines[6]["prompt"], asked[6]["messages"], "by the route that took over: {}", lines[6]);
    // The ledger has none of it.
    let ledger = std::fs::read(folder.at("xietong.db")).unwrap();
    let ledger = String::from_utf8_lossy(&ledger);
    assert!(!ledger.contains("秘密") && !ledger.contains("I was given"));
}
