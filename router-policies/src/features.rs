//! A prompt as numbers.

use std::borrow::Cow;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
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
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// The text, without images and other parts.
    pub text: Cow<'a, str>,
}

/// What a scorer reads of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// The conversation, oldest first.
    pub turns: Vec<Turn<'a>>,
    /// How many tools are offered.
    pub tools: usize,
    /// Whether a structured answer (JSON, a schema) is asked for.
    pub structured: bool,
    /// How many images, sounds or films are attached.
    pub attachments: usize,
}

/// The features of a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// Characters in the last human turn.
    pub chars: usize,
}

impl Features {
    /// Reads a prompt. Linear in its text, bounded by sampling.
    pub fn of(prompt: &Prompt<'_>) -> Self {
        let last = prompt.turns.iter().rev().find(|turn| turn.role == Role::User);
        Self { chars: last.map_or(0, |turn| turn.text.chars().count()) }
    }
}
