//! The subcommands, one file each, and how they end.

pub mod ask;
pub mod calibrate;
pub mod check;
pub mod completions;
mod default_ladder;
pub mod demo;
pub mod eval;
pub mod fetch;
mod gateway_client;
pub mod init;
mod labelled;
mod neighbour;
mod own_gateway;
mod plot;
pub mod replay;
pub mod report;
pub mod salvage;
pub mod score;
mod scorer;
pub mod serve;

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

#[cfg(not(feature = "engine"))]
use clap::Args as _;
use clap::{CommandFactory, Parser, Subcommand};

use crate::terminal::say;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct CommandError {
    kind: CommandErrorKind,
    words: String,
}

router_policies::vocabulary! {
    /// Kinds of failures.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum CommandErrorKind {
        /// The command failed for a reason that is none of the others.
        Other = "other",
        /// The arguments make no sense, or name a file that is not there; but for the configuration's, which is 78.
        Usage = "usage",
        /// A service that is needed cannot be reached or used: a port, weights, a ledger, a Redis.
        Unavailable = "unavailable",
        /// The configuration cannot be used.
        Configuration = "configuration",
    }
}

impl CommandError {
    /// Anything that is none of the others: exit code 1.
    pub fn other(words: impl fmt::Display) -> Self {
        Self { kind: CommandErrorKind::Other, words: words.to_string() }
    }

    /// Arguments that make no sense, or name a file that is not there: exit code 2.
    pub fn usage(words: impl fmt::Display) -> Self {
        Self { kind: CommandErrorKind::Usage, words: words.to_string() }
    }

    /// A service that is needed cannot be reached or used: exit code 69.
    pub fn unavailable(words: impl fmt::Display) -> Self {
        Self { kind: CommandErrorKind::Unavailable, words: words.to_string() }
    }

    /// A configuration that cannot be used: exit code 78.
    pub fn configuration(words: impl fmt::Display) -> Self {
        Self { kind: CommandErrorKind::Configuration, words: words.to_string() }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.kind.code()
    }
}

impl CommandErrorKind {
    fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Configuration => 78,
        }
    }
}

/// Every exit code, and what it means.
pub fn exit_codes() -> Vec<(u8, &'static str, &'static str)> {
    let failures = CommandErrorKind::ALL.into_iter().map(|kind| (kind.code(), kind.word(), kind.meaning()));
    [(0, "success", "The command did what it was asked.")].into_iter().chain(failures).collect()
}

/// Every command with its options, also those that this build leaves out.
pub fn tree() -> clap::Command {
    let tree = CommandLine::command();
    #[cfg(not(feature = "engine"))]
    let tree = tree.subcommand(fetch::Args::augment_args(clap::Command::new("fetch")));
    tree
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for CommandError {}

/// An OpenAI-compatible gateway where a small and a large language model work together.
#[derive(Parser)]
#[command(name = "xietong", version = env!("XIETONG_VERSION"), max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Ask(ask::Args),
    Demo(demo::Args),
    Check(check::Args),
    Init(init::Args),
    #[cfg(feature = "engine")]
    Fetch(fetch::Args),
    Score(score::Args),
    Eval(eval::Args),
    Calibrate(calibrate::Args),
    Report(report::Args),
    Replay(replay::Args),
    Salvage(salvage::Args),
    Completions(completions::Args),
}

/// Runs a command, given as words; the first is the program's name. Words that make no sense end the process with 2.
///
/// # Errors
/// When the command does not do what it was asked.
pub fn run<T: Into<OsString> + Clone>(words: impl IntoIterator<Item = T>) -> Result<(), CommandError> {
    match CommandLine::parse_from(words).command {
        Command::Serve(args) => serve::run(args),
        Command::Ask(args) => ask::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Init(args) => init::run(&args),
        #[cfg(feature = "engine")]
        Command::Fetch(args) => fetch::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Salvage(args) => salvage::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// Reads the arguments, runs the command, and gives its exit code.
pub fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("xietong: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}
