//! Finds model servers on the default ports of this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gateway_config::{KnownProvider, known_providers};

/// How long a server on this machine may take to accept, and then to send each piece of its list of models.
const PATIENCE: Duration = Duration::from_millis(300);
/// The longest list of models that is read.
const LONGEST: u64 = 256 * 1024;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalServer {
    /// Which one it is, by its port.
    pub(super) provider: KnownProvider,
    /// The first model that it has.
    pub(super) model: String,
}

/// The servers that answer on their default ports with at least one model.
pub(super) fn find() -> Vec<LocalServer> {
    let asked: Vec<_> = known_providers()
        .filter(|provider| provider.local)
        .filter_map(|provider| Some((provider, address(provider.base_url)?)))
        // Side by side: a port that swallows connections must not hold up the others.
        .map(|(provider, address)| (provider, std::thread::spawn(move || first_model(address))))
        .collect();
    let found = asked.into_iter().filter_map(|(provider, answer)| Some((provider, answer.join().ok()??)));
    found.map(|(provider, model)| LocalServer { provider, model }).collect()
}

/// The address in `http://ADDRESS/v1`.
fn address(base_url: &str) -> Option<SocketAddr> {
    base_url.strip_prefix("http://")?.split('/').next()?.parse().ok()
}

/// The first name in the answer to `GET /v1/models`; `None` for whatever is no such server, and for another Xietong.
fn first_model(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    // HTTP/1.0, so that the answer comes whole and the connection ends with it.
    stream
        .write_all(
            format!("GET /v1/models HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\r\n")
                .as_bytes(),
        )
        .ok()?;
    let mut answer = Vec::new();
    // A server that keeps the connection open ends the reading by silence; what came until then is enough.
    let _ = stream.take(LONGEST).read_to_end(&mut answer);
    model_in(&String::from_utf8_lossy(&answer))
}

fn model_in(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?;
    let list: serde_json::Value = serde_json::from_str(body).ok()?;
    let first = list["data"].get(0)?;
    (status == "200" && first["owned_by"] != "xietong").then(|| first["id"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_a_server_for_its_first_model() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"qwen2.5:7b\",\"owned_by\":\"library\"}]}",
                )
                .unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        assert_eq!(first_model(address).as_deref(), Some("qwen2.5:7b"));
        assert!(server.join().unwrap().starts_with("GET /v1/models HTTP/1.0\r\nhost: 127.0.0.1:"));
        assert_eq!(first_model(address), None, "nobody listens any more");
    }

    #[test]
    fn takes_nothing_else_for_a_server() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{\"data\":[]}",
            "HTTP/1.1 404 Not Found\r\n\r\n{\"data\":[{\"id\":\"m\"}]}",
            "HTTP/1.1 200 OK\r\n\r\n<html>",
            "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"auto\",\"owned_by\":\"xietong\"}]}",
        ] {
            assert_eq!(model_in(answer), None, "{answer}");
        }
    }

    #[test]
    fn knows_the_default_ports() {
        let ports: Vec<_> = known_providers()
            .filter(|provider| provider.local)
            .map(|provider| (provider.name, address(provider.base_url).unwrap().port()))
            .collect();
        for expected in [("ollama", 11434), ("vllm", 8000), ("llama.cpp", 8080)] {
            assert!(ports.contains(&expected), "{ports:?}");
        }
    }
}
