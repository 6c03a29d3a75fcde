//! What an upstream answers over HTTP: its content's type, its body, and the headers that clients may see.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, Response, header};
use tokio::time::{Instant, timeout_at};

use super::decoded_body::DecodedBody;
use super::transport::ResponseBody;
use crate::attempt_error::{AttemptError, AttemptErrorKind};
use crate::header_names;

/// Headers of an upstream's answer that clients may see. All others could name accounts or hosts.
const SHOWN: [HeaderName; 3] =
    [header_names::OPENAI_PROCESSING, header_names::OPENAI_VERSION, header::RETRY_AFTER];

/// A provider's name for a request, in bytes; a longer one is not passed on.
const LONGEST_ID: usize = 128;

/// Whether its content is of this type.
pub(super) fn is(response: &Response<ResponseBody>, kind: &str) -> bool {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        value.trim_start().get(..kind.len()).is_some_and(|it| it.eq_ignore_ascii_case(kind))
    })
}

/// Its body, decoded.
///
/// # Errors
/// A coding that is not known.
pub(super) fn plain(
    response: Response<ResponseBody>,
) -> Result<impl Stream<Item = Result<Bytes, AttemptError>> + Send + Unpin + 'static, AttemptError> {
    let (head, flow) = response.into_parts();
    DecodedBody::new(flow, &head.headers)
}

/// The whole body, of at most `limit` bytes, by `deadline`.
///
/// # Errors
/// A body that is longer, comes too late or breaks off.
pub(super) async fn read(
    mut bytes: impl Stream<Item = Result<Bytes, AttemptError>> + Unpin,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, AttemptError> {
    // Most come in one piece, which is the whole then.
    let (mut first, mut body) = (Bytes::new(), BytesMut::new());
    loop {
        match timeout_at(deadline, bytes.next()).await {
            Err(_) => return Err(AttemptError::new(AttemptErrorKind::TotalTimeout)),
            Ok(None) if body.is_empty() => return Ok(first),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(piece)) => {
                let piece = piece?;
                if first.len().max(body.len()) + piece.len() > limit {
                    return Err(AttemptError::new(AttemptErrorKind::BadResponse(200)));
                }
                if first.is_empty() {
                    first = piece;
                    continue;
                }
                if body.is_empty() {
                    body.extend_from_slice(&first);
                }
                body.extend_from_slice(&piece);
            }
        }
    }
}

/// The headers that clients may see.
pub(super) fn shown(headers: &HeaderMap) -> HeaderMap {
    let mut shown = HeaderMap::new();
    for name in SHOWN {
        if let Some(value) = headers.get(&name) {
            shown.insert(name, value.clone());
        }
    }
    let id = headers.get(header_names::REQUEST_ID).filter(|id| id.len() <= LONGEST_ID && id.to_str().is_ok());
    if let Some(id) = id {
        shown.insert(header_names::UPSTREAM_REQUEST_ID, id.clone());
    }
    shown
}
