//! Clients that speak HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, End, Request, Script, Scripted};
use end_to_end::setup::Setup;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Begins an answer; goes on with it only for who does not ask for one that stalls.
struct Stalling;

impl Choose for Stalling {
    fn choose(&self, request: &Request) -> Script {
        let reply = Reply::text("one two three").stream(request.asks_usage());
        match request.json()["messages"][0]["content"] == "stall" {
            true => reply.until_chunk(2).stall(),
            false => reply,
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cancelled_takes_no_other_along() {
    let small = Scripted::start(Stalling).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
    let socket = TcpStream::connect(gateway.data).await.expect("connected");
    let (mut client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);

    let mut ask = async |prompt: &str| {
        let request = http::Request::post(format!("http://{}/v1/chat/completions", gateway.data))
            .header("content-type", "application/json")
            .body(())
            .expect("a request");
        client = client.clone().ready().await.expect("ready");
        let (response, mut body) = client.send_request(request, false).expect("sent");
        let text = openai::ask_stream("auto", prompt).to_string();
        body.send_data(Bytes::from(text), true).expect("sent");
        (response, body)
    };
    let (stalled, mut stream) = ask("stall").await;
    let mut first = stalled.await.expect("a head").into_body();
    assert!(first.data().await.expect("a piece").is_ok());
    let (answered, _body) = ask("go on").await;
    stream.send_reset(h2::Reason::CANCEL);
    let (end, _) = timeout(Duration::from_secs(60), small.seen()[0].end()).await.expect("let go");
    assert_eq!(end, End::PeerLeft);

    let mut body = answered.await.expect("a head").into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.expect("whole");
        body.flow_control().release_capacity(piece.len()).expect("released");
        text.extend_from_slice(&piece);
    }
    assert!(text.ends_with(b"data: [DONE]\n\n"), "{}", String::from_utf8_lossy(&text));
    let (again, _body) = ask("go on").await;
    assert_eq!(again.await.expect("the connection stays").status(), 200);
    assert_eq!(large.seen().len(), 0);
    connection.abort();
}
