//! Keys and the admin port as operators get them wrong: a file of another system (G-06), keys that protect nothing (G-07),
//! and no word about the admin port (G-08).

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
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ports::reserved;

const PROGRAM: &str = env!("CARGO_BIN_EXE_xietong");
const TEAM: &str = "team-key-canary-0123456789";
const OTHER: &str = "other-key-canary-9876543210";
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration of its own for each test, gone with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("xietong-secrets-{}-{name}.yaml", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Writes it so that everybody on the machine may read it.
    fn write(&self, text: &str) -> &Path {
        std::fs::write(&self.0, text).unwrap();
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o644)).unwrap();
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A running program and what it says, on either stream. It ends with this value.
struct Running {
    child: Child,
    said: Receiver<String>,
}

impl Running {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(config)
            .env("UPSTREAM_KEY", "\u{feff}sk-upstream-canary\r\n")
            .env("EMPTY_KEY", "")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, said) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let say = say.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.for_each(|line| drop(say.send(line)));
            });
        }
        Self { child, said }
    }

    /// Waits until it has said this; all that it said until then.
    fn hear(&self, words: &str) -> String {
        let mut all = String::new();
        while !all.contains(words) {
            let line = self.said.recv_timeout(PATIENCE);
            all += &line.unwrap_or_else(|why| panic!("{why}: nothing of {words:?} in:\n{all}"));
            all.push('\n');
        }
        all
    }

    /// Waits for its end; its exit code and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        let all: Vec<String> = std::iter::from_fn(|| self.said.recv_timeout(PATIENCE).ok()).collect();
        (self.child.wait().unwrap().code(), all.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange(address: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// An upstream that answers everyone, and hands on the keys that it is shown.
fn upstream() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (shown, keys) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines().map_while(Result::ok);
            let head = lines.by_ref().take_while(|line| !line.is_empty());
            let key = head.filter_map(|line| line.strip_prefix("authorization: ").map(str::to_owned)).last();
            let _ = shown.send(key.unwrap_or_default());
            let body = r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = (&socket).write_all((head + body).as_bytes());
        }
    });
    (address, keys)
}

fn configuration(ports: &str, upstream: SocketAddr, clients: &str) -> String {
    format!(
        "{ports}\nmodels:\n  - {{name: large, provider: openai, model: m, base_url: 'http://{upstream}', \
         api_key: '${{UPSTREAM_KEY}}'}}\nclients:\n{clients}"
    )
}

/// G-06. Line ends of another system, a byte-order mark and spaces are no part of a key, wherever it stands; and a file that
/// everybody may read is spoken of, at the start and when it is loaded again.
#[test]
fn keys_lose_what_surrounds_them_and_readable_files_are_spoken_of() {
    let (upstream, keys) = upstream();
    let (data, admin) = (reserved(), reserved());
    let ports = format!("listen: {data}\nadmin: {admin}");
    let team = format!("  - {{name: team, key: \"\\uFEFF {TEAM} \\r\\n\"}}\n");
    let windows =
        |clients: &str| format!("\u{feff}{}", configuration(&ports, upstream, clients).replace('\n', "\r\n"));
    let file = File::new("g06");
    let running = Running::start(file.write(&windows(&team)));
    let mut said = running.hear("answering on");
    assert!(said.contains("clients[0].key: stands in a file that everybody"), "{said}");

    let ask = |key| {
        let body = r#"{"model":"large","messages":[{"role":"user","content":"Hi"}]}"#;
        exchange(data, "POST", "/v1/chat/completions", key, body)
    };
    let answer = ask(TEAM);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Hello"), "{answer}");
    assert_eq!(keys.recv_timeout(PATIENCE).unwrap(), "Bearer sk-upstream-canary");
    assert!(ask(OTHER).starts_with("HTTP/1.1 401 "));

    file.write(&windows(&format!("{team}  - {{name: other, key: {OTHER}}}\n")));
    assert!(exchange(admin, "POST", "/reload", "", "{}").starts_with("HTTP/1.1 200 "));
    said += &running.hear("clients[1].key: stands in a file that everybody");
    assert!(ask(OTHER).starts_with("HTTP/1.1 200 "));
    assert!(!said.contains("canary"), "{said}");
}

/// G-07. There is no secret that the program would make up or fall back to.
#[test]
fn a_key_that_protects_nothing_is_no_start() {
    let check = |name: &str, key: &str, why: &str| {
        let ports = format!("listen: {}\nadmin: {}", reserved(), reserved());
        let file = File::new(name);
        let client = format!("  - {{name: team, {key}}}\n");
        let (code, said) = Running::start(file.write(&configuration(&ports, reserved(), &client))).end();
        assert_eq!(code, Some(78), "{key}: {said}");
        assert!(said.contains("clients[0]") && said.contains(why), "{key}: {said}");
        assert!(!said.contains("answering on") && !said.contains("canary"), "{key}: {said}");
    };
    check("none", "hints: false", "is missing");
    check("empty", "key: ''", "is missing");
    check("spaces", "key: \" \\r\\n\"", "nothing but spaces");
    check("variable", "key: '${EMPTY_KEY}'", "EMPTY_KEY is empty");
    check("unset", "key: '${XIETONG_NOT_SET_ANYWHERE}'", "XIETONG_NOT_SET_ANYWHERE");
    check("short", "key: canary1", "is too short");
    check("hash", "key_sha256: canary", "64 hexadecimal digits");
}

/// G-08. Where nothing is said of the admin port, only this machine reaches it; a taken port is as good a proof.
#[test]
fn the_admin_port_is_on_the_loopback_interface_unless_said_otherwise() {
    let client = format!("  - {{name: team, key: {TEAM}}}\n");
    let file = File::new("g08");
    let silent = configuration(&format!("listen: {}", reserved()), reserved(), &client);
    let said = Running::start(file.write(&silent)).hear(":9464");
    assert!(said.contains("127.0.0.1:9464") && !said.contains("0.0.0.0"), "{said}");

    for (everywhere, port) in [("0.0.0.0", reserved().port()), ("\"[::]\"", reserved().port())] {
        let address = everywhere.trim_matches('"');
        let ports = format!("listen: {}\nadmin: '{address}:{port}'", reserved());
        let said = Running::start(file.write(&configuration(&ports, reserved(), &client)))
            .hear("admin: is reachable");
        assert!(said.contains("from other machines"), "{address}: {said}");
    }
}
