//! Who answers at an address of this machine: another Xietong, some other server of models, or nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server on this machine may take for its list of models.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 256 << 10;

/// Who answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortOwner {
    /// A Xietong, or one that asks for a key.
    Xietong,
    /// Another server of models, by the word that its list says owns them, such as `llamacpp`.
    ModelServer(String),
    /// Something else.
    Other,
    /// Nobody.
    Nobody,
}

impl PortOwner {
    /// Asks whoever listens there for a list of models.
    pub(super) async fn at(address: SocketAddr) -> Self {
        let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(address)).await else {
            return Self::Nobody;
        };
        let answer = timeout(PATIENCE, list(stream, address)).await;
        answer.ok().flatten().map_or(Self::Other, |answer| Self::of(&answer))
    }

    /// By the answer to `GET /v1/models`.
    fn of(answer: &str) -> Self {
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Self::Other };
        let head = head.to_ascii_lowercase();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        // The names that a Xietong gives requests: one that asks for a key shows no list.
        if head.contains("\r\nx-request-id: req-") {
            return Self::Xietong;
        }
        let entries = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let owners: Vec<&str> = entries.iter().filter_map(|entry| entry["owned_by"].as_str()).collect();
        match owners.first() {
            _ if owners.contains(&"xietong") => Self::Xietong,
            Some(owner) => Self::ModelServer((*owner).to_owned()),
            None => Self::Other,
        }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Xietong => "another Xietong answers there".to_owned(),
            Self::ModelServer(owner) if owner == "llamacpp" => {
                "a llama-server (llama.cpp) answers there".to_owned()
            }
            Self::ModelServer(owner) => format!("a server of models (`{owner}`) answers there"),
            Self::Other => "another program listens there".to_owned(),
            Self::Nobody => "another program has it".to_owned(),
        }
    }
}

/// Where this machine reaches a port that listens there.
pub(super) fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn list(mut stream: TcpStream, address: SocketAddr) -> Option<String> {
    // HTTP/1.0, so that the answer comes whole and the connection ends with it.
    let request = format!("GET /v1/models HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_by_its_list_of_models() {
        let server = |owner: &str| PortOwner::ModelServer(owner.to_owned());
        for (answer, expected) in [
            (
                "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"auto\",\"owned_by\":\"xietong\"}]}",
                PortOwner::Xietong,
            ),
            (
                "HTTP/1.1 401 Unauthorized\r\nX-Request-Id: req-1\r\n\r\n{\"error\":{\"code\":\"invalid_api_key\"}}",
                PortOwner::Xietong,
            ),
            (
                "HTTP/1.1 401 Unauthorized\r\nx-request-id: 1\r\n\r\n{\"error\":{\"code\":\"invalid_api_key\"}}",
                PortOwner::Other,
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"m\",\"owned_by\":\"llamacpp\"}]}",
                server("llamacpp"),
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"m\",\"owned_by\":\"library\"}]}",
                server("library"),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n{\"data\":[]}", PortOwner::Other),
            ("HTTP/1.1 404 Not Found\r\n\r\n<html>", PortOwner::Other),
            ("SSH-2.0", PortOwner::Other),
            ("", PortOwner::Other),
        ] {
            assert_eq!(PortOwner::of(answer), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn nobody_is_nobody() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(PortOwner::at(address).await, PortOwner::Nobody);
    }

    #[test]
    fn a_port_of_all_interfaces_is_reached_on_this_machine() {
        for (listen, at) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("127.0.0.2:8080", "127.0.0.2:8080")]
        {
            assert_eq!(reached(listen.parse().unwrap()), at.parse().unwrap());
        }
    }
}
