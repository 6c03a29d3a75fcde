//! A streamed answer in Google's words: each event is a part of it, in the shape of the whole.

use std::collections::VecDeque;

use super::super::super::chunk::{ChunkKind, ResponseChunk};
use super::super::super::finish_reason::FinishReason;
use super::super::super::provider_error::ProviderError;
use super::super::super::sse::SseEvent;
use super::super::chunk_encoder::{self, ChunkEncoder};
use super::answer::{GeminiCandidate, GeminiResponse, GeminiUsage, finish};

/// Candidates that are told apart; nothing is ever allocated by an index.
const MOST: u64 = 128;

/// Reads the events of one answer.
#[derive(Debug)]
pub struct GeminiDecoder {
    voice: ChunkEncoder,
    /// Calls of tools so far, by candidate.
    calls: Vec<(u64, u64)>,
    /// Whether any candidate has said something.
    said: bool,
    finished: bool,
    failed: bool,
}

impl GeminiDecoder {
    pub(in super::super) fn new(created: u64) -> Self {
        let voice = ChunkEncoder { created, ..ChunkEncoder::default() };
        Self { voice, calls: Vec::new(), said: false, finished: false, failed: false }
    }

    /// Adds what an event says.
    pub(in super::super) fn take(&mut self, event: SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        if event.comment {
            return chunks.push_back(chunk_encoder::without_data(&event));
        }
        let answer = match serde_json::from_slice::<GeminiResponse<'_>>(&event.data) {
            Ok(answer) => answer,
            Err(_) => return chunks.push_back(chunk_encoder::malformed()),
        };
        let begun = answer.candidates.is_empty() && answer.usage_metadata.is_none();
        let complaint =
            answer.complaint().or_else(|| begun.then(|| ProviderError::found(&event.data)).flatten());
        if let Some(complaint) = complaint {
            return self.fail(complaint, chunks);
        }
        if self.voice.id.is_empty() {
            self.voice.id.clone_from(&answer.response_id);
            self.voice.model.clone_from(&answer.model_version);
        }
        let (before, ended) = (chunks.len(), self.finished);
        for candidate in answer.candidates.iter().filter(|candidate| candidate.index < MOST) {
            if let Some(failed) = self.candidate(candidate, chunks) {
                let usage = answer.usage_metadata.and_then(|usage| usage.counts().told());
                return self.fail(ProviderError { usage, ..failed }, chunks);
            }
        }
        if let Some(usage) = answer.usage_metadata {
            self.count(usage, chunks, before, ended);
        }
    }

    /// The stream has ended; there is no marker, so the reason why is what makes it whole.
    pub(in super::super) fn end(&mut self, chunks: &mut VecDeque<ResponseChunk>) {
        if self.finished && !self.failed {
            chunks.push_back(chunk_encoder::done());
        }
    }

    /// Adds what a candidate says; gives the failure that it ends with, if it does.
    fn candidate(
        &mut self,
        candidate: &GeminiCandidate<'_>,
        chunks: &mut VecDeque<ResponseChunk>,
    ) -> Option<ProviderError> {
        let index = candidate.index;
        let first = !self.calls.iter().any(|(known, _)| *known == index);
        if first {
            self.calls.push((index, 0));
            chunks.push_back(self.voice.says(index, None, |delta| {
                delta.text("role", "assistant");
                delta.text("content", "");
            }));
        }
        let before = chunks.len();
        for part in &candidate.content.parts {
            let number = self.made(index);
            if let Some(call) = part.call(&self.voice.id, number) {
                self.calls.iter_mut().filter(|(known, _)| *known == index).for_each(|(_, count)| *count += 1);
                chunks.push_back(self.voice.says(index, None, |delta| {
                    chunk_encoder::calls(delta, number, Some(&call), &call.arguments);
                }));
            } else if !part.text.is_empty() {
                let name = if part.thought { "reasoning_content" } else { "content" };
                chunks.push_back(self.voice.says(index, None, |delta| delta.text(name, &part.text)));
            }
        }
        self.said |= chunks.len() > before;
        let reason = candidate.finish_reason.as_deref().filter(|it| *it != UNSPECIFIED)?;
        match finish(reason, self.made(index) > 0) {
            // A word that nobody knows, of an answer that says nothing.
            FinishReason::Other if !self.said => Some(ProviderError::of_reason(reason)),
            FinishReason::Failed => Some(ProviderError::of_reason(reason)),
            finish => {
                self.finished = true;
                chunks.push_back(self.voice.says(index, Some(finish), |_| {}));
                None
            }
        }
    }

    /// Tells the counts so far: apart once the answer has ended, before that beside its last piece.
    fn count(&self, usage: GeminiUsage, chunks: &mut VecDeque<ResponseChunk>, before: usize, ended: bool) {
        let counts = usage.counts();
        if self.finished || ended {
            return chunks.push_back(self.voice.counted(&counts));
        }
        if let Some(ResponseChunk { what: ChunkKind::Piece(piece), .. }) =
            chunks.iter_mut().skip(before).last()
        {
            piece.usage = counts.reported();
        }
    }

    fn fail(&mut self, complaint: ProviderError, chunks: &mut VecDeque<ResponseChunk>) {
        self.failed = true;
        chunks.push_back(ResponseChunk { what: ChunkKind::Error(complaint), ..chunk_encoder::aside() });
    }

    fn made(&self, index: u64) -> u64 {
        self.calls.iter().find(|(known, _)| *known == index).map_or(0, |(_, count)| *count)
    }
}

/// Said by some while an answer goes on.
const UNSPECIFIED: &str = "FINISH_REASON_UNSPECIFIED";
