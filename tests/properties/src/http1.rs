use http::HeaderMap;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};
use upstreams::CompleteResponse;

/// A response that can be told from all others, to follow on a connection.
const NEXT: &[u8] = b"HTTP/1.1 418 Next\r\ncontent-length: 4\r\n\r\nnext";

/// However a response of an upstream is cut, it is read the same, and no byte behind it is read as a part of it; what is read
/// to its end is what hyper reads.
pub fn http1_response(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let whole = CompleteResponse::read(bytes, bytes.len().max(1));
    assert_eq!(whole, CompleteResponse::read(bytes, usize::from(size).max(1)));
    let Some(whole) = whole else { return };
    assert!(bytes.ends_with(&whole.rest), "what is left is what came last");
    if whole.stays_open {
        let alone = &bytes[..bytes.len() - whole.rest.len()];
        let followed = CompleteResponse::read(&[alone, NEXT].concat(), usize::from(size).max(1));
        assert_eq!(followed, Some(CompleteResponse { rest: NEXT.to_vec(), ..whole.clone() }));
    }
    let (status, headers, body) = read_by_hyper(bytes).expect("hyper reads what we read");
    assert_eq!((status, body), (whole.status, whole.body));
    for name in whole.headers.keys() {
        assert!(headers.get_all(name).iter().eq(whole.headers.get_all(name)), "{name}");
    }
}

/// What hyper's client makes of the same.
fn read_by_hyper(bytes: &[u8]) -> Option<(u16, HeaderMap, Vec<u8>)> {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
    }
    let (ours, mut theirs) = duplex(1 << 20);
    let peer = async move {
        theirs.write_all(bytes).await.expect("there is room");
        theirs.shutdown().await.expect("it is open");
        theirs
    };
    let asked = async move {
        let (mut sender, connection) = handshake(TokioIo::new(ours)).await.ok()?;
        let answer = async move {
            let request = http::Request::post("/").body(Empty::<Bytes>::new()).ok()?;
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some((head.status.as_u16(), head.headers, body))
        };
        tokio::join!(answer, connection).0
    };
    RUNTIME.with(|runtime| runtime.block_on(async { tokio::join!(asked, peer).0 }))
}
