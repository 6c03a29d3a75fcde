//! `xietong completions`: what a shell needs to complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{CommandError, CommandLine};

/// Print completions for a shell.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong completions bash > /etc/bash_completion.d/xietong")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Writes the script to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "xietong", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(CommandError::other)
}
