//! `xietong salvage`: what is sound of a damaged ledger.

use std::path::PathBuf;

use super::{CommandError, say};
use ledger::ledger_file;

/// Copy what is sound of a damaged ledger to a new file.
///
/// A gateway refuses a ledger that is damaged before its end, because its budgets cannot be trusted. What budgets paid in
/// lines that are lost is not in the new file.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong salvage xietong.db saved.db && mv saved.db xietong.db")]
pub struct Args {
    /// The damaged ledger.
    ledger: PathBuf,
    /// The new file; it must not exist.
    new: PathBuf,
}

/// Copies and says what was lost.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let failed =
        |why| CommandError::other(format!("{} → {}: {why}", args.ledger.display(), args.new.display()));
    let (kept, lost) = ledger_file::salvage(&args.ledger, &args.new).map_err(failed)?;
    say(&format!("{kept} lines kept, {lost} damaged ones lost"));
    Ok(())
}
