//! A real Redis on a free port, and a wire to it that can be cut.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running Redis. It ends with this value.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Redis {
    /// Starts Debian's redis-server; `None` where there is none, which is a failure where `XIETONG_REQUIRE` names redis.
    pub async fn start() -> Option<Self> {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = free.local_addr().expect("a listener has an address");
        drop(free);
        let port = address.port().to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let started = Command::new("redis-server").args(arguments).stdout(Stdio::null()).spawn();
        let Ok(child) = started else {
            let required = std::env::var("XIETONG_REQUIRE").is_ok_and(|tools| tools.contains("redis"));
            assert!(!required, "redis-server is required and not there");
            return None;
        };
        let redis = Self { address, child };
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(redis)
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

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A wire to an address, which can be cut and mended.
#[derive(Debug)]
pub struct Wire {
    /// Its near end.
    pub address: SocketAddr,
    far: SocketAddr,
    carrying: Option<JoinHandle<()>>,
}

impl Wire {
    /// To an address.
    pub async fn to(far: SocketAddr) -> Self {
        let near = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = near.local_addr().expect("a listener has an address");
        Self { address, far, carrying: Some(tokio::spawn(carry(near, far))) }
    }

    /// What to write into the configuration.
    pub fn line(&self) -> String {
        line(self.address)
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
        self.carrying = Some(tokio::spawn(carry(near, self.far)));
    }
}

fn line(address: SocketAddr) -> String {
    format!("state: {{kind: redis, url: \"redis://{address}/0\"}}")
}

async fn carry(near: TcpListener, far: SocketAddr) {
    // The set ends every connection together with this task.
    let mut connections = JoinSet::new();
    while let Ok((mut socket, _)) = near.accept().await {
        connections.spawn(async move {
            if let Ok(mut other) = TcpStream::connect(far).await {
                let _ = copy_bidirectional(&mut socket, &mut other).await;
            }
        });
    }
}
