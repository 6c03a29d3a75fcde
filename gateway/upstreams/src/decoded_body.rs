//! The bytes of an upstream's body as they are meant: some upstreams compress though they are asked not to.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::Stream;
use http::{HeaderMap, header};

use crate::attempt_error::{AttemptError, AttemptErrorKind, FailureCause};

/// So many compressed bytes are unpacked at a time. Deflate makes at most 1,032 bytes of one, so that a bomb takes a
/// megabyte of memory, and then its reader's limits end it.
const PIECE: usize = 1 << 10;

/// A body without its coding, unpacked as it comes.
pub(super) struct DecodedBody<S> {
    bytes: S,
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// What came and is still packed.
    packed: Bytes,
    over: bool,
}

impl<S> DecodedBody<S>
where
    S: Stream<Item = Result<Bytes, FailureCause>> + Unpin,
{
    /// # Errors
    /// A coding that nobody asked for and that we do not know.
    pub(super) fn new(bytes: S, headers: &HeaderMap) -> Result<Self, AttemptError> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let decoder =
            match (codings.next().map(|coding| coding.as_bytes().to_ascii_lowercase()), codings.next()) {
                (None, _) => None,
                (Some(coding), None) if coding == b"identity" => None,
                (Some(coding), None) if coding == b"gzip" || coding == b"x-gzip" => {
                    Some(MultiGzDecoder::new(Vec::new()))
                }
                _ => return Err(AttemptError::new(AttemptErrorKind::BadResponse(200))),
            };
        Ok(Self { bytes, decoder, packed: Bytes::new(), over: false })
    }

    fn end(&mut self, error: AttemptError) -> Poll<Option<Result<Bytes, AttemptError>>> {
        self.over = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl<S> Stream for DecodedBody<S>
where
    S: Stream<Item = Result<Bytes, FailureCause>> + Unpin,
{
    type Item = Result<Bytes, AttemptError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.over {
            if let Some(decoder) = this.decoder.as_mut().filter(|_| !this.packed.is_empty()) {
                let piece = this.packed.split_to(PIECE.min(this.packed.len()));
                // Flushed each time: an event must not wait for the next one.
                if decoder.write_all(&piece).and_then(|()| decoder.flush()).is_err() {
                    return this.end(AttemptError::new(AttemptErrorKind::BadResponse(200)));
                }
                let plain = std::mem::take(decoder.get_mut());
                if !plain.is_empty() {
                    return Poll::Ready(Some(Ok(plain.into())));
                }
                continue;
            }
            match ready!(Pin::new(&mut this.bytes).poll_next(cx)) {
                Some(Ok(bytes)) if this.decoder.is_some() => this.packed = bytes,
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Err(cause)) => {
                    return this.end(AttemptError::caused(AttemptErrorKind::ConnectionLost, cause));
                }
                None => {
                    this.over = true;
                    let Some(decoder) = &mut this.decoder else { break };
                    if decoder.try_finish().is_err() {
                        return this.end(AttemptError::new(AttemptErrorKind::ConnectionLost));
                    }
                    let plain = std::mem::take(decoder.get_mut());
                    if !plain.is_empty() {
                        return Poll::Ready(Some(Ok(plain.into())));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::{StreamExt, stream};

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(coding: Option<&str>, pieces: Vec<Bytes>) -> impl Stream<Item = Result<Bytes, AttemptError>> {
        let headers = coding.map(|coding| (header::CONTENT_ENCODING, coding.parse().unwrap()));
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, FailureCause>));
        DecodedBody::new(pieces, &headers.into_iter().collect()).unwrap_or_else(|_| panic!("{coding:?}"))
    }

    async fn read(coding: Option<&str>, body: &[u8], size: usize) -> Result<Vec<u8>, AttemptErrorKind> {
        let pieces = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let mut stream = plain(coding, pieces);
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.map_err(|error| error.what)?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn gzip_is_unpacked_however_it_is_cut() {
        let text = "data: 你好\n\n".repeat(300).into_bytes();
        let body = packed(&text);
        for size in [1, 7, 1 << 20] {
            assert_eq!(read(Some("gzip"), &body, size).await, Ok(text.clone()), "{size}");
            assert_eq!(read(Some("GZIP"), &body, size).await, Ok(text.clone()), "{size}");
            assert_eq!(read(None, &body, size).await, Ok(body.clone()), "{size}");
            assert_eq!(read(Some("identity"), &text, size).await, Ok(text.clone()), "{size}");
        }
    }

    #[tokio::test]
    async fn what_was_flushed_comes_at_once() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"data: one\n\n").unwrap();
        encoder.flush().unwrap();
        let first = std::mem::take(encoder.get_mut());
        let pieces = stream::iter([Ok::<_, FailureCause>(Bytes::from(first))]).chain(stream::pending());
        let headers = [(header::CONTENT_ENCODING, "gzip".parse().unwrap())].into_iter().collect();
        let mut stream = DecodedBody::new(pieces, &headers).unwrap_or_else(|_| panic!());
        assert_eq!(stream.next().await.unwrap().unwrap(), "data: one\n\n");
    }

    #[tokio::test]
    async fn bad_and_unfinished_bodies_are_told() {
        let body = packed(b"data: one\n\n");
        assert_eq!(
            read(Some("gzip"), b"not packed at all", 100).await,
            Err(AttemptErrorKind::BadResponse(200))
        );
        assert_eq!(
            read(Some("gzip"), &body[..body.len() / 2], 100).await,
            Err(AttemptErrorKind::ConnectionLost)
        );
        for coding in ["br", "zstd", "deflate", "gzip, gzip", ""] {
            let headers = [(header::CONTENT_ENCODING, coding.parse().unwrap())].into_iter().collect();
            assert!(
                DecodedBody::new(stream::iter([Ok::<_, FailureCause>(Bytes::new())]), &headers).is_err(),
                "{coding}"
            );
        }
    }

    #[tokio::test]
    async fn a_bomb_comes_in_bounded_pieces() {
        let bomb = packed(&vec![b'x'; 64 << 20]);
        assert!(bomb.len() < 128 << 10, "{}", bomb.len());
        let mut stream = plain(Some("gzip"), vec![bomb.into()]);
        let mut all = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.unwrap().len();
            assert!(piece <= 2 << 20, "{piece}");
            all += piece;
        }
        assert_eq!(all, 64 << 20);
    }
}
