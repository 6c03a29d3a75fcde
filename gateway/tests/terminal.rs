//! What the program shows to who sits before it: `ask`, `demo`, and a port that is taken.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "processes are waited for in real time"
)]

mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use ports::reserved;

const PROGRAM: &str = env!("CARGO_BIN_EXE_xietong");
const KEY: &str = "key-of-a-01234567890";

/// For whatever must happen at all, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own for each test, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("xietong-terminal-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A configuration of a free and a paid model at this upstream, with a ledger, and with a client where `keyed`.
    fn config(&self, data: SocketAddr, upstream: SocketAddr, keyed: bool) -> PathBuf {
        let clients = if keyed { format!("clients: [{{name: a, key: {KEY}}}]\n") } else { String::new() };
        let yaml = format!(
            "listen: {data}\nadmin: {}\ncurrency: CNY\nstate: {{kind: embedded, path: '{}'}}\nmodels:\n  \
             - {{name: mine, provider: openai, base_url: 'http://{upstream}', model: m, local: true, price: {{input: 0, output: 0}}}}\n  \
             - {{name: paid, provider: openai, base_url: 'http://{upstream}', model: m, price: {{input: 100, output: 1000}}}}\n  \
             - {{name: gone, provider: openai, base_url: 'http://{}', model: m, price: {{input: 1, output: 1}}, retries: 0}}\n\
             routes:\n  - {{name: auto, ladder: [mine, paid], policy: {{kind: fixed, model: mine}}}}\n{clients}",
            reserved(),
            self.at("xietong.db").display(),
            reserved(),
        );
        let file = self.at("xietong.yaml");
        std::fs::write(&file, yaml).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers whatever it is asked with a stream of `Paris.` and an order to terminals.
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
    reader.read_exact(&mut vec![0; length]).unwrap();
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
    };
    let events = [
        chunk(json!({"content": "Par"}), Value::Null),
        chunk(json!({"content": "is."}), "stop".into()),
        json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}),
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let body = body + "data: [DONE]\n\n";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (&socket).write_all((head + &body).as_bytes()).unwrap();
}

/// A running program. It ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a gateway, and waits until it answers.
fn serve(config: &Path, data: SocketAddr) -> Running {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let began = Instant::now();
    while TcpStream::connect(data).is_err() {
        assert!(began.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

/// The program with these words, in an environment without keys.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it wrote to standard output and to standard error; its exit code must be this.
#[track_caller]
fn ends_with(output: &Output, code: i32) -> (String, String) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    assert!(!err.contains("panic"), "{err}");
    (out, err)
}

/// Whether a line says of the free model's answer what it has to.
fn is_about(line: &str) -> bool {
    let money = "cost 0 CNY, paid would have cost 0.003 CNY, 10+2 tokens in ";
    line.starts_with("[mine, difficulty 0.") && line.contains(money) && line.trim_end().ends_with(" s]")
}

#[test]
fn a_question_is_answered_in_this_process_where_no_gateway_runs() {
    let folder = Folder::new();
    let data = reserved();
    let config = folder.config(data, upstream(), true);
    let config = config.to_str().unwrap();
    let ask = |words: &[&str]| program(&[&["ask", "--config", config], words].concat()).output().unwrap();
    let (out, err) = ends_with(&ask(&["What is the capital of France?"]), 0);
    assert_eq!(out, "Paris.\n");
    assert!(err.contains(&format!("no gateway answers at {data}: asking in this process")), "{err}");
    assert!(is_about(err.lines().last().unwrap()), "{err}");
    let (out, err) = ends_with(&ask(&["--model", "paid", "--json", "Hi"]), 0);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&json["answer"], &json["model"], &json["cost"]),
        (&json!("Paris."), &json!("paid"), &json!(0.003))
    );
    assert!(!err.contains('['), "{err}");
    for (words, code, said) in [
        (&["--model", "nobody", "Hi"][..], 2, "The model `nobody` does not exist here"),
        (&["--model", "gone", "Hi"], 69, "could not answer (503)"),
        (&["  "], 2, "the question is empty"),
        (&["-"], 2, "the question is empty"),
        (&[], 2, "<QUESTION>"),
    ] {
        let (out, err) = ends_with(&ask(words), code);
        assert!(out.is_empty() && err.contains(said), "{words:?}: {err}");
    }
    // What was asked is in the ledger, under a name of its own.
    let report = program(&["report", "--format", "json", "--config", config]).output().unwrap();
    let report: Value = serde_json::from_str(&ends_with(&report, 0).0).unwrap();
    assert_eq!(report["clients"]["ask"]["outcomes"]["complete"], 2, "{report}");
    // It is read without the keys that only requests need.
    let keyed = std::fs::read_to_string(config).unwrap();
    let keyed = keyed.replacen("models:", "models:\n  - {name: keyed, preset: deepseek}", 1);
    std::fs::write(folder.at("keyed.yaml"), keyed).unwrap();
    for (command, code) in [("check", 78), ("report", 0)] {
        let mut command = program(&[command, "--config", folder.at("keyed.yaml").to_str().unwrap()]);
        let (_, err) = ends_with(&command.env_remove("DEEPSEEK_API_KEY").output().unwrap(), code);
        assert_eq!(err.contains("DEEPSEEK_API_KEY"), code == 78, "{err}");
    }
    std::fs::write(folder.at("wrong.yaml"), "models: 3").unwrap();
    let wrong = program(&["ask", "--config", folder.at("wrong.yaml").to_str().unwrap(), "Hi"]).output();
    ends_with(&wrong.unwrap(), 78);
}

#[test]
fn a_question_goes_to_the_gateway_that_runs() {
    let folder = Folder::new();
    let data = reserved();
    let config = folder.config(data, upstream(), true);
    let _gateway = serve(&config, data);
    let config = config.to_str().unwrap();
    let ask = |words: &[&str], key: Option<&str>| {
        let mut command = program(&[&["ask"], words].concat());
        command.envs(key.map(|key| ("XIETONG_KEY", key))).output().unwrap()
    };
    let url = format!("http://{data}/v1");
    for place in [["--config", config], ["--url", &url]] {
        let words = [&place[..], &["Hi"]].concat();
        let (out, err) = ends_with(&ask(&words, Some(KEY)), 0);
        assert!(out == "Paris.\n" && is_about(&err) && err.lines().count() == 1, "{out}{err}");
        let (_, err) = ends_with(&ask(&[&words[..], &["--key", KEY]].concat(), None), 0);
        assert!(is_about(&err), "{err}");
        let (_, err) = ends_with(&ask(&words, None), 2);
        assert!(err.contains("asks for a key: set XIETONG_KEY"), "{err}");
        let (_, err) = ends_with(&ask(&words, Some("wrong-key-of-somebody")), 2);
        assert!(err.contains("asks for a key") && !err.contains("wrong-key"), "{err}");
    }
    let nobody = format!("http://{}", reserved());
    for (url, code, said) in [
        (nobody.as_str(), 69, "nobody listens there"),
        ("localhost:80", 2, "no URL of a gateway"),
        ("http://user:a-password@127.0.0.1:1", 2, "the key is given by --key"),
        ("http://127.0.0.1:1/v1?a=b", 2, "more than a host, a port and a path"),
    ] {
        let (_, err) = ends_with(&ask(&["--url", url, "Hi"], None), code);
        assert!(err.contains(said) && !err.contains("a-password"), "{err}");
    }
    // A second gateway at the same ports says whose they are.
    let (_, err) = ends_with(&program(&["serve", "--config", config]).output().unwrap(), 69);
    let advice = "another Xietong answers there. Stop it, or set another port as `listen`.";
    for part in [&*data.to_string(), advice] {
        assert!(err.contains(part), "no {part:?} in {err}");
    }
}

#[test]
fn a_demonstration_shows_what_is_saved_and_what_is_simulated() {
    let folder = Folder::new();
    let ledger = folder.at("demo.db");
    let ledger = ledger.to_str().unwrap();
    let words = ["demo", "--scripted", "--requests", "8", "--price-of", "deepseek", "--ledger", ledger];
    let demo = || program(&words).env("TMPDIR", &folder.0).output().unwrap();
    let (out, err) = ends_with(&demo(), 0);
    assert_eq!(err.matches("SIMULATED").count(), 2, "{err}");
    let asked = |language: &str| {
        out.lines().filter(|line| line.starts_with(language) && line.contains(" → scripted-")).count()
    };
    assert_eq!((asked("en  "), asked("zh  ")), (4, 4), "{out}");
    for part in
        ["8 requests from", "scripted-small", "Simulated: scripted-small and scripted-paid are scripts"]
    {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    // What is not named as a script has no figures.
    let report = program(&["report", "--format", "json", "--ledger", ledger]).output().unwrap();
    let report: Value = serde_json::from_str(&ends_with(&report, 0).0).unwrap();
    assert!(
        report["models"].as_object().unwrap().keys().all(|name| name.starts_with("scripted-")),
        "{report}"
    );
    assert!(report["total"]["saved"].as_f64().unwrap() > 0.0, "{report}");
    assert!(ends_with(&demo(), 2).1.contains("is there already"));
    let left: Vec<_> =
        std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("demo.db")), "{left:?}");
}

#[test]
fn a_demonstration_that_is_interrupted_sums_up() {
    let folder = Folder::new();
    let mut command = program(&["demo", "--scripted", "--seconds", "600"]);
    let mut running = Running(command.env("TMPDIR", &folder.0).spawn().unwrap());
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let interrupt = Command::new("kill").args(["-INT", &running.0.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("requests from") && rest.contains("Simulated: "), "{first}{rest}");
    assert!(running.0.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_demonstration_refuses_what_makes_no_sense() {
    for (words, said) in [
        (&["--seconds", "0"][..], "0 is not in 1..=86400"),
        (&["--requests", "0"], "0 is not in 1.."),
        (&["--price-of", "nobody"], "no price is recorded for `nobody`"),
    ] {
        let (out, err) = ends_with(&program(&[&["demo"], words].concat()).output().unwrap(), 2);
        assert!(out.is_empty() && err.contains(said), "{words:?}: {err}");
    }
}

/// What `init` prints as the next line works in an empty folder; a model that does not answer is told.
#[test]
fn a_starter_is_written_and_tried() {
    let folder = Folder::new();
    let init = |upstream: SocketAddr, more: &[&str]| {
        let url = format!("http://{upstream}/v1");
        let words = [&["init", "--provider", &url, "--model", "m", "--no-embedded"], more].concat();
        program(&words).env("XIETONG_LOCAL_SERVERS", "off").current_dir(&folder.0).output().unwrap()
    };
    let (out, err) = ends_with(&init(upstream(), &["--yes"]), 0);
    for part in
        ["wrote xietong.yaml", "large answers in", ": Paris.", "next: xietong check && xietong serve\n"]
    {
        assert!(err.contains(part), "no {part:?} in {err}");
    }
    assert!(out.starts_with("export OPENAI_BASE_URL=http://127.0.0.1:8080/v1\n"), "{out}");
    ends_with(&program(&["check"]).current_dir(&folder.0).output().unwrap(), 0);
    // A trial is no traffic.
    let report = program(&["report"]).current_dir(&folder.0).output().unwrap();
    assert!(!text(&report.stdout).contains("paid"), "{}", text(&report.stdout));
    let (_, err) = ends_with(&init(upstream(), &[]), 1);
    assert!(err.contains("xietong.yaml is there already"), "{err}");
    let (out, err) = ends_with(&init(reserved(), &["--yes", "--force"]), 69);
    assert!(err.contains("large does not answer: ") && err.ends_with("large did not answer\n"), "{err}");
    assert!(out.contains("OPENAI_BASE_URL") && err.contains("next: "), "{out}{err}");
    let (_, err) = ends_with(&init(reserved(), &["--small", "olama/m", "--force"]), 2);
    assert!(err.contains("cannot be used with"), "{err}");
}
