//! How probable an upstream found the tokens of its answer, and the answer without a word about it.

use std::ops::Range;

use bytes::Bytes;

use super::chunk::{ChunkKind, ResponseChunk, read_chunk};
use super::completion::CompletionBody;
use super::json_error::JsonError;
use super::scan::{Cursor, ValueKind, text_of};
use super::sse::SseEvent;

/// What a chunk, or a whole answer, says of its tokens.
#[derive(Debug, Default, PartialEq)]
pub struct TokenLogprobs {
    /// Log-probabilities, natural logarithms, 0 or less, in the order of the tokens, over all choices.
    pub logprobs: Vec<f64>,
    /// The same of the two likeliest tokens in the place of each, where the upstream says so.
    pub likeliest: Vec<[f64; 2]>,
    /// Where the values of `logprobs` lie that are not null.
    places: Vec<Range<usize>>,
}

impl TokenLogprobs {
    fn read(data: &[u8]) -> Result<Self, JsonError> {
        let mut odds = Self::default();
        let mut cursor = Cursor::over(text_of(data)?);
        if cursor.kind()? != ValueKind::Object {
            return Ok(odds);
        }
        cursor.members(|cursor, name| match name.raw {
            "choices" if cursor.kind()? == ValueKind::Array => {
                cursor.elements(|cursor, _| odds.choice(cursor))
            }
            _ => cursor.skip().map(drop),
        })?;
        Ok(odds)
    }

    fn choice(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| {
            if name.raw != "logprobs" || cursor.kind()? != ValueKind::Object {
                return cursor.skip().map(drop);
            }
            let start = cursor.at();
            cursor.members(|cursor, name| match name.raw {
                "content" if cursor.kind()? == ValueKind::Array => {
                    cursor.elements(|cursor, _| self.token(cursor))
                }
                _ => cursor.skip().map(drop),
            })?;
            self.places.push(start..cursor.at());
            Ok(())
        })
    }

    fn token(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        let mut likeliest = [None; 2];
        cursor.members(|cursor, name| {
            if name.raw == "top_logprobs" && cursor.kind()? == ValueKind::Array {
                return cursor.elements(|cursor, at| alternative(cursor, likeliest.get_mut(at)));
            }
            let value = cursor.skip()?;
            if name.raw == "logprob" {
                self.logprobs.extend(logprob(value));
            }
            Ok(())
        })?;
        if let [Some(first), Some(second)] = likeliest {
            self.likeliest.push([first, second]);
        }
        Ok(())
    }
}

/// Reads the log-probability of a token that could have come.
fn alternative(cursor: &mut Cursor<'_>, place: Option<&mut Option<f64>>) -> Result<(), JsonError> {
    let (ValueKind::Object, Some(place)) = (cursor.kind()?, place) else { return cursor.skip().map(drop) };
    cursor.members(|cursor, name| {
        let value = cursor.skip()?;
        if name.raw == "logprob" {
            *place = logprob(value);
        }
        Ok(())
    })
}

/// No probability is above 1.
fn logprob(value: &str) -> Option<f64> {
    value.parse::<f64>().ok().map(|logprob| logprob.min(0.0))
}

/// What an answer or a piece of one says of how probable its tokens are.
pub fn odds(data: &[u8]) -> TokenLogprobs {
    TokenLogprobs::read(data).unwrap_or_default()
}

impl ResponseChunk {
    /// The chunk without log-probabilities.
    pub fn without_logprobs(self) -> Self {
        if !matches!(self.what, ChunkKind::Piece(_)) {
            return self;
        }
        match without(&self.data) {
            Some(data) => {
                let raw: Bytes = [b"data: ", &data[..], b"\n\n"].concat().into();
                let data = raw.slice(b"data: ".len()..raw.len() - b"\n\n".len());
                read_chunk(SseEvent { raw, data, event: None, comment: false })
            }
            None => self,
        }
    }
}

impl CompletionBody {
    /// The answer without log-probabilities.
    pub fn without_logprobs(self) -> Self {
        without(self.bytes()).and_then(|bytes| Self::parse(bytes.into()).ok()).unwrap_or(self)
    }
}

/// The text with null for each `logprobs`; `None` where it says nothing of it. Line ends between its parts become
/// spaces, so that it fits on one line of an event.
fn without(data: &[u8]) -> Option<Vec<u8>> {
    let places = TokenLogprobs::read(data).ok()?.places;
    if places.is_empty() {
        return None;
    }
    let (mut out, mut end) = (Vec::with_capacity(data.len()), 0);
    for place in places {
        out.extend_from_slice(&data[end..place.start]);
        out.extend_from_slice(b"null");
        end = place.end;
    }
    out.extend_from_slice(&data[end..]);
    // A line end within a string is written as `\n`.
    out.iter_mut().filter(|byte| **byte == b'\n' || **byte == b'\r').for_each(|byte| *byte = b' ');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::sse::SseParser;
    use super::*;

    const PIECE: &str = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"ab"},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-9}]},{"token":"b","logprob":-1.25}],"refusal":null},"finish_reason":null}],"usage":null}"#;

    #[test]
    fn finds_the_probabilities_of_the_tokens_that_came() {
        assert_eq!(odds(PIECE.as_bytes()).logprobs, [-0.5, -1.25]);
        for none in [
            "",
            "[]",
            "{}",
            r#"{"choices":[{"logprobs":null}]}"#,
            r#"{"choices":[{"logprobs":{"content":null}}]}"#,
        ] {
            assert_eq!(odds(none.as_bytes()).logprobs, [0.0; 0], "{none}");
        }
    }

    #[test]
    fn finds_the_two_likeliest_where_they_are_told() {
        assert_eq!(odds(PIECE.as_bytes()).likeliest, [[0.0; 2]; 0], "one alone has no runner-up");
        let two = r#"{"choices":[{"logprobs":{"content":[{"token":"a","logprob":-0.5,"top_logprobs":
            [{"token":"a","logprob":-0.5},{"token":"b","logprob":-1.5},{"token":"c","logprob":-4}]}]}}]}"#;
        let odds = odds(two.as_bytes());
        assert_eq!((odds.logprobs, odds.likeliest), (vec![-0.5], vec![[-0.5, -1.5]]));
    }

    #[test]
    fn takes_them_out() {
        let mut splitter = SseParser::new();
        splitter.feed(Bytes::from(format!("data: {PIECE}\n\n")));
        let chunk = read_chunk(splitter.next().unwrap().unwrap()).without_logprobs();
        let expected = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"ab"},"logprobs":null,"finish_reason":null}],"usage":null}"#;
        assert_eq!(std::str::from_utf8(&chunk.raw).unwrap(), format!("data: {expected}\n\n"));
        let ChunkKind::Piece(piece) = &chunk.what else { panic!("{chunk:?}") };
        assert_eq!(&chunk.data[piece.content.clone().unwrap()], b"ab");
        let plain = chunk.clone().without_logprobs();
        assert_eq!(plain, chunk);
    }

    #[test]
    fn takes_them_out_of_a_whole_answer() {
        let text = r#"{"choices":[{"message":{"content":"a"},
            "logprobs":{"content":[{"token":"a","logprob":-0.5}]}}]}"#;
        let whole = CompletionBody::parse(Bytes::from(text)).unwrap().without_logprobs();
        assert!(!std::str::from_utf8(whole.bytes()).unwrap().contains("-0.5"));
        assert_eq!(odds(whole.bytes()).logprobs, [0.0; 0]);
    }
}
