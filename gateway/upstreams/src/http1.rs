//! HTTP/1.1 as it goes to an upstream and comes from it (RFC 9112): heads of requests, heads of answers, and bodies by
//! length, in chunks, or up to the end of the connection. Knows of no socket.

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use httparse::{EMPTY_HEADER, ParserConfig, Status};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The largest head of an answer, in headers and in bytes.
const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 128 << 10;
/// Bytes of the line that a chunk begins with, and of all that follows the last one.
const LONGEST_LINE: usize = 4 << 10;
const LONGEST_TRAILER: usize = 16 << 10;

/// What came is no answer, or no end of one, or larger than any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MalformedResponse;

/// Writes a header.
pub(super) fn write_header(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    head.reserve(name.as_str().len() + value.len() + 4);
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    /// Without those that speak of the connection or of the length.
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether another request may follow on the connection.
    pub(super) stays_open: bool,
    /// How long the peer keeps a connection that is idle, where it says so.
    pub(super) kept: Option<Duration>,
}

impl ResponseHead {
    /// Takes a head off the front of what came; `None` until all of it is there. Those that announce another are passed
    /// over.
    ///
    /// # Errors
    /// What can be none.
    pub(super) fn take(came: &mut BytesMut) -> Result<Option<Self>, MalformedResponse> {
        while !came.is_empty() {
            let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
            let mut parsed = httparse::Response::new(&mut []);
            let length = match ParserConfig::default().parse_response_with_uninit_headers(
                &mut parsed,
                came,
                &mut fields,
            ) {
                Ok(Status::Complete(length)) if length <= LARGEST_HEAD => length,
                Ok(Status::Partial) if came.len() <= LARGEST_HEAD => return Ok(None),
                _ => return Err(MalformedResponse),
            };
            let status =
                parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(MalformedResponse)?;
            match status.as_u16() {
                // Nobody has asked for another protocol.
                101 => return Err(MalformedResponse),
                100..200 => came.advance(length),
                _ => {
                    let head = Self::of(status, parsed.version == Some(1), &came[..length], parsed.headers)?;
                    came.advance(length);
                    return Ok(Some(head));
                }
            }
        }
        Ok(None)
    }

    fn of(
        status: StatusCode,
        is_1_1: bool,
        head: &[u8],
        fields: &[httparse::Header<'_>],
    ) -> Result<Self, MalformedResponse> {
        // A head of its own: what is kept of it does not keep the body.
        let (start, head) = (head.as_ptr() as usize, Bytes::copy_from_slice(head));
        let mut headers = HeaderMap::with_capacity(fields.len());
        let (mut length, mut coding, mut closes, mut kept) = (None, None, !is_1_1, None);
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MalformedResponse)?;
            match name {
                header::CONTENT_LENGTH => {
                    let here = content_length(field.value)?;
                    if length.replace(here).is_some_and(|before| before != here) {
                        return Err(MalformedResponse);
                    }
                }
                header::TRANSFER_ENCODING => {
                    if coding.replace(field.value.trim_ascii()).is_some() {
                        return Err(MalformedResponse);
                    }
                }
                header::CONNECTION => closes |= says_close(field.value),
                ref name if *name == KEEP_ALIVE => kept = keep_alive(field.value).or(kept),
                name => {
                    let at = field.value.as_ptr() as usize - start;
                    let value = head.slice(at..at + field.value.len());
                    headers
                        .append(name, HeaderValue::from_maybe_shared(value).map_err(|_| MalformedResponse)?);
                }
            }
        }
        let framing = match (coding, length) {
            _ if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => Framing::Sized(0),
            // HTTP/1.0 has no codings, and we offer none but this.
            (Some(coding), _) if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => {
                Framing::Chunked(BodyChunk::Size)
            }
            (Some(_), _) => return Err(MalformedResponse),
            (None, Some(length)) => Framing::Sized(length),
            (None, None) => Framing::UntilClosed,
        };
        // A length beside chunks does not count, and after it nothing on the connection can be trusted (section 6.3).
        let is_doubtful = coding.is_some() && length.is_some();
        let stays_open = !(closes || is_doubtful || framing.ends_with_connection());
        Ok(Self { status, headers, framing, stays_open, kept })
    }
}

/// One length, which may be said several times over (RFC 9110, section 8.6).
fn content_length(value: &[u8]) -> Result<u64, MalformedResponse> {
    let mut length = None;
    for said in value.split(|&byte| byte == b',') {
        let said = said.trim_ascii();
        if said.is_empty() || !said.iter().all(u8::is_ascii_digit) {
            return Err(MalformedResponse);
        }
        let here =
            std::str::from_utf8(said).ok().and_then(|said| said.parse().ok()).ok_or(MalformedResponse)?;
        if length.replace(here).is_some_and(|before: u64| before != here) {
            return Err(MalformedResponse);
        }
    }
    length.ok_or(MalformedResponse)
}

/// `timeout=5, max=100`: what comes before a connection is closed (RFC 2068, section 19.7.1, and every server since).
fn keep_alive(value: &[u8]) -> Option<Duration> {
    let said =
        std::str::from_utf8(value).ok()?.split(',').find_map(|it| it.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(said.parse().ok()?))
}

fn says_close(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes more.
    Sized(u64),
    /// After a chunk without bytes.
    Chunked(BodyChunk),
    /// Where the connection does.
    UntilClosed,
}

/// What comes next in a body of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyChunk {
    /// The line with its size.
    Size,
    /// So many of its bytes.
    Data(u64),
    /// What follows the last one.
    Trailer,
}

/// What there is of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyEvent {
    Piece(Bytes),
    /// More must come first.
    Wanting,
    End,
}

impl Framing {
    /// Takes a part of the body off the front of what came.
    ///
    /// # Errors
    /// What can be none.
    pub(super) fn take(&mut self, came: &mut BytesMut) -> Result<BodyEvent, MalformedResponse> {
        match self {
            Self::Sized(0) => Ok(BodyEvent::End),
            Self::Sized(left) => Ok(piece(left, came)),
            Self::Chunked(chunk) => chunk.take(came),
            Self::UntilClosed if came.is_empty() => Ok(BodyEvent::Wanting),
            Self::UntilClosed => Ok(BodyEvent::Piece(came.split().freeze())),
        }
    }

    /// Whether the end of the connection is that of the body.
    pub(super) fn ends_with_connection(self) -> bool {
        self == Self::UntilClosed
    }
}

impl BodyChunk {
    fn take(&mut self, came: &mut BytesMut) -> Result<BodyEvent, MalformedResponse> {
        loop {
            match self {
                Self::Size => match httparse::parse_chunk_size(came) {
                    // The parser reads a line without digits as a zero.
                    _ if came.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                        return Err(MalformedResponse);
                    }
                    Ok(Status::Complete((length, size))) if has_whole_line_ends(&came[..length]) => {
                        came.advance(length);
                        *self = if size == 0 { Self::Trailer } else { Self::Data(size) };
                    }
                    Ok(Status::Partial) if came.len() <= LONGEST_LINE => return Ok(BodyEvent::Wanting),
                    _ => return Err(MalformedResponse),
                },
                Self::Data(0) => match &came[..came.len().min(2)] {
                    b"\r\n" => {
                        came.advance(2);
                        *self = Self::Size;
                    }
                    b"\r" | b"" => return Ok(BodyEvent::Wanting),
                    _ => return Err(MalformedResponse),
                },
                Self::Data(left) => return Ok(piece(left, came)),
                Self::Trailer => {
                    let mut fields = [EMPTY_HEADER; MOST_HEADERS];
                    return match httparse::parse_headers(came, &mut fields) {
                        Ok(Status::Complete((length, _)))
                            if length <= LONGEST_TRAILER && has_whole_line_ends(&came[..length]) =>
                        {
                            came.advance(length);
                            Ok(BodyEvent::End)
                        }
                        Ok(Status::Partial) if came.len() <= LONGEST_TRAILER => Ok(BodyEvent::Wanting),
                        _ => Err(MalformedResponse),
                    };
                }
            }
        }
    }
}

/// Whether no line ends without a carriage return, which the parser does not mind.
fn has_whole_line_ends(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).all(|at| lines[..at].ends_with(b"\r"))
}

/// What is here of so many bytes.
fn piece(left: &mut u64, came: &mut BytesMut) -> BodyEvent {
    if came.is_empty() {
        return BodyEvent::Wanting;
    }
    let here = usize::try_from(*left).map_or(came.len(), |left| left.min(came.len()));
    *left -= here as u64;
    BodyEvent::Piece(came.split_to(here).freeze())
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};
    use hyper::client::conn::http1::handshake;
    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::complete_response::CompleteResponse;

    fn read(bytes: &[u8], size: usize) -> Result<CompleteResponse, MalformedResponse> {
        CompleteResponse::read(bytes, size).ok_or(MalformedResponse)
    }

    #[test]
    fn bodies_end_where_their_heads_say() {
        let check = |answer: &str, body: &str, stays_open: bool, rest: &str| {
            for size in [1, 2, 3, 7, 4096] {
                let read = read(answer.as_bytes(), size).unwrap_or_else(|_| panic!("{answer}"));
                let came = (std::str::from_utf8(&read.body).unwrap(), read.stays_open);
                assert_eq!(came, (body, stays_open), "{answer} in {size}");
                assert_eq!(read.rest, rest.as_bytes(), "{answer} in {size}");
            }
        };
        check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello", true, "");
        check("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhelloHTTP", "hello", true, "HTTP");
        check("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length:5\r\n\r\nhello", "hello", true, "");
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true, "");
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x, Close\r\n\r\nhi", "hi", false, "");
        check("HTTP/1.1 204 No Content\r\n\r\n", "", true, "");
        check("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", "", true, "");
        check("HTTP/1.1 200 OK\r\n\r\nup to the end", "up to the end", false, "");
        check("HTTP/1.0 200 OK\r\n\r\nup to the end", "up to the end", false, "");
        check("HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi", "hi", false, "");
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "hi",
            true,
            "",
        );
        let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n{rest}");
        check(&chunked("0\r\n\r\n"), "", true, "");
        check(&chunked("2\r\nhi\r\n0\r\n\r\n"), "hi", true, "");
        check(&chunked("2 ;a=b;c=\"d\"\r\nhi\r\n00A\r\n0123456789\r\n000\r\n\r\n"), "hi0123456789", true, "");
        check(&chunked("1\r\nx\r\n0\r\ntrailer: y\r\nother: z\r\n\r\n"), "x", true, "");
        check(&chunked("1\r\nx\r\n0\r\n\r\nmore"), "x", true, "more");
        let both =
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        check(both, "hi", false, "");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let check = |answer: &str| {
            for size in [1, 4096] {
                assert_eq!(read(answer.as_bytes(), size), Err(MalformedResponse), "{answer} in {size}");
            }
        };
        check("");
        check("hello\r\n\r\n");
        check("HTTP/2 200 OK\r\n\r\n");
        check("HTTP/1.1 OK\r\n\r\n");
        check("HTTP/1.1 200 OK\r\ncontent-length: 5");
        check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell");
        check("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        for length in
            ["", "-1", "+1", "5 5", "5,6", "5,", "0x5", "18446744073709551616", "5\r\ncontent-length: 6"]
        {
            check(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nhello"));
        }
        for coding in ["gzip", "gzip, chunked", "chunked, gzip", "chunked\r\ntransfer-encoding: chunked", ""]
        {
            check(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
        }
        check("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
        for body in [
            "",
            "\r\n",
            ";\r\n\r\n",
            " 2\r\nhi\r\n0\r\n\r\n",
            "2\nhi\r\n0\r\n\r\n",
            "2;a\nb\r\nhi\r\n0\r\n\r\n",
            "2\r\nhi0\r\n\r\n",
            "2\r\nhi\r\n",
            "2\r\nhi\r\n0\r\n",
            "2\r\nhi\n0\r\n\r\n",
            "2 2\r\nhi\r\n0\r\n\r\n",
            "-2\r\nhi\r\n0\r\n\r\n",
            "12345678123456781\r\nhi",
            "0\r\n\n",
            "0\r\nx: y\n\r\n",
            "0\r\nx\r\n\r\n",
            "g\r\n",
        ] {
            check(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        }
    }

    #[test]
    fn nothing_grows_without_end() {
        let check = |answer: String| assert_eq!(read(answer.as_bytes(), 1 << 10), Err(MalformedResponse));
        let long = "x".repeat(LARGEST_HEAD);
        check(format!("HTTP/1.1 200 OK\r\nx: {long}\r\ncontent-length: 0\r\n\r\n"));
        check(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x: y\r\n".repeat(MOST_HEADERS)));
        check(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{long}\r\nx\r\n0\r\n\r\n"));
        check(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: {long}\r\n\r\n"));
        let lines = "x: y\r\n".repeat(LONGEST_TRAILER / 6 + 1);
        check(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{lines}\r\n"));
    }

    #[test]
    fn headers_are_kept_but_for_those_of_the_connection() {
        let mut came = BytesMut::from(
            "HTTP/1.1 429 Too Many\r\nRetry-After: 3 \r\nX-A: 1\r\nx-a: \u{4f60}\r\nConnection: keep-alive\r\n\
             Keep-Alive: timeout=5, max=100\r\n\
             Content-Length: 4\r\n\r\nbody",
        );
        let head = ResponseHead::take(&mut came).unwrap().unwrap();
        let headers: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("retry-after", b"3"), ("x-a", b"1"), ("x-a", "\u{4f60}".as_bytes())];
        assert_eq!(headers, expected);
        assert_eq!((head.status.as_u16(), &came[..]), (429, &b"body"[..]));
        assert_eq!(head.kept, Some(Duration::from_secs(5)));
        let silent = ["", "max=100", "timeout=", "timeout=soon", "timeout=-1"];
        assert!(silent.iter().all(|it| keep_alive(it.as_bytes()).is_none()));
    }

    /// What hyper's client makes of the same.
    async fn read_by_hyper(bytes: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let (ours, mut theirs) = duplex(1 << 20);
        let peer = async move {
            theirs.write_all(&bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            theirs
        };
        let (mut sender, connection) = handshake(TokioIo::new(ours)).await.unwrap();
        let asked = async move {
            let request = http::Request::post("/").body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.into_body().collect().await.ok()?.to_bytes().to_vec()))
        };
        let (asked, ..) = tokio::join!(asked, connection, peer);
        asked
    }

    fn answers() -> impl Strategy<Value = Vec<u8>> {
        let status = prop_oneof![Just(200u16), Just(204), Just(429), 100..600u16];
        let pieces = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..30), 0..4);
        let extras = ("(;[a-z]{1,5}(=[a-z]{1,5})?)?", "([a-z]{1,8}: [a-z]{0,8}\r\n){0,2}");
        (status, pieces, 0..3u8, extras, "([a-z]{1,8}: [ -~]{0,12}\r\n){0,3}").prop_map(
            |(status, pieces, framing, (extension, trailer), headers)| {
                let mut answer = format!("HTTP/1.1 {status} Word\r\n{headers}").into_bytes();
                match framing {
                    0 => {
                        let body = pieces.concat();
                        answer.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                        answer.extend(body);
                    }
                    1 => {
                        answer.extend(b"transfer-encoding: chunked\r\n\r\n");
                        for piece in pieces {
                            answer.extend(format!("{:x}{extension}\r\n", piece.len()).bytes());
                            answer.extend(piece);
                            answer.extend(b"\r\n");
                        }
                        answer.extend(format!("0\r\n{trailer}\r\n").bytes());
                    }
                    _ => {
                        answer.extend(b"\r\n");
                        answer.extend(pieces.concat());
                    }
                }
                answer
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Nothing depends on how it is cut; what hyper reads to its end is read the same, and what it refuses is refused.
        #[test]
        fn hyper_reads_the_same(
            answer in answers(),
            faults in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..3),
            size in 1..40usize,
        ) {
            let mut answer = answer;
            for (at, byte, fault) in faults {
                let at = at.index(answer.len());
                match fault {
                    0 => answer[at] = byte,
                    1 => answer.insert(at, byte),
                    _ => answer.truncate(at.max(1)),
                }
            }
            let (whole, cut) = (read(&answer, answer.len()), read(&answer, size));
            prop_assert_eq!(&whole, &cut);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let by_hyper = runtime.block_on(read_by_hyper(answer.clone()));
            if let Ok(CompleteResponse { status, body, .. }) = whole {
                prop_assert_eq!(Some((status, body)), by_hyper, "{}", String::from_utf8_lossy(&answer));
            }
        }
    }
}
