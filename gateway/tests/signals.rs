//! What the signals of an operator do to the program that is installed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "all of it is a test")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "processes are waited for in real time"
)]

mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ports::reserved;

/// For whatever must happen at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what must happen at once, on a machine that is busy: less than the 25 s for which an orderly end waits.
const AT_ONCE: Duration = Duration::from_secs(15);

#[test]
fn the_first_signal_lets_a_stream_end_whole() {
    let (upstream, go_on) = upstream();
    let mut gateway = Running::start("first", upstream);
    let mut stream = gateway.ask();
    read_until(&mut stream, "one");
    assert_eq!(status(gateway.admin), 200);
    gateway.terminate();
    let signalled = Instant::now();
    while status(gateway.admin) != 503 {
        assert!(signalled.elapsed() < AT_ONCE, "still ready after SIGTERM");
        thread::sleep(Duration::from_millis(5));
    }
    go_on.send(()).unwrap();
    let rest = read_until(&mut stream, "[DONE]");
    assert!(rest.contains("two") && rest.contains("\"stop\"") && !rest.contains("error"), "{rest}");
    assert_eq!(gateway.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_stream_that_stalls() {
    let (upstream, _stalls) = upstream();
    let mut gateway = Running::start("second", upstream);
    let mut stream = gateway.ask();
    read_until(&mut stream, "one");
    gateway.terminate();
    gateway.hear("stopping");
    assert!(gateway.child.try_wait().unwrap().is_none(), "the first signal waits for the stream");
    gateway.terminate();
    assert_eq!(gateway.wait(AT_ONCE).code(), Some(1));
}

/// The files are looked at in any case, but only SIGHUP has them loaded where they say what they said before.
#[test]
fn a_hangup_loads_the_configuration_and_ends_nothing() {
    let (upstream, go_on) = upstream();
    let mut gateway = Running::start("hangup", upstream);
    let mut stream = gateway.ask();
    read_until(&mut stream, "one");
    assert_eq!(gateway.reloads("unchanged"), 0);
    gateway.signal("-HUP");
    gateway.await_reloads("unchanged", 1);
    let yaml = std::fs::read_to_string(&gateway.config).unwrap();
    std::fs::write(&gateway.config, format!("{yaml}    retries: 0\n")).unwrap();
    gateway.signal("-HUP");
    gateway.await_reloads("ok", 1);
    std::fs::write(&gateway.config, "models: [").unwrap();
    gateway.signal("-HUP");
    gateway.await_reloads("refused", 1);
    assert_eq!(status(gateway.admin), 200);
    go_on.send(()).unwrap();
    read_until(&mut stream, "[DONE]");
    gateway.terminate();
    assert_eq!(gateway.wait(PATIENCE).code(), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn one_port_is_shared_only_by_two_that_were_told_to() {
    let (upstream, _stalls) = upstream();
    let first = Running::start("shared", upstream);
    let again = |flags: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_xietong"))
            .args(["serve", "--config"])
            .arg(&first.config)
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        command.unwrap()
    };
    let refused = again(&[]).wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot listen on"));
    let mut second = Running::of(again(&["--take-over"]), &first);
    let mut first = first;
    first.terminate();
    assert_eq!(first.wait(PATIENCE).code(), Some(0));
    assert_eq!(status(second.admin), 200);
    second.terminate();
    assert_eq!(second.wait(PATIENCE).code(), Some(0));
}

/// A gateway, which is killed when it is dropped.
struct Running {
    child: Child,
    said: Receiver<String>,
    config: PathBuf,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Running {
    fn start(name: &str, upstream: SocketAddr) -> Self {
        let (data, admin) = (reserved(), reserved());
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("signals-{name}.yaml"));
        let yaml = format!(
            "listen: {data}\nadmin: {admin}\nmodels:\n  - name: far\n    provider: openai\n    model: far-away\n    \
             endpoints: [{{base_url: \"http://{upstream}/v1\", api_key: sk-test}}]\n"
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_xietong"))
            .args(["serve", "--take-over", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self::listening(child, config, data, admin)
    }

    #[cfg(target_os = "linux")]
    fn of(child: Child, beside: &Self) -> Self {
        Self::listening(child, beside.config.clone(), beside.data, beside.admin)
    }

    fn listening(mut child: Child, config: PathBuf, data: SocketAddr, admin: SocketAddr) -> Self {
        let (say, said) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let gateway = Self { child, said, config, data, admin };
        gateway.hear("answering on");
        gateway
    }

    fn hear(&self, words: &str) {
        while !self.said.recv_timeout(PATIENCE).expect(words).contains(words) {}
    }

    fn ask(&self) -> TcpStream {
        let body = r#"{"model":"far","stream":true,"messages":[{"role":"user","content":"Count"}]}"#;
        let head =
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n";
        let mut stream = connect(self.data);
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    }

    fn terminate(&mut self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// How many reloads ended so.
    fn reloads(&self, result: &str) -> u32 {
        let series = format!("xietong_config_reloads_total{{result=\"{result}\"}} ");
        let text = get(self.admin, "/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(&series)).expect("a count of each end");
        value.parse().unwrap()
    }

    fn await_reloads(&self, result: &str, count: u32) {
        let begun = Instant::now();
        while self.reloads(result) < count {
            assert!(begun.elapsed() < PATIENCE, "no reload that is {result}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait(&mut self, limit: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < limit, "the process has not ended within {limit:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream that streams one word, and the other when it is told to.
fn upstream() -> (SocketAddr, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go_on, told) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_until(&mut stream, "\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        write!(stream, "{head}{}", event("one", "null")).unwrap();
        if told.recv().is_ok() {
            write!(stream, "{}data: [DONE]\n\n", event(" two", "\"stop\"")).unwrap();
        }
    });
    (address, go_on)
}

fn event(word: &str, reason: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":\
         [{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":{reason}}}]}}\n\n"
    )
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until these words have come.
fn read_until(stream: &mut TcpStream, words: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&all).contains(words) {
        let count = stream.read(&mut byte).unwrap();
        assert!(count == 1, "it ended before {words:?}: {}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8(all).unwrap()
}

/// What a path says, head and all.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

/// What `/readyz` says.
fn status(address: SocketAddr) -> u16 {
    let answer = get(address, "/readyz");
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
