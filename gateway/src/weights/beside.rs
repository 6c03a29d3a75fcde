//! Fetches the weights that a configuration names and that are not here yet, beside the gateway that runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_config::{GatewayConfig, ModelProvider};
use small_model::catalogue::{self, CatalogueEntry};

use super::progress::DownloadProgress;
use super::{FetchError, fetch, proof};
use crate::arrivals::ArrivalSender;
use crate::terminal::say;

/// How long to wait before weights are tried again that could not be had; each time twice as long as before.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Weights of the catalogue that a configuration's model needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WantedWeights {
    /// What they are.
    pub(crate) entry: &'static CatalogueEntry,
    /// Where they belong.
    pub(crate) folder: PathBuf,
}

/// The weights of the catalogue that the embedded models of a configuration need, in the models' order.
pub(crate) fn wanted(config: &GatewayConfig) -> Vec<WantedWeights> {
    let mut all: Vec<WantedWeights> = Vec::new();
    for model in &config.models {
        let ModelProvider::Embedded(embedded) = &model.provider else { continue };
        let Some(entry) = catalogue::by_path(&embedded.weights) else { continue };
        let folder = embedded.weights.parent().unwrap_or(Path::new("")).to_owned();
        let wanted = WantedWeights { entry, folder };
        if !all.contains(&wanted) {
            all.push(wanted);
        }
    }
    all
}

impl WantedWeights {
    /// Whether the file is here and is the catalogue's. One that was not verified yet is, which takes some seconds.
    pub(crate) fn is_here(&self) -> bool {
        let path = self.folder.join(self.entry.file);
        if !path.exists() || proof::holds(&path, self.entry) {
            return path.exists();
        }
        say(&format!("{}: is here; verifying", path.display()));
        proof::is_right(&path, self.entry)
    }

    /// Fetches and verifies the file.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn fetch(&self, progress: &mut DownloadProgress) -> Result<(), FetchError> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        fetch(self.entry, folder, progress).await
    }
}

/// Fetches these weights one after the other on a thread of its own, and says of each when it has come. What cannot be had is
/// tried again, ever more seldom.
pub(crate) fn fetch_beside(missing: Vec<WantedWeights>, sender: ArrivalSender) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for weights in &missing {
        sender.tell(weights.entry.file, format!("{}: waits to be fetched", weights.entry.file));
    }
    let thread = std::thread::Builder::new().name("weights".to_owned());
    let work = move || {
        runtime.block_on(async {
            for weights in &missing {
                until_here(weights, &sender).await;
            }
        });
    };
    // It ends with the process.
    thread.spawn(work).map(drop)
}

async fn until_here(weights: &WantedWeights, sender: &ArrivalSender) {
    let (file, bytes) = (weights.entry.file, weights.entry.bytes);
    let mut wait = FIRST_WAIT;
    loop {
        let mut progress = DownloadProgress::beside(file, bytes, sender.clone());
        let Err(error) = weights.fetch(&mut progress).await else {
            return sender.arrived(file);
        };
        say(&format!(
            "{error}\n{file}: the gateway goes on without it, and tries again in {} s",
            wait.as_secs()
        ));
        sender.tell(file, format!("{error}"));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_what_the_catalogue_has_and_models_name() {
        let yaml = "models:
  - {name: s, provider: embedded, weights: w/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf}
  - {name: again, provider: embedded, weights: w/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf, threads: 1}
  - {name: own, provider: embedded, weights: w/own.gguf}
  - {name: t, provider: embedded, weights: SmolLM2-135M-Instruct.Q4_1.gguf}
  - {name: l, preset: ollama, model: qwen2.5-coder-1.5b-instruct-q4_k_m.gguf}";
        let config = gateway_config::from_str(yaml, None, &|_| None).unwrap();
        let wanted: Vec<_> =
            wanted(&config).into_iter().map(|it| (it.entry.name, it.folder.display().to_string())).collect();
        let expected = [("qwen2.5-coder-0.5b", "w".to_owned()), ("smollm2-135m", String::new())];
        assert_eq!(wanted, expected);
    }

    #[test]
    fn what_is_damaged_or_missing_is_not_here() {
        let folder = std::env::temp_dir().join(format!("xietong-wanted-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let entry = catalogue::by_name("qwen2.5-coder-0.5b").unwrap();
        let weights = WantedWeights { entry, folder: folder.clone() };
        assert!(!weights.is_here());
        std::fs::write(folder.join(entry.file), "cut").unwrap();
        assert!(!weights.is_here());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
