//! OpenAI's responses API. Only who asks in its words is answered by it: nothing is converted, all is read beside.

mod answer;
mod request;
mod stream;

pub(super) use answer::whole;
pub(super) use request::{as_it_came, native_fit};
pub use stream::ResponsesDecoder;

#[cfg(test)]
mod tests;
