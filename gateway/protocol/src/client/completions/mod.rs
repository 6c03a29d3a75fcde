//! OpenAI's completions, from before there were chats: a prompt is a person's message, and the answer's text follows it.

mod encoder;
mod request;

pub(super) use request::read;
