//! Why a connection failed, in the system's words: for the operator's log and traces, never for clients or labels.

use std::error::Error;

use super::shown;

/// The most characters of a cause.
const LONGEST: usize = 160;

/// What was being done when a connection failed, and why it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCause {
    /// What was being done.
    pub phase: TransportPhase,
    /// What the system, or the library below us, said. It has no address, query, secret or body in it.
    pub words: Box<str>,
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportPhase {
    /// The address of a host name is looked up.
    Dns,
    /// A connection is opened.
    Connect,
    /// It is encrypted, and the peer's certificate looked at.
    Tls,
    /// A request is written.
    Write,
    /// A response is read.
    Read,
}

impl FailureCause {
    /// In words of our own.
    pub fn new(phase: TransportPhase, words: &str) -> Self {
        Self { phase, words: shown(words, LONGEST).into() }
    }

    /// In the words of an error's innermost source. Those around it name addresses, which may hold what is secret.
    pub fn of(phase: TransportPhase, error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        // A library's outermost error says what was asked for, with its address.
        if innermost.is::<reqwest::Error>() {
            return Self::new(phase, "the request failed");
        }
        Self::new(phase, &innermost.to_string())
    }
}

impl TransportPhase {
    /// The word for logs and traces.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("POST https://host/v1?key=secret failed")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_cause_has_the_innermost_words_on_one_short_line() {
        let check = |inner: io::Error, expected: &str| {
            assert_eq!(&*FailureCause::of(TransportPhase::Connect, &Outer(inner)).words, expected);
        };
        check(io::Error::from_raw_os_error(111), "Connection refused (os error 111)");
        check(io::Error::other("no\nsuch\u{202e}thing"), "no\\u{a}such\\u{202e}thing");
        let long = FailureCause::new(TransportPhase::Read, &"x".repeat(1000));
        assert_eq!((long.words.chars().count(), long.phase.word()), (LONGEST + 1, "read"));
    }
}
