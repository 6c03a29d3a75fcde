//! An answer under way, as the one who asked for it sees it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::SchemaError;
use crate::answer_reader::{AnswerSplitter, CallFragment};
use crate::repetition::RepetitionWatch;

/// An answer under way: a stream of pieces, of which the last is [`GenerationPiece::End`] or an error. Dropping
/// it cancels the work, at the latest after the token (or the piece of the prompt) in hand.
#[derive(Debug)]
pub struct Generation {
    /// The number of its job.
    pub(crate) ticket: u64,
    pieces: UnboundedReceiver<Result<GenerationPiece, GenerationError>>,
    reader: AnswerSplitter,
    repetition: RepetitionWatch,
    /// Whether the answer goes round in a circle.
    circling: bool,
    /// Whether a tool was called.
    called: bool,
    /// What it took so far.
    usage: GenerationUsage,
    ended: bool,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationPiece {
    /// The request left the queue and its prompt is being read. Comes first, once.
    Started {
        /// Tokens of the whole prompt.
        prompt_tokens: u32,
        /// How many of them were still in the cache and need no reading.
        cached_tokens: u32,
    },
    /// One token of the answer.
    Token(GeneratedToken),
    /// The answer is complete. Comes last, once.
    End {
        /// Text that was held back until now, often empty; it belongs to the answer.
        text: String,
        /// The same of thoughts.
        thought: String,
        /// The same of calls.
        calls: Vec<CallFragment>,
        /// Why it ended.
        finish: GenerationFinish,
        /// What it took.
        usage: GenerationUsage,
    },
}

/// One token. Probabilities are the model's own, before penalties, temperature and truncation, as
/// natural logarithms.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedToken {
    /// The text that this token makes known. Empty while a character is incomplete or a stop sequence
    /// may have begun; then a later piece brings it.
    pub text: String,
    /// The text of thoughts that it makes known.
    pub thought: String,
    /// The pieces of calls that it makes known.
    pub calls: Vec<CallFragment>,
    /// The bytes of this very token; not always UTF-8 by themselves.
    pub bytes: Vec<u8>,
    /// Log-probability of this token, 0 or less.
    pub logprob: f32,
    /// How far the likeliest token is ahead of the runner-up, in log-probability, 0 or more.
    pub margin: f32,
    /// Entropy of the distribution that the token came from, in nats, 0 or more.
    pub entropy: f32,
    /// The likeliest tokens, as many as asked for, likeliest first.
    pub top: Vec<TokenAlternative>,
}

/// A token that could have come.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenAlternative {
    /// Its bytes; not always UTF-8 by themselves.
    pub bytes: Vec<u8>,
    /// Its log-probability, 0 or less.
    pub logprob: f32,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationFinish {
    /// The model was done, or a stop sequence came.
    Stop,
    /// The model was done, and called tools.
    ToolCalls,
    /// `max_tokens` or the end of the context; a stop sequence in the midst of a call; or the model only repeats itself.
    Length,
}

/// What an answer took, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GenerationUsage {
    /// The whole prompt.
    pub prompt_tokens: u32,
    /// The part of the prompt that was still in the cache.
    pub cached_tokens: u32,
    /// The answer: as many as there were [`GenerationPiece::Token`]s.
    pub completion_tokens: u32,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineRefusal {
    /// The queue, or this asker's share of it, is full.
    #[error("the embedded model is busy: its queue is full")]
    Busy,
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {prompt} tokens, and the context {context}")]
    PromptTooLong {
        /// Tokens of the prompt; a lower bound where it was too long to count.
        prompt: u32,
        /// Tokens of the context, prompt and answer together.
        context: u32,
    },
    /// A field is out of range, or the model's template does not take these messages.
    #[error("{0}")]
    Invalid(String),
    /// The request is well formed, and another model could serve it; this one cannot.
    #[error("{0}")]
    Unable(String),
    /// The engine's threads have ended; it takes no more requests.
    #[error("the embedded model has stopped")]
    Dead,
}

/// Why an answer broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// The engine could not compute the next token; the engine itself goes on.
    #[error("the embedded model failed: {0}")]
    Broken(String),
    /// The answer could not be held to its format any further; nothing is wrong with the engine.
    #[error("the answer cannot be held to its format any further")]
    Format,
    /// The engine's threads have ended.
    #[error("the embedded model has stopped")]
    Dead,
}

impl From<SchemaError> for EngineRefusal {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Invalid { .. } => Self::Invalid(error.to_string()),
            SchemaError::Unsupported { .. } => Self::Unable(error.to_string()),
        }
    }
}

impl Generation {
    pub(crate) fn new(
        ticket: u64,
        pieces: UnboundedReceiver<Result<GenerationPiece, GenerationError>>,
        reader: AnswerSplitter,
    ) -> Self {
        Self {
            ticket,
            pieces,
            reader,
            repetition: RepetitionWatch::default(),
            circling: false,
            called: false,
            usage: GenerationUsage::default(),
            ended: false,
        }
    }

    /// The next piece; `None` after the last one. Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<GenerationPiece, GenerationError>> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<GenerationPiece, GenerationError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.reader.has_repeated() {
            return Poll::Ready(Some(Ok(self.end_early(GenerationFinish::ToolCalls))));
        }
        if self.circling {
            return Poll::Ready(Some(Ok(self.end_early(GenerationFinish::Length))));
        }
        let piece = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(piece)) => piece,
            // The engine always says how an answer ended: silence means that it is gone.
            Poll::Ready(None) => Err(GenerationError::Dead),
        };
        self.ended = matches!(piece, Ok(GenerationPiece::End { .. }) | Err(_));
        Poll::Ready(Some(piece.map(|piece| self.read(piece))))
    }

    /// The end of an answer that goes round in a circle. The engine stops at its next token.
    fn end_early(&mut self, finish: GenerationFinish) -> GenerationPiece {
        self.ended = true;
        self.pieces.close();
        let rest = self.reader.finish();
        GenerationPiece::End {
            text: rest.text,
            thought: rest.thought,
            calls: rest.calls,
            finish,
            usage: self.usage,
        }
    }

    /// Tells what is said from what is thought and what is called.
    fn read(&mut self, mut piece: GenerationPiece) -> GenerationPiece {
        match &mut piece {
            GenerationPiece::Started { prompt_tokens, cached_tokens } => {
                (self.usage.prompt_tokens, self.usage.cached_tokens) = (*prompt_tokens, *cached_tokens);
            }
            GenerationPiece::Token(token) => {
                self.usage.completion_tokens += 1;
                self.circling |= self.repetition.push(&token.bytes);
                let delta = self.reader.push(&std::mem::take(&mut token.text));
                self.called |= !delta.calls.is_empty();
                (token.text, token.thought, token.calls) = (delta.text, delta.thought, delta.calls);
            }
            GenerationPiece::End { text, thought, calls, finish, .. } => {
                let mut delta = self.reader.push(&std::mem::take(text));
                let rest = self.reader.finish();
                (delta.text, delta.thought) = (delta.text + &rest.text, delta.thought + &rest.thought);
                delta.calls.extend(rest.calls);
                self.called |= !delta.calls.is_empty();
                (*text, *thought, *calls) = (delta.text, delta.thought, delta.calls);
                if *finish == GenerationFinish::Stop && self.called {
                    // A stop sequence that stands in a call's arguments leaves half a call.
                    let cut = self.reader.has_open_call();
                    *finish = if cut { GenerationFinish::Length } else { GenerationFinish::ToolCalls };
                }
            }
        }
        piece
    }
}

impl Stream for Generation {
    type Item = Result<GenerationPiece, GenerationError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(context)
    }
}
