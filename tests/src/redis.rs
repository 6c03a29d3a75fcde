//! A real Redis on a free port, and a wire to it that can be cut.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::certificate::Certificate;
use crate::ledger::Place;

/// A running Redis. It ends with this value.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    _place: Place,
}

impl Redis {
    /// Starts Debian's redis-server; `None` where there is none, which is a failure where `XIETONG_REQUIRE` names redis.
    pub async fn start() -> Option<Self> {
        Self::launch(|port| ["--port", port].map(str::to_owned).to_vec()).await
    }

    /// The same with TLS, and without any other port.
    pub async fn start_with_tls(certificate: &Certificate) -> Option<Self> {
        let files = [certificate.file(), certificate.key_file(), certificate.authority()];
        let [own, key, authority] = files.map(|file| file.to_string_lossy().into_owned());
        let arguments = |port: &str| {
            let arguments = [
                ["--port", "0"],
                ["--tls-port", port],
                ["--tls-cert-file", &own],
                ["--tls-key-file", &key],
                ["--tls-ca-cert-file", &authority],
                ["--tls-auth-clients", "no"],
            ];
            arguments.concat().into_iter().map(str::to_owned).collect()
        };
        Self::launch(arguments).await
    }

    async fn launch(arguments: impl Fn(&str) -> Vec<String>) -> Option<Self> {
        loop {
            let address = free();
            // Where a copy is made, the original is written to a file, which the next one in that folder would read.
            let place = Place::new();
            let folder = place.folder().to_string_lossy().into_owned();
            let common = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &folder];
            let mut command = Command::new("redis-server");
            command.args(common).args(arguments(&address.port().to_string())).stdout(Stdio::piped());
            let Ok(mut child) = command.spawn() else {
                let required = std::env::var("XIETONG_REQUIRE")
                    .is_ok_and(|tools| tools.split(' ').any(|it| it == "redis"));
                assert!(!required, "redis-server is required and not there");
                return None;
            };
            let said = child.stdout.take().expect("it is piped");
            let redis = Self { address, child, _place: place };
            let ready = tokio::task::spawn_blocking(move || is_ready(said));
            if ready.await.expect("no panic") {
                return Some(redis);
            }
            // Someone else took the port meanwhile.
        }
    }

    /// A copy of it as it is now, which hears nothing of what comes after.
    pub async fn copy(&self) -> Self {
        let copy = Self::start().await.expect("one could be started before");
        copy.say(&format!("REPLICAOF {} {}", self.address.ip(), self.address.port())).await;
        while copy.say("DBSIZE").await != self.say("DBSIZE").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        copy.say("REPLICAOF NO ONE").await;
        copy
    }

    /// Says a command, and reads the first line of the answer.
    pub async fn say(&self, command: &str) -> String {
        self.lines(command, 1).await.pop().unwrap_or_default()
    }

    /// Says a command, and reads at most so many lines of the answer, without their ends; fewer where it begins with a 0.
    pub async fn lines(&self, command: &str, most: usize) -> Vec<String> {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(format!("{command}\r\n").as_bytes()).await.expect("it reads");
        let (mut answer, mut lines) = (BufReader::new(socket).lines(), Vec::new());
        while lines.len() < most && lines.first().is_none_or(|first| first != "*0") {
            lines.push(answer.next_line().await.expect("it answers").expect("it goes on"));
        }
        lines
    }

    /// What to write into the configuration.
    pub fn line(&self) -> String {
        line(self.address)
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

/// Whether it says that it is ready before it ends; then what else it says is read, so that it never waits for a reader.
fn is_ready(said: ChildStdout) -> bool {
    let mut lines = std::io::BufReader::new(said).lines().map_while(Result::ok);
    let ready = lines.any(|line| line.contains("Ready to accept connections"));
    if ready {
        std::thread::spawn(move || lines.for_each(drop));
    }
    ready
}

/// A port of the loopback interface that nobody has.
fn free() -> SocketAddr {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    free.local_addr().expect("a listener has an address")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a wire carries what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// At once.
    All,
    /// Not at all, though both ends stay connected.
    Nothing,
    /// Each piece after so long.
    Late(Duration),
    /// Byte by byte, each after so long.
    Drops(Duration),
}

/// A wire to an address, which can be cut and mended, and can be slow.
#[derive(Debug)]
pub struct Wire {
    /// Its near end.
    pub address: SocketAddr,
    far: SocketAddr,
    carries: watch::Sender<Carries>,
    carrying: Option<JoinHandle<()>>,
}

impl Wire {
    /// To an address.
    pub async fn to(far: SocketAddr) -> Self {
        let near = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = near.local_addr().expect("a listener has an address");
        let (carries, told) = watch::channel(Carries::All);
        Self { address, far, carries, carrying: Some(tokio::spawn(carry(near, far, told))) }
    }

    /// What to write into the configuration.
    pub fn line(&self) -> String {
        line(self.address)
    }

    /// From now on it carries so.
    pub fn set(&self, carries: Carries) {
        self.carries.send_replace(carries);
    }

    /// Breaks every connection, and refuses new ones.
    pub async fn cut(&mut self) {
        if let Some(carrying) = self.carrying.take() {
            carrying.abort();
            let _ = carrying.await;
        }
    }

    /// Carries again.
    pub async fn mend(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(self.address).expect("its port is free");
        let near = socket.listen(64).expect("it listens");
        self.carrying = Some(tokio::spawn(carry(near, self.far, self.carries.subscribe())));
    }

    /// Leads to another address: breaks every connection, and new ones come there.
    pub async fn lead_to(&mut self, far: SocketAddr) {
        self.cut().await;
        self.far = far;
        self.mend().await;
    }
}

fn line(address: SocketAddr) -> String {
    format!("state: {{kind: redis, url: \"redis://{address}/0\"}}")
}

async fn carry(near: TcpListener, far: SocketAddr, carries: watch::Receiver<Carries>) {
    // The set ends every connection together with this task.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = near.accept().await {
        let carries = carries.clone();
        connections.spawn(async move {
            if let Ok(other) = TcpStream::connect(far).await {
                let ((to_us, from_us), (to_it, from_it)) = (socket.into_split(), other.into_split());
                tokio::select! {
                    () = pass(to_us, from_it, carries.clone()) => {}
                    () = pass(to_it, from_us, carries) => {}
                }
            }
        });
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut carries: watch::Receiver<Carries>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if carries.wait_for(|carries| *carries != Carries::Nothing).await.is_err() {
            return;
        }
        let now = *carries.borrow();
        let (size, pause) = match now {
            Carries::All | Carries::Nothing => (count, Duration::ZERO),
            Carries::Late(pause) => (count, pause),
            Carries::Drops(pause) => (1, pause),
        };
        for piece in bytes[..count].chunks(size) {
            tokio::time::sleep(pause).await;
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
    }
}
