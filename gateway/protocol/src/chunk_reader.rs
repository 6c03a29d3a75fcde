//! Reads the chunks of one stream, most of which are like one before.

use super::chunk::{ChunkInfo, ChunkKind, ResponseChunk, read_chunk};
use super::scan::is_plain;
use super::sse::SseEvent;

/// Reads the chunks of one stream. Most differ from one before in their text alone: the same bytes around another text
/// say the same, so that only the text is looked at.
#[derive(Debug, Default)]
pub struct ChunkReader {
    around: Option<ChunkTemplate>,
}

/// The largest frame around a text that is kept, in bytes. Beyond it something else stands beside the text, a picture say,
/// which is not kept for as long as the stream lasts.
const LARGEST_FRAME: usize = 4 << 10;

/// What the data of such a chunk are but for its text.
#[derive(Debug)]
struct ChunkTemplate {
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl ChunkReader {
    /// As [`read_chunk`].
    pub fn read(&mut self, event: SseEvent) -> ResponseChunk {
        if let Some(piece) = self.alike(&event) {
            let SseEvent { raw, data, .. } = event;
            return ResponseChunk { raw, data, what: ChunkKind::Piece(piece), native: None };
        }
        let chunk = read_chunk(event);
        if let ChunkKind::Piece(ChunkInfo {
            content: Some(at), finish: None, finished: 0, usage: None, ..
        }) = &chunk.what
            && chunk.data.len() - at.len() <= LARGEST_FRAME
        {
            self.around = Some(ChunkTemplate {
                before: chunk.data[..at.start].into(),
                after: chunk.data[at.end..].into(),
            });
        }
        chunk
    }

    /// What an event says that differs from one before in nothing but a text without escapes.
    pub(super) fn alike(&self, event: &SseEvent) -> Option<ChunkInfo> {
        let ChunkTemplate { before, after } = self.around.as_ref()?;
        let text = event.data.strip_prefix(&before[..])?.strip_suffix(&after[..])?;
        if text.is_empty() || !is_plain(text) || event.event.is_some() {
            return None;
        }
        let mut piece = ChunkInfo::default();
        piece.add(std::str::from_utf8(text).ok()?);
        piece.content = Some(before.len()..before.len() + text.len());
        Some(piece)
    }
}
