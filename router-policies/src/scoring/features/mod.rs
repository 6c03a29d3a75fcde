//! A prompt as numbers: some fifty readable ones, and the hashes of its words and word pairs.
//!
//! Linear in the text and bounded: of long texts the beginning and the end are read. Safe on any Unicode.

mod cues;
mod grams;
mod lexicon;
mod options;
mod readable;
mod sample;
mod signs;
pub(crate) mod tokens;
mod wrapper;

use std::borrow::Cow;

pub use cues::{CUE_NAMES, CUES};
pub use grams::{HashedGram, SLOTS};
pub use readable::{COUNT, NAMES};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptRole {
    /// The operator's instructions (`system`, `developer`).
    System,
    /// The human.
    User,
    /// The model.
    Assistant,
    /// What a tool gave back.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTurn<'a> {
    /// Who speaks.
    pub role: PromptRole,
    /// The text, without images and other parts.
    pub text: Cow<'a, str>,
}

/// What a scorer reads of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// The conversation, oldest first.
    pub turns: Vec<PromptTurn<'a>>,
    /// How many tools are offered.
    pub tools: usize,
    /// Whether a structured answer (JSON, a schema) is asked for.
    pub structured: bool,
    /// How many images, sounds or films are attached.
    pub attachments: usize,
}

impl<'a> Prompt<'a> {
    /// A single question without anything around it.
    pub fn from_text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { turns: vec![PromptTurn { role: PromptRole::User, text: text.into() }], ..Self::default() }
    }
}

/// The features of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Characters in the last human turn, wrapper text left out.
    pub chars: usize,
    /// The readable features, in the order of [`NAMES`].
    pub readable: [f32; COUNT],
    /// The cues of common sense, in the order of [`CUE_NAMES`].
    pub cues: [f32; CUES],
    /// The words and word pairs, each once, in the order of their first appearance.
    pub grams: Vec<HashedGram>,
}

impl Features {
    /// Reads a prompt. Linear in its text, bounded by sampling.
    pub fn of(prompt: &Prompt<'_>) -> Self {
        let sample = sample::TextSample::of(prompt);
        let tokens = tokens::tokens(&sample.chars);
        let grams = grams::grams(&tokens);
        let counts = lexicon::count(&tokens, sample.last);
        let readable = readable::readable(prompt, &sample, &tokens, &counts);
        Self { chars: sample.length, readable, cues: cues::cues(&counts.cues, counts.opening), grams }
    }

    /// The readable features by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f32)> + '_ {
        NAMES.iter().copied().zip(self.readable)
    }
}

impl Default for Features {
    fn default() -> Self {
        Self { chars: 0, readable: [0.0; COUNT], cues: [0.0; CUES], grams: Vec::new() }
    }
}
