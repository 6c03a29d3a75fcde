//! An upstream that does what it is told: it can say, pause, fail, reset, stall and lie.
//!
//! It keeps what it saw and what it would bill, and so is the truth that the gateway is held to.

mod play;
mod script;
mod seen;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub use script::{Billed, Script, Step};
pub use seen::{End, Progress, Request, Seen};

use crate::http1::Connection;

/// A scripted upstream. It stops when it is dropped.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

/// Chooses the script for a request.
pub trait Choose: Send + Sync + 'static {
    /// What to do with this request.
    fn choose(&self, request: &Request) -> Script;
}

impl<F: Fn(&Request) -> Script + Send + Sync + 'static> Choose for F {
    fn choose(&self, request: &Request) -> Script {
        self(request)
    }
}

/// The same for every request.
impl Choose for Script {
    fn choose(&self, _: &Request) -> Script {
        self.clone()
    }
}

/// One after the other; the last one again and again.
#[derive(Debug)]
pub struct InTurn {
    scripts: Vec<Script>,
    next: AtomicUsize,
}

/// Scripts for the first, the second … request; the last one for all that follow.
pub fn in_turn(scripts: impl IntoIterator<Item = Script>) -> InTurn {
    let scripts: Vec<_> = scripts.into_iter().collect();
    assert!(!scripts.is_empty(), "at least one script is needed");
    InTurn { scripts, next: AtomicUsize::new(0) }
}

impl Choose for InTurn {
    fn choose(&self, _: &Request) -> Script {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.scripts[turn.min(self.scripts.len() - 1)].clone()
    }
}

struct State {
    choice: Box<dyn Choose>,
    reads_bodies: bool,
    seen: Mutex<Vec<Arc<Seen>>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Scripted {
    /// Listens on a free port of the loopback interface.
    pub async fn start(choice: impl Choose) -> Self {
        Self::listen(bind().listen(1024).expect("a bound socket listens"), choice, true)
    }

    /// As [`Scripted::start`], but it answers after the head and never reads a body.
    pub async fn start_deaf(choice: impl Choose) -> Self {
        Self::listen(bind().listen(1024).expect("a bound socket listens"), choice, false)
    }

    /// Answers on a listener of the caller's.
    pub fn on(listener: TcpListener, choice: impl Choose) -> Self {
        Self::listen(listener, choice, true)
    }

    fn listen(listener: TcpListener, choice: impl Choose, reads_bodies: bool) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let state = State { choice: Box::new(choice), reads_bodies, seen: Mutex::default() };
        let state = Arc::new(state);
        let listening = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, listening }
    }

    /// What to write as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Arc<Seen>> {
        self.state.seen.lock().expect("no holder of this lock panics").clone()
    }

    /// Every request for an answer so far: not those that ask a server what it is, or whether it answers.
    pub fn asked(&self) -> Vec<Arc<Seen>> {
        let answers =
            |seen: &Arc<Seen>| seen.request.method() == "POST" && !seen.request.path().starts_with("/api/");
        self.seen().into_iter().filter(answers).collect()
    }

    /// The only request for an answer so far.
    pub fn only(&self) -> Arc<Seen> {
        let seen = self.asked();
        assert_eq!(seen.len(), 1, "one request was expected");
        Arc::clone(&seen[0])
    }

    /// What the provider would ask to be paid for, all requests together.
    pub fn billed(&self) -> Billed {
        let mut sum = Billed::default();
        for seen in self.seen() {
            sum += seen.progress().billed;
        }
        sum
    }

    /// Closes the listener and every connection: from now on connections are refused.
    pub async fn refuse(self) -> Refusing {
        self.listening.abort();
        let address = self.address;
        drop(self);
        loop {
            // The port is free as soon as the aborted task has let go of it.
            if let Ok(refusing) = Refusing::at(address) {
                return refusing;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// An address that refuses connections, and holds its port.
#[derive(Debug)]
pub struct Refusing {
    socket: TcpSocket,
    /// Where nobody listens.
    pub address: SocketAddr,
}

impl Refusing {
    /// On a free port.
    pub fn start() -> Self {
        let socket = bind();
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { socket, address }
    }

    fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { socket, address })
    }

    /// What to write as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Listens from now on.
    pub fn recover(self, choice: impl Choose) -> Scripted {
        Scripted::listen(self.socket.listen(1024).expect("a bound socket listens"), choice, true)
    }
}

fn bind() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("sockets are to be had");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
    socket
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // The set ends every connection together with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(converse(socket, Arc::clone(&state)))),
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers the requests of one connection.
async fn converse(socket: TcpStream, state: Arc<State>) {
    let mut connection = Connection::new(socket);
    while let Ok(Some(head)) = connection.head().await {
        let framing = head.request_framing();
        let body = if state.reads_bodies { connection.body(framing).await } else { Ok(Vec::new()) };
        let Ok(body) = body else { return };
        let seen = Seen::new(Request { head, body });
        let script = state.choice.choose(&seen.request);
        state.seen.lock().expect("no holder of this lock panics").push(Arc::clone(&seen));
        if play::play(&mut connection, script, &seen).await != End::Said {
            return;
        }
    }
}
