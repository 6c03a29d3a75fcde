use std::collections::VecDeque;

use bytes::Bytes;
use protocol::{
    ChunkKind, FinalUsage, ResponseAggregator, ResponseChunk, ResponseDecoder, SseParser, UpstreamApi,
    read_chunk,
};
use serde_json::Value;

use crate::cut::cut;

/// An answer of this kind keeps to what `answer` says.
pub fn openai_answer(input: &[u8]) {
    answer(UpstreamApi::OpenAi, input);
}

/// An answer of this kind keeps to what `answer` says.
pub fn anthropic_answer(input: &[u8]) {
    answer(UpstreamApi::Anthropic, input);
}

/// An answer of this kind keeps to what `answer` says.
pub fn gemini_answer(input: &[u8]) {
    answer(UpstreamApi::Gemini, input);
}

/// An answer of this kind keeps to what `answer` says.
pub fn responses_answer(input: &[u8]) {
    answer(UpstreamApi::Responses, input);
}

/// However an upstream's stream is cut, its chunks are the same; each is an event of our own dialect that is read as what it
/// is said to be; and the whole that they come to can be read. The same bytes as a whole answer and as an error are read
/// without a fault, too.
fn answer(dialect: UpstreamApi, input: &[u8]) {
    let (whole, pieces) = cut(input);
    for native in [false, true] {
        let chunks = chunks(dialect.decoder(native, 7), std::slice::from_ref(&whole));
        assert_eq!(chunks, self::chunks(dialect.decoder(native, 7), &pieces));
        gathered(&chunks);
        if !native && dialect != UpstreamApi::OpenAi {
            chunks.iter().for_each(is_what_it_says);
        }
        if let Ok(whole) = dialect.whole(whole.clone(), native, 7) {
            let told = whole.with_usage(&FinalUsage::default());
            serde_json::from_slice::<Value>(&told).expect("a whole answer is JSON");
        }
    }
    for status in [400, 429, 503] {
        let _ = (dialect.error(status, &whole), dialect.wait(&whole));
    }
}

fn chunks(mut decoder: ResponseDecoder, pieces: &[Bytes]) -> Vec<ResponseChunk> {
    let (mut splitter, mut chunks) = (SseParser::with_cap(16 << 20), VecDeque::new());
    for piece in pieces {
        splitter.feed(piece.clone());
        while let Some(event) = splitter.next() {
            match event {
                Ok(event) => decoder.take(event, &mut chunks),
                Err(_) => return chunks.into(),
            }
        }
    }
    if let Some(event) = splitter.finish() {
        decoder.take(event, &mut chunks);
    }
    decoder.end(&mut chunks);
    chunks.into()
}

/// What we wrote is read as it was meant, but for tokens: those are told at the end alone, and counted wherever they come.
fn is_what_it_says(chunk: &ResponseChunk) {
    let but_for_tokens = |what: &ChunkKind| match what {
        ChunkKind::Piece(piece) => {
            let mut piece = piece.clone();
            piece.usage = None;
            Some(ChunkKind::Piece(piece))
        }
        ChunkKind::Done => Some(ChunkKind::Done),
        _ => None,
    };
    let Some(what) = but_for_tokens(&chunk.what) else { return };
    let mut splitter = SseParser::new();
    splitter.feed(chunk.raw.clone());
    let event = splitter.next().expect("a chunk is an event").expect("of a bounded length");
    assert!(splitter.next().is_none() && splitter.finish().is_none(), "and no more than one");
    let read = read_chunk(event);
    assert_eq!((but_for_tokens(&read.what), &read.data), (Some(what), &chunk.data));
}

fn gathered(chunks: &[ResponseChunk]) {
    let mut gather = ResponseAggregator::new();
    for chunk in chunks.iter().filter(|chunk| matches!(chunk.what, ChunkKind::Piece(_))) {
        if gather.see(chunk).is_err() {
            return;
        }
    }
    let whole = gather.whole(&FinalUsage::default());
    serde_json::from_slice::<Value>(&whole).expect("what is put together is JSON");
}
